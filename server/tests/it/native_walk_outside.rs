//! The walk of `native_walk`, where somebody else answers: a provider's SDK in the app and links to it, wallets, and plug-ins. A browser is led
//! away instead, or has the page of a plug-in's own.

use crate::native_detour::begin_both_ways;
use crate::native_walk::{BROWSER, Known, NATIVE, Walk, see};
use crate::upstream_native::with_sdk;
use crate::wallet_app::OPENS;
use crate::wallets::Outside;
use crate::world::app_passkeys::with_app;
use crate::world::native::*;
use crate::world::provider::{CLIENT_ID, Provider, Says};
use crate::world::*;
use serde_json::json;

pub async fn walk((schema, seen): Known<'_>) {
    walk_with_a_provider((schema, seen)).await;
    walk_with_a_wallet((schema, seen)).await;
    #[cfg(feature = "plugins")]
    walk_with_a_plug_in((schema, seen)).await;
}

async fn walk_with_a_wallet((schema, seen): Known<'_>) {
    let outside = Outside::new();
    let table = outside.table(crate::wallets::CREATE);
    let open = |it: Configuration| with_app(it).with(&table).set("login.default.wallet_on_other_device", true);
    let scene = Screens::with(Engine::Sqlite, open).await;
    let mut walk = Walk::begin(&scene, (schema, seen), &[]).await;
    walk.go("use_wallet:pid", &[]).await.is_at("wallet");
    walk.go("other_device", &[]).await.is_at("wallet_elsewhere");
    // A browser is led away to the wallet; an app opens it.
    let mut phone = scene.genuine();
    let step = begin_both_ways(&mut phone, &[]).await;
    let step = phone.answer(&step, "use_wallet:pid", &OPENS).await;
    let opening = see(schema, seen, phone.answer(&step, "go", &OPENS).await);
    assert_eq!(opening.kind(), "wallet_open", "{opening:?}");
    scene.world.stop().await;
}

#[cfg(feature = "plugins")]
async fn walk_with_a_plug_in((schema, seen): Known<'_>) {
    use crate::plugin_methods::{EXTERNAL, mute, word};
    let policy = "[login.word]\nrequire = [\"password + plugin:word\"]\nacr = \"urn:word\"\n";
    let scene = Screens::with(Engine::Sqlite, |it| it.with(&word(EXTERNAL, "")).with(policy)).await;
    for name in [NATIVE, BROWSER] {
        scene.world.person(name).await;
    }
    let wanted = [("acr_values", "urn:word")];
    let mut walk = Walk::begin(&scene, (schema, seen), &wanted).await;
    walk.password().await.is_at("plugin");
    let mut walk = Walk::begin(&scene, (schema, seen), &[]).await;
    let tokens = walk.password().await.is_done().await;
    walk.want(&tokens, "urn:word").await;
    walk.is_at("plugin_begin");
    scene.world.reload(|it| it.without("plugin").with(&mute())).await;
    let mut walk = Walk::begin(&scene, (schema, seen), &wanted).await;
    walk.password().await.is_at("plugin_away");
    scene.world.stop().await;
}

async fn walk_with_a_provider((schema, seen): Known<'_>) {
    let provider = Provider::start().await;
    let with = with_sdk(&provider);
    let configured = |it| with(it).set("client.screens.manage", vec!["links"]).without("upstream.any.accounts");
    let scene = Screens::with(Engine::Sqlite, configured).await;
    for name in ["nora", "bill"] {
        scene.world.person(name).await;
    }
    strangers(&scene, &provider, (schema, &mut *seen)).await;
    linked(&scene, &provider, (schema, seen)).await;
    scene.world.stop().await;
}

/// What the SDK in the app gives for the step.
fn given(scene: &Screens, provider: &Provider, step: &Answer) -> String {
    let nonce = step.step()["operation"]["options"]["nonce"].as_str().unwrap();
    let now_s = scene.world.running.shared.now().now_ms() / 1000;
    json!({ "id_token": provider.sdk_token(CLIENT_ID, nonce, &json!({ "auth_time": now_s })) }).to_string()
}

/// Both give up at the provider, and then come as somebody whom nobody knows here.
async fn strangers(scene: &Screens, provider: &Provider, known: Known<'_>) {
    let world = &scene.world;
    let mut walk = Walk::begin(scene, known, &[]).await;
    let step = walk.phone.answer(&walk.answer, "use_upstream:any", &[]).await;
    walk.answer = walk.see(step);
    walk.is_at("upstream");
    let cancelled = json!({ "code": null, "error": "access_denied" });
    provider.says(Says { sub: "one".to_owned(), answer: cancelled, ..Says::default() });
    let page = walk.browser.submit(world, &walk.page, &[], "use_upstream:any").await;
    walk.page = walk.browser.get(world, &provider.sign_in(&page.location.unwrap())).await;
    walk.answer = walk.phone.answer(&walk.answer, "id_token", &[("id_token_failure", "cancelled")]).await;
    walk.compare();

    provider.is("one");
    let page = walk.browser.submit(world, &walk.page, &[], "go").await;
    walk.page = walk.browser.get(world, &provider.sign_in(&page.location.unwrap())).await;
    let token = given(scene, provider, &walk.answer);
    let step = walk.phone.answer(&walk.answer, "id_token", &[("id_token", &token)]).await;
    walk.answer = walk.see(step);
    walk.is_at("upstream_unknown");
    walk.compare();
}

/// To the list of links, with the proof that it wants.
async fn links(phone: &mut Phone<'_>, tokens: &Answer) -> Answer {
    let held = tokens.text("auth_session");
    let form = [("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")];
    let step = phone.post("/authorize-challenge", &form).await;
    let menu = phone.answer(&step, "continue", &[("password", PASSWORD)]).await;
    phone.answer(&menu, "links", &[]).await
}

/// Nora links an account in the app, and Bill on his account page. Then both take it away.
async fn linked(scene: &Screens, provider: &Provider, (schema, seen): Known<'_>) {
    let world = &scene.world;
    let mut phone = scene.genuine();
    let code = phone.native_code_of("nora").await;
    let tokens = phone.redeem(&code).await;
    let list = see(schema, seen, links(&mut phone, &tokens).await);
    let button = list.actions().into_iter().find(|action| action.starts_with("link:")).unwrap();
    let step = phone.answer(&list, &button, &[]).await;
    provider.is("one");
    let token = given(scene, provider, &step);
    let answer = phone.answer(&step, "id_token", &[("id_token", &token)]).await;

    provider.is("two");
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    browser.submit_password(world, &page, "bill", PASSWORD).await;
    let account = browser.visit(world, "/account").await;
    let page = browser.submit(world, &account, &[], "link:any").await;
    let page = browser.submit(world, &page, &[], "go").await;
    let page = browser.get(world, &provider.sign_in(&page.location.unwrap())).await;
    let mut walk = Walk::at(scene, (schema, seen), (phone, answer), (browser, page));
    walk.is_at("link");

    let done = walk.phone.answer(&walk.answer, "continue", &[]).await;
    let tokens = walk.phone.redeem(&done.text("authorization_code")).await;
    assert_eq!(walk.browser.submit(world, &walk.page, &[], "continue").await.status, 303);
    let list = links(&mut walk.phone, &tokens).await;
    let list = walk.see(list);
    let button = list.actions().into_iter().find(|action| action.starts_with("unlink:")).unwrap();
    walk.answer = walk.phone.answer(&list, &button, &[]).await;
    let account = walk.browser.visit(world, "/account").await;
    let button = account.actions().into_iter().find(|action| action.starts_with("unlink:")).unwrap();
    walk.page = walk.browser.submit(world, &account, &[], &button).await;
    walk.compare();
    walk.is_at("unlink");
}
