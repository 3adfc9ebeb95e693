//! Random walks over the native face: whatever an app sends, in whatever order, the form of the answer says what it is.

use crate::world::app_passkeys::{Hand, options, with_app};
use crate::world::native::*;
use crate::world::*;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_phone::authenticator::Authenticator;

/// The same draws in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

type Form = Vec<(&'static str, &'static str)>;

/// Requests that begin a sign-in, good ones and bad ones.
fn beginnings() -> Vec<Form> {
    vec![
        vec![],
        vec![],
        vec![("acr_values", "urn:two")],
        vec![("acr_values", "urn:both")],
        vec![("prompt", "create")],
        vec![("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), ("code_challenge_method", "S256")],
        vec![("scope", "orders:admin")],
        vec![("prompt", "none")],
        vec![("response_type", "token")],
        vec![("claims", "{\"id_token\":{\"acr\":{\"essential\":true,\"values\":[\"urn:no\"]}}}")],
    ]
}

/// What an app asks beside its grant.
fn beside() -> Vec<Form> {
    vec![
        vec![("prompt", "manage")],
        vec![("prompt", "manage")],
        vec![("acr_values", "urn:two")],
        vec![("scope", "openid orders:write")],
        vec![("prompt", "create")],
        vec![("prompt", "manage"), ("scope", "orders:write")],
    ]
}

/// Begins a sign-in: beside the grant, if there is one.
async fn begun(hand: &mut Hand<'_>, random: &mut Random, held: &str) -> Answer {
    if held.is_empty() {
        return hand.phone.begin_with(random.one_of(&beginnings()).as_slice()).await;
    }
    let own = [("auth_session", held), ("response_type", "code")];
    hand.phone.post("/authorize-challenge", &[&own, random.one_of(&beside()).as_slice()].concat()).await
}

/// What somebody types into a field: mostly the right thing.
fn typed(scene: &Screens, random: &mut Random, step: &Json, field: &str, person: &str) -> String {
    let wrong = ["", "wrong", "\u{0}", "alice", "00000000"];
    if random.below(6) == 0 {
        return (*random.one_of(&wrong)).to_owned();
    }
    match field {
        "username" => person.to_owned(),
        "password" | "new_password" | "new_password_again" => PASSWORD.to_owned(),
        "email" => format!("new-{}@example.com", random.below(1000)),
        "email_code" => scene.mailbox.letters().last().and_then(|letter| letter.code()).unwrap_or_default(),
        "code" => match step["content"][0]["secret"].as_str() {
            Some(secret) => totp(secret, scene.world.running.shared.now().now_ms()),
            None => "123456".to_owned(),
        },
        _ => "something".to_owned(),
    }
}

/// The platform's part of an answer: done, or why not.
fn performed(hand: &mut Hand<'_>, random: &mut Random, step: &Answer) -> (&'static str, String) {
    let name = step.step()["operation"]["name"].as_str().unwrap_or_default();
    let done = match name {
        "passkey_create" => hand.keys.create(options(step), &hand.origin).ok(),
        "passkey_get" => hand.keys.get(options(step), &hand.origin).ok(),
        _ => None,
    };
    match done.filter(|_| random.below(3) > 0) {
        Some(document) => ("passkey", document.to_string()),
        None => ("passkey_failure", (*random.one_of(&["cancelled", "no_passkey", "already_there", "odd", ""])).to_owned()),
    }
}

/// An answer to the present step, or to one that never was.
async fn answered(scene: &Screens, hand: &mut Hand<'_>, random: &mut Random, step: &Answer, person: &str) -> Answer {
    let mut actions = step.actions();
    actions.push("made_up".to_owned());
    // Mostly what leads on.
    let first = step.step()["actions"][0]["name"].as_str().unwrap_or_default().to_owned();
    let action = if random.below(3) > 0 { first } else { random.one_of(&actions).clone() };
    let mut fields = Vec::new();
    for field in step.step()["fields"].as_array().into_iter().flatten() {
        let name = field["name"].as_str().unwrap();
        fields.push((name.to_owned(), typed(scene, random, step.step(), name, person)));
    }
    if action == "passkey" {
        let (name, value) = performed(hand, random, step);
        fields.push((name.to_owned(), value));
    }
    let held = match random.below(12) {
        0 => "sl_AAAA".to_owned(),
        1 => String::new(),
        _ => step.text("auth_session"),
    };
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let form = [&[("auth_session", held.as_str()), ("action", action.as_str())], &pairs[..]].concat();
    hand.phone.post("/authorize-challenge", &form).await
}

/// Status and error of the table in docs/native.md.
fn documented() -> BTreeSet<(u16, String)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/native.md")).unwrap();
    let table = page.split("## Errors").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut found = BTreeSet::new();
    for cell in table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()) {
        let Some(status) = cell.split(' ').next().and_then(|word| word.parse().ok()) else { continue };
        found.extend(cell.split('`').skip(1).step_by(2).map(|code| (status, code.to_owned())));
    }
    found
}

/// What holds of every answer.
fn judge(answer: &Answer, known: &BTreeSet<(u16, String)>) {
    let code = answer.body.get("authorization_code");
    assert_eq!(answer.status == 200, code.is_some(), "{answer:?}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
    if code.is_some() {
        assert!(answer.body.get("error").is_none() && answer.body.get("step").is_none(), "{answer:?}");
        return;
    }
    let (status, error) = answer.error();
    assert!(known.contains(&(status, error.to_owned())), "docs/native.md has no such answer: {answer:?}");
    assert_eq!(error == "insufficient_authorization", !answer.step().is_null(), "{answer:?}");
    assert!(!answer.text("error_description").is_empty(), "{answer:?}");
    let reason = answer.body.get("reason");
    assert!(reason.is_none() || answer.error() == OVER || error == "access_denied", "{answer:?}");
    let problem = &answer.step()["problem"];
    if !problem.is_null() {
        let is_key = |key: &str| !key.is_empty() && key.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        assert!(problem["key"].as_str().is_some_and(is_key) && problem["text"].as_str().is_some_and(|it| !it.is_empty()), "{answer:?}");
    }
}

/// The lasting `auth_session` of a sign-in by password.
async fn grant(hand: &mut Hand<'_>, person: &str) -> String {
    let mut step = hand.phone.begin().await;
    step = hand.phone.answer_password(&step, person, PASSWORD).await;
    if step.kind() == "offer_passkey" {
        step = hand.phone.answer(&step, "not_now", &[]).await;
    }
    hand.phone.redeem(&step.text("authorization_code")).await.text("auth_session")
}

/// W-41: the status is 200 if and only if there is a code. Every other answer has an error that is documented, and every answer the id of its
/// request.
#[tokio::test(flavor = "multi_thread")]
async fn success_is_a_code_and_nothing_else_is() {
    for engine in engines() {
        let rights = crate::self_service::ALL.to_vec();
        let scene = Screens::with(engine, |it| with_app(it).set("passkeys.offer", true).set("client.screens.manage", rights)).await;
        let known = documented();
        let (mut random, mut seen, mut kinds) = (Random(41), BTreeMap::new(), BTreeSet::new());
        assert!(known.len() > 10, "{known:?}");
        for walk in 0..25 {
            let person = format!("walker{walk}");
            scene.world.person(&person).await;
            let mut hand = Hand::of(&scene, Authenticator::default());
            let mut step: Option<Answer> = None;
            let held = if walk % 2 == 0 { String::new() } else { grant(&mut hand, &person).await };
            for _ in 0..12 {
                let answer = match &step {
                    Some(step) => answered(&scene, &mut hand, &mut random, step, &person).await,
                    None => begun(&mut hand, &mut random, &held).await,
                };
                kinds.insert(answer.kind().to_owned());
                judge(&answer, &known);
                *seen.entry((answer.status, answer.text("error"))).or_insert(0) += 1;
                step = (answer.error() == ASKED).then_some(answer);
            }
            scene.world.advance_s(60);
        }
        for (status, error) in [(200, ""), ASKED, OVER, (400, "invalid_request"), (400, "access_denied"), (403, "redirect_to_web")] {
            assert!(seen.contains_key(&(status, error.to_owned())), "nobody got to {status} {error}: {seen:?}");
        }
        assert!(kinds.contains("manage") && kinds.len() > 12, "{kinds:?}");
        scene.world.stop().await;
    }
}
