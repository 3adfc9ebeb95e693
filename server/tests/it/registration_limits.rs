//! How many clients strangers may register, and whom their flood does not shut out.

use crate::registration::{initial_token, register, site};
use crate::world::*;
use serde_json::{Value as Json, json};

const OPEN: &str = "[client_registration.open]\nopen = true\nscopes = [\"openid\", \"email\"]\n";

async fn from(world: &World, address: &str) -> (u16, Json) {
    let answer = world.http.post(world.url("/clients")).header("x-forwarded-for", address).json(&site()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn too_many() -> (u16, Json) {
    (429, json!("temporarily_unavailable"))
}

/// L-16: a token says how many it registers. Strangers use up what is theirs, and nothing of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_strangers_does_not_shut_out_whoever_has_a_token() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&format!("{OPEN}per_hour = 2\n")).behind_a_proxy().start().await;
        let token = initial_token(&world, "open", "4").await;
        for _ in 0..3 {
            assert_eq!(register(&world, Some(&token), &site()).await.0, 201);
        }
        for last in 1..3 {
            assert_eq!(from(&world, &format!("192.0.2.{last}")).await.0, 201, "tokens take nothing from strangers either");
        }
        let (status, answer) = from(&world, "192.0.2.3").await;
        assert_eq!((status, answer["error"].clone()), too_many());
        assert_eq!(register(&world, Some(&token), &site()).await.0, 201, "the twin: by the token");
        let (status, answer) = register(&world, Some(&token), &site()).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_token")), "its uses are over");
        world.stop().await;
    }
}

/// L-16, 607-K: a provider gives out a whole /48, and each of its networks is not somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn the_networks_of_one_ipv6_site_have_a_limit_together() {
    let world = Configuration::on(Engine::Sqlite).await.with(&format!("{OPEN}per_network = 2\n")).behind_a_proxy().start().await;
    for network in 0..4 {
        for last in 1..3 {
            assert_eq!(from(&world, &format!("2001:db8:1:{network}::{last}")).await.0, 201, "{network} {last}");
        }
    }
    let (status, answer) = from(&world, "2001:db8:1:ffff::1").await;
    assert_eq!((status, answer["error"].clone()), too_many());
    assert_eq!(from(&world, "2001:db8:2:ffff::1").await.0, 201, "the twin: another site");
    assert_eq!(from(&world, "192.0.2.1").await.0, 201, "the twin: another kind of address");
    world.stop().await;
}
