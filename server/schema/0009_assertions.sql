-- The digest of the newest assertion that was accepted: the same once more is no alarm, another with its counter is one.
ALTER TABLE instance ADD COLUMN assertion BYTEA;
