//! A provider whose answers are too large, too slow, packed or elsewhere, at each address that a sign-in asks.

use crate::upstream::{CREATE, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine, World};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// The whole way, as far as it goes.
async fn signs_in(world: &World, provider: &Provider) -> bool {
    let mut browser = Browser::default();
    let page = browser.open(world, &Ask::native("openid orders:read")).await;
    let page = browser.submit(world, &page, &[], "use_upstream:any").await;
    let Some(away) = page.location else {
        assert!(page.problem().contains("does not answer") || page.problem().contains("did not work"), "{}", page.html);
        return false;
    };
    let page = browser.get(world, &provider.sign_in(&away)).await;
    assert!(page.has_code() || page.status == 200, "{:?}", page.location);
    page.has_code()
}

fn raw(path: &'static str, answer: &str) -> Says {
    Says { raw: BTreeMap::from([(path, answer.to_owned())]), ..says() }
}

fn says() -> Says {
    Says { sub: "one".to_owned(), userinfo: Some(json!({ "sub": "one", "name": "Ann Example" })), ..Says::default() }
}

/// 451-B, 541-S, 546-S: nobody is signed in by such an answer. Userinfo is no proof: without it the sign-in goes on, and its claims are
/// missing. A minute later the truth is believed again.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_out_of_bounds_proves_nothing() {
    let tried = ["/token", "/userinfo", "/jwks"].map(async |path| {
        let provider = Provider::start().await;
        let large = if path == "/jwks" { 300_000 } else { 100_000 };
        let ok = "HTTP/1.1 200 X\r\ncontent-type: application/json\r\nconnection: close\r\n";
        let huge = format!("{ok}\r\n{{\"x\": \"{}\"}}", "x".repeat(large));
        let redirect =
            format!("HTTP/1.1 302 X\r\nlocation: {}/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", provider.issuer());
        let packed = format!("{ok}content-encoding: gzip\r\ncontent-length: 6\r\n\r\n\u{1f}H4sIA");
        let endless = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\n{}\r\n".to_owned();
        let slow = Says { slow: Some((path, Duration::from_secs(6))), ..says() };
        let lies = [
            ("huge", raw(path, &huge)),
            ("redirect", raw(path, &redirect)),
            ("packed", raw(path, &packed)),
            ("cut off", raw(path, &endless)),
            ("slow", slow),
        ];
        for (name, lie) in lies {
            // A world of its own: nothing is known of the provider, and it does not rest.
            let world = world(Engine::Sqlite, &provider, CREATE).await;
            provider.says(lie);
            provider.asked();
            assert_eq!(signs_in(&world, &provider).await, path == "/userinfo", "{name} at {path}");
            assert!(!provider.asked().contains(&"/elsewhere".to_owned()), "{name} at {path}");
            let is_said = async || {
                let row = world.running.shared.now().store.one("SELECT said FROM outside_identity", &[]).await.unwrap();
                row.is_some_and(|it| it.text("said").unwrap().contains("Ann Example"))
            };
            assert!(!is_said().await, "{name} at {path}");
            world.advance_s(61);
            let now_s = world.running.shared.now().now_ms() / 1000;
            let dated = json!({ "iat": now_s, "exp": now_s + 300, "auth_time": now_s });
            provider.says(Says { id_token: dated, ..says() });
            assert!(signs_in(&world, &provider).await && is_said().await, "the twin of {name} at {path}");
            world.stop().await;
        }
    });
    futures_util::future::join_all(tried).await;
}
