//! The commands. Their output is for a tired operator: what happened, or what was wrong, where, and what to do.
//! Where a server is running, it carries them out (`admin`); else the command opens the store itself.

pub mod admin;
mod check;
mod clients;
mod cutoff;
mod init;
mod instances;
mod recover;
mod reference;
mod tokens;
mod users;

use crate::app::App;
use crate::audit::{self, Filter};
use crate::config::Config;
use crate::error::{Error, Fault};
use crate::seal::KeyRing;
use crate::serve::{self, base_of, database, system_clock};
use crate::store::{Store, StoreOptions};
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;

/// An OAuth 2.0 and OpenID Connect authorization server for mobile apps that call APIs.
#[derive(Parser)]
#[command(name = "symbolon", version)]
struct Cli {
    /// The configuration file.
    #[arg(short, long, global = true, default_value = "symbolon.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until it is told to stop; SIGHUP reads the configuration again.
    Serve,
    /// Write a commented starting configuration and a master key into DIR.
    Init {
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Every key of the configuration file, with its default and what it does.
    Config,
    /// Read the configuration as a security reviewer would.
    Check {
        /// Fail on weak spots too, not only on mistakes.
        #[arg(long)]
        strict: bool,
    },
    /// People who can sign in.
    User {
        #[command(subcommand)]
        action: users::User,
    },
    /// Applications, and the secrets of applications and APIs.
    Client {
        #[command(subcommand)]
        action: clients::Client,
    },
    /// Installations of apps that this server attested.
    Instance {
        #[command(subcommand)]
        action: instances::Instance,
    },
    /// The keys that sign tokens.
    Key {
        #[command(subcommand)]
        action: tokens::Key,
    },
    /// What happened, oldest first, as JSON lines.
    Audit(AuditQuery),
    /// Tokens.
    Token {
        #[command(subcommand)]
        action: tokens::Token,
    },
    /// After the store was restored from a copy: void what was in flight, end again what had ended.
    Recover {
        /// Entries that `symbolon audit` printed since the copy was made; absent: only what is in flight is voided.
        #[arg(long)]
        audit: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct AuditQuery {
    /// Only entries of this event.
    #[arg(long)]
    event: Option<String>,
    /// Only entries about this account.
    #[arg(long)]
    account: Option<String>,
    /// Only entries about this client.
    #[arg(long)]
    client: Option<String>,
    /// ok, refused or failed.
    #[arg(long)]
    outcome: Option<String>,
    /// Only entries from this instant on: 2026-01-31T12:00:00Z, or a time ago, such as 2h.
    #[arg(long)]
    since: Option<String>,
    /// Only entries before this instant.
    #[arg(long)]
    until: Option<String>,
    /// At most this many, the newest.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Go on printing entries as they happen.
    #[arg(long)]
    follow: bool,
}

/// A command on its way to whoever carries it out: what was typed, and what standard input or the file held.
#[derive(Serialize, Deserialize)]
pub struct Request {
    arguments: Vec<String>,
    input: String,
}

/// Where lines of output go.
#[derive(Clone)]
pub struct Out(mpsc::UnboundedSender<String>);

impl Out {
    fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (send, receive) = mpsc::unbounded_channel();
        (Self(send), receive)
    }

    fn line(&self, text: impl Into<String>) {
        let _ = self.0.send(text.into());
    }
}

/// What a command works on: the running server's picture, or a store opened for it alone.
pub struct Desk {
    config: Arc<Config>,
    store: Store,
    keyring: KeyRing,
    clock: crate::app::Clock,
    /// The command works inside a running server.
    running: bool,
}

impl Desk {
    fn of_server(app: &App) -> Self {
        let (store, keyring, clock) = (app.store.clone(), app.keyring.clone(), Arc::clone(&app.clock));
        Self { config: Arc::clone(&app.config), store, keyring, clock, running: true }
    }

    async fn open(config: Config, base: &Path) -> Result<Self, Fault> {
        let keyring = KeyRing::new(config.master_key.read()?)?;
        let options = StoreOptions { readers: 1, connections: 2, ..StoreOptions::default() };
        let store = Store::open(&database(&config, base), options).await?;
        Ok(Self { config: Arc::new(config), store, keyring, clock: system_clock(), running: false })
    }

    fn now_ms(&self) -> i64 {
        (self.clock)()
    }
}

/// The whole program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let level = if matches!(cli.command, Command::Serve) { "info" } else { "warn" };
    crate::telemetry::logs(level);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(it) => it,
        Err(error) => {
            eprintln!("symbolon: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let end = runtime.block_on(start(cli)).unwrap_or_else(|error| {
        eprintln!("symbolon: {}", in_words(&error));
        ExitCode::FAILURE
    });
    crate::telemetry::flush();
    end
}

fn in_words(error: &Error) -> String {
    match error {
        Error::Fault(it) => it.to_string(),
        Error::Refused(it) if it.private.is_empty() => it.hint.to_owned(),
        Error::Refused(it) => format!("{} ({})", it.hint, it.private),
    }
}

async fn start(cli: Cli) -> Result<ExitCode, Error> {
    let path = cli.config;
    match cli.command {
        Command::Serve => serve::serve(path).await?,
        Command::Init { dir } => init::init(&dir)?,
        Command::Config => print!("{}", reference::REFERENCE),
        Command::Check { strict } => return Ok(check::check(&load(&path)?, strict)),
        Command::Client { action: clients::Client::Secret } => clients::secret()?,
        other => return at_desk(&path, other).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(path: &Path) -> Result<Config, Fault> {
    Config::load(path).map_err(|it| Fault::new(it.to_string()))
}

/// A command about the store: by the running server if there is one.
async fn at_desk(path: &Path, command: Command) -> Result<ExitCode, Error> {
    let config = load(path)?;
    let request = Request { arguments: std::env::args().collect(), input: input_of(&command)? };
    let base = base_of(path);
    if let Some(socket) = config.admin_socket.as_ref().map(|it| base.join(it))
        && let Some(code) = admin::ask(&socket, &request).await?
    {
        return Ok(code);
    }
    let desk = Desk::open(config, base).await?;
    let (out, mut lines) = Out::new();
    let printing = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            println!("{line}");
        }
    });
    let end = carry_out(&request, &desk, &out).await;
    desk.store.close().await;
    drop(out);
    let _ = printing.await;
    Ok(ExitCode::from(end?))
}

/// What the command needs from this terminal or this machine's files.
fn input_of(command: &Command) -> Result<String, Fault> {
    let file = |path: &Path| std::fs::read_to_string(path).map_err(|it| Fault::new(format!("{}: {it}", path.display())));
    match command {
        Command::User { action: users::User::Add { name, .. } | users::User::Password { name } } => password_from_input(name),
        Command::Client { action: clients::Client::Import { file: path, .. } } => file(path),
        Command::Recover { audit: Some(path) } => file(path),
        _ => Ok(String::new()),
    }
}

fn password_from_input(name: &str) -> Result<String, Fault> {
    eprintln!("Password for {name} (8 to 256 characters), then Enter:");
    let mut password = String::new();
    std::io::stdin().read_line(&mut password).map_err(|it| Fault::new(it.to_string()))?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

/// Carries a command out; answers the exit code.
async fn carry_out(request: &Request, desk: &Desk, out: &Out) -> Result<u8, Error> {
    let cli = Cli::try_parse_from(&request.arguments).map_err(|it| Fault::new(it.to_string()))?;
    match cli.command {
        Command::User { action } => users::user(desk, action, &request.input, out).await?,
        Command::Client { action } => return clients::client(desk, action, &request.input, out).await,
        Command::Instance { action } => instances::instance(desk, action, out).await?,
        Command::Key { action } => tokens::key(desk, action, out).await?,
        Command::Audit(query) => audit_lines(desk, query, out).await?,
        Command::Token { action } => tokens::token(desk, action, out).await?,
        Command::Recover { audit } => recover::recover(desk, audit.is_some().then_some(&request.input), out).await?,
        Command::Serve | Command::Init { .. } | Command::Config | Command::Check { .. } => {
            return Err(Fault::new("this command is not for a running server").into());
        }
    }
    Ok(0)
}

async fn audit_lines(desk: &Desk, query: AuditQuery, out: &Out) -> Result<(), Error> {
    let instant = |text: &Option<String>| text.as_deref().map(|it| parse_instant(it, desk.now_ms())).transpose();
    let filter = Filter {
        since_ms: instant(&query.since)?,
        until_ms: instant(&query.until)?,
        event: query.event,
        outcome: query.outcome,
        account: query.account,
        client: query.client,
    };
    let mut last = [&desk.now_ms().max(0).to_be_bytes()[2..], &[0; 10]].concat();
    for (id, body) in audit::list(&desk.store, &filter, query.limit).await? {
        out.line(body.to_string());
        last = id;
    }
    while query.follow && !out.0.is_closed() {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        for (id, body) in audit::after(&desk.store, &filter, &last, desk.now_ms()).await? {
            out.line(body.to_string());
            last = id;
        }
    }
    Ok(())
}

/// An instant as RFC 3339 has it, or a time ago.
fn parse_instant(text: &str, now_ms: i64) -> Result<i64, Fault> {
    if let Some(span) = crate::config::Span::parse(text) {
        return Ok(now_ms - span.ms());
    }
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed
        .map(jiff::Timestamp::as_millisecond)
        .map_err(|_| Fault::new(format!("{text:?} is no instant; write 2026-01-31T12:00:00Z, or 2h for two hours ago")))
}

/// An instant for people.
fn shown(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}
