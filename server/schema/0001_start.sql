-- One text for SQLite and PostgreSQL: BIGINT, TEXT, BYTEA only. Instants are milliseconds since the epoch. Flags are 0 or 1.
-- Keys are time-ordered, secondary indexes are rare: both were measured to cost a factor of four at load.

-- A person. `id` is the `sub` claim and is never reused. `claims` is a JSON object of further claims.
CREATE TABLE account (
  id TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL,                      -- 'active' | 'disabled'
  email TEXT,                               -- as the person wrote it
  email_verified BIGINT NOT NULL,
  name TEXT,
  locale TEXT,
  claims TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  sessions_from_ms BIGINT NOT NULL,         -- sessions that began before this instant are over
  attempts BIGINT NOT NULL,                 -- charged before a secret is checked, given back by success
  attempts_until_ms BIGINT NOT NULL,
  version BIGINT NOT NULL
);

-- Every string a person can sign in with, canonicalised; user names and e-mail addresses share one space.
CREATE TABLE login_name (
  name TEXT NOT NULL PRIMARY KEY,
  account TEXT NOT NULL
);

-- What proves a person: 'password' (argon2id string), 'totp' (sealed secret), 'recovery' (digests), later passkeys.
CREATE TABLE credential (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  secret BYTEA NOT NULL,
  created_ms BIGINT NOT NULL,
  used_ms BIGINT NOT NULL,
  PRIMARY KEY (account, kind, id)
);

-- One person authenticated on one device or browser. `id` is 16 bytes, time-ordered, and never leaves the server in clear.
CREATE TABLE session (
  id BYTEA NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  state TEXT NOT NULL,                      -- 'active' | 'ended'
  cookie BYTEA NOT NULL,                    -- SHA-256 of the browser's cookie secret
  proofs TEXT NOT NULL,                     -- JSON [{method, subject, at_ms}]
  acr TEXT NOT NULL,
  amr TEXT NOT NULL,                        -- space-separated
  auth_time_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  used_ms BIGINT NOT NULL,
  ends_ms BIGINT NOT NULL,                  -- absolute end
  version BIGINT NOT NULL
);

-- What one client got from a session. A grant's code and its refresh tokens are MACs over (session, number, generation).
CREATE TABLE app_grant (
  session BYTEA NOT NULL,
  number BIGINT NOT NULL,
  account TEXT NOT NULL,
  client TEXT NOT NULL,
  holder_kind TEXT NOT NULL,                -- 'bearer' | 'jkt' | 'certificate' | 'instance' | 'client'
  holder TEXT NOT NULL,
  scope TEXT NOT NULL,
  resource TEXT NOT NULL,                   -- JSON array of resource indicators (RFC 8707)
  request TEXT NOT NULL,                    -- JSON: redirect_uri, code_challenge, nonce, dpop_jkt, acr, claims: what the exchange needs
  state TEXT NOT NULL,                      -- 'code' | 'active' | 'ended'
  generation BIGINT NOT NULL,
  salt BYTEA NOT NULL,
  code_failures BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  issued_ms BIGINT NOT NULL,                -- first issue of the newest generation
  used_ms BIGINT NOT NULL,
  ends_ms BIGINT NOT NULL,
  PRIMARY KEY (session, number)
);
-- Listing and ending by person is rare; it must not need a scan of everybody.
CREATE INDEX session_by_account ON session (account);

-- RFC 9126. Deleted by the change that issues the code, or by age.
CREATE TABLE pushed_request (
  id BYTEA NOT NULL PRIMARY KEY,
  client TEXT NOT NULL,
  body TEXT NOT NULL,
  expires_ms BIGINT NOT NULL
);

-- A login under way; written by its first answer.
CREATE TABLE login (
  id BYTEA NOT NULL PRIMARY KEY,
  client TEXT NOT NULL,
  body BYTEA NOT NULL,                      -- sealed JSON: request, proofs, pending question, its secret
  version BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  state TEXT NOT NULL,                      -- 'open' | 'done' | 'failed'
  expires_ms BIGINT NOT NULL
);

CREATE TABLE consent (
  account TEXT NOT NULL,
  client TEXT NOT NULL,
  scope TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (account, client)
);

-- Works once, on any number of nodes. `bucket` is the hour of the last instant at which the artefact could be accepted.
CREATE TABLE once (
  bucket BIGINT NOT NULL,
  kind TEXT NOT NULL,
  key BYTEA NOT NULL,
  PRIMARY KEY (bucket, kind, key)
);

-- Single access tokens ended before their time.
CREATE TABLE revoked (
  jti TEXT NOT NULL PRIMARY KEY,
  until_ms BIGINT NOT NULL
);

-- Ends many things with one row: everything of (kind, key) that was made before `before_ms` is over.
CREATE TABLE cutoff (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  before_ms BIGINT NOT NULL,
  PRIMARY KEY (kind, key)
);

-- `id`: milliseconds (6 bytes), node (4), counter (6), so that entries sort by time.
CREATE TABLE audit_security (id BYTEA NOT NULL PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE audit_routine (id BYTEA NOT NULL PRIMARY KEY, body TEXT NOT NULL);

-- Effects outside the house, written in the same change as their cause, carried out at least once.
CREATE TABLE outbox (
  id BYTEA NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  body BYTEA NOT NULL,                      -- sealed JSON
  attempts BIGINT NOT NULL,
  next_ms BIGINT NOT NULL
);

CREATE TABLE signing_key (
  kid TEXT NOT NULL PRIMARY KEY,
  alg TEXT NOT NULL,
  private BYTEA NOT NULL,                   -- sealed PKCS#8
  public TEXT NOT NULL,                     -- JWK
  created_ms BIGINT NOT NULL,
  signs_from_ms BIGINT NOT NULL,            -- published before it signs
  signs_until_ms BIGINT NOT NULL,
  published_until_ms BIGINT NOT NULL        -- outlives the last token it signed
);

-- Clients registered by `symbolon client import`; the configuration file's own clients always win.
CREATE TABLE client (
  id TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL,
  body TEXT NOT NULL,
  created_ms BIGINT NOT NULL
);

-- Facts about this store: schema version, store epoch, canary of the master key.
CREATE TABLE fact (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);
