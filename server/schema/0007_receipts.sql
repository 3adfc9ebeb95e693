-- What Apple says of an App Attest key: the newest receipt, sealed, and from when on it gives a newer one for it.
ALTER TABLE instance ADD COLUMN receipt BYTEA;
ALTER TABLE instance ADD COLUMN receipt_due_ms BIGINT NOT NULL DEFAULT 0;
