//! A plug-in's own names for people: when an answer may link one, and take one away.

use crate::plugin_methods::{answered, at_the_question, requiring, word};
use crate::world::*;
use std::sync::Arc;
use symbolon::login::accounts::link_key;
use symbolon::store::Change;
use symbolon::store::tables::outside_identity::LINK;

const LINKED: &str = "(call $effect (i32.const 2) (i32.const 1200) (i32.const 5))";
const OTHER: &str = "(call $effect (i32.const 2) (i32.const 1040) (i32.const 4))";
const REMOVED: &str = "(call $effect (i32.const 5) (i32.const 1200) (i32.const 5))";
const BOTH: &str = "\"password + plugin:word\"";

/// With a password proved before, and an answer of this body.
async fn world(engine: Engine, body: &str, more: &str) -> World {
    Configuration::on(engine).await.with(&word(body, more)).with(&requiring(BOTH)).start().await
}

async fn become_plugin(world: &World, body: &str, more: &str) {
    world.reload(|it| it.without("plugin").with(&word(body, more))).await;
}

async fn sign_in(world: &World, name: &str) -> Page {
    let mut browser = Browser::default();
    let page = browser.open(world, &Ask::native("openid")).await;
    let page = browser.submit_password(world, &page, name, PASSWORD).await;
    answered(world, &mut browser, &page).await
}

async fn links(world: &World) -> usize {
    world.running.shared.now().store.all("SELECT subject FROM outside_identity", &[]).await.unwrap().len()
}

async fn last_reason(world: &World, event: &str) -> String {
    world.entries(event).await.last().map(|entry| entry["reason"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

/// A verdict that proves nobody links nobody, and neither does one that proves another name.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_comes_with_a_verdict_that_proves_that_name() {
    for engine in engines() {
        let (asking, told) = ("asks_who = true\neffects = [\"link\"]", "effects = [\"link\"]");
        let world = world(engine, "(call $wrong)", told).await;
        for (body, more) in [
            (format!("(call $wrong) {LINKED}"), told),
            (format!("(call $wrong) {LINKED}"), asking),
            (format!("(call $external) {OTHER}"), asking),
            (format!("(call $leave (i32.const 1220) (i32.const 26)) {LINKED}"), asking),
        ] {
            become_plugin(&world, &body, more).await;
            let page = sign_in(&world, "alice").await;
            assert!(!page.has_code() && page.problem().starts_with("That could not be checked"), "{body}: {}", page.html);
            assert!(last_reason(&world, "plugin_failed").await.contains("proves nobody by that name"), "{body}");
            assert_eq!(links(&world).await, 0, "{body}");
        }
        for (body, more) in [(LINKED.to_owned(), told), (format!("(call $external) {LINKED}"), asking)] {
            become_plugin(&world, &body, more).await;
            assert!(sign_in(&world, "alice").await.has_code(), "the twin: {body}");
            assert_eq!(links(&world).await, 1, "{body}");
            // Until it is confirmed, it counts for no more than the password.
            world.confirm("alice").await;
        }
        world.stop().await;
    }
}

/// A name leads to one account. To link it once more is nothing new; to link another person's is refused, whatever the verdict.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_leads_to_one_account() {
    for engine in engines() {
        let (asking, told) = ("asks_who = true\neffects = [\"link\"]", "effects = [\"link\"]");
        let external = format!("(call $external) {LINKED}");
        let world = world(engine, &external, asking).await;
        world.person("bob").await;
        for _ in 0..2 {
            assert!(sign_in(&world, "alice").await.has_code());
            world.confirm("alice").await;
        }
        for (body, more) in [(external.as_str(), asking), (LINKED, told)] {
            become_plugin(&world, body, more).await;
            let page = sign_in(&world, "bob").await;
            assert_eq!(page.problem(), "That does not belong to an account here. Use another way.", "{body}: {}", page.html);
            assert_eq!(last_reason(&world, "plugin_refused").await, "linked to another account", "{body}");
            assert!(sign_in(&world, "alice").await.has_code(), "the twin: {body}");
        }
        assert_eq!(links(&world).await, 1);
        world.stop().await;
    }
}

/// Two people at once: one of them has the name.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_at_once_do_not_share_a_name() {
    for engine in engines() {
        let world = world(engine, LINKED, "effects = [\"link\"]").await;
        world.person("bob").await;
        let world = Arc::new(world);
        let one = |name: &'static str| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { sign_in(&world, name).await.has_code() })
        };
        let all = [one("alice"), one("bob")];
        let mut in_it = 0;
        for each in all {
            in_it += usize::from(each.await.unwrap());
        }
        assert_eq!((in_it, links(&world).await), (1, 1));
        Arc::try_unwrap(world).ok().unwrap().stop().await;
    }
}

/// What is stored of a person has a limit.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_so_many_links() {
    let world = world(Engine::Sqlite, LINKED, "effects = [\"link\"]").await;
    let app = world.running.shared.now();
    let alice = app.store.all("SELECT id FROM account", &[]).await.unwrap()[0].text("id").unwrap().to_owned();
    for at in 0..20 {
        let mut change = Change::new(app.now_ms());
        let (issuer, subject) = ("https://op.example", format!("{at}"));
        let values = [issuer, &subject, &alice, "upstream:any", "{}"].map(symbolon::store::Value::from).to_vec();
        let more = vec![app.now_ms().into(), 0.into(), link_key(issuer, &subject).into(), "".into()];
        change.run(LINK, [values, more].concat());
        app.store.apply(change).await.unwrap();
    }
    let page = sign_in(&world, "alice").await;
    assert!(!page.has_code(), "{}", page.html);
    assert_eq!((last_reason(&world, "plugin_refused").await.as_str(), links(&world).await), ("too many links", 20));
    let mut change = Change::new(app.now_ms());
    change.run("DELETE FROM outside_identity WHERE subject = $1", vec!["7".into()]);
    app.store.apply(change).await.unwrap();
    assert!(sign_in(&world, "alice").await.has_code(), "the twin");
    world.stop().await;
}

/// A plug-in takes away a name of its own, from a person who is proved otherwise, and never the last means. The person can read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_takes_a_name_of_its_own_away() {
    for engine in engines() {
        let (told, asking) = ("effects = [\"link\", \"remove\"]", "asks_who = true\neffects = [\"remove\"]");
        let world = world(engine, LINKED, told).await;
        assert!(sign_in(&world, "alice").await.has_code());
        // Not listed, of a name that it proves by, or while nobody is proved.
        for (body, more, why) in [
            (REMOVED.to_owned(), "effects = [\"link\"]", "wants remove, which effects does not list"),
            (format!("(call $external) {REMOVED}"), asking, "of a name that it proves or links"),
        ] {
            become_plugin(&world, &body, more).await;
            assert!(!sign_in(&world, "alice").await.has_code(), "{body}");
            assert!(last_reason(&world, "plugin_failed").await.contains(why), "{body}");
        }
        world.reload(|it| it.without("plugin").with(&word(REMOVED, "effects = [\"remove\"]")).with(&requiring("\"plugin:word\""))).await;
        let mut stranger = Browser::default();
        let page = stranger.open(&world, &Ask::native("openid")).await;
        let page = stranger.submit(&world, &page, &[("username", "alice")], "continue").await;
        assert!(!answered(&world, &mut stranger, &page).await.has_code());
        // Where its name is all that signs the person in, it stays.
        world.reload(|it| it.with(&requiring(BOTH))).await;
        become_plugin(&world, &format!("(call $wrong) {REMOVED}"), asking).await;
        assert!(!sign_in(&world, "alice").await.has_code());
        assert_eq!(last_reason(&world, "plugin_refused").await, "the last means is not taken away");
        assert_eq!((links(&world).await, world.audited("upstream_unlinked").await), (1, 0));
        // The twin: it is told who somebody is, so that the name is no means. Once more, there is nothing to remove.
        become_plugin(&world, REMOVED, told).await;
        for _ in 0..2 {
            assert!(sign_in(&world, "alice").await.has_code());
            assert_eq!((links(&world).await, world.audited("upstream_unlinked").await), (0, 1));
        }
        // From now on it leads nowhere.
        become_plugin(&world, "(call $external)", "asks_who = true").await;
        world.reload(|it| it.with(&requiring("\"plugin:word\""))).await;
        let mut later = Browser::default();
        let page = at_the_question(&world, &mut later, &Ask::native("openid")).await;
        let nobody = answered(&world, &mut later, &page).await;
        assert_eq!(nobody.problem(), "That does not belong to an account here. Use another way.", "{}", nobody.html);
        world.stop().await;
    }
}

/// A plug-in hears its own name for a person who is linked, whether somebody is named or proved, and none for others.
#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_hears_its_own_name_for_a_linked_person() {
    // The option `external-id` stands behind the context (32 bytes), `name` (12) and `is-proved` (4).
    const HEARS: &str = "(if (i32.eqz (i32.load8_u offset=48 (local.get $given))) (then (call $wrong)))";
    for engine in engines() {
        let world = world(engine, LINKED, "effects = [\"link\"]").await;
        world.person("bob").await;
        assert!(sign_in(&world, "alice").await.has_code());
        become_plugin(&world, HEARS, "").await;
        let by_name = async |name: &str| {
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::native("openid")).await;
            let page = browser.submit(&world, &page, &[("username", name)], "continue").await;
            answered(&world, &mut browser, &page).await
        };
        for chains in [BOTH, "\"plugin:word\""] {
            world.reload(|it| it.with(&requiring(chains))).await;
            for (name, is_linked) in [("alice", true), ("bob", false)] {
                let page = if chains == BOTH { sign_in(&world, name).await } else { by_name(name).await };
                let problem = if is_linked { "" } else { "That is not the word." };
                assert_eq!((page.has_code(), page.problem().as_str()), (is_linked, problem), "{name} {chains}: {}", page.html);
            }
        }
        world.stop().await;
    }
}
