//! A provider gets another issuer, or this server another client_id there: links never lead to other people, and a dead link is no means
//! to sign in.

use crate::commands::symbolon;
use crate::upstream::{CREATE, sign_in_for_subject, world};
use crate::world::provider::{CLIENT_ID, Provider};
use crate::world::{Browser, Configuration, Engine, World, engines};
use toml::{Table, Value};

/// `symbolon check` says beforehand what comes of it.
async fn reload(world: &World, change: impl FnOnce(Configuration) -> Configuration) -> Result<(), String> {
    let before = std::fs::read_to_string(world.file()).unwrap();
    std::fs::write(world.file(), change(Configuration::from_text(0, &before)).text()).unwrap();
    let (code, said, complained) = symbolon(&world.file(), &["check", "--offline"], "").await;
    let outcome = symbolon::serve::reload(&world.running.shared, &world.file()).await.map_err(|it| it.0);
    assert_eq!(code, Some(i32::from(outcome.is_err())), "{outcome:?}: {said}{complained}");
    if outcome.is_err() {
        std::fs::write(world.file(), before).unwrap();
    }
    outcome
}

async fn run(world: &World, sql: &'static str) {
    let app = world.running.shared.now();
    let mut change = symbolon::store::Change::new(app.now_ms());
    change.run_expecting(sql, Vec::new(), symbolon::store::Expect::Any);
    app.store.apply(change).await.unwrap();
}

async fn links(world: &World) -> i64 {
    let app = world.running.shared.now();
    app.store.one("SELECT count(*) AS count FROM outside_identity", &[]).await.unwrap().unwrap().int("count").unwrap()
}

fn formerly(issuer: Option<&str>, client_id: Option<&str>, subjects: &str) -> Value {
    let mut table = Table::new();
    for (name, value) in [("issuer", issuer), ("client_id", client_id), ("subjects", Some(subjects))] {
        if let Some(value) = value {
            table.insert(name.to_owned(), value.into());
        }
    }
    Value::Table(table)
}

/// 442-B: the same subject at another issuer is somebody else, unless the operator says that the provider has moved.
#[tokio::test(flavor = "multi_thread")]
async fn another_issuer_is_refused_until_the_operator_says_what_became_of_its_people() {
    for engine in engines() {
        let (old, new) = (Provider::start().await, Provider::start().await);
        let world = world(engine, &old, CREATE).await;
        let sub = sign_in_for_subject(&world, &old).await;
        let at_new = |it: Configuration| it.set("upstream.any.issuer", new.issuer());
        let why = reload(&world, at_new).await.unwrap_err();
        assert!(why.contains("[upstream.any] has links of people who are known by") && why.contains(old.issuer()), "{why}");
        for wrong in [formerly(Some("https://other.example"), None, "same"), formerly(Some("https://other.example"), None, "other")] {
            assert!(reload(&world, |it| at_new(it).set("upstream.any.formerly", wrong.clone())).await.is_err(), "{wrong}");
        }
        assert_eq!(sign_in_for_subject(&world, &old).await, sub, "nothing changed");
        let same = formerly(Some(old.issuer()), None, "same");
        reload(&world, |it| at_new(it).set("upstream.any.formerly", same)).await.unwrap();
        assert_eq!(sign_in_for_subject(&world, &new).await, sub);
        assert_eq!(links(&world).await, 1);
        let why = reload(&world, |it| it.without("upstream.any.formerly")).await.unwrap_err();
        assert!(why.contains(old.issuer()), "the keys are still those of before: {why}");
        let other = formerly(Some(old.issuer()), None, "other");
        reload(&world, |it| it.set("upstream.any.formerly", other)).await.unwrap();
        assert_eq!(links(&world).await, 0);
        let moved = world.entries("provider_moved").await;
        assert_eq!((moved.len(), &moved[1]["detail"]["links"]), (2, &1.into()), "{moved:?}");
        let next = sign_in_for_subject(&world, &new).await;
        assert_ne!(next, sub);
        reload(&world, |it| it.without("upstream.any.formerly")).await.unwrap();
        assert_eq!((sign_in_for_subject(&world, &new).await, links(&world).await), (next, 1), "it was carried out once");
        world.stop().await;
    }
}

/// Some providers number their people anew for each client.
#[tokio::test(flavor = "multi_thread")]
async fn another_client_id_is_refused_in_the_same_way() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    reload(&world, |it| it.set("upstream.any.client_id", "another")).await.expect("nobody has a link yet");
    reload(&world, |it| it.set("upstream.any.client_id", CLIENT_ID)).await.unwrap();
    let sub = sign_in_for_subject(&world, &provider).await;
    let why = reload(&world, |it| it.set("upstream.any.client_id", "another")).await.unwrap_err();
    assert!(why.contains(CLIENT_ID), "{why}");
    let same = formerly(None, Some(CLIENT_ID), "same");
    reload(&world, |it| it.set("upstream.any.client_id", "another").set("upstream.any.formerly", same)).await.unwrap();
    reload(&world, |it| it.set("upstream.any.client_id", CLIENT_ID).without("upstream.any.formerly")).await.unwrap();
    assert_eq!(sign_in_for_subject(&world, &provider).await, sub);
    world.stop().await;
}

/// A store of a version that wrote nothing down: the links themselves say whose they are.
#[tokio::test(flavor = "multi_thread")]
async fn links_of_an_earlier_version_say_whose_they_are() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, CREATE).await;
        sign_in_for_subject(&world, &provider).await;
        run(&world, "DELETE FROM fact WHERE name = 'upstream any'").await;
        reload(&world, |it| it).await.expect("the twin");
        run(&world, "DELETE FROM fact WHERE name = 'upstream any'").await;
        run(&world, "UPDATE outside_identity SET issuer = 'https://gone.example'").await;
        let why = reload(&world, |it| it).await.unwrap_err();
        assert!(why.contains("https://gone.example"), "{why}");
        world.stop().await;
    }
}

/// S-30: a link that lets nobody in is no means, so that the other one is the last and stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_lets_nobody_in_is_no_means() {
    for is_dead in [false, true] {
        let (one, other) = (Provider::start().await, Provider::start().await);
        let secret = std::env::temp_dir().join(format!("symbolon-it-upstream-{}", std::process::id()));
        let secret = format!("{{ file = '{}' }}", secret.display());
        let second = other.table("other").replace("{ env = \"SYMBOLON_TEST_UPSTREAM_SECRET\" }", &secret);
        let require = "[login.default]\nrequire = [\"password\", \"upstream:any\", \"upstream:other\"]\n";
        let world = world(Engine::Sqlite, &one, &format!("{CREATE}{second}{require}")).await;
        let mut browser = Browser::default();
        let page = browser.visit(&world, "/account").await;
        let page = browser.submit(&world, &page, &[], "use_upstream:any").await;
        browser.get(&world, &one.sign_in(&page.location.unwrap())).await;
        let page = browser.visit(&world, "/account").await;
        let page = browser.submit(&world, &page, &[], "link:other").await;
        let page = browser.submit(&world, &page, &[], "go").await;
        let page = browser.get(&world, &other.sign_in(&page.location.unwrap())).await;
        browser.submit(&world, &page, &[], "continue").await;
        assert_eq!(links(&world).await, 2, "{}", page.html);
        // With the newer one alone, so that what is proved does not go with the older.
        let mut browser = Browser::default();
        let page = browser.visit(&world, "/account").await;
        let page = browser.submit(&world, &page, &[], "use_upstream:other").await;
        browser.get(&world, &other.sign_in(&page.location.unwrap())).await;
        if is_dead {
            run(&world, "UPDATE outside_identity SET issuer = 'https://gone.example' WHERE method = 'upstream:any'").await;
        }
        let page = browser.visit(&world, "/account").await;
        let unlink: Vec<String> = page.actions().into_iter().filter(|action| action.starts_with("unlink:")).collect();
        // The newest stands last.
        let page = browser.submit(&world, &page, &[], &unlink[1]).await;
        let page = browser.submit(&world, &page, &[], "continue").await;
        assert_eq!(page.html.contains("your last way"), is_dead, "{}", page.html);
        assert_eq!(links(&world).await, if is_dead { 2 } else { 1 });
        world.stop().await;
    }
}
