//! The walk of `native_walk`, where somebody else answers: a provider's SDK in the app and links to it, wallets, and plug-ins. A browser is led
//! away instead, or has the page of a plug-in's own.

use crate::native_walk::see;
use crate::upstream_native::with_sdk;
use crate::wallets::Outside;
use crate::world::app_passkeys::with_app;
use crate::world::native::*;
use crate::world::provider::{CLIENT_ID, Provider, Says};
use crate::world::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

type Known<'a> = (&'a jsonschema::Validator, &'a mut BTreeMap<String, Json>);

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
    let mut phone = scene.genuine();
    let step = phone.begin().await;
    let step = see(schema, seen, phone.answer(&step, "use_wallet:pid", &[]).await);
    assert_eq!(step.kind(), "wallet", "{step:?}");
    let step = see(schema, seen, phone.answer(&step, "other_device", &[]).await);
    assert_eq!(step.kind(), "wallet_elsewhere", "{step:?}");
    scene.world.stop().await;
}

#[cfg(feature = "plugins")]
async fn walk_with_a_plug_in((schema, seen): Known<'_>) {
    use crate::plugin_methods::{EXTERNAL, word};
    let policy = "[login.word]\nrequire = [\"password + plugin:word\"]\nacr = \"urn:word\"\n";
    let scene = Screens::with(Engine::Sqlite, |it| it.with(&word(EXTERNAL, "")).with(policy)).await;
    let mut phone = scene.genuine();
    let step = phone.begin_with(&[("acr_values", "urn:word")]).await;
    let step = see(schema, seen, phone.answer_password(&step, "alice", PASSWORD).await);
    assert_eq!(step.kind(), "plugin", "{step:?}");
    let code = phone.native_code().await;
    let held = phone.redeem(&code).await.text("auth_session");
    let more = [("auth_session", held.as_str()), ("response_type", "code"), ("acr_values", "urn:word")];
    let step = see(schema, seen, phone.post("/authorize-challenge", &more).await);
    assert_eq!(step.kind(), "plugin_begin", "{step:?}");
    scene.world.stop().await;
}

async fn walk_with_a_provider((schema, seen): Known<'_>) {
    let provider = Provider::start().await;
    let with = with_sdk(&provider);
    let scene = Screens::with(Engine::Sqlite, |it| with(it).set("client.screens.manage", vec!["links"])).await;
    scene.world.person("nora").await;
    provider.says(Says { sub: "one".to_owned(), ..Says::default() });
    let mut phone = scene.genuine();
    let code = phone.native_code_of("nora").await;
    let mut tokens = phone.redeem(&code).await;
    for _ in 0..2 {
        let held = tokens.text("auth_session");
        let form = [("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")];
        let step = phone.post("/authorize-challenge", &form).await;
        let menu = phone.answer(&step, "continue", &[("password", PASSWORD)]).await;
        let links = see(schema, seen, phone.answer(&menu, "links", &[]).await);
        let unlink = links.actions().into_iter().find(|action| action.starts_with("unlink:"));
        if let Some(unlink) = unlink {
            see(schema, seen, phone.answer(&links, &unlink, &[]).await);
            continue;
        }
        let link = links.actions().into_iter().find(|action| action.starts_with("link:")).unwrap();
        let step = see(schema, seen, phone.answer(&links, &link, &[]).await);
        let nonce = step.step()["operation"]["options"]["nonce"].as_str().unwrap().to_owned();
        let now_s = scene.world.running.shared.now().now_ms() / 1000;
        let token = provider.sdk_token(CLIENT_ID, &nonce, &json!({ "auth_time": now_s }));
        let step = phone.answer(&step, "id_token", &[("id_token", &json!({ "id_token": token }).to_string())]).await;
        let step = see(schema, seen, step);
        assert_eq!(step.kind(), "link", "{step:?}");
        let done = phone.answer(&step, "continue", &[]).await;
        tokens = phone.redeem(&done.text("authorization_code")).await;
    }
    for kind in ["upstream", "link", "unlink", "manage_links"] {
        assert!(seen.contains_key(kind), "{kind}");
    }
    scene.world.stop().await;
}
