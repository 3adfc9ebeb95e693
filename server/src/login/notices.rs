//! Who hears that something happened to an account. Every notice takes this way, so that one who has just changed the address does not keep
//! the person from hearing of it.

use super::accounts::Account;
use crate::config::Config;
use crate::error::Fault;
use crate::mail::{self, Notice};
use crate::seal::KeyRing;
use crate::store::Change;

/// Adds the letters to a change: one for each address of [`Account::told_at`], in the account's language.
pub fn tell(change: &mut Change, (config, keyring): (&Config, &KeyRing), account: &Account, notice: Notice<'_>) -> Result<(), Fault> {
    let notice = Notice { locale: account.locale.as_deref().unwrap_or(notice.locale), ..notice };
    for to in account.told_at() {
        mail::post_notice(change, config, keyring, to, &notice)?;
    }
    Ok(())
}
