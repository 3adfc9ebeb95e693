-- Budgets: how often something was tried within a window. `key` is a MAC over what is tried, for whom, and from where.
CREATE TABLE attempt (
  key BYTEA NOT NULL PRIMARY KEY,
  used BIGINT NOT NULL,                     -- charged before a secret is checked, given back by success
  until_ms BIGINT NOT NULL                  -- end of the window
);
-- Guesses are counted above, for names nobody has as well.
ALTER TABLE account DROP COLUMN attempts;
ALTER TABLE account DROP COLUMN attempts_until_ms;
