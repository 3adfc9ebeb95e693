//! The end of an authorization. The client gets a grant, the person is asked for consent, or the client is refused. `complete` adds to one
//! change and returns a value. The caller makes a page or a redirect of it.

use super::Authority;
use super::consent::{self, Assured};
use super::pushed;
use super::request::{self, AuthorizationRequest};
use crate::audit::Entry;
use crate::clients::note_use;
use crate::config::{Client, ClientAuthentication, ClientKind, TierName};
use crate::core::Core;
use crate::error::{Error, Fault, Refused, Result};
use crate::grants::decision::{self, Completed};
use crate::grants::{self, RequestRecord, code};
use crate::login::flow::Proven;
use crate::login::step::Step;
use crate::sessions::{self, Authenticated, OpenedFrom, Session};
use crate::store::Change;

/// What completes an authorization, whatever face asked the person.
pub struct Completing<'a> {
    pub client: &'a Client,
    pub request: &'a AuthorizationRequest,
    pub proven: &'a Proven,
    /// The browser's present session.
    pub session: Option<&'a Session>,
    /// What the cookie of a new session is made of. None: no browser proves it, and the grant is what is left of the sign-in.
    pub session_secret: Option<[u8; 32]>,
    pub assured: Assured,
    pub opened_from: OpenedFrom<'a>,
}

pub enum Completion {
    Granted(Granted),
    /// The person has to agree first.
    Consent(Box<Step>),
    /// The client is told so.
    Refused(Refused),
    /// The app goes on with what was proved here.
    SentBack,
}

/// A grant whose code can be derived from its session and number.
pub struct Granted {
    pub session: [u8; 16],
    pub number: u32,
    /// The value of the new session cookie. None: the session goes on as it was.
    pub cookie: Option<String>,
    pub code: String,
    /// The statement that adds the grant. It conflicts if the session has a grant of this number.
    pub(super) added: usize,
    burnt: Burnt,
}

/// What a sign-in has opened, or goes on with.
pub(super) struct OpenedSession<'a> {
    pub(super) session: &'a [u8; 16],
    /// None: nothing was proved anew, or no browser asks.
    pub(super) cookie: Option<&'a str>,
    /// The policy of a client was met, which may ask for less next time.
    pub(super) counts: bool,
}

/// The statements that spend what brought the request.
#[derive(Default)]
struct Burnt {
    pushed: Option<usize>,
    object: Option<usize>,
}

impl Granted {
    /// What a conflict in one of our statements means.
    pub fn refusal(&self, at: usize) -> Error {
        if self.burnt.object == Some(at) {
            return request::used_object();
        }
        if self.burnt.pushed == Some(at) {
            let hint = "This request_uri is already used. Go back to the app and start again.";
            return Refused::bad_request("invalid_request_uri", hint).into();
        }
        let hint = "This sign-in was completed already, or the account was changed meanwhile. Go back to the app and start again.";
        Refused::bad_request("invalid_session", hint).because("a guard of the completing change failed").into()
    }
}

/// Adds session, grant, consent, what is burnt and the audit entry to `change`. It already holds what the proofs build on.
pub async fn complete(authority: &Authority<'_>, change: &mut Change, completing: &Completing<'_>) -> Result<Completion> {
    let Completing { client, request, proven, assured, .. } = completing;
    if request.sub.as_ref().is_some_and(|wanted| *wanted != proven.account) {
        return Ok(Completion::Refused(Refused::bad_request("login_required", "Another person signed in than was asked for.")));
    }
    if request.brings_back() {
        return send_back(authority, change, completing);
    }
    // A recovery code gives no acr; essential and not had, it is an error and never a weaker token (368-Z).
    if request.essential_acr && !request.acr_values.is_empty() && !request.acr_values.iter().any(|wanted| wanted == acr(proven)) {
        let refused = Refused::bad_request("unmet_authentication_requirements", "This way of signing in does not give that acr.");
        return Ok(Completion::Refused(refused.because("the proofs do not give an essential acr")));
    }
    if !proven.consented && consent::is_needed(authority, client, request, &proven.account, *assured).await? {
        if request.prompt.iter().any(|word| word == "none") {
            return Ok(Completion::Refused(Refused::bad_request("consent_required", "The person has to consent first.")));
        }
        return Ok(Completion::Consent(Box::new(consent::step(authority, client, request))));
    }
    let completed = Completed {
        client: &request.client_id,
        proven,
        scope: &request.scope,
        tier: proved_tier(client, request, *assured),
        installation: request.instance.as_deref(),
        address: completing.opened_from.address,
        occasion: &|| serde_json::to_vec(request).map_err(|it| Fault::new(it.to_string())),
    };
    if let Some(refused) = decision::decide_sign_in(authority, change, &completed).await? {
        return Ok(Completion::Refused(refused));
    }
    let (session, cookie) = open_session(authority, change, completing)?;
    let record = record_of((client, request), proven, change.now_ms());
    let (number, code) = code::grant(authority, change, &granting(authority, (client, request), proven, &session, &record))?;
    let added = change.len() - 1;
    let burnt = Burnt {
        pushed: request.pushed.as_deref().map(|handle| pushed::burn(authority, change, handle)).transpose()?,
        object: request::burn_object(change, request),
    };
    if proven.consented {
        consent::remember(change, request, &proven.account, *assured);
    }
    note_use(change, &request.client_id, client);
    let mut entry = Entry::ok("code_issued").account(proven.account.as_str()).client(request.client_id.as_str());
    entry = entry.session(sessions::public_id(authority, &session)).with("scope", request.scope.to_string());
    if request.native {
        entry = entry.with("face", "native");
    }
    if proven.satisfied.is_eased {
        entry = entry.with("eased", true);
    }
    // Whoever enforces `assurance` one day can see whom it would have asked.
    if client.kind == ClientKind::Native && *assured == Assured::ClaimedHttps {
        let is_proved = authority.proved_links.is_proved(&request.client_id, client, &request.back.redirect_uri, change.now_ms());
        entry = if is_proved { entry } else { entry.with("unproved_link", true) };
    }
    // A session that goes on: the browser fetched one more code.
    entry.is_frequent = cookie.is_none() && completing.session_secret.is_some();
    entry.address = completing.opened_from.address.map(|address| address.to_string());
    change.audit(entry.with("acr", acr(proven)).with("consented", proven.consented));
    Ok(Completion::Granted(Granted { session, number, cookie, code, added, burnt }))
}

/// The browser's part of a native sign-in is over. The app comes for its proofs. The `request_uri` is spent by the same change.
fn send_back(authority: &Authority<'_>, change: &mut Change, completing: &Completing<'_>) -> Result<Completion> {
    let Completing { request, proven, .. } = completing;
    let pushed = request.pushed.as_deref().ok_or_else(|| Fault::new("a way back of a request that nobody pushed"))?;
    pushed::burn(authority, change, pushed)?;
    let mut entry = Entry::ok("sent_back_to_app").account(proven.account.as_str()).client(request.client_id.as_str());
    entry.address = completing.opened_from.address.map(|address| address.to_string());
    change.audit(entry.with("acr", acr(proven)));
    Ok(Completion::SentBack)
}

/// What the client proved of itself. None: the installation's row says it, or nobody knows before the code is redeemed.
fn proved_tier(client: &Client, request: &AuthorizationRequest, assured: Assured) -> Option<TierName> {
    let is_without = request.pushed.is_some() && request.instance.is_none() && client.attestation.is_some();
    match assured {
        Assured::Attested(tier) => Some(tier),
        _ => is_without.then_some(TierName::None),
    }
}

fn acr(proven: &Proven) -> &str {
    proven.satisfied.acr.as_deref().unwrap_or_default()
}

pub(super) fn granting<'a>(
    core: &Core,
    (client, request): (&Client, &'a AuthorizationRequest),
    proven: &'a Proven,
    session: &'a [u8; 16],
    record: &'a RequestRecord,
) -> code::Granting<'a> {
    code::Granting {
        session,
        account: &proven.account,
        client_id: &request.client_id,
        confidential: client.authentication != ClientAuthentication::None,
        instances: client.has_instances(),
        unattested: client.takes_unattested(),
        most: client.refresh.most_per_person,
        carries: client.may_carry() || core.kiosk_passes.contains_key(&request.client_id),
        scope: &request.scope,
        resource: &request.resource,
        request: record,
        lifetime_ms: client.refresh.absolute.0 * 1000,
    }
}

/// The session of the proofs: the present one if nothing was proved anew.
fn open_session(authority: &Authority<'_>, change: &mut Change, completing: &Completing<'_>) -> Result<([u8; 16], Option<String>)> {
    let proven = completing.proven;
    let unchanged = completing.session.filter(|session| session.account == proven.account && session.proofs == proven.proofs);
    if let Some(session) = unchanged {
        return Ok((session.id, None));
    }
    let authenticated = authenticated(proven, completing.opened_from);
    let Some(secret) = completing.session_secret else {
        let absolute_ms = authority.config.session.absolute.ms();
        return Ok((sessions::open_apart(change, &authenticated, absolute_ms)?, None));
    };
    let (id, cookie) = sessions::open(authority, change, completing.session, &authenticated, secret)?;
    Ok((id, Some(cookie)))
}

pub fn authenticated<'a>(proven: &'a Proven, opened_from: OpenedFrom<'a>) -> Authenticated<'a> {
    Authenticated {
        account: &proven.account,
        proofs: &proven.proofs,
        acr: acr(proven),
        amr: &proven.satisfied.amr,
        auth_time_ms: proven.satisfied.auth_time_ms,
        opened_from,
    }
}

pub(super) fn record_of((client, request): (&Client, &AuthorizationRequest), proven: &Proven, now_ms: i64) -> RequestRecord {
    RequestRecord {
        redirect_uri: request.back.redirect_uri.clone(),
        code_challenge: request.code_challenge.clone(),
        dpop_jkt: request.dpop_jkt.clone(),
        instance: request.instance.clone(),
        nonce: request.nonce.clone(),
        acr: acr(proven).to_owned(),
        amr: proven.satisfied.amr.clone(),
        auth_time_ms: proven.satisfied.auth_time_ms,
        code_expires_ms: now_ms + grants::code::CODE_LIFETIME_MS,
        id_token_claims: request.id_token_claims.clone(),
        userinfo_claims: request.userinfo_claims.clone(),
        claims_scope: request.claims_scope.clone(),
        authorization_details: request.authorization_details.clone(),
        replaces: request.replaces,
        native: request.native,
        wants_auth_time: client.max_age_s(request.max_age_s).is_some(),
    }
}
