//! People got other subjects at a provider: their links go on. What was done before is done, so that a run that stopped is run again.

use super::actor::Actor;
use super::context::Context;
use super::operation::MovedSubject;
use super::outcome::{LinksMoved, Outcome};
use super::problem::{Problem, Result};
use crate::login::accounts::{link_key, linked};
use crate::login::rekeying::{Rekeyed, rekey};
use crate::store::tables::provider_transfer::NOTE;
use crate::store::{Expect, NotApplied};

pub(super) async fn run(context: &Context, actor: &Actor, provider: String, dry_run: bool, lines: &[MovedSubject]) -> Result<Outcome> {
    let Some(settings) = context.config.upstream.get(&provider) else {
        return Err(Problem::not_found(format!("there is no [upstream.{provider}]")));
    };
    if settings.tenant.is_some() || !settings.is_openid() {
        return Err(Problem::invalid("only a provider of OpenID Connect with one issuer moves people by their subjects"));
    }
    let issuer = settings.issuer.as_str();
    let mut done = LinksMoved { provider: provider.clone(), dry_run, ..LinksMoved::default() };
    for line in lines {
        let is_subject = |text: &str| (1..=255).contains(&text.len()) && text.is_ascii();
        let is_good = is_subject(&line.from) && line.to.iter().chain(&line.transfer_sub).all(|it| is_subject(it));
        match (&line.to, &line.transfer_sub) {
            (Some(to), None) if is_good => swap(context, actor, Rekeyed { issuer, from: &line.from, to }, &mut done).await?,
            (None, Some(transfer_sub)) if is_good => {
                note(context, actor, Transfer { issuer, from: &line.from, transfer_sub }, &mut done).await?;
            }
            _ => done.wrong += 1,
        }
    }
    Ok(Outcome::LinksMoved(done))
}

async fn swap(context: &Context, actor: &Actor, moved: Rekeyed<'_>, done: &mut LinksMoved) -> Result<()> {
    let before = linked(&context.store, moved.issuer, moved.from).await?;
    let after = linked(&context.store, moved.issuer, moved.to).await?;
    let account = match (before, after) {
        (Some(account), None) => account,
        (None, Some(_)) => {
            done.before += 1;
            return Ok(());
        }
        // Two accounts: an operator looks at them.
        (Some(_), Some(_)) => {
            done.taken += 1;
            return Ok(());
        }
        (None, None) => {
            done.unknown += 1;
            return Ok(());
        }
    };
    if !done.dry_run {
        let mut change = context.change(actor);
        rekey(&mut change, &account, moved);
        let identity = link_key(moved.issuer, moved.to);
        change.audit(actor.entry("provider_subject_moved").account(account.as_str()).with("identity", identity));
        match context.store.apply(change).await {
            Ok(_) => {}
            Err(NotApplied::Conflict(0)) => {
                done.before += 1;
                return Ok(());
            }
            Err(other) => return Err(other.into()),
        }
    }
    done.moved += 1;
    Ok(())
}

/// A subject that will come back under another name, and by what it is known then.
#[derive(Clone, Copy)]
struct Transfer<'a> {
    issuer: &'a str,
    from: &'a str,
    transfer_sub: &'a str,
}

async fn note(context: &Context, actor: &Actor, transfer: Transfer<'_>, done: &mut LinksMoved) -> Result<()> {
    let Transfer { issuer, from, transfer_sub } = transfer;
    if linked(&context.store, issuer, from).await?.is_none() {
        done.unknown += 1;
        return Ok(());
    }
    if !done.dry_run {
        let mut change = context.change(actor);
        change.run_expecting(NOTE, vec![issuer.into(), transfer_sub.into(), from.into()], Expect::Any);
        context.store.apply(change).await?;
    }
    done.noted += 1;
    Ok(())
}
