//! What programs ask every web server for: where a password is changed, a picture, and what not to index.

use super::reply::{self, Reply};
use crate::app::App;
use http::header;

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

pub fn robots() -> Reply {
    let mut reply = reply::body(200, "text/plain; charset=utf-8", ROBOTS);
    reply::set(&mut reply, header::CACHE_CONTROL, "public, max-age=3600");
    reply
}
