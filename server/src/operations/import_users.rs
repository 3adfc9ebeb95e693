//! People of another system, line by line. Each is judged by itself, and the answer says for each what was refused and why.

use super::actor::Actor;
use super::context::Context;
use super::outcome::{Outcome, RefusedPerson, UsersImported};
use super::problem::{Problem, Result};
use crate::login::accounts::{self, NewAccount};
use crate::login::imported::{FirebaseProject, Given};
use crate::sensitive::Sensitive;
use crate::store::tables::account::{DISABLE, IS_NAME_TAKEN, IS_THERE};
use crate::store::tables::client::IS_REGISTERED;
use crate::store::{Change, NotApplied};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// So many changes at once ride in one commit.
const AT_ONCE: usize = 64;
const MOST_NAMES: usize = 10;
/// A shorter one could be taken for the id of a client. That is the `sub` of tokens without a person.
const SUB_BYTES: std::ops::RangeInclusive<usize> = 20..=255;

/// What travels as the secret of the operation: digests are in it.
#[derive(Serialize, Deserialize, Default)]
pub struct Batch {
    /// The parameters of the Firebase project, as its console shows them.
    pub firebase: Option<String>,
    pub lines: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
pub struct Line {
    pub number: usize,
    pub text: String,
}

/// One person of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedPerson {
    #[serde(default)]
    login_names: Vec<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    name: Option<String>,
    locale: Option<String>,
    #[serde(default)]
    claims: Map<String, Json>,
    /// Absent: the account gets a new one.
    sub: Option<String>,
    #[serde(default)]
    disabled: bool,
    /// Absent: the person chooses a password by e-mail.
    password_hash: Option<Given>,
}

impl ImportedPerson {
    pub fn read(text: &str) -> std::result::Result<Self, String> {
        serde_json::from_str(text).map_err(|why| format!("the line cannot be read: {why}"))
    }

    /// Everything the person would sign in with, in the one spelling.
    pub fn names(&self) -> std::result::Result<Vec<String>, String> {
        let mut names = Vec::new();
        for name in self.login_names.iter().chain(&self.email) {
            let canonical = accounts::canonical(name);
            let name = canonical.ok_or_else(|| format!("{name:?} is no login name: a plain word or an e-mail address"))?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() || names.len() > MOST_NAMES {
            return Err(format!("login_names and email: somebody signs in with 1 to {MOST_NAMES} names"));
        }
        Ok(names)
    }

    /// The same as former versions wrote them. Who was imported then has such a name.
    fn former_names(&self) -> impl Iterator<Item = String> {
        self.login_names.iter().chain(&self.email).filter_map(|name| accounts::former_spelling(name))
    }
}

#[derive(Clone, Copy)]
pub struct How {
    pub dry_run: bool,
    pub skip_existing: bool,
}

/// What became of a line.
enum LineVerdict {
    Added,
    Skipped,
    Refused(RefusedPerson),
}

pub async fn run(context: &Context, actor: &Actor, batch: &Sensitive, how: How) -> Result<Outcome> {
    let batch: Batch = serde_json::from_str(batch.reveal()).map_err(|why| Problem::invalid(format!("the lines: {why}")))?;
    let firebase = match &batch.firebase {
        Some(text) => Some(FirebaseProject::read(text).map_err(|why| Problem::invalid(format!("the parameters of Firebase: {why}")))?),
        None => None,
    };
    let mut outcome = UsersImported { dry_run: how.dry_run, ..UsersImported::default() };
    for lines in batch.lines.chunks(AT_ONCE) {
        // Side by side, so that the store commits them together.
        let work = lines.iter().map(|line| import(context, actor, line, firebase.as_ref(), how));
        for judged in join_all(work).await {
            match judged? {
                LineVerdict::Added => outcome.added += 1,
                LineVerdict::Skipped => outcome.skipped += 1,
                LineVerdict::Refused(refused) => {
                    outcome.refused_lines += 1;
                    outcome.refused.push(refused);
                }
            }
        }
    }
    Ok(Outcome::UsersImported(outcome))
}

async fn import(context: &Context, actor: &Actor, line: &Line, firebase: Option<&FirebaseProject>, how: How) -> Result<LineVerdict> {
    let refused = |name: &str, why: String| LineVerdict::Refused(RefusedPerson { line: line.number, name: name.to_owned(), problem: why });
    let person = match ImportedPerson::read(&line.text) {
        Ok(person) => person,
        Err(why) => return Ok(refused("", why)),
    };
    let shown = person.login_names.first().or(person.email.as_ref()).cloned().unwrap_or_default();
    let names: Vec<String> = match person.names() {
        Ok(names) => names.into_iter().chain(person.former_names()).collect(),
        Err(why) => return Ok(refused(&shown, why)),
    };
    let digest = match judge(context, &person, firebase).await? {
        Ok(digest) => digest,
        Err(why) => return Ok(refused(&shown, why)),
    };
    let taken = is_taken(context, &names, person.sub.as_deref()).await?;
    if taken.is_some() && how.skip_existing {
        return Ok(LineVerdict::Skipped);
    }
    if let Some(why) = taken {
        return Ok(refused(&shown, why));
    }
    if how.dry_run {
        return Ok(LineVerdict::Added);
    }
    match context.store.apply(change(context, actor, person, digest)?).await {
        Ok(_) => Ok(LineVerdict::Added),
        Err(NotApplied::Conflict(_)) => Ok(refused(&shown, "somebody took the name or the sub at the same moment".to_owned())),
        Err(other) => Err(other.into()),
    }
}

/// Everything that can be judged without looking who is there. Answers the digest.
async fn judge(
    context: &Context,
    person: &ImportedPerson,
    firebase: Option<&FirebaseProject>,
) -> Result<std::result::Result<Option<String>, String>> {
    if let Some(email) = &person.email {
        let address = accounts::email_address(email);
        let Some(address) = address else { return Ok(Err(format!("{email:?} is no e-mail address"))) };
        if context.config.registration.as_ref().is_some_and(|rules| !rules.allows(&address)) {
            return Ok(Err(format!("{address} is of no domain in [registration] email_domains")));
        }
    } else if person.email_verified {
        return Ok(Err("email_verified without email".to_owned()));
    }
    let long = [("name", &person.name, 200), ("locale", &person.locale, 35)];
    for (member, text, most) in long {
        if text.as_ref().is_some_and(|text| text.is_empty() || text.chars().count() > most) {
            return Ok(Err(format!("{member} has 1 to {most} characters")));
        }
    }
    if let Some(sub) = &person.sub
        && let Some(why) = why_no_sub(context, sub).await?
    {
        return Ok(Err(why));
    }
    Ok(person.password_hash.as_ref().map(|given| given.stored(firebase)).transpose())
}

async fn why_no_sub(context: &Context, sub: &str) -> Result<Option<String>> {
    if !SUB_BYTES.contains(&sub.len()) || !sub.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some("sub has 20 to 255 visible ASCII characters; leave it out for a new one".to_owned()));
    }
    let is_client = context.config.client.contains_key(sub) || context.store.one(IS_REGISTERED, &[sub.into()]).await?.is_some();
    Ok(is_client.then(|| "sub is the id of a client".to_owned()))
}

async fn is_taken(context: &Context, names: &[String], sub: Option<&str>) -> Result<Option<String>> {
    for name in names {
        if context.store.one(IS_NAME_TAKEN, &[name.as_str().into()]).await?.is_some() {
            return Ok(Some(format!("somebody has the name {name:?} already")));
        }
    }
    match sub {
        Some(sub) if context.store.one(IS_THERE, &[sub.into()]).await?.is_some() => Ok(Some("somebody has that sub already".to_owned())),
        _ => Ok(None),
    }
}

fn change(context: &Context, actor: &Actor, person: ImportedPerson, digest: Option<String>) -> Result<Change> {
    let id = match person.sub {
        Some(sub) => sub,
        None => accounts::new_id()?,
    };
    let new = NewAccount {
        login_names: person.login_names,
        email: person.email.as_deref().and_then(accounts::email_address),
        email_verified: person.email_verified,
        name: person.name,
        locale: person.locale,
        claims: person.claims,
        password: None,
    };
    let mut change = context.change(actor);
    accounts::insert(&mut change, &id, new, digest)?;
    if person.disabled {
        change.run(DISABLE, vec![id.as_str().into()]);
    }
    Ok(change)
}
