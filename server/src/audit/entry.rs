//! One entry of the audit. It knows no store, so that the store can write it.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Of one text of an entry, in bytes. Some of them somebody else chose, and an entry is kept for long.
const LONGEST: usize = 4096;

/// Events that a person reads about their own account. Each has the text `event-NAME` in every language.
pub const PERSONAL: &[&str] = &[
    "account_created",
    "account_disabled",
    "account_enabled",
    "account_exported",
    "backchannel_approved",
    "code_issued",
    "consent_withdrawn",
    "device_approved",
    "device_forgotten",
    "email_changed",
    "enrolment_confirmed",
    "enrolment_stopped",
    "grant_revoked",
    "handed_over",
    "kiosk_confirmed",
    "kiosk_visited",
    "language_changed",
    "name_changed",
    "other_sessions_ended",
    "passkey_enrolled",
    "passkey_removed",
    "passkey_renamed",
    "password_changed",
    "profile_changed",
    "provider_logout",
    "recovery_code_used",
    "recovery_codes_made",
    "regain_begun",
    "regain_ended",
    "regain_stopped",
    "regained",
    "session_ended",
    "sessions_ended",
    "signed_in",
    "signed_out",
    "sso_joined",
    "ticket_given",
    "ticket_used",
    "totp_enrolled",
    "totp_removed",
    "upstream_linked",
    "upstream_unlinked",
    "user_code_removed",
    "user_code_set",
];

/// Refusals that a person reads as well: their own "no", an approval that came to nothing, and what happened to a code of theirs. Nobody else
/// can cause one without being this person, or holding a code of their phone; the last is written once an hour.
pub const PERSONAL_REFUSALS: &[&str] = &[
    "authorization_refused",
    "backchannel_denied",
    "device_denied",
    "grant_weaker_than_policy",
    "kiosk_code_elsewhere",
    "kiosk_code_replayed",
];

/// What the entry of an approval says of the client that waits elsewhere.
const OF_APPROVAL: [&str; 2] = ["asked_from", "started_from"];

/// One entry before it is written.
#[derive(Clone, Debug)]
pub struct Entry {
    pub event: &'static str,
    /// "ok", "refused" or "failed".
    pub outcome: &'static str,
    pub account: Option<String>,
    pub client: Option<String>,
    pub session: Option<String>,
    /// The installation or device, by the thumbprint of its key or the id of its certificate.
    pub instance: Option<String>,
    pub address: Option<String>,
    /// Why it was refused: for operators, never for callers.
    pub reason: Option<String>,
    /// The operator who did it. Absent: no operator did.
    pub actor: Option<Json>,
    pub detail: Map<String, Json>,
    /// Security events and routine events have tables, and retention, of their own.
    pub security: bool,
    /// It happens often: the person reads of it once an hour for each client and address. The audit has every one.
    pub is_frequent: bool,
}

impl Entry {
    pub fn ok(event: &'static str) -> Self {
        Self {
            event,
            outcome: "ok",
            account: None,
            client: None,
            session: None,
            instance: None,
            address: None,
            reason: None,
            actor: None,
            detail: Map::new(),
            security: true,
            is_frequent: false,
        }
    }

    pub fn refused(event: &'static str, reason: impl Into<String>) -> Self {
        Self { outcome: "refused", reason: Some(reason.into()), ..Self::ok(event) }
    }

    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// Does the person read it in the history of the account? What others tried in vain is not among it, so that nobody fills it.
    pub fn is_personal(&self) -> bool {
        match self.outcome {
            "ok" => PERSONAL.contains(&self.event),
            // An app that sent its person here hears of a refusal by itself. Who waits elsewhere hears of another word.
            "refused" if self.event == "authorization_refused" => OF_APPROVAL.iter().any(|name| self.detail.contains_key(*name)),
            "refused" => PERSONAL_REFUSALS.contains(&self.event),
            _ => false,
        }
    }

    /// The row's text. Longer texts are cut, and end with an ellipsis.
    pub fn body(&self, at_ms: i64) -> String {
        let body = Body {
            at: at_ms,
            event: self.event,
            outcome: self.outcome,
            account: self.account.as_deref().map(shortened),
            client: self.client.as_deref().map(shortened),
            session: self.session.as_deref().map(shortened),
            instance: self.instance.as_deref().map(shortened),
            address: self.address.as_deref().map(shortened),
            reason: self.reason.as_deref().map(shortened),
            actor: self.actor.as_ref(),
            detail: self.detail.iter().map(|(name, value)| (name.as_str(), bounded(value))).collect(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    at: i64,
    event: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a Json>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    detail: BTreeMap<&'a str, Cow<'a, Json>>,
}

fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return text.into();
    }
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end]).into()
}

/// Facts of a device are objects of our own making, with texts in them.
fn bounded(value: &Json) -> Cow<'_, Json> {
    match value {
        Json::String(text) if text.len() > LONGEST => Cow::Owned(Json::from(shortened(text))),
        Json::Array(all) => Cow::Owned(all.iter().map(|value| bounded(value).into_owned()).collect()),
        Json::Object(all) => Cow::Owned(all.iter().map(|(name, value)| (name.clone(), bounded(value).into_owned())).collect()),
        plain => Cow::Borrowed(plain),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_that_somebody_else_chose_is_cut() {
        let text = |length: usize| "\u{e9}".repeat(length / 2);
        let body = |long: &str| {
            let entry = Entry::refused("x", long).client(long).with("a", long).with("b", json!([{ "c": long }]));
            serde_json::from_str::<Json>(&entry.body(7)).unwrap()
        };
        let whole = body(&text(LONGEST));
        assert_eq!((whole["reason"].as_str(), whole["detail"]["b"][0]["c"].as_str()), (Some(&*text(LONGEST)), Some(&*text(LONGEST))));
        let cut = body(&text(60_000));
        let parts = [&cut["reason"], &cut["client"], &cut["detail"]["a"], &cut["detail"]["b"][0]["c"]];
        assert!(parts.iter().all(|part| part.as_str() == Some(&*format!("{}…", text(LONGEST)))), "{cut:.200}");
        assert_eq!((&cut["at"], &cut["outcome"]), (&json!(7), &json!("refused")));
    }

    /// Whoever sends requests of an app again and again fills no history. The twin: what the person was asked to approve stands in it.
    #[test]
    fn a_refusal_is_personal_where_it_is_of_an_approval() {
        let refused = || Entry::refused("authorization_refused", "x").account("a").with("error", "access_denied");
        assert!(!refused().is_personal());
        for name in OF_APPROVAL {
            assert!(refused().with(name, "127.0.0.1").is_personal(), "{name}");
        }
        assert!(Entry::refused("device_denied", "x").is_personal() && !Entry::refused("code_refused", "x").is_personal());
    }
}
