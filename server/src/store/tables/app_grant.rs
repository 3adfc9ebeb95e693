//! `app_grant`: what one client got from a session.

use super::outside_identity::shown;

/// One statement reads a grant with all that decides about it. What else is wanted at that moment rides along in further columns. Where the
/// session came from an app, the app's own grant is read after it (`grants::carried_until_ms`).
macro_rules! read {
    ($along:expr, $of:expr) => {
        concat!(
            "SELECT g.account, g.client, g.holder_kind, g.holder, g.scope, g.resource, g.request, g.state, g.generation, g.salt, \
            g.code_failures, g.created_ms, g.issued_ms, g.used_ms, g.ends_ms, s.state AS session_state, s.parent, s.parent_number, \
            s.created_ms AS session_created_ms, a.state AS account_state, a.sessions_from_ms, \
            a.email, a.email_verified, a.name, a.locale, a.claims, a.updated_ms, c.before_ms AS cut_before_ms, \
            s.used_ms AS session_used_ms, s.ends_ms AS session_ends_ms, g.late_generation, g.late_in_a_row, g.suspected_ms, \
            s.proofs, a.version AS account_version, ",
            shown!(),
            $along,
            " FROM app_grant g JOIN session s ON s.id = g.session JOIN account a ON a.id = g.account \
            LEFT JOIN cutoff c ON c.kind = 'client' AND c.key = g.client",
            $of,
            " WHERE g.session = $1 AND g.number = $2"
        )
    };
}

/// Is an access token over before its time? It ended alone, or with a token it came from. It may have ended with all that one of its
/// clients had got until then. Or it ended with the device that got the first of them. A token is exchanged only while all of that lives.
/// So its own `iat` is late enough for every one. The places are those of five tokens, of five clients, of `iat`, and of the device's
/// client and name.
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
            ") AS endings"
        )
    };
}

pub const READ: &str = read!("", "");
/// Along: state, tier and last attestation of the installation ($3: client, $4: key).
pub const WITH_INSTANCE: &str = read!(
    ", i.state AS instance_state, i.tier AS instance_tier, i.attested_ms AS instance_attested_ms",
    " LEFT JOIN instance i ON i.client = $3 AND i.jkt = $4"
);
/// Along: the state of the installation that holds it ($3: its key).
pub const WITH_OWN_INSTANCE: &str = read!(", i.state AS instance_state", " LEFT JOIN instance i ON i.client = g.client AND i.jkt = $3");
/// Along: how much ends an access token before its time ($3 to $15).
pub const WITH_TOKEN: &str = read!(concat!(", ", over!("$3, $4, $5, $6, $7", "$8, $9, $10, $11, $12", "$13", "$14", "$15")), "");
/// The same of a token that has no grant.
pub const TOKEN: &str = concat!("SELECT ", over!("$1, $2, $3, $4, $5", "$6, $7, $8, $9, $10", "$11", "$12", "$13"));

/// Did this installation of the client ever get a grant of the account? In the words of the index `app_grant_of_key`.
pub const OF_INSTALLATION: &str = "SELECT number FROM app_grant WHERE account = $1 AND client = $2 \
    AND holder_kind = 'instance' AND substr(holder, 1, 43) = $3 LIMIT 1";

pub const INSERT: &str = "INSERT INTO app_grant (session, number, account, client, holder_kind, holder, scope, resource, request, \
    state, generation, salt, code_failures, created_ms, issued_ms, used_ms, ends_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'code', 0, $10, 0, $11, $11, $11, $12)";
/// A code works once: of two exchanges one finds the state `code`.
pub const ACTIVATE: &str = "UPDATE app_grant SET state = 'active', generation = 1, issued_ms = $3, used_ms = $3, holder_kind = $4, \
    holder = $5 WHERE session = $1 AND number = $2 AND state = 'code'";
/// Wrong exchanges of a code. The bound stands in the guard, because two of them may come at once.
pub const COUNT_FAILURE: &str =
    "UPDATE app_grant SET code_failures = code_failures + 1 WHERE session = $1 AND number = $2 AND code_failures < $3";
/// What the apps of a person have. The newest first.
pub const OF_ACCOUNT: &str = "SELECT g.client, g.scope, g.created_ms, g.used_ms FROM session s JOIN app_grant g ON g.session = s.id \
    WHERE s.account = $1 AND s.state = 'active' AND g.state = 'active' ORDER BY g.created_ms DESC, g.client LIMIT 200";
pub const END_OF_CLIENT: &str = "UPDATE app_grant SET state = 'ended', ended_ms = $3 WHERE account = $1 AND client = $2 \
    AND ended_ms = 0 AND state <> 'ended'";
/// One generation has one successor: of two refreshes one finds the generation ($3) that both have read.
pub const ADVANCE: &str = "UPDATE app_grant SET generation = $4, issued_ms = $5, used_ms = $5, holder_kind = $6, holder = $7, \
    suspected_ms = CASE WHEN suspected_ms = $8 THEN 0 ELSE suspected_ms END \
    WHERE session = $1 AND number = $2 AND generation = $3 AND state = 'active'";
/// A generation counts once, however many late repeats of it come at the same moment.
pub const COUNT_LATE: &str = "UPDATE app_grant SET late_generation = $3, late_in_a_row = $4, suspected_ms = $5 \
    WHERE session = $1 AND number = $2 AND generation = $3 AND late_generation < $3 AND state = 'active'";
/// Who got tokens in a session with `openid`, and so knows its `sid`.
pub const CLIENTS_OF_SESSION: &str = "SELECT DISTINCT client, account FROM app_grant WHERE session = $1 AND state <> 'code' \
    AND ' ' || scope || ' ' LIKE '% openid %'";
/// The first end counts: the instant of an ended grant stays.
pub const END: &str = "UPDATE app_grant SET state = 'ended', ended_ms = $3 WHERE session = $1 AND number = $2 AND state <> 'ended'";
/// Writes nothing new and takes the row: the grant lives on until what hangs below it is written.
pub const HOLD: &str =
    "SELECT 1 AS one FROM app_grant WHERE session = $1 AND number = $2 AND state = 'active' AND ends_ms > $3 FOR NO KEY UPDATE";
/// The oldest of a person's grants to one client give way (153-F). The count stands in the statement: two sign-ins at the same moment
/// must not both find room for one.
/// `ended_ms = 0` lets the engines use the partial index.
pub const END_OLDEST: &str = "UPDATE app_grant SET state = 'ended', ended_ms = $4 WHERE account = $1 AND client = $2 AND ended_ms = 0 \
    AND state <> 'ended' AND created_ms <= (SELECT created_ms FROM app_grant WHERE account = $1 AND client = $2 AND ended_ms = 0 \
    AND state <> 'ended' ORDER BY created_ms DESC LIMIT 1 OFFSET $3)";
/// Ended grants, oldest end first. `ended_ms > 0` lets the engines use the partial index.
pub const ENDED_SINCE: &str =
    "SELECT ended_ms, session, number FROM app_grant WHERE ended_ms > 0 AND ended_ms >= $1 ORDER BY ended_ms LIMIT $2";
/// What an operator sees of them.
pub const SHOW: &str = "SELECT g.client, g.scope, g.created_ms, g.used_ms, g.suspected_ms FROM session s JOIN app_grant g ON g.session = s.id \
    WHERE s.account = $1 AND s.state = 'active' AND g.state = 'active' ORDER BY g.session, g.number LIMIT $2";
/// What a client would lose by a cut-off now.
pub const COUNT_OF_CLIENT: &str = "SELECT COUNT(*) AS grants, COUNT(DISTINCT g.account) AS people FROM app_grant g JOIN session s ON s.id = g.session \
    LEFT JOIN cutoff c ON c.kind = 'client' AND c.key = g.client WHERE g.client = $1 AND g.state <> 'ended' AND g.ends_ms > $2 \
    AND s.state = 'active' AND (c.before_ms IS NULL OR g.created_ms >= c.before_ms)";
pub const END_CODES: &str = "UPDATE app_grant SET state = 'ended' WHERE state = 'code'";

/// The grants of an installation ($1: client, $2: key). Its key may also hold grants from before it was attested. A holder that was learned is
/// written as the key and a generation. These are the words of the index `app_grant_of_key`, by which both engines find them. The second
/// comparison finds no others: PostgreSQL takes each for one grant in two hundred, and by one alone it would read whole tables.
macro_rules! of_installation {
    () => {
        " WHERE client = $1 AND substr(holder, 1, 43) = $2 AND substr(holder, 1, 20) = substr($2, 1, 20) \
        AND (holder_kind = 'instance' OR holder_kind = 'jkt' OR holder_kind = 'learned')"
    };
}
/// The same, to compare what hangs on them with.
macro_rules! names_of_installation {
    () => {
        concat!("(SELECT session, number FROM app_grant", of_installation!(), ")")
    };
}
/// Each use of a grant is written at the grant: that is the installation's last use, without another write.
pub const LAST_USE_OF_INSTALLATION: &str = concat!("SELECT MAX(used_ms) AS used_ms FROM app_grant", of_installation!());
pub const COUNT_OF_INSTALLATION: &str = concat!("SELECT COUNT(*) AS count FROM app_grant", of_installation!(), " AND state <> 'ended'");
pub const END_OF_INSTALLATION: &str =
    concat!("UPDATE app_grant SET state = 'ended', ended_ms = $3", of_installation!(), " AND state <> 'ended'");
/// What browsers and kiosks got by way of them.
pub const END_CHILDREN_OF_INSTALLATION: &str = concat!(
    "UPDATE session SET state = 'ended', ended_ms = $3 WHERE state = 'active' AND (parent, parent_number) IN ",
    names_of_installation!()
);
/// What those rest on at providers, the addresses for waking apps up, and what apps share: of the grants, and of what was got by way of them.
/// One statement for each, because with OR between them PostgreSQL reads the whole table. So it does where few sessions have ended and the
/// first one asks for these: all of them have ended in this change.
pub const FORGET_OF_INSTALLATION: [&str; 5] = [
    concat!(
        "DELETE FROM provider_session WHERE session IN (SELECT id FROM session WHERE (parent, parent_number) IN ",
        names_of_installation!(),
        ")"
    ),
    concat!("DELETE FROM push_address WHERE (session, number) IN ", names_of_installation!()),
    concat!(
        "DELETE FROM push_address WHERE session IN (SELECT id FROM session WHERE (parent, parent_number) IN ",
        names_of_installation!(),
        ")"
    ),
    concat!("DELETE FROM device_secret WHERE (session, number) IN ", names_of_installation!()),
    concat!(
        "DELETE FROM device_secret WHERE session IN (SELECT id FROM session WHERE (parent, parent_number) IN ",
        names_of_installation!(),
        ")"
    ),
];

/// After a restore: a refresh moves the generation by one, and the idle time.
pub const ADVANCE_AGAIN: &str = "UPDATE app_grant SET generation = $3, issued_ms = CASE WHEN generation < $3 THEN $4 ELSE issued_ms END, \
    used_ms = CASE WHEN used_ms < $4 THEN $4 ELSE used_ms END \
    WHERE session = $1 AND number = $2 AND state = 'active' AND generation <= $3";
pub const GENERATIONS: &str = "SELECT number, generation FROM app_grant WHERE session = $1 AND client = $2 AND state = 'active'";
/// After a restore: only what was there at that instant.
pub const END_OF_CLIENT_AGAIN: &str =
    "UPDATE app_grant SET state = 'ended', ended_ms = $3 WHERE account = $1 AND client = $2 AND state <> 'ended' AND created_ms <= $4";
pub const END_OF_SESSION_AGAIN: &str = "UPDATE app_grant SET state = 'ended', ended_ms = $3 WHERE session = $1 AND client = $2 AND state <> 'ended' \
    AND created_ms <= $4";
