//! The APIs of the demo: each is an ordinary axum route behind one line of `symbolon-resource`.

use crate::Failure;
use crate::world::{LEDGER_SECRET, ORDERS_SECRET};
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::{Value, json};
use symbolon_resource::{Guard, Needs, Token};
use tokio::net::TcpListener;

/// Starts the APIs; answers their address.
pub async fn start(issuer: &str) -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let orders = Guard::new(issuer, "https://api.example.com/orders").public_url(&address).follow_endings_as("orders", ORDERS_SECRET);
    let ledger = Guard::new(issuer, "https://api.example.com/ledger").introspect_as("ledger", LEDGER_SECRET);
    let blink = Guard::new(issuer, "https://api.example.com/blink");
    let router = Router::new()
        .route("/orders", get(list_orders).layer(orders.require("orders:read")))
        .route("/orders/new", get(list_orders).layer(orders.require("orders:write")))
        .route("/orders/refund", get(list_orders).layer(orders.needs(Needs::scope("orders:read").acr(&["urn:example:strong"]))))
        .route("/balance", get(balance).layer(ledger.require("ledger:read")))
        .route("/blink", get(balance).layer(blink.require("blink")));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn answer(body: &Value) -> ([(&'static str, &'static str); 1], String) {
    ([("content-type", "application/json")], body.to_string())
}

async fn list_orders(Extension(token): Extension<Token>) -> ([(&'static str, &'static str); 1], String) {
    let customer = token.extra.get("customer_id").cloned().unwrap_or_default();
    answer(&json!({ "customer": customer, "orders": [{ "id": 7, "item": "a symbolon, in two halves" }] }))
}

async fn balance(Extension(token): Extension<Token>) -> ([(&'static str, &'static str); 1], String) {
    answer(&json!({ "for": token.sub, "balance": "12.50" }))
}
