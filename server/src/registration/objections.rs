//! What is wrong with the metadata of a registration, in the codes of RFC 7591 3.2.2. Hints are fixed texts: nothing is echoed (503-G).

use crate::config::Secret;
use crate::core::Core;
use crate::error::{Error, Refused, Result};
use serde_json::{Map, Value as Json};
use url::Url;

pub fn refused(hint: &'static str) -> Refused {
    let code = if hint.starts_with("redirect_uris") { "invalid_redirect_uri" } else { "invalid_client_metadata" };
    Refused::bad_request(code, hint)
}

/// Longer lists and texts are nobody's (505-G).
const MOST_ENTRIES: usize = 20;
const LONGEST_TEXT: usize = 2048;

/// What speaks against members, whether this server uses them or not.
pub fn to_members(asked: &Map<String, Json>) -> Result<()> {
    if asked.contains_key("software_statement") {
        // 509-G: nobody whom we believe signs them, and what stands in one would go before the rest (RFC 7591 2.3).
        let hint = "This server takes no software statements; send the metadata alone.";
        return Err(Refused::bad_request("unapproved_software_statement", hint).into());
    }
    for (name, value) in asked {
        let plain = name.split('#').next().unwrap_or_default();
        let is_short = |value: &Json| value.as_str().is_none_or(|text| text.len() <= LONGEST_TEXT);
        let fits = match value {
            Json::Array(all) => all.len() <= MOST_ENTRIES && all.iter().all(is_short),
            other => is_short(other),
        };
        if !fits {
            return Err(refused("A list has more than 20 entries, or a text is longer than 2048 bytes.").because(name.clone()).into());
        }
        if plain.ends_with("_uri") && !value.is_null() && !value.as_str().is_some_and(is_web_address) {
            return Err(refused("Each member that ends with _uri is an https address without user name.").because(name.clone()).into());
        }
    }
    Ok(())
}

/// 497-G: nothing that a page could show as a link, and that would run there.
fn is_web_address(text: &str) -> bool {
    let is_plain = text.bytes().all(|it| it.is_ascii_graphic()) && text.starts_with("https://");
    is_plain && Url::parse(text).is_ok_and(|url| url.host().is_some() && url.username().is_empty() && url.password().is_none())
}

/// By the member that a problem begins with. The whole of it is for the log.
const HINTS: [(&str, &str); 16] = [
    (
        "redirect_uris",
        "redirect_uris: each is https, a literal loopback address, or for native clients com.example.app:/path; with application_type native \
         for an app; without fragment, wildcard or dot segments.",
    ),
    ("post_logout_redirect_uris", "post_logout_redirect_uris: each is an address that redirect_uris could have."),
    ("application_type", "application_type: native or web."),
    ("grant_types", "grant_types: an array with authorization_code, and refresh_token if wanted."),
    ("response_types", "response_types: only code."),
    (
        "token_endpoint_auth_method",
        "token_endpoint_auth_method: none, client_secret_basic, client_secret_post or private_key_jwt, as the policy allows.",
    ),
    ("token_endpoint_auth_signing_alg", "token_endpoint_auth_signing_alg: one of ours, and a key of jwks is for it."),
    ("jwks", "jwks: public keys alone, of the kinds in the metadata, each for signatures."),
    ("scope", "scope: a text of scopes that there are."),
    ("client_name", "client_name: a text without invisible characters."),
    ("id_token_signed_response_alg", "id_token_signed_response_alg: ES256, PS256, RS256 or EdDSA."),
    ("subject_type", "subject_type: only public."),
    ("default_max_age", "default_max_age: a number of seconds."),
    ("backchannel_logout", "backchannel_logout_uri: an https address without fragment; backchannel_logout_session_required goes with it."),
    ("an app cannot keep a secret", "token_endpoint_auth_method: a native client has no secret; use none or private_key_jwt."),
    ("secret is missing", "token_endpoint_auth_method: there is no secret."),
];

/// The problems that the reader of metadata found, as one answer.
pub fn of_metadata(problems: &[String]) -> Error {
    let hint_of = |problem: &String| HINTS.iter().find(|(begins, _)| problem.starts_with(begins)).map(|(_, hint)| *hint);
    let other = "The metadata asks for what this server does not do, or a member has the wrong type.";
    let hints: Vec<&'static str> = problems.iter().filter_map(hint_of).collect();
    let first = hints.iter().find(|hint| hint.starts_with("redirect_uris")).or(hints.first());
    refused(first.copied().unwrap_or(other)).because(problems.join("; ")).into()
}

/// RFC 7592 2.2: a replacement names its client, and leaves out what is the server's to say.
pub fn to_replacement(core: &Core, id: &str, secret: Option<&Secret>, asked: &Map<String, Json>) -> Result<()> {
    if asked.get("client_id").and_then(Json::as_str) != Some(id) {
        return Err(Refused::bad_request("invalid_client_metadata", "client_id: name the client that is replaced.").into());
    }
    let servers = ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];
    if servers.iter().any(|name| asked.contains_key(*name)) {
        return Err(refused("Leave out what the server says: registration_access_token and the like (RFC 7592 2.2).").into());
    }
    let Some(sent) = asked.get("client_secret") else { return Ok(()) };
    let fits = sent.as_str().zip(secret).and_then(|(sent, kept)| kept.fits_key(&core.keyring, sent));
    if fits != Some(true) {
        return Err(refused("client_secret is not the client's; leave it out, it stays as it is.").into());
    }
    Ok(())
}
