//! Reads accounts, whole and under the present configuration: every part that a rule may ask about is there, wherever the account comes from.

use super::accounts::{self, Account, Link};
use super::names;
use super::passkeys::PasskeyKind;
use crate::config::Config;
use crate::error::Fault;
use crate::store::tables::account::{BY_ID, BY_NAME, BY_SESSION};
use crate::store::tables::outside_identity::OF_ACCOUNT;
use crate::store::tables::passkey::{KINDS, OWNER};
use crate::store::{Row, Store};

/// The accounts of a store.
#[derive(Clone, Copy)]
pub struct Accounts<'a> {
    store: &'a Store,
    config: &'a Config,
}

impl<'a> Accounts<'a> {
    pub fn new(store: &'a Store, config: &'a Config) -> Self {
        Self { store, config }
    }

    pub async fn by_id(&self, id: &str) -> Result<Option<Account>, Fault> {
        self.whole(&self.store.few(BY_ID, &[id.into()]).await?).await
    }

    /// The account of an active session, and the session in the columns of `session::READ`: one read has both.
    pub async fn by_session(&self, id: &[u8]) -> Result<Option<(Row, Account)>, Fault> {
        let rows = self.store.few(BY_SESSION, &[id.into()]).await?;
        let Some(session) = rows.first() else { return Ok(None) };
        Ok(self.whole(&rows).await?.map(|account| (session.clone(), account)))
    }

    /// The account that a login name belongs to. `name` is canonical.
    pub async fn by_name(&self, name: &str) -> Result<Option<Account>, Fault> {
        self.whole(&self.store.few(BY_NAME, &[name.into()]).await?).await
    }

    /// The same, by the name as it was typed.
    pub async fn by_typed_name(&self, typed: &str) -> Result<Option<Account>, Fault> {
        Ok(self.named(typed).await?.1)
    }

    /// The one spelling of a name that was typed, and whose it is. A name that nobody can have is a name like any other. It has its own
    /// limits and its own nobody. The spelling and the number of questions follow from what was typed alone, whoever has it (300-H).
    pub async fn named(&self, typed: &str) -> Result<(String, Option<Account>), Fault> {
        if typed.trim().is_empty() {
            return Ok((String::new(), None));
        }
        let (name, former) = (names::canonical(typed), names::former_spelling(typed));
        let by_former = match former.as_ref().filter(|former| name.as_ref() != Some(*former)) {
            Some(former) => self.by_name(former).await?,
            None => None,
        };
        let by_name = match &name {
            Some(name) => self.by_name(name).await?,
            None => None,
        };
        // No name begins with a space, so that this is nobody else's. Typed once more, it is the same.
        let of_nobody = || format!(" {}", typed.trim_matches(' ').chars().take(200).collect::<String>().to_lowercase());
        Ok((name.or(former).unwrap_or_else(of_nobody), by_former.or(by_name)))
    }

    /// The account that a passkey of the present RP ID belongs to. `id`: base64url.
    pub async fn by_passkey(&self, id: &str) -> Result<Option<Account>, Fault> {
        let owner = self.store.one(OWNER, &[self.rp_id().into(), id.into()]).await?;
        // As many questions for nobody as for somebody (300-H).
        let owner = owner.as_ref().map(|row| row.text("account")).transpose()?;
        self.by_id(owner.unwrap_or_default()).await
    }

    /// The links of an account, oldest first.
    pub async fn links_of(&self, account: &str) -> Result<Vec<Link>, Fault> {
        let rows = self.store.few(OF_ACCOUNT, &[account.into()]).await?;
        let link = |row: &Row| -> Result<Link, Fault> {
            let (method, issuer) = (row.text("method")?, row.text("issuer")?);
            Ok(Link {
                lets_in_by: self.config.methods_of_link(method, issuer),
                method: method.to_owned(),
                issuer: issuer.to_owned(),
                subject: row.text("subject")?.to_owned(),
                said: row.text("said")?.to_owned(),
                shows: row.text("claims")?.to_owned(),
                created_ms: row.int("created_ms")?,
                used_ms: row.int("used_ms")?,
            })
        };
        rows.iter().map(link).collect()
    }

    /// A passkey was made under the configuration of its day, and counts under the present one. Where every kind is accepted nothing is asked.
    async fn judge_passkeys(&self, found: &mut Option<Account>) -> Result<(), Fault> {
        let accepted = self.config.passkeys.accepted();
        if accepted.all() {
            return Ok(());
        }
        let mut refused = Vec::new();
        for row in self.store.few(KINDS, &[found.as_ref().map_or("", |account| &account.id).into()]).await? {
            if accepted.refuses(PasskeyKind::read(&row)?).is_some() {
                refused.push(row.text("public_id")?.to_owned());
            }
        }
        if let Some(account) = found {
            account.refuse_passkeys(&refused);
        }
        Ok(())
    }

    /// Nobody has links where nothing is configured that could make one, and nothing is asked then. Else it is asked for nobody as well, so
    /// that time does not tell a name that somebody has (300-H).
    async fn whole(&self, rows: &[Row]) -> Result<Option<Account>, Fault> {
        let mut found = accounts::from_rows(rows, || self.rp_id())?;
        self.judge_passkeys(&mut found).await?;
        if !self.config.has_linked_methods() {
            return Ok(found);
        }
        let links = self.links_of(found.as_ref().map_or("", |account| &account.id)).await?;
        Ok(found.map(|account| Account { links, ..account }))
    }

    fn rp_id(&self) -> String {
        self.config.passkeys.rp_id(&self.config.issuer)
    }
}
