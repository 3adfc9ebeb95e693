//! One row ends everything that a client has got so far, and nothing that it gets from now on. It is read at every use of a grant
//! or token, and told to the APIs that check tokens themselves.

use super::actor::Actor;
use super::context::Context;
use super::find_client;
use super::outcome::Outcome;
use super::problem::{Problem, Result};
use crate::store::tables::app_grant::COUNT_OF_CLIENT;
use crate::store::tables::once::CUT;
use crate::store::{Change, Expect};

/// Adds the row to `change`: everything of this client until now.
pub fn cut(change: &mut Change, client_id: &str) {
    let now_ms = change.now_ms();
    cut_until(change, client_id, now_ms);
}

/// The same until an earlier instant.
pub fn cut_until(change: &mut Change, client_id: &str, at_ms: i64) {
    change.run_expecting(CUT, vec![client_id.into(), (at_ms + 1).into()], Expect::Any);
}

pub async fn end_sessions(context: &Context, actor: &Actor, client_id: String, preview: bool) -> Result<Outcome> {
    let counted = context.store.one(COUNT_OF_CLIENT, &[client_id.as_str().into(), context.now_ms.into()]).await?;
    let row = counted.ok_or_else(|| Problem::fault("a count has one row"))?;
    let (grants, people) = (row.int("grants")?, row.int("people")?);
    // A client that is gone from the configuration may have left grants behind.
    if grants == 0 && find_client::find(context, &client_id).await?.is_none() {
        return Err(Problem::not_found(format!("there is no client {client_id}")));
    }
    if !preview {
        let mut change = context.change(actor);
        cut(&mut change, &client_id);
        change.audit(actor.entry("client_sessions_ended").client(client_id.as_str()).with("grants", grants));
        context.store.apply(change).await?;
    }
    Ok(Outcome::ClientSessionsEnded { client_id, grants, people, preview })
}
