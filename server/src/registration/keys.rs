//! The keys of a registration: in its metadata (`jwks`), or at an address (`jwks_uri`, RFC 7591 2). Those at an address are read at once, so that
//! no client is registered whose keys nobody can use.

use super::objections::{self, refused};
use super::own::Asking;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::limits::Limits;
use crate::store::Value;
use serde_json::{Map, Value as Json};

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

/// The metadata with the keys in them.
pub async fn read(core: &Core, asked: &Map<String, Json>, asking: Asking) -> Result<(Map<String, Json>, Option<Source>)> {
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
    if core.limits.documents.check_key(&Limits::place(&["source", &Limits::line(asking.address)])).is_err() {
        let hint = "This server has fetched much for you within a minute; try again later.";
        return Err(Refused::new(429, "temporarily_unavailable", hint).retry_after(60).into());
    }
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
