//! What a client may ask of the evidence beyond its being genuine: App Attest receipts with Apple's risk metric (by a stand-in that
//! speaks Apple's API), versions, environments, boot keys. Each rule is one client's own: beside it another takes the same phone.

use crate::world::*;
use std::sync::{Arc, Mutex};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, certificate};
use symbolon_phone::element::{Android, Maker, Receipt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OWN_SYSTEM: [u8; 32] = [5; 32];

/// What Apple answers next, and what it was asked.
#[derive(Default)]
struct Apple {
    status: u16,
    answer: Vec<u8>,
    asked: Vec<Vec<u8>>,
}

fn base64(bytes: &[u8]) -> String {
    certificate::to_header(bytes).trim_matches(':').to_owned()
}

/// POST /v1/attestationData, for whoever proves to be the developer.
async fn apple(key: &PrivateKey) -> (String, Arc<Mutex<Apple>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (state, key) = (Arc::new(Mutex::new(Apple { status: 500, ..Apple::default() })), key.public().clone());
    let shared = Arc::clone(&state);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
            let (head, body) = loop {
                let read = stream.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length =
                    head.to_ascii_lowercase().split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse::<usize>();
                if body.len() >= length.unwrap() {
                    break (head.to_owned(), body.to_owned());
                }
            };
            let token = head.lines().find_map(|it| it.strip_prefix("authorization: ")).unwrap_or_default();
            let jwt = Unverified::parse(token).unwrap();
            let named = jwt.kid() == Some("KEY1234567") && jwt.alg() == Some(Algorithm::ES256);
            let claims = jwt.verify(&key).unwrap();
            let (status, answer) = {
                let mut apple = shared.lock().unwrap();
                apple.asked.push(certificate::from_header(&format!(":{body}:")).unwrap());
                let known = named && claims["iss"] == "ABCDE12345" && head.starts_with("POST /v1/attestationData ");
                if known { (apple.status, base64(&apple.answer)) } else { (401, String::new()) }
            };
            let answer = if status == 200 { answer } else { String::new() };
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, state)
}

pub struct Scene {
    pub world: World,
    pub maker: Maker,
    apple: Arc<Mutex<Apple>>,
    _key_file: KeyFile,
}

/// Every start and every `symbolon check` reads it, so it stays until the scene ends.
struct KeyFile(std::path::PathBuf);

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Scene {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, &[]).await
    }

    /// With these clients besides, and their rules.
    pub async fn with(engine: Engine, more: &[(&str, &str)]) -> Self {
        let (maker, key) = (Maker::new().unwrap(), new_key());
        let (url, apple) = apple(&key).await;
        let file = std::env::temp_dir().join(format!("symbolon-p8-{}.p8", fresh()));
        std::fs::write(&file, format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64(key.to_pkcs8()))).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let digest = base64url::encode(&[7; 32]);
        let ios = format!("app_ids = [\"{APP}\"]");
        let android = format!("packages = [\"{PACKAGE}\"], signing_digests = [\"{digest}\"]");
        let receipts = format!(
            "team_id = \"ABCDE12345\", key_id = \"KEY1234567\", private_key = {{ file = '{}' }}, risk_metric_max = 5, exchange_url = '{url}'",
            file.display()
        );
        let mut text = format!("[attestation]\nsimulated_roots = [\"{}\"]\n", maker.root_spki);
        let of_this_file = [
            ("plain", format!("ios = {{ {ios} }}\nandroid = {{ {android}, least_version = 1 }}")),
            ("risky", format!("ios = {{ {ios}, receipts = {{ {receipts} }} }}")),
            ("versioned", format!("ios = {{ {ios}, least_version = \"4.2\" }}\nandroid = {{ {android}, least_version = 2 }}")),
            ("lax", format!("ios = {{ {ios}, least_version = \"4.2\", allow_without_version = true }}")),
            ("developers", format!("ios = {{ {ios}, builds = [\"development\"] }}")),
            ("owners", format!("android = {{ {android}, own_boot_keys = [\"{}\"] }}", base64url::encode(&OWN_SYSTEM))),
            ("strongbox", format!("android = {{ {android}, strongbox = true, least_patch = 202610 }}")),
        ];
        let more = more.iter().map(|(client, rules)| (*client, rules.replace("IOS", &ios).replace("ANDROID", &android)));
        for (client, rules) in of_this_file.into_iter().chain(more) {
            text += &format!(
                "[client.{client}]\nkind = \"native\"\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
                 redirect_uris = [\"https://app.example.com/cb\"]\n[client.{client}.attestation]\n{rules}\n"
            );
        }
        let world = Configuration::on(engine).await.with(&text).start().await;
        Self { world, maker, apple, _key_file: KeyFile(file) }
    }

    fn now_ms(&self) -> i64 {
        self.world.running.shared.now().now_ms()
    }

    /// Made so many seconds ago, the next one in an hour, good for three months.
    fn times(&self, age_s: i64) -> [String; 3] {
        let at = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
        let made_ms = self.now_ms() - age_s * 1000;
        [at(made_ms), at(made_ms + 3_600_000), at(made_ms + 90 * 86_400_000)]
    }

    fn asked(&self) -> usize {
        self.apple.lock().unwrap().asked.len()
    }

    pub fn phone(&self, client: &'static str) -> Phone<'_> {
        Phone::new(&self.world, client, "https://app.example.com/cb").made_by(&self.maker)
    }

    /// First evidence of an iPhone, with a receipt of this age if it has one.
    pub async fn attest_ios(&self, phone: &mut Phone<'_>, development: bool, version: Option<&'static str>, age_s: Option<i64>) -> Answer {
        phone.receipt_times = age_s.map(|age_s| self.times(age_s));
        phone.attest_iphone(|it| (it.development, it.version) = (development, version)).await
    }

    /// What Apple will answer about a phone.
    fn apple_says(&self, metric: &str, app_id: &str, certificate: &[u8], maker: &Maker) -> Vec<u8> {
        let times = self.times(1);
        let receipt = Receipt {
            app_id,
            certificate,
            client_data_hash: b"as text",
            environment: "production",
            times: [&times[0], &times[1], &times[2]],
            risk_metric: Some(metric),
        };
        let answer = maker.receipt(&receipt).unwrap();
        let mut apple = self.apple.lock().unwrap();
        (apple.status, apple.answer) = (200, answer.clone());
        answer
    }
}

pub type Verdict = (u16, String);

pub fn ios() -> Verdict {
    (200, "hardware_claimed".to_owned())
}

pub fn android() -> Verdict {
    (200, "hardware".to_owned())
}

pub fn refused() -> Verdict {
    (400, "invalid_client_attestation".to_owned())
}

/// 271-N: the first receipt is kept, sealed; it is exchanged when it is due and no sooner, once; Apple's being down refuses nobody, and
/// a phone on which Apple has seen too many keys is refused until Apple says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn apple_says_how_many_keys_a_device_has_had() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut phone = scene.phone("risky");
        assert_eq!(scene.attest_ios(&mut phone, false, None, Some(1)).await, ios());
        assert_eq!(phone.renew_iphone(None, None).await, ios());
        assert_eq!(scene.asked(), 0, "too early");
        let hour = || scene.world.advance_s(3700);
        hour();
        assert_eq!(phone.renew_iphone(None, None).await, ios(), "Apple is down");
        assert_eq!(phone.renew_iphone(None, None).await, ios());
        assert_eq!(scene.asked(), 1, "and is not asked again at once");
        hour();
        let certificate = phone.enclave.as_ref().unwrap().certificate.clone();
        let second = scene.apple_says("5", APP, &certificate, &scene.maker);
        assert_eq!(phone.renew_iphone(None, None).await, ios());
        assert_eq!(phone.facts().await["risk_metric"], 5);
        hour();
        scene.apple.lock().unwrap().status = 304;
        assert_eq!(phone.renew_iphone(None, None).await, ios(), "Apple finds it too early");
        let asked = scene.apple.lock().unwrap().asked.clone();
        assert!(asked.len() == 3 && asked[0] == asked[1] && asked[2] == second, "always the newest receipt");
        let app = scene.world.running.shared.now();
        let row = app.store.one("SELECT receipt FROM instance WHERE jkt = $1", &[phone.key.kid().into()]).await.unwrap().unwrap();
        let kept = row.bytes("receipt").unwrap();
        assert!(!kept.windows(16).any(|it| it == &second[second.len() - 16..] || it == &second[..16]), "sealed at rest");
        // Receipts that are not about this key, this app, or not Apple's, change nothing.
        let other = Maker::new().unwrap();
        let (theirs, _) = scene.maker.ios(APP, &[0; 32]).unwrap();
        for (what, app_id, certificate, maker) in [
            ("another key's", APP, &theirs.certificate, &scene.maker),
            ("another app's", "ABCDE12345.another", &certificate, &scene.maker),
            ("somebody else's", APP, &certificate, &other),
        ] {
            hour();
            scene.apple_says("1", app_id, certificate, maker);
            assert_eq!(phone.renew_iphone(None, None).await, ios(), "{what}");
            assert_eq!(phone.facts().await["risk_metric"], 5, "{what}");
        }
        hour();
        scene.apple_says("6", APP, &certificate, &scene.maker);
        assert_eq!(phone.renew_iphone(None, None).await, refused(), "one too many");
        assert_eq!(phone.facts().await["risk_metric"], 6);
        scene.apple.lock().unwrap().status = 500;
        hour();
        assert_eq!(phone.renew_iphone(None, None).await, refused(), "and that stays known while Apple is down");
        // Nor is it forgotten because a new key comes for the same installation.
        let kept = phone.enclave.take();
        assert_eq!(scene.attest_ios(&mut phone, false, None, Some(1)).await, refused());
        phone.enclave = kept;
        phone.counter = 100;
        hour();
        scene.apple_says("2", APP, &certificate, &scene.maker);
        assert_eq!(phone.renew_iphone(None, None).await, ios());
        assert_eq!(scene.attest_ios(&mut phone, false, None, Some(1)).await, ios());
        assert_eq!(phone.facts().await["risk_metric"], 2);
        assert_eq!(scene.world.audited("evidence_refused").await, 3);
        assert_eq!(scene.world.audited("receipt_exchanged").await, 6);
        let (file, jkt) = (scene.world.file(), phone.key.kid().to_owned());
        let run = move || {
            std::process::Command::new(env!("CARGO_BIN_EXE_symbolon")).arg("-c").arg(&file).args(["instance", "show", "--", &jkt]).output()
        };
        let shown = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&shown.stdout).contains("\"risk_metric\":2"), "{}", String::from_utf8_lossy(&shown.stdout));
        scene.world.stop().await;
    }
}

/// A client that looks at receipts takes no evidence without a good one; one that does not look, does.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_comes_with_the_evidence() {
    let scene = Scene::start(Engine::Sqlite).await;
    for (age_s, answer) in [(None, refused()), (Some(3600), refused()), (Some(-3600), refused()), (Some(1), ios())] {
        assert_eq!(scene.attest_ios(&mut scene.phone("risky"), false, None, age_s).await, answer, "{age_s:?}");
        assert_eq!(scene.attest_ios(&mut scene.phone("plain"), false, None, age_s).await, ios(), "{age_s:?}");
    }
    scene.world.stop().await;
}

/// 240-N: builds of developers are another client's, and never pass for those of the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_developers_build_is_for_developers() {
    let scene = Scene::start(Engine::Sqlite).await;
    assert_eq!(scene.attest_ios(&mut scene.phone("plain"), true, None, None).await, refused());
    assert_eq!(scene.attest_ios(&mut scene.phone("plain"), false, None, None).await, ios());
    assert_eq!(scene.attest_ios(&mut scene.phone("developers"), true, None, None).await, ios());
    assert_eq!(scene.attest_ios(&mut scene.phone("developers"), false, None, None).await, refused());
    scene.world.stop().await;
}

/// The app's version, where the evidence says it: at first, and again at every renewal.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_app_is_refused() {
    let scene = Scene::start(Engine::Sqlite).await;
    for (version, answer) in [(None, refused()), (Some("4.1.9"), refused()), (Some("next"), refused()), (Some("4.2"), ios())] {
        assert_eq!(scene.attest_ios(&mut scene.phone("versioned"), false, version, None).await, answer, "{version:?}");
        assert_eq!(scene.attest_ios(&mut scene.phone("plain"), false, version, None).await, ios(), "{version:?}");
    }
    let mut phone = scene.phone("versioned");
    assert_eq!(scene.attest_ios(&mut phone, false, Some("4.2"), None).await, ios());
    for (version, answer) in [(Some("4.1"), refused()), (None, refused()), (Some("4.10"), ios())] {
        assert_eq!(phone.renew_iphone(version, None).await, answer, "{version:?}");
    }
    assert_eq!(scene.attest_ios(&mut scene.phone("lax"), false, None, None).await, ios(), "systems that do not say it are let in, by name");
    assert_eq!(scene.attest_ios(&mut scene.phone("lax"), false, Some("4.1"), None).await, refused());
    assert_eq!(scene.phone("versioned").attest_android(|_| {}).await, refused(), "versionCode 1");
    assert_eq!(scene.phone("plain").attest_android(|_| {}).await, android());
    scene.world.stop().await;
}

/// 254-N, 256-N: a system of the owner's own is let in by its boot key and locked, and nowhere else; patch and StrongBox likewise.
#[tokio::test(flavor = "multi_thread")]
async fn phones_without_google_are_let_in_by_name() {
    let scene = Scene::start(Engine::Sqlite).await;
    let own = |it: &mut Android<'_>| it.own_system = Some(OWN_SYSTEM);
    assert_eq!(scene.phone("owners").attest_android(own).await, android());
    assert_eq!(scene.phone("plain").attest_android(own).await, refused());
    assert_eq!(scene.phone("owners").attest_android(|it| it.own_system = Some([6; 32])).await, refused());
    let unlocked = |it: &mut Android<'_>| (it.own_system, it.locked) = (Some(OWN_SYSTEM), false);
    assert_eq!(scene.phone("owners").attest_android(unlocked).await, refused());
    assert_eq!(scene.phone("owners").attest_android(|_| {}).await, android(), "and the makers' systems as everywhere");
    assert_eq!(scene.phone("strongbox").attest_android(|_| {}).await, refused());
    assert_eq!(scene.phone("strongbox").attest_android(|it| it.level = 2).await, android());
    assert_eq!(scene.phone("strongbox").attest_android(|it| (it.level, it.patch) = (2, 202_609)).await, refused());
    scene.world.stop().await;
}
