//! One whole answer of the endpoints that rest on another party: providers, wallets, plug-ins. What that party makes anew in every run is
//! replaced by its name.

use crate::answers::{get, masked, post, same};
use crate::wallet_elsewhere::link_of;
use crate::wallets::Outside;
use crate::world::provider::Provider;
use crate::world::*;
use crate::{upstream, upstream_account_events, upstream_bound, upstream_sign_out, wallets};
use serde_json::json;
use std::time::Duration;

/// Somebody comes from a provider, is led to its sign-out and back, and is signed out by its word.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_from_a_provider_is_answered_as_recorded() {
    let provider = Provider::start().await;
    provider.says(upstream_sign_out::says(&provider, Some("/end")));
    let more = format!("{}{}", upstream::CREATE, upstream_sign_out::SIGN_OUT);
    let world = upstream::world(Engine::Sqlite, &provider, &more).await;
    let mut browser = Browser::default();
    let away = upstream::leave(&world, &mut browser, &Ask::native("openid orders:read")).await;
    same("upstream_callback", &world.shown_to(&browser, world.http.get(provider.sign_in(&away))).await);
    let (mut browser, hint) = upstream_sign_out::signed_in(&world, &provider).await;
    let path = format!("/logout?id_token_hint={hint}&post_logout_redirect_uri={NATIVE_BACK}&state=a%26b");
    let there = browser.visit(&world, &path).await.location.expect("a way to the provider");
    let state = parameters(&there)["state"].clone();
    let values = [("state", state.as_str()), ("provider", provider.issuer().trim_start_matches("http://"))];
    same("upstream_sign_out", &masked(&world.shown_to(&browser, world.http.get(&there)).await, &values));
    let back = get(&world, &format!("/upstream/any/signed-out?state={state}"));
    same("upstream_signed_out", &world.shown_to(&browser, back).await);
    let token = provider.logout_token(&json!({}));
    let told = post(&world, "/upstream/any/backchannel-logout", &[("logout_token", token.as_str())]);
    same("upstream_backchannel_logout", &world.shown(told).await);
    assert_ne!(world.audited("provider_logout").await, 0, "the first browser was signed in");
    world.stop().await;
}

/// A provider reads our key, and says what happened to an account there.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_by_itself_is_answered_as_recorded() {
    let provider = Provider::start().await;
    let more = format!("{}{}", upstream::CREATE, upstream_bound::key("answers"));
    let world = upstream::world(Engine::Sqlite, &provider, &more).await;
    same("upstream_jwks", &world.shown(get(&world, "/upstream/any/jwks")).await);
    world.stop().await;
    let world = upstream_account_events::world(Engine::Sqlite, &provider, "").await;
    provider.says(upstream_account_events::says(&provider, "001.a"));
    upstream_account_events::signed_in(&world, &provider).await;
    // An event names a whole second: one in which the person had signed in already.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let payload = upstream_account_events::event(&provider, "consent-revoked", "001.a", &json!({}));
    let event = world.http.post(world.url("/upstream/any/events")).json(&json!({ "payload": payload }));
    same("upstream_events", &world.shown(event).await);
    assert_eq!(world.audited("provider_account_event").await, 1);
    world.stop().await;
}

/// A wallet fetches the request and answers it, and the browser that began comes back. Then a wallet on another device, whose holder says
/// that somebody else began.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_answered_as_recorded() {
    let outside = Outside::new();
    let configuration = outside.configured(Engine::Sqlite, wallets::CREATE).await;
    let world = configuration.set("login.default.wallet_on_other_device", true).start().await;
    let (wallet, mut browser) = (outside.wallet_of("AA-1"), Browser::default());
    let link = wallets::leave(&world, &mut browser, &wallets::ask()).await;
    let asked = wallet.read(&world.http, &link, wallets::now_s()).await.unwrap();
    let values = [("handle", asked.state.as_str()), ("nonce", asked.nonce.as_str()), ("client_id", asked.client_id.as_str())];
    let request = world.http.get(&parameters(&link)["request_uri"]);
    same("wallet_request", &masked(&world.shown(request).await, &values));
    let says = json!({ "vp_token": wallet.token(&asked).unwrap(), "state": asked.state.as_str() });
    let sealed = wallet.seal(&asked, &says).unwrap();
    let shown = world.shown(world.http.post(&asked.response_uri).form(&[("response", sealed.as_str())])).await;
    let code = shown.split_once("response_code=").and_then(|(_, rest)| rest.split_once('"')).expect("a way back").0;
    same("wallet_response", &masked(&shown, &[("handle", asked.state.as_str()), ("code", code)]));
    let back = format!("/wallet/pid/return?state={}&response_code={code}", asked.state);
    same("wallet_return", &world.shown_to(&browser, get(&world, &back)).await);
    let (mut began, mut there) = (Browser::default(), Browser::default());
    let page = wallets::consent(&world, &mut began, &wallets::ask()).await;
    let page = began.submit(&world, &page, &[], "other_device").await;
    let asked = wallet.read(&world.http, &link_of(&page), wallets::now_s()).await.unwrap();
    let back = wallet.answer(&world.http, &asked).await.unwrap();
    let page = there.get(&world, &back).await;
    same("wallet_stop", &world.shown(there.submission_with_cookies(&world, &page, &[], "not_mine")).await);
    world.stop().await;
}

/// A browser that a plug-in has sent away comes back with what the plug-in wants.
#[cfg(feature = "plugins")]
#[tokio::test(flavor = "multi_thread")]
async fn whom_a_plug_in_sent_away_is_answered_as_recorded() {
    use crate::plugin_methods::{ROUND, answered, requiring, word};
    let configuration = Configuration::on(Engine::Sqlite).await;
    let here = format!("effects = [\"leave\"]\nhosts = [\"http://127.0.0.1:{}\"]", configuration.port);
    let world = configuration.with(&word(ROUND, &here)).with(&requiring("\"password + plugin:word\"")).start().await;
    let mut browser = Browser::default();
    let page = browser.open(&world, &Ask::native("openid")).await;
    let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    let back = answered(&world, &mut browser, &page).await.location.expect("a way to somebody else");
    same("plugin_return", &world.shown_to(&browser, world.http.get(format!("{back}&ticket=1"))).await);
    world.stop().await;
}
