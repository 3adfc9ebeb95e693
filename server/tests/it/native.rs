//! POST /authorize-challenge: who may use the native face, what an `auth_session` is good for, and the way to the browser.
//! draft-ietf-oauth-first-party-apps-04. Area H of the catalogue.

use crate::world::native::*;
use crate::world::*;
use symbolon_oauth::pkce;

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Screens) -> T) {
    for engine in engines() {
        test(Screens::start(engine).await).await;
    }
}

const RIGHT: [(&str, &str); 2] = [("username", "alice"), ("password", PASSWORD)];
const WRONG: [(&str, &str); 2] = [("username", "alice"), ("password", "not hers")];

async fn rows(world: &World) -> usize {
    world.running.shared.now().store.all("SELECT id FROM sign_in", &[]).await.unwrap().len()
}

/// A password, an ordinary code at the end, and tokens for the installation's key alone. A start costs nothing durable.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_signs_a_person_in_on_its_own_screens() {
    on_every_engine(|scene| async move {
        let mut phone = scene.genuine();
        let start = phone.begin().await;
        phone.begin().await;
        assert_eq!((start.error(), start.kind(), rows(&scene.world).await), (ASKED, "password", 0), "{start:?}");
        assert_eq!(start.header("content-type"), Some("application/vnd.symbolon.step+json"));
        assert_eq!((start.header("cache-control"), start.header("set-cookie")), (Some("no-store"), None));
        let wrong = phone.answer(&start, "continue", &WRONG).await;
        assert_eq!((wrong.error(), wrong.kind(), wrong.problem()), (ASKED, "password", "wrong_password"));
        assert_ne!(wrong.text("auth_session"), start.text("auth_session"));
        assert_eq!(wrong.step()["fields"][0]["value"], "alice", "what was typed is there again; {wrong:?}");
        assert_eq!(wrong.step()["fields"][1]["value"], serde_json::Value::Null, "but for secrets");
        let done = phone.answer(&wrong, "continue", &RIGHT).await;
        assert_eq!((done.status, done.body.as_object().unwrap().len(), rows(&scene.world).await), (200, 1, 1), "{done:?}");
        let tokens = phone.redeem(&done.text("authorization_code")).await;
        assert_eq!((tokens.status, tokens.text("token_type").as_str()), (200, "DPoP"), "{tokens:?}");
        assert_eq!(claims(&tokens.text("access_token"))["cnf"]["jkt"], phone.key.kid());
        let refreshed = phone.refresh(&tokens.text("refresh_token")).await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        let issued = scene.world.entries("code_issued").await;
        assert_eq!((issued.len(), issued[0]["detail"]["face"].as_str()), (1, Some("native")));
        let metadata = scene.world.get("/.well-known/oauth-authorization-server").await.json::<serde_json::Value>().await.unwrap();
        assert_eq!(metadata["authorization_challenge_endpoint"], scene.world.url("/authorize-challenge"));
        scene.world.stop().await;
    })
    .await;
}

/// Only a first-party client with `native = true` that is known by a key may ask people for their passwords. A DPoP key that nobody
/// vouched for could be a phishing page's.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_client_that_is_known_by_a_key_may_ask_people() {
    let refused = (400, "unauthorized_client");
    let tiers = "[client.screens.attestation.tier]\nhardware = {}\nhardware_claimed = {}\nsoftware = {}\nnone = {}\n";
    let scene = Screens::with(Engine::Sqlite, |it| it.with(tiers).set("client.shop-ios.dpop", "required")).await;
    for tier in ["hardware", "hardware_claimed"] {
        assert_eq!(scene.phone(tier).begin().await.error(), ASKED, "{tier}");
    }
    assert_eq!(scene.phone("software").begin().await.error(), refused);
    let mut bare = Phone { mode: Mode::Unattested, ..scene.genuine() };
    assert_eq!(bare.begin().await.error(), refused, "a key that nobody vouched for");
    assert_eq!(scene.world.phone().begin().await.error(), refused, "a client without native");
    assert_eq!(scene.signer().begin().await.error(), ASKED, "a registered key");
    let (status, body) = scene.world.post("/authorize-challenge", &[("client_id", "shop-web"), BEGIN[0], BEGIN[1]], Some("shop-web")).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("unauthorized_client")), "a secret is no key");
    let reasons: Vec<String> =
        scene.world.entries("native_sign_in_refused").await.iter().map(|it| it["reason"].as_str().unwrap().to_owned()).collect();
    assert!(reasons.iter().any(|it| it.contains("software")) && reasons.iter().any(|it| it.contains("native = true")), "{reasons:?}");
    // The operator takes it back while a sign-in is under way.
    let mut phone = scene.genuine();
    let step = phone.begin().await;
    scene.world.reload(|it| it.set("client.screens.native", false)).await;
    assert_eq!(phone.answer(&step, "continue", &RIGHT).await.error(), refused);
    scene.world.reload(|it| it.set("client.screens.native", true)).await;
    assert_eq!(phone.answer(&step, "continue", &RIGHT).await.status, 200, "the twin");
    scene.world.stop().await;
}

/// 297-H: a page, a web view and a script have headers and cookies that an app of its own has not.
#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_a_browser_is_refused() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    phone.begin().await;
    for (name, value) in [
        ("origin", "https://screens.example.com"),
        ("origin", "null"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("cookie", "symbolon-session=x"),
        ("cookie", "a=1; __Host-symbolon-login-x=1"),
    ] {
        let mut headers = phone.headers("/authorize-challenge");
        headers.push((name, value.to_owned()));
        let form = [("client_id", "screens"), BEGIN[0], BEGIN[1]];
        let answer = phone.send_headers(&scene.world, "/authorize-challenge", &form, &headers).await;
        assert_eq!(answer.error(), (400, "invalid_request"), "{name}: {value}");
        assert!(answer.header("access-control-allow-origin").is_none(), "{name}");
    }
    let mut headers = phone.headers("/authorize-challenge");
    headers.push(("cookie", "balancer=7".to_owned()));
    let form = [("client_id", "screens"), BEGIN[0], BEGIN[1]];
    assert_eq!(phone.send_headers(&scene.world, "/authorize-challenge", &form, &headers).await.error(), ASKED, "the twin");
    scene.world.stop().await;
}

/// 286-H, 290-H, 291-H: an `auth_session` is of use to the installation that began, as it was made, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn an_auth_session_belongs_to_its_installation() {
    on_every_engine(|scene| async move {
        let mut phone = scene.genuine();
        let start = phone.begin().await;
        let later = phone.answer(&start, "continue", &WRONG).await;
        let mut thief = scene.genuine();
        for (name, held) in [("a start", &phone.begin().await), ("a row", &later)] {
            assert_eq!(thief.answer(held, "continue", &RIGHT).await.error(), OVER, "{name}: another installation");
            assert_eq!(scene.signer().answer(held, "continue", &RIGHT).await.error(), OVER, "{name}: another client");
            let text = held.text("auth_session");
            let middle = text.len() / 2;
            let other = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
            let cut = text[..text.len() - 8].to_owned();
            let edited = format!("{}{other}{}", &text[..middle], &text[middle + 1..]);
            // One letter in every part of it.
            let letters = (3..text.len()).step_by(7).map(|at| {
                let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
                format!("{}{other}{}", &text[..at], &text[at + 1..])
            });
            let others = [cut, edited, format!("{text}AAAA"), text[3..].to_owned(), String::new(), "sl_".to_owned()];
            for bad in others.into_iter().chain(letters) {
                let form = [("auth_session", bad.as_str()), ("action", "continue"), RIGHT[0], RIGHT[1]];
                assert_eq!(phone.post("/authorize-challenge", &form).await.error(), OVER, "{name}: {bad}");
            }
        }
        assert_eq!(scene.world.audited("password_proved").await, 0);
        assert_eq!(phone.answer(&later, "continue", &RIGHT).await.status, 200, "the twin: nothing of this ended the sign-in");
        assert_eq!(phone.answer(&later, "continue", &WRONG).await.error(), OVER, "295-H: it is finished");
        scene.world.stop().await;
    })
    .await;
}

/// The same answer once more gets the same result, whichever way the first was lost; another answer with the old value gets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_answer_heals() {
    on_every_engine(|scene| async move {
        let mut phone = scene.genuine();
        let start = phone.begin().await;
        let wrong = phone.answer(&start, "continue", &WRONG).await;
        let again = phone.answer(&start, "continue", &WRONG).await;
        assert_eq!((again.error(), again.text("auth_session")), (ASKED, wrong.text("auth_session")));
        assert_eq!(scene.world.audited("password_refused").await, 1, "one answer, one guess");
        assert_eq!(phone.answer(&start, "continue", &RIGHT).await.error(), OVER, "the value of before is for the same answer alone");
        let done = phone.answer(&again, "continue", &RIGHT).await;
        let healed = phone.answer(&again, "continue", &RIGHT).await;
        assert_eq!((healed.status, healed.body), (200, done.body.clone()));
        assert_eq!(scene.world.audited("code_issued").await, 1);
        assert_eq!(phone.redeem(&done.text("authorization_code")).await.status, 200);
        assert_eq!(phone.answer(&again, "continue", &RIGHT).await.error(), OVER, "the code was redeemed");
        scene.world.stop().await;
    })
    .await;
}

/// 294-H: answers to one step at the same time. One of them moves the sign-in, and only it is a guess.
#[tokio::test(flavor = "multi_thread")]
async fn parallel_answers_move_a_sign_in_once() {
    on_every_engine(|scene| async move {
        let mut phone = scene.genuine();
        let start = phone.begin().await;
        let held = start.text("auth_session");
        let mut sent = Vec::new();
        for number in 0..8 {
            let (http, url) = (scene.world.http.clone(), scene.world.url("/authorize-challenge"));
            let headers = phone.headers("/authorize-challenge");
            let wrong = format!("wrong {number}");
            let form: Vec<(String, String)> = [("client_id", "screens"), ("auth_session", &held), ("action", "continue")]
                .into_iter()
                .chain([("username", "alice"), ("password", wrong.as_str())])
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            sent.push(tokio::spawn(async move {
                let request = headers.iter().fold(http.post(url).form(&form), |request, (name, value)| request.header(*name, value));
                Answer::to(request).await
            }));
        }
        let mut moved = 0;
        for answer in sent {
            let answer = answer.await.unwrap();
            match answer.error() {
                ASKED => moved += 1,
                (400, "busy" | "invalid_session") => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((moved, scene.world.audited("password_refused").await), (1, 1));
        scene.world.stop().await;
    })
    .await;
}

/// 289-H: what is not a field of the step, or not one of its actions, changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_step_offers_is_an_answer() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    let start = phone.begin().await;
    for action in ["", "allow", "started_it", "use_totp", "CONTINUE"] {
        let answer = phone.answer(&start, action, &RIGHT).await;
        assert_eq!(answer.error(), (400, "invalid_request"), "{action}");
    }
    let more = [("verified", "true"), ("acr", "urn:two"), ("user_id", "alice"), ("subject", "alice"), ("consented", "1")];
    let wrong = phone.answer(&start, "continue", &[&WRONG[..], &more].concat()).await;
    assert_eq!((wrong.error(), wrong.problem()), (ASKED, "wrong_password"));
    let done = phone.answer(&wrong, "continue", &[&RIGHT[..], &more].concat()).await;
    let tokens = phone.redeem(&done.text("authorization_code")).await;
    assert_eq!(tokens.status, 200, "the twin");
    assert!(claims(&tokens.text("access_token"))["acr"].as_str().unwrap_or_default().is_empty(), "{tokens:?}");
    scene.world.stop().await;
}

/// The person says no; the app is told so, and the sign-in is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_sign_in_is_over() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    let start = phone.begin().await;
    let cancelled = phone.answer(&start, "cancel", &[]).await;
    assert_eq!((cancelled.error(), cancelled.text("auth_session").as_str()), ((400, "access_denied"), ""));
    assert_eq!(cancelled.text("reason"), "cancelled", "W-47");
    assert_eq!(phone.answer(&start, "cancel", &[]).await.error(), (400, "access_denied"), "the same answer, the same result");
    assert_eq!(phone.answer(&start, "continue", &RIGHT).await.error(), OVER);
    assert_eq!(scene.world.entries("authorization_refused").await[0]["reason"], "the person cancelled the sign-in");
    scene.world.advance_s(31 * 60);
    let late = phone.begin().await;
    scene.world.advance_s(31 * 60);
    phone.attest_by(&scene.attester, "screens", 3600, &serde_json::Map::from_iter([("tier".to_owned(), "hardware".into())]));
    assert_eq!(phone.answer(&late, "continue", &RIGHT).await.error(), OVER, "half an hour is over");
    scene.world.stop().await;
}

/// 074-P: the code is an ordinary one: single use, for its client, its key, and its verifier if there was a challenge.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_code_is_held_by_its_key() {
    on_every_engine(|scene| async move {
        let mut phone = scene.genuine();
        let code = phone.native_code().await;
        let refused = (400, "invalid_grant");
        assert_eq!(scene.genuine().redeem(&code).await.error(), refused, "another installation");
        assert_eq!(scene.signer().redeem(&code).await.error(), refused, "another client");
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", &pkce::verifier([7; 32]))];
        assert_eq!(phone.post("/token", &form).await.error(), refused, "064-P: a verifier without a challenge");
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK)];
        assert_eq!(phone.post("/token", &form).await.error(), refused, "a redirect URI that the request did not name");
        assert_eq!(phone.redeem(&code).await.status, 200, "the twin");
        // With a challenge.
        let verifier = pkce::verifier([9; 32]);
        let challenge = pkce::challenge(&verifier);
        let step = phone.begin_with(&[("code_challenge", &challenge), ("code_challenge_method", "S256")]).await;
        let code = phone.answer(&step, "continue", &RIGHT).await.text("authorization_code");
        assert_eq!(phone.redeem(&code).await.error(), refused, "065-P: no verifier");
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", verifier.as_str())];
        assert_eq!(phone.post("/token", &form).await.status, 200);
        for bad in [&[("code_challenge", "")][..], &[("code_challenge_method", "S256")], &[("code_challenge", &challenge)]] {
            assert_eq!(phone.begin_with(bad).await.error(), (400, "invalid_request"), "066-P, 068-P: {bad:?}");
        }
        scene.world.stop().await;
    })
    .await;
}

/// A request is judged as at the authorization endpoint; what has no meaning here is refused and not ignored.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_judged_as_at_the_authorization_endpoint() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    for (bad, code) in [
        (&[("response_type", "")][..], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("scope", "orders:admin")], "invalid_scope"),
        (&[("resource", "https://api.example.com/ledger")], "invalid_target"),
        (&[("prompt", "none")], "login_required"),
        (&[("prompt", "later")], "invalid_request"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("request", "x.y.z")], "invalid_request"),
        (&[("request_uri", "urn:x")], "invalid_request"),
        (&[("dpop_jkt", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")], "invalid_dpop_proof"),
        (&[("claims", "{\"id_token\":{\"acr\":{\"essential\":true,\"values\":[\"urn:no\"]}}}")], "unmet_authentication_requirements"),
    ] {
        let answer = phone.begin_with(bad).await;
        assert_eq!(answer.error(), (400, code), "{bad:?}");
    }
    assert_eq!(phone.begin_with(&[("max_age", "60"), ("prompt", "login")]).await.error(), ASKED, "the twin");
    // Of several redirect URIs one is meant, where the sign-in may go on in the browser.
    let challenge = pkce::challenge(&pkce::verifier([1; 32]));
    let pair = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256"), ("scope", "orders:read")];
    let mut signer = scene.signer();
    assert_eq!(signer.begin_with(&pair).await.error(), (400, "invalid_request"));
    let named = [&pair[..], &[("redirect_uri", "https://signer.example.com/cb")]].concat();
    assert_eq!(signer.begin_with(&named).await.error(), ASKED, "the twin");
    let evil = [&pair[..], &[("redirect_uri", "https://evil.example.com/cb")]].concat();
    assert_eq!(signer.begin_with(&evil).await.error(), (400, "invalid_request"));
    assert_eq!(signer.begin_with(&[("scope", "orders:read")]).await.error(), ASKED, "and without a challenge none is");
    scene.world.stop().await;
}

/// 103-T: an assertion works once here too.
#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_works_once() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut signer = scene.signer();
    assert_eq!(signer.begin_with(&[("scope", "orders:read")]).await.error(), ASKED);
    let assertion = signer.assertion().unwrap();
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let form = [BEGIN[0], ("scope", "orders:read"), kind, ("client_assertion", assertion.as_str())];
    let send = async || signer.send_headers(&scene.world, "/authorize-challenge", &form, &signer.headers("/authorize-challenge")).await;
    assert_eq!(send().await.error(), ASKED);
    assert_eq!(send().await.error(), (401, "invalid_client"));
    scene.world.stop().await;
}
