//! Signing in: authorization code with PKCE (RFC 7636) over a pushed request (RFC 9126) in the system browser (RFC 8252). The pending
//! sign-in is stored, because the operating system may end the app while the browser is open.

use crate::Client;
use crate::api::StepUp;
use crate::connection::text_member;
use crate::redirect::{self, Redirect};
use crate::session::Access;
use crate::trouble::{Reply, Trouble};
use crate::wallet::WalletCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, pkce};

pub(crate) const PENDING: &str = "sign-in";
pub(crate) const BROWSER_RETURN: &str = "browser_return";

/// The app's request for a sign-in.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    scope: String,
    resource: String,
    parameters: Vec<(String, String)>,
    /// For the person who is signed in already.
    pub(crate) is_beside: bool,
}

impl SignIn {
    pub fn new(scope: &str) -> Self {
        Self { scope: scope.to_owned(), ..Self::default() }
    }

    /// The API whose access token comes with the sign-in (RFC 8707). An app that may call several APIs needs it. The session is for all of
    /// them.
    pub fn for_api(mut self, resource: &str) -> Self {
        self.resource = resource.to_owned();
        self
    }

    /// Another parameter of the authorization request: `prompt`, `ui_locales`, `authorization_details`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The parameters that the app added.
    pub(crate) fn parameters(&self) -> Vec<(&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// A native sign-in that has to go on in the browser comes back to the app's own screens, with what was proved there. The redirect URI
    /// has to be a claimed https link.
    pub fn coming_back(self) -> Self {
        self.with(BROWSER_RETURN, "sw")
    }

    /// The person who is signed in proves more: a native sign-in asks only for what is missing. This is also what to do when a refresh is
    /// refused with `insufficient_authorization`.
    pub fn beside_session(mut self) -> Self {
        self.is_beside = true;
        self
    }

    /// Exactly what an API has asked for (RFC 9470 4).
    pub fn with_step_up(mut self, step_up: &StepUp) -> Self {
        self.is_beside = true;
        for (name, value) in [("acr_values", &step_up.acr_values), ("max_age", &step_up.max_age)] {
            self.parameters.extend(value.iter().map(|it| (name.to_owned(), it.clone())));
        }
        self
    }
}

/// A sign-in that was begun, before anything is sent.
pub(crate) struct Begun {
    pending: Pending,
    challenge: String,
    scope: String,
    pub(crate) redirect_uri: String,
}

impl Begun {
    /// The resource is left out: here it would limit the whole session to that API (RFC 8707 2.2).
    pub(crate) fn parameters(&self) -> Vec<(&str, &str)> {
        vec![
            ("scope", self.scope.as_str()),
            ("state", &self.pending.state),
            ("code_challenge", &self.challenge),
            ("code_challenge_method", "S256"),
        ]
    }

    pub(crate) fn into_pending(self) -> Pending {
        self.pending
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Pending {
    issuer: String,
    pub(crate) state: String,
    verifier: String,
    resource: String,
    /// The code that came back. Its tokens are not stored yet.
    pub(crate) code: Option<String>,
    /// A native sign-in that the answer of the browser or of a wallet comes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) away: Option<Away>,
}

/// Where the native sign-in stands while the person is in the browser or in a wallet. It is stored: the operating system may end the app
/// meanwhile.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Away {
    pub auth_session: String,
    pub step: Value,
    /// It goes on beside the session of the person who is signed in.
    #[serde(default)]
    pub is_beside: bool,
    /// What the browser brought. The server has not taken it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// The codes that links of wallets brought, likewise. The oldest stands first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wallets: Vec<WalletCode>,
}

impl Away {
    /// At this step, which nothing was brought to yet.
    pub fn at(auth_session: &str, step: &Value, is_beside: bool) -> Self {
        Self { auth_session: auth_session.to_owned(), step: step.clone(), is_beside, handle: None, wallets: Vec::new() }
    }

    /// The step that is still open, as the server would send it.
    pub fn still_open(&self) -> Reply {
        let body = json!({ "error": "insufficient_authorization", "auth_session": self.auth_session, "step": self.step });
        Reply { status: 403, body, retry_after_s: None, request_id: None }
    }
}

/// The person is signed in, and the session is stored.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The granted scope. It may be less than the app asked for.
    pub scope: String,
    /// The claims of the ID token, if the app asked for `openid`. They are for the app's own screens: APIs accept only access tokens.
    pub claims: Map<String, Value>,
    pub authorization_details: Value,
}

impl Client {
    /// Signs in from beginning to end. Redirects that are no answer to this sign-in are ignored.
    pub async fn sign_in(&self, request: &SignIn) -> Result<SignedIn, Trouble> {
        let address = self.begin(request).await?;
        self.go_on_in_browser(&address).await
    }

    /// Pushes the request and returns the address to open. This is for apps that open the browser themselves.
    pub async fn begin(&self, request: &SignIn) -> Result<String, Trouble> {
        let begun = self.start(request).await?;
        let address = self.0.server.push(&[begun.parameters(), request.parameters()].concat()).await?;
        self.wait_for(&begun.into_pending()).await?;
        Ok(address)
    }

    /// What is new in every sign-in: verifier and state.
    pub(crate) async fn start(&self, request: &SignIn) -> Result<Begun, Trouble> {
        let server = &self.0.server;
        let connection = server.connection();
        self.send_pending_sign_out().await?;
        let (verifier, state) = (pkce::verifier(connection.random()?), base64url::encode(&connection.random::<16>()?));
        let challenge = pkce::challenge(&verifier);
        let (issuer, redirect_uri) = (server.settings.issuer.clone(), server.settings.redirect_uri.clone());
        let (scope, resource) = (request.scope.clone(), request.resource.clone());
        Ok(Begun { pending: Pending { issuer, state, verifier, resource, code: None, away: None }, challenge, scope, redirect_uri })
    }

    /// Stores the pending sign-in, for the answer that comes by the browser.
    pub(crate) async fn wait_for(&self, pending: &Pending) -> Result<(), Trouble> {
        self.0.server.connection().store(PENDING, Some(pending)).await
    }

    /// The code of a native sign-in. It is stored first: the same code gets the same tokens if their answer is lost.
    pub(crate) async fn redeem_native(&self, mut pending: Pending, code: String) -> Result<SignedIn, Trouble> {
        (pending.code, pending.away) = (Some(code), None);
        self.wait_for(&pending).await?;
        self.redeem(pending).await
    }

    /// Opens the browser and waits for the answer to the pending sign-in.
    pub(crate) async fn go_on_in_browser(&self, address: &str) -> Result<SignedIn, Trouble> {
        let browser = &self.0.server.platform.browser;
        browser.open(address).await?;
        loop {
            if let Some(signed_in) = self.finish(&browser.redirected().await?).await? {
                return Ok(signed_in);
            }
        }
    }

    /// Reads the URL that the operating system handed to the app. `None`: it is no answer to the pending sign-in, and changed nothing.
    pub async fn finish(&self, url: &str) -> Result<Option<SignedIn>, Trouble> {
        let pending = {
            // When the same redirect arrives twice at once, its code is redeemed once.
            let _lock = self.0.storage_lock.lock().await;
            let Some(mut pending) = self.pending().await?.filter(|it| it.code.is_none() && it.away.is_none()) else { return Ok(None) };
            let connection = self.0.server.connection();
            match redirect::read(url, connection.settings, &pending.state) {
                Redirect::NotOurs | Redirect::BrowserReturn(_) | Redirect::WalletReturn(_) => return Ok(None),
                Redirect::Code(code) => pending.code = Some(code),
                Redirect::Refused { error, description } => {
                    connection.store::<Pending>(PENDING, None).await?;
                    return Err(Trouble::of_code(&error, &description));
                }
                Redirect::AnotherIssuer => {
                    connection.store::<Pending>(PENDING, None).await?;
                    return Err(Trouble::Wrong("the answer to this sign-in names another issuer".to_owned()));
                }
            }
            connection.store(PENDING, Some(&pending)).await?;
            pending
        };
        self.redeem(pending).await.map(Some)
    }

    /// Redeems a code whose tokens did not arrive: after `Later` from `finish`, or at the start of the app. A minute after the code this is
    /// too late, and the person signs in again. `None`: there is no such sign-in.
    pub async fn resume(&self) -> Result<Option<SignedIn>, Trouble> {
        match self.pending().await?.filter(|it| it.code.is_some()) {
            Some(pending) => self.redeem(pending).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) async fn pending(&self) -> Result<Option<Pending>, Trouble> {
        let found = self.0.server.connection().load::<Pending>(PENDING).await?;
        Ok(found.filter(|it| it.issuer == self.0.server.settings.issuer))
    }

    async fn redeem(&self, pending: Pending) -> Result<SignedIn, Trouble> {
        let server = &self.0.server;
        let connection = server.connection();
        let code = pending.code.unwrap_or_default();
        let shared = self.shared();
        let sso_jkt = match &shared {
            Some(shared) => shared.thumbprint().await?,
            None => String::new(),
        };
        let reply = server.exchange_sharing(&code, &pending.verifier, &pending.resource, &sso_jkt).await?;
        let result = if reply.is_good() { self.read(&reply) } else { Err(reply.trouble()) };
        let (access, signed_in) = match result {
            Ok(result) => result,
            Err(later @ Trouble::Later { .. }) => return Err(later),
            Err(other) => {
                connection.store::<Pending>(PENDING, None).await?;
                return Err(other);
            }
        };
        self.begin_session(&reply, &pending.resource, access).await?;
        let _ = self.keep_pass(&reply).await;
        if let Some(shared) = shared {
            let _ = shared.keep(&server.settings.issuer, &reply).await;
        }
        connection.store::<Pending>(PENDING, None).await?;
        Ok(signed_in)
    }

    pub(crate) fn read(&self, reply: &Reply) -> Result<(Access, SignedIn), Trouble> {
        let access = Access::from_reply(self.0.server.connection(), reply)?;
        let claims = text_member(&reply.body, "id_token").map_or_else(|| Ok(Map::new()), |it| self.claims(&it))?;
        let scope = text_member(&reply.body, "scope").unwrap_or_default();
        Ok((access, SignedIn { scope, claims, authorization_details: reply.body["authorization_details"].clone() }))
    }

    /// The ID token came from the token endpoint over TLS. That replaces the check of its signature (OpenID Connect Core 3.1.3.7, 6).
    fn claims(&self, id_token: &str) -> Result<Map<String, Value>, Trouble> {
        let settings = &self.0.server.settings;
        let wrong = || Trouble::Wrong("the ID token is not for this app, from this server".to_owned());
        let claims = Unverified::parse(id_token).map_err(|_| wrong())?.unverified_claims().clone();
        let is_ours =
            claims.get("iss").is_some_and(|it| *it == settings.issuer) && claims.get("aud").is_some_and(|it| *it == settings.client_id);
        if is_ours { Ok(claims) } else { Err(wrong()) }
    }
}
