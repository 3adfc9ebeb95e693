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

pub async fn symbolon(config: &Path, words: &[&str], input: &str) -> (Option<i32>, String, String) {
    let (config, input) = (config.to_owned(), input.to_owned());
    let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
    let output =
        tokio::task::spawn_blocking(move || run(&config, &words.iter().map(String::as_str).collect::<Vec<_>>(), &input)).await.unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Did it succeed, and all that it said.
pub async fn told(world: &World, words: &[&str]) -> (bool, String) {
    let (code, said, complained) = symbolon(&world.file(), words, "").await;
    (code == Some(0), said + &complained)
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

/// A secret whose digest is a MAC under the master key is as good as one under argon2id, at both places where secrets are checked.
#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_secret_is_made_and_works() {
    let mut world = World::start(Engine::Sqlite).await;
    let (code, said, error) = symbolon(&world.file(), &["client", "secret", "--hmac"], "").await;
    assert_eq!(code, Some(0), "{error}");
    let secret = said.lines().nth(1).unwrap().trim().to_owned();
    let digest = said.split('\'').nth(1).unwrap();
    assert!(digest.starts_with("hmac-sha256:1:") && !digest.contains(&secret), "{said}");
    let old = world.text.split("[client.robot]").nth(1).unwrap().split('\'').nth(1).unwrap().to_owned();
    world.text = world.text.replace(&old, digest);
    let world = world.restarted(|_| ()).await;
    let status = async |path: &str, who: &str, secret: &str, form: &[(&str, &str)]| {
        world.http.post(world.url(path)).basic_auth(who, Some(secret)).form(form).send().await.unwrap().status().as_u16()
    };
    let ask = [("grant_type", "client_credentials"), ("scope", "orders:read")];
    assert_eq!(status("/token", "robot", &secret, &ask).await, 200);
    assert_eq!(status("/introspect", "orders", &secret, &[("token", "x")]).await, 200);
    for wrong in [SECRET, &secret[1..], digest] {
        assert_eq!(status("/token", "robot", wrong, &ask).await, 401, "{wrong}");
        assert_eq!(status("/introspect", "orders", wrong, &[("token", "x")]).await, 401, "{wrong}");
    }
    world.stop().await;
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

/// A review sees what only the store knows, and the file as it is now, which the server may not have read yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_review_sees_registered_clients_and_the_database() {
    for engine in engines() {
        let world = World::start(engine).await;
        let list = world.directory.join("clients.json");
        let client =
            serde_json::json!({ "client_id": "imported", "application_type": "native", "redirect_uris": ["com.example.shop:/other"] });
        std::fs::write(&list, client.to_string()).unwrap();
        assert_eq!(symbolon(&world.file(), &["client", "import", list.to_str().unwrap()], "").await.0, Some(0));
        let (code, said, error) = symbolon(&world.file(), &["check"], "").await;
        assert_eq!(code, Some(0), "{error}");
        assert!(said.contains("Client imported (registered)"), "{said}");
        assert!(
            said.contains("com.example.shop:/other is shop-ios's too") && said.contains("com.example.shop:/callback is imported's too"),
            "{said}"
        );
        assert!(!said.contains("another configuration") && !said.contains("configured otherwise"), "{said}");
        assert_eq!(said.contains("no synchronous standby"), engine == Engine::Postgres, "{said}");
        assert_eq!(symbolon(&world.file(), &["check", "--strict"], "").await.0, Some(2));
        let kept = std::fs::read_to_string(world.file()).unwrap();
        std::fs::write(world.file(), kept.replacen("lifetime = \"15m\"", "lifetime = \"2h\"", 1)).unwrap();
        let (_, said, _) = symbolon(&world.file(), &["check"], "").await;
        assert!(said.contains("tokens live 2h") && said.contains("another configuration than this file"), "{said}");
        std::fs::write(world.file(), kept).unwrap();
        let mut world = world;
        world.running.stop_in_place().await;
        let (_, said, _) = symbolon(&world.file(), &["check"], "").await;
        assert!(!said.contains("imported") && said.contains("--store"), "{said}");
        let (_, said, _) = symbolon(&world.file(), &["check", "--store"], "").await;
        assert!(said.contains("Client imported (registered)") && !said.contains("No server answers"), "{said}");
        let _ = std::fs::remove_dir_all(&world.directory);
    }
}

/// An imported client may want an algorithm of its own, and gets a key of it at once; one that needs a file is refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_client_gets_its_algorithm() {
    on_every_engine(|world| async move {
        let list = world.directory.join("clients.json");
        let back = "https://rsa.example.com/cb";
        let client = |id: &str, method: &str| {
            serde_json::json!({ "client_id": id, "application_type": "native", "redirect_uris": [back], "scope": "openid",
                "token_endpoint_auth_method": method, "id_token_signed_response_alg": "RS256" })
        };
        std::fs::write(&list, serde_json::json!([client("rsa", "none"), client("managed", "tls_client_auth")]).to_string()).unwrap();
        let offered = async || {
            let metadata = world.get("/.well-known/openid-configuration").await.json::<serde_json::Value>().await.unwrap();
            metadata["id_token_signing_alg_values_supported"].to_string()
        };
        assert!(!offered().await.contains("RS256"));
        let (code, said, _) = symbolon(&world.file(), &["client", "import", list.to_str().unwrap()], "").await;
        assert!(code == Some(1) && said.contains("rsa: accepted") && said.contains("managed: refused"), "{said}");
        assert!(said.contains("tls_client_auth: its CA is a file"), "{said}");
        assert!(offered().await.contains("RS256"));
        let ask = Ask::new("rsa", back, "openid");
        let code = Browser::default().sign_in(&world, &ask, "alice").await["code"].clone();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "rsa"),
            ("code", &code),
            ("code_verifier", &ask.verifier),
            ("redirect_uri", back),
        ];
        let (status, tokens) = world.post("/token", &form, None).await;
        assert_eq!(status, 200, "{tokens}");
        let unverified = symbolon_oauth::jws::Unverified::parse(tokens["id_token"].as_str().unwrap()).unwrap();
        assert_eq!(unverified.alg(), Some(symbolon_oauth::jwk::Algorithm::RS256));
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

/// The container's health check, against a server that runs and where none is.
#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_of_the_container_asks_the_server() {
    let world = World::start(Engine::Sqlite).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/health.sh");
    let check = |listen: String| {
        let run = move || Command::new("bash").arg(script).env("SYMBOLON_LISTEN", listen).stderr(Stdio::null()).status().unwrap().success();
        tokio::task::spawn_blocking(run)
    };
    let listen = world.issuer.trim_start_matches("http://").to_owned();
    assert!(check(listen.clone()).await.unwrap());
    world.stop().await;
    assert!(!check(listen).await.unwrap(), "nobody answers");
}

/// What happened is counted; the page of numbers is on its own port and says nothing about people.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_on_their_own_port() {
    let metrics = free_port();
    let world = Configuration::on(Engine::Sqlite).await.set("metrics", format!("127.0.0.1:{metrics}")).start().await;
    world.tokens("openid orders:read").await;
    world.post("/token", &[("grant_type", "nonsense")], None).await;
    let refused = Browser::default().open(&world, &Ask::native("openid ledger:write")).await;
    assert_eq!((refused.status, refused.error().as_deref()), (303, Some("invalid_scope")), "{}", refused.html);
    let page = world.http.get(format!("http://127.0.0.1:{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
    for wanted in [
        "symbolon_requests_total{route=\"/token\",method=\"POST\",status=\"200\"}",
        "symbolon_events_total{event=\"code_exchanged\",outcome=\"ok\"}",
        "symbolon_request_seconds_bucket{route=\"/token\",le=\"0.01\"}",
        "symbolon_store_apply_seconds_count",
        "symbolon_refusals_total{route=\"/token\"",
        "symbolon_refusals_total{route=\"/authorize\",error=\"invalid_scope\"}",
        // There before its first event, so that the alert sees the first one.
        "symbolon_events_total{event=\"store_behind\",outcome=\"ok\"} ",
    ] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    assert!(!page.contains("alice"));
    assert_eq!(world.get("/metrics").await.status(), 404);
    world.stop().await;
}
