//! The counts of foreign tokens, as a team reads them: the guard's metrics and `symbolon guard check`, beside the guard that counts.

use crate::commands::symbolon;
use crate::world::{Engine, World, new_key};
use serde_json::{Value as Json, json};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use symbolon_oauth::jws;

const SOCIAL: &str = "https://accounts.social.example";

/// `symbolon guard serve`, a process of its own.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A team sees which versions of which apps still send a provider's token, in a page for people, as JSON and as metrics. A guard that
/// is away has no counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_team_sees_who_still_sends_a_foreign_token() {
    let world = World::start(Engine::Sqlite).await;
    let (port, metrics) = (symbolon_phone::net::free_port(), symbolon_phone::net::free_port());
    let file = world.directory.join("guard.toml");
    let text = format!(
        "issuer = \"{}\"\nlisten = \"127.0.0.1:{port}\"\nmetrics = \"127.0.0.1:{metrics}\"\n\
         [api.orders]\naudience = \"https://api.example.com/orders\"\npublic_url = \"https://api.example.com\"\nclient_certificates = false\n\
         [[api.orders.routes]]\npath = \"/legacy/**\"\nscope = \"orders:read\"\n\
         observe = {{ issuers = [\"{SOCIAL}\"], until = \"2099-12-31\", version_header = \"X-App-Version\" }}\n",
        world.issuer
    );
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let check = async |more: &[&str]| {
        let (code, said, error) = symbolon(&world.file(), &[&["guard", "check", path], more].concat(), "").await;
        assert_eq!(code, Some(0), "{said}{error}");
        said
    };
    let observed = async || serde_json::from_str::<Json>(&check(&["--json"]).await).unwrap()["observed"].clone();
    assert_eq!(observed().await, Json::Null, "no guard answers");
    let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
    command.args(["guard", "serve", path]).env("RUST_LOG", "error").stdin(Stdio::null()).stderr(Stdio::null());
    let serving = Serving(command.spawn().unwrap());
    let http = reqwest::Client::new();
    for _ in 0..200 {
        if http.get(format!("http://127.0.0.1:{metrics}/metrics")).send().await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(observed().await, json!([]));
    let call = async |issuer: &str, version: &str| {
        let token = jws::sign(&new_key(), "JWT", &json!({ "iss": issuer, "azp": "shop-ios", "exp": 1 })).unwrap();
        let request = http.get(format!("http://127.0.0.1:{port}/forward-auth/orders"));
        let request = request.header("x-forwarded-method", "GET").header("x-forwarded-uri", "/legacy/1");
        request.header("x-app-version", version).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    for (version, times) in [("4.2", 2), ("4.1", 1)] {
        for _ in 0..times {
            assert_eq!(call(SOCIAL, version).await, 200);
        }
    }
    assert_eq!(call("https://other.example", "4.2").await, 401, "an issuer that is not listed");
    let one = |version: &str, calls: u32| json!({ "api": "orders", "route": "/legacy/**", "issuer": SOCIAL, "client": "shop-ios", "version": version, "calls": calls });
    assert_eq!(observed().await, json!([one("4.2", 2), one("4.1", 1)]));
    let page = check(&[]).await;
    assert!(page.contains(&format!("2 calls at /legacy/** of orders: tokens of {SOCIAL}; client \"shop-ios\", version \"4.2\"")), "{page}");
    let text = http.get(format!("http://127.0.0.1:{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
    let counted: Vec<&str> = text.lines().filter(|line| line.starts_with("symbolon_guard_foreign_tokens_total{")).collect();
    let of = |version: &str| counted.iter().find(|line| line.contains(&format!("version=\"{version}\""))).copied().unwrap_or_default();
    assert_eq!(counted.len(), 2, "{text}");
    assert!(of("4.2").ends_with(" 2") && of("4.1").ends_with(" 1") && of("4.1").contains(SOCIAL), "{counted:?}");
    drop(serving);
    assert_eq!(observed().await, Json::Null);
    world.stop().await;
}
