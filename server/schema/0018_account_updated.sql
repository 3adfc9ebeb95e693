-- When name, address, language or claims of a person last changed: the claim `updated_at`.
ALTER TABLE account ADD COLUMN updated_ms BIGINT NOT NULL DEFAULT 0;
UPDATE account SET updated_ms = created_ms;
