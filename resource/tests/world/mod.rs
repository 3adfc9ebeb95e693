//! An issuer on loopback, its key, and a guard that trusts it.
#![allow(dead_code, reason = "each file of tests uses its part")]

use axum::Router;
use axum::routing::{get, post};
use http::HeaderMap;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws;
use symbolon_resource::{Call, Guard, Needs, Refusal};

pub const AUDIENCE: &str = "https://api.example.com/orders";

pub struct World {
    pub guard: Guard,
    pub key: PrivateKey,
    pub issuer: String,
    pub now_s: Arc<AtomicI64>,
    pub fetched: Arc<AtomicUsize>,
    /// The answer of introspection.
    pub opaque: Arc<Mutex<Value>>,
    pub metadata: Arc<Mutex<Value>>,
    /// How long /jwks takes to answer. Below zero it answers 503.
    pub slow_ms: Arc<AtomicI64>,
}

pub async fn world() -> World {
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let mut jwk = key.public().to_jwk();
    jwk["kid"] = key.kid().into();
    let keys = json!({ "keys": [jwk] }).to_string();
    let metadata = Arc::new(Mutex::new(
        json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"), "introspection_endpoint": format!("{issuer}/introspect") }),
    ));
    let (told, slow_ms) = (Arc::clone(&metadata), Arc::new(AtomicI64::new(0)));
    let fetched = Arc::new(AtomicUsize::new(0));
    let (counting, slow) = (Arc::clone(&fetched), Arc::clone(&slow_ms));
    let opaque = Arc::new(Mutex::new(json!({ "active": false })));
    let introspected = Arc::clone(&opaque);
    let introspect = post(|| async move { introspected.lock().unwrap().to_string() });
    let jwks = get(|| async move {
        counting.fetch_add(1, Ordering::Relaxed);
        match u64::try_from(slow.load(Ordering::Relaxed)) {
            Ok(ms) => tokio::time::sleep(std::time::Duration::from_millis(ms)).await,
            Err(_) => return (http::StatusCode::SERVICE_UNAVAILABLE, String::new()),
        }
        (http::StatusCode::OK, keys)
    });
    let told = get(|| async move { told.lock().unwrap().to_string() });
    let router = Router::new().route("/introspect", introspect).route("/.well-known/oauth-authorization-server", told).route("/jwks", jwks);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let now_s = Arc::new(AtomicI64::new(1_000));
    let clock = Arc::clone(&now_s);
    let guard = Guard::with_clock(&issuer, AUDIENCE, Arc::new(move || clock.load(Ordering::Relaxed)));
    World { guard, key, issuer, now_s, fetched, opaque, metadata, slow_ms }
}

impl World {
    pub fn claims(&self) -> Value {
        json!({
            "iss": self.issuer, "sub": "u", "aud": AUDIENCE, "client_id": "c", "exp": 1_100, "iat": 1_000, "jti": "j", "scope": "orders:read",
        })
    }

    pub fn token(&self, claims: &Value) -> String {
        jws::sign(&self.key, "at+jwt", claims).unwrap()
    }

    pub async fn check(&self, authorization: &[&str], query: Option<&str>, scope: Option<&str>) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append("authorization", value.parse().unwrap());
        }
        let call = Call { method: "GET", path: "/orders", query, headers: &headers, peer: None };
        self.guard.check(&call, &scope.map(Needs::scope).unwrap_or_default()).await.map(|it| it.token.sub.into_owned())
    }

    pub async fn bearer(&self, token: &str) -> Result<String, Refusal> {
        self.check(&[&format!("Bearer {token}")], None, None).await
    }
}

pub fn says(outcome: Result<String, Refusal>, words: &str) {
    match outcome {
        Err(Refusal::Token(text)) => assert!(text.contains(words), "{text}"),
        other => panic!("{other:?}"),
    }
}
