//! What a row of the route table says of caller, proof and form: each row is sent without them, with wrong ones, and with good ones. A new
//! row is in these tests by itself. For a row with a form of ours, say here how its page is found.

use crate::devices::{self, Tv};
use crate::world::*;
use crate::{handover, registration};
use symbolon::http::routes::ROWS;
use symbolon::web::body::Takes;
use symbolon::web::route::{Caller, Dpop, FormToken, Route};

fn rows(wanted: impl Fn(&Route) -> bool) -> Vec<&'static Route> {
    let found: Vec<&Route> = ROWS.iter().map(|row| &row.route).filter(|route| wanted(route)).collect();
    assert!(!found.is_empty());
    found
}

/// Status, and the error of the answer.
async fn said(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: serde_json::Value = answer.json().await.unwrap_or_default();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

/// Clients and APIs.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_clients_asks_who_calls() {
    on_every_engine(|world| async move {
        for route in rows(|route| matches!(route.caller, Caller::Client | Caller::Api | Caller::ClientOrApi)) {
            let names: &[&str] = match route.caller {
                Caller::Client => &["robot"],
                Caller::Api => &["orders"],
                _ => &["robot", "orders"],
            };
            for name in names {
                let send = |secret: &str| {
                    let form = [("token", "x"), ("grant_type", "client_credentials")];
                    said(world.http.post(world.url(route.path)).form(&form).basic_auth(name, Some(secret)))
                };
                assert_eq!(send("wrong").await, (401, "invalid_client".to_owned()), "{} as {name}", route.path);
                let (status, error) = send(SECRET).await;
                assert!(status != 401 && status < 500 && error != "invalid_client", "{} as {name}: {status} {error}", route.path);
            }
            let (status, error) = said(world.http.post(world.url(route.path)).form(&[("token", "x")])).await;
            assert!(matches!(status, 400 | 401) && !error.is_empty(), "{} as nobody: {status} {error}", route.path);
        }
        world.stop().await;
    })
    .await;
}

/// A header that is no proof is refused where the row takes proofs, and means nothing elsewhere. Without it nobody is refused here.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_clients_reads_a_proof_where_it_takes_one() {
    on_every_engine(|world| async move {
        for route in rows(|route| matches!(route.caller, Caller::Client | Caller::Api | Caller::ClientOrApi)) {
            let name = if route.caller == Caller::Api { "orders" } else { "robot" };
            let form = [("token", "x"), ("grant_type", "client_credentials")];
            let request = || world.http.post(world.url(route.path)).form(&form).basic_auth(name, Some(SECRET));
            let (status, error) = said(request().header("dpop", "x")).await;
            assert_eq!(error == "invalid_dpop_proof", route.takes_proof(), "{}: {status} {error}", route.path);
            assert_ne!(said(request()).await.1, "invalid_dpop_proof", "{}", route.path);
        }
        world.stop().await;
    })
    .await;
}

/// Where a proof must come along, nothing is done without one, whoever calls. The twin gets past that: its client is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_requires_a_proof_refuses_what_comes_without() {
    on_every_engine(|world| async move {
        for route in rows(|route| route.dpop == Dpop::Requires) {
            let phone = world.phone();
            let form = [("client_id", "nobody")];
            let without = phone.send(route.path, &form, &[]).await;
            assert_eq!(without.error(), (400, "invalid_dpop_proof"), "{}", route.path);
            let with = phone.send(route.path, &form, &[&phone.proof("POST", route.path, None)]).await;
            assert_eq!(with.error(), (401, "invalid_client"), "{}", route.path);
        }
        world.stop().await;
    })
    .await;
}

/// Whoever holds an access token.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_tokens_asks_for_one() {
    on_every_engine(|world| async move {
        let good = world.tokens("openid").await["access_token"].as_str().unwrap().to_owned();
        for route in rows(|route| route.caller == Caller::Token) {
            for method in route.methods {
                let send = |token: Option<&str>| {
                    let mut request = world.http.request(method.clone(), world.url(route.path));
                    if *method != http::Method::GET {
                        request = request.form(&[("nothing", "x")]);
                    }
                    said(token.into_iter().fold(request, |request, token| request.bearer_auth(token)))
                };
                assert_eq!(send(None).await.0, 401, "{method} {}", route.path);
                assert_eq!(send(Some("wrong")).await, (401, "invalid_token".to_owned()), "{method} {}", route.path);
                let (status, error) = send(Some(&good)).await;
                assert!(status != 401 && status < 500, "{method} {}: {status} {error}", route.path);
            }
        }
        world.stop().await;
    })
    .await;
}

/// A client that registered itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_registered_clients_asks_for_their_token() {
    for engine in engines() {
        let world = registration::open(engine).await;
        let (_, made) = registration::register(&world, None, &registration::site()).await;
        let (id, token) = (made["client_id"].as_str().unwrap(), made["registration_access_token"].as_str().unwrap());
        for route in rows(|route| route.caller == Caller::Registration) {
            let path = route.path.replace("{id}", id);
            for method in route.methods {
                let body = (*method == http::Method::PUT).then(|| {
                    let mut body = registration::site();
                    body["client_id"] = id.into();
                    body
                });
                for wrong in [None, Some("wrong")] {
                    let status = registration::send(&world, method.as_str(), &path, wrong, body.as_ref()).await.0;
                    assert_eq!(status, 401, "{method} {path}");
                }
            }
            let good = registration::send(&world, "GET", &path, Some(token), None).await;
            assert_eq!(good.0, 200, "{}", good.1);
        }
        world.stop().await;
    }
}

/// A person signed in in the browser sees something else than a stranger.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_a_session_reads_the_cookie() {
    for engine in engines() {
        let world = devices::world(engine).await;
        let ask = Ask::native("openid");
        for route in rows(|route| route.caller == Caller::Session && route.methods.contains(&http::Method::GET)) {
            let path = match route.path {
                "/authorize" => ask.path(),
                // Without a device its code is asked for first, whoever is there.
                "/device" => Tv::start(&world, "tv", "openid orders:read").await.complete().to_owned(),
                path => path.to_owned(),
            };
            let mut known = Browser::default();
            known.sign_in(&world, &ask, "alice").await;
            let (stranger, known) = (Browser::default().visit(&world, &path).await, known.visit(&world, &path).await);
            let shown = |page: &Page| (page.status, page.location.is_some() && page.has_code(), page.html.clone());
            assert!(known.status < 400, "{path}: {}", known.status);
            let (one, other) = (shown(&stranger), shown(&known));
            assert!(one.1 != other.1 || stranger.title() != known.title(), "{path}: the same for both: {}", known.title());
        }
        world.stop().await;
    }
}

/// A sign-in belongs to the browser that began it, and whoever comes without its cookie gets nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_a_sign_in_reads_its_cookie() {
    on_every_engine(|world| async move {
        for route in rows(|route| route.caller == Caller::SignIn) {
            let path = route.path.replace("{address}", "AAAA").replace("{ticket}", "AAAA").replace("{name}", "any");
            for method in route.methods {
                let mut request = world.http.request(method.clone(), world.url(&path));
                if *method != http::Method::GET {
                    request = request.form(&[("action", "continue"), ("form_token", "x")]);
                }
                let status = request.send().await.unwrap().status().as_u16();
                assert!(matches!(status, 400 | 401 | 403 | 404), "{method} {path}: {status}");
            }
        }
        // The twin: the address of a sign-in, with its cookie and without.
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        let second = browser.submit_password(&world, &page, "alice", "wrong").await;
        let address = second.form_action().unwrap();
        let address = address.replace("&#x2f;", "/");
        assert!(address.contains("/login/"), "{address}");
        let path = address.strip_prefix(&world.issuer).unwrap_or(&address).to_owned();
        assert_eq!(browser.visit(&world, &path).await.status, 200, "{path}");
        assert_eq!(Browser::default().visit(&world, &path).await.status, 404, "{path}");
        world.stop().await;
    })
    .await;
}

/// A form of ours that does something has our token; without it the same form does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_a_form_asks_for_its_token() {
    for engine in engines() {
        let scene = handover::Scene::start(engine).await;
        let world = &scene.world;
        let ask = Ask::native("openid");
        for route in rows(|route| matches!(route.form, FormToken::Token(_))) {
            assert!(route.body == Takes::Form, "{}", route.path);
            let mut browser = Browser::default();
            let (page, action) = match route.path {
                "/account" => {
                    browser.sign_in(world, &ask, "alice").await;
                    (browser.visit(world, "/account").await, "sign_out_others")
                }
                "/logout" => {
                    browser.sign_in(world, &ask, "alice").await;
                    (browser.visit(world, "/logout").await, "")
                }
                "/login" => (browser.open(world, &ask).await, "continue"),
                "/login/{address}" => {
                    let page = browser.open(world, &ask).await;
                    (browser.submit_password(world, &page, "alice", "wrong").await, "continue")
                }
                "/handover/{ticket}" => {
                    let (mut phone, tokens) = scene.app("handing", "alice").await;
                    let path = scene.path(&mut phone, &tokens).await;
                    (browser.visit(world, &path).await, "continue")
                }
                path => panic!("{path}: say here how its form is found"),
            };
            let action = if action.is_empty() { page.first_action() } else { action.to_owned() };
            let fill = [("username", "alice"), ("login_name", "alice"), ("password", PASSWORD)];
            let fill: Vec<(&str, &str)> = fill.into_iter().filter(|(field, _)| page.asks_for(field)).collect();
            let acted = async || {
                let ended = world.audited("session_ended").await + world.audited("signed_out").await;
                ended + world.audited("handed_over").await
            };
            let before = acted().await;
            for token in ["", "x"] {
                let without: Vec<(&str, &str)> = fill.iter().copied().chain([("form_token", token)]).collect();
                let answer = browser.submission_with_cookies(world, &page, &without, &action).send().await.unwrap();
                let status = answer.status().as_u16();
                assert!(status == 400 || (route.path == "/logout" && status == 200), "{} with {token:?}: {status}", route.path);
                assert_eq!(acted().await, before, "{}", route.path);
            }
            let done = browser.submit(world, &page, &fill, &action).await;
            assert!(done.status < 400, "{}: {} {}", route.path, done.status, done.text());
            if ["/logout", "/handover/{ticket}"].contains(&route.path) {
                assert!(acted().await > before, "{}", route.path);
            }
        }
        scene.world.stop().await;
    }
}
