//! grant_type=authorization_code. RFC 6749 4.1.3, RFC 7636 4.5; the order of checks is argued in docs/decisions/refresh.md.

use super::holder::{Holder, HolderKey};
use super::{Grant, GrantState, RequestRecord, TokenRequest, invalid_grant};
use super::{decision, ending, sharing};
use crate::audit;
use crate::caller::Caller;
use crate::config::plugin::Moment;
use crate::config::{Most, SecurityProfile};
use crate::core::Core;
use crate::error::{Error, Fault, Refused, Result};
use crate::store::tables::app_grant;
use crate::store::{Change, Expect, NotApplied, Value};
use crate::tokens::handles::{Kind, NOT_OURS, RowName};
use crate::tokens::issue;
use crate::web::reply::{self, Reply};
use symbolon_oauth::form::Form;
use symbolon_oauth::pkce::Challenge;
use symbolon_oauth::scope::Scope;

/// A code lives a minute: FAPI 2.0 5.3.2.1, and phones come back from the browser within seconds.
pub const CODE_LIFETIME_MS: i64 = 60_000;
/// So many wrong requests end a code (055-C).
const FAILURES: i64 = 10;

/// What a finished authorization grants.
pub struct Granting<'a> {
    pub session: &'a [u8; 16],
    pub account: &'a str,
    pub client_id: &'a str,
    /// The client authenticates at the token endpoint, and so holds what it gets.
    pub confidential: bool,
    /// Its installations or devices hold what they get, each for itself.
    pub instances: bool,
    /// Devices that cannot attest may hold theirs by a key.
    pub unattested: bool,
    /// The most living grants of this person and client, this one included.
    pub most: Most,
    /// Something of the client's may hang on its grants.
    pub carries: bool,
    pub scope: &'a Scope,
    pub resource: &'a [String],
    pub request: &'a RequestRecord,
    pub lifetime_ms: i64,
}

impl Granting<'_> {
    /// Who holds the grant from its code on. A confidential client holds what it gets by its authentication; its DPoP key may change
    /// (RFC 9449 5).
    fn holder(&self) -> Holder {
        let (jkt, instance) = (self.request.dpop_jkt.as_deref(), self.request.instance.as_deref());
        match (jkt, instance) {
            (Some(jkt), None) if self.unattested => Holder::Jkt(HolderKey::first(jkt)),
            (None, None) if self.unattested => Holder::Open,
            _ if self.instances => Holder::Instance(instance.map(HolderKey::first)),
            _ if self.confidential => Holder::Client(self.client_id.to_owned()),
            (Some(jkt), _) => Holder::Jkt(HolderKey::first(jkt)),
            (None, _) => Holder::Bearer,
        }
    }
}

/// Adds the grant to `change`. Answers its number and its code.
pub fn grant(core: &Core, change: &mut Change, granting: &Granting<'_>) -> Result<(u32, String)> {
    let salt = crate::seal::random::<16>()?;
    let number = insert(change, granting, &salt)?;
    Ok((number, core.handles.make(Kind::Code, RowName { id: *granting.session, number, generation: 0 }, &salt)))
}

/// The same without a code. `salt`: what its handles are made with.
pub fn insert(change: &mut Change, granting: &Granting<'_>, salt: &[u8; 16]) -> Result<u32> {
    let number = u32::from_be_bytes(crate::seal::random::<4>()?) >> 1;
    let [holder_kind, holder] = granting.holder().to_columns();
    let json = |e: serde_json::Error| Fault::new(e.to_string());
    let now_ms = change.now_ms();
    if let Most::Grants(most) = granting.most {
        let others = i64::from(most.get()) - 1;
        ending::end_oldest(change, (granting.account, granting.client_id), others, granting.carries);
    }
    change.run(
        app_grant::INSERT,
        vec![
            Value::from(&granting.session[..]),
            i64::from(number).into(),
            granting.account.into(),
            granting.client_id.into(),
            holder_kind,
            holder,
            granting.scope.to_string().into(),
            serde_json::to_string(granting.resource).map_err(json)?.into(),
            serde_json::to_string(granting.request).map_err(json)?.into(),
            Value::from(&salt[..]),
            change.now_ms().into(),
            (now_ms + granting.lifetime_ms).into(),
        ],
    );
    Ok(number)
}

/// The code of a grant that nobody has redeemed yet, for the page that leads back to the client. It is stored nowhere.
pub async fn of_row(core: &Core, session: &[u8; 16], number: u32, now_ms: i64) -> Result<Option<String>> {
    let grant = super::read(core, session, number).await?;
    let waiting = grant.filter(|grant| grant.state == GrantState::Code && grant.parents_live && now_ms < grant.request.code_expires_ms);
    Ok(waiting.map(|grant| core.handles.make(Kind::Code, RowName { id: *session, number, generation: 0 }, &grant.salt)))
}

/// Redeems a code: everything about the request is checked before the state, and only then is the code spent.
pub async fn redeem(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    let text = form.get("code").ok_or_else(|| Refused::bad_request("invalid_request", "The code parameter is missing."))?;
    let handle = core
        .handles
        .read(Kind::Code, text)
        .ok_or_else(|| invalid_grant("This is not an authorization code of this server.").because(NOT_OURS))?;
    let grant = super::of_handle(core, &handle).await?;
    let request = TokenRequest { core, caller, form, grant: &grant, most_s: None };
    if let Err(error) = check(request) {
        return Err(count_failure(request, error).await?);
    }
    match grant.state {
        GrantState::Code => exchange(request).await,
        GrantState::Ended => Err(invalid_grant("This code was used before or has been withdrawn.").because("ended").into()),
        GrantState::Active if is_retry(caller, &grant) => exchange_again(request).await,
        GrantState::Active => Err(end_used_twice(request).await?),
    }
}

/// Client, holder, redirect URI, verifier: what only the app itself knows.
fn check(request: TokenRequest<'_>) -> Result<()> {
    let TokenRequest { caller, form, grant, .. } = request;
    grant.must_belong_to(caller)?;
    grant.must_be_held_by(caller)?;
    // RFC 9449 10: the code was asked for one key.
    if grant.request.dpop_jkt.is_some() && grant.request.dpop_jkt.as_deref() != caller.jkt() {
        return Err(invalid_grant("The code was asked for with dpop_jkt, and the request does not prove that key.").into());
    }
    // RFC 6749 4.1.3: it was in the authorization request, so it must be the same here. OAuth 2.1 clients leave it out,
    // which is safe with PKCE; a client without PKCE must send it.
    let differs = match form.get("redirect_uri") {
        Some(uri) => uri != grant.request.redirect_uri,
        // A code of the native face was asked for without one, by the client that holds it.
        None => grant.request.code_challenge.is_none() && !grant.request.native,
    };
    if differs {
        return Err(invalid_grant("redirect_uri is not the one of the authorization request.").into());
    }
    match (&grant.request.code_challenge, form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => {
            let challenge = Challenge::parse(challenge, Some("S256")).map_err(Fault::new)?;
            if !challenge.matches(verifier) {
                return Err(invalid_grant("code_verifier does not fit the code_challenge.").into());
            }
        }
        (Some(_), None) => return Err(invalid_grant("code_verifier is missing.").into()),
        // RFC 9700 4.8.2: a verifier without a challenge is a downgrade (064-P).
        (None, Some(_)) => return Err(invalid_grant("The authorization request carried no code_challenge.").into()),
        (None, None) => {}
    }
    super::addressed(request, &grant.scope)?;
    Ok(())
}

/// A code survives a few wrong requests, so that whoever sends its string alone ends nothing.
async fn count_failure(request: TokenRequest<'_>, error: Error) -> Result<Error> {
    let TokenRequest { core, caller, grant, .. } = request;
    let Error::Refused(refused) = error else { return Ok(error) };
    if grant.state != GrantState::Code {
        return Ok((*refused).into());
    }
    let mut change = Change::new(caller.now_ms);
    if grant.code_failures + 1 >= FAILURES {
        grant.end(&mut change);
    } else {
        let values = vec![Value::from(&grant.session[..]), i64::from(grant.number).into(), FAILURES.into()];
        change.run_expecting(app_grant::COUNT_FAILURE, values, Expect::Any);
    }
    let entry = audit::Entry::refused("code_refused", refused.reason());
    change.audit(grant.entry(core, entry, caller).with("sent_by", caller.client_id.as_str()));
    core.store.apply(change).await?;
    Ok(refused.audited().into())
}

/// Rules for the grant, at the first exchange and when it is repeated.
fn must_be_good(grant: &Grant, caller: &Caller) -> Result<()> {
    grant.must_be_alive(caller.now_ms)?;
    grant.must_suit_the_tier(caller)
}

async fn exchange(request: TokenRequest<'_>) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    must_be_good(grant, caller)?;
    if caller.now_ms >= grant.request.code_expires_ms {
        return Err(invalid_grant("This code has expired; codes live 60 seconds.").into());
    }
    let request = TokenRequest { most_s: decision::must_go(core, caller, grant, Moment::Token).await?, ..request };
    let mut change = Change::new(caller.now_ms);
    let [holder_kind, holder] = grant.holder_after(caller, 1).to_columns();
    let values = vec![Value::from(&grant.session[..]), i64::from(grant.number).into(), caller.now_ms.into(), holder_kind, holder];
    change.run(app_grant::ACTIVATE, values);
    if let Some(old) = &grant.request.replaces {
        ending::replace(&mut change, &old.session, old.number);
    }
    if let Some(sso_jkt) = sharing::named_key(caller, grant, request.form)? {
        sharing::share(&mut change, caller, grant, &sso_jkt);
    }
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(request, 1, &grant.scope).await?;
    change.audit(grant.entry(core, audit::Entry::ok("code_exchanged"), caller).with("jti", answer.jti.as_str()));
    match core.store.apply(change).await {
        Ok(_) => Ok(reply::json(200, &answer)),
        Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
        // Another request redeemed the code between our read and our write: that is a second use (RFC 6749 4.1.2).
        Err(NotApplied::Conflict(_)) => match super::read(core, &grant.session, grant.number).await? {
            Some(now) if is_retry(caller, &now) => exchange_again(TokenRequest { grant: &now, ..request }).await,
            _ => Err(end_used_twice(request).await?),
        },
        Err(other) => Err(other.into()),
    }
}

/// The same app asks again, because the answer was lost on the way back from the browser. It proves the key that the code was asked for.
/// The code's minute is not over, and nothing was refreshed since. A divergence, see docs/divergences.md, and none for FAPI 2.0 (5.3.2.2):
/// there a code works once.
fn is_retry(caller: &Caller, grant: &Grant) -> bool {
    if caller.client.profile == Some(SecurityProfile::Fapi2) {
        return false;
    }
    // Bound by then to the installation, if it attested while the browser was open.
    let has_key = matches!(&grant.holder, Holder::Jkt(HolderKey { bound_from: None, .. }) | Holder::Instance(_));
    let by_key = has_key && grant.request.dpop_jkt.is_some() && grant.request.dpop_jkt.as_deref() == caller.jkt();
    let instance = caller.instance.as_ref().map(|instance| instance.jkt.as_str());
    let of_instance = matches!(grant.holder, Holder::Instance(_)) && grant.request.instance.is_some();
    let by_instance = of_instance && grant.request.instance.as_deref() == instance;
    let named = by_key || by_instance;
    let held = grant.state == GrantState::Active && grant.generation == 1;
    named && held && caller.now_ms < grant.request.code_expires_ms
}

async fn exchange_again(request: TokenRequest<'_>) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    must_be_good(grant, caller)?;
    let request = TokenRequest { most_s: decision::must_go(core, caller, grant, Moment::Token).await?, ..request };
    let mut change = Change::new(caller.now_ms);
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(request, 1, &grant.scope).await?;
    change.audit(grant.entry(core, audit::Entry::ok("code_retried"), caller).with("jti", answer.jti.as_str()));
    burnt.applied(core.store.apply(change).await)?;
    Ok(reply::json(200, &answer))
}

/// A second redemption that is right in every other way ends the grant. One of the two is not the app. The very same request once more ends
/// nothing. Its proof was spent with the first, so the network has sent it twice.
async fn end_used_twice(request: TokenRequest<'_>) -> Result<Error> {
    let TokenRequest { core, caller, grant, .. } = request;
    let mut change = Change::new(caller.now_ms);
    grant.end(&mut change);
    let burnt = caller.burn(&mut change);
    change.audit(grant.entry(core, audit::Entry::refused("code_used_twice", "the grant has been ended"), caller));
    burnt.applied(core.store.apply(change).await)?;
    Ok(invalid_grant("This code was used before; everything issued from it has been ended.").because("used twice").audited().into())
}
