//! What the API is told about a caller: headers that the guard alone may set. All of them are in every answer, empty where there is nothing
//! to say, so that a proxy overwrites whatever the caller sent.

use crate::percent;
use serde_json::Value;
use symbolon_resource::Token;

/// The names that belong to the guard.
pub const PREFIX: &str = "x-symbolon-";

/// Proxies refuse headers that are too large, the whole answer with them.
const LONGEST_VALUE: usize = 4096;

const OF_TOKEN: [&str; 9] = ["sub", "client", "scope", "acr", "amr", "auth-time", "sid", "act", "exp"];

/// Why a call may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a token that was checked.
    Token,
    /// The route needs none.
    Public,
    /// A browser asks what it may send.
    Preflight,
    /// With a foreign token, for the API's old check. Nobody is authenticated.
    Observed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Public => "public",
            Self::Preflight => "preflight",
            Self::Observed => "observed",
        }
    }
}

/// Name and value of every header of ours. `claims` are the further ones of the API.
pub fn headers(outcome: Outcome, token: Option<&Token>, claims: &[String]) -> Vec<(String, String)> {
    let mut all = vec![(format!("{PREFIX}outcome"), outcome.as_str().to_owned())];
    all.extend(OF_TOKEN.iter().map(|name| (format!("{PREFIX}{name}"), token.map(|it| member(it, name)).unwrap_or_default())));
    let claim = |name: &String| token.and_then(|it| it.extra.get(name)).map(text).unwrap_or_default();
    all.extend(claims.iter().map(|name| (format!("{PREFIX}claim-{}", name.to_ascii_lowercase().replace('_', "-")), claim(name))));
    for (name, value) in all.iter_mut().filter(|(_, value)| value.len() > LONGEST_VALUE) {
        tracing::error!(header = name.as_str(), bytes = value.len(), "a value is too long for a header, so the API gets an empty one");
        value.clear();
    }
    all
}

fn member(token: &Token, name: &str) -> String {
    match name {
        "sub" => percent::encode(&token.sub),
        "client" => percent::encode(&token.client_id),
        // A scope has no character that a header cannot hold (RFC 6749 3.3); the spaces between scopes stay.
        "scope" => token.scope.as_deref().unwrap_or_default().split(' ').map(percent::encode).collect::<Vec<_>>().join(" "),
        "acr" => token.acr.as_deref().map(percent::encode).unwrap_or_default(),
        "amr" => token.amr.as_deref().unwrap_or_default().iter().map(|it| percent::encode(it)).collect::<Vec<_>>().join(","),
        "auth-time" => token.auth_time.map(|it| it.to_string()).unwrap_or_default(),
        "sid" => token.sid.as_deref().map(percent::encode).unwrap_or_default(),
        // Who acts for the person (RFC 8693 4.1).
        "act" => token.act.as_ref().and_then(|it| it["sub"].as_str()).map(percent::encode).unwrap_or_default(),
        "exp" => token.exp.to_string(),
        _ => String::new(),
    }
}

/// A claim as one value: texts as they are, lists of texts with commas between, everything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => percent::encode(text),
        Value::Array(all) if all.iter().all(Value::is_string) => {
            all.iter().filter_map(Value::as_str).map(percent::encode).collect::<Vec<_>>().join(",")
        }
        other => percent::encode(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    /// S-37, S-39: every header is in every answer, and none has a byte or a length that a proxy refuses.
    #[test]
    fn every_header_is_there_whatever_the_token_holds() {
        let token: Token = serde_json::from_value(json!({
            "iss": "i", "sub": "ä\r\nx: y", "aud": "a", "client_id": "c", "exp": 9, "iat": 1, "jti": "j", "scope": "orders:read orders:write",
            "amr": ["pwd", "otp"], "act": { "sub": "svc" }, "department": "R, D", "groups": ["a", "b,c"], "level": 3,
            "long": "x".repeat(4096), "longer": "x".repeat(4097), "wide": "é".repeat(700),
        }))
        .unwrap();
        let claims: Vec<String> = ["department", "groups", "level", "none", "long", "longer", "wide"].map(str::to_owned).to_vec();
        let with: BTreeMap<String, String> = headers(Outcome::Token, Some(&token), &claims).into_iter().collect();
        let value = |name: &str| with[&format!("x-symbolon-{name}")].as_str();
        assert_eq!(["outcome", "sub", "client", "exp"].map(value), ["token", "%C3%A4%0D%0Ax:%20y", "c", "9"]);
        assert_eq!(["scope", "amr", "act", "acr"].map(value), ["orders:read orders:write", "pwd,otp", "svc", ""]);
        assert_eq!(["claim-department", "claim-groups", "claim-level", "claim-none"].map(value), ["R%2C%20D", "a,b%2Cc", "3", ""]);
        assert_eq!(["claim-long", "claim-longer", "claim-wide"].map(|name| value(name).len()), [4096, 0, 0]);
        assert!(with.values().flat_map(|value| value.bytes()).all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        let without: BTreeMap<String, String> = headers(Outcome::Public, None, &claims).into_iter().collect();
        assert!(without.keys().eq(with.keys()));
        assert!(without.iter().all(|(name, value)| value.is_empty() || name == "x-symbolon-outcome"));
    }
}
