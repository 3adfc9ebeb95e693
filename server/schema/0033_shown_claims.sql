-- Claims of the account that an identity shows and leads, as JSON. They are of its method and issuer, and go with the link. Empty: none.
ALTER TABLE outside_identity ADD COLUMN claims TEXT NOT NULL DEFAULT '';
-- When the identity named such claims last.
ALTER TABLE outside_identity ADD COLUMN claims_ms BIGINT NOT NULL DEFAULT 0;
