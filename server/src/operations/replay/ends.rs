//! What had ended ends again: only what was there at the instant of the entry. A session that began later is not touched.

use super::copy::Copy;
use super::entries::at_ms;
use crate::grants::ending;
use crate::login::accounts;
use crate::login::deletion::{forget_rows, unlink_again};
use crate::operations::cutoff;
use crate::sessions;
use crate::store::tables::account::{REMOVE_TOTP_AGAIN, SET_STATE_AGAIN};
use crate::store::tables::backchannel_request::REMOVE_USER_CODE_AGAIN;
use crate::store::tables::consent::WITHDRAW_AGAIN;
use crate::store::tables::enrolment::FORGET_TICKET;
use crate::store::tables::{client, initial_access_token, instance, known_device, once, passkey};
use crate::store::{Change, Expect};
use serde_json::Value as Json;

const DAY_MS: i64 = 86_400_000;

/// Adds to `change` what this entry ends.
pub fn add(change: &mut Change, entry: &Json, copy: &Copy) {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let now_ms = change.now_ms();
    match text("event") {
        "session_ended" | "signed_out" => {
            let target = entry["detail"]["target"].as_str().and_then(|it| copy.sessions.get(it));
            if let Some(id) = target.or_else(|| copy.sessions.get(text("session"))) {
                sessions::ending::end_one(change, id);
            }
        }
        "access_token_revoked" => {
            if let Some(jti) = entry["detail"]["jti"].as_str() {
                change.run_expecting(once::REVOKE, vec![jti.into(), (now_ms + DAY_MS).into(), now_ms.into()], Expect::Any);
            }
        }
        "consent_withdrawn" => {
            let client = entry["detail"]["target"].as_str().unwrap_or(text("client"));
            ending::end_of_client_again(change, text("account"), client, at_ms(entry));
            change.run_expecting(WITHDRAW_AGAIN, vec![text("account").into(), client.into(), at_ms(entry).into()], Expect::Any);
        }
        // An old token of a holder that is bound to a key ends nothing.
        "refresh_replayed" if !text("reason").ends_with("has been ended") => {}
        "grant_revoked" | "code_used_twice" | "refresh_replayed" | "grant_weaker_than_policy" => end_grant(change, entry, copy),
        "instance_revoked" => {
            if let Some(jkt) = entry["detail"]["jkt"].as_str() {
                change.run_expecting(instance::REVOKE, vec![text("client").into(), jkt.into()], Expect::Any);
                ending::end_of_installation(change, text("client"), jkt);
            }
        }
        // The client itself cannot be brought back, but the use of the token is over.
        "client_registered" => of_token(change, initial_access_token::USE_AGAIN, entry),
        "registration_token_revoked" => of_token(change, initial_access_token::REVOKE, entry),
        event => {
            end_of_account(change, event, entry, copy);
            end_of_client(change, event, text("client"), at_ms(entry));
        }
    }
}

fn of_token(change: &mut Change, sql: &'static str, entry: &Json) {
    if let Some(token) = entry["detail"]["token"].as_str().filter(|it| !it.is_empty()) {
        change.run_expecting(sql, vec![token.into()], Expect::Any);
    }
}

/// The one grant that the entry names, or those of its session and client, as older entries have it.
fn end_grant(change: &mut Change, entry: &Json, copy: &Copy) {
    let Some(session) = entry["session"].as_str().and_then(|it| copy.sessions.get(it)) else { return };
    match entry["detail"]["grant"].as_i64().map(u32::try_from) {
        Some(Ok(number)) => ending::sign_out(change, session, number),
        Some(Err(_)) => {}
        None => {
            let text = |name: &str| entry[name].as_str().unwrap_or_default();
            ending::end_of_session_again(change, text("account"), (session, text("client")), at_ms(entry));
        }
    }
}

fn end_of_account(change: &mut Change, event: &str, entry: &Json, copy: &Copy) {
    let (account, at_ms) = (entry["account"].as_str().unwrap_or_default(), at_ms(entry));
    if ends_sessions(event, entry) {
        sessions::ending::end_all_until(change, account, None, at_ms);
    }
    match event {
        "other_sessions_ended" => {
            let own = entry["session"].as_str().and_then(|it| copy.sessions.get(it));
            sessions::ending::end_all_until(change, account, own, at_ms);
        }
        "account_disabled" => {
            change.run_expecting(SET_STATE_AGAIN, vec![account.into(), "disabled".into()], Expect::Any);
        }
        "account_enabled" => change.run_expecting(SET_STATE_AGAIN, vec![account.into(), "active".into()], Expect::Any),
        // It may be gone already, or be younger than the copy: then there is nothing to do.
        "account_deleted" => forget_rows(change, account),
        "device_forgotten" => change.run_expecting(known_device::FORGET, vec![account.into()], Expect::Any),
        "ticket_used" => change.run_expecting(FORGET_TICKET, vec![account.into()], Expect::Any),
        // An old code is nobody's proof any more. A new one was not written down.
        "user_code_set" | "user_code_removed" => {
            change.run_expecting(REMOVE_USER_CODE_AGAIN, vec![account.into(), at_ms.into()], Expect::Any);
        }
        "upstream_unlinked" => {
            let identity = entry["detail"]["identity"].as_str().unwrap_or_default();
            unlink_again(change, account, identity, at_ms);
        }
        // A provider said that the person is signed out there. What apps got stayed.
        "provider_logout" => {
            if let Some(id) = entry["session"].as_str().and_then(|it| copy.sessions.get(it)) {
                sessions::ending::drop_browser(change, id);
            }
        }
        "passkey_removed" => {
            let passkey = entry["detail"]["passkey"].as_str().unwrap_or_default();
            change.run_expecting(passkey::REMOVE_AGAIN, vec![account.into(), passkey.into(), at_ms.into()], Expect::Any);
            accounts::drop_codes(change, account);
        }
        "totp_removed" => {
            change.run_expecting(REMOVE_TOTP_AGAIN, vec![account.into(), at_ms.into()], Expect::Any);
        }
        _ => {}
    }
}

/// Did every session of the person end with it, as `accounts::end_sessions` ends them?
fn ends_sessions(event: &str, entry: &Json) -> bool {
    match event {
        "sessions_ended" | "password_changed" | "account_disabled" | "account_deleted" => true,
        "enrolment_stopped" | "regain_stopped" | "regained" => true,
        // By the person, who stays; as lost, or by an operator, nobody does.
        "passkey_removed" | "totp_removed" | "upstream_unlinked" => entry["detail"]["lost"] == true || !entry["actor"].is_null(),
        _ => false,
    }
}

fn end_of_client(change: &mut Change, event: &str, client: &str, at_ms: i64) {
    match event {
        "client_sessions_ended" => cutoff::cut_until(change, client, at_ms),
        "client_disabled" => {
            change.run_expecting(client::SET_STATE, vec![client.into(), "disabled".into()], Expect::Any);
            cutoff::cut_until(change, client, at_ms);
        }
        "client_removed" => {
            change.run_expecting(client::REMOVE_AGAIN, vec![client.into(), at_ms.into()], Expect::Any);
            cutoff::cut_until(change, client, at_ms);
        }
        "client_enabled" => change.run_expecting(client::SET_STATE, vec![client.into(), "active".into()], Expect::Any),
        _ => {}
    }
}
