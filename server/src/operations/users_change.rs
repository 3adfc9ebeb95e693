//! What an operator changes about a person.

use super::actor::Actor;
use super::context::Context;
use super::enrolments::add_ticket;
use super::find_user::{count_open_sessions, find};
use super::outcome::Outcome;
use super::problem::{Problem, Result};
use crate::login::accounts::{self, Hashers, NewAccount};
use crate::login::deletion::forget_rows;
use crate::login::{user_code, waiting};
use crate::profile;
use crate::sensitive::Sensitive;
use crate::store::tables::account::{NAME_AND_CLAIMS, SET_NAME_AND_CLAIMS, SET_STATE};
use crate::store::tables::backchannel_request::REMOVE_USER_CODE;
use crate::store::tables::outside_identity;
use crate::store::{Change, NotApplied, Row};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// What is said about a person. In a change only what is named.
pub struct ProfileChange {
    pub email: Option<String>,
    pub display_name: Option<String>,
    pub claims: BTreeMap<String, String>,
    pub remove_claims: Vec<String>,
}

impl ProfileChange {
    fn is_empty(&self) -> bool {
        self.email.is_none() && self.display_name.is_none() && self.claims.is_empty() && self.remove_claims.is_empty()
    }
}

pub async fn add(context: &Context, actor: &Actor, user: String, profile: ProfileChange, password: &Sensitive) -> Result<Outcome> {
    let new = account_of(context, &user, profile)?;
    let digest = chosen(context, password).await?;
    let (sub, mut change) = accounts::prepare(new, Some(digest), context.now_ms)?;
    change.set_actor(actor.to_json());
    match context.store.apply(change).await {
        Ok(_) => Ok(Outcome::UserAdded { user, sub }),
        Err(NotApplied::Conflict(_)) => Err(Problem::conflict("Somebody has that login name or e-mail address already.")),
        Err(other) => Err(other.into()),
    }
}

/// An account without means, and a ticket that leads to it. Once more for somebody who has not come yet: another ticket.
pub async fn invite(context: &Context, actor: &Actor, user: String, profile: ProfileChange) -> Result<Outcome> {
    let known = context.accounts().by_typed_name(&user).await?;
    let (sub, mut change) = match known {
        Some(account) if account.has_no_means() => (account.id, context.change(actor)),
        Some(_) => return Err(Problem::conflict(format!("{user} can sign in already; `symbolon user ticket` is for people who can"))),
        None => {
            let new = account_of(context, &user, profile)?;
            let (sub, mut change) = accounts::prepare(new, None, context.now_ms)?;
            change.set_actor(actor.to_json());
            (sub, change)
        }
    };
    let given = add_ticket(context, actor, (&mut change, &sub), true)?;
    match context.store.apply(change).await {
        Ok(_) => Ok(Outcome::TicketGiven { user, sub, until_ms: given.until_ms, ticket: given.ticket }),
        Err(NotApplied::Conflict(_)) => Err(Problem::conflict("Somebody has that login name or e-mail address already.")),
        Err(other) => Err(other.into()),
    }
}

fn account_of(context: &Context, user: &str, profile: ProfileChange) -> Result<NewAccount> {
    let email = profile.email.as_deref().map(|it| good_address(context, it)).transpose()?;
    Ok(NewAccount {
        login_names: vec![user.to_owned()],
        email_verified: email.is_some(),
        email,
        name: profile.display_name,
        locale: None,
        claims: profile.claims.into_iter().map(|(name, value)| (name, Json::from(value))).collect(),
        password: None,
    })
}

/// The digest of a password that an operator chooses, by the rules for everybody.
async fn chosen(context: &Context, password: &Sensitive) -> Result<String> {
    let list = context.config.passwords.open_list(&context.base).map_err(Problem::fault)?;
    let chosen = Hashers::default().with_breached(list).choose(password.reveal()).await?;
    chosen.map_err(|unfit| Problem::invalid(unfit.hint()))
}

pub async fn set_password(context: &Context, actor: &Actor, user: String, password: &Sensitive) -> Result<Outcome> {
    let found = find(context, &user).await?;
    let digest = chosen(context, password).await?;
    let mut change = context.change(actor);
    accounts::set_password(&mut change, &found.id, digest);
    waiting::forget(&mut change, &found.id, "password");
    change.audit(actor.entry("password_changed").account(found.id.as_str()));
    context.store.apply(change).await?;
    Ok(Outcome::PasswordSet { user, sub: found.id })
}

/// What the links of an account show: the names of the identities, their claims, and the claims as the store has them. A claim that is
/// removed comes back with the next sign-in that names it.
struct AccountLinks(Vec<(String, Map<String, Json>, String)>);

impl AccountLinks {
    async fn read(context: &Context, account: &str) -> Result<Self> {
        let rows = context.store.all(outside_identity::SHOWN, &[account.into()]).await?;
        let read = |row: &Row| -> Result<(String, Map<String, Json>, String)> {
            let text = row.text("claims")?;
            let claims = serde_json::from_str(text).map_err(|it| Problem::fault(format!("what a link of {account} shows: {it}")))?;
            Ok((row.text("name")?.to_owned(), claims, text.to_owned()))
        };
        rows.iter().map(read).collect::<Result<Vec<_>>>().map(Self)
    }

    /// False: no link shows it.
    fn remove(&mut self, claim: &str) -> bool {
        self.0.iter_mut().fold(false, |found, (_, claims, _)| claims.remove(claim).is_some() || found)
    }

    /// Conflicts if a sign-in changed one meanwhile.
    fn write(self, change: &mut Change, account: &str) {
        for (name, claims, before) in self.0 {
            let after = profile::as_text(&claims);
            if after != before {
                change.run(outside_identity::SET_SHOWN, vec![account.into(), name.into(), after.into(), before.into()]);
            }
        }
    }
}

pub async fn set_profile(context: &Context, actor: &Actor, user: String, new: ProfileChange) -> Result<Outcome> {
    if new.is_empty() {
        return Err(Problem::invalid("nothing to change was named: give --email, --display-name, --claim or --no-claim"));
    }
    let account = find(context, &user).await?;
    let sub = account.id.clone();
    let gone = || Problem::not_found(format!("nobody signs in as {user}"));
    let row = context.store.one(NAME_AND_CLAIMS, &[sub.as_str().into()]).await?.ok_or_else(gone)?;
    let mut claims: Map<String, Json> =
        serde_json::from_str(row.text("claims")?).map_err(|it| Problem::fault(format!("the claims of {sub}: {it}")))?;
    let mut links = AccountLinks::read(context, &sub).await?;
    for name in &new.remove_claims {
        let is_own = claims.remove(name).is_some();
        if !links.remove(name) && !is_own {
            return Err(Problem::not_found(format!("{user} has no claim {name}")));
        }
    }
    claims.extend(new.claims.into_iter().map(|(name, value)| (name, Json::from(value))));
    let display_name = new.display_name.as_deref().or(row.opt_text("name")?).filter(|it| !it.is_empty());
    let mut change = context.change(actor);
    let claims = Json::Object(claims).to_string();
    let values = vec![sub.as_str().into(), display_name.into(), claims.into(), row.int("version")?.into(), context.now_ms.into()];
    change.run(SET_NAME_AND_CLAIMS, values);
    links.write(&mut change, &sub);
    let read = change.len();
    if let Some(email) = &new.email {
        let email = good_address(context, email)?;
        waiting::replace_email(&mut change, &account, &email);
        change.audit(actor.entry("email_changed").account(sub.as_str()));
    }
    change.audit(actor.entry("profile_changed").account(sub.as_str()));
    match context.store.apply(change).await {
        Ok(_) => Ok(Outcome::UserChanged { user, sub }),
        Err(NotApplied::Conflict(at)) if at < read => {
            Err(Problem::conflict("somebody else changed this account at the same moment; try again"))
        }
        Err(NotApplied::Conflict(_)) => {
            Err(Problem::conflict("that address is somebody else's, or this account is disabled; nothing was changed"))
        }
        Err(other) => Err(other.into()),
    }
}

/// An address that `[registration] email_domains` allows: it holds for every address, not for the first alone.
fn good_address(context: &Context, email: &str) -> Result<String> {
    let address = accounts::email_address(email).ok_or_else(|| Problem::invalid(format!("{email:?} is no e-mail address")))?;
    match &context.config.registration {
        Some(rules) if !rules.allows(&address) => {
            Err(Problem::invalid(format!("{address} is of no domain in [registration] email_domains; nothing was changed")))
        }
        _ => Ok(address),
    }
}

/// Sessions go on: the code lets nobody in, it lets others ask.
pub async fn set_user_code(context: &Context, actor: &Actor, user: String, code: &Sensitive) -> Result<Outcome> {
    let sub = find(context, &user).await?.id;
    if !user_code::is_good(code.reveal()) {
        return Err(Problem::invalid("a user code has 6 to 64 plain letters, digits or signs, without spaces; nothing was changed"));
    }
    let digest = Hashers::default().hash_secret(code.reveal()).await?;
    let mut change = context.change(actor);
    user_code::write(&mut change, &sub, Some(&digest));
    change.audit(actor.entry("user_code_set").account(sub.as_str()));
    context.store.apply(change).await?;
    Ok(Outcome::UserCodeSet { user, sub })
}

pub async fn remove_user_code(context: &Context, actor: &Actor, user: String) -> Result<Outcome> {
    let sub = find(context, &user).await?.id;
    let mut change = context.change(actor);
    change.run(REMOVE_USER_CODE, vec![sub.as_str().into()]);
    change.audit(actor.entry("user_code_removed").account(sub.as_str()));
    match context.store.apply(change).await {
        Ok(_) => Ok(Outcome::UserCodeRemoved { user, sub }),
        Err(NotApplied::Conflict(_)) => Err(Problem::not_found(format!("{user} has no user code; nothing was changed"))),
        Err(other) => Err(other.into()),
    }
}

pub async fn delete(context: &Context, actor: &Actor, user: String, confirmed: bool) -> Result<Outcome> {
    let sub = find(context, &user).await?.id;
    let sessions = count_open_sessions(context, &sub).await?;
    if !confirmed {
        return Err(Problem::forbidden(format!("this would delete {user} (sub {sub}, {sessions} open sessions) for good; say --yes")));
    }
    let mut change = context.change(actor);
    accounts::end_sessions(&mut change, &sub);
    forget_rows(&mut change, &sub);
    change.audit(actor.entry("account_deleted").account(sub.as_str()));
    context.store.apply(change).await?;
    Ok(Outcome::UserDeleted { user, sub, sessions })
}

pub async fn end_sessions(context: &Context, actor: &Actor, user: String) -> Result<Outcome> {
    let sub = find(context, &user).await?.id;
    let sessions = count_open_sessions(context, &sub).await?;
    let mut change = context.change(actor);
    accounts::end_sessions(&mut change, &sub);
    change.audit(actor.entry("sessions_ended").account(sub.as_str()).with("sessions", sessions));
    context.store.apply(change).await?;
    Ok(Outcome::UserSessionsEnded { user, sub, sessions })
}

pub async fn set_state(context: &Context, actor: &Actor, user: String, state: &'static str) -> Result<Outcome> {
    let sub = find(context, &user).await?.id;
    let mut change = context.change(actor);
    change.run(SET_STATE, vec![sub.as_str().into(), state.into()]);
    let event = match state {
        "active" => {
            accounts::raise(&mut change, &sub);
            "account_enabled"
        }
        _ => {
            accounts::end_sessions(&mut change, &sub);
            "account_disabled"
        }
    };
    change.audit(actor.entry(event).account(sub.as_str()));
    context.store.apply(change).await?;
    Ok(Outcome::UserState { user, sub, state: state.to_owned() })
}
