-- The processes that serve this issuer, each with the digest of its configuration, so that a disagreement is seen.
CREATE TABLE node (
  id TEXT NOT NULL PRIMARY KEY,
  configuration TEXT NOT NULL,
  seen_ms BIGINT NOT NULL
);
