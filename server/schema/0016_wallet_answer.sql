-- What a wallet has answered, until the browser that began comes for it. One answer for each request.
CREATE TABLE wallet_answer (
  id BYTEA NOT NULL PRIMARY KEY,            -- of the request
  code BYTEA NOT NULL,                      -- SHA-256 of the response_code
  body BYTEA NOT NULL,                      -- what came of it, sealed
  expires_ms BIGINT NOT NULL
);
CREATE INDEX wallet_answer_by_expiry ON wallet_answer (expires_ms);
