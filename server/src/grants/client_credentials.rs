//! grant_type=client_credentials. RFC 6749 4.4: for confidential clients and API scopes only. Nothing is stored but the audit entry.

use super::Wanted;
use crate::audit;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::store::Change;
use crate::tokens::issue;
use crate::web::reply::{self, Reply};
use symbolon_oauth::form::Form;

pub async fn issue(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    if !caller.authenticated {
        return Err(Refused::bad_request("unauthorized_client", "Only a client that authenticates may use client_credentials.").into());
    }
    let scope = super::allowed_scope(&caller.client, form.get("scope"))?;
    // There is no person here, so no scope about one (113-T).
    if scope.iter().any(|it| super::OPENID_SCOPES.contains(&it)) {
        return Err(Refused::bad_request("invalid_scope", "OpenID scopes are about a person; client_credentials has none.").into());
    }
    if form.contains("authorization_details") {
        let hint = "Authorization details are granted by a person; client_credentials has none.";
        return Err(Refused::bad_request("invalid_authorization_details", hint).into());
    }
    let allowed = super::within_tier(caller, &scope);
    if allowed.is_empty() && !scope.is_empty() {
        return Err(super::nothing_left().into());
    }
    let scope = allowed;
    let wanted = Wanted { scope: &scope, details: &[], resource: &form.all("resource"), granted: &[] };
    let api = super::target(&core.config, &caller.client, wanted)?
        .ok_or_else(|| Refused::bad_request("invalid_target", "The client has no API to get a token for."))?;
    // Each API sees its own.
    let scope = super::scope_for(&caller.client, Some(api), &scope);
    let answer = issue::for_client(core, caller, api, &scope).await?;
    let mut change = Change::new(caller.now_ms);
    let burnt = caller.burn(&mut change);
    let mut entry =
        audit::Entry::ok("client_token_issued").client(caller.client_id.as_str()).with("api", api).with("jti", answer.jti.as_str());
    entry.security = false;
    change.audit(entry.address(caller.address.to_string()));
    burnt.applied(core.store.apply(change).await)?;
    Ok(reply::json(200, &answer))
}
