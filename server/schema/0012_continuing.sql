-- An answer to a client that waits on the continue page for the person's tap. id: the digest of the page's reference.
-- secret: the digest of the cookie of the browser that opened it first; empty until then.
CREATE TABLE continuing (
  id BYTEA PRIMARY KEY,
  secret BYTEA NOT NULL,
  body BYTEA NOT NULL,
  expires_ms BIGINT NOT NULL
);
CREATE INDEX continuing_expires ON continuing (expires_ms);
