-- What a person sees of an account: from where each session was opened, and what happened to the account. An event has one row for an
-- account and an instant; the audit has all the rest.
ALTER TABLE session ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
CREATE TABLE account_event (
  account TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  event TEXT NOT NULL,                      -- a name of the audit
  client TEXT NOT NULL,                     -- empty: none
  address TEXT NOT NULL,                    -- where it came from; empty: unknown
  by_operator BIGINT NOT NULL,
  PRIMARY KEY (account, at_ms, event)
);
CREATE INDEX account_event_at ON account_event (at_ms);
