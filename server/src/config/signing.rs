//! `[signing]`: the keys that sign tokens.

use super::docs::{ALGORITHMS, Kind, Presence, Section, defaulted};
use super::span::Span;
use serde::Deserialize;
use symbolon_oauth::jwk::Algorithm;

pub(super) const SECTION: Section = Section {
    path: "signing",
    title: "Signing keys",
    text: "The keys that sign tokens are made and replaced by the server. A new key is published before it signs, so that APIs know it in time.",
    presence: Presence::Defaults,
    keys: &[
        defaulted("alg", Kind::OneOf(ALGORITHMS), r#""ES256""#, "The algorithm, where a client or an API asks for no other."),
        defaulted("rotate_every", Kind::Time, r#""90d""#, "How long a key signs before the next one takes over."),
        defaulted("publish_ahead", Kind::Time, r#""1d""#, "How long a key is published before it signs."),
    ],
    example: r#"
[signing]
alg = "PS256"
rotate_every = "30d"
"#,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signing {
    pub alg: Algorithm,
    pub rotate_every: Span,
    pub publish_ahead: Span,
}

impl Default for Signing {
    fn default() -> Self {
        Self { alg: Algorithm::ES256, rotate_every: Span::days(90), publish_ahead: Span::days(1) }
    }
}
