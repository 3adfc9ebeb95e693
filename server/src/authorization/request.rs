//! What an authorization request may ask. RFC 6749 4.1.1, RFC 7636, RFC 9126 4, OpenID Connect Core 3.1.2. `check` is the one judge, for
//! pushed and plain requests. `still_allowed` asks the same rules again for every answer of a sign-in.

use super::Authority;
use super::detour::{self, Detour};
use super::redirects::{self, redirect_is_registered};
use super::signed_request;
use crate::config::{Client, ClientKind, InstallationFacts, NamedClient, TierName};
use crate::error::{Error, Fault, Refused, Result};
use crate::grants::{self, Replaced, Wanted};
use crate::login::easing::Circumstances;
use crate::login::policy::Policy;
use crate::login::rights::Rights;
use crate::login::state::Rules;
use crate::login::transaction::Transaction;
use crate::store::Change;
use crate::tokens::claims;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::net::IpAddr;
use std::sync::Arc;
use symbolon_oauth::claims_parameter::ClaimsParameter;
use symbolon_oauth::form::Form;
use symbolon_oauth::pkce::Challenge;
use symbolon_oauth::request_object::Endpoint;
use symbolon_oauth::scope::Scope;
use symbolon_oauth::{base64url, id_token};

/// A longer one would not come back: the address of the answer has to fit a request's header.
pub const MAX_STATE_BYTES: usize = 4096;
/// All that a request may come to when it is kept. It rides in the form of the first page, sealed and in base64, and a form has 64 KiB.
const MAX_REQUEST_BYTES: usize = 32 * 1024;

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// Where and how an answer goes back. Only built from a checked redirect URI.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Back {
    pub redirect_uri: String,
    pub mode: ResponseMode,
    pub state: Option<String>,
    /// JARM: the client the answer is signed for.
    #[serde(default)]
    pub signed_for: Option<String>,
}

impl Back {
    /// The response mode in each spelling that a client can register.
    fn mode_names(&self) -> &'static [&'static str] {
        match (self.mode, self.signed_for.is_some()) {
            (ResponseMode::Query, false) => &["query"],
            (ResponseMode::Fragment, false) => &["fragment"],
            (ResponseMode::FormPost, false) => &["form_post"],
            (ResponseMode::Query, true) => &["jwt", "query.jwt"],
            (ResponseMode::Fragment, true) => &["fragment.jwt"],
            (ResponseMode::FormPost, true) => &["form_post.jwt"],
        }
    }
}

/// A checked authorization request; what a sign-in carries until it is done.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct AuthorizationRequest {
    pub client_id: String,
    pub back: Back,
    pub scope: Scope,
    pub resource: Vec<String>,
    pub code_challenge: Option<String>,
    /// RFC 9449 10: the key the code is for.
    #[serde(default)]
    pub dpop_jkt: Option<String>,
    /// The installation that pushed the request; never from a parameter.
    #[serde(default)]
    pub instance: Option<String>,
    pub nonce: Option<String>,
    pub prompt: Vec<String>,
    pub max_age_s: Option<i64>,
    pub acr_values: Vec<String>,
    pub essential_acr: bool,
    pub login_hint: Option<String>,
    pub ui_locales: Option<String>,
    /// The person this request insists on (id_token_hint, or `sub` in the claims parameter).
    pub sub: Option<String>,
    pub id_token_claims: Vec<String>,
    pub userinfo_claims: Vec<String>,
    /// The scopes that carry those of them which `scope` does not.
    #[serde(default)]
    pub claims_scope: Scope,
    /// RFC 9396, checked.
    #[serde(default)]
    pub authorization_details: Vec<Json>,
    /// It came in a request object that the client signed (RFC 9101).
    #[serde(default)]
    pub signed: bool,
    /// The handle of the pushed request, burnt by the change that issues the code.
    #[serde(default)]
    pub pushed: Option<String>,
    /// It came to the native face, from a client that had proved itself.
    #[serde(default)]
    pub native: bool,
    /// The grant that the person signs in beside.
    #[serde(default)]
    pub replaces: Option<Replaced>,
    /// It goes on with a sign-in of the native face, in a browser.
    #[serde(default)]
    pub detour: Option<Detour>,
    /// What a browser proves for this native sign-in is brought back to it (`browser_return=sw`).
    #[serde(default)]
    pub comes_back: bool,
    /// By what a request object sent by value is known, and its `exp`. The change that issues the code burns it (092-A).
    #[serde(default)]
    pub object: Option<(String, i64)>,
}

impl AuthorizationRequest {
    /// Is it the browser's part of a native sign-in, which brings its proofs back to the app?
    pub fn brings_back(&self) -> bool {
        self.detour.as_ref().is_some_and(|detour| detour.comes_back.is_some())
    }

    /// A request of the native face that goes on in a browser. Whoever was proved already is the only one whom it takes.
    pub fn for_browser(&self, detour: Detour, subject: Option<&str>) -> Self {
        let sub = subject.map(str::to_owned).or_else(|| self.sub.clone());
        // Whoever is proved has made the account already.
        let prompt = self.prompt.iter().filter(|word| sub.is_none() || *word != CREATE).cloned().collect();
        Self { native: false, detour: Some(detour), sub, prompt, ..self.clone() }
    }

    /// All that the person is asked for: the scope, and what claims asked for one by one come to.
    pub fn asked_scope(&self) -> Scope {
        self.scope.iter().chain(self.claims_scope.iter()).map(str::to_owned).collect()
    }
}

/// Why a request is not carried out, and whether the client may be told by a redirect.
pub enum RequestProblem {
    Page(Error),
    Redirect(Refused, Back),
}

impl RequestProblem {
    /// For PAR and for faults: the same failure as a plain answer.
    pub fn into_error(self) -> Error {
        match self {
            Self::Page(error) => error,
            Self::Redirect(refused, _) => refused.into(),
        }
    }
}

impl From<Fault> for RequestProblem {
    fn from(fault: Fault) -> Self {
        Self::Page(fault.into())
    }
}

impl From<Error> for RequestProblem {
    fn from(error: Error) -> Self {
        Self::Page(error)
    }
}

fn page(hint: &'static str) -> RequestProblem {
    RequestProblem::Page(Refused::bad_request("invalid_request", hint).into())
}

/// What an authorization request may ask, signed or plain, pushed or not.
pub fn check(
    authority: &Authority<'_>,
    client_id: &str,
    client: &Client,
    form: &Form,
) -> std::result::Result<AuthorizationRequest, RequestProblem> {
    let named = NamedClient { client_id, client };
    if !form.contains("request") {
        if client.require_signed_request_object {
            return Err(page("This client must sign its authorization requests (RFC 9101): send a request object."));
        }
        return check_parameters(authority, named, form);
    }
    let object = signed_request::open(authority, named, form, Endpoint::Authorization).map_err(|it| RequestProblem::Page(it.into()))?;
    let mut request = check_parameters(authority, named, &object.parameters)?;
    request.signed = true;
    request.object = Some((object.id, object.exp_s));
    Ok(request)
}

/// The same for the native face. What is said for the browser counts where a sign-in may go on there. That needs `code_challenge`: without
/// it no `request_uri` is given (First-Party Applications 5.2.2). `granted`: what the person signs in beside; without a scope it is asked
/// for that.
pub fn check_native(
    authority: &Authority<'_>,
    (client_id, client): (&str, &Client),
    form: &Form,
    granted: Option<&Scope>,
) -> Result<AuthorizationRequest> {
    if form.contains("request") || form.contains("request_uri") {
        let hint = "Send the parameters themselves here: neither request nor request_uri.";
        return Err(Refused::bad_request("invalid_request", hint).into());
    }
    let redirect_uri = match (form.get("redirect_uri"), client.redirect_uris.as_slice()) {
        _ if !form.contains("code_challenge") => String::new(),
        (None, [only]) => only.clone(),
        (None, _) => {
            let hint = "Beside code_challenge say which redirect_uri is meant: the client registered several.";
            return Err(Refused::bad_request("invalid_request", hint).into());
        }
        (Some(_), _) => redirects::checked(client, form)?,
    };
    let named = NamedClient { client_id, client };
    let back = checked_back(named, form, redirect_uri).map_err(RequestProblem::into_error)?;
    let comes_back = detour::comes_back(form, &back.redirect_uri)?;
    let request = read_request(authority, named, form, &back, AskedBy::Native(granted))?;
    must_be_short(AuthorizationRequest { comes_back, ..request })
}

/// Who asks the person.
#[derive(Clone, Copy)]
enum AskedBy<'a> {
    Browser,
    /// With the scope of an earlier grant, if it signs in beside one.
    Native(Option<&'a Scope>),
}

impl AskedBy<'_> {
    fn is_native(self) -> bool {
        matches!(self, Self::Native(_))
    }
}

/// The statement that spends a request object, so that it works once (092-A).
pub fn burn_object(change: &mut Change, request: &AuthorizationRequest) -> Option<usize> {
    let (id, exp_s) = request.object.as_ref()?;
    Some(change.once("request_object", &request.client_id, id, exp_s * 1000))
}

pub fn used_object() -> Error {
    let hint = "This request object was used before; sign a new one for every request.";
    Refused::bad_request("invalid_request_object", hint).into()
}

/// Where and how the answer goes. An unknown mode cannot be answered in that mode, so it is a page (Core 3.1.2.6).
fn checked_back(named: NamedClient<'_>, form: &Form, redirect_uri: String) -> std::result::Result<Back, RequestProblem> {
    let asked = form.get("response_mode").unwrap_or("query");
    let (mode, signed) = match asked {
        "query" => (ResponseMode::Query, false),
        "fragment" => (ResponseMode::Fragment, false),
        "form_post" => (ResponseMode::FormPost, false),
        "jwt" | "query.jwt" => (ResponseMode::Query, true),
        "fragment.jwt" => (ResponseMode::Fragment, true),
        "form_post.jwt" => (ResponseMode::FormPost, true),
        _ => return Err(page("This response_mode is not supported; use query, fragment, form_post or one of them with .jwt.")),
    };
    if !mode_is_registered(named.client, &[asked]) {
        return Err(page("This client is registered for other response modes (response_modes)."));
    }
    // RFC 9700 4.11.2: a form leaves by itself, and nobody would see where to.
    if mode == ResponseMode::FormPost && !named.client.is_trusted_at(&redirect_uri) {
        return Err(page("form_post is for clients whose redirect host is proved; use query."));
    }
    let state = form.get("state").map(str::to_owned);
    if state.as_ref().is_some_and(|state| state.len() > MAX_STATE_BYTES) {
        return Err(page("state is longer than 4096 bytes, which is more than an address holds."));
    }
    Ok(Back { redirect_uri, mode, state, signed_for: signed.then(|| named.client_id.to_owned()) })
}

/// 096-A: who registered signed answers gets no others. `names`: the mode in each of its spellings.
fn mode_is_registered(client: &Client, names: &[&str]) -> bool {
    client.response_modes.is_empty() || client.response_modes.iter().any(|registered| names.contains(&registered.as_str()))
}

/// First what decides where an answer may go; from then on the client is told.
fn check_parameters(
    authority: &Authority<'_>,
    named: NamedClient<'_>,
    form: &Form,
) -> std::result::Result<AuthorizationRequest, RequestProblem> {
    let back = checked_back(named, form, redirects::checked(named.client, form)?)?;
    match read_request(authority, named, form, &back, AskedBy::Browser).and_then(must_be_short) {
        Ok(request) => Ok(request),
        Err(Error::Refused(refused)) => Err(RequestProblem::Redirect(*refused, back)),
        Err(fault) => Err(RequestProblem::Page(fault)),
    }
}

pub(super) fn must_be_short(request: AuthorizationRequest) -> Result<AuthorizationRequest> {
    let text = serde_json::to_vec(&request).map_err(|error| Fault::new(error.to_string()))?;
    if text.len() > MAX_REQUEST_BYTES {
        let hint = "The parameters of the request are longer than 32 KiB in all.";
        return Err(Refused::bad_request("invalid_request", hint).because(format!("{} bytes", text.len())).into());
    }
    Ok(request)
}

/// Judges an accepted request under the present configuration. The client may have lost a redirect URI, a scope or an API since the
/// sign-in began. The error is for a page, as the redirect URI may be the one that is gone.
pub fn still_allowed(authority: &Authority<'_>, client: &Client, request: &AuthorizationRequest) -> Result<()> {
    let gone = |why: &str| {
        let hint = "What the app asked for is no longer allowed. Go back to the app and start again.";
        Error::from(Refused::bad_request("invalid_session", hint).because(why))
    };
    let is_native_alone = request.native && request.back.redirect_uri.is_empty();
    if !is_native_alone && !redirect_is_registered(client, &request.back.redirect_uri) {
        return Err(gone("the redirect URI is no longer registered"));
    }
    if !is_native_alone && !mode_is_registered(client, request.back.mode_names()) {
        return Err(gone("the response mode is no longer registered"));
    }
    if !client.allows_grant("authorization_code") {
        return Err(gone("the client may no longer use the code flow"));
    }
    // A client of the native face has authenticated with its request, as it would with a push.
    if client.must_push() && request.pushed.is_none() && !request.native {
        return Err(gone("the client must push its requests now"));
    }
    if client.require_signed_request_object && !request.signed {
        return Err(gone("the client must sign its requests now"));
    }
    if request.code_challenge.is_none() && !request.native && !may_go_without_pkce(client, request.nonce.is_some(), &request.scope) {
        return Err(gone("the client must use PKCE now"));
    }
    contents_still_allowed(authority, client, request)
}

/// What is asked for, however it is asked.
pub fn contents_still_allowed(authority: &Authority<'_>, client: &Client, request: &AuthorizationRequest) -> Result<()> {
    let gone = |why: &str| {
        let hint = "What the app asked for is no longer allowed. Go back to the app and start again.";
        Error::from(Refused::bad_request("invalid_session", hint).because(why))
    };
    let asked = request.asked_scope().to_string();
    if !asked.is_empty() {
        grants::allowed_scope(client, Some(&asked)).map_err(|_| gone("a scope is no longer allowed"))?;
    }
    authority.details.allowed(client, &request.authorization_details).map_err(|_| gone("an authorization detail is no longer allowed"))?;
    for one in &request.resource {
        let wanted = Wanted { scope: &request.scope, details: &request.authorization_details, resource: &[one], granted: &[] };
        grants::target(&authority.config, client, wanted).map_err(|_| gone("a resource is no longer allowed"))?;
    }
    Ok(())
}

/// Where a request comes from, as far as a policy's conditions go.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Of the installation that asks on its own screens.
    pub tier: Option<TierName>,
    pub address: Option<IpAddr>,
    /// What its attestation said.
    pub installation: Option<Arc<InstallationFacts>>,
}

/// What the request asks of the sign-in, under the present configuration. A wanted `acr` raises the sign-in and never lowers it. If it is
/// essential and nowhere to be had, it is an error and never a weaker token (368-Z).
pub fn sign_in_rules(
    authority: &Authority<'_>,
    client: &Client,
    request: &AuthorizationRequest,
    surroundings: Surroundings,
) -> Result<Rules> {
    if request.sub.is_some() && request.prompt.iter().any(|word| word == CREATE) {
        let hint = "prompt=create makes another account, and the request insists on a person: leave out one of them.";
        return Err(Refused::bad_request("invalid_request", hint).into());
    }
    let name = client.login_policy();
    let unknown = || Refused::bad_request("invalid_session", "This app cannot sign you in now. Go back to the app and start again.");
    let own = authority.config.policy(name).ok_or_else(|| unknown().because(format!("there is no [login.{name}]")))?;
    let asked = request.asked_scope().to_string();
    let scopes: Vec<&str> = asked.split(' ').filter(|word| !word.is_empty()).collect();
    let known = Circumstances {
        client: Some(&request.client_id),
        scopes: request.authorization_details.is_empty().then_some(&scopes),
        tier: surroundings.tier.map(TierName::as_str),
        address: surroundings.address,
        installation: surroundings.installation.as_deref(),
    };
    // What comes back to an app is weighed there once more, by other circumstances: nothing is eased on the way.
    let own = &if request.brings_back() { own.strict() } else { own.under(&known) };
    let rules = |policy: Policy| Rules {
        max_age_s: [client.max_age_s(request.max_age_s), policy.max_age_s(), own.max_age_s()].into_iter().flatten().min(),
        policy,
        // Changes of an account want proofs of this sign-in.
        force: request.prompt.iter().any(|word| word == "login" || word == MANAGE),
        sub: request.sub.clone(),
        rights: match request.prompt.iter().any(|word| word == MANAGE) {
            true => Rights::Only(client.manage.clone()),
            false => Rights::Nothing,
        },
        client: Some(client.display_name(&request.client_id).to_owned()),
        confirm: request.detour.as_ref().map(|detour| detour::question(client.display_name(&request.client_id), detour)),
        transaction: Transaction::new(&request.authorization_details, authority.config.signing_wallets()),
    };
    for wanted in &request.acr_values {
        // Several policies may give it: the client's own comes first.
        // Whoever asks for an acr is given it, so that conditions ease nothing.
        let all = std::iter::once(own).chain(authority.config.login.values().map(|login| &login.0)).map(Policy::strict);
        if let Some(found) = all.into_iter().find(|policy| policy.acr.as_ref() == Some(wanted) && policy.is_no_weaker_than(own)) {
            return Ok(rules(found));
        }
    }
    if request.essential_acr && !request.acr_values.is_empty() {
        let refused = Refused::bad_request("unmet_authentication_requirements", "No way of signing in here gives that acr.");
        return Err(refused.because("no policy with that acr asks for as much as the client's own").into());
    }
    Ok(rules(own.clone()))
}

fn read_request(
    authority: &Authority<'_>,
    NamedClient { client_id, client }: NamedClient<'_>,
    form: &Form,
    back: &Back,
    face: AskedBy<'_>,
) -> Result<AuthorizationRequest> {
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    match form.get("response_type") {
        Some("code") => {}
        None => return Err(invalid("The response_type parameter is missing.").into()),
        Some(_) => return Err(Refused::bad_request("unsupported_response_type", "Only response_type=code is supported.").into()),
    }
    if !client.allows_grant("authorization_code") {
        return Err(Refused::bad_request("unauthorized_client", "This client may not use the authorization code flow.").into());
    }
    let code_challenge = checked_challenge(client, form, face)?;
    // RFC 9396 3: a request may consist of details alone.
    let scope = match form.get("scope") {
        None if form.contains("authorization_details") => Scope::default(),
        None if let AskedBy::Native(Some(granted)) = face => grants::allowed_scope(client, Some(&granted.to_string()))?,
        asked => grants::allowed_scope(client, asked)?,
    };
    let nonce = bounded(form, "nonce")?;
    if code_challenge.is_none() && !face.is_native() && !may_go_without_pkce(client, nonce.is_some(), &scope) {
        return Err(invalid("Without PKCE a request needs a nonce, and the scope openid whose ID token carries it back.").into());
    }
    let resource: Vec<String> = form.all("resource").into_iter().map(str::to_owned).collect();
    let authorization_details = authority.details.parse(client, form)?;
    for one in &resource {
        let wanted = Wanted { scope: &scope, details: &authorization_details, resource: &[one], granted: &[] };
        grants::target(&authority.config, client, wanted)?;
    }
    let wanted = checked_claims(form)?;
    let sub = checked_sub(authority, form, wanted.sub.clone())?;
    let acr_values = if wanted.acr_values.is_empty() { words(form, "acr_values") } else { wanted.acr_values.clone() };
    let essential_acr = wanted.essential_acr;
    let claims = claims::allowed(&authority.config, client, &scope, wanted);
    Ok(AuthorizationRequest {
        client_id: client_id.to_owned(),
        back: back.clone(),
        scope,
        resource,
        code_challenge,
        dpop_jkt: checked_jkt(form)?,
        instance: None,
        nonce,
        prompt: checked_prompt(form, face, authority.config.registration.is_some())?,
        max_age_s: checked_max_age(form)?,
        acr_values,
        essential_acr,
        login_hint: bounded(form, "login_hint")?,
        ui_locales: form.get("ui_locales").filter(|it| it.len() <= 64).map(str::to_owned),
        sub,
        id_token_claims: claims.id_token,
        userinfo_claims: claims.userinfo,
        claims_scope: claims.scope,
        authorization_details,
        signed: false,
        pushed: None,
        native: face.is_native(),
        replaces: None,
        detour: None,
        comes_back: false,
        object: None,
    })
}

/// RFC 9449 10: a SHA-256 thumbprint in base64url. Given wrongly it is an error, never no binding.
fn checked_jkt(form: &Form) -> Result<Option<String>> {
    if !form.contains("dpop_jkt") && !form.was_empty("dpop_jkt") {
        return Ok(None);
    }
    let given = form.get("dpop_jkt").filter(|jkt| base64url::decode(jkt).is_some_and(|bytes| bytes.len() == 32));
    let hint = "dpop_jkt is not the SHA-256 thumbprint of a key in base64url.";
    given.map(|it| Some(it.to_owned())).ok_or_else(|| Refused::bad_request("invalid_request", hint).into())
}

fn bounded(form: &Form, name: &str) -> Result<Option<String>> {
    match form.get(name) {
        Some(text) if text.len() > 512 => {
            Err(Refused::bad_request("invalid_request", "nonce or login_hint is longer than 512 bytes.").into())
        }
        other => Ok(other.map(str::to_owned)),
    }
}

pub(super) fn words(form: &Form, name: &str) -> Vec<String> {
    let words = form.get(name).into_iter().flat_map(|text| text.split(' ')).filter(|word| !word.is_empty());
    words.take(10).map(str::to_owned).collect()
}

/// RFC 7636 4.4.1, S256 only. A confidential web client may be exempted, by name, in its configuration. The nonce ties the code to the
/// browser then, and only an ID token can carry it back (RFC 9700 2.1.1). A code of the native face is bound to the key of the client that
/// asked. A challenge changes nothing about that.
fn checked_challenge(client: &Client, form: &Form, face: AskedBy<'_>) -> Result<Option<String>> {
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    let Some(challenge) = form.get("code_challenge") else {
        let may_be_left_out = face.is_native() || is_exempt_from_pkce(client);
        if form.was_empty("code_challenge") || form.contains("code_challenge_method") || !may_be_left_out {
            return Err(invalid("PKCE is required: send code_challenge with code_challenge_method=S256.").into());
        }
        return Ok(None);
    };
    let challenge = Challenge::parse(challenge, form.get("code_challenge_method")).map_err(|why| {
        invalid("code_challenge must be an S256 challenge: 43 characters of base64url, code_challenge_method=S256.").because(why)
    })?;
    Ok(Some(challenge.as_str().to_owned()))
}

fn is_exempt_from_pkce(client: &Client) -> bool {
    client.without_pkce && client.kind == ClientKind::Web
}

/// The nonce ties the code to the browser then, and only an ID token can carry it back (RFC 9700 2.1.1). A client may be exempted from that
/// too (OpenID Connect Core 3.1.2.1), for requests that get an ID token.
fn may_go_without_pkce(client: &Client, has_nonce: bool, scope: &Scope) -> bool {
    is_exempt_from_pkce(client) && (has_nonce || client.without_nonce) && scope.contains("openid")
}

/// The word by which an app asks for the account on its own screens. It stands alone, and a browser knows no such word.
pub const MANAGE: &str = "manage";

/// OpenID Connect Initiating User Registration 1.0.
pub const CREATE: &str = "create";

/// Core 3.1.2.1: `none` stands alone, and an unknown value is refused. `create` is known where people may register.
fn checked_prompt(form: &Form, face: AskedBy<'_>, registration: bool) -> Result<Vec<String>> {
    let prompt: Vec<String> = form.get("prompt").into_iter().flat_map(|it| it.split(' ')).map(str::to_owned).collect();
    if prompt == [MANAGE] && face.is_native() {
        return Ok(prompt);
    }
    let known = |it: &String| ["none", "login", "consent", "select_account"].contains(&it.as_str()) || (registration && it == CREATE);
    if !prompt.iter().all(known) || prompt.len() > 10 || (prompt.len() > 1 && prompt.iter().any(|it| it == "none")) {
        let hint = "prompt may be none alone, or login, consent, select_account; create only where people may register.";
        return Err(Refused::bad_request("invalid_request", hint).into());
    }
    Ok(prompt)
}

fn checked_max_age(form: &Form) -> Result<Option<i64>> {
    let Some(text) = form.get("max_age") else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(number) if text.bytes().all(|it| it.is_ascii_digit()) => Ok(Some(i64::from(number))),
        _ => Err(Refused::bad_request("invalid_request", "max_age must be a whole number of seconds.").into()),
    }
}

/// OpenID Connect Core 5.5.
fn checked_claims(form: &Form) -> Result<ClaimsParameter> {
    let Some(text) = form.get("claims") else { return Ok(ClaimsParameter::default()) };
    let hint = "The claims parameter is not the JSON object of OpenID Connect Core 5.5.";
    ClaimsParameter::parse(text).map_err(|why| Refused::bad_request("invalid_request", hint).because(why).into())
}

/// The person the request insists on: by id_token_hint, by `sub` in the claims parameter, or by both alike.
fn checked_sub(authority: &Authority<'_>, form: &Form, claimed: Option<String>) -> Result<Option<String>> {
    let Some(hint) = form.get("id_token_hint") else { return Ok(claimed) };
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    let hinted = id_token::check_hint(hint, &authority.keys.hint_verifiers(), &authority.config.issuer);
    let hinted = hinted.ok().and_then(|it| it.get("sub").and_then(Json::as_str).map(str::to_owned));
    let sub = hinted.ok_or_else(|| invalid("id_token_hint is not an ID token of this server."))?;
    if claimed.is_some_and(|it| it != sub) {
        return Err(invalid("id_token_hint and the claims parameter name different people.").into());
    }
    Ok(Some(sub))
}
