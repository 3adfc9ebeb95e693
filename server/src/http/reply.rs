//! Answers that need pages: a page itself, and the one place where a failure becomes HTTP.

use crate::app::App;
use crate::error::{Error, Refused};
use crate::limits::OncePerSecond;
use crate::login::operation::Operation;
use crate::pages::{self, ErrorPage, FormTarget, Script};
use bytes::Bytes;
use http::header;
use symbolon_oauth::dpop;

pub use crate::web::reply::{Reply, add_cookie, body, empty, json, see_other, set};

/// A page. Its forms lead to us.
pub fn page(status: u16, html: String) -> Reply {
    page_with(status, html, FormTarget::Ours, Script::None)
}

/// A page whose form is sent by its one line of script, or by its button.
pub fn posting_page(html: String, to: FormTarget) -> Reply {
    page_with(200, html, to, Script::Submit)
}

fn page_with(status: u16, html: String, to: FormTarget, script: Script) -> Reply {
    let mut reply = body(status, "text/html; charset=utf-8", html);
    set(&mut reply, header::CONTENT_SECURITY_POLICY, &pages::content_security_policy(to, script));
    reply
}

/// A page on which a password is typed: its script shows it on demand.
pub fn typing_page(status: u16, html: String) -> Reply {
    page_with(status, html, FormTarget::Ours, Script::Show)
}

/// A page with an operation of the platform: its script is the browser's part of it.
pub fn operating_page(status: u16, html: String, operation: Option<&Operation>) -> Reply {
    page_with(status, html, FormTarget::Ours, Script::of(operation))
}

/// A picture. Opened by itself it runs nothing.
pub fn picture(mime: &'static str, bytes: Bytes) -> Reply {
    let mut reply = body(200, mime, bytes);
    set(&mut reply, header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    reply
}

/// In our log, for a request without an access token. RFC 6750 3.1: its answer says no error at all.
pub const NO_TOKEN: &str = "token_missing";

/// With every failure, and with every answer to what a program posts: the id of its line in the log. A person finds it on the page too.
pub const REQUEST_ID: &str = "x-request-id";

/// Who reads the answer of a request that failed.
pub struct FailureReader {
    /// A person with a browser gets a page, a program JSON.
    pub is_browser: bool,
    /// What the page's language is chosen by: what the request asks for, and what the browser accepts.
    pub languages: (Option<String>, String),
    /// Of the request, as its line in the log has it.
    pub id: String,
    /// How the client of this request authenticates, if HTTP Basic cannot be it.
    pub method: Option<&'static str>,
}

/// A failure as JSON (RFC 6749 5.2) or, for a browser, as a page. Only code and hint leave the house.
pub fn failure(app: &App, reader: &FailureReader, error: &Error) -> Reply {
    match error {
        Error::Refused(refused) => refusal(app, reader, refused),
        Error::Fault(fault) if fault.is_store_away() => {
            static AWAY: OncePerSecond = OncePerSecond::new();
            metrics::counter!("symbolon_store_away_total").increment(1);
            if AWAY.is_due() {
                tracing::error!(error = %fault, "the store cannot be used; what needs it is answered with 503");
            }
            let hint = "The server cannot reach its store for the moment. Try again in a few seconds.";
            refusal(app, reader, &Refused::new(503, "temporarily_unavailable", hint).retry_after(2))
        }
        Error::Fault(fault) => {
            tracing::error!(id = reader.id, error = %fault, "a request failed on our side");
            let hint = "Something went wrong on our side. Try again; if it stays, report the id.";
            refusal(app, reader, &Refused::new(500, "server_error", hint))
        }
    }
}

fn refusal(app: &App, reader: &FailureReader, refused: &Refused) -> Reply {
    let mut reply = if reader.is_browser { error_page(app, reader, refused) } else { error_document(reader, refused) };
    if let Some(challenge) = challenge(app, reader, refused) {
        set(&mut reply, header::WWW_AUTHENTICATE, &challenge);
    }
    if let Some(seconds) = refused.retry_after_s {
        set(&mut reply, header::RETRY_AFTER, &seconds.to_string());
    }
    reply
}

fn error_page(app: &App, reader: &FailureReader, refused: &Refused) -> Reply {
    let shown = ErrorPage {
        status: refused.status,
        kind: person_kind(refused),
        code: refused.code.to_owned(),
        hint: refused.hint.to_owned(),
        id: reader.id.clone(),
    };
    let (asked, accepted) = &reader.languages;
    match app.pages.error(&shown, &app.pages.pick_locale(asked.as_deref(), accepted), &app.config.issuer) {
        Ok(html) => page(refused.status, html),
        Err(fault) => {
            tracing::error!(error = %fault, "the error page cannot be rendered");
            body(refused.status, "text/plain; charset=utf-8", format!("{}: {}", refused.code, refused.hint))
        }
    }
}

/// What an error means to a person: which of our messages says it.
fn person_kind(refused: &Refused) -> &'static str {
    match (refused.status, refused.code) {
        (_, "invalid_session" | "invalid_request_uri") => "over",
        (404, _) => "not_found",
        (503, _) => "away",
        (429, _) => "busy",
        (500.., _) => "fault",
        _ => "app",
    }
}

fn error_document(reader: &FailureReader, refused: &Refused) -> Reply {
    if refused.code == NO_TOKEN {
        return empty(refused.status);
    }
    let mut answer = serde_json::json!({ "error": refused.code, "error_description": refused.hint });
    if refused.status == 500 {
        answer["id"] = reader.id.as_str().into();
    }
    json(refused.status, &answer)
}

/// RFC 6749 5.2, RFC 6750 3, RFC 9449 7.1.
fn challenge(app: &App, reader: &FailureReader, refused: &Refused) -> Option<String> {
    let algs = || dpop::algs(&app.config.dpop.algorithms);
    let parameters = || format!("error=\"{}\", error_description=\"{}\"", refused.code, refused.hint);
    match (refused.status, refused.code) {
        // A 401 has a challenge (RFC 9110 15.5.2). Where Basic is of no use, it names the method of the client.
        (401, "invalid_client") => Some(format!("{} realm=\"symbolon\"", reader.method.unwrap_or("Basic"))),
        (401, "invalid_dpop_proof" | "use_dpop_nonce") => Some(format!("DPoP {}, algs=\"{}\"", parameters(), algs())),
        (401, NO_TOKEN) => Some(format!("Bearer realm=\"symbolon\", DPoP algs=\"{}\"", algs())),
        (401, _) | (_, "insufficient_scope") => Some(format!("Bearer realm=\"symbolon\", {}", parameters())),
        _ => None,
    }
}
