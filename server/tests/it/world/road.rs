//! A road to PostgreSQL that can be cut at the commit of the next change. It listens to what a node sends.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What the road does at the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of the change arrives.
    Before,
    /// Everything arrives but the commit.
    Within,
    /// The change is committed, and the answer is lost.
    After,
    /// The change is committed, and so many bytes of the answer come back.
    AfterBytes(usize),
    /// The change is committed, and the server says something of this severity before it is ready again.
    Noted(&'static str),
    /// The same, and then the server is gone instead of being ready.
    NotedAndGone(&'static str),
    /// All of it arrives after so many milliseconds.
    Late(u64),
}

/// NoticeResponse (Frontend/Backend Protocol, *Message Formats*).
fn notice(severity: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C01000\0Mcanceling wait for synchronous replication due to user request\0\0");
    let length = i32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    [b"N", &length[..], fields.as_bytes()].concat()
}

/// The flight of a change ends with Sync, which commits it.
const SYNC: &[u8] = b"S\0\0\0\x04";
/// ReadyForQuery, outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";
/// A connection that carries groups of changes sets this first.
const WRITER: &[u8] = b"lock_timeout = '50ms'";

/// What a node sent on one connection between two Syncs.
#[derive(Clone, Debug, Default)]
pub struct Flight {
    /// The number of the connection, in the order in which they were opened.
    pub connection: usize,
    /// The texts of the statements that it prepared.
    pub prepared: Vec<String>,
    /// How many statements it carried.
    pub executed: usize,
}

/// Listens to one connection.
struct Ear {
    flights: Arc<Mutex<Vec<Flight>>>,
    flight: Flight,
    /// The beginning of a message whose end is still to come.
    heard: Vec<u8>,
    /// Only the first message of a connection has no type.
    has_begun: bool,
}

impl Ear {
    fn of(connection: usize, flights: &Arc<Mutex<Vec<Flight>>>) -> Self {
        let flight = Flight { connection, ..Flight::default() };
        Self { flights: Arc::clone(flights), flight, heard: Vec::new(), has_begun: false }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        loop {
            let begin = usize::from(self.has_begun);
            let Some(length) = self.heard.get(begin..begin + 4) else { return };
            let end = begin + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.heard.len() < end {
                return;
            }
            let message: Vec<u8> = self.heard.drain(..end).collect();
            if std::mem::replace(&mut self.has_begun, true) {
                self.note(message[0], &message[5..]);
            }
        }
    }

    fn note(&mut self, kind: u8, body: &[u8]) {
        match kind {
            // Parse: a name and a text, each with a zero behind it.
            b'P' => {
                let text = body.split(|byte| *byte == 0).nth(1).unwrap_or_default();
                self.flight.prepared.push(String::from_utf8_lossy(text).into_owned());
            }
            // Execute.
            b'E' => self.flight.executed += 1,
            // Sync.
            b'S' => {
                let next = Flight { connection: self.flight.connection, ..Flight::default() };
                let flight = std::mem::replace(&mut self.flight, next);
                self.flights.lock().unwrap().push(flight);
            }
            _ => {}
        }
    }
}

pub struct Road {
    next: Arc<Mutex<Option<Cut>>>,
    flights: Arc<Mutex<Vec<Flight>>>,
}

impl Road {
    /// `base` names the server, `direct` the database. Answers the road and the database's URL over it.
    pub async fn to(base: &str, direct: &str) -> (Self, String) {
        let far = url::Url::parse(base).unwrap();
        let host = far.host_str().unwrap_or("127.0.0.1").replace("%2F", "/").replace("%2f", "/");
        let socket = if host.starts_with('/') { host } else { format!("{host}:{}", far.port().unwrap_or(5432)) };
        let next = Arc::new(Mutex::new(None));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = listener.local_addr().unwrap().port();
        let flights = Arc::new(Mutex::new(Vec::new()));
        let (cut, heard) = (Arc::clone(&next), Arc::clone(&flights));
        tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connection += 1;
                tokio::spawn(carry(stream, socket.clone(), Arc::clone(&cut), Ear::of(connection, &heard)));
            }
        });
        let name = direct.rsplit_once('/').unwrap().1;
        let login = match far.password() {
            Some(password) => format!("{}:{password}", far.username()),
            None => far.username().to_owned(),
        };
        (Self { next, flights }, format!("postgres://{login}@127.0.0.1:{near}/{name}"))
    }

    pub fn cut(&self, how: Cut) {
        *self.next.lock().unwrap() = Some(how);
    }

    pub fn was_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }

    /// All that nodes have sent, in the order of the Syncs.
    pub fn flights(&self) -> Vec<Flight> {
        self.flights.lock().unwrap().clone()
    }
}

async fn carry(near: tokio::net::TcpStream, socket: String, next: Arc<Mutex<Option<Cut>>>, mut ear: Ear) -> std::io::Result<()> {
    let (mut near_read, mut near_write) = near.into_split();
    let mut far_read: Box<dyn AsyncRead + Send + Unpin>;
    let mut far_write: Box<dyn AsyncWrite + Send + Unpin>;
    if socket.starts_with('/') {
        let (read, write) = tokio::net::UnixStream::connect(format!("{socket}/.s.PGSQL.5432")).await?.into_split();
        (far_read, far_write) = (Box::new(read), Box::new(write));
    } else {
        let (read, write) = tokio::net::TcpStream::connect(socket).await?.into_split();
        (far_read, far_write) = (Box::new(read), Box::new(write));
    }
    let (mut out, mut back) = (vec![0; 512 * 1024], vec![0; 64 * 1024]);
    let mut is_writer = false;
    loop {
        tokio::select! {
            read = near_read.read(&mut out) => {
                let bytes = &out[..read?];
                if bytes.is_empty() { return Ok(()) }
                ear.hear(bytes);
                is_writer |= bytes.windows(WRITER.len()).any(|piece| piece == WRITER);
                let is_commit = is_writer && bytes.ends_with(SYNC);
                let how = if is_commit { next.lock().unwrap().take() } else { None };
                let Some(how) = how else {
                    far_write.write_all(bytes).await?;
                    continue;
                };
                match how {
                    Cut::Before => {}
                    Cut::Within => {
                        far_write.write_all(&bytes[..bytes.len() - SYNC.len()]).await?;
                        tokio::time::sleep(Duration::from_millis(30)).await;
                    }
                    Cut::Late(ms) => {
                        let whole = bytes.to_vec();
                        tokio::time::sleep(Duration::from_millis(ms)).await;
                        far_write.write_all(&whole).await?;
                        continue;
                    }
                    Cut::After | Cut::AfterBytes(_) | Cut::Noted(_) | Cut::NotedAndGone(_) => {
                        far_write.write_all(bytes).await?;
                        let mut answer = Vec::new();
                        while !answer.ends_with(READY) {
                            let read = far_read.read(&mut back).await?;
                            answer.extend_from_slice(&back[..read]);
                        }
                        let said = &answer[..answer.len() - READY.len()];
                        match how {
                            Cut::AfterBytes(count) => near_write.write_all(&answer[..count.min(answer.len())]).await?,
                            Cut::NotedAndGone(severity) => near_write.write_all(&[said, &notice(severity)].concat()).await?,
                            Cut::Noted(severity) => {
                                near_write.write_all(&[said, &notice(severity), READY].concat()).await?;
                                continue;
                            }
                            _ => {}
                        }
                    }
                }
                return Ok(());
            }
            read = far_read.read(&mut back) => {
                let bytes = &back[..read?];
                if bytes.is_empty() { return Ok(()) }
                near_write.write_all(bytes).await?;
            }
        }
    }
}
