-- Which sessions rest on a sign-in at a provider, so that its logout tokens find them (OpenID Connect Back-Channel Logout 1.0).
CREATE TABLE provider_session (
  session BYTEA NOT NULL,
  identity TEXT NOT NULL,                   -- the digest of issuer and subject, as in outside_identity.name
  sid TEXT NOT NULL,                        -- a digest of issuer and sid; empty where the provider named no session
  account TEXT NOT NULL,
  left_ms BIGINT NOT NULL,                  -- when the person left for the provider
  PRIMARY KEY (session, identity)
);
CREATE INDEX provider_session_by_identity ON provider_session (identity);
CREATE INDEX provider_session_by_sid ON provider_session (sid);
CREATE INDEX provider_session_by_account ON provider_session (account);
-- When a provider said that a person, or a session there, is signed out. A sign-in that left before is refused.
CREATE TABLE provider_logout (
  name TEXT PRIMARY KEY,                    -- as identity or sid above
  at_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL
);
