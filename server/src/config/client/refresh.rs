//! `[client.ID.refresh]`: how long an app stays signed in, and what becomes of its refresh tokens.

use super::super::docs::{Key, Kind, Presence, Section, defaulted};
use super::super::span::Span;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.refresh",
    title: "How long an app stays signed in",
    text: "What a person allows an app is a grant; its refresh tokens keep it going. A web client that should end with the browser's session says \
           so here.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.shop-ios.refresh]
idle = "90d"
absolute = "365d"
"#,
};

const KEYS: &[Key] = &[
    defaulted("idle", Kind::Time, r#""30d""#, "A grant that was not used for this long is over. A change holds for every grant."),
    defaulted(
        "absolute",
        Kind::Time,
        r#""180d""#,
        "A grant is over this long after the person signed in, used or not. A change holds for new grants; `symbolon client end-sessions` ends older ones.",
    ),
    defaulted(
        "grace",
        Kind::Time,
        r#""10s""#,
        "For this long after a rotation, the refresh token before gets the same successor again. A lost answer then costs nothing.",
    ),
    defaulted(
        "on_stale",
        Kind::OneOf(&["keep", "end"]),
        r#""keep""#,
        "What an old refresh token does to a grant that is bound to a key: nothing, or it ends the grant. A grant without a key always ends.",
    ),
    defaulted(
        "on_weaker_policy",
        Kind::OneOf(&["keep", "end"]),
        r#""keep""#,
        "What a refresh does where the login policy wants more by now than was proved: the grant goes on as it is, or it ends. Clients with \
         `native = true` are asked for a step-up instead.",
    ),
    defaulted(
        "mode",
        Kind::OneOf(&["rotate", "static"]),
        r#""rotate""#,
        "A new refresh token at every use, or the same one for the life of the grant. `static` needs bound tokens: authentication, \
         `dpop = \"required\"` or certificates. It is always `static` with `profile = \"fapi2\"`.",
    ),
    defaulted(
        "ends_with_session",
        Kind::Flag,
        "false",
        "The app stays signed in only as long as the browser: signing out, and the limits of `[session]`, end the grant.",
    ),
    defaulted(
        "most_per_person",
        Kind::Table("Number, or `\"unlimited\"`"),
        "100",
        "The most grants a person can have with this client. Beyond that the oldest is ended. `unlimited` is **UNSAFE**.",
    ),
];

/// What happens when a spent refresh token of a key-bound grant comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStale {
    #[default]
    Keep,
    End,
}

/// What a refresh does where the policy wants more than was proved, and the client cannot ask for it on screens of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnWeakerPolicy {
    #[default]
    Keep,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefreshMode {
    /// A new refresh token at every use. RFC 9700 4.14.2.
    #[default]
    Rotate,
    /// The same refresh token for the life of the grant; only where every token is bound.
    Static,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Refresh {
    pub idle: Span,
    pub absolute: Span,
    pub grace: Span,
    pub on_stale: OnStale,
    pub on_weaker_policy: OnWeakerPolicy,
    pub mode: RefreshMode,
    pub ends_with_session: bool,
    pub most_per_person: Most,
}

/// A bound that can be taken away, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Most {
    Grants(NonZeroU32),
    /// UNSAFE: sign-ins pile up grants without end.
    Word(Unlimited),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlimited {
    Unlimited,
}

impl Default for Most {
    fn default() -> Self {
        Self::Grants(NonZeroU32::MIN.saturating_add(99))
    }
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            idle: Span::days(30),
            absolute: Span::days(180),
            grace: Span(10),
            on_stale: OnStale::Keep,
            on_weaker_policy: OnWeakerPolicy::Keep,
            mode: RefreshMode::Rotate,
            ends_with_session: false,
            most_per_person: Most::default(),
        }
    }
}
