//! Signing in on an app's own screens with the ID token of a provider's SDK: the answer to one step, and nothing else.

use crate::upstream::{CREATE, sign_in_for_subject};
use crate::upstream_links::{linked, unlinked};
use crate::world::native::*;
use crate::world::provider::{CLIENT_ID, CLIENT_SECRET, Provider, Says};
use crate::world::{Answer, Configuration, Engine, PASSWORD, Phone, claims, engines};
use serde_json::{Value as Json, json};
use symbolon_oauth::{base64url, digest};

const IOS: &str = "ios-app";
const ANDROID: &str = "android-app";

pub fn with_sdk(provider: &Provider) -> impl FnOnce(Configuration) -> Configuration {
    let table = format!(
        "[upstream.any]\nlabel = \"Anysocial\"\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n\
         secret = {{ command = [\"printf\", \"%s\", \"{CLIENT_SECRET}\"] }}\n{CREATE}\
         [client.screens.native_providers.any]\naudiences = [\"{CLIENT_ID}\", \"{IOS}\"]\nauthorized_parties = [\"{ANDROID}\"]\n",
        provider.issuer()
    );
    move |it| it.set("login.default.require", vec!["password", "upstream:any"]).with(&table)
}

type Lie = fn(&str) -> Json;

fn hashed(nonce: &str) -> String {
    digest::sha256(nonce.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// To the step that asks the SDK. Answers it with its nonce.
async fn asked(phone: &mut Phone<'_>) -> (Answer, String) {
    let first = phone.begin().await;
    let step = phone.answer(&first, "use_upstream:any", &[]).await;
    assert_eq!((step.error(), step.kind()), (ASKED, "upstream"), "{step:?}");
    let nonce = nonce_of(&step);
    (step, nonce)
}

fn nonce_of(step: &Answer) -> String {
    let operation = &step.step()["operation"];
    assert_eq!((&operation["name"], &operation["answer"]["action"]), (&json!("id_token_get"), &json!("id_token")), "{step:?}");
    operation["options"]["nonce"].as_str().unwrap().to_owned()
}

async fn give(phone: &mut Phone<'_>, step: &Answer, token: &str) -> Answer {
    give_raw(phone, step, &json!({ "id_token": token }).to_string()).await
}

async fn give_raw(phone: &mut Phone<'_>, step: &Answer, text: &str) -> Answer {
    phone.answer(step, "id_token", &[("id_token", text)]).await
}

async fn subject_of(phone: &mut Phone<'_>, done: &Answer) -> String {
    assert_eq!(done.status, 200, "{done:?}");
    let tokens = phone.redeem(&done.text("authorization_code")).await;
    claims(&tokens.text("access_token"))["sub"].as_str().unwrap().to_owned()
}

/// S-17: the web client with Android's as authorised party, and iOS's alone; it is the account that the browser leads to.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_of_the_sdk_signs_in_without_a_browser() {
    for engine in engines() {
        let provider = Provider::start().await;
        let scene = Screens::with(engine, with_sdk(&provider)).await;
        let by_browser = sign_in_for_subject(&scene.world, &provider).await;
        for (aud, azp) in [(CLIENT_ID, json!(ANDROID)), (IOS, json!(IOS)), (IOS, Json::Null)] {
            let mut phone = scene.genuine();
            let (step, nonce) = asked(&mut phone).await;
            assert!(step.actions().contains(&"browser".to_owned()), "an app without the SDK has a way too: {step:?}");
            let done = give(&mut phone, &step, &provider.sdk_token(aud, &nonce, &json!({ "azp": azp }))).await;
            assert_eq!(subject_of(&mut phone, &done).await, by_browser, "{aud}");
        }
        assert_eq!(scene.world.audited("registered").await, 1);
        scene.world.stop().await;
    }
}

/// 440-B, 441-B, S-15, S-17: each lie alone, and its twin with the nonce of the step that followed.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_somebody_else_or_for_another_step_is_refused() {
    let provider = Provider::start().await;
    let scene = Screens::with(Engine::Sqlite, with_sdk(&provider)).await;
    let base = || Says { sub: "one".to_owned(), ..Says::default() };
    provider.says(base());
    let lies: [(&str, Lie); 12] = [
        ("no nonce", |_| json!({ "nonce": null })),
        ("another nonce", |_| json!({ "nonce": "AAAA" })),
        ("a hashed nonce, which no rule allows", |nonce| json!({ "nonce": hashed(nonce) })),
        ("aud of somebody else", |_| json!({ "aud": "another-app" })),
        ("aud of somebody else, azp ours", |_| json!({ "aud": "another-app", "azp": IOS })),
        ("azp of somebody else", |_| json!({ "azp": "another-app" })),
        ("only azp's name in aud", |_| json!({ "aud": ANDROID })),
        ("a stranger beside us and no azp", |_| json!({ "aud": [IOS, "another-app"] })),
        ("expired", |_| json!({ "exp": 1_700_000_000 })),
        ("another issuer", |_| json!({ "iss": "https://accounts.google.com" })),
        ("a security event", |_| json!({ "events": {} })),
        ("no sub", |_| json!({ "sub": null })),
    ];
    for (name, lie) in lies {
        let mut phone = scene.genuine();
        let (step, nonce) = asked(&mut phone).await;
        let next = give(&mut phone, &step, &provider.sdk_token(IOS, &nonce, &lie(&nonce))).await;
        assert_eq!((next.error(), next.problem()), (ASKED, "upstream_failed"), "{name}: {next:?}");
        let fresh = nonce_of(&next);
        assert_ne!(fresh, nonce, "{name}: each question has a nonce of its own");
        let done = give(&mut phone, &next, &provider.sdk_token(IOS, &fresh, &json!({}))).await;
        assert_eq!(done.status, 200, "the twin of {name}: {done:?}");
    }
    for (name, lie) in
        [("a foreign key", Says { foreign_key: true, ..base() }), ("an access token", Says { typ: Some("at+jwt"), ..base() })]
    {
        let mut phone = scene.genuine();
        let (step, nonce) = asked(&mut phone).await;
        provider.says(lie);
        let next = give(&mut phone, &step, &provider.sdk_token(IOS, &nonce, &json!({}))).await;
        assert_eq!((next.error(), next.problem()), (ASKED, "upstream_failed"), "{name}: {next:?}");
        provider.says(base());
    }
    scene.world.stop().await;
}

/// S-14: a provider's access token is never an answer, in whatever form it comes.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_an_id_token_is_an_answer() {
    let provider = Provider::start().await;
    let scene = Screens::with(Engine::Sqlite, with_sdk(&provider)).await;
    let (long, header) = ("x".repeat(20_000), base64url::encode(b"{\"alg\":\"none\"}"));
    for odd in [
        "",
        "EAAGm0PX4ZCpsBA",
        "{\"access_token\":\"EAAGm0PX4ZCpsBA\"}",
        "{\"id_token\":\"EAAGm0PX4ZCpsBA\"}",
        "{\"id_token\":null}",
        "{\"id_token\":[\"a.b.c\"]}",
        "[]",
        long.as_str(),
    ] {
        let mut phone = scene.genuine();
        let (step, _) = asked(&mut phone).await;
        let next = give_raw(&mut phone, &step, odd).await;
        assert_eq!((next.error(), next.problem()), (ASKED, "upstream_no_id_token"), "{odd:.40}: {next:?}");
        let token = provider.sdk_token(IOS, &nonce_of(&next), &json!({}));
        assert_eq!(give(&mut phone, &next, &token).await.status, 200, "the twin of {odd:.40}");
    }
    let mut phone = scene.genuine();
    let (step, _) = asked(&mut phone).await;
    let unsigned = format!("{header}.{}.", base64url::encode(b"{}"));
    assert_ne!(give(&mut phone, &step, &unsigned).await.status, 200, "alg none");
    scene.world.stop().await;
}

/// 447-B: a token answers the step whose nonce it has. Sent to another sign-in, or again, it is worth nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_no_use_a_second_time() {
    for engine in engines() {
        let provider = Provider::start().await;
        let scene = Screens::with(engine, with_sdk(&provider)).await;
        let (mut phone, mut other) = (scene.genuine(), scene.genuine());
        let (step, nonce) = asked(&mut phone).await;
        let (others_step, others_nonce) = asked(&mut other).await;
        let token = provider.sdk_token(IOS, &nonce, &json!({}));
        let stolen = give(&mut other, &others_step, &token).await;
        assert_eq!((stolen.error(), stolen.problem()), (ASKED, "upstream_failed"), "{stolen:?}");
        let done = give(&mut phone, &step, &token).await;
        assert_eq!(done.status, 200, "it was not used up: {done:?}");
        let again = give(&mut phone, &step, &token).await;
        assert_eq!(again.text("authorization_code"), done.text("authorization_code"), "the same answer, the same code");
        let (late_step, _) = asked(&mut phone).await;
        assert_eq!(give(&mut phone, &late_step, &token).await.problem(), "upstream_failed", "a replay in a sign-in of its own");
        let old = provider.sdk_token(IOS, &others_nonce, &json!({}));
        assert_eq!(give(&mut other, &stolen, &old).await.problem(), "upstream_failed", "the nonce of the question before");
        scene.world.stop().await;
    }
}

/// S-22: whoever closes the SDK's window, or has none that answers, chooses again, and an app whose client has no such SDK leaves for the browser.
#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_may_be_closed_or_missing() {
    let provider = Provider::start().await;
    let scene = Screens::with(Engine::Sqlite, with_sdk(&provider)).await;
    let mut phone = scene.genuine();
    let (step, _) = asked(&mut phone).await;
    let next = phone.answer(&step, "id_token", &[("id_token_failure", "cancelled")]).await;
    assert_eq!((next.error(), next.problem()), (ASKED, "upstream_cancelled"), "{next:?}");
    let next = phone.answer(&next, "id_token", &[("id_token_failure", "not_possible_here")]).await;
    assert_eq!(next.problem(), "upstream_away", "{next:?}");
    let password = phone.answer(&next, "use_password", &[]).await;
    assert_eq!(phone.answer_password(&password, "alice", crate::world::PASSWORD).await.status, 200, "another way");
    let mut signer = scene.signer();
    let first = signer.begin_with(&[("redirect_uri", "https://signer.example.com/cb")]).await;
    let left = signer.answer(&first, "use_upstream:any", &[]).await;
    assert_eq!(left.error(), (403, "redirect_to_web"), "{left:?}");
    scene.world.stop().await;
}

/// S-22: the provider is away while the app has a token of its SDK. The app hears which trouble it is, offers the other ways, and the same
/// sign-in goes on once the provider is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_is_a_trouble_of_its_own() {
    for engine in engines() {
        let provider = Provider::start().await;
        let scene = Screens::with(engine, with_sdk(&provider)).await;
        let away = "HTTP/1.1 503 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
        let raw = [("/.well-known/openid-configuration", away)].into();
        provider.says(Says { sub: "one".to_owned(), raw, ..Says::default() });
        let mut phone = scene.genuine();
        let (step, nonce) = asked(&mut phone).await;
        let next = give(&mut phone, &step, &provider.sdk_token(IOS, &nonce, &json!({}))).await;
        assert_eq!((next.error(), next.problem()), (ASKED, "upstream_away"), "{next:?}");
        assert!(next.actions().contains(&"use_password".to_owned()), "{next:?}");
        provider.is("one");
        scene.world.advance_s(2);
        let done = give(&mut phone, &next, &provider.sdk_token(IOS, &nonce_of(&next), &json!({}))).await;
        assert_eq!(done.status, 200, "the twin: {done:?}");
        scene.world.stop().await;
    }
}

/// Apple gives a name once, to the app; nobody has signed it, and it is a name and nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_may_come_with_the_token() {
    let provider = Provider::start().await;
    let scene = Screens::with(Engine::Sqlite, with_sdk(&provider)).await;
    provider.is("001.a");
    for answer in [json!({ "name": "Ann Example", "email": "victim@example.com" }), json!({})] {
        let mut phone = scene.genuine();
        let first = phone.begin_with(&[("scope", "openid profile email")]).await;
        let step = phone.answer(&first, "use_upstream:any", &[]).await;
        let mut answer = answer;
        answer["id_token"] = provider.sdk_token(IOS, &nonce_of(&step), &json!({})).into();
        let done = give_raw(&mut phone, &step, &answer.to_string()).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    assert_eq!(scene.world.audited("registered").await, 1);
    let app = scene.world.running.shared.now();
    let row = app.store.one("SELECT email FROM account WHERE name = $1", &["Ann Example".into()]).await.unwrap().unwrap();
    assert_eq!(row.opt_text("email").unwrap(), None);
    scene.world.stop().await;
}

/// The page of links, behind a fresh proof of this person.
async fn links_of(phone: &mut Phone<'_>, person: &str) -> Answer {
    let code = phone.native_code_of(person).await;
    let tokens = phone.redeem(&code).await;
    let held = tokens.text("auth_session");
    let form = [("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")];
    let asked = phone.post("/authorize-challenge", &form).await;
    let menu = phone.answer(&asked, "continue", &[("password", crate::world::PASSWORD)]).await;
    let list = phone.answer(&menu, "links", &[]).await;
    assert_eq!((list.error(), list.kind()), (ASKED, "manage_links"), "{list:?}");
    list
}

/// A person links a provider on the app's own screens. Both sides are proved anew, and the last page names them; then the identity signs
/// this person in. An old proof of the other side, and an identity of somebody else, link nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_linked_on_the_app_s_own_screens() {
    for engine in engines() {
        let provider = Provider::start().await;
        let with = with_sdk(&provider);
        let scene = Screens::with(engine, |it| with(it).set("client.screens.manage", vec!["links"])).await;
        scene.world.person("bob").await;
        provider.is("001.a");
        let now_s = || scene.world.running.shared.now().now_ms() / 1000;
        let mut phone = scene.genuine();
        let list = links_of(&mut phone, "alice").await;
        assert!(list.actions().contains(&"link:0".to_owned()), "{list:?}");
        let mut step = phone.answer(&list, "link:0", &[]).await;
        for stale in [json!({ "auth_time": now_s() - 900 }), json!({ "auth_time": null })] {
            let token = provider.sdk_token(IOS, &nonce_of(&step), &stale);
            step = give(&mut phone, &step, &token).await;
            assert_eq!((step.error(), step.problem()), (ASKED, "upstream_not_fresh"), "{stale}: {step:?}");
        }
        let fresh = || json!({ "auth_time": now_s() });
        let token = provider.sdk_token(IOS, &nonce_of(&step), &fresh());
        let asked = give(&mut phone, &step, &token).await;
        assert_eq!((asked.error(), asked.kind(), scene.world.audited("upstream_linked").await), (ASKED, "link", 0), "{asked:?}");
        let words = asked.step()["text"][0].as_str().unwrap();
        assert!(words.contains("Anysocial") && words.contains("alice@example.com"), "{words}");
        let done = phone.answer(&asked, "continue", &[]).await;
        let alice = subject_of(&mut phone, &done).await;
        assert_eq!(scene.world.audited("upstream_linked").await, 1);
        let mut other = scene.genuine();
        let (step, nonce) = self::asked(&mut other).await;
        let done = give(&mut other, &step, &provider.sdk_token(IOS, &nonce, &json!({}))).await;
        assert_eq!((subject_of(&mut other, &done).await, scene.world.audited("registered").await), (alice, 0));
        // The identity is Alice's now, whoever else asks for it.
        let mut bobs = scene.genuine();
        let list = links_of(&mut bobs, "bob").await;
        let step = bobs.answer(&list, "link:0", &[]).await;
        let token = provider.sdk_token(IOS, &nonce_of(&step), &fresh());
        assert_eq!(give(&mut bobs, &step, &token).await.problem(), "upstream_linked_elsewhere");
        // Where linking is off, and where the app has no SDK, there is no such button, and none is taken.
        for change in ["upstream.any.linking", "client.screens.native_providers"] {
            scene.world.reload(|it| if change.ends_with("linking") { it.set(change, "off") } else { it.without(change) }).await;
            let list = links_of(&mut bobs, "bob").await;
            assert!(!list.actions().iter().any(|action| action.starts_with("link:")), "{change}: {list:?}");
            assert_eq!(bobs.answer(&list, "link:0", &[]).await.error(), (400, "invalid_request"), "{change}");
            scene.world.reload(|it| if change.ends_with("linking") { it.set(change, "fresh") } else { it }).await;
        }
        scene.world.stop().await;
    }
}

/// An installation is known for what a provider proved, at a sign-in and at every refresh, as long as the link is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_proved_makes_an_installation_known() {
    const EASIER: &str = "[login.both]\nrequire = [\"password + upstream:any\"]\n\
        [[login.both.easier]]\nrequire = [\"password\"]\nknown_device = \"30d\"\n[client.screens]\nlogin = \"both\"";
    for engine in engines() {
        let provider = Provider::start().await;
        let with = with_sdk(&provider);
        let scene = Screens::with(engine, |it| with(it).set("upstream.any.accounts", "invited")).await;
        linked(&scene.world, &provider, "alice", "any").await;
        scene.world.reload(|it| it.with(EASIER)).await;
        let mut phone = scene.genuine();
        let step = phone.begin().await;
        let step = phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "upstream"), "{step:?}");
        let token = provider.sdk_token(IOS, &nonce_of(&step), &json!({}));
        assert_eq!(give(&mut phone, &step, &token).await.status, 200);
        let code = phone.native_code().await;
        let tokens = phone.redeem(&code).await;
        let refreshed = phone.refresh(&tokens.text("refresh_token")).await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        unlinked(&scene.world, "alice").await;
        let asked = phone.refresh(&refreshed.text("refresh_token")).await;
        assert_eq!(asked.error(), ASKED, "the twin: the link is gone: {asked:?}");
        scene.world.stop().await;
    }
}
