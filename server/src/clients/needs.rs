//! What clients of the store need of the whole server: algorithms, and how long their grants may live. It is kept beside them, so that
//! nothing has to read them all.

use crate::config::Client;
use crate::error::Fault;
use crate::store::tables::client::ALL;
use crate::store::tables::fact::{ADD_NEED, NEEDS};
use crate::store::{Change, Expect, Store};
use std::collections::BTreeSet;
use symbolon_oauth::jwk::Algorithm;

/// Names of facts.
const NEEDS_ALG: &str = "client alg ";
const NEEDS_REFRESH_S: &str = "client refresh_s ";
const NEEDS_LOGOUT: &str = "client backchannel_logout_uri";
/// Rows that an earlier version wrote were looked through.
const COUNTED: &str = "client needs counted";

/// What registered clients need of the whole server. It grows and never shrinks: a client that is gone may have needed it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What they want ID tokens and answers signed with.
    pub algorithms: BTreeSet<Algorithm>,
    /// The longest absolute lifetime of their grants.
    pub refresh_s: i64,
    /// One of them is told of sessions that end.
    pub logout: bool,
}

/// The algorithms that a client wants tokens and answers signed with.
pub fn algorithms_of(client: &Client) -> impl Iterator<Item = Algorithm> {
    [client.id_token_signed_response_alg, client.authorization_signed_response_alg].into_iter().flatten()
}

/// Belongs to every change that writes a registered client.
pub fn add_needs(change: &mut Change, client: &Client) {
    let algorithms = algorithms_of(client).map(|it| format!("{NEEDS_ALG}{}", it.as_str()));
    let logout = client.backchannel_logout_uri.as_ref().map(|_| NEEDS_LOGOUT.to_owned());
    for name in algorithms.chain([format!("{NEEDS_REFRESH_S}{}", client.refresh.absolute.0)]).chain(logout) {
        change.run_expecting(ADD_NEED, vec![name.into()], Expect::Any);
    }
}

/// The needs, and whether those of every client are among them.
pub(super) async fn read_needs(store: &Store) -> Result<(Needs, bool), Fault> {
    let (mut needs, mut counted) = (Needs::default(), false);
    for row in store.all(NEEDS, &[]).await? {
        let name = row.text("name")?;
        if let Some(alg) = name.strip_prefix(NEEDS_ALG) {
            needs.algorithms.extend(Algorithm::parse(alg));
        } else if let Some(seconds) = name.strip_prefix(NEEDS_REFRESH_S) {
            needs.refresh_s = needs.refresh_s.max(seconds.parse().unwrap_or(0));
        }
        needs.logout |= name == NEEDS_LOGOUT;
        counted |= name == COUNTED;
    }
    Ok((needs, counted))
}

/// Once in the life of a store: clients that were imported before there were needs.
pub(super) async fn count_needs(store: &Store, now_ms: i64) -> Result<(), Fault> {
    let applied = |it: crate::store::NotApplied| it.into_fault("counting what clients need");
    let mut after = String::new();
    loop {
        let rows = store.all(ALL, &[after.as_str().into()]).await?;
        let Some(last) = rows.last() else { break };
        after = last.text("id")?.to_owned();
        let mut change = Change::new(now_ms);
        for row in &rows {
            // One that cannot be read is no client, and needs nothing.
            if let Ok(client) = serde_json::from_str::<Client>(row.text("body")?) {
                add_needs(&mut change, &client);
            }
        }
        store.apply(change).await.map_err(applied)?;
    }
    let mut change = Change::new(now_ms);
    change.run_expecting(ADD_NEED, vec![COUNTED.into()], Expect::Any);
    store.apply(change).await.map(|_| ()).map_err(applied)
}
