//! Observe mode, for the time in which old versions of an app still send a provider's tokens. A route lets such a token through, to the
//! API's old check, and says who sent it. Nobody is authenticated by this: a request that is let through carries no identity. Nothing of a
//! foreign token is verified, so what is read in it is good for counting alone.

use crate::{Call, Presented, read_token};
use http::HeaderName;
use serde_json::Value;
use symbolon_oauth::jws::Unverified;

/// Stands in the list of issuers for tokens that name none: those that are no JWT.
pub const UNKNOWN: &str = "unknown";
/// The longest name that is kept, in characters.
const LONGEST: usize = 64;

/// Which foreign tokens a route lets through, and until when. From that second on the route refuses them like any other.
#[derive(Clone, Debug)]
pub struct Observe {
    issuers: Vec<String>,
    until_s: i64,
    version: Option<HeaderName>,
}

/// A foreign token that was let through. Each member is what the caller says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// One of the route's list.
    pub unverified_issuer: String,
    pub unverified_client: String,
    pub unverified_version: String,
}

impl Observe {
    /// `issuers` are compared byte for byte with `iss`. [`UNKNOWN`] stands for tokens that are no JWT.
    pub fn new(issuers: &[&str], until_s: i64) -> Self {
        Self { issuers: issuers.iter().map(|it| (*it).to_owned()).collect(), until_s, version: None }
    }

    /// The header in which the app says its version.
    pub fn version_from(mut self, header: HeaderName) -> Self {
        self.version = Some(header);
        self
    }

    /// Is this a foreign token that the route lets through? Whatever may be a token of ours is none: a bad, expired or ended one is refused
    /// as always.
    pub(crate) fn recognise(&self, call: &Call<'_>, own_issuer: &str, now_s: i64) -> Option<Observed> {
        if now_s >= self.until_s {
            return None;
        }
        let Ok(Presented::Bearer(text)) = read_token(call) else { return None };
        if is_a_handle_of_ours(text) {
            return None;
        }
        let (issuer, client) = match Unverified::parse(text) {
            Ok(token) => {
                let claims = token.unverified_claims();
                let named = |name: &str| claims.get(name).and_then(Value::as_str);
                let audience = claims.get("aud").and_then(|it| it.as_str().or_else(|| it.get(0)?.as_str()));
                let issuer = named("iss").filter(|it| *it != UNKNOWN)?;
                (issuer.to_owned(), named("azp").or_else(|| named("client_id")).or(audience).unwrap_or_default().to_owned())
            }
            // Three parts are a JWT that cannot be read. It could be one of ours.
            Err(_) if text.matches('.').count() == 2 => return None,
            Err(_) => (UNKNOWN.to_owned(), String::new()),
        };
        if issuer == own_issuer || !self.issuers.contains(&issuer) {
            return None;
        }
        let mut versions = self.version.iter().flat_map(|it| call.headers.get_all(it));
        let version = versions.next().filter(|_| versions.next().is_none()).and_then(|it| it.to_str().ok()).unwrap_or_default();
        Some(Observed { unverified_issuer: issuer, unverified_client: shortened(&client), unverified_version: shortened(version) })
    }
}

/// `sa_`, `sr_`, `sc_` and whatever else of this form the server hands out.
fn is_a_handle_of_ours(text: &str) -> bool {
    matches!(text.as_bytes(), [b's', letter, b'_', ..] if letter.is_ascii_lowercase())
}

/// Somebody else's text, for counts and logs.
fn shortened(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(LONGEST).collect()
}
