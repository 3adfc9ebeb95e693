//! Every place that asks a decision: none gives what a rule denies. And by what a plug-in knows a question: a repeated one has the same id,
//! and another one another.

use crate::backchannel;
use crate::devices::{self, Tv, open_complete, televisions};
use crate::exchange::{self, LEDGER};
use crate::kiosks::{self, MEMBERS};
use crate::native_sso;
use crate::plugins::{ALLOW, DENY, SHORTEN, STEP_UP, TRAP, claiming_its_call, deciding, decision, table};
use crate::provider_tokens;
use crate::world::native::Screens;
use crate::world::provider::Provider;
use crate::world::*;
use serde_json::{Value as Json, json};

async fn rule(world: &World, body: &str, at: &str) {
    world.reload(|it| it.with(&deciding(body, at, ""))).await;
}

async fn without(world: &World) {
    world.reload(|it| it.without("plugin")).await;
}

/// What is asked for is refused while a rule denies it, cannot be had while the rule fails, and is given afterwards: nothing has moved.
async fn is_narrowed(world: &World, what: &str, mut ask: impl AsyncFnMut() -> (u16, Json)) -> Json {
    let denied = world.audited("plugin_denied").await;
    rule(world, DENY, "token").await;
    let (status, body) = ask().await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{what}: {body}");
    let entries = world.entries("plugin_denied").await;
    assert_eq!(entries.len(), denied + 1, "{what}");
    let last = &entries[denied];
    assert_eq!((&last["reason"], &last["detail"]["moment"]), (&json!("a reason"), &json!("token")), "{what}: {last}");
    rule(world, TRAP, "token").await;
    let (status, body) = ask().await;
    assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")), "{what}: {body}");
    rule(world, SHORTEN, "token").await;
    let (status, body) = ask().await;
    assert_eq!(status, 200, "the twin of {what}: {body}");
    body
}

/// A deny with an empty reason.
const SILENT: &str =
    "(i32.store8 (i32.const 516) (i32.const 1)) (i32.store (i32.const 520) (i32.const 1024)) (i32.store (i32.const 524) (i32.const 0))";

/// A verdict without a reason counts like any other: an app that heard of a failure would try again.
#[tokio::test(flavor = "multi_thread")]
async fn a_deny_without_a_reason_is_a_deny() {
    for (body, reason) in [(SILENT, "no reason given"), (DENY, "a reason")] {
        let world = Configuration::on(Engine::Sqlite).await.with(&deciding(body, "refresh", "")).start().await;
        let first = world.tokens("orders:read").await;
        let (status, answer) = world.refresh(first["refresh_token"].as_str().unwrap()).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "{reason}: {answer}");
        assert_eq!(world.entries("plugin_denied").await[0]["reason"], reason);
        assert_eq!(world.audited("plugin_failed").await, 0);
        world.stop().await;
    }
}

const MINUTE: &str = "expires_in";

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_asked_at_an_exchange() {
    for engine in engines() {
        let world = exchange::world(engine).await;
        let tokens = world.tokens("orders:read orders:write").await;
        let token = tokens["access_token"].as_str().unwrap();
        let ask = async || exchange::exchange(&world, "orders-api", token, &[("resource", LEDGER)]).await;
        assert_eq!(is_narrowed(&world, "an exchange", ask).await[MINUTE], 60);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_asked_at_a_kiosk() {
    for engine in engines() {
        let scene = kiosks::Scene::start(engine, "").await;
        let mut phone = Phone { pushes: false, ..Phone::new(&scene.world, "member-app", MEMBERS) };
        let member = kiosks::member(&mut phone, "openid orders:read").await;
        let mut gate = scene.gate(&scene.gates[0]);
        let asked = kiosks::challenge(&mut gate).await;
        let proof = kiosks::proof(&phone, &member.pass, Some(&kiosks::nonce(&asked)));
        let given = is_narrowed(&scene.world, "a kiosk", async || kiosks::show(&mut gate, &proof).await.parts()).await;
        assert_eq!(given[MINUTE], 60);
        scene.world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_asked_for_a_provider_s_token() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = provider_tokens::released(engine, &provider).await;
        let token = provider_tokens::signed_in(&world, &provider, "openid orders:read").await;
        // The provider's token is given as the provider has made it: its life is not ours to shorten.
        is_narrowed(&world, "a provider's token", async || {
            provider_tokens::ask(&world, "orders-api", &token, &[("audience", "upstream:any")]).await
        })
        .await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_asked_where_a_second_app_joins() {
    for engine in engines() {
        let scene = native_sso::Scene::start(engine, "").await;
        let mut shop = scene.app("shop", native_sso::SHOP).await;
        let shared = scene.share(&mut shop, "alice").await;
        let mut bonus = scene.app("bonus", "ABCDE12345.com.example.bonus").await;
        let given = is_narrowed(&scene.world, "native SSO", async || scene.join(&mut bonus, &shared).await.parts()).await;
        assert_eq!(given[MINUTE], 60);
        scene.world.stop().await;
    }
}

/// Both ways of a device's poll: the first that gets the tokens, and the one after a lost answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_asked_at_a_device_s_poll() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&televisions()).start().await;
        let tv = Tv::start(&world, "box", "openid orders:read").await;
        let mut browser = Browser::default();
        let page = open_complete(&mut browser, &world, &tv, "alice").await;
        browser.submit(&world, &page, &[("last_group", tv.last_group())], "allow").await;
        let mut poll = async || {
            world.advance_s(6);
            tv.poll(&world).await
        };
        assert_eq!(is_narrowed(&world, "a poll", &mut poll).await[MINUTE], 60);
        // The audit says the same of one grant once a minute, so what is denied now is looked at without it.
        rule(&world, DENY, "token").await;
        let (status, body) = poll().await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "a repeated poll: {body}");
        rule(&world, SHORTEN, "token").await;
        let (status, body) = poll().await;
        assert_eq!((status, &body[MINUTE]), (200, &json!(60)), "the twin of a repeated poll: {body}");
        world.stop().await;
    }
}

/// The code, and the same code again after a lost answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_asked_for_a_code_and_again() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let code = phone.native_code().await;
        assert_eq!(is_narrowed(&scene.world, "a code", async || phone.redeem(&code).await.parts()).await[MINUTE], 60);
        rule(&scene.world, DENY, "token").await;
        let refused = phone.redeem(&code).await;
        assert_eq!(refused.error(), (400, "invalid_grant"), "{}", refused.body);
        assert!(refused.text("error_description").contains("A rule of this server"), "{}", refused.body);
        rule(&scene.world, ALLOW, "token").await;
        assert_eq!(phone.redeem(&code).await.status, 200, "the twin");
        scene.world.stop().await;
    }
}

/// What a person approves for a device or a caller is a sign-in.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_asked_at_an_approval() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&televisions()).start().await;
        for (body, is_approved) in [(DENY, false), (ALLOW, true)] {
            let before = world.audited("plugin_denied").await;
            rule(&world, body, "sign-in").await;
            let tv = Tv::start(&world, "box", "openid orders:read").await;
            let mut browser = Browser::default();
            let page = open_complete(&mut browser, &world, &tv, "alice").await;
            browser.submit(&world, &page, &[("last_group", tv.last_group())], "allow").await;
            world.advance_s(10);
            let (status, answer) = tv.poll(&world).await;
            match is_approved {
                true => assert_eq!(status, 200, "the twin: {answer}"),
                false => assert_eq!((status, answer["error"].as_str()), (400, Some("access_denied")), "{body}: {answer}"),
            }
            assert_eq!(world.audited("plugin_denied").await - before, usize::from(body == DENY), "{body}");
        }
        world.stop().await;
        let scene = backchannel::Scene::start(engine, "").await;
        let world = &scene.world;
        let mut browser = Browser::default();
        backchannel::question(world, &mut browser).await;
        for (body, is_approved) in [(DENY, false), (ALLOW, true)] {
            let before = world.audited("plugin_denied").await;
            rule(world, body, "sign-in").await;
            let handle = scene.ask_alice("desk").await;
            let page = browser.visit(world, "/approvals").await;
            browser.submit(world, &page, &[], "allow").await;
            world.advance_s(10);
            let (status, answer) = scene.poll("desk", &handle).await;
            match is_approved {
                true => assert_eq!(status, 200, "the twin: {answer}"),
                false => assert_eq!((status, answer["error"].as_str()), (400, Some("access_denied")), "{body}: {answer}"),
            }
            assert_eq!(world.audited("plugin_denied").await - before, usize::from(body == DENY), "{body}");
        }
        scene.world.stop().await;
    }
}

/// docs/plugins.md: a failure moves nothing and ends nothing. The question stands, on its page and in an app, and the twin is the same answer when
/// the rule can be asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_cannot_be_asked_ends_no_approval() {
    for engine in engines() {
        let scene = backchannel::Scene::start(engine, &televisions()).await;
        let world = &scene.world;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let mut browser = Browser::default();
        backchannel::question(world, &mut browser).await;
        rule(world, TRAP, "sign-in").await;
        let tv = Tv::start(world, "box", "openid orders:read").await;
        let handle = scene.ask_alice("desk").await;
        let of_device = open_complete(&mut browser, world, &tv, "alice").await;
        let of_desk = browser.visit(world, "/approvals").await;
        let pages = [(&of_device, "The device is signed in"), (&of_desk, "You have approved")];
        for (page, _) in pages {
            let away = browser.submit(world, page, &[("last_group", tv.last_group())], "allow").await;
            assert_eq!((away.status, away.location), (503, None), "{}", away.html);
        }
        let asked = app.pending(&token).await.remove(0);
        assert_eq!(app.say(&token, &asked, "allow", &[]).await.error(), (503, "temporarily_unavailable"));
        world.advance_s(10);
        for error in [tv.error(world).await, scene.error("desk", &handle).await] {
            assert_eq!(error, "authorization_pending");
        }
        // The audit has it once a minute for each client.
        assert_eq!((world.audited("plugin_failed").await, world.audited("authorization_refused").await), (2, 0));
        rule(world, ALLOW, "sign-in").await;
        for (page, title) in pages {
            assert_eq!(browser.submit(world, page, &[("last_group", tv.last_group())], "allow").await.title(), title, "the twin");
        }
        world.advance_s(10);
        assert_eq!((tv.poll(world).await.0, scene.poll("desk", &handle).await.0), (200, 200));
        scene.world.stop().await;
    }
}

/// Whoever reads the letters off the screen answers as often as they like while the rule is away, on the page and in an app. The twin guesses
/// them: five wrong groups use up the tries, and the right one comes too late.
#[tokio::test(flavor = "multi_thread")]
async fn right_letters_cost_nothing_while_a_rule_cannot_be_asked() {
    for engine in engines() {
        let scene = backchannel::Scene::start(engine, &televisions()).await;
        let world = &scene.world;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let mut browser = Browser::default();
        backchannel::question(world, &mut browser).await;
        for is_right in [true, false] {
            rule(world, TRAP, "sign-in").await;
            let (shown, scanned) = (Tv::start(world, "box", "orders:read").await, Tv::start(world, "box", "orders:read").await);
            let mut page = open_complete(&mut browser, world, &shown, "alice").await;
            let reference = ("ref", scanned.complete().strip_prefix("/device?ref=").unwrap());
            let digest = app.post_with_token("/pending/device", &token, &[reference]).await.text("shown");
            let allow = |letters| [reference, ("action", "allow"), ("shown", digest.as_str()), ("last_group", letters)];
            for at in 0..6 {
                let letters = if is_right { shown.last_group() } else { "BBBB" };
                let answer = browser.submit(world, &page, &[("last_group", letters)], "allow").await;
                assert_eq!(answer.status, if is_right { 503 } else { 200 }, "{at}: {}", answer.html);
                page = if is_right { page } else { answer };
                let letters = if is_right { scanned.last_group() } else { "BBBB" };
                let said = match (is_right, at) {
                    (true, _) => (503, "temporarily_unavailable"),
                    (false, 0..=4) => (400, "wrong_last_group"),
                    (false, _) => (429, "temporarily_unavailable"),
                };
                let answer = app.post_with_token("/pending/device", &token, &allow(letters)).await;
                assert_eq!(answer.error(), said, "{at}: {}", answer.body);
            }
            rule(world, ALLOW, "sign-in").await;
            let done = browser.submit(world, &page, &[("last_group", shown.last_group())], "allow").await;
            let answer = app.post_with_token("/pending/device", &token, &allow(scanned.last_group())).await;
            if is_right {
                assert_eq!((done.title().as_str(), answer.error()), ("The device is signed in", (200, "")), "{}", answer.body);
            } else {
                assert_eq!(done.problem(), "This code is no longer good. Ask for another one.", "{}", done.html);
                assert_eq!(answer.error(), (429, "temporarily_unavailable"), "{}", answer.body);
            }
        }
        assert_eq!(world.audited("device_approved").await, 2);
        scene.world.stop().await;
    }
}

/// A rule that wants another sign-in sends the person of an app to the browser, and ends nothing. The twin is let through.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_wants_more_leads_an_app_to_the_browser() {
    for engine in engines() {
        let scene = backchannel::Scene::start(engine, &televisions()).await;
        let world = &scene.world;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let more = (403, "insufficient_authorization");
        for (body, said, polled) in [(STEP_UP, more, (400, "authorization_pending")), (ALLOW, (200, ""), (200, ""))] {
            rule(world, body, "sign-in").await;
            let handle = scene.ask_alice("desk").await;
            let asked = app.pending(&token).await.pop().unwrap();
            let answer = app.say(&token, &asked, "allow", &[]).await;
            assert_eq!(answer.error(), said, "{}", answer.body);
            assert_eq!(answer.text("approval_uri").contains("/approvals?ref="), said == more);
            let tv = Tv::start(world, "box", "openid orders:read").await;
            let code = ("user_code", tv.user_code());
            let shown = app.post_with_token("/pending/device", &token, &[code]).await.text("shown");
            let answer = app.post_with_token("/pending/device", &token, &[code, ("action", "allow"), ("shown", &shown)]).await;
            assert_eq!(answer.error(), said, "{}", answer.body);
            for (status, answer) in [scene.poll("desk", &handle).await, tv.poll(world).await] {
                assert_eq!((status, answer["error"].as_str().unwrap_or_default()), polled, "{answer}");
            }
        }
        assert_eq!((world.audited("plugin_step_up").await, world.audited("authorization_refused").await), (2, 0));
        scene.world.stop().await;
    }
}

/// What a device proved of itself is known where its person approves it: `none`, where it attested nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_at_an_approval_sees_the_tier() {
    let is_none = "(i32.eq (i32.load8_u (i32.load offset=32 (local.get 0))) (i32.const 110))";
    let deny_none = format!("(if (i32.load8_u offset=28 (local.get 0)) (then (if {is_none} (then {DENY}))))");
    for engine in engines() {
        let attester = new_key();
        let tiers = format!(
            "[client.tv]\nauthentication = \"attest_jwt_client_auth_dpop\"\n[client.tv.attestation]\nattester_jwks = {}\n\
             [client.tv.attestation.tier.software]\n[client.tv.attestation.tier.none]\n",
            named_jwks(&attester)
        );
        let world = Configuration::on(engine).await.with(&televisions()).with(&tiers).start().await;
        rule(&world, &deny_none, "sign-in").await;
        for (is_attested, told) in [(false, (400, "access_denied")), (true, (200, ""))] {
            let mut set = Phone { attester: Some(&attester), ..Phone::new(&world, "tv", "") };
            if is_attested {
                set.attest_for(3600);
            }
            let answer = set.post("/device_authorization", &[("scope", "orders:read")]).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let tv = Tv::of("tv", answer.body);
            let mut browser = Browser::default();
            let page = open_complete(&mut browser, &world, &tv, "alice").await;
            browser.submit(&world, &page, &[("last_group", tv.last_group())], "allow").await;
            let form = [("grant_type", devices::GRANT), ("device_code", tv.text("device_code"))];
            let answer = set.post("/token", &form).await;
            assert_eq!(answer.error(), told, "{}", answer.body);
        }
        assert_eq!(world.audited("plugin_denied").await, 1);
        world.stop().await;
    }
}

/// An app is not told that its person approved what a rule has refused. Nobody has said no, so the audit does not say it either.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_hears_that_a_rule_refuses_its_approval() {
    for engine in engines() {
        let scene = backchannel::Scene::start(engine, "").await;
        let (mut app, token) = scene.app("member-app", "alice").await;
        for (body, said) in [(DENY, (400, "access_denied")), (ALLOW, (200, ""))] {
            rule(&scene.world, body, "sign-in").await;
            let handle = scene.ask_alice("desk").await;
            let asked = app.pending(&token).await.remove(0);
            let answer = app.say(&token, &asked, "allow", &[]).await;
            assert_eq!(answer.error(), said, "{}", answer.body);
            let (status, tokens) = scene.poll("desk", &handle).await;
            assert_eq!((status, tokens["error"].as_str().unwrap_or_default()), said, "{tokens}");
        }
        let refused = scene.world.entries("authorization_refused").await;
        assert_eq!((refused.len(), &refused[0]["detail"]["error"]), (1, &json!("access_denied")), "{refused:?}");
        assert_eq!(scene.world.audited("backchannel_denied").await, 0);
        scene.world.stop().await;
    }
}

/// Shortens to a number of seconds that is made of the id of the call.
const BY_CALL: &str = "(call $call-id (i32.const 600)) (local.set $at (i32.load (i32.const 600)))
      (local.set $end (i32.add (local.get $at) (i32.load (i32.const 604)))) (local.set $sum (i32.const 17))
      (loop $more
        (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
      (i32.store8 (i32.const 516) (i32.const 3))
      (i32.store (i32.const 520) (i32.add (i32.const 1000) (i32.rem_u (local.get $sum) (i32.const 80000))))";
/// The id of the call is the reason.
const CALL_DENIED: &str = "(i32.store8 (i32.const 516) (i32.const 1)) (call $call-id (i32.const 520))";
const CALL_STEPS_UP: &str = "(i32.store8 (i32.const 516) (i32.const 2)) (call $call-id (i32.const 520))";

fn rule_of_calls(body: &str, at: &str) -> String {
    table("rule", &decision(body), &format!("world = \"decision\"\nat = [{at}]\n"))
}

/// An id is an idempotency key. A lost answer that is asked for again has the same one, and the next refresh another:
/// also where the refresh token stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_question_has_the_same_id_and_another_one_another() {
    for engine in engines() {
        let more = format!("[api.orders]\nlifetime = \"1d\"\n{}", rule_of_calls(BY_CALL, "\"token\", \"refresh\""));
        let bound = Configuration::on(engine).await.with(&more).set("client.shop-ios.dpop", "required");
        let world = bound.set("client.shop-ios.refresh.mode", "rotate").start().await;
        let mut app = world.phone();
        let id = |answer: &Answer| {
            let seconds = answer.body[MINUTE].as_i64().unwrap_or_else(|| panic!("{}", answer.body));
            assert!((1000..81_000).contains(&seconds), "{}", answer.body);
            seconds
        };
        let first = app.tokens("orders:read").await;
        let token = first.text("refresh_token");
        let next = app.refresh(&token).await;
        let again = app.refresh(&token).await;
        assert_eq!(id(&next), id(&again), "the same refresh token once more");
        let second = app.refresh(&next.text("refresh_token")).await;
        let mut all = vec![id(&first), id(&next), id(&second)];
        world.reload(|it| it.set("client.shop-ios.refresh.mode", "static")).await;
        let stays = second.text("refresh_token");
        for _ in 0..3 {
            world.advance_s(1);
            all.push(id(&app.refresh(&stays).await));
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "{all:?}");
        world.stop().await;
    }
}

/// The same at sign-ins of one session: the request is the question.
#[tokio::test(flavor = "multi_thread")]
async fn each_sign_in_of_a_session_is_a_question_of_its_own() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&rule_of_calls(ALLOW, "\"sign-in\"")).start().await;
        world.person("bob").await;
        for (name, is_same) in [("alice", true), ("bob", false)] {
            without(&world).await;
            let mut browser = Browser::default();
            let (one, two) = (Ask::native("openid"), Ask::native("openid"));
            assert!(browser.sign_in(&world, &one, name).await.contains_key("code"));
            let asked = [(CALL_DENIED, "plugin_denied", &one), (CALL_STEPS_UP, "plugin_step_up", if is_same { &one } else { &two })];
            let mut ids = Vec::new();
            for (body, event, ask) in asked {
                world.reload(|it| it.with(&rule_of_calls(body, "\"sign-in\""))).await;
                let page = browser.open(&world, ask).await;
                assert!(page.error().is_some() && !page.has_code(), "{name}: {}", page.html);
                ids.push(world.entries(event).await.last().unwrap()["reason"].as_str().unwrap().to_owned());
            }
            assert_eq!(ids[0].len(), 32, "{ids:?}");
            assert_eq!(ids[0] == ids[1], is_same, "{name}: {ids:?}");
        }
        world.stop().await;
    }
}

/// And at claims: the token of a repeated refresh is asked about by the same id.
#[tokio::test(flavor = "multi_thread")]
async fn claims_are_asked_for_by_the_same_id_again() {
    for engine in engines() {
        let plugin = table("calls", &claiming_its_call("plan"), "world = \"claims\"");
        let more = format!("{plugin}[api.orders]\nclaims_plugin = \"calls\"\nplugin_claims = [\"plan\"]\n");
        let world = Configuration::on(engine).await.with(&more).start().await;
        let first = world.tokens("orders:read").await;
        let id = |tokens: &Json| claims(tokens["access_token"].as_str().unwrap())["plan"].as_str().unwrap().to_owned();
        let (_, next) = world.refresh(refresh_token(&first)).await;
        let (_, again) = world.refresh(refresh_token(&first)).await;
        let (_, later) = world.refresh(refresh_token(&next)).await;
        assert_eq!((id(&next).len(), id(&next)), (32, id(&again)));
        assert!(id(&first) != id(&next) && id(&next) != id(&later) && id(&first) != id(&later));
        world.stop().await;
    }
}

/// A refresh that a rule refuses moves nothing, so that one app may send it again and again: it costs its place, and a plug-in that everybody
/// waits for is not asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_refreshes_does_not_reach_a_rule() {
    let world = Configuration::on(Engine::Sqlite).await.start().await;
    let (token, other) = (world.tokens("orders:read").await, world.tokens("orders:read").await);
    rule(&world, DENY, "refresh").await;
    let mut denied = 0;
    loop {
        let (status, body) = world.refresh(refresh_token(&token)).await;
        if status == 429 {
            assert_eq!(body["error"], "temporarily_unavailable", "{body}");
            break;
        }
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
        denied += 1;
        assert!(denied < 2000, "there is no limit");
    }
    assert!(denied >= 30, "{denied}");
    let (status, body) = world.refresh(refresh_token(&other)).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "another grant is asked about: {body}");
    without(&world).await;
    assert_eq!(world.refresh(refresh_token(&token)).await.0, 200, "the twin: nothing has moved");
    world.stop().await;
}

/// STEP_UP at a place that can ask nobody is a refusal, and never less.
#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_be_asked_a_step_up_is_a_refusal() {
    let world = exchange::world(Engine::Sqlite).await;
    let tokens = world.tokens("orders:read orders:write").await;
    let token = tokens["access_token"].as_str().unwrap();
    rule(&world, STEP_UP, "token").await;
    let (status, body) = exchange::exchange(&world, "orders-api", token, &[("resource", LEDGER)]).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
    without(&world).await;
    assert_eq!(exchange::exchange(&world, "orders-api", token, &[("resource", LEDGER)]).await.0, 200, "the twin");
    world.stop().await;
}
