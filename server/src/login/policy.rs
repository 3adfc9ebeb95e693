//! What is still missing for a person to be signed in. Pure: a policy, the proofs so far, the clock.

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Password,
    /// A one-time code sent to the account's verified address.
    Email,
    Totp,
}

impl Method {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "password" => Some(Self::Password),
            "email" => Some(Self::Email),
            "totp" => Some(Self::Totp),
            _ => None,
        }
    }

    /// RFC 8176.
    pub fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Email | Self::Totp => "otp",
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Email => "email",
            Self::Totp => "totp",
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

    /// How many proofs the shortest way in takes.
    pub fn least(&self) -> usize {
        self.chains.iter().map(Vec::len).filter(|it| *it > 0).min().unwrap_or_default()
    }
}

pub struct Context {
    pub now_ms: i64,
    /// Older proofs do not count (max_age).
    pub not_before_ms: i64,
    /// The way a person chose where the policy leaves a choice.
    pub prefer: Option<Method>,
}

impl Context {
    fn fresh<'a>(&self, proofs: &'a [Proof], method: Method) -> Option<&'a Proof> {
        proofs.iter().rev().find(|it| it.method == method && it.at_ms >= self.not_before_ms && it.at_ms <= self.now_ms)
    }

    /// What a chain asks for first that is not proved yet.
    fn first_missing(&self, proofs: &[Proof], chain: &[Method]) -> Option<Method> {
        chain.iter().copied().find(|it| self.fresh(proofs, *it).is_none())
    }
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

/// Done when one chain is whole; else the first missing method of the chain of which most is proved, the first of equals,
/// unless the person prefers another.
pub fn next(policy: &Policy, context: &Context, proofs: &[Proof]) -> Next {
    for chain in policy.chains.iter().filter(|it| !it.is_empty()) {
        let used: Vec<&Proof> = chain.iter().filter_map(|it| context.fresh(proofs, *it)).collect();
        if used.len() == chain.len() {
            let mut amr: Vec<String> = chain.iter().map(|it| it.amr().to_owned()).collect();
            amr.dedup();
            if chain.len() > 1 {
                amr.push("mfa".to_owned());
            }
            return Next::Done { amr, auth_time_ms: used.iter().map(|it| it.at_ms).min().unwrap_or(context.now_ms) };
        }
    }
    let rank = |chain: &&Vec<Method>| {
        let missing = chain.iter().filter(|it| context.fresh(proofs, **it).is_none()).count();
        let wanted = context.prefer.is_some() && context.first_missing(proofs, chain) == context.prefer;
        (!wanted, missing)
    };
    let chain = policy.chains.iter().filter(|it| !it.is_empty()).min_by_key(rank);
    chain.and_then(|it| context.first_missing(proofs, it)).map_or(Next::Impossible, Next::Ask)
}

/// What else could be asked instead of `asked`.
pub fn alternatives(policy: &Policy, context: &Context, proofs: &[Proof], asked: Method) -> Vec<Method> {
    let mut found: Vec<Method> =
        policy.chains.iter().filter_map(|it| context.first_missing(proofs, it)).filter(|it| *it != asked).collect();
    found.sort();
    found.dedup();
    found
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
        let context = |not_before_ms| Context { now_ms: 100, not_before_ms, prefer: None };
        assert_eq!(next(&both, &context(0), &[]), Next::Ask(Method::Password));
        assert_eq!(next(&both, &context(0), &[proof(Method::Password, 50)]), Next::Ask(Method::Totp));
        let done = next(&both, &context(0), &[proof(Method::Password, 50), proof(Method::Totp, 60)]);
        assert_eq!(done, Next::Done { amr: vec!["pwd".into(), "otp".into(), "mfa".into()], auth_time_ms: 50 });
        assert_eq!(next(&both, &context(55), &[proof(Method::Password, 50), proof(Method::Totp, 60)]), Next::Ask(Method::Password));
        assert_eq!(next(&both, &context(0), &[proof(Method::Password, 101)]), Next::Ask(Method::Password), "a proof from the future");
        let either = Policy::parse(&["password".to_owned(), "email".to_owned()], None);
        assert_eq!(next(&either, &context(0), &[]), Next::Ask(Method::Password));
        assert_eq!(alternatives(&either, &context(0), &[], Method::Password), [Method::Email]);
        assert_eq!(next(&either, &Context { prefer: Some(Method::Email), ..context(0) }, &[]), Next::Ask(Method::Email));
        let both_ways = Policy::parse(&["password + totp".to_owned(), "email + totp".to_owned()], None);
        assert_eq!(next(&both_ways, &context(0), &[proof(Method::Email, 50)]), Next::Ask(Method::Totp));
        for none in [Policy::parse(&[], None), Policy::parse(&[String::new()], None)] {
            assert_eq!(next(&none, &context(0), &[proof(Method::Password, 50)]), Next::Impossible);
        }
    }
}
