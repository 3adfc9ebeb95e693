//! Which claims of a person there are, and which scopes carry them. OpenID Connect Core 5.1, 5.4, 5.5. A claim that a request names follows
//! the rules of the scope that carries it. It needs the same permission and the same consent.

use crate::config::{Client, Config, Tier, is_reserved};
use crate::grants::{Grant, PersonClaims};
pub use crate::profile::claim;
use serde_json::{Map, Value as Json};
use symbolon_oauth::claims_parameter::ClaimsParameter;
use symbolon_oauth::scope::Scope;

/// Core 5.4.
const PROFILE: [&str; 14] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];
const EMAIL: [&str; 2] = ["email", "email_verified"];

fn of(person: &PersonClaims, names: &[&str]) -> Map<String, Json> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), claim(person, name)?))).collect()
}

/// The claims of the `profile` and `email` scopes.
pub fn of_scope(person: &PersonClaims, scope: &Scope) -> Map<String, Json> {
    let lists: [(&str, &[&str]); 2] = [("profile", &PROFILE), ("email", &EMAIL)];
    lists.iter().filter(|(word, _)| scope.contains(word)).flat_map(|(_, names)| of(person, names)).collect()
}

/// The scopes that carry a claim, of those the client may have: OpenID's own, and those of APIs that list it.
fn carriers<'a>(config: &'a Config, client: &'a Client, name: &str) -> Vec<(Carrier, &'a str)> {
    if is_reserved(name) {
        return Vec::new();
    }
    let openid = if PROFILE.contains(&name) {
        Some("profile")
    } else if EMAIL.contains(&name) {
        Some("email")
    } else {
        None
    };
    let own = openid.filter(|word| client.scopes.iter().any(|it| it == word)).map(|it| (Carrier::OpenId, it));
    let of_apis = config.api.iter().flat_map(|(api_name, api)| {
        let allowed = client.apis.get(api_name);
        let listed = api.scope.iter().filter(|(_, scope)| scope.claims.iter().any(|it| it == name));
        listed.map(|(word, _)| word).filter(move |word| allowed.is_some_and(|it| it.contains(word)))
    });
    own.into_iter().chain(of_apis.map(|it| (Carrier::Api, it.as_str()))).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    OpenId,
    Api,
}

/// The claims that a request names and the client may have, with the scopes they need beyond the request's own.
#[derive(Default)]
pub struct AllowedClaims {
    pub id_token: Vec<String>,
    pub userinfo: Vec<String>,
    pub scope: Scope,
}

/// Claims that no scope of the client carries are left out: Core 5.5 lets a server not return what was asked for.
pub fn allowed(config: &Config, client: &Client, scope: &Scope, wanted: ClaimsParameter) -> AllowedClaims {
    if !scope.contains("openid") {
        return AllowedClaims::default();
    }
    let mut needed = Vec::new();
    let mut keep = |names: Vec<String>| -> Vec<String> {
        let may = |name: &String| {
            let carriers = carriers(config, client, name);
            let Some((_, first)) = carriers.first() else { return false };
            if !carriers.iter().any(|(_, it)| scope.contains(it)) {
                needed.push((*first).to_owned());
            }
            true
        };
        names.into_iter().filter(may).collect()
    };
    let (id_token, userinfo) = (keep(wanted.id_token), keep(wanted.userinfo));
    AllowedClaims { id_token, userinfo, scope: needed.into_iter().collect() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClaimsTarget {
    IdToken,
    Userinfo,
}

/// The claims that the request of a grant named, as far as they may be told now. The client must still have a scope that carries them, and
/// the person must have granted that scope. The installation's tier must have it too.
pub fn told(config: &Config, client: &Client, tier: Option<&Tier>, grant: &Grant, target: ClaimsTarget) -> Map<String, Json> {
    let asked = match target {
        ClaimsTarget::IdToken => &grant.request.id_token_claims,
        ClaimsTarget::Userinfo => &grant.request.userinfo_claims,
    };
    let granted = |word: &str| grant.scope.contains(word) || grant.request.claims_scope.contains(word);
    let in_tier = |carrier: Carrier, word: &str| {
        let most = tier.and_then(|it| it.scopes.as_ref());
        carrier == Carrier::OpenId || most.is_none_or(|it| it.iter().any(|own| own == word))
    };
    let may = |name: &&str| carriers(config, client, name).iter().any(|(carrier, word)| granted(word) && in_tier(*carrier, word));
    let names: Vec<&str> = asked.iter().map(String::as_str).filter(may).collect();
    of(&grant.person, &names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_has_the_type_of_the_specification() {
        let claims = json!({ "updated_at": "1700000000", "phone_number_verified": "true", "address": "{\"country\":\"DE\"}",
            "locale": "de", "zoneinfo": "1" });
        let person = PersonClaims { claims: claims.as_object().cloned().unwrap_or_default(), ..PersonClaims::default() };
        for (name, value) in [
            ("updated_at", json!(1_700_000_000)),
            ("phone_number_verified", json!(true)),
            ("address", json!({ "country": "DE" })),
            ("locale", json!("de")),
            ("zoneinfo", json!("1")),
        ] {
            assert_eq!(claim(&person, name), Some(value), "{name}");
        }
        let claims = json!({ "updated_at": "yesterday", "phone_number_verified": 1, "address": "DE", "locale": null });
        let person = PersonClaims {
            claims: claims.as_object().cloned().unwrap_or_default(),
            locale: Some("en".to_owned()),
            ..PersonClaims::default()
        };
        for name in ["updated_at", "phone_number_verified", "address"] {
            assert_eq!(claim(&person, name), None, "{name}");
        }
        assert_eq!(claim(&person, "locale"), Some(json!("en")), "the person's own comes first");
    }
}
