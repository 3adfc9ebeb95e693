-- What a provider gave for a person, where an API may have it (RFC 8693). Sealed: nobody reads it without the master key.
CREATE TABLE provider_token (
  identity TEXT PRIMARY KEY,                -- as outside_identity.name
  account TEXT NOT NULL,
  provider TEXT NOT NULL,                   -- its name in the configuration
  sealed BYTEA NOT NULL,
  generation BIGINT NOT NULL,               -- counts what was written, so that of two renewals one counts
  updated_ms BIGINT NOT NULL
);
CREATE INDEX provider_token_by_account ON provider_token (account);
