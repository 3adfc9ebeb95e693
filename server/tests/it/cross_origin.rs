//! Other origins: what their scripts may send and read (CORS), and what comes of the forms that their pages post.

use crate::world::*;
use std::collections::BTreeSet;
use symbolon::http::routes::ROWS;

const ORIGIN: &str = "https://app.example.com";

fn words(answer: &reqwest::Response, name: &str) -> BTreeSet<String> {
    let text = answer.headers().get(name).map(|value| value.to_str().unwrap().to_ascii_lowercase()).unwrap_or_default();
    text.split(", ").filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The answer before a request says the methods of the row, and takes what tracing tools and attested apps send.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_may_send_what_the_row_takes() {
    let world = World::start(Engine::Sqlite).await;
    for row in ROWS.iter().filter(|row| !row.route.path.contains('{')) {
        let route = &row.route;
        let asked = world.http.request(reqwest::Method::OPTIONS, world.url(route.path)).header("origin", ORIGIN);
        let asked = asked.header("access-control-request-method", "POST").header("access-control-request-headers", "traceparent");
        let answer = asked.send().await.unwrap();
        if !route.cors {
            assert_eq!((answer.status().as_u16(), words(&answer, "access-control-allow-origin").len()), (405, 0), "{}", route.path);
            continue;
        }
        assert_eq!(answer.status(), 204, "{}", route.path);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert_eq!(answer.headers()["access-control-allow-methods"].to_str().unwrap(), route.allow(), "{}", route.path);
        let headers = words(&answer, "access-control-allow-headers");
        for name in ["authorization", "content-type", "dpop", "traceparent", "tracestate", "baggage", "b3", "oauth-client-attestation-pop"]
        {
            assert!(headers.contains(name), "{}: {name}", route.path);
        }
    }
    // docs/divergences.md names them, and says that there are no others.
    let open: BTreeSet<&str> = ROWS.iter().filter(|row| row.route.cors).map(|row| row.route.path).collect();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/divergences.md")).unwrap();
    let line = page.lines().find(|line| line.contains("scripts of any origin may read")).unwrap();
    let of_metadata = |path: &str| path.starts_with("/.well-known/");
    let named: BTreeSet<&str> = line.split('`').filter(|word| word.starts_with('/')).collect();
    assert_eq!(open.iter().copied().filter(|path| !of_metadata(path)).collect::<BTreeSet<_>>(), named);
    assert!(["/token", "/par", "/jwks"].into_iter().all(|path| open.contains(path)) && !open.contains("/introspect"), "{open:?}");
    world.stop().await;
}

/// A script may read why it was refused, however early that is. The twin is the same at an endpoint that is for no script.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_reads_every_refusal() {
    let world = World::start(Engine::Sqlite).await;
    let form = "application/x-www-form-urlencoded";
    let large = format!("a={}", "x".repeat(70_000));
    for (path, expected) in [("/token", Some("*")), ("/par", Some("*")), ("/introspect", None)] {
        let post = |kind: &str, body: &str| {
            world.http.post(world.url(path)).header("origin", ORIGIN).header("content-type", kind).body(body.to_owned())
        };
        for (status, request) in [
            (405, world.http.put(world.url(path)).header("origin", ORIGIN)),
            (413, post(form, &large)),
            (415, post("application/json", "{}")),
            (400, post(form, "a=1&a=2")),
            (401, post(form, "grant_type=refresh_token")),
        ] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status, "{path}");
            let origin = answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            assert_eq!(origin, expected, "{path} {status}");
            assert_eq!(answer.headers().contains_key("access-control-expose-headers"), expected.is_some(), "{path} {status}");
        }
    }
    world.stop().await;
}

/// OpenID Connect Core 3.1.2.1: any site may post an authorization request. It comes back through our page with the session's cookie.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_another_site_posts_finds_the_session() {
    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    let ask = Ask::native("openid").with("prompt", "none").with("state", "\"<x>").with("dpop_jkt", "");
    let empty = ask.clone();
    let ask = ask.without("dpop_jkt");
    for (sign, value) in [("sec-fetch-site", "cross-site"), ("origin", ORIGIN), ("origin", "null")] {
        let page = Browser::default().send(world.http.post(world.url("/authorize")).header(sign, value).form(&ask.form())).await;
        assert_eq!((page.status, page.kind()), (200, "form_post"), "{sign} {value}");
        assert!(page.header("content-security-policy").unwrap().contains("script-src 'sha256-"));
        let page =
            browser.send(world.http.post(page.form_action().unwrap()).header("sec-fetch-site", "same-origin").form(&page.fields())).await;
        assert_eq!((page.status, page.kind(), page.location.as_deref()), (200, "leave", None), "{sign} {value}");
        assert!(page.html.contains("code=") && page.html.contains("state=%22%3Cx%3E"), "{}", page.html);
    }
    // What was sent empty comes back empty, and is refused as it would have been.
    let page = Browser::default().send(world.http.post(world.url("/authorize")).header("origin", ORIGIN).form(&empty.form())).await;
    let page = browser.send(world.http.post(page.form_action().unwrap()).form(&page.fields())).await;
    assert!(page.html.contains("error=invalid_request"), "{}", page.html);
    // The twin: posted from here, or by a browser that does not say from where, it is answered at once.
    for here in [Some("same-origin"), Some("none"), None] {
        let mut request = world.http.post(world.url("/authorize")).form(&ask.form());
        if let Some(site) = here {
            request = request.header("sec-fetch-site", site);
        }
        assert!(browser.send(request).await.has_code(), "{here:?}");
    }
    world.stop().await;
}
