//! `symbolon recover`: a store that was restored from an older copy has forgotten what it acknowledged. The epoch rises,
//! which voids every sign-in under way; codes and request_uris end; what the exported audit says had ended, ends again.

use super::instances::{END, REVOKE};
use super::{Desk, Out, cutoff};
use crate::audit;
use crate::error::{Error, Fault};
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
const OPEN: &str = "SELECT id, account FROM session WHERE state = 'active'";
const END_SESSION: &str = "UPDATE session SET state = 'ended', ended_ms = $2 WHERE id = $1 AND state = 'active'";
const END_ACCOUNT: &str = "UPDATE session SET state = 'ended', ended_ms = $2 WHERE account = $1 AND state = 'active'";
const END_APP: &str = "UPDATE app_grant SET state = 'ended', ended_ms = $3 WHERE account = $1 AND client = $2 AND state <> 'ended'";
const SET_STATE: &str = "UPDATE account SET state = $2, version = version + 1 WHERE id = $1";
const REVOKED: &str = "INSERT INTO revoked (jti, until_ms, ended_ms) VALUES ($1, $2, $3) ON CONFLICT (jti) DO NOTHING";
const REMOVE_TOTP: &str = "DELETE FROM credential WHERE account = $1 AND kind IN ('totp', 'recovery')";
const SET_CLIENT: &str = "UPDATE client SET state = $2 WHERE id = $1";
const INSTALLED: &str = "SELECT jkt FROM instance WHERE client = $1 AND jkt = $2";
const DAY_MS: i64 = 86_400_000;

pub async fn recover(desk: &Desk, exported: Option<&String>, out: &Out) -> Result<(), Error> {
    if desk.running {
        return Err(Fault::new("a server is running on this store; stop it first, so that nothing happens meanwhile").into());
    }
    let now_ms = desk.now_ms();
    // Nodes elsewhere would keep the old epoch, and what is void here would go on there.
    let nodes = if desk.store.engine() == "postgres" { crate::nodes::serving(&desk.store, now_ms).await? } else { 0 };
    if nodes > 0 {
        let why = format!("{nodes} nodes serve on this database, or did two minutes ago; stop them all first, and wait if one was killed");
        return Err(Fault::new(why).into());
    }
    let epoch = match desk.store.one(EPOCH, &[]).await? {
        Some(row) => row.text(0)?.parse::<u64>().unwrap_or(1),
        None => 1,
    };
    let mut change = Change::new(now_ms);
    change.run(RAISE, vec![(epoch + 1).to_string().into()]);
    for sql in [CODES, PUSHED, LOGINS, LETTERS] {
        change.run_expecting(sql, Vec::new(), Expect::Any);
    }
    change.audit(audit::Entry::ok("store_recovered").with("epoch", epoch + 1).with("audit_given", exported.is_some()));
    desk.store.apply(change).await?;
    out.line(format!("Epoch {}: every sign-in under way, code, request_uri and letter is void.", epoch + 1));
    match exported {
        Some(text) => replay(desk, text, now_ms, out).await,
        None => {
            out.line("No audit was given: sessions, grants and accounts that ended after the copy are open again.");
            out.line(
                "Give what `symbolon audit --since TIME-OF-THE-COPY --all` printed before the loss, or what your log store kept of it.",
            );
            Ok(())
        }
    }
}

/// Ends again what the entries say had ended, and counts what they cannot bring back.
async fn replay(desk: &Desk, text: &str, now_ms: i64, out: &Out) -> Result<(), Error> {
    let mut names = BTreeMap::new();
    for row in desk.store.all(OPEN, &[]).await? {
        let id: [u8; 16] = row.bytes(0)?.try_into().map_err(|_| Fault::new("a session id has 16 bytes"))?;
        names.insert(sessions::public_name(&desk.keyring, &id), id);
    }
    let (mut done, mut lost) = (0_usize, BTreeSet::new());
    for (at, line) in text.lines().enumerate().filter(|(_, it)| !it.trim().is_empty()) {
        let entry: Json = serde_json::from_str(line).map_err(|it| Fault::new(format!("line {}: not an audit entry: {it}", at + 1)))?;
        if entry["outcome"] == "failed" {
            continue;
        }
        if entry["event"] == "instance_revoked" {
            let jkt = entry["detail"]["jkt"].as_str().unwrap_or_default();
            if desk.store.one(INSTALLED, &[entry["client"].as_str().unwrap_or_default().into(), jkt.into()]).await?.is_none() {
                lost.insert(format!(
                    "the installation {jkt}, attested after the copy and revoked: it can attest anew; look at why it was revoked"
                ));
            }
        }
        let mut change = Change::new(now_ms);
        again(&mut change, &entry, &names, &mut lost);
        if !change.is_empty() {
            change.audit(audit::Entry::ok("ended_again").with("was", entry["event"].clone()).with("at", entry["at"].clone()));
            desk.store.apply(change).await?;
            done += 1;
        }
    }
    out.line(format!("{done} ends of the audit were carried out again."));
    for what in lost {
        out.line(format!("  ! cannot be brought back: {what}"));
    }
    Ok(())
}

fn again(change: &mut Change, entry: &Json, names: &BTreeMap<String, [u8; 16]>, lost: &mut BTreeSet<String>) {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let (account, client) = (text("account"), text("client"));
    let end_session = |change: &mut Change| {
        if let Some(id) = names.get(text("session")) {
            change.run_expecting(END_SESSION, vec![Value::from(&id[..]), change.now_ms().into()], Expect::Any);
        }
    };
    match text("event") {
        "session_ended" | "signed_out" => {
            let target = entry["detail"]["target"].as_str().and_then(|it| names.get(it));
            match target {
                Some(id) => change.run_expecting(END_SESSION, vec![Value::from(&id[..]), change.now_ms().into()], Expect::Any),
                None => end_session(change),
            }
        }
        "sessions_ended" | "other_sessions_ended" => {
            change.run_expecting(END_ACCOUNT, vec![account.into(), change.now_ms().into()], Expect::Any)
        }
        "password_changed" => {
            change.run_expecting(END_ACCOUNT, vec![account.into(), change.now_ms().into()], Expect::Any);
            lost.insert(format!("the new password of {account}: the one before is good again; ask for a reset"));
        }
        // An old token of a holder that is bound to a key ends nothing.
        "refresh_replayed" if !text("reason").ends_with("has been ended") => {}
        "grant_revoked" | "consent_withdrawn" | "code_used_twice" | "refresh_replayed" => {
            let client = entry["detail"]["target"].as_str().unwrap_or(client);
            change.run_expecting(END_APP, vec![account.into(), client.into(), change.now_ms().into()], Expect::Any);
        }
        "access_token_revoked" => {
            if let Some(jti) = entry["detail"]["jti"].as_str() {
                change.run_expecting(REVOKED, vec![jti.into(), (change.now_ms() + DAY_MS).into(), change.now_ms().into()], Expect::Any);
            }
        }
        "account_disabled" => {
            change.run_expecting(SET_STATE, vec![account.into(), "disabled".into()], Expect::Any);
            change.run_expecting(END_ACCOUNT, vec![account.into(), change.now_ms().into()], Expect::Any);
        }
        "account_deleted" => super::users::forget(change, account),
        "client_sessions_ended" => cutoff::cut(change, client),
        "account_enabled" => change.run_expecting(SET_STATE, vec![account.into(), "active".into()], Expect::Any),
        "client_disabled" => {
            change.run_expecting(SET_CLIENT, vec![client.into(), "disabled".into()], Expect::Any);
            cutoff::cut(change, client);
        }
        "client_enabled" => change.run_expecting(SET_CLIENT, vec![client.into(), "active".into()], Expect::Any),
        "instance_revoked" => {
            if let Some(jkt) = entry["detail"]["jkt"].as_str() {
                change.run_expecting(REVOKE, vec![client.into(), jkt.into()], Expect::Any);
                change.run_expecting(END, vec![client.into(), jkt.into(), change.now_ms().into()], Expect::Any);
            }
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
