//! The bank's own service behind its branches: clerks hand out numbers, and a plug-in asks whether one is a customer's.

use crate::Failure;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// What the plug-in is, in built form; its source is beside it.
pub const PLUGIN: &[u8] = include_bytes!("../../plugin/examples/branch-visit/branch-visit.wasm");

#[derive(Clone)]
pub struct Branch {
    pub url: String,
    /// Numbers, with the customer each was given to.
    numbers: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Branch {
    pub async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let branch = Self { url: format!("http://{}", listener.local_addr()?), numbers: Arc::default() };
        let router = Router::new().route("/visits/redeem", post(redeem)).with_state(branch.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(branch)
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
