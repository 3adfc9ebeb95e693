-- Installations of apps that this server attested. The key is the installation's own; what proved it is beside it.
CREATE TABLE instance (
  client TEXT NOT NULL,
  jkt TEXT NOT NULL,                        -- RFC 7638 thumbprint of the installation's key
  state TEXT NOT NULL,                      -- 'active' | 'revoked'
  platform TEXT NOT NULL,                   -- 'ios' | 'android'
  tier TEXT NOT NULL,
  evidence_key BYTEA NOT NULL,              -- App Attest: the attested P-256 point; empty elsewhere
  counter BIGINT NOT NULL,                  -- App Attest: of the last assertion
  facts TEXT NOT NULL,                      -- JSON of what the evidence said
  created_ms BIGINT NOT NULL,
  attested_ms BIGINT NOT NULL,
  PRIMARY KEY (client, jkt)
);
