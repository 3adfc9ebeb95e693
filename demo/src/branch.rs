//! The operator's own services, which plug-ins ask: whether a number of a branch is a customer's, what a member has bought, and how far
//! somebody has travelled.

use crate::Failure;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;

/// What the plug-in is, in built form; its source is beside it.
pub const PLUGIN: &[u8] = include_bytes!("../../plugin/examples/branch-visit/branch-visit.wasm");

/// Where `plugin/examples/build` has put the others.
const EXAMPLES: &str = "SYMBOLON_PLUGIN_EXAMPLES";
pub const BUILD: &str = "`plugin/examples/build DIRECTORY` makes it; set SYMBOLON_PLUGIN_EXAMPLES to that directory.";

/// A scene of this name needs the plug-in's file of the same name, which is built apart.
const BUILT_APART: [&str; 2] = ["entitlements", "impossible-travel"];

pub fn examples() -> PathBuf {
    std::env::var_os(EXAMPLES).map(PathBuf::from).unwrap_or_default()
}

pub fn is_built(file: &str) -> bool {
    std::env::var_os(EXAMPLES).is_some() && examples().join(file).is_file()
}

/// Why a scene that somebody named cannot be played.
pub fn lacks(scene: &str) -> Option<String> {
    let file = format!("{scene}.wasm");
    let is_missing = BUILT_APART.contains(&scene) && !is_built(&file);
    is_missing.then(|| format!("there is no {file}. {BUILD}"))
}

/// The digest of a built example. Where there is none: one that no file has.
pub fn digest_of(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_default();
    symbolon::plugins::hexadecimal(&symbolon_oauth::digest::sha256(&bytes))
}

#[derive(Clone)]
pub struct Branch {
    pub url: String,
    /// Numbers, with the customer each was given to.
    numbers: Arc<Mutex<BTreeMap<String, String>>>,
    /// What members have bought. None: the service is away.
    plan: Arc<Mutex<Option<String>>>,
    /// How far the person was from where they were seen last, in km, and how many hours ago that was.
    travel: Arc<Mutex<(f64, f64)>>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Branch {
    pub async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let branch = Self { url, numbers: Arc::default(), plan: Arc::default(), travel: Arc::default() };
        let router = Router::new().route("/visits/redeem", post(redeem)).route("/entitlements/{sub}", get(entitlements));
        let router = router.route("/sightings", post(sighting)).with_state(branch.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(branch)
    }

    /// Everybody's plan from now on.
    pub fn sell(&self, plan: Option<&str>) {
        *held(&self.plan) = plan.map(str::to_owned);
    }

    pub fn travelled(&self, km: f64, hours: f64) {
        *held(&self.travel) = (km, hours);
    }

    /// A clerk has looked at the customer's papers.
    pub fn hand_out(&self, customer: &str) -> String {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = format!("{:08}", 31_415_926 + numbers.len());
        numbers.insert(number.clone(), customer.to_owned());
        number
    }
}

async fn redeem(State(branch): State<Branch>, asked: String) -> StatusCode {
    let Ok(asked) = serde_json::from_str::<Value>(&asked) else { return StatusCode::BAD_REQUEST };
    let numbers = branch.numbers.lock().unwrap_or_else(PoisonError::into_inner);
    let known = asked["number"].as_str().and_then(|number| numbers.get(number));
    if known.is_some_and(|customer| asked["customer"] == customer.as_str()) { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn entitlements(State(branch): State<Branch>) -> (StatusCode, String) {
    match &*held(&branch.plan) {
        Some(plan) => (StatusCode::OK, json!({ "plan": plan, "regions": ["eu"] }).to_string()),
        None => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    }
}

async fn sighting(State(branch): State<Branch>) -> String {
    let (km, hours) = *held(&branch.travel);
    json!({ "km": km, "hours": hours }).to_string()
}
