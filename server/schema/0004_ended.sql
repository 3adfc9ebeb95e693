-- When something ended before its time, so that APIs can be told within a second. 0: it lives, or ended by itself.
ALTER TABLE session ADD COLUMN ended_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE app_grant ADD COLUMN ended_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE revoked ADD COLUMN ended_ms BIGINT NOT NULL DEFAULT 0;
-- Only what has ended is in them: a refresh touches neither.
CREATE INDEX session_ended ON session (ended_ms) WHERE ended_ms > 0;
CREATE INDEX app_grant_ended ON app_grant (ended_ms) WHERE ended_ms > 0;
CREATE INDEX revoked_ended ON revoked (ended_ms) WHERE ended_ms > 0;
