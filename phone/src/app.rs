//! An app that sends one request at a time and returns every answer, for demonstrations, thieves and tests. It uses the client's requests.
//! [`crate::phone::Phone`] is an app that also handles the answers with care.

use crate::browser::{Browser, Person};
use crate::net::Net;
use crate::services::{Element, bare};
use crate::{Exchange, Trouble};
use serde_json::Value;
use std::sync::Arc;
use symbolon_client::platform::{Evidence, Request};
use symbolon_client::redirect::{self, Redirect};
use symbolon_client::{Reply, Server, Settings};
use symbolon_oauth::metadata::AuthorizationServerMetadata;
use symbolon_oauth::{base64url, pkce};

pub struct App {
    pub server: Server,
    pub net: Arc<Net>,
    pub metadata: AuthorizationServerMetadata,
    /// The phone's secure element, if the app binds its tokens to a key there (RFC 9449).
    pub element: Option<Arc<Element>>,
}

/// A pending sign-in: what the app must remember until the browser comes back.
pub struct Pending {
    pub verifier: String,
    pub state: String,
    pub address: String,
}

fn random() -> Result<[u8; 32], Trouble> {
    let mut out = [0; 32];
    aws_lc_rs::rand::fill(&mut out).map_err(|_| Trouble("no randomness".to_owned()))?;
    Ok(out)
}

fn status_and_body(reply: Reply) -> (u16, Value) {
    (reply.status, reply.body)
}

impl App {
    pub async fn discover(issuer: &str, client_id: &str, redirect_uri: &str) -> Result<Self, Trouble> {
        let net = Arc::new(Net::new()?);
        let settings = Settings { issuer: issuer.to_owned(), client_id: client_id.to_owned(), redirect_uri: redirect_uri.to_owned() };
        let server = Server::new(settings, bare(net.clone()));
        let metadata = server.metadata().await?.clone();
        Ok(Self { server, net, metadata, element: None })
    }

    /// Makes a key that never leaves the phone. Every later token is bound to it.
    pub fn make_key(&mut self) -> Result<(), Trouble> {
        let element = Arc::new(Element::new()?);
        self.server.platform.keys = Some(element.clone());
        self.element = Some(element);
        Ok(())
    }

    pub fn forget_key(&mut self) {
        self.server.platform.keys = None;
        self.element = None;
    }

    /// The newest request with its answer.
    pub fn last(&self) -> Option<Exchange> {
        self.net.newest(|_| true)
    }

    pub async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<(u16, Value), Trouble> {
        Ok(status_and_body(self.server.post(url, form, false).await?))
    }

    /// Gets a challenge of the server's attester, for this phone's key if it has one, as text and as its 32 bytes.
    pub async fn attestation_challenge(&self) -> Result<(String, [u8; 32]), Trouble> {
        Ok(self.server.evidence_challenge(self.element.is_some()).await?)
    }

    /// Sends evidence and keeps the attestation that comes back.
    pub async fn attest(&self, format: &str, challenge: &str, evidence: &[(&str, &str)]) -> Result<(u16, Value), Trouble> {
        let parameters = evidence.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let reply = self.server.submit(challenge, &Evidence { format: format.to_owned(), parameters }).await?;
        self.server.adopt(&reply).await;
        Ok(status_and_body(reply))
    }

    /// Pushes the authorization request. The browser gets only a reference to it.
    pub async fn push(&self, scope: &str) -> Result<Pending, Trouble> {
        self.push_with(&[("scope", scope)]).await
    }

    /// The same with any parameters.
    pub async fn push_with(&self, parameters: &[(&str, &str)]) -> Result<Pending, Trouble> {
        let (verifier, state) = (pkce::verifier(random()?), base64url::encode(&random()?[..16]));
        let challenge = pkce::challenge(&verifier);
        let ours = [("state", state.as_str()), ("code_challenge", &challenge), ("code_challenge_method", "S256")];
        let address = self.server.push(&[&ours[..], parameters].concat()).await?;
        Ok(Pending { verifier, state, address })
    }

    /// Opens the system browser and reads the redirect.
    pub async fn sign_in(&self, browser: &mut Browser, pending: &Pending, person: &Person<'_>) -> Result<String, Trouble> {
        let back = browser.visit(&self.net.http, &pending.address, &self.server.settings.redirect_uri, person).await;
        self.net.add_browsed(browser.take_log());
        let back = back?;
        match redirect::read(&back, &self.server.settings, &pending.state) {
            Redirect::Code(code) => Ok(code),
            other => Err(Trouble(format!("no code came back: {other:?}"))),
        }
    }

    pub async fn exchange(&self, code: &str, verifier: &str) -> Result<(u16, Value), Trouble> {
        self.exchange_for(code, verifier, "").await
    }

    /// The same for one API (RFC 8707). Empty: the only one.
    pub async fn exchange_for(&self, code: &str, verifier: &str, resource: &str) -> Result<(u16, Value), Trouble> {
        Ok(status_and_body(self.server.exchange(code, verifier, resource).await?))
    }

    pub async fn refresh(&self, token: &str, resource: Option<&str>) -> Result<(u16, Value), Trouble> {
        Ok(status_and_body(self.server.refresh(token, resource.unwrap_or_default()).await?))
    }

    pub async fn revoke(&self, token: &str) -> Result<u16, Trouble> {
        Ok(self.server.revoke(token).await?.status)
    }

    /// Calls an API with a token.
    pub async fn call(&self, url: &str, token: Option<&str>) -> Result<(u16, Value), Trouble> {
        let scheme = if self.element.is_some() { "DPoP" } else { "Bearer" };
        let mut request = Request::get(url);
        if let Some(token) = token {
            request = request.with("authorization", &format!("{scheme} {token}"));
        }
        let answer = self.server.send(request, token, false).await?;
        Ok((answer.status, answer.json()))
    }
}
