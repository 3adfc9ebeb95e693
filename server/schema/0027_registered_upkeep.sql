-- Keys of registered clients that are at an address (RFC 7591, jwks_uri). What was read last is in the body.
ALTER TABLE client ADD COLUMN keys_uri TEXT;
ALTER TABLE client ADD COLUMN keys_fetched_ms BIGINT;   -- when they were read last
ALTER TABLE client ADD COLUMN keys_fresh_ms BIGINT;     -- they need not be read again before

-- When the hosts of a client are asked again whether it is theirs. Null: nobody has proved anything.
ALTER TABLE client ADD COLUMN proofs_due_ms BIGINT;
CREATE INDEX client_proofs_due ON client (proofs_due_ms);
UPDATE client SET proofs_due_ms = 0 WHERE token IS NOT NULL AND proofs LIKE '%"hosts":{"%';
