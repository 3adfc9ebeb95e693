//! The admin socket: a running server carries out operations, so that nobody opens its store beside it. Whoever may open the socket
//! (its owner and root) may do everything; nothing of it is reachable from the network. One line of JSON in (`Message`), one line
//! out (`AdminAnswer`), as often as the caller likes. Secrets travel beside operations and outcomes, never in them.

use crate::app::Shared;
use crate::error::Fault;
use crate::operations::{self, Actor, Claimed, Context, Operation, Outcome, Problem, Sensitive};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::{Zeroize, Zeroizing};

/// The longest message: a file of clients to import.
const LONGEST: u64 = 4 * 1024 * 1024;

/// An operation on its way to the server. Who sends it is not part of it: the kernel says that.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    operation: Operation,
    secret: Option<Carried>,
    claimed: Claimed,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AdminAnswer {
    Done { outcome: Box<Outcome>, secrets: BTreeMap<String, Carried> },
    Problem(Problem),
}

/// A secret on this socket: the only form of one that is ever written out.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Carried(String);

impl From<Sensitive> for Carried {
    fn from(secret: Sensitive) -> Self {
        Self(secret.reveal().to_owned())
    }
}
impl From<Carried> for Sensitive {
    fn from(mut secret: Carried) -> Self {
        Self::new(std::mem::take(&mut secret.0))
    }
}
impl Drop for Carried {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Message {
    fn new(mut operation: Operation, claimed: Claimed) -> Self {
        let secret = operation.secret_mut().map(|it| std::mem::take(it).into());
        Self { operation, secret, claimed }
    }

    /// The operation with its secret in its place; `None`: a secret came without a place for it, or none came for one.
    fn operation(mut self) -> Option<Operation> {
        match (self.operation.secret_mut(), self.secret) {
            (Some(empty), Some(secret)) => *empty = secret.into(),
            (None, None) => {}
            _ => return None,
        }
        Some(self.operation)
    }
}

/// Listens until the server stops. A socket left behind by a server that was killed is replaced; a living one is not.
pub fn listen(path: &Path, shared: Shared, mut stopped: watch::Receiver<bool>) -> Result<JoinHandle<()>, Fault> {
    let failed = |it: std::io::Error| Fault::new(format!("admin_socket {}: {it}", path.display()));
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(Fault::new(format!(
                "another server is running here: {} answers. Stop it, or give this one an admin_socket of its own",
                path.display()
            )));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let owner = std::fs::metadata(path).map_err(failed)?.uid();
    let path = path.to_owned();
    Ok(tokio::spawn(async move {
        loop {
            let stream = tokio::select! {
                _ = stopped.changed() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(_) => continue,
                },
            };
            // The file's mode keeps others out; this holds where a directory was copied with other modes.
            let uid = stream.peer_cred().map(|it| it.uid());
            if let Ok(uid) = uid
                && (uid == owner || uid == 0)
            {
                let (shared, stopped) = (shared.clone(), stopped.clone());
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, uid, &shared, stopped).await {
                        tracing::debug!(%error, "an admin connection ended early");
                    }
                });
            }
        }
        let _ = std::fs::remove_file(&path);
    }))
}

async fn serve(stream: UnixStream, uid: u32, shared: &Shared, mut stopped: watch::Receiver<bool>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    loop {
        let mut line = Zeroizing::new(String::new());
        let mut limited = (&mut reader).take(LONGEST);
        let length = tokio::select! {
            _ = stopped.changed() => return Ok(()),
            length = limited.read_line(&mut line) => length?,
        };
        if length == 0 {
            return Ok(());
        }
        let whole = line.ends_with('\n');
        let answer = match serde_json::from_str::<Message>(&line) {
            _ if !whole => AdminAnswer::Problem(Problem::invalid(format!("a message has at most {LONGEST} bytes"))),
            Err(_) => AdminAnswer::Problem(Problem::invalid("the server does not know this operation; is it of another version?")),
            Ok(message) => match carry_out(message, uid, shared, (&mut reader, &mut stopped)).await {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        let text = Zeroizing::new(serde_json::to_string(&answer)? + "\n");
        write.write_all(text.as_bytes()).await?;
        write.flush().await?;
        if !whole {
            return Ok(());
        }
    }
}

/// Carries one operation out. `None`: the caller went away, or the server stops.
async fn carry_out(
    message: Message,
    uid: u32,
    shared: &Shared,
    (reader, stopped): (&mut BufReader<OwnedReadHalf>, &mut watch::Receiver<bool>),
) -> Option<AdminAnswer> {
    let actor = Actor::Unix { uid, claimed: message.claimed.clone().plain() };
    let Some(operation) = message.operation() else {
        return Some(AdminAnswer::Problem(Problem::invalid("this operation and its secret do not belong together")));
    };
    let app = shared.now();
    let (context, only_reads) = (Context::of(&app), operation.only_reads());
    let done = tokio::select! {
        biased;
        _ = stopped.changed() => None,
        () = hang_up(reader) => None,
        done = operations::run(&context, &actor, operation) => Some(done),
    };
    if !only_reads {
        // What the operation changed is in force here before it says so.
        for (what, done) in [("clients", app.refresh_registered().await), ("keys", app.refresh_keys().await)] {
            if let Err(fault) = done {
                tracing::error!(error = %fault, "the {what} could not be read again");
            }
        }
    }
    Some(match done? {
        Ok(mut outcome) => {
            let secrets = outcome.take_secrets().into_iter().map(|(whose, secret)| (whose, secret.into())).collect();
            AdminAnswer::Done { outcome: Box::new(outcome), secrets }
        }
        Err(problem) => AdminAnswer::Problem(problem),
    })
}

/// Ends when the caller goes away; a caller who says more already is there.
async fn hang_up(reader: &mut BufReader<OwnedReadHalf>) {
    if reader.fill_buf().await.is_ok_and(|it| !it.is_empty()) {
        std::future::pending::<()>().await;
    }
}

/// The way to a running server.
pub struct Connection {
    reader: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

/// `None`: no server is running here.
pub async fn connect(path: &Path) -> Result<Option<Connection>, Problem> {
    use std::io::ErrorKind;
    match UnixStream::connect(path).await {
        Ok(stream) => {
            let (read, write) = stream.into_split();
            Ok(Some(Connection { reader: BufReader::new(read), write }))
        }
        // A path that is too long for a socket has no server behind it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::InvalidInput) => Ok(None),
        Err(error) => {
            let what = "a server may be running here; run the command as its user";
            Err(Problem::forbidden(format!("admin_socket {}: {error}; {what}", path.display())))
        }
    }
}

impl Connection {
    pub async fn ask(&mut self, operation: Operation) -> Result<Outcome, Problem> {
        let failed = |it: std::io::Error| Problem::fault(format!("the running server stopped answering: {it}"));
        let message = Message::new(operation, claimed());
        let text = Zeroizing::new(serde_json::to_string(&message).map_err(|it| Problem::fault(it.to_string()))? + "\n");
        self.write.write_all(text.as_bytes()).await.map_err(failed)?;
        let mut line = Zeroizing::new(String::new());
        if self.reader.read_line(&mut line).await.map_err(failed)? == 0 {
            return Err(Problem::fault("the running server ended before it had answered"));
        }
        match serde_json::from_str(&line) {
            Ok(AdminAnswer::Done { mut outcome, secrets }) => {
                outcome.give_secrets(secrets.into_iter().map(|(whose, secret)| (whose, secret.into())).collect());
                Ok(*outcome)
            }
            Ok(AdminAnswer::Problem(problem)) => Err(problem),
            Err(_) => Err(Problem::fault("the running server answered oddly; is it of another version?")),
        }
    }
}

/// What this process says of itself.
fn claimed() -> Claimed {
    let variable = |name: &str| std::env::var(name).ok();
    Claimed { name: variable("USER").or_else(|| variable("LOGNAME")), sudo_user: variable("SUDO_USER") }.plain()
}

/// The user of this process, as a socket's other end would see it.
pub fn own_uid() -> Result<u32, Fault> {
    let pair = UnixStream::pair().and_then(|(one, _other)| one.peer_cred());
    pair.map(|it| it.uid()).map_err(|it| Fault::new(format!("the user of this process is not known: {it}")))
}
