//! The browser's face of the login machine: cookies, form tokens and pages on this side, `Step`s on the other.
//! It starts logins for /authorize, /account, /register and /reset, and ends them in a session and, perhaps, a code.

use super::authorize::{self, AuthorizationRequest};
use super::par;
use super::replay;
use super::reply::{self, Reply, add_cookie};
use crate::app::App;
use crate::audit;
use crate::config::Client;
use crate::error::{Fault, Refused, Result};
use crate::grants::{self, Asked, code};
use crate::login::accounts;
use crate::login::flow::{Answer, Begin, ConsentAsk, Done, Existing, Outcome, Purpose};
use crate::login::step::Step;
use crate::pages::PageContext;
use crate::sessions::{self, Authenticated, Session};
use crate::store::{Change, NotApplied};
use crate::web::request::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use symbolon_oauth::scope::Scope;
use symbolon_oauth::{base64url, digest};

/// What follows a finished login.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub enum Then {
    Answer(Box<AuthorizationRequest>),
    Account,
}

/// One login of one browser: its cookie's secret and the name that is in cookie and form alike.
struct Binding {
    name: String,
    secret: Vec<u8>,
    fresh: bool,
    /// The answer that is being answered, for the case that the reply is lost.
    answered: Option<replay::Key>,
}

impl Binding {
    fn new() -> Result<Self> {
        let name = base64url::encode(&crate::seal::random::<6>()?);
        Ok(Self { name, secret: crate::seal::random::<32>()?.to_vec(), fresh: true, answered: None })
    }

    fn cookie(app: &App, name: &str) -> String {
        format!("{}-{name}", sessions::cookie_name(app, "login"))
    }

    /// The binding a form names, proved by the cookie of that name. No cookie: the link was carried to another browser (328-L).
    fn of(app: &App, incoming: &Incoming) -> Option<Self> {
        let name = incoming.form.get("login")?;
        if name.len() != 8 || !name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_') {
            return None;
        }
        let secret = base64url::decode(incoming.cookie(&Self::cookie(app, name))?).filter(|it| it.len() == 32)?;
        Some(Self { name: name.to_owned(), secret, fresh: false, answered: None })
    }
}

/// The token every form of ours carries: a MAC over the browser's secret and the state the form belongs to (341-L).
pub fn form_token(app: &App, secret: &[u8], state: &str) -> String {
    let (version, tag) = app.keyring.mac("form", &[secret, state.as_bytes()]);
    let mut bytes = vec![version];
    bytes.extend_from_slice(&tag);
    base64url::encode(&bytes)
}

pub fn form_token_fits(app: &App, secret: &[u8], state: &str, token: Option<&str>) -> bool {
    let Some(bytes) = token.and_then(base64url::decode).filter(|it| it.len() == 33) else { return false };
    app.keyring.mac_with(bytes[0], "form", &[secret, state.as_bytes()]).is_some_and(|it| digest::equal(&it, &bytes[1..]))
}

/// From /authorize: signs the person in as far as the request and the client's policy ask.
pub async fn begin(app: &App, incoming: &Incoming, request: AuthorizationRequest, session: Option<Session>) -> Result<Reply> {
    let creates = request.prompt.iter().any(|it| it == "create");
    // Who is to be chosen anew is nobody yet: else a policy that begins with the address would write to the old person's.
    let nobody = creates || request.prompt.iter().any(|it| it == "select_account");
    let account = session.as_ref().map(|it| it.account.clone());
    let session = session.filter(|it| !nobody && request.sub.as_ref().is_none_or(|sub| *sub == it.account));
    let silent = request.prompt.iter().any(|it| it == "none");
    let force = request.prompt.iter().any(|it| it == "login");
    let client = app.clients.get(&request.client_id).await?.ok_or_else(|| Fault::new("the client vanished"))?;
    let begin = Begin {
        purpose: if creates { Purpose::Register } else { Purpose::SignIn },
        client: Some(request.client_id.clone()),
        address: Some(incoming.address),
        policy: client.login.clone().unwrap_or_else(|| "default".to_owned()),
        login_hint: request.login_hint.clone(),
        acr_values: request.acr_values.clone(),
        essential_acr: request.essential_acr,
        max_age_s: request.max_age_s,
        force,
        request: as_json(&Then::Answer(Box::new(request.clone())))?,
        existing: session.as_ref().map(existing),
        consent: None,
    };
    let outcome = match app.machine.begin(begin, incoming.now_ms).await {
        Ok(it) => it,
        Err(crate::error::Error::Refused(it)) if it.status == 400 => {
            return refuse(app, incoming, &request, account.as_deref(), *it).await;
        }
        Err(other) => return Err(other),
    };
    match outcome {
        Outcome::Ask { .. } if silent => {
            let refused = Refused::bad_request("login_required", "The person has to sign in, which prompt=none forbids.");
            refuse(app, incoming, &request, account.as_deref(), refused.because("no session that is enough for the request")).await
        }
        other => advance(app, incoming, Binding::new()?, other, session).await,
    }
}

fn existing(session: &Session) -> Existing {
    Existing {
        account: session.account.clone(),
        version: session.account_version,
        session: Some(session.id),
        proofs: session.proofs.clone(),
    }
}

fn as_json(then: &Then) -> Result<Json> {
    Ok(serde_json::to_value(then).map_err(|it| Fault::new(it.to_string()))?)
}

fn locale(app: &App, incoming: &Incoming, ui_locales: Option<&str>) -> String {
    app.pages.pick_locale(ui_locales, incoming.header("accept-language"))
}

/// A login for our own pages.
pub async fn own(app: &App, incoming: &Incoming, purpose: Purpose, session: Option<Session>) -> Result<Reply> {
    let begin = Begin {
        purpose,
        client: None,
        address: Some(incoming.address),
        policy: "default".to_owned(),
        login_hint: None,
        acr_values: Vec::new(),
        essential_acr: false,
        max_age_s: None,
        force: false,
        request: as_json(&Then::Account)?,
        existing: session.as_ref().map(existing),
        consent: None,
    };
    let outcome = app.machine.begin(begin, incoming.now_ms).await?;
    advance(app, incoming, Binding::new()?, outcome, session).await
}

/// GET /register and /reset: the same journeys for somebody whom no app sent.
pub async fn journey(app: &App, incoming: &Incoming, purpose: Purpose) -> Result<Reply> {
    own(app, incoming, purpose, None).await
}

/// POST /login: one answer.
pub async fn login(app: &App, incoming: &Incoming) -> Result<Reply> {
    let over = || {
        let hint = "This sign-in belongs to another browser window or is too old. Go back to the app and start again.";
        Refused::bad_request("invalid_session", hint)
    };
    let form = &incoming.form;
    // A form of ours comes from a page of ours; browsers say so (398-W, 341-L).
    if let Some(site) = incoming.header("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return Err(over().because(format!("Sec-Fetch-Site {site}")).into());
    }
    let mut binding = Binding::of(app, incoming).ok_or_else(|| over().because("no login cookie"))?;
    let handle = form.get("handle").ok_or_else(|| over().because("no handle"))?;
    if !form_token_fits(app, &binding.secret, handle, form.get("form_token")) {
        return Err(over().because("form token").into());
    }
    let fields: BTreeMap<String, String> = form
        .iter()
        .filter(|(name, _)| !["form_token", "handle", "login", "locale", "action"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let device_name = sessions::cookie_name(app, "device");
    let locale = locale(app, incoming, form.get("locale"));
    let answer = Answer {
        handle,
        action: form.get("action").unwrap_or_default(),
        fields: &fields,
        device: incoming.cookie(&device_name),
        address: Some(incoming.address),
        locale: &locale,
        now_ms: incoming.now_ms,
        client: None,
    };
    let key = replay::key(app, &answer);
    if let Some(reply) = replay::recall(app, &key, incoming.now_ms).await? {
        return Ok(reply);
    }
    binding.answered = Some(key);
    let outcome = app.machine.answer(&answer).await?;
    let progress = matches!(&outcome, Outcome::Ask { step, .. } if step.problem.is_none());
    let session = sessions::of_browser(app, incoming).await?;
    let reply = advance(app, incoming, binding, outcome, session).await?;
    if progress {
        let mut change = Change::new(incoming.now_ms);
        replay::keep(app, &mut change, &key, &reply)?;
        app.store.apply(change).await?;
    }
    Ok(reply)
}

/// Turns what the machine says into an answer for the browser.
async fn advance(app: &App, incoming: &Incoming, binding: Binding, outcome: Outcome, session: Option<Session>) -> Result<Reply> {
    match outcome {
        Outcome::Ask { step, handle, request } => ask(app, incoming, &binding, &step, &handle, &then(request)?),
        Outcome::Abandoned { request, account, denied } => match then(request)? {
            Then::Answer(request) => {
                let why = if denied { "the person did not consent" } else { "the person cancelled the sign-in" };
                let refused = Refused::bad_request("access_denied", "The person did not go on.").because(why);
                refuse(app, incoming, &request, account.as_deref(), refused).await
            }
            Then::Account => Ok(reply::see_other(&app.url("/"))),
        },
        Outcome::Done(mut done) => match then(std::mem::take(&mut done.request))? {
            Then::Answer(request) => authorized(app, incoming, binding, *request, *done, session).await,
            Then::Account => signed_in(app, incoming, &binding, *done, session.as_ref()).await,
        },
    }
}

/// A refusal at the redirect URI. Of a person who is known, or a client that has proved itself, it is an entry; what anybody could
/// repeat without being either is a log record.
async fn refuse(app: &App, incoming: &Incoming, request: &AuthorizationRequest, account: Option<&str>, refused: Refused) -> Result<Reply> {
    let confidential = app.clients.get(&request.client_id).await?.is_some_and(|it| it.is_confidential());
    let proved = request.object.is_some() || (request.pushed.is_some() && confidential);
    let reason = if refused.private.is_empty() { refused.hint } else { &refused.private };
    if account.is_some() || proved {
        let mut entry = audit::Entry::refused("authorization_refused", reason).client(request.client_id.as_str());
        entry.account = account.map(str::to_owned);
        let mut change = Change::new(incoming.now_ms);
        change.audit(entry.address(incoming.address.to_string()).with("error", refused.code));
        app.store.apply(change).await?;
    } else {
        tracing::info!(client = request.client_id, error = refused.code, reason, "an authorization request was refused");
    }
    authorize::refuse(app, incoming, &request.back, refused.code, refused.hint).await
}

fn then(request: Json) -> Result<Then> {
    Ok(serde_json::from_value(request).map_err(|it| Fault::new(format!("a login's request: {it}")))?)
}

fn ask(app: &App, incoming: &Incoming, binding: &Binding, step: &Step, handle: &str, then: &Then) -> Result<Reply> {
    let asked = match then {
        Then::Answer(request) => request.ui_locales.as_deref(),
        Then::Account => incoming.query.get("ui_locales"),
    };
    let locale = locale(app, incoming, incoming.form.get("locale").or(asked));
    let context = PageContext {
        locale: locale.clone(),
        form_action: app.url("/login"),
        form_token: form_token(app, &binding.secret, handle),
        client_name: step.facts.get("client_name").and_then(Json::as_str).map(str::to_owned),
        hidden: vec![("login".to_owned(), binding.name.clone()), ("handle".to_owned(), handle.to_owned()), ("locale".to_owned(), locale)],
    };
    // Browsers hold the redirect after a form to the page's form-action: the last step leads to the client.
    let leads_to = match then {
        Then::Answer(request) => Some(authorize::origin(&request.back.redirect_uri)),
        Then::Account => None,
    };
    let mut page = reply::page(200, app.pages.step(step, &context)?, leads_to.as_deref());
    if binding.fresh {
        let value = base64url::encode(&binding.secret);
        add_cookie(&mut page, &sessions::cookie(app, &Binding::cookie(app, &binding.name), &value, 3600));
    }
    Ok(page)
}

fn authenticated(done: &Done) -> Authenticated<'_> {
    Authenticated { account: &done.account, proofs: &done.proofs, acr: &done.acr, amr: &done.amr, auth_time_ms: done.auth_time_ms }
}

/// Comes first in the change that completes a login: what the proofs hold for is held, and the login happens once.
fn persist(done: &mut Done, change: &mut Change) {
    accounts::hold(change, &done.account, done.version);
    if let Some(id) = &done.session {
        sessions::hold(change, id);
    }
    for (sql, values) in done.persist.drain(..) {
        change.run(sql, values);
    }
}

/// The account's own pages: a session and nothing else.
async fn signed_in(app: &App, incoming: &Incoming, binding: &Binding, mut done: Done, session: Option<&Session>) -> Result<Reply> {
    let mut change = Change::new(incoming.now_ms);
    persist(&mut done, &mut change);
    let (id, cookie) = sessions::open(app, &mut change, session, &authenticated(&done))?;
    let entry = audit::Entry::ok("signed_in").account(done.account.as_str()).session(sessions::public_id(app, &id));
    change.audit(entry.address(incoming.address.to_string()).with("acr", done.acr.as_str()));
    let mut answer = reply::see_other(&app.url("/account"));
    finish(app, &mut answer, binding, Some(&cookie), &done.account, incoming.now_ms)?;
    complete(app, change, binding, answer, Burnt::default()).await
}

fn finish(app: &App, answer: &mut Reply, binding: &Binding, cookie: Option<&str>, account: &str, now_ms: i64) -> Result<()> {
    if let Some(cookie) = cookie {
        sessions::remember(app, answer, cookie);
        let device = app.machine.device_cookie(account, now_ms)?;
        add_cookie(answer, &sessions::cookie(app, &sessions::cookie_name(app, "device"), &device, 365 * 24 * 3600));
    }
    if !binding.fresh {
        add_cookie(answer, &sessions::cookie(app, &Binding::cookie(app, &binding.name), "", 0));
    }
    Ok(())
}

fn completed_already() -> crate::error::Error {
    let hint = "This sign-in was completed already, or the account was changed meanwhile. Go back to the app and start again.";
    Refused::bad_request("invalid_session", hint).because("a guard of the completing change failed").into()
}

/// The statements that spend what brought the request.
#[derive(Default)]
struct Burnt {
    pushed: Option<usize>,
    object: Option<usize>,
}

/// The last change of a login, with its reply in case that is lost.
async fn complete(app: &App, mut change: Change, binding: &Binding, answer: Reply, burnt: Burnt) -> Result<Reply> {
    let now_ms = change.now_ms();
    if let Some(key) = &binding.answered {
        replay::keep(app, &mut change, key, &answer)?;
    }
    let at = match app.store.apply(change).await {
        Ok(_) => return Ok(answer),
        Err(NotApplied::Conflict(at)) => at,
        Err(other) => return Err(other.into()),
    };
    // Pressed twice, at the same time: the other press did it.
    if let Some(key) = &binding.answered
        && let Some(reply) = replay::recall(app, key, now_ms).await?
    {
        return Ok(reply);
    }
    if burnt.object == Some(at) {
        return Err(authorize::used_object());
    }
    if burnt.pushed == Some(at) {
        let hint = "This request_uri is already used. Go back to the app and start again.";
        return Err(Refused::bad_request("invalid_request_uri", hint).into());
    }
    Err(completed_already())
}

const CONSENTED: &str = "SELECT scope FROM consent WHERE account = $1 AND client = $2";
const CONSENT: &str = "INSERT INTO consent (account, client, scope, at_ms) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (account, client) DO UPDATE SET scope = excluded.scope, at_ms = excluded.at_ms";

/// Must this person be asked? Never skipped for a client whose identity nothing assures (RFC 8252 8.6).
async fn must_consent(app: &App, client: &Client, request: &AuthorizationRequest, account: &str) -> Result<bool> {
    let assured = authorize::identity_assured(&request.back.redirect_uri);
    // What is granted in detail is granted once: the person sees it every time (RFC 9396 2).
    let detailed = !request.authorization_details.is_empty();
    if detailed || request.prompt.iter().any(|it| it == "consent") || !assured || client.require_consent == Some(true) {
        return Ok(true);
    }
    if client.first_party || client.require_consent == Some(false) {
        return Ok(false);
    }
    let row = app.store.one(CONSENTED, &[account.into(), request.client_id.as_str().into()]).await?;
    let given = match &row {
        Some(row) => Scope::parse(row.text(0)?).unwrap_or_default(),
        None => Scope::default(),
    };
    Ok(row.is_none() || !request.asked_scope().is_subset_of(&given))
}

/// What a scope says to a person: the words of every API of which this client may have it, and ours for OpenID's own.
fn words_of(app: &App, client: &Client, scope: &str) -> Vec<String> {
    let own = client.apis.iter().filter(|(_, allowed)| allowed.iter().any(|it| it == scope));
    let mut words: Vec<String> = own.filter_map(|(api, _)| Some(app.config.api.get(api)?.scope.get(scope)?.text.clone())).collect();
    if grants::OPENID_SCOPES.contains(&scope) || words.is_empty() {
        words.push(format!("scope-{scope}"));
    }
    words
}

fn consent_ask(app: &App, client: &Client, request: &AuthorizationRequest) -> ConsentAsk {
    let scope = request.asked_scope();
    let with_words = |it: &str| words_of(app, client, it).into_iter().map(|words| (it.to_owned(), words)).collect::<Vec<_>>();
    ConsentAsk {
        client_name: client.display_name(&request.client_id).to_owned(),
        scopes: scope.iter().flat_map(with_words).collect(),
        details: request.authorization_details.iter().map(|it| app.details.shown(it)).collect(),
    }
}

/// A person is authenticated for a request: ask for consent if it is needed, then answer the client.
async fn authorized(
    app: &App,
    incoming: &Incoming,
    binding: Binding,
    request: AuthorizationRequest,
    mut done: Done,
    session: Option<Session>,
) -> Result<Reply> {
    let client =
        app.clients.get(&request.client_id).await?.ok_or_else(|| Refused::bad_request("invalid_request", "The client is gone."))?;
    if request.sub.as_ref().is_some_and(|it| *it != done.account) {
        let refused = Refused::bad_request("login_required", "Another person signed in than was asked for.");
        return refuse(app, incoming, &request, Some(&done.account), refused).await;
    }
    if !done.consented && must_consent(app, &client, &request, &done.account).await? {
        if request.prompt.iter().any(|it| it == "none") {
            let refused = Refused::bad_request("consent_required", "The person has to consent first.");
            return refuse(app, incoming, &request, Some(&done.account), refused).await;
        }
        // The login that brought us here is complete; consent is a login of its own, seeded with its proofs.
        if !done.persist.is_empty() {
            let mut change = Change::new(incoming.now_ms);
            persist(&mut done, &mut change);
            let entry = audit::Entry::ok("authenticated").account(done.account.as_str()).client(request.client_id.as_str());
            change.audit(entry.address(incoming.address.to_string()));
            match app.store.apply(change).await {
                Ok(_) => {}
                Err(NotApplied::Conflict(_)) => return Err(completed_already()),
                Err(other) => return Err(other.into()),
            }
        }
        let begin = consent_login(app, incoming, &client, &request, &done)?;
        let outcome = app.machine.begin(begin, incoming.now_ms).await?;
        return match outcome {
            Outcome::Ask { step, handle, .. } => ask(app, incoming, &binding, &step, &handle, &Then::Answer(Box::new(request))),
            _ => Err(Fault::new("the machine did not ask for consent").into()),
        };
    }
    answer(app, incoming, &binding, &client, request, done, session).await
}

fn consent_login(app: &App, incoming: &Incoming, client: &Client, request: &AuthorizationRequest, done: &Done) -> Result<Begin> {
    Ok(Begin {
        purpose: Purpose::SignIn,
        client: Some(request.client_id.clone()),
        address: Some(incoming.address),
        policy: client.login.clone().unwrap_or_else(|| "default".to_owned()),
        login_hint: None,
        acr_values: request.acr_values.clone(),
        essential_acr: request.essential_acr,
        max_age_s: None,
        force: false,
        request: as_json(&Then::Answer(Box::new(request.clone())))?,
        existing: Some(Existing {
            account: done.account.clone(),
            version: done.version,
            session: done.session,
            proofs: done.proofs.clone(),
        }),
        consent: Some(consent_ask(app, client, request)),
    })
}

/// One change: session, grant, consent, the pushed request burnt, the login done, and the audit entry of it all.
async fn answer(
    app: &App,
    incoming: &Incoming,
    binding: &Binding,
    client: &Client,
    request: AuthorizationRequest,
    mut done: Done,
    session: Option<Session>,
) -> Result<Reply> {
    let mut change = Change::new(incoming.now_ms);
    persist(&mut done, &mut change);
    let unchanged = session.as_ref().filter(|it| it.account == done.account && it.proofs == done.proofs);
    let (id, cookie) = match unchanged {
        Some(session) => (session.id, None),
        None => {
            let (id, cookie) = sessions::open(app, &mut change, session.as_ref(), &authenticated(&done))?;
            (id, Some(cookie))
        }
    };
    let asked = asked(&request, &done, incoming.now_ms);
    let granting = code::Granting {
        session: &id,
        account: &done.account,
        client_id: &request.client_id,
        confidential: client.authentication != crate::config::ClientAuthentication::None,
        instances: client.has_instances(),
        unattested: client.takes_unattested(),
        most: client.refresh.most_per_person,
        scope: &request.scope,
        resource: &request.resource,
        asked: &asked,
        ends_ms: incoming.now_ms + client.refresh.absolute.0 * 1000,
    };
    let code = code::grant(app, &mut change, &granting)?;
    let burnt = Burnt {
        pushed: request.pushed.as_deref().and_then(|it| par::burn(app, &mut change, it)),
        object: authorize::burn_object(&mut change, &request),
    };
    if done.consented && authorize::identity_assured(&request.back.redirect_uri) {
        let values = vec![
            done.account.as_str().into(),
            request.client_id.as_str().into(),
            request.asked_scope().to_string().into(),
            incoming.now_ms.into(),
        ];
        change.run(CONSENT, values);
    }
    let entry = audit::Entry::ok("code_issued").account(done.account.as_str()).client(request.client_id.as_str());
    let entry = entry.session(sessions::public_id(app, &id)).address(incoming.address.to_string());
    change.audit(entry.with("scope", request.scope.to_string()).with("acr", done.acr.as_str()).with("consented", done.consented));
    let mut reply = authorize::respond(app, incoming, &request.back, &[("code", &code)]).await?;
    finish(app, &mut reply, binding, cookie.as_deref(), &done.account, incoming.now_ms)?;
    complete(app, change, binding, reply, burnt).await
}

fn asked(request: &AuthorizationRequest, done: &Done, now_ms: i64) -> Asked {
    Asked {
        redirect_uri: request.back.redirect_uri.clone(),
        code_challenge: request.code_challenge.clone(),
        dpop_jkt: request.dpop_jkt.clone(),
        instance: request.instance.clone(),
        nonce: request.nonce.clone(),
        acr: done.acr.clone(),
        amr: done.amr.clone(),
        auth_time_ms: done.auth_time_ms,
        code_expires_ms: now_ms + grants::code::CODE_LIFETIME_MS,
        id_token_claims: request.id_token_claims.clone(),
        userinfo_claims: request.userinfo_claims.clone(),
        claims_scope: request.claims_scope.clone(),
        authorization_details: request.authorization_details.clone(),
        wants_auth_time: request.max_age_s.is_some(),
    }
}
