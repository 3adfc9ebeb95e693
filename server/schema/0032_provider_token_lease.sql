-- Whoever renews it has it alone until then: many providers take two uses of one refresh token for a theft.
ALTER TABLE provider_token ADD COLUMN leased_until_ms BIGINT NOT NULL DEFAULT 0;
