//! `symbolon user`: the people.

use super::{Desk, Out, shown};
use crate::audit;
use crate::error::{Error, Fault};
use crate::login::accounts::{self, Found, Hashers, NewAccount};
use crate::sessions;
use crate::store::{Change, Expect, NotApplied};
use clap::Subcommand;
use serde_json::Value as Json;

#[derive(Subcommand)]
pub enum User {
    /// Add a person. The password is read from standard input.
    Add {
        /// The name to sign in with.
        name: String,
        #[arg(long)]
        email: Option<String>,
        /// The name shown to people.
        #[arg(long)]
        display_name: Option<String>,
        /// A further claim, such as customer_id=c-1041; may be given several times.
        #[arg(long = "claim", value_name = "NAME=VALUE")]
        claims: Vec<String>,
    },
    /// Everybody, one line each.
    List,
    /// One person: names, factors, open sessions, apps.
    Show { name: String },
    /// A new password, read from standard input; ends all sessions.
    Password { name: String },
    /// Another address, shown name or claims; only what is named changes.
    Change {
        name: String,
        /// Becomes a login name, and counts as proved; the old address stops being one.
        #[arg(long)]
        email: Option<String>,
        #[arg(long)]
        display_name: Option<String>,
        /// Sets a claim; may be given several times.
        #[arg(long = "claim", value_name = "NAME=VALUE")]
        claims: Vec<String>,
        /// Takes a claim away; may be given several times.
        #[arg(long = "no-claim", value_name = "NAME")]
        no_claims: Vec<String>,
    },
    /// The authenticator app is lost: take it away with its recovery codes, and end all sessions.
    RemoveTotp { name: String },
    /// Delete a person: all sessions and what apps got from them end, names, secrets and claims go. Without --yes it only says so.
    Delete {
        name: String,
        #[arg(long)]
        yes: bool,
    },
    /// End all sessions of a person, and with them everything apps got from them.
    EndSessions { name: String },
    /// Refuse this person everywhere, at once.
    Disable { name: String },
    /// Let this person in again.
    Enable { name: String },
}

const LIST: &str = "SELECT n.name, a.id, a.state FROM login_name n JOIN account a ON a.id = n.account";
const NAMES: &str = "SELECT name FROM login_name WHERE account = $1";
const ACCOUNT: &str = "SELECT state, email, email_verified, name, created_ms, claims FROM account WHERE id = $1";
const FACTORS: &str = "SELECT kind, created_ms, used_ms FROM credential WHERE account = $1";
const SESSIONS: &str = "SELECT id, created_ms, used_ms, acr, amr FROM session WHERE account = $1 AND state = 'active'";
const APPS: &str = "SELECT g.client, g.scope, g.created_ms, g.used_ms, g.suspected_ms FROM session s JOIN app_grant g ON g.session = s.id \
    WHERE s.account = $1 AND s.state = 'active' AND g.state = 'active'";
const REMOVE_TOTP: &str = "DELETE FROM credential WHERE account = $1 AND kind IN ('totp', 'recovery')";
const PROFILE: &str = "SELECT email, name, claims, version FROM account WHERE id = $1";
const SET_PROFILE: &str = "UPDATE account SET name = $2, claims = $3, version = version + 1 WHERE id = $1 AND version = $4";
const FORGET: [&str; 4] = [
    "DELETE FROM login_name WHERE account = $1",
    "DELETE FROM credential WHERE account = $1",
    "DELETE FROM consent WHERE account = $1",
    "DELETE FROM account WHERE id = $1",
];
const SET_STATE: &str = "UPDATE account SET state = $2 WHERE id = $1";

pub async fn user(desk: &Desk, action: User, input: &str, out: &Out) -> Result<(), Error> {
    match action {
        User::Add { name, email, display_name, claims } => {
            let mut members = serde_json::Map::new();
            set_claims(&mut members, &claims)?;
            let new = NewAccount {
                login_names: vec![name.clone()],
                email_verified: email.is_some(),
                email,
                name: display_name,
                locale: None,
                claims: members,
                password: Some(input.to_owned()),
            };
            let id = accounts::create(&desk.store, &Hashers::default(), new, desk.now_ms()).await?;
            out.line(format!("{name} can sign in; sub is {id}"));
        }
        User::List => {
            out.line(format!("{:<32} {:<24} STATE", "NAME", "SUB"));
            for row in desk.store.all_stale(LIST, &[]).await? {
                out.line(format!("{:<32} {:<24} {}", row.text(0)?, row.text(1)?, row.text(2)?));
            }
        }
        User::Show { name } => show(desk, &find(desk, &name).await?, out).await?,
        User::Password { name } => {
            let found = find(desk, &name).await?;
            let digest = Hashers::default().hash(input).await?;
            let mut change = Change::new(desk.now_ms());
            accounts::set_password(&mut change, &found.id, digest);
            change.audit(audit::Entry::ok("password_changed").account(found.id).with("by", "command line"));
            desk.store.apply(change).await?;
            out.line(format!("{name} has a new password; all sessions are ended"));
        }
        User::Change { name, email, display_name, claims, no_claims } => {
            let found = find(desk, &name).await?;
            change_profile(desk, &found, Profile { email, display_name, claims, no_claims }).await?;
            out.line(format!("{name} is changed; tokens say so from the next one on"));
        }
        User::RemoveTotp { name } => {
            let found = find(desk, &name).await?;
            let mut change = Change::new(desk.now_ms());
            change.run_expecting(REMOVE_TOTP, vec![found.id.as_str().into()], Expect::Any);
            accounts::end_sessions(&mut change, &found.id);
            change.audit(audit::Entry::ok("totp_removed").account(found.id).with("by", "command line"));
            desk.store.apply(change).await?;
            out.line(format!("{name} has no authenticator and no recovery codes; all sessions are ended"));
        }
        User::Delete { name, yes } => {
            let found = find(desk, &name).await?;
            let open = desk.store.all(SESSIONS, &[found.id.as_str().into()]).await?.len();
            if !yes {
                return Err(
                    Fault::new(format!("this would delete {name} (sub {}, {open} open sessions) for good; say --yes", found.id)).into()
                );
            }
            let mut change = Change::new(desk.now_ms());
            forget(&mut change, &found.id);
            change.audit(audit::Entry::ok("account_deleted").account(found.id.as_str()).with("by", "command line"));
            desk.store.apply(change).await?;
            out.line(format!("{name} (sub {}) is deleted; {open} sessions ended. The audit keeps the sub.", found.id));
        }
        User::EndSessions { name } => {
            let found = find(desk, &name).await?;
            let open = desk.store.all(SESSIONS, &[found.id.as_str().into()]).await?.len();
            let mut change = Change::new(desk.now_ms());
            accounts::end_sessions(&mut change, &found.id);
            change.audit(audit::Entry::ok("sessions_ended").account(found.id).with("by", "command line").with("sessions", open));
            desk.store.apply(change).await?;
            out.line(format!("{open} session{} of {name} ended", if open == 1 { "" } else { "s" }));
        }
        User::Disable { name } => set_state(desk, &name, "disabled", out).await?,
        User::Enable { name } => set_state(desk, &name, "active", out).await?,
    }
    Ok(())
}

async fn find(desk: &Desk, name: &str) -> Result<Found, Error> {
    Ok(accounts::find_by_login_name(&desk.store, name).await?.ok_or_else(|| Fault::new(format!("nobody signs in as {name}")))?)
}

/// Everything of a person that can go, goes; sessions stay as ended until they are swept, so that APIs are told (050-C).
pub fn forget(change: &mut Change, account: &str) {
    accounts::end_sessions(change, account);
    for sql in FORGET {
        change.run_expecting(sql, vec![account.into()], Expect::Any);
    }
}

fn set_claims(members: &mut serde_json::Map<String, Json>, claims: &[String]) -> Result<(), Fault> {
    for claim in claims {
        let (key, value) = claim.split_once('=').ok_or_else(|| Fault::new(format!("--claim {claim}: write NAME=VALUE")))?;
        members.insert(key.to_owned(), value.into());
    }
    Ok(())
}

/// What `user change` names.
struct Profile {
    email: Option<String>,
    display_name: Option<String>,
    claims: Vec<String>,
    no_claims: Vec<String>,
}

async fn change_profile(desk: &Desk, found: &Found, new: Profile) -> Result<(), Error> {
    let row = desk.store.one(PROFILE, &[found.id.as_str().into()]).await?.ok_or_else(|| Fault::new("the account is gone"))?;
    let mut members: serde_json::Map<String, Json> = serde_json::from_str(row.text(2)?).unwrap_or_default();
    for name in &new.no_claims {
        members.remove(name).ok_or_else(|| Fault::new(format!("--no-claim {name}: there is no such claim")))?;
    }
    set_claims(&mut members, &new.claims)?;
    let shown = new.display_name.as_deref().or(row.opt_text(1)?).filter(|it| !it.is_empty());
    let mut change = Change::new(desk.now_ms());
    let claims = Json::Object(members).to_string();
    change.run(SET_PROFILE, vec![found.id.as_str().into(), shown.into(), claims.into(), row.int(3)?.into()]);
    if let Some(email) = &new.email {
        let email = accounts::email_address(email).ok_or_else(|| Fault::new(format!("{email:?} is no e-mail address")))?;
        accounts::set_email(&mut change, &found.id, row.opt_text(0)?, &email);
        change.audit(audit::Entry::ok("email_changed").account(found.id.as_str()).with("by", "command line"));
    }
    change.audit(audit::Entry::ok("profile_changed").account(found.id.as_str()).with("by", "command line"));
    match desk.store.apply(change).await {
        Ok(_) => Ok(()),
        Err(NotApplied::Conflict(0)) => Err(Fault::new("somebody else changed this account at the same moment; try again").into()),
        Err(NotApplied::Conflict(_)) => {
            Err(Fault::new("that address is somebody else's, or this account is disabled; nothing was changed").into())
        }
        Err(other) => Err(other.into()),
    }
}

async fn set_state(desk: &Desk, name: &str, state: &'static str, out: &Out) -> Result<(), Error> {
    let found = find(desk, name).await?;
    let mut change = Change::new(desk.now_ms());
    change.run(SET_STATE, vec![found.id.as_str().into(), state.into()]);
    match state {
        "disabled" => accounts::end_sessions(&mut change, &found.id),
        _ => accounts::raise(&mut change, &found.id),
    }
    let event = if state == "active" { "account_enabled" } else { "account_disabled" };
    change.audit(audit::Entry::ok(event).account(found.id).with("by", "command line"));
    desk.store.apply(change).await?;
    out.line(format!("{name} is {state}"));
    Ok(())
}

async fn show(desk: &Desk, found: &Found, out: &Out) -> Result<(), Error> {
    let id = || [found.id.as_str().into()];
    let Some(row) = desk.store.one(ACCOUNT, &id()).await? else { return Ok(()) };
    let mut names = Vec::new();
    for row in desk.store.all(NAMES, &id()).await? {
        names.push(row.text(0)?.to_owned());
    }
    out.line(format!("sub       {}", found.id));
    out.line(format!("state     {}", row.text(0)?));
    out.line(format!("names     {}", names.join(", ")));
    let proved = if row.int(2)? == 1 { "proved" } else { "not proved" };
    out.line(format!("e-mail    {}", row.opt_text(1)?.map_or("none".to_owned(), |it| format!("{it} ({proved})"))));
    out.line(format!("name      {}", row.opt_text(3)?.unwrap_or("none")));
    out.line(format!("claims    {}", row.text(5)?));
    out.line(format!("since     {}", shown(row.int(4)?)));
    let factors = desk.store.all(FACTORS, &id()).await?;
    let of = |kind: &str| factors.iter().filter(|it| it.text(0).is_ok_and(|it| it == kind)).count();
    out.line(format!("factors   password: {}, authenticator: {}, recovery codes: {}", of("password"), of("totp"), of("recovery")));
    for row in desk.store.all(SESSIONS, &id()).await? {
        let name = row.bytes(0)?.try_into().map(|it| sessions::public_name(&desk.keyring, &it)).unwrap_or_default();
        out.line(format!("session   {name} since {}, used {}, amr {}", shown(row.int(1)?), shown(row.int(2)?), row.text(4)?));
    }
    for row in desk.store.all(APPS, &id()).await? {
        let suspected = match row.int(4)? {
            0 => String::new(),
            since => format!(", two holders suspected since {}", shown(since)),
        };
        let (since, used) = (shown(row.int(2)?), shown(row.int(3)?));
        out.line(format!("app       {} ({}) since {since}, used {used}{suspected}", row.text(0)?, row.text(1)?));
    }
    Ok(())
}
