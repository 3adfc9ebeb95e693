//! What a provider gave for a person is revoked there, once the link or the account is gone here (`revoke` of `[upstream.NAME]`). RFC 7009.
//! The person does not wait for it: what is to be revoked is a row of the change that unlinks, and is tried for a day.

use crate::audit::Entry;
use crate::core::Core;
use crate::error::Fault;
use crate::store::tables::provider_revocation::{CLAIM, DONE, DUE};
use crate::store::{Change, Expect, Row, Value};
use crate::upstream::{ProviderTokens, Providers, Revoked};

/// How long one node has for one token before another may try.
const LEASE_MS: i64 = 30_000;
const HOUR_MS: i64 = 3_600_000;
const GIVE_UP_MS: i64 = 24 * HOUR_MS;

/// One round: what is due.
pub async fn round(core: &Core, providers: &Providers) -> Result<(), Fault> {
    let now_ms = core.now_ms();
    let rows = core.store.all(DUE, &[now_ms.into()]).await?;
    // A provider that is slow holds no other one up.
    let done = futures_util::future::join_all(rows.iter().map(|row| revoke(core, providers, row, now_ms))).await;
    done.into_iter().collect()
}

fn key(row: &Row) -> Result<Vec<Value>, Fault> {
    Ok(vec![row.text("identity")?.into(), row.text("provider")?.into(), row.int("since_ms")?.into()])
}

async fn revoke(core: &Core, providers: &Providers, row: &Row, now_ms: i64) -> Result<(), Fault> {
    let (attempts, next_ms) = (row.int("attempts")?, row.int("next_ms")?);
    let wait_ms = (LEASE_MS << attempts.clamp(0, 8)).min(HOUR_MS);
    let mut claim = Change::new(now_ms);
    claim.run(CLAIM, [key(row)?, vec![(now_ms + wait_ms).into(), next_ms.into()]].concat());
    if !core.store.try_apply(claim, "claiming what is to be revoked").await? {
        return Ok(());
    }
    // Whoever has linked the identity again meanwhile keeps what the provider gives. Where nobody wants it revoked, the row is all there was.
    let provider = providers.get(row.text("provider")?).filter(|it| it.settings.revoke);
    let Some(provider) = provider.filter(|_| row.int("linked").is_ok_and(|linked| linked == 0)) else {
        return finish(core, row, None).await;
    };
    let Some(kept) = ProviderTokens::open(&core.keyring, row.text("identity")?, row.bytes("sealed")?) else {
        return finish(core, row, Some("it cannot be opened: its master key is not in the list".to_owned())).await;
    };
    match provider.revoke(&kept, now_ms).await {
        Ok(Revoked::Yes) => finish(core, row, Some(String::new())).await,
        Ok(Revoked::Never(why)) => finish(core, row, Some(why)).await,
        Err(trouble) if now_ms - row.int("since_ms")? >= GIVE_UP_MS => finish(core, row, Some(trouble.why)).await,
        Err(trouble) => {
            tracing::warn!(provider = provider.name(), why = trouble.why, "a provider's token could not be revoked; it is tried again");
            Ok(())
        }
    }
}

/// `why` it failed. Empty: it succeeded. None: nothing is written into the audit.
async fn finish(core: &Core, row: &Row, why: Option<String>) -> Result<(), Fault> {
    let mut change = Change::new(core.now_ms());
    change.run_expecting(DONE, key(row)?, Expect::Any);
    if let Some(why) = why {
        let entry = match why.as_str() {
            "" => Entry::ok("provider_token_revoked"),
            why => Entry::refused("provider_token_revoked", why.to_owned()),
        };
        change.audit(entry.account(row.text("account")?).with("provider", row.text("provider")?));
    }
    core.store.apply(change).await.map(|_| ()).map_err(|it| it.into_fault("noting what was revoked at a provider"))
}
