//! What a provider gave for a person, where an API may have it: kept, and renewed (RFC 6749 6). It never leaves the server but through
//! `grants::provider_token`.

use super::provider::{Provider, Trouble};
use super::proving::Conversation;
use crate::config::upstream::Preset;
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
pub struct ProviderTokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// What it may do at the provider.
    pub scopes: Vec<String>,
    /// What it was asked for with. The person may have given less.
    #[serde(default)]
    pub asked: Vec<String>,
    /// What the sign-in asked for. Empty: it was kept before this was noted.
    #[serde(default)]
    pub sign_in: Vec<String>,
    /// None: as long as the provider does not take it back.
    pub ends_ms: Option<i64>,
}

/// What came of asking the provider again.
pub enum Again {
    Given(ProviderTokens),
    /// It refuses for good, as when the person is blocked or took back consent (RFC 6749 5.2 `invalid_grant`).
    Refused,
}

/// How an answer of a token endpoint is read.
struct TokenReading<'a> {
    /// The scopes that it stands for where it names none (RFC 6749 5.1).
    asked: &'a [String],
    before: Option<&'a ProviderTokens>,
    /// GitHub separates scopes by commas, and its tokens without `expires_in` do not end.
    is_github: bool,
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(..)")
    }
}

/// The place in the store for which the tokens of an identity are sealed.
pub fn sealed_at(identity: &str) -> String {
    format!("provider_token/sealed/{identity}")
}

impl ProviderTokens {
    pub fn seal(&self, keyring: &KeyRing, identity: &str) -> Result<Vec<u8>, Fault> {
        let plain = serde_json::to_vec(self).map_err(|it| Fault::new(it.to_string()))?;
        keyring.seal(&sealed_at(identity), &plain)
    }

    pub fn open(keyring: &KeyRing, identity: &str, sealed: &[u8]) -> Option<Self> {
        serde_json::from_slice(&keyring.open(&sealed_at(identity), sealed)?).ok()
    }

    fn read(body: &Map<String, Json>, reading: &TokenReading<'_>, now_ms: i64) -> Option<Self> {
        let TokenReading { asked, before, is_github } = *reading;
        let text = |name: &str| body.get(name).and_then(Json::as_str).filter(|it| !it.is_empty() && it.len() <= LONGEST).map(str::to_owned);
        let is_between = |letter: char| letter.is_ascii_whitespace() || (is_github && letter == ',');
        let scopes = match body.get("scope") {
            None => asked.to_vec(),
            Some(scope) => scope.as_str()?.split(is_between).filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        };
        let ends_ms = match body.get("expires_in") {
            None if is_github => None,
            lives_s => Some(now_ms + lives_s.and_then(Json::as_i64).unwrap_or(UNSAID_S).clamp(0, MOST_S) * 1000),
        };
        // RFC 6749 6: without a new refresh token, the old one goes on.
        let refresh_token = text("refresh_token").or_else(|| before?.refresh_token.clone());
        let sign_in = before.map_or(asked, |it| &it.sign_in).to_vec();
        Some(Self { access_token: text("access_token")?, refresh_token, scopes, asked: asked.to_vec(), sign_in, ends_ms })
    }

    /// The scopes of an answer that names none, where none were asked for.
    fn unsaid<'a>(&'a self, configured: &'a [String]) -> &'a [String] {
        if self.sign_in.is_empty() { configured } else { &self.sign_in }
    }

    /// May it be given: it lives long enough, may do no more than this, and was asked for with all of it?
    pub fn is_good_for(&self, scopes: &[String], now_ms: i64) -> bool {
        let lives = self.ends_ms.is_none_or(|at_ms| at_ms > now_ms + 30_000);
        let may_no_more = !self.scopes.is_empty() && self.scopes.iter().all(|it| scopes.contains(it));
        lives && may_no_more && scopes.iter().all(|it| self.asked.contains(it))
    }
}

impl Provider {
    fn read_kept(
        &self,
        body: &Map<String, Json>,
        asked: &[String],
        before: Option<&ProviderTokens>,
        now_ms: i64,
    ) -> Option<ProviderTokens> {
        let is_github = self.settings.preset == Some(Preset::Github);
        ProviderTokens::read(body, &TokenReading { asked, before, is_github }, now_ms)
    }

    /// Of what came with a sign-in.
    pub(super) fn kept_of(&self, body: &Map<String, Json>, now_ms: i64) -> Option<ProviderTokens> {
        self.read_kept(body, &self.settings.scopes, None, now_ms).and_then(|it| self.to_keep(it))
    }

    /// What the operator has a use for: an API gets the token, the provider is asked again, or what it gave is revoked in the end. None:
    /// nothing is kept.
    fn to_keep(&self, kept: ProviderTokens) -> Option<ProviderTokens> {
        match (&self.settings.release, &self.settings.check) {
            (Some(_), _) => Some(kept),
            (None, None) if !self.settings.revoke => None,
            (None, _) if kept.refresh_token.is_some() => Some(ProviderTokens { access_token: String::new(), ends_ms: Some(0), ..kept }),
            (None, _) => None,
        }
    }

    /// Does the provider still stand by what it gave? What comes takes its place.
    pub async fn stands_by(&self, kept: &ProviderTokens, now_ms: i64) -> Result<Again, Trouble> {
        // Without a word about scopes it may do all that was asked for at the sign-in (RFC 6749 6). The configuration may have changed since.
        self.ask_with(kept, (None, kept.unsaid(&self.settings.scopes)), now_ms).await
    }

    /// Asks for a token with these scopes alone. What comes is stored before it is judged: the refresh token before may be spent.
    pub async fn renew(&self, kept: &ProviderTokens, scopes: &[String], now_ms: i64) -> Result<Again, Trouble> {
        self.ask_with(kept, (Some(&scopes.join(" ")), scopes), now_ms).await
    }

    /// RFC 6749 6.
    async fn ask_with(&self, kept: &ProviderTokens, (scope, asked): (Option<&str>, &[String]), now_ms: i64) -> Result<Again, Trouble> {
        let Some(refresh_token) = &kept.refresh_token else { return Err(Trouble::broken("refresh: there is no refresh token")) };
        let metadata = self.metadata(now_ms).await?;
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
        form.extend(scope.map(|it| ("scope", it)));
        let mut conversation = Conversation { metadata: &metadata, proving: self.proving()?, now_ms };
        let answer = self.call_token_endpoint(&mut conversation, "refresh", &form).await?;
        let body = jws::parse_object(&answer.body).unwrap_or_default();
        let error = body.get("error").and_then(Json::as_str);
        // RFC 6749 5.2: this word alone says that the grant is over. Anything else may be our own mistake, or the provider's.
        if error == Some("invalid_grant") {
            return Ok(Again::Refused);
        }
        let is_right = self.is_right_type(body.get("token_type").and_then(Json::as_str));
        if answer.status != 200 || error.is_some() || !is_right {
            return Err(Trouble::broken(format!("refresh: status {}", answer.status)));
        }
        let next = self.read_kept(&body, asked, Some(kept), now_ms).and_then(|it| self.to_keep(it));
        next.map(Again::Given).ok_or_else(|| Trouble::broken("refresh: there is no access_token"))
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
        let read_as = |body: Json, before: Option<&ProviderTokens>, is_github| {
            ProviderTokens::read(body.as_object().unwrap(), &TokenReading { asked: &asked, before, is_github }, 1_000)
        };
        let read = |body, before| read_as(body, before, false);
        let first = read(json!({ "access_token": "a", "refresh_token": "r", "expires_in": 60, "scope": "calendar" }), None).unwrap();
        assert_eq!((first.scopes.as_slice(), first.ends_ms), (&asked[1..], Some(61_000)));
        let next = read(json!({ "access_token": "b" }), Some(&first)).unwrap();
        assert_eq!((next.refresh_token.as_deref(), next.scopes.as_slice(), next.ends_ms), (Some("r"), &asked[..], Some(61_000)));
        for bad in [json!({}), json!({ "access_token": "" }), json!({ "access_token": 7 }), json!({ "access_token": "a", "scope": 7 })] {
            assert!(read(bad, None).is_none());
        }
        assert!(read(json!({ "access_token": "x".repeat(LONGEST + 1) }), None).is_none());
        assert_eq!(read(json!({ "access_token": "a", "expires_in": i64::MAX }), None).unwrap().ends_ms, Some(1_000 + MOST_S * 1000));
        // GitHub's own ways, and only GitHub's.
        let token = || json!({ "access_token": "a", "scope": "repo,read:user" });
        let github = read_as(token(), None, true).unwrap();
        assert_eq!((github.scopes, github.ends_ms), (vec!["repo".to_owned(), "read:user".to_owned()], None));
        assert_eq!(read_as(json!({ "access_token": "a", "expires_in": 60 }), None, true).unwrap().ends_ms, Some(61_000));
        let other = read(token(), None).unwrap();
        assert_eq!((other.scopes, other.ends_ms), (vec!["repo,read:user".to_owned()], Some(61_000)), "the twin");
        assert_eq!(format!("{first:?}"), "Kept(..)");
        // The configuration changes and the sign-in does not. A renewal with fewer scopes does not change it either.
        let today = ["openid".to_owned()];
        let narrow = TokenReading { asked: &today, before: Some(&first), is_github: false };
        let narrow = ProviderTokens::read(json!({ "access_token": "b" }).as_object().unwrap(), &narrow, 1_000).unwrap();
        assert_eq!((narrow.asked.as_slice(), narrow.unsaid(&today)), (&today[..], &asked[..]));
        let old = ProviderTokens { sign_in: Vec::new(), ..narrow };
        assert_eq!(old.unsaid(&today), &today[..], "kept by a version before");
    }

    #[test]
    fn a_token_that_may_do_more_is_not_given() {
        let words = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let kept_for = |asked: &[&str], scopes: &[&str], ends_ms| ProviderTokens {
            access_token: "a".to_owned(),
            refresh_token: None,
            scopes: words(scopes),
            asked: words(asked),
            sign_in: words(asked),
            ends_ms,
        };
        let kept = |scopes: &[&str], ends_ms| kept_for(&["openid", "calendar", "mail"], scopes, Some(ends_ms));
        let may = words(&["calendar", "mail"]);
        // Whoever asked for less got less; whoever asked for all got what the person gave.
        assert!(!kept_for(&["calendar"], &["calendar"], None).is_good_for(&may, 1_000));
        assert!(!kept_for(&[], &["calendar"], None).is_good_for(&may, 1_000));
        assert!(kept_for(&["calendar"], &["calendar"], None).is_good_for(&may[..1], 1_000), "the twin");
        assert!(kept(&["calendar"], 90_000).is_good_for(&may, 1_000) && kept(&["calendar", "mail"], 90_000).is_good_for(&may, 1_000));
        assert!(!kept(&["calendar", "openid"], 90_000).is_good_for(&may, 1_000));
        assert!(!kept(&[], 90_000).is_good_for(&may, 1_000) && !kept(&["calendar"], 31_000).is_good_for(&may, 1_000));
    }
}
