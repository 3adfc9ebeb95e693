//! The one judgement of a client that registered itself: at its registration, when it changes, and whenever it is read.

use super::names::Reserved;
use super::proofs::{Proofs, hosts_of, set_aside};
use crate::config::{Client, ClientPolicy, Config, NamedClient, NamedPolicy, Origin, Proved, Stranger, authority};
use crate::error::Fault;
use crate::links::held::HeldHosts;
use crate::store::Row;

/// No client needs more addresses than this, and each may have to be proved.
pub const MOST_ADDRESSES: usize = 10;

/// What a client of the store is judged by, whatever its policy is.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub config: &'a Config,
    pub reserved: &'a Reserved,
    pub held: &'a HeldHosts,
    pub now_ms: i64,
}

/// Why the client may not stand beside those of the configuration. None: it may.
pub fn objection(ground: Ground<'_>, policy: &ClientPolicy, client: &Client) -> Option<&'static str> {
    let Ground { config, reserved, held, now_ms } = ground;
    if client.redirect_uris.len() > MOST_ADDRESSES || client.post_logout_redirect_uris.len() > MOST_ADDRESSES {
        return Some("redirect_uris and post_logout_redirect_uris have at most ten addresses each.");
    }
    // Nobody registers a client to have this server call somebody else.
    if client.backchannel_logout_uri.as_ref().is_some_and(|uri| authority(uri).is_none_or(|host| !hosts_of(client).contains(&host))) {
        return Some("backchannel_logout_uri: its host is one that redirect_uris name, and that can be proved.");
    }
    config
        .objection_to_addresses(client)
        .or_else(|| held.objection(hosts_of(client), None, now_ms))
        .or_else(|| policy.objection(client))
        .or_else(|| client.name.as_deref().and_then(|name| reserved.objection(name)))
}

/// What a row says of a client that registered itself, or was imported. The error is for the log: the client is left out.
pub fn of_row(ground: Ground<'_>, id: &str, client: &mut Client, row: &Row) -> Result<Result<(), String>, Fault> {
    let Ground { config, held, now_ms, .. } = ground;
    let Some(name) = row.opt_text("policy")? else {
        let named = NamedClient { client_id: id, client };
        return Ok(held.objection_to_import(named, now_ms).map_or(Ok(()), |what| Err(what.to_owned())));
    };
    let Some(policy) = config.client_registration.get(name) else { return Ok(Err(format!("there is no [client_registration.{name}]"))) };
    let (changed_ms, until_ms) = (row.int("changed_ms")?, row.int("until_ms")?);
    if until_ms <= now_ms {
        return Ok(Err("nobody used it for too long".to_owned()));
    }
    if let Some(what) = objection(ground, policy, client) {
        return Ok(Err(what.to_owned()));
    }
    let proofs: Proofs = match serde_json::from_str(row.text("proofs")?) {
        Ok(proofs) => proofs,
        Err(error) => return Ok(Err(format!("its proofs cannot be read: {error}"))),
    };
    set_origin(client, NamedPolicy { name, policy }, proofs.proved(id, policy, now_ms), (changed_ms, until_ms));
    if let Origin::Stranger(stranger) = &mut client.origin {
        stranger.keys_uri = row.opt_text("keys_uri")?.map(str::to_owned);
    }
    Ok(Ok(()))
}

/// Makes a stranger of the client: what its policy says is laid over it, and what nobody has proved does not count.
fn set_origin(client: &mut Client, of: NamedPolicy<'_>, proved: Proved, (changed_ms, until_ms): (i64, i64)) {
    let NamedPolicy { name, policy } = of;
    policy.lay_over(client);
    let waiting = if policy.unproved_schemes { Vec::new() } else { set_aside(client, &proved) };
    let kept_ms = policy.grants_last.ms() + policy.unused.ms();
    let stranger = Stranger { policy: name.to_owned(), proved, waiting, changed_ms, until_ms, kept_ms, keys_uri: None };
    client.origin = Origin::Stranger(Box::new(stranger));
}

/// Does it lead people elsewhere, or prove itself otherwise? `at_one_address`: the keys of both are at the same address, where they may change.
pub fn is_another(before: &Client, after: &Client, at_one_address: bool) -> bool {
    let keys = |client: &Client| client.jwks.as_ref().map(|it| it.document().clone());
    before.redirect_uris != after.redirect_uris
        || before.post_logout_redirect_uris != after.post_logout_redirect_uris
        || before.authentication != after.authentication
        || (!at_one_address && keys(before) != keys(after))
}
