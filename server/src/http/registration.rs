//! POST /clients: a client registers itself (RFC 7591). /clients/{id}: it looks after its registration (RFC 7592).

use super::reply::{self, Reply};
use crate::app::App;
use crate::error::Result;
use crate::registration::{self, Asking, Own, tokens};
use crate::web::request::Incoming;
use http::{Method, header};
use symbolon_oauth::bearer::{self, Presented};

pub async fn register(app: &App, incoming: &Incoming) -> Result<Reply> {
    let admitted = tokens::admit(app, token(incoming)?, incoming.now_ms).await?;
    // Who has a token of the operator's is no stranger: what is refused to it is an entry of the audit.
    if admitted.token.is_some() {
        let _ = incoming.known.client.set(format!("registration {}", admitted.name));
    }
    let answer = registration::register(app, &admitted, &incoming.json, asking(incoming)).await?;
    Ok(reply::json(201, &answer))
}

/// The client that the path names, by its own token.
pub async fn own_of_request(app: &App, incoming: &Incoming) -> Result<Own> {
    let id = incoming.path("id").unwrap_or_default();
    let token = token(incoming)?.ok_or_else(|| tokens::no_such_token("no token"))?;
    let own = registration::own(app, id, token, incoming.now_ms).await?;
    let _ = incoming.known.client.set(own.id.clone());
    Ok(own)
}

pub async fn manage(app: &App, incoming: &Incoming, own: Own) -> Result<Reply> {
    match incoming.method {
        Method::PUT => Ok(reply::json(200, &registration::replace(app, own, &incoming.json, asking(incoming)).await?)),
        Method::DELETE => {
            registration::delete(app, &own, asking(incoming)).await?;
            Ok(reply::empty(204))
        }
        _ => Ok(reply::json(200, &registration::shown(app, &own, incoming.now_ms)?)),
    }
}

fn asking(incoming: &Incoming) -> Asking {
    Asking { address: incoming.address, now_ms: incoming.now_ms }
}

/// The bearer token of the header. A header that cannot be read is an error, and never "no token".
fn token(incoming: &Incoming) -> Result<Option<&str>> {
    if !incoming.headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    match incoming.header("authorization").and_then(bearer::parse) {
        Some(Presented::Bearer(token)) => Ok(Some(token)),
        _ => Err(tokens::no_such_token("no bearer token, or two headers").into()),
    }
}
