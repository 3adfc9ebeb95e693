//! The accounts that a browser remembers, for a request that lets the person choose (`prompt=select_account`). A sealed cookie names them and
//! proves nothing: whoever is chosen signs in as ever. A sign-out takes its person out; so does whatever ends the person's sessions.

use super::reply::{Reply, add_cookie};
use crate::app::App;
use crate::error::{Fault, Result};
use crate::login::step::{ACCOUNT, FORGET_ACCOUNTS, Step, Text};
use crate::sessions::{self, Session};
use crate::store::tables::account::STAYED;
use crate::web::request::Incoming;
use serde::{Deserialize, Serialize};
use symbolon_oauth::base64url;

/// The one that signed in least lately gives way.
const MOST: usize = 5;
const LIFETIME_S: i64 = 90 * 24 * 3600;
/// More is no cookie of ours.
const COOKIE_MOST: usize = 2048;

#[derive(Serialize, Deserialize, Clone)]
struct Entry {
    account: String,
    /// When the person last signed in here.
    at_ms: i64,
}

/// An account that may be chosen.
pub struct Remembered {
    pub account: String,
    /// As its person knows it.
    pub shown: String,
    /// What it signs in with, to begin with.
    pub login_name: Option<String>,
}

fn cookie_name(app: &App) -> String {
    sessions::cookie_name(app, "accounts")
}

fn sealed_at(app: &App) -> String {
    format!("remembered accounts/{}", app.config.issuer)
}

/// What the cookie says. One that we did not make, or that is too old, says nothing.
fn read(app: &App, incoming: &Incoming) -> Vec<Entry> {
    let sealed = incoming.cookie(&cookie_name(app)).filter(|value| value.len() <= COOKIE_MOST).and_then(base64url::decode);
    let plain = sealed.and_then(|sealed| app.keyring.open(&sealed_at(app), &sealed));
    let entries: Vec<Entry> = plain.and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default();
    entries.into_iter().filter(|entry| incoming.now_ms < entry.at_ms + LIFETIME_S * 1000).take(MOST).collect()
}

/// Goes on as the person whom this browser knows, as one whom it remembers, or as another one. OpenID Connect Core 3.1.2.1,
/// `select_account`. `sub`: the one whom the request is for. None: there is nobody to choose.
pub async fn choice(app: &App, incoming: &Incoming, session: Option<&Session>, sub: Option<&str>) -> Result<Option<Step>> {
    let present = session.map(|session| session.account.as_str());
    let mut others = accounts(app, incoming).await?;
    others.retain(|other| Some(other.account.as_str()) != present && sub.is_none_or(|sub| sub == other.account));
    if present.is_none() && others.is_empty() {
        return Ok(None);
    }
    let mut step = Step::new("select_account");
    if let Some(account) = present {
        let known = app.accounts().by_id(account).await?.unwrap_or_default();
        let name = known.any_email.or(known.login_name).or(known.name).unwrap_or_default();
        step = step.primary("continue_as").called(Text::new("action-continue_as").with("person", name));
    }
    for (number, other) in others.iter().enumerate() {
        step = step.secondary(&format!("{ACCOUNT}{number}")).standing_for(&[("person", &other.shown)]);
        if let Some(name) = &other.login_name {
            step = step.standing_for(&[("name", name)]);
        }
    }
    // Another person could only be refused.
    if sub.is_none() {
        step = step.secondary_called("not_you", Text::new("action-another_person"));
    }
    Ok(Some(if others.is_empty() { step } else { step.link(FORGET_ACCOUNTS) }.link("cancel")))
}

/// Those whose person may still be shown: the account is active, and its sessions were not ended since.
async fn accounts(app: &App, incoming: &Incoming) -> Result<Vec<Remembered>> {
    let mut found = Vec::new();
    for entry in read(app, incoming) {
        let stayed = app.store.one(STAYED, &[entry.account.as_str().into(), entry.at_ms.into()]).await?.is_some();
        let Some(account) = app.accounts().by_id(&entry.account).await?.filter(|account| stayed && account.active) else { continue };
        let login_name = account.email.or(account.login_name);
        let shown = login_name.clone().or(account.name);
        found.extend(shown.map(|shown| Remembered { account: entry.account, shown, login_name }));
    }
    Ok(found)
}

/// The person signed in here.
pub fn add(app: &App, incoming: &Incoming, reply: &mut Reply, account: &str) -> std::result::Result<(), Fault> {
    let mut entries = vec![Entry { account: account.to_owned(), at_ms: incoming.now_ms }];
    entries.extend(read(app, incoming).into_iter().filter(|entry| entry.account != account));
    entries.truncate(MOST);
    write(app, reply, &entries)
}

/// The person signed out here.
pub fn forget(app: &App, incoming: &Incoming, reply: &mut Reply, account: &str) -> std::result::Result<(), Fault> {
    let mut entries = read(app, incoming);
    entries.retain(|entry| entry.account != account);
    write(app, reply, &entries)
}

pub fn forget_all(app: &App, reply: &mut Reply) {
    add_cookie(reply, &sessions::cookie(app, &cookie_name(app), "", 0));
}

fn write(app: &App, reply: &mut Reply, entries: &[Entry]) -> std::result::Result<(), Fault> {
    if entries.is_empty() {
        forget_all(app, reply);
        return Ok(());
    }
    let plain = serde_json::to_vec(entries).map_err(|error| Fault::new(error.to_string()))?;
    let sealed = base64url::encode(&app.keyring.seal(&sealed_at(app), &plain)?);
    add_cookie(reply, &sessions::cookie(app, &cookie_name(app), &sealed, LIFETIME_S));
    Ok(())
}
