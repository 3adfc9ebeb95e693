//! People get another subject at a provider, as where an app moves to another team at Apple. The link goes on under the new one: by a file of
//! the operator's, or by the identifier that the provider puts into its tokens meanwhile (`transfer_sub`).

use super::accounts::{self, link_key};
use super::enrolment::Means;
use crate::audit::Entry;
use crate::error::Fault;
use crate::store::tables::provider_transfer::{DONE, FORGET, MOVE, MOVE_ENROLMENT, MOVE_SESSIONS, READ};
use crate::store::{Change, Expect, NotApplied, Store};

/// A link, and the subject that it gets.
#[derive(Clone, Copy)]
pub struct Rekeyed<'a> {
    pub issuer: &'a str,
    pub from: &'a str,
    pub to: &'a str,
}

/// Adds it to a change; its first statement conflicts where the link is gone, or somebody has the new subject.
pub fn rekey(change: &mut Change, account: &str, moved: Rekeyed<'_>) {
    let Rekeyed { issuer, from, to } = moved;
    let (before, after) = (link_key(issuer, from), link_key(issuer, to));
    change.run(MOVE, vec![issuer.into(), from.into(), account.into(), to.into(), after.as_str().into()]);
    for sql in FORGET {
        change.run_expecting(sql, vec![before.as_str().into()], Expect::Any);
    }
    change.run_expecting(MOVE_SESSIONS, vec![before.as_str().into(), after.as_str().into()], Expect::Any);
    let means = |key: &str| Means::Identity(key.to_owned()).to_string();
    change.run_expecting(MOVE_ENROLMENT, vec![account.into(), means(&before).into(), means(&after).into()], Expect::Any);
    change.run_expecting(DONE, vec![issuer.into(), from.into()], Expect::Any);
}

/// Somebody comes whom no link knows, with the identifier of the move. Answers whose account it is, once the link has the new subject.
pub async fn rekey_by_transfer(
    store: &Store,
    (issuer, subject): (&str, &str),
    transfer_sub: Option<&str>,
    now_ms: i64,
) -> Result<Option<String>, Fault> {
    let Some(transfer_sub) = transfer_sub else { return Ok(None) };
    let Some(row) = store.one(READ, &[issuer.into(), transfer_sub.into()]).await? else { return Ok(None) };
    let from = row.text("subject")?;
    let Some(account) = accounts::linked(store, issuer, from).await? else { return Ok(None) };
    let mut change = Change::new(now_ms);
    rekey(&mut change, &account, Rekeyed { issuer, from, to: subject });
    change.audit(Entry::ok("provider_subject_moved").account(account.as_str()).with("identity", link_key(issuer, subject)));
    match store.apply(change).await {
        // Another sign-in of the same person was quicker.
        Ok(_) | Err(NotApplied::Conflict(0)) => accounts::linked(store, issuer, subject).await,
        Err(other) => Err(other.into_fault("a link that gets another subject")),
    }
}
