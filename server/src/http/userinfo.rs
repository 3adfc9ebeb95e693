//! GET and POST /userinfo. OpenID Connect Core 5.3, RFC 6750. The token must be for this endpoint: a token made for an
//! API does not open it (220-J), so an API cannot turn round and read its caller's profile.

use super::reply::{self, NO_TOKEN, Reply};
use crate::app::App;
use crate::config::Tier;
use crate::dpop;
use crate::error::{Error, Refused, Result};
use crate::store::{Change, NotApplied};
use crate::tokens::claims::{self, Place};
use crate::tokens::issue;
use crate::web::certificate::Shown;
use crate::web::request::Incoming;
use symbolon_oauth::access_token::AccessToken;
use symbolon_oauth::scope::Scope;

pub async fn userinfo(app: &App, incoming: &Incoming) -> Result<Reply> {
    let invalid = |hint| Refused::new(401, "invalid_token", hint);
    let no_token = || Refused::new(401, NO_TOKEN, "Send the access token in the Authorization header, as Bearer or DPoP.");
    if incoming.query.contains("access_token") || incoming.form.contains("access_token") {
        return Err(Refused::bad_request("invalid_request", "Send the access token in the Authorization header only.").into());
    }
    let header = match incoming.headers.get_all("authorization").iter().count() {
        0 => return Err(no_token().into()),
        1 => incoming.header("authorization").unwrap_or_default(),
        _ => return Err(Refused::bad_request("invalid_request", "There is more than one Authorization header.").into()),
    };
    let (scheme, token) = header.split_once(' ').unwrap_or(("", ""));
    let with_key = scheme.eq_ignore_ascii_case("dpop");
    if !with_key && !scheme.eq_ignore_ascii_case("bearer") {
        return Err(no_token().because("another scheme than Bearer or DPoP").into());
    }
    let accepted =
        issue::accept(app, token, incoming.now_ms).await?.ok_or_else(|| invalid("The access token is unknown, expired or ended."))?;
    must_hold_key(app, incoming, with_key.then_some(token), &accepted.token).await?;
    let Some(grant) = accepted.grant else { return Err(invalid("This token speaks for no person.").into()) };
    if accepted.token.aud != app.config.issuer {
        let hint = "This token is for an API. Ask for one with resource set to the issuer to call userinfo.";
        return Err(invalid(hint).because(accepted.token.aud).into());
    }
    let scope = accepted.token.scope.as_deref().and_then(Scope::parse).unwrap_or_default();
    if !scope.contains("openid") {
        return Err(Refused::new(403, "insufficient_scope", "The token needs the openid scope.").into());
    }
    let client = app.clients.get(&grant.client).await?.ok_or_else(|| invalid("The access token is unknown, expired or ended."))?;
    // A tier that is let in no more has no API's scopes.
    let rules = accepted.tier.map(|name| client.attestation.as_ref().and_then(|it| it.tier(name)));
    let tier = rules.map(|it| it.unwrap_or_else(|| Tier { scopes: Some(Vec::new()), ..Tier::default() }));
    let mut body = claims::of_scope(&grant.person, &scope);
    body.extend(claims::told(&app.config, &client, tier.as_ref(), &grant, Place::Userinfo));
    body.insert("sub".to_owned(), grant.account.into());
    Ok(reply::json(200, &body))
}

/// RFC 9449 7: a bound token comes with a proof of its key and under the DPoP scheme, an unbound one never does.
/// `token`: the token, if it came under that scheme.
async fn must_hold_key(app: &App, incoming: &Incoming, token: Option<&str>, access: &AccessToken) -> Result<()> {
    let wrong = |hint| Refused::new(401, "invalid_token", hint);
    let bound = access.cnf.as_ref().and_then(|it| it["jkt"].as_str());
    if let Some(thumbprint) = access.cnf.as_ref().and_then(|it| it.get("x5t#S256"))
        && incoming.certificate.as_ref().map(Shown::thumbprint).as_deref() != thumbprint.as_str()
    {
        return Err(wrong("This token is bound to a client certificate that the request does not show.").into());
    }
    let (Some(token), Some(jkt)) = (token, bound) else {
        return match (token, bound) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(wrong("This token is bound to a key: send it as DPoP with a proof.").into()),
            _ => Err(wrong("This token is not bound to a key: send it as Bearer.").into()),
        };
    };
    let at_resource = |error| match error {
        Error::Refused(refused) => Error::from(Refused { status: 401, ..*refused }),
        fault => fault,
    };
    let proof = dpop::of_request(app, incoming, Some(token)).map_err(at_resource)?;
    let proof = proof.ok_or_else(|| Refused::new(401, "invalid_dpop_proof", "The DPoP header is missing."))?;
    if proof.jkt != jkt {
        return Err(wrong("The proof is of another key than the token is bound to.").into());
    }
    let mut change = Change::new(incoming.now_ms);
    proof.burn(&mut change);
    match app.store.apply(change).await {
        Ok(_) => Ok(()),
        Err(NotApplied::Conflict(_)) => Err(Refused { status: 401, ..dpop::use_nonce() }.because("this proof was used before").into()),
        Err(other) => Err(other.into()),
    }
}
