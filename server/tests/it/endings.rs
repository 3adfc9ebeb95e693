//! An API that checks JWTs itself hears within a second what has ended, whoever ended it and on whichever node. The second is measured
//! once, on a quiet path; elsewhere three are allowed, and ten for a gap, which is looked for every ten seconds.

use crate::commands::symbolon;
use crate::world::*;
use http::HeaderMap;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use symbolon::store::{Change, Expect};
use symbolon_resource::{Call, Guard, Needs};

const ORDERS: &str = "https://api.example.com/orders";

fn guard(world: &World) -> Guard {
    Guard::new(&world.issuer, ORDERS).follow_endings_as("orders", SECRET)
}

async fn accepted(guard: &Guard, token: &Json) -> bool {
    let mut headers = HeaderMap::new();
    headers.append("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()).parse().unwrap());
    let call = Call { method: "GET", path: "/orders", query: None, headers: &headers, peer: None };
    guard.check(&call, &Needs::scope("orders:read")).await.is_ok()
}

/// How long until the API refuses; ten seconds at most.
async fn refused_after(guard: &Guard, token: &Json) -> Duration {
    let began = Instant::now();
    while accepted(guard, token).await && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

/// 23-R's sibling at JWT APIs: a grant revoked by the app, a single token, a session ended by the operator, a disabled person;
/// each ends its own tokens and no others.
#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_refused_by_a_jwt_api() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        let guard = guard(&world);
        let (two, other) = (world.tokens("orders:read").await, world.tokens("orders:read").await);
        for token in [&two, &other] {
            assert!(accepted(&guard, token).await);
        }
        // The follower has asked once before anything ends, as in a process that runs.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let revoke = async |token: &str| world.post("/revoke", &[("client_id", "shop-ios"), ("token", token)], None).await.0;
        // The best of three: the machine of a test does other things as well, and the second is for one that does not.
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let one = world.tokens("orders:read").await;
            assert!(accepted(&guard, &one).await);
            assert_eq!(revoke(one["refresh_token"].as_str().unwrap()).await, 200);
            let after = refused_after(&guard, &one).await;
            assert!(after < Duration::from_secs(3), "the grant");
            best = best.min(after);
        }
        assert!(best < Duration::from_secs(1), "{best:?}");
        assert_eq!(revoke(two["access_token"].as_str().unwrap()).await, 200);
        assert!(refused_after(&guard, &two).await < Duration::from_secs(3), "the token");
        let (_, fresh) = world.refresh(two["refresh_token"].as_str().unwrap()).await;
        assert!(accepted(&guard, &fresh).await && accepted(&guard, &other).await, "nothing else has ended");
        let file = world.file();
        let said = tokio::task::spawn_blocking(move || {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_symbolon"))
                .arg("-c")
                .arg(file)
                .args(["user", "end-sessions", "alice"])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        });
        assert!(said.await.unwrap().contains("ended"));
        assert!(refused_after(&guard, &other).await < Duration::from_secs(3), "the sessions");
        assert!(!accepted(&guard, &fresh).await || refused_after(&guard, &fresh).await < Duration::from_secs(3));
        assert!(accepted(&guard, &world.tokens("orders:read").await).await, "a new sign-in is a new session");
        world.stop().await;
    })
    .await;
}

/// A process that starts later knows what ended while it was away; names are the API's own; strangers hear nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_later_hears_it_too() {
    on_every_engine(|world| async move {
        let token = world.tokens("orders:read").await;
        assert_eq!(
            world.post("/revoke", &[("client_id", "shop-ios"), ("token", token["refresh_token"].as_str().unwrap())], None).await.0,
            200
        );
        let late = guard(&world);
        assert!(refused_after(&late, &token).await < Duration::from_secs(3));
        let (status, heard) = world.post("/endings", &[], Some("orders")).await;
        let grant_id = claims(token["access_token"].as_str().unwrap())["grant_id"].clone();
        assert_eq!((status, &heard["ended"]), (200, &json!([{ "grant_id": grant_id }])), "{heard}");
        let (_, other) = world.post("/endings", &[], Some("ledger")).await;
        assert_ne!(other["ended"][0]["grant_id"], grant_id, "another API hears another name");
        // It is over for good when its tokens have expired, and is not kept beyond that.
        world.advance_s(3700);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(world.post("/endings", &[], Some("orders")).await.1["ended"], json!([]));
        for (basic, form, expected) in [
            (None, vec![], (401, "invalid_client")),
            (Some("shop-web"), vec![], (401, "invalid_client")),
            (Some("orders"), vec![("after", "x")], (400, "invalid_request")),
            (Some("orders"), vec![("after", "-1")], (400, "invalid_request")),
        ] {
            let (status, answer) = world.post("/endings", &form, basic).await;
            assert_eq!((status, answer["error"].as_str().unwrap()), expected);
        }
        // A stop does not wait for those who wait.
        let next = heard["next"].as_str().unwrap();
        let waiting = world.http.post(world.url("/endings")).form(&[("after", next)]).basic_auth("orders", Some(SECRET)).send();
        let waiting = tokio::spawn(waiting);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        world.stop().await;
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
        assert!(began.elapsed() < Duration::from_secs(5));
    })
    .await;
}

const INSERT: &str = "INSERT INTO revoked (jti, until_ms, ended_ms) VALUES ($1, $2, $3)";

/// A token that ended at this instant by somebody's clock, and whose end becomes visible now.
async fn ended(world: &World, jti: &str, at_ms: i64) {
    let app = world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    change.run(INSERT, vec![jti.into(), (app.now_ms() + 900_000).into(), at_ms.into()]);
    app.store.apply(change).await.unwrap();
}

/// What an API hears next, at most after so many seconds, and the position it goes on from.
async fn hear(world: &World, after: &mut Option<String>, seconds: u64) -> (Vec<String>, bool) {
    let form: Vec<(&str, &str)> = after.iter().map(|it| ("after", it.as_str())).collect();
    let asked = world.post("/endings", &form, Some("orders"));
    let Ok((status, heard)) = tokio::time::timeout(Duration::from_secs(seconds), asked).await else { return (Vec::new(), false) };
    assert_eq!(status, 200, "{heard}");
    *after = heard["next"].as_str().map(str::to_owned);
    let names = heard["ended"].as_array().unwrap().iter().map(|it| it["jti"].as_str().unwrap().to_owned()).collect();
    (names, heard["gap"] == true)
}

/// 620-Q, 621-Q: clocks do not order endings. What ended in the millisecond that was heard of already, a minute ago by a slow clock
/// or a slow commit, or in an hour by a fast one: all of it is heard, once.
#[tokio::test(flavor = "multi_thread")]
async fn no_ending_is_lost_to_a_clock() {
    on_every_engine(|world| async move {
        let (mut after, now_ms) = (None, world.running.shared.now().now_ms());
        assert_eq!(hear(&world, &mut after, 5).await, (vec![], false));
        for (jti, at_ms) in [
            ("first", now_ms),
            ("same-millisecond", now_ms),
            ("slow", now_ms - 60_000),
            ("fast", now_ms + 3_600_000),
            ("after-the-fast", now_ms),
            ("very-slow", now_ms - 600_000),
        ] {
            ended(&world, jti, at_ms).await;
            assert_eq!(hear(&world, &mut after, 15).await, (vec![jti.to_owned()], false));
        }
        assert_eq!(hear(&world, &mut after, 2).await, (vec![], false), "nothing is heard twice");
        // Beyond the life of any token it matters to nobody.
        ended(&world, "ancient", now_ms - 3_600_000).await;
        assert_eq!(hear(&world, &mut after, 12).await, (vec![], false));
        world.stop().await;
    })
    .await;
}

/// A position is good at every node: what another node has not told is told once, and then each goes on where it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_position_travels_between_nodes() {
    if postgres().is_none() {
        return;
    }
    let first = World::start(Engine::Postgres).await;
    let second = first.another("").await;
    let (mut after, now_ms) = (None, first.running.shared.now().now_ms());
    let list = |names: &[&str]| (names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(), false);
    assert_eq!(hear(&first, &mut after, 5).await, list(&[]));
    ended(&first, "one", now_ms).await;
    assert_eq!(hear(&first, &mut after, 5).await, list(&["one"]));
    assert_eq!(hear(&second, &mut after, 5).await, list(&["one"]), "the other node cannot know what was heard");
    ended(&second, "two", now_ms - 5_000).await;
    assert_eq!(hear(&second, &mut after, 5).await, list(&["two"]));
    assert_eq!(hear(&first, &mut after, 5).await, list(&["two"]));
    assert_eq!(hear(&second, &mut after, 2).await, list(&[]));
    assert_eq!(hear(&first, &mut after, 2).await, list(&[]));
    second.running.stop().await;
    first.stop().await;
}

const MANY: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 110000) \
    INSERT INTO revoked (jti, until_ms, ended_ms) SELECT 'many-' || i, $1, CAST($2 AS BIGINT) + i FROM n";

/// More at once than is kept: the newest are told page by page, the gap is said, and an API that follows asks about the tokens it
/// cannot judge, so that the one whose end was let go is refused and the others are not.
#[tokio::test(flavor = "multi_thread")]
async fn more_endings_than_are_kept_are_a_gap_and_no_hole() {
    on_every_engine(|world| async move {
        let guard = guard(&world);
        let (lost, kept) = (world.tokens("orders:read").await, world.tokens("orders:read").await);
        assert!(accepted(&guard, &lost).await && accepted(&guard, &kept).await);
        let mut after = None;
        hear(&world, &mut after, 5).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let app = world.running.shared.now();
        let from_ms = app.now_ms() - 300_000;
        let mut change = Change::new(app.now_ms());
        let jti = claims(lost["access_token"].as_str().unwrap())["jti"].as_str().unwrap().to_owned();
        change.run(INSERT, vec![jti.into(), (app.now_ms() + 900_000).into(), from_ms.into()]);
        change.run_expecting(MANY, vec![(app.now_ms() + 900_000).into(), from_ms.into()], Expect::Any);
        app.store.apply(change).await.unwrap();
        drop(app);
        assert!(refused_after(&guard, &lost).await < Duration::from_secs(10), "by introspection");
        assert!(accepted(&guard, &kept).await);
        let (mut names, mut gaps, mut pages) = (std::collections::BTreeSet::new(), 0, 0);
        while names.len() < 100_000 {
            let (page, gap) = hear(&world, &mut after, 15).await;
            assert!(!page.is_empty() && page.len() <= 20_000, "page {pages} of {}", page.len());
            names.extend(page);
            (gaps, pages) = (gaps + usize::from(gap), pages + 1);
        }
        assert!(gaps > 0 && pages >= 5, "{gaps} {pages}");
        assert!(names.contains("many-110000") && !names.contains("many-10000"), "the newest");
        ended(&world, "next", from_ms + 200_000).await;
        assert_eq!(hear(&world, &mut after, 15).await, (vec!["next".to_owned()], false), "who has heard all that is kept has no gap");
        let (_, gap) = hear(&world, &mut None, 15).await;
        assert!(gap, "who comes later has one");
        world.stop().await;
    })
    .await;
}

/// An opaque token is introspected, and the answer is believed for some seconds; an API that follows what ends does not wait for them.
#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_ends_within_a_second_too() {
    on_every_engine(|world| async move {
        let ledger = Guard::new(&world.issuer, "https://api.example.com/ledger").introspect_as("ledger", SECRET);
        let follows = ledger.clone().follow_endings_as("ledger", SECRET);
        let lets_in = async |guard: &Guard, token: &Json| {
            let mut headers = HeaderMap::new();
            headers.append("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()).parse().unwrap());
            let call = Call { method: "GET", path: "/ledger", query: None, headers: &headers, peer: None };
            guard.check(&call, &Needs::scope("ledger:read")).await.is_ok()
        };
        let (token, other) = (world.tokens("ledger:read").await, world.tokens("ledger:read").await);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(lets_in(&follows, &token).await && lets_in(&follows, &other).await);
        let form = [("client_id", "shop-ios"), ("token", token["refresh_token"].as_str().unwrap())];
        assert_eq!(world.post("/revoke", &form, None).await.0, 200);
        let began = Instant::now();
        while lets_in(&follows, &token).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert!(lets_in(&follows, &other).await);
        world.stop().await;
    })
    .await;
}

/// A client that is disabled by command has ended at JWT APIs as well, for good: enabled again it begins anew. Other clients go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_clients_tokens_end_at_jwt_apis() {
    on_every_engine(|world| async move {
        let guard = guard(&world);
        let list = world.directory.join("clients.json");
        let secret = SECRET;
        let client =
            |id: &str| json!({ "client_id": id, "client_secret": secret, "grant_types": ["client_credentials"], "scope": "orders:read" });
        std::fs::write(&list, json!([client("leaked"), client("kept")]).to_string()).unwrap();
        let command = async |words: &[&str]| symbolon(&world.file(), words, "").await;
        let (code, said, _) = command(&["client", "import", list.to_str().unwrap()]).await;
        assert_eq!(code, Some(0), "{said}");
        let token = async |id: &str| {
            let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
            world.post("/token", &form, Some(id)).await.1
        };
        let (leaked, kept) = (token("leaked").await, token("kept").await);
        assert!(accepted(&guard, &leaked).await && accepted(&guard, &kept).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(command(&["client", "disable", "leaked"]).await.0, Some(0));
        assert!(refused_after(&guard, &leaked).await < Duration::from_secs(3));
        assert!(accepted(&guard, &kept).await);
        assert_eq!(command(&["client", "enable", "leaked"]).await.0, Some(0));
        assert!(!accepted(&guard, &leaked).await, "what it had stays over");
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert!(accepted(&guard, &token("leaked").await).await);
        world.stop().await;
    })
    .await;
}

/// One row ends everything a client has got, at every place that looks, and nothing it gets from now on; other clients go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_clients_sessions_end_at_once() {
    on_every_engine(|world| async move {
        let guard = guard(&world);
        let token = world.tokens("orders:read").await;
        let robot = async || {
            let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
            world.post("/token", &form, Some("robot")).await.1
        };
        let of_robot = robot().await;
        assert!(accepted(&guard, &token).await && accepted(&guard, &of_robot).await);
        let active = async |token: &Json| {
            let form = [("token", token["access_token"].as_str().unwrap())];
            world.post("/introspect", &form, Some("orders")).await.1["active"] == true
        };
        tokio::time::sleep(Duration::from_millis(500)).await;
        let file = world.file();
        let command = async |words: &[&str]| symbolon(&file, words, "").await;
        let (code, said, _) = command(&["client", "end-sessions", "shop-ios", "--preview"]).await;
        assert_eq!((code, said.contains("1 grant of 1 person with shop-ios would end")), (Some(0), true), "{said}");
        assert!(active(&token).await, "a preview does nothing");
        let (code, said, _) = command(&["client", "end-sessions", "shop-ios"]).await;
        assert_eq!((code, said.contains("1 grant of 1 person with shop-ios ended")), (Some(0), true), "{said}");
        assert!(!active(&token).await);
        assert_eq!(world.refresh(token["refresh_token"].as_str().unwrap()).await.1["error"], "invalid_grant");
        assert!(refused_after(&guard, &token).await < Duration::from_secs(3));
        assert!(active(&of_robot).await && accepted(&guard, &of_robot).await, "another client's");
        assert_eq!(command(&["client", "end-sessions", "robot"]).await.0, Some(0));
        assert!(!active(&of_robot).await);
        assert!(refused_after(&guard, &of_robot).await < Duration::from_secs(3));
        // What comes after is good, once the second of the cut is over.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let (again, of_robot) = (world.tokens("orders:read").await, robot().await);
        tokio::time::sleep(Duration::from_millis(700)).await;
        for token in [&again, &of_robot] {
            assert!(active(token).await && accepted(&guard, token).await);
        }
        assert_eq!(world.refresh(again["refresh_token"].as_str().unwrap()).await.0, 200);
        let (code, _, said) = command(&["client", "end-sessions", "nobody"]).await;
        assert_eq!((code, said.contains("there is no client nobody")), (Some(1), true), "{said}");
        assert_eq!(world.audited("client_sessions_ended").await, 2);
        world.stop().await;
    })
    .await;
}
