//! What a provider gave for a person, as the store has it. One at a time renews it (S-24): many providers give another refresh token each
//! time, and take two uses of one for a theft.

use super::kept::ProviderTokens;
use crate::error::Fault;
use crate::seal::KeyRing;
use crate::store::tables::{outside_identity, provider_revocation, provider_token};
use crate::store::{Change, Expect, Row, Store, Value};

/// Longer than the calls of a renewal take. Whoever died with a lease holds the others up for so long.
const LEASE_MS: i64 = 30_000;

/// Where it is kept.
#[derive(Clone)]
pub struct Vault {
    pub store: Store,
    pub keyring: KeyRing,
}

pub struct VaultRow {
    pub identity: String,
    provider: String,
    pub kept: ProviderTokens,
    generation: i64,
}

/// Nobody else asks the provider with it.
pub struct Leased {
    pub stored: VaultRow,
    until_ms: i64,
}

impl Vault {
    /// Of the person. Of several identities at the provider, the one that this session rests on goes first.
    pub async fn of_person(&self, account: &str, provider: &str, session: &[u8]) -> Result<Option<VaultRow>, Fault> {
        let Some(row) = self.store.one(provider_token::READ, &[account.into(), provider.into(), session.into()]).await? else {
            return Ok(None);
        };
        self.open((row.text("identity")?, provider), &row).map(Some)
    }

    /// Of an identity, by one entry of the configuration.
    pub async fn of_identity(&self, (identity, provider): (&str, &str), account: &str) -> Result<Option<VaultRow>, Fault> {
        let row = self.store.one(provider_token::OF_IDENTITY, &[identity.into(), provider.into(), account.into()]).await?;
        row.map(|row| self.open((identity, provider), &row)).transpose()
    }

    fn open(&self, (identity, provider): (&str, &str), row: &Row) -> Result<VaultRow, Fault> {
        let kept = ProviderTokens::open(&self.keyring, identity, row.bytes("sealed")?);
        let kept = kept.ok_or_else(|| Fault::new("a provider's token cannot be opened: its master key is not in the list"))?;
        Ok(VaultRow { identity: identity.to_owned(), provider: provider.to_owned(), kept, generation: row.int("generation")? })
    }

    /// None: somebody else asks the provider now, or has asked it meanwhile.
    pub async fn lease(&self, stored: VaultRow, now_ms: i64) -> Result<Option<Leased>, Fault> {
        let until_ms = now_ms + LEASE_MS;
        let mut change = Change::new(now_ms);
        change.run(provider_token::LEASE, [stored.name().as_slice(), &[until_ms.into(), now_ms.into()]].concat());
        Ok(self.apply(change).await?.then_some(Leased { stored, until_ms }))
    }

    /// The provider gave nothing: the next one may ask.
    pub async fn let_go(&self, leased: Leased, now_ms: i64) -> Result<(), Fault> {
        let mut change = Change::new(now_ms);
        leased.let_go(&mut change);
        self.apply(change).await.map(|_| ())
    }

    /// False: somebody else was quicker.
    pub async fn apply(&self, change: Change) -> Result<bool, Fault> {
        self.store.try_apply(change, "renewing what a provider gave").await
    }

    /// What came could not be kept. Where the link is gone, it is revoked at the provider, as what was kept is.
    pub async fn give_back(&self, leased: &Leased, account: &str, next: &ProviderTokens, now_ms: i64) -> Result<(), Fault> {
        let identity = leased.stored.identity.as_str();
        if next.refresh_token.is_none() || self.store.one(outside_identity::IS_LINKED, &[account.into(), identity.into()]).await?.is_some()
        {
            return Ok(());
        }
        let mut change = Change::new(now_ms);
        let sealed = next.seal(&self.keyring, identity)?;
        let values = vec![identity.into(), leased.stored.provider.as_str().into(), account.into(), sealed.into(), now_ms.into()];
        change.run_expecting(provider_revocation::ADD, values, Expect::Any);
        self.apply(change).await.map(drop)
    }

    /// What came takes the place of what was held.
    pub fn replace(&self, change: &mut Change, leased: &Leased, next: &ProviderTokens) -> Result<(), Fault> {
        let sealed = next.seal(&self.keyring, &leased.stored.identity)?;
        let values: [Value; 2] = [sealed.into(), change.now_ms().into()];
        change.run(provider_token::RENEW, [leased.stored.name().as_slice(), &values].concat());
        Ok(())
    }
}

impl VaultRow {
    fn name(&self) -> [Value; 3] {
        [self.identity.as_str().into(), self.provider.as_str().into(), self.generation.into()]
    }
}

impl Leased {
    pub fn let_go(&self, change: &mut Change) {
        let values = [self.stored.name().as_slice(), &[self.until_ms.into()]].concat();
        change.run_expecting(provider_token::LET_GO, values, Expect::Any);
    }

    pub fn delete(&self, change: &mut Change) {
        change.run(provider_token::DROP, self.stored.name().to_vec());
    }
}
