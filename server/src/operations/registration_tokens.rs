//! Tokens by which an operator lets somebody register clients (RFC 7591 3): made, listed, revoked.

use super::actor::Actor;
use super::context::Context;
use super::outcome::{Outcome, RegistrationToken, RegistrationTokens};
use super::paging::{Paging, cut_page, rows_to_fetch};
use super::problem::{Problem, Result};
use crate::registration::tokens;
use crate::store::tables::initial_access_token as table;
use crate::store::{NotApplied, Value};

const LONGEST_S: i64 = 366 * 86_400;

pub(super) async fn make(context: &Context, actor: &Actor, policy: String, uses: u32, lifetime_s: i64) -> Result<Outcome> {
    if !context.config.client_registration.contains_key(&policy) {
        return Err(Problem::not_found(format!("there is no [client_registration.{policy}]")));
    }
    if uses == 0 || !(1..=LONGEST_S).contains(&lifetime_s) {
        return Err(Problem::invalid("a token registers one client at least, and lives between a second and a year"));
    }
    let made = tokens::make()?;
    let until_ms = context.now_ms + lifetime_s * 1000;
    let mut change = context.change(actor);
    let values = [Value::from(made.id.as_str()), policy.as_str().into(), Value::from(&made.digest[..]), i64::from(uses).into()];
    change.run(table::INSERT, [&values[..], &[context.now_ms.into(), until_ms.into()]].concat());
    let entry = actor.entry("registration_token_made").with("token", made.id.as_str()).with("policy", policy.as_str());
    change.audit(entry.with("uses", uses).with("until_ms", until_ms));
    context.store.apply(change).await?;
    Ok(Outcome::RegistrationTokenMade { token_id: made.id, policy, uses, until_ms, token: made.token })
}

pub(super) async fn list(context: &Context, paging: &Paging) -> Result<RegistrationTokens> {
    let size = paging.size()?;
    let rows = context.store.all_stale(table::LIST, &[paging.after().into(), rows_to_fetch(size).into()]).await?;
    let mut tokens = Vec::with_capacity(rows.len());
    for row in &rows {
        tokens.push(RegistrationToken {
            token_id: row.text("id")?.to_owned(),
            policy: row.text("policy")?.to_owned(),
            uses: row.int("uses")?,
            created_ms: row.int("created_ms")?,
            until_ms: row.int("until_ms")?,
        });
    }
    let next = cut_page(&mut tokens, size, |token| token.token_id.clone());
    Ok(RegistrationTokens { tokens, next })
}

pub(super) async fn revoke(context: &Context, actor: &Actor, token_id: String) -> Result<Outcome> {
    let mut change = context.change(actor);
    change.run(table::REVOKE, vec![token_id.as_str().into()]);
    change.audit(actor.entry("registration_token_revoked").with("token", token_id.as_str()));
    match context.store.apply(change).await {
        Ok(_) => Ok(Outcome::RegistrationTokenRevoked { token_id }),
        Err(NotApplied::Conflict(_)) => Err(Problem::not_found(format!("there is no token {token_id}"))),
        Err(other) => Err(other.into()),
    }
}
