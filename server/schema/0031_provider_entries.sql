-- Two entries of the configuration may have one issuer, so that one identity signs in by either. What a provider was asked, what it gave and
-- what a session rests on belong to the entry by which the person came.
CREATE TABLE provider_check_of_entry (
  identity TEXT NOT NULL,                   -- as outside_identity.name
  account TEXT NOT NULL,
  provider TEXT NOT NULL,                   -- its name in the configuration
  checked_ms BIGINT NOT NULL,
  next_ms BIGINT NOT NULL,                  -- 0: it cannot be asked
  PRIMARY KEY (identity, provider)
);
INSERT INTO provider_check_of_entry (identity, account, provider, checked_ms, next_ms)
  SELECT identity, account, provider, checked_ms, next_ms FROM provider_check;
DROP TABLE provider_check;
ALTER TABLE provider_check_of_entry RENAME TO provider_check;
CREATE INDEX provider_check_by_next ON provider_check (next_ms);
CREATE INDEX provider_check_by_account ON provider_check (account);
CREATE TABLE provider_token_of_entry (
  identity TEXT NOT NULL,                   -- as outside_identity.name
  account TEXT NOT NULL,
  provider TEXT NOT NULL,                   -- its name in the configuration
  sealed BYTEA NOT NULL,
  generation BIGINT NOT NULL,               -- counts what was written, so that of two renewals one counts
  updated_ms BIGINT NOT NULL,
  renewable BIGINT NOT NULL DEFAULT 0,      -- 1: a refresh token is among what is sealed
  PRIMARY KEY (identity, provider)
);
INSERT INTO provider_token_of_entry (identity, account, provider, sealed, generation, updated_ms, renewable)
  SELECT identity, account, provider, sealed, generation, updated_ms, renewable FROM provider_token;
DROP TABLE provider_token;
ALTER TABLE provider_token_of_entry RENAME TO provider_token;
CREATE INDEX provider_token_by_account ON provider_token (account);
CREATE TABLE provider_session_of_entry (
  session BYTEA NOT NULL,
  identity TEXT NOT NULL,                   -- the digest of issuer and subject, as in outside_identity.name
  provider TEXT NOT NULL,                   -- its name in the configuration
  sid TEXT NOT NULL,                        -- a digest of issuer and sid; of issuer and subject where the provider named no session
  account TEXT NOT NULL,
  left_ms BIGINT NOT NULL,                  -- when the person left for the provider
  PRIMARY KEY (session, identity, provider)
);
-- Until now the entry that was used last stood for all.
INSERT INTO provider_session_of_entry (session, identity, provider, sid, account, left_ms)
  SELECT p.session, p.identity, COALESCE((SELECT SUBSTR(o.method, 10) FROM outside_identity o
    WHERE o.account = p.account AND o.name = p.identity AND o.method LIKE 'upstream:%'), ''), p.sid, p.account, p.left_ms
  FROM provider_session p;
DROP TABLE provider_session;
ALTER TABLE provider_session_of_entry RENAME TO provider_session;
CREATE INDEX provider_session_by_identity ON provider_session (identity);
CREATE INDEX provider_session_by_sid ON provider_session (sid);
CREATE INDEX provider_session_by_account ON provider_session (account);
-- The ID token of a provider's session, sealed: shown to that provider when the person signs out here (id_token_hint).
CREATE TABLE provider_hint (
  identity TEXT NOT NULL,                   -- as outside_identity.name
  provider TEXT NOT NULL,                   -- its name in the configuration
  sid TEXT NOT NULL,                        -- as provider_session.sid
  account TEXT NOT NULL,
  sealed BYTEA NOT NULL,
  until_ms BIGINT NOT NULL,
  PRIMARY KEY (identity, provider, sid)
);
CREATE INDEX provider_hint_by_account ON provider_hint (account);
CREATE INDEX provider_hint_by_until ON provider_hint (until_ms);
-- What a provider gave, after the link or the account is gone here: it is revoked there too, as soon as the provider answers.
CREATE TABLE provider_revocation (
  identity TEXT NOT NULL,                   -- as provider_token.identity: sealed to it
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  sealed BYTEA NOT NULL,
  since_ms BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  next_ms BIGINT NOT NULL,
  PRIMARY KEY (identity, provider, since_ms)
);
CREATE INDEX provider_revocation_by_next ON provider_revocation (next_ms);
-- When the provider said that the address there takes no mail any more; 0: it does.
ALTER TABLE outside_identity ADD COLUMN email_off_ms BIGINT NOT NULL DEFAULT 0;
-- By which identity a provider moves somebody: a subject of before, and what the provider calls the person while apps move to another team.
CREATE TABLE provider_transfer (
  issuer TEXT NOT NULL,
  transfer_sub TEXT NOT NULL,
  subject TEXT NOT NULL,                    -- of before
  PRIMARY KEY (issuer, transfer_sub)
);
-- 1: the ticket invites somebody to an account that has no means to sign in yet.
ALTER TABLE ticket ADD COLUMN invites BIGINT NOT NULL DEFAULT 0;
