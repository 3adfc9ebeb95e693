//! A phone made of fakes, and a fake server. The server keeps the rule of docs/refresh.md: a successor is a function of its token.

use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use symbolon_client::platform::*;
use symbolon_client::{Client, Settings};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, form::Form};

pub const ISSUER: &str = "https://login.example.com";
pub const BACK: &str = "com.example.shop:/callback";
pub const ORDERS: &str = "https://api.example.com/orders";
pub const LEDGER: &str = "https://api.example.com/ledger";

/// What happens to the next request to a path.
#[derive(Clone, Debug)]
pub enum Luck {
    /// It never arrives.
    LoseRequest,
    /// It arrives, and its answer is lost.
    LoseAnswer,
    Answer(u16, &'static [(&'static str, &'static str)], Value),
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub form: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub proof: Value,
}

pub struct Server {
    pub seen: Mutex<Vec<Seen>>,
    pub luck: Mutex<VecDeque<(&'static str, Luck)>>,
    /// The newest generation, and whether its refresh token was used.
    pub generation: Mutex<u64>,
    pub nonce: Mutex<&'static str>,
    pub metadata: Mutex<Value>,
    pub session_ended: AtomicBool,
    pub wants_attestation: Mutex<Option<String>>,
    /// The token endpoint waits until this many requests are there.
    pub crowd: Mutex<Option<Arc<tokio::sync::Barrier>>>,
    issued: AtomicI64,
}

impl Server {
    fn new() -> Self {
        let at = |path: &str| format!("{ISSUER}{path}");
        let metadata = json!({
            "issuer": ISSUER, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "pushed_authorization_request_endpoint": at("/par"), "revocation_endpoint": at("/revoke"),
            "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true,
        });
        Self {
            seen: Mutex::default(),
            luck: Mutex::default(),
            generation: Mutex::new(0),
            nonce: Mutex::new("nonce-1"),
            metadata: Mutex::new(metadata),
            session_ended: AtomicBool::new(false),
            wants_attestation: Mutex::new(None),
            crowd: Mutex::default(),
            issued: AtomicI64::new(0),
        }
    }

    fn tokens(&self, generation: u64) -> (u16, Value) {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "access_token": format!("at-{number}"), "token_type": "DPoP", "expires_in": 600,
            "refresh_token": format!("sr-{generation}"), "scope": "orders" });
        (200, body)
    }

    fn refuse(error: &str) -> (u16, Value) {
        (400, json!({ "error": error, "error_description": "no" }))
    }

    fn answer(&self, request: &Seen) -> (u16, Value) {
        let refusal = if request.path.starts_with(ISSUER) { 400 } else { 401 };
        if !request.path.contains("challenge")
            && !request.path.contains(".well-known")
            && request.proof["nonce"] != *self.nonce.lock().unwrap()
        {
            return (refusal, json!({ "error": "use_dpop_nonce" }));
        }
        let wanted = self.wants_attestation.lock().unwrap().clone();
        let attested = request.headers.get("oauth-client-attestation").cloned();
        let mut generation = self.generation.lock().unwrap();
        match request.path.strip_prefix(ISSUER).unwrap_or("api") {
            "/.well-known/oauth-authorization-server" => (200, self.metadata.lock().unwrap().clone()),
            "/attest/challenge" => (200, json!({ "challenge": base64url::encode(&[7; 32]) })),
            "/attest" => (200, json!({ "client_attestation": format!("attested-{}", request.form["evidence"]), "expires_in": 3600 })),
            "/par" | "/token" if wanted.is_some() && wanted != attested => Self::refuse("use_fresh_attestation"),
            "/par" => (201, json!({ "request_uri": "urn:1" })),
            "/revoke" => (200, Value::Null),
            "/token" if request.form["grant_type"] == "authorization_code" => {
                *generation = (*generation).max(1);
                self.tokens(1)
            }
            "/token" if request.form["grant_type"].ends_with(":token-exchange") => {
                let proof = Unverified::parse(&request.form["sso_proof"]).unwrap().unverified_claims()["nonce"].clone();
                if proof != *self.nonce.lock().unwrap() {
                    return Self::refuse("use_dpop_nonce");
                }
                *generation = 1;
                self.tokens(1)
            }
            "/token" if self.session_ended.load(Ordering::Relaxed) => Self::refuse("invalid_grant"),
            "/token" => match request.form["refresh_token"][3..].parse::<u64>().unwrap() {
                newest if newest == *generation => {
                    *generation += 1;
                    self.tokens(*generation)
                }
                previous if previous + 1 == *generation => self.tokens(*generation),
                _ => Self::refuse("invalid_grant"),
            },
            _ => (200, json!({ "orders": [] })),
        }
    }

    /// How often a path was asked.
    pub fn count(&self, path: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|it| it.path.ends_with(path)).count()
    }

    pub fn last(&self, path: &str) -> Seen {
        self.seen.lock().unwrap().iter().rfind(|it| it.path.ends_with(path)).unwrap().clone()
    }

    pub fn next(&self, path: &'static str, luck: Luck) {
        self.luck.lock().unwrap().push_back((path, luck));
    }
}

impl Http for Server {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, Unavailable>> {
        Box::pin(async move {
            let form = Form::parse(&request.body).unwrap();
            let form = form.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let headers: BTreeMap<String, String> = request.headers.iter().cloned().collect();
            let claims = |it: &String| Value::from(Unverified::parse(it).unwrap().unverified_claims().clone());
            let proof = headers.get("dpop").map(claims).unwrap_or_default();
            let seen = Seen { path: request.url.clone(), form, headers, proof };
            let crowd = self.crowd.lock().unwrap().clone().filter(|_| seen.path.ends_with("/token"));
            if let Some(crowd) = crowd {
                crowd.wait().await;
            }
            tokio::task::yield_now().await;
            let luck = {
                let mut all = self.luck.lock().unwrap();
                let at = all.iter().position(|(path, _)| seen.path.ends_with(path));
                at.and_then(|at| all.remove(at)).map(|it| it.1)
            };
            let gone = Unavailable("no network".to_owned());
            if matches!(luck, Some(Luck::LoseRequest)) {
                return Err(gone);
            }
            self.seen.lock().unwrap().push(seen.clone());
            let mut headers = vec![("DPoP-Nonce".to_owned(), (*self.nonce.lock().unwrap()).to_owned())];
            let (status, body) = match luck.clone() {
                Some(Luck::Answer(status, more, body)) => {
                    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
                    (status, body)
                }
                _ => self.answer(&seen),
            };
            if matches!(luck, Some(Luck::LoseAnswer)) {
                return Err(gone);
            }
            Ok(Answer { status, headers, body: body.to_string().into_bytes() })
        })
    }
}

/// Key store, storage, browser, attester and clock of one phone.
pub struct Phone {
    key: PrivateKey,
    pub is_locked: AtomicBool,
    pub kept: Mutex<BTreeMap<String, String>>,
    pub storage_fails: AtomicBool,
    pub now_s: AtomicI64,
    /// The redirects of the person's browser. `STATE` stands for the state of the request.
    pub back: Mutex<VecDeque<String>>,
    pub renewals: Mutex<Vec<bool>>,
}

impl KeyStore for Phone {
    fn public_key(&self) -> BoxFuture<'_, Result<Value, Unavailable>> {
        Box::pin(async {
            let locked = self.is_locked.load(Ordering::Relaxed);
            if locked { Err(Unavailable("locked".to_owned())) } else { Ok(self.key.public().to_jwk()) }
        })
    }
    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Unavailable>> {
        Box::pin(async move { Ok(self.key.sign(message).unwrap()) })
    }
}

impl Storage for Phone {
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<String>, Unavailable>> {
        Box::pin(async move { Ok(self.kept.lock().unwrap().get(name).cloned()) })
    }
    fn write<'a>(&'a self, name: &'a str, value: Option<&'a str>) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(async move {
            if self.storage_fails.load(Ordering::Relaxed) {
                return Err(Unavailable("the disk is full".to_owned()));
            }
            let mut kept = self.kept.lock().unwrap();
            match value {
                Some(value) => kept.insert(name.to_owned(), value.to_owned()),
                None => kept.remove(name),
            };
            Ok(())
        })
    }
}

impl Browser for Phone {
    fn open<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), NoRedirect>> {
        Box::pin(async { Ok(()) })
    }
    fn redirected(&self) -> BoxFuture<'_, Result<String, NoRedirect>> {
        Box::pin(async {
            let state = serde_json::from_str::<Value>(&self.kept.lock().unwrap()["sign-in"]).unwrap()["state"].clone();
            let next = self.back.lock().unwrap().pop_front().ok_or(NoRedirect::Closed)?;
            Ok(next.replace("STATE", state.as_str().unwrap()))
        })
    }
}

impl Attester for Phone {
    fn evidence(&self, request: EvidenceRequest) -> BoxFuture<'_, Result<Option<Evidence>, Unavailable>> {
        Box::pin(async move {
            let mut renewals = self.renewals.lock().unwrap();
            renewals.push(request.renewal);
            let parameters = vec![("evidence".to_owned(), renewals.len().to_string())];
            Ok(Some(Evidence { format: "fake".to_owned(), parameters }))
        })
    }
}

impl Device for Phone {
    fn now_s(&self) -> i64 {
        self.now_s.load(Ordering::Relaxed)
    }
    fn random(&self, out: &mut [u8]) -> Result<(), Unavailable> {
        static NUMBER: AtomicI64 = AtomicI64::new(1);
        out.fill(0);
        out[..8].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Ok(())
    }
    fn wait(&self, seconds: u64) -> BoxFuture<'_, ()> {
        self.now_s.fetch_add(i64::try_from(seconds).unwrap(), Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

pub struct World {
    pub server: Arc<Server>,
    pub phone: Arc<Phone>,
    pub client: Client,
}

impl World {
    pub fn new() -> Self {
        let phone = Phone {
            key: PrivateKey::generate(Algorithm::ES256).unwrap(),
            is_locked: AtomicBool::new(false),
            kept: Mutex::default(),
            storage_fails: AtomicBool::new(false),
            now_s: AtomicI64::new(1_000_000),
            back: Mutex::new([good_redirect()].into()),
            renewals: Mutex::default(),
        };
        let (server, phone) = (Arc::new(Server::new()), Arc::new(phone));
        let client = Client::new(settings(), platform(&server, &phone));
        Self { server, phone, client }
    }

    /// With a session whose access token has expired.
    pub fn signed_in() -> Self {
        let world = Self::new();
        world.phone.kept.lock().unwrap().insert("session".to_owned(), session("sr-1"));
        *world.server.generation.lock().unwrap() = 1;
        world
    }

    /// The same app in a new process.
    pub fn restarted(&self) -> Self {
        let client = Client::new(settings(), self.client.server().platform.clone());
        Self { server: self.server.clone(), phone: self.phone.clone(), client }
    }

    pub fn attested(self) -> Self {
        let mut platform = platform(&self.server, &self.phone);
        platform.attester = Some(self.phone.clone());
        Self { client: Client::new(settings(), platform), ..self }
    }

    /// The refresh token that is stored.
    pub fn stored(&self) -> Option<String> {
        let kept = self.phone.kept.lock().unwrap();
        let session: Value = serde_json::from_str(kept.get("session")?).unwrap();
        session["refresh_token"].as_str().map(str::to_owned)
    }

    pub fn advance_clock(&self, seconds: i64) {
        self.phone.now_s.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn settings() -> Settings {
    Settings { issuer: ISSUER.to_owned(), client_id: "shop".to_owned(), redirect_uri: BACK.to_owned() }
}

fn platform(server: &Arc<Server>, phone: &Arc<Phone>) -> Platform {
    Platform {
        http: server.clone(),
        keys: Some(phone.clone()),
        storage: phone.clone(),
        browser: phone.clone(),
        attester: None,
        device: phone.clone(),
    }
}

pub fn good_redirect() -> String {
    format!("{BACK}?code=c&state=STATE&iss={ISSUER}")
}

pub fn session(refresh_token: &str) -> String {
    json!({ "issuer": ISSUER, "client_id": "shop", "refresh_token": refresh_token }).to_string()
}
