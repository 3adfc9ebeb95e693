-- What a device without a browser asks for (RFC 8628), from its start until its code has had its time. A poll that finds nothing new
-- writes nothing here.
CREATE TABLE device_request (
  id BYTEA NOT NULL PRIMARY KEY,            -- 6 bytes of milliseconds, then random ones
  user_code BYTEA NOT NULL UNIQUE,          -- MAC of the user code
  client TEXT NOT NULL,
  salt BYTEA NOT NULL,                      -- of the second tag of the device_code
  body TEXT NOT NULL,                       -- JSON: the request, and who started it
  state TEXT NOT NULL,                      -- 'pending' | 'approved' | 'denied'
  account TEXT NOT NULL,                    -- who answered; empty: nobody yet
  session BYTEA NOT NULL,                   -- with `number`: the grant of an approved one
  number BIGINT NOT NULL,
  answered_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL                -- of the user code; tokens can be fetched for two minutes more
);
CREATE INDEX device_request_by_end ON device_request (expires_ms);
CREATE INDEX device_request_by_account ON device_request (account);
