//! `symbolon key rewrap`: after a new master key was put first in the list, what is sealed in the store moves to it. What is only a
//! MAC cannot move; this says how long the older keys have to stay for its sake.

use super::{Desk, Out, shown};
use crate::audit;
use crate::config::Client;
use crate::error::{Error, Fault};
use crate::login::methods::totp;
use crate::store::{Change, NotApplied, Value};
use crate::tokens::keys;

/// A sealed value begins with the version of its master key: these are the rows of all others.
const KEYS: &str = "SELECT kid, private FROM signing_key WHERE private < $1 OR private >= $2";
const SET_KEY: &str = "UPDATE signing_key SET private = $2 WHERE kid = $1 AND private = $3";
const TOTP: &str = "SELECT account, secret, id FROM credential WHERE kind = 'totp' AND (secret < $1 OR secret >= $2) LIMIT 100";
const SET_TOTP: &str = "UPDATE credential SET secret = $2 WHERE account = $1 AND kind = 'totp' AND secret = $3";
const RECOVERY: &str = "SELECT count(*) FROM credential WHERE kind = 'recovery'";
const REGISTERED: &str = "SELECT id, body FROM client";
/// Sign-ins under way, letters and codes are gone by then.
const SHORT_MS: i64 = 86_400_000;

pub async fn rewrap(desk: &Desk, out: &Out) -> Result<(), Error> {
    let versions = desk.keyring.versions();
    let newest = versions.first().copied().unwrap_or_default();
    let signing = moved(desk, newest, (KEYS, SET_KEY), keys::place).await?;
    let mut authenticators = 0;
    loop {
        let some = moved(desk, newest, (TOTP, SET_TOTP), totp::place).await?;
        if some == 0 {
            break;
        }
        authenticators += some;
    }
    out.line(format!("{signing} signing keys and {authenticators} authenticators moved to master key {newest}."));
    let older: Vec<String> = versions.iter().skip(1).map(u8::to_string).collect();
    if older.is_empty() {
        return Ok(());
    }
    out.line(format!("Before master key {} leaves the list:", older.join(", ")));
    let idle_ms = desk.config.client.values().map(|it| it.refresh.idle.ms()).max().unwrap_or(0).max(SHORT_MS);
    out.line(format!("  refresh tokens that were not used since need it until {}", shown(desk.now_ms() + idle_ms)));
    let recovery = desk.store.one(RECOVERY, &[]).await?.map_or(Ok(0), |it| it.int(0))?;
    if recovery > 0 {
        out.line(format!("  the recovery codes made under it ({recovery} in all) work no longer; people make new ones on their page"));
    }
    for name in secrets(desk, newest).await? {
        out.line(format!("  ! {name} has a secret under it: make a new one (`symbolon client secret --hmac`)"));
    }
    Ok(())
}

/// Seals the rows of one statement anew; answers how many there were.
async fn moved(desk: &Desk, newest: u8, (find, set): (&'static str, &'static str), place: fn(&str) -> String) -> Result<usize, Error> {
    let from = vec![newest];
    let to = newest.checked_add(1).map_or_else(|| vec![0xff; 64], |it| vec![it]);
    let rows = desk.store.all(find, &[Value::from(from), Value::from(to)]).await?;
    for row in &rows {
        let (name, sealed) = (row.text(0)?, row.bytes(1)?);
        let place = place(name);
        let plain = desk.keyring.open(&place, sealed).ok_or_else(|| {
            Fault::new(format!("{place} is sealed under master key {}, which is not in the list", sealed.first().copied().unwrap_or(0)))
        })?;
        let mut change = Change::new(desk.now_ms());
        change.run(set, vec![name.into(), desk.keyring.seal(&place, &plain)?.into(), sealed.into()]);
        change.audit(audit::Entry::ok("rewrapped").with("place", place).with("master_key", newest));
        match desk.store.apply(change).await {
            // Somebody changed it meanwhile; what they wrote is sealed under the newest key.
            Ok(_) | Err(NotApplied::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(rows.len())
}

/// Whose secret is a MAC under an older master key.
async fn secrets(desk: &Desk, newest: u8) -> Result<Vec<String>, Error> {
    let old = |it: Option<&crate::config::Secret>| it.and_then(|it| it.key_version()).is_some_and(|it| it != newest);
    let apis = desk.config.api.iter().filter(|(_, it)| old(it.introspection_secret.as_ref())).map(|(name, _)| format!("[api.{name}]"));
    let clients = desk.config.client.iter().filter(|(_, it)| old(it.secret.as_ref())).map(|(id, _)| format!("[client.{id}]"));
    let mut found: Vec<String> = apis.chain(clients).collect();
    for row in desk.store.all(REGISTERED, &[]).await? {
        if serde_json::from_str::<Client>(row.text(1)?).is_ok_and(|it| old(it.secret.as_ref())) {
            found.push(format!("the registered client {}", row.text(0)?));
        }
    }
    Ok(found)
}
