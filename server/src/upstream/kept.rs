//! What a provider gave for a person, where an API may have it: kept, and renewed (RFC 6749 6). It never leaves the server but through
//! `grants::provider_token`.

use super::provider::{Provider, Trouble};
use crate::error::Fault;
use crate::seal::KeyRing;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::fmt;
use symbolon_oauth::jws;

/// The longest token that is kept.
const LONGEST: usize = 8 * 1024;
/// Where the provider does not say how long a token lives.
const UNSAID_S: i64 = 60;
const MOST_S: i64 = 365 * 86_400;

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Kept {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// What it may do at the provider.
    pub scopes: Vec<String>,
    pub ends_ms: i64,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(..)")
    }
}

/// The place in the store for which the tokens of an identity are sealed.
pub fn place(identity: &str) -> String {
    format!("provider_token/sealed/{identity}")
}

impl Kept {
    pub fn seal(&self, keyring: &KeyRing, identity: &str) -> Result<Vec<u8>, Fault> {
        let plain = serde_json::to_vec(self).map_err(|it| Fault::new(it.to_string()))?;
        keyring.seal(&place(identity), &plain)
    }

    pub fn open(keyring: &KeyRing, identity: &str, sealed: &[u8]) -> Option<Self> {
        serde_json::from_slice(&keyring.open(&place(identity), sealed)?).ok()
    }

    /// Reads an answer of a token endpoint. `asked`: the scopes that it stands for where it names none (RFC 6749 5.1).
    pub(super) fn read(body: &Map<String, Json>, asked: &[String], before: Option<&Self>, now_ms: i64) -> Option<Self> {
        let text = |name: &str| body.get(name).and_then(Json::as_str).filter(|it| !it.is_empty() && it.len() <= LONGEST).map(str::to_owned);
        let scopes = match body.get("scope") {
            None => asked.to_vec(),
            Some(scope) => scope.as_str()?.split_whitespace().map(str::to_owned).collect(),
        };
        let lives_s = body.get("expires_in").and_then(Json::as_i64).unwrap_or(UNSAID_S).clamp(0, MOST_S);
        // RFC 6749 6: without a new refresh token, the old one goes on.
        let refresh_token = text("refresh_token").or_else(|| before?.refresh_token.clone());
        Some(Self { access_token: text("access_token")?, refresh_token, scopes, ends_ms: now_ms + lives_s * 1000 })
    }

    /// May it be given: it lives long enough, and may do no more than this?
    pub fn is_good_for(&self, scopes: &[String], now_ms: i64) -> bool {
        self.ends_ms > now_ms + 30_000 && !self.scopes.is_empty() && self.scopes.iter().all(|it| scopes.contains(it))
    }
}

impl Provider {
    /// What the operator has a use for: an API gets the token, the provider is asked again, or what it gave is revoked in the end. None: nothing is kept.
    pub(super) fn to_keep(&self, kept: Kept) -> Option<Kept> {
        match (&self.settings.release, &self.settings.check) {
            (Some(_), _) => Some(kept),
            (None, None) if !self.settings.revoke => None,
            (None, _) if kept.refresh_token.is_some() => Some(Kept { access_token: String::new(), ends_ms: 0, ..kept }),
            (None, _) => None,
        }
    }

    /// Does the provider still stand by what it gave? What comes takes its place. None: it refuses for good.
    pub async fn stands_by(&self, kept: &Kept, now_ms: i64) -> Result<Option<Kept>, Trouble> {
        let Some(body) = self.ask_with(kept, None, now_ms).await? else { return Ok(None) };
        // Without a word about scopes it may do all that was asked for at the sign-in.
        let next = Kept::read(&body, &self.settings.scopes, Some(kept), now_ms).and_then(|it| self.to_keep(it));
        next.map(Some).ok_or_else(|| Trouble::broken("refresh: there is no access_token"))
    }

    /// Asks for a token with these scopes alone. None: the provider refuses for good, as when the person is blocked or took back consent.
    pub async fn renew(&self, kept: &Kept, scopes: &[String], now_ms: i64) -> Result<Option<Kept>, Trouble> {
        let Some(body) = self.ask_with(kept, Some(&scopes.join(" ")), now_ms).await? else { return Ok(None) };
        let renewed = Kept::read(&body, scopes, Some(kept), now_ms).ok_or_else(|| Trouble::broken("refresh: there is no access_token"))?;
        if renewed.is_good_for(scopes, now_ms) {
            return Ok(Some(renewed));
        }
        Err(Trouble::broken("refresh: the provider gives other scopes than were asked for, or a token that ends at once"))
    }

    /// RFC 6749 6. None: there is no refresh token, or the provider refuses for good.
    async fn ask_with(&self, kept: &Kept, scope: Option<&str>, now_ms: i64) -> Result<Option<Map<String, Json>>, Trouble> {
        let Some(refresh_token) = &kept.refresh_token else { return Ok(None) };
        let known = self.known(now_ms).await?;
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
        form.extend(scope.map(|it| ("scope", it)));
        let answer = self.call_token_endpoint(&known, ("refresh", &form), self.proving()?.as_mut(), now_ms).await?;
        let body = jws::parse_object(&answer.body).unwrap_or_default();
        let error = body.get("error").and_then(Json::as_str);
        // RFC 6749 5.2: this word alone says that the grant is over. Anything else may be our own mistake, or the provider's.
        if error == Some("invalid_grant") {
            return Ok(None);
        }
        let is_right = self.is_right_type(body.get("token_type").and_then(Json::as_str));
        if answer.status != 200 || error.is_some() || !is_right {
            return Err(Trouble::broken(format!("refresh: status {}", answer.status)));
        }
        Ok(Some(body))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_kept_as_what_it_says() {
        let asked = ["openid".to_owned(), "calendar".to_owned()];
        let read = |body: Json, before: Option<&Kept>| Kept::read(body.as_object().unwrap(), &asked, before, 1_000);
        let first = read(json!({ "access_token": "a", "refresh_token": "r", "expires_in": 60, "scope": "calendar" }), None).unwrap();
        assert_eq!((first.scopes.as_slice(), first.ends_ms), (&asked[1..], 61_000));
        let next = read(json!({ "access_token": "b" }), Some(&first)).unwrap();
        assert_eq!((next.refresh_token.as_deref(), next.scopes.as_slice(), next.ends_ms), (Some("r"), &asked[..], 61_000));
        for bad in [json!({}), json!({ "access_token": "" }), json!({ "access_token": 7 }), json!({ "access_token": "a", "scope": 7 })] {
            assert!(read(bad, None).is_none());
        }
        assert!(read(json!({ "access_token": "x".repeat(LONGEST + 1) }), None).is_none());
        assert_eq!(read(json!({ "access_token": "a", "expires_in": i64::MAX }), None).unwrap().ends_ms, 1_000 + MOST_S * 1000);
        assert_eq!(format!("{first:?}"), "Kept(..)");
    }

    #[test]
    fn a_token_that_may_do_more_is_not_given() {
        let kept = |scopes: &[&str], ends_ms| Kept {
            access_token: "a".to_owned(),
            refresh_token: None,
            scopes: scopes.iter().map(|it| (*it).to_owned()).collect(),
            ends_ms,
        };
        let may = ["calendar".to_owned(), "mail".to_owned()];
        assert!(kept(&["calendar"], 90_000).is_good_for(&may, 1_000) && kept(&["calendar", "mail"], 90_000).is_good_for(&may, 1_000));
        assert!(!kept(&["calendar", "openid"], 90_000).is_good_for(&may, 1_000));
        assert!(!kept(&[], 90_000).is_good_for(&may, 1_000) && !kept(&["calendar"], 31_000).is_good_for(&may, 1_000));
    }
}
