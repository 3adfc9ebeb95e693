-- A browser or an installation on which a person proved all that a policy asks for, and what was proved. A policy may ask for less there.
CREATE TABLE known_device (
  account TEXT NOT NULL,
  device TEXT NOT NULL,                     -- a digest of what the device is known by
  label TEXT NOT NULL,
  proofs TEXT NOT NULL,                     -- facts, as in a session
  first_ms BIGINT NOT NULL,
  last_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  PRIMARY KEY (account, device)
);
CREATE INDEX known_device_until ON known_device (until_ms);
