-- A browser's session that came from an app: it ends with the app's grant, and answers the requests of these clients alone.
ALTER TABLE session ADD COLUMN parent BYTEA;          -- the app's session; NULL: the session came from no app
ALTER TABLE session ADD COLUMN parent_number BIGINT;  -- with `parent`: the app's grant
ALTER TABLE session ADD COLUMN clients TEXT;          -- JSON: a list of client_ids; NULL: all
CREATE INDEX session_by_parent ON session (parent);
-- Tickets from an app to a browser. The ticket itself is stored nowhere.
CREATE TABLE handover (
  id BYTEA NOT NULL PRIMARY KEY,            -- SHA-256 of the ticket
  session BYTEA NOT NULL,
  number BIGINT NOT NULL,                   -- with `session`: the app's grant
  account TEXT NOT NULL,
  client TEXT NOT NULL,
  secret BYTEA NOT NULL,                    -- SHA-256 of the cookie of the browser that opened it; empty: none yet
  expires_ms BIGINT NOT NULL
);
CREATE INDEX handover_by_expiry ON handover (expires_ms);
CREATE INDEX handover_by_account ON handover (account);
