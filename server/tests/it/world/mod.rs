//! A world for one test: a server of its own on a store of its own, a clock the test moves, people, clients, browsers.

mod album;
pub mod app_passkeys;
mod ask;
mod browser;
pub mod cluster;
mod config;
pub mod documents;
mod evidence;
pub mod faces;
pub mod mail;
pub mod native;
pub mod passkeys;
mod phone;
pub mod provider;
pub mod road;
mod shown;

pub use album::Album;
pub use ask::Ask;
pub use browser::{Browser, FORM_ANSWERED, Node, Page, parameters, text_of};
pub use config::{Configuration, configuration, secret_digest};
pub use evidence::{APP, PACKAGE, chain};
pub use phone::{Answer, Mode, Phone, fresh, jwks, jwks_with_kid, named_jwks, new_key};

use serde_json::Value as Json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use symbolon::config::Config;
use symbolon::serve::{Running, start_on, system_clock};
use symbolon::store::{Store, StoreOptions};
use symbolon_oauth::base64url;
pub use symbolon_phone::net::free_port;

/// Which store a world stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub struct World {
    pub issuer: String,
    pub running: Running,
    pub skew_ms: Arc<AtomicI64>,
    /// Other than 0: the instant at which the clock stands still.
    pub frozen_ms: Arc<AtomicI64>,
    pub directory: PathBuf,
    pub text: String,
    pub http: reqwest::Client,
    /// How a browser reaches this server.
    pub node: Node,
}

impl AsRef<Node> for World {
    fn as_ref(&self) -> &Node {
        &self.node
    }
}

pub const PASSWORD: &str = "correct horse battery staple";
pub const SECRET: &str = "a-secret-of-the-shop-web-client-0123456789";
pub const NATIVE_BACK: &str = "https://app.example.com/callback";
pub const WEB_BACK: &str = "https://shop.example.com/callback";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Runs a test on every engine there is. A skipped engine is said out loud.
pub async fn on_every_engine<F, T>(test: F)
where
    F: Fn(World) -> T,
    T: Future<Output = ()>,
{
    for engine in engines() {
        test(World::start(engine).await).await;
    }
}

/// The engines there are, for worlds with a configuration of their own.
pub fn engines() -> Vec<Engine> {
    if postgres().is_some() { vec![Engine::Sqlite, Engine::Postgres] } else { vec![Engine::Sqlite] }
}

/// The address of the PostgreSQL server. Without one the tests judge SQLite alone, and say so.
pub fn postgres() -> Option<String> {
    let base = std::env::var("SYMBOLON_TEST_POSTGRES").ok();
    if base.is_none() {
        println!("PostgreSQL is left out: SYMBOLON_TEST_POSTGRES names no server");
    }
    base
}

pub async fn database(engine: Engine) -> String {
    match engine {
        Engine::Sqlite => "sqlite:test.db".to_owned(),
        Engine::Postgres => {
            let base = postgres().unwrap();
            let (client, connection) = tokio_postgres::connect(&base, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let name = format!("symbolon_it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
            client
                .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING 'UTF8'"))
                .await
                .unwrap();
            let (head, query) = base.split_once('?').map_or((base.as_str(), ""), |it| it);
            let head = head.rsplit_once('/').unwrap().0;
            if query.is_empty() { format!("{head}/{name}") } else { format!("{head}/{name}?{query}") }
        }
    }
}

/// The system's clock, moved, unless it stands still.
fn clock(skew_ms: &Arc<AtomicI64>, frozen_ms: &Arc<AtomicI64>) -> symbolon::app::Clock {
    let (skew, frozen, system) = (Arc::clone(skew_ms), Arc::clone(frozen_ms), system_clock());
    Arc::new(move || match frozen.load(Ordering::Relaxed) {
        0 => system() + skew.load(Ordering::Relaxed),
        still => still + skew.load(Ordering::Relaxed),
    })
}

impl World {
    pub async fn start(engine: Engine) -> Self {
        let port = free_port();
        let database = database(engine).await;
        Self::on(&configuration(port, &database), port, |it| it).await
    }

    /// A world whose store is wrapped, to lose answers.
    pub async fn on(text: &str, port: u16, wrap: impl FnOnce(Store) -> Store) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("symbolon-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let key = directory.join("symbolon.key");
        if !key.exists() {
            symbolon::config::MasterKey::create_file(&key).unwrap();
        }
        let text = format!("{text}\n");
        let text = text.replacen("development = true", &format!("development = true\nmaster_key = {{ file = '{}' }}", key.display()), 1);
        let config = Config::from_text(&text, "test.toml", &|_| None).unwrap_or_else(|it| panic!("{it}"));
        let (skew_ms, frozen_ms) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
        std::fs::write(directory.join("symbolon.toml"), &text).unwrap();
        let store = Store::open(&symbolon::serve::database(&config, &directory), StoreOptions::default()).await.unwrap();
        let running = start_on(config, &directory, clock(&skew_ms, &frozen_ms), wrap(store)).await.unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let issuer = format!("http://127.0.0.1:{port}");
        let node = Node { http: http.clone(), url: issuer.clone(), issuer: issuer.clone() };
        let world = Self { issuer, running, skew_ms, frozen_ms, directory, text, http, node };
        world.person("alice").await;
        world
    }

    /// A second process on the same store, with tables of its own at the end of the configuration.
    pub async fn another(&self, line: &str) -> World {
        self.another_with(line, Arc::clone(&self.skew_ms), self.directory.clone()).await
    }

    /// A second process with a clock of its own, and with the store of that directory.
    pub async fn another_with(&self, line: &str, skew_ms: Arc<AtomicI64>, directory: PathBuf) -> World {
        self.another_by(&format!("{}\n{line}\n", self.text), skew_ms, directory).await
    }

    /// A second process on the same store, whose configuration is this one's with a change.
    pub async fn another_as(&self, change: impl FnOnce(Configuration) -> Configuration) -> World {
        let text = change(Configuration::from_text(0, &self.text)).text();
        self.another_by(&text, Arc::clone(&self.skew_ms), self.directory.clone()).await
    }

    async fn another_by(&self, text: &str, skew_ms: Arc<AtomicI64>, directory: PathBuf) -> World {
        let port = free_port();
        let own = self.text.split("listen = \"127.0.0.1:").nth(1).unwrap().split('"').next().unwrap();
        let listen = |port: &str| format!("listen = \"127.0.0.1:{port}\"");
        let text = text.replacen(&listen(own), &format!("{}\nadmin_socket = \"second.sock\"", listen(&port.to_string())), 1);
        let config = Config::from_text(&text, "second.toml", &|_| None).unwrap_or_else(|it| panic!("{it}"));
        let store = Store::open(&symbolon::serve::database(&config, &directory), StoreOptions::default()).await.unwrap();
        let frozen_ms = Arc::clone(&self.frozen_ms);
        let running = start_on(config, &directory, clock(&skew_ms, &frozen_ms), store).await.unwrap();
        let (url, http) = (format!("http://127.0.0.1:{port}"), self.http.clone());
        let node = Node { http: http.clone(), url: url.clone(), issuer: self.node.issuer.clone() };
        World { issuer: url, running, skew_ms, frozen_ms, directory, text, http, node }
    }

    pub fn advance_s(&self, seconds: i64) {
        self.skew_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// The clock of all processes stands still from now on.
    pub fn freeze(&self) {
        self.frozen_ms.store(system_clock()(), Ordering::Relaxed);
    }

    /// The clock stands still at the next time that an hour is so many seconds old.
    pub fn stand_at(&self, second: i64) {
        self.freeze();
        self.advance_s((second - self.running.shared.now().now_ms() / 1000).rem_euclid(3600));
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// An operator confirms what this person added; answers whether anything waited.
    pub async fn confirm(&self, user: &str) -> bool {
        use symbolon::operations::{Actor, Context, Operation, UserOperation, run};
        let operation = Operation::User(UserOperation::Confirm { user: user.to_owned(), means: None });
        run(&Context::of(&self.running.shared.now()), &Actor::Offline { uid: 0 }, operation).await.is_ok()
    }

    /// A ticket with which this person adds means that count at once.
    pub async fn ticket(&self, user: &str) -> String {
        use symbolon::operations::{Actor, Context, Operation, Outcome, UserOperation, run};
        let operation = Operation::User(UserOperation::Ticket { user: user.to_owned() });
        match run(&Context::of(&self.running.shared.now()), &Actor::Offline { uid: 0 }, operation).await {
            Ok(Outcome::TicketGiven { ticket, .. }) => ticket.reveal().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    pub async fn person(&self, name: &str) -> String {
        let app = self.running.shared.now();
        let new = symbolon::login::accounts::NewAccount {
            login_names: vec![name.to_owned()],
            email: Some(format!("{name}@example.com")),
            email_verified: true,
            name: Some(format!("{name} of Example")),
            locale: None,
            claims: serde_json::json!({ "customer_id": format!("c-{name}") }).as_object().unwrap().clone(),
            password: Some(PASSWORD.to_owned()),
        };
        symbolon::login::accounts::create(&app.store, app.machine.hashers(), new, app.now_ms()).await.unwrap()
    }

    /// The account of whoever has this login name.
    pub async fn sub_of(&self, name: &str) -> String {
        let app = self.running.shared.now();
        let row = app.store.one("SELECT account FROM login_name WHERE name = $1", &[name.into()]).await.unwrap();
        row.unwrap().text("account").unwrap().to_owned()
    }

    /// POST a form; the answer's status and JSON.
    pub async fn post(&self, path: &str, form: &[(&str, &str)], basic: Option<&str>) -> (u16, Json) {
        let mut request = self.http.post(self.url(path)).form(form);
        if let Some(client) = basic {
            request = request.basic_auth(client, Some(SECRET));
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    /// Signs alice in for the native client and answers the code with its verifier.
    pub async fn code(&self, scope: &str) -> (String, String) {
        let mut browser = Browser::default();
        let ask = Ask::native(scope);
        let back = browser.sign_in(self, &ask, "alice").await;
        (back["code"].clone(), ask.verifier)
    }

    pub async fn exchange(&self, code: &str, verifier: &str) -> (u16, Json) {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "shop-ios"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", NATIVE_BACK),
        ];
        self.post("/token", &form, None).await
    }

    /// Tokens for the native client.
    pub async fn tokens(&self, scope: &str) -> Json {
        let (code, verifier) = self.code(scope).await;
        let (status, tokens) = self.exchange(&code, &verifier).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    pub async fn refresh(&self, token: &str) -> (u16, Json) {
        let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token)];
        self.post("/token", &form, None).await
    }

    /// The configuration file, for commands.
    pub fn file(&self) -> PathBuf {
        self.directory.join("symbolon.toml")
    }

    /// Stops the server, does something to what it left, and starts it again.
    pub async fn restarted(mut self, between: impl FnOnce(&World)) -> Self {
        self.running.stop_in_place().await;
        between(&self);
        self.start_again(|it| it).await;
        self
    }

    /// Changes the configuration that the next start reads.
    pub fn change(&mut self, change: impl FnOnce(Configuration) -> Configuration) {
        self.text = change(Configuration::from_text(0, &self.text)).text();
    }

    /// Changes the configuration file and reads it again as SIGHUP does.
    pub async fn reload(&self, change: impl FnOnce(Configuration) -> Configuration) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        std::fs::write(self.file(), change(Configuration::from_text(0, &text)).text()).unwrap();
        symbolon::serve::reload(&self.running.shared, &self.file()).await.unwrap();
    }

    /// A server that was stopped.
    pub async fn start_again(&mut self, wrap: impl FnOnce(Store) -> Store) {
        let config = Config::from_text(&self.text, "test.toml", &|_| None).unwrap();
        let store = Store::open(&symbolon::serve::database(&config, &self.directory), StoreOptions::default()).await.unwrap();
        self.running = start_on(config, &self.directory, clock(&self.skew_ms, &self.frozen_ms), wrap(store)).await.unwrap();
    }

    pub async fn audited(&self, event: &str) -> usize {
        self.entries(event).await.len()
    }

    /// The audit entries of an event, oldest first.
    pub async fn entries(&self, event: &str) -> Vec<Json> {
        let app = self.running.shared.now();
        let mut found = Vec::new();
        for sql in ["SELECT body FROM audit_security ORDER BY id", "SELECT body FROM audit_routine ORDER BY id"] {
            for row in app.store.all(sql, &[]).await.unwrap() {
                let body: Json = serde_json::from_str(row.text("body").unwrap()).unwrap();
                if body["event"] == event {
                    found.push(body);
                }
            }
        }
        found
    }

    /// All sign-ins of the store, opened: what was proved, what is asked, how they ended.
    pub async fn sign_ins(&self) -> String {
        let app = self.running.shared.now();
        let mut texts = String::new();
        for row in app.store.all("SELECT id FROM sign_in", &[]).await.unwrap() {
            let id: [u8; 16] = row.bytes("id").unwrap().try_into().unwrap();
            // Of one that is void nothing is kept.
            if let Some(stored) = symbolon::login::row::read(&app.store, &app.keyring, &id).await.unwrap() {
                texts.push_str(&serde_json::to_string(&stored.state).unwrap());
            }
        }
        texts
    }

    pub async fn stop(self) {
        self.running.stop().await;
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Publishes the next signing key; answers its `kid`.
pub async fn rotate_keys(core: &symbolon::core::Core, alg: symbolon_oauth::jwk::Algorithm, at_once: bool) -> String {
    let schedule = symbolon::core::schedule(&core.config);
    let rotation = symbolon::tokens::keys::prepare_rotation(&core.keyring, alg, schedule, at_once, core.now_ms()).unwrap();
    core.store.apply(rotation.change).await.unwrap();
    rotation.kid
}

/// The code an authenticator app shows now. Spaces between groups of the secret do not count.
pub fn totp(secret: &str, now_ms: i64) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bytes, mut group, mut bits) = (Vec::new(), 0_u32, 0);
    for sign in secret.bytes().filter(|sign| *sign != b' ') {
        group = group << 5 | alphabet.iter().position(|one| *one == sign).unwrap() as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits & 255) as u8);
        }
    }
    let secret: [u8; 20] = bytes.try_into().unwrap();
    let made = totp_rs::Builder::new().with_algorithm(totp_rs::Algorithm::SHA1).with_digits(6).with_step_duration(30).with_secret(secret);
    made.build().unwrap().generate(u64::try_from(now_ms / 1000).unwrap()).to_string()
}

/// The same text with another last character.
pub fn another_end(text: &str) -> String {
    let (head, last) = text.split_at(text.len() - 1);
    format!("{head}{}", if last == "A" { "B" } else { "A" })
}

/// The claims of a JWT, unverified.
pub fn claims(jwt: &str) -> Json {
    serde_json::from_slice(&base64url::decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The refresh token of an answer.
pub fn refresh_token(tokens: &Json) -> &str {
    tokens["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token: {tokens}"))
}
