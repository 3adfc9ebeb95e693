//! `[retention]`: how long audit entries are kept.

use super::docs::{Kind, Presence, Section, defaulted};
use super::span::Span;
use serde::Deserialize;

pub(super) const SECTION: Section = Section {
    path: "retention",
    title: "Retention of the audit",
    text: "How long audit entries are kept. Sessions and what hangs below them are deleted when the longest `absolute` of all clients has passed, \
           and never while an app can go on.",
    presence: Presence::Defaults,
    keys: &[
        defaulted("audit_security", Kind::Time, r#""400d""#, "Entries about sign-ins, refusals, ends and what operators did."),
        defaulted(
            "audit_routine",
            Kind::Time,
            r#""30d""#,
            "Entries about tokens that were issued and refreshed as usual, and about evidence that was refused.",
        ),
    ],
    example: r#"
[retention]
audit_security = "730d"
"#,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    pub audit_security: Span,
    pub audit_routine: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self { audit_security: Span::days(400), audit_routine: Span::days(30) }
    }
}
