//! POST /upstream/{name}/events: a provider says what happened to an account there (Apple's server-to-server notifications).
//!
//! As with a logout token, first a cut-off is written, which a sign-in that finishes later meets. An event that comes again does the same
//! for the same instant. It changes nothing of what the person linked or proved after the event.

use super::upstream_logout;
use crate::app::App;
use crate::audit::Entry;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::login::accounts::{self, Account};
use crate::login::deletion;
use crate::login::enrolment::Means;
use crate::login::proof::{AtProvider, link_key};
use crate::login::reading::Accounts;
use crate::login::{notices, waiting};
use crate::mail;
use crate::store::tables::{outside_identity, provider_session, provider_token};
use crate::store::{Change, Expect, NotApplied};
use crate::upstream::{AccountEvent, FailureKind, Happened};
use crate::web::reply::{self, Reply};
use crate::web::request::Incoming;
use serde_json::Value as Json;

/// The longest event that is read.
const LONGEST: usize = 16 * 1024;

pub async fn event(app: &App, incoming: &Incoming) -> Result<Reply> {
    let name = incoming.path("name").unwrap_or_default();
    let provider = app.machine.providers().get(name).filter(|it| it.sends_account_events());
    let Some(provider) = provider else {
        return Err(Refused::new(404, "not_found", "There is no such provider here.").into());
    };
    let payload = incoming.json.get("payload").and_then(Json::as_str).filter(|it| it.len() <= LONGEST);
    let payload = payload.ok_or_else(|| Refused::bad_request("invalid_request", "payload is missing or too long."))?;
    let may_fetch = upstream_logout::may_fetch(app, name, incoming);
    let event = provider.check_account_event(payload, &may_fetch, incoming.now_ms).await.map_err(|trouble| match trouble.kind {
        FailureKind::Away => {
            Refused::new(503, "temporarily_unavailable", "The keys of the provider cannot be had now.").because(trouble.why)
        }
        _ => Refused::bad_request("invalid_request", "This is no event of that provider for this server.").because(trouble.why),
    })?;
    match event.happened {
        None => tracing::info!(provider = name, "an event of a kind that this server does not know"),
        Some(happened @ (Happened::EmailOff | Happened::EmailOn)) => mark_email(app, name, &event, happened).await?,
        Some(happened) => end(app, name, &event, happened).await?,
    }
    Ok(reply::empty(200))
}

/// The address is marked, for whoever wonders why no letter arrives.
async fn mark_email(core: &Core, provider: &str, event: &AccountEvent, happened: Happened) -> Result<()> {
    let Some(account) = accounts::linked(&core.store, &event.issuer, &event.subject).await? else { return Ok(()) };
    let mut change = Change::new(core.now_ms());
    change.once("provider_event", provider, &event.jti, event.until_s.saturating_mul(1000));
    let off_ms = if happened == Happened::EmailOff { event.at_ms } else { 0 };
    let values = vec![event.issuer.as_str().into(), event.subject.as_str().into(), off_ms.into()];
    change.run_expecting(outside_identity::MARK_EMAIL, values, Expect::Any);
    change.audit(said(provider, event, happened, &account));
    apply_event(core, change).await.map(|_| ())
}

fn said(provider: &str, event: &AccountEvent, happened: Happened, account: &str) -> Entry {
    let entry = Entry::ok("provider_account_event").account(account).with("provider", provider);
    entry.with("happened", happened.as_str()).with("identity", link_key(&event.issuer, &event.subject))
}

/// The sessions that rest on the identity end, and the link. The account stays.
async fn end(core: &Core, provider: &str, event: &AccountEvent, happened: Happened) -> Result<()> {
    let identity = link_key(&event.issuer, &event.subject);
    let names = [(provider_session::OF_IDENTITY, identity.clone())];
    let mut change = Change::new(core.now_ms());
    change.once("provider_event", provider, &event.jti, event.until_s.saturating_mul(1000));
    let owner = match accounts::linked(&core.store, &event.issuer, &event.subject).await? {
        Some(id) => Accounts::new(&core.store, &core.config).by_id(&id).await?,
        None => None,
    };
    if let Some(account) = &owner {
        accounts::hold(&mut change, &account.id, account.version);
        let unlinks = unlinks(core, account, (event, &identity), happened);
        if unlinks {
            unlink(core, &mut change, account, &identity)?;
        }
        change.audit(said(provider, event, happened, &account.id).with("unlinked", unlinks));
    }
    upstream_logout::cut_off(&mut change, names.iter().map(|it| it.1.as_str()).chain([sessionless(event).as_str()]), event.at_ms);
    apply_event(core, change).await?;
    upstream_logout::end_twice(core, provider, &names, true).await.map(|_| ())
}

/// How a sign-in is named whose session the provider did not name.
fn sessionless(event: &AccountEvent) -> String {
    AtProvider::name(&event.issuer, None, &event.subject)
}

/// A link that was used after the event stays. So does the last way in, unless nobody can ever use it again: whoever comes back consents
/// anew, and finds the account.
fn unlinks(core: &Core, account: &Account, (event, identity): (&AccountEvent, &str), happened: Happened) -> bool {
    let was_used_later = account.links.iter().any(|link| link.key() == identity && link.used_ms > event.at_ms);
    let without = account.without_link(identity);
    let has_another = core.config.policies().any(|policy| policy.leaves_a_way(&without));
    !was_used_later && (has_another || happened == Happened::AccountDeleted)
}

fn unlink(core: &Core, change: &mut Change, account: &Account, identity: &str) -> Result<()> {
    accounts::raise(change, &account.id);
    waiting::forget(change, &account.id, &Means::Identity(identity.to_owned()).to_string());
    // The provider has ended it already: there is nothing to revoke.
    change.run_expecting(provider_token::DROP_ALL, vec![identity.into(), account.id.as_str().into()], Expect::Any);
    deletion::unlink(change, &account.id, identity, Expect::Any);
    let unlinked = Entry::ok("upstream_unlinked").account(account.id.as_str()).with("identity", identity);
    change.audit(unlinked.with("by", "the provider"));
    let notice = mail::Notice { template: "link_removed", locale: "en", user_agent: None, link: None };
    Ok(notices::tell(change, (&core.config, &core.keyring), account, notice)?)
}

/// An event that came before is done already, but for what may be left of it. Where the account was changed at the same moment, the provider
/// tries again.
async fn apply_event(core: &Core, change: Change) -> Result<()> {
    match core.store.apply(change).await {
        Ok(_) | Err(NotApplied::Conflict(0)) => Ok(()),
        Err(NotApplied::Conflict(_)) => {
            let busy = Refused::new(503, "temporarily_unavailable", "The account is being changed; send the event again.");
            Err(busy.retry_after(5).into())
        }
        Err(other) => Err(other.into()),
    }
}
