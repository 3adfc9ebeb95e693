//! The person's user code (CIBA Core 7.1, `user_code`): a client that sends them asks nobody without the right one, so that a name alone makes
//! no telephone ring. A try is charged before it is judged. A name that nobody has, and somebody without a code, are judged alike.

use super::backchannel_person::{HintedPerson, attempt_keys, not_asked_now};
use crate::audit::Entry;
use crate::caller::Caller;
use crate::config::Client;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::login::accounts::Hashers;
use crate::store::tables::attempt::{CHARGE, GIVE_BACK};
use crate::store::tables::backchannel_request::USER_CODE;
use crate::store::{Change, Expect, NotApplied, Value};
use symbolon_oauth::form::Form;

/// So many wrong codes of one client for one person in an hour.
const MOST: i64 = 5;
const WINDOW_MS: i64 = 3_600_000;
/// What the request says, where the client is registered to say it.
pub fn of_request(client: &Client, form: &Form) -> Result<Option<String>> {
    match (client.backchannel.user_code, form.get("user_code")) {
        (true, Some(code)) => Ok(Some(code.to_owned())),
        (true, None) => {
            Err(Refused::bad_request("missing_user_code", "Ask the person for the user code, and send it as user_code.").into())
        }
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let hint = "This client is not registered to send user codes (backchannel.user_code).";
            Err(Refused::bad_request("invalid_request", hint).into())
        }
    }
}

/// Charges a try, and compares. Answers the keys of what the right code gives back.
pub async fn judge(core: &Core, hashers: &Hashers, caller: &Caller, person: &HintedPerson, code: &str) -> Result<Vec<[u8; 32]>> {
    let (now_ms, charged) = (caller.now_ms, attempt_keys(core, "user code", &caller.client_id, person));
    let mut change = Change::new(now_ms);
    for (key, times) in &charged {
        change.run(CHARGE, vec![Value::from(&key[..]), (now_ms + WINDOW_MS).into(), now_ms.into(), (MOST * times).into()]);
    }
    match core.store.apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(_)) => return Err(not_asked_now("too many wrong user codes", WINDOW_MS).into()),
        Err(other) => return Err(other.into()),
    }
    let account = person.account.as_ref().map(|account| account.id.as_str()).unwrap_or_default();
    let row = core.store.one(USER_CODE, &[account.into()]).await?;
    let stored = row.as_ref().map(|row| row.bytes("secret")).transpose()?.and_then(|bytes| std::str::from_utf8(bytes).ok());
    if hashers.verify(stored, code).await? {
        return Ok(charged.into_iter().map(|(key, _)| key).collect());
    }
    let mut change = Change::new(now_ms);
    let burnt = caller.burn(&mut change);
    let mut entry =
        Entry::refused("backchannel_refused", "the user code is wrong, or the person has none").client(caller.client_id.as_str());
    entry.account = Some(account.to_owned()).filter(|account| !account.is_empty());
    change.audit(entry.address(caller.address.to_string()));
    burnt.applied(core.store.apply(change).await)?;
    Err(Refused::bad_request("invalid_user_code", "The user code is wrong.").audited().into())
}

/// Adds the return of what a right code had charged.
pub fn give_back(change: &mut Change, charged: &[[u8; 32]]) {
    for key in charged {
        change.run_expecting(GIVE_BACK, vec![Value::from(&key[..])], Expect::Any);
    }
}
