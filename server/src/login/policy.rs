//! What is still missing for a person to be signed in. Pure: a policy, the proofs so far, the clock.

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Password,
    Totp,
}

impl Method {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "password" => Some(Self::Password),
            "totp" => Some(Self::Totp),
            _ => None,
        }
    }

    /// RFC 8176.
    pub fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Totp => "otp",
        }
    }
}

/// A person was proved by a method at an instant. All proofs of a login have one subject.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub method: Method,
    pub subject: String,
    pub at_ms: i64,
}

/// Chains of methods, any one of which is enough, the first preferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub chains: Vec<Vec<Method>>,
    pub acr: Option<String>,
}

impl Policy {
    pub fn parse(require: &[String], acr: Option<&str>) -> Self {
        let chain = |text: &String| text.split('+').filter_map(|it| Method::parse(it.trim())).collect();
        Self { chains: require.iter().map(chain).collect(), acr: acr.map(str::to_owned) }
    }
}

pub struct Context {
    pub now_ms: i64,
    /// Older proofs do not count (max_age).
    pub not_before_ms: i64,
}

#[derive(Debug, PartialEq, Eq, Clone)]
pub enum Next {
    Ask(Method),
    Done {
        amr: Vec<String>,
        auth_time_ms: i64,
    },
    /// The policy names no chain: nobody can satisfy it, so nobody gets in.
    Impossible,
}

/// The first chain whose first missing method can be asked; done when one chain is whole.
pub fn next(policy: &Policy, context: &Context, proofs: &[Proof]) -> Next {
    let fresh = |method: Method| {
        proofs.iter().rev().find(|it| it.method == method && it.at_ms >= context.not_before_ms && it.at_ms <= context.now_ms)
    };
    for chain in policy.chains.iter().filter(|it| !it.is_empty()) {
        if chain.iter().all(|it| fresh(*it).is_some()) {
            let used: Vec<&Proof> = chain.iter().filter_map(|it| fresh(*it)).collect();
            let mut amr: Vec<String> = chain.iter().map(|it| it.amr().to_owned()).collect();
            if chain.len() > 1 {
                amr.push("mfa".to_owned());
            }
            return Next::Done { amr, auth_time_ms: used.iter().map(|it| it.at_ms).min().unwrap_or(context.now_ms) };
        }
    }
    // The chain of which most is proved already, the first of equals.
    let missing = |chain: &&Vec<Method>| chain.iter().filter(|it| fresh(**it).is_none()).count();
    match policy.chains.iter().filter(|it| !it.is_empty()).min_by_key(missing) {
        Some(chain) => chain.iter().find(|it| fresh(**it).is_none()).map_or(Next::Impossible, |it| Next::Ask(*it)),
        None => Next::Impossible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(method: Method, at_ms: i64) -> Proof {
        Proof { method, subject: "a".to_owned(), at_ms }
    }

    #[test]
    fn every_case() {
        let both = Policy::parse(&["password + totp".to_owned()], None);
        let context = |not_before_ms| Context { now_ms: 100, not_before_ms };
        assert_eq!(next(&both, &context(0), &[]), Next::Ask(Method::Password));
        assert_eq!(next(&both, &context(0), &[proof(Method::Password, 50)]), Next::Ask(Method::Totp));
        let done = next(&both, &context(0), &[proof(Method::Password, 50), proof(Method::Totp, 60)]);
        assert_eq!(done, Next::Done { amr: vec!["pwd".into(), "otp".into(), "mfa".into()], auth_time_ms: 50 });
        assert_eq!(next(&both, &context(55), &[proof(Method::Password, 50), proof(Method::Totp, 60)]), Next::Ask(Method::Password));
        assert_eq!(next(&both, &context(0), &[proof(Method::Password, 101)]), Next::Ask(Method::Password), "a proof from the future");
        for none in [Policy::parse(&[], None), Policy::parse(&[String::new()], None)] {
            assert_eq!(next(&none, &context(0), &[proof(Method::Password, 50)]), Next::Impossible);
        }
    }
}
