//! A provider of identities that says what a test wants: the truth, or one lie at a time.

use super::parameters;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use symbolon::serve::system_clock;
use symbolon_oauth::jwk::{Algorithm, KeySet, PrivateKey};
use symbolon_oauth::{base64url, client_assertion, dpop, id_token, jws, logout_token, pkce};
use symbolon_wallet::jwe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const CLIENT_ID: &str = "example shop";
pub const CLIENT_SECRET: &str = "s:cret of%the shop";
const ACCESS: &str = "an-access-token-of-anysocial";

/// What the provider says of the person who signs in there, and how it lies. Members of `changes` replace what is true; null takes away.
#[derive(Clone, Default)]
pub struct Says {
    pub sub: String,
    /// Beside the ID token's own claims.
    pub claims: Json,
    pub id_token: Json,
    pub token_answer: Json,
    pub token_status: Option<u16>,
    pub userinfo: Option<Json>,
    pub discovery: Json,
    /// Signs with a key that is not in the set.
    pub foreign_key: bool,
    /// Signs with a key of the set whose algorithm the discovery document does not name.
    pub other_alg: bool,
    pub typ: Option<&'static str>,
    pub answer: Json,
    /// A whole answer, by path.
    pub raw: BTreeMap<&'static str, String>,
    /// Answers nothing there.
    pub silent: Vec<&'static str>,
    /// The list of addresses, as GitHub has it.
    pub emails: Option<Json>,
    /// The `issuer` beside its key, as Microsoft has it.
    pub key_issuer: Option<String>,
    /// Takes any client secret that is a JWT.
    pub signed_secret: bool,
    /// Takes assertions that one of these keys signed, and nothing else.
    pub client_keys: Option<KeySet>,
    /// Wants proofs of a key (RFC 9449), with this nonce in them where there is one.
    pub bound: Option<Option<&'static str>>,
    /// Encrypts ID tokens and logout tokens to this key.
    pub encrypts_to: Option<Json>,
    /// The answer to a refresh token.
    pub refresh: Option<(u16, Json)>,
    /// The status of an answer at /revoke, where it is not 200.
    pub revocation: Option<u16>,
    /// The time that its answers say.
    pub date: Option<String>,
    /// Gives another refresh token each time, and takes the newest alone: two uses of one are a theft.
    pub rotates: bool,
    /// Thinks for so long, there.
    pub slow: Option<(&'static str, std::time::Duration)>,
}

struct Pending {
    nonce: Option<String>,
    challenge: String,
    says: Says,
}

struct Inner {
    issuer: String,
    key: Mutex<PrivateKey>,
    other_key: PrivateKey,
    says: Mutex<Says>,
    codes: Mutex<BTreeMap<String, Pending>>,
    /// Pushed requests, by their references.
    pushed: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    asked: Mutex<Vec<String>>,
    requests: Mutex<Vec<String>>,
    /// The `jti` of every proof.
    proofs: Mutex<BTreeSet<String>>,
    /// How often a refresh token was given.
    given: Mutex<u32>,
}

#[derive(Clone)]
pub struct Provider(Arc<Inner>);

fn changed(mut whole: Json, changes: &Json) -> Json {
    for (name, value) in changes.as_object().unwrap_or(&Map::new()) {
        match value {
            Json::Null => drop(whole.as_object_mut().unwrap().remove(name)),
            value => whole[name] = value.clone(),
        }
    }
    whole
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = Mutex::new(PrivateKey::generate(Algorithm::ES256).unwrap());
        let says = Mutex::new(Says { sub: "sub-1".to_owned(), ..Says::default() });
        let inner = Inner {
            issuer,
            key,
            other_key: PrivateKey::generate(Algorithm::EdDSA).unwrap(),
            says,
            codes: Mutex::default(),
            pushed: Mutex::default(),
            asked: Mutex::default(),
            requests: Mutex::default(),
            proofs: Mutex::default(),
            given: Mutex::default(),
        };
        let provider = Self(Arc::new(inner));
        let serving = provider.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let provider = serving.clone();
                tokio::spawn(async move { provider.serve(stream).await });
            }
        });
        provider
    }

    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The table of the configuration that names it.
    pub fn table(&self, name: &str) -> String {
        format!(
            "[upstream.{name}]\nlabel = \"Anysocial\"\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\nsecret = {{ env = \"SYMBOLON_TEST_UPSTREAM_SECRET\" }}\n",
            self.issuer()
        )
    }

    pub fn says(&self, says: Says) {
        *self.0.says.lock().unwrap() = says;
    }

    pub fn is(&self, sub: &str) {
        self.says(Says { sub: sub.to_owned(), ..Says::default() });
    }

    pub fn rotate(&self) {
        *self.0.key.lock().unwrap() = PrivateKey::generate(Algorithm::ES256).unwrap();
    }

    /// Paths that were asked for since the last look.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.asked.lock().unwrap())
    }

    /// An ID token as the SDK in an app has it: for `aud`, with `nonce`, and with these changes.
    pub fn sdk_token(&self, aud: &str, nonce: &str, changes: &Json) -> String {
        let says = self.0.says.lock().unwrap().clone();
        let now_s = system_clock()() / 1000;
        let claims = json!({ "iss": self.issuer(), "sub": says.sub, "aud": aud, "iat": now_s, "exp": now_s + 300, "nonce": nonce });
        let claims = changed(changed(claims, &says.claims), changes);
        let key = self.signs_with(&says);
        jws::sign(&key, says.typ.unwrap_or("JWT"), &claims).unwrap()
    }

    /// The newest request for a path, head and body.
    pub fn request(&self, path: &str) -> String {
        let all = self.0.requests.lock().unwrap();
        all.iter()
            .rfind(|request| request.split(' ').nth(1).is_some_and(|asked| asked.split('?').next() == Some(path)))
            .cloned()
            .unwrap_or_default()
    }

    /// The person signs in at the authorization endpoint; the answer is where the browser is sent.
    pub fn sign_in(&self, url: &str) -> String {
        assert!(url.starts_with(&format!("{}/authorize?", self.issuer())), "{url}");
        let mut asked = parameters(url);
        if let Some(reference) = asked.get("request_uri").cloned() {
            assert_eq!(
                asked.keys().map(String::as_str).collect::<Vec<_>>(),
                ["client_id", "request_uri"],
                "nothing else goes by the browser"
            );
            let client_id = asked["client_id"].clone();
            asked = self.0.pushed.lock().unwrap().remove(&reference).expect("a reference of ours, once");
            assert_eq!(asked["client_id"], client_id);
        }
        assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"), "{url}");
        assert_eq!(asked["client_id"], CLIENT_ID);
        let says = self.0.says.lock().unwrap().clone();
        let code = base64url::encode(&symbolon::seal::random::<12>().unwrap());
        let pending = Pending { nonce: asked.get("nonce").cloned(), challenge: asked["code_challenge"].clone(), says: says.clone() };
        self.0.codes.lock().unwrap().insert(code.clone(), pending);
        let answer = changed(json!({ "code": code, "state": asked["state"], "iss": self.issuer() }), &says.answer);
        let mut back = url::Url::parse(&asked["redirect_uri"]).unwrap();
        let pairs: Vec<(String, String)> =
            answer.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        back.query_pairs_mut().extend_pairs(pairs);
        back.into()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let (head, body) = loop {
            let mut more = [0; 4096];
            let read = stream.read(&mut more).await.unwrap_or_default();
            bytes.extend_from_slice(&more[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    break (head.to_owned(), body.to_owned());
                }
            }
            if read == 0 {
                return;
            }
        };
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.0.asked.lock().unwrap().push(path.clone());
        self.0.requests.lock().unwrap().push(format!("{head}\n\n{body}"));
        let says = self.0.says.lock().unwrap().clone();
        if says.silent.contains(&path.as_str()) {
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        }
        let slow_ms = says.slow.filter(|(at, _)| *at == path).map(|it| it.1);
        let answer = match says.raw.get(path.as_str()) {
            Some(raw) => raw.clone(),
            None => {
                let (status, json) = self.answer(&path, &head, &body, &says);
                let text = json.to_string();
                let date = says.date.as_ref().map(|it| format!("date: {it}\r\n")).unwrap_or_default();
                let nonce = says.bound.flatten().map(|it| format!("dpop-nonce: {it}\r\n")).unwrap_or_default();
                format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{date}{nonce}content-length: {}\r\nconnection: close\r\n\r\n{text}",
                    text.len()
                )
            }
        };
        if let Some(for_so_long) = slow_ms {
            tokio::time::sleep(for_so_long).await;
        }
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    fn answer(&self, path: &str, head: &str, body: &str, says: &Says) -> (u16, Json) {
        let at = |path: &str| format!("{}{path}", self.issuer());
        match path.split('?').next().unwrap_or_default() {
            discovery if discovery.ends_with("/.well-known/openid-configuration") => {
                let document = json!({
                    "issuer": self.issuer(), "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
                    "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/userinfo"), "id_token_signing_alg_values_supported": ["ES256"],
                    "response_types_supported": ["code"], "subject_types_supported": ["public"],
                    "authorization_response_iss_parameter_supported": true
                });
                (200, changed(document, &says.discovery))
            }
            "/jwks" => {
                let key = self.0.key.lock().unwrap();
                let mut jwk = key.public().to_jwk();
                jwk["kid"] = key.kid().into();
                if let Some(issuer) = &says.key_issuer {
                    jwk["issuer"] = issuer.as_str().into();
                }
                let mut other = self.0.other_key.public().to_jwk();
                other["kid"] = self.0.other_key.kid().into();
                (200, json!({ "keys": [{ "kty": "oct", "k": "AA" }, jwk, other] }))
            }
            "/token" => self.token(head, body, says),
            "/par" => self.par(head, body, says),
            "/revoke" => {
                let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
                let status = if self.is_known(head, &form, says) { says.revocation.unwrap_or(200) } else { 401 };
                (status, json!({}))
            }
            "/user/emails" => (if says.emails.is_some() { 200 } else { 404 }, says.emails.clone().unwrap_or(json!({}))),
            "/userinfo" if says.userinfo == Some(Json::Null) => (500, json!({})),
            "/userinfo" => {
                let is_bearer = says.bound.is_some() && !head.contains(&format!("DPoP {ACCESS}"));
                let objection = is_bearer.then_some("invalid_token").or_else(|| self.objection_to_proof("GET", path, head, says));
                if let Some(error) = objection {
                    return (401, json!({ "error": error }));
                }
                let mut claims = changed(json!({ "sub": says.sub }), &says.claims);
                if let Some(userinfo) = &says.userinfo {
                    claims = userinfo.clone();
                }
                (200, claims)
            }
            _ => (404, json!({})),
        }
    }

    /// The client is who it says: by its secret, or by an assertion for this issuer.
    fn is_known(&self, head: &str, form: &BTreeMap<String, String>, says: &Says) -> bool {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = symbolon_oauth::base64::encode(format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET)).as_bytes());
        if let Some(keys) = &says.client_keys {
            let assertion = form.get("client_assertion").map(String::as_str).unwrap_or_default();
            let now_s = system_clock()() / 1000;
            return form.get("client_assertion_type").is_some_and(|it| it == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                && client_assertion::check(assertion, keys, CLIENT_ID, self.issuer(), now_s).is_ok();
        }
        let posted = form.get("client_secret").map(String::as_str).unwrap_or_default();
        head.contains(&format!("Basic {basic}")) || posted == CLIENT_SECRET || (says.signed_secret && posted.starts_with("ey"))
    }

    /// RFC 9449 4.3, 8.
    fn objection_to_proof(&self, method: &str, path: &str, head: &str, says: &Says) -> Option<&'static str> {
        let nonce = says.bound?;
        let header = head.lines().find_map(|line| line.strip_prefix("dpop: ")).unwrap_or_default();
        let (url, access_token) = (format!("{}{path}", self.issuer()), (method == "GET").then_some(ACCESS));
        let now_s = system_clock()() / 1000;
        let expected = dpop::Expected { method, url: &url, access_token, now_s, window_s: 60, algorithms: &[Algorithm::ES256] };
        let Ok(proof) = dpop::check(header, &expected) else { return Some("invalid_dpop_proof") };
        let is_new = self.0.proofs.lock().unwrap().insert(proof.jti);
        match nonce {
            Some(nonce) if proof.nonce.as_deref() != Some(nonce) => Some("use_dpop_nonce"),
            _ => (!is_new).then_some("invalid_dpop_proof"),
        }
    }

    fn encrypted(token: String, says: &Says) -> String {
        let Some(to) = &says.encrypts_to else { return token };
        let sender = jwe::Sender { is_jwt: true, ..jwe::Sender::default() };
        jwe::seal(to, jwe::Encryption::A256Gcm, &sender, symbolon::seal::random().unwrap(), token.as_bytes()).unwrap()
    }

    fn par(&self, head: &str, body: &str, says: &Says) -> (u16, Json) {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        if !self.is_known(head, &form, says) {
            return (401, json!({ "error": "invalid_client" }));
        }
        let reference = format!("urn:ietf:params:oauth:request_uri:{}", base64url::encode(&symbolon::seal::random::<12>().unwrap()));
        self.0.pushed.lock().unwrap().insert(reference.clone(), form);
        (201, json!({ "request_uri": reference, "expires_in": 60 }))
    }

    /// A logout token as the provider would send it, with these changes. `typ` and key are those of `says`.
    pub fn logout_token(&self, changes: &Json) -> String {
        let says = self.0.says.lock().unwrap().clone();
        let now_s = system_clock()() / 1000;
        let jti = base64url::encode(&symbolon::seal::random::<12>().unwrap());
        let claims = json!({
            "iss": self.issuer(), "aud": CLIENT_ID, "sub": says.sub, "iat": now_s, "exp": now_s + 120, "jti": jti,
            "events": { logout_token::EVENT: {} }
        });
        let key = self.signs_with(&says);
        Self::encrypted(jws::sign(&key, says.typ.unwrap_or(logout_token::TYP), &changed(claims, changes)).unwrap(), &says)
    }

    fn signs_with(&self, says: &Says) -> PrivateKey {
        match (says.foreign_key, says.other_alg) {
            (true, _) => PrivateKey::generate(Algorithm::ES256).unwrap(),
            (_, true) => self.0.other_key.clone(),
            _ => self.0.key.lock().unwrap().clone(),
        }
    }

    /// Any claims, signed as an ID token is.
    pub fn signed(&self, claims: &Json) -> String {
        let says = self.0.says.lock().unwrap().clone();
        let key = self.signs_with(&says);
        jws::sign(&key, says.typ.unwrap_or("JWT"), claims).unwrap()
    }

    /// `rotated-0` comes with the sign-in.
    fn rotated(&self, refresh_token: &str, scope: Option<&String>) -> (u16, Json) {
        let mut given = self.0.given.lock().unwrap();
        if refresh_token != format!("rotated-{given}") {
            return (400, json!({ "error": "invalid_grant" }));
        }
        *given += 1;
        let (access, next) = (format!("access-{given}"), format!("rotated-{given}"));
        let answer = json!({ "access_token": access, "token_type": "Bearer", "expires_in": 600, "refresh_token": next });
        (200, scope.map_or(answer.clone(), |scope| changed(answer, &json!({ "scope": scope }))))
    }

    fn token(&self, head: &str, body: &str, now_says: &Says) -> (u16, Json) {
        if let Some(status) = now_says.token_status {
            return (status, json!({ "error": "invalid_grant", "error_description": "<b>no</b>" }));
        }
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        if !self.is_known(head, &form, now_says) {
            return (401, json!({ "error": "invalid_client" }));
        }
        if let Some(error) = self.objection_to_proof("POST", "/token", head, now_says) {
            return (400, json!({ "error": error }));
        }
        if form.get("grant_type").is_some_and(|it| it == "refresh_token") && now_says.rotates {
            return self.rotated(&form["refresh_token"], form.get("scope"));
        }
        if form.get("grant_type").is_some_and(|it| it == "refresh_token") {
            return now_says.refresh.clone().unwrap_or((400, json!({ "error": "invalid_grant" })));
        }
        let Some(pending) = self.0.codes.lock().unwrap().remove(form.get("code").map_or("", String::as_str)) else {
            return (400, json!({ "error": "invalid_grant" }));
        };
        if pkce::challenge(&form["code_verifier"]) != pending.challenge {
            return (400, json!({ "error": "invalid_grant" }));
        }
        let says = pending.says;
        let (now_s, access) = (system_clock()() / 1000, ACCESS);
        let claims = json!({
            "iss": self.issuer(), "sub": says.sub, "aud": CLIENT_ID, "iat": now_s, "exp": now_s + 300, "auth_time": now_s,
            "nonce": pending.nonce, "at_hash": id_token::at_hash(Algorithm::ES256, access)
        });
        let claims = changed(changed(claims, &says.claims), &says.id_token);
        let key = self.signs_with(&says);
        let token = Self::encrypted(jws::sign(&key, says.typ.unwrap_or("JWT"), &claims).unwrap(), &says);
        let kind = if now_says.bound.is_some() { "DPoP" } else { "Bearer" };
        let answer = json!({ "access_token": access, "token_type": kind, "expires_in": 60, "id_token": token });
        (200, changed(answer, &says.token_answer))
    }
}
