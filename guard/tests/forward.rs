//! Forward-auth as nginx, Caddy and Traefik use it. The test is the proxy. Each refusal has its positive twin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod stage;
#[path = "../../resource/tests/world/mod.rs"]
mod world;

use reqwest::Response;
use serde_json::{Value, json};
use stage::{API, Stage, stage, stage_with};
use symbolon_oauth::certificate;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The proxy asks about a call.
async fn ask(stage: &Stage, method: &str, uri: &str, headers: &[(&str, &str)]) -> Response {
    let mut all = vec![("x-forwarded-method", method), ("x-forwarded-uri", uri)];
    all.extend(headers);
    send(stage, "/forward-auth/orders", &all).await
}

async fn send(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = stage.http.get(format!("http://{}{path}", stage.guard.forward.unwrap()));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

async fn outcome(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// Whoever reaches the metrics takes no place of the proxies'.
#[tokio::test]
async fn readers_of_the_metrics_have_places_of_their_own() {
    let stage = stage().await;
    let metrics = stage.guard.metrics.unwrap();
    let read = async || {
        let mut stream = tokio::net::TcpStream::connect(metrics).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let length = stream.read(&mut [0; 1024]).await.unwrap_or(0);
        (length > 0, stream)
    };
    let mut held = Vec::new();
    for _ in 0..64 {
        let (is_answered, stream) = read().await;
        assert!(is_answered);
        held.push(stream);
    }
    assert!(!read().await.0, "one too many");
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    assert_eq!(ask(&stage, "GET", "/orders/1", &[("authorization", &bearer)]).await.status(), 200);
    drop(held);
    while !read().await.0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_call_with_a_good_token_passes_with_the_claims_in_our_headers() {
    let stage = stage().await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    let answer = ask(&stage, "GET", "/orders/1?page=2", &[("authorization", &bearer)]).await;
    assert_eq!(answer.status(), 200);
    let said = ["outcome", "sub", "client", "scope", "acr", "sid", "act", "claim-department"]
        .map(|it| header(&answer, &format!("x-symbolon-{it}")));
    assert_eq!(said, ["token", "u", "c", "orders:read", "", "", "", "R&D"]);
    assert_eq!(answer.bytes().await.unwrap(), "");
    // The routes say what else is wanted, in the order of the file.
    assert_eq!(
        outcome(ask(&stage, "POST", "/orders/1", &[("authorization", &bearer)]).await).await,
        (403, "insufficient_scope".to_owned())
    );
    let write = format!("Bearer {}", stage.token("orders:write"));
    assert_eq!(ask(&stage, "POST", "/orders/1", &[("authorization", &write)]).await.status(), 200);
    // What no route names is refused, with a good token too.
    for (method, uri) in [("GET", "/"), ("GET", "/ledger"), ("DELETE", "/orders/1")] {
        assert_eq!(
            outcome(ask(&stage, method, uri, &[("authorization", &bearer)]).await).await,
            (403, "no_route".to_owned()),
            "{method} {uri}"
        );
    }
    stage.guard.stop().await;
}

/// 148-F, 207-J, 220-J, 221-J: the developer who sends a provider's token is told so, through the proxy.
#[tokio::test]
async fn a_token_that_is_not_ours_is_refused_and_named() {
    let stage = stage().await;
    let with = |name: &str, value: Value| {
        let mut claims = stage.world.claims();
        claims[name] = value;
        stage.world.token(&claims)
    };
    let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
    for (token, word) in [
        (with("iss", "https://accounts.social.example".into()), "another issuer"),
        (with("aud", "https://api.example.com/ledger".into()), "another API"),
        (with("exp", 990.into()), "expired"),
        (jws::sign(&stage.world.key, "JWT", &stage.world.claims()).unwrap(), "ID token"),
        (jws::sign(&stranger, "at+jwt", &stage.world.claims()).unwrap(), "signature"),
        ("EAAB-opaque".to_owned(), "not a JWT"),
    ] {
        let answer = ask(&stage, "GET", "/orders/1", &[("authorization", &format!("Bearer {token}"))]).await;
        assert!(header(&answer, "www-authenticate").contains(word), "{word}");
        assert_eq!(outcome(answer).await, (401, "invalid_token".to_owned()), "{word}");
    }
    assert_eq!(outcome(ask(&stage, "GET", "/orders/1", &[]).await).await, (401, "token_missing".to_owned()));
    let good = format!("Bearer {}", stage.token("orders:read"));
    assert_eq!(ask(&stage, "GET", "/orders/1", &[("authorization", &good)]).await.status(), 200);
    stage.guard.stop().await;
}

/// S-37, 187-M, 163-D: nothing that a caller sends takes the place of what the proxy or the guard says, in whatever spelling.
#[tokio::test]
async fn a_caller_cannot_say_what_the_guard_or_the_proxy_says() {
    let stage = stage().await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    let good = ("authorization", bearer.as_str());
    for hostile in [
        ("x-symbolon-sub", "admin"),
        ("x_symbolon_sub", "admin"),
        ("X_Symbolon-SUB", "admin"),
        ("x.symbolon.sub", "admin"),
        ("x-symbolon_claim.role", "admin"),
        ("x-symbolon-claim-role", "admin"),
        ("x-forwarded-uri", "/orders/health"),
        ("x_forwarded_uri", "/orders/health"),
        ("x.forwarded.uri", "/orders/health"),
        ("x-forwarded-method", "GET"),
        ("x-http-method-override", "POST"),
        ("x-original-url", "/orders/health"),
        ("authorization", &bearer),
        ("upgrade", "h2c"),
        ("upgrade", "websocket"),
    ] {
        let answer = ask(&stage, "GET", "/orders/1", &[good, hostile]).await;
        assert_eq!(outcome(answer).await, (400, "invalid_request".to_owned()), "{hostile:?}");
    }
    // The twins: without it, or where it is allowed.
    assert_eq!(ask(&stage, "GET", "/orders/1", &[good, ("x-request-id", "7")]).await.status(), 200);
    assert_eq!(ask(&stage, "GET", "/orders/feed", &[good, ("upgrade", "websocket")]).await.status(), 200);
    // What the proxy has to say is missing: the request's own method and path are no substitute.
    for headers in [&[("x-forwarded-method", "GET"), good][..], &[("x-forwarded-uri", "/orders/1"), good], &[good]] {
        assert_eq!(outcome(send(&stage, "/forward-auth/orders", headers).await).await, (400, "invalid_request".to_owned()), "{headers:?}");
    }
    // The API is named by the address in the proxy's configuration, whatever the Host says.
    let named = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders/1"), ("host", "orders"), good];
    assert_eq!(outcome(send(&stage, "/forward-auth/ledger", &named).await).await, (404, "unknown_api".to_owned()));
    stage.guard.stop().await;
}

/// S-37: the path is judged as it stands, and one that is not its own normal form is refused.
#[tokio::test]
async fn a_path_that_two_servers_could_read_differently_is_refused() {
    let stage = stage().await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    for uri in [
        "/orders/health/../1",
        "/orders/%2e%2e/ledger",
        "//orders/1",
        "/orders//1",
        "/orders/1;x=y",
        "/orders/a%2Fb",
        "/orders/a%5Cb",
        "/orders/1%00",
        "/orders/1%252F",
        "/%6Frders/1",
        "/orders/1?_method=DELETE",
        "/orders/1#x",
        "https://api.example.com/orders/1",
        "orders/1",
        // Servers that ignore case, or a slash at the end, would serve another route.
        "/orders/Payments/1",
        "/ORDERS/1",
        "/orders/health/",
        "/orders/HEALTH",
    ] {
        let answer = ask(&stage, "GET", uri, &[("authorization", &bearer)]).await;
        assert_eq!(outcome(answer).await, (400, "invalid_request".to_owned()), "{uri}");
    }
    for method in ["get", "GET, POST", "G\u{2d}\u{20}T"] {
        assert_eq!(outcome(ask(&stage, method, "/orders/1", &[("authorization", &bearer)]).await).await.0, 400, "{method}");
    }
    for uri in ["/orders/1", "/orders/caf%C3%A9", "/orders/1?method=x", "/orders", "/orders/"] {
        assert_eq!(ask(&stage, "GET", uri, &[("authorization", &bearer)]).await.status(), 200, "{uri}");
    }
    stage.guard.stop().await;
}

/// In gRPC's form a refusal has status 200, which a proxy reads as yes.
#[tokio::test]
async fn a_call_that_says_it_is_grpc_is_not_let_in_by_its_refusal() {
    let stage = stage().await;
    let grpc = ("content-type", "application/grpc");
    assert_eq!(outcome(ask(&stage, "GET", "/orders/1", &[grpc]).await).await, (401, "token_missing".to_owned()));
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    assert_eq!(ask(&stage, "GET", "/orders/1", &[grpc, ("authorization", &bearer)]).await.status(), 200);
    stage.guard.stop().await;
}

/// S-37: a call without an identity has every header of one, empty. S-39: a preflight passes by one setting, and a true one alone.
#[tokio::test]
async fn a_call_without_a_token_carries_no_identity() {
    let stage = stage().await;
    let preflight = [("origin", "https://app.example.com"), ("access-control-request-method", "PUT")];
    for (method, uri, headers, why) in [("GET", "/orders/health", &[][..], "public"), ("OPTIONS", "/orders/1", &preflight, "preflight")] {
        let answer = ask(&stage, method, uri, headers).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "x-symbolon-outcome")), (200, why));
        assert_eq!((header(&answer, "x-symbolon-sub"), header(&answer, "x-symbolon-scope")), ("", ""));
    }
    // A token that comes along at a public route is not read, so it says nothing.
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    assert_eq!(header(&ask(&stage, "GET", "/orders/health", &[("authorization", &bearer)]).await, "x-symbolon-sub"), "");
    // An OPTIONS call that is no preflight needs a token, and so does a preflight with a body or a cookie.
    assert_eq!(ask(&stage, "OPTIONS", "/orders/1", &[("origin", "https://app.example.com")]).await.status(), 401);
    assert_eq!(ask(&stage, "OPTIONS", "/orders/1", &[preflight[0], preflight[1], ("cookie", "a=b")]).await.status(), 401);
    stage.guard.stop().await;
}

/// 157-D, 161-D, 163-D, 168-D: the proof is for the call's own method and URL, and works once.
#[tokio::test]
async fn a_bound_token_needs_a_proof_for_this_call() {
    let stage = stage().await;
    let phone = stage.phone();
    let dpop = format!("DPoP {}", phone.token);
    let call = async |method: &str, path: &str, proof: &str| ask(&stage, method, path, &[("authorization", &dpop), ("dpop", proof)]).await;
    // nginx itself asks with GET; the proof is for POST, which is what the proxy says.
    assert_eq!(call("POST", "/orders/1", &phone.proof("POST", "/orders/1", "1", None)).await.status(), 200);
    for proof in [phone.proof("GET", "/orders/1", "2", None), phone.proof("POST", "/orders/2", "3", None)] {
        assert_eq!(outcome(call("POST", "/orders/1", &proof).await).await, (401, "invalid_dpop_proof".to_owned()));
    }
    assert_eq!(
        outcome(call("POST", "/orders/1", &phone.proof("POST", "/orders/1", "1", None)).await).await,
        (401, "use_dpop_nonce".to_owned())
    );
    let other = stage.phone();
    let stolen =
        ask(&stage, "POST", "/orders/1", &[("authorization", &dpop), ("dpop", &other.proof("POST", "/orders/1", "4", None))]).await;
    assert_eq!(stolen.status(), 401);
    let bearer = format!("Bearer {}", phone.token);
    assert_eq!(outcome(ask(&stage, "GET", "/orders/1", &[("authorization", &bearer)]).await).await, (401, "invalid_token".to_owned()));
    // A route that wants proofs with a nonce of ours. The memory of proofs is one for all routes.
    let asked = call("GET", "/orders/payments/1", &phone.proof("GET", "/orders/payments/1", "5", None)).await;
    let nonce = header(&asked, "dpop-nonce").to_owned();
    assert_eq!(outcome(asked).await, (401, "use_dpop_nonce".to_owned()));
    assert_eq!(call("GET", "/orders/payments/1", &phone.proof("GET", "/orders/payments/1", "6", Some(&nonce))).await.status(), 200);
    let plain = format!("Bearer {}", stage.token("orders:read"));
    assert_eq!(
        outcome(ask(&stage, "GET", "/orders/payments/1", &[("authorization", &plain)]).await).await,
        (401, "invalid_token".to_owned())
    );
    stage.guard.stop().await;
}

/// RFC 8705 3, 187-M: the certificate is what the proxy says, exactly once, and a bound token works with its own alone.
#[tokio::test]
async fn a_token_bound_to_a_certificate_needs_what_the_proxy_saw() {
    let stage = stage_with("", &API.replace("client_certificates = false", "client_certificates = true")).await;
    let der = b"a certificate".to_vec();
    let mut claims = stage.world.claims();
    claims["cnf"] = json!({ "x5t#S256": certificate::thumbprint(&der) });
    let bound = format!("Bearer {}", stage.world.token(&claims));
    let (own, other) = (certificate::to_header(&der), certificate::to_header(b"another"));
    let own = own.as_str();
    let call = async |more: &[(&str, &str)]| {
        let mut headers = vec![("authorization", bound.as_str())];
        headers.extend(more);
        outcome(ask(&stage, "GET", "/orders/1", &headers).await).await.0
    };
    assert_eq!(call(&[("client-cert", own)]).await, 200);
    assert_eq!(call(&[("client-cert", &other)]).await, 401);
    assert_eq!(call(&[("client-cert", "::")]).await, 401);
    for unclear in [
        &[][..],
        &[("client-cert", own), ("client-cert", own)],
        &[("client-cert", own), ("client_cert", own)],
        &[("client_cert", own)],
        &[("client-cert", "x")],
    ] {
        assert_eq!(call(unclear).await, 400, "{unclear:?}");
    }
    stage.guard.stop().await;
    // Where the API is not configured for it, the header says nothing.
    let plain = stage_with("", API).await;
    let mut claims = plain.world.claims();
    claims["cnf"] = json!({ "x5t#S256": certificate::thumbprint(&der) });
    let bound = format!("Bearer {}", plain.world.token(&claims));
    assert_eq!(ask(&plain, "GET", "/orders/1", &[("authorization", &bound), ("client-cert", own)]).await.status(), 401);
    plain.guard.stop().await;
}

/// An opaque token is introspected, with the API's own credentials.
#[tokio::test]
async fn an_opaque_token_is_introspected() {
    let directory = std::env::temp_dir().join(format!("symbolon-guard-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("secret");
    std::fs::write(&file, "a secret\n").unwrap();
    std::fs::set_permissions(&file, <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600)).unwrap();
    let credentials = format!("{API}\ncredentials = {{ name = \"orders\", secret = {{ file = \"{}\" }} }}", file.display());
    let stage = stage_with("", &credentials).await;
    let opaque = [("authorization", "Bearer sa_AAAA")];
    assert_eq!(outcome(ask(&stage, "GET", "/orders/1", &opaque).await).await, (401, "invalid_token".to_owned()));
    let mut claims = stage.world.claims();
    claims["active"] = true.into();
    *stage.world.opaque.lock().unwrap() = claims;
    let other = [("authorization", "Bearer sa_BBBB")];
    assert_eq!(header(&ask(&stage, "GET", "/orders/1", &other).await, "x-symbolon-sub"), "u");
    stage.guard.stop().await;
    std::fs::remove_dir_all(directory).unwrap();
}

/// nginx fetches the text of a refusal at an address of its own. Whatever comes there, the answer passes nobody and names nobody.
#[tokio::test]
async fn the_address_for_refusals_lets_nobody_pass() {
    let stage = stage().await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    let said = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders/1")];
    let good = send(&stage, "/refusal/orders", &[said[0], said[1], ("authorization", &bearer)]).await;
    assert!(good.headers().keys().all(|it| !it.as_str().starts_with("x-symbolon")));
    assert_eq!(outcome(good).await, (503, "temporarily_unavailable".to_owned()));
    let missing = send(&stage, "/refusal/orders", &said).await;
    assert!(header(&missing, "www-authenticate").starts_with("Bearer"));
    assert_eq!(outcome(missing).await, (401, "token_missing".to_owned()));
    stage.guard.stop().await;
}

/// S-37: only the proxies of the configuration may ask, and without a list this machine alone. Metrics and health are on a port of their own.
#[tokio::test]
async fn only_proxies_may_ask() {
    let stage = stage_with("proxies = [\"10.0.0.0/8\"]", API).await;
    let asked = stage.http.get(format!("http://{}/forward-auth/orders", stage.guard.forward.unwrap())).send().await;
    assert!(asked.is_err());
    let inside = async |path: &str| {
        stage.http.get(format!("http://{}{path}", stage.guard.metrics.unwrap())).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!((inside("/metrics").await, inside("/health").await), ("metrics".to_owned(), "{\"status\":\"ok\"}".to_owned()));
    assert_eq!(inside("/forward-auth/orders").await, "");
    stage.guard.stop().await;
    let twin = stage_with("proxies = [\"127.0.0.1\"]", API).await;
    assert_eq!(send(&twin, "/health", &[]).await.status(), 200);
    twin.guard.stop().await;
}

/// S-39: a refusal is a status, a challenge and a document for programs. It leads nowhere and is no page, whatever the caller accepts.
#[tokio::test]
async fn a_refusal_leads_nowhere() {
    let stage = stage_with("", &API.replace("preflight = true", "preflight = false")).await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    let page = ("accept", "text/html,application/xhtml+xml");
    let preflight = [("origin", "https://app.example.com"), ("access-control-request-method", "PUT")];
    for (method, uri, headers, wanted) in [
        ("GET", "/orders/1", vec![page], (401, "token_missing")),
        ("GET", "/orders/1", vec![page, ("authorization", "Bearer x")], (401, "invalid_token")),
        ("POST", "/orders/1", vec![page, ("authorization", &bearer)], (403, "insufficient_scope")),
        ("GET", "/nothing", vec![page, ("authorization", &bearer)], (403, "no_route")),
        ("OPTIONS", "/orders/1", [&preflight[..], &[page]].concat(), (401, "token_missing")),
    ] {
        let answer = ask(&stage, method, uri, &headers).await;
        let (status, kind) = (answer.status().as_u16(), header(&answer, "content-type").to_owned());
        assert!(kind == "application/json" && !answer.headers().contains_key("location"), "{method} {uri}: {kind}");
        let challenges: Vec<&str> = answer.headers().get_all("www-authenticate").iter().map(|it| it.to_str().unwrap()).collect();
        let challenge = challenges.join(", ");
        assert_eq!(challenge.contains("Bearer"), wanted.1 != "no_route", "{method} {uri}: {challenge}");
        assert!(status == 403 || challenge.contains("DPoP"), "RFC 9449 7.1: {challenge}");
        assert_eq!(outcome(answer).await, (wanted.0, wanted.1.to_owned()), "{method} {uri}");
    }
    assert_eq!(ask(&stage, "GET", "/orders/1", &[page, ("authorization", &bearer)]).await.status(), 200, "the twin");
    stage.guard.stop().await;
}

/// S-39: a browser app of a listed origin can read why it is refused, and no other script can.
#[tokio::test]
async fn a_listed_origin_reads_why() {
    const OWN: &str = "https://app.example.com";
    fn said<'a>(answer: &'a Response, name: &str) -> &'a str {
        answer.headers().get(name).map(|it| it.to_str().unwrap()).unwrap_or_default()
    }
    let stage = stage_with("", &API.replace("preflight = true", &format!("preflight = true\norigins = [\"{OWN}\"]"))).await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    for (method, uri, more, wanted) in [
        ("GET", "/orders/1", None, (401, "token_missing")),
        ("GET", "/orders/1", Some("Bearer x"), (401, "invalid_token")),
        ("POST", "/orders/1", Some(&*bearer), (403, "insufficient_scope")),
        ("GET", "/nothing", Some(&*bearer), (403, "no_route")),
        ("GET", "/orders//1", Some(&*bearer), (400, "invalid_request")),
    ] {
        for (origin, may_read) in
            [(OWN, true), ("https://evil.example", false), ("null", false), ("https://app.example.com.evil.example", false)]
        {
            let headers: Vec<(&str, &str)> = [("origin", origin)].into_iter().chain(more.map(|it| ("authorization", it))).collect();
            let answer = ask(&stage, method, uri, &headers).await;
            assert_eq!(said(&answer, "vary"), "Origin", "{method} {uri}");
            assert_eq!(said(&answer, "access-control-allow-origin"), if may_read { OWN } else { "" }, "{method} {uri} {origin}");
            let exposed = said(&answer, "access-control-expose-headers");
            assert_eq!(exposed.contains("www-authenticate") && exposed.contains("dpop-nonce"), may_read, "{exposed}");
            assert!(!answer.headers().contains_key("access-control-allow-credentials"));
            assert_eq!(outcome(answer).await, (wanted.0, wanted.1.to_owned()), "{method} {uri}");
        }
    }
    let twice = ask(&stage, "GET", "/orders/1", &[("origin", OWN), ("origin", OWN)]).await;
    assert_eq!(said(&twice, "access-control-allow-origin"), "");
    // What passes has the API's own headers.
    let passed = ask(&stage, "GET", "/orders/1", &[("origin", OWN), ("authorization", &bearer)]).await;
    assert_eq!((passed.status().as_u16(), said(&passed, "access-control-allow-origin")), (200, ""));
    stage.guard.stop().await;
}

/// S-39: while the issuer cannot be reached and nothing is known of it, nobody passes.
#[tokio::test]
async fn without_the_issuers_keys_nobody_passes() {
    let stage = stage().await;
    stage.world.slow_ms.store(-1, std::sync::atomic::Ordering::Relaxed);
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    assert_eq!(
        outcome(ask(&stage, "GET", "/orders/1", &[("authorization", &bearer)]).await).await,
        (503, "temporarily_unavailable".to_owned())
    );
    stage.world.slow_ms.store(0, std::sync::atomic::Ordering::Relaxed);
    stage.world.now_s.fetch_add(6, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ask(&stage, "GET", "/orders/1", &[("authorization", &bearer)]).await.status(), 200);
    stage.guard.stop().await;
}

/// Observe mode: the call reaches the old check without an identity, and is counted by what it says of itself.
#[tokio::test]
async fn a_foreign_token_is_let_through_and_counted_until_the_last_day_is_over() {
    let stage = stage().await;
    let foreign = |issuer: &str| {
        let claims = json!({ "iss": issuer, "azp": "shop-ios", "exp": 1 });
        format!("Bearer {}", jws::sign(&PrivateKey::generate(Algorithm::ES256).unwrap(), "JWT", &claims).unwrap())
    };
    let social = foreign("https://accounts.social.example");
    let version = ("x-app-version", "4.2");
    let seen = ask(&stage, "GET", "/legacy/1", &[("authorization", &social), version]).await;
    assert_eq!((seen.status().as_u16(), header(&seen, "x-symbolon-outcome")), (200, "observed"));
    assert_eq!(["sub", "client", "scope", "claim-department"].map(|it| header(&seen, &format!("x-symbolon-{it}"))), [""; 4]);
    let list =
        stage.http.get(format!("http://{}/observed", stage.guard.metrics.unwrap())).send().await.unwrap().json::<Value>().await.unwrap();
    let one = json!({
        "api": "orders", "route": "/legacy/**", "issuer": "https://accounts.social.example", "client": "shop-ios", "version": "4.2", "calls": 1,
    });
    assert_eq!(list, json!([one]));
    // Another issuer's, the same token at a route that is not observed, an expired one of ours, and none.
    let refused = async |path: &str, token: &str| outcome(ask(&stage, "GET", path, &[("authorization", token)]).await).await;
    assert_eq!(refused("/legacy/1", &foreign("https://other.example")).await, (401, "invalid_token".to_owned()));
    assert_eq!(refused("/orders/1", &social).await, (401, "invalid_token".to_owned()));
    let mut claims = stage.world.claims();
    claims["exp"] = 990.into();
    assert_eq!(refused("/legacy/1", &format!("Bearer {}", stage.world.token(&claims))).await, (401, "invalid_token".to_owned()));
    assert_eq!(outcome(ask(&stage, "GET", "/legacy/1", &[]).await).await, (401, "token_missing".to_owned()));
    // A token of ours gets its identity at the same route, and the next day the route enforces by itself.
    let own = format!("Bearer {}", stage.token("orders:read"));
    assert_eq!(header(&ask(&stage, "GET", "/legacy/1", &[("authorization", &own)]).await, "x-symbolon-sub"), "u");
    stage.world.now_s.store(86_399, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ask(&stage, "GET", "/legacy/1", &[("authorization", &social)]).await.status(), 200);
    stage.world.now_s.store(86_400, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(refused("/legacy/1", &social).await, (401, "invalid_token".to_owned()));
    stage.guard.stop().await;
}

/// RFC 9470: a route that wants a better or fresher sign-in says which, and each defect alone is refused.
#[tokio::test]
async fn a_route_wants_a_good_and_a_fresh_sign_in() {
    let stage = stage().await;
    let with = |acr: &Value, auth_time: &Value| {
        let mut claims = stage.world.claims();
        (claims["acr"], claims["auth_time"]) = (acr.clone(), auth_time.clone());
        format!("Bearer {}", stage.world.token(&claims))
    };
    let (good, fresh) = (json!("urn:example:two-factors"), json!(950));
    for (acr, auth_time) in [
        (json!("urn:example:password"), fresh.clone()),
        (json!(""), fresh.clone()),
        (json!("urn:example:two-factors urn:example:password"), fresh.clone()),
        (Value::Null, fresh.clone()),
        (good.clone(), json!(930)),
        (good.clone(), Value::Null),
    ] {
        let bearer = with(&acr, &auth_time);
        let answer = ask(&stage, "GET", "/orders/refunds", &[("authorization", &bearer)]).await;
        let challenge = header(&answer, "www-authenticate").to_owned();
        assert!(answer.headers().get("x-symbolon-sub").is_none_or(|it| it.is_empty()));
        assert_eq!(outcome(answer).await, (401, "insufficient_user_authentication".to_owned()), "{acr} {auth_time}");
        for said in ["acr_values=\"urn:example:phishing-resistant urn:example:two-factors\"", "max_age=\"60\""] {
            assert!(challenge.contains(said), "{challenge}");
        }
        let elsewhere = ask(&stage, "GET", "/orders/1", &[("authorization", &bearer)]).await;
        assert_eq!(elsewhere.status(), 200, "the token is good where nothing more is wanted: {acr} {auth_time}");
    }
    for acr in [good, json!("urn:example:phishing-resistant")] {
        let answer = ask(&stage, "GET", "/orders/refunds", &[("authorization", &with(&acr, &fresh))]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "x-symbolon-acr")), (200, acr.as_str().unwrap()), "the twin");
    }
}
