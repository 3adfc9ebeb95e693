-- Hosts whose association files name the app of a client of the configuration, as they were looked at last.
CREATE TABLE proved_link (
  client TEXT NOT NULL,
  host TEXT NOT NULL,
  app TEXT NOT NULL,                        -- a digest of the app as it was configured: another one is not proved
  until_ms BIGINT NOT NULL,
  PRIMARY KEY (client, host)
);
CREATE INDEX proved_link_until ON proved_link (until_ms);

-- Hosts that open an app, and whose. Phones remember a host for longer than the configuration names it.
CREATE TABLE held_host (
  host TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  until_ms BIGINT NOT NULL
);
CREATE INDEX held_host_until ON held_host (until_ms);
