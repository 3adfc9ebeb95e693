//! GET and POST /userinfo. OpenID Connect Core 5.3, RFC 6750. The token must be for this endpoint: a token made for an
//! API does not open it (220-J), so an API cannot turn round and read its caller's profile.

use super::Incoming;
use super::reply::{self, Reply};
use crate::app::App;
use crate::error::{Refused, Result};
use crate::tokens::issue;
use symbolon_oauth::scope::Scope;

pub async fn userinfo(app: &App, incoming: &Incoming) -> Result<Reply> {
    let invalid = |hint| Refused::new(401, "invalid_token", hint);
    let header = match incoming.headers.get_all("authorization").iter().count() {
        0 => return Err(Refused::new(401, "token_missing", "Send the access token in the Authorization header.").into()),
        1 => incoming.header("authorization").unwrap_or_default(),
        _ => return Err(Refused::bad_request("invalid_request", "There is more than one Authorization header.").into()),
    };
    if incoming.query.contains("access_token") || incoming.form.contains("access_token") {
        return Err(Refused::bad_request("invalid_request", "Send the access token in the Authorization header only.").into());
    }
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        _ => return Err(invalid("The Authorization header is not a Bearer token.").into()),
    };
    let accepted =
        issue::accept(app, token, incoming.now_ms).await?.ok_or_else(|| invalid("The access token is unknown, expired or ended."))?;
    let Some(grant) = accepted.grant else { return Err(invalid("This token speaks for no person.").into()) };
    if accepted.token.aud != app.config.issuer {
        let hint = "This token is for an API. Ask for one with resource set to the issuer to call userinfo.";
        return Err(invalid(hint).because(accepted.token.aud).into());
    }
    let scope = accepted.token.scope.as_deref().and_then(Scope::parse).unwrap_or_default();
    if !scope.contains("openid") {
        return Err(Refused::new(403, "insufficient_scope", "The token needs the openid scope.").into());
    }
    let mut body = issue::openid_claims(&grant.person, &scope, &grant.asked.userinfo_claims);
    body.insert("sub".to_owned(), grant.account.into());
    Ok(reply::json(200, &body))
}
