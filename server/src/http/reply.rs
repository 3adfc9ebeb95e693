//! Answers that need pages: a page itself, and the one place where a failure becomes HTTP.

use crate::app::App;
use crate::error::{Error, Refused};
use crate::limits::OncePerSecond;
use crate::pages::{self, ErrorPage};
use crate::web::request::Incoming;
use http::header;
use symbolon_oauth::{base64url, dpop};

pub use crate::web::reply::{Reply, add_cookie, body, empty, json, see_other, set};

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

/// A failure as JSON (RFC 6749 5.2) or, for a browser, as a page. Only code and hint leave the house.
pub fn failure(app: &App, incoming: Option<&Incoming>, browser: bool, error: &Error) -> Reply {
    match error {
        Error::Refused(it) => refused(app, incoming, browser, it, None),
        Error::Fault(fault) if fault.is_store_away() => {
            static AWAY: OncePerSecond = OncePerSecond::new();
            metrics::counter!("symbolon_store_away_total").increment(1);
            if AWAY.is_due() {
                tracing::error!(error = %fault, "the store cannot be used; what needs it is answered with 503");
            }
            let hint = "The server cannot reach its store for the moment. Try again in a few seconds.";
            refused(app, incoming, browser, &Refused::new(503, "temporarily_unavailable", hint).retry_after(2), None)
        }
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
