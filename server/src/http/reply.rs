//! Answers: one function per shape, and the one place where a failure becomes HTTP.

use crate::app::App;
use crate::error::{Error, Refused};
use crate::http::Incoming;
use crate::pages::{self, ErrorPage};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use symbolon_oauth::{base64url, dpop};

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

/// A page. `form_action` is an origin beside ourselves that a form of the page may lead to (the client's redirect URI).
pub fn page(status: u16, html: String, form_action: Option<&str>) -> Reply {
    let mut reply = body(status, "text/html; charset=utf-8", html);
    set(&mut reply, header::CONTENT_SECURITY_POLICY, &pages::content_security_policy(form_action, pages::Script::None));
    reply
}

/// The page that posts an answer to the client: the only one with a script, one line of it.
pub fn form_post_page(html: String, form_action: &str) -> Reply {
    let mut reply = page(200, html, None);
    let policy = pages::content_security_policy(Some(form_action), pages::Script::Submit);
    set(&mut reply, header::CONTENT_SECURITY_POLICY, &policy);
    reply
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
        Ok(it) => {
            reply.headers_mut().insert(name, it);
        }
        Err(_) => tracing::error!(header = %name, "a header value was not allowed and was left out"),
    }
}

pub fn add_cookie(reply: &mut Reply, cookie: &str) {
    if let Ok(it) = HeaderValue::from_str(cookie) {
        reply.headers_mut().append(header::SET_COOKIE, it);
    }
}

/// A failure as JSON (RFC 6749 5.2) or, for a browser, as a page. Only code and hint leave the house.
pub fn failure(app: &App, incoming: Option<&Incoming>, browser: bool, error: &Error) -> Reply {
    match error {
        Error::Refused(it) => refused(app, incoming, browser, it, None),
        Error::Fault(fault) => {
            let id = crate::seal::random::<9>().map(|it| base64url::encode(&it)).unwrap_or_default();
            tracing::error!(id, error = %fault, "a request failed on our side");
            let shown = Refused::new(500, "server_error", "Something went wrong on our side. Try again; if it stays, report the id.");
            refused(app, incoming, browser, &shown, Some(id))
        }
    }
}

fn refused(app: &App, incoming: Option<&Incoming>, browser: bool, it: &Refused, id: Option<String>) -> Reply {
    let mut reply = if browser {
        let (ui_locales, accept) = incoming.map_or((None, None), |it| (it.query.get("ui_locales"), it.header("accept-language")));
        let locale = app.pages.pick_locale(ui_locales, accept);
        let shown = ErrorPage { status: it.status, code: it.code.to_owned(), hint: it.hint.to_owned(), id };
        match app.pages.error(&shown, &locale, &app.config.issuer) {
            Ok(html) => page(it.status, html, None),
            Err(fault) => {
                tracing::error!(error = %fault, "the error page cannot be rendered");
                body(it.status, "text/plain; charset=utf-8", format!("{}: {}", it.code, it.hint))
            }
        }
    } else {
        let mut answer = serde_json::json!({ "error": it.code, "error_description": it.hint });
        if let Some(id) = id {
            answer["id"] = id.into();
        }
        json(it.status, &answer)
    };
    if it.status == 401 {
        // RFC 6749 5.2: the scheme the client used. Basic is the only one of ours that is a header.
        let scheme = match it.code {
            "invalid_client" => "Basic realm=\"symbolon\"".to_owned(),
            // RFC 9449 7.1
            "invalid_dpop_proof" | "use_dpop_nonce" => {
                let algs = dpop::algs(&app.config.dpop.algorithms);
                format!("DPoP error=\"{}\", error_description=\"{}\", algs=\"{algs}\"", it.code, it.hint)
            }
            _ => bearer_challenge(it),
        };
        set(&mut reply, header::WWW_AUTHENTICATE, &scheme);
    } else if it.code == "insufficient_scope" {
        set(&mut reply, header::WWW_AUTHENTICATE, &bearer_challenge(it));
    }
    if let Some(seconds) = it.retry_after_s {
        set(&mut reply, header::RETRY_AFTER, &seconds.to_string());
    }
    reply
}

/// RFC 6750 3: no error code when the request carried no token at all.
fn bearer_challenge(it: &Refused) -> String {
    if it.code == "token_missing" {
        return "Bearer realm=\"symbolon\"".to_owned();
    }
    format!("Bearer realm=\"symbolon\", error=\"{}\", error_description=\"{}\"", it.code, it.hint)
}
