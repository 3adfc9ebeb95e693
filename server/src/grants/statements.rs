//! The statements that read a grant with all that decides about it.

/// One statement reads a grant; what else is wanted at that moment rides along in its last columns.
macro_rules! read {
    ($along:expr, $of:expr) => {
        concat!(
            "SELECT g.account, g.client, g.holder_kind, g.holder, g.scope, g.resource, g.request, g.state, g.generation, g.salt, \
            g.code_failures, g.created_ms, g.issued_ms, g.used_ms, g.ends_ms, s.state, s.created_ms, a.state, a.sessions_from_ms, \
            a.email, a.email_verified, a.name, a.locale, a.claims, c.before_ms, s.used_ms, s.ends_ms, \
            g.late_generation, g.late_in_a_row, g.suspected_ms",
            $along,
            " FROM app_grant g JOIN session s ON s.id = g.session JOIN account a ON a.id = g.account \
            LEFT JOIN cutoff c ON c.kind = 'client' AND c.key = g.client",
            $of,
            " WHERE g.session = $1 AND g.number = $2"
        )
    };
}

/// Is an access token over before its time? Ended alone, or with a token it came from; with all that one of its clients had got until
/// then; with the device that got the first of them. A token is only exchanged while all of that lives, so that its own `iat` is late
/// enough for every one. The places are those of five tokens, of five clients, of `iat`, and of the device's client and name.
macro_rules! over {
    ($jtis:literal, $clients:literal, $issued_ms:literal, $client:literal, $device:literal) => {
        concat!(
            "(SELECT count(*) FROM revoked WHERE jti IN (",
            $jtis,
            ")) + (SELECT count(*) FROM cutoff WHERE kind = 'client' AND key IN (",
            $clients,
            ") AND before_ms > ",
            $issued_ms,
            ") + (SELECT count(*) FROM instance WHERE state = 'revoked' AND client = ",
            $client,
            " AND jkt = ",
            $device,
            ")"
        )
    };
}

pub const READ: &str = read!("", "");
/// Along: state, tier and last attestation of the installation ($3: client, $4: key).
pub const WITH_INSTANCE: &str = read!(", i.state, i.tier, i.attested_ms", " LEFT JOIN instance i ON i.client = $3 AND i.jkt = $4");
/// Along: how much ends an access token before its time ($3 to $15).
pub const WITH_TOKEN: &str = read!(concat!(", ", over!("$3, $4, $5, $6, $7", "$8, $9, $10, $11, $12", "$13", "$14", "$15")), "");
/// The same of a token that has no grant.
pub const TOKEN: &str = concat!("SELECT ", over!("$1, $2, $3, $4, $5", "$6, $7, $8, $9, $10", "$11", "$12", "$13"));
/// The first column that rides along.
pub const ALONG: usize = 30;
