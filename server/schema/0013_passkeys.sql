-- Passkeys (WebAuthn Level 3). One row for each account that has or had one, or said no to the offer of one. `handle` is random, and
-- is the user handle of all its passkeys: base64url text of 32 bytes, whose ASCII bytes the authenticator keeps.
CREATE TABLE passkey_user (
  account TEXT NOT NULL PRIMARY KEY,
  handle TEXT NOT NULL,
  declined_ms BIGINT NOT NULL               -- 0: never asked, or never said no
);
CREATE UNIQUE INDEX passkey_user_handle ON passkey_user (handle);

-- One row for each credential. `id` is base64url of at most 1023 bytes; `public_id` is a digest of it, which pages, proofs and the audit
-- name it by. `public_key` is a COSE_Key.
CREATE TABLE passkey (
  rp_id TEXT NOT NULL,
  id TEXT NOT NULL,
  account TEXT NOT NULL,
  public_id TEXT NOT NULL,
  public_key BYTEA NOT NULL,
  counter BIGINT NOT NULL,
  transports TEXT NOT NULL,                 -- separated by spaces
  backup_eligible BIGINT NOT NULL,
  backed_up BIGINT NOT NULL,
  user_verified BIGINT NOT NULL,            -- when it was made
  discoverable BIGINT NOT NULL,             -- 0: it needs the name first; 1: it does not, or the platform did not say
  aaguid BYTEA NOT NULL,
  attested BIGINT NOT NULL,                 -- 1: a maker that is believed says what it is
  name TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  used_ms BIGINT NOT NULL,                  -- 0: never used
  PRIMARY KEY (rp_id, id)
);
CREATE INDEX passkey_account ON passkey (account);
