-- A key that a platform attested proves one installation of one client: the App Attest key, or the Keystore's own.
CREATE UNIQUE INDEX instance_evidence_key ON instance (evidence_key) WHERE length(evidence_key) > 0;
