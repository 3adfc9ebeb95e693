//! `claims` of `[upstream.NAME]`: what a provider says of a person, and what becomes of it in the person's account.

use crate::config::claim_names;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// Rules of one provider.
const MOST: usize = 32;
/// How deep a claim may be.
const DEEPEST: usize = 4;

/// How one claim of the account is made of what the provider says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Where it is in the ID token or in userinfo: the names from the outside in.
    #[serde(deserialize_with = "path")]
    pub from: Vec<String>,
    #[serde(default, rename = "type")]
    pub kind: Type,
    #[serde(default)]
    pub update: Update,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub elsewhere: Elsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    #[default]
    Text,
    Number,
    Flag,
    Texts,
}

/// When a value of the provider counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Update {
    /// As long as the account has none.
    #[default]
    First,
    /// At each sign-in. JSON null takes the account's value away; a claim that is not there changes nothing.
    Every,
}

/// What to do where the provider says that the value is elsewhere (OpenID Connect Core 5.6.2). A list of groups that is too long is such a
/// value. It is unknown then, not empty. Nothing is ever fetched from the address in such a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Elsewhere {
    #[default]
    Refuse,
    Keep,
}

/// `"a.b"`, or `["a", "b"]` for names with a dot in them.
fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Dotted(String),
        Names(Vec<String>),
    }
    let names = match Written::deserialize(deserializer)? {
        Written::Dotted(text) => text.split('.').map(str::to_owned).collect(),
        Written::Names(names) => names,
    };
    let is_good = (1..=DEEPEST).contains(&names.len()) && names.iter().all(|name| !name.is_empty() && name.len() <= 128);
    if is_good { Ok(names) } else { Err(de::Error::custom("from is the name of a claim, or a path of at most four names")) }
}

pub(super) fn problems(claims: &BTreeMap<String, Mapping>) -> Vec<String> {
    let mut found = Vec::new();
    if claims.len() > MOST {
        found.push(format!("claims has more than {MOST} rules"));
    }
    for name in claims.keys().filter(|name| !claim_names::may_be_written(name)) {
        found.push(format!("claims: {name:?} is no claim that a provider may write"));
    }
    for (name, _) in claims.iter().filter(|(_, rule)| rule.required && rule.elsewhere == Elsewhere::Keep) {
        found.push(format!("claims: {name}: required contradicts elsewhere = \"keep\": somebody new would come without the value"));
    }
    let of_profile = claims.iter().filter(|(name, _)| ["name", "locale"].contains(&name.as_str()));
    for (name, _) in of_profile.filter(|(_, rule)| rule.kind != Type::Text) {
        found.push(format!("claims: {name} is text"));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    /// 228-J, 456-B: no rule reaches what this server alone says in tokens, and none makes an address proved.
    #[test]
    fn a_rule_writes_claims_of_the_operators_own() {
        let config = Config::with_provider(
            "claims = { department = { from = \"org.unit\" }, x = { from = [\"https://a.example/x\"], type = \"texts\" } }",
        )
        .unwrap();
        let claims = &config.upstream["any"].claims;
        assert_eq!(claims["department"].from, ["org", "unit"]);
        assert_eq!((claims["x"].from.len(), claims["x"].kind), (1, Type::Texts));
        assert_eq!((claims["x"].update, claims["x"].required, claims["x"].elsewhere), (Update::First, false, Elsewhere::Refuse));
        assert!(
            Config::with_provider("claims = { a = { from = \"x\", required = true }, b = { from = \"x\", elsewhere = \"keep\" } }").is_ok()
        );
        for (bad, why) in [
            ("claims = { sub = { from = \"x\" } }", "no claim that a provider may write"),
            ("claims = { email_verified = { from = \"x\" } }", "no claim that a provider may write"),
            ("claims = { scope = { from = \"x\" } }", "no claim that a provider may write"),
            ("claims = { \"\" = { from = \"x\" } }", "no claim that a provider may write"),
            ("claims = { a = { from = \"\" } }", "from is the name"),
            ("claims = { a = { from = \"a..b\" } }", "from is the name"),
            ("claims = { a = { from = \"a.b.c.d.e\" } }", "from is the name"),
            ("claims = { a = { from = [] } }", "from is the name"),
            ("claims = { name = { from = \"x\", type = \"texts\" } }", "name is text"),
            ("claims = { a = { from = \"x\", required = true, elsewhere = \"keep\" } }", "would come without the value"),
            ("claims = { a = {} }", "missing field"),
            ("claims = { a = { from = \"x\", update = \"\" } }", "unknown variant"),
            ("claims = { a = { from = \"x\", type = \"json\" } }", "unknown variant"),
            ("claims = { a = { from = \"x\", when = \"first\" } }", "unknown field"),
        ] {
            let error = Config::with_provider(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
