//! The authorization server as this installation sees it: its metadata (RFC 8414) and its endpoints. One method is one request.

use crate::attesting::{self, Attesting};
use crate::connection::{Connection, Memory, Settings, must_be_safe};
use crate::platform::{Answer, Evidence, Platform, Request};
use crate::trouble::{Reply, Trouble};
use symbolon_oauth::metadata::{AuthorizationServerMetadata, well_known_oauth};
use tokio::sync::OnceCell;

/// One server and one installation. All parts of the app share it.
pub struct Server {
    pub settings: Settings,
    pub platform: Platform,
    metadata: OnceCell<AuthorizationServerMetadata>,
    memory: Memory,
    attesting: Attesting,
}

impl Server {
    pub fn new(settings: Settings, platform: Platform) -> Self {
        Self { settings, platform, metadata: OnceCell::new(), memory: Memory::default(), attesting: Attesting::default() }
    }

    pub(crate) fn connection(&self) -> Connection<'_> {
        Connection { settings: &self.settings, platform: &self.platform, memory: &self.memory }
    }

    /// The metadata. It is read once; callers that ask meanwhile wait for the same answer.
    pub async fn metadata(&self) -> Result<&AuthorizationServerMetadata, Trouble> {
        self.metadata.get_or_try_init(|| self.discover()).await
    }

    async fn discover(&self) -> Result<AuthorizationServerMetadata, Trouble> {
        must_be_safe(&self.settings.issuer)?;
        let request = Request::get(&well_known_oauth(&self.settings.issuer));
        let answer = match self.platform.http.send(request.clone()).await {
            Ok(answer) => answer,
            Err(_) => self.platform.http.send(request).await?,
        };
        let parsed = serde_json::from_slice::<AuthorizationServerMetadata>(&answer.body).ok();
        let Some(metadata) = parsed.filter(|_| answer.status == 200) else {
            return Err(Trouble::later(format!("the server's metadata cannot be read (status {})", answer.status)));
        };
        // RFC 8414 3.3 (identical, byte for byte); RFC 9207 2.4; RFC 9700 2.1.1.
        if metadata.issuer != self.settings.issuer {
            return Err(Trouble::Wrong("the metadata is another issuer's".to_owned()));
        }
        let has_s256 = metadata.code_challenge_methods_supported.iter().any(|it| it == "S256");
        if !metadata.authorization_response_iss_parameter_supported || !has_s256 {
            return Err(Trouble::Wrong(
                "the server does not name itself in its answers (iss), or does not support PKCE with S256".to_owned(),
            ));
        }
        let browser = [&metadata.authorization_endpoint, &metadata.pushed_authorization_request_endpoint];
        let direct = [&metadata.token_endpoint, &metadata.revocation_endpoint, &metadata.authorization_challenge_endpoint];
        let own = [&metadata.pending_requests_endpoint, &metadata.pending_devices_endpoint, &metadata.handover_endpoint];
        for url in browser.into_iter().chain(direct).chain(own) {
            url.as_deref().map_or(Ok(()), must_be_safe)?;
        }
        Ok(metadata)
    }

    /// Sends one request with its proof. `resend`: it does no harm to send it twice, so that a lost answer is asked for again.
    pub async fn send(&self, request: Request, token: Option<&str>, resend: bool) -> Result<Answer, Trouble> {
        self.connection().send(request, token, resend).await
    }

    /// Posts a form as this client, with its attestation. If the server asks for a fresh attestation, the client gets one and repeats the
    /// request. The first request has consumed nothing.
    pub async fn post(&self, url: &str, form: &[(&str, &str)], resend: bool) -> Result<Reply, Trouble> {
        let connection = self.connection();
        let used = self.attesting.attestation(connection, None).await?;
        let reply = connection.post_form(url, form, used.as_deref(), resend).await?;
        if reply.error() != "use_fresh_attestation" || self.platform.attester.is_none() {
            return Ok(reply);
        }
        let fresh = self.attesting.attestation(connection, Some(used.as_deref())).await?;
        connection.post_form(url, form, fresh.as_deref(), resend).await
    }

    /// Gets a challenge for evidence, as text and as its 32 bytes. `of_key`: for the installation's key alone, as renewals need it.
    pub async fn evidence_challenge(&self, of_key: bool) -> Result<(String, [u8; 32]), Trouble> {
        attesting::challenge(self.connection(), of_key).await
    }

    /// Sends evidence. It is not sent again after a lost answer: a challenge is good for one request.
    pub async fn submit(&self, challenge: &str, evidence: &Evidence) -> Result<Reply, Trouble> {
        attesting::submit(self.connection(), challenge, evidence, false).await
    }

    /// Uses the attestation of this reply from now on. This is for callers that attest by hand.
    pub async fn adopt(&self, reply: &Reply) {
        self.attesting.adopt(self.connection(), reply).await;
    }

    /// Pushes an authorization request (RFC 9126). Returns the address for the browser, which contains only a reference.
    pub async fn push(&self, parameters: &[(&str, &str)]) -> Result<String, Trouble> {
        let metadata = self.metadata().await?;
        let Settings { client_id, redirect_uri, .. } = &self.settings;
        let mut form = vec![("client_id", client_id.as_str()), ("response_type", "code"), ("redirect_uri", redirect_uri)];
        form.extend_from_slice(parameters);
        let reply = self.post(required(&metadata.pushed_authorization_request_endpoint)?, &form, true).await?;
        let uri = reply.body["request_uri"].as_str().filter(|_| reply.is_good()).ok_or_else(|| reply.trouble())?;
        self.browser_address(uri).await
    }

    /// The address for the browser that names a pushed request.
    pub async fn browser_address(&self, request_uri: &str) -> Result<String, Trouble> {
        let metadata = self.metadata().await?;
        let pairs = [("client_id", self.settings.client_id.as_str()), ("request_uri", request_uri)];
        let mut address = url::Url::parse(required(&metadata.authorization_endpoint)?).map_err(|it| Trouble::Wrong(it.to_string()))?;
        address.query_pairs_mut().extend_pairs(pairs);
        Ok(address.into())
    }

    /// One request of a native sign-in. The same answer once more gets the same result, so a lost one is asked for again.
    pub async fn challenge(&self, parameters: &[(&str, &str)]) -> Result<Reply, Trouble> {
        let url = required(&self.metadata().await?.authorization_challenge_endpoint)?;
        self.post(url, &[&[("client_id", self.settings.client_id.as_str())], parameters].concat(), true).await
    }

    pub(crate) async fn token(&self, grant_type: &str, parameters: &[(&str, &str)], resend: bool) -> Result<Reply, Trouble> {
        let mut form = vec![("grant_type", grant_type), ("client_id", &self.settings.client_id)];
        form.extend(parameters.iter().filter(|(_, value)| !value.is_empty()));
        self.post(required(&self.metadata().await?.token_endpoint)?, &form, resend).await
    }

    /// RFC 6749 4.1.3 and RFC 7636 4.5. `resource` (RFC 8707) may be empty. Only a code that is bound to a key may be sent twice.
    pub async fn exchange(&self, code: &str, verifier: &str, resource: &str) -> Result<Reply, Trouble> {
        self.exchange_sharing(code, verifier, resource, "").await
    }

    /// The same for an app that shares its sign-in. `sso_jkt`: the thumbprint of the SSO key, or nothing.
    pub(crate) async fn exchange_sharing(&self, code: &str, verifier: &str, resource: &str, sso_jkt: &str) -> Result<Reply, Trouble> {
        let redirect_uri = self.settings.redirect_uri.as_str();
        let whence = [("code", code), ("code_verifier", verifier), ("redirect_uri", redirect_uri)];
        let parameters = [&whence[..], &[("resource", resource), ("sso_jkt", sso_jkt)]].concat();
        self.token("authorization_code", &parameters, self.platform.keys.is_some()).await
    }

    /// RFC 6749 6. The same refresh token always gets the same successor, so a lost answer is asked for again.
    pub async fn refresh(&self, refresh_token: &str, resource: &str) -> Result<Reply, Trouble> {
        self.token("refresh_token", &[("refresh_token", refresh_token), ("resource", resource)], true).await
    }

    /// RFC 7009.
    pub async fn revoke(&self, token: &str) -> Result<Reply, Trouble> {
        let url = required(&self.metadata().await?.revocation_endpoint)?;
        self.post(url, &[("client_id", &self.settings.client_id), ("token", token)], true).await
    }
}

/// An endpoint that the app cannot do without.
fn required(endpoint: &Option<String>) -> Result<&str, Trouble> {
    endpoint.as_deref().ok_or_else(|| Trouble::Wrong("the server lacks an endpoint that the app needs".to_owned()))
}
