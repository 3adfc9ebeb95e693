//! What an app's https link says of the app: `assurance`, and hosts that are held for their owners.

use crate::commands::symbolon;
use crate::registration::register;
use crate::world::documents::{Documents, Says};
use crate::world::*;
use serde_json::{Value as Json, json};

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

/// As after a reload: what was wrong before is asked for at once.
async fn look(world: &World) {
    world.reload(|it| it).await;
    look_on(world).await;
}

async fn look_on(world: &World) {
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

/// What is wrong is asked for each hour, what is right each day, and not at every round of the worker.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_wrong_is_asked_each_hour() {
    let world = configuration(Configuration::on(Engine::Sqlite).await).start().await;
    let documents = Documents::start(&world, &[HOST]).await;
    look_on(&world).await;
    assert_eq!(documents.asked(), 2, "one file for each platform");
    world.advance_s(600);
    look_on(&world).await;
    assert_eq!(documents.asked(), 2, "ten minutes later");
    put_files(&world, &documents).await;
    world.advance_s(3000);
    look_on(&world).await;
    assert_eq!(documents.asked(), 4, "an hour later");
    assert!(!is_asked(&world).await, "it is proved");
    world.advance_s(23 * 3600);
    look_on(&world).await;
    assert_eq!(documents.asked(), 4, "the proof is young");
    world.advance_s(3600 + 1);
    look_on(&world).await;
    assert_eq!(documents.asked(), 6, "a day later");
    world.stop().await;
}

/// RFC 8252 8.6: a host that names another app too does not say who gets the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_names_another_app_too_is_no_proof() {
    let world = configuration(Configuration::on(Engine::Sqlite).await).start().await;
    let documents = Documents::start(&world, &[HOST]).await;
    put_files(&world, &documents).await;
    let (_, text, _) = symbolon(&world.file(), &["links", "print", "--host", HOST, "--file", "assetlinks.json"], "").await;
    let mut android: Json = serde_json::from_str(&text).unwrap();
    let mut other = android[0].clone();
    other["target"]["package_name"] = json!("com.example.other");
    android.as_array_mut().unwrap().push(other);
    documents.json(ANDROID, &android);
    look(&world).await;
    assert!(is_asked(&world).await, "another package");
    put_files(&world, &documents).await;
    let (_, text, _) = symbolon(&world.file(), &["links", "print", "--host", HOST, "--file", "apple-app-site-association"], "").await;
    let mut apple: Json = serde_json::from_str(&text).unwrap();
    apple["applinks"]["details"][0]["appIDs"] = json!(["ABCDE12345.com.example.shop", "ABCDE12345.com.example.other"]);
    documents.json(APPLE, &apple);
    look(&world).await;
    assert!(is_asked(&world).await, "another app in our entry");
    put_files(&world, &documents).await;
    look(&world).await;
    assert!(!is_asked(&world).await, "the twin");
    world.stop().await;
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

/// Phones open the former owner's app from the host, whether or not the client that has the host now has an app.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_host_is_not_given_to_a_client_without_an_app() {
    for engine in engines() {
        let world = configuration(Configuration::on(engine).await).start().await;
        // The app is gone, and its client with it.
        world
            .reload(|it| it.without("client.shop-ios.app").set("client.shop-ios.redirect_uris", vec!["https://app.example.com/callback"]))
            .await;
        let text = std::fs::read_to_string(world.file()).unwrap();
        let starts = async |more: &str| {
            std::fs::write(world.file(), Configuration::from_text(0, &text).with(more).text()).unwrap();
            let outcome = symbolon::serve::reload(&world.running.shared, &world.file()).await.map_err(|it| it.to_string());
            outcome.map(|_| ())
        };
        let site = |host: &str, more: &str| {
            format!(
                "[client.site]\nkind = \"web\"\nredirect_uris = [\"https://{host}/site\"]\nauthentication = \"client_secret_basic\"\nsecret = '{}'\n{more}",
                secret_digest()
            )
        };
        let app = |host: &str, more: &str| format!("[client.app]\nkind = \"native\"\nredirect_uris = [\"https://{host}/app\"]\n{more}");
        let logged_out = format!("{}post_logout_redirect_uris = [\"{BACK}\"]\n", app("elsewhere.example.net", ""));
        for more in
            [site(HOST, ""), app(HOST, ""), app("links.shop.test:8443", ""), app(HOST, "former_owners = [\"nobody\"]\n"), logged_out]
        {
            let refused = starts(&more).await.unwrap_err();
            assert!(refused.contains("links.shop.test opened the app of \"shop\" less than 90 days ago"), "{more}: {refused}");
        }
        for more in [
            site("elsewhere.example.net", ""),
            app("elsewhere.example.net", ""),
            site(HOST, "owner = \"shop\"\n"),
            site(HOST, "disabled = true\n"),
            app(HOST, "former_owners = [\"shop\"]\n"),
        ] {
            assert_eq!(starts(&more).await, Ok(()), "the twin: {more}");
        }
        world.advance_s(90 * 86_400 + 60);
        assert_eq!(starts(&site(HOST, "")).await, Ok(()), "phones have forgotten it");
        world.stop().await;
    }
}

/// Neither an import nor a document gets the host.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_host_is_given_to_no_client_of_the_store() {
    for engine in engines() {
        let policy = format!("[client_registration.web]\nscopes = [\"openid\"]\ndocuments = [\"{HOST}\", \"elsewhere.example.net\"]\n");
        let world = configuration(Configuration::on(engine).await).with(&policy).behind_a_proxy().start().await;
        let documents = Documents::start(&world, &[HOST, "elsewhere.example.net"]).await;
        world
            .reload(|it| it.without("client.shop-ios.app").set("client.shop-ios.redirect_uris", vec!["https://app.example.com/callback"]))
            .await;
        let file = world.directory.join("import.json");
        let import = async |host: &str, name: &str| {
            let uri = format!("https://{host}/cb");
            let entry = json!({ "client_id": name, "redirect_uris": [uri], "token_endpoint_auth_method": "none", "scope": "orders:read" });
            std::fs::write(&file, entry.to_string()).unwrap();
            symbolon(&world.file(), &["client", "import", file.to_str().unwrap()], "").await
        };
        let (code, said, error) = import(HOST, "imported").await;
        assert!(code != Some(0) && format!("{said}{error}").contains("is nobody else's for 90 days"), "{said}{error}");
        assert_eq!(import("elsewhere.example.net", "other").await.0, Some(0), "the twin");
        let opened = async |host: &str| {
            let (id, back) = (format!("https://{host}/client.json"), format!("https://{host}/cb"));
            documents.json(&id, &json!({ "client_id": id, "client_name": "Harvest notes", "redirect_uris": [back] }));
            Browser::default().open(&world, &Ask::new(&id, &back, "openid")).await.status
        };
        assert_eq!((opened(HOST).await, opened("elsewhere.example.net").await), (400, 200), "a document, and its twin");
        world.advance_s(90 * 86_400 + 60);
        assert_eq!(import(HOST, "imported").await.0, Some(0), "phones have forgotten it");
        let back = format!("https://{HOST}/cb");
        let status = async || Browser::default().open(&world, &Ask::new("imported", &back, "orders:read")).await.status;
        assert_eq!((opened(HOST).await, status().await), (200, 200));
        world.stop().await;
    }
}

/// A client that was imported before the host was an app's is left out while the host is held.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_client_waits_until_phones_have_forgotten() {
    let world = Configuration::on(Engine::Sqlite).await.start().await;
    let file = world.directory.join("import.json");
    let entry = json!({ "client_id": "imported", "redirect_uris": [BACK], "token_endpoint_auth_method": "none", "scope": "orders:read" });
    std::fs::write(&file, entry.to_string()).unwrap();
    let (code, said, error) = symbolon(&world.file(), &["client", "import", file.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{said}{error}");
    let status = async || Browser::default().open(&world, &Ask::new("imported", BACK, "orders:read")).await.status;
    assert_eq!(status().await, 200);
    let before = std::fs::read_to_string(world.file()).unwrap();
    world.reload(configuration).await;
    assert_eq!(status().await, 400, "the host opens the shop's app");
    std::fs::write(world.file(), &before).unwrap();
    world.reload(|it| it).await;
    assert_eq!(status().await, 400, "phones still know it");
    let said = symbolon(&world.file(), &["check"], "").await.1.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("client imported is left out: redirect_uris: a host that has opened an app"), "{said}");
    world.advance_s(90 * 86_400 + 60);
    assert_eq!(status().await, 200, "the twin");
    world.stop().await;
}
