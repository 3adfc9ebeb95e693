//! The built-in attester with simulated phones that forge both platforms' evidence in their wire formats: the genuine app gets
//! in, every impostor stays out, an installation is revoked alone. Area N.

use crate::world::*;
use serde_json::Value as Json;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, dpop};
use symbolon_phone::element::{Android, IosKey, Maker};

const APP: &str = "ABCDE12345.com.example.shop";
const PACKAGE: &str = "com.example.shop";
const BACK: &str = "https://attested.example.com/cb";

struct Scene {
    world: World,
    maker: Maker,
}

impl Scene {
    async fn start(engine: Engine) -> Self {
        Self::with(engine, "").await
    }

    /// With these further lines of [attestation].
    async fn with(engine: Engine, lines: &str) -> Self {
        let (port, maker) = (free_port(), Maker::new().unwrap());
        let digest = base64url::encode(&[7; 32]);
        let text = format!(
            r#"{}
[attestation]
simulated_roots = ["{}"]
{lines}
[client.genuine]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{BACK}"]
[client.genuine.attestation]
max_age = "1h"
ios = {{ app_ids = ["{APP}"] }}
android = {{ packages = ["{PACKAGE}"], signing_digests = ["{digest}"], least_patch = 202601 }}
"#,
            configuration(port, &database(engine).await),
            maker.root_spki
        );
        Self { world: World::with(&text, port).await, maker }
    }
}

struct Phone<'a> {
    scene: &'a Scene,
    key: PrivateKey,
    nonce: Option<String>,
    attestation: Option<String>,
    ios: Option<IosKey>,
    retry_after: Option<String>,
}

type Answer = (u16, Json);

fn error(answer: &Answer) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

impl<'a> Phone<'a> {
    fn new(scene: &'a Scene) -> Self {
        Self { scene, key: PrivateKey::generate(Algorithm::ES256).unwrap(), nonce: None, attestation: None, ios: None, retry_after: None }
    }

    fn thumbprint(&self) -> [u8; 32] {
        base64url::decode(self.key.kid()).unwrap().try_into().unwrap()
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        for _ in 0..2 {
            let now_s = self.scene.world.running.shared.now().now_ms() / 1000;
            let jti = base64url::encode(&symbolon::seal::random::<16>().unwrap());
            let url = self.scene.world.url(path);
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

    async fn challenge(&self) -> (String, [u8; 32]) {
        let answer = self.scene.world.post("/attest/challenge", &[("client_id", "genuine")], None).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
        let text = answer.1["challenge"].as_str().unwrap().to_owned();
        let bytes = base64url::decode(&text).unwrap().try_into().unwrap();
        (text, bytes)
    }

    /// For this phone's key alone.
    async fn own_challenge(&mut self) -> (String, [u8; 32]) {
        let answer = self.post("/attest/challenge", &[("client_id", "genuine")]).await;
        let text = answer.1["challenge"].as_str().unwrap().to_owned();
        let bytes = base64url::decode(&text).unwrap().try_into().unwrap();
        (text, bytes)
    }

    async fn send(&mut self, format: &str, challenge: &str, evidence: &[(&str, String)]) -> Answer {
        let mut form = vec![("client_id", "genuine"), ("format", format), ("challenge", challenge)];
        form.extend(evidence.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = self.post("/attest", &form).await;
        if answer.0 == 200 {
            self.attestation = answer.1["client_attestation"].as_str().map(str::to_owned);
        }
        answer
    }

    async fn attest_ios(&mut self, app: &str, maker: &Maker) -> Answer {
        let (text, challenge) = self.challenge().await;
        let hash = binding::named(Purpose::First, "genuine", &challenge, &self.thumbprint());
        let (key, object) = maker.ios(app, &hash).unwrap();
        let evidence = [("attestation", base64url::encode(&object)), ("key_id", base64url::encode(&key.key_id))];
        self.ios = Some(key);
        self.send("apple-appattest", &text, &evidence).await
    }

    async fn renew_ios(&mut self, counter: u32) -> Answer {
        let (text, challenge) = self.own_challenge().await;
        let hash = binding::named(Purpose::Renewal, "genuine", &challenge, &self.thumbprint());
        let made = self.ios.as_ref().unwrap().assertion(&hash, counter).unwrap();
        self.send("apple-assertion", &text, &[("assertion", base64url::encode(&made))]).await
    }

    async fn attest_android(&mut self, lie: impl FnOnce(&mut Android<'_>), key: Option<&PrivateKey>) -> Answer {
        let (text, challenge) = self.challenge().await;
        let hash = binding::leaf(&challenge, "genuine");
        let mut phone = Android::genuine(PACKAGE, [7; 32], &hash);
        lie(&mut phone);
        let chain = self.scene.maker.android(key.unwrap_or(&self.key), &phone).unwrap();
        let chain: Vec<String> = chain.iter().map(|it| base64url::encode(it)).collect();
        self.send("android-key", &text, &[("chain", chain.join("."))]).await
    }

    /// The whole way to tokens.
    async fn tokens(&mut self) -> Answer {
        self.tokens_of("alice").await
    }

    async fn tokens_of(&mut self, person: &str) -> Answer {
        let ask = Ask::new("genuine", BACK, "openid orders:read");
        let form = ask.form();
        let pushed = self.post("/par", &form).await;
        let Some(uri) = pushed.1["request_uri"].as_str() else { return pushed };
        let mut opened = ask.clone();
        opened.parameters = [("client_id", "genuine"), ("request_uri", uri)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let back = Browser::default().sign_in(&self.scene.world, &opened, person).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "genuine"),
            ("code", back["code"].as_str()),
            ("code_verifier", &ask.verifier),
            ("redirect_uri", BACK),
        ];
        self.post("/token", &form).await
    }

    async fn refresh(&mut self, token: &str) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("client_id", "genuine"), ("refresh_token", token)]).await
    }
}

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    test(Scene::start(Engine::Sqlite).await).await;
    if std::env::var("SYMBOLON_TEST_POSTGRES").is_ok() {
        test(Scene::start(Engine::Postgres).await).await;
    }
}

/// Evidence, attestation, tokens, and a refresh that asks for fresh evidence: both platforms.
#[tokio::test(flavor = "multi_thread")]
async fn the_genuine_app_on_a_genuine_device() {
    on_every_engine(|scene| async move {
        let mut iphone = Phone::new(&scene);
        let attested = iphone.attest_ios(APP, &scene.maker).await;
        assert_eq!((attested.0, attested.1["tier"].as_str()), (200, Some("hardware_claimed")), "{}", attested.1);
        let mut android = Phone::new(&scene);
        let attested = android.attest_android(|_| {}, None).await;
        assert_eq!((attested.0, attested.1["tier"].as_str()), (200, Some("hardware")), "{}", attested.1);
        let mut tokens = Vec::new();
        for phone in [&mut iphone, &mut android] {
            let answer = phone.tokens().await;
            assert_eq!((answer.0, answer.1["token_type"].as_str()), (200, Some("DPoP")), "{}", answer.1);
            tokens.push(answer.1["refresh_token"].as_str().unwrap().to_owned());
        }
        scene.world.advance_s(3601);
        assert_eq!(error(&iphone.refresh(&tokens[0]).await), (400, "use_fresh_attestation"));
        assert_eq!(iphone.renew_ios(1).await.0, 200);
        assert_eq!(iphone.refresh(&tokens[0]).await.0, 200, "nothing was consumed by the refused attempt");
        assert_eq!(error(&android.refresh(&tokens[1]).await), (400, "use_fresh_attestation"));
        // The counter only rises.
        assert_eq!(error(&iphone.renew_ios(1).await), (400, "invalid_client_attestation"));
        assert_eq!(iphone.renew_ios(2).await.0, 200);
        assert_eq!(scene.world.audited("instance_attested").await, 4);
        scene.world.stop().await;
    })
    .await;
}

/// 234-N, 236-N, 237-N, 254-N, 256-N, 260-N, 263-N, 284-N: one public answer for every impostor; the rule is in the audit.
#[tokio::test(flavor = "multi_thread")]
async fn impostors_stay_out() {
    on_every_engine(|scene| async move {
        let refused = (400, "invalid_client_attestation");
        let mut phone = Phone::new(&scene);
        assert_eq!(error(&phone.attest_ios("EVIL123456.com.example.shop", &scene.maker).await), refused, "another app, the same client_id");
        let other = Maker::new().unwrap();
        assert!(other.is_other_than(&scene.maker));
        assert_eq!(error(&phone.attest_ios(APP, &other).await), refused, "a chain to a root of one's own");
        assert_eq!(error(&phone.attest_android(|it| it.package = "com.evil", None).await), refused);
        assert_eq!(error(&phone.attest_android(|it| it.signing_digest = [8; 32], None).await), refused);
        assert_eq!(error(&phone.attest_android(|it| it.level = 0, None).await), refused);
        assert_eq!(error(&phone.attest_android(|it| it.locked = false, None).await), refused);
        assert_eq!(error(&phone.attest_android(|it| it.patch = 202_512, None).await), refused);
        assert_eq!(error(&phone.attest_android(|it| it.challenge = b"another", None).await), refused);
        let elsewhere = PrivateKey::generate(Algorithm::ES256).unwrap();
        assert_eq!(error(&phone.attest_android(|_| {}, Some(&elsewhere)).await), refused, "the attested key is not the one that signs");
        assert_eq!(scene.world.audited("evidence_refused").await, 9);
        assert_eq!(error(&phone.tokens().await), (401, "invalid_client"), "and without an attestation there is no token");

        // A challenge is for one attestation, of one client, for five minutes.
        let (text, challenge) = phone.challenge().await;
        let hash = binding::leaf(&challenge, "genuine");
        let good = Android { level: 2, ..Android::genuine(PACKAGE, [7; 32], &hash) };
        let chain = scene.maker.android(&phone.key, &good).unwrap();
        let chain: Vec<String> = chain.iter().map(|it| base64url::encode(it)).collect();
        let evidence = [("chain", chain.join("."))];
        assert_eq!(error(&phone.send("android-key", "AAAA", &evidence).await), refused);
        let first = phone.send("android-key", &text, &evidence).await;
        assert_eq!(first.0, 200, "{}", first.1);
        assert_eq!(error(&phone.send("android-key", &text, &evidence).await), refused, "replayed");
        scene.world.advance_s(301);
        let (late, _) = (text, ());
        assert_eq!(error(&phone.send("android-key", &late, &evidence).await), refused);
        assert_eq!(phone.tokens().await.0, 200);
        scene.world.stop().await;
    })
    .await;
}

/// An installation is revoked alone: it gets no token any more, and no attestation; others of the same app go on.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_revoked_alone() {
    on_every_engine(|scene| async move {
        let (mut lost, mut kept) = (Phone::new(&scene), Phone::new(&scene));
        let mut tokens = Vec::new();
        for phone in [&mut lost, &mut kept] {
            assert_eq!(phone.attest_android(|_| {}, None).await.0, 200);
            tokens.push(phone.tokens().await.1["refresh_token"].as_str().unwrap().to_owned());
        }
        let (file, jkt) = (scene.world.file(), lost.key.kid().to_owned());
        let said = tokio::task::spawn_blocking(move || {
            let run = |words: &[&str]| {
                let output = std::process::Command::new(env!("CARGO_BIN_EXE_symbolon")).arg("-c").arg(&file).args(words).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stdout).unwrap()
            };
            let listed = run(&["instance", "list", "--client", "genuine"]);
            assert!(listed.contains(&jkt) && listed.contains("android") && listed.contains("hardware"), "{listed}");
            run(&["instance", "revoke", "--", &jkt])
        })
        .await
        .unwrap();
        assert!(said.contains("1 grant ended"), "{said}");
        for token in [tokens[0].as_str(), &tokens[1], "sr_x"] {
            assert_eq!(error(&lost.refresh(token).await), (401, "invalid_client"), "whether or not there is a grant to read beside it");
        }
        assert_eq!(error(&kept.refresh("sr_x").await), (400, "invalid_grant"));
        assert_eq!(error(&lost.attest_android(|_| {}, None).await), (400, "invalid_client_attestation"));
        assert_eq!(kept.refresh(&tokens[1]).await.0, 200);
        scene.world.stop().await;
    })
    .await;
}

/// 259-N: a certificate that the status list names, a list that is too old, and no list at all refuse; a list without it accepts.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_list_is_asked() {
    let list = std::env::temp_dir().join(format!("symbolon-status-{}-{}.json", std::process::id(), free_port()));
    let scene = Scene::with(Engine::Sqlite, &format!("status_list = \"file:{}\"", list.display())).await;
    let app = scene.world.running.shared.now();
    let write = async |text: &str| {
        std::fs::write(&list, text).unwrap();
        symbolon::attesting::status::refresh(&app.callers.attesting.status, &app).await;
    };
    let refused = (400, "invalid_client_attestation");
    let mut phone = Phone::new(&scene);
    assert_eq!(error(&phone.attest_android(|_| {}, None).await), refused, "no list yet");
    write("{\"entries\":{}}").await;
    assert_eq!(phone.attest_android(|_| {}, None).await.0, 200);
    let row = app.store.one("SELECT facts FROM instance WHERE jkt = $1", &[phone.key.kid().into()]).await.unwrap().unwrap();
    let facts: Json = serde_json::from_str(row.text(0).unwrap()).unwrap();
    let intermediate = facts["serials"][1].as_str().unwrap().to_owned();
    for status in ["REVOKED", "SUSPENDED", "SOMETHING_NEW"] {
        write(&format!("{{\"entries\":{{\"{intermediate}\":{{\"status\":\"{status}\"}}}}}}")).await;
        assert_eq!(error(&phone.attest_android(|_| {}, None).await), refused, "{status}");
    }
    write("{\"entries\":{\"1234567890abcdef\":{\"status\":\"REVOKED\"}}}").await;
    assert_eq!(phone.attest_android(|_| {}, None).await.0, 200);
    write("no list").await;
    assert_eq!(phone.attest_android(|_| {}, None).await.0, 200, "the last good list stays");
    scene.world.advance_s(3 * 86_400 + 60);
    assert_eq!(error(&phone.attest_android(|_| {}, None).await), refused, "too old");
    scene.world.stop().await;
    let _ = std::fs::remove_file(list);
}

/// A leaked keybox or a bad version of the app ends exactly what it should, and says before how much that is.
#[tokio::test(flavor = "multi_thread")]
async fn many_are_revoked_at_once_and_counted_before() {
    on_every_engine(|scene| async move {
        let (mut one, mut two, mut iphone) = (Phone::new(&scene), Phone::new(&scene), Phone::new(&scene));
        assert_eq!(one.attest_android(|_| {}, None).await.0, 200);
        assert_eq!(two.attest_android(|_| {}, None).await.0, 200);
        assert_eq!(iphone.attest_ios(APP, &scene.maker).await.0, 200);
        let mut tokens = Vec::new();
        for phone in [&mut one, &mut two, &mut iphone] {
            tokens.push(phone.tokens().await.1["refresh_token"].as_str().unwrap().to_owned());
        }
        let app = scene.world.running.shared.now();
        let row = app.store.one("SELECT facts FROM instance WHERE jkt = $1", &[one.key.kid().into()]).await.unwrap().unwrap();
        let facts: Json = serde_json::from_str(row.text(0).unwrap()).unwrap();
        let (leaf, shared) = (facts["serials"][0].as_str().unwrap().to_owned(), facts["serials"][1].as_str().unwrap().to_owned());
        let file = scene.world.file();
        let run = async |words: &[&str]| {
            let (file, words) = (file.clone(), words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
            let done = tokio::task::spawn_blocking(move || {
                std::process::Command::new(env!("CARGO_BIN_EXE_symbolon"))
                    .arg("-c")
                    .arg(&file)
                    .args(["instance", "revoke"])
                    .args(words)
                    .output()
            });
            let output = done.await.unwrap().unwrap();
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        let said = run(&["--serial", &shared, "--preview"]).await;
        assert!(said.contains("2 installations would be revoked; 2 grants would end") && said.contains(one.key.kid()), "{said}");
        let said = run(&["--client", "genuine", "--app-version-below", "1", "--platform", "android", "--preview"]).await;
        assert!(said.contains("0 installations would be revoked"), "{said}");
        assert!(run(&[]).await.contains("name an installation"));
        assert_eq!(one.refresh(&tokens[0]).await.0, 200, "a preview does nothing");
        let said = run(&["--serial", &format!("00{}", leaf.to_uppercase())]).await;
        assert!(said.contains("is revoked; 1 grant ended"), "{said}");
        assert_eq!(error(&one.refresh(&tokens[0]).await), (401, "invalid_client"));
        let said = run(&["--client", "genuine", "--app-version-below", "2", "--platform", "android"]).await;
        assert!(said.contains("1 grant ended"), "{said}");
        assert_eq!(error(&two.refresh(&tokens[1]).await), (401, "invalid_client"));
        assert_eq!(iphone.refresh(&tokens[2]).await.0, 200);
        scene.world.stop().await;
    })
    .await;
}

/// 252-N: an attestation says which installation, never who. Another person on the same phone signs in and gets what is theirs;
/// another phone that shows this one's attestation gets nothing, whoever signs in on it.
#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_is_of_a_phone_and_not_of_a_person() {
    on_every_engine(|scene| async move {
        scene.world.person("bob").await;
        let mut phone = Phone::new(&scene);
        assert_eq!(phone.attest_ios(APP, &scene.maker).await.0, 200);
        let hers = phone.tokens().await;
        let his = phone.tokens_of("bob").await;
        let of = |it: &Answer, name: &str| it.1[name].as_str().unwrap_or_else(|| panic!("{}", it.1)).to_owned();
        let sub = |it: &Answer| claims(&of(it, "access_token"))["sub"].clone();
        assert_ne!(sub(&hers), sub(&his));
        let mut other = Phone::new(&scene);
        other.attestation = phone.attestation.clone();
        let refused = (400, "invalid_client_attestation");
        assert_eq!(error(&other.tokens_of("bob").await), refused);
        assert_eq!(error(&other.refresh(&of(&hers, "refresh_token")).await), refused);
        let alice = sub(&phone.refresh(&of(&hers, "refresh_token")).await);
        assert_eq!(alice, sub(&hers));
        assert_eq!(sub(&phone.refresh(&of(&his, "refresh_token")).await), sub(&his));
        // With evidence of its own it is a phone like any other.
        assert_eq!(other.attest_ios(APP, &scene.maker).await.0, 200);
        assert_eq!(other.tokens_of("bob").await.0, 200);
        scene.world.stop().await;
    })
    .await;
}

/// 285-N, 580-K: more evidence at once than there are places is turned away at once and loses nothing; tokens flow meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn too_much_evidence_at_once_is_shed() {
    on_every_engine(|scene| async move {
        let (mut known, mut late) = (Phone::new(&scene), Phone::new(&scene));
        assert_eq!(known.attest_ios(APP, &scene.maker).await.0, 200);
        let tokens = known.tokens().await;
        let pool = scene.world.running.shared.now().limits.evidence.clone();
        let places = pool.places();
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Arc::new(std::sync::Mutex::new(opened));
        let mut work = Vec::new();
        for _ in 0..places {
            let (pool, gate) = (pool.clone(), gate.clone());
            work.push(tokio::spawn(async move { pool.run(move || gate.lock().unwrap().recv().is_err()).await.is_ok() }));
        }
        while pool.places() > 0 {
            tokio::task::yield_now().await;
        }
        let (text, challenge) = late.challenge().await;
        let hash = binding::leaf(&challenge, "genuine");
        let phone = Android::genuine(PACKAGE, [7; 32], &hash);
        let chain = scene.maker.android(&late.key, &phone).unwrap();
        let evidence = [("chain", chain.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join("."))];
        let shed = late.send("android-key", &text, &evidence).await;
        assert_eq!(error(&shed), (503, "temporarily_unavailable"));
        assert_eq!(late.retry_after.as_deref(), Some("2"));
        assert_eq!(error(&known.attest_ios(APP, &scene.maker).await), (503, "temporarily_unavailable"));
        assert_eq!(known.refresh(tokens.1["refresh_token"].as_str().unwrap()).await.0, 200, "an installation that is attested goes on");
        drop(open);
        for it in work {
            assert!(it.await.unwrap(), "whoever had a place was served");
        }
        assert_eq!(late.send("android-key", &text, &evidence).await.0, 200, "the very same evidence: nothing was spent");
        scene.world.stop().await;
    })
    .await;
}

/// 594-K: evidence that nests thousands of levels deep is refused as any other, at once, and one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_without_a_bottom_is_refused_at_once() {
    let scene = Scene::start(Engine::Sqlite).await;
    let mut der = vec![5, 0];
    while der.len() < 20_000 {
        let length = u16::try_from(der.len()).unwrap().to_be_bytes();
        der = [&[0x30, 0x82][..], &length, &der].concat();
    }
    let cbor = [vec![0x81; 20_000], vec![0xf6]].concat();
    let maps = [[0xa1, 0x61, b'a'].repeat(7_000), vec![0xf6]].concat();
    let mut phone = Phone::new(&scene);
    for _ in 0..3 {
        for bytes in [&der, &cbor, &maps] {
            let text = base64url::encode(bytes);
            for (format, name) in [("apple-appattest", "attestation"), ("apple-assertion", "assertion"), ("android-key", "chain")] {
                let (challenge, _) = phone.challenge().await;
                let began = std::time::Instant::now();
                let answer = phone.send(format, &challenge, &[(name, text.clone()), ("key_id", base64url::encode(&[7; 32]))]).await;
                assert_eq!(error(&answer), (400, "invalid_client_attestation"), "{format}");
                assert!(began.elapsed() < std::time::Duration::from_secs(5), "{format}: {:?}", began.elapsed());
            }
        }
    }
    assert_eq!(phone.attest_android(|_| {}, None).await.0, 200, "the twin");
    scene.world.stop().await;
}

/// 631-Q: the last number an App Attest counter has is the last: nothing comes after it by beginning anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_is_used_up_stays_used_up() {
    on_every_engine(|scene| async move {
        let mut iphone = Phone::new(&scene);
        assert_eq!(iphone.attest_ios(APP, &scene.maker).await.0, 200);
        assert_eq!(iphone.renew_ios(u32::MAX - 1).await.0, 200);
        assert_eq!(iphone.renew_ios(u32::MAX).await.0, 200, "the last one is as good as any");
        for wrapped in [0, 1, u32::MAX - 1, u32::MAX] {
            assert_eq!(error(&iphone.renew_ios(wrapped).await), (400, "invalid_client_attestation"), "{wrapped}");
        }
        let mut anew = Phone::new(&scene);
        assert_eq!(anew.attest_ios(APP, &scene.maker).await.0, 200, "the way on is a new key");
        assert_eq!(anew.renew_ios(1).await.0, 200);
        scene.world.stop().await;
    })
    .await;
}

/// 234-N, 236-N: the same evidence about the same challenge, beyond the hour in which it was spent.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_spent_beyond_the_hour() {
    on_every_engine(|scene| async move {
        let mut phone = Phone::new(&scene);
        assert_eq!(phone.attest_android(|_| {}, None).await.0, 200);
        scene.world.stand_at(54 * 60 + 59);
        let (text, challenge) = phone.challenge().await;
        let hash = binding::leaf(&challenge, "genuine");
        let chain = scene.maker.android(&phone.key, &Android::genuine(PACKAGE, [7; 32], &hash)).unwrap();
        let evidence = [("chain", chain.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join("."))];
        assert_eq!(phone.send("android-key", &text, &evidence).await.0, 200);
        scene.world.advance_s(2);
        assert_eq!(error(&phone.send("android-key", &text, &evidence).await), (400, "invalid_client_attestation"));
        assert_eq!(scene.world.entries("evidence_refused").await.last().unwrap()["reason"], "challenge_used");
        assert_eq!(phone.attest_android(|_| {}, None).await.0, 200, "a new challenge is as good as before");
        scene.world.stop().await;
    })
    .await;
}

/// 282-N: what is there and is no evidence is not the same as none being asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_evidence_is_refused() {
    let scene = Scene::start(Engine::Sqlite).await;
    for (format, name) in [("apple-appattest", "attestation"), ("apple-assertion", "assertion"), ("android-key", "chain")] {
        let mut phone = Phone::new(&scene);
        for value in ["", "{}", "[]", "true", "null", "0", "e30", "W10", "dHJ1ZQ", "."] {
            let (challenge, _) = phone.challenge().await;
            let answer = phone.send(format, &challenge, &[(name, value.to_owned()), ("key_id", base64url::encode(&[7; 32]))]).await;
            assert_eq!(error(&answer), (400, "invalid_client_attestation"), "{format} {value:?}");
        }
        let (challenge, _) = phone.challenge().await;
        let answer = phone.send(format, &challenge, &[(name, "A".repeat(1 << 20))]).await;
        assert_eq!(error(&answer), (413, "invalid_request"), "{format}");
    }
    let mut phone = Phone::new(&scene);
    for format in ["", "{}", "none", "true"] {
        let (challenge, _) = phone.challenge().await;
        assert_eq!(error(&phone.send(format, &challenge, &[]).await), (400, "invalid_client_attestation"), "{format:?}");
    }
    assert_eq!(error(&phone.tokens().await), (401, "invalid_client"), "nothing was got by any of it");
    assert_eq!(phone.attest_android(|_| {}, None).await.0, 200);
    assert_eq!(phone.tokens().await.0, 200);
    scene.world.stop().await;
}
