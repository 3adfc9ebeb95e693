//! One whole answer of the endpoints that need more than a request: what somebody with the right to it gets. The refusals are in
//! `answers_of_features`.

use crate::answers::{get, masked, post, same};
use crate::backchannel::{self, MESSAGE};
use crate::registration::site;
use crate::world::*;
use crate::{continue_page, devices, handover, kiosks, letters, registration};
use serde_json::json;

/// A request with what a phone proves.
fn proved(request: reqwest::RequestBuilder, phone: &Phone<'_>, path: &str) -> reqwest::RequestBuilder {
    phone.headers(path).into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// A request with a token and the proof of its key.
fn with_token(phone: &Phone<'_>, (method, path): (&str, &str), token: &str) -> reqwest::RequestBuilder {
    let request = phone.world.http.request(method.parse().unwrap(), phone.world.url(path));
    request.header("authorization", format!("DPoP {token}")).header("dpop", phone.proof(method, path, Some(token)))
}

/// An answer without the value of this member, wherever else it stands.
fn without(shown: &str, member: &str) -> String {
    let (_, rest) = shown.split_once(&format!("\"{member}\": \"")).unwrap();
    shown.replace(rest.split_once('"').unwrap().0, &format!("[{member}]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_registers_is_answered_as_recorded() {
    let world = registration::open(Engine::Sqlite).await;
    world.freeze();
    let registered = world.http.post(world.url("/clients")).json(&site());
    let shown = world.shown(registered).await;
    same("client_registered", &without(&without(&shown, "client_id"), "text"));
    let (status, client) = registration::register(&world, None, &site()).await;
    assert_eq!(status, 201, "{client}");
    let id = client["client_id"].as_str().unwrap();
    let token = client["registration_access_token"].as_str().unwrap();
    let path = format!("/clients/{id}");
    let hidden = |shown: String| without(&shown.replace(id, "[client_id]"), "text");
    same("client_read", &hidden(world.shown(get(&world, &path).bearer_auth(token)).await));
    let mut body = site();
    body["client_id"] = json!(id);
    body["client_name"] = json!("Harvest diary");
    let changed = world.http.put(world.url(&path)).bearer_auth(token).json(&body);
    same("client_changed", &hidden(world.shown(changed).await));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_hands_over_is_answered_as_recorded() {
    let scene = handover::Scene::start(Engine::Sqlite).await;
    scene.world.freeze();
    let (mut phone, tokens) = scene.app("handing", "alice").await;
    // From now on it knows a nonce.
    let path = scene.path(&mut phone, &tokens).await;
    let token = tokens.text("access_token");
    let request = with_token(&phone, ("POST", "/handover"), &token).header("content-type", "application/x-www-form-urlencoded");
    let hidden = |shown: String| {
        let rest = shown.split("/handover/").skip(1).map(|rest| rest.split_once(['"', '\n', '&', ' ']).map_or("", |it| it.0).to_owned());
        rest.filter(|ticket| ticket.len() > 20).fold(shown.clone(), |shown, ticket| shown.replace(&ticket, "[ticket]"))
    };
    same("handover_given", &hidden(scene.world.shown(request).await));
    same("handover_page", &hidden(scene.world.shown(get(&scene.world, &path)).await));
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_is_answered_as_recorded() {
    let scene = kiosks::Scene::start(Engine::Sqlite, "").await;
    scene.world.freeze();
    let mut gate = scene.gate(&scene.gates[0]);
    // From now on it knows a nonce and a challenge.
    kiosks::challenge(&mut gate).await;
    let request = proved(post(&scene.world, "/kiosk/challenge", &[("client_id", "gate")]), &gate, "/kiosk/challenge");
    same("kiosk_challenge", &scene.world.shown(request).await);
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_asked_is_answered_as_recorded() {
    let scene = backchannel::Scene::start(Engine::Sqlite, "").await;
    scene.world.freeze();
    let (mut phone, token) = scene.app("member-app", "alice").await;
    let form = [("scope", "openid orders:read"), ("login_hint", "alice"), MESSAGE];
    let asked = post(&scene.world, "/backchannel_authentication", &form).basic_auth("desk", Some(SECRET)).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    let waiting = phone.pending(&token).await;
    let id = waiting[0]["request"].as_str().unwrap().to_owned();
    let hidden = |shown: String| without(&shown.replace(&id, "[request]"), "shown");
    same("pending", &hidden(scene.world.shown(with_token(&phone, ("GET", "/pending"), &token)).await));
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_lets_a_device_in_is_answered_as_recorded() {
    let scene = backchannel::Scene::start(Engine::Sqlite, &devices::televisions()).await;
    scene.world.freeze();
    let (mut phone, token) = scene.app("member-app", "alice").await;
    let tv = devices::Tv::start(&scene.world, "tv", "openid orders:read").await;
    let code = ("user_code", tv.user_code());
    // From now on it knows a nonce.
    let asked = phone.post_with_token("/pending/device", &token, &[code]).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let (request, seen) = (asked.text("request"), asked.text("shown"));
    let send = |form: &[(&str, &str)]| with_token(&phone, ("POST", "/pending/device"), &token).form(form);
    let values = [("request", request.as_str()), ("shown", seen.as_str()), ("user code", code.1)];
    same("pending_device", &masked(&scene.world.shown(send(&[code])).await, &values));
    same("pending_device_approved", &scene.world.shown(send(&[code, ("action", "allow"), ("shown", seen.as_str())])).await);
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_at_the_continue_page_is_answered_as_recorded() {
    let world = continue_page::world(Engine::Sqlite).await;
    let path = continue_page::signed_in(&world).await;
    let shown = world.shown(get(&world, &path).header("host", continue_page::GO)).await;
    let code = shown.split_once("callback?code=").and_then(|(_, rest)| rest.split_once('&')).unwrap().0;
    same("continue_page", &masked(&shown, &[("code", code), ("reference", path.trim_start_matches("/c/"))]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_what_a_letter_tells_is_answered_as_recorded() {
    let telling = letters::telling(Engine::Sqlite).await;
    let (world, mut owner) = (&telling.world, Browser::default());
    Browser::default().sign_in(world, &Ask::native("openid"), "alice").await;
    let letter = letters::letters_about_devices(&telling.mailbox, 1).await.remove(0);
    let link = letter.split_whitespace().find_map(|word| word.strip_prefix(&world.issuer)).unwrap();
    let token = link.rsplit('/').next().unwrap();
    same("stop_asked", &masked(&world.shown(get(world, link)).await, &[("token", token)]));
    let page = owner.visit(world, link).await;
    let stopping = owner.submission_with_cookies(world, &page, &[], "stop");
    same("stop_done", &masked(&world.shown(stopping).await, &[("token", token)]));
    telling.world.stop().await;
}
