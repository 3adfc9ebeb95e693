//! GET /assets/{name}: the style sheet of our pages, and the operator's logo.

use super::reply::{self, Reply};
use crate::app::App;
use crate::error::{Refused, Result};
use crate::web::headers;
use crate::web::request::Incoming;
use http::header;

pub fn asset(app: &App, incoming: &Incoming) -> Result<Reply> {
    let found = incoming.path("name").and_then(|name| app.pages.asset(name));
    let asset = found.ok_or_else(|| Refused::new(404, "not_found", "There is nothing at this address."))?;
    let etag = format!("\"{}\"", asset.version);
    // RFC 9110 13.1.2: a list, and weak tags count.
    let is_same = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes();
    let fresh = headers::list(&incoming.headers, "if-none-match").any(is_same);
    let mut reply = if fresh { reply::empty(304) } else { reply::body(200, asset.mime, asset.bytes.clone()) };
    reply::set(&mut reply, header::ETAG, &etag);
    reply::set(&mut reply, header::CACHE_CONTROL, "public, max-age=3600");
    // A picture opened by itself runs nothing.
    reply::set(&mut reply, header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    Ok(reply)
}
