//! A means to sign in that was added and waits to be confirmed. It says which it is, and what it was added with.

use super::proof::{Facts, MethodName, Proof};
use crate::error::Fault;
use std::fmt;

/// What a person signs in with, as the table of enrolments names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    Password,
    Email,
    Totp,
    Recovery,
    /// By its public id.
    Passkey(String),
    /// By the key of the link.
    Identity(String),
    /// No means: the person says that they have lost all others (`regain`). It waits as they do, and proves nothing.
    Regain,
}

impl Means {
    pub fn read(text: &str) -> Result<Self, Fault> {
        Ok(match text.split_once(':') {
            None if text == "password" => Self::Password,
            None if text == "email" => Self::Email,
            None if text == "totp" => Self::Totp,
            None if text == "recovery" => Self::Recovery,
            None if text == "regain" => Self::Regain,
            Some(("passkey", id)) => Self::Passkey(id.to_owned()),
            Some(("identity", key)) => Self::Identity(key.to_owned()),
            _ => return Err(Fault::new(format!("there is no means {text:?}"))),
        })
    }

    /// One word, for texts about it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Email => "email",
            Self::Totp => "totp",
            Self::Recovery => "recovery",
            Self::Passkey(_) => "passkey",
            Self::Identity(_) => "identity",
            Self::Regain => "regain",
        }
    }

    /// Was it proved with this?
    pub fn proves(&self, proof: &Proof) -> bool {
        let credential = proof.facts.credential.as_deref();
        match self {
            Self::Password => proof.method == MethodName::PASSWORD,
            Self::Email => proof.method == MethodName::EMAIL,
            Self::Totp => proof.method == MethodName::TOTP,
            Self::Recovery => proof.method == MethodName::RECOVERY,
            Self::Passkey(id) => proof.method == MethodName::PASSKEY && credential == Some(id),
            Self::Identity(key) => proof.method.is_linked() && credential == Some(key),
            Self::Regain => false,
        }
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passkey(id) => write!(f, "passkey:{id}"),
            Self::Identity(key) => write!(f, "identity:{key}"),
            other => f.write_str(other.kind()),
        }
    }
}

/// What was proved when a means was added. Facts, like those of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub method: MethodName,
    pub user_verified: bool,
    /// A password that was chosen on the strength of this method alone.
    pub chosen_by: Option<MethodName>,
}

impl Fact {
    fn read(text: &str) -> Option<Self> {
        let (text, chosen_by) = text.split_once('<').map_or((text, None), |(text, by)| (text, Some(MethodName::new(by.to_owned()))));
        let (method, user_verified) = match text.split_once('/') {
            None => (text, false),
            Some((method, "verified")) => (method, true),
            Some(_) => return None,
        };
        (!method.is_empty()).then(|| Self { method: MethodName::new(method.to_owned()), user_verified, chosen_by })
    }

    pub fn of(proof: &Proof) -> Self {
        Self { method: proof.method.clone(), user_verified: proof.facts.user_verified == Some(true), chosen_by: None }
    }

    /// A proof of this, at the instant and of the person of another.
    pub fn as_proof(&self, of: &Proof) -> Proof {
        let user_verified = (self.method == MethodName::PASSKEY).then_some(self.user_verified);
        let facts = Facts { chosen_by: self.chosen_by.clone(), user_verified, undated: of.facts.undated, ..Facts::default() };
        Proof { method: self.method.clone(), subject: of.subject.clone(), at_ms: of.at_ms, facts }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.method, if self.user_verified { "/verified" } else { "" })?;
        self.chosen_by.as_ref().map_or(Ok(()), |by| write!(f, "<{by}"))
    }
}

/// No proof at all.
const NOTHING: &str = "-";

pub fn facts_as_text(facts: &[Fact]) -> String {
    match facts {
        [] => NOTHING.to_owned(),
        facts => facts.iter().map(Fact::to_string).collect::<Vec<_>>().join("+"),
    }
}

/// A text that we did not write counts for nothing.
pub fn read_facts(text: &str) -> Vec<Fact> {
    text.split('+').map(|fact| Fact::read(fact).filter(|_| text != NOTHING)).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// What a new means is: the method it proves by, and whether its authenticator verified the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    pub means: Means,
    pub method: MethodName,
    pub user_verified: bool,
}

/// A means that a change adds.
#[derive(Clone, Debug)]
pub struct Enrolling {
    pub means: Means,
    pub with: Vec<Fact>,
    /// What it takes the place of.
    pub former: Option<String>,
}

/// A means that nobody has confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub means: Means,
    pub enrolled_with: Vec<Fact>,
    pub enrolled_ms: i64,
    /// Letters about it that have not left.
    pub letters: i64,
    /// When the last one left. 0: none has.
    pub told_ms: i64,
}

impl Waiting {
    /// Reads what `tables::account::BY_ID` puts together.
    pub fn read_all(text: &str) -> Result<Vec<Self>, Fault> {
        text.split(',').filter(|row| !row.is_empty()).map(Self::read).collect()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let broken = || Fault::new(format!("an enrolment that waits: {text:?}"));
        let parts: Vec<&str> = text.split(' ').collect();
        let [means, enrolled_ms, letters, told_ms, with] = parts[..] else { return Err(broken()) };
        let number = |text: &str| text.parse::<i64>().map_err(|_| broken());
        Ok(Self {
            means: Means::read(means)?,
            enrolled_with: read_facts(with),
            enrolled_ms: number(enrolled_ms)?,
            letters: number(letters)?,
            told_ms: number(told_ms)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_the_store_puts_together_is_read() {
        let read = Waiting::read_all("totp 5 0 7 password,passkey:a_-b 6 1 0 email+password<email,identity:x 1 0 0 -").unwrap();
        let with: Vec<String> = read.iter().map(|one| facts_as_text(&one.enrolled_with)).collect();
        assert_eq!(with, ["password", "email+password<email", "-"]);
        assert_eq!((&read[1].means, read[1].letters, read[0].told_ms), (&Means::Passkey("a_-b".to_owned()), 1, 7));
        assert_eq!(Waiting::read_all("").unwrap(), []);
        for broken in ["totp", "totp 5 0 7", "totp x 0 7 password", "tot 5 0 7 password", "passkey 5 0 7 password"] {
            assert!(Waiting::read_all(broken).is_err(), "{broken}");
        }
    }

    /// 361-Z: a link is one whoever makes it. A provider's, a wallet's and a plug-in's name for a person wait alike.
    #[test]
    fn a_link_that_waits_is_what_its_proofs_rest_on() {
        let link = Means::Identity("key".to_owned());
        let by = |method: MethodName, credential: &str| {
            let facts = Facts { credential: Some(credential.to_owned()), ..Facts::default() };
            Proof { method, subject: "a".to_owned(), at_ms: 1, facts }
        };
        for method in [MethodName::upstream("any"), MethodName::new("wallet:pid"), MethodName::plugin("visit")] {
            assert!(link.proves(&by(method.clone(), "key")), "{method}");
            assert!(!link.proves(&by(method.clone(), "other")), "{method}: another link");
        }
        assert!(!link.proves(&by(MethodName::PASSKEY, "key")), "a passkey is no link");
    }

    /// What cannot be read counts for nothing, and never for more.
    #[test]
    fn facts_that_cannot_be_read_are_none() {
        let facts = read_facts("passkey/verified+upstream:any-1");
        assert!(facts.len() == 2 && facts[0].user_verified && facts[1].method == MethodName::upstream("any-1"));
        assert_eq!(facts_as_text(&facts), "passkey/verified+upstream:any-1");
        for broken in ["", "-", "password+", "password/x", "password+/verified"] {
            assert_eq!(read_facts(broken), [], "{broken}");
        }
    }
}
