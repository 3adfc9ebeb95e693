//! The commands, as an operator types them: the real binary, through the admin socket of a running server and without one.

use crate::world::*;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(config: &Path, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_symbolon"))
        .arg("-c")
        .arg(config)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

async fn symbolon(config: &Path, words: &[&str], input: &str) -> (Option<i32>, String, String) {
    let (config, input) = (config.to_owned(), input.to_owned());
    let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
    let output =
        tokio::task::spawn_blocking(move || run(&config, &words.iter().map(String::as_str).collect::<Vec<_>>(), &input)).await.unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_carries_out_commands() {
    on_every_engine(|world| async move {
        let file = world.file();
        let (code, said, _) =
            symbolon(&file, &["user", "add", "bob", "--email", "bob@example.com", "--claim", "customer_id=c-9"], "a long password\n").await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("bob can sign in"));
        let (code, _, error) = symbolon(&file, &["user", "add", "bob"], "a long password\n").await;
        assert!(code == Some(1) && error.contains("has that login name"), "{error}");
        let tokens = world.tokens("openid orders:read").await;
        let (_, said, _) = symbolon(&file, &["user", "show", "alice"], "").await;
        assert!(said.contains("session ") && said.contains("app       shop-ios") && said.contains("alice@example.com (proved)"), "{said}");
        let (_, said, _) = symbolon(&file, &["user", "end-sessions", "alice"], "").await;
        assert!(said.contains("1 session of alice ended"), "{said}");
        assert_eq!(world.refresh(tokens["refresh_token"].as_str().unwrap()).await.0, 400);
        let (_, said, _) = symbolon(&file, &["user", "password", "alice"], "quite another password\n").await;
        assert!(said.contains("new password"), "{said}");
        let mut browser = Browser::default();
        let page = browser.get(&world, &world.url("/account")).await;
        let page = browser.submit(&world, &page, &[("username", "alice"), ("password", "quite another password")], "continue").await;
        assert_eq!(page.status, 303);
        let (_, said, _) =
            symbolon(&file, &["token", "preview", "--client", "shop-ios", "--scope", "orders:read", "--user", "bob"], "").await;
        assert!(said.contains("c-9"), "{said}");
        let (_, said, _) = symbolon(&file, &["audit", "--event", "password_changed", "--since", "1h"], "").await;
        assert!(said.contains("command line") && said.lines().count() == 1, "{said}");
        let (code, _, error) = symbolon(&file, &["recover"], "").await;
        assert!(code == Some(1) && error.contains("stop it first"), "{error}");
        let (code, _, error) = symbolon(&file, &["user", "show", "nobody"], "").await;
        assert!(code == Some(1) && error.contains("nobody signs in as nobody"), "{error}");
        let (code, _, error) = symbolon(&file, &["serve"], "").await;
        assert!(code == Some(1) && (error.contains("another server is running") || error.contains("cannot listen")), "{error}");
        world.stop().await;
    })
    .await;
}

/// Imported clients work at once, and each refusal says why; the file's own clients win.
#[tokio::test(flavor = "multi_thread")]
async fn clients_are_imported() {
    on_every_engine(|world| async move {
        let list = world.directory.join("clients.json");
        let text = serde_json::json!([
            { "client_id": "imported", "application_type": "native", "redirect_uris": ["https://imported.example.com/cb"], "scope": "openid orders:read" },
            { "client_id": "shop-ios", "application_type": "native", "redirect_uris": ["https://x.example.com/cb"] },
            { "client_name": "Bad", "redirect_uris": ["javascript:alert(1)"] },
            { "redirect_uris": ["https://web.example.com/cb"] },
            { "client_id": "phones", "application_type": "native", "redirect_uris": ["https://phones.example.com/cb"],
              "token_endpoint_auth_method": "attest_jwt_client_auth_dpop" },
            { "client_id": "tablets", "application_type": "native", "redirect_uris": ["https://tablets.example.com/cb"],
              "attestation": { "android": { "packages": ["com.example.shop"] } } },
        ]);
        std::fs::write(&list, text.to_string()).unwrap();
        let ask = Ask::new("imported", "https://imported.example.com/cb", "openid orders:read");
        let form: Vec<(&str, &str)> = ask.parameters.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(world.post("/par", &form, None).await.0, 401);
        let (code, said, _) = symbolon(&world.file(), &["client", "import", list.to_str().unwrap()], "").await;
        assert_eq!(code, Some(1));
        assert!(said.contains("imported: accepted") && said.contains("shop-ios: refused") && said.contains("Bad: refused"), "{said}");
        assert!(said.contains("client_secret, shown this once") && said.contains("2 accepted, 4 refused"), "{said}");
        assert!(said.contains("phones: refused") && said.contains("tablets: refused"), "nothing beside them would be loaded: {said}");
        assert_eq!(said.matches("are written in the configuration file").count(), 2, "{said}");
        assert_eq!(world.post("/par", &form, None).await.0, 201);
        let (code, said, _) = symbolon(&world.file(), &["client", "import", list.to_str().unwrap()], "").await;
        assert!(code == Some(1) && said.contains("--replace"), "{said}");
        let (_, said, _) = symbolon(&world.file(), &["client", "list"], "").await;
        assert!(said.contains("imported") && said.contains("shop-ios"), "{said}");
        let (code, said, _) = symbolon(&world.file(), &["client", "disable", "imported"], "").await;
        assert_eq!((code, said.contains("imported is disabled")), (Some(0), true));
        assert_eq!(world.post("/par", &form, None).await.0, 401);
        let (_, said, _) = symbolon(&world.file(), &["client", "enable", "imported"], "").await;
        assert!(said.contains("imported is active"));
        assert_eq!(world.post("/par", &form, None).await.0, 201);
        world.stop().await;
    })
    .await;
}

/// Nobody but its owner may open the socket; it goes with the server.
#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_its_owners_and_goes_with_the_server() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start(Engine::Sqlite).await;
    let socket = world.directory.join("symbolon.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let world = world.restarted(|it| assert!(!it.directory.join("symbolon.sock").exists())).await;
    assert!(socket.exists());
    world.stop().await;
}

/// Follows the audit while somebody signs in.
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_followed() {
    use std::io::{BufRead, BufReader};
    let world = World::start(Engine::Sqlite).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_symbolon"))
        .arg("-c")
        .arg(world.file())
        .args(["audit", "--follow", "--event", "code_issued", "--limit", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    world.code("openid").await;
    let line = tokio::task::spawn_blocking(move || lines.next()).await.unwrap().unwrap().unwrap();
    assert!(line.contains("\"event\":\"code_issued\"") && line.contains("shop-ios"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
    world.stop().await;
}

/// What happened is counted; the page of numbers is on its own port and says nothing about people.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_on_their_own_port() {
    let (port, metrics) = (free_port(), free_port());
    let text = configuration(port, "sqlite:test.db").replacen(
        "development = true",
        &format!("development = true\nmetrics = \"127.0.0.1:{metrics}\""),
        1,
    );
    let world = World::with(&text, port).await;
    world.tokens("openid orders:read").await;
    world.post("/token", &[("grant_type", "nonsense")], None).await;
    let page = world.http.get(format!("http://127.0.0.1:{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
    for wanted in [
        "symbolon_requests_total{route=\"/token\",method=\"POST\",status=\"200\"}",
        "symbolon_events_total{event=\"code_exchanged\",outcome=\"ok\"}",
        "symbolon_request_seconds_bucket{route=\"/token\",le=\"0.01\"}",
        "symbolon_store_apply_seconds_count",
        "symbolon_refusals_total{route=\"/token\"",
    ] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    assert!(!page.contains("alice"));
    assert_eq!(world.get("/metrics").await.status(), 404);
    world.stop().await;
}
