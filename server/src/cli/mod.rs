//! The commands. Their output is for a tired operator: what happened, or what was wrong, where, and what to do.

mod check;
mod init;

use crate::app;
use crate::audit::{self, Filter};
use crate::config::{Config, Secret};
use crate::error::{Error, Fault};
use crate::grants::Person;
use crate::login::accounts::{self, Hashers, NewAccount};
use crate::seal::KeyRing;
use crate::serve::{self, base_of, database, system_clock};
use crate::store::{Store, StoreOptions};
use crate::tokens::{issue, keys};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::Algorithm;

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
    /// Read the configuration as a security reviewer would.
    Check {
        /// Fail on weak spots too, not only on mistakes.
        #[arg(long)]
        strict: bool,
    },
    /// People who can sign in.
    User {
        #[command(subcommand)]
        action: User,
    },
    /// Secrets of clients and APIs.
    Client {
        #[command(subcommand)]
        action: ClientAction,
    },
    /// The keys that sign tokens.
    Key {
        #[command(subcommand)]
        action: Key,
    },
    /// What happened, oldest first, as JSON lines.
    Audit {
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
        /// At most this many, the newest.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Tokens.
    Token {
        #[command(subcommand)]
        action: Token,
    },
}

#[derive(Subcommand)]
enum User {
    /// Add a person. The password is read from standard input.
    Add {
        /// The name to sign in with.
        name: String,
        #[arg(long)]
        email: Option<String>,
        /// The name shown to people.
        #[arg(long)]
        display_name: Option<String>,
    },
    /// Everybody, one line each.
    List,
    /// Refuse this person everywhere, at once.
    Disable { name: String },
    /// Let this person in again.
    Enable { name: String },
}

#[derive(Subcommand)]
enum ClientAction {
    /// Make a secret; prints it once, and the digest that belongs in the configuration.
    Secret,
}

#[derive(Subcommand)]
enum Key {
    /// The keys and their times.
    List,
    /// Publish the next key now; it signs once every cache can know it.
    Rotate {
        #[arg(long, default_value = "ES256")]
        alg: String,
        /// The present key is stolen: sign with the new one now and withdraw the old one.
        #[arg(long)]
        at_once: bool,
    },
}

#[derive(Subcommand)]
enum Token {
    /// The claims an API would receive.
    Preview {
        #[arg(long)]
        client: String,
        #[arg(long)]
        scope: Option<String>,
        #[arg(long)]
        user: Option<String>,
    },
}

/// The whole program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).json().flatten_event(true).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(it) => it,
        Err(error) => {
            eprintln!("symbolon: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(carry_out(cli)) {
        Ok(code) => code,
        Err(Error::Fault(it)) => {
            eprintln!("symbolon: {it}");
            ExitCode::FAILURE
        }
        Err(Error::Refused(it)) => {
            eprintln!("symbolon: {}{}", it.hint, if it.private.is_empty() { String::new() } else { format!(" ({})", it.private) });
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(cli: Cli) -> Result<ExitCode, Error> {
    let path = cli.config;
    match cli.command {
        Command::Serve => serve::serve(path).await?,
        Command::Init { dir } => init::init(&dir)?,
        Command::Check { strict } => return Ok(check::check(&load(&path)?, strict)),
        Command::User { action } => user(&Opened::open(&path).await?, action).await?,
        Command::Client { action: ClientAction::Secret } => client_secret()?,
        Command::Key { action } => key(&Opened::open(&path).await?, action).await?,
        Command::Audit { event, account, client, outcome, limit } => {
            let filter = Filter { event, account, client, outcome, ..Filter::default() };
            for (_, body) in audit::list(&Opened::open(&path).await?.store, &filter, limit).await? {
                println!("{body}");
            }
        }
        Command::Token { action: Token::Preview { client, scope, user } } => {
            preview(&Opened::open(&path).await?, &client, scope.as_deref(), user.as_deref()).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(path: &std::path::Path) -> Result<Config, Fault> {
    Config::load(path).map_err(|it| Fault::new(it.to_string()))
}

/// What a command works on.
struct Opened {
    config: Config,
    store: Store,
    keyring: KeyRing,
    now_ms: i64,
}

impl Opened {
    async fn open(path: &std::path::Path) -> Result<Self, Fault> {
        let config = load(path)?;
        let keyring = KeyRing::new(config.master_key.read()?)?;
        let store =
            Store::open(&database(&config, base_of(path)), StoreOptions { readers: 1, connections: 2, ..StoreOptions::default() }).await?;
        Ok(Self { config, store, keyring, now_ms: system_clock()() })
    }
}

async fn user(it: &Opened, action: User) -> Result<(), Error> {
    match action {
        User::Add { name, email, display_name } => {
            eprintln!("Password for {name} (8 to 256 characters), then Enter:");
            let mut password = String::new();
            std::io::stdin().read_line(&mut password).map_err(|it| Fault::new(it.to_string()))?;
            let new = NewAccount {
                login_names: vec![name.clone()],
                email_verified: email.is_some(),
                email,
                name: display_name,
                locale: None,
                claims: serde_json::Map::new(),
                password: Some(password.trim_end_matches(['\r', '\n']).to_owned()),
            };
            let id = accounts::create(&it.store, &Hashers::default(), new, it.now_ms).await?;
            println!("{name} can sign in; sub is {id}");
        }
        User::List => {
            let sql = "SELECT n.name, a.id, a.state FROM login_name n JOIN account a ON a.id = n.account";
            println!("{:<32} {:<24} STATE", "NAME", "SUB");
            for row in it.store.all_stale(sql, &[]).await? {
                println!("{:<32} {:<24} {}", row.text(0)?, row.text(1)?, row.text(2)?);
            }
        }
        User::Disable { name } => set_state(it, &name, "disabled").await?,
        User::Enable { name } => set_state(it, &name, "active").await?,
    }
    Ok(())
}

async fn set_state(it: &Opened, name: &str, state: &'static str) -> Result<(), Error> {
    let found = accounts::find_by_login_name(&it.store, name).await?.ok_or_else(|| Fault::new(format!("nobody signs in as {name}")))?;
    let mut change = crate::store::Change::new(it.now_ms);
    change.run("UPDATE account SET state = $2, version = version + 1 WHERE id = $1", vec![found.id.as_str().into(), state.into()]);
    let event = if state == "active" { "account_enabled" } else { "account_disabled" };
    change.audit(audit::Entry::ok(event).account(found.id).with("by", "command line"));
    it.store.apply(change).await?;
    println!("{name} is {state}");
    Ok(())
}

fn client_secret() -> Result<(), Fault> {
    let secret = base64url::encode(&crate::seal::random::<32>()?);
    let digest = accounts::hash_password_blocking(&secret)?;
    Secret::parse(&digest).map_err(Fault::new)?;
    println!(
        "The secret, shown this once; give it to the client:\n  {secret}\nThe line for its place in the configuration:\n  secret = '{digest}'"
    );
    Ok(())
}

async fn key(it: &Opened, action: Key) -> Result<(), Error> {
    match action {
        Key::List => {
            let sql = "SELECT kid, alg, signs_from_ms, signs_until_ms, published_until_ms FROM signing_key";
            println!("{:<44} {:<6} {:<21} {:<21} PUBLISHED UNTIL", "KID", "ALG", "SIGNS FROM", "SIGNS UNTIL");
            for row in it.store.all_stale(sql, &[]).await? {
                let at = |ms: i64| {
                    jiff::Timestamp::from_millisecond(ms).map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
                };
                println!("{:<44} {:<6} {:<21} {:<21} {}", row.text(0)?, row.text(1)?, at(row.int(2)?), at(row.int(3)?), at(row.int(4)?));
            }
        }
        Key::Rotate { alg, at_once } => {
            let alg = Algorithm::parse(&alg).ok_or_else(|| Fault::new("--alg is ES256, PS256, RS256 or EdDSA"))?;
            let kid = keys::rotate(&it.store, &it.keyring, alg, app::schedule(&it.config), at_once, it.now_ms).await?;
            println!(
                "{kid} {}; a running server notices within a minute",
                if at_once { "signs now" } else { "is published and will sign" }
            );
        }
    }
    Ok(())
}

async fn preview(it: &Opened, client_id: &str, scope: Option<&str>, user: Option<&str>) -> Result<(), Error> {
    let client = it.config.client.get(client_id).ok_or_else(|| Fault::new(format!("there is no [client.{client_id}]")))?;
    let (mut person, mut sub) = (Person::default(), client_id.to_owned());
    if let Some(name) = user {
        sub = accounts::find_by_login_name(&it.store, name).await?.ok_or_else(|| Fault::new(format!("nobody signs in as {name}")))?.id;
        let sql = "SELECT email, email_verified, name, locale, claims FROM account WHERE id = $1";
        if let Some(row) = it.store.one(sql, &[sub.as_str().into()]).await? {
            person = Person {
                email: row.opt_text(0)?.map(str::to_owned),
                email_verified: row.int(1)? == 1,
                name: row.opt_text(2)?.map(str::to_owned),
                locale: row.opt_text(3)?.map(str::to_owned),
                claims: serde_json::from_str(row.text(4)?).unwrap_or_default(),
            };
        }
    }
    let shown = issue::preview_claims(&it.config, client, client_id, scope, &sub, &person, it.now_ms / 1000)?;
    println!("{}", serde_json::to_string_pretty(&shown).map_err(|it| Fault::new(it.to_string()))?);
    Ok(())
}
