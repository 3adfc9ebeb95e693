//! The admin socket: a running server carries out the commands, so that nobody opens its store beside it. Whoever may open
//! the socket (its owner and root) may do everything; nothing of it is reachable from the network.
//! One line of JSON in (`arguments`, `input`), lines out (`{"line": ...}`, `{"aside": ...}`), and at the end `{"end": code}`.

use super::{Desk, Out, Request, Said, carry_out};
use crate::app::Shared;
use crate::error::Fault;
use serde_json::{Value as Json, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The longest command: a file of clients to import.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Listens until the server stops. A socket left behind by a server that was killed is replaced; a living one is not.
pub fn listen(path: &Path, shared: Shared, mut stopped: watch::Receiver<bool>) -> Result<JoinHandle<()>, Fault> {
    let failed = |it: std::io::Error| Fault::new(format!("admin_socket {}: {it}", path.display()));
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(Fault::new(format!("another server is running here: {} answers", path.display())));
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
            let allowed = stream.peer_cred().is_ok_and(|it| it.uid() == owner || it.uid() == 0);
            if allowed {
                let (shared, stopped) = (shared.clone(), stopped.clone());
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, &shared, stopped).await {
                        tracing::debug!(%error, "an admin connection ended early");
                    }
                });
            }
        }
        let _ = std::fs::remove_file(&path);
    }))
}

async fn serve(stream: UnixStream, shared: &Shared, mut stopped: watch::Receiver<bool>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(LONGEST));
    reader.read_line(&mut line).await?;
    let Ok(request) = serde_json::from_str::<Request>(&line) else { return Ok(()) };
    let app = shared.now();
    let (out, mut lines) = Out::new();
    let desk = Desk::of_server(&app);
    let work = carry_out(&request, &desk, &out);
    tokio::pin!(work);
    let mut rest = [0; 1];
    loop {
        tokio::select! {
            // What was said goes out before the work goes on, so that a long answer does not pile up here.
            biased;
            _ = stopped.changed() => return Ok(()),
            // The caller went away: a follower pressed Ctrl-C.
            gone = reader.read(&mut rest) => if gone? == 0 { return Ok(()) },
            Some(said) = lines.recv() => write.write_all(on_the_wire(said).as_bytes()).await?,
            end = &mut work => {
                while let Ok(said) = lines.try_recv() {
                    write.write_all(on_the_wire(said).as_bytes()).await?;
                }
                let code = match end {
                    Ok(code) => json!({ "end": code }),
                    Err(error) => json!({ "end": 1, "error": super::in_words(&error) }),
                };
                // What the command changed is in force here before it says so.
                for (what, done) in [("clients", app.refresh_registered().await), ("keys", app.refresh_keys().await)] {
                    if let Err(fault) = done {
                        tracing::error!(error = %fault, "the {what} could not be read again");
                    }
                }
                write.write_all(format!("{code}\n").as_bytes()).await?;
                return write.flush().await;
            }
        }
    }
}

fn on_the_wire(said: Said) -> String {
    let said = match said {
        Said::Line(it) => json!({ "line": it }),
        Said::Aside(it) => json!({ "aside": it }),
    };
    format!("{said}\n")
}

/// Asks the running server to carry a command out. `None`: no server is running here.
pub async fn ask(path: &Path, request: &Request) -> Result<Option<ExitCode>, Fault> {
    let Ok(stream) = UnixStream::connect(path).await else { return Ok(None) };
    let failed = |it: std::io::Error| Fault::new(format!("the running server stopped answering: {it}"));
    let (read, mut write) = stream.into_split();
    let line = serde_json::to_string(request).map_err(|it| Fault::new(it.to_string()))?;
    write.write_all(format!("{line}\n").as_bytes()).await.map_err(failed)?;
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await.map_err(failed)? {
        let answer: Json = serde_json::from_str(&line).map_err(|it| Fault::new(format!("the running server answered oddly: {it}")))?;
        if let Some(text) = answer["line"].as_str() {
            println!("{text}");
        } else if let Some(text) = answer["aside"].as_str() {
            eprintln!("{text}");
        } else if let Some(code) = answer["end"].as_u64() {
            if let Some(error) = answer["error"].as_str() {
                eprintln!("symbolon: {error}");
            }
            return Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(1))));
        }
    }
    Err(Fault::new("the running server ended before it had answered"))
}
