//! Every kind of lie that a phone can tell, in the formats of both platforms, over HTTP: each is refused with one public answer and
//! the rule that it breaks in the audit, and the same phone without the lie gets in. Area N.

use crate::world::*;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, dpop};
use symbolon_phone::element::{Android, Forgery, Ios, IosKey, Maker};

const APP: &str = "ABCDE12345.com.example.shop";
const PACKAGE: &str = "com.example.shop";
pub const BACK: &str = "https://shop.example.com/app";

/// Two clients of one app, and makers of phones: a good one, and one that nobody trusts.
pub struct Scene {
    pub world: World,
    maker: Maker,
    unknown: Maker,
}

impl Scene {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, "").await
    }

    /// With these further lines of [attestation].
    pub async fn with(engine: Engine, lines: &str) -> Self {
        let (maker, unknown) = (Maker::new().unwrap(), Maker::new().unwrap());
        // As somebody copies it from a report.
        let serial = format!("00:{}", maker.leaked_serial().unwrap().to_uppercase());
        let port = free_port();
        let mut text = format!(
            "{}\n[attestation]\nsimulated_roots = [\"{}\"]\n{lines}\n",
            configuration(port, &database(engine).await),
            maker.root_spki,
        );
        for client in ["app", "kiosk"] {
            text += &format!(
                "[client.{client}]\nkind = \"native\"\nfirst_party = true\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
                 apis = {{ orders = [\"orders:read\"] }}\nredirect_uris = [\"{BACK}\"]\n[client.{client}.attestation]\n\
                 ios = {{ app_ids = [\"{APP}\"] }}\n[client.{client}.attestation.android]\npackages = [\"{PACKAGE}\"]\n\
                 signing_digests = [\"{}\"]\nleast_patch = 202601\nrevoked_serials = [\"{serial}\"]\n",
                base64url::encode(&[7; 32]),
            );
        }
        text += &format!("{}\n", OPEN.replace("BACK", BACK).replace("APP", APP).replace("DIGEST", &base64url::encode(&[7; 32])));
        Self { world: World::with(&text, port).await, maker, unknown }
    }
}

/// A client of the same app that also takes phones that cannot attest.
const OPEN: &str = r#"
[client.open]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["BACK"]
[client.open.attestation]
ios = { app_ids = ["APP"] }
android = { packages = ["com.example.shop"], signing_digests = ["DIGEST"] }
[client.open.attestation.tier.hardware]
[client.open.attestation.tier.hardware_claimed]
[client.open.attestation.tier.none]
"#;

/// One installation of one client.
pub struct Phone<'a> {
    scene: &'a Scene,
    client: &'static str,
    pub key: PrivateKey,
    nonce: Option<String>,
    attestation: Option<String>,
    enclave: Option<IosKey>,
    /// What it answers next, instead of a challenge that it asks for.
    pub given: Option<(String, [u8; 32])>,
    pub retry_after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    Nothing,
    WrongApp,
    WrongSigner,
    WrongChallenge,
    AnothersChallenge,
    ProtocolsChallenge,
    OldChallenge,
    Replay,
    /// The same, without waiting for the first answer.
    AtOnce,
    RolledBack,
    Software,
    Unlocked,
    OldPatch,
    RevokedSerial,
    HigherExtension,
    MismatchedKey,
    UnknownMaker,
    Development,
    /// In the environment of the store's builds.
    DevelopersSignature,
}

pub type Answer = (u16, Json);

pub fn error(answer: &Answer) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

impl<'a> Phone<'a> {
    pub fn new(scene: &'a Scene, client: &'static str) -> Self {
        Self::with_key(scene, client, PrivateKey::generate(Algorithm::ES256).unwrap())
    }

    pub fn with_key(scene: &'a Scene, client: &'static str, key: PrivateKey) -> Self {
        Self { scene, client, key, nonce: None, attestation: None, enclave: None, given: None, retry_after: None }
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        for _ in 0..2 {
            let now_s = self.scene.world.running.shared.now().now_ms() / 1000;
            let (url, jti) = (self.scene.world.url(path), base64url::encode(&symbolon::seal::random::<16>().unwrap()));
            let proof = dpop::make(
                &self.key,
                &dpop::Statement { method: "POST", url: &url, nonce: self.nonce.as_deref(), access_token: None, jti: &jti, iat: now_s },
            )
            .unwrap();
            let mut request = self.scene.world.http.post(url).form(form).header("dpop", proof);
            if let Some(attestation) = &self.attestation {
                request = request.header("oauth-client-attestation", attestation);
            }
            let answer = request.send().await.unwrap();
            self.nonce = answer.headers().get("dpop-nonce").map(|it| it.to_str().unwrap().to_owned());
            self.retry_after = answer.headers().get("retry-after").map(|it| it.to_str().unwrap().to_owned());
            let answer = (answer.status().as_u16(), answer.json::<Json>().await.unwrap());
            if answer.1["error"] != "use_dpop_nonce" {
                return answer;
            }
        }
        panic!("the nonce is never good");
    }

    /// Takes the App Attest key away, to show it elsewhere.
    pub fn enclave(&mut self) -> Option<IosKey> {
        self.enclave.take()
    }

    /// A challenge for this phone's key, or for any.
    pub async fn challenge(&mut self, client: &str, of_key: bool) -> (String, [u8; 32]) {
        let form = [("client_id", client)];
        let answer = match of_key {
            true => self.post("/attest/challenge", &form).await,
            false => self.scene.world.post("/attest/challenge", &form, None).await,
        };
        let text = answer.1["challenge"].as_str().unwrap().to_owned();
        let bytes = base64url::decode(&text).unwrap().try_into().unwrap();
        (text, bytes)
    }

    fn named(&self, purpose: Purpose, challenge: &[u8; 32]) -> [u8; 32] {
        binding::named(purpose, self.client, challenge, &base64url::decode(self.key.kid()).unwrap().try_into().unwrap())
    }

    async fn send(&mut self, format: &str, challenge: &str, evidence: &BTreeMap<&str, String>) -> Answer {
        let mut form = vec![("client_id", self.client), ("format", format), ("challenge", challenge)];
        form.extend(evidence.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = self.post("/attest", &form).await;
        if answer.0 == 200 {
            self.attestation = answer.1["client_attestation"].as_str().map(str::to_owned);
        }
        answer
    }

    /// The challenge that is sent, and the one that the evidence is about.
    async fn challenged(&mut self, lie: Lie, renewal: bool) -> (String, [u8; 32]) {
        if let Some(it) = self.given.take() {
            return it;
        }
        let (text, bytes) = self.challenge(if lie == Lie::AnothersChallenge { "kiosk" } else { self.client }, renewal).await;
        match lie {
            Lie::WrongChallenge => (text, [1; 32]),
            Lie::ProtocolsChallenge => {
                let (_, answer) = self.scene.world.post("/challenge", &[], None).await;
                (answer["attestation_challenge"].as_str().unwrap().to_owned(), bytes)
            }
            Lie::OldChallenge => {
                self.scene.world.advance_s(301);
                (text, bytes)
            }
            _ => (text, bytes),
        }
    }

    fn maker(&self, lie: Lie) -> &'a Maker {
        if lie == Lie::UnknownMaker { &self.scene.unknown } else { &self.scene.maker }
    }

    /// First evidence of an iPhone, perhaps about an App Attest key that was shown before.
    pub async fn iphone(&mut self, lie: Lie, known: Option<&IosKey>) -> Answer {
        let (text, challenge) = self.challenged(lie, false).await;
        let (app_id, hash) =
            (if lie == Lie::WrongApp { "EVIL123456.com.example.shop" } else { APP }, self.named(Purpose::First, &challenge));
        let category = (lie == Lie::DevelopersSignature).then_some(3);
        let phone = Ios { development: lie == Lie::Development, category, ..Ios::genuine(app_id, &hash) };
        let forgery = match lie {
            Lie::HigherExtension => Forgery::HigherExtension,
            Lie::MismatchedKey => Forgery::AnotherKey,
            _ => known.map_or(Forgery::None, Forgery::Again),
        };
        let (enclave, object) = self.maker(lie).ios_forged(&phone, forgery).unwrap();
        let evidence = BTreeMap::from([("attestation", base64url::encode(&object)), ("key_id", base64url::encode(&enclave.key_id))]);
        self.enclave = Some(enclave);
        let answer = self.send("apple-appattest", &text, &evidence).await;
        if lie == Lie::Replay { self.send("apple-appattest", &text, &evidence).await } else { answer }
    }

    /// Evidence of the same iPhone afterwards.
    pub async fn asserts(&mut self, lie: Lie, counter: u32, version: Option<&str>) -> Answer {
        let (text, challenge) = self.challenged(lie, true).await;
        let hash = self.named(Purpose::Renewal, &challenge);
        let mut enclave = self.enclave.take().unwrap();
        let other = self.scene.maker.ios(APP, &hash).unwrap().0;
        enclave.app_id = if lie == Lie::WrongApp { "EVIL123456.com.example.shop" } else { APP }.to_owned();
        let signs = if lie == Lie::MismatchedKey { &other } else { &enclave };
        let made = signs.assertion_of(&hash, counter, version, None).unwrap();
        self.enclave = Some(enclave);
        let evidence = BTreeMap::from([("assertion", base64url::encode(&made))]);
        if lie == Lie::AtOnce {
            let key = PrivateKey::from_pkcs8(Algorithm::ES256, self.key.to_pkcs8()).unwrap();
            let mut twin = Phone { nonce: self.nonce.clone(), ..Phone::with_key(self.scene, self.client, key) };
            let (one, other) = tokio::join!(self.send("apple-assertion", &text, &evidence), twin.send("apple-assertion", &text, &evidence));
            assert!(one.0 == 200 || other.0 == 200, "{} {}", one.1, other.1);
            return if one.0 == 200 { other } else { one };
        }
        let answer = self.send("apple-assertion", &text, &evidence).await;
        if lie == Lie::Replay { self.send("apple-assertion", &text, &evidence).await } else { answer }
    }

    /// First evidence of an Android phone.
    pub async fn android(&mut self, lie: Lie) -> Answer {
        let (text, challenge) = self.challenged(lie, false).await;
        let hash = binding::leaf(&challenge, self.client);
        self.keystore("android-key", lie, (&text, hash), None).await
    }

    /// A throw-away key of the same phone that speaks for the installation's; or says that it does.
    pub async fn witness(&mut self, lie: Lie, patch: Option<u32>) -> Answer {
        let (text, challenge) = self.challenged(lie, true).await;
        let hash = self.named(if lie == Lie::MismatchedKey { Purpose::First } else { Purpose::Renewal }, &challenge);
        self.keystore("android-witness", lie, (&text, hash), patch).await
    }

    async fn keystore(&mut self, format: &str, lie: Lie, (text, hash): (&str, [u8; 32]), patch: Option<u32>) -> Answer {
        let genuine = Android::genuine(
            if lie == Lie::WrongApp { "com.evil" } else { PACKAGE },
            [if lie == Lie::WrongSigner { 8 } else { 7 }; 32],
            &hash,
        );
        let phone = Android {
            level: if lie == Lie::Software { 0 } else { 1 },
            locked: lie != Lie::Unlocked,
            patch: if lie == Lie::OldPatch { 202_512 } else { patch.unwrap_or(202_610) },
            ..genuine
        };
        let witness = PrivateKey::generate(Algorithm::ES256).unwrap();
        let key = if format == "android-key" { &self.key } else { &witness };
        let forgery = match lie {
            Lie::HigherExtension => Forgery::HigherExtension,
            Lie::MismatchedKey => Forgery::AnotherKey,
            Lie::RevokedSerial => Forgery::LeakedKeybox,
            _ => Forgery::None,
        };
        let chain = self.maker(lie).android_forged(key, &phone, forgery).unwrap();
        let evidence = BTreeMap::from([("chain", chain.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join("."))]);
        let answer = self.send(format, text, &evidence).await;
        if lie == Lie::Replay { self.send(format, text, &evidence).await } else { answer }
    }

    /// The whole way to a refresh token.
    pub async fn token(&mut self) -> String {
        let (code, verifier) = self.code().await;
        let answer = self.exchange(&code, &verifier).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
        answer.1["refresh_token"].as_str().unwrap().to_owned()
    }

    /// A code and its verifier.
    pub async fn code(&mut self) -> (String, String) {
        let ask = Ask::new(self.client, BACK, "openid orders:read");
        let form = ask.form();
        let pushed = self.post("/par", &form).await;
        assert_eq!(pushed.0, 201, "{}", pushed.1);
        let mut opened = ask.clone();
        let pair = [("client_id", self.client), ("request_uri", pushed.1["request_uri"].as_str().unwrap())];
        opened.parameters = pair.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let back = Browser::default().sign_in(&self.scene.world, &opened, "alice").await;
        (back["code"].clone(), ask.verifier)
    }

    pub async fn exchange(&mut self, code: &str, verifier: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", BACK),
        ];
        self.post("/token", &form).await
    }

    /// Leaves the attestation out from now on.
    pub fn forget(&mut self) -> Option<String> {
        self.attestation.take()
    }

    pub fn remember(&mut self, attestation: Option<String>) {
        self.attestation = attestation;
    }

    pub async fn refresh(&mut self, token: &str) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("client_id", self.client), ("refresh_token", token)]).await
    }

    /// What the audit says of the refusals of this installation: the rules, last one first.
    pub async fn refusals(&self) -> Vec<String> {
        let app = self.scene.world.running.shared.now();
        let rows = app.store.all("SELECT body FROM audit_security ORDER BY id DESC", &[]).await.unwrap();
        let bodies = rows.iter().map(|it| serde_json::from_str::<Json>(it.text(0).unwrap()).unwrap());
        bodies
            .filter(|it| it["event"] == "evidence_refused" && it["detail"]["jkt"] == self.key.kid() && it["client"] == self.client)
            .map(|it| it["reason"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What is kept of it.
    pub async fn facts(&self) -> Json {
        let app = self.scene.world.running.shared.now();
        let sql = "SELECT facts FROM instance WHERE client = $1 AND jkt = $2";
        let row = app.store.one(sql, &[self.client.into(), self.key.kid().into()]).await.unwrap().unwrap();
        serde_json::from_str(row.text(0).unwrap()).unwrap()
    }

    async fn must_be_refused(&self, said: &Answer, what: &str, rule: &str) {
        assert_eq!(error(said), (400, "invalid_client_attestation"), "{what}: {}", said.1);
        let keys: Vec<&String> = said.1.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["error", "error_description"], "{what}");
        let why = self.refusals().await;
        assert!(why.first().is_some_and(|it| it.split(' ').any(|it| it == rule)), "{what}: {rule} is not in {why:?}");
    }
}

/// 234-N, 236-N, 237-N, 240-N, 244-N, 251-N, 263-N, 284-N: what an iPhone, or somebody who plays one, can lie about.
#[tokio::test(flavor = "multi_thread")]
async fn every_lie_of_an_iphone() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        for (lie, rule) in [
            (Lie::WrongApp, "app"),
            (Lie::WrongChallenge, "nonce"),
            (Lie::AnothersChallenge, "challenge_unknown"),
            (Lie::ProtocolsChallenge, "challenge_unknown"),
            (Lie::OldChallenge, "challenge_unknown"),
            (Lie::Replay, "challenge_used"),
            (Lie::HigherExtension, "nonce_place"),
            (Lie::MismatchedKey, "credential_key"),
            (Lie::UnknownMaker, "chain_root"),
            (Lie::Development, "build"),
            (Lie::DevelopersSignature, "build"),
        ] {
            let mut phone = Phone::new(&scene, "app");
            let said = phone.iphone(lie, None).await;
            phone.must_be_refused(&said, &format!("{lie:?}"), rule).await;
            let said = phone.iphone(Lie::Nothing, None).await;
            assert_eq!((said.0, said.1["tier"].as_str()), (200, Some("hardware_claimed")), "{lie:?}: {}", said.1);
        }
        let mut phone = Phone::new(&scene, "app");
        assert_eq!(phone.iphone(Lie::Nothing, None).await.0, 200);
        let mut counter = 5;
        assert_eq!(phone.asserts(Lie::Nothing, counter, None).await.0, 200);
        for (lie, rule) in [
            (Lie::WrongApp, "app"),
            (Lie::WrongChallenge, "signature"),
            (Lie::AnothersChallenge, "challenge_unknown"),
            (Lie::ProtocolsChallenge, "challenge_unknown"),
            (Lie::OldChallenge, "challenge_unknown"),
            (Lie::RolledBack, "counter"),
            (Lie::MismatchedKey, "signature"),
        ] {
            counter += 2;
            let said = phone.asserts(lie, if lie == Lie::RolledBack { 4 } else { counter }, None).await;
            phone.must_be_refused(&said, &format!("renewal, {lie:?}"), rule).await;
            let said = phone.asserts(Lie::Nothing, counter + 1, None).await;
            assert_eq!(said.0, 200, "renewal, {lie:?}: {}", said.1);
        }
        scene.world.stop().await;
    }
}

/// 234-N, 236-N, 237-N, 243-N, 254-N, 256-N, 260-N, 263-N, 284-N: the same of an Android phone.
#[tokio::test(flavor = "multi_thread")]
async fn every_lie_of_an_android_phone() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let lies = [
            (Lie::WrongApp, "package"),
            (Lie::WrongSigner, "signer"),
            (Lie::WrongChallenge, "challenge"),
            (Lie::AnothersChallenge, "challenge_unknown"),
            (Lie::ProtocolsChallenge, "challenge_unknown"),
            (Lie::OldChallenge, "challenge_unknown"),
            (Lie::Replay, "challenge_used"),
            (Lie::Software, "attestation_level"),
            (Lie::Unlocked, "unlocked"),
            (Lie::OldPatch, "patch"),
            (Lie::RevokedSerial, "revoked"),
            (Lie::HigherExtension, "extension_place"),
            (Lie::UnknownMaker, "chain_root"),
        ];
        for (lie, rule) in lies.into_iter().chain([(Lie::MismatchedKey, "instance_key")]) {
            let mut phone = Phone::new(&scene, "app");
            let said = phone.android(lie).await;
            phone.must_be_refused(&said, &format!("{lie:?}"), rule).await;
            let said = phone.android(Lie::Nothing).await;
            assert_eq!((said.0, said.1["tier"].as_str()), (200, Some("hardware")), "{lie:?}: {}", said.1);
        }
        let mut phone = Phone::new(&scene, "app");
        assert_eq!(phone.android(Lie::Nothing).await.0, 200);
        // A witness for another key is one whose challenge names another.
        for (lie, rule) in lies.into_iter().chain([(Lie::MismatchedKey, "challenge")]) {
            let said = phone.witness(lie, None).await;
            phone.must_be_refused(&said, &format!("renewal, {lie:?}"), rule).await;
            let said = phone.witness(Lie::Nothing, None).await;
            assert_eq!(said.0, 200, "renewal, {lie:?}: {}", said.1);
        }
        scene.world.stop().await;
    }
}
