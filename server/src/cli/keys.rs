//! `symbolon key` and `symbolon token`.

use super::desk::Desk;
use super::lists::{self, List, ListArgs};
use super::screen::{self, Screen, Stop};
use super::text::{counted, shown};
use crate::operations::{KeyLine, KeyOperation, Operation, Outcome, Rewrapped, TokenOperation};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum KeyCommand {
    /// The keys and their times.
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Publish the next key now; it signs once every cache can know it.
    Rotate {
        #[arg(long, default_value = "ES256")]
        alg: String,
        /// The present key is stolen: sign with the new one now and withdraw the old one.
        #[arg(long)]
        at_once: bool,
    },
    /// Seal what is kept in the store under the newest master key, so that an older one can go. Says what still needs that.
    Rewrap,
}

#[derive(Subcommand)]
pub enum TokenCommand {
    /// The claims an API would receive.
    Preview {
        #[arg(long, allow_hyphen_values = true)]
        client: String,
        #[arg(long)]
        scope: Option<String>,
        /// The audience of the API, where the scopes alone do not say which.
        #[arg(long)]
        resource: Option<String>,
        /// Without it: a token of the client itself.
        #[arg(long)]
        user: Option<String>,
    },
}

pub async fn key(desk: &mut Desk, screen: &Screen, action: KeyCommand) -> Result<u8, Stop> {
    let operation = match action {
        KeyCommand::List { list } => {
            return lists::print(desk, screen, &list, &keys(), |paging| Operation::Key(KeyOperation::List { paging })).await;
        }
        KeyCommand::Rotate { alg, at_once } => KeyOperation::Rotate { alg, at_once },
        KeyCommand::Rewrap => KeyOperation::Rewrap {},
    };
    let outcome = desk.ask(Operation::Key(operation)).await?;
    screen.outcome(&outcome, words)?;
    Ok(0)
}

pub async fn token(desk: &mut Desk, screen: &Screen, action: TokenCommand) -> Result<u8, Stop> {
    let TokenCommand::Preview { client, scope, resource, user } = action;
    let outcome = desk.ask(Operation::Token(TokenOperation::Preview { client_id: client, scope, resource, user })).await?;
    screen.outcome(&outcome, words)?;
    Ok(0)
}

fn keys() -> List<KeyLine> {
    List {
        member: "keys",
        head: format!("{:<44} {:<6} {:<21} {:<21} PUBLISHED UNTIL", "KID", "ALG", "SIGNS FROM", "SIGNS UNTIL"),
        rows: |outcome| match outcome {
            Outcome::Keys(page) => Some((page.keys, page.next)),
            _ => None,
        },
        line: |row| {
            let (from, until, published) = (shown(row.signs_from_ms), shown(row.signs_until_ms), shown(row.published_until_ms));
            format!("{:<44} {:<6} {from:<21} {until:<21} {published}", row.kid, row.alg)
        },
    }
}

fn words(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::KeyRotated { kid, at_once, .. } => {
            let how = if *at_once { "signs now; every other key of its algorithm is withdrawn" } else { "is published and will sign" };
            vec![format!("{kid} {how}. Other nodes notice within ten seconds.")]
        }
        Outcome::KeysRewrapped(done) => rewrapped(done),
        Outcome::TokenPreview(preview) => screen::json_lines(preview),
        _ => Vec::new(),
    }
}

fn rewrapped(done: &Rewrapped) -> Vec<String> {
    let (keys, authenticators, newest) = (done.signing_keys, done.authenticators, done.master_key);
    let (keys, authenticators) = (counted(keys, "signing key"), counted(authenticators, "authenticator"));
    let mut lines = vec![format!("{keys} and {authenticators} moved to master key {newest}.")];
    if done.provider_tokens > 0 {
        lines.push(format!("{} of providers moved too.", counted(done.provider_tokens, "token")));
    }
    let Some(older) = &done.older else { return lines };
    let versions: Vec<String> = older.master_keys.iter().map(u8::to_string).collect();
    lines.push(format!("Before master key {} leaves the list:", versions.join(", ")));
    lines.push(format!("  refresh tokens that were not used since need it until {}", shown(older.refresh_tokens_until_ms)));
    if older.recovery_codes > 0 {
        let count = older.recovery_codes;
        lines.push(format!("  the recovery codes made under it ({count} in all) work no longer; people make new ones on their page"));
    }
    for name in &older.remake_secrets_of {
        lines.push(format!("  ! {name} has a secret under it: make a new one (`symbolon client secret --hmac`)"));
    }
    lines
}
