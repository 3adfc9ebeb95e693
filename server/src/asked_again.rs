//! Providers are asked again whether their people may still come (`check` of `[upstream.NAME]`): by the refresh token that came with the
//! sign-in. Only a definite refusal ends anything (RFC 6749 5.2 `invalid_grant`), and only sessions that the provider proved. An outage
//! changes nothing until `max_age`.

use crate::audit::Entry;
use crate::config::upstream::RepeatedCheck;
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::grants::{Grant, invalid_grant};
use crate::sessions;
use crate::store::tables::{provider_check, provider_session};
use crate::store::{Change, Expect, Row, Value};
use crate::upstream::{Again, Leased, Provider, ProviderTokens, Providers, Trouble, Vault};

/// How long one node has for one question before another may ask.
const LEASE_MS: i64 = 30_000;
/// After a question without an answer.
const AGAIN_MS: i64 = 60_000;
/// Of a write that failed.
const WHAT: &str = "asking a provider again";

/// An identity that is asked about, at the entry by which the person came.
struct IdentityToAsk {
    identity: String,
    provider: String,
    account: String,
}

impl IdentityToAsk {
    fn key(&self) -> [Value; 2] {
        [self.identity.as_str().into(), self.provider.as_str().into()]
    }

    fn with<const MORE: usize>(&self, more: [Value; MORE]) -> Vec<Value> {
        self.key().into_iter().chain(more).collect()
    }
}

fn rule<'a>(core: &'a Core, provider: &str) -> Option<&'a RepeatedCheck> {
    core.config.upstream.get(provider)?.check.as_ref()
}

fn vault(core: &Core) -> Vault {
    Vault { store: core.store.clone(), keyring: core.keyring.clone() }
}

fn is_wanted(core: &Core) -> bool {
    core.config.upstream.values().any(|it| it.check.is_some())
}

/// One round: what is due.
pub async fn round(core: &Core, providers: &Providers) -> std::result::Result<(), Fault> {
    if !is_wanted(core) {
        return Ok(());
    }
    let now_ms = core.now_ms();
    let rows = core.store.all(provider_check::DUE, &[now_ms.into()]).await?;
    // A provider that is slow holds no other one up.
    let asked = futures_util::future::join_all(rows.iter().map(|row| ask(core, providers, row, now_ms))).await;
    asked.into_iter().collect()
}

async fn ask(core: &Core, providers: &Providers, row: &Row, now_ms: i64) -> std::result::Result<(), Fault> {
    let name = row.text("provider")?;
    let asked =
        IdentityToAsk { identity: row.text("identity")?.to_owned(), provider: name.to_owned(), account: row.text("account")?.to_owned() };
    let mut claim = Change::new(now_ms);
    claim.run(provider_check::CLAIM, asked.with([(now_ms + LEASE_MS).into(), row.int("next_ms")?.into()]));
    if !core.store.try_apply(claim, WHAT).await? {
        return Ok(());
    }
    let Some((provider, check)) = providers.get(name).zip(rule(core, name)) else {
        return write(core, provider_check::LATER, asked.with([0.into()])).await;
    };
    // The person is not signed in here any more, so the provider is not asked.
    if core.store.one(provider_session::BY_ENTRY, &asked.key()).await?.is_none() {
        return write(core, provider_check::DONE, asked.with([])).await;
    }
    let vault = vault(core);
    let stored = vault.of_identity((&asked.identity, name), &asked.account).await?.filter(|it| it.kept.refresh_token.is_some());
    let Some(stored) = stored else { return write(core, provider_check::LATER, asked.with([0.into()])).await };
    // An API's request asks the provider now: its answer is as good, and the next round looks at it.
    let Some(leased) = vault.lease(stored, now_ms).await? else {
        return write(core, provider_check::LATER, asked.with([(now_ms + 1).into()])).await;
    };
    match provider.stands_by(&leased.stored.kept, now_ms).await {
        Ok(Again::Given(next)) => {
            count(provider, "confirmed");
            confirm(core, &asked, &leased, &next, now_ms + check.every.ms()).await
        }
        Ok(Again::Refused) => {
            count(provider, "refused");
            end(core, provider, &asked, &leased).await
        }
        Err(Trouble { why, .. }) => {
            count(provider, "no_answer");
            if provider.may_be_said(now_ms) {
                tracing::warn!(provider = name, why, "a provider could not be asked whether people may still come; it is asked again");
            }
            vault.let_go(leased, now_ms).await?;
            write(core, provider_check::LATER, asked.with([(now_ms + AGAIN_MS).into()])).await
        }
    }
}

async fn confirm(
    core: &Core,
    asked: &IdentityToAsk,
    leased: &Leased,
    next: &ProviderTokens,
    next_ms: i64,
) -> std::result::Result<(), Fault> {
    let mut change = Change::new(core.now_ms());
    let now_ms = change.now_ms();
    let vault = vault(core);
    vault.replace(&mut change, leased, next)?;
    change.run_expecting(provider_check::CONFIRMED, asked.with([now_ms.into(), next_ms.into()]), Expect::Any);
    if !core.store.try_apply(change, WHAT).await? {
        vault.give_back(leased, &asked.account, next, now_ms).await?;
    }
    Ok(())
}

/// The provider refuses for good. A sign-in that was quicker brought another token, and then nothing ends.
async fn end(core: &Core, provider: &Provider, asked: &IdentityToAsk, leased: &Leased) -> std::result::Result<(), Fault> {
    let mut is_first = true;
    loop {
        let rows = core.store.all(provider_session::BY_ENTRY, &asked.key()).await?;
        if rows.is_empty() && !is_first {
            return Ok(());
        }
        let mut change = Change::new(core.now_ms());
        if is_first {
            leased.delete(&mut change);
            let entry = Entry::refused("provider_refused", "the provider says that the grant is over").account(asked.account.as_str());
            change.audit(entry.with("provider", provider.name()).with("sessions", rows.len()));
        }
        for row in &rows {
            let id: [u8; 16] = row.bytes("session")?.try_into().map_err(|_| Fault::new("a session id has 16 bytes"))?;
            sessions::end(core, &mut change, &id, row.text("account")?, "provider_refused");
        }
        change.run_expecting(provider_check::DONE, asked.with([]), Expect::Any);
        if !core.store.try_apply(change, WHAT).await? {
            return Ok(());
        }
        is_first = false;
    }
}

async fn write(core: &Core, sql: &'static str, values: Vec<Value>) -> std::result::Result<(), Fault> {
    let mut change = Change::new(core.now_ms());
    change.run_expecting(sql, values, Expect::Any);
    core.store.try_apply(change, WHAT).await.map(drop)
}

fn count(provider: &Provider, outcome: &'static str) {
    metrics::counter!("symbolon_upstream_checks_total", "provider" => provider.name().to_owned(), "outcome" => outcome).increment(1);
}

/// At a refresh: has each provider that the session rests on confirmed the person within its `max_age`?
pub async fn must_be_confirmed(core: &Core, grant: &Grant, now_ms: i64) -> Result<()> {
    if !is_wanted(core) {
        return Ok(());
    }
    for row in core.store.few(provider_check::OF_SESSION, &[Value::from(&grant.session[..])]).await? {
        let Some(check) = rule(core, row.text("provider")?) else { continue };
        let confirmed_ms = row.opt_int("checked_ms")?.unwrap_or(0).max(row.int("left_ms")?);
        if now_ms - confirmed_ms < check.max_age.ms() {
            continue;
        }
        let why = "the provider has not confirmed the person within max_age";
        // A provider that can be asked may answer again; one that cannot wants the person.
        return Err(match row.opt_int("renewable")? {
            Some(1) => Refused::new(503, "temporarily_unavailable", "The person's provider does not answer; try again later.")
                .because(why)
                .retry_after(60)
                .into(),
            _ => invalid_grant("The person has to sign in at the provider again.").because(why).audited().into(),
        });
    }
    Ok(())
}
