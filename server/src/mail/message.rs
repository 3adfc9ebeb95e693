//! A letter as a message. RFC 5322; RFC 2046 5.1.4 for the two parts; RFC 3834 5 says that a machine wrote it.

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use std::time::{Duration, UNIX_EPOCH};
use symbolon_oauth::{base64url, digest};

pub struct LetterContent<'a> {
    pub to: &'a str,
    pub subject: String,
    pub body: String,
    pub locale: &'a str,
    /// Names the letter in the outbox.
    pub id: &'a [u8; 16],
    pub now_ms: i64,
}

pub fn build(from: &Mailbox, content: &LetterContent<'_>) -> Result<Message, String> {
    let to: Mailbox = content.to.parse().map_err(|it| format!("the address: {it}"))?;
    // The same at every try, so that a letter that came twice is known to be one.
    let name = base64url::encode(&digest::sha256(content.id));
    let sent = UNIX_EPOCH + Duration::from_millis(content.now_ms.unsigned_abs());
    Message::builder()
        .from(from.clone())
        .to(to)
        .subject(content.subject.as_str())
        .message_id(Some(format!("<{name}@{}>", from.email.domain())))
        .date(sent)
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(content.body.clone(), html(content)))
        .map_err(|it| it.to_string())
}

/// The same words for readers that show HTML. There is nothing in it to follow or to load.
fn html(content: &LetterContent<'_>) -> String {
    let escaped = content.body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let body: String = escaped.split("\n\n").map(|paragraph| format!("<p>{}</p>\n", paragraph.trim().replace('\n', "<br>\n"))).collect();
    let language: String = content.locale.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    format!("<!doctype html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\"></head>\n<body>\n{body}</body></html>\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn written(to: &str, body: &str) -> Result<String, String> {
        let from: Mailbox = "Shop <no-reply@mail.example.com>".parse().unwrap();
        let content =
            LetterContent { to, subject: "Hello".into(), body: body.into(), locale: "de", id: &[7; 16], now_ms: 1_700_000_000_000 };
        build(&from, &content).map(|message| String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn a_letter_has_what_mail_servers_look_for() {
        let text = written("alice@example.com", "1234 5678 is your code.\n\nNot <you>?").unwrap();
        let head = text.split_once("\r\n\r\n").unwrap().0;
        let header =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_else(|| panic!("{name}: {head}"));
        assert!(header("Message-ID").ends_with("@mail.example.com>"), "{head}");
        assert_eq!((header("MIME-Version"), header("Auto-Submitted")), ("1.0", "auto-generated"));
        assert_eq!(header("Date"), "Tue, 14 Nov 2023 22:13:20 +0000");
        assert!(header("Content-Type").starts_with("multipart/alternative"));
        let (plain, html) = (text.find("text/plain").unwrap(), text.find("text/html").unwrap());
        assert!(plain < html, "the last part is the preferred one");
        assert!(text.contains("Not <you>?") && text.contains("<p>Not &lt;you&gt;?</p>"), "{text}");
        let again = written("alice@example.com", "Another try.").unwrap();
        assert!(again.contains(header("Message-ID")), "the same letter has the same name: {again}");
        assert!(written("alice", "x").unwrap_err().contains("the address"));
    }
}
