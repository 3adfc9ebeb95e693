//! The keys of a registration: in its metadata (`jwks`), or at an address (`jwks_uri`, RFC 7591 2). Those at an address are read at once, so that
//! no client is registered whose keys nobody can use.

use super::objections::{self, refused};
use super::own::Asking;
use crate::config::authority;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::limits::Limits;
use crate::store::Value;
use serde_json::{Map, Value as Json, json};
use std::net::IpAddr;

/// Where keys are, and when they were read.
pub struct Source {
    pub uri: String,
    fetched_ms: i64,
    fresh_ms: i64,
}

impl Source {
    /// The columns `keys_uri`, `keys_fetched_ms` and `keys_fresh_ms`.
    pub fn to_columns(source: Option<&Self>) -> [Value; 3] {
        [source.map(|it| it.uri.as_str()).into(), source.map(|it| it.fetched_ms).into(), source.map(|it| it.fresh_ms).into()]
    }
}

/// A key that nobody has: the example of RFC 7517, A.1.
const STAND_IN: [&str; 2] = ["MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"];

/// The metadata with a key that nobody has, where the keys are at an address: what is wrong anyway asks no address.
pub fn with_stand_in(asked: &Map<String, Json>) -> Result<Option<Map<String, Json>>> {
    let (mut members, uri) = apart(asked)?;
    // Which key it has to be is seen with the keys.
    members.remove("token_endpoint_auth_signing_alg");
    let [x, y] = STAND_IN;
    members.insert("jwks".to_owned(), json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": x, "y": y }] }));
    Ok(uri.map(|_| members))
}

/// The members, and the address of the keys.
fn apart(asked: &Map<String, Json>) -> Result<(Map<String, Json>, Option<String>)> {
    objections::to_members(asked)?;
    let mut members = asked.clone();
    let uri = match members.remove("jwks_uri") {
        None | Some(Json::Null) => return Ok((members, None)),
        Some(Json::String(uri)) => uri,
        Some(_) => return Err(refused("jwks_uri: an https address.").into()),
    };
    if members.contains_key("jwks") {
        return Err(refused("jwks_uri: send jwks or jwks_uri, not both (RFC 7591 2).").into());
    }
    Ok((members, Some(uri)))
}

/// The metadata with the keys in them.
pub async fn read(core: &Core, asked: &Map<String, Json>, asking: Asking) -> Result<(Map<String, Json>, Option<Source>)> {
    let (mut members, uri) = apart(asked)?;
    let Some(uri) = uri else { return Ok((members, None)) };
    may_fetch(&core.limits, &authority(&uri).unwrap_or_default(), asking.address)?;
    match core.clients.fetch_keys(&uri).await {
        Ok(fetched) => {
            members.insert("jwks".to_owned(), fetched.keys.into());
            let (fetched_ms, fresh_ms) = (asking.now_ms, asking.now_ms + fetched.fresh_ms);
            Ok((members, Some(Source { uri, fetched_ms, fresh_ms })))
        }
        Err(why) => {
            let hint = "jwks_uri: no key set was read there. It is answered with 200, as JSON, within five seconds, without a redirect, \
                        from a public address, in at most 16 KiB.";
            Err(refused(hint).because(why).into())
        }
    }
}

/// Somebody makes this server ask a host: so often in a minute for each network, and for each host. What the server asks for a client that
/// is registered already is not counted here, so that a stranger cannot keep it from being asked.
pub fn may_fetch(limits: &Limits, host: &str, address: IpAddr) -> Result<()> {
    let by_source = Limits::bucket(&["source", &Limits::line(address)]);
    let why = if limits.strange_documents.check_key(&by_source).is_err() {
        "the network's limit of fetches within a minute"
    } else if limits.documents.check_key(&Limits::bucket(&["document", host])).is_err() {
        "the host's limit of fetches within a minute"
    } else {
        return Ok(());
    };
    let hint = "This server has fetched much for your network, or from that host, within a minute; try again later.";
    Err(Refused::new(429, "temporarily_unavailable", hint).because(why).retry_after(60).into())
}
