//! One person, by any name with which they sign in, or by the `sub` of their tokens. Who signs in at a provider may have no name.

use super::context::Context;
use super::outcome::Factors;
use super::problem::{Problem, Result};
use crate::login::accounts::Account;
use crate::store::tables::account::COUNT_FACTORS;
use crate::store::tables::session::COUNT_ACTIVE;

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
    let row = context.store.one(COUNT_ACTIVE, &[account.into()]).await?;
    Ok(row.map(|row| row.int("count")).transpose()?.and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
}

pub async fn count_factors(context: &Context, account: &str) -> Result<Factors> {
    let mut factors = Factors::default();
    for row in context.store.all(COUNT_FACTORS, &[account.into()]).await? {
        let count = usize::try_from(row.int("count")?).unwrap_or(0);
        match row.text("kind")? {
            "password" => factors.password = count,
            "totp" => factors.totp = count,
            "recovery" => factors.recovery = count,
            _ => {}
        }
    }
    Ok(factors)
}
