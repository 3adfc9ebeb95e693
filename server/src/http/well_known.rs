//! What programs ask every web server for: where a password is changed, whose passkeys are ours, an icon, what to index.

use super::reply::{self, Reply};
use crate::app::App;
use crate::error::{Refused, Result};
use http::header;
use serde_json::json;

/// A window with a round head, like the mark on our pages.
const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\">\
    <circle cx=\"8\" cy=\"8\" r=\"7\" fill=\"#1f4fd8\"/><circle cx=\"8\" cy=\"8\" r=\"3\" fill=\"#fff\"/></svg>";
const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// A Well-Known URL for Changing Passwords (W3C).
pub fn change_password(app: &App) -> Reply {
    reply::see_other(&app.url("/account/password"))
}

/// The operator's logo, else our mark.
pub fn favicon(app: &App) -> Reply {
    let (mime, bytes) = app.pages.logo().map_or(("image/svg+xml", ICON.into()), |logo| (logo.mime, logo.bytes.clone()));
    let mut reply = reply::picture(mime, bytes);
    reply::set(&mut reply, header::CACHE_CONTROL, "public, max-age=3600");
    reply
}

/// Which origins may ask for our passkeys. WebAuthn Level 3, 5.11.
pub fn webauthn(app: &App) -> Result<Reply> {
    let related = &app.config.passkeys.related_origins;
    if related.is_empty() {
        return Err(Refused::new(404, "not_found", "There are no related origins.").into());
    }
    let own = [app.config.origin()];
    let origins: Vec<&String> = own.iter().chain(related.iter().filter(|origin| **origin != own[0])).collect();
    let mut reply = reply::json(200, &json!({ "origins": origins }));
    reply::set(&mut reply, header::CACHE_CONTROL, "public, max-age=3600");
    Ok(reply)
}

pub fn robots() -> Reply {
    let mut reply = reply::body(200, "text/plain; charset=utf-8", ROBOTS);
    reply::set(&mut reply, header::CACHE_CONTROL, "public, max-age=3600");
    reply
}
