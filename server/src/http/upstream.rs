//! GET and POST /upstream/{name}/callback: a provider sends a person back. OpenID Connect Core 3.1.2.5, RFC 9207.
//!
//! One address for each provider, so that the answer of one is never taken for another's (RFC 9700 4.4). `state` says which sign-in it
//! is for, and the cookie of that sign-in says that it is this browser's. An answer that is neither uses nothing up.

use super::browser::SignInCookie;
use super::login;
use super::reply::{self, Reply};
use crate::app::App;
use crate::error::{Refused, Result};
use crate::login::context::Answer;
use crate::login::machine::over;
use crate::login::methods::upstream::RETURNED;
use crate::upstream;
use crate::web::request::Incoming;
use serde_json::json;
use std::collections::BTreeMap;

/// What counts of an answer. `error_description` is somebody else's text and is shown to nobody (454-B).
const PARAMETERS: [&str; 4] = ["code", "error", "iss", "user"];
/// The longest value. A code is a token of somebody else's.
const LONGEST: usize = 4096;

/// GET /upstream/{name}/jwks: what the provider needs of our keys. RFC 7517 5.
pub fn keys(app: &App, incoming: &Incoming) -> Result<Reply> {
    let provider = incoming.path("name").and_then(|name| app.machine.providers().get(name));
    let keys = provider.map(|it| it.public_keys()).filter(|keys| !keys.is_empty());
    let keys = keys.ok_or_else(|| Refused::new(404, "not_found", "There is no key for such a provider here."))?;
    Ok(reply::json(200, &json!({ "keys": keys })))
}

pub async fn callback(app: &App, incoming: &Incoming) -> Result<Reply> {
    let name = incoming.path("name").unwrap_or_default();
    if app.machine.providers().get(name).is_none() {
        return Err(Refused::new(404, "not_found", "There is no such provider here.").into());
    }
    let parameters = incoming.parameters();
    let state = parameters.get("state").and_then(|state| upstream::read_way_back(&app.keyring, &app.config.issuer, name, state));
    let way_back = state.ok_or_else(|| over().because("state of a provider's answer"))?;
    let cookie = SignInCookie::of(app, incoming, &way_back.id).ok_or_else(|| over().because("no cookie of the sign-in that left"))?;
    let mut fields = BTreeMap::new();
    for parameter in PARAMETERS {
        if let Some(value) = parameters.get(parameter) {
            if value.len() > LONGEST {
                return Err(Refused::bad_request("invalid_request", "A parameter of the answer is too long.").into());
            }
            fields.insert(parameter.to_owned(), value.to_owned());
        }
    }
    let answer = Answer { action: RETURNED, fields: &fields };
    let received = app.machine.receive_answer(cookie.at(i64::from(way_back.version)), &answer, incoming.now_ms).await?;
    login::go_on(app, incoming, &answer, received).await
}
