//! `symbolon recover --audit`: the input is judged first, times are compared, and only then something happens. 625-Q.

use crate::commands::symbolon;
use crate::restored_store::{keep, restore};
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon::store::Change;

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
