//! POST /introspect. RFC 7662, and RFC 9701 for callers that want a signed answer. Only an API or a confidential client may ask.
//! An API may ask about tokens for its audience, a client about its own tokens.

use super::reply::{self, Reply};
use crate::app::App;
use crate::caller::{Caller, ClientOrApi};
use crate::error::{Fault, Refused, Result};
use crate::grants::{self, refresh};
use crate::store::Change;
use crate::tokens::handles::Kind;
use crate::tokens::issue;
use crate::web::headers;
use crate::web::request::Incoming;
use serde_json::{Value as Json, json};
use symbolon_oauth::access_token::Confirmation;
use symbolon_oauth::jws;

enum Asker {
    Api { name: String, audience: String },
    Client(Box<Caller>),
}

pub async fn introspect(app: &App, incoming: &Incoming, caller: ClientOrApi) -> Result<Reply> {
    let asker = must_be_authenticated(app, incoming, caller).await?;
    let token = incoming.form.get("token").ok_or_else(|| Refused::bad_request("invalid_request", "The token parameter is missing."))?;
    let found = match token.starts_with(Kind::Refresh.prefix()) {
        true => refresh_token(app, &asker, token).await?,
        false => access_token(app, incoming, &asker, token).await?,
    };
    let body = found.unwrap_or_else(|| json!({ "active": false }));
    if headers::names(&incoming.headers, "accept", SIGNED) {
        return sign_answer(app, incoming, &asker, &body);
    }
    Ok(reply::json(200, &body))
}

const SIGNED: &str = "application/token-introspection+jwt";

/// RFC 9701 5: the same answer, signed, for the caller alone. It has neither `sub` nor `exp` of its own, so that it cannot pass for
/// a token.
fn sign_answer(app: &App, incoming: &Incoming, asker: &Asker, body: &Json) -> Result<Reply> {
    let (id, alg) = match asker {
        Asker::Api { name, .. } => (name, app.config.api.get(name).and_then(|it| it.introspection_signed_response_alg)),
        Asker::Client(caller) => (&caller.client_id, None),
    };
    let key = app.keys.signer(alg.unwrap_or(app.config.signing.alg), incoming.now_ms)?;
    let claims = json!({ "iss": app.config.issuer, "aud": id, "iat": incoming.now_ms / 1000, "token_introspection": body });
    let jwt = jws::sign(&key, "token-introspection+jwt", &claims).map_err(|it| Fault::new(format!("signing an answer: {it:?}")))?;
    Ok(reply::body(200, SIGNED, jwt))
}

async fn access_token(app: &App, incoming: &Incoming, asker: &Asker, token: &str) -> Result<Option<Json>> {
    let Some(accepted) = issue::accept(app, token, incoming.now_ms).await? else { return Ok(None) };
    let concerns = match asker {
        Asker::Api { audience, .. } => accepted.token.aud == *audience,
        Asker::Client(caller) => accepted.token.client_id == caller.client_id,
    };
    if !concerns {
        tracing::info!("introspection of a token that does not concern the caller");
        return Ok(None);
    }
    let mut body = serde_json::to_value(&accepted.token).map_err(|it| Fault::new(it.to_string()))?;
    body["active"] = true.into();
    if let Some(tier) = accepted.tier {
        body["tier"] = tier.as_str().into();
    }
    let is_by_key = matches!(&accepted.token.cnf, Some(Confirmation::Known { jkt: Some(_), .. }));
    body["token_type"] = if is_by_key { "DPoP" } else { "Bearer" }.into();
    Ok(Some(body))
}

async fn must_be_authenticated(app: &App, incoming: &Incoming, caller: ClientOrApi) -> Result<Asker> {
    let caller = match caller {
        ClientOrApi::Api(name) => {
            let audience = app.config.api.get(&name).map(|it| it.audience.clone()).unwrap_or_default();
            return Ok(Asker::Api { name, audience });
        }
        ClientOrApi::Client(caller) => caller,
    };
    if !caller.authenticated {
        return Err(Refused::new(401, "invalid_client", "Introspection needs an API or a client that authenticates.").into());
    }
    let mut change = Change::new(incoming.now_ms);
    let burnt = caller.burn(&mut change);
    if !burnt.is_empty() {
        burnt.applied(app.store.apply(change).await)?;
    }
    Ok(Asker::Client(caller))
}

/// A client may ask about its own refresh token; an API never sees one.
async fn refresh_token(app: &App, asker: &Asker, token: &str) -> Result<Option<Json>> {
    let Asker::Client(caller) = asker else { return Ok(None) };
    let Some(handle) = app.handles.read(Kind::Refresh, token) else { return Ok(None) };
    let Some(grant) = grants::read(app, &handle.id, handle.number).await? else { return Ok(None) };
    if !handle.belongs_to(&grant.salt) {
        return Ok(None);
    }
    let Some(scope) = refresh::outlook(&grant, caller, handle.generation) else { return Ok(None) };
    Ok(Some(json!({
        "active": true, "client_id": grant.client, "sub": grant.account, "scope": scope.to_string(),
        "exp": grant.ends_ms / 1000, "iat": grant.issued_ms / 1000, "iss": app.config.issuer, "token_type": "refresh_token",
    })))
}
