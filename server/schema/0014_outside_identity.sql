-- An identity at a provider, and the account that it leads to. Its key is the verified issuer and the subject there: never an address,
-- and never a name of the configuration.
CREATE TABLE outside_identity (
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  name TEXT NOT NULL,                       -- a digest of both: its name in proofs, on pages and in the audit
  account TEXT NOT NULL,
  method TEXT NOT NULL,                     -- the login method by which it was last used
  said TEXT NOT NULL,                       -- JSON: what the provider last said of the person; it decides nothing
  created_ms BIGINT NOT NULL,
  used_ms BIGINT NOT NULL,
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX outside_identity_by_account ON outside_identity (account);
