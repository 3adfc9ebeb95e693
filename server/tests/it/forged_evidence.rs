//! Evidence with one false statement, in the formats of both platforms, over HTTP. Each is refused with the same public answer, and
//! the audit names the rule that it breaks. The same phone without the false statement is let in. Area N.

use crate::world::*;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::base64url;

use symbolon_phone::element::{Android, Forgery, Ios, IosKey, Maker};

pub const BACK: &str = "https://shop.example.com/app";

/// Two clients of one app, a third one that takes phones without evidence, and who makes the phones.
pub struct Scene {
    pub world: World,
    maker: Maker,
}

impl Scene {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, "").await
    }

    /// With these further lines of [attestation].
    pub async fn with(engine: Engine, lines: &str) -> Self {
        let maker = Maker::new().unwrap();
        // As somebody copies it from a report.
        let serial = format!("00:{}", maker.leaked_serial().unwrap().to_uppercase());
        let mut text = format!("[attestation]\nsimulated_roots = [\"{}\"]\n{lines}\n", maker.root_spki);
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
        Self { world: Configuration::on(engine).await.with(&text).start().await, maker }
    }

    /// One installation of one client.
    pub fn phone(&self, client: &'static str) -> Phone<'_> {
        Phone::new(&self.world, client, BACK).made_by(&self.maker)
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

impl Phone<'_> {
    /// The challenge that is sent, and the one that the evidence is about.
    async fn challenged(&mut self, lie: Lie, renewal: bool) -> (String, [u8; 32]) {
        if let Some(given) = self.given.take() {
            return given;
        }
        let client = if lie == Lie::AnothersChallenge { "kiosk" } else { self.client };
        let (text, bytes) = if renewal { self.own_challenge(client).await } else { self.any_challenge(client).await };
        match lie {
            Lie::WrongChallenge => (text, [1; 32]),
            Lie::ProtocolsChallenge => {
                let (_, answer) = self.world.post("/challenge", &[], None).await;
                (answer["attestation_challenge"].as_str().unwrap().to_owned(), bytes)
            }
            Lie::OldChallenge => {
                self.world.advance_s(301);
                (text, bytes)
            }
            _ => (text, bytes),
        }
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
        let unknown = Maker::new().unwrap();
        let maker = if lie == Lie::UnknownMaker { &unknown } else { self.maker() };
        let (enclave, object) = maker.ios_forged(&phone, forgery).unwrap();
        let (object, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
        let evidence = [("attestation", object.as_str()), ("key_id", &key_id)];
        self.enclave = Some(enclave);
        let answer = self.attest("apple-appattest", &text, &evidence).await;
        if lie != Lie::Replay {
            return answer;
        }
        // The same evidence again is a lost answer, and heals; other evidence about the challenge is a replay of the challenge.
        assert_eq!(self.attest("apple-appattest", &text, &evidence).await.body["tier"], answer.body["tier"]);
        let (enclave, object) = maker.ios_forged(&phone, forgery).unwrap();
        let (object, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
        self.attest("apple-appattest", &text, &[("attestation", object.as_str()), ("key_id", &key_id)]).await
    }

    /// Evidence of the same iPhone afterwards.
    pub async fn asserts(&mut self, lie: Lie, counter: u32, version: Option<&str>) -> Answer {
        let (text, challenge) = self.challenged(lie, true).await;
        let hash = self.named(Purpose::Renewal, &challenge);
        let mut enclave = self.enclave.take().unwrap();
        let other = self.maker().ios(APP, &hash).unwrap().0;
        enclave.app_id = if lie == Lie::WrongApp { "EVIL123456.com.example.shop" } else { APP }.to_owned();
        let signs = if lie == Lie::MismatchedKey { &other } else { &enclave };
        let made = signs.assertion_of(&hash, counter, version, None).unwrap();
        self.enclave = Some(enclave);
        let assertion = base64url::encode(&made);
        let evidence = [("assertion", assertion.as_str())];
        if lie == Lie::AtOnce {
            let twin = Phone::new(self.world, self.client, self.redirect_uri).with_key(self.key.clone());
            let mut twin = Phone { nonce: self.nonce.clone(), ..twin };
            let (one, other) =
                tokio::join!(self.attest("apple-assertion", &text, &evidence), twin.attest("apple-assertion", &text, &evidence));
            assert!(one.status == 200 || other.status == 200, "{} {}", one.body, other.body);
            return if one.status == 200 { other } else { one };
        }
        let answer = self.attest("apple-assertion", &text, &evidence).await;
        if lie == Lie::Replay { self.attest("apple-assertion", &text, &evidence).await } else { answer }
    }

    /// First evidence of an Android phone.
    pub async fn android(&mut self, lie: Lie) -> Answer {
        let (text, challenge) = self.challenged(lie, false).await;
        let hash = binding::leaf(&challenge, self.client);
        self.lying_keystore("android-key", lie, (&text, hash), None).await
    }

    /// A throw-away key of the same phone that speaks for the installation's; or says that it does.
    pub async fn witness(&mut self, lie: Lie, patch: Option<u32>) -> Answer {
        let (text, challenge) = self.challenged(lie, true).await;
        let hash = self.named(if lie == Lie::MismatchedKey { Purpose::First } else { Purpose::Renewal }, &challenge);
        self.lying_keystore("android-witness", lie, (&text, hash), patch).await
    }

    async fn lying_keystore(&mut self, format: &str, lie: Lie, (text, hash): (&str, [u8; 32]), patch: Option<u32>) -> Answer {
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
        let witness = new_key();
        let key = if format == "android-key" { &self.key } else { &witness };
        let forgery = match lie {
            Lie::HigherExtension => Forgery::HigherExtension,
            Lie::MismatchedKey => Forgery::AnotherKey,
            Lie::RevokedSerial => Forgery::LeakedKeybox,
            _ => Forgery::None,
        };
        let unknown = Maker::new().unwrap();
        let maker = if lie == Lie::UnknownMaker { &unknown } else { self.maker() };
        let certificates = maker.android_forged(key, &phone, forgery).unwrap();
        let chain = chain(&certificates);
        let evidence = [("chain", chain.as_str())];
        let answer = self.attest(format, text, &evidence).await;
        if lie != Lie::Replay {
            return answer;
        }
        let again = self.attest(format, text, &evidence).await;
        if format == "android-witness" {
            return again;
        }
        // First evidence that comes again is a lost answer, and heals; other evidence about the challenge is a replay of the challenge.
        assert_eq!(again.body["tier"], answer.body["tier"]);
        let other = self::chain(&maker.android_forged(&self.key, &phone, forgery).unwrap());
        self.attest(format, text, &[("chain", other.as_str())]).await
    }

    async fn must_be_refused(&self, said: &Answer, what: &str, rule: &str) {
        assert_eq!(said.error(), (400, "invalid_client_attestation"), "{what}: {}", said.body);
        let keys: Vec<&String> = said.body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["error", "error_description"], "{what}");
        let why = self.refusals().await;
        assert!(why.first().is_some_and(|words| words.split(' ').any(|it| it == rule)), "{what}: {rule} is not in {why:?}");
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
            let mut phone = scene.phone("app");
            let said = phone.iphone(lie, None).await;
            phone.must_be_refused(&said, &format!("{lie:?}"), rule).await;
            let said = phone.iphone(Lie::Nothing, None).await;
            assert_eq!((said.status, said.body["tier"].as_str()), (200, Some("hardware_claimed")), "{lie:?}: {}", said.body);
        }
        let mut phone = scene.phone("app");
        assert_eq!(phone.iphone(Lie::Nothing, None).await.status, 200);
        let mut counter = 5;
        assert_eq!(phone.asserts(Lie::Nothing, counter, None).await.status, 200);
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
            assert_eq!(said.status, 200, "renewal, {lie:?}: {}", said.body);
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
            let mut phone = scene.phone("app");
            let said = phone.android(lie).await;
            phone.must_be_refused(&said, &format!("{lie:?}"), rule).await;
            let said = phone.android(Lie::Nothing).await;
            assert_eq!((said.status, said.body["tier"].as_str()), (200, Some("hardware")), "{lie:?}: {}", said.body);
        }
        let mut phone = scene.phone("app");
        assert_eq!(phone.android(Lie::Nothing).await.status, 200);
        // A witness for another key is one whose challenge names another.
        for (lie, rule) in lies.into_iter().chain([(Lie::MismatchedKey, "challenge")]) {
            let said = phone.witness(lie, None).await;
            phone.must_be_refused(&said, &format!("renewal, {lie:?}"), rule).await;
            let said = phone.witness(Lie::Nothing, None).await;
            assert_eq!(said.status, 200, "renewal, {lie:?}: {}", said.body);
        }
        scene.world.stop().await;
    }
}
