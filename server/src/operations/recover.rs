//! A store that was restored from an older copy has forgotten what it acknowledged. The epoch rises, which voids every sign-in under way,
//! and proofs, assertions and challenges of before. Codes and request_uris end. What the exported audit says had ended, ends again (`replay`).

use super::actor::Actor;
use super::context::Context;
use super::operation::RecoverOperation;
use super::outcome::{Outcome, Recovered, Replayed};
use super::problem::{Problem, Result};
use super::replay::{self, Plan};
use crate::grants::ending;
use crate::recovery::{EPOCH, RECOVERED_MS, Recovery};
use crate::store::Expect;
use crate::store::tables::{fact, outbox, pushed_request, sign_in};

/// Everything is read and planned before anything is written: a wrong file changes nothing.
pub(super) async fn run(context: &Context, actor: &Actor, operation: RecoverOperation) -> Result<Outcome> {
    must_be_alone(context).await?;
    let plan = match operation.audit.as_deref() {
        Some(text) => Some(replay::plan(context, actor, &replay::parse(text, context.now_ms)?).await?),
        None => None,
    };
    let epoch = next_epoch(context).await?;
    if !operation.dry_run {
        void(context, actor, epoch, plan.is_some()).await?;
    }
    let replayed = match plan {
        Some(plan) => Some(carry_out(context, plan, operation.dry_run).await?),
        None => None,
    };
    Ok(Outcome::Recovered(Recovered { epoch, dry_run: operation.dry_run, replayed }))
}

/// Nodes elsewhere would keep the old epoch, and what is void here would go on there.
async fn must_be_alone(context: &Context) -> Result<()> {
    let store = &context.store;
    let nodes = if store.engine() == "postgres" { crate::nodes::serving(store, context.now_ms).await? } else { 0 };
    if nodes > 0 {
        let why = format!("{nodes} nodes serve on this database, or did two minutes ago; stop them all first, and wait if one was killed");
        return Err(Problem::conflict(why));
    }
    Ok(())
}

async fn next_epoch(context: &Context) -> Result<u64> {
    let present = Recovery::read(&context.store).await?.epoch;
    Ok(present.parse::<u64>().map_err(|it| Problem::fault(format!("the epoch of the store: {it}")))? + 1)
}

async fn void(context: &Context, actor: &Actor, epoch: u64, audit_given: bool) -> Result<()> {
    let mut change = context.change(actor);
    change.run(fact::WRITE, vec![EPOCH.into(), epoch.to_string().into()]);
    change.run(fact::WRITE, vec![RECOVERED_MS.into(), context.now_ms.to_string().into()]);
    ending::end_codes(&mut change);
    let [logins, sign_ins] = sign_in::FORGET_ALL;
    for sql in [pushed_request::FORGET_ALL, logins, sign_ins, outbox::FORGET_ALL] {
        change.run_expecting(sql, Vec::new(), Expect::Any);
    }
    change.audit(actor.entry("store_recovered").with("epoch", epoch).with("audit_given", audit_given));
    context.store.apply(change).await?;
    Ok(())
}

async fn carry_out(context: &Context, plan: Plan, dry_run: bool) -> Result<Replayed> {
    let replayed = Replayed {
        ended_again: plan.ended_again,
        advanced: plan.advanced,
        lost: plan.lost,
        copy_until_ms: plan.copy_until_ms,
        audit_from_ms: plan.audit_from_ms,
        audit_until_ms: plan.audit_until_ms,
    };
    if !dry_run {
        for change in plan.changes {
            context.store.apply(change).await?;
        }
    }
    Ok(replayed)
}
