-- A sign-in under way: one row from its first answer on, replaced by each answer and never added to. `login` stays for nodes of the
-- version before; a later migration drops it.
CREATE TABLE sign_in (
  id BYTEA NOT NULL PRIMARY KEY,            -- of the start: one start, one row
  body BYTEA NOT NULL,                      -- sealed JSON: request, journey, proofs, pending question, end
  version BIGINT NOT NULL,                  -- how many answers have moved it
  secret BYTEA NOT NULL,                    -- SHA-256 of the browser's present secret
  secret_before BYTEA NOT NULL,             -- of the one before
  answered BYTEA NOT NULL,                  -- MAC of the last answer, under the version of the master key in its first byte
  taken_by BYTEA NOT NULL,                  -- MAC of the answer that is being judged; empty: none
  taken_ms BIGINT NOT NULL,
  state TEXT NOT NULL,                      -- 'open' | 'ended' | 'void'
  expires_ms BIGINT NOT NULL
);
-- How many names a person has decides how often all of them together may be tried. Names are written once and seldom read so.
CREATE INDEX login_name_by_account ON login_name (account);
