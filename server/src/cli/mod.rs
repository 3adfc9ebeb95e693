//! The commands. Each reads its arguments, the terminal and files, and makes operations of them (`operations`). It prints the outcomes for
//! a tired operator, or with `--json` for a program. A running server carries the operations out (`serve::admin`); else the command opens
//! the store itself (`desk`).

mod audit;
mod check;
mod clients;
mod desk;
mod doctor;
mod guard;
mod init;
mod instances;
mod keys;
mod links;
mod lists;
mod move_links;
#[cfg(feature = "plugins")]
mod plugin_trial;
mod plugins;
mod preflight;
mod provider_clocks;
mod recover;
mod reference;
mod screen;
mod secrets;
mod terminal;
mod text;
mod user_import;
mod users;

use crate::config::Config;
use crate::error::Fault;
use crate::operations::Problem;
use crate::seal::KeyRing;
use crate::serve;
use clap::{CommandFactory, Parser, Subcommand};
use desk::Desk;
use screen::{Screen, Stop};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// An OAuth 2.0 and OpenID Connect authorization server for mobile apps that call APIs.
#[derive(Parser)]
#[command(name = "symbolon", version)]
struct Cli {
    /// The configuration file.
    #[arg(short, long, global = true, default_value = "symbolon.toml")]
    config: PathBuf,
    /// Print JSON, also for what went wrong. Secrets are never part of it.
    #[arg(long, global = true)]
    json: bool,
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
    Check(check::CheckArgs),
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
    /// Links that open apps: the association files of their hosts.
    Links {
        #[command(subcommand)]
        action: links::LinksCommand,
    },
    /// Installations of apps that this server attested.
    Instance {
        #[command(subcommand)]
        action: instances::Instance,
    },
    /// The keys that sign tokens.
    Key {
        #[command(subcommand)]
        action: keys::KeyCommand,
    },
    /// What happened, oldest first, as JSON lines.
    Audit(audit::AuditQuery),
    /// Programs of your own in a sandbox.
    Plugin {
        #[command(subcommand)]
        action: plugins::Plugin,
    },
    /// The part of an API as a process of its own, which proxies ask about each call.
    Guard {
        #[command(subcommand)]
        action: guard::Guard,
    },
    /// Tokens.
    Token {
        #[command(subcommand)]
        action: keys::TokenCommand,
    },
    /// After the store was restored from a copy: void what was in flight, end again what had ended.
    Recover {
        /// Entries that `symbolon audit` printed since the copy was made; absent: only what is in flight is voided.
        #[arg(long)]
        audit: Option<PathBuf>,
        /// Say what would happen, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// All commands with their options, for the test that holds the documentation to them.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// The whole program.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let serves = matches!(cli.command, Command::Serve | Command::Guard { action: guard::Guard::Serve { .. } });
    let level = if serves { "info" } else { "warn" };
    let ready = crate::telemetry::logs(level).and_then(|()| tokio::runtime::Builder::new_multi_thread().enable_all().build());
    let runtime = match ready {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("symbolon: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let screen = Screen::new(cli.json);
    let end = match runtime.block_on(start(cli, &screen)) {
        Ok(code) => ExitCode::from(code),
        Err(Stop::Problem(problem)) => {
            screen.problem(&problem);
            ExitCode::FAILURE
        }
        // Whoever read the output has read enough.
        Err(Stop::Closed) => ExitCode::SUCCESS,
    };
    // Its tasks may have something to say until the last moment.
    drop(runtime);
    crate::telemetry::flush();
    end
}

/// What was typed is no command; or it asks for help.
fn usage(error: &clap::Error) -> ExitCode {
    let asks_json = std::env::args().any(|it| it == "--json");
    if !error.use_stderr() || !asks_json {
        error.exit();
    }
    Screen::new(true).problem(&Problem::invalid(error.to_string().trim_end()));
    ExitCode::from(2)
}

async fn start(cli: Cli, screen: &Screen) -> Result<u8, Stop> {
    let path = cli.config;
    match cli.command {
        Command::Serve => {
            screen.must_be_text("serve")?;
            serve::serve(path).await?;
        }
        Command::Init { dir } => {
            screen.must_be_text("init")?;
            init::init(&dir)?;
        }
        Command::Config => {
            screen.must_be_text("config")?;
            screen.text(&reference::reference())?;
        }
        Command::Client { action: clients::Client::Secret { hmac, existing } } => {
            screen.must_be_text("client secret")?;
            let keyring = if hmac { Some(KeyRing::new(load(&path)?.master_key.read()?)?) } else { None };
            secrets::make(keyring.as_ref(), existing, screen)?;
        }
        Command::Links { action } => return links::links(&load(&path)?, screen, &action).await,
        Command::Guard { action } => return guard::guard(screen, action).await,
        Command::Plugin { action: plugins::Plugin::Check { file, world, input, memory, time } } => {
            let checking = plugins::Checking { file: &file, world: world.as_deref(), input: input.as_deref(), memory, time };
            return plugins::check(screen, checking).await;
        }
        command => {
            let mut desk = Desk::new(load(&path)?, &path);
            let end = at_desk(&mut desk, screen, command).await;
            desk.close().await;
            return end;
        }
    }
    Ok(0)
}

fn load(path: &Path) -> Result<Config, Problem> {
    Config::load(path).map_err(|it| Problem::invalid(it.to_string()))
}

async fn at_desk(desk: &mut Desk, screen: &Screen, command: Command) -> Result<u8, Stop> {
    match command {
        Command::User { action } => users::user(desk, screen, action).await,
        Command::Client { action } => clients::client(desk, screen, action).await,
        Command::Instance { action } => instances::instance(desk, screen, action).await,
        Command::Key { action } => keys::key(desk, screen, action).await,
        Command::Token { action } => keys::token(desk, screen, action).await,
        Command::Plugin { action: plugins::Plugin::List { list } } => plugins::list(desk, screen, &list).await,
        Command::Audit(query) => audit::audit(desk, screen, query).await,
        Command::Recover { audit, dry_run } => recover::recover(desk, screen, audit.as_deref(), dry_run).await,
        Command::Check(arguments) => check::check(desk, screen, arguments).await,
        Command::Serve
        | Command::Init { .. }
        | Command::Config
        | Command::Links { .. }
        | Command::Guard { .. }
        | Command::Plugin { action: plugins::Plugin::Check { .. } } => Err(Fault::new("this command has no operation").into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Ids are base64url, so some begin with a hyphen.
    #[test]
    fn an_id_may_begin_with_a_hyphen() {
        for words in [
            "client show -x",
            "client disable -x",
            "client enable -x",
            "client remove -x",
            "client end-sessions -x",
            "client token revoke -x",
            "instance show -x",
            "instance revoke -x",
            "instance list --client -x",
            "user show -x",
            "user remove-passkey alice -x",
            "user unlink alice -x",
            "audit --client -x",
            "audit --instance -x",
            "token preview --client -x",
        ] {
            let parsed = Cli::try_parse_from(std::iter::once("symbolon").chain(words.split(' ')));
            assert!(parsed.is_ok(), "{words}: {}", parsed.err().unwrap());
        }
    }
}
