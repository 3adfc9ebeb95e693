//! `[enrolment]`: how long a new means to sign in waits until it counts in full.

use super::docs::{Kind, Presence, Section, defaulted};
use super::span::Span;
use serde::Deserialize;

pub(super) const SECTION: Section = Section {
    path: "enrolment",
    title: "New means to sign in",
    text: "A password, address, authenticator, recovery code, passkey or link that was added counts for no more than the proofs it was \
           added with, until it is confirmed. Somebody who stole one of them gets no further by adding another. It is confirmed by an \
           operator, or by time: the person gets a letter with a link that stops it. Without the table `[mail]`, and for people without \
           a proved address, only an operator confirms.",
    presence: Presence::Defaults,
    keys: &[
        defaulted(
            "wait",
            Kind::Time,
            r#""72h""#,
            "From when the last letter about it has left until a means counts in full, if nobody stopped it. At least 1h. A change holds for what waits already.",
        ),
        defaulted(
            "ticket",
            Kind::Time,
            r#""24h""#,
            "How long a ticket of `symbolon user ticket` is good. Means that are added with it count at once.",
        ),
    ],
    example: r#"
[enrolment]
wait = "120h"
ticket = "30m"
"#,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enrolment {
    pub wait: Span,
    pub ticket: Span,
}

impl Default for Enrolment {
    fn default() -> Self {
        Self { wait: Span::hours(72), ticket: Span::hours(24) }
    }
}

impl Enrolment {
    pub(super) fn problems(&self) -> Vec<String> {
        let hour = Span::hours(1);
        let rules = [
            (self.wait < hour, "wait is shorter than 1h: nobody could read the letter in time"),
            (self.wait > Span::days(90), "wait is longer than 90d"),
            (self.ticket <= Span(0) || self.ticket > Span::days(30), "ticket is more than nothing and at most 30d"),
        ];
        rules.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, why)| format!("[enrolment]: {why}")).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_wait_that_is_none_is_an_error() {
        let read = |more: &str| Config::from_text(&format!("issuer = \"https://a.example\"\n[enrolment]\n{more}"), "x", &|_| None);
        assert_eq!(read("").unwrap().enrolment.wait, Span::days(3), "the default");
        assert_eq!(read("wait = \"1h\"").unwrap().enrolment.wait, Span::hours(1));
        for (more, why) in [
            ("wait = \"59m\"", "shorter than 1h"),
            ("wait = \"91d\"", "longer than 90d"),
            ("wait = \"0s\"", ""),
            ("wait = \"\"", ""),
            ("wait = false", ""),
            ("ticket = \"31d\"", "at most 30d"),
            ("waits = \"72h\"", "wait"),
        ] {
            assert!(read(more).is_err_and(|error| error.to_string().contains(why)), "{more}");
        }
    }
}
