//! `[session]`: limits of the browser's single sign-on.

use super::docs::{Kind, Presence, Section, defaulted};
use super::span::Span;
use serde::Deserialize;

pub(super) const SECTION: Section = Section {
    path: "session",
    title: "Browser sessions",
    text: "How long a browser stays signed in (single sign-on). How long an app stays signed in is said in `[client.ID.refresh]`.",
    presence: Presence::Defaults,
    keys: &[
        defaulted("idle", Kind::Time, r#""2h""#, "A session that was not used for this long is over. A change holds for every session."),
        defaulted(
            "absolute",
            Kind::Time,
            r#""12h""#,
            "A session is over this long after the person signed in, used or not. A change holds for new sessions; `symbolon user end-sessions` ends older ones.",
        ),
    ],
    example: r#"
[session]
idle = "30m"
absolute = "8h"
"#,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    pub idle: Span,
    pub absolute: Span,
}

impl Default for Session {
    fn default() -> Self {
        Self { idle: Span::hours(2), absolute: Span::hours(12) }
    }
}
