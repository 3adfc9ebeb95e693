//! POST /revoke. RFC 7009. Unknown tokens and other clients' tokens are answered 200 alike: no oracle (485-O). A refresh token takes its
//! grant with it, and so every access token of the grant (483-O). Possession of a string alone never ends anything. The token is the newest
//! or the one before, and what holds it is proved as at the token endpoint.

use super::reply::{self, Reply};
use crate::app::App;
use crate::audit;
use crate::caller::Caller;
use crate::error::{Refused, Result};
use crate::grants::{self, Grant, GrantState};
use crate::store::tables::once::REVOKE;
use crate::store::{Change, Expect};
use crate::tokens::handles::{Handle, Kind};
use crate::tokens::issue;
use crate::web::request::Incoming;

pub async fn revoke(app: &App, incoming: &Incoming, caller: &Caller) -> Result<Reply> {
    let token = incoming.form.get("token").ok_or_else(|| Refused::bad_request("invalid_request", "The token parameter is missing."))?;
    let mut change = Change::new(incoming.now_ms);
    let found = match app.handles.read(Kind::Refresh, token) {
        Some(handle) => revoke_refresh_token(app, caller, &handle, &mut change).await?,
        None => revoke_access_token(app, caller, token, &mut change).await?,
    };
    let burnt = caller.burn(&mut change);
    if found || !burnt.is_empty() {
        burnt.applied(app.store.apply(change).await)?;
    }
    Ok(reply::empty(200))
}

async fn revoke_refresh_token(app: &App, caller: &Caller, handle: &Handle, change: &mut Change) -> Result<bool> {
    let Some(grant) = grants::read(app, &handle.id, handle.number).await? else { return Ok(false) };
    if !handle.belongs_to(&grant.salt) || grant.client != caller.client_id {
        tracing::info!("revocation of a token that is not the caller's");
        return Ok(false);
    }
    if grant.state == GrantState::Ended {
        return Ok(false);
    }
    must_be_held(app, caller, &grant).await?;
    // RFC 7009 2.2: an invalid token is no error. An old one lies in logs and backups.
    if handle.generation.saturating_add(1) < grant.generation {
        grant.say_once(app, caller, "revocation_refused", "a token that was replaced long ago").await?;
        return Ok(false);
    }
    grant.end(change);
    change.audit(grant.entry(app, audit::Entry::ok("grant_revoked"), caller));
    Ok(true)
}

/// The app must not believe that it signed out, so this is an error and no silent 200 (docs/divergences.md).
async fn must_be_held(app: &App, caller: &Caller, grant: &Grant) -> Result<()> {
    match grant.must_be_held_by(caller) {
        Ok(()) => Ok(()),
        Err(error) => Err(grant.alarm(app, caller, "revocation_refused", error).await?),
    }
}

async fn revoke_access_token(app: &App, caller: &Caller, token: &str, change: &mut Change) -> Result<bool> {
    let Some(accepted) = issue::accept(app, token, caller.now_ms).await? else { return Ok(false) };
    if accepted.token.client_id != caller.client_id {
        return Ok(false);
    }
    // An exchanged token is another client's, which has authenticated, and not its grant's.
    if let Some(grant) = accepted.grant.as_ref().filter(|it| it.client == caller.client_id) {
        must_be_held(app, caller, grant).await?;
    }
    change.run_expecting(
        REVOKE,
        vec![(&*accepted.token.jti).into(), (accepted.token.exp * 1000).into(), caller.now_ms.into()],
        Expect::Any,
    );
    let entry = audit::Entry::ok("access_token_revoked").client(caller.client_id.as_str()).with("jti", &*accepted.token.jti);
    change.audit(entry.address(caller.address.to_string()));
    Ok(true)
}
