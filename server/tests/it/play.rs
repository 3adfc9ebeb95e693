//! Play Integrity at the built-in attester: classic tokens opened here, standard ones by a stand-in that speaks Google's API; and
//! renewal on Android with and without Google. Area N.

use crate::world::*;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::jwk::{Algorithm, KeySet, PrivateKey};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, certificate};
use symbolon_phone::element::{Android, Maker};
use symbolon_phone::play::{Play, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers of a broken Google that no status says.
const HTML: u16 = 1;
const SILENCE: u16 = 2;
const SECOND: &str = "com.example.kiosk";

/// Google's two endpoints: a token for a service account, and the decode call.
struct Google {
    url: String,
    account: PathBuf,
    /// What decodes to what; a token decodes to its verdict once.
    verdicts: Arc<Mutex<std::collections::BTreeMap<String, Json>>>,
    status: Arc<AtomicU16>,
    logins: Arc<AtomicUsize>,
}

async fn google() -> Google {
    let key = PrivateKey::generate(Algorithm::RS256).unwrap();
    let keys = KeySet { keys: vec![key.public().clone()] };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let pem = certificate::to_header(key.to_pkcs8());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", pem.trim_matches(':'));
    let account = std::env::temp_dir().join(format!("symbolon-play-{}-{}.json", std::process::id(), free_port()));
    let text =
        json!({ "type": "service_account", "client_email": "robot@example.iam", "private_key": pem, "token_uri": format!("{url}/token") });
    std::fs::write(&account, text.to_string()).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&account, std::fs::Permissions::from_mode(0o600)).unwrap();
    let google =
        Google { url: url.clone(), account, verdicts: Arc::default(), status: Arc::new(AtomicU16::new(200)), logins: Arc::default() };
    let (verdicts, status, logins) = (Arc::clone(&google.verdicts), Arc::clone(&google.status), Arc::clone(&google.logins));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            let (head, body) = loop {
                let read = stream.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head
                    .to_ascii_lowercase()
                    .split("content-length: ")
                    .nth(1)
                    .map(|it| it.split("\r\n").next().unwrap().parse::<usize>().unwrap());
                if body.len() >= length.unwrap_or(0) {
                    break (head.to_owned(), body.to_owned());
                }
            };
            let (code, answer) = if head.starts_with("POST /token ") {
                logins.fetch_add(1, Ordering::Relaxed);
                let form: std::collections::BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
                let claims = Unverified::parse(&form["assertion"]).unwrap().verify_with(&keys).unwrap();
                assert_eq!(
                    (claims["aud"].as_str(), claims["iss"].as_str()),
                    (Some(format!("{url}/token").as_str()), Some("robot@example.iam"))
                );
                (200, json!({ "access_token": "from-google", "expires_in": 3600 }))
            } else if !head.contains(":decodeIntegrityToken ") || !head.contains("Bearer from-google") {
                (404, json!({}))
            } else {
                let token: Json = serde_json::from_str(&body).unwrap();
                let found = verdicts.lock().unwrap().remove(token["integrity_token"].as_str().unwrap());
                // A token is of the app that the call names, or of none.
                let asked =
                    |it: &Json| head.starts_with(&format!("POST /v1/{}:", it["requestDetails"]["requestPackageName"].as_str().unwrap()));
                let found = found.filter(asked);
                let code = status.load(Ordering::Relaxed);
                (if found.is_none() && code == 200 { 400 } else { code }, json!({ "tokenPayloadExternal": found }))
            };
            let text = if code == HTML { "<html>Sorry</html>".to_owned() } else { answer.to_string() };
            if code == SILENCE {
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
                    drop(stream);
                });
                continue;
            }
            let code = if code == HTML { 200 } else { code };
            let answer = format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    google
}

pub struct Scene {
    pub world: World,
    play: Play,
    /// The console of the second app.
    second: Play,
    pub maker: Maker,
    google: Google,
}

impl Scene {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, |it| it).await
    }

    pub async fn with(engine: Engine, change: impl Fn(Configuration) -> Configuration) -> Self {
        let (port, play, second, maker, google) =
            (free_port(), Play::new().unwrap(), Play::new().unwrap(), Maker::new().unwrap(), google().await);
        let key = std::env::temp_dir().join(format!("symbolon-play-{}-{port}.key", std::process::id()));
        let second_key = key.with_extension("second");
        use std::os::unix::fs::PermissionsExt;
        for (key, console) in [(&key, &play), (&second_key, &second)] {
            std::fs::write(key, console.decryption_key()).unwrap();
            std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let text = format!(
            "[attestation]\nsimulated_roots = [\"{}\"]\n[client.shop]\nkind = \"native\"\nfirst_party = true\n\
             authentication = \"attest_jwt_client_auth_dpop\"\napis = {{ orders = [\"orders:read\"] }}\n\
             redirect_uris = [\"https://play.example.com/cb\"]\n[client.shop.attestation.android]\npackages = [\"{PACKAGE}\"]\n\
             signing_digests = [\"{}\"]\nleast_version = 1\n[client.shop.attestation.android.play]\nminimum_version = 42\n\
             keys = [{{ decryption_key = {{ file = '{}' }}, verification_key = '{}' }}, \
             {{ decryption_key = {{ file = '{}' }}, verification_key = '{}' }}]\nservice_account = {{ file = '{}' }}\ndecode_url = '{}'\n",
            maker.root_spki,
            base64url::encode(&[7; 32]),
            key.display(),
            play.verification_key(),
            second_key.display(),
            second.verification_key(),
            google.account.display(),
            google.url,
        );
        let world = change(Configuration::on(engine).await.with(&text)).start().await;
        Self { world, play, second, maker, google }
    }

    pub fn phone(&self) -> Phone<'_> {
        Phone::new(&self.world, "shop", "https://play.example.com/cb").made_by(&self.maker)
    }

    /// A classic token about this phone, perhaps with a lie in it.
    pub async fn classic(&self, phone: &mut Phone<'_>, purpose: Purpose, lie: impl FnOnce(&mut Verdict<'_>)) -> Answer {
        let (text, challenge) = phone.own_challenge("shop").await;
        let mut verdict = self.verdict("nonce", &phone.named(purpose, &challenge));
        lie(&mut verdict);
        let token = self.play.token(&verdict).unwrap();
        phone.attest("play-classic", &text, &[("token", &token)]).await
    }

    /// A standard token: opaque to all but Google.
    async fn standard(&self, phone: &mut Phone<'_>, purpose: Purpose, lie: impl FnOnce(&mut Verdict<'_>)) -> Answer {
        let (text, challenge) = phone.own_challenge("shop").await;
        let mut verdict = self.verdict("requestHash", &phone.named(purpose, &challenge));
        lie(&mut verdict);
        let token = base64url::encode(&symbolon::seal::random::<64>().unwrap());
        self.google.verdicts.lock().unwrap().insert(token.clone(), verdict.json());
        phone.attest("play-standard", &text, &[("token", &token)]).await
    }

    /// First evidence whose answer is lost, and the same request again: of each kind of token.
    pub async fn repeated(&self, phone: &mut Phone<'_>, standard: bool) -> [Answer; 3] {
        let (text, challenge) = phone.any_challenge("shop").await;
        let kind = if standard { "requestHash" } else { "nonce" };
        let mut verdict = self.verdict(kind, &phone.named(Purpose::First, &challenge));
        let token = if standard { base64url::encode(&symbolon::seal::random::<64>().unwrap()) } else { self.play.token(&verdict).unwrap() };
        self.google.verdicts.lock().unwrap().insert(token.clone(), verdict.json());
        let format = if standard { "play-standard" } else { "play-classic" };
        let first = phone.attest(format, &text, &[("token", &token)]).await;
        let again = phone.attest(format, &text, &[("token", &token)]).await;
        verdict.version += 1;
        let other = self.play.token(&verdict).unwrap();
        self.google.verdicts.lock().unwrap().insert(other.clone(), verdict.json());
        let replayed = phone.attest(format, &text, &[("token", &other)]).await;
        [first, again, replayed]
    }

    fn now_ms(&self) -> i64 {
        self.world.running.shared.now().now_ms()
    }

    fn verdict(&self, kind: &'static str, hash: &[u8; 32]) -> Verdict<'static> {
        Verdict {
            package: PACKAGE,
            signing_digest: [7; 32],
            version: 42,
            device: vec!["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY"],
            recognition: "PLAY_RECOGNIZED",
            binding: (kind, base64url::encode(hash)),
            at_ms: self.now_ms(),
        }
    }
}

pub fn good(tier: &str) -> (u16, String) {
    (200, tier.to_owned())
}

pub fn refused() -> (u16, String) {
    (400, "invalid_client_attestation".to_owned())
}

/// 250-N, 284-N: first evidence and renewal by Play, both kinds; every lie refused with one public answer.
#[tokio::test(flavor = "multi_thread")]
async fn play_speaks_for_the_genuine_app() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut one = scene.phone();
        assert_eq!(scene.classic(&mut one, Purpose::First, |_| {}).await, good("hardware_claimed"));
        assert_eq!(
            scene.classic(&mut one, Purpose::First, |_| {}).await,
            refused(),
            "first evidence twice: it is known, and renewal has another hash"
        );
        assert_eq!(scene.classic(&mut one, Purpose::Renewal, |_| {}).await, good("hardware_claimed"));
        assert_eq!(scene.standard(&mut one, Purpose::Renewal, |_| {}).await, good("hardware_claimed"));
        let mut two = scene.phone();
        assert_eq!(scene.standard(&mut two, Purpose::First, |_| {}).await, good("hardware_claimed"));
        let mut liar = scene.phone();
        assert_eq!(scene.classic(&mut liar, Purpose::First, |it| it.package = "com.evil").await, refused());
        assert_eq!(scene.classic(&mut liar, Purpose::First, |it| it.signing_digest = [8; 32]).await, refused());
        assert_eq!(scene.classic(&mut liar, Purpose::First, |it| it.version = 41).await, refused());
        assert_eq!(scene.classic(&mut liar, Purpose::First, |it| it.device = vec!["MEETS_BASIC_INTEGRITY"]).await, refused());
        assert_eq!(scene.classic(&mut liar, Purpose::First, |it| it.recognition = "UNRECOGNIZED_VERSION").await, refused());
        assert_eq!(scene.classic(&mut liar, Purpose::First, |it| it.at_ms -= 6 * 60_000).await, refused());
        assert_eq!(scene.classic(&mut liar, Purpose::First, |it| it.binding.0 = "requestHash").await, refused());
        assert_eq!(scene.classic(&mut liar, Purpose::First, |it| it.binding.1 = base64url::encode(&[1; 32])).await, refused());
        assert_eq!(scene.standard(&mut liar, Purpose::First, |it| it.package = "com.evil").await, refused());
        assert_eq!(scene.standard(&mut liar, Purpose::First, |it| it.device = vec![]).await, refused());
        assert_eq!(scene.standard(&mut liar, Purpose::First, |_| {}).await, good("hardware_claimed"), "and without a lie it gets in");
        assert_eq!(scene.google.logins.load(Ordering::Relaxed), 1, "the service account's token is kept");
        // Somebody else's token: of another console, and of another phone's challenge.
        let mut thief = scene.phone();
        let (text, challenge) = thief.own_challenge("shop").await;
        let hash = thief.named(Purpose::First, &challenge);
        let foreign = Play::new().unwrap().token(&scene.verdict("nonce", &hash)).unwrap();
        assert_eq!(thief.attest("play-classic", &text, &[("token", &foreign)]).await, refused());
        let (text, challenge) = one.any_challenge("shop").await;
        let token = scene.play.token(&scene.verdict("nonce", &one.named(Purpose::Renewal, &challenge))).unwrap();
        assert_eq!(thief.attest("play-classic", &text, &[("token", &token)]).await, refused());
        assert!(scene.world.audited("evidence_refused").await >= 11);
        scene.world.stop().await;
    }
}

/// 236-N: a renewal by Play answers a challenge for its key as well; nothing is spent by one that does not, and first evidence may.
#[tokio::test(flavor = "multi_thread")]
async fn play_renews_only_about_a_challenge_of_its_key() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let (mut phone, mut other) = (scene.phone(), scene.phone());
        let token = |challenge: &[u8; 32], purpose, phone: &Phone<'_>| {
            scene.play.token(&scene.verdict("nonce", &phone.named(purpose, challenge))).unwrap()
        };
        let (text, challenge) = other.own_challenge("shop").await;
        let made = token(&challenge, Purpose::First, &phone);
        assert_eq!(phone.attest("play-classic", &text, &[("token", &made)]).await, refused(), "another key's");
        let (text, challenge) = phone.any_challenge("shop").await;
        let made = token(&challenge, Purpose::First, &phone);
        assert_eq!(phone.attest("play-classic", &text, &[("token", &made)]).await, good("hardware_claimed"));
        for (text, challenge) in [phone.any_challenge("shop").await, other.own_challenge("shop").await] {
            let made = token(&challenge, Purpose::Renewal, &phone);
            assert_eq!(phone.attest("play-classic", &text, &[("token", &made)]).await, refused());
        }
        assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, good("hardware_claimed"));
        scene.world.stop().await;
    }
}

/// 271-N: the challenge and the token are spent before Google is asked; an outage is said, and consumes no more than that.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_google_is_no_refusal() {
    let scene = Scene::start(Engine::Sqlite).await;
    let mut phone = scene.phone();
    for (at, outage) in [500, 429, 403, HTML, SILENCE].into_iter().enumerate() {
        scene.google.status.store(outage, Ordering::Relaxed);
        assert_eq!(scene.standard(&mut phone, Purpose::First, |_| {}).await, (503, "temporarily_unavailable".to_owned()), "{outage}");
        let app = scene.world.running.shared.now();
        let row = app.store.one("SELECT jkt FROM instance WHERE jkt = $1", &[phone.key.kid().into()]).await.unwrap();
        assert!(row.is_none(), "{outage}: never a silent pass");
        assert_eq!(scene.world.audited("evidence_not_judged").await, at + 1, "{outage}");
    }
    scene.google.status.store(200, Ordering::Relaxed);
    assert_eq!(scene.standard(&mut phone, Purpose::First, |_| {}).await, good("hardware_claimed"));
    // A token that Google does not know is the app's affair; one that was sent before is not asked about again.
    let (text, _) = phone.own_challenge("shop").await;
    assert_eq!(phone.attest("play-standard", &text, &[("token", "unknown")]).await, refused());
    assert_eq!(phone.attest("play-standard", &text, &[("token", "other")]).await, refused(), "the challenge is spent");
    let (text, _) = phone.own_challenge("shop").await;
    assert_eq!(phone.attest("play-standard", &text, &[("token", "unknown")]).await, refused(), "the token is spent");
    scene.world.stop().await;
}

/// Who observes refuses nobody, whoever is at fault. Challenge and token are spent then as well, and the entry says what happened.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_google_is_observed() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut phone = scene.phone();
        scene.google.status.store(500, Ordering::Relaxed);
        assert_eq!(scene.standard(&mut phone, Purpose::First, |_| {}).await, (503, "temporarily_unavailable".to_owned()), "the twin");
        scene.world.reload(|it| it.set("client.shop.attestation.observe", true)).await;
        assert_eq!(scene.standard(&mut phone, Purpose::First, |_| {}).await, good("none"));
        assert_eq!(scene.world.audited("evidence_not_judged").await, 1);
        let observed = scene.world.entries("evidence_observed").await.pop().unwrap();
        assert_eq!(observed["detail"]["rules"], json!(["not_judged"]), "{observed}");
        scene.google.status.store(200, Ordering::Relaxed);
        let (text, _) = phone.own_challenge("shop").await;
        assert_eq!(phone.attest("play-standard", &text, &[("token", "unknown")]).await, good("none"));
        let observed = scene.world.entries("evidence_observed").await.pop().unwrap();
        assert_eq!(observed["reason"], "token_unknown", "{observed}");
        assert_eq!(scene.standard(&mut phone, Purpose::First, |_| {}).await, good("hardware_claimed"), "the twin");
        scene.world.stop().await;
    }
}

/// Renewal without Google: a witness key whose device has not become worse; what was proved at first stays proved.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_renews_for_the_same_key() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let witness = new_key();
        let mut phone = scene.phone();
        assert_eq!(phone.attest_key("android-witness", Some(&witness), |_| {}).await, refused(), "nothing to renew yet");
        assert_eq!(phone.attest_key("android-key", None, |_| {}).await, good("hardware"));
        assert_eq!(phone.attest_key("android-witness", Some(&witness), |_| {}).await, good("hardware"));
        assert_eq!(
            phone.attest_key("android-witness", Some(&witness), |it| it.patch = 202_611).await,
            good("hardware"),
            "a newer patch is fine"
        );
        assert_eq!(phone.attest_key("android-witness", Some(&witness), |it| it.patch = 202_609).await, refused());
        assert_eq!(phone.attest_key("android-witness", Some(&witness), |it| it.package = "com.evil").await, refused());
        assert_eq!(phone.attest_key("android-witness", Some(&witness), |it| it.locked = false).await, refused());
        assert_eq!(phone.attest_key("android-witness", Some(&witness), |it| it.level = 0).await, refused());
        // Its witness speaks for nobody else.
        let mut other = scene.phone();
        assert_eq!(other.attest_key("android-key", None, |_| {}).await, good("hardware"));
        for (whose, answer) in [(phone.thumbprint(), refused()), (other.thumbprint(), good("hardware"))] {
            let (text, challenge) = other.own_challenge("shop").await;
            let hash = binding::named(Purpose::Renewal, "shop", &challenge, &whose);
            let about = Android::genuine(PACKAGE, [7; 32], &hash);
            let chain: Vec<String> = scene.maker.android(&witness, &about).unwrap().iter().map(|it| base64url::encode(it)).collect();
            assert_eq!(other.attest("android-witness", &text, &[("chain", &chain.join("."))]).await, answer);
        }
        assert_eq!(scene.world.entries("evidence_refused").await.last().unwrap()["reason"], "challenge", "the key that it names");
        // Play renews what the Keystore proved, and the tier stays; what it says of the app is known from then on.
        let before = phone.facts().await;
        assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |it| it.version = 43).await, good("hardware"));
        let facts = phone.facts().await;
        assert_eq!((before["version"].as_i64(), facts["version"].as_i64()), (Some(1), Some(43)));
        assert_eq!((&facts["serials"], &facts["boot_key"]), (&before["serials"], &before["boot_key"]));
        let below = async |version: &str| {
            let (file, version) = (scene.world.file(), version.to_owned());
            let done = tokio::task::spawn_blocking(move || {
                let words = ["instance", "revoke", "--preview", "--client", "shop", "--app-version-below", &version];
                std::process::Command::new(env!("CARGO_BIN_EXE_symbolon")).arg("-c").arg(&file).args(words).output().unwrap()
            });
            String::from_utf8(done.await.unwrap().stdout).unwrap()
        };
        assert!(!below("43").await.contains(phone.key.kid()) && below("44").await.contains(phone.key.kid()));
        scene.world.stop().await;
    }
}

/// A client with two apps, each with a console of its own: either opens its own classic tokens, and Google is asked about the app that
/// the request names, of those that the configuration names.
#[tokio::test(flavor = "multi_thread")]
async fn two_apps_of_one_client() {
    let two = |it: Configuration| it.set("client.shop.attestation.android.packages", vec![PACKAGE, SECOND]);
    let scene = Scene::with(Engine::Sqlite, two).await;
    let mut phone = scene.phone();
    let classic = async |phone: &mut Phone<'_>, console: &Play| {
        let (text, challenge) = phone.own_challenge("shop").await;
        let hash = phone.named(Purpose::First, &challenge);
        let token = console.token(&Verdict { package: SECOND, ..scene.verdict("nonce", &hash) }).unwrap();
        phone.attest("play-classic", &text, &[("token", &token), ("package", SECOND)]).await
    };
    assert_eq!(classic(&mut phone, &Play::new().unwrap()).await, refused(), "a third console");
    assert_eq!(classic(&mut phone, &scene.second).await, good("hardware_claimed"));
    let standard = async |phone: &mut Phone<'_>, package: &'static str, named: &[(&str, &str)]| {
        let (text, challenge) = phone.own_challenge("shop").await;
        let hash = phone.named(Purpose::First, &challenge);
        let token = base64url::encode(&symbolon::seal::random::<64>().unwrap());
        let verdict = Verdict { package, ..scene.verdict("requestHash", &hash) };
        scene.google.verdicts.lock().unwrap().insert(token.clone(), verdict.json());
        let mut evidence = vec![("token", token.as_str())];
        evidence.extend_from_slice(named);
        phone.attest("play-standard", &text, &evidence).await
    };
    let mut other = scene.phone();
    assert_eq!(standard(&mut other, SECOND, &[]).await, refused(), "of two apps one has to be named");
    assert_eq!(standard(&mut other, SECOND, &[("package", "com.evil")]).await, refused());
    assert_eq!(standard(&mut other, SECOND, &[("package", PACKAGE)]).await, refused(), "Google does not know it as that app's");
    assert_eq!(standard(&mut other, SECOND, &[("package", SECOND)]).await, good("hardware_claimed"));
    assert_eq!(standard(&mut scene.phone(), PACKAGE, &[("package", PACKAGE)]).await, good("hardware_claimed"));
    scene.world.stop().await;
}

/// 271-N: what Google did not evaluate is no refusal of the phone, and no pass: it comes again.
#[tokio::test(flavor = "multi_thread")]
async fn what_google_did_not_evaluate_is_asked_again() {
    let scene = Scene::start(Engine::Sqlite).await;
    let mut phone = scene.phone();
    let later = || (503, "temporarily_unavailable".to_owned());
    assert_eq!(scene.classic(&mut phone, Purpose::First, |it| it.recognition = "UNEVALUATED").await, later());
    assert_eq!(scene.standard(&mut phone, Purpose::First, |it| it.recognition = "UNEVALUATED").await, later());
    // Whoever lies as well is refused.
    let lies = |it: &mut Verdict<'_>| (it.recognition, it.device) = ("UNEVALUATED", vec![]);
    assert_eq!(scene.classic(&mut phone, Purpose::First, lies).await, refused());
    assert_eq!(scene.classic(&mut phone, Purpose::First, |it| it.recognition = "SOMETHING_NEW").await, refused());
    assert_eq!(scene.classic(&mut phone, Purpose::First, |_| {}).await, good("hardware_claimed"));
    scene.world.stop().await;
}

/// What Google says of the device's surroundings, where the client has rules for it: what is accepted is named, and silence is not.
#[tokio::test(flavor = "multi_thread")]
async fn surroundings_are_judged_where_there_is_a_rule() {
    let rules = "[client.shop.attestation.android.play]\nplay_protect = [\"NO_ISSUES\"]\napp_access_risk = [\"KNOWN_INSTALLED\"]\n\
                 recent_activity = [\"LEVEL_1\"]\n";
    let scene = Scene::with(Engine::Sqlite, |it| it.with(rules)).await;
    let mut phone = scene.phone();
    let tell = async |phone: &mut Phone<'_>, protect: Json, apps: Json, level: Json| {
        let (text, challenge) = phone.own_challenge("shop").await;
        let hash = phone.named(Purpose::First, &challenge);
        let token = base64url::encode(&symbolon::seal::random::<64>().unwrap());
        let mut verdict = scene.verdict("requestHash", &hash).json();
        verdict["environmentDetails"] = json!({ "playProtectVerdict": protect, "appAccessRiskVerdict": { "appsDetected": apps } });
        verdict["deviceIntegrity"]["recentDeviceActivity"] = json!({ "deviceActivityLevel": level });
        scene.google.verdicts.lock().unwrap().insert(token.clone(), verdict);
        phone.attest("play-standard", &text, &[("token", &token)]).await
    };
    let (protect, apps, level) = (json!("NO_ISSUES"), json!(["KNOWN_INSTALLED"]), json!("LEVEL_1"));
    assert_eq!(tell(&mut phone, json!("HIGH_RISK"), apps.clone(), level.clone()).await, refused());
    assert_eq!(tell(&mut phone, Json::Null, apps.clone(), level.clone()).await, refused());
    assert_eq!(tell(&mut phone, protect.clone(), json!(["KNOWN_INSTALLED", "UNKNOWN_CAPTURING"]), level.clone()).await, refused());
    assert_eq!(tell(&mut phone, protect.clone(), Json::Null, level.clone()).await, refused());
    assert_eq!(tell(&mut phone, protect.clone(), apps.clone(), json!("LEVEL_4")).await, refused());
    assert_eq!(tell(&mut phone, protect, apps, level).await, good("hardware_claimed"));
    scene.world.stop().await;
}

/// 236-N, 250-N: a challenge and a token that were spent in the last second of their hour stay spent in the next one.
#[tokio::test(flavor = "multi_thread")]
async fn play_is_spent_beyond_the_hour() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut phone = scene.phone();
        assert_eq!(scene.classic(&mut phone, Purpose::First, |_| {}).await, good("hardware_claimed"));
        scene.world.stand_at(54 * 60 + 59);
        let (text, challenge) = phone.own_challenge("shop").await;
        let hash = phone.named(Purpose::Renewal, &challenge);
        let token = scene.play.token(&scene.verdict("nonce", &hash)).unwrap();
        assert_eq!(phone.attest("play-classic", &text, &[("token", &token)]).await, good("hardware_claimed"));
        scene.world.advance_s(2);
        assert_eq!(phone.attest("play-classic", &text, &[("token", &token)]).await, refused());
        assert_eq!(scene.world.entries("evidence_refused").await.last().unwrap()["reason"], "challenge_used");
        assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, good("hardware_claimed"), "a new one is as good as before");
        scene.world.stop().await;
    }
}
