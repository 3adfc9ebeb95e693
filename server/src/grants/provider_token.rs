//! grant_type=token-exchange for a provider's token (RFC 8693 2.1, `audience=upstream:NAME`). An API that received a call for a person gets
//! the token that the provider gave for that person: only where `[upstream.NAME] release` names the API, and only those scopes.

use super::{decision, exchange};
use crate::audit::Entry;
use crate::caller::Caller;
use crate::config::plugin::Moment;
use crate::config::upstream::Release;
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::store::tables::{provider_check, provider_session};
use crate::store::{Change, Value};
use crate::upstream::{Again, Leased, ProviderTokens, Providers, Vault, VaultRow};
use crate::web::reply::{self, Reply};
use serde_json::json;
use std::time::Duration;
use symbolon_oauth::form::Form;
use symbolon_oauth::scope::Scope;

/// Stands before a provider's name in `audience`.
const PREFIX: &str = "upstream:";

/// How often, and for how long, one looks whether somebody else's renewal has come: longer than the calls to a provider mostly take.
const LOOKS: u32 = 60;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The provider that a request names, if it names one.
pub fn named(form: &Form) -> Option<&str> {
    form.all("audience").into_iter().find_map(|it| it.strip_prefix(PREFIX))
}

pub async fn give(core: &Core, providers: &Providers, caller: &Caller, form: &Form) -> Result<Reply> {
    let accepted = exchange::subject_of(core, caller, form).await?;
    let invalid = |hint| Refused::bad_request("invalid_target", hint);
    let is_alone = form.all("audience").len() == 1 && !form.contains("resource");
    let provider = named(form).filter(|_| is_alone).and_then(|it| providers.get(it));
    let released = provider.and_then(|it| Some((it, it.settings.release.as_ref()?)));
    let (provider, release) = released.ok_or_else(|| invalid("Tokens of such a provider are not given."))?;
    let api = core.api_by_audience(&accepted.token.aud).map(|it| it.0);
    if api != Some(release.api.as_str()) {
        return Err(invalid("Tokens of this provider are not for the API of the subject_token.").into());
    }
    let had = accepted.token.scope.as_deref().and_then(Scope::parse).unwrap_or_default();
    let scopes = wanted(release, &had, form)?;
    if let Some(grant) = &accepted.grant {
        decision::must_go(core, caller, grant, Moment::Token).await?;
    }
    let session = accepted.grant.as_ref().map_or(&b""[..], |it| &it.session);
    let wish = WantedToken { account: &accepted.token.sub, provider: provider.name(), session, scopes: &scopes };
    let kept = usable(core, providers, &wish).await?;
    let mut change = Change::new(caller.now_ms);
    let burnt = caller.burn(&mut change);
    let entry = Entry::ok("provider_token_given").account(&*accepted.token.sub).client(caller.client_id.as_str());
    let entry = entry.address(caller.address.to_string()).with("provider", provider.name()).with("scope", kept.scopes.join(" "));
    change.audit(entry.with("subject_jti", &*accepted.token.jti));
    burnt.applied(core.store.apply(change).await)?;
    let mut body = json!({
        "access_token": kept.access_token, "issued_token_type": exchange::ACCESS_TOKEN, "token_type": "Bearer",
        "scope": kept.scopes.join(" "),
    });
    // RFC 8693 2.2.1: left out where the provider does not say it.
    if let Some(ends_ms) = kept.ends_ms {
        body["expires_in"] = ((ends_ms - caller.now_ms).max(0) / 1000).into();
    }
    Ok(reply::json(200, &body))
}

/// The provider's scopes that the request may have: those of the release, or some of them.
fn wanted(release: &Release, had: &Scope, form: &Form) -> Result<Vec<String>> {
    let invalid = |hint| Refused::bad_request("invalid_scope", hint);
    if !had.contains(&release.scope) {
        return Err(invalid("The subject_token lacks the scope that a token of this provider needs.").into());
    }
    let Some(text) = form.get("scope") else { return Ok(release.scopes.clone()) };
    let asked = Scope::parse(text).filter(|it| !it.is_empty()).ok_or_else(|| invalid("The scope parameter is malformed."))?;
    let asked: Vec<String> = asked.iter().map(str::to_owned).collect();
    if asked.iter().all(|it| release.scopes.contains(it)) {
        Ok(asked)
    } else {
        Err(invalid("The provider's tokens are given without this scope.").into())
    }
}

/// A token that may do no more than this. It is renewed where the kept one is over, or may do more.
async fn usable(core: &Core, providers: &Providers, wanted: &WantedToken<'_>) -> Result<ProviderTokens> {
    let vault = Vault { store: core.store.clone(), keyring: core.keyring.clone() };
    for _ in 0..LOOKS {
        let now_ms = core.now_ms();
        let stored = vault.of_person(wanted.account, wanted.provider, wanted.session).await?;
        let stored = stored.ok_or_else(|| over("there is no token of the person"))?;
        if stored.kept.is_good_for(wanted.scopes, now_ms) {
            return Ok(stored.kept);
        }
        if stored.kept.refresh_token.is_none() {
            return Err(over("it is over or may do other things, and came without a refresh token"));
        }
        let renewing = Renewing {
            vault: vault.clone(),
            providers: providers.clone(),
            provider: wanted.provider.to_owned(),
            account: wanted.account.to_owned(),
            scopes: wanted.scopes.to_vec(),
            now_ms,
        };
        // What comes is written even where the caller hangs up meanwhile: the refresh token before may be spent. A stop waits for it.
        let unfinished = core.unfinished.clone().read_owned().await;
        let work = async move {
            let _unfinished = unfinished;
            renewing.renew(stored).await
        };
        let renewed = tokio::spawn(work).await.map_err(|it| Fault::new(format!("a renewal ended early: {it}")))?;
        match renewed? {
            Some(kept) => return Ok(kept),
            None => tokio::time::sleep(BETWEEN_LOOKS).await,
        }
    }
    Err(away("somebody else has been renewing it all the time").into())
}

/// Whose token is wanted, and what it may do.
struct WantedToken<'a> {
    account: &'a str,
    provider: &'a str,
    /// The session behind the subject_token.
    session: &'a [u8],
    scopes: &'a [String],
}

struct Renewing {
    vault: Vault,
    providers: Providers,
    provider: String,
    account: String,
    scopes: Vec<String>,
    now_ms: i64,
}

impl Renewing {
    /// Whoever has the lease renews it, and the others take what came. None: look again. Somebody else renews it, or a sign-in or an unlinking
    /// was quicker.
    async fn renew(self, stored: VaultRow) -> Result<Option<ProviderTokens>> {
        let provider = self.providers.get(&self.provider).ok_or_else(|| Fault::new("there is no such provider"))?;
        let Some(leased) = self.vault.lease(stored, self.now_ms).await? else { return Ok(None) };
        let again = match provider.renew(&leased.stored.kept, &self.scopes, self.now_ms).await {
            Ok(again) => again,
            Err(trouble) => {
                self.vault.let_go(leased, self.now_ms).await?;
                return Err(away(&trouble.why).into());
            }
        };
        let mut change = Change::new(self.now_ms);
        match again {
            Again::Given(kept) => {
                self.vault.replace(&mut change, &leased, &kept)?;
                if !self.vault.apply(change).await? {
                    self.vault.give_back(&leased, &self.account, &kept, self.now_ms).await?;
                    return Ok(None);
                }
                if kept.is_good_for(&self.scopes, self.now_ms) {
                    return Ok(Some(kept));
                }
                Err(away("the provider gives other scopes than were asked for, or a token that ends at once").into())
            }
            // What rests on it has to end: the next round of `asked_again` asks once more, and ends it.
            Again::Refused if provider.settings.check.is_some() && self.something_rests(&leased).await? => {
                leased.let_go(&mut change);
                self.ask_now(&mut change, &leased);
                self.vault.apply(change).await?;
                Err(over("the provider refused to renew it"))
            }
            Again::Refused => {
                leased.delete(&mut change);
                let lost = Entry::refused("provider_token_lost", "the provider says that the grant is over");
                change.audit(lost.account(self.account.as_str()).with("provider", self.provider.as_str()));
                if self.vault.apply(change).await? { Err(over("the provider refused to renew it")) } else { Ok(None) }
            }
        }
    }

    /// Is somebody signed in by this identity and entry?
    async fn something_rests(&self, leased: &Leased) -> Result<bool> {
        let key = [leased.stored.identity.as_str().into(), self.provider.as_str().into()];
        Ok(self.vault.store.one(provider_session::BY_ENTRY, &key).await?.is_some())
    }

    fn ask_now(&self, change: &mut Change, leased: &Leased) {
        let (identity, account): (Value, Value) = (leased.stored.identity.as_str().into(), self.account.as_str().into());
        change.run(provider_check::ASK_NOW, vec![identity, account, self.provider.as_str().into(), change.now_ms().into()]);
    }
}

fn away(why: &str) -> Refused {
    Refused::new(503, "temporarily_unavailable", "The provider gives no token now.").because(why)
}

fn over(why: &'static str) -> crate::error::Error {
    let hint = "There is no token of that provider for this person. They have to sign in with it again.";
    Refused::bad_request("invalid_target", hint).because(why).into()
}
