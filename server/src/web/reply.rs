//! Answers: one function per shape.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

pub type Reply = Response<Bytes>;

pub fn empty(status: u16) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
}

pub fn body(status: u16, mime: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let mut reply = empty(status);
    *reply.body_mut() = bytes.into();
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    reply
}

pub fn json(status: u16, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(bytes) => body(status, "application/json", bytes),
        Err(_) => empty(500),
    }
}

/// 303, so that a browser never sends a password form on (RFC 9700 4.12).
pub fn see_other(location: &str) -> Reply {
    let mut reply = empty(303);
    set(&mut reply, header::LOCATION, location);
    reply
}

/// Sets a header; a value that HTTP does not allow is dropped and logged rather than split (566-V).
pub fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            reply.headers_mut().insert(name, value);
        }
        Err(_) => tracing::error!(header = %name, "a header value was not allowed and was left out"),
    }
}

pub fn add_cookie(reply: &mut Reply, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
}
