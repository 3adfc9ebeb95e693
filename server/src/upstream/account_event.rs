//! Apple says that something happened to an account there: a signed event, posted to an address that the operator registers ("Processing
//! changes for Sign in with Apple accounts"). Only the preset `apple` has them.

use super::issuers;
use super::metadata::ProviderMetadata;
use super::provider::{MayFetch, Provider, Trouble};
use crate::config::upstream::Preset;
use serde_json::{Map, Value as Json};
use symbolon_oauth::claims;
use symbolon_oauth::jws::{self, Unverified};

/// An event that was signed longer ago is refused.
const LIVES_S: i64 = 86_400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The person ended the use of this app in the settings of the account there.
    ConsentRevoked,
    AccountDeleted,
    /// The relay passes no mail on any more.
    EmailOff,
    EmailOn,
}

impl Happened {
    fn read(text: &str) -> Option<Self> {
        match text {
            "consent-revoked" => Some(Self::ConsentRevoked),
            "account-delete" | "account-deleted" => Some(Self::AccountDeleted),
            "email-disabled" => Some(Self::EmailOff),
            "email-enabled" => Some(Self::EmailOn),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConsentRevoked => "consent_revoked",
            Self::AccountDeleted => "account_deleted",
            Self::EmailOff => "email_off",
            Self::EmailOn => "email_on",
        }
    }
}

/// A checked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEvent {
    /// As it names an identity.
    pub issuer: String,
    pub subject: String,
    /// None: a kind that this server does not know.
    pub happened: Option<Happened>,
    /// What was there before this instant is meant.
    pub at_ms: i64,
    pub jti: String,
    /// It is refused from then on by itself.
    pub until_s: i64,
}

impl Provider {
    /// Does this provider send such events at all?
    pub fn sends_account_events(&self) -> bool {
        self.settings.preset == Some(Preset::Apple)
    }

    /// Checks the event with the known keys and, if those did not sign it, with the newest.
    pub async fn check_account_event(&self, token: &str, fetches: MayFetch<'_>, now_ms: i64) -> Result<AccountEvent, Trouble> {
        let refused = |why: &str| Trouble::broken(format!("account event: {why}"));
        let unverified = Unverified::parse(token).map_err(|_| refused("not a JWT"))?;
        let issuer = self.expected_issuer(unverified.unverified_claims())?;
        let metadata = self.metadata(now_ms).await?;
        let verified = match self.signed_event(&metadata, token, &issuer) {
            None => self.signed_event(&*self.with_newest_keys_if(fetches, now_ms).await?, token, &issuer),
            found => found,
        };
        let checked = verified.ok_or_else(|| refused("not signed by the issuer"))?;
        let read = read(&checked, (&issuer, &self.settings.client_id), (now_ms.div_euclid(1000), self.settings.clock_skew.0));
        read.map(|event| AccountEvent { issuer: self.canonical(&issuer), ..event }).map_err(refused)
    }

    fn signed_event(&self, metadata: &ProviderMetadata, token: &str, issuer: &str) -> Option<Map<String, Json>> {
        let unverified = Unverified::parse(token).ok()?;
        if !unverified.alg().is_some_and(|alg| metadata.algorithms.contains(&alg)) {
            return None;
        }
        unverified.verify_with(&issuers::keys_for(metadata, issuer, &self.settings)).ok()
    }
}

/// Reads signed claims. `issuer` of the result is for the caller to fill in.
fn read(
    claims: &Map<String, Json>,
    (issuer, client_id): (&str, &str),
    (now_s, leeway_s): (i64, i64),
) -> Result<AccountEvent, &'static str> {
    if claims::string(claims, "iss")? != Some(issuer) {
        return Err("iss is another issuer");
    }
    if !claims::audience(claims)?.iter().any(|name| name == client_id) {
        return Err("aud does not name us");
    }
    let iat = claims::time_s(claims, "iat")?.ok_or("there is no iat")?;
    let until_s = claims::time_s(claims, "exp")?.unwrap_or(i64::MAX).min(iat + LIVES_S);
    if until_s <= now_s || iat > now_s + leeway_s {
        return Err("it is too old, or iat is in the future");
    }
    if claims.contains_key("nonce") {
        return Err("nonce makes it an ID token");
    }
    let jti = claims::string(claims, "jti")?.filter(|it| !it.is_empty()).ok_or("there is no jti")?;
    let event = match claims.get("events") {
        Some(Json::String(text)) => jws::parse_object(text.as_bytes()).ok_or("events is no JSON object")?,
        Some(Json::Object(event)) => event.clone(),
        _ => return Err("events is missing"),
    };
    let text = |name: &str| claims::string(&event, name).ok().flatten().filter(|it| !it.is_empty());
    let subject = text("sub").filter(|it| it.len() <= 255 && it.is_ascii()).ok_or("events names nobody")?;
    let kind = text("type").ok_or("events has no type")?;
    Ok(AccountEvent {
        issuer: String::new(),
        subject: subject.to_owned(),
        happened: Happened::read(kind),
        at_ms: at_ms(event.get("event_time"), iat),
        jti: jti.to_owned(),
        until_s,
    })
}

/// Documents show seconds and services send milliseconds. Nothing happened after it was signed.
fn at_ms(event_time: Option<&Json>, iat: i64) -> i64 {
    let signed_ms = iat.saturating_mul(1000);
    match event_time.and_then(Json::as_i64) {
        Some(at_ms) if at_ms > 100_000_000_000 => at_ms.min(signed_ms),
        Some(at_s) if at_s > 0 => at_s.saturating_mul(1000).min(signed_ms),
        _ => signed_ms,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn judged(claims: &Json) -> Result<AccountEvent, &'static str> {
        read(claims.as_object().unwrap(), ("https://appleid.apple.com", "com.mytest.app"), (1_508_184_900, 60))
    }

    /// S-36: the example of Apple's page, with `events` as an object and as text; and each lie alone.
    #[test]
    fn an_event_is_what_apples_page_shows() {
        let event = json!({
            "type": "consent-revoked", "sub": "820417.faa325acbc78e1be1668ba852d492d8a.0219",
            "email": "ep9ks2tnph@privaterelay.appleid.com", "is_private_email": "true", "event_time": 1_508_184_845
        });
        let good = json!({
            "iss": "https://appleid.apple.com", "aud": "com.mytest.app", "iat": 1_508_184_845, "jti": "abede...67890", "events": event
        });
        let read = judged(&good).unwrap();
        assert_eq!((read.happened, read.at_ms, read.jti.as_str()), (Some(Happened::ConsentRevoked), 1_508_184_845_000, "abede...67890"));
        let with = |name: &str, value: Json| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        assert_eq!(judged(&with("events", json!(event.to_string()))).unwrap(), read, "as text");
        for (name, value, why) in [
            ("iss", json!("https://evil.example"), "iss"),
            ("aud", json!("com.other.app"), "aud"),
            ("iat", json!(1_508_184_961), "future"),
            ("iat", json!(1_508_184_900 - LIVES_S), "too old"),
            ("exp", json!(1_508_184_900), "too old"),
            ("nonce", json!("n"), "nonce"),
            ("jti", json!(""), "jti"),
            ("jti", json!(7), "should be a string"),
            ("events", json!(null), "events"),
            ("events", json!("{"), "events"),
            ("events", json!({ "type": "consent-revoked" }), "nobody"),
            ("events", json!({ "sub": "x" }), "type"),
        ] {
            assert!(judged(&with(name, value)).unwrap_err().contains(why), "{name}");
        }
    }

    #[test]
    fn nothing_happened_after_it_was_signed() {
        assert_eq!(at_ms(Some(&json!(1_508_184_800)), 1_508_184_845), 1_508_184_800_000);
        assert_eq!(at_ms(Some(&json!(1_508_184_800_123_i64)), 1_508_184_845), 1_508_184_800_123);
        for odd in [json!(i64::MAX), json!(1_600_000_000), json!(-1), json!("x"), json!(null)] {
            assert_eq!(at_ms(Some(&odd), 1_508_184_845), 1_508_184_845_000, "{odd}");
        }
    }
}
