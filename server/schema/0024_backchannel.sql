-- What clients ask people on their own devices (CIBA), from the request until its tokens have had their time. A poll that finds nothing new
-- writes nothing here.
CREATE TABLE backchannel_request (
  id BYTEA NOT NULL PRIMARY KEY,            -- 6 bytes of milliseconds, then random ones
  client TEXT NOT NULL,
  account TEXT NOT NULL,                    -- who is asked; empty: nobody has that name, and nobody is asked
  places BYTEA NOT NULL,                    -- keys of `attempt` that were charged, 32 bytes each
  salt BYTEA NOT NULL,                      -- of the second tag of the auth_req_id
  body BYTEA NOT NULL,                      -- sealed: the request, the message, the token of the notification
  state TEXT NOT NULL,                      -- 'pending' | 'approved' | 'denied'
  version BIGINT NOT NULL,                  -- raised by the answer
  session BYTEA NOT NULL,                   -- with `number`: the grant of an approved one
  number BIGINT NOT NULL,
  answered_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);
CREATE INDEX backchannel_request_by_end ON backchannel_request (expires_ms);
CREATE INDEX backchannel_request_by_account ON backchannel_request (account);
-- Where an app's installation is woken up (APNs, FCM). It belongs to the grant and goes with it.
CREATE TABLE push_address (
  session BYTEA NOT NULL,
  number BIGINT NOT NULL,
  account TEXT NOT NULL,
  address BYTEA NOT NULL,                   -- sealed
  written_ms BIGINT NOT NULL,
  PRIMARY KEY (session, number)
);
CREATE INDEX push_address_by_account ON push_address (account);
