//! Client authentication, the same at every endpoint.

use crate::world::*;

const CC: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "orders:read")];

/// 099-T, 109-T, 110-T, 113-T, 114-T
#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_a_token_and_nobody_else_does() {
    on_every_engine(|world| async move {
        let (status, body) = world.post("/token", &CC, Some("robot")).await;
        assert_eq!(status, 200, "{body}");
        let token = claims(body["access_token"].as_str().unwrap());
        assert_eq!((token["sub"].as_str(), token["client_id"].as_str()), (Some("robot"), Some("robot")));
        assert!(body.get("refresh_token").is_none());
        let cases: [(&[(&str, &str)], u16, &str); 8] = [
            (&[("client_id", "robot")], 401, "invalid_client"),
            (&[("client_id", "robot"), ("client_secret", "")], 401, "invalid_client"),
            (&[("client_id", "robot"), ("client_secret", "wrong")], 401, "invalid_client"),
            (&[("client_id", "robot"), ("client_secret", SECRET)], 401, "invalid_client"),
            (&[("client_id", "nobody"), ("client_secret", SECRET)], 401, "invalid_client"),
            (&[], 401, "invalid_client"),
            (&[("client_id", "shop-ios")], 400, "unauthorized_client"),
            (&[("client_id", "robot"), ("client_secret", SECRET), ("client_assertion", "a.b.c")], 400, "invalid_request"),
        ];
        for (extra, status, code) in cases {
            let form: Vec<(&str, &str)> = CC.iter().chain(extra).copied().collect();
            let (got, body) = world.post("/token", &form, None).await;
            assert_eq!((got, body["error"].as_str()), (status, Some(code)), "{extra:?}");
        }
        for scope in ["openid", "orders:read openid", "orders:write", "orders*", "orders:read  x"] {
            let form = [("grant_type", "client_credentials"), ("scope", scope)];
            let (status, body) = world.post("/token", &form, Some("robot")).await;
            assert_eq!((status, body["error"].as_str()), (400, Some("invalid_scope")), "{scope}");
        }
        world.stop().await;
    })
    .await;
}

/// 109-T: a header with an empty secret is well-formed, and the answer says what it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_secret_in_the_header_is_called_empty() {
    let world = World::start(Engine::Sqlite).await;
    let sent = async |header: &str| {
        let answer = world.http.post(world.url("/token")).form(&CC).header("authorization", header).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    let basic = |text: &str| format!("Basic {}", symbolon_oauth::base64::encode(text.as_bytes()));
    for (header, said) in [(basic("robot:"), "is empty"), (basic(":"), "well-formed"), (basic("robot"), "well-formed")] {
        let (status, body) = sent(&header).await;
        assert_eq!((status, body["error"].as_str()), (401, Some("invalid_client")), "{header}");
        assert!(body["error_description"].as_str().unwrap().contains(said), "{header}: {body}");
    }
    let (status, body) = sent(&basic(&format!("robot:{SECRET}"))).await;
    assert_eq!(status, 200, "{body}");
    world.stop().await;
}

/// 125-T: guessing is slowed down per client and address.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_secrets_are_throttled_and_a_known_good_one_still_works() {
    let world = World::start(Engine::Sqlite).await;
    assert_eq!(world.post("/token", &CC, Some("robot")).await.0, 200);
    let mut throttled = false;
    for n in 0..30 {
        let wrong = format!("wrong-{n}");
        let answer = world.http.post(world.url("/token")).form(&CC).basic_auth("robot", Some(wrong)).send().await.unwrap();
        throttled |= answer.status() == 429 && answer.headers().contains_key("retry-after");
    }
    assert!(throttled);
    assert_eq!(world.post("/token", &CC, Some("robot")).await.0, 200);
    world.stop().await;
}

/// 122-T, 568-V, 597-K
#[tokio::test(flavor = "multi_thread")]
async fn only_a_form_in_utf8_is_read() {
    let world = World::start(Engine::Sqlite).await;
    let body = "grant_type=client_credentials&scope=orders%3Aread";
    let send = |mime: &'static str, coding: Option<&'static str>| {
        let mut request = world.http.post(world.url("/token")).basic_auth("robot", Some(SECRET)).header("content-type", mime).body(body);
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        request.send()
    };
    for mime in ["application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-7"] {
        assert_eq!(send(mime, None).await.unwrap().status(), 415, "{mime}");
    }
    assert_eq!(send("application/x-www-form-urlencoded", Some("gzip")).await.unwrap().status(), 415);
    assert_eq!(send("application/x-www-form-urlencoded; charset=UTF-8", None).await.unwrap().status(), 200);
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = world.http.request(method.parse().unwrap(), world.url("/token")).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{method}");
    }
    let big = format!("grant_type=client_credentials&x={}", "a".repeat(70_000));
    let answer =
        world.http.post(world.url("/token")).header("content-type", "application/x-www-form-urlencoded").body(big).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    world.stop().await;
}
