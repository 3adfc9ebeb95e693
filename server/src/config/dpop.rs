//! `[dpop]`: proofs of possession. RFC 9449.

use super::docs::{ALGORITHMS, Kind, Presence, Section, defaulted};
use serde::{Deserialize, Serialize};
use symbolon_oauth::jwk::Algorithm;

pub(super) const SECTION: Section = Section {
    path: "dpop",
    title: "Proofs of possession",
    text: "With DPoP (RFC 9449) an app binds its tokens to a key, so that a stolen token is of no use without the key. Who must do so is said by \
           `dpop` of an API or a client.",
    presence: Presence::Defaults,
    keys: &[
        defaulted("algorithms", Kind::SomeOf(ALGORITHMS), r#"["ES256", "EdDSA"]"#, "The algorithms that proofs may be signed with."),
        defaulted(
            "nonce",
            Kind::Flag,
            "true",
            "Proofs must carry a nonce of this server's, so that none can be made ahead of time. **UNSAFE** without.",
        ),
    ],
    example: r#"
[dpop]
algorithms = ["ES256"]
"#,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DpopRules {
    pub algorithms: Vec<Algorithm>,
    pub nonce: bool,
}

impl Default for DpopRules {
    fn default() -> Self {
        Self { algorithms: vec![Algorithm::ES256, Algorithm::EdDSA], nonce: true }
    }
}

/// Must tokens be bound to a key that every request proves?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dpop {
    /// As the client likes: with a proof tokens are bound, without they are not.
    #[default]
    Optional,
    Required,
}
