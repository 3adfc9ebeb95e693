//! GET and POST /userinfo. OpenID Connect Core 5.3, RFC 6750. The token must be for this endpoint: a token made for an
//! API does not open it (220-J), so an API cannot turn round and read its caller's profile.

use super::held_token::invalid;
use super::reply::{self, Reply};
use crate::app::App;
use crate::config::Tier;
use crate::error::{Refused, Result};
use crate::grants::Grant;
use crate::tokens::claims::{self, ClaimsTarget};
use crate::tokens::issue::Accepted;
use symbolon_oauth::scope::Scope;

pub async fn userinfo(app: &App, (accepted, grant): (Accepted, Grant)) -> Result<Reply> {
    let scope = accepted.token.scope.as_deref().and_then(Scope::parse).unwrap_or_default();
    if !scope.contains("openid") {
        return Err(Refused::new(403, "insufficient_scope", "The token needs the openid scope.").into());
    }
    let client = app.clients.get(&grant.client).await?.ok_or_else(|| invalid("The access token is unknown, expired or ended."))?;
    // A tier that is let in no more has no API's scopes.
    let rules = accepted.tier.map(|name| client.attestation.as_ref().and_then(|it| it.tier(name)));
    let nothing = Tier { scopes: Some(Vec::new()), ..Tier::default() };
    let tier = rules.map(|it| it.unwrap_or(&nothing));
    let mut body = claims::of_scope(&grant.person, &scope);
    body.extend(claims::told(&app.config, &client, tier, &grant, ClaimsTarget::Userinfo));
    body.insert("sub".to_owned(), grant.account.into());
    Ok(reply::json(200, &body))
}
