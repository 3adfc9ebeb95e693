//! Association files: what a host says of the apps that open its links, and to whom it says nothing.

use crate::commands::symbolon;
use crate::world::*;
use rcgen::{CertificateParams, KeyPair};
use reqwest::header::{HOST, HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};
use std::path::Path;

const APPLE: &str = "/.well-known/apple-app-site-association";
const ANDROID: &str = "/.well-known/assetlinks.json";
const FINGERPRINT: &str = "14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5";

/// Two owners with a host each. The first has apps on both platforms, the second on iOS alone.
fn apps() -> String {
    format!(
        r#"
[client.shop-ios]
owner = "shop"
redirect_uris = ["https://links.shop.test/callback", "com.example.shop:/callback"]
post_logout_redirect_uris = []
[client.shop-ios.app]
ios = ["ABCDE12345.com.example.shop"]
[client.shop-ios.app.android."com.example.shop"]
play = "{FINGERPRINT}"

[client.bank-ios]
kind = "native"
owner = "bank"
redirect_uris = ["https://links.bank.test/callback"]
app = {{ ios = ["ABCDE12345.com.example.bank"] }}

[host."links.shop.test"]
owner = "shop"
[host."links.bank.test"]
owner = "bank"
"#
    )
}

async fn world() -> World {
    Configuration::on(Engine::Sqlite).await.with(&apps()).start().await
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|it| panic!("{it}: {}", self.text))
    }

    fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap_or_default().to_owned())
    }
}

async fn ask(world: &World, path: &str, lines: &[(&'static str, &str)]) -> Answer {
    let mut request = world.http.get(world.url(path));
    for (name, value) in lines {
        request = request.header(*name, HeaderValue::from_str(value).unwrap());
    }
    let answer = request.send().await.unwrap();
    Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), text: answer.text().await.unwrap() }
}

fn misdirected() -> (u16, String) {
    (421, "misdirected_request".to_owned())
}

/// 040-R, and the positive twins: each host answers with its own owner's apps. W-40: to any stranger, without a redirect or a cookie.
#[tokio::test(flavor = "multi_thread")]
async fn each_host_names_its_own_apps() {
    let world = world().await;
    let own = world.issuer.trim_start_matches("http://").to_owned();
    let shop = ask(&world, APPLE, &[("host", "links.shop.test")]).await;
    let (kind, cache) = (&shop.headers["content-type"], &shop.headers["cache-control"]);
    assert_eq!((shop.status, kind.to_str().unwrap(), cache.to_str().unwrap()), (200, "application/json", "public, max-age=300"));
    assert!(!shop.headers.contains_key("set-cookie") && !shop.headers.contains_key("content-encoding"));
    let details = &shop.json()["applinks"]["details"];
    assert_eq!(details, &json!([{ "appIDs": ["ABCDE12345.com.example.shop"], "components": [{ "/": "/callback" }] }]));
    assert_eq!(shop.json()["webcredentials"]["apps"], json!(["ABCDE12345.com.example.shop"]), "L-03: https callbacks ask for this one");
    let links = ask(&world, ANDROID, &[("host", "links.shop.test")]).await;
    assert_eq!(links.json()[0]["target"]["sha256_cert_fingerprints"], json!([FINGERPRINT]));
    let bank = ask(&world, APPLE, &[("host", "links.bank.test")]).await;
    assert!(bank.status == 200 && bank.text.contains("example.bank") && !bank.text.contains("example.shop"), "{}", bank.text);
    assert_eq!(
        ask(&world, ANDROID, &[("host", "links.bank.test")]).await.error(),
        (404, "not_found".to_owned()),
        "the bank has no app there"
    );
    // The issuer's host: passwords and passkeys of its own first-party apps, and no links.
    let issuer = ask(&world, APPLE, &[("host", &own)]).await;
    assert_eq!(issuer.json(), json!({ "webcredentials": { "apps": ["ABCDE12345.com.example.shop"] } }));
    assert_eq!(ask(&world, ANDROID, &[("host", &own)]).await.json()[0]["relation"], json!(["delegate_permission/common.get_login_creds"]));
    // Whatever a fetcher accepts or carries, the answer is the same; HEAD and a known copy have no body.
    let lines = [
        ("host", "links.shop.test"),
        ("accept", "text/html"),
        ("cookie", "a=b"),
        ("accept-encoding", "br"),
        ("x-forwarded-host", "links.bank.test"),
    ];
    assert_eq!(ask(&world, APPLE, &lines).await.text, shop.text);
    for agent in ["swcd (unknown version) CFNetwork/1494.0.7", "GoogleAssociationService", "curl/8", ""] {
        let answer = ask(&world, APPLE, &[("host", "links.shop.test"), ("user-agent", agent)]).await;
        assert_eq!((answer.status, answer.text == shop.text, answer.headers.contains_key("location")), (200, true, false), "{agent}");
    }
    let tag = shop.headers["etag"].to_str().unwrap();
    assert_eq!(ask(&world, APPLE, &[("host", "links.shop.test"), ("if-none-match", tag)]).await.status, 304);
    let head = world.http.head(world.url(APPLE)).header(HOST, "links.shop.test").send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-type"].to_str().unwrap()), (200, "application/json"));
    world.stop().await;
}

/// 040-R, 561-V: a name that is none of this server's gets no file, never a default one.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_gets_no_file() {
    let world = world().await;
    let own = world.issuer.trim_start_matches("http://").to_owned();
    let port = own.rsplit_once(':').unwrap().1;
    for host in
        ["evil.test", "LINKS.shop.test", "links.shop.test.", "links.shop.test:443", "shop.test", &format!("localhost:{port}"), "127.0.0.1"]
    {
        for path in [APPLE, ANDROID] {
            assert_eq!(ask(&world, path, &[("host", host)]).await.error(), misdirected(), "{host}");
        }
    }
    for forwarded in ["links.shop.test", "links.bank.test, links.shop.test"] {
        let answer = ask(&world, APPLE, &[("host", "evil.test"), ("x-forwarded-host", forwarded)]).await;
        assert_eq!(answer.error(), misdirected(), "nobody's proxy says {forwarded}");
    }
    assert_eq!(ask(&world, APPLE, &[("host", &own)]).await.status, 200);
    world.stop().await;
}

/// 040-R: bytes that no client library sends. Two names, an absolute address that says another name, no name at all.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_contradict_each_other_get_no_file() {
    let world = world().await;
    let address = world.issuer.trim_start_matches("http://").to_owned();
    let send = |target: String, lines: &'static [&'static str]| {
        let address = address.clone();
        tokio::task::spawn_blocking(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let lines: String = lines.iter().map(|it| format!("{it}\r\n")).collect();
            write!(stream, "GET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer.split(' ').nth(1).unwrap().to_owned()
        })
    };
    assert_eq!(send(APPLE.to_owned(), &["Host: links.shop.test"]).await.unwrap(), "200");
    assert_eq!(send(format!("https://links.shop.test{APPLE}"), &["Host: links.shop.test"]).await.unwrap(), "200");
    for (target, lines) in [
        (APPLE.to_owned(), &["Host: links.shop.test", "Host: links.bank.test"][..]),
        (APPLE.to_owned(), &["Host: links.shop.test", "Host: links.shop.test"]),
        (format!("https://links.bank.test{APPLE}"), &["Host: links.shop.test"]),
        (APPLE.to_owned(), &[]),
    ] {
        let status = send(target.clone(), lines).await.unwrap();
        assert!(["421", "400"].contains(&status.as_str()), "{target} {lines:?}: {status}");
    }
    world.stop().await;
}

/// A further host answers its files and nothing else: what stands on the issuer's pages is not handed to an app.
#[tokio::test(flavor = "multi_thread")]
async fn a_further_host_has_no_page() {
    let world = world().await;
    let metadata = "/.well-known/openid-configuration";
    for path in ["/", "/authorize", "/account", "/jwks", metadata, "/assets/style.css", "/health", "/robots.txt", "/callback"] {
        let answer = world.http.get(world.url(path)).header(HOST, "links.shop.test").send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    assert_eq!(world.post("/token", &[("grant_type", "client_credentials")], None).await.0, 401);
    let answer = world.http.post(world.url("/token")).header(HOST, "links.shop.test").form(&[("a", "b")]).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    // The twin: under a name that no `[host]` has, the issuer answers as before.
    assert_eq!(ask(&world, metadata, &[("host", "evil.test")]).await.status, 200);
    world.stop().await;
}

/// 561-V: on a developer's own machine a page under another name of it leads to the issuer's. Nothing leads to a name that a request says.
#[tokio::test(flavor = "multi_thread")]
async fn another_name_of_this_machine_leads_to_the_issuers_page() {
    let world = Configuration::on(Engine::Sqlite).await.start().await;
    let own = world.issuer.trim_start_matches("http://").to_owned();
    let port = own.rsplit_once(':').unwrap().1;
    let (localhost, other_port) = (format!("localhost:{port}"), "localhost:1".to_owned());
    for path in ["/account", "/account?ui_locales=de", "/"] {
        let answer = ask(&world, path, &[("host", &localhost)]).await;
        let there = answer.headers.get("location").map(|it| it.to_str().unwrap().to_owned());
        assert_eq!((answer.status, there), (303, Some(world.url(path))), "{path}");
    }
    // The twins: the issuer's own name, names of other machines, and a name with the port of a proxy.
    for host in ["evil.test", &own, &other_port, &format!("evil.test:{port}"), &format!("localhost:{port}@evil.test"), "localhost"] {
        let answer = ask(&world, "/account", &[("host", host)]).await;
        assert_eq!((answer.status, answer.headers.contains_key("location")), (200, false), "{host}");
    }
    // What a program reads is answered as before, and so is a form.
    assert_eq!(ask(&world, "/health", &[("host", &localhost)]).await.status, 200);
    assert_eq!(ask(&world, "/.well-known/openid-configuration", &[("host", &localhost)]).await.status, 200);
    let posted = world.http.post(world.url("/account")).header(HOST, &localhost).form(&[("a", "b")]).send().await.unwrap();
    assert!(posted.status() != 303 && !posted.headers().contains_key("location"), "{}", posted.status());
    world.stop().await;
}

/// A proxy's word counts where the proxy is configured.
#[tokio::test(flavor = "multi_thread")]
async fn a_configured_proxy_says_which_host() {
    let world = Configuration::on(Engine::Sqlite).await.behind_a_proxy().with(&apps()).start().await;
    let forwarded = ask(&world, APPLE, &[("host", "10.0.0.7:8080"), ("x-forwarded-host", "links.bank.test")]).await;
    assert!(forwarded.status == 200 && forwarded.text.contains("example.bank"), "{}", forwarded.text);
    for lines in [
        [("host", "links.shop.test"), ("x-forwarded-host", "links.bank.test")],
        [("host", "10.0.0.7:8080"), ("x-forwarded-host", "links.shop.test, links.bank.test")],
        [("host", "10.0.0.7:8080"), ("x-forwarded-host", "evil.test")],
    ] {
        assert_eq!(ask(&world, APPLE, &lines).await.error(), misdirected(), "{lines:?}");
    }
    world.stop().await;
}

/// What changes in the configuration is in the files at the next reload.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_app_is_out_of_the_file_at_the_next_reload() {
    let world = world().await;
    assert_eq!(ask(&world, ANDROID, &[("host", "links.shop.test")]).await.status, 200);
    world.reload(|it| it.without("client.shop-ios.app.android")).await;
    assert_eq!(ask(&world, ANDROID, &[("host", "links.shop.test")]).await.status, 404);
    assert_eq!(ask(&world, APPLE, &[("host", "links.shop.test")]).await.status, 200);
    world.reload(|it| it.set("client.shop-ios.disabled", true)).await;
    assert_eq!(ask(&world, APPLE, &[("host", "links.shop.test")]).await.status, 404);
    world.stop().await;
}

/// L-15: what is hosted elsewhere is what this server would answer, byte for byte.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_what_is_served() {
    let world = world().await;
    for (path, name) in [(APPLE, "apple-app-site-association"), (ANDROID, "assetlinks.json")] {
        let served = ask(&world, path, &[("host", "links.shop.test")]).await.text;
        let (code, printed, error) = symbolon(&world.file(), &["links", "print", "--host", "links.shop.test", "--file", name], "").await;
        assert_eq!((code, printed), (Some(0), served), "{error}");
    }
    let (_, text, _) = symbolon(&world.file(), &["links", "print"], "").await;
    for said in [
        "links.shop.test (owner shop; this server answers it)",
        "com.example.shop is signed by play:",
        FINGERPRINT,
        "in base64url",
        "passwords and passkeys alone",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let out = world.directory.join("out");
    let (code, json, error) = symbolon(&world.file(), &["links", "print", "--json", "--out", out.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{error}");
    let hosts: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(hosts["hosts"].as_array().unwrap().iter().filter(|it| it["owner"] == "shop").count(), 1);
    let written = std::fs::read_to_string(out.join("links.bank.test/.well-known/apple-app-site-association")).unwrap();
    assert_eq!(written, ask(&world, APPLE, &[("host", "links.bank.test")]).await.text);
    for (words, says) in [
        (&["links", "print", "--host", "other.test"][..], "carries no association file"),
        (&["links", "print", "--host", "links.bank.test", "--file", "assetlinks.json"], "has no assetlinks.json"),
    ] {
        let (code, _, error) = symbolon(&world.file(), words, "").await;
        assert!(code == Some(1) && error.contains(says), "{words:?}: {error}");
    }
    world.stop().await;
}

/// Writes a self-signed certificate for this name below the directory; answers it in PEM.
pub fn certificate(directory: &Path, file: &str, name: &str) -> String {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(directory.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    std::fs::write(directory.join(format!("{file}.pem")), made.pem()).unwrap();
    made.pem()
}

/// 040-R: where this server speaks TLS, each host has its own certificate, and a connection of one host gets nothing of another.
#[tokio::test(flavor = "multi_thread")]
async fn each_host_has_its_own_certificate() {
    let directory = std::env::temp_dir().join(format!("symbolon-links-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let issuer = certificate(&directory, "issuer", "localhost");
    let shop = certificate(&directory, "shop", "links.shop.test");
    let bank = certificate(&directory, "bank", "links.bank.test");
    let mut configuration = Configuration::on(Engine::Sqlite).await;
    configuration = configuration.with_tls(&directory).with(&apps());
    let port = configuration.port;
    let renamed = configuration.text().replace("links.shop.test", &format!("links.shop.test:{port}"));
    configuration = Configuration::from_text(port, &renamed.replace("links.bank.test", &format!("links.bank.test:{port}")));
    let files = directory.display();
    configuration = configuration.with(&format!(
        "tls = {{ certificate = '{files}/issuer.pem', key = '{files}/issuer.key' }}\n\
         [host.\"links.shop.test:{port}\"]\ncertificate = '{files}/shop.pem'\nkey = '{files}/shop.key'\n\
         [host.\"links.bank.test:{port}\"]\ncertificate = '{files}/bank.pem'\nkey = '{files}/bank.key'\n"
    ));
    let world = configuration.start().await;
    let client = |trusted: &str| {
        let here = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let root = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
        let builder = reqwest::Client::builder().tls_certs_only([root]).redirect(reqwest::redirect::Policy::none());
        builder.resolve("links.shop.test", here).resolve("links.bank.test", here)
    };
    let get = async |client: reqwest::Client, name: &str, host: &str| {
        let request = client.get(format!("https://{name}:{port}{APPLE}")).header(HOST, format!("{host}:{port}"));
        request.send().await.unwrap().status().as_u16()
    };
    for (trusted, name) in [(&issuer, "localhost"), (&shop, "links.shop.test"), (&bank, "links.bank.test")] {
        assert_eq!(get(client(trusted).http1_only().build().unwrap(), name, name).await, 200, "{name}");
        let answer = client(trusted).build().unwrap().get(format!("https://{name}:{port}{APPLE}")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2), "{name}");
    }
    for (trusted, name, host) in
        [(&issuer, "localhost", "links.shop.test"), (&shop, "links.shop.test", "localhost"), (&shop, "links.shop.test", "links.bank.test")]
    {
        assert_eq!(get(client(trusted).http1_only().build().unwrap(), name, host).await, 421, "{name} asked for {host}");
    }
    // The issuer's own addresses do not answer on another host's connection.
    let url = format!("https://links.shop.test:{port}/health");
    let crossed = client(&shop).http1_only().build().unwrap().get(url).header(HOST, format!("localhost:{port}")).send().await.unwrap();
    assert_eq!(crossed.status(), 421);
    world.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

/// An issuer with a path answers the files at the root of its host, where the platforms look.
#[tokio::test(flavor = "multi_thread")]
async fn the_files_stand_at_the_root_of_the_host() {
    let configuration = Configuration::on(Engine::Sqlite).await;
    let issuer = format!("http://127.0.0.1:{}/tenant", configuration.port);
    let world = configuration.set("issuer", issuer).with(&apps()).start().await;
    assert_eq!(world.get(APPLE).await.status(), 200);
    for path in [&format!("/tenant{APPLE}"), &format!("{APPLE}/tenant"), &format!("{APPLE}/")] {
        assert_eq!(world.get(path).await.status(), 404, "{path}");
    }
    assert_eq!(world.get("/tenant/.well-known/openid-configuration").await.status(), 200);
    world.stop().await;
}
