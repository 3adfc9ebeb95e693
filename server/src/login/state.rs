//! What a sign-in is: why it began, what was proved, what is asked now. Before its first answer it is a sealed value that the page carries.
//! From then on it is one row of the store (`row`).

use super::journey::{Form, Journey};
use super::operation::Operation;
use super::policy::Policy;
use super::proof::{MethodName, Proof};
use super::rights::Rights;
use super::step::Step;
use super::transaction::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    Method(MethodName),
    /// Who is it? Asked before a method that does not ask so itself.
    Identify(MethodName),
    /// Shall the method begin? Asked where it costs something and no answer has asked for it yet.
    Begin(MethodName),
    Form(Form),
    /// Did the person start this sign-in? Asked first, where another device did.
    Confirm,
    Consent,
}

/// The question that is open, with what its answer is compared with.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Pending {
    #[serde(with = "as_text")]
    pub id: [u8; 16],
    pub question: Question,
    pub step: Step,
    pub secret: Json,
    /// The page takes a passkey as well: what that answer is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Json>,
    /// The browser goes here: the person answers at somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
    /// When it was asked. 0: nobody knows.
    #[serde(default)]
    pub asked_ms: i64,
}

impl Pending {
    pub fn new(question: Question, id: [u8; 16], step: Step, secret: Json) -> Self {
        Self { id, question, step, secret, beside: None, away: None, asked_ms: 0 }
    }
}

/// The account that the proofs name.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub account: String,
    /// The account's version when the proofs were made: a new password, an ended session, a code used elsewhere raise it.
    pub version: i64,
    /// The session that some of the proofs are of, which must live on.
    pub session: Option<[u8; 16]>,
}

/// Who the person said they are, until a proof says so.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub name: String,
    pub account: Option<String>,
    /// The name was said for a passkey that is not found without one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wants_ids: bool,
}

/// How a sign-in ended.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// A grant waits for its code. `opened`: the browser got a session cookie with it.
    Granted { session: [u8; 16], number: u32, account: String, opened: bool },
    /// A session of our own pages.
    SignedIn { session: [u8; 16], account: String, opened: bool },
    /// The client is told so.
    Refused {
        code: String,
        hint: String,
        /// How the person said no.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no: Option<SaidNo>,
    },
    /// There is nothing left to sign in to: the account is gone, or the session that it was begun in. `why` is a word for the app.
    Closed {
        why: String,
        /// What the platform is told.
        signal: Option<Operation>,
    },
    /// It goes on in the browser. Without `request_uri` the client asks there anew.
    Left(Left),
    /// It was the browser's part of a native sign-in. Its proofs wait there so long.
    SentBack { until_ms: i64 },
}

/// How a person ends a sign-in without going through with it. RFC 6749 4.1.2.1 has one code for all of them.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SaidNo {
    /// The person does not want the app to have it.
    Denied,
    /// The person does not go on for now.
    Cancelled,
    /// Somebody else started it.
    NotStarted,
}

impl SaidNo {
    pub fn by(action: &str) -> Self {
        match action {
            "deny" => Self::Denied,
            "not_mine" => Self::NotStarted,
            _ => Self::Cancelled,
        }
    }

    /// For the developer of the app.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Denied => "The person did not consent.",
            Self::Cancelled => "The person cancelled the sign-in.",
            Self::NotStarted => "The person did not start this sign-in.",
        }
    }

    /// For the audit.
    pub fn why(self) -> &'static str {
        match self {
            Self::Denied => "the person did not consent",
            Self::Cancelled => "the person cancelled the sign-in",
            Self::NotStarted => "the person did not start this sign-in",
        }
    }
}

/// The way on in a browser.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub request_uri: Option<String>,
    pub until_ms: i64,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct State {
    #[serde(with = "as_text")]
    pub id: [u8; 16],
    pub started_ms: i64,
    pub expires_ms: i64,
    /// How many answers have moved it.
    pub version: i64,
    pub client: Option<String>,
    /// Whose sign-in this is; opaque to the machine. Null until its first question is asked.
    pub request: Json,
    pub journey: Journey,
    /// A name to begin with.
    pub hint: Option<String>,
    pub candidate: Option<Candidate>,
    pub subject: Option<Subject>,
    pub proofs: Vec<Proof>,
    /// The way that the person chose where the policy leaves a choice.
    pub prefer: Option<MethodName>,
    /// The person started this sign-in.
    #[serde(default)]
    pub confirmed: bool,
    /// The account was made in this sign-in: there was nothing before that new means could put in danger.
    #[serde(default)]
    pub is_new: bool,
    /// What the platform is told when the sign-in ends: which passkeys there are, and the person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Operation>,
    pub pending: Option<Pending>,
    /// The app has sent the person to the browser, and the step is open meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<Away>,
    /// Only [`State::end`] writes it: nothing outside of this file can.
    ended: Option<Ended>,
}

/// The way to the browser that brings its proofs back, while nothing else has moved the sign-in.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Away {
    pub left: Left,
    /// At which answer the sign-in stands.
    pub version: i64,
}

impl State {
    /// It has just begun: nobody is known, and nothing is asked.
    pub fn new(id: [u8; 16], started_ms: i64, expires_ms: i64, journey: Journey) -> Self {
        Self {
            id,
            started_ms,
            expires_ms,
            version: 0,
            client: None,
            request: Json::Null,
            journey,
            hint: None,
            candidate: None,
            subject: None,
            proofs: Vec::new(),
            prefer: None,
            confirmed: false,
            is_new: false,
            signal: None,
            pending: None,
            away: None,
            ended: None,
        }
    }

    /// How it ended. None: it is open.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// The way to the browser that the last answer was.
    pub fn is_away(&self) -> Option<&Left> {
        self.away.as_ref().filter(|away| away.version == self.version).map(|away| &away.left)
    }

    /// The open question with this id, if it is one of this method.
    pub fn asked(&self, method: &MethodName, id: &[u8; 16]) -> Option<&Pending> {
        let is_its = |question: &Question| matches!(question, Question::Method(own) if own == method);
        self.pending.as_ref().filter(|pending| pending.id == *id && is_its(&pending.question))
    }

    /// The sign-in is over. Its row stays for a while, and nobody answers it any more. So what only an answer needs goes: the question with
    /// its secret, the way to a browser, names that were typed. With the journey go a provider's tokens and the digest of a password.
    pub fn end(&mut self, ended: Ended) {
        (self.pending, self.away, self.candidate, self.hint, self.prefer) = (None, None, None, None, None);
        self.journey = Journey::SignIn;
        self.ended = Some(ended);
    }

    /// Back to where nobody is known.
    pub fn forget_person(&mut self) {
        (self.subject, self.candidate, self.hint, self.prefer, self.pending) = (None, None, None, None, None);
        // What the platform was to be told is about the person before.
        self.signal = None;
        self.proofs.clear();
        self.is_new = false;
    }

    /// Adds a proof of the account in its present version. Proofs of an older one count for nothing (334-L).
    pub fn prove(&mut self, account: &str, version: i64, proof: Proof) {
        let is_same = self.subject.as_ref().is_some_and(|subject| subject.account == account && subject.version == version);
        if !is_same {
            self.proofs.clear();
            self.subject = Some(Subject { account: account.to_owned(), version, session: None });
        }
        self.proofs.retain(|old| old.method != proof.method);
        self.proofs.push(proof);
        self.candidate = None;
    }

    /// Was it proved in this sign-in? What its session knew from before does not count.
    pub fn is_shown(&self, method: &MethodName) -> bool {
        self.proofs.iter().any(|proof| proof.method == *method && proof.at_ms >= self.started_ms)
    }

    /// Was anything proved in this sign-in?
    pub fn shows_anything(&self) -> bool {
        self.proofs.iter().any(|proof| proof.at_ms >= self.started_ms)
    }

    /// Adds a proof that was made elsewhere. One of the same method that is as new stays.
    pub fn take_in(&mut self, account: &str, version: i64, proof: Proof) {
        let is_same = self.subject.as_ref().is_some_and(|subject| subject.account == account && subject.version == version);
        if !(is_same && self.proofs.iter().any(|own| own.method == proof.method && own.at_ms >= proof.at_ms)) {
            self.prove(account, version, proof);
        }
    }

    /// The method for which this button leads the person to somebody else. Only a browser can go there.
    pub fn outside(&self, action: &str) -> Option<MethodName> {
        let chosen = action.strip_prefix("use_").map(|word| MethodName::new(word.to_owned()));
        let asked = self.pending.as_ref().and_then(|pending| match &pending.question {
            Question::Method(method) if matches!(action, "go" | "other_account") => Some(method.clone()),
            _ => None,
        });
        chosen.or(asked).filter(MethodName::is_outside)
    }

    /// Somebody is known here, and somebody else may sign in all the same. `sub`: the one person whom the request takes. A name that was
    /// typed is nobody yet, and may be a mistake: whose it is decides nothing.
    pub fn takes_another_person(&self, sub: Option<&str>) -> bool {
        let known = match (&self.subject, &self.candidate) {
            (Some(subject), _) => Some(subject.account.as_str()),
            // Of a session, whose proofs are too old.
            (None, Some(candidate)) if candidate.name.is_empty() => candidate.account.as_deref(),
            (None, Some(_)) => None,
            (None, None) => return false,
        };
        sub.is_none() || known != sub
    }

    pub fn offers(&self, action: &str) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.step.offers(action))
    }
}

/// What the request asks of the sign-in under the present configuration. Chosen anew for every answer.
#[derive(Clone, Debug)]
pub struct Rules {
    pub policy: Policy,
    pub max_age_s: Option<i64>,
    /// prompt=login: older proofs do not count.
    pub force: bool,
    /// The one person whom the request takes. None: anybody.
    pub sub: Option<String>,
    /// What the person confirms before anything else.
    pub confirm: Option<Step>,
    /// What may be changed of the account.
    pub rights: Rights,
    /// What a wallet signs beside.
    pub transaction: Option<Transaction>,
    /// The name of the app that the person signs in to.
    pub client: Option<String>,
}

/// Bytes as text of a fixed length, so that the length of a sealed sign-in tells nothing.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use symbolon_oauth::base64url;

    pub fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(deserializer)?;
        base64url::decode(&text).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| de::Error::custom("not 16 bytes"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    /// What every sign-in below has while it is under way.
    const OF_ITS_QUESTION: [&str; 4] = ["compared-with", "beside-it", "the-way-there", "urn:left-for-a-browser"];

    fn under_way(journey: Json) -> State {
        let mut pending = Pending::new(Question::Consent, [1; 16], Step::new("consent"), json!({ "number": "compared-with" }));
        pending.beside = Some(json!("beside-it"));
        pending.away = Some("https://op.example/the-way-there".to_owned());
        let left = Left { request_uri: Some("urn:left-for-a-browser".to_owned()), until_ms: 9 };
        State {
            version: 3,
            client: Some("shop".to_owned()),
            subject: Some(Subject { account: "a".to_owned(), version: 1, session: None }),
            pending: Some(pending),
            away: Some(Away { left, version: 3 }),
            ..State::new([1; 16], 1, 9, serde_json::from_value(journey).unwrap())
        }
    }

    /// One end of each kind.
    fn every_end() -> Vec<Ended> {
        let (session, account) = ([2; 16], "a".to_owned());
        let all = vec![
            Ended::Granted { session, number: 1, account: account.clone(), opened: true },
            Ended::SignedIn { session, account, opened: true },
            Ended::Refused { code: "access_denied".to_owned(), hint: String::new(), no: Some(SaidNo::Cancelled) },
            Ended::Closed { why: "session_ended".to_owned(), signal: None },
            Ended::Left(Left { request_uri: None, until_ms: 9 }),
            Ended::SentBack { until_ms: 9 },
        ];
        for ended in &all {
            // A new kind does not compile before somebody has looked here: add it above.
            match ended {
                Ended::Granted { .. } | Ended::SignedIn { .. } | Ended::Refused { .. } => {}
                Ended::Closed { .. } | Ended::Left(_) | Ended::SentBack { .. } => {}
            }
        }
        all
    }

    /// Whoever is proved to be the person of a request stays that person. The twins: a request that takes anybody, somebody else who is
    /// proved, and a name that was only typed.
    #[test]
    fn a_request_about_one_person_takes_no_other() {
        let state = |subject: Option<&str>, candidate: Option<&str>| State {
            subject: subject.map(|account| Subject { account: account.to_owned(), version: 1, session: None }),
            candidate: candidate.map(|name| Candidate { name: name.to_owned(), account: Some("a".to_owned()), wants_ids: false }),
            ..State::new([1; 16], 1, 9, Journey::SignIn)
        };
        for (subject, candidate, sub, takes) in [
            (Some("a"), None, Some("a"), false),
            (Some("a"), None, None, true),
            (Some("b"), None, Some("a"), true),
            (None, Some(""), Some("a"), false),
            (None, Some(""), None, true),
            (None, Some(""), Some("b"), true),
            (None, Some("alice"), Some("a"), true),
            (None, Some("alice"), Some("b"), true),
            (None, None, None, false),
            (None, None, Some("a"), false),
        ] {
            assert_eq!(state(subject, candidate).takes_another_person(sub), takes, "{subject:?} {candidate:?} {sub:?}");
        }
    }

    /// Each with its twin: before the end, all of it is there.
    #[test]
    fn no_end_of_a_sign_in_leaves_a_secret_behind() {
        let tokens = json!({ "access_token": "an-access-token", "refresh_token": "a-refresh-token", "scopes": [], "ends_ms": null });
        let found = json!({ "method": "upstream:any", "issuer": "https://op.example", "subject": "one", "said": "{}", "label": "Any",
            "shown": "one", "tokens": tokens, "hint": ["sid", "an-id-token"] });
        let link = json!({ "link": { "provider": "any", "asked": true, "found": found } });
        let draft = json!({ "email": "a@example.com", "name": null, "locale": "en", "password": "$argon2id$a-digest" });
        let register = json!({ "register": { "draft": draft } });
        let of_link = ["an-access-token", "a-refresh-token", "an-id-token"];
        for (journey, secrets) in [(link, &of_link[..]), (register, &["$argon2id$a-digest"])] {
            for ended in every_end() {
                let mut state = under_way(journey.clone());
                let wrong = |state: &State, is_there: bool| {
                    let text = serde_json::to_string(state).unwrap();
                    let all = secrets.iter().chain(&OF_ITS_QUESTION);
                    all.filter(|secret| text.contains(**secret) != is_there).copied().collect::<Vec<_>>()
                };
                assert_eq!(wrong(&state, true), [""; 0], "the twin");
                state.end(ended.clone());
                assert_eq!(wrong(&state, false), [""; 0], "{ended:?}");
                assert_eq!(state.ended(), Some(&ended));
                assert!(state.subject.is_some(), "whose it was is known");
            }
        }
    }
}
