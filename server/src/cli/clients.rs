//! `symbolon client`: applications.

use super::desk::Desk;
use super::lists::{self, List, ListArgs};
use super::screen::{self, Screen, Stop, unexpected};
use super::secrets;
use super::text::{read_file, shown};
use crate::operations::{ClientLine, ClientOperation, ClientSource, Imported, Operation, Outcome, Problem, RegistrationToken, Sensitive};
use clap::Subcommand;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Client {
    /// Make a secret; prints it once, and the digest that belongs in the configuration.
    Secret {
        /// Make a MAC (HMAC-SHA-256) under the master key instead of an argon2id digest. It is fast to check, and useless without
        /// the master key. Make a new one before you remove that key.
        #[arg(long)]
        hmac: bool,
        /// Make no secret: read one that exists from standard input, which the terminal does not show.
        #[arg(long)]
        existing: bool,
    },
    /// Register clients from a file of RFC 7591 metadata: one object or an array.
    Import {
        file: PathBuf,
        /// Replace registered clients of the same client_id.
        #[arg(long)]
        replace: bool,
        /// Say what would happen, and do nothing.
        #[arg(long)]
        dry_run: bool,
        /// Write the secrets that are made into this new file instead of showing them; needed with --json.
        #[arg(long, value_name = "FILE")]
        secrets: Option<PathBuf>,
    },
    /// Every client, of the configuration and registered, one line each.
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// One client, as the server sees it. Its secret is not shown.
    Show {
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Refuse a registered client everywhere.
    Disable {
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Allow it again.
    Enable {
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Take a registered client away for good, with all that it has got.
    Remove {
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Tokens by which somebody registers clients (RFC 7591).
    Token {
        #[command(subcommand)]
        action: RegistrationTokenCommand,
    },
    /// End everything the client has got so far: every person's grants, every token.
    EndSessions {
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// Say how many grants it would be, and do nothing.
        #[arg(long)]
        preview: bool,
    },
}

#[derive(Subcommand)]
pub enum RegistrationTokenCommand {
    /// Make one, for a policy of the configuration; prints it once.
    Make {
        policy: String,
        /// How many clients it registers.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How many days it is good for.
        #[arg(long, default_value_t = 7)]
        days: u32,
        /// Write the token into this new file instead of showing it; needed with --json.
        #[arg(long, value_name = "FILE")]
        secrets: Option<PathBuf>,
    },
    /// Every token, one line each. The tokens themselves are not shown.
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Take one away, by the name that the list shows.
    Revoke {
        #[arg(allow_hyphen_values = true)]
        token: String,
    },
}

pub async fn client(desk: &mut Desk, screen: &Screen, action: Client) -> Result<u8, Stop> {
    let operation = match action {
        Client::Secret { .. } => return Err(Problem::fault("this command has no operation").into()),
        Client::List { list } => {
            return lists::print(desk, screen, &list, &clients(), |paging| Operation::Client(ClientOperation::List { paging })).await;
        }
        Client::Import { file, replace, dry_run, secrets } => {
            let metadata = Sensitive::new(read_file(&file)?);
            return import(desk, screen, ClientOperation::Import { replace, dry_run, metadata }, secrets).await;
        }
        Client::Token { action } => return token(desk, screen, action).await,
        Client::Remove { id } => ClientOperation::Remove { client_id: id },
        Client::Show { id } => ClientOperation::Show { client_id: id },
        Client::Disable { id } => ClientOperation::Disable { client_id: id },
        Client::Enable { id } => ClientOperation::Enable { client_id: id },
        Client::EndSessions { id, preview } => ClientOperation::EndSessions { client_id: id, preview },
    };
    let outcome = desk.ask(Operation::Client(operation)).await?;
    screen.outcome(&outcome, words)?;
    Ok(0)
}

async fn token(desk: &mut Desk, screen: &Screen, action: RegistrationTokenCommand) -> Result<u8, Stop> {
    let outcome = match action {
        RegistrationTokenCommand::Make { policy, uses, days, secrets } => {
            let operation = ClientOperation::MakeToken { policy, uses, lifetime_s: i64::from(days) * 86_400 };
            return make_token(desk, screen, operation, secrets).await;
        }
        RegistrationTokenCommand::List { list } => {
            return lists::print(desk, screen, &list, &tokens(), |paging| Operation::Client(ClientOperation::ListTokens { paging })).await;
        }
        RegistrationTokenCommand::Revoke { token } => desk.ask(Operation::Client(ClientOperation::RevokeToken { token })).await?,
    };
    screen.outcome(&outcome, words)?;
    Ok(0)
}

async fn make_token(desk: &mut Desk, screen: &Screen, operation: ClientOperation, path: Option<PathBuf>) -> Result<u8, Stop> {
    if screen.is_json() && path.is_none() {
        return Err(Problem::invalid("--json shows no secret; add --secrets FILE for the token").into());
    }
    let file = path.map(|it| secrets::create_file(&it)).transpose()?;
    let mut outcome = desk.ask(Operation::Client(operation)).await?;
    let made = outcome.take_secrets();
    let Outcome::RegistrationTokenMade { token_id, policy, uses, until_ms, .. } = &outcome else { return Err(unexpected()) };
    let about = format!("token {token_id}: {uses} of [client_registration.{policy}], until {}", shown(*until_ms));
    let shown_once = match file {
        Some(file) => {
            secrets::write(file, &made)?;
            "the token is in the file of secrets".to_owned()
        }
        None => made.values().map(|it| it.reveal().to_owned()).collect(),
    };
    screen.outcome(&outcome, |_| vec![about, shown_once])?;
    Ok(0)
}

fn tokens() -> List<RegistrationToken> {
    List {
        member: "tokens",
        head: format!("{:<14} {:<24} {:>6} UNTIL", "TOKEN", "POLICY", "USES"),
        rows: |outcome| match outcome {
            Outcome::RegistrationTokens(page) => Some((page.tokens, page.next)),
            _ => None,
        },
        line: |row| format!("{:<14} {:<24} {:>6} {}", row.token_id, row.policy, row.uses, shown(row.until_ms)),
    }
}

fn clients() -> List<ClientLine> {
    List {
        member: "clients",
        head: format!("{:<32} {:<8} {:<20} {:<14} NAME", "CLIENT_ID", "KIND", "AUTHENTICATION", "FROM"),
        rows: |outcome| match outcome {
            Outcome::Clients(page) => Some((page.clients, page.next)),
            _ => None,
        },
        line,
    }
}

fn line(row: &ClientLine) -> String {
    if let Some(problem) = &row.problem {
        return format!("{:<32} cannot be read: {problem}", row.client_id);
    }
    let from = match (row.source, row.state.as_str()) {
        (ClientSource::File, "active") => "file".to_owned(),
        (ClientSource::File, state) => format!("file, {state}"),
        (ClientSource::Registered, "active") => format!("import {}", &shown(row.created_ms.unwrap_or(0))[..10]),
        (ClientSource::Itself, "active") => format!("itself {}", &shown(row.created_ms.unwrap_or(0))[..10]),
        (_, "hidden") => "hidden by file".to_owned(),
        (_, state) => state.to_owned(),
    };
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let (kind, authentication, name) = (text(&row.kind), text(&row.authentication), text(&row.name));
    format!("{:<32} {kind:<8} {authentication:<20} {from:<14} {name}", row.client_id)
}

async fn import(desk: &mut Desk, screen: &Screen, operation: ClientOperation, path: Option<PathBuf>) -> Result<u8, Stop> {
    let acts = matches!(operation, ClientOperation::Import { dry_run: false, .. });
    if acts && screen.is_json() && path.is_none() {
        return Err(Problem::invalid("--json shows no secret; add --secrets FILE for those that are made, or --dry-run").into());
    }
    let file = path.filter(|_| acts).map(|it| secrets::create_file(&it)).transpose()?;
    let mut outcome = desk.ask(Operation::Client(operation)).await?;
    let mut made = outcome.take_secrets();
    if let Some(file) = file {
        secrets::write(file, &made)?;
        made.clear();
    }
    let Outcome::ClientsImported(imported) = &outcome else { return Err(unexpected()) };
    screen.outcome(&outcome, |_| import_words(imported, &made))?;
    Ok(u8::from(imported.refused > 0))
}

fn import_words(imported: &Imported, made: &BTreeMap<String, Sensitive>) -> Vec<String> {
    let mut lines = Vec::new();
    for client in &imported.clients {
        let name = client.client_id.as_ref().unwrap_or(&client.name);
        lines.push(match (client.accepted, imported.dry_run) {
            (true, true) => format!("{name}: would be accepted"),
            (true, false) => format!("{name}: accepted"),
            (false, _) => format!("{name}: refused"),
        });
        lines.extend(client.notes.iter().map(|it| format!("    {it}")));
        lines.extend(client.problems.iter().map(|it| format!("  ! {it}")));
        match client.client_id.as_ref().and_then(|it| made.get(it)) {
            Some(secret) => lines.push(format!("    client_secret, shown this once: {}", secret.reveal())),
            None if client.secret_made && !imported.dry_run => lines.push("    client_secret: in the file of secrets".to_owned()),
            None => {}
        }
    }
    lines.push(format!("{} accepted, {} refused", imported.accepted, imported.refused));
    lines
}

fn words(outcome: &Outcome) -> Vec<String> {
    vec![match outcome {
        Outcome::Client(facts) => {
            let secret = facts.secret.as_ref().map(|kept| match kept.master_key {
                Some(version) => format!("a MAC under master key {version}"),
                None => format!("an {} digest", kept.digest),
            });
            let from = match facts.source {
                ClientSource::File => "the configuration file",
                ClientSource::Registered => "import",
                ClientSource::Itself => "itself, by a registration policy",
            };
            let mut lines = vec![
                format!("client_id {}", facts.client_id),
                format!("from      {from}"),
                format!("state     {}", facts.state),
                format!("secret    {}", secret.unwrap_or_else(|| "none".to_owned())),
            ];
            lines.extend(screen::json_lines(&facts.metadata));
            return lines;
        }
        Outcome::RegistrationTokenRevoked { token_id } => format!("the token {token_id} does not work any more"),
        Outcome::ClientState { client_id, state } => format!("{client_id} is {state}"),
        Outcome::ClientSessionsEnded { client_id, grants, people, preview } => {
            let counted = |count: i64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
            let (grants, people) = (counted(*grants, "grant", "grants"), counted(*people, "person", "people"));
            let ended = if *preview { "would end" } else { "ended" };
            format!("{grants} of {people} with {client_id} {ended}, and every token the client has got for itself")
        }
        _ => return Vec::new(),
    }]
}
