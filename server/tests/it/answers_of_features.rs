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

/// Each row of the route table has an answer on file. Its first line says which.
#[test]
fn every_endpoint_has_a_recorded_answer() {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots")).unwrap();
    let mut recorded = BTreeSet::new();
    for file in files.flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let methods = ["GET ", "POST ", "PUT ", "DELETE ", "OPTIONS "];
        let line = text.lines().find(|line| methods.iter().any(|method| line.starts_with(method))).unwrap();
        recorded.extend(find(line.split(' ').nth(1).unwrap()).map(|(row, _)| row.route.path));
    }
    let missing: Vec<&str> = ROWS.iter().map(|row| row.route.path).filter(|path| !recorded.contains(path)).collect();
    assert!(missing.is_empty(), "{missing:?}: add an answer to this file");
}
