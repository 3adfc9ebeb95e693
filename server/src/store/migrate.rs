//! Numbered migrations, each with its digest, so that a changed file is noticed instead of skipped.

use symbolon_oauth::{base64url, digest};

/// One SQL text for both engines.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_start", include_str!("../../schema/0001_start.sql")),
    ("0002_nodes", include_str!("../../schema/0002_nodes.sql")),
    ("0003_instances", include_str!("../../schema/0003_instances.sql")),
    ("0004_ended", include_str!("../../schema/0004_ended.sql")),
    ("0005_attempts", include_str!("../../schema/0005_attempts.sql")),
    ("0006_two_holders", include_str!("../../schema/0006_two_holders.sql")),
    ("0007_receipts", include_str!("../../schema/0007_receipts.sql")),
    ("0008_evidence_keys", include_str!("../../schema/0008_evidence_keys.sql")),
    ("0009_assertions", include_str!("../../schema/0009_assertions.sql")),
    ("0010_sign_in", include_str!("../../schema/0010_sign_in.sql")),
    ("0011_device_request", include_str!("../../schema/0011_device_request.sql")),
    ("0012_continuing", include_str!("../../schema/0012_continuing.sql")),
    ("0013_passkeys", include_str!("../../schema/0013_passkeys.sql")),
    ("0014_outside_identity", include_str!("../../schema/0014_outside_identity.sql")),
    ("0015_known_device", include_str!("../../schema/0015_known_device.sql")),
    ("0016_wallet_answer", include_str!("../../schema/0016_wallet_answer.sql")),
    ("0017_enrolment", include_str!("../../schema/0017_enrolment.sql")),
    ("0018_account_updated", include_str!("../../schema/0018_account_updated.sql")),
    ("0019_account_self_service", include_str!("../../schema/0019_account_self_service.sql")),
    ("0020_registration", include_str!("../../schema/0020_registration.sql")),
    ("0021_links", include_str!("../../schema/0021_links.sql")),
    ("0022_provider_session", include_str!("../../schema/0022_provider_session.sql")),
    ("0023_provider_token", include_str!("../../schema/0023_provider_token.sql")),
    ("0024_backchannel", include_str!("../../schema/0024_backchannel.sql")),
    ("0025_native_sso", include_str!("../../schema/0025_native_sso.sql")),
    ("0026_handover", include_str!("../../schema/0026_handover.sql")),
    ("0027_registered_upkeep", include_str!("../../schema/0027_registered_upkeep.sql")),
    ("0028_provider_check", include_str!("../../schema/0028_provider_check.sql")),
    ("0029_grants_of_person", include_str!("../../schema/0029_grants_of_person.sql")),
    ("0030_grants_of_installation", include_str!("../../schema/0030_grants_of_installation.sql")),
    ("0031_provider_entries", include_str!("../../schema/0031_provider_entries.sql")),
    ("0032_provider_token_lease", include_str!("../../schema/0032_provider_token_lease.sql")),
    ("0033_shown_claims", include_str!("../../schema/0033_shown_claims.sql")),
    ("0034_grants_of_key", include_str!("../../schema/0034_grants_of_key.sql")),
];

/// What `fact` remembers of the schema: names and digests of what was run, in order.
pub fn state(upto: usize) -> String {
    let done: Vec<String> = MIGRATIONS[..upto]
        .iter()
        .map(|(name, text)| format!("{name} {}", &base64url::encode(&digest::sha256(text.as_bytes()))[..16]))
        .collect();
    done.join("\n")
}

/// How many migrations a store has seen. `None`: it was made by something else, or by a later version.
pub fn seen(state_of_store: &str) -> Option<usize> {
    (0..=MIGRATIONS.len()).find(|it| state(*it) == state_of_store)
}
