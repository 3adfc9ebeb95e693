//! What a stranger learns of the server's health, and what an operator does.

use crate::wallets::{CREATE, Outside};
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

/// The metric names the certificates in force: from the start on, not those of a reload that was refused, and none of a wallet that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_metric_names_the_certificates_in_force() {
    let (outside, port) = (Outside::new(), symbolon_phone::net::free_port());
    // Names of this test alone: metrics are of the process.
    let names = [format!("one-{port}"), format!("other-{port}")];
    let of = |name: &str| {
        let table = outside.table(CREATE).replace("wallet.pid", &format!("wallet.{name}"));
        table.replace("wallet:pid", &format!("wallet:{name}"))
    };
    let configuration = Configuration::on(Engine::Sqlite).await.with(&format!("metrics = \"127.0.0.1:{port}\""));
    let world = configuration.with(&of(&names[0])).start().await;
    let has_instant = async || {
        let text = world.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.unwrap().text().await.unwrap();
        names.each_ref().map(|name| {
            let labels = [format!("wallet=\"{name}\""), "what=\"certificates\"".to_owned()];
            let is_it =
                |line: &&str| line.starts_with("symbolon_wallet_expires_seconds") && labels.iter().all(|label| line.contains(label));
            text.lines().find(is_it).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > 0.0)
        })
    };
    assert_eq!(has_instant().await, [Some(true), None]);
    let good = std::fs::read_to_string(world.file()).unwrap();
    let next = Configuration::from_text(0, &good).without("wallet").with(&of(&names[1]));
    std::fs::write(world.file(), next.set("api.orders.signing_alg", "EdDSA").text()).unwrap();
    let error = symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap_err().to_string();
    assert!(error.contains("no EdDSA key was published before"), "{error}");
    assert_eq!(has_instant().await, [Some(true), None], "what was refused is not in force");
    std::fs::write(world.file(), &good).unwrap();
    world.reload(|it| it.without("wallet").with(&of(&names[1]))).await;
    assert_eq!(has_instant().await, [Some(false), Some(true)], "the twin");
    world.reload(|it| it.without("wallet").with("[login.default]\nrequire = [\"password\"]\n")).await;
    assert_eq!(has_instant().await, [Some(false), Some(false)]);
    world.stop().await;
}
