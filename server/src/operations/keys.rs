//! The keys that sign tokens.

use super::actor::Actor;
use super::context::Context;
use super::operation::KeyOperation;
use super::outcome::{KeyLine, Keys, Outcome};
use super::paging::Paging;
use super::paging::{cut_page, rows_to_fetch};
use super::problem::{Problem, Result};
use super::rewrap;
use crate::store::NotApplied;
use crate::store::tables::signing_key::LIST;
use crate::tokens::keys;
use symbolon_oauth::jwk::Algorithm;

pub(super) async fn run(context: &Context, actor: &Actor, operation: KeyOperation) -> Result<Outcome> {
    match operation {
        KeyOperation::List { paging } => list(context, &paging).await.map(Outcome::Keys),
        KeyOperation::Rotate { alg, at_once } => rotate(context, actor, alg, at_once).await,
        KeyOperation::Rewrap {} => rewrap::run(context, actor).await.map(Outcome::KeysRewrapped),
    }
}

async fn list(context: &Context, paging: &Paging) -> Result<Keys> {
    let size = paging.size()?;
    let mut keys = Vec::new();
    for row in context.store.all_stale(LIST, &[paging.after().into(), rows_to_fetch(size).into()]).await? {
        keys.push(KeyLine {
            kid: row.text("kid")?.to_owned(),
            alg: row.text("alg")?.to_owned(),
            signs_from_ms: row.int("signs_from_ms")?,
            signs_until_ms: row.int("signs_until_ms")?,
            published_until_ms: row.int("published_until_ms")?,
        });
    }
    let next = cut_page(&mut keys, size, |it| it.kid.clone());
    Ok(Keys { keys, next })
}

async fn rotate(context: &Context, actor: &Actor, alg: String, at_once: bool) -> Result<Outcome> {
    let known = Algorithm::parse(&alg).ok_or_else(|| Problem::invalid("--alg is ES256, PS256, RS256 or EdDSA"))?;
    let (keyring, schedule, now_ms) = (context.keyring.clone(), context.schedule, context.now_ms);
    // An RSA key takes its time.
    let made = tokio::task::spawn_blocking(move || keys::prepare_rotation(&keyring, known, schedule, at_once, now_ms)).await;
    let mut rotation = made.map_err(|it| Problem::fault(it.to_string()))??;
    rotation.change.set_actor(actor.to_json());
    match context.store.apply(rotation.change).await {
        Ok(_) => Ok(Outcome::KeyRotated { kid: rotation.kid, alg, at_once, signs_from_ms: rotation.signs_from_ms }),
        Err(NotApplied::Conflict(_)) => Err(Problem::conflict("another rotation ran at the same moment; look at `symbolon key list`")),
        Err(other) => Err(other.into()),
    }
}
