//! One whole answer of the endpoints that need a feature, as files in `snapshots/`. Two tests look at all those files: each endpoint has
//! an answer there that is no refusal, and each answer is compared.

use crate::answers::{frozen, get, post, same};
use crate::backchannel::{MESSAGE, clients};
use crate::world::app_passkeys::with_app;
use crate::world::native::{BEGIN, Screens};
use crate::world::passkeys::Keys;
use crate::world::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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

/// What a browser asks before it uses a passkey of this server at another site.
#[tokio::test(flavor = "multi_thread")]
async fn related_origins_answer_as_recorded() {
    let keys = Keys::start(Engine::Sqlite, "[passkeys]\nrelated_origins = [\"https://shop.example\", \"https://shop.example.de\"]").await;
    same("webauthn_related", &keys.world.shown(get(&keys.world, "/.well-known/webauthn")).await);
    keys.world.stop().await;
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

/// The first step on an app's own screens and the code at its end, and the refusal to a client that has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_step_answers_as_recorded() {
    let scene = Screens::start(Engine::Sqlite).await;
    scene.world.freeze();
    let mut phone = scene.genuine();
    // From now on it knows a nonce and a challenge.
    let step = phone.begin().await;
    let send = |form: &[(&str, &str)]| {
        let request = post(&scene.world, "/authorize-challenge", form);
        phone.headers("/authorize-challenge").into_iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    same("authorize_challenge", &scene.world.shown(send(&[BEGIN[0], BEGIN[1], ("client_id", "screens")])).await);
    let held = step.text("auth_session");
    let answer = [("action", "continue"), ("username", "alice"), ("password", PASSWORD)];
    let form = [&[("client_id", "screens"), ("auth_session", held.as_str())][..], &answer[..]].concat();
    same("authorize_challenge_code", &scene.world.shown(send(&form)).await);
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

/// The path of a recorded answer that is no refusal, and none to a script's question beforehand.
fn path_of_success(snapshot: &str) -> Option<&str> {
    let mut lines = snapshot.lines();
    let request = lines.find(|line| ["GET ", "POST ", "PUT ", "DELETE "].iter().any(|method| line.starts_with(method)))?;
    let status: u16 = lines.nth(1)?.split(' ').next()?.parse().ok()?;
    request.split(' ').nth(1).filter(|_| status < 400)
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")
}

/// The texts of the files in this directory that end so, by the names before that.
fn files(directory: &Path, end: &str) -> BTreeMap<String, String> {
    let all = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| Some(path.file_name()?.to_str()?.strip_suffix(end)?.to_owned());
    all.filter_map(|path| Some((name(&path)?, std::fs::read_to_string(&path).unwrap()))).collect()
}

/// Each row of the route table has an answer on file that is no refusal. What is not accepted yet does not count.
#[test]
fn every_endpoint_has_a_recorded_answer() {
    let snapshots = files(&tests().join("snapshots"), ".snap");
    let good = snapshots.values().filter_map(|text| path_of_success(text).and_then(find));
    let recorded: BTreeSet<&str> = good.map(|(row, _)| row.route.path).collect();
    let missing: Vec<&str> = ROWS.iter().map(|row| row.route.path).filter(|path| !recorded.contains(path)).collect();
    assert!(missing.is_empty(), "{missing:?}: record an answer that is no refusal, in one of the files `answers*.rs`");
}

/// A file that no test compares with an answer says nothing about the server.
#[test]
fn every_recorded_answer_is_compared() {
    let sources = files(&tests(), ".rs");
    let ours = sources.iter().filter(|(name, _)| name.starts_with("answers"));
    let code: String = ours.flat_map(|(_, source)| source.split_whitespace()).collect();
    let is_named = |name: &str| code.contains(&format!("(\"{name}\","));
    let snapshots = files(&tests().join("snapshots"), ".snap");
    let unnamed: Vec<&String> = snapshots.keys().filter(|name| !is_named(name)).collect();
    assert!(unnamed.is_empty(), "no test compares {unnamed:?}: delete the files");
    assert!(is_named("webauthn_related") && !is_named("webauthn_unrelated"), "the twin");
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
