//! Signing in: authorization code with PKCE (RFC 7636) over a pushed request (RFC 9126) in the system browser (RFC 8252). What is under
//! way is stored, because the operating system may end the app while the browser is before it.

use crate::Client;
use crate::api::StepUp;
use crate::redirect::{self, Redirect};
use crate::server::text;
use crate::session::Access;
use crate::trouble::{Reply, Trouble};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, pkce};

const PENDING: &str = "sign-in";

/// What the app asks for.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    scope: String,
    resource: String,
    more: Vec<(String, String)>,
}

impl SignIn {
    pub fn new(scope: &str) -> Self {
        Self { scope: scope.to_owned(), ..Self::default() }
    }

    /// The API whose access token comes with the sign-in (RFC 8707); needed where the app may call several. The session is for all of them.
    pub fn for_api(mut self, resource: &str) -> Self {
        self.resource = resource.to_owned();
        self
    }

    /// Another parameter of the authorization request: `prompt`, `ui_locales`, `authorization_details`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.more.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Exactly what an API has asked for (RFC 9470 4).
    pub fn stepping_up(mut self, to: &StepUp) -> Self {
        for (name, value) in [("acr_values", &to.acr_values), ("max_age", &to.max_age)] {
            self.more.extend(value.iter().map(|it| (name.to_owned(), it.clone())));
        }
        self
    }
}

#[derive(Serialize, Deserialize)]
struct Pending {
    issuer: String,
    state: String,
    verifier: String,
    resource: String,
    /// It came back; its tokens are not stored yet.
    code: Option<String>,
}

/// Somebody is signed in, and that is stored.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What was granted, which may be less than was asked for.
    pub scope: String,
    /// Of the ID token, if `openid` was asked for: who it is. For the app's own screens; an API believes only access tokens.
    pub claims: Map<String, Value>,
    pub authorization_details: Value,
}

impl Client {
    /// The whole of it. Redirects that are not the answer to this sign-in are passed over.
    pub async fn sign_in(&self, asked: &SignIn) -> Result<SignedIn, Trouble> {
        let address = self.begin(asked).await?;
        let browser = &self.0.server.platform.browser;
        browser.open(&address).await?;
        loop {
            if let Some(it) = self.finish(&browser.redirected().await?).await? {
                return Ok(it);
            }
        }
    }

    /// Pushes the request; answers the address to open. For apps that open the browser themselves, or were ended meanwhile.
    pub async fn begin(&self, asked: &SignIn) -> Result<String, Trouble> {
        let server = &self.0.server;
        self.leave().await?;
        let (verifier, state) = (pkce::verifier(server.random()?), base64url::encode(&server.random::<16>()?));
        let challenge = pkce::challenge(&verifier);
        // Not the resource: there it would limit the whole session to that API (RFC 8707 2.2).
        let mut parameters =
            vec![("scope", asked.scope.as_str()), ("state", &state), ("code_challenge", &challenge), ("code_challenge_method", "S256")];
        parameters.extend(asked.more.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let address = server.push(&parameters).await?;
        let (issuer, resource) = (server.settings.issuer.clone(), asked.resource.clone());
        server.keep(PENDING, Some(&Pending { issuer, state, verifier, resource, code: None })).await?;
        Ok(address)
    }

    /// What the operating system handed to the app. `None`: not an answer to the sign-in under way; it changed nothing.
    pub async fn finish(&self, url: &str) -> Result<Option<SignedIn>, Trouble> {
        let pending = {
            // The same redirect, delivered twice at once, is redeemed once.
            let _door = self.0.door.lock().await;
            let Some(mut pending) = self.pending().await?.filter(|it| it.code.is_none()) else { return Ok(None) };
            let server = &self.0.server;
            match redirect::read(url, &server.settings, &pending.state) {
                Redirect::NotOurs => return Ok(None),
                Redirect::Code(code) => pending.code = Some(code),
                Redirect::Refused { error, description } => {
                    server.keep::<Pending>(PENDING, None).await?;
                    return Err(Trouble::of_code(&error, &description));
                }
                Redirect::AnotherIssuer => {
                    server.keep::<Pending>(PENDING, None).await?;
                    return Err(Trouble::Wrong("the answer to this sign-in names another issuer".to_owned()));
                }
            }
            server.keep(PENDING, Some(&pending)).await?;
            pending
        };
        self.redeem(pending).await.map(Some)
    }

    /// After `Later` from `finish`, or at the start of the app: the code came back and its tokens did not. A minute after the code it
    /// is too late, and the person signs in again. `None`: there is no such sign-in.
    pub async fn resume(&self) -> Result<Option<SignedIn>, Trouble> {
        match self.pending().await?.filter(|it| it.code.is_some()) {
            Some(it) => self.redeem(it).await.map(Some),
            None => Ok(None),
        }
    }

    async fn pending(&self) -> Result<Option<Pending>, Trouble> {
        let found = self.0.server.kept::<Pending>(PENDING).await?;
        Ok(found.filter(|it| it.issuer == self.0.server.settings.issuer))
    }

    async fn redeem(&self, pending: Pending) -> Result<SignedIn, Trouble> {
        let server = &self.0.server;
        let code = pending.code.unwrap_or_default();
        let reply = server.exchange(&code, &pending.verifier, &pending.resource).await?;
        let read = if reply.is_good() { self.read(&reply) } else { Err(reply.trouble()) };
        let (access, signed_in) = match read {
            Ok(it) => it,
            Err(later @ Trouble::Later { .. }) => return Err(later),
            Err(other) => {
                server.keep::<Pending>(PENDING, None).await?;
                return Err(other);
            }
        };
        self.begin_session(text(&reply.body, "refresh_token"), &pending.resource, access).await?;
        server.keep::<Pending>(PENDING, None).await?;
        Ok(signed_in)
    }

    fn read(&self, reply: &Reply) -> Result<(Access, SignedIn), Trouble> {
        let access = Access::read(&self.0.server, reply)?;
        let claims = text(&reply.body, "id_token").map_or_else(|| Ok(Map::new()), |it| self.claims(&it))?;
        let scope = text(&reply.body, "scope").unwrap_or_default();
        Ok((access, SignedIn { scope, claims, authorization_details: reply.body["authorization_details"].clone() }))
    }

    /// It came from the token endpoint over TLS, which stands for its signature (OpenID Connect Core 3.1.3.7, 6).
    fn claims(&self, id_token: &str) -> Result<Map<String, Value>, Trouble> {
        let settings = &self.0.server.settings;
        let wrong = || Trouble::Wrong("the ID token is not for this app, from this server".to_owned());
        let claims = Unverified::parse(id_token).map_err(|_| wrong())?.unverified_claims().clone();
        let ours =
            claims.get("iss").is_some_and(|it| *it == settings.issuer) && claims.get("aud").is_some_and(|it| *it == settings.client_id);
        if ours { Ok(claims) } else { Err(wrong()) }
    }
}
