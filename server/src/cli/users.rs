//! `symbolon user`: the people.

use super::desk::Desk;
use super::lists::{self, List, ListArgs};
use super::screen::{Screen, Stop, unexpected};
use super::terminal;
use super::text::{counted, shown};
use crate::operations::{Operation, Outcome, Problem, UserFacts, UserLine, UserOperation};
use crate::visible;
use clap::Subcommand;
use std::collections::BTreeMap;

#[derive(Subcommand)]
pub enum User {
    /// Add a person. The password is read from standard input.
    Add {
        /// The name to sign in with.
        name: String,
        #[command(flatten)]
        profile: ProfileArgs,
    },
    /// Add people of another system, with the digests of their passwords, from a file of JSON lines.
    Import(super::user_import::Import),
    /// Everybody, one line for each name to sign in with.
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// One person: names, factors, open sessions, apps.
    Show {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// A new password, read from standard input; ends all sessions.
    Password {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Another address, shown name or claims; only what is named changes.
    Change {
        #[arg(allow_hyphen_values = true)]
        name: String,
        #[command(flatten)]
        profile: ProfileArgs,
        /// Takes a claim away; may be given several times.
        #[arg(long = "no-claim", value_name = "NAME")]
        no_claims: Vec<String>,
    },
    /// The authenticator app is lost: take it away with its recovery codes, and end all sessions.
    RemoveTotp {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// A passkey is lost, or somebody else has it: take it away, and end all sessions. With --all every passkey goes.
    RemovePasskey {
        #[arg(allow_hyphen_values = true)]
        name: String,
        /// As `user show` names it.
        #[arg(allow_hyphen_values = true, required_unless_present = "all", conflicts_with = "all")]
        passkey: Option<String>,
        #[arg(long)]
        all: bool,
    },
    /// Remove a person's link to a provider. Ends all sessions.
    Unlink {
        #[arg(allow_hyphen_values = true)]
        name: String,
        /// As `user show` names it.
        #[arg(allow_hyphen_values = true)]
        link: String,
    },
    /// Set a person's user code, read from standard input. Some clients need it to ask the person on their own device.
    Code {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Remove a person's user code. Clients that need it can then ask this person nothing.
    RemoveCode {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Delete a person: all sessions and what apps got from them end, names, secrets and claims go. Without --yes it only says so.
    Delete {
        #[arg(allow_hyphen_values = true)]
        name: String,
        #[arg(long)]
        yes: bool,
    },
    /// End all sessions of a person, and with them everything apps got from them.
    EndSessions {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Confirm what the person added, if you know that it was the person. It counts in full at once. Without --means: all that waits.
    Confirm {
        #[arg(allow_hyphen_values = true)]
        name: String,
        /// One of those that `user show` lists, such as totp.
        #[arg(long)]
        means: Option<String>,
    },
    /// Make an account that nobody can sign in to yet, and a ticket, shown once. With it the person links an account at a provider.
    Invite {
        /// The name that goes with the ticket.
        name: String,
        #[command(flatten)]
        profile: ProfileArgs,
    },
    /// Give a provider's links new subjects, from a file of JSON lines: for example after a move to another team at Apple.
    MoveLinks(super::move_links::MoveLinks),
    /// Make a ticket, shown once. With it the person signs in and adds means that count at once. Give it to nobody else.
    Ticket {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Refuse this person everywhere, at once.
    Disable {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Let this person in again.
    Enable {
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
}

#[derive(clap::Args)]
pub struct ProfileArgs {
    /// Becomes a login name, and counts as proved; an address before stops being one.
    #[arg(long)]
    email: Option<String>,
    /// The name shown to people.
    #[arg(long)]
    display_name: Option<String>,
    /// Sets a further claim, such as customer_id=c-1041; may be given several times.
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
}

pub async fn user(desk: &mut Desk, screen: &Screen, action: User) -> Result<u8, Stop> {
    let operation = match action {
        User::List { list } => {
            return lists::print(desk, screen, &list, &users(), |paging| Operation::User(UserOperation::List { paging })).await;
        }
        User::Import(args) => return super::user_import::import(desk, screen, &args).await,
        User::Add { name, profile } => {
            let (claims, password) = (parse_claims(&profile.claims)?, terminal::read_password(&name)?);
            UserOperation::Add { user: name, email: profile.email, display_name: profile.display_name, claims, password }
        }
        User::Change { name, profile, no_claims } => UserOperation::Change {
            user: name,
            claims: parse_claims(&profile.claims)?,
            email: profile.email,
            display_name: profile.display_name,
            remove_claims: no_claims,
        },
        User::Password { name } => UserOperation::SetPassword { password: terminal::read_password(&name)?, user: name },
        User::Show { name } => UserOperation::Show { user: name },
        User::RemoveTotp { name } => UserOperation::RemoveTotp { user: name },
        User::RemovePasskey { name, passkey, all: _ } => UserOperation::RemovePasskeys { user: name, passkey },
        User::Unlink { name, link } => UserOperation::Unlink { user: name, link },
        User::Code { name } => UserOperation::SetUserCode { code: terminal::read_user_code(&name)?, user: name },
        User::RemoveCode { name } => UserOperation::RemoveUserCode { user: name },
        User::Confirm { name, means } => UserOperation::Confirm { user: name, means },
        User::Ticket { name } => return ticket(desk, screen, "user ticket", UserOperation::Ticket { user: name }).await,
        User::Invite { name, profile } => {
            let claims = parse_claims(&profile.claims)?;
            let (email, display_name) = (profile.email, profile.display_name);
            return ticket(desk, screen, "user invite", UserOperation::Invite { user: name, email, display_name, claims }).await;
        }
        User::MoveLinks(args) => return super::move_links::run(desk, screen, &args).await,
        User::Delete { name, yes } => UserOperation::Delete { user: name, confirmed: yes },
        User::EndSessions { name } => UserOperation::EndSessions { user: name },
        User::Disable { name } => UserOperation::Disable { user: name },
        User::Enable { name } => UserOperation::Enable { user: name },
    };
    let outcome = desk.ask(Operation::User(operation)).await?;
    screen.outcome(&outcome, words)?;
    Ok(0)
}

/// A secret: it is shown to a person and never written as JSON.
async fn ticket(desk: &mut Desk, screen: &Screen, command: &str, operation: UserOperation) -> Result<u8, Stop> {
    screen.must_be_text(command)?;
    let mut outcome = desk.ask(Operation::User(operation)).await?;
    let secrets = outcome.take_secrets();
    let (Outcome::TicketGiven { user, until_ms, .. }, Some(text)) = (&outcome, secrets.values().next()) else { return Err(unexpected()) };
    screen.row(&format!("The ticket of {user}, shown this once and good once, until {}:", shown(*until_ms)))?;
    screen.line(format!("  {}", text.reveal()))?;
    Ok(0)
}

fn users() -> List<UserLine> {
    List {
        member: "users",
        head: format!("{:<32} {:<24} STATE", "NAME", "SUB"),
        rows: |outcome| match outcome {
            Outcome::Users(page) => Some((page.users, page.next)),
            _ => None,
        },
        line: |row| format!("{:<32} {:<24} {}", row.user, row.sub, row.state),
    }
}

fn parse_claims(claims: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    let pair = |claim: &String| match claim.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Problem::invalid(format!("--claim {claim}: write NAME=VALUE"))),
    };
    claims.iter().map(pair).collect()
}

fn words(outcome: &Outcome) -> Vec<String> {
    vec![match outcome {
        Outcome::User(facts) => return person(facts),
        Outcome::UserAdded { user, sub } => format!("{user} can sign in; sub is {sub}"),
        Outcome::PasswordSet { user, .. } => format!("{user} has a new password; all sessions are ended"),
        Outcome::UserChanged { user, .. } => format!("{user} is changed; tokens say so from the next one on"),
        Outcome::TotpRemoved { user, .. } => format!("{user} has no authenticator and no recovery codes; all sessions are ended"),
        Outcome::PasskeysRemoved { user, passkeys, .. } => {
            format!("{} of {user} removed; all sessions are ended", counted(passkeys.len(), "passkey"))
        }
        Outcome::Unlinked { user, method, .. } => format!("the link of {user} to {method} is removed; all sessions are ended"),
        Outcome::UserCodeSet { user, .. } => format!("{user} has a new user code"),
        Outcome::UserCodeRemoved { user, .. } => format!("{user} has no user code any more"),
        Outcome::MeansConfirmed { user, means, .. } => format!("{user}: {} in full from now on", means.join(", ") + " counts"),
        Outcome::UserDeleted { user, sub, sessions } => {
            format!("{user} (sub {sub}) is deleted; {sessions} sessions ended. The audit keeps the sub.")
        }
        Outcome::UserSessionsEnded { user, sessions, .. } => format!("{} of {user} ended", counted(*sessions, "session")),
        Outcome::UserState { user, state, .. } => format!("{user} is {state}"),
        _ => return Vec::new(),
    }]
}

fn person(facts: &UserFacts) -> Vec<String> {
    let proved = if facts.email_verified { "proved" } else { "not proved" };
    let email = facts.email.as_ref().map_or("none".to_owned(), |it| format!("{it} ({proved})"));
    let factors = &facts.factors;
    let mut lines = vec![
        format!("sub       {}", facts.sub),
        format!("state     {}", facts.state),
        format!("names     {}", facts.names.join(", ")),
        format!("e-mail    {email}"),
        format!("name      {}", facts.display_name.as_deref().unwrap_or("none")),
        format!("claims    {}", serde_json::Value::Object(facts.claims.clone())),
        format!("since     {}", shown(facts.created_ms)),
        format!("factors   password: {}, authenticator: {}, recovery codes: {}", factors.password, factors.totp, factors.recovery),
    ];
    for one in &facts.passkeys {
        let used = one.used_ms.map_or("never used".to_owned(), |used_ms| format!("used {}", shown(used_ms)));
        lines.push(format!("passkey   {} ({}) since {}, {used}", one.passkey, visible::plain(&one.name, 80), shown(one.created_ms)));
    }
    for one in &facts.links {
        let mail = one.email_off_ms.map_or(String::new(), |at_ms| format!("; its address takes no mail since {}", shown(at_ms)));
        lines.push(format!("link      {} by {} since {}, used {}{mail}", one.link, one.method, shown(one.created_ms), shown(one.used_ms)));
        if !one.claims.is_empty() {
            let (issuer, claims) = (visible::plain(&one.issuer, 200), serde_json::Value::Object(one.claims.clone()));
            lines.push(format!("          of {issuer}: {claims}"));
        }
    }
    for waits in &facts.waiting {
        let from = waits.counts_from_ms.map_or("when it is confirmed".to_owned(), |from_ms| format!("from {}", shown(from_ms)));
        lines.push(format!("waits     {} added {} with {}; counts {from}", waits.means, shown(waits.added_ms), waits.added_with));
    }
    for session in &facts.sessions {
        let (since, used) = (shown(session.created_ms), shown(session.used_ms));
        lines.push(format!("session   {} since {since}, used {used}, amr {}", session.session, session.amr.join(" ")));
    }
    for app in &facts.apps {
        let suspected = app.suspected_ms.map_or(String::new(), |it| format!(", two holders suspected since {}", shown(it)));
        let (since, used) = (shown(app.created_ms), shown(app.used_ms));
        lines.push(format!("app       {} ({}) since {since}, used {used}{suspected}", app.client_id, app.scope));
    }
    if facts.more {
        lines.push("          and more sessions or apps".to_owned());
    }
    lines
}
