//! GET /.well-known/assetlinks.json and /.well-known/apple-app-site-association: which apps belong to the host that is asked.
//! Android's Digital Asset Links and Apple's associated domains: 200 without a redirect, `application/json`, the same for everybody.

use super::reply::{self, Reply};
use crate::app::App;
use crate::error::{Refused, Result};
use crate::links::files::Platform;
use crate::web::headers::list;
use crate::web::request::{Host, Incoming};
use http::header;

/// Short, so that a reload is seen soon. The platforms' own copies live longer.
const CACHE: &str = "public, max-age=300";

pub fn file(app: &App, incoming: &Incoming, platform: Platform) -> Result<Reply> {
    if incoming.host == Host::Unknown {
        return Err(misdirected("the host is none of this server's").into());
    }
    let Some(file) = app.links.file(&incoming.host, platform) else {
        let hint = "No app is linked to this host on that platform.";
        return Err(Refused::new(404, "not_found", hint).into());
    };
    let is_same = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag) == file.etag.as_bytes();
    let is_known = list(&incoming.headers, "if-none-match").any(is_same);
    let mut reply = if is_known { reply::empty(304) } else { reply::body(200, "application/json", file.bytes.clone()) };
    reply::set(&mut reply, header::ETAG, &file.etag);
    reply::set(&mut reply, header::CACHE_CONTROL, CACHE);
    Ok(reply)
}

/// RFC 9110 15.5.20.
pub fn misdirected(why: &'static str) -> Refused {
    Refused::new(421, "misdirected_request", "This server does not answer this address under that host name.").because(why)
}
