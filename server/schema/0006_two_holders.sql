-- Late repeats of a refresh: of which generation the last one was, and how many generations in a row had one.
ALTER TABLE app_grant ADD COLUMN late_generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE app_grant ADD COLUMN late_in_a_row BIGINT NOT NULL DEFAULT 0;
-- Since when two holders are suspected. 0: they are not, or fresh evidence was given since.
ALTER TABLE app_grant ADD COLUMN suspected_ms BIGINT NOT NULL DEFAULT 0;
