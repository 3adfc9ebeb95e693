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
mod rewrap;
mod tokens;
mod users;

use crate::app::App;
use crate::audit::{self, Cursor, Filter};
use crate::config::Config;
use crate::error::{Error, Fault};
use crate::seal::KeyRing;
use crate::serve::{self, base_of, database, system_clock};
use crate::store::{Store, StoreOptions};
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
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
        /// Open the store (and bring its schema up to date) if no server runs, to see registered clients and the database.
        #[arg(long)]
        store: bool,
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
    /// Only entries about this installation's key.
    #[arg(long, allow_hyphen_values = true)]
    instance: Option<String>,
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
    /// Every one, however many there are.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
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
pub struct Out(mpsc::UnboundedSender<Said>);

/// A line of output, or something about it, for standard error: output may be read by a program.
enum Said {
    Line(String),
    Aside(String),
}

impl Out {
    fn new() -> (Self, mpsc::UnboundedReceiver<Said>) {
        let (send, receive) = mpsc::unbounded_channel();
        (Self(send), receive)
    }

    fn line(&self, text: impl Into<String>) {
        let _ = self.0.send(Said::Line(text.into()));
    }

    fn aside(&self, text: impl Into<String>) {
        let _ = self.0.send(Said::Aside(text.into()));
    }
}

impl Said {
    fn print(&self) {
        match self {
            Self::Line(it) => println!("{it}"),
            Self::Aside(it) => eprintln!("{it}"),
        }
    }
}

/// What a command works on: the running server's picture, or a store opened for it alone.
pub struct Desk {
    config: Arc<Config>,
    store: Store,
    keyring: KeyRing,
    clock: crate::app::Clock,
    /// Where relative paths of the configuration begin.
    base: PathBuf,
    /// The command works inside a running server.
    running: bool,
}

impl Desk {
    fn of_server(app: &App) -> Self {
        let (store, keyring, clock) = (app.store.clone(), app.keyring.clone(), Arc::clone(&app.clock));
        Self { config: Arc::clone(&app.config), store, keyring, clock, base: app.base.clone(), running: true }
    }

    async fn open(config: Config, base: &Path) -> Result<Self, Fault> {
        let keyring = KeyRing::new(config.master_key.read()?)?;
        let options = StoreOptions { readers: 1, connections: 2, ..StoreOptions::default() };
        let store = Store::open(&database(&config, base), options).await?;
        store.compare_clocks(&system_clock()).await?;
        Ok(Self { config: Arc::new(config), store, keyring, clock: system_clock(), base: base.to_owned(), running: false })
    }

    fn now_ms(&self) -> i64 {
        (self.clock)()
    }
}

/// The whole program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let level = if matches!(cli.command, Command::Serve) { "info" } else { "warn" };
    let ready = crate::telemetry::logs(level).and_then(|()| tokio::runtime::Builder::new_multi_thread().enable_all().build());
    let runtime = match ready {
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
    // Its tasks may have something to say until the last moment.
    drop(runtime);
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
        Command::Config => print!("{}", reference::reference()),
        Command::Client { action: clients::Client::Secret { hmac: false } } => clients::secret(None)?,
        Command::Client { action: clients::Client::Secret { hmac: true } } => {
            clients::secret(Some(&KeyRing::new(load(&path)?.master_key.read()?)?))?;
        }
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
    let request = Request { arguments: std::env::args().collect(), input: input_of(&command, path)? };
    let base = base_of(path);
    if let Some(socket) = config.admin_socket.as_ref().map(|it| base.join(it))
        && let Some(code) = admin::ask(&socket, &request).await?
    {
        return Ok(code);
    }
    let (out, mut lines) = Out::new();
    let printing = tokio::spawn(async move {
        while let Some(said) = lines.recv().await {
            said.print();
        }
    });
    let end = match command {
        Command::Check { strict, store: false } => Ok(check::check(&config, None, strict, &out)),
        _ => {
            let desk = Desk::open(config, base).await?;
            let end = carry_out(&request, &desk, &out).await;
            desk.store.close().await;
            end
        }
    };
    drop(out);
    let _ = printing.await;
    Ok(ExitCode::from(end?))
}

/// What the command needs from this terminal or this machine's files.
fn input_of(command: &Command, configuration: &Path) -> Result<String, Fault> {
    let file = |path: &Path| std::fs::read_to_string(path).map_err(|it| Fault::new(format!("{}: {it}", path.display())));
    match command {
        Command::User { action: users::User::Add { name, .. } | users::User::Password { name } } => password_from_input(name),
        Command::Client { action: clients::Client::Import { file: path, .. } } => file(path),
        Command::Recover { audit: Some(path) } => file(path),
        Command::Check { .. } => file(configuration),
        _ => Ok(String::new()),
    }
}

/// From a terminal it is read twice and not shown; else it is the first line of standard input.
fn password_from_input(name: &str) -> Result<String, Fault> {
    let shown = !(std::io::stdin().is_terminal() && echo(false));
    let first = prompt(&format!("Password for {name} (8 to 256 characters), then Enter:"));
    let second = if shown { None } else { Some(prompt("The same once more:")) };
    if !shown {
        echo(true);
    }
    let first = first?;
    match second.transpose()? {
        Some(second) if second != first => Err(Fault::new("the two were not the same; nothing was done")),
        _ => Ok(first),
    }
}

fn prompt(text: &str) -> Result<String, Fault> {
    eprintln!("{text}");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|it| Fault::new(it.to_string()))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal shows, or does not show, what is typed; false where there is no `stty` to tell it.
fn echo(on: bool) -> bool {
    std::process::Command::new("stty").arg(if on { "echo" } else { "-echo" }).status().is_ok_and(|it| it.success())
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
        Command::Check { strict, .. } => {
            let config =
                Config::from_text(&request.input, "the file", &|it| std::env::var(it).ok()).map_err(|it| Fault::new(it.to_string()))?;
            let config = config.below(&desk.base);
            return Ok(check::check(&config, Some(&check::stored(desk, &config).await?), strict, out));
        }
        Command::Serve | Command::Init { .. } | Command::Config => {
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
        instance: query.instance,
    };
    if query.all {
        return every_line(desk, filter, query.follow, out).await;
    }
    let settled_ms = desk.store.settled_before(desk.now_ms()).await?;
    let first = Filter { until_ms: if query.follow { Some(settled_ms) } else { filter.until_ms }, ..filter.clone() };
    // One more than was asked for tells whether there are more.
    let found = audit::list(&desk.store, &first, query.limit.saturating_add(1)).await?;
    let cut = found.len() > query.limit;
    for (_, body) in found.into_iter().skip(usize::from(cut)) {
        out.line(body.to_string());
    }
    if cut && query.limit > 0 {
        out.aside(format!("These are the newest {}; older ones were left out. --all prints every one, --limit N more.", query.limit));
    }
    if query.follow { follow(desk, &filter, Cursor::at(settled_ms), out).await } else { Ok(()) }
}

/// Page by page, so that a long history needs no room.
async fn every_line(desk: &Desk, filter: Filter, follows: bool, out: &Out) -> Result<(), Error> {
    let mut cursor = Cursor::at(filter.since_ms.unwrap_or(0));
    if follows {
        return follow(desk, &filter, cursor, out).await;
    }
    let mut more = true;
    while more && !out.0.is_closed() {
        let (found, is_more) = cursor.next(&desk.store, &filter, filter.until_ms).await?;
        more = is_more;
        for (_, body) in found {
            out.line(body.to_string());
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// As entries happen; never past one that is still being committed.
async fn follow(desk: &Desk, filter: &Filter, mut cursor: Cursor, out: &Out) -> Result<(), Error> {
    while !out.0.is_closed() {
        let settled_ms = desk.store.settled_before(desk.now_ms()).await?;
        let (found, more) = cursor.next(&desk.store, filter, Some(filter.until_ms.unwrap_or(i64::MAX).min(settled_ms))).await?;
        for (_, body) in found {
            out.line(body.to_string());
        }
        tokio::time::sleep(std::time::Duration::from_millis(if more { 1 } else { 500 })).await;
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
