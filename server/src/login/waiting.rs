//! Enrolments that wait: their rows, the letters about them, and how each of them ends. A person who did not add a means stops it by the
//! link in a letter. Else it counts in full when its time is over, or when an operator says so.

use super::accounts::{self, Account};
use super::deletion;
use super::enrolment::{Enrolling, Means, facts_as_text};
use super::reading::Accounts;
use super::regain;
use crate::audit::Entry;
use crate::config::Config;
use crate::error::{Fault, Result};
use crate::mail::{self, About, Letter};
use crate::seal::{KeyRing, time_ordered_id};
use crate::store::tables::account;
use crate::store::tables::enrolment::{ADD, END, FORGET_MEANS, LATE_REGAINS, OF_ACCOUNT, OVER, READ, SHORTEN};
use crate::store::tables::fact::{ENROLMENT_RULE, SET_ENROLMENT_RULE};
use crate::store::{Change, Expect, NotApplied, Row, Store, Value};
use std::collections::BTreeMap;
use symbolon_oauth::{base64url, digest};

/// Whoever has been away may still stop it with the letter: it is tried for so long.
const LETTER_MS: i64 = 3 * 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// Where the letters go, and in which words.
pub struct Telling<'a> {
    pub config: &'a Config,
    pub keyring: &'a KeyRing,
    pub locale: &'a str,
    pub user_agent: Option<&'a str>,
}

/// Adds the row of an enrolment and its letters. They go to every address that was proved before it: to whom a new address belongs,
/// nobody knows yet. Where there is none, an operator alone confirms it.
pub fn add(change: &mut Change, account: &Account, new: &Enrolling, telling: &Telling<'_>) -> Result<()> {
    let now_ms = change.now_ms();
    let id = time_ordered_id(now_ms)?;
    let addresses = if telling.config.mail.is_some() { account.told_at() } else { Vec::new() };
    let hours = telling.config.enrolment.wait.ms() / HOUR_MS;
    let link = format!("{}/stop/{}", telling.config.issuer, token(telling.keyring, &id));
    for address in &addresses {
        let mut values = mail::occasion(now_ms, telling.user_agent);
        values.extend(BTreeMap::from([("hours".to_owned(), hours.to_string()), ("link".to_owned(), link.clone())]));
        let letter = Letter {
            to: Some((*address).to_owned()),
            template: format!("waits_{}", new.means.kind()),
            locale: telling.locale.to_owned(),
            values,
            give_up_ms: now_ms + LETTER_MS,
            about: Some(About::Enrolment(base64url::encode(&id))),
        };
        mail::post(change, telling.keyring, &letter)?;
    }
    let letters = i64::try_from(addresses.len()).unwrap_or(i64::MAX);
    change.run(
        ADD,
        vec![
            Value::from(&id[..]),
            account.id.as_str().into(),
            new.means.to_string().into(),
            facts_as_text(&new.with).into(),
            now_ms.into(),
            letters.into(),
            new.former.as_deref().into(),
        ],
    );
    Ok(())
}

/// The text of a stop link. A MAC over the row's id: a forged one ends before any read.
fn token(keyring: &KeyRing, id: &[u8; 16]) -> String {
    let (version, tag) = keyring.mac("stop enrolment", &[id]);
    base64url::encode(&[&[version][..], id, &tag[..16]].concat())
}

/// The row that a stop link names.
pub fn read_token(keyring: &KeyRing, text: &str) -> Option<[u8; 16]> {
    let bytes = base64url::decode(text).filter(|bytes| bytes.len() == 33)?;
    let (version, rest) = bytes.split_first()?;
    let (id, tag) = rest.split_first_chunk::<16>()?;
    let made = keyring.mac_with(*version, "stop enrolment", &[id])?;
    digest::equal(&made[..16], tag).then_some(*id)
}

/// An enrolment whose row is still there.
pub struct Open {
    pub id: [u8; 16],
    pub account: String,
    pub means: Means,
    pub former: Option<String>,
}

impl Open {
    fn read(id: [u8; 16], row: &Row) -> std::result::Result<Self, Fault> {
        let former = row.opt_text("former")?.map(str::to_owned);
        Ok(Self { id, account: row.text("account")?.to_owned(), means: Means::read(row.text("means")?)?, former })
    }
}

/// What waits of a person since then or longer, by the name of the means.
pub async fn find_of(store: &Store, account: &str, means: &str, until_ms: i64) -> std::result::Result<Option<Open>, Fault> {
    for row in store.all(OF_ACCOUNT, &[account.into()]).await? {
        if row.text("means")? == means && row.int("enrolled_ms")? <= until_ms {
            let id = row.bytes("id")?.try_into().map_err(|_| Fault::new("the id of an enrolment has 16 bytes"))?;
            let former = row.opt_text("former")?.map(str::to_owned);
            return Ok(Some(Open { id, account: account.to_owned(), means: Means::read(means)?, former }));
        }
    }
    Ok(None)
}

pub async fn find(store: &Store, id: &[u8; 16]) -> std::result::Result<Option<Open>, Fault> {
    let row = store.one(READ, &[Value::from(&id[..])]).await?;
    row.map(|row| Open::read(*id, &row)).transpose()
}

/// The means goes, what it replaced comes back, and whoever is signed in is signed out. The row is the guard: it happens once.
pub async fn stop(store: &Store, config: &Config, open: &Open, now_ms: i64, address: &str) -> Result<bool> {
    let Some(account) = Accounts::new(store, config).by_id(&open.account).await? else { return Ok(false) };
    let mut change = Change::new(now_ms);
    change.run(END, vec![Value::from(&open.id[..])]);
    accounts::end_sessions(&mut change, &open.account);
    take_back(&mut change, open, &account);
    let said = |event: &'static str| Entry::ok(event).account(open.account.as_str()).address(address.to_owned()).with("by", "a stop link");
    if open.means != Means::Regain {
        change.audit(said("enrolment_stopped").with("means", open.means.to_string()));
    }
    match &open.means {
        Means::Totp | Means::Recovery => change.audit(said("totp_removed")),
        Means::Passkey(id) => change.audit(said("passkey_removed").with("passkey", id.as_str()).with("lost", true)),
        Means::Identity(key) => change.audit(said("upstream_unlinked").with("identity", key.as_str())),
        Means::Password => change.audit(said("password_changed")),
        Means::Email => change.audit(said("email_changed")),
        Means::Regain => change.audit(said("regain_stopped")),
    }
    match store.apply(change).await {
        Ok(_) => Ok(true),
        Err(NotApplied::Conflict(0)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// The same on a restored store, which has forgotten that it was stopped.
pub fn stop_again(change: &mut Change, open: &Open, account: &Account) {
    change.run_expecting(END, vec![Value::from(&open.id[..])], Expect::Any);
    accounts::raise(change, &open.account);
    take_back(change, open, account);
}

fn take_back(change: &mut Change, open: &Open, account: &Account) {
    let (id, now_ms) = (|| Value::from(open.account.as_str()), change.now_ms());
    match (&open.means, &open.former) {
        (Means::Totp | Means::Recovery, _) => {
            let kinds: &[&str] = if open.means == Means::Totp { &["totp", "recovery"] } else { &["recovery"] };
            for kind in kinds {
                change.run_expecting(account::REMOVE, vec![id(), (*kind).into()], Expect::Any);
                forget(change, &open.account, kind);
            }
        }
        (Means::Passkey(public_id), _) => accounts::drop_passkey(change, &open.account, public_id, Expect::Any),
        (Means::Identity(key), _) => deletion::unlink(change, &open.account, key, Expect::Any),
        (Means::Password, Some(former)) => accounts::replace_password(change, &open.account, former.clone()),
        (Means::Password, None) => change.run_expecting(account::REMOVE, vec![id(), "password".into()], Expect::Any),
        (Means::Regain, _) => {}
        (Means::Email, former) => {
            if let Some(present) = account.any_email.as_deref().filter(|present| Some(*present) != former.as_deref()) {
                accounts::drop_name(change, &open.account, present);
            }
            match former {
                Some(former) => {
                    change.run_expecting(account::RESTORE_EMAIL, vec![id(), former.as_str().into(), now_ms.into()], Expect::Any)
                }
                None => change.run_expecting(account::NO_EMAIL, vec![id(), now_ms.into()], Expect::Any),
            }
        }
    }
}

/// The means counts in full from now on. Conflicts where it ended meanwhile.
pub fn confirm(change: &mut Change, open: &Open) {
    change.run(END, vec![Value::from(&open.id[..])]);
    if let (Means::Email, Some(former)) = (&open.means, &open.former) {
        accounts::drop_name(change, &open.account, former);
    }
}

/// The same, where the person proves enough. `new`: an address that the change sets as well.
pub fn confirm_means(change: &mut Change, account: &Account, means: &Means, new: Option<&str>) {
    forget(change, &account.id, &means.to_string());
    let former = account.former_email.as_deref().filter(|former| accounts::canonical(former) != new.and_then(accounts::canonical));
    if let (Means::Email, Some(former)) = (means, former) {
        accounts::drop_name(change, &account.id, former);
    }
}

/// An operator's address takes the place of the present one, and of one that waits.
pub fn replace_email(change: &mut Change, account: &Account, new: &str) {
    let former = account.former_email.as_deref().filter(|former| accounts::canonical(former) == accounts::canonical(new));
    confirm_means(change, account, &Means::Email, Some(new));
    accounts::set_email(change, &account.id, (account.any_email.as_deref(), former), new);
}

/// The means itself is gone.
pub fn forget(change: &mut Change, account: &str, means: &str) {
    change.run_expecting(FORGET_MEANS, vec![account.into(), means.into()], Expect::Any);
}

/// Confirms what nobody stopped in time.
pub async fn confirm_what_waited(store: &Store, config: &Config, now_ms: i64) -> std::result::Result<(), Fault> {
    for row in store.all(OVER, &[(now_ms - config.enrolment.wait.ms()).into()]).await? {
        let id = row.bytes("id")?.try_into().map_err(|_| Fault::new("the id of an enrolment has 16 bytes"))?;
        let open = Open::read(id, &row)?;
        let mut change = Change::new(now_ms);
        confirm(&mut change, &open);
        let means = open.means.to_string();
        change.audit(Entry::ok("enrolment_confirmed").account(open.account.as_str()).with("means", means).with("by", "waiting"));
        match store.apply(change).await {
            // Another node, a stop or an operator was first.
            Ok(_) | Err(NotApplied::Conflict(_)) => {}
            Err(other) => return Err(other.into_fault("confirming an enrolment")),
        }
    }
    Ok(())
}

/// Whoever did not come back in time waits anew.
pub async fn end_late_regains(store: &Store, config: &Config, now_ms: i64) -> std::result::Result<(), Fault> {
    let before_ms = now_ms - config.enrolment.wait.ms() - regain::RETURN_MS;
    for row in store.all(LATE_REGAINS, &[before_ms.into()]).await? {
        let mut change = Change::new(now_ms);
        change.run(END, vec![Value::from(row.bytes("id")?)]);
        change.audit(Entry::ok("regain_ended").account(row.text("account")?).with("by", "time"));
        match store.apply(change).await {
            Ok(_) | Err(NotApplied::Conflict(_)) => {}
            Err(other) => return Err(other.into_fault("ending a way back")),
        }
    }
    Ok(())
}

/// An operator knows the person: the waiting time is over now.
pub fn let_regain(change: &mut Change, id: &[u8; 16], wait_ms: i64) {
    let told_ms = (change.now_ms() - wait_ms).max(1);
    change.run(SHORTEN, vec![Value::from(&id[..]), told_ms.into()]);
}

/// Says once in the audit that what was there before this rule counts in full.
pub async fn note_rule(store: &Store, now_ms: i64) -> std::result::Result<(), Fault> {
    if store.one(ENROLMENT_RULE, &[]).await?.is_some() {
        return Ok(());
    }
    let accounts = store.one(account::COUNT, &[]).await?.map_or(Ok(0), |row| row.int("count"))?;
    let mut change = Change::new(now_ms);
    change.run(SET_ENROLMENT_RULE, vec![now_ms.to_string().into()]);
    if accounts > 0 {
        change.audit(Entry::ok("enrolments_confirmed").with("accounts", accounts));
    }
    match store.apply(change).await {
        Ok(_) | Err(NotApplied::Conflict(_)) => Ok(()),
        Err(other) => Err(other.into_fault("the rule of enrolments")),
    }
}
