//! The way to the SMTP server. RFC 5321, by `lettre`. The commands are sent one by one, because it matters which of them is refused.

use super::message::{self, LetterContent};
use crate::config::{Mail, MailSecurity, environment, trim_variable};
use crate::error::Fault;
use lettre::Message;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use std::time::Duration;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(20);
/// How long one letter may take in all: shorter than its lease.
const SEND: Duration = Duration::from_secs(50);
/// How long the server may take to say goodbye. The letter has left by then, or it has not.
const GOODBYE: Duration = Duration::from_secs(1);

pub struct Mailer {
    server: String,
    port: u16,
    security: MailSecurity,
    tls: Option<TlsParameters>,
    hello: ClientId,
    credentials: Option<Credentials>,
    from: Mailbox,
}

/// Why a letter did not leave.
pub(super) struct NotSent {
    pub why: String,
    /// The address or the letter itself will never get through. What the mail server says before RCPT is about us, and the operator mends
    /// it: a greeting of 554, a refused EHLO, password or sender.
    pub is_permanent: bool,
}

impl NotSent {
    fn for_now(why: impl std::fmt::Display) -> Self {
        Self { why: why.to_string(), is_permanent: false }
    }

    /// What DATA says is about the letter, but for 530, 534, 535 and 538: those are about our password.
    fn said_of_letter(error: Error) -> Self {
        let is_about_us = error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538));
        Self { is_permanent: error.is_permanent() && !is_about_us, why: error.to_string() }
    }

    /// At RCPT many servers also say what they have against us: our address, our name in EHLO, our sender. That is tried again.
    fn said_of_recipient(error: Error) -> Self {
        let text = std::error::Error::source(&error).map(|said| said.to_string()).unwrap_or_default();
        let is_about_them = error.status().is_some_and(|code| is_about_recipient(code.into(), &text));
        let refusal = Self::said_of_letter(error);
        Self { is_permanent: refusal.is_permanent && is_about_them, ..refusal }
    }
}

/// Is what RCPT refuses for good the recipient? By the enhanced status that the text begins with (RFC 3463), else by the code alone.
fn is_about_recipient(code: u16, text: &str) -> bool {
    let mut parts = text.split_whitespace().next().unwrap_or_default().split('.');
    match (parts.next(), parts.next(), parts.next()) {
        // The sender's address, the way we speak, and what we may not do.
        (Some("5"), Some("1"), Some("7" | "8")) | (Some("5"), Some("5" | "7"), Some(_)) => false,
        (Some("5"), Some("1" | "2" | "3" | "4" | "6"), Some(_)) => true,
        _ => matches!(code, 550 | 551 | 553),
    }
}

impl Mailer {
    /// `issuer`: its host is the name in EHLO, where the operator gives none.
    pub fn new(config: &Mail, issuer: &str) -> Result<Self, Fault> {
        let broken = |it: &dyn std::fmt::Display| Fault::new(format!("[mail]: {it}"));
        let tls = match config.security {
            MailSecurity::None => None,
            MailSecurity::Tls | MailSecurity::Starttls => Some(TlsParameters::new(config.server.clone()).map_err(|it| broken(&it))?),
        };
        const VARIABLE: &str = "SYMBOLON_MAIL_PASSWORD";
        let password = match (environment(VARIABLE), &config.password) {
            (Some(value), _) => Some(trim_variable(VARIABLE, &value).map_err(Fault::new)?),
            (None, Some(source)) => Some(source.text("[mail] password")?.trim().to_owned()),
            (None, None) => None,
        };
        Ok(Self {
            server: config.server.clone(),
            port: config.port(),
            security: config.security,
            tls,
            hello: config.ehlo.clone().map_or_else(|| name_of(issuer), ClientId::Domain),
            credentials: config.username.clone().zip(password).map(|(name, password)| Credentials::new(name, password)),
            from: config.from.parse().map_err(|it| broken(&it))?,
        })
    }

    pub(super) async fn send(&self, content: &LetterContent<'_>) -> Result<(), NotSent> {
        let message = message::build(&self.from, content).map_err(|why| NotSent { why, is_permanent: true })?;
        let sent = tokio::time::timeout(SEND, async {
            let mut connection = self.connect().await.map_err(NotSent::for_now)?;
            let outcome = hand_over(&mut connection, &message).await;
            Ok::<_, NotSent>((connection, outcome))
        });
        let ended = sent.await.unwrap_or_else(|_| Err(NotSent::for_now("the mail server takes too long")));
        let (mut connection, outcome) = ended?;
        // A letter that was taken must not leave again because nobody answers QUIT.
        let _ = tokio::time::timeout(GOODBYE, connection.abort()).await;
        outcome
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let server = (self.server.as_str(), self.port);
        let wrapper = self.tls.clone().filter(|_| self.security == MailSecurity::Tls);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &self.hello, wrapper, None).await?;
        if let Some(tls) = self.tls.clone().filter(|_| self.security == MailSecurity::Starttls) {
            connection.starttls(tls, &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

async fn hand_over(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), NotSent> {
    let (envelope, text) = (message.envelope(), message.formatted());
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    let mut parameters = Vec::new();
    for (is_needed, extension, parameter) in [
        (addresses.any(|it| !AsRef::<str>::as_ref(it).is_ascii()), Extension::SmtpUtfEight, MailParameter::SmtpUtfEight),
        (!text.is_ascii(), Extension::EightBitMime, MailParameter::Body(MailBodyParameter::EightBitMime)),
    ] {
        if is_needed && !connection.server_info().supports_feature(extension) {
            return Err(NotSent::for_now("the mail server takes ASCII alone, and the letter or its address has more"));
        }
        parameters.extend(Some(parameter).filter(|_| is_needed));
    }
    connection.command(MailFrom::new(envelope.from().cloned(), parameters)).await.map_err(NotSent::for_now)?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(NotSent::said_of_recipient)?;
    }
    let answer = connection.command(Data).await.map_err(NotSent::said_of_letter)?;
    must_be(354, &answer)?;
    let answer = connection.message(&text).await.map_err(NotSent::said_of_letter)?;
    must_be(250, &answer)
}

/// RFC 5321 4.3.2: no other code says that the server waits for the letter, or that it has the letter.
fn must_be(wanted: u16, answer: &Response) -> Result<(), NotSent> {
    match answer.has_code(wanted) {
        true => Ok(()),
        false => Err(NotSent::for_now(format!("the mail server answers {} in the place of {wanted}", answer.code()))),
    }
}

/// The host of an address, as EHLO has it: a name, or an address in brackets (RFC 5321 4.1.3).
fn name_of(issuer: &str) -> ClientId {
    match url::Url::parse(issuer).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => ClientId::Domain(name.to_owned()),
        Some(url::Host::Ipv4(address)) => ClientId::Ipv4(address),
        Some(url::Host::Ipv6(address)) => ClientId::Ipv6(address),
        None => ClientId::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_ehlo_is_the_issuers_host() {
        assert_eq!(name_of("https://login.example.com/tenant"), ClientId::Domain("login.example.com".to_owned()));
        assert_eq!(name_of("http://127.0.0.1:8080"), ClientId::Ipv4([127, 0, 0, 1].into()));
        assert_eq!(name_of("http://[::1]:8080"), ClientId::Ipv6([0, 0, 0, 0, 0, 0, 0, 1].into()));
    }

    #[test]
    fn what_rcpt_says_is_about_them_or_about_us() {
        for (code, text) in [
            (550, "no such mailbox"),
            (551, ""),
            (553, "bad name"),
            (550, "5.1.1 nobody"),
            (554, "5.2.1 disabled"),
            (556, "5.1.10 no mail"),
        ] {
            assert!(is_about_recipient(code, text), "{code} {text}");
        }
        for (code, text) in [
            (554, "Relay access denied"),
            (554, "5.7.1 Relay access denied"),
            (550, "5.7.27 SPF"),
            (550, "5.1.8 Sender address rejected: Domain not found"),
            (504, "5.5.2 Helo command rejected"),
            (501, ""),
        ] {
            assert!(!is_about_recipient(code, text), "{code} {text}");
        }
    }
}
