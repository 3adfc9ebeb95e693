//! The end of an authorization, the same for every delivery. `judge` says whether the client gets a grant, the person is asked to agree, or the
//! client is refused. `complete` adds what is granted to one change. What differs between deliveries is a value. The caller makes a page, a
//! redirect or an answered request of what comes of it.

use super::Authority;
use super::consent::{self, Assured};
use super::pushed;
use super::request::{self, AuthorizationRequest};
use crate::audit::Entry;
use crate::clients::note_use;
use crate::config::{Client, ClientAuthentication, TierName};
use crate::core::Core;
use crate::error::{Error, Fault, Refused, Result};
use crate::grants::decision::{self, Completed};
use crate::grants::{RequestRecord, code};
use crate::login::flow::Proven;
use crate::login::state::{Ended, SaidNo};
use crate::sessions::{self, Authenticated, OpenedFrom, Session};
use crate::store::Change;
use std::net::IpAddr;

/// What completes an authorization, whatever face asked the person and wherever the client waits.
pub struct Completing<'a> {
    pub client: &'a Client,
    pub request: &'a AuthorizationRequest,
    pub proven: &'a Proven,
    pub assured: Assured,
    /// Of whoever answers.
    pub address: Option<IpAddr>,
    /// From where a new session is opened.
    pub opened_from: OpenedFrom<'a>,
    pub reaching: Reaching<'a>,
    /// The event of the audit, with what it says of this delivery alone.
    pub entry: Entry,
}

/// How the grant reaches its client.
#[derive(Clone, Copy)]
pub enum Reaching<'a> {
    /// By a code, in the answer to its request. The grant hangs below the session of the browser or the app.
    Code {
        /// The browser's present session.
        session: Option<&'a Session>,
        /// What the cookie of a new session is made of. None: no browser proves it, and the grant is what is left of the sign-in.
        session_secret: Option<[u8; 32]>,
    },
    /// The client has asked by itself, waits elsewhere and comes for its tokens. The grant hangs below a session of its own.
    Waiting {
        /// Names what it asks.
        id: [u8; 16],
        /// Until then it may come.
        until_ms: i64,
        /// The person has answered the question of this delivery, and nothing speaks against it. The question is always asked. What was
        /// agreed to in it is for this one request.
        has_agreed: bool,
        /// The person answers in an app. Where it has proved too little, its person goes on in the browser.
        in_app: bool,
    },
}

/// What judging comes to.
pub enum Judgement {
    Grant(Grantable),
    /// The person has to agree first.
    Consent,
    /// The client is told so.
    Refused(Refused),
    /// The app goes on with what was proved here.
    SentBack,
}

/// That it was judged. `judge` alone makes one, and `complete` takes nothing else.
pub struct Grantable(());

/// A grant whose code can be derived from its session and number.
pub struct Granted {
    pub session: [u8; 16],
    pub number: u32,
    /// The value of the new session cookie. None: the session goes on as it was, or no browser has it.
    pub cookie: Option<String>,
    pub code: String,
    /// The statement that adds the grant. It conflicts if the session has a grant of this number.
    pub(super) added: usize,
    burnt: Burnt,
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

/// What is missing could be proved, and is not.
pub const UNMET: &str = "unmet_authentication_requirements";

/// What is known now: does the client get a grant? It is asked before the person agrees, and once more when they have. Entries of plug-ins,
/// and the way back to an app, are added to `change`. An error decides nothing: the question stays open.
pub async fn judge(authority: &Authority<'_>, change: &mut Change, completing: &Completing<'_>) -> Result<Judgement> {
    let Completing { request, proven, .. } = completing;
    if request.sub.as_ref().is_some_and(|wanted| *wanted != proven.account) {
        return Ok(Judgement::Refused(Refused::bad_request("login_required", "Another person signed in than was asked for.")));
    }
    if request.brings_back() {
        send_back(authority, change, completing)?;
        return Ok(Judgement::SentBack);
    }
    if !gives_essential_acr(request, proven) {
        let refused = Refused::bad_request(UNMET, "This way of signing in does not give that acr.");
        return refuse_or_wait(completing, refused.because("the proofs do not give an essential acr"));
    }
    if must_ask(authority, completing).await? {
        if request.prompt.iter().any(|word| word == "none") {
            return Ok(Judgement::Refused(Refused::bad_request("consent_required", "The person has to consent first.")));
        }
        return Ok(Judgement::Consent);
    }
    let occasion = || match completing.reaching {
        Reaching::Code { .. } => serde_json::to_vec(request).map_err(|it| Fault::new(it.to_string())),
        Reaching::Waiting { id, .. } => Ok(id.to_vec()),
    };
    let completed = Completed {
        client: &request.client_id,
        proven,
        scope: &request.scope,
        tier: proved_tier(completing),
        installation: request.instance.as_deref(),
        address: completing.address,
        occasion: &occasion,
    };
    let (refused, entries) = decision::decide_sign_in(authority, change.now_ms(), &completed).await?;
    let judgement = refused.map_or(Ok(Judgement::Grant(Grantable(()))), |refused| refuse_or_wait(completing, refused));
    if judgement.is_err() {
        // The change is not written, and the audit has to say it all the same.
        write_entries(authority, change.now_ms(), entries).await?;
    } else {
        entries.into_iter().for_each(|entry| change.audit(entry));
    }
    judgement
}

/// A client that waits is refused once, and for good. So it is not refused while nobody has said no: a rule could not be asked, or an app's
/// session has proved too little and the browser can prove more.
fn refuse_or_wait(completing: &Completing<'_>, refused: Refused) -> Result<Judgement> {
    match completing.reaching {
        Reaching::Waiting { .. } if refused.status == 503 => Err(refused.into()),
        Reaching::Waiting { in_app: true, .. } if refused.code == UNMET => Err(refused.into()),
        _ => Ok(Judgement::Refused(refused)),
    }
}

async fn write_entries(core: &Core, now_ms: i64, entries: Vec<Entry>) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut change = Change::new(now_ms);
    entries.into_iter().for_each(|entry| change.audit(entry));
    core.store.apply(change).await?;
    Ok(())
}

/// A recovery code gives no acr. One that is essential and not had is an error, and never a weaker token (368-Z).
pub fn gives_essential_acr(request: &AuthorizationRequest, proven: &Proven) -> bool {
    !request.essential_acr || request.acr_values.is_empty() || request.acr_values.iter().any(|wanted| wanted == acr(proven))
}

/// How the client is refused of a person who went no further. `no`: how they said no. None: they left a page that says what does not count
/// yet.
pub(super) fn not_gone_on(no: Option<SaidNo>) -> Refused {
    let code = if no.is_some() { "access_denied" } else { UNMET };
    let why = no.map_or("what the person has does not count in full yet", SaidNo::why);
    Refused::bad_request(code, "The person did not go on.").because(why)
}

/// How a sign-in ends whose client is refused.
pub(super) fn refused_end(refused: &Refused) -> Ended {
    Ended::Refused { code: refused.code.to_owned(), hint: refused.hint.to_owned(), no: None }
}

async fn must_ask(authority: &Authority<'_>, completing: &Completing<'_>) -> Result<bool> {
    let Completing { client, request, proven, assured, reaching, .. } = completing;
    match reaching {
        Reaching::Code { .. } if proven.consented => Ok(false),
        Reaching::Code { .. } => consent::is_needed(authority, client, request, &proven.account, *assured).await,
        Reaching::Waiting { has_agreed, .. } => Ok(!has_agreed),
    }
}

/// Adds session, grant, consent, what is burnt and the audit entry to `change`. It already holds what the proofs build on.
pub fn complete(authority: &Authority<'_>, change: &mut Change, completing: &Completing<'_>, _judged: Grantable) -> Result<Granted> {
    let Completing { client, request, proven, .. } = completing;
    let (session, cookie) = open_session(authority, change, completing)?;
    let record = record_of(completing, change.now_ms());
    let (number, code) = code::grant(authority, change, &granting(authority, completing, &session, &record))?;
    let added = change.len() - 1;
    let burnt = Burnt {
        pushed: request.pushed.as_deref().map(|handle| pushed::burn(authority, change, handle)).transpose()?,
        object: request::burn_object(change, request),
    };
    if proven.consented && matches!(completing.reaching, Reaching::Code { .. }) {
        consent::remember(change, request, &proven.account, completing.assured);
    }
    note_use(change, &request.client_id, client);
    let mut entry = completing.entry.clone().account(proven.account.as_str()).client(request.client_id.as_str());
    entry = entry.session(sessions::public_id(authority, &session)).with("scope", request.scope.to_string());
    if proven.satisfied.is_eased {
        entry = entry.with("eased", true);
    }
    // A session that goes on: the browser fetched one more code.
    entry.is_frequent = cookie.is_none() && matches!(completing.reaching, Reaching::Code { session_secret: Some(_), .. });
    entry.address = completing.address.map(|address| address.to_string());
    change.audit(entry.with("acr", acr(proven)).with("consented", proven.consented));
    Ok(Granted { session, number, cookie, code, added, burnt })
}

/// The browser's part of a native sign-in is over. The app comes for its proofs. The `request_uri` is spent by the same change.
fn send_back(authority: &Authority<'_>, change: &mut Change, completing: &Completing<'_>) -> Result<()> {
    let Completing { request, proven, .. } = completing;
    let pushed = request.pushed.as_deref().ok_or_else(|| Fault::new("a way back of a request that nobody pushed"))?;
    pushed::burn(authority, change, pushed)?;
    let mut entry = Entry::ok("sent_back_to_app").account(proven.account.as_str()).client(request.client_id.as_str());
    entry.address = completing.address.map(|address| address.to_string());
    change.audit(entry.with("acr", acr(proven)));
    Ok(())
}

/// What the client proved of itself. None: the installation's row says it, or nobody knows before the code is redeemed.
fn proved_tier(completing: &Completing<'_>) -> Option<TierName> {
    let Completing { client, request, .. } = completing;
    let has_asked = request.pushed.is_some() || matches!(completing.reaching, Reaching::Waiting { .. });
    let is_without = has_asked && request.instance.is_none() && client.attestation.is_some();
    match completing.assured {
        Assured::Attested(tier) => Some(tier),
        _ => is_without.then_some(TierName::None),
    }
}

fn acr(proven: &Proven) -> &str {
    proven.satisfied.acr.as_deref().unwrap_or_default()
}

fn granting<'a>(
    authority: &Authority<'_>,
    completing: &'a Completing<'_>,
    session: &'a [u8; 16],
    record: &'a RequestRecord,
) -> code::Granting<'a> {
    let Completing { client, request, proven, .. } = completing;
    code::Granting {
        session,
        account: &proven.account,
        client_id: &request.client_id,
        confidential: client.authentication != ClientAuthentication::None,
        instances: client.has_instances(),
        unattested: client.takes_unattested(),
        most: client.refresh.most_per_person,
        carries: client.may_carry() || authority.kiosk_passes.contains_key(&request.client_id),
        scope: &request.scope,
        resource: &request.resource,
        request: record,
        lifetime_ms: client.refresh.absolute.0 * 1000,
    }
}

/// The session of the proofs: the present one if nothing was proved anew. What is fetched from elsewhere has one of its own.
fn open_session(authority: &Authority<'_>, change: &mut Change, completing: &Completing<'_>) -> Result<([u8; 16], Option<String>)> {
    let proven = completing.proven;
    let (present, session_secret) = match completing.reaching {
        Reaching::Code { session, session_secret } => (session, session_secret),
        Reaching::Waiting { .. } => (None, None),
    };
    let unchanged = present.filter(|session| session.account == proven.account && session.proofs == proven.proofs);
    if let Some(session) = unchanged {
        return Ok((session.id, None));
    }
    let authenticated = authenticated(proven, completing.opened_from);
    let Some(secret) = session_secret else {
        let absolute_ms = authority.config.session.absolute.ms();
        return Ok((sessions::open_apart(change, &authenticated, absolute_ms)?, None));
    };
    let (id, cookie) = sessions::open(authority, change, present, &authenticated, secret)?;
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

fn record_of(completing: &Completing<'_>, now_ms: i64) -> RequestRecord {
    let Completing { client, request, proven, .. } = completing;
    RequestRecord {
        redirect_uri: request.back.redirect_uri.clone(),
        code_challenge: request.code_challenge.clone(),
        dpop_jkt: request.dpop_jkt.clone(),
        instance: request.instance.clone(),
        nonce: request.nonce.clone(),
        acr: acr(proven).to_owned(),
        amr: proven.satisfied.amr.clone(),
        auth_time_ms: proven.satisfied.auth_time_ms,
        code_expires_ms: match completing.reaching {
            Reaching::Code { .. } => now_ms + code::CODE_LIFETIME_MS,
            Reaching::Waiting { until_ms, .. } => until_ms,
        },
        id_token_claims: request.id_token_claims.clone(),
        userinfo_claims: request.userinfo_claims.clone(),
        claims_scope: request.claims_scope.clone(),
        authorization_details: request.authorization_details.clone(),
        replaces: request.replaces,
        native: request.native,
        wants_auth_time: client.max_age_s(request.max_age_s).is_some(),
    }
}
