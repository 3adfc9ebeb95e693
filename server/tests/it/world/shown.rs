//! A whole answer as text: method and path, status, headers, body. What is another one in every run is replaced by its name.

use super::{Browser, World};
use serde_json::Value as Json;
use symbolon_oauth::base64url;

/// Headers that say nothing about the endpoint.
const LEFT_OUT: &[&str] = &["content-length", "date"];
/// Headers and members of JSON whose values are another in every run.
const VOLATILE: &[&str] = &[
    "access_token",
    "attestation_challenge",
    "auth_req_id",
    "auth_session",
    "auth_time",
    "authorization_code",
    "challenge",
    "client_attestation",
    "client_id_issued_at",
    "configuration",
    "device_code",
    "dpop-nonce",
    "x-request-id",
    "exp",
    "grant_id",
    "iat",
    "id_token",
    "jkt",
    "jti",
    "kid",
    "nbf",
    "next",
    "oauth-client-attestation-challenge",
    "picture",
    "refresh_token",
    "registration_access_token",
    "registration_client_uri",
    "request_uri",
    "sid",
    "sub",
    "updated_at",
    "user_code",
    "verification_uri_complete",
    "x",
    "y",
];
/// The same for members that are lists as a whole.
const VOLATILE_LISTS: &[&str] = &["x5c"];
/// Cookies of one sign-in and of one answer: what follows this in their names is another in every run.
const COOKIES_OF_ONE: &[&str] = &["-login-", "-continue-"];
/// Parts of pages that are another in every run: what stands before the value, and what ends it.
const PAGES: &[(&str, &str)] = &[
    ("name=\"form_token\" value=\"", "\""),
    ("name=\"handle\" value=\"", "\""),
    ("name=\"code\" value=\"sc_", "\""),
    ("name=\"login\" value=\"", "\""),
    ("/login/", "\""),
    ("style.css?v=", "\""),
    ("Request id: <code>", "<"),
];

impl World {
    /// Sends a request and shows the whole answer.
    pub async fn shown(&self, request: reqwest::RequestBuilder) -> String {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let line = format!("{} {}", request.method(), request.url().path());
        let answer = client.execute(request).await.unwrap();
        let status = answer.status().to_string();
        let mut headers: Vec<String> = answer
            .headers()
            .iter()
            .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", header(name.as_str(), value.to_str().unwrap())))
            .collect();
        headers.sort();
        let body = self.body(&answer.text().await.unwrap());
        let text = format!("{line}\n\n{status}\n{}\n\n{body}", headers.join("\n"));
        let (_, address) = self.issuer.split_once("://").unwrap();
        text.replace(address, "issuer").replace(&address.replace(':', "%3A"), "issuer")
    }

    /// The same as this browser sends it; its cookies stay as they are.
    pub async fn shown_to(&self, browser: &Browser, request: reqwest::RequestBuilder) -> String {
        self.shown(browser.dress(request)).await
    }

    fn body(&self, text: &str) -> String {
        if let Ok(json) = serde_json::from_str::<Json>(text) {
            return serde_json::to_string_pretty(&redacted(json)).unwrap();
        }
        let parts: Vec<&str> = text.split('.').collect();
        if let [head, claims, _] = parts[..]
            && let (Some(head), Some(claims)) = (part(head), part(claims))
        {
            return format!("JWT {head}\n{claims}");
        }
        let text = PAGES.iter().fold(text.to_owned(), |text, (start, end)| cut(&text, start, end));
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

/// A part of a JWT.
fn part(text: &str) -> Option<String> {
    let json: Json = serde_json::from_slice(&base64url::decode(text)?).ok()?;
    Some(serde_json::to_string_pretty(&redacted(json)).unwrap())
}

fn header(name: &str, value: &str) -> String {
    match name {
        _ if VOLATILE.contains(&name) => format!("[{name}]"),
        "set-cookie" => cookie(value),
        "location" => ["code=", "state=", "login/"].iter().fold(value.to_owned(), |text, start| cut(&text, start, "&")),
        "etag" => "[etag]".to_owned(),
        _ => value.to_owned(),
    }
}

/// A cookie without its value; the cookie of one sign-in or one answer without the name of that one.
fn cookie(value: &str) -> String {
    let (pair, rest) = value.split_once(';').unwrap_or((value, ""));
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let of_one = COOKIES_OF_ONE.iter().find_map(|part| name.split_once(*part).map(|(head, _)| format!("{head}{part}[name]")));
    let name = of_one.unwrap_or_else(|| name.to_owned());
    format!("{name}={};{rest}", if value.is_empty() { "" } else { "[value]" })
}

fn redacted(json: Json) -> Json {
    match json {
        Json::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let is_one = VOLATILE.contains(&name.as_str()) && !value.is_object() && !value.is_array();
                let volatile = is_one || VOLATILE_LISTS.contains(&name.as_str());
                let value = if volatile { Json::from(format!("[{name}]")) } else { redacted(value) };
                (name, value)
            })
            .collect(),
        Json::Array(items) => items.into_iter().map(redacted).collect(),
        other => other,
    }
}

/// Every value between these two, replaced.
fn cut(text: &str, start: &str, end: &str) -> String {
    let mut parts = text.split(start);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find(end).map_or("", |at| &part[at..]);
        shown += &format!("{start}[...]{rest}");
    }
    shown
}
