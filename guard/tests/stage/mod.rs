//! A guard on loopback in front of an API, with an issuer of its own.
#![allow(dead_code, reason = "each file of tests uses its part")]

use crate::world::{World, world};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use symbolon_guard::{Config, Running};
use symbolon_oauth::dpop;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};

pub const URL: &str = "https://api.example.com";

/// The keys of the API, and its routes.
pub const API: &str = r#"
public_url = "https://api.example.com"
client_certificates = false
preflight = true
claims = ["department"]
"#;

pub const ROUTES: &str = r#"
[[api.orders.routes]]
path = "/orders/health"
public = true
[[api.orders.routes]]
path = "/orders/feed"
any_scope = true
websocket = true
[[api.orders.routes]]
path = "/orders/refunds"
scope = "orders:read"
acr_values = ["urn:example:phishing-resistant", "urn:example:two-factors"]
max_age_s = 60
[[api.orders.routes]]
path = "/orders/payments/**"
scope = "orders:read"
require_dpop = true
require_nonce = true
[[api.orders.routes]]
path = "/orders/**"
methods = ["GET", "HEAD", "OPTIONS"]
scope = "orders:read"
[[api.orders.routes]]
path = "/orders/**"
methods = ["POST"]
scope = "orders:write"
[[api.orders.routes]]
path = "/legacy/**"
scope = "orders:read"
observe = { issuers = ["https://accounts.social.example"], until = "1970-01-01", version_header = "X-App-Version" }
"#;

pub struct Stage {
    pub world: World,
    pub guard: Running,
    pub http: reqwest::Client,
}

pub async fn stage() -> Stage {
    stage_with("", API).await
}

pub async fn stage_with(head: &str, api: &str) -> Stage {
    let world = world().await;
    let text = format!(
        "issuer = \"{}\"\nlisten = \"127.0.0.1:0\"\ngrpc = \"127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"\n{head}\n\
         [api.orders]\naudience = \"{}\"\n{api}\n{ROUTES}",
        world.issuer,
        crate::world::AUDIENCE
    );
    let config = Config::parse(&text, Path::new(".")).unwrap();
    let clock = Arc::clone(&world.now_s);
    let clock: symbolon_resource::Clock = Arc::new(move || clock.load(Ordering::Relaxed));
    let guard = symbolon_guard::start(&config, Arc::new(|| "metrics".to_owned()), Some(clock)).await.unwrap();
    Stage { world, guard, http: reqwest::Client::new() }
}

/// A key of an app, and a token that is bound to it.
pub struct BoundToken {
    pub key: PrivateKey,
    pub token: String,
}

impl Stage {
    pub fn token(&self, scope: &str) -> String {
        let mut claims = self.world.claims();
        claims["scope"] = scope.into();
        claims["department"] = "R&D".into();
        self.world.token(&claims)
    }

    pub fn phone(&self) -> BoundToken {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let mut claims = self.world.claims();
        claims["cnf"] = json!({ "jkt": key.kid() });
        claims["scope"] = "orders:read orders:write".into();
        BoundToken { token: self.world.token(&claims), key }
    }
}

impl BoundToken {
    pub fn proof(&self, method: &str, path: &str, jti: &str, nonce: Option<&str>) -> String {
        let url = format!("{URL}{path}");
        dpop::make(&self.key, &dpop::Statement { method, url: &url, nonce, access_token: Some(&self.token), jti, iat: 1_000 }).unwrap()
    }
}
