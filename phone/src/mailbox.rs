//! The phone's mail: a small SMTP server that keeps its letters, so that tests and the demo read real ones. It knows the commands of RFC
//! 5321 that a mail client needs. It has no TLS and listens on the loopback address only.

use quoted_printable::ParseMode;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One letter as it arrived.
#[derive(Debug, Clone)]
pub struct Letter {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body, decoded from quoted-printable.
    pub text: String,
}

impl Letter {
    /// The eight digits of a one-time code, anywhere in the letter: "1234 5678".
    pub fn code(&self) -> Option<String> {
        let words: Vec<&str> = self.plain().split_whitespace().collect();
        let is_half = |word: &str| word.len() == 4 && word.bytes().all(|it| it.is_ascii_digit());
        words.windows(2).find(|it| is_half(it[0]) && is_half(it[1])).map(|it| it.concat())
    }

    /// The letter as plain text: the part of that type, or all of it where there are no parts.
    pub fn plain(&self) -> &str {
        let body_of = |text: &'_ str| text.find("\r\n\r\n").map(|at| at + 4);
        let body = body_of(&self.text).map_or("", |at| &self.text[at..]);
        let Some(part) = body.find("Content-Type: text/plain").map(|at| &body[at..]) else { return body };
        let words = body_of(part).map_or("", |at| &part[at..]);
        words.split("\r\n--").next().unwrap_or(words).trim_end()
    }

    pub fn subject(&self) -> Option<&str> {
        self.text.lines().find_map(|it| it.strip_prefix("Subject: "))
    }
}

#[derive(Default)]
struct Letters {
    letters: Mutex<Vec<Letter>>,
    arrived: Notify,
}

/// All mailboxes of one machine.
#[derive(Clone)]
pub struct Mailbox {
    pub address: SocketAddr,
    kept: Arc<Letters>,
}

impl Mailbox {
    /// Listens on a free port of the loopback address.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, kept) = (listener.local_addr()?, Arc::new(Letters::default()));
        let inside = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&inside);
                tokio::spawn(async move {
                    let _ = converse(stream, &kept).await;
                });
            }
        });
        Ok(Self { address, kept })
    }

    /// Every letter so far, oldest first.
    pub fn letters(&self) -> Vec<Letter> {
        match self.kept.letters.lock() {
            Ok(letters) => letters.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    /// The newest letter to this address behind the first `seen` letters of the mailbox. Waits for it for five seconds.
    pub async fn wait(&self, to: &str, seen: usize) -> Option<Letter> {
        self.wait_for(to, seen, |letter| Some(letter.clone())).await
    }

    /// The newest code that came to this address behind the first `seen` letters. Letters without one may come in between.
    pub async fn wait_for_code(&self, to: &str, seen: usize) -> Option<String> {
        self.wait_for(to, seen, Letter::code).await
    }

    async fn wait_for<T>(&self, to: &str, seen: usize, read: impl Fn(&Letter) -> Option<T>) -> Option<T> {
        for _ in 0..50 {
            let arrived = self.kept.arrived.notified();
            let letters = self.letters();
            let found = letters.iter().skip(seen).filter(|letter| letter.to.iter().any(|it| it == to)).filter_map(&read).next_back();
            if found.is_some() {
                return found;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), arrived).await;
        }
        None
    }
}

async fn converse(stream: TcpStream, kept: &Letters) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 mailbox ESMTP\r\n").await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    while let Some(line) = lines.next_line().await? {
        let command = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        let answer = match command.as_str() {
            "EHLO" => "250-mailbox\r\n250 8BITMIME\r\n",
            "MAIL" => {
                from = address_of(&line);
                "250 ok\r\n"
            }
            "RCPT" => {
                to.push(address_of(&line));
                "250 ok\r\n"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push_str("\r\n");
                }
                let letter = Letter { from: std::mem::take(&mut from), to: std::mem::take(&mut to), text: decode(&text) };
                match kept.letters.lock() {
                    Ok(mut letters) => letters.push(letter),
                    Err(poisoned) => poisoned.into_inner().push(letter),
                }
                kept.arrived.notify_waiters();
                "250 kept\r\n"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "HELO" | "RSET" | "NOOP" => "250 ok\r\n",
            _ => "502 not here\r\n",
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

fn address_of(line: &str) -> String {
    line.split_once('<').and_then(|it| it.1.split_once('>')).map_or_else(String::new, |it| it.0.to_owned())
}

/// RFC 2045 6.7.
fn decode(text: &str) -> String {
    if !text.to_ascii_lowercase().contains("content-transfer-encoding: quoted-printable") {
        return text.to_owned();
    }
    let bytes = quoted_printable::decode(text, ParseMode::Robust).unwrap_or_else(|_| text.into());
    String::from_utf8_lossy(&bytes).into_owned()
}
