-- Sign-ins that an app shares with other apps of its organisation on the same phone (Native SSO). The secret itself is a function of the
-- grant; here is the key that it is bound to.
CREATE TABLE device_secret (
  session BYTEA NOT NULL,
  number BIGINT NOT NULL,                   -- with `session`: the grant of the app that shares
  account TEXT NOT NULL,
  client TEXT NOT NULL,
  instance TEXT NOT NULL,                   -- the installation that shares
  sso_jkt TEXT NOT NULL,                    -- thumbprint of the SSO key
  written_ms BIGINT NOT NULL,
  PRIMARY KEY (session, number)
);
CREATE INDEX device_secret_by_installation ON device_secret (client, instance);
CREATE INDEX device_secret_by_account ON device_secret (account);
