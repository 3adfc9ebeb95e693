//! The id of a plug-in's call: what it is made of, and where operators read it.

use crate::plugin_methods::{EXTERNAL, mute, word};
use crate::plugins::{ALLOW, Service, TRAP, branch_visit, deciding, decision, digest_of};
use crate::world::native::{ASKED, Screens};
use crate::world::*;
use serde_json::Value as Json;
use symbolon::store::Store;
use symbolon::store::faults::{Fate, Plan};

const LOGIN: &str = "[login.default]\nrequire = [\"password + plugin:branch-visit\"]\n";

/// The ids that the service was sent.
fn ids(service: &Service) -> Vec<String> {
    let key = |request: &String| Some(request.split("idempotency-key: ").nth(1)?.split("\r\n").next()?.to_owned());
    service.asked().iter().filter_map(key).collect()
}

/// Does an entry say which call failed?
pub fn names_its_call(entry: &Json) -> bool {
    entry["detail"]["call"].as_str().is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

async fn at_the_number(world: &World, browser: &mut Browser) -> Page {
    let page = browser.open(world, &Ask::native("openid")).await;
    browser.submit_password(world, &page, "alice", PASSWORD).await
}

/// Methods.md, "Failing": a service keeps its verdict by the id of the call. An answer that was judged and could not be written is judged
/// again by the same id. Another answer in its place has another one: else the verdict about the first would decide.
#[tokio::test(flavor = "multi_thread")]
async fn another_answer_at_the_same_question_is_another_call() {
    let (service, plan) = (Service::start().await, Plan::new(Vec::new()));
    let configured = Configuration::on(Engine::Sqlite).await.with(&branch_visit(&service)).with(LOGIN);
    let world = configured.start_on(|it| Store::faulty(it, plan.clone()).unwrap()).await;
    let mut browser = Browser::default();
    let page = at_the_number(&world, &mut browser).await;
    for number in ["87654321", "87654321", "11112222"] {
        // The try is charged, the service is asked, and what came of it cannot be written.
        plan.after(1, Fate::Refuse);
        let lost = browser.submit(&world, &page, &[("plugin_visit_number", number)], "continue").await;
        assert_eq!(lost.status, 503, "{}", lost.html);
    }
    let done = browser.submit(&world, &page, &[("plugin_visit_number", "12345678")], "continue").await;
    assert!(done.has_code(), "{}", done.html);
    let ids = ids(&service);
    assert_eq!((ids.len(), ids[0] == ids[1]), (4, true), "the twin: the same answer: {ids:?}");
    assert!(ids[0] != ids[2] && ids[0] != ids[3] && ids[2] != ids[3], "{ids:?}");
    world.stop().await;
}

/// P-16: whoever looks for a failure finds its call in the log, and at the service that it asked.
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_names_the_call_that_failed() {
    for engine in engines() {
        let service = Service::start().await;
        let world = Configuration::on(engine).await.with(&branch_visit(&service)).with(LOGIN).start().await;
        service.answers(500);
        let mut browser = Browser::default();
        let page = at_the_number(&world, &mut browser).await;
        let away = browser.submit(&world, &page, &[("plugin_visit_number", "12345678")], "continue").await;
        assert!(away.problem().starts_with("That could not be checked"), "{}", away.html);
        let (failed, sent) = (world.entries("plugin_failed").await, ids(&service));
        assert_eq!((failed.len(), sent.len()), (1, 1), "{failed:?}");
        assert!(names_its_call(&failed[0]) && failed[0]["detail"]["call"] == sent[0].as_str(), "{failed:?} {sent:?}");
        let said = away.problem();
        assert!(said.ends_with(&format!("Number of the call: {}.", sent[0])), "the person can say which call it was: {said}");
        service.answers(200);
        let done = browser.submit(&world, &away, &[("plugin_visit_number", "12345678")], "continue").await;
        assert_eq!((done.has_code(), world.audited("plugin_failed").await), (true, 1), "the twin: {}", done.html);
        world.stop().await;

        let world = Configuration::on(engine).await.with(&deciding(ALLOW, "refresh", "")).start().await;
        let tokens = world.tokens("orders:read").await;
        world.reload(|it| it.without("plugin").with(&deciding(TRAP, "refresh", ""))).await;
        let (status, body) = world.refresh(refresh_token(&tokens)).await;
        assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")), "{body}");
        let failed = world.entries("plugin_failed").await;
        assert!(failed.len() == 1 && names_its_call(&failed[0]), "{failed:?}");
        world.stop().await;
    }
}

/// P-16: a question that failed names its call as an answer does, on the page and on an app's own screens. Each try is a call of its own, and
/// the page names the newest. The twin: a question that is asked has no number, and neither has what was not called.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_failed_names_its_call_too() {
    const POLICY: &str = "[login.default]\nrequire = [\"password + plugin:word\"]\n";
    const NUMBER: &str = "Number of the call: ";
    for engine in engines() {
        let scene = Screens::with(engine, |it| it.with(&mute()).with(POLICY)).await;
        let world = &scene.world;
        let newest = async || {
            let failed = world.entries("plugin_failed").await.pop().unwrap();
            assert!(failed["reason"].as_str().unwrap().starts_with("trap") && names_its_call(&failed), "{failed}");
            format!("{NUMBER}{}.", failed["detail"]["call"].as_str().unwrap())
        };
        let mut browser = Browser::default();
        let page = at_the_number(world, &mut browser).await;
        let first = newest().await;
        assert!(page.name().as_deref() == Some("plugin_away") && page.says(&first), "{first}: {}", page.html);
        let again = browser.submit(world, &page, &[], "try_again").await;
        let second = newest().await;
        assert!(first != second && again.says(&second) && again.text().matches(NUMBER).count() == 1, "{first} {second}: {}", again.html);
        assert!(again.problem().starts_with("That could not be checked"), "{}", again.html);

        let mut phone = scene.genuine();
        let step = phone.begin().await;
        let step = phone.answer_password(&step, "alice", PASSWORD).await;
        let says = |step: &Answer, words: &str| step.step()["text"].to_string().contains(words);
        assert_eq!((step.error(), step.kind()), (ASKED, "plugin_away"), "{step:?}");
        assert!(says(&step, &newest().await), "{step:?}");
        world.reload(|it| it.without("plugin").with(&word(EXTERNAL, ""))).await;
        let asked = phone.answer(&step, "try_again", &[]).await;
        assert_eq!((asked.error(), asked.kind(), says(&asked, NUMBER)), (ASKED, "plugin", false), "the twin: {asked:?}");
        scene.world.stop().await;

        let digest = digest_of(&decision(ALLOW));
        let gone = format!("[plugin.word]\nfile = '/nowhere.wasm'\nsha256 = \"{digest}\"\nworld = \"method\"\nlabel = \"the word\"\n");
        let world = Configuration::on(engine).await.with(&gone).with("[plugin.word]\noptional = true\n").with(POLICY).start().await;
        let page = at_the_number(&world, &mut Browser::default()).await;
        assert!(page.name().as_deref() == Some("plugin_away") && !page.says(NUMBER), "{}", page.html);
        world.stop().await;
    }
}

/// P-10, P-16: what is not loaded was not called. Its entry says so, and names no call that nobody would find.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_loaded_has_no_call() {
    for engine in engines() {
        let digest = digest_of(&decision(ALLOW));
        let gone = format!("[plugin.rule]\nfile = '/nowhere.wasm'\nsha256 = \"{digest}\"\nworld = \"decision\"\nat = [\"refresh\"]\n");
        let world = Configuration::on(engine).await.with(&gone).with("[plugin.rule]\noptional = true\n").start().await;
        let refused = async || {
            let tokens = world.tokens("orders:read").await;
            let (status, body) = world.refresh(refresh_token(&tokens)).await;
            assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")), "{body}");
            world.entries("plugin_failed").await.pop().unwrap()
        };
        let entry = refused().await;
        assert!(entry["reason"].as_str().unwrap().starts_with("not loaded: cannot read /nowhere.wasm"), "{entry}");
        assert_eq!((&entry["detail"]["plugin"], entry["detail"].get("call")), (&Json::from("rule"), None), "{entry}");
        world.reload(|it| it.without("plugin").with(&deciding(TRAP, "refresh", ""))).await;
        let entry = refused().await;
        assert!(entry["reason"].as_str().unwrap().starts_with("trap") && names_its_call(&entry), "the twin: {entry}");
        world.stop().await;
    }
}
