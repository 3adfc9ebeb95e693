//! grant_type=token-exchange for a provider's token (RFC 8693 2.1, `audience=upstream:NAME`). An API that received a call for a person gets
//! the token that the provider gave for that person: only where `[upstream.NAME] release` names the API, and only those scopes.

use super::{decision, exchange};
use crate::audit::Entry;
use crate::caller::Caller;
use crate::config::plugin::Moment;
use crate::config::upstream::Release;
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::store::tables::provider_token;
use crate::store::{Change, NotApplied, Value};
use crate::tokens::issue::Accepted;
use crate::upstream::{Kept, Provider, Providers};
use crate::web::reply::{self, Reply};
use serde_json::json;
use symbolon_oauth::form::Form;
use symbolon_oauth::scope::Scope;

/// Stands before a provider's name in `audience`.
const PREFIX: &str = "upstream:";

/// The row of an identity.
struct Row {
    identity: String,
    kept: Kept,
    generation: i64,
}

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
    let kept = usable(core, provider, &accepted, &scopes, caller.now_ms).await?;
    let mut change = Change::new(caller.now_ms);
    let burnt = caller.burn(&mut change);
    let entry = Entry::ok("provider_token_given").account(accepted.token.sub.as_str()).client(caller.client_id.as_str());
    let entry = entry.address(caller.address.to_string()).with("provider", provider.name()).with("scope", kept.scopes.join(" "));
    change.audit(entry.with("subject_jti", accepted.token.jti.as_str()));
    burnt.applied(core.store.apply(change).await)?;
    let lives_s = (kept.ends_ms - caller.now_ms).max(0) / 1000;
    let body = json!({
        "access_token": kept.access_token, "issued_token_type": exchange::ACCESS_TOKEN, "token_type": "Bearer", "expires_in": lives_s,
        "scope": kept.scopes.join(" "),
    });
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
async fn usable(core: &Core, provider: &Provider, accepted: &Accepted, scopes: &[String], now_ms: i64) -> Result<Kept> {
    let account = accepted.token.sub.as_str();
    // Another request may renew at the same moment: what that one got is as good.
    for _ in 0..2 {
        let Some(row) = read(core, account, provider.name()).await? else { return Err(over("there is no token of the person")) };
        if row.kept.is_good_for(scopes, now_ms) {
            return Ok(row.kept);
        }
        let away = |why: String| Refused::new(503, "temporarily_unavailable", "The provider gives no token now.").because(why);
        let renewed = provider.renew(&row.kept, scopes, now_ms).await.map_err(|trouble| away(trouble.why))?;
        let mut change = Change::new(now_ms);
        let (identity, entry) = (|| Value::from(row.identity.as_str()), || Value::from(provider.name()));
        match &renewed {
            Some(kept) => {
                let sealed = kept.seal(&core.keyring, &row.identity)?;
                change.run(provider_token::RENEW, vec![identity(), entry(), row.generation.into(), sealed.into(), now_ms.into()]);
            }
            None => {
                change.run(provider_token::DROP, vec![identity(), entry(), row.generation.into()]);
                let refused = Entry::refused("provider_token_lost", "the provider says that the grant is over");
                change.audit(refused.account(account).with("provider", provider.name()));
            }
        }
        match (core.store.apply(change).await, renewed) {
            (Ok(_), Some(kept)) => return Ok(kept),
            (Ok(_), None) => return Err(over("the provider refused to renew it")),
            (Err(NotApplied::Conflict(_)), _) => {}
            (Err(other), _) => return Err(other.into()),
        }
    }
    Err(over("it was renewed by somebody else all the time"))
}

fn over(why: &'static str) -> crate::error::Error {
    let hint = "There is no token of that provider for this person. They have to sign in with it again.";
    Refused::bad_request("invalid_target", hint).because(why).into()
}

async fn read(core: &Core, account: &str, provider: &str) -> Result<Option<Row>> {
    let Some(row) = core.store.one(provider_token::READ, &[account.into(), provider.into()]).await? else { return Ok(None) };
    let identity = row.text("identity")?.to_owned();
    let kept = Kept::open(&core.keyring, &identity, row.bytes("sealed")?);
    let kept = kept.ok_or_else(|| Fault::new("a provider's token cannot be opened: its master key is not in the list"))?;
    Ok(Some(Row { kept, generation: row.int("generation")?, identity }))
}
