//! One whole answer of the endpoints that need a feature, as files in `snapshots/`, and a test that no endpoint is without one.

use crate::answers::{frozen, get, post, same};
use crate::backchannel::{MESSAGE, clients};
use crate::world::app_passkeys::with_app;
use crate::world::native::{BEGIN, Screens};
use crate::world::*;
use std::collections::BTreeSet;
use std::path::Path;
use symbolon::http::routes::{ROWS, find};

/// What browsers, phones and password managers ask for by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn documents_of_features_answer_as_recorded() {
    let world = frozen(with_app(Configuration::on(Engine::Sqlite).await.with(
        "[client.screens]\nkind = \"native\"\nname = \"Screens\"\nfirst_party = true\ndpop = \"required\"\n\
         redirect_uris = [\"https://screens.example.com/cb\"]\n",
    )))
    .await;
    for (name, path) in [
        ("change_password", "/.well-known/change-password"),
        ("assetlinks", "/.well-known/assetlinks.json"),
        ("apple_app_site_association", "/.well-known/apple-app-site-association"),
        ("webauthn", "/.well-known/webauthn"),
        ("robots", "/robots.txt"),
        ("favicon", "/favicon.ico"),
    ] {
        same(name, &world.shown(get(&world, path)).await);
    }
    world.stop().await;
}

/// Addresses that lead somewhere only with what somebody was given.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_without_what_belongs_to_them_answer_as_recorded() {
    let world = frozen(Configuration::on(Engine::Sqlite).await).await;
    for (name, request) in [
        ("continue_unknown", get(&world, "/c/nothing")),
        ("login_unknown", get(&world, "/login/nothing")),
        ("handover_unknown", get(&world, "/handover/nothing")),
        ("stop_unknown", get(&world, "/stop/nothing")),
        ("approvals_signed_out", get(&world, "/approvals")),
        ("account_password", get(&world, "/account/password")),
        ("plugin_return_unknown", get(&world, "/plugin/nobody/return?state=x")),
        ("upstream_callback_unknown", get(&world, "/upstream/nobody/callback?state=x")),
        ("upstream_logout_unknown", post(&world, "/upstream/nobody/backchannel-logout", &[("logout_token", "x")])),
        ("upstream_events_unknown", world.http.post(world.url("/upstream/nobody/events")).json(&serde_json::json!({ "payload": "x" }))),
        ("upstream_jwks_unknown", get(&world, "/upstream/nobody/jwks")),
        ("upstream_sign_out_unknown", get(&world, "/upstream/nobody/sign-out")),
        ("upstream_signed_out_unknown", get(&world, "/upstream/nobody/signed-out")),
        ("wallet_stop_unknown", post(&world, "/wallet/nobody/stop", &[("code", "x")])),
        ("wallet_request_unknown", get(&world, "/wallet/nobody/request/x")),
        ("wallet_response_unknown", post(&world, "/wallet/nobody/response/x", &[("response", "x")])),
        ("wallet_return_unknown", get(&world, "/wallet/nobody/return?response_code=x")),
        ("refused_client_registration", world.http.post(world.url("/clients")).json(&serde_json::json!({ "redirect_uris": [] }))),
        ("refused_client_management", get(&world, "/clients/nobody")),
        ("refused_handover", post(&world, "/handover", &[("client_id", "shop-ios")])),
        ("refused_kiosk_challenge", post(&world, "/kiosk/challenge", &[("client_id", "shop-ios")])),
        ("refused_pending", get(&world, "/pending")),
        ("refused_pending_device", post(&world, "/pending/device", &[("user_code", "BCDF-GHJK")])),
    ] {
        same(name, &world.shown(request).await);
    }
    world.stop().await;
}

/// The first step on an app's own screens, and its refusal to a client that has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_step_answers_as_recorded() {
    let scene = Screens::start(Engine::Sqlite).await;
    scene.world.freeze();
    let mut phone = scene.genuine();
    // From now on it knows a nonce and a challenge.
    phone.begin().await;
    let form = [BEGIN[0], BEGIN[1], ("client_id", "screens")];
    let proofs = phone.headers("/authorize-challenge");
    let request = proofs.iter().fold(post(&scene.world, "/authorize-challenge", &form), |it, (name, value)| it.header(*name, value));
    same("authorize_challenge", &scene.world.shown(request).await);
    let refused = post(&scene.world, "/authorize-challenge", &[BEGIN[0], BEGIN[1], ("client_id", "shop-ios")]);
    same("refused_authorize_challenge", &scene.world.shown(refused).await);
    scene.world.stop().await;
}

/// A client asks a person elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_backchannel_request_answers_as_recorded() {
    let world = frozen(Configuration::on(Engine::Sqlite).await.with(&clients(&new_key()))).await;
    let form = [("scope", "openid orders:read"), ("login_hint", "alice"), MESSAGE];
    let ask = |form: &[(&str, &str)]| post(&world, "/backchannel_authentication", form).basic_auth("desk", Some(SECRET));
    same("backchannel_authentication", &world.shown(ask(&form)).await);
    same("refused_backchannel_authentication", &world.shown(ask(&form[..1])).await);
    world.stop().await;
}

/// Rows without a snapshot of what they do when all is well: it rests on another party, or differs each time. The named test of the named
/// file gets that answer, and judges its status, what it says, or what it leads to; not each of its headers.
const JUDGED_ELSEWHERE: [(&str, &str, &str); 16] = [
    ("/.well-known/webauthn", "passkeys.rs", "related_origins_are_served"),
    // Its step is a 403: `insufficient_authorization`. That one is on file, and here it goes on to the code.
    ("/authorize-challenge", "native.rs", "an_app_signs_a_person_in_on_its_own_screens"),
    ("/c/{reference}", "continue_page.rs", "an_answer_waits_for_the_tap_of_one_browser"),
    ("/pending/device", "devices_in_app.rs", "a_television_is_let_in_by_the_app"),
    ("/plugin/{name}/return", "plugin_methods.rs", "a_browser_goes_away_and_comes_back_to_its_own_sign_in"),
    ("/stop/{token}", "letters.rs", "the_letter_about_a_device_ends_the_sign_in"),
    ("/upstream/{name}/backchannel-logout", "upstream_logout.rs", "a_person_who_signed_out_there_is_asked_again_here"),
    ("/upstream/{name}/callback", "upstream.rs", "somebody_new_gets_an_account_and_finds_it_again"),
    ("/upstream/{name}/events", "upstream_account_events.rs", "who_ends_it_at_the_provider_is_signed_out_here"),
    ("/upstream/{name}/jwks", "upstream_bound.rs", "an_encrypted_id_token_is_read_with_the_key_that_is_published"),
    ("/upstream/{name}/sign-out", "upstream_sign_out.rs", "who_signs_out_here_is_signed_out_at_the_provider_and_comes_back"),
    ("/upstream/{name}/signed-out", "upstream_sign_out.rs", "who_signs_out_here_is_signed_out_at_the_provider_and_comes_back"),
    ("/wallet/{name}/request/{handle}", "wallets.rs", "the_request_is_signed_and_fresh"),
    ("/wallet/{name}/response/{handle}", "wallets.rs", "a_person_of_a_wallet_gets_an_account_and_finds_it_again"),
    ("/wallet/{name}/return", "wallets.rs", "a_person_of_a_wallet_gets_an_account_and_finds_it_again"),
    ("/wallet/{name}/stop", "wallet_elsewhere.rs", "a_person_who_did_not_begin_ends_it"),
];

/// The path of a recorded answer that is no refusal, and none to a script's question beforehand.
fn path_of_success(snapshot: &str) -> Option<&str> {
    let mut lines = snapshot.lines();
    let request = lines.find(|line| ["GET ", "POST ", "PUT ", "DELETE "].iter().any(|method| line.starts_with(method)))?;
    let status: u16 = lines.nth(1)?.split(' ').next()?.parse().ok()?;
    request.split(' ').nth(1).filter(|_| status < 400)
}

/// Each row of the route table has an answer on file that is no refusal, or a test that judges one.
#[test]
fn every_endpoint_has_a_recorded_answer() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut recorded = BTreeSet::new();
    for file in std::fs::read_dir(tests.join("snapshots")).unwrap().flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap();
        recorded.extend(path_of_success(&text).and_then(find).map(|(row, _)| row.route.path));
    }
    for (path, file, test) in JUDGED_ELSEWHERE {
        assert!(!recorded.contains(path), "{path} has an answer on file: take it off the list");
        let source = std::fs::read_to_string(tests.join(file)).unwrap();
        assert!(source.contains(&format!("async fn {test}() {{")), "{path}: {file} has no test {test}");
    }
    let is_judged = |path: &str| JUDGED_ELSEWHERE.iter().any(|(row, ..)| *row == path);
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.route.path).collect();
    let missing: Vec<&&str> = rows.iter().filter(|path| !recorded.contains(*path) && !is_judged(path)).collect();
    assert!(missing.is_empty(), "{missing:?}: add an answer to this file that is no refusal");
    let unknown: Vec<&str> = JUDGED_ELSEWHERE.iter().map(|(row, ..)| *row).filter(|row| !rows.contains(row)).collect();
    assert!(unknown.is_empty(), "there are no rows {unknown:?}");
}

/// The twins: a refusal is no answer of an endpoint, and neither is what a preflight hears.
#[test]
fn a_refusal_is_no_recorded_answer() {
    let snapshot = |request: &str, status: &str| format!("---\nsource: x\n---\n{request} /par\n\n{status}\na: b\n\nGET /other\n");
    for (request, status, path) in [
        ("POST", "201 Created", Some("/par")),
        ("GET", "303 See Other", Some("/par")),
        ("POST", "400 Bad Request", None),
        ("GET", "404 Not Found", None),
    ] {
        assert_eq!(path_of_success(&snapshot(request, status)), path, "{request} {status}");
    }
    assert_eq!(path_of_success("OPTIONS /par\n\n204 No Content\n"), None);
}
