//! `symbolon recover --audit`: the input is judged first, times are compared, and only then something happens. 625-Q.

use crate::backchannel;
use crate::commands::symbolon;
use crate::kiosks;
use crate::receipts::{self, android, refused};
use crate::restored_store::{keep, restore};
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon::attesting::challenge;
use symbolon::dpop;
use symbolon::store::Change;
use symbolon_attest::binding;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::{base64url, jws};
use symbolon_phone::element::Android;

async fn told(world: &World, words: &[&str]) -> Json {
    let words: Vec<&str> = words.iter().chain(&["--json"]).copied().collect();
    let (code, said, error) = symbolon(&world.file(), &words, "a long password\n").await;
    assert_eq!(code, Some(0), "{words:?}: {error}");
    serde_json::from_str(&said).unwrap()
}

async fn save_audit(world: &World) -> String {
    let (_, said, error) = symbolon(&world.file(), &["audit", "--since", "1h", "--all"], "").await;
    assert!(!said.is_empty(), "{error}");
    let path = world.directory.join("audit.jsonl");
    std::fs::write(&path, said).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Stops the server and puts the copy back.
async fn lose(mut world: World) -> World {
    world.running.stop_in_place().await;
    restore(&world);
    world
}

async fn refreshed(world: &World, token: &str) -> String {
    let (status, answer) = world.refresh(token).await;
    assert_eq!(status, 200, "{answer}");
    refresh_token(&answer).to_owned()
}

/// A bearer token that was replaced after the copy would be the newest one again. Entries of earlier versions do not name the grant.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_was_replaced_after_the_copy_stays_replaced() {
    for names_grants in [true, false] {
        let world = World::start(Engine::Sqlite).await;
        let first = refresh_token(&world.tokens("openid orders:read").await).to_owned();
        let other = refresh_token(&world.tokens("openid orders:read").await).to_owned();
        let world = world.restarted(keep).await;
        let second = refreshed(&world, &first).await;
        let third = refreshed(&world, &second).await;
        let audit = save_audit(&world).await;
        if !names_grants {
            without_grants(&audit);
        }
        let mut world = lose(world).await;
        let done = told(&world, &["recover", "--audit", &audit]).await;
        assert_eq!((&done["replayed"]["advanced"], &done["replayed"]["lost"]), (&json!(1), &json!([])), "{done}");
        world.start_again(|it| it).await;
        assert_eq!(world.audited("store_behind").await, 0);
        let fourth = refreshed(&world, &third).await;
        let (status, answer) = world.refresh(&first).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
        assert_eq!(world.refresh(&fourth).await.0, 400, "the replay of a bearer token ended the grant");
        refreshed(&world, &other).await;
        world.stop().await;
    }
}

fn without_grants(path: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let strip = |line: &str| {
        let mut entry: Json = serde_json::from_str(line).unwrap();
        if let Some(detail) = entry["detail"].as_object_mut() {
            detail.remove("grant");
        }
        format!("{entry}\n")
    };
    std::fs::write(path, text.lines().map(strip).collect::<String>()).unwrap();
}

/// The twin: without an audit nobody knows, and the copy's token is the newest.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_audit_the_token_of_the_copy_is_honoured() {
    let world = World::start(Engine::Sqlite).await;
    let first = refresh_token(&world.tokens("openid orders:read").await).to_owned();
    let world = world.restarted(keep).await;
    let second = refreshed(&world, &first).await;
    refreshed(&world, &second).await;
    let mut world = lose(world).await;
    assert_eq!(told(&world, &["recover"]).await["replayed"], Json::Null);
    world.start_again(|it| it).await;
    refreshed(&world, &first).await;
    world.stop().await;
}

/// The copy is younger than what the audit begins with: nothing of that is lost, and nothing that began later ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_copy_is_neither_lost_nor_ended() {
    for forgets in [false, true] {
        let world = World::start(Engine::Sqlite).await;
        told(&world, &["user", "add", "zoe"]).await;
        told(&world, &["user", "end-sessions", "alice"]).await;
        told(&world, &["user", "password", "zoe"]).await;
        world.advance_s(5);
        let younger = refresh_token(&world.tokens("openid orders:read").await).to_owned();
        let audit = save_audit(&world).await;
        if forgets {
            // As if the copy's own audit were older than its retention.
            let mut change = Change::new(0);
            change.run_expecting("DELETE FROM audit_security", Vec::new(), symbolon::store::Expect::Any);
            change.run_expecting("DELETE FROM audit_routine", Vec::new(), symbolon::store::Expect::Any);
            world.running.shared.now().store.apply(change).await.unwrap();
        }
        let mut world = lose(world.restarted(keep).await).await;
        let done = told(&world, &["recover", "--audit", &audit]).await;
        assert_eq!(done["replayed"]["lost"], json!([]), "{done}");
        assert_eq!(done["replayed"]["ended_again"], json!(if forgets { 2 } else { 0 }), "{done}");
        world.start_again(|it| it).await;
        refreshed(&world, &younger).await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_audit_changes_nothing_and_neither_does_a_dry_run() {
    let world = World::start(Engine::Sqlite).await;
    let token = refresh_token(&world.tokens("openid orders:read").await).to_owned();
    let world = world.restarted(keep).await;
    told(&world, &["user", "end-sessions", "alice"]).await;
    told(&world, &["user", "add", "zoe"]).await;
    let audit = save_audit(&world).await;
    let mut world = lose(world).await;
    let entries = std::fs::read_to_string(&audit).unwrap();
    let bad = world.directory.join("bad.jsonl");
    for text in
        [String::new(), "{}\n".to_owned(), "[]\n".to_owned(), "{\"error\":\"not found\"}".to_owned(), entries.clone() + "{\"at\":1}"]
    {
        std::fs::write(&bad, &text).unwrap();
        let (code, said, error) = symbolon(&world.file(), &["recover", "--audit", bad.to_str().unwrap()], "").await;
        assert!(code == Some(1) && said.is_empty() && error.to_lowercase().contains("nothing was done"), "{text}: {error}");
    }
    let dry = told(&world, &["recover", "--dry-run", "--audit", &audit]).await;
    assert_eq!((&dry["dry_run"], &dry["epoch"], &dry["replayed"]["ended_again"]), (&json!(true), &json!(2), &json!(1)), "{dry}");
    assert!(dry["replayed"]["lost"][0].as_str().unwrap().contains("made after the copy"), "{dry}");
    assert_eq!(told(&world, &["user", "show", "alice"]).await["sessions"].as_array().unwrap().len(), 1, "nothing happened");
    let done = told(&world, &["recover", "--audit", &audit]).await;
    assert_eq!((&done["dry_run"], &done["epoch"]), (&json!(false), &json!(2)), "the first that acted: {done}");
    assert_eq!(done["replayed"], dry["replayed"]);
    world.start_again(|it| it).await;
    assert_eq!(world.refresh(&token).await.0, 400);
    world.stop().await;
}

/// The copy has forgotten what was spent after it was made. So assertions, request objects and nonces of before the recovery are void. The
/// twins: without a recovery they are good in the restored store, and what is made after it is good.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_before_the_recovery_is_void() {
    let key = new_key();
    let client = format!(
        "[client.signer]\nkind = \"web\"\nfirst_party = true\nauthentication = \"private_key_jwt\"\njwks = {}\n\
         redirect_uris = [\"https://signer.example.com/cb\"]\n",
        jwks(&key)
    );
    let world = Configuration::on(Engine::Sqlite).await.with(&client).start().await.restarted(keep).await;
    let issuer = world.issuer.clone();
    let now_ms = |world: &World| world.running.shared.now().now_ms();
    // Made so long ago. `undated`: without `iat` and `nbf`; an assertion then lives up to ten minutes, and a request object up to an hour.
    let assertion = |made_s: i64, undated: bool| {
        let mut claims = json!({ "iss": "signer", "sub": "signer", "aud": issuer, "jti": fresh(), "iat": made_s, "exp": made_s + 600 });
        if undated {
            claims.as_object_mut().unwrap().remove("iat");
        }
        jws::sign(&key, "JWT", &claims).unwrap()
    };
    let object = |made_s: i64, undated: bool| {
        let mut claims = json!({ "iss": "signer", "aud": issuer, "iat": made_s, "nbf": made_s, "exp": made_s + 3600, "jti": fresh() });
        Ask::new("signer", "https://signer.example.com/cb", "openid")
            .parameters
            .iter()
            .for_each(|(name, value)| claims[name] = json!(value));
        if undated {
            ["iat", "nbf"].iter().for_each(|name| drop(claims.as_object_mut().unwrap().remove(*name)));
        }
        jws::sign(&key, "oauth-authz-req+jwt", &claims).unwrap()
    };
    let push = async |world: &World, object: &str, assertion: &str| {
        let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let (status, answer) = world.post("/par", &[("request", object), kind, ("client_assertion", assertion)], None).await;
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let taken = || (201, String::new());
    let before_s = now_ms(&world) / 1000 - 5;
    let spent: Vec<_> = [false, true].into_iter().map(|undated| (object(before_s, undated), assertion(before_s, undated))).collect();
    let nonce = dpop::nonce(&world.running.shared.now(), now_ms(&world)).unwrap();
    for (object, assertion) in &spent {
        assert_eq!(push(&world, object, assertion).await, taken());
        assert_eq!(push(&world, object, assertion).await.0, 401, "it is spent");
    }
    let mut world = lose(world).await;
    world.start_again(|it| it).await;
    assert_eq!(push(&world, &spent[0].0, &spent[0].1).await, taken(), "a store that nobody recovered has forgotten it");
    assert!(dpop::is_nonce(&world.running.shared.now(), &nonce, now_ms(&world)));
    let mut world = lose(world).await;
    told(&world, &["recover"]).await;
    world.start_again(|it| it).await;
    let after_s = now_ms(&world) / 1000 + 1;
    for (object_of_before, assertion_of_before) in &spent {
        assert_eq!(push(&world, &object(after_s, false), assertion_of_before).await, (401, "invalid_client".to_owned()));
        let refused = (400, "invalid_request_object".to_owned());
        assert_eq!(push(&world, object_of_before, &assertion(after_s, false)).await, refused);
    }
    assert_eq!(push(&world, &object(after_s, false), &assertion(after_s, false)).await, taken());
    let app = world.running.shared.now();
    assert!(!dpop::is_nonce(&app, &nonce, app.now_ms()));
    assert!(dpop::is_nonce(&app, &dpop::nonce(&app, app.now_ms()).unwrap(), app.now_ms()), "the twin");
    drop(app);
    world.stop().await;
}

/// The same of challenges for evidence and for proofs of an attested key: the copy does not know which were used.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_of_before_the_recovery_is_void() {
    let mut scene = receipts::Scene::start(Engine::Sqlite).await;
    scene.world = scene.world.restarted(keep).await;
    let before = scene.phone("plain").any_challenge("plain").await;
    let now = |scene: &receipts::Scene| scene.world.running.shared.now();
    let fits = |scene: &receipts::Scene, text: &str| challenge::fits(&now(scene), text, now(scene).now_ms() / 1000);
    let of_key = challenge::challenge(&now(&scene), now(&scene).now_ms()).unwrap();
    scene.world = lose(scene.world).await;
    scene.world.start_again(|it| it).await;
    assert!(fits(&scene, &of_key), "in a store that nobody recovered");
    scene.world = lose(scene.world).await;
    told(&scene.world, &["recover"]).await;
    scene.world.start_again(|it| it).await;
    assert!(!fits(&scene, &of_key));
    assert!(fits(&scene, &challenge::challenge(&now(&scene), now(&scene).now_ms()).unwrap()), "the twin");
    let mut phone = scene.phone("plain");
    let after = phone.any_challenge("plain").await;
    for ((text, challenge), wanted) in [(before, refused()), (after, android())] {
        let hash = binding::leaf(&challenge, "plain");
        let chain = scene.maker.android(&phone.key, &Android::genuine(PACKAGE, [7; 32], &hash)).unwrap();
        let chain: Vec<String> = chain.iter().map(|it| base64url::encode(it)).collect();
        assert_eq!(phone.attest("android-key", &text, &[("chain", &chain.join("."))]).await, wanted);
    }
    scene.world.stop().await;
}

/// The same of proofs without a nonce, where the configuration asks for none.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_before_the_recovery_is_void() {
    let key = new_key();
    let world = Configuration::on(Engine::Sqlite).await.with("[dpop]\nnonce = false").start().await.restarted(keep).await;
    let made = |world: &World, age_s: i64| {
        let (url, jti, iat) = (world.url("/token"), fresh(), world.running.shared.now().now_ms() / 1000 - age_s);
        let statement = symbolon_oauth::dpop::Statement { method: "POST", url: &url, nonce: None, access_token: None, jti: &jti, iat };
        symbolon_oauth::dpop::make(&key, &statement).unwrap()
    };
    let send = async |world: &World, proof: &str| {
        let (code, verifier) = world.code("openid").await;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "shop-ios"),
            ("code", code.as_str()),
            ("code_verifier", verifier.as_str()),
            ("redirect_uri", NATIVE_BACK),
        ];
        let answer = Answer::to(world.http.post(world.url("/token")).form(&form).header("dpop", proof)).await;
        (answer.status, answer.error().1.to_owned())
    };
    let taken = || (200, String::new());
    let before = made(&world, 5);
    assert_eq!(send(&world, &before).await, taken());
    assert_eq!(send(&world, &before).await, (400, "use_dpop_nonce".to_owned()), "it is spent");
    let mut world = lose(world).await;
    world.start_again(|it| it).await;
    assert_eq!(send(&world, &before).await, taken(), "a store that nobody recovered has forgotten it");
    let mut world = lose(world).await;
    told(&world, &["recover"]).await;
    world.start_again(|it| it).await;
    assert_eq!(send(&world, &before).await, (400, "use_dpop_nonce".to_owned()));
    assert_eq!(send(&world, &made(&world, 0)).await, taken(), "the twin");
    world.stop().await;
}

/// The same of a token by which a client names a person.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_hint_token_of_before_the_recovery_is_void() {
    let mut scene = backchannel::Scene::start(Engine::Sqlite, "").await;
    scene.world = scene.world.restarted(keep).await;
    let now_s = |scene: &backchannel::Scene| scene.world.running.shared.now().now_ms() / 1000;
    let hint = |scene: &backchannel::Scene, made_s: i64| {
        let issuer = &scene.world.issuer;
        let claims = json!({ "iss": "bank", "aud": issuer, "iat": made_s, "exp": made_s + 300, "jti": fresh(), "login_hint": "alice" });
        jws::sign(&scene.signer, symbolon_oauth::backchannel::HINT_TYP, &claims).unwrap()
    };
    let ask = async |scene: &backchannel::Scene, hint: &str| {
        let (issuer, now_s) = (&scene.world.issuer, now_s(scene));
        let claims = json!({ "iss": "bank", "aud": issuer, "iat": now_s, "nbf": now_s, "exp": now_s + 300, "jti": fresh(),
            "scope": "openid orders:read", "binding_message": "Pay 12.50 EUR", "login_hint_token": hint });
        let request = jws::sign(&scene.signer, symbolon_oauth::request_object::TYP, &claims).unwrap();
        let bank = Phone::new(&scene.world, "bank", backchannel::APP_BACK);
        let mut bank = Phone { client_key: Some(&scene.signer), mode: Mode::Unattested, ..bank };
        let answer = bank.post("/backchannel_authentication", &[("request", &request)]).await;
        (answer.status, answer.error().1.to_owned())
    };
    let taken = || (200, String::new());
    let before = hint(&scene, now_s(&scene) - 5);
    assert_eq!(ask(&scene, &before).await, taken());
    assert_eq!(ask(&scene, &before).await, (400, "invalid_request".to_owned()), "it is spent");
    scene.world = lose(scene.world).await;
    scene.world.start_again(|it| it).await;
    assert_eq!(ask(&scene, &before).await, taken(), "a store that nobody recovered has forgotten it");
    scene.world = lose(scene.world).await;
    told(&scene.world, &["recover"]).await;
    scene.world.start_again(|it| it).await;
    assert_eq!(ask(&scene, &before).await, (400, "expired_login_hint_token".to_owned()));
    assert_eq!(ask(&scene, &hint(&scene, now_s(&scene))).await, taken(), "the twin");
    scene.world.stop().await;
}

/// The same of a kiosk's picture.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_before_the_recovery_is_void() {
    fn phone<'a>(scene: &'a kiosks::Scene, own: &PrivateKey) -> Phone<'a> {
        let phone = Phone::new(&scene.world, "member-app", kiosks::MEMBERS);
        Phone { pushes: false, ..phone }.with_key(own.clone())
    }
    let own = new_key();
    let mut scene = kiosks::Scene::start(Engine::Sqlite, "").await;
    let kept = kiosks::member(&mut phone(&scene, &own), "orders:read").await;
    scene.world = scene.world.restarted(keep).await;
    let picture = async |scene: &kiosks::Scene| kiosks::nonce(&kiosks::challenge(&mut scene.gate(&scene.gates[0])).await);
    let show = async |scene: &kiosks::Scene, picture: &str| {
        let code = kiosks::proof(&phone(scene, &own), &kept.pass, Some(picture));
        let answer = kiosks::show(&mut scene.gate(&scene.gates[0]), &code).await;
        let why = answer.body["error_description"].as_str().unwrap_or_default();
        (answer.status, why.contains("picture has changed"))
    };
    let before = picture(&scene).await;
    assert_eq!(show(&scene, &before).await, (200, false));
    scene.world = lose(scene.world).await;
    scene.world.start_again(|it| it).await;
    assert_eq!(show(&scene, &before).await, (200, false), "a store that nobody recovered takes it");
    scene.world = lose(scene.world).await;
    told(&scene.world, &["recover"]).await;
    scene.world.start_again(|it| it).await;
    assert_eq!(show(&scene, &before).await, (400, true));
    assert_eq!(show(&scene, &picture(&scene).await).await, (200, false), "the twin");
    scene.world.stop().await;
}
