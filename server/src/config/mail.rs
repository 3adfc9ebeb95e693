//! How mail leaves the house, and who may register.

use super::SecretSource;
use serde::Deserialize;
use std::net::IpAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// TLS from the first byte (RFC 8314), port 465.
    #[default]
    Tls,
    /// TLS by STARTTLS, and no mail without it (RFC 3207), port 587.
    Starttls,
    /// No TLS; only to a server on this machine.
    None,
}

/// The SMTP server that takes our mail. RFC 5321.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub server: String,
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub security: MailSecurity,
    /// `Example Shop <no-reply@example.com>`.
    pub from: String,
    #[serde(default)]
    pub username: Option<String>,
    /// The variable SYMBOLON_MAIL_PASSWORD comes first.
    #[serde(default)]
    pub password: Option<SecretSource>,
}

impl Mail {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            MailSecurity::Tls => 465,
            MailSecurity::Starttls => 587,
            MailSecurity::None => 25,
        })
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let here = self.server == "localhost" || self.server.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
        if self.security == MailSecurity::None && !here {
            found.push("[mail]: security = \"none\" is for a server on this machine only; use \"tls\" or \"starttls\"".to_owned());
        }
        if self.from.parse::<lettre::message::Mailbox>().is_err() {
            found.push("[mail]: from is no mail address, such as Example Shop <no-reply@example.com>".to_owned());
        }
        if self.username.is_none() && self.password.is_some() {
            found.push("[mail]: password without username".to_owned());
        }
        found
    }
}

/// People who make their own account. Off unless the table is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Only addresses of these domains; empty: of any.
    #[serde(default)]
    pub email_domains: Vec<String>,
}

impl Registration {
    /// May an address of this domain register?
    pub fn allows(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map_or("", |it| it.1);
        self.email_domains.is_empty() || self.email_domains.iter().any(|it| it.eq_ignore_ascii_case(domain))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn mail_without_tls_stays_on_this_machine() {
        let of = |server: &str, security: &str, from: &str| -> usize {
            let text = format!("server = \"{server}\"\nsecurity = \"{security}\"\nfrom = \"{from}\"");
            toml::from_str::<Mail>(&text).unwrap().problems().len()
        };
        assert_eq!(of("127.0.0.1", "none", "Shop <no-reply@example.com>"), 0);
        assert_eq!(of("mail.example.com", "none", "no-reply@example.com"), 1);
        assert_eq!(of("mail.example.com", "starttls", "no-reply@example.com"), 0);
        assert_eq!(of("mail.example.com", "tls", "nobody"), 1);
    }

    #[test]
    fn a_domain_is_compared_whole() {
        let some = Registration { email_domains: vec!["Example.com".into()] };
        assert!(some.allows("a@example.com"));
        for other in ["a@evil-example.com", "a@example.com.evil.com", "a@sub.example.com", "example.com"] {
            assert!(!some.allows(other), "{other}");
        }
    }
}
