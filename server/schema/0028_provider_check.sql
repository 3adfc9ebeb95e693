-- When a provider last said that a person may still come, and when it is asked again.
CREATE TABLE provider_check (
  identity TEXT PRIMARY KEY,                -- as outside_identity.name
  account TEXT NOT NULL,
  provider TEXT NOT NULL,                   -- its name in the configuration
  checked_ms BIGINT NOT NULL,
  next_ms BIGINT NOT NULL                   -- 0: it cannot be asked
);
CREATE INDEX provider_check_by_next ON provider_check (next_ms);
CREATE INDEX provider_check_by_account ON provider_check (account);
-- 1: a refresh token is among what is sealed. A sign-in that brings none takes none away.
ALTER TABLE provider_token ADD COLUMN renewable BIGINT NOT NULL DEFAULT 0;
