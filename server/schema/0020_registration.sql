-- Clients that registered themselves (RFC 7591). Those of an operator have no policy; nothing ends them by time.
ALTER TABLE client ADD COLUMN policy TEXT;            -- the [client_registration.NAME] it was registered by
ALTER TABLE client ADD COLUMN token BYTEA;            -- the digest of its registration access token (RFC 7592)
ALTER TABLE client ADD COLUMN proofs TEXT;            -- which hosts it has proved, and when
ALTER TABLE client ADD COLUMN changed_ms BIGINT;      -- consents of before do not count
ALTER TABLE client ADD COLUMN used_ms BIGINT;         -- when it got its last grant; 0: it has none yet
ALTER TABLE client ADD COLUMN until_ms BIGINT;        -- it is gone then, unless it is used before
ALTER TABLE client ADD COLUMN fetched_ms BIGINT;      -- of a client that is a document: when it was read last
ALTER TABLE client ADD COLUMN fresh_ms BIGINT;        -- it need not be read again before
CREATE INDEX client_until ON client (until_ms);

-- Tokens by which an operator lets somebody register clients (RFC 7591 3).
CREATE TABLE initial_access_token (
  id TEXT NOT NULL PRIMARY KEY,
  policy TEXT NOT NULL,
  digest BYTEA NOT NULL,
  uses BIGINT NOT NULL,                               -- how many clients it may still register
  created_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL
);
CREATE INDEX initial_access_token_until ON initial_access_token (until_ms);
