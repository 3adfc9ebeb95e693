//! One person, by any name with which they sign in, or by the `sub` of their tokens. Who signs in at a provider may have no name.

use super::context::Context;
use super::outcome::Factors;
use super::problem::{Problem, Result};
use crate::login::accounts::Account;

const FACTORS: &str = "SELECT kind, COUNT(*) FROM credential WHERE account = $1 GROUP BY kind";
const OPEN: &str = "SELECT COUNT(*) FROM session WHERE account = $1 AND state = 'active'";

pub async fn find(context: &Context, user: &str) -> Result<Account> {
    let found = context.accounts().by_typed_name(user).await?;
    let found = match found {
        Some(account) => Some(account),
        None => context.accounts().by_id(user).await?,
    };
    found.ok_or_else(|| Problem::not_found(format!("nobody signs in as {user}")))
}

/// How many sessions of a person are open.
pub async fn count_open_sessions(context: &Context, account: &str) -> Result<usize> {
    let row = context.store.one(OPEN, &[account.into()]).await?;
    Ok(row.map(|row| row.int(0)).transpose()?.and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
}

pub async fn count_factors(context: &Context, account: &str) -> Result<Factors> {
    let mut factors = Factors::default();
    for row in context.store.all(FACTORS, &[account.into()]).await? {
        let count = usize::try_from(row.int(1)?).unwrap_or(0);
        match row.text(0)? {
            "password" => factors.password = count,
            "totp" => factors.totp = count,
            "recovery" => factors.recovery = count,
            _ => {}
        }
    }
    Ok(factors)
}
