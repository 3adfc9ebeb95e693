//! What a provider says of a person, and what becomes of it in the account, by the operator's rules.

use crate::upstream::{CREATE, leave, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine, World, claims, engines};
use serde_json::{Value as Json, json};

/// What the API is told of the person, and what userinfo says, after a sign-in.
async fn told(world: &World, provider: &Provider, says: Json) -> (Json, Json) {
    provider.says(Says { sub: "one".to_owned(), claims: says, ..Says::default() });
    let mut seen = Vec::new();
    for scope in ["openid orders:read", "openid profile"] {
        let (mut browser, ask) = (Browser::default(), Ask::native(scope));
        let url = leave(world, &mut browser, &ask).await;
        let page = browser.get(world, &provider.sign_in(&url)).await;
        let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
        assert_eq!(status, 200, "{tokens}");
        seen.push(tokens["access_token"].as_str().unwrap().to_owned());
    }
    let userinfo = world.http.get(world.url("/userinfo")).bearer_auth(&seen[1]).send().await.unwrap().json().await.unwrap();
    (claims(&seen[0])["customer_id"].clone(), userinfo)
}

/// S-31: `first` stays, `every` follows, what is not said is no news, null empties, and a wrong type changes nothing.
#[tokio::test]
async fn a_claim_follows_its_rule() {
    for engine in engines() {
        let provider = Provider::start().await;
        let rules = format!(
            "{CREATE}claims = {{ customer_id = {{ from = \"shop.customer\", update = \"every\" }}, name = {{ from = \"name\", update = \"every\" }}, \
             nickname = {{ from = \"nickname\" }} }}\n"
        );
        let world = world(engine, &provider, &rules).await;
        let said = |customer: Json, name: Json, nick: Json| json!({ "shop": { "customer": customer }, "name": name, "nickname": nick });
        let (customer, userinfo) = told(&world, &provider, said(json!("c-1"), json!("Ann"), json!("annie"))).await;
        assert_eq!((customer, &userinfo["name"], &userinfo["nickname"]), (json!("c-1"), &json!("Ann"), &json!("annie")));
        let (customer, userinfo) = told(&world, &provider, said(json!("c-2"), json!("Anna"), json!("other"))).await;
        assert_eq!((customer, &userinfo["name"], &userinfo["nickname"]), (json!("c-2"), &json!("Anna"), &json!("annie")));
        let (customer, userinfo) = told(&world, &provider, json!({})).await;
        assert_eq!((customer, &userinfo["name"]), (json!("c-2"), &json!("Anna")), "no news");
        let (customer, userinfo) = told(&world, &provider, said(json!(["c-3"]), json!(7), json!({}))).await;
        assert_eq!((customer, &userinfo["name"]), (json!("c-2"), &json!("Anna")), "a wrong type");
        let (customer, _) = told(&world, &provider, said(Json::Null, json!("Anna"), Json::Null)).await;
        assert_eq!(customer, Json::Null, "null empties");
        assert_eq!(world.audited("registered").await, 1);
        world.stop().await;
    }
}

/// 456-B: without a rule nothing of a provider's words is in a token of ours, whatever the claim is called.
#[tokio::test]
async fn what_no_rule_names_stays_outside() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let (customer, userinfo) = told(&world, &provider, json!({ "customer_id": "c-1", "groups": ["admin"], "nickname": "annie" })).await;
    assert_eq!((customer, userinfo.get("groups"), userinfo.get("nickname")), (Json::Null, None, None));
    world.stop().await;
}

/// S-11: a claim that the provider keeps elsewhere is unknown. The sign-in says so, and nothing is fetched from the address in the token.
#[tokio::test]
async fn a_list_that_is_too_long_for_the_token_is_not_an_empty_one() {
    let provider = Provider::start().await;
    let rules = format!("{CREATE}claims = {{ groups = {{ from = \"groups\", type = \"texts\", update = \"every\" }} }}\n");
    let world = world(Engine::Sqlite, &provider, &rules).await;
    let elsewhere = format!("{}/groups", provider.issuer());
    let overage = json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": elsewhere } } });
    provider.says(Says { sub: "one".to_owned(), claims: overage, ..Says::default() });
    let mut browser = Browser::default();
    let url = leave(&world, &mut browser, &Ask::native("openid")).await;
    let page = browser.get(&world, &provider.sign_in(&url)).await;
    assert!(page.problem().contains("does not tell what this service needs"), "{}", page.html);
    assert!(!provider.asked().contains(&"/groups".to_owned()));
    provider.says(Says { sub: "one".to_owned(), claims: json!({ "groups": ["a"] }), ..Says::default() });
    let page = browser.submit(&world, &page, &[], "go").await;
    let page = browser.get(&world, &provider.sign_in(page.location.as_deref().unwrap())).await;
    assert!(page.has_code(), "the twin: {}", page.html);
    world.stop().await;
}
