//! GET and POST /authorize. RFC 6749 4.1.1, RFC 7636, RFC 9126 4, RFC 9207, OpenID Connect Core 3.1.2.
//! `check` is the one judge of what an authorization request may ask: the pushed and the plain way both pass it.

use super::reply::{self, Reply};
use crate::app::App;
use crate::config::{Client, ClientKind, Profile};
use crate::error::{Error, Fault, Refused, Result};
use crate::grants;
use crate::http::{login, par};
use crate::sessions;
use crate::store::Change;
use crate::tokens::claims;
use crate::web::request::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use symbolon_oauth::claims_parameter::ClaimsParameter;
use symbolon_oauth::form::Form;
use symbolon_oauth::pkce::Challenge;
use symbolon_oauth::request_object::{self, RequestObject};
use symbolon_oauth::scope::Scope;
use symbolon_oauth::{base64url, digest, id_token, jws, redirect};

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

/// A checked authorization request; what a login carries until it is done.
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
    /// The handle of the pushed request, burnt by the change that issues the code.
    #[serde(default)]
    pub pushed: Option<String>,
    /// By what a request object sent by value is known, and its `exp`: burnt by the change that issues the code (092-A).
    #[serde(default)]
    pub object: Option<(String, i64)>,
}

impl AuthorizationRequest {
    /// All that the person is asked for: the scope, and what claims asked for one by one come to.
    pub fn asked_scope(&self) -> Scope {
        self.scope.iter().chain(self.claims_scope.iter()).map(str::to_owned).collect()
    }
}

/// Why a request is not carried out, and whether the client may be told by a redirect.
pub enum Problem {
    Page(Error),
    Redirect(Refused, Back),
}

impl Problem {
    /// For PAR and for faults: the same failure as a plain answer.
    pub fn into_error(self) -> Error {
        match self {
            Self::Page(it) => it,
            Self::Redirect(it, _) => it.into(),
        }
    }
}

impl From<Fault> for Problem {
    fn from(it: Fault) -> Self {
        Self::Page(it.into())
    }
}

impl From<Error> for Problem {
    fn from(it: Error) -> Self {
        Self::Page(it)
    }
}

fn page(hint: &'static str) -> Problem {
    Problem::Page(Refused::bad_request("invalid_request", hint).into())
}

pub async fn authorize(app: &App, incoming: &Incoming) -> Result<Reply> {
    let request = match resolve(app, incoming).await {
        Ok(it) => it,
        Err(Problem::Page(error)) => return Err(error),
        Err(Problem::Redirect(refused, back)) => return refuse(app, incoming, &back, refused.code, refused.hint).await,
    };
    let session = sessions::of_browser(app, incoming).await?;
    login::begin(app, incoming, request, session).await
}

/// The request itself: from the push it names, or from its own parameters.
async fn resolve(app: &App, incoming: &Incoming) -> std::result::Result<AuthorizationRequest, Problem> {
    let form = incoming.parameters();
    let client_id = form.get("client_id").ok_or_else(|| page("The client_id parameter is missing."))?;
    let client = app.clients.get(client_id).await?.ok_or_else(|| page("There is no such client here, or it is disabled."))?;
    if form.contains("request_uri") && form.contains("request") {
        return Err(page("Send request or request_uri, not both (RFC 9101 5)."));
    }
    if let Some(uri) = form.get("request_uri") {
        return par::open(app, client_id, &client, uri, incoming.now_ms).await;
    }
    if client.require_pushed_authorization_requests {
        return Err(page("This client must push its authorization requests (RFC 9126)."));
    }
    check(app, client_id, &client, form)
}

/// What an authorization request may ask, signed or plain, pushed or not.
pub fn check(app: &App, client_id: &str, client: &Client, form: &Form) -> std::result::Result<AuthorizationRequest, Problem> {
    if !form.contains("request") {
        if client.require_signed_request_object {
            return Err(page("This client must sign its authorization requests (RFC 9101): send a request object."));
        }
        return check_parameters(app, client_id, client, form);
    }
    let object = opened(app, client_id, client, form)?;
    let mut request = check_parameters(app, client_id, client, &object.parameters)?;
    let text = form.get("request").unwrap_or_default();
    request.object = Some((object.jti.unwrap_or_else(|| base64url::encode(&digest::sha256(text.as_bytes()))), object.exp_s));
    Ok(request)
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

/// The request object (RFC 9101 6). Only the client's own keys count, and nothing is fetched.
fn opened(app: &App, client_id: &str, client: &Client, form: &Form) -> std::result::Result<RequestObject, Problem> {
    let failed = |code, hint, why: &str| Problem::Page(Refused::bad_request(code, hint).because(why).into());
    let keys = client.jwks.as_ref().and_then(|it| it.keys().ok());
    let keys = keys.ok_or_else(|| failed("request_not_supported", "This client registered no keys (jwks) to sign requests with.", ""))?;
    let text = form.get("request").unwrap_or_default();
    if !client.may_sign_with(jws::Unverified::parse(text).ok().and_then(|it| it.alg())) {
        return Err(failed("invalid_request_object", "This client's profile does not allow RS256.", ""));
    }
    let expected = request_object::Expected {
        client_id,
        issuer: &app.config.issuer,
        algorithm: client.request_object_signing_alg,
        wants_nbf: client.profile == Some(Profile::Fapi2) || client.require_signed_request_object,
        now_s: app.now_ms() / 1000,
    };
    request_object::check(text, keys, &expected).map_err(|why| {
        let hint = "The request object is refused: signed by the client, aud this issuer, nbf and exp within the hour, client_id inside.";
        failed("invalid_request_object", hint, why)
    })
}

/// Where and how the answer goes. An unknown mode cannot be answered in that mode, so it is a page (Core 3.1.2.6).
fn checked_back(client_id: &str, client: &Client, form: &Form) -> std::result::Result<Back, Problem> {
    let redirect_uri = checked_redirect(client, form)?;
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
    // 096-A: who registered signed answers gets no others.
    if !client.response_modes.is_empty() && !client.response_modes.iter().any(|it| it == asked) {
        return Err(page("This client is registered for other response modes (response_modes)."));
    }
    Ok(Back { redirect_uri, mode, state: form.get("state").map(str::to_owned), signed_for: signed.then(|| client_id.to_owned()) })
}

/// First what decides where an answer may go; from then on the client is told.
fn check_parameters(app: &App, client_id: &str, client: &Client, form: &Form) -> std::result::Result<AuthorizationRequest, Problem> {
    let back = checked_back(client_id, client, form)?;
    match asked(app, client_id, client, form, &back) {
        Ok(it) => Ok(it),
        Err(Error::Refused(it)) => Err(Problem::Redirect(*it, back)),
        Err(fault) => Err(Problem::Page(fault)),
    }
}

/// RFC 9700 2.1: byte-exact, loopback ports excepted. A bad one is a page, never a redirect.
fn checked_redirect(client: &Client, form: &Form) -> std::result::Result<String, Problem> {
    let Some(asked) = form.get("redirect_uri") else {
        return match client.redirect_uris.as_slice() {
            // FAPI 2.0 5.3.2.2 6: it is always said.
            [only] if !form.contains("redirect_uri") && client.profile.is_none() => Ok(only.clone()),
            _ => Err(page("The redirect_uri parameter is missing.")),
        };
    };
    if client.redirect_uris.iter().any(|it| redirect::matches(it, asked)) {
        return Ok(asked.to_owned());
    }
    Err(page("The redirect_uri is not one the client registered; it must match byte for byte."))
}

fn asked(app: &App, client_id: &str, client: &Client, form: &Form, back: &Back) -> Result<AuthorizationRequest> {
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    match form.get("response_type") {
        Some("code") => {}
        None => return Err(invalid("The response_type parameter is missing.").into()),
        Some(_) => return Err(Refused::bad_request("unsupported_response_type", "Only response_type=code is supported.").into()),
    }
    if !client.allows_grant("authorization_code") {
        return Err(Refused::bad_request("unauthorized_client", "This client may not use the authorization code flow.").into());
    }
    let code_challenge = checked_challenge(client, form)?;
    // RFC 9396 3: a request may consist of details alone.
    let scope = match form.get("scope") {
        None if form.contains("authorization_details") => Scope::default(),
        asked => grants::allowed_scope(client, asked)?,
    };
    let nonce = bounded(form, "nonce")?;
    if code_challenge.is_none() && (nonce.is_none() || !scope.contains("openid")) {
        return Err(invalid("Without PKCE a request needs a nonce, and the scope openid whose ID token carries it back.").into());
    }
    let resource: Vec<String> = form.all("resource").into_iter().map(str::to_owned).collect();
    let authorization_details = app.details.parse(client, form)?;
    for one in &resource {
        grants::target(&app.config, client, &scope, &authorization_details, &[one], &[])?;
    }
    let wanted = checked_claims(form)?;
    let sub = checked_sub(app, form, wanted.sub.clone())?;
    let acr_values = if wanted.acr_values.is_empty() { words(form, "acr_values") } else { wanted.acr_values.clone() };
    let essential_acr = wanted.essential_acr;
    let claims = claims::allowed(&app.config, client, &scope, wanted);
    Ok(AuthorizationRequest {
        client_id: client_id.to_owned(),
        back: back.clone(),
        scope,
        resource,
        code_challenge,
        dpop_jkt: checked_jkt(form)?,
        instance: None,
        nonce,
        prompt: checked_prompt(form, app.config.registration.is_some())?,
        max_age_s: checked_max_age(form)?.or(client.default_max_age.map(|it| it.0)),
        acr_values,
        essential_acr,
        login_hint: bounded(form, "login_hint")?,
        ui_locales: form.get("ui_locales").filter(|it| it.len() <= 64).map(str::to_owned),
        sub,
        id_token_claims: claims.id_token,
        userinfo_claims: claims.userinfo,
        claims_scope: claims.scope,
        authorization_details,
        pushed: None,
        object: None,
    })
}

/// RFC 9449 10: a SHA-256 thumbprint in base64url. Given wrongly it is an error, never no binding.
fn checked_jkt(form: &Form) -> Result<Option<String>> {
    if !form.contains("dpop_jkt") && !form.was_empty("dpop_jkt") {
        return Ok(None);
    }
    let given = form.get("dpop_jkt").filter(|it| base64url::decode(it).is_some_and(|it| it.len() == 32));
    let hint = "dpop_jkt is not the SHA-256 thumbprint of a key in base64url.";
    given.map(|it| Some(it.to_owned())).ok_or_else(|| Refused::bad_request("invalid_request", hint).into())
}

fn bounded(form: &Form, name: &str) -> Result<Option<String>> {
    match form.get(name) {
        Some(it) if it.len() > 512 => Err(Refused::bad_request("invalid_request", "nonce or login_hint is longer than 512 bytes.").into()),
        other => Ok(other.map(str::to_owned)),
    }
}

fn words(form: &Form, name: &str) -> Vec<String> {
    form.get(name).map(|it| it.split(' ').filter(|it| !it.is_empty()).take(10).map(str::to_owned).collect()).unwrap_or_default()
}

/// RFC 7636 4.4.1, S256 only. A confidential web client may be exempted, by name, in its configuration; what ties the code to the
/// browser is then the nonce, which only an ID token can carry back (RFC 9700 2.1.1).
fn checked_challenge(client: &Client, form: &Form) -> Result<Option<String>> {
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    let Some(challenge) = form.get("code_challenge") else {
        if form.contains("code_challenge")
            || form.contains("code_challenge_method")
            || !client.without_pkce
            || client.kind != ClientKind::Web
        {
            return Err(invalid("PKCE is required: send code_challenge with code_challenge_method=S256.").into());
        }
        return Ok(None);
    };
    let challenge = Challenge::parse(challenge, form.get("code_challenge_method")).map_err(|why| {
        invalid("code_challenge must be an S256 challenge: 43 characters of base64url, code_challenge_method=S256.").because(why)
    })?;
    Ok(Some(challenge.as_str().to_owned()))
}

/// Core 3.1.2.1: `none` stands alone; an unknown value is refused rather than skipped, and so is one too many. Also `create` (OpenID Connect Initiating User Registration 1.0) where people may register.
fn checked_prompt(form: &Form, registration: bool) -> Result<Vec<String>> {
    let prompt: Vec<String> = form.get("prompt").into_iter().flat_map(|it| it.split(' ')).map(str::to_owned).collect();
    let known = |it: &String| ["none", "login", "consent", "select_account"].contains(&it.as_str()) || (registration && it == "create");
    if !prompt.iter().all(known) || prompt.len() > 10 || (prompt.len() > 1 && prompt.iter().any(|it| it == "none")) {
        let hint = "prompt may be none alone, or login, consent, select_account; create only where people may register.";
        return Err(Refused::bad_request("invalid_request", hint).into());
    }
    Ok(prompt)
}

fn checked_max_age(form: &Form) -> Result<Option<i64>> {
    let Some(text) = form.get("max_age") else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(it) if text.bytes().all(|it| it.is_ascii_digit()) => Ok(Some(i64::from(it))),
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
fn checked_sub(app: &App, form: &Form, claimed: Option<String>) -> Result<Option<String>> {
    let Some(hint) = form.get("id_token_hint") else { return Ok(claimed) };
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    let hinted = id_token::check_hint(hint, &app.keys.verifiers(app.now_ms()), &app.config.issuer);
    let hinted = hinted.ok().and_then(|it| it.get("sub").and_then(Json::as_str).map(str::to_owned));
    let sub = hinted.ok_or_else(|| invalid("id_token_hint is not an ID token of this server."))?;
    if claimed.is_some_and(|it| it != sub) {
        return Err(invalid("id_token_hint and the claims parameter name different people.").into());
    }
    Ok(Some(sub))
}

/// Is the app behind this redirect URI surely the client? RFC 8252 8.6: only a claimed https URI says so; a private
/// scheme or a loopback port can be taken by any app, so consent is asked every time.
pub fn identity_assured(redirect_uri: &str) -> bool {
    matches!(redirect::kind_of(redirect_uri), Some(redirect::RedirectKind::ClaimedHttps))
}

/// An error at the redirect URI, with `iss` (RFC 9207) and `state` as it came.
pub async fn refuse(app: &App, incoming: &Incoming, back: &Back, code: &str, hint: &str) -> Result<Reply> {
    respond(app, incoming, back, &[("error", code), ("error_description", hint)]).await
}

/// The authorization response in the mode that was asked for.
pub async fn respond(app: &App, incoming: &Incoming, back: &Back, parameters: &[(&str, &str)]) -> Result<Reply> {
    let mut all: Vec<(&str, &str)> = parameters.to_vec();
    if let Some(state) = &back.state {
        all.push(("state", state));
    }
    all.push(("iss", &app.config.issuer));
    let signed;
    if let Some(client_id) = &back.signed_for {
        signed = signed_response(app, client_id, &all, incoming.now_ms).await?;
        all = vec![("response", &signed)];
    }
    let encoded: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&all).finish();
    let uri = &back.redirect_uri;
    match back.mode {
        ResponseMode::Query => Ok(reply::see_other(&format!("{uri}{}{encoded}", if uri.contains('?') { '&' } else { '?' }))),
        ResponseMode::Fragment => Ok(reply::see_other(&format!("{uri}#{encoded}"))),
        ResponseMode::FormPost => {
            let pairs: Vec<(String, String)> = all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let locale = app.pages.pick_locale(incoming.query.get("ui_locales"), incoming.header("accept-language"));
            let html = app.pages.form_post(uri, &pairs, &locale, &app.config.issuer)?;
            Ok(reply::form_post_page(html, &origin(uri)))
        }
    }
}

/// JARM 2.1: the parameters as claims, with `aud` and `exp`; `iss` is among them already. Typed, so that it is nothing else.
async fn signed_response(app: &App, client_id: &str, parameters: &[(&str, &str)], now_ms: i64) -> Result<String> {
    let client = app.clients.get(client_id).await?.ok_or_else(|| Fault::new("the client vanished"))?;
    let alg = client.authorization_signed_response_alg.unwrap_or(app.config.signing.alg);
    let mut claims: serde_json::Map<String, Json> = parameters.iter().map(|(k, v)| ((*k).to_owned(), Json::from(*v))).collect();
    claims.insert("aud".to_owned(), client_id.into());
    claims.insert("exp".to_owned(), (now_ms / 1000 + 600).into());
    let key = app.keys.signer(alg, now_ms)?;
    Ok(jws::sign(&key, "oauth-authz-resp+jwt", &claims).map_err(|it| Fault::new(format!("signing an answer: {it:?}")))?)
}

/// Scheme and host of a redirect URI, for the page's form-action. A private scheme is named alone.
pub fn origin(uri: &str) -> String {
    match url::Url::parse(uri) {
        Ok(it) if it.origin().is_tuple() => it.origin().ascii_serialization(),
        Ok(it) => format!("{}:", it.scheme()),
        Err(_) => "'none'".to_owned(),
    }
}
