//! A provider is asked again whether its people may still come (`check`). Its definite no ends what rests on it; an outage does not.

use crate::upstream::{CREATE, leave, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine, World, engines};
use serde_json::{Value as Json, json};
use std::time::Duration;

const CHECK: &str = "check = { every = \"1m\", max_age = \"1h\" }\n";

/// What the provider answers to a refresh token.
fn says(refresh: (u16, Json)) -> Says {
    Says { sub: "one".to_owned(), token_answer: json!({ "refresh_token": "first" }), refresh: Some(refresh), ..Says::default() }
}

fn stands(next: &str) -> (u16, Json) {
    (200, json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 60, "refresh_token": next }))
}

/// An app of a person, with the newest of its refresh tokens.
struct App {
    token: String,
    browser: Browser,
}

impl App {
    async fn of(world: &World, provider: &Provider, says: Says) -> Self {
        provider.says(says);
        let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
        let url = leave(world, &mut browser, &ask).await;
        let page = browser.get(world, &provider.sign_in(&url)).await;
        let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
        assert_eq!(status, 200, "{tokens}");
        Self { token: tokens["refresh_token"].as_str().unwrap().to_owned(), browser }
    }

    async fn refresh(&mut self, world: &World) -> (u16, String) {
        let (status, answer) = world.refresh(&self.token).await;
        if let Some(next) = answer["refresh_token"].as_str() {
            next.clone_into(&mut self.token);
        }
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    }
}

/// Waits until the provider was asked with this refresh token, and what it said was written.
async fn asked(provider: &Provider, refresh_token: &str) {
    let sent = format!("refresh_token={refresh_token}");
    for _ in 0..150 {
        if provider.request("/token").contains(&sent) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the provider was not asked: {}", provider.request("/token"));
}

const GOES_ON: (u16, &str) = (200, "");

fn is((status, error): &(u16, String)) -> (u16, &str) {
    (*status, error)
}

/// Who is blocked there loses what rests on that provider, and nothing else. What the provider gives in between takes the place of the
/// token before.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_at_the_provider_is_signed_out_here() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{CHECK}")).await;
        let mut app = App::of(&world, &provider, says(stands("second"))).await;
        let alice = world.tokens("openid orders:read").await["refresh_token"].as_str().unwrap().to_owned();
        provider.asked();
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(!provider.asked().contains(&"/token".to_owned()), "before its time nobody is asked");
        world.advance_s(61);
        asked(&provider, "first").await;
        assert_eq!(is(&app.refresh(&world).await), GOES_ON);
        provider.says(says((400, json!({ "error": "invalid_grant" }))));
        world.advance_s(61);
        asked(&provider, "second").await;
        assert_eq!(is(&app.refresh(&world).await), (400, "invalid_grant"));
        assert!(!app.browser.open(&world, &Ask::native("openid orders:read")).await.has_code());
        assert_eq!(world.refresh(&alice).await.0, 200, "the twin: a session that rests on a password");
        let entries = world.entries("provider_refused").await;
        assert_eq!((entries.len(), &entries[0]["detail"]["sessions"], &entries[0]["detail"]["provider"]), (1, &1.into(), &"any".into()));
        // Whoever the provider lets in again is let in here.
        let mut again = App::of(&world, &provider, says(stands("third"))).await;
        assert_eq!(is(&again.refresh(&world).await), GOES_ON);
        world.stop().await;
    }
}

/// An outage, and an answer that is no refusal of the person, change nothing until `max_age`; then the same token waits for the provider.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_changes_nothing_until_max_age() {
    for (status, body) in [(500, json!({})), (401, json!({ "error": "invalid_client" })), (200, json!({ "access_token": 7 }))] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{CHECK}")).await;
        let mut app = App::of(&world, &provider, says((status, body.clone()))).await;
        world.advance_s(61);
        asked(&provider, "first").await;
        assert_eq!(is(&app.refresh(&world).await), GOES_ON, "{status} {body}");
        world.advance_s(3600);
        assert_eq!(is(&app.refresh(&world).await), (503, "temporarily_unavailable"), "{status} {body}");
        provider.says(says(stands("second")));
        // The question before, which may be under way, has its lease; and a provider that failed rests for a while.
        world.advance_s(61);
        for _ in 0..100 {
            if app.refresh(&world).await.0 == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(is(&app.refresh(&world).await), GOES_ON, "the provider confirmed: {status} {body}");
        assert_eq!(world.audited("provider_refused").await, 0);
        world.stop().await;
    }
}

/// S-24: a stop of the server waits for what the provider answers. The refresh token before is spent, and a second use would look like a theft.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_loses_no_refresh_token() {
    for engine in engines() {
        let provider = Provider::start().await;
        let mut world = world(engine, &provider, &format!("{CREATE}{CHECK}")).await;
        let rotating = |slow| {
            let token_answer = json!({ "refresh_token": "rotated-0" });
            Says { sub: "one".to_owned(), token_answer, rotates: true, slow, ..Says::default() }
        };
        let mut app = App::of(&world, &provider, rotating(None)).await;
        provider.says(rotating(Some(("/token", Duration::from_millis(1500)))));
        provider.asked();
        world.advance_s(61);
        while !provider.asked().contains(&"/token".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.running.stop_in_place().await;
        provider.says(rotating(None));
        world.start_again(|it| it).await;
        world.advance_s(61);
        asked(&provider, "rotated-1").await;
        assert_eq!(world.audited("provider_refused").await, 0);
        assert_eq!(is(&app.refresh(&world).await), GOES_ON);
        world.stop().await;
    }
}

/// A provider that gave nothing to ask with wants the person after `max_age`.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_asked_about_signs_in_again() {
    for (more, expected) in [(CHECK, (400, "invalid_grant")), ("", GOES_ON)] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{more}")).await;
        let mut app = App::of(&world, &provider, Says { sub: "one".to_owned(), ..Says::default() }).await;
        world.advance_s(3500);
        assert_eq!(is(&app.refresh(&world).await), GOES_ON);
        world.advance_s(101);
        assert_eq!(is(&app.refresh(&world).await), expected, "{more}");
        // The provider's clock has gone on as well.
        let now_s = world.running.shared.now().now_ms() / 1000;
        let id_token = json!({ "iat": now_s, "exp": now_s + 300, "auth_time": now_s });
        let mut again = App::of(&world, &provider, Says { sub: "one".to_owned(), id_token, ..Says::default() }).await;
        assert_eq!(is(&again.refresh(&world).await), GOES_ON);
        world.stop().await;
    }
}

/// After a logout at the provider, apps go on. They still rest on it.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_after_a_logout_is_asked_about_still() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{CHECK}")).await;
    let mut app = App::of(&world, &provider, says((400, json!({ "error": "invalid_grant" })))).await;
    let form = [("logout_token", provider.logout_token(&json!({})))];
    let answer = world.http.post(world.url("/upstream/any/backchannel-logout")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!app.browser.open(&world, &Ask::native("openid orders:read")).await.has_code());
    assert_eq!(is(&app.refresh(&world).await), GOES_ON);
    world.advance_s(61);
    asked(&provider, "first").await;
    assert_eq!(is(&app.refresh(&world).await), (400, "invalid_grant"));
    world.stop().await;
}
