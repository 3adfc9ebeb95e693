//! What an app shares with other apps of its organisation (Native SSO, draft 07, 3): the secret of its grant, and the key that it is bound to.
//! `native_sso` has the app that joins.

use super::{Grant, GrantState, TokenRequest};
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::store::tables::device_secret;
use crate::store::{Change, Expect, Value};
use crate::tokens::handles::{Kind, RowName};
use symbolon_oauth::base64url;
use symbolon_oauth::form::Form;
use symbolon_oauth::native_sso::SCOPE;

/// The SSO key that app 1 names at its code exchange. `None`: it does not share this sign-in.
pub fn named_key(caller: &Caller, grant: &Grant, form: &Form) -> Result<Option<String>> {
    let Some(jkt) = form.get("sso_jkt") else { return Ok(None) };
    let is_thumbprint = base64url::decode(jkt).is_some_and(|bytes| bytes.len() == 32);
    if !is_thumbprint {
        let hint = "sso_jkt is not the SHA-256 thumbprint of a key in base64url.";
        return Err(Refused::bad_request("invalid_request", hint).into());
    }
    let may = caller.client.sso_group.is_some() && caller.instance.as_ref().is_some_and(|it| it.attested_ms.is_some());
    let shares = may && grant.scope.contains(SCOPE) && grant.scope.contains("openid");
    Ok(shares.then(|| jkt.to_owned()))
}

/// Adds what app 1 shares to the change that exchanges its code. Another person's, of the same installation, is over.
pub fn share(change: &mut Change, caller: &Caller, grant: &Grant, sso_jkt: &str) {
    let Some(instance) = &caller.instance else { return };
    let now_ms = change.now_ms();
    let installation = || vec![Value::from(caller.client_id.as_str()), instance.jkt.as_str().into()];
    change.run_expecting(device_secret::FORGET_OTHERS, [installation(), vec![grant.account.as_str().into()]].concat(), Expect::Any);
    let name = vec![Value::from(&grant.session[..]), i64::from(grant.number).into(), grant.account.as_str().into()];
    change.run(device_secret::INSERT, [name, installation(), vec![sso_jkt.into(), now_ms.into()]].concat());
}

/// The secret of a grant that is shared: a function of the grant, so that a retry gets the same.
fn secret(core: &Core, grant: &Grant) -> String {
    core.handles.make(Kind::DeviceSecret, RowName { id: grant.session, number: grant.number, generation: 0 }, &grant.salt)
}

/// What a token response says of it. The secret and the ID token with its hash come together or not at all. A request that names another key
/// than the one that is shared with gets none.
pub async fn shared(request: TokenRequest<'_>) -> Result<Option<String>> {
    let TokenRequest { core, caller, form, grant, .. } = request;
    if caller.client.sso_group.is_none() || !grant.scope.contains(SCOPE) {
        return Ok(None);
    }
    let named = named_key(caller, grant, form)?;
    // At the first exchange of a code the row is part of the same change.
    if grant.state == GrantState::Code && form.get("grant_type") == Some("authorization_code") {
        return Ok(named.map(|_| secret(core, grant)));
    }
    let row = core.store.one(device_secret::READ, &[Value::from(&grant.session[..]), i64::from(grant.number).into()]).await?;
    let Some(row) = row else { return Ok(None) };
    let is_the_same = named.is_none_or(|named| row.text("sso_jkt").is_ok_and(|shared| shared == named));
    Ok(is_the_same.then(|| secret(core, grant)))
}
