//! What a stranger learns of the server's health, and what an operator does.

use crate::world::*;
use serde_json::{Value as Json, json};

#[tokio::test(flavor = "multi_thread")]
async fn strangers_learn_that_it_is_well_and_operators_learn_the_rest() {
    let port = symbolon_phone::net::free_port();
    let world = Configuration::on(Engine::Sqlite).await.with(&format!("metrics = \"127.0.0.1:{port}\"")).start().await;
    let public = world.get("/health").await;
    assert_eq!((public.status().as_u16(), public.json::<Json>().await.unwrap()), (200, json!({ "status": "ok" })));
    let inside = async |method: &str, path: &str| {
        world.http.request(method.parse().unwrap(), format!("http://127.0.0.1:{port}{path}")).send().await.unwrap()
    };
    let details = inside("GET", "/health/details").await;
    assert_eq!(details.status(), 200);
    let details: Json = details.json().await.unwrap();
    assert_eq!((&details["status"], &details["nodes"], &details["clock_offset_ms"]), (&"ok".into(), &1.into(), &0.into()));
    assert!(details["configuration"].is_string(), "{details}");
    assert!(inside("GET", "/metrics").await.text().await.unwrap().contains("symbolon_build_info"));
    for (method, path, status) in
        [("POST", "/health/details", 405), ("POST", "/metrics", 405), ("GET", "/health", 404), ("GET", "/", 404), ("GET", "/token", 404)]
    {
        assert_eq!(inside(method, path).await.status(), status, "{method} {path}");
    }
    world.stop().await;
}
