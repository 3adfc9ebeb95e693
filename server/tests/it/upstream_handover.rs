//! A browser that an app led on rests on the provider that the app's sign-in rests on.

use crate::handover::{Scene, leads_on, site, site_refresh, site_tokens};
use crate::upstream::CREATE;
use crate::world::provider::{CLIENT_ID, CLIENT_SECRET, Provider, Says};
use crate::world::{Browser, Engine, Phone, engines};
use serde_json::json;

async fn scene(engine: Engine, provider: &Provider, more: &str) -> Scene {
    let secret = format!("secret = {{ command = [\"printf\", \"%s\", \"{CLIENT_SECRET}\"] }}");
    let issuer = provider.issuer();
    let table = format!("[upstream.any]\nlabel = \"Any\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\n{secret}\n{CREATE}{more}");
    Scene::with(engine, &format!("[login.default]\nrequire = [\"password\", \"upstream:any\"]\n{table}")).await
}

/// A browser that an app led on, whose person came by the provider or, without one, by password.
async fn led_on(scene: &Scene, provider: Option<&Provider>) -> Browser {
    let world = &scene.world;
    let mut phone: Phone<'_> = scene.phone("handing");
    let ask = phone.ask("openid");
    let tokens = match provider {
        None => phone.tokens_for(&ask, "alice", &[]).await,
        Some(provider) => {
            let (opened, mut browser) = (phone.push(&ask).await.unwrap(), Browser::default());
            let url = crate::upstream::leave(world, &mut browser, &opened).await;
            let page = browser.get(world, &provider.sign_in(&url)).await;
            phone.exchange(&page.code(), &ask.verifier).await
        }
    };
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    let path = scene.path(&mut phone, &tokens).await;
    let mut browser = Browser::default();
    let page = browser.visit(world, &path).await;
    let done = browser.submit(world, &page, &[], "continue").await;
    assert!(leads_on(&done), "{}", done.html);
    browser
}

/// The provider signs the person out: the browser is asked anew, as every other one of that person. What the site got lives on.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_at_the_provider_reaches_the_browser_of_an_app() {
    for engine in engines() {
        let provider = Provider::start().await;
        let scene = scene(engine, &provider, "").await;
        provider.is("one");
        let (mut browser, mut alices) = (led_on(&scene, Some(&provider)).await, led_on(&scene, None).await);
        let tokens = site_tokens(&scene.world, &mut browser, "openid orders:read").await.expect("the site is answered");
        let form = [("logout_token", provider.logout_token(&json!({})))];
        let answer = scene.world.http.post(scene.world.url("/upstream/any/backchannel-logout")).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(site(&scene.world, &mut browser).await.is_none());
        assert!(site(&scene.world, &mut alices).await.is_some(), "the twin: a password was proved");
        assert_eq!(site_refresh(&scene.world, &tokens).await.0, 200, "what was granted stays");
        scene.world.stop().await;
    }
}

/// `max_age` of `check` holds for what the site got, and a sign-out of the browser is passed on to the provider.
#[tokio::test(flavor = "multi_thread")]
async fn what_holds_for_the_app_holds_for_its_browser() {
    for (check, expected) in [("check = { every = \"30m\", max_age = \"1h\" }\n", 400), ("", 200)] {
        let provider = Provider::start().await;
        let scene = scene(Engine::Sqlite, &provider, &format!("sign_out = true\n{check}")).await;
        let discovery = json!({ "end_session_endpoint": format!("{}/end", provider.issuer()) });
        provider.says(Says { sub: "one".to_owned(), discovery, ..Says::default() });
        let mut browser = led_on(&scene, Some(&provider)).await;
        let tokens = site_tokens(&scene.world, &mut browser, "openid orders:read").await.expect("the site is answered");
        scene.world.advance_s(3601);
        let (status, answer) = site_refresh(&scene.world, &tokens).await;
        assert_eq!((status, answer["error"].as_str()), (expected, (expected == 400).then_some("invalid_grant")), "{check}");
        let hint = tokens["id_token"].as_str().unwrap();
        let page = browser.visit(&scene.world, &format!("/logout?id_token_hint={hint}")).await;
        let there = page.location.unwrap_or_default();
        assert!(there.starts_with(&scene.world.url("/upstream/any/sign-out?")), "{there}: {}", page.html);
        scene.world.stop().await;
    }
}
