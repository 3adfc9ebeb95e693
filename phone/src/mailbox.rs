//! The phone's mail: a small SMTP server that keeps what it gets, so that tests and the demo read real letters.
//! RFC 5321, the commands a mail client needs; no TLS, loopback only.

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
    /// The eight digits of a one-time code, wherever they stand: "1234 5678".
    pub fn code(&self) -> Option<String> {
        let body = self.text.split("\r\n\r\n").nth(1)?;
        let words: Vec<&str> = body.split_whitespace().collect();
        let four = |it: &str| it.len() == 4 && it.bytes().all(|it| it.is_ascii_digit());
        words.windows(2).find(|it| four(it[0]) && four(it[1])).map(|it| it.concat())
    }

    pub fn subject(&self) -> Option<&str> {
        self.text.lines().find_map(|it| it.strip_prefix("Subject: "))
    }
}

#[derive(Default)]
struct Kept {
    letters: Mutex<Vec<Letter>>,
    arrived: Notify,
}

/// All mailboxes of one machine.
#[derive(Clone)]
pub struct Mailbox {
    pub address: SocketAddr,
    kept: Arc<Kept>,
}

impl Mailbox {
    /// Listens on a free port of the loopback address.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, kept) = (listener.local_addr()?, Arc::new(Kept::default()));
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
            Ok(it) => it.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    /// The newest letter to this address after the first `seen` letters of the mailbox; waits five seconds for it.
    pub async fn wait(&self, to: &str, seen: usize) -> Option<Letter> {
        for _ in 0..50 {
            let arrived = self.kept.arrived.notified();
            let found = self.letters().into_iter().skip(seen).rfind(|it| it.to.iter().any(|one| one == to));
            if found.is_some() {
                return found;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), arrived).await;
        }
        None
    }
}

async fn converse(stream: TcpStream, kept: &Kept) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 mailbox ESMTP\r\n").await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    while let Some(line) = lines.next_line().await? {
        let command = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        let answer = match command.as_str() {
            "EHLO" => "250-mailbox\r\n250 8BITMIME\r\n",
            "MAIL" => {
                from = between(&line);
                "250 ok\r\n"
            }
            "RCPT" => {
                to.push(between(&line));
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
                let letter = Letter { from: std::mem::take(&mut from), to: std::mem::take(&mut to), text: decoded(&text) };
                match kept.letters.lock() {
                    Ok(mut it) => it.push(letter),
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

fn between(line: &str) -> String {
    line.split_once('<').and_then(|it| it.1.split_once('>')).map_or_else(String::new, |it| it.0.to_owned())
}

/// RFC 2045 6.7.
fn decoded(text: &str) -> String {
    if !text.to_ascii_lowercase().contains("content-transfer-encoding: quoted-printable") {
        return text.to_owned();
    }
    let bytes = quoted_printable::decode(text, ParseMode::Robust).unwrap_or_else(|_| text.into());
    String::from_utf8_lossy(&bytes).into_owned()
}
