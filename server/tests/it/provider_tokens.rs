//! A provider's token for a person is kept sealed, and an API gets it by token exchange where the operator says so. Each refusal has its twin.

use crate::killed_processes::Server;
use crate::upstream::{CREATE, leave, world};
use crate::upstream_links::to_link;
use crate::world::provider::{CLIENT_ID, CLIENT_SECRET, Provider, Says};
use crate::world::{Ask, Browser, Configuration, Engine, World, engines, secret_digest};
use serde_json::{Value as Json, json};
use std::time::Duration;
use symbolon::store::{Change, Expect};

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const RELEASE: &str = "scopes = [\"openid\", \"calendar.read\", \"calendar.write\"]\n\
    release = { api = \"orders\", scope = \"orders:read\", scopes = [\"calendar.read\", \"calendar.write\"] }\n";

fn clients() -> String {
    let digest = secret_digest();
    let client = |name: &str, api: &str| {
        format!(
            "[client.{name}]\nkind = \"service\"\nsecret = '{digest}'\nexchanges = [\"{api}\"]\napis = {{ orders = [\"orders:read\"] }}\n"
        )
    };
    format!("{}{}", client("orders-api", "orders"), client("ledger-api", "ledger"))
}

/// What the provider says at the sign-in: a token for this scope, which lives so long.
fn gives(scope: &str, lives_s: i64) -> Says {
    let answer = json!({ "refresh_token": "the-first-refresh-token", "scope": scope, "expires_in": lives_s });
    Says { sub: "one".to_owned(), token_answer: answer, ..Says::default() }
}

fn renewed(token: &str, scope: &str) -> (u16, Json) {
    (
        200,
        json!({ "access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": scope, "refresh_token": format!("{token}-refresh") }),
    )
}

pub async fn signed_in(world: &World, provider: &Provider, scope: &str) -> String {
    tokens_of(world, provider, scope).await["access_token"].as_str().unwrap().to_owned()
}

async fn tokens_of(world: &World, provider: &Provider, scope: &str) -> Json {
    let (mut browser, ask) = (Browser::default(), Ask::native(scope));
    let url = leave(world, &mut browser, &ask).await;
    let page = browser.get(world, &provider.sign_in(&url)).await;
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

pub async fn ask(world: &World, who: &str, token: &str, more: &[(&str, &str)]) -> (u16, Json) {
    let mut form =
        vec![("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", token), ("subject_token_type", ACCESS)];
    form.extend_from_slice(more);
    world.post("/token", &form, Some(who)).await
}

/// A world whose orders API may have tokens of the provider.
pub async fn released(engine: Engine, provider: &Provider) -> World {
    let world = world(engine, provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
    provider.says(gives("calendar.read", 600));
    world
}

/// Whoever does not say yes to a link leaves no token of the provider behind.
#[tokio::test]
async fn a_link_that_is_cancelled_keeps_no_token_of_the_provider() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = released(engine, &provider).await;
        let mut browser = Browser::default();
        let page = to_link(&world, &provider, &mut browser).await;
        let tokens = ["an-access-token-of-anysocial", "the-first-refresh-token"];
        let open = world.sign_ins().await;
        assert!(tokens.iter().all(|token| open.contains(token)), "the twin: they wait for the answer: {open}");
        browser.submit(&world, &page, &[], "cancel").await;
        let left = world.sign_ins().await;
        assert!(left.contains("access_denied") && !tokens.iter().any(|token| left.contains(token)), "{left}");
        world.stop().await;
    }
}

const TO_ANY: (&str, &str) = ("audience", "upstream:any");

#[tokio::test]
async fn an_api_gets_the_token_that_the_provider_gave() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
        provider.says(gives("calendar.read", 600));
        let token = signed_in(&world, &provider, "openid orders:read").await;
        let (status, answer) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!((&answer["access_token"], &answer["token_type"]), (&json!("an-access-token-of-anysocial"), &json!("Bearer")));
        assert_eq!((&answer["scope"], &answer["issued_token_type"]), (&json!("calendar.read"), &json!(ACCESS)));
        assert!(
            answer["expires_in"].as_i64().is_some_and(|it| (1..=600).contains(&it)) && answer.get("refresh_token").is_none(),
            "{answer}"
        );
        assert_eq!(world.audited("provider_token_given").await, 1);
        // Nothing of it stands in the store as it is.
        let app = world.running.shared.now();
        let rows = app.store.all("SELECT sealed FROM provider_token", &[]).await.unwrap();
        let sealed = rows[0].bytes("sealed").unwrap();
        assert_eq!(rows.len(), 1);
        for secret in ["an-access-token-of-anysocial", "the-first-refresh-token"] {
            assert!(!sealed.windows(secret.len()).any(|it| it == secret.as_bytes()));
        }
        drop(app);
        world.stop().await;
    }
}

/// Only the API of the release, with a token that has the scope, and only scopes of the list.
#[tokio::test]
async fn a_token_is_given_as_the_release_says_and_not_otherwise() {
    let provider = Provider::start().await;
    let ledger = "[api.ledger.scope]\n\"ledger:read\" = { text = \"x\" }\n";
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{RELEASE}{}{ledger}", clients())).await;
    provider.says(gives("calendar.read", 600));
    let token = signed_in(&world, &provider, "openid orders:read").await;
    let other = signed_in(&world, &provider, "openid orders:write").await;
    let refused = async |who: &str, token: &str, more: &[(&str, &str)]| {
        let (status, body) = ask(&world, who, token, more).await;
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    };
    let is = |error: &str| (400, error.to_owned());
    assert_eq!(refused("orders-api", &other, &[TO_ANY]).await, is("invalid_scope"), "without the scope of the release");
    assert_eq!(refused("ledger-api", &token, &[TO_ANY]).await, is("invalid_request"), "a client that does not speak for this API");
    assert_eq!(refused("orders-api", "sa_AAAA", &[TO_ANY]).await, is("invalid_request"));
    assert_eq!(refused("orders-api", &token, &[("audience", "upstream:nobody")]).await, is("invalid_target"));
    assert_eq!(refused("orders-api", &token, &[("audience", "upstream:")]).await, is("invalid_target"));
    assert_eq!(refused("orders-api", &token, &[TO_ANY, ("resource", "https://api.example.com/orders")]).await, is("invalid_target"));
    assert_eq!(refused("orders-api", &token, &[("audience", "https://api.example.com/orders"), TO_ANY]).await, is("invalid_target"));
    assert_eq!(refused("orders-api", &token, &[TO_ANY, ("scope", "openid")]).await, is("invalid_scope"));
    assert_eq!(refused("orders-api", &token, &[TO_ANY, ("scope", "calendar.read mail")]).await, is("invalid_scope"));
    assert_eq!(ask(&world, "orders-api", &token, &[TO_ANY, ("scope", "calendar.read")]).await.0, 200, "the twin");
    // A person who signed in by password has no token there.
    let alice = world.tokens("openid orders:read").await;
    assert_eq!(refused("orders-api", alice["access_token"].as_str().unwrap(), &[TO_ANY]).await, is("invalid_target"));
    world.stop().await;

    // Without a release nothing is kept, and nothing given.
    let world = crate::upstream::world(Engine::Sqlite, &provider, &format!("{CREATE}{}", clients())).await;
    let token = signed_in(&world, &provider, "openid orders:read").await;
    let app = world.running.shared.now();
    assert!(app.store.all("SELECT identity FROM provider_token", &[]).await.unwrap().is_empty());
    drop(app);
    let (status, body) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_target")));
    world.stop().await;
}

/// A token that is over, or may do more than the list, is renewed with those scopes alone; what comes with other scopes is not given.
#[tokio::test]
async fn a_token_is_renewed_with_the_scopes_that_may_be_given() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
        for (at, first) in [gives("calendar.read", 10), gives("openid calendar.read", 600)].into_iter().enumerate() {
            let (next, bad) = (format!("next-{at}"), format!("bad-{at}"));
            provider.says(first.clone());
            let token = signed_in(&world, &provider, "openid orders:read").await;
            // What came first is stored, also where it is not given: the refresh token before is spent (S-24).
            let short = (200, json!({ "access_token": bad, "token_type": "Bearer", "expires_in": 30, "scope": "calendar.read" }));
            let mut spent = "the-first-refresh-token".to_owned();
            for (answer, brings) in [(renewed(&bad, "calendar.read openid"), format!("{bad}-refresh")), (short, format!("{bad}-refresh"))] {
                provider.says(Says { refresh: Some(answer), ..first.clone() });
                let (status, body) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
                assert_eq!((status, &body["error"]), (503, &json!("temporarily_unavailable")), "not what was asked for");
                let sent = provider.request("/token");
                assert!(sent.contains(&format!("refresh_token={spent}")) && sent.contains("scope=calendar.read+calendar.write"), "{sent}");
                spent = brings;
            }
            provider.says(Says { refresh: Some(renewed(&next, "calendar.read")), ..first });
            let (status, answer) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
            assert_eq!((status, &answer["access_token"]), (200, &json!(next)), "{answer}");
            assert!(provider.request("/token").contains(&format!("refresh_token={spent}")));
            // It is kept: the next request asks nobody.
            provider.asked();
            assert_eq!(ask(&world, "orders-api", &token, &[TO_ANY]).await.1["access_token"], json!(next));
            assert!(provider.asked().is_empty());
        }
        world.stop().await;
    }
}

/// S-24: many providers give a refresh token once.
#[tokio::test]
async fn a_sign_in_that_brings_no_refresh_token_takes_none_away() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
        provider.says(gives("calendar.read", 10));
        signed_in(&world, &provider, "openid orders:read").await;
        let without = Says { token_answer: json!({ "scope": "calendar.read", "expires_in": 10 }), ..gives("calendar.read", 10) };
        provider.says(Says { refresh: Some(renewed("next", "calendar.read")), ..without });
        let token = signed_in(&world, &provider, "openid orders:read").await;
        let (status, answer) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
        assert_eq!((status, &answer["access_token"]), (200, &json!("next")), "{answer}");
        assert!(provider.request("/token").contains("refresh_token=the-first-refresh-token"));
        world.stop().await;
    }
}

/// Only the word of the provider that the grant is over ends it; an outage does not.
#[tokio::test]
async fn what_the_provider_took_back_is_deleted() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
    let first = gives("calendar.read", 10);
    for (answer, status, error) in
        [((500, json!({})), 503, "temporarily_unavailable"), ((400, json!({ "error": "invalid_client" })), 503, "temporarily_unavailable")]
    {
        provider.says(Says { refresh: Some(answer), ..first.clone() });
        let token = signed_in(&world, &provider, "openid orders:read").await;
        let (code, body) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
        assert_eq!((code, &body["error"]), (status, &json!(error)));
        provider.says(Says { refresh: Some(renewed("next", "calendar.read")), ..first.clone() });
        assert_eq!(ask(&world, "orders-api", &token, &[TO_ANY]).await.0, 200, "the twin");
    }
    provider.says(Says { refresh: Some((400, json!({ "error": "invalid_grant" }))), ..first.clone() });
    let token = signed_in(&world, &provider, "openid orders:read").await;
    assert_eq!(ask(&world, "orders-api", &token, &[TO_ANY]).await.1["error"], json!("invalid_target"));
    assert_eq!(world.audited("provider_token_lost").await, 1);
    provider.says(Says { refresh: Some(renewed("next", "calendar.read")), ..first.clone() });
    assert_eq!(ask(&world, "orders-api", &token, &[TO_ANY]).await.1["error"], json!("invalid_target"), "it is gone");
    let token = signed_in(&world, &provider, "openid orders:read").await;
    assert_eq!(ask(&world, "orders-api", &token, &[TO_ANY]).await.0, 200, "a new sign-in brings a new one");
    world.stop().await;
}

/// Where the provider is asked again (`check`), a refusal that an API's request hears first ends what rests on it, as one that the worker hears.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_an_api_hears_ends_what_rests_on_it() {
    for engine in engines() {
        for (check, ends) in [("check = { every = \"1h\", max_age = \"1d\" }\n", true), ("", false)] {
            let provider = Provider::start().await;
            let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{check}{}", clients())).await;
            provider.says(Says { refresh: Some((400, json!({ "error": "invalid_grant" }))), ..gives("calendar.read", 10) });
            let tokens = tokens_of(&world, &provider, "openid orders:read").await;
            let (status, body) = ask(&world, "orders-api", tokens["access_token"].as_str().unwrap(), &[TO_ANY]).await;
            assert_eq!((status, &body["error"]), (400, &json!("invalid_target")));
            for _ in 0..150 {
                if !ends || world.audited("provider_refused").await == 1 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let (status, body) = world.refresh(crate::world::refresh_token(&tokens)).await;
            let expected = if ends { (400, json!("invalid_grant")) } else { (200, Json::Null) };
            assert_eq!((status, body["error"].clone()), expected, "{check}: {body}");
            let lost = world.audited("provider_token_lost").await;
            assert_eq!((world.audited("provider_refused").await, lost), if ends { (1, 0) } else { (0, 1) }, "{check}");
            world.stop().await;
        }
    }
}

/// An identity that was unlinked while its token was being renewed: nothing of it is given. Without the unlinking it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unlinked_during_a_renewal_is_not_given() {
    for engine in engines() {
        for unlinks in [true, false] {
            let provider = Provider::start().await;
            let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
            provider.says(Says { slow: None, ..rotating(10) });
            let token = signed_in(&world, &provider, "openid orders:read").await;
            let sub = crate::world::claims(&token)["sub"].as_str().unwrap().to_owned();
            provider.says(Says { slow: Some(("/token", Duration::from_secs(2))), ..rotating(10) });
            provider.asked();
            let meanwhile = async {
                while !provider.asked().contains(&"/token".to_owned()) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let row = world.running.shared.now().store.one("SELECT name FROM outside_identity", &[]).await.unwrap().unwrap();
                if unlinks {
                    let args = ["user", "unlink", &sub, row.text("name").unwrap()];
                    let (code, said, error) = crate::commands::symbolon(&world.file(), &args, "").await;
                    assert_eq!(code, Some(0), "{said}{error}");
                }
            };
            let ((status, body), ()) = tokio::join!(ask(&world, "orders-api", &token, &[TO_ANY]), meanwhile);
            let expected = if unlinks { (400, &json!("invalid_target")) } else { (200, &Json::Null) };
            assert_eq!((status, &body["error"]), expected, "{body}");
            assert_eq!(world.audited("provider_token_given").await, usize::from(!unlinks));
            world.stop().await;
        }
    }
}

/// What a provider says that gives another refresh token each time, and answers slowly.
fn rotating(lives_s: i64) -> Says {
    let answer = json!({ "refresh_token": "rotated-0", "scope": "calendar.read", "expires_in": lives_s });
    let slow = Some(("/token", Duration::from_millis(400)));
    Says { sub: "one".to_owned(), token_answer: answer, rotates: true, slow, ..Says::default() }
}

/// S-24: many calls at once renew once, and all get what came. Nobody is taken for a thief.
#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_renew_once() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
        provider.says(rotating(10));
        let token = signed_in(&world, &provider, "openid orders:read").await;
        provider.asked();
        let all = futures_util::future::join_all((0..8).map(|_| ask(&world, "orders-api", &token, &[TO_ANY]))).await;
        for (status, answer) in &all {
            assert_eq!((*status, &answer["access_token"]), (200, &json!("access-1")), "{answer}");
        }
        assert_eq!(provider.asked().iter().filter(|path| *path == "/token").count(), 1);
        assert_eq!(world.audited("provider_token_lost").await, 0);
        world.stop().await;
    }
}

/// S-24: an API's call and the worker that asks whether the person may still come never use one refresh token twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_the_question_of_the_worker_do_not_meet() {
    for engine in engines() {
        let provider = Provider::start().await;
        let check = "check = { every = \"1m\", max_age = \"1h\" }\n";
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{check}{}", clients())).await;
        provider.says(rotating(10));
        let token = signed_in(&world, &provider, "openid orders:read").await;
        provider.asked();
        world.advance_s(61);
        let (mut calls, mut asked) = (0, 0);
        // Until the worker has come round among them.
        while asked <= calls && calls < 200 {
            // Each call wants other scopes than the one before, so that each asks the provider.
            for scope in ["calendar.read", "calendar.read calendar.write"] {
                let (status, answer) = ask(&world, "orders-api", &token, &[TO_ANY, ("scope", scope)]).await;
                assert_eq!(status, 200, "{answer}");
            }
            calls += 2;
            // A worker that met a call gives up until its next round: now and then it finds nobody.
            tokio::time::sleep(Duration::from_millis(800)).await;
            asked += provider.asked().iter().filter(|path| *path == "/token").count();
        }
        assert!(asked > calls, "the worker asked as well: {asked}");
        assert_eq!((world.audited("provider_token_lost").await, world.audited("provider_refused").await), (0, 0));
        world.stop().await;
    }
}

/// S-24: a caller that hangs up while the provider answers does not lose what came.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_loses_nothing() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
        provider.says(rotating(10));
        let token = signed_in(&world, &provider, "openid orders:read").await;
        provider.asked();
        let until_asked = async {
            while !provider.asked().contains(&"/token".to_owned()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = ask(&world, "orders-api", &token, &[TO_ANY]) => panic!("it was answered too early"),
            () = until_asked => {}
        }
        let (status, answer) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
        assert_eq!((status, &answer["access_token"]), (200, &json!("access-1")), "{answer}");
        assert!(provider.asked().is_empty(), "and not again");
        world.stop().await;
    }
}

/// Of two identities that one person has at a provider, the one that the session rests on has its token given.
#[tokio::test]
async fn the_token_is_of_the_identity_behind_the_session() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
        let of = |sub: &str| {
            let token_answer = json!({ "access_token": format!("of-{sub}"), "scope": "calendar.read", "expires_in": 600 });
            // The hash of another access token is left out.
            Says { sub: sub.to_owned(), token_answer, id_token: json!({ "at_hash": null }), ..Says::default() }
        };
        provider.says(of("one"));
        let one = signed_in(&world, &provider, "openid orders:read").await;
        provider.says(of("two"));
        signed_in(&world, &provider, "openid orders:read").await;
        // Both become one person's, as after a link.
        let store = world.running.shared.now().store.clone();
        let mut change = Change::new(world.running.shared.now().now_ms());
        for sql in [
            "UPDATE outside_identity SET account = (SELECT account FROM outside_identity WHERE subject = 'one') WHERE subject = 'two'",
            "UPDATE provider_token SET account = (SELECT account FROM outside_identity WHERE subject = 'one')",
        ] {
            change.run_expecting(sql, Vec::new(), Expect::Any);
        }
        store.apply(change).await.unwrap();
        let (status, answer) = ask(&world, "orders-api", &one, &[TO_ANY]).await;
        assert_eq!((status, &answer["access_token"]), (200, &json!("of-one")), "the older one: {answer}");
        world.stop().await;
    }
}

/// A call that wants less gets less; the next one that wants all gets all.
#[tokio::test]
async fn a_narrow_call_narrows_no_later_one() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
        provider.says(Says { slow: None, ..rotating(10) });
        let token = signed_in(&world, &provider, "openid orders:read").await;
        let got =
            async |more: &[(&str, &str)]| ask(&world, "orders-api", &token, more).await.1["scope"].as_str().unwrap_or_default().to_owned();
        assert_eq!(got(&[TO_ANY, ("scope", "calendar.read")]).await, "calendar.read");
        assert_eq!(got(&[TO_ANY]).await, "calendar.read calendar.write");
        provider.asked();
        assert_eq!(got(&[TO_ANY]).await, "calendar.read calendar.write");
        assert!(provider.asked().is_empty(), "what is kept is good");
        world.stop().await;
    }
}

/// A token that is over and has nothing to renew it with wants a sign-in. The provider refused nothing, and nothing says so.
#[tokio::test]
async fn nothing_to_renew_with_is_no_refusal() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{RELEASE}{}", clients())).await;
        let gives = |lives_s| Says { token_answer: json!({ "scope": "calendar.read", "expires_in": lives_s }), ..gives("", 0) };
        provider.says(gives(10));
        let token = signed_in(&world, &provider, "openid orders:read").await;
        provider.asked();
        for _ in 0..2 {
            let (status, answer) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
            assert_eq!((status, &answer["error"]), (400, &json!("invalid_target")), "{answer}");
        }
        assert!(provider.asked().is_empty());
        assert_eq!(world.audited("provider_token_lost").await, 0);
        provider.says(gives(600));
        let token = signed_in(&world, &provider, "openid orders:read").await;
        assert_eq!(ask(&world, "orders-api", &token, &[TO_ANY]).await.0, 200, "the twin");
        world.stop().await;
    }
}

/// S-24: GitHub separates scopes by commas, says no end and gives no refresh token. An API gets the token all the same, and no end with it.
#[tokio::test]
async fn an_api_gets_the_token_of_github() {
    for engine in engines() {
        let provider = Provider::start().await;
        let issuer = provider.issuer();
        let places = ["authorization_endpoint = \"/authorize\"", "token_endpoint = \"/token\"", "userinfo_endpoint = \"/userinfo\""];
        let places = places.map(|it| it.replace("\"/", &format!("\"{issuer}/"))).join("\n");
        let release = "release = { api = \"orders\", scope = \"orders:read\", scopes = [\"read:user\", \"user:email\"] }\n";
        let secret = format!("secret = {{ command = [\"printf\", \"%s\", \"{CLIENT_SECRET}\"] }}\n");
        let table = format!(
            "[upstream.any]\npreset = \"github\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\nemails_endpoint = \"{issuer}/user/emails\"\n\
             {CREATE}{secret}{places}\n{release}{}",
            clients()
        );
        let policy = "[login.default]\nrequire = [\"password\", \"upstream:any\"]";
        let world = Configuration::on(engine).await.with(policy).with(&table).start().await;
        let says = |scope: &str| Says {
            userinfo: Some(json!({ "id": 7, "login": "octocat" })),
            token_answer: json!({ "id_token": null, "expires_in": null, "scope": scope }),
            ..Says::default()
        };
        provider.says(says("read:user,user:email"));
        let token = signed_in(&world, &provider, "openid orders:read").await;
        let (status, answer) = ask(&world, "orders-api", &token, &[TO_ANY]).await;
        assert_eq!((status, &answer["scope"]), (200, &json!("read:user user:email")), "{answer}");
        assert!(answer.get("expires_in").is_none(), "{answer}");
        // With more than the release says it is not given, and the row stays: nobody refused anything.
        provider.says(says("read:user,user:email,repo"));
        let token = signed_in(&world, &provider, "openid orders:read").await;
        assert_eq!(ask(&world, "orders-api", &token, &[TO_ANY]).await.1["error"], json!("invalid_target"));
        assert_eq!(world.audited("provider_token_lost").await, 0);
        let rows = world.running.shared.now().store.all("SELECT identity FROM provider_token", &[]).await.unwrap();
        assert_eq!(rows.len(), 1);
        world.stop().await;
    }
}

/// S-24: what a provider gives is in no log, at a talkative level neither, in no ID token and in no answer of userinfo.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_gives_is_in_no_log() {
    let provider = Provider::start().await;
    let mut world = released(Engine::Sqlite, &provider).await;
    world.running.stop_in_place().await;
    let log = world.directory.join("log.jsonl");
    let mut command = Server::command(&world.file());
    command.env("RUST_LOG", "debug").stderr(std::fs::File::create(&log).unwrap());
    let server = Server::spawn(&mut command, &world.issuer).await;
    provider.says(Says { slow: None, ..rotating(10) });
    let tokens = tokens_of(&world, &provider, "openid orders:read").await;
    let own = crate::world::claims(tokens["id_token"].as_str().unwrap()).to_string();
    let (status, answer) = ask(&world, "orders-api", tokens["access_token"].as_str().unwrap(), &[TO_ANY]).await;
    assert_eq!((status, &answer["access_token"]), (200, &json!("access-1")), "{answer}");
    let plain = tokens_of(&world, &provider, "openid").await;
    let userinfo = world.http.get(world.url("/userinfo")).bearer_auth(plain["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(userinfo.status(), 200);
    let userinfo = userinfo.text().await.unwrap();
    assert_eq!(world.get("/nothing").await.status(), 404);
    let written = || std::fs::read_to_string(&log).unwrap();
    for _ in 0..500 {
        if written().contains("\"status\":404") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(server);
    assert!(written().contains("\"route\":\"/token\"") && written().contains("\"status\":404"), "{}", written());
    for secret in ["an-access-token-of-anysocial", "access-1", "rotated-0", "rotated-1", CLIENT_SECRET] {
        for (place, text) in [("the log", &written()), ("the ID token", &own), ("userinfo", &userinfo)] {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
    let _ = std::fs::remove_dir_all(&world.directory);
}
