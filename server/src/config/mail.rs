//! `[mail]`: the SMTP server that takes our mail. RFC 5321.

use super::docs::{Key, Kind, Presence, Section, defaulted, optional, required};
use super::secret::SecretSource;
use serde::Deserialize;
use std::net::IpAddr;

pub(super) const SECTION: Section = Section {
    path: "mail",
    title: "Mail",
    text: "The SMTP server that takes the server's letters. Without this table no mail is sent; codes by e-mail, password reset and registration \
           are off. [signing-in.md](signing-in.md) says what is sent when.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[mail]
server = "smtp.example.com"
from = "Example Shop <no-reply@example.com>"
username = "symbolon"
password = { file = "smtp.password" }
"#,
};

const KEYS: &[Key] = &[
    required("server", Kind::Text, r#""smtp.example.com""#, "Name or address of the mail server."),
    optional("port", Kind::Number, "465, 587 or 25, as `security` is `tls`, `starttls` or `none`", "465", "Its port."),
    defaulted(
        "security",
        Kind::OneOf(&["tls", "starttls", "none"]),
        r#""tls""#,
        "TLS from the first byte, or STARTTLS and no mail without it. `none` is only for a server on this machine.",
    ),
    required("from", Kind::Text, r#""Example Shop <no-reply@example.com>""#, "Who the letters come from."),
    optional(
        "ehlo",
        Kind::Text,
        "the host of `issuer`",
        r#""login.example.com""#,
        "The name that the server gives itself towards the mail server (EHLO).",
    ),
    optional("username", Kind::Text, "no authentication", r#""symbolon""#, "The name to authenticate with."),
    optional(
        "password",
        Kind::Secret,
        "no authentication",
        r#"{ file = "smtp.password" }"#,
        "The password that goes with it. The variable SYMBOLON_MAIL_PASSWORD comes first.",
    ),
    defaulted(
        "new_devices",
        Kind::Flag,
        "true",
        "Tells people of a sign-in with a browser or an installation that they had not used for a year. Its letter has a link that ends it. \
         The server then keeps a row for each device ([signing-in.md](signing-in.md#new-devices)).",
    ),
];

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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub server: String,
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub security: MailSecurity,
    pub from: String,
    #[serde(default)]
    pub ehlo: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<SecretSource>,
    #[serde(default = "yes")]
    pub new_devices: bool,
}

fn yes() -> bool {
    true
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
        let is_name = |name: &str| {
            let may_be = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'[' | b']' | b':');
            (1..=255).contains(&name.len()) && name.bytes().all(may_be)
        };
        if self.ehlo.as_deref().is_some_and(|name| !is_name(name)) {
            found.push("[mail]: ehlo is no host name, such as login.example.com".to_owned());
        }
        if self.username.is_none() && self.password.is_some() {
            found.push("[mail]: password without username".to_owned());
        }
        found
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
        assert_eq!(of("mail.example.com", "tls", "nobody@example.com\"\nehlo = \"login.example.com"), 0);
        assert_eq!(of("mail.example.com", "tls", "nobody@example.com\"\nehlo = \"two words"), 1);
    }
}
