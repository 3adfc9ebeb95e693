//! Signing in with a digital wallet: a credential says who somebody is, for the browser that began, and apps get our tokens alone.

use crate::world::{Ask, Browser, Configuration, Engine, Page, World, claims, engines, parameters};
use serde_json::{Map, Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use symbolon_oauth::base64url;
use symbolon_phone::wallet::issuer::{CredentialIssuer, Terms, certify};
use symbolon_phone::wallet::{Asked, Held, Wallet};
use symbolon_wallet::jwe::Encryption;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub const VCT: &str = "urn:example:pid:1";
pub const LICENCE: &str = "org.iso.18013.5.1.mDL";
pub const NAMESPACE: &str = "org.iso.18013.5.1";
const LIST: &str = "https://status.example/lists/1";

/// What stands outside of the server: an issuer, and the CA that vouches for the verifier.
pub struct Outside {
    pub issuer: CredentialIssuer,
    verifier_root: Vec<u8>,
    directory: PathBuf,
}

fn write(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

pub fn now_s() -> i64 {
    symbolon::serve::system_clock()() / 1000
}

impl Outside {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("symbolon-it-wallet-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let issuer = CredentialIssuer::new("Utopia").unwrap();
        let verifier = certify("Verifiers", &["login.example"], None).unwrap();
        write(&directory.join("verifier.pem"), &format!("{}{}", verifier.leaf_pem, verifier.root_pem));
        write(&directory.join("verifier.key"), &verifier.key_pem);
        write(&directory.join("utopia.pem"), &issuer.root_pem);
        Self { issuer, verifier_root: verifier.root_der, directory }
    }

    /// `[wallet.pid]` with an SD-JWT. `more`: further lines of the table.
    pub fn table(&self, more: &str) -> String {
        let at = self.directory.display();
        format!(
            "[login.default]\nrequire = [\"password\", \"wallet:pid\"]\nacr = \"urn:example:acr\"\n\
             [wallet.pid]\nlabel = \"ID wallet\"\npurpose = \"A shop has to know its customers.\"\ncertificates = '{at}/verifier.pem'\n\
             key = {{ file = '{at}/verifier.key' }}\naccount_claim = \"pid/personal_administrative_number\"\naccount_claim_is_unique = true\n\
             claims = {{ customer_id = \"pid/customer\" }}\n{more}\n\
             [wallet.pid.credential.pid]\nformat = \"dc+sd-jwt\"\ntypes = [\"{VCT}\"]\n\
             claims = [\"personal_administrative_number\", \"given_name\", \"customer\"]\n\
             [wallet.pid.issuer.utopia]\nname = \"https://pid.utopia.example\"\nanchors = ['{at}/utopia.pem']\n"
        )
    }

    pub async fn world(&self, engine: Engine, more: &str) -> World {
        self.configured(engine, more).await.start().await
    }

    pub async fn configured(&self, engine: Engine, more: &str) -> Configuration {
        Configuration::on(engine).await.with(&self.table(more))
    }

    /// Who is trusted as well, by this CA.
    pub fn trusting(&self, name: &str, pem: &str) -> String {
        let anchor = self.directory.join(format!("{name}.pem"));
        write(&anchor, pem);
        format!("[wallet.pid.issuer.{name}]\nname = \"https://{name}.example\"\nanchors = ['{}']\n", anchor.display())
    }

    /// A wallet without a credential.
    pub fn wallet(&self) -> Wallet {
        Wallet::new(&self.verifier_root).unwrap()
    }

    /// A wallet of the person with this number.
    pub fn wallet_of(&self, number: &str) -> Wallet {
        self.wallet_with(&pid(number), None)
    }

    pub fn wallet_with(&self, says: &Map<String, Json>, status: Option<u64>) -> Wallet {
        let mut wallet = self.wallet();
        let terms = terms(&wallet, VCT, status);
        wallet.held = vec![Held::SdJwt { vct: VCT.to_owned(), text: self.issuer.sd_jwt(&terms, says).unwrap() }];
        wallet
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub fn pid(number: &str) -> Map<String, Json> {
    let says = json!({ "personal_administrative_number": number, "given_name": "Ana", "customer": "c-7", "birthdate": "1990-01-01" });
    says.as_object().unwrap().clone()
}

pub fn terms(wallet: &Wallet, kind: &str, status: Option<u64>) -> Terms {
    Terms {
        kind: kind.to_owned(),
        namespace: NAMESPACE.to_owned(),
        holder: wallet.holder().clone(),
        now_s: now_s() - 60,
        lifetime_s: 3600,
        status: status.map(|index| (LIST.to_owned(), index)),
    }
}

pub const CREATE: &str = "accounts = \"create\"\n";

pub fn ask() -> Ask {
    Ask::native("openid orders:read")
}

/// To the page that says what is asked.
pub async fn consent(world: &World, browser: &mut Browser, ask: &Ask) -> Page {
    let page = browser.open(world, ask).await;
    browser.submit(world, &page, &[], "use_wallet:pid").await
}

/// The link that opens the wallet.
pub async fn leave(world: &World, browser: &mut Browser, ask: &Ask) -> String {
    let page = consent(world, browser, ask).await;
    let page = browser.submit(world, &page, &[], "go").await;
    page.location.unwrap_or_else(|| panic!("the browser does not leave: {}", page.html))
}

pub async fn asked(world: &World, wallet: &Wallet, browser: &mut Browser, ask: &Ask) -> Asked {
    let link = leave(world, browser, ask).await;
    wallet.read(&world.http, &link, now_s()).await.unwrap()
}

/// The whole way; what comes is a redirect to the app or a page of ours.
pub async fn sign_in(world: &World, wallet: &Wallet, browser: &mut Browser, ask: &Ask) -> Page {
    let asked = asked(world, wallet, browser, ask).await;
    let back = wallet.answer(&world.http, &asked).await.unwrap();
    browser.get(world, &back).await
}

pub async fn subject(world: &World, page: &Page, ask: &Ask) -> String {
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    claims(tokens["access_token"].as_str().unwrap())["sub"].as_str().unwrap().to_owned()
}

pub async fn sign_in_for_subject(world: &World, wallet: &Wallet) -> String {
    let (mut browser, ask) = (Browser::default(), ask());
    let page = sign_in(world, wallet, &mut browser, &ask).await;
    subject(world, &page, &ask).await
}

/// The page says what is asked and why. A person is known again by the claim alone: a new credential, key or name changes nothing (V-20).
#[tokio::test]
async fn a_person_of_a_wallet_gets_an_account_and_finds_it_again() {
    for engine in engines() {
        let outside = Outside::new();
        let world = outside.world(engine, CREATE).await;
        let page = consent(&world, &mut Browser::default(), &ask()).await;
        for words in ["A shop has to know its customers.", "National identity number", "First name", "customer", "ID wallet"] {
            assert!(page.says(words), "{words}: {}", page.text());
        }
        let one = sign_in_for_subject(&world, &outside.wallet_of("AA-1")).await;
        let other = sign_in_for_subject(&world, &outside.wallet_of("AA-2")).await;
        let mut renamed = pid("AA-1");
        renamed["given_name"] = "Anna".into();
        let mut renewed = outside.wallet_with(&renamed, None);
        renewed.encryption = Encryption::A256Gcm;
        assert_eq!(sign_in_for_subject(&world, &renewed).await, one);
        assert_ne!(one, other);
        assert_eq!(
            (world.audited("registered").await, world.audited("wallet_answered").await, world.audited("upstream_proved").await),
            (2, 3, 3)
        );
        // Nothing of the presentation is stored: neither number nor name, holder's key nor digests.
        let app = world.running.shared.now();
        let row = app.store.one("SELECT issuer, subject, said FROM outside_identity ORDER BY created_ms", &[]).await.unwrap().unwrap();
        assert_eq!(row.text("issuer").unwrap(), "https://pid.utopia.example UT/Utopia");
        assert!(row.text("subject").unwrap().starts_with("v1.") && !row.text("subject").unwrap().contains("AA-1"));
        let audit = format!("{:?}", world.entries("wallet_answered").await);
        assert!(!audit.contains("AA-1") && !audit.contains("Ana"), "{audit}");
        world.stop().await;
    }
}

/// What the tokens say: our own issuer, the policy's acr, possession, and the claim that the operator mapped.
#[tokio::test]
async fn the_tokens_are_ours_and_carry_what_is_mapped() {
    let outside = Outside::new();
    let listed = "[api.orders.scope.\"orders:read\"]\nclaims = [\"customer_id\"]\n";
    let world = outside.configured(Engine::Sqlite, CREATE).await.with(listed).start().await;
    let (mut browser, ask) = (Browser::default(), ask());
    let page = sign_in(&world, &outside.wallet_of("AA-1"), &mut browser, &ask).await;
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let (id_token, text) = (claims(tokens["id_token"].as_str().unwrap()), tokens.to_string());
    assert_eq!((&id_token["acr"], &id_token["amr"]), (&json!("urn:example:acr"), &json!(["pop"])));
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(access["customer_id"], "c-7");
    // At the next sign-in the claim is what the credential says by then.
    let mut moved = pid("AA-1");
    moved["customer"] = "c-8".into();
    let page = sign_in(&world, &outside.wallet_with(&moved, None), &mut Browser::default(), &ask).await;
    let (_, later) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(claims(later["access_token"].as_str().unwrap())["customer_id"], "c-8");
    for hidden in ["AA-1", "1990-01-01", "utopia", "personal_administrative_number"] {
        assert!(!text.contains(hidden) && !access.to_string().contains(hidden) && !id_token.to_string().contains(hidden), "{hidden}");
    }
    world.stop().await;
}

/// OpenID4VP 1.0 5.10, V-06: what the wallet is told. Each request has a key and a nonce of its own.
#[tokio::test]
async fn the_request_is_signed_and_fresh() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let wallet = outside.wallet();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let link = leave(&world, &mut Browser::default(), &ask()).await;
        assert!(link.starts_with("openid4vp://?client_id=x509_hash%3A"), "{link}");
        let request_uri = parameters(&link)["request_uri"].clone();
        let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
        assert_eq!(asked.client_id, parameters(&link)["client_id"]);
        assert!(seen.insert(asked.nonce.clone()) && seen.insert(asked.jwk.to_string()) && seen.insert(asked.response_uri.clone()));
        let by_get = world.http.get(&request_uri).send().await.unwrap();
        assert_eq!(by_get.headers()["content-type"], "application/oauth-authz-req+jwt");
        let object = by_get.text().await.unwrap();
        let header: Json = serde_json::from_slice(&base64url::decode(object.split('.').next().unwrap()).unwrap()).unwrap();
        assert_eq!((header["x5c"].as_array().unwrap().len(), &header["typ"]), (1, &json!("oauth-authz-req+jwt")), "no anchor in it");
        let says = claims(&object);
        assert_eq!((&says["nonce"], says.get("wallet_nonce")), (&json!(asked.nonce), None));
        assert_eq!(
            (&says["response_mode"], says.get("redirect_uri"), says["dcql_query"].get("credential_sets")),
            (&json!("direct_post.jwt"), None, None)
        );
        for bad in ["a b", &"x".repeat(513), "\u{e9}"] {
            let answer = world.http.post(&request_uri).form(&[("wallet_nonce", bad)]).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{bad}");
        }
        let mut forged = request_uri.clone();
        forged.replace_range(forged.len() - 1.., if forged.ends_with('A') { "B" } else { "A" });
        for gone in [forged, request_uri.replace("/wallet/pid/", "/wallet/other/")] {
            assert!(world.http.get(&gone).send().await.unwrap().status().is_client_error());
        }
    }
    // By its DNS name instead.
    let named = outside.configured(Engine::Sqlite, CREATE).await.set("wallet.pid.client_id", "x509_san_dns:login.example").start().await;
    let (mut browser, ask) = (Browser::default(), ask());
    let link = leave(&named, &mut browser, &ask).await;
    assert_eq!(parameters(&link)["client_id"], "x509_san_dns:login.example");
    assert!(sign_in(&named, &outside.wallet_of("AA-1"), &mut Browser::default(), &ask).await.has_code());
    named.stop().await;
    world.stop().await;
}

/// HAIP 1.0 5, OpenID4VP 1.0 6.1.1.1: the request names the CAs by their key identifiers, and a credential of another one is refused still.
#[tokio::test]
async fn a_request_may_name_whom_it_trusts() {
    let outside = Outside::new();
    let configured = outside.configured(Engine::Sqlite, CREATE).await;
    let world = configured.clone().set("wallet.pid.credential.pid.trusted_authorities", true).start().await;
    let wallet = outside.wallet_of("AA-1");
    let asked_for = asked(&world, &wallet, &mut Browser::default(), &ask()).await;
    let der = symbolon_wallet::issuer::from_pem(outside.issuer.root_pem.as_bytes()).unwrap().remove(0);
    let id = base64url::encode(symbolon_wallet::issuer::Anchor::from_der(&der).unwrap().key_id().unwrap());
    assert_eq!(asked_for.query["credentials"][0]["trusted_authorities"], json!([{ "type": "aki", "values": [id] }]));
    assert!(sign_in(&world, &wallet, &mut Browser::default(), &ask()).await.has_code());
    let mut stranger = outside.wallet();
    let text = CredentialIssuer::new("Utopia").unwrap().sd_jwt(&terms(&stranger, VCT, None), &pid("AA-1")).unwrap();
    stranger.held = vec![Held::SdJwt { vct: VCT.to_owned(), text }];
    assert!(!sign_in(&world, &stranger, &mut Browser::default(), &ask()).await.has_code());
    world.stop().await;
    let world = configured.start().await;
    let silent = asked(&world, &wallet, &mut Browser::default(), &ask()).await;
    assert_eq!(silent.query["credentials"][0].get("trusted_authorities"), None, "the twin");
    world.stop().await;
}

/// OpenID4VP 1.0, 11.1 and B.2.4: a wallet shows who asks, and which elements of an mdoc are kept. Those are what the operator maps, and no
/// other. Why somebody asks stands on our page.
#[tokio::test]
async fn a_wallet_is_told_who_asks_and_what_is_kept() {
    let outside = Outside::new();
    let second = format!(
        "[wallet.pid.credential.lic]\nformat = \"mso_mdoc\"\ntypes = [\"{LICENCE}\"]\nclaims = [\"{NAMESPACE}/driving\", \"{NAMESPACE}/customer\"]\n"
    );
    let more = format!("{CREATE}same_person = [\"pid/customer = lic/{NAMESPACE}/customer\"]\n");
    let mapped = toml::Table::from_iter([("licence".to_owned(), format!("lic/{NAMESPACE}/driving").into())]);
    let configured = outside.configured(Engine::Sqlite, &more).await.with(&second).with("[brand]\nname = \"Corner Shop\"\n");
    let world = configured.set("wallet.pid.claims", mapped).start().await;
    let (mut browser, ask) = (Browser::default(), ask());
    let link = leave(&world, &mut browser, &ask).await;
    let says = claims(&world.http.get(&parameters(&link)["request_uri"]).send().await.unwrap().text().await.unwrap());
    assert_eq!(says["client_metadata"]["client_name"], "Corner Shop", "{says}");
    let purpose = "A shop has to know its customers.";
    assert!(!says.to_string().contains(purpose) && consent(&world, &mut Browser::default(), &ask).await.says(purpose), "{says}");
    let asked_for = says["dcql_query"]["credentials"].as_array().unwrap();
    let retained = |id: &str| -> Vec<Json> {
        let credential = asked_for.iter().find(|it| it["id"] == id).unwrap();
        credential["claims"].as_array().unwrap().iter().map(|it| json!([it["path"][1], it.get("intent_to_retain")])).collect()
    };
    assert_eq!(retained("lic"), [json!(["driving", true]), json!(["customer", false])], "{says}");
    assert!(retained("pid").iter().all(|it| it[1].is_null()), "an SD-JWT has no such word: {says}");
    world.stop().await;
}

/// V-20: the issuer is half of an account's key. Where two have one CA, no chain says which of them it is, and the server does not begin.
#[tokio::test]
async fn two_issuers_of_a_credential_have_no_ca_in_common() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let one = sign_in_for_subject(&world, &outside.wallet_of("AA-1")).await;
    let good = std::fs::read_to_string(world.file()).unwrap();
    let with = |anchor: &Path| {
        let other = format!("[wallet.pid.issuer.other]\nname = \"https://other.example\"\nanchors = ['{}']\n", anchor.display());
        Configuration::from_text(0, &good).with(&other)
    };
    let reload = async |configuration: Configuration| {
        std::fs::write(world.file(), configuration.text()).unwrap();
        symbolon::serve::reload(&world.running.shared, &world.file()).await.map_err(|fault| fault.to_string())
    };
    let shared = outside.directory.join("utopia.pem");
    let error = reload(with(&shared)).await.unwrap_err();
    assert!(error.contains("name one of them in `issuers`"), "{error}");
    // What the other CA has issued is below it: a chain could name either.
    let below = outside.directory.join("below.pem");
    let signer = symbolon_oauth::base64::encode(&outside.issuer.chain[0]);
    write(&below, &format!("-----BEGIN CERTIFICATE-----\n{signer}\n-----END CERTIFICATE-----\n"));
    let error = reload(with(&below)).await.unwrap_err();
    assert!(error.contains("have the same CA"), "{error}");
    // The twins: a CA of its own, and one of the two is named.
    let own = outside.directory.join("other.pem");
    write(&own, &CredentialIssuer::new("Utopia").unwrap().root_pem);
    reload(with(&own)).await.unwrap();
    reload(with(&shared).set("wallet.pid.credential.pid.issuers", vec!["utopia"])).await.unwrap();
    assert_eq!(sign_in_for_subject(&world, &outside.wallet_of("AA-1")).await, one);
    world.stop().await;
}

/// A host of status lists: what it answers, and how often it was asked.
struct Lists {
    port: u16,
    text: std::sync::Arc<std::sync::Mutex<String>>,
    asked: std::sync::Arc<AtomicU32>,
}

impl Lists {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lists = Self { port: listener.local_addr().unwrap().port(), text: Default::default(), asked: Default::default() };
        let (text, asked) = (lists.text.clone(), lists.asked.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                asked.fetch_add(1, Ordering::Relaxed);
                let body = text.lock().unwrap().clone();
                let status = if body.is_empty() { "503 Gone" } else { "200 OK" };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        lists
    }

    fn say(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap());
    }
}

/// V-09: a status is asked, kept for as long as it may be, and without one nobody is good.
#[tokio::test]
async fn a_revoked_credential_signs_nobody_in() {
    let (outside, lists) = (Outside::new(), Lists::start().await);
    let mirror = format!("http://127.0.0.1:{}", lists.port);
    let configured = outside.configured(Engine::Sqlite, CREATE).await.set("wallet.pid.issuer.utopia.status_mirror", mirror);
    let world = configured.start().await;
    let list = |values: &[u8]| outside.issuer.status_list(LIST, values, now_s(), 600).unwrap();
    let wallet = outside.wallet_with(&pid("AA-1"), Some(1));
    let page = async || sign_in(&world, &wallet, &mut Browser::default(), &ask()).await;
    let away = page().await;
    assert!(!away.has_code() && away.says("Nobody could say whether"), "no list: {}", away.text());
    let stranger = CredentialIssuer::new("Utopia").unwrap();
    lists.say(&stranger.status_list(LIST, &[0, 0], now_s(), 600).unwrap());
    assert!(!page().await.has_code(), "another signer's list");
    lists.say(&outside.issuer.status_list("https://status.example/other", &[0, 0], now_s(), 600).unwrap());
    assert!(!page().await.has_code(), "a list of another address");
    lists.say(&list(&[0, 0]));
    let before = lists.asked.load(Ordering::Relaxed);
    assert!(page().await.has_code() && page().await.has_code());
    assert_eq!(lists.asked.load(Ordering::Relaxed), before + 1, "one fetch for both");
    lists.say(&list(&[0, 1]));
    assert!(page().await.has_code(), "kept for five minutes");
    world.advance_s(301);
    let revoked = page_at(&world, &wallet, 301).await;
    assert!(!revoked.has_code() && revoked.says("no longer good"), "{}", revoked.text());
    // The twin: the neighbour in the same list.
    let good = outside.wallet_with(&pid("AA-2"), Some(0));
    assert!(page_at(&world, &good, 301).await.has_code());
    world.stop().await;
}

/// The wallet's clock goes with the server's.
async fn page_at(world: &World, wallet: &Wallet, ahead_s: i64) -> Page {
    let (mut browser, ask) = (Browser::default(), ask());
    let link = leave(world, &mut browser, &ask).await;
    let asked = wallet.read(&world.http, &link, now_s() + ahead_s).await.unwrap();
    let back = wallet.answer(&world.http, &asked).await.unwrap();
    browser.get(world, &back).await
}

/// Methods.md, "Who": my identity with a friend's licence passes every check of its own, and is refused.
#[tokio::test]
async fn two_credentials_are_of_one_person() {
    let outside = Outside::new();
    let second = format!(
        "[wallet.pid.credential.lic]\nformat = \"mso_mdoc\"\ntypes = [\"{LICENCE}\"]\nclaims = [\"{NAMESPACE}/birth_date\", \"{NAMESPACE}/driving\"]\n"
    );
    let more = format!("{CREATE}same_person = [\"pid/birthdate = lic/{NAMESPACE}/birth_date\"]\n");
    let configured = outside.configured(Engine::Sqlite, &more).await.with(&second);
    let world = configured.set("wallet.pid.credential.pid.claims", vec!["personal_administrative_number", "birthdate"]);
    let world = world.set("wallet.pid.claims", toml::Table::new()).start().await;
    let with_licence = |born: &str| {
        let mut wallet = outside.wallet_of("AA-1");
        let says = json!({ "birth_date": born, "driving": "B" });
        let issuer_signed = outside.issuer.mdoc(&terms(&wallet, LICENCE, None), says.as_object().unwrap()).unwrap();
        wallet.held.push(Held::Mdoc { doctype: LICENCE.to_owned(), issuer_signed });
        wallet
    };
    assert!(sign_in(&world, &with_licence("1990-01-01"), &mut Browser::default(), &ask()).await.has_code());
    let page = sign_in(&world, &with_licence("1991-01-01"), &mut Browser::default(), &ask()).await;
    assert!(!page.has_code() && page.says("of two people"), "{}", page.text());
    let page = sign_in(&world, &outside.wallet_of("AA-1"), &mut Browser::default(), &ask()).await;
    assert!(!page.has_code() && page.says("does not show all that is asked"), "{}", page.text());
    world.stop().await;
}

/// Alice links what the wallet shows, on her account page.
pub async fn linked(world: &World, wallet: &Wallet) {
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    browser.answer(world, &page, "alice").await;
    let page = browser.visit(world, "/account").await;
    let page = browser.submit(world, &page, &[], "link:wallet:pid").await;
    let page = browser.submit(world, &page, &[], "go").await;
    let link = page.location.unwrap_or_else(|| panic!("{}", page.html));
    let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
    let page = browser.get(world, &wallet.answer(&world.http, &asked).await.unwrap()).await;
    assert_eq!(page.title(), "Link ID wallet?", "{}", page.html);
    browser.submit(world, &page, &[], "continue").await;
}

/// What a token for the API says.
async fn told(world: &World, page: &Page, ask: &Ask) -> Json {
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    claims(tokens["access_token"].as_str().unwrap())
}

/// Methods.md, "Traces": a claim that a credential shows stands beside its method and issuer, and is there for as long as it is shown and
/// linked. The twin is what the operator wrote: it stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_credential_shows_goes_with_its_link() {
    for engine in engines() {
        let outside = Outside::new();
        let more = format!(
            "same_person = [\"pid/birthdate = lic/{NAMESPACE}/birth_date\"]\n[wallet.pid.credential.lic]\nformat = \"mso_mdoc\"\n\
             types = [\"{LICENCE}\"]\noptional = true\nclaims = [\"{NAMESPACE}/birth_date\", \"{NAMESPACE}/driving\"]\n"
        );
        let listed = "[api.orders.scope.\"orders:read\"]\nclaims = [\"customer_id\", \"licence\", \"number\"]\n";
        let mapped = [("number", "pid/customer".to_owned()), ("licence", format!("lic/{NAMESPACE}/driving"))];
        let mapped = toml::Table::from_iter(mapped.map(|(name, place)| (name.to_owned(), place.into())));
        let configured = outside.configured(engine, &more).await.with(listed).set("wallet.pid.claims", mapped);
        let shown = vec!["personal_administrative_number", "customer", "birthdate"];
        let world = configured.set("wallet.pid.credential.pid.claims", shown).start().await;
        let mut both = outside.wallet_of("AA-1");
        let says = json!({ "birth_date": "1990-01-01", "driving": "B" });
        let issuer_signed = outside.issuer.mdoc(&terms(&both, LICENCE, None), says.as_object().unwrap()).unwrap();
        both.held.push(Held::Mdoc { doctype: LICENCE.to_owned(), issuer_signed });
        linked(&world, &both).await;
        let by = async |wallet: &Wallet| {
            let ask = ask();
            told(&world, &sign_in(&world, wallet, &mut Browser::default(), &ask).await, &ask).await
        };
        let by_password = async || {
            let ask = ask();
            let page = Browser::default().sign_in_at(&world, &world.url(&ask.path()), "alice").await;
            told(&world, &page, &ask).await
        };
        let says = by(&both).await;
        assert_eq!((&says["number"], &says["licence"], &says["customer_id"]), (&json!("c-7"), &json!("B"), &json!("c-alice")));
        let person: Json = serde_json::from_str(&user(&world, &["--json", "user", "show", "alice"]).await).unwrap();
        let link = &person["links"][0];
        assert_eq!((&link["method"], &link["issuer"]), (&json!("wallet:pid"), &json!("https://pid.utopia.example UT/Utopia")), "{person}");
        assert_eq!(link["claims"], json!({ "number": "c-7", "licence": "B" }), "{person}");
        assert_eq!(person["claims"], json!({ "customer_id": "c-alice", "number": "c-7", "licence": "B" }), "{person}");
        // What is no longer shown is gone, and the rest stays.
        let says = by(&outside.wallet_of("AA-1")).await;
        assert_eq!((&says["number"], says.get("licence"), &says["customer_id"]), (&json!("c-7"), None, &json!("c-alice")));
        // An operator's later word counts until the credential is shown again.
        user(&world, &["user", "change", "alice", "--claim", "number=own"]).await;
        assert_eq!(by_password().await["number"], "own");
        assert_eq!(by(&both).await["number"], "c-7");
        let says = by_password().await;
        assert_eq!((&says["number"], &says["licence"]), (&json!("c-7"), &json!("B")), "the account's, however its person signs in");
        // An operator takes it away, also where only a link shows it, until the credential is shown again.
        user(&world, &["user", "change", "alice", "--no-claim", "licence"]).await;
        assert_eq!(by_password().await.get("licence"), None);
        assert_eq!(by(&both).await["licence"], "B");
        crate::upstream_links::unlinked(&world, "alice").await;
        let says = by_password().await;
        assert_eq!((says.get("number"), says.get("licence"), &says["customer_id"]), (None, None, &json!("c-alice")), "{says}");
        world.stop().await;
    }
}

/// What a command about people says.
async fn user(world: &World, words: &[&str]) -> String {
    let (code, said, error) = crate::commands::symbolon(&world.file(), words, "").await;
    assert_eq!(code, Some(0), "{words:?}: {error}");
    said
}

/// V-20, 432-B: a sign-in never links; a stranger to an invited-only wallet reads that there is no account.
#[tokio::test]
async fn a_wallet_is_linked_on_the_account_page_alone() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, "").await;
    let wallet = outside.wallet_of("AA-1");
    let page = sign_in(&world, &wallet, &mut Browser::default(), &ask()).await;
    assert!(page.says("No account here belongs to that"), "{}", page.text());
    linked(&world, &wallet).await;
    let (mut other, ask) = (Browser::default(), ask());
    let page = other.sign_in_at(&world, &world.url(&ask.path()), "alice").await;
    let alice = subject(&world, &page, &ask).await;
    assert_eq!(sign_in_for_subject(&world, &wallet).await, alice);
    world.stop().await;
}

/// A table that cannot be meant stops the start, with its reason.
#[tokio::test]
async fn a_wallet_that_cannot_be_meant_is_refused() {
    let outside = Outside::new();
    let good = Configuration::to_read().with(&outside.table(""));
    assert_eq!(good.read(), Ok(()));
    let set = |path: &str, value: toml::Value| good.clone().set(path, value).read().unwrap_err();
    let texts = |all: &[&str]| toml::Value::from(all.to_vec());
    for (path, value, why) in [
        ("wallet.pid.account_claim_is_unique", false.into(), "two people could have one account"),
        ("wallet.pid.account_claim", "pid/given_name".into(), "no claim that one person alone has"),
        ("wallet.pid.account_claim", "pid/other".into(), "not among the claims"),
        ("wallet.pid.account_claim", "other/personal_administrative_number".into(), "not among the claims"),
        ("wallet.pid.client_id", "redirect_uri:https://a".into(), "client_id is x509_hash"),
        ("wallet.pid.link", "http://wallet.example".into(), "link is openid4vp"),
        ("wallet.pid.purpose", "".into(), "purpose says why"),
        ("wallet.pid.clock_skew", "6m".into(), "at most 5m"),
        ("wallet.pid.credential.pid.format", "jwt_vc_json".into(), "unknown variant"),
        ("wallet.pid.credential.pid.types", texts(&[]), "vct_values"),
        ("wallet.pid.credential.pid.optional", true.into(), "its credential is optional"),
        ("wallet.pid.credential.pid.issuers", texts(&["other"]), "no table of"),
        ("wallet.pid.credential.pid.values", toml::toml! { other = [true] }.into(), "values are of claims"),
        ("wallet.pid.claims", toml::toml! { sub = "pid/customer" }.into(), "no claim that a wallet may write"),
        ("wallet.pid.claims", toml::toml! { a = "pid/else" }.into(), "is not asked for"),
        ("wallet.pid.same_person", texts(&["pid/given_name"]), "no pair of claims"),
        ("wallet.pid.issuer.utopia.anchors", texts(&[]), "neither anchors nor keys"),
        ("wallet.pid.issuer.utopia.status_mirror", "ftp://a".into(), "status_mirror is"),
        ("login.default.require", texts(&["wallet:other"]), "there is no [wallet.other]"),
    ] {
        let error = set(path, value);
        assert!(error.contains(why), "{path}: {error}");
    }
    let second = "[wallet.pid.credential.lic]\nformat = \"mso_mdoc\"\ntypes = [\"a.b\"]\nclaims = [\"a/b\"]\n";
    let error = good.clone().with(second).read().unwrap_err();
    assert!(error.contains("ties each further credential"), "{error}");
}
