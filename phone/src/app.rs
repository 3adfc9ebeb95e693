//! The app: discovery, PAR, code with PKCE, refresh, as RFC 8252, RFC 9126, RFC 7636 and RFC 9207 ask of a client.

use crate::browser::{Browser, Person};
use crate::{Exchange, Trouble};
use serde_json::Value;
use std::collections::BTreeMap;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::metadata::{AuthorizationServerMetadata, well_known_oauth};
use symbolon_oauth::{base64url, dpop, pkce};

pub struct App {
    pub http: reqwest::Client,
    pub issuer: String,
    pub client_id: String,
    pub redirect_uri: String,
    pub metadata: AuthorizationServerMetadata,
    /// Every request so far with its answer.
    pub log: Vec<Exchange>,
    /// The key in the phone's secure element, if the app binds its tokens to one (RFC 9449).
    pub key: Option<PrivateKey>,
    /// What the attester said of this installation, for clients that are attested.
    pub attestation: Option<String>,
    /// The newest nonce of every server, by origin.
    nonces: BTreeMap<String, String>,
}

/// A sign-in under way: what the app must remember until the browser comes back.
pub struct Pending {
    pub verifier: String,
    pub state: String,
    pub address: String,
}

/// Scheme, host and port.
fn origin(url: &str) -> String {
    url::Url::parse(url).map(|it| it.origin().ascii_serialization()).unwrap_or_default()
}

fn random() -> Result<[u8; 32], Trouble> {
    let mut out = [0; 32];
    aws_lc_rs::rand::fill(&mut out).map_err(|_| Trouble("no randomness".to_owned()))?;
    Ok(out)
}

impl App {
    /// Reads the server's metadata and holds it to RFC 8414 3.3: the issuer, byte for byte.
    pub async fn discover(issuer: &str, client_id: &str, redirect_uri: &str) -> Result<Self, Trouble> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let url = well_known_oauth(issuer);
        let answer = http.get(&url).send().await?;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await?;
        let metadata: AuthorizationServerMetadata =
            serde_json::from_value(body.clone()).map_err(|it| Trouble(format!("the metadata cannot be read: {it}")))?;
        if metadata.issuer != issuer || !metadata.authorization_response_iss_parameter_supported {
            return Err(Trouble("the metadata is not this issuer's".to_owned()));
        }
        let log = vec![Exchange { method: "GET", url, sent: Vec::new(), status, body }];
        Ok(Self {
            http,
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            metadata,
            log,
            key: None,
            attestation: None,
            nonces: BTreeMap::new(),
        })
    }

    /// Makes a key that never leaves the phone; every token from now on is bound to it.
    pub fn make_key(&mut self) -> Result<(), Trouble> {
        self.key = Some(PrivateKey::generate(Algorithm::ES256).map_err(|it| Trouble(it.to_string()))?);
        Ok(())
    }

    /// A proof for one request, with the newest nonce of that server.
    pub fn proof(&self, method: &str, url: &str, token: Option<&str>) -> Result<Option<String>, Trouble> {
        let Some(key) = &self.key else { return Ok(None) };
        #[expect(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
        let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_err(|it| Trouble(it.to_string()))?.as_secs();
        let iat = i64::try_from(now_s).map_err(|it| Trouble(it.to_string()))?;
        let jti = base64url::encode(&random()?[..16]);
        let nonce = self.nonces.get(&origin(url)).map(String::as_str);
        dpop::make(key, method, url, nonce, token, &jti, iat).map(Some).map_err(|it| Trouble(format!("{it:?}")))
    }

    fn keep_nonce(&mut self, url: &str, answer: &reqwest::Response) {
        if let Some(nonce) = answer.headers().get("dpop-nonce").and_then(|it| it.to_str().ok()) {
            self.nonces.insert(origin(url), nonce.to_owned());
        }
    }

    /// POST of a form, remembered.
    pub async fn post(&mut self, url: &str, form: &[(&str, &str)]) -> Result<(u16, Value), Trouble> {
        let (mut status, mut body) = self.post_once(url, form).await?;
        // RFC 9449 8: the server wants its nonce in the proof; the second try has it.
        if body["error"] == "use_dpop_nonce" {
            (status, body) = self.post_once(url, form).await?;
        }
        let sent = form.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.log.push(Exchange { method: "POST", url: url.to_owned(), sent, status, body: body.clone() });
        Ok((status, body))
    }

    async fn post_once(&mut self, url: &str, form: &[(&str, &str)]) -> Result<(u16, Value), Trouble> {
        let mut request = self.http.post(url).form(form);
        if let Some(proof) = self.proof("POST", url, None)? {
            request = request.header("dpop", proof);
        }
        if let Some(attestation) = &self.attestation {
            request = request.header("oauth-client-attestation", attestation);
        }
        let answer = request.send().await?;
        self.keep_nonce(url, &answer);
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or(Value::Null)))
    }

    /// A challenge of the server's attester: as text, and its 32 bytes.
    pub async fn attestation_challenge(&mut self) -> Result<(String, [u8; 32]), Trouble> {
        let (url, client_id) = (format!("{}/attest/challenge", self.issuer), self.client_id.clone());
        let (_, body) = self.post(&url, &[("client_id", &client_id)]).await?;
        let text = body["challenge"].as_str().unwrap_or_default().to_owned();
        let bytes = base64url::decode(&text).and_then(|it| it.try_into().ok());
        Ok((text, bytes.ok_or_else(|| Trouble("the challenge is not 32 bytes".to_owned()))?))
    }

    /// Sends evidence; keeps the attestation that comes back.
    pub async fn attest(&mut self, format: &str, challenge: &str, evidence: &[(&str, &str)]) -> Result<(u16, Value), Trouble> {
        let (url, client_id) = (format!("{}/attest", self.issuer), self.client_id.clone());
        let mut form = vec![("client_id", client_id.as_str()), ("format", format), ("challenge", challenge)];
        form.extend_from_slice(evidence);
        let (status, body) = self.post(&url, &form).await?;
        self.attestation = body["client_attestation"].as_str().map(str::to_owned).or(self.attestation.take());
        Ok((status, body))
    }

    fn endpoint(&self, it: &Option<String>) -> Result<String, Trouble> {
        it.clone().ok_or_else(|| Trouble("the server does not offer an endpoint the app needs".to_owned()))
    }

    /// Pushes the authorization request; the browser will carry only a reference to it.
    pub async fn push(&mut self, scope: &str) -> Result<Pending, Trouble> {
        self.push_with(&[("scope", scope)]).await
    }

    /// The same with whatever parameters.
    pub async fn push_with(&mut self, parameters: &[(&str, &str)]) -> Result<Pending, Trouble> {
        let (verifier, state) = (pkce::verifier(random()?), base64url::encode(&random()?[..16]));
        let challenge = pkce::challenge(&verifier);
        let url = self.endpoint(&self.metadata.pushed_authorization_request_endpoint)?;
        let (client_id, redirect_uri) = (self.client_id.clone(), self.redirect_uri.clone());
        let mut form = vec![
            ("client_id", client_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", &redirect_uri),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        form.extend_from_slice(parameters);
        let (status, body) = self.post(&url, &form).await?;
        let uri = body["request_uri"].as_str().filter(|_| status == 201).ok_or_else(|| Trouble(format!("the push was refused: {body}")))?;
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &client_id)
            .append_pair("request_uri", uri)
            .finish();
        let address = format!("{}?{query}", self.endpoint(&self.metadata.authorization_endpoint)?);
        Ok(Pending { verifier, state, address })
    }

    /// Opens the system browser and reads what came back: state and issuer must be the ones of this request (RFC 9207).
    pub async fn sign_in(&self, browser: &mut Browser, pending: &Pending, person: &Person<'_>) -> Result<String, Trouble> {
        let back = browser.visit(&self.http, &pending.address, &self.redirect_uri, person).await?;
        let back = url::Url::parse(&back).map_err(|it| Trouble(it.to_string()))?;
        let get = |name: &str| back.query_pairs().find(|(it, _)| it == name).map(|it| it.1.into_owned());
        if get("state").as_deref() != Some(&pending.state) || get("iss").as_deref() != Some(&self.issuer) {
            return Err(Trouble("the answer is not to this app's request".to_owned()));
        }
        get("code").ok_or_else(|| Trouble(format!("no code came back: {}", get("error").unwrap_or_default())))
    }

    pub async fn exchange(&mut self, code: &str, verifier: &str) -> Result<(u16, Value), Trouble> {
        let url = self.endpoint(&self.metadata.token_endpoint)?;
        let (client_id, redirect_uri) = (self.client_id.clone(), self.redirect_uri.clone());
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id.as_str()),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", &redirect_uri),
        ];
        self.post(&url, &form).await
    }

    pub async fn refresh(&mut self, token: &str, resource: Option<&str>) -> Result<(u16, Value), Trouble> {
        let url = self.endpoint(&self.metadata.token_endpoint)?;
        let client_id = self.client_id.clone();
        let mut form = vec![("grant_type", "refresh_token"), ("client_id", client_id.as_str()), ("refresh_token", token)];
        if let Some(resource) = resource {
            form.push(("resource", resource));
        }
        self.post(&url, &form).await
    }

    pub async fn revoke(&mut self, token: &str) -> Result<u16, Trouble> {
        let url = self.endpoint(&self.metadata.revocation_endpoint)?;
        let client_id = self.client_id.clone();
        Ok(self.post(&url, &[("client_id", client_id.as_str()), ("token", token)]).await?.0)
    }

    /// Calls an API with a token.
    pub async fn call(&mut self, url: &str, token: Option<&str>) -> Result<(u16, Value), Trouble> {
        let mut request = self.http.get(url);
        let mut sent = Vec::new();
        if let Some(token) = token {
            let proof = self.proof("GET", url, Some(token))?;
            let scheme = if proof.is_some() { "DPoP" } else { "Bearer" };
            request = request.header("authorization", format!("{scheme} {token}"));
            sent.push(("authorization".to_owned(), format!("{scheme} {token}")));
            if let Some(proof) = proof {
                sent.push(("dpop".to_owned(), proof.clone()));
                request = request.header("dpop", proof);
            }
        }
        let answer = request.send().await?;
        self.keep_nonce(url, &answer);
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await?).unwrap_or(Value::Null);
        self.log.push(Exchange { method: "GET", url: url.to_owned(), sent, status, body: body.clone() });
        Ok((status, body))
    }
}
