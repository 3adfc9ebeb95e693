//! grant_type=token-exchange. RFC 8693, for one purpose. An API that received a call calls the next API for the same person, with less.
//! What a token may become is written at the scopes of the API it is exchanged for (`exchange_from`).

use super::{decision, native_sso};
use crate::audit;
use crate::caller::Caller;
use crate::config::plugin::Moment;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::store::Change;
use crate::tokens::issue::{self, Accepted, TargetApi};
use crate::tokens::jti;
use crate::web::reply::{self, Reply};
use serde_json::Value as Json;
use symbolon_oauth::form::Form;
use symbolon_oauth::scope::Scope;

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// APIs one behind the other: as many as a `jti` remembers tokens before its own.
const DEPTH: usize = jti::MOST - 1;

fn invalid(hint: &'static str) -> Refused {
    Refused::bad_request("invalid_request", hint)
}

/// The subject token of a request that may exchange it.
pub(super) async fn subject_of(core: &Core, caller: &Caller, form: &Form) -> Result<Accepted> {
    if !caller.authenticated {
        return Err(Refused::bad_request("unauthorized_client", "Only a client that authenticates may exchange tokens.").into());
    }
    must_ask_for_access_tokens(form)?;
    let subject = form.get("subject_token").ok_or_else(|| invalid("The subject_token parameter is missing."))?;
    let dead = "subject_token is no living access token of this server.";
    let accepted = issue::accept(core, subject, caller.now_ms).await?.ok_or_else(|| invalid(dead))?;
    must_be_addressed_to(core, caller, &accepted)?;
    must_not_be_of_a_visit(core, &accepted).await?;
    if depth(accepted.token.act.as_deref()) >= DEPTH {
        return Err(invalid("The token was exchanged too often already.").into());
    }
    Ok(accepted)
}

pub async fn exchange(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    if native_sso::is_asked_for(form) {
        return native_sso::exchange(core, caller, form).await;
    }
    let accepted = subject_of(core, caller, form).await?;
    let api = target(core, caller, form)?;
    let scope = less(core, caller, api, &accepted, form)?;
    let most_s = match &accepted.grant {
        Some(grant) => decision::must_go(core, caller, grant, Moment::Token).await?,
        None => None,
    };
    let mut answer = issue::for_exchange(core, caller, TargetApi { name: api, most_s }, &scope, &accepted).await?;
    answer.issued_token_type = Some(ACCESS_TOKEN);
    let mut change = Change::new(caller.now_ms);
    let burnt = caller.burn(&mut change);
    let mut entry = audit::Entry::ok("token_exchanged").account(&*accepted.token.sub).client(caller.client_id.as_str());
    entry.security = false;
    let entry = entry.address(caller.address.to_string()).with("api", api).with("jti", answer.jti.as_str());
    change.audit(entry.with("from", &*accepted.token.aud).with("subject_jti", &*accepted.token.jti));
    burnt.applied(core.store.apply(change).await)?;
    Ok(reply::json(200, &answer))
}

/// RFC 8693 2.1. The actor is the authenticated client; the request cannot name another one.
fn must_ask_for_access_tokens(form: &Form) -> Result<()> {
    if form.get("subject_token_type") != Some(ACCESS_TOKEN) {
        return Err(invalid("subject_token_type must be urn:ietf:params:oauth:token-type:access_token.").into());
    }
    if form.contains("requested_token_type") && form.get("requested_token_type") != Some(ACCESS_TOKEN) {
        return Err(invalid("requested_token_type can only be urn:ietf:params:oauth:token-type:access_token.").into());
    }
    if form.contains("actor_token") || form.contains("actor_token_type") {
        return Err(invalid("Leave actor_token out: the actor is the client that authenticates.").into());
    }
    Ok(())
}

/// Only the API that a token is for may exchange it. A stolen token is of no use to another API.
fn must_be_addressed_to(core: &Core, caller: &Caller, accepted: &Accepted) -> Result<()> {
    let own = caller.client.exchanges.iter().filter_map(|it| core.config.api.get(it));
    if own.into_iter().any(|it| it.audience == accepted.token.aud) {
        return Ok(());
    }
    Err(invalid("subject_token is not for an API this client speaks for.").because(format!("aud {}", accepted.token.aud)).into())
}

/// What a kiosk got for a member is for the kiosk alone.
async fn must_not_be_of_a_visit(core: &Core, accepted: &Accepted) -> Result<()> {
    let Some(grant) = &accepted.grant else { return Ok(()) };
    match core.clients.get(&grant.client).await? {
        Some(client) if client.kiosk.is_none() => Ok(()),
        _ => Err(invalid("subject_token is of a visit at a kiosk, which is exchanged for nothing.").because("a kiosk's token").into()),
    }
}

fn depth(act: Option<&Json>) -> usize {
    std::iter::successors(act, |it| it.get("act")).take(DEPTH + 1).count()
}

/// The one API named by `resource` or `audience` (RFC 8693 2.1), among the client's own.
fn target<'a>(core: &'a Core, caller: &Caller, form: &Form) -> Result<&'a str> {
    let invalid = |hint| Refused::bad_request("invalid_target", hint);
    let mut named: Vec<&str> = form.all("resource").into_iter().chain(form.all("audience")).collect();
    named.dedup();
    let [wanted] = named.as_slice() else {
        return Err(invalid("Name the one API the new token is for, as resource or audience.").into());
    };
    let found = core.config.api.iter().find(|(name, it)| it.audience == *wanted && caller.client.apis.contains_key(*name));
    found.map(|(name, _)| name.as_str()).ok_or_else(|| invalid("This client may not call an API of that identifier.").into())
}

/// What the subject token is worth at this API. Each scope says from which scopes of which API it may come. A token keeps what it has at
/// its own API. The client gets what of that it may have and asks for. Scopes of two APIs may share a name, so a scope always counts
/// together with its API.
fn less(core: &Core, caller: &Caller, api: &str, accepted: &Accepted, form: &Form) -> Result<Scope> {
    let had = accepted.token.scope.as_deref().and_then(Scope::parse).unwrap_or_default();
    let from_api = core.api_by_audience(&accepted.token.aud).map(|it| it.0).unwrap_or_default();
    let scopes = core.config.api.get(api).map(|it| &it.scope);
    let allowed = caller.client.apis.get(api).into_iter().flatten();
    let worth: Scope = allowed
        .filter(|word| {
            let from = scopes.and_then(|known| known.get(*word)).and_then(|known| known.exchange_from.get(from_api)).into_iter().flatten();
            (api == from_api && had.contains(word)) || from.into_iter().any(|it| had.contains(it))
        })
        .cloned()
        .collect();
    let worth = super::within_tier(caller, &worth);
    let invalid = |hint| Refused::bad_request("invalid_scope", hint);
    let asked = match form.get("scope") {
        None => worth.clone(),
        Some(text) => Scope::parse(text).ok_or_else(|| invalid("The scope parameter is malformed."))?,
    };
    if asked.is_empty() || !asked.is_subset_of(&worth) {
        let hint = "The subject token does not give this scope (see exchange_from), or the client may not have it.";
        return Err(invalid(hint).because(format!("had {had}, asked {asked}")).into());
    }
    Ok(asked)
}
