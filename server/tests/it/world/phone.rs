//! An app on a phone: one installation of a client, with its key, its attestation and what it remembers of the server. It makes one
//! request at a time and shows every answer. `evidence.rs` has what it can prove about itself.

use super::{Ask, Browser, NATIVE_BACK, World};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value as Json};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, client_assertion, client_attestation, dpop};
use symbolon_phone::element::{IosKey, Maker};

pub fn new_key() -> PrivateKey {
    PrivateKey::generate(Algorithm::ES256).unwrap()
}

/// An identifier nobody has used.
pub fn fresh() -> String {
    base64url::encode(&symbolon::seal::random::<16>().unwrap())
}

/// A public key as the configuration has it.
pub fn jwks(key: &PrivateKey) -> String {
    jwks_with(key, "")
}

/// The same with its name and algorithm.
pub fn named_jwks(key: &PrivateKey) -> String {
    jwks_with_kid(key, key.kid())
}

/// The same with this name, whosever it is.
pub fn jwks_with_kid(key: &PrivateKey, kid: &str) -> String {
    jwks_with(key, &format!(", kid = \"{kid}\", alg = \"ES256\""))
}

fn jwks_with(key: &PrivateKey, more: &str) -> String {
    let jwk = key.public().to_jwk();
    format!("{{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {}{more} }}] }}", jwk["x"], jwk["y"])
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Json,
}

impl Answer {
    pub async fn to(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, headers, body: answer.json().await.unwrap_or_default() }
    }

    /// Status and error code; no code where there is no error.
    pub fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }

    /// A member of the body as text; empty if it is not there.
    pub fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn nonce(&self) -> Option<String> {
        self.header("dpop-nonce").map(str::to_owned)
    }

    pub fn challenge(&self) -> Option<String> {
        self.header("oauth-client-attestation-challenge").map(str::to_owned)
    }

    pub fn parts(self) -> (u16, Json) {
        (self.status, self.body)
    }
}

/// An answer to evidence is as good as its status and its error or tier.
impl PartialEq<(u16, String)> for Answer {
    fn eq(&self, other: &(u16, String)) -> bool {
        let said = self.body["error"].as_str().or(self.body["tier"].as_str()).unwrap_or_default();
        (self.status, said) == (other.0, other.1.as_str())
    }
}

/// How an installation shows that it holds its key.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    /// A DPoP proof, beside the attestation if there is one.
    Combined,
    /// A PoP beside the attestation.
    Pop,
    /// A PoP, and DPoP by a key of its own.
    Both,
    /// A DPoP proof; the attestation stays at home.
    Unattested,
}

pub struct Phone<'a> {
    pub world: &'a World,
    pub client: &'a str,
    pub redirect_uri: &'a str,
    /// Does it push its authorization requests?
    pub pushes: bool,
    pub mode: Mode,
    pub key: PrivateKey,
    /// Of the DPoP proofs, in `Mode::Both`.
    pub other_key: PrivateKey,
    /// Signs the client's own assertions, if the client has any.
    pub client_key: Option<&'a PrivateKey>,
    pub attestation: Option<String>,
    pub nonce: Option<String>,
    pub challenge: Option<String>,
    /// The customer's own attester, which vouches for it.
    pub attester: Option<&'a PrivateKey>,
    /// Who made the phone.
    pub maker: Option<&'a Maker>,
    /// The App Attest key with the number of its last signature.
    pub enclave: Option<IosKey>,
    pub counter: u32,
    /// When the receipt of its App Attest key was made, when the next one is due, and until when it is good.
    pub receipt_times: Option<[String; 3]>,
    /// The challenge that it answers next, instead of one that it asks for.
    pub given: Option<(String, [u8; 32])>,
}

impl World {
    /// An app of the client `shop-ios`, with a key for DPoP.
    pub fn phone(&self) -> Phone<'_> {
        Phone { pushes: false, ..Phone::new(self, "shop-ios", NATIVE_BACK) }
    }
}

impl<'a> Phone<'a> {
    pub fn new(world: &'a World, client: &'a str, redirect_uri: &'a str) -> Self {
        Self {
            world,
            client,
            redirect_uri,
            pushes: true,
            mode: Mode::Combined,
            key: new_key(),
            other_key: new_key(),
            client_key: None,
            attestation: None,
            nonce: None,
            challenge: None,
            attester: None,
            maker: None,
            enclave: None,
            counter: 0,
            receipt_times: None,
            given: None,
        }
    }

    pub fn with_key(self, key: PrivateKey) -> Self {
        Self { key, ..self }
    }

    pub fn now_s(&self) -> i64 {
        self.world.running.shared.now().now_ms() / 1000
    }

    /// The customer's attester vouches for the key, for so many seconds.
    pub fn attest_for(&mut self, seconds: i64) {
        self.attest_by(self.attester.expect("an attester"), self.client, seconds, &Map::new());
    }

    /// This attester vouches for it, for this client and with these claims.
    pub fn attest_by(&mut self, attester: &PrivateKey, client: &str, seconds: i64, claims: &Map<String, Json>) {
        let (now_s, jwk) = (self.now_s(), self.key.public().to_jwk());
        self.attestation = Some(client_attestation::make(attester, client, &jwk, now_s..now_s + seconds, claims).unwrap());
    }

    fn proof_by(&self, key: &PrivateKey, method: &str, path: &str, token: Option<&str>) -> String {
        dpop::make(
            key,
            &dpop::Statement {
                method,
                url: &self.world.url(path),
                nonce: self.nonce.as_deref(),
                access_token: token,
                jti: &fresh(),
                iat: self.now_s(),
            },
        )
        .unwrap()
    }

    /// A DPoP proof.
    pub fn proof(&self, method: &str, path: &str, token: Option<&str>) -> String {
        self.proof_by(&self.key, method, path, token)
    }

    /// The client's own assertion, if it authenticates by one. RFC 7523.
    pub fn assertion(&self) -> Option<String> {
        let key = self.client_key?;
        Some(client_assertion::make(key, self.client, &self.world.issuer, &fresh(), self.now_s()).unwrap())
    }

    /// What it sends beside a form to show who it is.
    pub fn headers(&self, path: &str) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(attestation) = self.attestation.as_ref().filter(|_| self.mode != Mode::Unattested) {
            headers.push(("oauth-client-attestation", attestation.clone()));
        }
        if [Mode::Pop, Mode::Both].contains(&self.mode) {
            let issuer = &self.world.issuer;
            let pop = client_attestation::make_pop(&self.key, issuer, &fresh(), self.challenge.as_deref(), self.now_s()).unwrap();
            headers.push(("oauth-client-attestation-pop", pop));
        }
        if self.mode != Mode::Pop {
            let key = if self.mode == Mode::Both { &self.other_key } else { &self.key };
            headers.push(("dpop", self.proof_by(key, "POST", path, None)));
        }
        headers
    }

    /// Sends a form with these headers and nothing else, to this node.
    pub async fn send_headers(&self, node: &World, path: &str, form: &[(&str, &str)], headers: &[(&'static str, String)]) -> Answer {
        let request = node.http.post(node.url(path)).form(form);
        Answer::to(headers.iter().fold(request, |request, (name, value)| request.header(*name, value))).await
    }

    /// Sends a form with these DPoP proofs and nothing else.
    pub async fn send(&self, path: &str, form: &[(&str, &str)], proofs: &[&str]) -> Answer {
        self.send_to(self.world, path, form, proofs).await
    }

    /// The same to this node; proofs name the issuer, behind which all of them stand.
    pub async fn send_to(&self, node: &World, path: &str, form: &[(&str, &str)], proofs: &[&str]) -> Answer {
        let headers: Vec<_> = proofs.iter().map(|proof| ("dpop", (*proof).to_owned())).collect();
        self.send_headers(node, path, form, &headers).await
    }

    fn learn(&mut self, answer: &Answer) -> bool {
        (self.nonce, self.challenge) = (answer.nonce(), answer.challenge());
        !["use_dpop_nonce", "use_attestation_challenge"].contains(&answer.error().1)
    }

    /// Sends a form as this client, with all proofs, again where the server wants a newer nonce or challenge.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        for _ in 0..3 {
            let (assertion, mut form) = (self.assertion(), form.to_vec());
            if let Some(assertion) = &assertion {
                form.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
                form.push(("client_assertion", assertion));
            } else if form.iter().all(|(name, _)| *name != "client_id") {
                form.push(("client_id", self.client));
            }
            let answer = self.send_headers(self.world, path, &form, &self.headers(path)).await;
            if self.learn(&answer) {
                return answer;
            }
        }
        panic!("the server is never content");
    }

    /// Reads an address with an access token and a proof.
    pub async fn get(&mut self, path: &str, token: &str) -> Answer {
        for _ in 0..2 {
            let request = self.world.http.get(self.world.url(path)).header("authorization", format!("DPoP {token}"));
            let answer = Answer::to(request.header("dpop", self.proof("GET", path, Some(token)))).await;
            if self.learn(&answer) {
                return answer;
            }
        }
        panic!("the nonce is never good");
    }

    pub fn ask(&self, scope: &str) -> Ask {
        Ask::new(self.client, self.redirect_uri, scope)
    }

    /// Pushes the request; the request for the browser that names it, or the answer that refuses it.
    pub async fn push(&mut self, ask: &Ask) -> Result<Ask, Answer> {
        let answer = self.post("/par", &ask.form()).await;
        if answer.status != 201 {
            return Err(answer);
        }
        let pairs = [("client_id", self.client.to_owned()), ("request_uri", answer.text("request_uri"))];
        Ok(Ask { parameters: pairs.map(|(name, value)| (name.to_owned(), value)).into(), verifier: ask.verifier.clone() })
    }

    /// This person signs in: a code, or the answer that refuses the pushed request.
    pub async fn code_for(&mut self, ask: &Ask, person: &str) -> Result<String, Answer> {
        let opened = if self.pushes { self.push(ask).await? } else { ask.clone() };
        Ok(Browser::default().sign_in(self.world, &opened, person).await["code"].clone())
    }

    /// A code of alice's and its verifier.
    pub async fn code(&mut self, scope: &str) -> (String, String) {
        let ask = self.ask(scope);
        let code = self.code_for(&ask, "alice").await.unwrap_or_else(|refused| panic!("{refused:?}"));
        (code, ask.verifier)
    }

    pub async fn exchange(&mut self, code: &str, verifier: &str) -> Answer {
        self.exchange_with(code, verifier, &[]).await
    }

    /// Redeems a code, with these parameters besides.
    pub async fn exchange_with(&mut self, code: &str, verifier: &str, more: &[(&str, &str)]) -> Answer {
        let form = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier), ("redirect_uri", self.redirect_uri)];
        self.post("/token", &[&form[..], more].concat()).await
    }

    /// The whole way for this request: tokens, or the first answer that refuses.
    pub async fn tokens_for(&mut self, ask: &Ask, person: &str, more: &[(&str, &str)]) -> Answer {
        match self.code_for(ask, person).await {
            Ok(code) => self.exchange_with(&code, &ask.verifier, more).await,
            Err(refused) => refused,
        }
    }

    /// The same for alice and this scope.
    pub async fn try_tokens(&mut self, scope: &str) -> Answer {
        self.tokens_for(&self.ask(scope), "alice", &[]).await
    }

    /// Tokens of alice's.
    pub async fn tokens(&mut self, scope: &str) -> Answer {
        let answer = self.try_tokens(scope).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    pub async fn refresh(&mut self, token: &str) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// What the server keeps of this installation.
    pub async fn facts(&self) -> Json {
        let app = self.world.running.shared.now();
        let sql = "SELECT facts FROM instance WHERE client = $1 AND jkt = $2";
        let row = app.store.one(sql, &[self.client.into(), self.key.kid().into()]).await.unwrap().unwrap();
        serde_json::from_str(row.text("facts").unwrap()).unwrap()
    }

    /// What the audit says of the refusals of this installation: the rules, last one first.
    pub async fn refusals(&self) -> Vec<String> {
        let entries = self.world.entries("evidence_refused").await;
        let own = entries.iter().rev().filter(|entry| entry["detail"]["jkt"] == self.key.kid() && entry["client"] == self.client);
        own.map(|entry| entry["reason"].as_str().unwrap().to_owned()).collect()
    }
}
