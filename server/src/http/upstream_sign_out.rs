//! GET /upstream/{name}/sign-out and /upstream/{name}/signed-out: who signed out here is led to the provider's sign-out and back. OpenID
//! Connect RP-Initiated Logout 1.0 2 and 3, as the relying party. The session here is over before, whatever the provider does.

use super::pages;
use super::reply::{self, Reply};
use crate::app::App;
use crate::audit::Entry;
use crate::error::{Error, Fault, Refused, Result};
use crate::login::step::Step;
use crate::sessions::{self, Session};
use crate::store::tables::{provider_hint, provider_session};
use crate::store::{Change, Value};
use crate::upstream::{Hint, HintOf, Provider};
use crate::web::request::Incoming;
use serde::{Deserialize, Serialize};
use symbolon_oauth::base64url;

/// In the query of the page of /logout that leads on after a form. Whoever writes it himself gets a page in place of a redirect.
pub const SIGNED_OUT: &str = "signed_out";
/// From our page to the provider's.
const LEAVES_MS: i64 = 5 * 60_000;
/// The person may think about it there.
const RETURNS_MS: i64 = 3_600_000;

/// What goes on after the provider, as the query of our own /logout.
#[derive(Serialize, Deserialize)]
struct Onward {
    query: String,
    at_ms: i64,
    /// Identity and name of the session at the provider, whose ID token may be kept.
    #[serde(default)]
    of: Option<(String, String)>,
}

/// A provider that a session rests on, and by what.
pub struct RestsOn<'a> {
    pub provider: &'a Provider,
    identity: String,
    sid: String,
}

/// Issuers may share a master key: what one of them sealed is nothing to another.
fn sealed_at(issuer: &str, provider: &str) -> String {
    format!("upstream/{issuer}/{provider}/sign-out")
}

fn back(app: &App, provider: &str) -> String {
    app.url(&format!("/upstream/{provider}/signed-out"))
}

/// The page of ours that leads to the provider which the session rests on. None: no provider is told.
pub async fn begin(app: &App, (session, rests_on): (&Session, &[RestsOn<'_>]), query: String, now_ms: i64) -> Result<Option<String>> {
    let Some(RestsOn { provider, identity, sid }) = rests_on.iter().find(|it| it.provider.settings.sign_out) else { return Ok(None) };
    let of = provider.settings.sign_out_hint.then(|| (identity.clone(), sid.clone()));
    let onward = serde_json::to_vec(&Onward { query, at_ms: now_ms, of }).map_err(|it| Fault::new(it.to_string()))?;
    let state = base64url::encode(&app.keyring.seal(&sealed_at(&app.config.issuer, provider.name()), &onward)?);
    let entry = match provider.sign_out_url((&back(app, provider.name()), &state), None, now_ms).await {
        Ok(Some(_)) => Entry::ok("sign_out_passed_on"),
        Ok(None) => Entry::refused("sign_out_passed_on", "the provider has no end_session_endpoint"),
        Err(trouble) => Entry::refused("sign_out_passed_on", trouble.why),
    };
    let leads_on = entry.outcome == "ok";
    let mut change = Change::new(now_ms);
    let entry = entry.account(session.account.as_str()).session(sessions::public_id(app, &session.id));
    change.audit(entry.with("provider", provider.name()));
    app.store.apply(change).await?;
    Ok(leads_on.then(|| app.url(&format!("/upstream/{}/sign-out?state={state}", provider.name()))))
}

/// The providers that a session rests on: the entries of the configuration by which its person came.
pub async fn rests_on<'a>(app: &'a App, session: &Session) -> Result<Vec<RestsOn<'a>>> {
    if app.config.upstream.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for row in app.store.all(provider_session::OF_SESSION, &[Value::from(&session.id[..])]).await? {
        let (identity, sid) = (row.text("identity")?.to_owned(), row.text("sid")?.to_owned());
        let provider = app.machine.providers().get(row.text("provider")?);
        found.extend(provider.map(|provider| RestsOn { provider, identity, sid }));
    }
    Ok(found)
}

/// The ID token of the session there, as long as it is kept.
async fn hint(app: &App, provider: &str, onward: &Onward, now_ms: i64) -> Result<Option<Hint>> {
    let Some((identity, sid)) = &onward.of else { return Ok(None) };
    let values = [identity.as_str().into(), provider.into(), sid.as_str().into(), now_ms.into()];
    let Some(row) = app.store.one(provider_hint::READ, &values).await? else { return Ok(None) };
    Ok(Hint::open(&app.keyring, HintOf { identity, provider, sid }, row.bytes("sealed")?))
}

fn over() -> Error {
    Refused::new(404, "not_found", "This sign-out is over. You are signed out here.").into()
}

fn read(app: &App, incoming: &Incoming, lives_ms: i64) -> Result<Onward> {
    let name = incoming.path("name").unwrap_or_default();
    let sealed = incoming.parameters().get("state").and_then(base64url::decode).ok_or_else(over)?;
    let plain = app.keyring.open(&sealed_at(&app.config.issuer, name), &sealed).ok_or_else(over)?;
    let onward: Onward = serde_json::from_slice(&plain).map_err(|_| over())?;
    if (0..lives_ms).contains(&(incoming.now_ms - onward.at_ms)) { Ok(onward) } else { Err(over()) }
}

/// A form does not lead away from here, so this page does.
pub async fn leave(app: &App, incoming: &Incoming) -> Result<Reply> {
    let onward = read(app, incoming, LEAVES_MS)?;
    let name = incoming.path("name").unwrap_or_default();
    let provider = app.machine.providers().get(name).filter(|it| it.settings.sign_out).ok_or_else(over)?;
    let state = incoming.parameters().get("state").unwrap_or_default();
    let hint = hint(app, name, &onward, incoming.now_ms).await?;
    let url = provider.sign_out_url((&back(app, name), state), hint.as_ref(), incoming.now_ms).await;
    match url {
        Ok(Some(url)) => pages::lead_on(app, incoming, &url),
        Ok(None) => Err(over()),
        Err(trouble) => Err(Refused::new(503, "temporarily_unavailable", "The provider does not answer. You are signed out here.")
            .because(trouble.why)
            .into()),
    }
}

/// The person is back from the provider. Our own /logout judges again where the way leads.
pub fn returned(app: &App, incoming: &Incoming) -> Result<Reply> {
    let onward = read(app, incoming, RETURNS_MS)?;
    if onward.query.is_empty() {
        return pages::shown_alone(app, incoming, 200, &Step::new("signed_out"), None);
    }
    Ok(reply::see_other(&app.url(&format!("/logout?{}&{}", onward.query, SIGNED_OUT))))
}
