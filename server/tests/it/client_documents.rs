//! Clients that are a document: what is fetched for whom, what counts, and where it leads (draft-ietf-oauth-client-id-metadata-document).

use crate::commands::symbolon;
use crate::registration::EXCHANGE;
use crate::world::documents::{Documents, Says};
use crate::world::*;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicU32, Ordering};
use symbolon_oauth::backchannel::GRANT_TYPE as BACKCHANNEL;
use symbolon_oauth::device_authorization::GRANT_TYPE as DEVICE_CODE;
use symbolon_oauth::kiosk::GRANT_TYPE as KIOSK;

const HOST: &str = "planner.example.net";
const ID: &str = "https://planner.example.net/client.json";
const BACK: &str = "https://planner.example.net/cb";
const POLICY: &str = "[client_registration.web]\nscopes = [\"openid\"]\ndocuments = [\"planner.example.net\"]\n";

fn document() -> Json {
    json!({ "client_id": ID, "client_name": "Harvest notes", "redirect_uris": [BACK], "logo_uri": "https://planner.example.net/logo.png" })
}

fn with(mut document: Json, name: &str, value: Json) -> Json {
    document[name] = value;
    document
}

async fn start(engine: Engine) -> (World, Documents) {
    let world = Configuration::on(engine).await.with(POLICY).behind_a_proxy().start().await;
    let documents = Documents::start(&world, &[HOST, "other.example.net"]).await;
    documents.json(ID, &document());
    (world, documents)
}

/// Each time for somebody else: strangers have few fetches a minute.
async fn status(world: &World, id: &str) -> u16 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut browser = Browser::at(&format!("198.51.{}.{}", number / 250, number % 250 + 1));
    browser.open(world, &Ask::new(id, BACK, "openid")).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_a_document_signs_people_in() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
        assert_eq!(metadata["client_id_metadata_document_supported"], true);
        let mut browser = Browser::default();
        let ask = Ask::new(ID, BACK, "openid");
        let page = browser.open(&world, &ask).await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(page.kind() == "consent" && page.says(&format!("The owner of {HOST} says that it is theirs")), "{}", page.text());
        let page = browser.submit(&world, &page, &[], &page.first_action()).await;
        let code = page.code();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", ID),
            ("code", &code),
            ("code_verifier", &ask.verifier),
            ("redirect_uri", BACK),
        ];
        let (status, tokens) = world.post("/token", &form, None).await;
        assert_eq!(status, 200, "{tokens}");
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["aud"], ID);
        assert!(browser.open(&world, &ask.with("prompt", "none")).await.has_code());
        assert_eq!(documents.asked(), 1, "read once, and its logo never");
        let listed = symbolon(&world.file(), &["client", "list"], "").await.1;
        assert!(listed.contains(ID) && listed.contains("itself"), "{listed}");
        world.stop().await;
    }
}

/// 510-G: off unless a policy names the host, and the address has one spelling.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_that_no_policy_names() {
    let (world, documents) = start(Engine::Sqlite).await;
    documents.json("https://other.example.net/client.json", &with(document(), "client_id", json!("https://other.example.net/client.json")));
    for id in [
        "https://other.example.net/client.json",
        "https://planner.example.net.other.example.net/client.json",
        "http://planner.example.net/client.json",
        "https://planner.example.net",
        "https://planner.example.net/",
        "https://planner.example.net/?#",
        "https://planner.example.net/client.json?a=1",
        "https://planner.example.net/client.json#a",
        "https://planner.example.net/a/../client.json",
        "https://planner.example.net/%2e%2e/client.json",
        "https://u@planner.example.net/client.json",
        "https://PLANNER.example.net/client.json",
        "https://planner.example.net:443/client.json",
        "https://127.0.0.1/client.json",
    ] {
        assert_eq!((status(&world, id).await, documents.asked()), (400, 0), "{id}");
    }
    assert_eq!((status(&world, ID).await, documents.asked()), (200, 1), "the twin");
    world.reload(|it| it.set("client_registration.web.documents", vec!["other.example.net"])).await;
    assert_eq!(status(&world, ID).await, 400, "its host is named no more");
    world.stop().await;
}

/// Each defect alone; without it the document counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_breaks_a_rule_is_no_client() {
    let (world, documents) = start(Engine::Sqlite).await;
    let private = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
    let pairs = [
        ("client_id", json!("https://planner.example.net/client.json/")),
        ("client_id", json!("https://other.example.net/client.json")),
        ("client_id", Json::Null),
        ("client_secret", json!("0123456789abcdefghijklmnopqrstuvwxyz")),
        ("client_secret_expires_at", json!(0)),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("software_statement", json!("eyJhbGciOiJub25lIn0.e30.")),
        ("redirect_uris", json!(["https://other.example.net/cb"])),
        ("redirect_uris", json!(["https://planner.example.net:8443/cb"])),
        ("redirect_uris", json!([BACK, "https://app.example.com/other"])),
        ("redirect_uris", json!([])),
        ("client_name", json!("Shop")),
        ("scope", json!("openid email")),
        ("jwks_uri", json!("https://other.example.net/jwks")),
        ("jwks_uri", json!("http://planner.example.net/jwks")),
        ("jwks", private),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["authorization_code", DEVICE_CODE])),
        ("grant_types", json!(["authorization_code", BACKCHANNEL])),
        ("grant_types", json!(["authorization_code", KIOSK])),
        ("grant_types", json!(["authorization_code", EXCHANGE])),
    ];
    for (name, value) in pairs {
        documents.json(ID, &with(document(), name, value.clone()));
        assert_eq!(status(&world, ID).await, 400, "{name} {value}");
        world.advance_s(61);
    }
    let native = with(with(document(), "application_type", json!("native")), "redirect_uris", json!([BACK, "net.example.other:/cb"]));
    documents.json(ID, &native);
    assert_eq!(status(&world, ID).await, 400, "a scheme of another host");
    world.advance_s(61);
    documents.json(ID, &with(native, "redirect_uris", json!([BACK, "net.example.planner:/cb", "http://127.0.0.1/cb"])));
    assert_eq!(status(&world, ID).await, 200, "the twin");
    world.stop().await;
}

/// 017-R: whoever may put a file somewhere on a host is not the owner of the scheme that the host reverses.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_is_proved_by_a_document_below_well_known() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let scheme = "net.example.planner:/cb";
        let opened = async |id: &str, uri: &str| Browser::default().open(&world, &Ask::new(id, uri, "openid")).await.status;
        for (id, expected) in [(ID, 400), ("https://planner.example.net/.well-known/client.json", 200)] {
            let native = with(with(document(), "application_type", json!("native")), "client_id", json!(id));
            documents.json(id, &with(native, "redirect_uris", json!([BACK, scheme])));
            assert_eq!(opened(id, BACK).await, 200, "{id}");
            assert_eq!(opened(id, scheme).await, expected, "{id}");
        }
        world.stop().await;
    }
}

/// The policy of the present configuration counts. Under another one the document is read anew, and people agree anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_host_moves_to_another_policy_is_read_anew() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let mut browser = Browser::default();
        let (ask, quiet) = (Ask::new(ID, BACK, "openid"), Ask::new(ID, BACK, "openid").with("prompt", "none"));
        browser.sign_in(&world, &ask, "alice").await;
        assert!(browser.open(&world, &quiet).await.has_code(), "remembered");
        world.reload(|it| it.without("client_registration.web").with(&POLICY.replace("web", "renamed"))).await;
        assert_eq!(browser.open(&world, &quiet).await.error().as_deref(), Some("consent_required"), "it works, and is asked about");
        assert_eq!(documents.asked(), 2);
        browser.sign_in(&world, &ask, "alice").await;
        assert!(browser.open(&world, &quiet).await.has_code(), "the twin: agreed to anew");
        assert_eq!(documents.asked(), 2, "and read once");
        world.stop().await;
    }
}

/// Whoever waited for a document that failed does not ask for it too, and one that is known is not tried again at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_fails_is_not_asked_for_by_everybody() {
    let (world, documents) = start(Engine::Sqlite).await;
    documents.say(ID, Says::Never);
    let asked = futures_join(&world).await;
    assert!(asked.iter().all(|status| *status == 400), "{asked:?}");
    assert_eq!(documents.asked(), 1, "eight waited for one");
    documents.json(ID, &document());
    assert_eq!((status(&world, ID).await, documents.asked()), (200, 2), "the twin");
    documents.say(ID, Says::Text(500, "", String::new()));
    world.advance_s(3601);
    let forgotten = async || {
        world.running.shared.now().clients.forget_one(ID);
        status(&world, ID).await
    };
    for _ in 0..3 {
        assert_eq!((forgotten().await, documents.asked()), (200, 3), "the old one counts, and was tried a moment ago");
    }
    world.advance_s(61);
    assert_eq!((forgotten().await, documents.asked()), (200, 4));
    world.stop().await;
}

/// 510-G, 542-S, L-21: slow, huge, redirected, of the wrong type, inside, and somewhere else at the second look.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_could_harm_this_server_does_not() {
    let (world, documents) = start(Engine::Sqlite).await;
    let text = document().to_string();
    let padded = format!("{text}{}", " ".repeat(5 * 1024));
    for says in [
        Says::Never,
        Says::Endless,
        Says::Text(200, "content-type: application/json\r\n", padded),
        Says::Text(302, "location: https://other.example.net/client.json\r\n", String::new()),
        Says::Text(301, "location: http://169.254.169.254/\r\n", String::new()),
        Says::Text(404, "content-type: application/json\r\n", text.clone()),
        Says::Text(201, "content-type: application/json\r\n", text.clone()),
        Says::Text(200, "content-type: text/html\r\n", text.clone()),
        Says::Text(200, "", text.clone()),
        Says::Text(200, "content-type: application/json\r\n", format!("[{text}]")),
        Says::Text(200, "content-type: application/json\r\n", text.replacen('{', "{\"client_id\":\"x\",", 1)),
    ] {
        documents.say(ID, says);
        let before = std::time::Instant::now();
        assert_eq!(status(&world, ID).await, 400);
        assert!(before.elapsed().as_secs() < 9, "{:?}", before.elapsed());
        world.advance_s(61);
    }
    documents.json(ID, &document());
    let asked = documents.asked();
    for inside in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"] {
        documents.leads(HOST, &[inside]);
        assert_eq!((status(&world, ID).await, documents.asked()), (400, asked), "{inside}");
        world.advance_s(61);
    }
    // What was looked up is what is connected to: another answer to the next question is judged by itself.
    documents.leads(HOST, &["93.184.215.14", "127.0.0.1"]);
    assert_eq!((status(&world, ID).await, documents.asked()), (200, asked + 1), "the twin");
    world.advance_s(3601);
    assert_eq!(
        (status(&world, ID).await, documents.asked()),
        (200, asked + 1),
        "it leads inside now: nobody is asked, and the old one counts"
    );
    world.stop().await;
}

/// Ten thousand names cost ten fetches, and do not shut out whoever comes from elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_a_stranger_makes_up_are_not_all_fetched() {
    let (world, documents) = start(Engine::Sqlite).await;
    let ask = async |id: &str, from: &str| {
        let request = world.http.get(world.url(&Ask::new(id, BACK, "openid").path())).header("x-forwarded-for", from);
        request.send().await.unwrap().status().as_u16()
    };
    for at in 0..40 {
        assert_eq!(ask(&format!("https://planner.example.net/made-up/{at}"), "192.0.2.1").await, 400);
    }
    assert!(documents.asked() <= 11, "{}", documents.asked());
    assert_eq!(ask(ID, "192.0.2.1").await, 400, "it has had its share");
    assert_eq!(ask(ID, "192.0.2.2").await, 200, "the twin: somebody else");
    world.stop().await;
}

/// Names of one host are not all fetched either, however many networks ask for them, and another host is not shut out by that.
#[tokio::test(flavor = "multi_thread")]
async fn one_host_is_asked_for_so_many_documents_a_minute() {
    let other = "https://other.example.net/client.json";
    let named = POLICY.replace("[\"planner.example.net\"]", "[\"planner.example.net\", \"other.example.net\"]");
    let world = Configuration::on(Engine::Sqlite).await.with(&named).behind_a_proxy().start().await;
    let documents = Documents::start(&world, &[HOST, "other.example.net"]).await;
    let own = with(with(document(), "client_id", json!(other)), "redirect_uris", json!(["https://other.example.net/cb"]));
    documents.json(other, &own);
    let start = std::time::Instant::now();
    for at in 0..90 {
        assert_eq!(status(&world, &format!("https://planner.example.net/made-up/{at}")).await, 400);
    }
    let most = 31 + start.elapsed().as_secs() / 2;
    assert!((30..=most).contains(&(documents.asked() as u64)), "{} of at most {most}", documents.asked());
    let before = documents.asked();
    let page = Browser::at("198.51.100.1").open(&world, &Ask::new(other, "https://other.example.net/cb", "openid")).await;
    assert_eq!((page.status, documents.asked()), (200, before + 1), "the twin: another host");
    world.stop().await;
}

/// A refresh rests on the document too: once it counts no more, the client is nobody, until it is back.
#[tokio::test(flavor = "multi_thread")]
async fn refreshes_end_with_the_document() {
    for engine in engines() {
        let policy = POLICY.replace("[\"openid\"]", "[\"openid\", \"offline_access\"]");
        let world = Configuration::on(engine).await.with(&policy).behind_a_proxy().start().await;
        let documents = Documents::start(&world, &[HOST]).await;
        documents.json(ID, &document());
        let ask = Ask::new(ID, BACK, "openid offline_access");
        let back = Browser::default().sign_in(&world, &ask, "alice").await;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", ID),
            ("code", &back["code"]),
            ("code_verifier", &ask.verifier),
            ("redirect_uri", BACK),
        ];
        let mut tokens = world.post("/token", &form, None).await.1;
        let refresh = async |tokens: &Json| {
            let form = [("grant_type", "refresh_token"), ("client_id", ID), ("refresh_token", refresh_token(tokens))];
            world.post("/token", &form, None).await
        };
        documents.say(ID, Says::Text(404, "", String::new()));
        world.advance_s(23 * 3600);
        let (status, next) = refresh(&tokens).await;
        assert_eq!(status, 200, "a day is not over: {next}");
        tokens = next;
        world.advance_s(3600 + 120);
        let (status, refused) = refresh(&tokens).await;
        assert_eq!((status, refused["error"].as_str()), (401, Some("invalid_client")));
        documents.json(ID, &document());
        world.advance_s(61);
        let page = Browser::default().open(&world, &Ask::new(ID, BACK, "openid")).await;
        assert_eq!(page.status, 200, "it is back");
        let (status, next) = refresh(&tokens).await;
        assert_eq!(status, 200, "the twin, and nothing was spent by the refusal: {next}");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_want_one_document_at_once_ask_for_it_once() {
    let (world, documents) = start(Engine::Sqlite).await;
    let asked = futures_join(&world).await;
    assert!(asked.iter().all(|status| *status == 200), "{asked:?}");
    assert_eq!(documents.asked(), 1);
    world.stop().await;
}

async fn futures_join(world: &World) -> Vec<u16> {
    let url = world.url(&Ask::new(ID, BACK, "openid").path());
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let request = world.http.get(&url);
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    statuses
}

/// A document that changes, and one that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn another_document_is_agreed_to_anew_and_one_that_is_gone_ends() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let mut browser = Browser::default();
        let (ask, quiet) = (Ask::new(ID, BACK, "openid"), Ask::new(ID, BACK, "openid").with("prompt", "none"));
        let back = browser.sign_in(&world, &ask, "alice").await;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", ID),
            ("code", &back["code"]),
            ("code_verifier", &ask.verifier),
            ("redirect_uri", BACK),
        ];
        let tokens = world.post("/token", &form, None).await.1;
        documents.json(ID, &with(document(), "client_name", json!("Savings")));
        world.advance_s(3601);
        assert!(browser.open(&world, &quiet).await.has_code(), "another name alone");
        documents.json(ID, &with(document(), "redirect_uris", json!([BACK, "https://planner.example.net/second"])));
        world.advance_s(3601);
        assert_eq!(browser.open(&world, &quiet).await.error().as_deref(), Some("consent_required"));
        browser.sign_in(&world, &ask, "alice").await;
        documents.say(ID, Says::Text(404, "", String::new()));
        world.advance_s(23 * 3600);
        assert!(browser.open(&world, &ask).await.has_code() || status(&world, ID).await == 200, "a day is not over");
        world.advance_s(3600 + 120);
        assert_eq!(status(&world, ID).await, 400);
        let refresh =
            [("grant_type", "refresh_token"), ("client_id", ID), ("refresh_token", tokens["refresh_token"].as_str().unwrap_or("x"))];
        assert_eq!(world.post("/token", &refresh, None).await.0, 401);
        documents.json(ID, &document());
        world.advance_s(61);
        assert_eq!(status(&world, ID).await, 200, "it is back");
        world.stop().await;
    }
}

/// The operator has the last word.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_an_operator_disabled_is_not_read_again() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        assert_eq!(status(&world, ID).await, 200);
        assert_eq!(symbolon(&world.file(), &["client", "disable", ID], "").await.0, Some(0));
        world.advance_s(2 * 3600);
        assert_eq!((status(&world, ID).await, documents.asked()), (400, 1));
        assert_eq!(symbolon(&world.file(), &["client", "enable", ID], "").await.0, Some(0));
        assert_eq!((status(&world, ID).await, documents.asked()), (200, 2));
        world.stop().await;
    }
}

/// An https id is the document at that address: no operator gives it to another client, by the file or by an import.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_client_has_an_address_as_its_id() {
    let (world, documents) = start(Engine::Sqlite).await;
    let import = async |id: &str| {
        let text = json!({ "client_id": id, "redirect_uris": ["https://elsewhere.example.com/cb"], "token_endpoint_auth_method": "none" });
        let file = world.directory.join("import.json");
        std::fs::write(&file, text.to_string()).unwrap();
        symbolon(&world.file(), &["client", "import", file.to_str().unwrap()], "").await
    };
    for id in [ID, "HTTPS://planner.example.net/client.json", "https:x"] {
        let own = format!("[client.\"{id}\"]\nkind = \"web\"\nredirect_uris = [\"https://elsewhere.example.com/cb\"]\n");
        let refused = Configuration::to_read().with(&own).read().unwrap_err();
        assert!(refused.contains("is the id of the metadata document there"), "{refused}");
        let (code, said, error) = import(id).await;
        assert!(code != Some(0) && format!("{said}{error}").contains("is the id of the metadata document there"), "{said}{error}");
        let plain = own.replace(id, "planner.example.net");
        assert_eq!(Configuration::to_read().with(&plain).read(), Ok(()), "the twin");
    }
    let (code, said, error) = import("planner.example.net").await;
    assert_eq!(code, Some(0), "the twin: {said}{error}");
    assert_eq!((status(&world, ID).await, documents.asked()), (200, 1), "the document's own");
    world.stop().await;
}

/// RFC 8252 7.3, 8.6: whoever serves the document proves its host, and no address on a person's own computer. People read so, and are asked
/// every time.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_persons_computer_is_asked_about_every_time() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let native = with(document(), "application_type", json!("native"));
        documents.json(ID, &with(native, "redirect_uris", json!([BACK, "http://127.0.0.1/cb"])));
        let mut browser = Browser::default();
        for port in [49_152, 61_234] {
            let mut page = browser.open(&world, &Ask::new(ID, &format!("http://127.0.0.1:{port}/cb"), "openid")).await;
            if page.kind() == "password" {
                page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
            }
            assert_eq!(page.kind(), "consent", "{}", page.html);
            assert!(page.says("Nobody at this service has checked this app. What you allow goes to a program on this device."));
            assert!(!page.says(HOST), "{}", page.text());
            assert!(browser.submit(&world, &page, &[], "allow").await.html.contains("code="));
        }
        let quiet = Ask::new(ID, "http://127.0.0.1:5000/cb", "openid").with("prompt", "none");
        assert!(browser.open(&world, &quiet).await.html.contains("error=consent_required"));
        // The twin: the same document at its own host.
        let ask = Ask::new(ID, BACK, "openid");
        let page = browser.open(&world, &ask).await;
        assert!(page.kind() == "consent" && page.says(&format!("The owner of {HOST} says that it is theirs")), "{}", page.text());
        assert!(browser.submit(&world, &page, &[], "allow").await.has_code());
        assert!(browser.open(&world, &ask.with("prompt", "none")).await.has_code(), "remembered");
        world.stop().await;
    }
}

/// Keys of the same origin are read with the document.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_read_from_the_documents_own_origin() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let key = new_key();
        let jwks = json!({ "keys": [key.public().to_jwk()] });
        documents.json("https://planner.example.net/jwks", &jwks);
        let signed = with(document(), "jwks_uri", json!("https://planner.example.net/jwks"));
        documents.json(ID, &with(signed, "token_endpoint_auth_method", json!("private_key_jwt")));
        assert_eq!(status(&world, ID).await, 200);
        let form = [("grant_type", "authorization_code"), ("client_id", ID), ("code", "x")];
        let (code, answer) = world.post("/token", &form, None).await;
        assert_eq!((code, answer["error"].as_str()), (401, Some("invalid_client")), "it must sign now");
        world.stop().await;
    }
}
