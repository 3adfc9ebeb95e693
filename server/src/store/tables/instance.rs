//! `instance`: installations of apps and managed devices, by client and key.

/// What the attester knows of the installation that sends evidence.
pub const READ: &str = "SELECT state, tier, evidence_key, counter, platform, facts, receipt, receipt_due_ms, assertion \
    FROM instance WHERE client = $1 AND jkt = $2";
/// Named as `app_grant::WITH_INSTANCE` names them, so that both are read alike.
pub const STANDING: &str = "SELECT state AS instance_state, tier AS instance_tier, attested_ms AS instance_attested_ms FROM instance WHERE client = $1 AND jkt = $2";
pub const FACTS: &str = "SELECT platform, facts, tier FROM instance WHERE client = $1 AND jkt = $2 AND state = 'active'";
/// The same of one that may be revoked.
pub const STATE_AND_FACTS: &str = "SELECT state, facts FROM instance WHERE client = $1 AND jkt = $2";
/// What first evidence was accepted as ($3: its digest). A renewal replaces the digest, and an assertion's counter is never zero.
pub const ACCEPTED: &str = "SELECT tier, attested_ms FROM instance WHERE client = $1 AND jkt = $2 AND state = 'active' AND counter = 0 \
    AND assertion = $3 AND attested_ms > $4";
pub const IS_THERE: &str = "SELECT jkt FROM instance WHERE client = $1 AND jkt = $2";
/// Of any client.
pub const IS_KEY_KNOWN: &str = "SELECT client FROM instance WHERE jkt = $1 LIMIT 1";

/// `assertion` holds the digest of the evidence, as [`ACCEPTED`] compares it.
pub const ENROL: &str = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms, \
    receipt, receipt_due_ms, assertion) VALUES ($1, $2, 'active', $3, $4, $5, 0, $6, $7, $7, $8, $9, $10) ON CONFLICT (client, jkt) DO UPDATE \
    SET platform = excluded.platform, tier = excluded.tier, evidence_key = excluded.evidence_key, counter = 0, assertion = excluded.assertion, \
    facts = excluded.facts, attested_ms = excluded.attested_ms, receipt = excluded.receipt, receipt_due_ms = excluded.receipt_due_ms \
    WHERE instance.state = 'active'";
/// Assertions count upwards; whoever comes with a lower number is late or a copy.
pub const RENEW: &str = "UPDATE instance SET counter = $7, assertion = $8, attested_ms = $3, facts = $4, tier = $5 WHERE client = $1 AND jkt = $2 \
    AND state = 'active' AND facts = $6 AND counter < $7 AND evidence_key = $9";
/// `facts`: as they were read, so that nothing is forgotten that somebody else wrote in the meantime.
pub const AGAIN: &str = "UPDATE instance SET attested_ms = $3, facts = $4, tier = $5, assertion = NULL WHERE client = $1 AND jkt = $2 \
    AND state = 'active' AND facts = $6";
/// One that this server does not attest itself.
pub const NOTE: &str = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms) \
    VALUES ($1, $2, 'active', $3, $4, $5, 0, $6, $7, $8) ON CONFLICT (client, jkt) DO NOTHING";
/// A newer word of its attester's about the same key.
pub const NOTE_AGAIN: &str =
    "UPDATE instance SET tier = $3, attested_ms = $4 WHERE client = $1 AND jkt = $2 AND state = 'active' AND attested_ms < $4";
/// Of many requests at once, one asks Apple.
pub const CLAIM_RECEIPT: &str =
    "UPDATE instance SET receipt_due_ms = $4 WHERE client = $1 AND jkt = $2 AND state = 'active' AND receipt_due_ms <= $3";
/// For the same key only, and only where no other request wrote facts in the meantime.
pub const KEEP_RECEIPT: &str = "UPDATE instance SET receipt = $3, receipt_due_ms = $4, facts = $5 WHERE client = $1 AND jkt = $2 AND state = 'active' \
    AND evidence_key = $6 AND facts = $7";
pub const REVOKE: &str = "UPDATE instance SET state = 'revoked' WHERE client = $1 AND jkt = $2 AND state = 'active'";

pub const LIST: &str = "SELECT jkt, client, platform, tier, state, attested_ms FROM instance WHERE ($1 = '' OR client = $1) \
    AND (client, jkt) > ($2, $3) ORDER BY client, jkt LIMIT $4";
/// One key may be an installation of several clients.
pub const SHOW: &str = "SELECT client, platform, tier, state, facts, created_ms, attested_ms, counter FROM instance WHERE jkt = $1 \
    ORDER BY client LIMIT 100";
pub const ACTIVE: &str = "SELECT jkt, client, facts, platform FROM instance WHERE state = 'active' AND ($1 = '' OR client = $1) \
    AND ($2 = '' OR jkt = $2) AND (client, jkt) > ($3, $4) ORDER BY client, jkt LIMIT 1000";
/// As the statement above says.
pub const PAGE: usize = 1000;
/// By client: evidence of a newer version than this server knows. As serde_json writes it. In a text of the evidence the quotation marks are
/// escaped.
pub const COUNT_NEWER: &str = "SELECT client, count(*) AS count FROM instance WHERE state = 'active' AND attested_ms > $1 \
    AND facts LIKE '%\"newer_version\":true%' GROUP BY client ORDER BY client";
