//! What a provider says about accounts there, and what it is told about links that are gone here. In the shape of Apple's documents: the live
//! service is not asked.

use crate::upstream::{CREATE, leave};
use crate::world::provider::{CLIENT_ID, Provider, Says};
use crate::world::{Ask, Browser, Configuration, Engine, World, engines};
use serde_json::{Value as Json, json};
use std::time::Duration;
use symbolon::serve::system_clock;
use symbolon_oauth::base64;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};

pub async fn world(engine: Engine, provider: &Provider, more: &str) -> World {
    let key = base64::encode(PrivateKey::generate(Algorithm::ES256).unwrap().to_pkcs8());
    let key = format!("key = {{ command = [\"printf\", \"%b\", '-----BEGIN PRIVATE KEY-----\\n{key}\\n-----END PRIVATE KEY-----\\n'] }}\n");
    let table = format!(
        "[upstream.any]\npreset = \"apple\"\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\nteam_id = \"ABCDE12345\"\nkey_id = \"KEY1234567\"\n\
         {CREATE}{key}{more}",
        provider.issuer()
    );
    let login = "[login.default]\nrequire = [\"password\", \"upstream:any\"]";
    Configuration::on(engine).await.with(login).with(&table).start().await
}

pub fn says(provider: &Provider, sub: &str) -> Says {
    let discovery = json!({ "revocation_endpoint": format!("{}/revoke", provider.issuer()) });
    let token_answer = json!({ "refresh_token": "r.of.apple" });
    Says { sub: sub.to_owned(), signed_secret: true, discovery, token_answer, ..Says::default() }
}

/// Signs in there; the account's `sub`, the app's refresh token, and the browser.
pub async fn signed_in(world: &World, provider: &Provider) -> (String, String, Browser) {
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    let url = leave(world, &mut browser, &ask).await;
    // Apple posts its answer; our own page in between is tried elsewhere.
    let page = browser.get(world, &provider.sign_in(&url)).await;
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let sub = crate::world::claims(tokens["access_token"].as_str().unwrap())["sub"].as_str().unwrap().to_owned();
    (sub, tokens["refresh_token"].as_str().unwrap().to_owned(), browser)
}

/// An event as Apple's page shows it: `events` is JSON in a text.
pub fn event(provider: &Provider, kind: &str, sub: &str, changes: &Json) -> String {
    let now_s = system_clock()() / 1000;
    let events = json!({ "type": kind, "sub": sub, "event_time": now_s * 1000 });
    let jti = symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap());
    let mut claims = json!({
        "iss": provider.issuer(), "aud": CLIENT_ID, "iat": now_s, "exp": now_s + 3600, "jti": jti, "events": events.to_string()
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Json::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    provider.signed(&claims)
}

async fn send(world: &World, path: &str, payload: &str) -> (u16, String) {
    let answer = world.http.post(world.url(path)).json(&json!({ "payload": payload })).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Json = answer.json().await.unwrap_or_default();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

const EVENTS: &str = "/upstream/any/events";
const OK: (u16, &str) = (200, "");

fn is((status, error): &(u16, String)) -> (u16, &str) {
    (*status, error)
}

async fn links(world: &World) -> usize {
    let app = world.running.shared.now();
    app.store.all("SELECT name FROM outside_identity", &[]).await.unwrap().len()
}

async fn give_password(world: &World, sub: &str) {
    let app = world.running.shared.now();
    let mut change = symbolon::store::Change::new(app.now_ms());
    symbolon::login::accounts::set_password(&mut change, sub, "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned());
    app.store.apply(change).await.unwrap();
}

/// S-36: who ends the use of the app at the provider is signed out here. The link goes where another way in is left, and stays where it is the
/// last one: whoever consents anew finds the account. A deleted account can never come back.
#[tokio::test(flavor = "multi_thread")]
async fn who_ends_it_at_the_provider_is_signed_out_here() {
    for engine in engines() {
        for (kind, has_password, unlinked) in [
            ("consent-revoked", false, false),
            ("consent-revoked", true, true),
            ("account-delete", false, true),
            ("account-deleted", true, true),
        ] {
            let provider = Provider::start().await;
            let world = world(engine, &provider, "").await;
            provider.says(says(&provider, "001.b"));
            let (_, other, _) = signed_in(&world, &provider).await;
            provider.says(says(&provider, "001.a"));
            let (first, _, _) = signed_in(&world, &provider).await;
            if has_password {
                give_password(&world, &first).await;
            }
            let (sub, refresh, mut browser) = signed_in(&world, &provider).await;
            assert_eq!(sub, first);
            tokio::time::sleep(Duration::from_millis(1100)).await;
            assert_eq!(is(&send(&world, EVENTS, &event(&provider, kind, "001.a", &json!({}))).await), OK);
            assert_eq!(world.refresh(&refresh).await.0, 400, "{kind}");
            assert!(!browser.open(&world, &Ask::native("openid orders:read")).await.has_code(), "{kind}");
            assert_eq!(world.refresh(&other).await.0, 200, "the twin: another person's");
            assert_eq!(links(&world).await, if unlinked { 1 } else { 2 }, "{kind} {has_password}");
            let entries = world.entries("provider_account_event").await;
            assert_eq!(
                (entries.len(), &entries[0]["detail"]["unlinked"], &entries[0]["account"]),
                (1, &unlinked.into(), &sub.clone().into())
            );
            // Whoever comes back is the same person, as long as the link is there.
            let (again, _, _) = signed_in(&world, &provider).await;
            assert_eq!(again == sub, !unlinked, "{kind} {has_password}");
            world.stop().await;
        }
    }
}

/// S-36: a bad signature, another audience, another shape: nothing happens. The same event twice is one, and one from before the last sign-in
/// ends nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_false_event_and_a_second_one_do_nothing() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "").await;
    provider.says(says(&provider, "001.a"));
    let (sub, refresh, _) = signed_in(&world, &provider).await;
    let now_s = system_clock()() / 1000;
    let revoked = |changes: Json| event(&provider, "consent-revoked", "001.a", &changes);
    let foreign = {
        provider.says(Says { foreign_key: true, ..says(&provider, "001.a") });
        let made = revoked(json!({}));
        provider.says(says(&provider, "001.a"));
        made
    };
    let id_token = provider.sdk_token(CLIENT_ID, "n", &json!({}));
    for (why, bad) in [
        ("signature", foreign),
        ("audience", revoked(json!({ "aud": "com.other.app" }))),
        ("issuer", revoked(json!({ "iss": "https://evil.example" }))),
        ("too old", revoked(json!({ "iat": now_s - 90_000, "exp": now_s - 1 }))),
        ("no jti", revoked(json!({ "jti": null }))),
        ("no event", revoked(json!({ "events": null }))),
        ("an ID token", id_token),
        ("no JWT", "x".to_owned()),
        ("too long", "x".repeat(20_000)),
    ] {
        assert_eq!(is(&send(&world, EVENTS, &bad).await), (400, "invalid_request"), "{why}");
    }
    for path in ["/upstream/other/events", "/upstream/x/events"] {
        assert_eq!(is(&send(&world, path, &revoked(json!({}))).await), (404, "not_found"));
    }
    for (kind, whom) in [("something-new", "001.a"), ("consent-revoked", "001.nobody")] {
        assert_eq!(is(&send(&world, EVENTS, &event(&provider, kind, whom, &json!({}))).await), OK);
    }
    assert_eq!((world.audited("provider_account_event").await, links(&world).await), (0, 1));
    // It happened before this sign-in: nothing ends.
    let old =
        json!({ "iat": now_s - 60, "events": json!({ "type": "consent-revoked", "sub": "001.a", "event_time": now_s - 60 }).to_string() });
    assert_eq!(is(&send(&world, EVENTS, &revoked(old)).await), OK);
    let (status, tokens) = world.refresh(&refresh).await;
    assert_eq!(status, 200, "an event from before: {tokens}");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let good = revoked(json!({}));
    assert_eq!(is(&send(&world, EVENTS, &good).await), OK, "the twin");
    assert_eq!(world.refresh(tokens["refresh_token"].as_str().unwrap()).await.0, 400);
    // The person consents anew; what comes a second time is over.
    let (again, refresh, _) = signed_in(&world, &provider).await;
    assert_eq!(again, sub);
    assert_eq!(is(&send(&world, EVENTS, &good).await), OK);
    assert_eq!((world.refresh(&refresh).await.0, world.audited("provider_account_event").await), (200, 2));
    world.stop().await;
}

/// 550-S: events that no key has signed make this server fetch keys only so often. A genuine one needs no fetch.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_no_key_signed_are_counted() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "").await;
    provider.says(says(&provider, "001.a"));
    signed_in(&world, &provider).await;
    let limits = world.running.shared.now().limits.clone();
    let bucket = symbolon::limits::Limits::bucket(&["newer keys", "any", "127.0.0.1"]);
    while limits.newer_keys.check_key(&bucket).is_ok() {}
    world.advance_s(11);
    provider.says(Says { foreign_key: true, ..says(&provider, "001.a") });
    let forged = event(&provider, "consent-revoked", "001.a", &json!({}));
    provider.says(says(&provider, "001.a"));
    provider.asked();
    assert_eq!(is(&send(&world, EVENTS, &forged).await), (503, "temporarily_unavailable"));
    assert!(provider.asked().is_empty());
    assert_eq!(is(&send(&world, EVENTS, &event(&provider, "consent-revoked", "001.a", &json!({}))).await), OK, "the twin");
    assert_eq!(world.audited("provider_account_event").await, 1);
    world.stop().await;
}

/// S-36: the relay passes no mail on any more. The link says so, and the account stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_takes_no_mail_is_marked() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        provider.says(says(&provider, "001.a"));
        let (_, refresh, _) = signed_in(&world, &provider).await;
        let off = async || {
            let app = world.running.shared.now();
            app.store.one("SELECT email_off_ms FROM outside_identity", &[]).await.unwrap().unwrap().int("email_off_ms").unwrap() > 0
        };
        assert!(!off().await);
        for (kind, is_off) in [("email-disabled", true), ("email-enabled", false)] {
            assert_eq!(is(&send(&world, EVENTS, &event(&provider, kind, "001.a", &json!({}))).await), OK);
            assert_eq!(off().await, is_off, "{kind}");
        }
        assert_eq!((world.refresh(&refresh).await.0, world.audited("provider_account_event").await), (200, 2));
        world.stop().await;
    }
}

/// Waits for an entry about a revocation: its outcome.
async fn revoked(world: &World, number: usize) -> Json {
    for _ in 0..200 {
        let entries = world.entries("provider_token_revoked").await;
        if entries.len() == number {
            return entries.last().unwrap()["outcome"].clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing was revoked: {:?}", world.entries("provider_token_revoked").await);
}

/// S-36: who deletes the account here, or whose link an operator takes away, is revoked there too. Nobody waits for it: while the provider is away
/// it is tried again. Without `revoke` nothing is kept and nothing is asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_gave_is_revoked_with_the_link() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "revoke = true\n").await;
        provider.says(Says { revocation: Some(503), ..says(&provider, "001.a") });
        let (sub, _, _) = signed_in(&world, &provider).await;
        let (code, said, error) = crate::commands::symbolon(&world.file(), &["user", "delete", &sub, "--yes"], "").await;
        assert_eq!(code, Some(0), "{said}{error}");
        for _ in 0..200 {
            if !provider.request("/revoke").is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let asked = provider.request("/revoke");
        assert!(asked.contains("token=r.of.apple") && asked.contains("token_type_hint=refresh_token"), "{asked}");
        assert!(asked.contains("client_secret=ey"), "Apple's own kind of secret: {asked}");
        assert_eq!(world.audited("provider_token_revoked").await, 0, "it is tried again");
        provider.says(says(&provider, "001.a"));
        world.advance_s(120);
        assert_eq!(revoked(&world, 1).await, "ok");
        let app = world.running.shared.now();
        for table in ["provider_revocation", "provider_token"] {
            let sql: &'static str = format!("SELECT identity FROM {table}").leak();
            assert!(app.store.all(sql, &[]).await.unwrap().is_empty(), "{table}");
        }
        drop(app);
        // A refusal for good ends it.
        let (sub, _, _) = signed_in(&world, &provider).await;
        provider.says(Says { revocation: Some(400), ..says(&provider, "001.a") });
        assert_eq!(crate::commands::symbolon(&world.file(), &["user", "delete", &sub, "--yes"], "").await.0, Some(0));
        assert_eq!(revoked(&world, 2).await, "refused");
        world.stop().await;
    }
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "").await;
    provider.says(says(&provider, "001.a"));
    let (sub, _, _) = signed_in(&world, &provider).await;
    let app = world.running.shared.now();
    assert!(app.store.all("SELECT identity FROM provider_token", &[]).await.unwrap().is_empty(), "the twin keeps nothing");
    drop(app);
    assert_eq!(crate::commands::symbolon(&world.file(), &["user", "delete", &sub, "--yes"], "").await.0, Some(0));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(provider.request("/revoke"), "");
    world.stop().await;
}

/// S-36: where nothing can be revoked, the account page says that the link has to be ended at the provider too. A sign-in by the SDK in an app
/// is such a case: it brings no refresh token.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_page_says_where_else_a_link_ends() {
    const WORDS: &str = "end the access in the settings of your account at";
    for (more, brings, is_said) in [("revoke = true\n", true, false), ("revoke = true\n", false, true), ("", true, true)] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, more).await;
        let token_answer = if brings { json!({ "refresh_token": "r.of.apple" }) } else { json!({}) };
        provider.says(Says { token_answer, ..says(&provider, "001.a") });
        let (_, _, mut browser) = signed_in(&world, &provider).await;
        let page = browser.visit(&world, "/account").await;
        assert_eq!(page.kind(), "account", "{}", page.html);
        assert!(page.actions().iter().any(|action| action.starts_with("unlink:")), "{}", page.html);
        assert_eq!(page.says(WORDS), is_said, "{more:?} {brings}: {}", page.text());
        world.stop().await;
    }
    let provider = Provider::start().await;
    let world = crate::upstream::world(Engine::Sqlite, &provider, CREATE).await;
    let mut browser = Browser::default();
    crate::upstream::sign_in(&world, &provider, &mut browser).await;
    assert!(!browser.visit(&world, "/account").await.says(WORDS), "the twin: a provider without such a list");
    world.stop().await;
}

/// S-04: a file swaps the subjects of people whose app has moved to another team. A second run changes nothing, and nothing leads to two
/// accounts. In between, Apple's identifier of the move finds the account at a sign-in.
#[tokio::test(flavor = "multi_thread")]
async fn people_keep_their_accounts_when_the_app_changes_its_team() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        let come = async |sub: &str, transfer_sub: Option<&str>| {
            let claims = transfer_sub.map_or(json!({}), |it| json!({ "transfer_sub": it }));
            provider.says(Says { id_token: claims, ..says(&provider, sub) });
            signed_in(&world, &provider).await.0
        };
        let (ann, ben, eve) = (come("000.ann", None).await, come("000.ben", None).await, come("001.eve", None).await);
        let path = std::env::temp_dir().join(format!("symbolon-moved-{}-{engine:?}", std::process::id()));
        let file = path.to_str().unwrap();
        let lines = [
            json!({ "from": "000.ann", "to": "001.ann" }),
            json!({ "from": "000.ben", "transfer_sub": "t.ben" }),
            json!({ "from": "000.nobody", "to": "001.nobody" }),
            json!({ "from": "000.ben", "to": "001.eve" }),
            json!({ "from": "000.ben" }),
        ];
        std::fs::write(&path, lines.map(|line| line.to_string()).join("\n")).unwrap();
        let run = async |more: &[&str]| {
            let args = [&["user", "move-links", "any", file, "--json"], more].concat();
            let (code, said, error) = crate::commands::symbolon(&world.file(), &args, "").await;
            assert_eq!(code, Some(1), "{said}{error}");
            let said: Json = serde_json::from_str(&said).unwrap();
            ["moved", "noted", "before", "taken", "unknown", "wrong"].map(|name| said[name].as_u64().unwrap())
        };
        assert_eq!(run(&["--dry-run"]).await, [1, 1, 0, 1, 1, 1]);
        assert_eq!(world.audited("provider_subject_moved").await, 0);
        assert_eq!(run(&[]).await, [1, 1, 0, 1, 1, 1]);
        assert_eq!(run(&[]).await, [0, 1, 1, 1, 1, 1], "a second run");
        assert_eq!(come("001.ann", None).await, ann);
        assert_ne!(come("000.ann", None).await, ann, "the subject of before is somebody new");
        assert_eq!(come("001.ben", Some("t.ben")).await, ben);
        assert_eq!(come("001.ben", None).await, ben, "it stays");
        assert_eq!(come("001.eve", Some("t.ben")).await, eve, "whoever is known is nobody else");
        assert_eq!(world.audited("provider_subject_moved").await, 2);
        let left = world.running.shared.now().store.all("SELECT subject FROM provider_transfer", &[]).await.unwrap();
        assert!(left.is_empty());
        world.stop().await;
    }
    // The twin: only Apple's word counts so.
    let provider = Provider::start().await;
    let world = crate::upstream::world(Engine::Sqlite, &provider, CREATE).await;
    provider.is("000.ann");
    let ann = crate::upstream::sign_in_for_subject(&world, &provider).await;
    let path = std::env::temp_dir().join(format!("symbolon-moved-{}-twin", std::process::id()));
    std::fs::write(&path, json!({ "from": "000.ann", "transfer_sub": "t.ann" }).to_string()).unwrap();
    let args = ["user", "move-links", "any", path.to_str().unwrap()];
    assert_eq!(crate::commands::symbolon(&world.file(), &args, "").await.0, Some(0));
    provider.says(Says { sub: "001.ann".to_owned(), id_token: json!({ "transfer_sub": "t.ann" }), ..Says::default() });
    assert_ne!(crate::upstream::sign_in_for_subject(&world, &provider).await, ann);
    world.stop().await;
}
