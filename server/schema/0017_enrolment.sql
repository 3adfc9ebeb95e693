-- Means to sign in that were added, or replaced, and that nobody has confirmed yet. Until then each counts for no more than the proofs
-- that it was added with. A means without a row counts in full: so do all that were there before this table.
CREATE TABLE enrolment (
  id BYTEA NOT NULL PRIMARY KEY,            -- of this enrolment: a later one of the same means has another
  account TEXT NOT NULL,
  means TEXT NOT NULL,                      -- 'password' | 'email' | 'totp' | 'recovery' | 'passkey:ID' | 'identity:NAME'
  enrolled_with TEXT NOT NULL,              -- the proofs, such as 'password+passkey/verified'; '-': none
  enrolled_ms BIGINT NOT NULL,
  letters BIGINT NOT NULL,                  -- about it that have not left yet
  told_ms BIGINT NOT NULL,                  -- when the last one left; 0: none has
  former TEXT                               -- what it replaced: an address, or the digest of a password
);
CREATE UNIQUE INDEX enrolment_means ON enrolment (account, means);
CREATE INDEX enrolment_told ON enrolment (told_ms);

-- A ticket by which an operator lets a person add means that count at once. One for each person.
CREATE TABLE ticket (
  account TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,                       -- a MAC of the text that the operator gives to the person
  until_ms BIGINT NOT NULL
);
