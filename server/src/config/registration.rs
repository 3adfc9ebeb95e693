//! `[registration]`: people who make their own account. Off unless the table is there.

use super::docs::{Kind, Presence, Section, defaulted};
use serde::Deserialize;

pub(super) const SECTION: Section = Section {
    path: "registration",
    title: "Registration",
    text: "People may make their own account, with an e-mail address that is proved. The table alone turns it on; it needs the table `[mail]`.",
    presence: Presence::Absent,
    keys: &[defaulted(
        "email_domains",
        Kind::Texts,
        "[]",
        "Only addresses of these domains may register, or become the address of an account later. An empty list allows every domain.",
    )],
    example: r#"
[registration]
email_domains = ["example.com"]
"#,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    #[serde(default)]
    pub email_domains: Vec<String>,
}

impl Registration {
    /// May an account have an address of this domain?
    pub fn allows(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map_or("", |it| it.1);
        self.email_domains.is_empty() || self.email_domains.iter().any(|it| it.eq_ignore_ascii_case(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_compared_whole() {
        let some = Registration { email_domains: vec!["Example.com".into()] };
        assert!(some.allows("a@example.com"));
        for other in ["a@evil-example.com", "a@example.com.evil.com", "a@sub.example.com", "example.com"] {
            assert!(!some.allows(other), "{other}");
        }
    }
}
