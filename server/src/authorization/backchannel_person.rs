//! Whom a client asks on the backchannel, and where that is charged.

use crate::core::Core;
use crate::error::Refused;
use crate::login::accounts::Account;

/// Who is asked, as the client named them.
pub struct HintedPerson {
    /// As it was typed, in the one spelling that counts; empty for a `sub`.
    pub name: String,
    pub account: Option<Account>,
}

/// Where a client is charged for a person, and how many times the usual. The name's own is used up first, whatever it leads to, so that the
/// limit tells nothing (as `login::budgets` has it).
pub fn attempt_keys(core: &Core, label: &str, client_id: &str, person: &HintedPerson) -> Vec<([u8; 32], i64)> {
    let owner = match &person.account {
        Some(account) => ("account", account.id.as_str(), account.names.max(1)),
        None => ("nobody", person.name.as_str(), 1),
    };
    let by_name = Some(("name", person.name.as_str(), 1)).filter(|(_, name, _)| !name.is_empty());
    // Without a name the account's is the only one.
    let owner = if by_name.is_none() { (owner.0, owner.1, 1) } else { owner };
    let key = |(kind, id, times): (&str, &str, usize)| {
        let key = core.keyring.mac("backchannel", &[label, client_id, kind, id].map(str::as_bytes)).1;
        (key, i64::try_from(times).unwrap_or(1))
    };
    by_name.into_iter().chain([owner]).map(key).collect()
}

/// The client hears at once that this person is not asked, whoever it is, and when it may try again at the latest.
pub fn not_asked_now(why: &'static str, wait_ms: i64) -> Refused {
    let hint = "This person is not asked now: wait, and ask only for what the person has begun.";
    Refused::new(403, "access_denied", hint).because(why).retry_after(u64::try_from(wait_ms / 1000).unwrap_or(0))
}
