//! Means that wait to be confirmed: what an operator sees of them, confirms, and lets a person add at once.

use super::actor::Actor;
use super::context::Context;
use super::find_user::find;
use super::outcome::{Outcome, WaitingMeans};
use super::problem::{Problem, Result};
use crate::error::Fault;
use crate::login::enrolment::{Means, Waiting, facts_as_text};
use crate::login::methods::ticket;
use crate::login::standing::Patience;
use crate::login::waiting::{self, Open};
use crate::sensitive::Sensitive;
use crate::store::tables::enrolment::{GIVE_TICKET, OF_ACCOUNT};
use crate::store::{Change, NotApplied};

/// What waits, oldest first.
pub async fn list(context: &Context, sub: &str) -> Result<Vec<WaitingMeans>> {
    let account = context.accounts().by_id(sub).await?;
    let patience = Patience { now_ms: context.now_ms, wait_ms: context.config.enrolment.wait.ms() };
    let shown = |one: &Waiting| WaitingMeans {
        means: one.means.to_string(),
        added_with: facts_as_text(&one.enrolled_with),
        added_ms: one.enrolled_ms,
        counts_from_ms: patience.counts_from_ms(one),
    };
    let mut found: Vec<WaitingMeans> = account.iter().flat_map(|account| &account.waiting).map(shown).collect();
    found.sort_by(|a, b| (a.added_ms, &a.means).cmp(&(b.added_ms, &b.means)));
    Ok(found)
}

/// The operator knows that the person added these. `means`: one of them; absent: all that wait.
pub async fn confirm(context: &Context, actor: &Actor, user: String, means: Option<String>) -> Result<Outcome> {
    let sub = find(context, &user).await?.id;
    let mut confirmed = Vec::new();
    let mut change = context.change(actor);
    for row in context.store.all(OF_ACCOUNT, &[sub.as_str().into()]).await? {
        let name = row.text("means")?.to_owned();
        if means.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        let id = row.bytes("id")?.try_into().map_err(|_| Fault::new("the id of an enrolment has 16 bytes"))?;
        let former = row.opt_text("former")?.map(str::to_owned);
        match Means::read(&name)? {
            // Whoever says that everything is lost is let in by name alone, never along with the rest.
            Means::Regain if means.is_none() => continue,
            Means::Regain => waiting::let_regain(&mut change, &id, context.config.enrolment.wait.ms()),
            means => waiting::confirm(&mut change, &Open { id, account: sub.clone(), means, former }),
        }
        change.audit(actor.entry("enrolment_confirmed").account(sub.as_str()).with("means", name.as_str()));
        confirmed.push(name);
    }
    if confirmed.is_empty() {
        let what = means.map_or_else(|| "nothing".to_owned(), |means| format!("no {means}"));
        return Err(Problem::not_found(format!("{user} has {what} that waits; `symbolon user show {user}` lists what does")));
    }
    match context.store.apply(change).await {
        Ok(_) => Ok(Outcome::MeansConfirmed { user, sub, means: confirmed }),
        Err(NotApplied::Conflict(_)) => {
            Err(Problem::conflict("one of them was stopped or confirmed at the same moment; nothing was changed"))
        }
        Err(other) => Err(other.into()),
    }
}

/// A text that the person types at a sign-in, once: means that are added in it count at once.
pub async fn give_ticket(context: &Context, actor: &Actor, user: String) -> Result<Outcome> {
    let sub = find(context, &user).await?.id;
    let mut change = context.change(actor);
    let given = add_ticket(context, actor, (&mut change, &sub), false)?;
    context.store.apply(change).await?;
    Ok(Outcome::TicketGiven { user, sub, until_ms: given.until_ms, ticket: given.ticket })
}

pub(super) struct Given {
    pub until_ms: i64,
    pub ticket: Sensitive,
}

/// Adds a ticket to a change. `invites`: it leads to an account that has no means to sign in yet.
pub(super) fn add_ticket(context: &Context, actor: &Actor, (change, sub): (&mut Change, &str), invites: bool) -> Result<Given> {
    let text = ticket::make()?;
    let name = ticket::names(&context.keyring, sub, &text).into_iter().next().ok_or_else(|| Fault::new("there is no master key"))?;
    let until_ms = context.now_ms + context.config.enrolment.ticket.ms();
    change.run(GIVE_TICKET, vec![sub.into(), name.into(), until_ms.into(), i64::from(invites).into()]);
    let entry = actor.entry("ticket_given").account(sub).with("until_ms", until_ms);
    change.audit(if invites { entry.with("invites", true) } else { entry });
    Ok(Given { until_ms, ticket: Sensitive::new(text) })
}
