//! What an app's https link says of the app: `assurance`, and hosts that are held for their owners.

use crate::commands::symbolon;
use crate::registration::register;
use crate::world::documents::{Documents, Says};
use crate::world::*;
use serde_json::json;

const HOST: &str = "links.shop.test";
const BACK: &str = "https://links.shop.test/callback";
const APPLE: &str = "https://links.shop.test/.well-known/apple-app-site-association";
const ANDROID: &str = "https://links.shop.test/.well-known/assetlinks.json";

fn configuration(base: Configuration) -> Configuration {
    base.with(&format!(
        "assurance = \"proved\"\n[client.shop-ios]\nowner = \"shop\"\nredirect_uris = [\"{BACK}\", \"com.example.shop:/callback\"]\npost_logout_redirect_uris = []\n\
         [client.shop-ios.app]\nios = [\"ABCDE12345.com.example.shop\"]\n[client.shop-ios.app.android.\"com.example.shop\"]\nplay = \"{}\"\n",
        "14".repeat(32)
    ))
}

/// The host as `symbolon links print` would have it.
async fn put_files(world: &World, documents: &Documents) {
    for (address, name) in [(APPLE, "apple-app-site-association"), (ANDROID, "assetlinks.json")] {
        let (code, text, error) = symbolon(&world.file(), &["links", "print", "--host", HOST, "--file", name], "").await;
        assert_eq!(code, Some(0), "{error}");
        documents.say(address, Says::Text(200, "content-type: application/json\r\n", text));
    }
}

async fn look(world: &World) {
    world.running.shared.now().look_at_links().await.unwrap();
}

fn quiet() -> Ask {
    Ask::new("shop-ios", BACK, "openid").with("prompt", "none")
}

/// RFC 8252 8.6, 017-R
#[tokio::test(flavor = "multi_thread")]
async fn an_unproved_link_is_no_identity_where_proofs_are_enforced() {
    for engine in engines() {
        let world = configuration(Configuration::on(engine).await).start().await;
        let documents = Documents::start(&world, &[HOST]).await;
        let mut browser = Browser::default();
        let ask = Ask::new("shop-ios", BACK, "openid");
        for _ in 0..2 {
            let mut page = browser.open(&world, &ask).await;
            if page.kind() != "consent" {
                page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
            }
            assert_eq!(page.kind(), "consent", "asked every time: {}", page.html);
            assert!(browser.submit(&world, &page, &[], &page.first_action()).await.has_code());
        }
        assert_eq!(browser.open(&world, &quiet()).await.error().as_deref(), Some("consent_required"));
        look(&world).await;
        assert_eq!(browser.open(&world, &quiet()).await.error().as_deref(), Some("consent_required"), "the host has no files");
        put_files(&world, &documents).await;
        look(&world).await;
        assert!(browser.open(&world, &quiet()).await.has_code(), "the twin: proved, and a client of one's own");
        // Another app in the configuration is not the one that was proved.
        world.reload(|it| it.set("client.shop-ios.app.ios", vec!["ABCDE12345.com.example.other"])).await;
        assert_eq!(browser.open(&world, &quiet()).await.error().as_deref(), Some("consent_required"));
        world.reload(|it| it.set("client.shop-ios.app.ios", vec!["ABCDE12345.com.example.shop"])).await;
        assert!(browser.open(&world, &quiet()).await.has_code());
        world.reload(|it| it.set("assurance", "address").set("client.shop-ios.app.ios", vec!["ABCDE12345.com.example.other"])).await;
        assert!(browser.open(&world, &quiet()).await.has_code(), "where nobody enforces it");
        let noted = world.entries("code_issued").await;
        assert_eq!(noted.last().unwrap()["detail"]["unproved_link"], true, "the audit names who would lose");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_counts_for_thirty_days_and_a_wrong_file_is_none() {
    for engine in engines() {
        let world = configuration(Configuration::on(engine).await).start().await;
        let documents = Documents::start(&world, &[HOST]).await;
        put_files(&world, &documents).await;
        for (address, says) in [
            (APPLE, Says::Text(404, "", String::new())),
            (ANDROID, Says::Text(302, "location: https://www.shop.test/\r\n", String::new())),
            (ANDROID, Says::Text(200, "content-type: application/json\r\n", "[]".to_owned())),
            (APPLE, Says::Text(200, "content-type: application/json\r\n", "{\"applinks\":{\"details\":[]}}".to_owned())),
        ] {
            documents.say(address, says);
            look(&world).await;
            assert!(is_asked(&world).await, "{address}");
            put_files(&world, &documents).await;
        }
        look(&world).await;
        assert!(!is_asked(&world).await, "the twin");
        documents.say(APPLE, Says::Text(404, "", String::new()));
        world.advance_s(29 * 86_400);
        look(&world).await;
        assert!(!is_asked(&world).await, "a month is not over");
        world.advance_s(86_400 + 60);
        look(&world).await;
        assert!(is_asked(&world).await);
        world.reload(|it| it.set("client.shop-ios.app.vouched", true)).await;
        assert!(!is_asked(&world).await, "an operator says so");
        world.stop().await;
    }
}

/// Is a person who has just signed in asked whether the app may?
async fn is_asked(world: &World) -> bool {
    let mut browser = Browser::default();
    let page = browser.open(world, &Ask::new("shop-ios", BACK, "openid")).await;
    let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
    assert!(page.kind() == "consent" || page.has_code(), "{}", page.html);
    page.kind() == "consent"
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_grades_each_way_back_and_names_who_would_lose() {
    let world = configuration(Configuration::on(Engine::Sqlite).await).start().await;
    let documents = Documents::start(&world, &[HOST]).await;
    let said = async || symbolon(&world.file(), &["check"], "").await.1.split_whitespace().collect::<Vec<_>>().join(" ");
    let before = said().await;
    assert!(before.contains(&format!("client shop-ios, {BACK}: not assured")), "{before}");
    assert!(before.contains("com.example.shop:/callback: phishable"), "{before}");
    put_files(&world, &documents).await;
    look(&world).await;
    let after = said().await;
    assert!(after.contains(&format!("client shop-ios, {BACK}: assured. Its host has named the app")), "{after}");
    world.reload(|it| it.set("assurance", "address")).await;
    assert!(said().await.contains("other-ios, https://other.example.com/callback: assured by its address alone"));
    world.stop().await;
}

/// Attestation does not make a way back safer that any app can take. `check` says so, and a private-use scheme needs the unsafe key.
#[tokio::test(flavor = "multi_thread")]
async fn an_attested_app_with_a_shared_way_back_is_phishable() {
    let rules = format!(
        "[client.lent]\nkind = \"native\"\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
         redirect_uris = [\"com.example.lent:/cb\", \"http://127.0.0.1/lent\"]\n\
         [client.lent.attestation]\nattester_jwks = {}\n",
        jwks(&new_key())
    );
    let key = "client.lent.attestation.unsafe_private_schemes";
    let refused = Configuration::to_read().with(&rules).read().unwrap_err();
    assert!(refused.contains("[client.lent]: com.example.lent:/cb: any app may take this scheme"), "{refused}");
    for value in [false, true] {
        let allowed = Configuration::to_read().with(&rules).set(key, value).read();
        assert_eq!(allowed.is_ok(), value, "{allowed:?}");
    }
    let loopback = Configuration::to_read().with(&rules).set("client.lent.redirect_uris", vec!["http://127.0.0.1/lent"]);
    assert_eq!(loopback.read(), Ok(()), "loopback is graded, and needs no key");

    let world = configuration(Configuration::on(Engine::Sqlite).await).with(&rules).set(key, true).start().await;
    let said = symbolon(&world.file(), &["check"], "").await.1.split_whitespace().collect::<Vec<_>>().join(" ");
    for uri in ["com.example.lent:/cb", "http://127.0.0.1/lent"] {
        let grade = format!(
            "client lent, {uri}: phishable. Any program may take the answer; an attested app can still be lent to an attacker's sign-in; people are asked every time."
        );
        assert!(said.contains(&grade), "{grade}: {said}");
    }
    assert!(said.contains("attestation.unsafe_private_schemes: UNSAFE"), "{said}");
    assert!(
        said.contains("com.example.shop:/callback: phishable. Any program may take the answer; people are asked every time."),
        "{said}"
    );
    world.stop().await;
}

/// A host is not given to another owner while phones remember it.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_opened_an_app_is_held_for_its_owner() {
    for engine in engines() {
        let open = "[client_registration.open]\nopen = true\nkinds = [\"web\"]\n";
        let mut world = configuration(Configuration::on(engine).await).with(open).start().await;
        let again = async |world: &World, owner: &str, former: Option<&str>| {
            let text = std::fs::read_to_string(world.file()).unwrap();
            let mut next = configuration(Configuration::from_text(0, &text)).set("client.shop-ios.owner", owner);
            if let Some(former) = former {
                next = next.set("client.shop-ios.former_owners", vec![former]);
            }
            std::fs::write(world.file(), next.text()).unwrap();
            let (code, said, _) = crate::commands::symbolon(&world.file(), &["check"], "").await;
            let outcome = symbolon::serve::reload(&world.running.shared, &world.file()).await.map_err(|it| it.to_string());
            assert_eq!(code, Some(i32::from(outcome.is_err())), "{outcome:?}: {said}");
            std::fs::write(world.file(), &text).unwrap();
            outcome.map(|_| ())
        };
        assert!(again(&world, "shop", None).await.is_ok(), "the same owner");
        let refused = again(&world, "other", None).await.unwrap_err();
        assert!(refused.contains("less than 90 days ago"), "{refused}");
        assert!(again(&world, "other", Some("nobody")).await.is_err());
        // The client is removed: nobody registers its host, neither an operator nor a stranger.
        world.change(|it| it.without("client.shop-ios.app").set("client.shop-ios.redirect_uris", vec!["https://app.example.com/callback"]));
        std::fs::write(world.file(), &world.text).unwrap();
        symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap();
        let site = |host: &str| json!({ "client_name": "Harvest notes", "redirect_uris": [format!("https://{host}/cb")], "token_endpoint_auth_method": "none", "scope": "openid" });
        let (status, answer) = register(&world, None, &site(HOST)).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_redirect_uri")));
        assert_eq!(register(&world, None, &site("elsewhere.example.net")).await.0, 201, "the twin");
        assert!(again(&world, "other", None).await.is_err());
        world.advance_s(90 * 86_400 + 60);
        assert_eq!(register(&world, None, &site(HOST)).await.0, 201, "phones have forgotten it");
        assert!(again(&world, "other", None).await.is_ok());
        assert!(again(&world, "third", Some("other")).await.is_ok(), "an owner with a new name takes it over");
        world.stop().await;
    }
}
