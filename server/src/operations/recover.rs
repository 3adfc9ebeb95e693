//! A store that was restored from an older copy has forgotten what it acknowledged. The epoch rises, which voids every sign-in
//! under way; codes and request_uris end; what the exported audit says had ended, ends again.

use super::actor::Actor;
use super::context::Context;
use super::installation::END;
use super::operation::RecoverOperation;
use super::outcome::{Outcome, Recovered, Replayed};
use super::problem::{Problem, Result};
use super::revoke::REVOKE;
use super::{cutoff, users_change};
use crate::sessions;
use crate::store::{Change, Expect, Value};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

const RAISE: &str = "INSERT INTO fact (name, value) VALUES ('epoch', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const EPOCH: &str = "SELECT value FROM fact WHERE name = 'epoch'";
const CODES: &str = "UPDATE app_grant SET state = 'ended' WHERE state = 'code'";
const PUSHED: &str = "DELETE FROM pushed_request";
const LOGINS: &str = "DELETE FROM login";
const LETTERS: &str = "DELETE FROM outbox";
const OPEN: &str = "SELECT id FROM session WHERE state = 'active' AND id > $1 ORDER BY id LIMIT 1000";
const END_SESSION: &str = "UPDATE session SET state = 'ended', ended_ms = $2 WHERE id = $1 AND state = 'active'";
const END_ACCOUNT: &str = "UPDATE session SET state = 'ended', ended_ms = $2 WHERE account = $1 AND state = 'active'";
const END_APP: &str = "UPDATE app_grant SET state = 'ended', ended_ms = $3 WHERE account = $1 AND client = $2 AND state <> 'ended'";
const SET_STATE: &str = "UPDATE account SET state = $2, version = version + 1 WHERE id = $1";
const REVOKED: &str = "INSERT INTO revoked (jti, until_ms, ended_ms) VALUES ($1, $2, $3) ON CONFLICT (jti) DO NOTHING";
const REMOVE_TOTP: &str = "DELETE FROM credential WHERE account = $1 AND kind IN ('totp', 'recovery')";
const SET_CLIENT: &str = "UPDATE client SET state = $2 WHERE id = $1";
const INSTALLED: &str = "SELECT jkt FROM instance WHERE client = $1 AND jkt = $2";
const DAY_MS: i64 = 86_400_000;

pub(super) async fn run(context: &Context, actor: &Actor, operation: RecoverOperation) -> Result<Outcome> {
    let store = &context.store;
    // Nodes elsewhere would keep the old epoch, and what is void here would go on there.
    let nodes = if store.engine() == "postgres" { crate::nodes::serving(store, context.now_ms).await? } else { 0 };
    if nodes > 0 {
        let why = format!("{nodes} nodes serve on this database, or did two minutes ago; stop them all first, and wait if one was killed");
        return Err(Problem::conflict(why));
    }
    // A file that cannot be read is refused before anything is done.
    let entries = operation.audit.as_deref().map(parse).transpose()?;
    let epoch = match store.one(EPOCH, &[]).await? {
        Some(row) => row.text(0)?.parse::<u64>().map_err(|it| Problem::fault(format!("the epoch of the store: {it}")))?,
        None => 1,
    } + 1;
    let mut change = context.change(actor);
    change.run(RAISE, vec![epoch.to_string().into()]);
    for sql in [CODES, PUSHED, LOGINS, LETTERS] {
        change.run_expecting(sql, Vec::new(), Expect::Any);
    }
    change.audit(actor.entry("store_recovered").with("epoch", epoch).with("audit_given", entries.is_some()));
    store.apply(change).await?;
    let replayed = match entries {
        Some(entries) => Some(replay(context, actor, &entries).await?),
        None => None,
    };
    Ok(Outcome::Recovered(Recovered { epoch, replayed }))
}

fn parse(text: &str) -> Result<Vec<Json>> {
    let lines = text.lines().enumerate().filter(|(_, it)| !it.trim().is_empty());
    let entry = |(at, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|it| Problem::invalid(format!("line {}: not an audit entry: {it}", at + 1)))
    };
    lines.map(entry).collect()
}

/// The sessions that are open, by the name that the audit gives them.
async fn read_open_sessions(context: &Context) -> Result<BTreeMap<String, [u8; 16]>> {
    let (mut names, mut after) = (BTreeMap::new(), Vec::new());
    loop {
        let rows = context.store.all(OPEN, &[Value::from(after)]).await?;
        for row in &rows {
            let id: [u8; 16] = row.bytes(0)?.try_into().map_err(|_| Problem::fault("a session id has 16 bytes"))?;
            names.insert(sessions::public_name(&context.keyring, &id), id);
        }
        match rows.last() {
            Some(row) => after = row.bytes(0)?.to_vec(),
            None => return Ok(names),
        }
    }
}

/// Ends again what the entries say had ended, and counts what they cannot bring back.
async fn replay(context: &Context, actor: &Actor, entries: &[Json]) -> Result<Replayed> {
    let names = read_open_sessions(context).await?;
    let (mut ended_again, mut lost) = (0, BTreeSet::new());
    for entry in entries.iter().filter(|it| it["outcome"] != "failed") {
        if entry["event"] == "instance_revoked" {
            let jkt = entry["detail"]["jkt"].as_str().unwrap_or_default();
            let id = [entry["client"].as_str().unwrap_or_default().into(), jkt.into()];
            if context.store.one(INSTALLED, &id).await?.is_none() {
                lost.insert(format!(
                    "the installation {jkt}, attested after the copy and revoked: it can attest anew; look at why it was revoked"
                ));
            }
        }
        let mut change = context.change(actor);
        add_ends(&mut change, entry, &names, &mut lost);
        if !change.is_empty() {
            change.audit(actor.entry("ended_again").with("was", entry["event"].clone()).with("at", entry["at"].clone()));
            context.store.apply(change).await?;
            ended_again += 1;
        }
    }
    Ok(Replayed { ended_again, lost: lost.into_iter().collect() })
}

/// Adds to `change` what ends again, and to `lost` what cannot be brought back.
fn add_ends(change: &mut Change, entry: &Json, names: &BTreeMap<String, [u8; 16]>, lost: &mut BTreeSet<String>) {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let now_ms = change.now_ms();
    match text("event") {
        "session_ended" | "signed_out" => {
            let target = entry["detail"]["target"].as_str().and_then(|it| names.get(it));
            if let Some(id) = target.or_else(|| names.get(text("session"))) {
                change.run_expecting(END_SESSION, vec![Value::from(&id[..]), now_ms.into()], Expect::Any);
            }
        }
        "access_token_revoked" => {
            if let Some(jti) = entry["detail"]["jti"].as_str() {
                change.run_expecting(REVOKED, vec![jti.into(), (now_ms + DAY_MS).into(), now_ms.into()], Expect::Any);
            }
        }
        // An old token of a holder that is bound to a key ends nothing.
        "refresh_replayed" if !text("reason").ends_with("has been ended") => {}
        "grant_revoked" | "consent_withdrawn" | "code_used_twice" | "refresh_replayed" => {
            let client = entry["detail"]["target"].as_str().unwrap_or(text("client"));
            change.run_expecting(END_APP, vec![text("account").into(), client.into(), now_ms.into()], Expect::Any);
        }
        event => {
            add_end_of_account(change, event, text("account"), lost);
            add_end_of_client(change, event, text("client"), entry["detail"]["jkt"].as_str());
        }
    }
}

fn add_end_of_account(change: &mut Change, event: &str, account: &str, lost: &mut BTreeSet<String>) {
    let now_ms = change.now_ms();
    let end_account = |change: &mut Change| change.run_expecting(END_ACCOUNT, vec![account.into(), now_ms.into()], Expect::Any);
    match event {
        "sessions_ended" | "other_sessions_ended" => end_account(change),
        "password_changed" => {
            end_account(change);
            lost.insert(format!("the new password of {account}: the one before is good again; ask for a reset"));
        }
        "account_disabled" => {
            change.run_expecting(SET_STATE, vec![account.into(), "disabled".into()], Expect::Any);
            end_account(change);
        }
        "account_enabled" => change.run_expecting(SET_STATE, vec![account.into(), "active".into()], Expect::Any),
        // It may be gone already, or be younger than the copy: then there is nothing to do.
        "account_deleted" => {
            end_account(change);
            users_change::forget_rows(change, account);
        }
        "totp_removed" => change.run_expecting(REMOVE_TOTP, vec![account.into()], Expect::Any),
        "account_created" | "registered" => {
            lost.insert(format!("the account {account}, made after the copy"));
        }
        "email_changed" => {
            lost.insert(format!("the new e-mail address of {account}"));
        }
        "totp_enrolled" => {
            lost.insert(format!("the authenticator of {account}"));
        }
        _ => {}
    }
}

fn add_end_of_client(change: &mut Change, event: &str, client: &str, jkt: Option<&str>) {
    match event {
        "client_sessions_ended" => cutoff::cut(change, client),
        "client_disabled" => {
            change.run_expecting(SET_CLIENT, vec![client.into(), "disabled".into()], Expect::Any);
            cutoff::cut(change, client);
        }
        "client_enabled" => change.run_expecting(SET_CLIENT, vec![client.into(), "active".into()], Expect::Any),
        "instance_revoked" => {
            if let Some(jkt) = jkt {
                change.run_expecting(REVOKE, vec![client.into(), jkt.into()], Expect::Any);
                change.run_expecting(END, vec![client.into(), jkt.into(), change.now_ms().into()], Expect::Any);
            }
        }
        _ => {}
    }
}
