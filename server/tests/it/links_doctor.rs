//! `symbolon links doctor` against hosts of this test: every planted fault is found, and the right files have none.

use crate::commands::symbolon;
use crate::database_tls::accepting;
use crate::world::*;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

const APPLE: &str = "/.well-known/apple-app-site-association";
const ANDROID: &str = "/.well-known/assetlinks.json";
const ID: &str = "ABCDE12345.com.example.shop";
const LOGIN_CREDS: &str = "delegate_permission/common.get_login_creds";

/// Answers by path, as they are sent.
type Answers = Arc<Mutex<BTreeMap<String, String>>>;

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn json_answer(body: &str) -> String {
    answer(200, "content-type: application/json\r\n", body)
}

async fn serve_one<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answers: Answers) {
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.unwrap_or(0);
    let path = String::from_utf8_lossy(&head[..read]).split(' ').nth(1).unwrap_or_default().to_owned();
    let found = answers.lock().unwrap().get(&path).cloned().unwrap_or_else(|| answer(404, "", "nothing here"));
    let _ = stream.write_all(found.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A host of the app's owner, and Apple's network beside it.
struct Hosts {
    directory: PathBuf,
    port: u16,
    cdn: u16,
    host: Answers,
    apple: Answers,
}

impl Hosts {
    async fn start(name_of_certificate: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("symbolon-doctor-{}-{}", std::process::id(), free_port()));
        std::fs::create_dir_all(&directory).unwrap();
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec![name_of_certificate.to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(directory.join("ca.pem"), made.pem()).unwrap();
        let acceptor = accepting(&made, &key);
        let (host, apple) = (Answers::default(), Answers::default());
        let (listener, cdn_listener) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (port, cdn) = (listener.local_addr().unwrap().port(), cdn_listener.local_addr().unwrap().port());
        let answers = Arc::clone(&host);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve_one(stream, answers).await;
                    }
                });
            }
        });
        let answers = Arc::clone(&apple);
        tokio::spawn(async move {
            while let Ok((stream, _)) = cdn_listener.accept().await {
                tokio::spawn(serve_one(stream, Arc::clone(&answers)));
            }
        });
        let hosts = Self { directory, port, cdn, host, apple };
        std::fs::write(hosts.file(), hosts.configuration().text()).unwrap();
        hosts.right().await;
        hosts
    }

    fn configuration(&self) -> Configuration {
        let host = format!("links.shop.test:{}", self.port);
        Configuration::to_read().with(&format!(
            "[client.shop-ios]\nredirect_uris = [\"https://{host}/callback\"]\npost_logout_redirect_uris = []\n\
             [client.shop-ios.app]\nios = [\"{ID}\"]\n[client.shop-ios.app.android.\"com.example.shop\"]\nplay = \"{}\"\nupload = \"{}\"\n",
            "1a".repeat(32),
            "16".repeat(32)
        ))
    }

    /// The passkeys are in reach of the host, and the app may not have them.
    fn without_credentials(&self) -> Configuration {
        let change = self.configuration().set("client.shop-ios.first_party", true).set("client.shop-ios.app.credentials", false);
        change.set("passkeys.rp_id", "shop.test").set("issuer", "https://login.shop.test")
    }

    fn file(&self) -> PathBuf {
        self.directory.join("symbolon.toml")
    }

    async fn printed(&self, name: &str) -> String {
        let host = format!("links.shop.test:{}", self.port);
        let (code, text, error) = symbolon(&self.file(), &["links", "print", "--host", &host, "--file", name], "").await;
        assert_eq!(code, Some(0), "{error}");
        text
    }

    /// Everything as this server prints it.
    async fn right(&self) {
        let (apple, android) = (self.printed("apple-app-site-association").await, self.printed("assetlinks.json").await);
        self.host.lock().unwrap().insert(APPLE.to_owned(), json_answer(&apple));
        self.host.lock().unwrap().insert(ANDROID.to_owned(), json_answer(&android));
        self.copy(&json_answer(&apple));
    }

    fn plant(&self, path: &str, text: String) {
        self.host.lock().unwrap().insert(path.to_owned(), text);
    }

    fn copy(&self, text: &str) {
        self.apple.lock().unwrap().insert(format!("/a/v1/links.shop.test:{}", self.port), text.to_owned());
    }

    async fn doctor(&self, more: &[&str]) -> (Option<i32>, String) {
        let (ca, cdn) = (self.directory.join("ca.pem"), format!("http://127.0.0.1:{}", self.cdn));
        let mut words = vec!["links", "doctor", "--client", "shop-ios", "--resolve", "links.shop.test=127.0.0.1"];
        words.extend(["--ca", ca.to_str().unwrap()]);
        if !more.contains(&"--apple-cdn") {
            words.extend(["--apple-cdn", &cdn]);
        }
        words.extend(more);
        let (code, said, error) = symbolon(&self.file(), &words, "").await;
        assert!(error.is_empty(), "{error}");
        (code, said)
    }

    /// Codes of the faults.
    async fn faults(&self, more: &[&str]) -> Vec<String> {
        let found = self.found(more).await;
        found.into_iter().filter_map(|(level, code)| (level == "fault").then_some(code)).collect()
    }

    /// Levels and codes of whatever is not right.
    async fn found(&self, more: &[&str]) -> Vec<(String, String)> {
        let (code, said) = self.doctor(&[more, &["--json"]].concat()).await;
        let report: Json = serde_json::from_str(&said).unwrap_or_else(|it| panic!("{it}: {said}"));
        let text = |check: &Json, name: &str| check[name].as_str().unwrap().to_owned();
        let all = report["checks"].as_array().unwrap().iter().map(|it| (text(it, "level"), text(it, "code")));
        let found: Vec<_> = all.filter(|(level, _)| level != "ok").collect();
        let faults = found.iter().filter(|(level, _)| level == "fault").count();
        assert_eq!((code, report["faults"].as_u64()), (Some(i32::from(faults > 0)), Some(faults as u64)), "{said}");
        assert_eq!(report["warnings"].as_u64(), Some((found.len() - faults) as u64), "{said}");
        found
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_files_have_no_fault() {
    let hosts = Hosts::start("links.shop.test").await;
    assert_eq!(hosts.faults(&[]).await, Vec::<String>::new());
    let (code, table) = hosts.doctor(&[]).await;
    assert_eq!(code, Some(0), "{table}");
    for said in [
        "com.example.shop opens /callback",
        &format!("{ID} opens /callback"),
        "https callback of ASWebAuthenticationSession: yes",
        "Apple's copy",
        "No fault. 0 warnings.",
    ] {
        assert!(table.contains(said), "{said}: {table}");
    }
}

/// Every code that the doctor's source gives to a fault or a warning.
fn codes() -> BTreeSet<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/links/doctor");
    let files = std::fs::read_dir(directory).unwrap().map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap());
    let mut codes = BTreeSet::new();
    for source in files {
        for call in ["Check::fault(", "Check::warning("] {
            for rest in source.split(call).skip(1) {
                let literal = rest.trim_start().strip_prefix('"').unwrap_or_else(|| panic!("a code that is no literal: {rest:.60}"));
                codes.insert(literal.split('"').next().unwrap().to_owned());
            }
        }
    }
    codes
}

/// One planted fault: where, what, and all that the doctor finds then.
struct Planted {
    platform: &'static str,
    place: Place,
    answer: String,
    found: &'static str,
}

enum Place {
    /// The file of the platform on the host.
    File,
    /// Apple's copy.
    Copy,
}

/// The file, changed in one thing.
fn changed(file: &str, change: impl FnOnce(&mut Json)) -> String {
    let mut document: Json = serde_json::from_str(file).unwrap();
    change(&mut document);
    json_answer(&document.to_string())
}

/// Those of the file for Android. A fault there spoils other hosts too.
fn planted_for_android(file: &str) -> Vec<Planted> {
    let plant = |answer: String, found| Planted { platform: "android", place: Place::File, answer, found };
    let prints = |all: Json| changed(file, |it| it[0]["target"]["sha256_cert_fingerprints"] = all);
    let print = |byte: &str| vec![byte; 32].join(":");
    let paths = |all: Json| {
        let relation = "delegate_permission/common.handle_all_urls";
        changed(file, |it| it[0]["relation_extensions"][relation]["dynamic_app_link_components"] = all)
    };
    let (play, upload, strange) = (print("1A"), print("16"), print("15"));
    vec![
        plant(answer(301, "location: https://www.shop.test/x\r\n", ""), "fault redirect, warning spoils_other_hosts"),
        plant(answer(404, "", ""), "fault status, warning spoils_other_hosts"),
        plant(answer(503, "", ""), "fault status, warning spoils_other_hosts"),
        plant(answer(421, "", ""), "fault host_mismatch, warning spoils_other_hosts"),
        plant(answer(200, "content-type: text/html\r\n", file), "fault content_type, warning spoils_other_hosts"),
        plant(json_answer(&format!("[{}]", " ".repeat(140_000))), "fault too_large, warning spoils_other_hosts"),
        // Far more than is read is too large too, and no host that cannot be reached.
        plant(json_answer(&format!("[{}]", " ".repeat(3_000_000))), "fault too_large, warning spoils_other_hosts"),
        plant(json_answer("<html>"), "fault not_json, warning spoils_other_hosts"),
        plant(json_answer("{}"), "fault wrong_shape, warning spoils_other_hosts"),
        plant(json_answer("[]"), "fault package_missing, warning spoils_other_hosts"),
        plant(
            changed(file, |it| it[0]["relation"] = json!(["delegate_permission/common.get_login_creds"])),
            "fault relation_missing, warning spoils_other_hosts",
        ),
        plant(prints(json!([strange])), "fault wrong_fingerprint, warning spoils_other_hosts"),
        plant(prints(json!([upload])), "fault fingerprint_missing, warning spoils_other_hosts"),
        plant(prints(json!([play.to_lowercase(), upload])), "warning fingerprint_spelling"),
        plant(prints(json!([play, upload, strange])), "warning unknown_fingerprint"),
        plant(
            changed(file, |statements| {
                let mut other = statements[0].clone();
                other["target"]["package_name"] = json!("com.evil");
                statements.as_array_mut().unwrap().push(other);
            }),
            "warning other_package",
        ),
        plant(changed(file, |it| it.as_array_mut().unwrap().push(json!({ "include": "https://shop.test/more.json" }))), "warning includes"),
        plant(paths(json!([{ "/": "/callback", "?": { "code": "*" } }])), "warning only_success"),
        plant(paths(json!([{ "/": "/callback", "?": { "token": "*" } }])), "fault path_missing, warning spoils_other_hosts"),
        plant(paths(json!([{ "/": "/other" }])), "fault path_missing, warning spoils_other_hosts"),
        plant(paths(json!([{ "/": "/c*", "exclude": true }, { "/": "/callback" }])), "fault path_excluded, warning spoils_other_hosts"),
    ]
}

/// Those of the file for iOS, and of Apple's copy. A file that cannot be read is the host's fault alone: the copy is right.
fn planted_for_ios(file: &str) -> Vec<Planted> {
    let plant = |answer: String, found| Planted { platform: "ios", place: Place::File, answer, found };
    let copy = |answer: String, found| Planted { platform: "ios", place: Place::Copy, answer, found };
    let entry = |id: &str, path: &str| json!({ "appIDs": [id], "components": [{ "/": path }] });
    let details = |all: Json| changed(file, |it| it["applinks"]["details"] = all);
    let components = |all: Json| changed(file, |it| it["applinks"]["details"][0]["components"] = all);
    let (team, other) = ("ZZZZZ12345.com.example.shop", "ABCDE12345.com.example.other");
    vec![
        plant(answer(301, "location: https://www.shop.test/x\r\n", ""), "fault redirect"),
        plant(answer(403, "", ""), "fault status"),
        plant(answer(421, "", ""), "fault host_mismatch"),
        plant(answer(200, "content-type: text/plain\r\n", file), "warning content_type"),
        plant(json_answer(&format!("[{}]", " ".repeat(140_000))), "fault too_large"),
        plant(json_answer("<html>"), "fault not_json, warning apple_copy_differs"),
        plant(json_answer("[]"), "fault wrong_shape, warning apple_copy_differs"),
        plant(components(json!([{ "/": "/other" }])), "fault path_missing, warning apple_copy_differs"),
        plant(
            components(json!([{ "/": "/c*", "exclude": true }, { "/": "/callback" }])),
            "fault path_excluded, warning apple_copy_differs",
        ),
        plant(details(json!([entry(other, "/callback")])), "fault app_missing, warning apple_copy_differs"),
        plant(details(json!([entry(team, "/callback")])), "fault wrong_team, warning apple_copy_differs"),
        plant(details(json!([entry(ID, "/callback"), entry(other, "*")])), "warning other_app, warning apple_copy_differs"),
        plant(components(json!([{ "/": "/$(lang)/callback" }])), "warning substitution_variables, warning apple_copy_differs"),
        plant(components(json!([{ "/": "/callback", "?": { "code": "*" } }])), "warning only_success, warning apple_copy_differs"),
        plant(details(json!([entry(other, "*"), entry(ID, "/callback")])), "fault swallowed, warning apple_copy_differs"),
        plant(
            changed(file, |it| drop(it.as_object_mut().unwrap().remove("webcredentials"))),
            "fault webcredentials_missing, warning apple_copy_differs",
        ),
        copy(answer(404, "apple-failure-reason: SWCERR00301 Timeout\r\n", ""), "fault apple_cannot_fetch"),
        copy(json_answer(&file.replace("/callback", "/before")), "fault old_copy"),
        copy(details(json!([entry(ID, "/callback"), entry(other, "/other")])), "warning apple_copy_differs"),
    ]
}

/// L-09, L-06, L-03: what stands on the way, from the network to the last member of the file. The list has every code of the doctor:
/// a code that nobody plants a fault for fails here.
#[tokio::test(flavor = "multi_thread")]
async fn every_planted_fault_is_found() {
    let hosts = Hosts::start("links.shop.test").await;
    let (apple, android) = (hosts.printed("apple-app-site-association").await, hosts.printed("assetlinks.json").await);
    let mut seen = BTreeSet::new();
    let mut expect = |found: Vec<(String, String)>, expected: &str, what: &str| {
        let said: Vec<String> = found.iter().map(|(level, code)| format!("{level} {code}")).collect();
        assert_eq!(said.join(", "), expected, "{what}");
        seen.extend(found.into_iter().map(|it| it.1));
    };
    for Planted { platform, place, answer, found } in planted_for_android(&android).into_iter().chain(planted_for_ios(&apple)) {
        hosts.right().await;
        match place {
            Place::File => hosts.plant(if platform == "ios" { APPLE } else { ANDROID }, answer),
            Place::Copy => hosts.copy(&answer),
        }
        expect(hosts.found(&["--platform", platform]).await, found, found);
    }
    // A redirect says where to, and what to do about it.
    hosts.plant(APPLE, answer(301, "location: https://www.shop.test/x\r\n", ""));
    let (_, table) = hosts.doctor(&["--platform", "ios"]).await;
    assert!(table.contains("FAULT") && table.contains("or use www.shop.test in the redirect URI"), "{table}");
    // So does a status that is the host's or its proxy's own fault.
    for (status, says) in [(421, "the proxy has to pass the host name on"), (503, "broken or overloaded"), (401, "without a sign-in")] {
        hosts.plant(APPLE, answer(status, "", ""));
        let (_, table) = hosts.doctor(&["--platform", "ios"]).await;
        assert!(table.contains(says), "{says}: {table}");
    }
    hosts.right().await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    expect(hosts.found(&["--apple-cdn", &nobody]).await, "warning apple_unreachable", "Apple's network");
    expect(hosts.found(&["--certificate", &"15".repeat(32)]).await, "fault unknown_certificate", "a certificate");
    let other = Hosts::start("other.shop.test").await;
    expect(other.found(&["--platform", "android"]).await, "fault unreachable, warning spoils_other_hosts", "another certificate");
    // The twin of them all.
    expect(hosts.found(&[]).await, "", "the right files");
    // For the second of these: a right that the file gives on Android too.
    hosts.plant(ANDROID, changed(&android, |it| it[0]["relation"].as_array_mut().unwrap().push(json!(LOGIN_CREDS))));
    for (change, expected) in [
        (hosts.configuration().without("client.shop-ios.app"), "warning no_app"),
        (hosts.without_credentials(), "warning login_creds_given, warning webcredentials_given"),
        (hosts.configuration().set("client.shop-ios.redirect_uris", vec!["com.example.shop:/callback"]), "warning no_https_redirect"),
    ] {
        std::fs::write(hosts.file(), change.text()).unwrap();
        expect(hosts.found(&[]).await, expected, expected);
    }
    let issuer = Hosts::start("issuer.shop.test").await;
    expect(of_issuer(&issuer, &android).await, "warning no_https_redirect, warning foreign_package", "the issuer's host");
    assert_eq!(seen, codes(), "each code has a planted fault");
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/links.md")).unwrap();
    for code in codes() {
        assert!(page.contains(&format!("`{code}`")), "docs/links.md does not explain {code}");
    }
}

/// The issuer's host names the app, and one that nobody configured.
async fn of_issuer(hosts: &Hosts, android: &str) -> Vec<(String, String)> {
    let change = hosts.configuration().set("client.shop-ios.redirect_uris", vec!["com.example.shop:/callback"]);
    let issuer = format!("https://issuer.shop.test:{}", hosts.port);
    std::fs::write(hosts.file(), change.set("client.shop-ios.first_party", true).set("issuer", issuer).text()).unwrap();
    let both = changed(android, |statements| {
        statements[0]["relation"] = json!([LOGIN_CREDS]);
        let mut other = statements[0].clone();
        other["target"]["package_name"] = json!("com.evil");
        statements.as_array_mut().unwrap().push(other);
    });
    hosts.plant(ANDROID, both);
    hosts.found(&["--platform", "android", "--resolve", "issuer.shop.test=127.0.0.1"]).await
}

/// A filter that matches nothing is a slip of the pen, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_nothing_is_no_success() {
    let hosts = Hosts::start("links.shop.test").await;
    let refused = async |change: Configuration, words: &[&str], says: &str| {
        std::fs::write(hosts.file(), change.text()).unwrap();
        let (code, said, error) = symbolon(&hosts.file(), &[&["links", "doctor", "--apple-cdn", "none"][..], words].concat(), "").await;
        assert!(code == Some(1) && error.contains(says), "{words:?}: {said}{error}");
    };
    let no_android = || hosts.configuration().without("client.shop-ios.app.android");
    refused(no_android(), &["--client", "shop-ios", "--platform", "android"], "client shop-ios has no app on android").await;
    refused(no_android(), &["--platform", "android", "--client", "robot"], "client robot is not native").await;
    refused(hosts.configuration(), &["--client", "shop-web"], "client shop-web is not native").await;
    let disabled = hosts.configuration().set("client.shop-ios.disabled", true);
    refused(disabled, &["--client", "shop-ios"], "client shop-ios is disabled").await;
    std::fs::write(hosts.file(), hosts.configuration().text()).unwrap();
    assert_eq!(hosts.doctor(&["--platform", "android"]).await.0, Some(0), "the twin");
}

/// W-39: an app that may not have the passkeys in reach need not be under `webcredentials`, and the doctor warns where it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_credentials_is_right_without_them() {
    let hosts = Hosts::start("links.shop.test").await;
    let with = hosts.printed("apple-app-site-association").await;
    std::fs::write(hosts.file(), hosts.without_credentials().text()).unwrap();
    hosts.right().await;
    assert!(!hosts.printed("apple-app-site-association").await.contains("webcredentials"));
    let of_links = ["--platform", "ios", "--apple-cdn", "none"];
    assert!(hosts.found(&of_links).await.is_empty());
    hosts.plant(APPLE, json_answer(&with));
    assert_eq!(hosts.found(&of_links).await, [("warning".to_owned(), "webcredentials_given".to_owned())]);
}

/// 351-L: what a fetched file names reaches no terminal as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetched_file_does_not_write_to_the_terminal() {
    let hosts = Hosts::start("links.shop.test").await;
    let evil = format!("com.\u{1b}]0;owned\u{7}\u{202e}{}", "x".repeat(20_000));
    let file = json!([{ "relation": ["delegate_permission/common.handle_all_urls"], "target": { "package_name": evil } }]);
    hosts.plant(ANDROID, json_answer(&file.to_string()));
    for more in [&[][..], &["--json"]] {
        let (code, said) = hosts.doctor(&[&["--platform", "android"][..], more].concat()).await;
        assert!(code == Some(1) && said.contains("package_missing") && said.contains("owned"), "{said:.2000}");
        let unseen: Vec<char> = said.chars().filter(|it| *it != '\n' && symbolon::visible::is_unseen(*it)).collect();
        assert!(unseen.is_empty() && said.len() < 8000, "{unseen:?}, {} bytes", said.len());
    }
    hosts.right().await;
    let (code, said) = hosts.doctor(&["--platform", "android"]).await;
    assert!(code == Some(0) && said.contains("com.example.shop opens /callback"), "the twin: {said}");
}

/// L-08, W-40: phones get Apple's copy, not the host's file, and the command says what Apple sees.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_of_apples_is_found() {
    let hosts = Hosts::start("links.shop.test").await;
    let apple = hosts.printed("apple-app-site-association").await;
    let old = apple.replace("/callback", "/before");
    hosts.copy(&answer(200, "content-type: application/json\r\nage: 86400\r\n", &old));
    assert_eq!(hosts.faults(&[]).await, ["old_copy"]);
    let (_, table) = hosts.doctor(&[]).await;
    for said in ["86400 s old", "only Apple has applinks", "/before", "install the app again"] {
        assert!(table.contains(said), "{said}: {table}");
    }
    hosts.copy(&answer(404, "apple-failure-reason: SWCERR00301 Timeout\r\n", ""));
    assert_eq!(hosts.faults(&[]).await, ["apple_cannot_fetch"]);
    assert!(hosts.doctor(&[]).await.1.contains("SWCERR00301 Timeout"));
    assert!(hosts.faults(&["--apple-cdn", "none"]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_reached_is_found() {
    let hosts = Hosts::start("other.shop.test").await;
    assert_eq!(hosts.faults(&["--platform", "android"]).await, ["unreachable"], "the certificate is of another name");
    let (_, table) = hosts.doctor(&["--platform", "android"]).await;
    assert!(table.to_lowercase().contains("certificate"), "{table}");
}

/// L-06: whose certificate an APK has.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_named_or_said_to_be_nobodys() {
    let hosts = Hosts::start("links.shop.test").await;
    let (code, said) = hosts.doctor(&["--certificate", &"1a".repeat(32)]).await;
    assert!(code == Some(0) && said.contains("this is play of com.example.shop"), "{said}");
    let (code, said) = hosts.doctor(&["--certificate", &"15".repeat(32)]).await;
    assert!(code == Some(1) && said.contains("unknown_certificate") && said.contains("upload key"), "{said}");
    let (code, _, error) = symbolon(&hosts.file(), &["links", "doctor", "--certificate", "15:15"], "").await;
    assert!(code == Some(1) && error.contains("is not 32 bytes"), "{error}");
    let (code, _, error) = symbolon(&hosts.file(), &["links", "doctor", "--client", "nobody"], "").await;
    assert!(code == Some(1) && error.contains("no client nobody"), "{error}");
}

/// The names of the documented sample are those of the answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_has_the_documented_members() {
    let hosts = Hosts::start("links.shop.test").await;
    let (_, said) = hosts.doctor(&["--json"]).await;
    let real: Json = serde_json::from_str(&said).unwrap();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/commands.md")).unwrap();
    let section = page.split("### `symbolon links doctor`").nth(1).unwrap();
    let sample: Json = serde_json::from_str(section.split("```json\n").nth(1).unwrap().split("```").next().unwrap()).unwrap();
    let names = |it: &Json| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(&sample), &sample["outcome"]), (names(&real), &real["outcome"]));
    assert_eq!(names(&sample["checks"][0]), names(&real["checks"][0]));
}
