//! What a provider says about a person, beside who it is. Claims of the wrong type are no news: they are left out, with a line in the log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The longest text that is kept.
const LONGEST: usize = 256;

/// OpenID Connect Core 5.1, as far as it is used.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderProfile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The provider says so. What that is worth, the configuration says.
    #[serde(default)]
    pub email_verified: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// The address leads to the person without telling theirs (Apple's private relay).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_private_email: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

impl ProviderProfile {
    /// Of the ID token; what it does not say, of userinfo.
    pub fn read(id_token: &Map<String, Json>, userinfo: &Map<String, Json>) -> Self {
        // An address and the word about it are of one source: another document could vouch for what it never saw.
        let of_address = if id_token.contains_key("email") { id_token } else { userinfo };
        let either = |name: &str| text(id_token, name).or_else(|| text(userinfo, name));
        Self {
            name: either("name"),
            email: text(of_address, "email"),
            email_verified: is_true(of_address.get("email_verified")),
            preferred_username: either("preferred_username"),
            is_private_email: is_true(of_address.get("is_private_email")),
            locale: either("locale"),
        }
    }
}

impl ProviderProfile {
    /// A claim that is absent is no news: what was said before stays (S-01, Apple says a name once). An address keeps the words about it.
    pub fn or(self, before: Self) -> Self {
        let of_address = if self.email.is_some() { &self } else { &before };
        Self {
            email: of_address.email.clone(),
            email_verified: of_address.email_verified,
            is_private_email: of_address.is_private_email,
            name: self.name.or(before.name),
            preferred_username: self.preferred_username.or(before.preferred_username),
            locale: self.locale.or(before.locale),
        }
    }
}

/// `true`, and as text in any case: several providers send it so. Nothing else is true.
pub fn is_true(value: Option<&Json>) -> bool {
    match value {
        Some(Json::Bool(value)) => *value,
        Some(Json::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

pub(super) fn text(claims: &Map<String, Json>, name: &str) -> Option<String> {
    match claims.get(name)? {
        Json::String(text) => shown(text),
        Json::Null => None,
        _ => {
            tracing::info!(claim = name, "a claim of a provider has the wrong type and is left out");
            None
        }
    }
}

/// Somebody else's text as it is kept: short, and nothing in it that cannot be seen.
pub(super) fn shown(text: &str) -> Option<String> {
    let plain: String = text.trim().chars().filter(|letter| !crate::visible::is_unseen(*letter)).take(LONGEST).collect();
    Some(plain).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn map(value: Json) -> Map<String, Json> {
        value.as_object().unwrap().clone()
    }

    /// 432-B, S-08: several providers send texts. What is not said in so many words is not verified.
    #[test]
    fn verified_is_true_or_the_word_true() {
        for good in [json!(true), json!("true"), json!("True"), json!("TRUE")] {
            assert!(is_true(Some(&good)), "{good}");
        }
        for bad in [json!(false), json!("false"), json!(null), json!(1), json!("yes"), json!({}), json!([true]), json!("1"), json!("")] {
            assert!(!is_true(Some(&bad)), "{bad}");
        }
        assert!(!is_true(None));
        for (said, is_private) in [(json!("true"), true), (json!(true), true), (json!("false"), false), (json!(1), false)] {
            let said = map(json!({ "email": "a@x.example", "is_private_email": said }));
            assert_eq!(ProviderProfile::read(&said, &Map::new()).is_private_email, is_private);
        }
    }

    #[test]
    fn an_address_is_verified_by_the_document_that_names_it() {
        let both =
            ProviderProfile::read(&map(json!({ "email": "a@x.example" })), &map(json!({ "email": "b@x.example", "email_verified": true })));
        assert_eq!((both.email.as_deref(), both.email_verified), (Some("a@x.example"), false));
        let one = ProviderProfile::read(&map(json!({ "email_verified": true })), &map(json!({ "email": "b@x.example" })));
        assert_eq!((one.email.as_deref(), one.email_verified), (Some("b@x.example"), false));
        let good = ProviderProfile::read(&Map::new(), &map(json!({ "email": "b@x.example", "email_verified": true, "name": "B" })));
        assert_eq!((good.email_verified, good.name.as_deref()), (true, Some("B")), "the twin");
    }

    /// S-01
    #[test]
    fn what_is_not_said_again_stays() {
        let read = |said: Json| ProviderProfile::read(&map(said), &Map::new());
        let first = read(json!({ "name": "A", "email": "a@x.example", "email_verified": true, "locale": "de" }));
        assert_eq!(read(json!({})).or(first.clone()), first);
        let next = read(json!({ "name": "B", "email": "b@x.example" })).or(first);
        assert_eq!((next.name.as_deref(), next.email.as_deref(), next.locale.as_deref()), (Some("B"), Some("b@x.example"), Some("de")));
        assert!(!next.email_verified, "another address, about which nothing was said");
    }

    #[test]
    fn odd_claims_are_left_out_and_long_ones_cut() {
        let odd = json!({ "name": ["A"], "email": { "a": 1 }, "locale": null, "preferred_username": " \u{202e}a\u{0} " });
        let read = ProviderProfile::read(&map(odd), &Map::new());
        assert_eq!(read, ProviderProfile { preferred_username: Some("a".to_owned()), ..ProviderProfile::default() });
        let long = ProviderProfile::read(&map(json!({ "name": "x".repeat(5000) })), &Map::new());
        assert_eq!(long.name.unwrap().len(), LONGEST);
    }
}
