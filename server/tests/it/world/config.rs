//! Configurations under construction: the one every world starts from, and what a test changes in it.

use super::{Engine, NATIVE_BACK, SECRET, WEB_BACK, World, database, free_port};
use std::path::Path;
use std::sync::OnceLock;
use symbolon::store::Store;
use toml::{Table, Value};

#[derive(Clone)]
pub struct Configuration {
    pub port: u16,
    table: Table,
}

impl Configuration {
    pub fn new(port: u16, database: &str) -> Self {
        Self::from_text(port, &configuration(port, database))
    }

    /// For reading alone: nothing listens and nothing is stored.
    pub fn to_read() -> Self {
        Self::new(1, "sqlite:x.db")
    }

    /// With a port and a store of its own.
    pub async fn on(engine: Engine) -> Self {
        Self::new(free_port(), &database(engine).await)
    }

    pub fn from_text(port: u16, text: &str) -> Self {
        Self { port, table: text.parse().unwrap_or_else(|it| panic!("{it}: {text}")) }
    }

    /// Sets one key, such as `client.shop-ios.login`. Names with a dot stand in quotation marks.
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        let mut names = names(path);
        let last = names.pop().unwrap();
        self.at(path, &names).insert(last, value.into());
        self
    }

    /// Takes a key or a table away. It must be there.
    pub fn without(mut self, path: &str) -> Self {
        let mut names = names(path);
        let last = names.pop().unwrap();
        assert!(self.at(path, &names).remove(&last).is_some(), "there is no {path}");
        self
    }

    /// Lays this text over what is there: tables are joined, other values replaced.
    pub fn with(mut self, text: &str) -> Self {
        lay_over(&mut self.table, text.parse().unwrap_or_else(|it| panic!("{it}: {text}")));
        self
    }

    /// Trusts the proxy 127.0.0.1, so that a test can come from any address.
    pub fn behind_a_proxy(self) -> Self {
        self.with("trusted_proxies = [\"127.0.0.1\"]")
    }

    /// Serves TLS at the name localhost, with the certificate in this directory.
    pub fn with_tls(self, directory: &Path) -> Self {
        let (issuer, files) = (format!("https://localhost:{}", self.port), directory.display());
        self.set("issuer", issuer).with(&format!("tls = {{ certificate = '{files}/cert.pem', key = '{files}/key.pem' }}"))
    }

    fn at(&mut self, path: &str, names: &[String]) -> &mut Table {
        let tables = names.iter().try_fold(&mut self.table, |table, name| {
            table.entry(name.as_str()).or_insert_with(|| Value::Table(Table::new())).as_table_mut()
        });
        tables.unwrap_or_else(|| panic!("{path} leads through something that is no table"))
    }

    pub fn text(&self) -> String {
        self.table.to_string()
    }

    /// Whether the server accepts it; else what it says.
    pub fn read(&self) -> Result<(), String> {
        symbolon::config::Config::from_text(&self.text(), "test.toml", &|_| None).map(|_| ()).map_err(|it| it.to_string())
    }

    pub async fn start(&self) -> World {
        self.start_on(|store| store).await
    }

    /// On a store that is wrapped, to lose answers.
    pub async fn start_on(&self, wrap: impl FnOnce(Store) -> Store) -> World {
        World::on(&self.text(), self.port, wrap).await
    }
}

fn names(path: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut quoted = false;
    for sign in path.chars() {
        match sign {
            '"' => quoted = !quoted,
            '.' if !quoted => names.push(String::new()),
            other => names.last_mut().unwrap().push(other),
        }
    }
    names
}

fn lay_over(table: &mut Table, other: Table) {
    for (name, value) in other {
        match (table.get_mut(&name), value) {
            (Some(Value::Table(known)), Value::Table(value)) => lay_over(known, value),
            (_, value) => drop(table.insert(name, value)),
        }
    }
}

/// The text every configuration starts from.
pub fn configuration(port: u16, database: &str) -> String {
    let digest = secret_digest();
    format!(
        r#"
issuer = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
database = "{database}"
development = true

[api.orders]
audience = "https://api.example.com/orders"
lifetime = "15m"
introspection_secret = '{digest}'
[api.orders.scope."orders:read"]
text = "See your orders"
claims = ["customer_id"]
[api.orders.scope."orders:write"]
text = "Change your orders"

[api.ledger]
audience = "https://api.example.com/ledger"
token = "opaque"
introspection_secret = '{digest}'
[api.ledger.scope."ledger:read"]
text = "See your balance"

[client.shop-ios]
kind = "native"
name = "Shop"
first_party = true
apis = {{ orders = ["orders:read", "orders:write"], ledger = ["ledger:read"] }}
redirect_uris = ["{NATIVE_BACK}", "com.example.shop:/callback", "http://127.0.0.1/callback"]
post_logout_redirect_uris = ["{NATIVE_BACK}"]

[client.other-ios]
kind = "native"
first_party = true
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["https://other.example.com/callback"]

[client.shop-web]
kind = "web"
first_party = true
authentication = "client_secret_basic"
secret = '{digest}'
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{WEB_BACK}"]

[client.third-party]
kind = "web"
name = "Budget planner"
authentication = "client_secret_post"
secret = '{digest}'
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["https://third.example.com/callback"]

[client.robot]
kind = "service"
authentication = "client_secret_basic"
secret = '{digest}'
apis = {{ orders = ["orders:read"] }}
"#
    )
}

/// argon2id of `SECRET`, made once.
pub fn secret_digest() -> String {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| symbolon::login::accounts::hash_password_blocking(SECRET).unwrap()).clone()
}
