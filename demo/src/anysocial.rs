//! Anysocial: somebody else's OpenID provider. It is a process of its own, with its own issuer, people and pages. What it shares with
//! the shop's server is the protocol alone.

use crate::Failure;
use crate::world::write_private;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use symbolon::config::{Config, MasterKey};
use symbolon::login::accounts::{self, NewAccount};
use symbolon::serve;
use symbolon_client::native::{Operation, Operations};
use symbolon_client::platform::BoxFuture;
use symbolon_oauth::pkce;
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::net::{Net, free_port};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

/// A person there, who has no account at the shop.
pub const PERSON: &str = "ann";
pub const PASSWORD: &str = "ann likes to be social";
/// What the two servers agreed on when the shop registered there.
pub const SECRET: &str = "the-shop-asks-who-somebody-is";
const SDK_BACK: &str = "https://app.example.com/anysocial";
/// For [`serve`]: where the process of the provider is told what it is.
pub const ARGUMENT: &str = "as-anysocial";

/// The process, from the outside.
pub struct Anysocial {
    pub issuer: String,
    child: Child,
}

impl Anysocial {
    /// A name of its own for this machine: browsers keep cookies by host, whatever the port.
    pub fn free_issuer() -> String {
        format!("http://localhost:{}", free_port())
    }

    /// Starts this program once more, as Anysocial. It ends when its standard input is closed, so it does not outlive this process.
    pub async fn start(issuer: &str, shop: &str, directory: &Path) -> Result<Self, Failure> {
        let home = directory.join("anysocial");
        std::fs::create_dir_all(&home)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([&format!("--{ARGUMENT}"), issuer, shop]).arg(home).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("Anysocial has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        if line.trim() != "ready" {
            return Err("Anysocial did not start".into());
        }
        Ok(Self { issuer: issuer.to_owned(), child })
    }

    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait().await;
    }
}

/// What Anysocial's SDK does in an app: it signs the person in with the system browser and has tokens for that app. RFC 6749 4.1, RFC 7636.
pub async fn sdk_tokens(issuer: &str, nonce: &str) -> Result<Value, Trouble> {
    let (http, verifier) = (Net::new()?.http, pkce::verifier(*b"an SDK draws 32 bytes for itself"));
    let parameters = [
        ("response_type", "code"),
        ("client_id", "example-shop-sdk"),
        ("redirect_uri", SDK_BACK),
        ("scope", "openid profile graph:read"),
        ("code_challenge", &pkce::challenge(&verifier)),
        ("code_challenge_method", "S256"),
        ("nonce", nonce),
    ];
    let url = Url::parse_with_params(&format!("{issuer}/authorize"), parameters).map_err(|it| Trouble(it.to_string()))?;
    let back = Browser::default().visit(&http, url.as_str(), SDK_BACK, &Person::with_password(PERSON, PASSWORD)).await?;
    let back = Url::parse(&back).map_err(|it| Trouble(it.to_string()))?;
    let code = back.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned()).unwrap_or_default();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "example-shop-sdk"),
        ("redirect_uri", SDK_BACK),
        ("code", &code),
        ("code_verifier", &verifier),
    ];
    Ok(http.post(format!("{issuer}/token")).form(&form).send().await?.json().await?)
}

/// Anysocial's SDK in the shop's app, as the app's answer to a native step.
pub struct Sdk {
    pub issuer: String,
    /// A developer took the wrong one of the two tokens, once.
    pub gives_access_token: AtomicBool,
}

impl Operations for Sdk {
    fn knows(&self, name: &str) -> bool {
        name == "id_token_get"
    }

    fn perform<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let nonce = operation.options["nonce"].as_str().unwrap_or_default();
            let tokens = sdk_tokens(&self.issuer, nonce).await.map_err(|_| "not_possible_here".to_owned())?;
            let given = if self.gives_access_token.swap(false, Ordering::Relaxed) { "access_token" } else { "id_token" };
            Ok(json!({ "id_token": tokens[given] }).to_string())
        })
    }
}

/// The process, from the inside: serves until its standard input is closed.
pub async fn serve(issuer: &str, shop: &str, home: PathBuf) -> Result<(), Failure> {
    let key = home.join("anysocial.key");
    MasterKey::create_file(&key).map_err(|it| it.0)?;
    let listen = issuer.replace("http://localhost", "127.0.0.1");
    let text = include_str!("anysocial.toml")
        .replace("{issuer}", issuer)
        .replace("{listen}", &listen)
        .replace("{key}", &key.display().to_string())
        .replace("{shop}", shop)
        .replace("{digest}", &accounts::hash_password_blocking(SECRET).map_err(|it| it.0)?);
    let running = serve::start(Config::from_text(&text, "anysocial.toml", &|_| None)?, &home).await.map_err(|it| it.0)?;
    let person = NewAccount {
        login_names: vec![PERSON.to_owned()],
        email: Some("ann@anysocial.example".to_owned()),
        email_verified: true,
        name: Some("Ann Example".to_owned()),
        locale: None,
        claims: serde_json::Map::new(),
        password: Some(PASSWORD.to_owned()),
    };
    let app = running.shared.now();
    accounts::create(&app.store, app.machine.hashers(), person, app.now_ms()).await.map_err(|it| format!("no account: {it:?}"))?;
    println!("ready");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    running.stop().await;
    Ok(())
}

/// The secret as the shop's server reads it: from a file for its owner alone.
pub fn write_secret(directory: &Path) -> std::io::Result<PathBuf> {
    let path = directory.join("anysocial.secret");
    write_private(&path, SECRET)?;
    Ok(path)
}
