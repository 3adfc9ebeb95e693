//! Whatever ends a grant or a session ends all that hangs on it: sessions of browsers that came from it, what those rest on at providers, the
//! address for waking the app, what apps share.

use crate::handover::{Scene, site};
use crate::restored_store::command;
use crate::told::Backend;
use crate::world::*;
use serde_json::json;
use symbolon::grants::ending;
use symbolon::operations::{Actor, Context, InstanceOperation, Operation, Selection, run};
use symbolon::sessions;
use symbolon::store::tables::{app_grant, backchannel_request, device_secret};
use symbolon::store::{Change, Store, Value};

const SESSION: [u8; 16] = [1; 16];
/// A thumbprint has 43 letters.
const JKT: &str = "installation-number-one-signs-with-this-key";
/// When the session began. What came from it is older here, which no real one is.
const BEGAN_MS: i64 = 500;

/// What is left: child sessions that live, addresses, shared secrets, notes about providers.
type Left = (i64, i64, i64, i64);

async fn count(store: &Store, sql: &'static str) -> i64 {
    store.one(sql, &[]).await.unwrap().unwrap().int("count").unwrap()
}

async fn left(store: &Store) -> Left {
    let children = "SELECT count(*) AS count FROM session WHERE parent IS NOT NULL AND state = 'active'";
    let (addresses, secrets) = ("SELECT count(*) AS count FROM push_address", "SELECT count(*) AS count FROM device_secret");
    let notes = "SELECT count(*) AS count FROM provider_session";
    (count(store, children).await, count(store, addresses).await, count(store, secrets).await, count(store, notes).await)
}

/// A session that came from the grant of this number.
fn child(number: i64) -> [u8; 16] {
    [u8::try_from(number).unwrap() + 10; 16]
}

/// What can hang on a grant.
fn hang(change: &mut Change, session: [u8; 16], number: i64) {
    let named = || vec![Value::from(&session[..]), number.into(), "a".into()];
    change.run(backchannel_request::WRITE_ADDRESS, [named(), vec![Value::from(&session[..]), 1.into()]].concat());
    change.run(device_secret::INSERT, [named(), vec!["one".into(), "i".into(), "k".into(), 1.into()]].concat());
}

/// What a session rests on at a provider.
fn rest(change: &mut Change, session: [u8; 16]) {
    const NOTE: &str =
        "INSERT INTO provider_session (session, identity, provider, sid, account, left_ms) VALUES ($1, 'x', 'any', 'x', 'a', 1)";
    change.run(NOTE, vec![Value::from(&session[..])]);
}

/// Three grants of one session, of two apps and one person, with all that can hang on each. The first is an installation's.
async fn fill(store: &Store) {
    const OWN: &str = "INSERT INTO session (id, account, state, cookie, proofs, acr, amr, auth_time_ms, created_ms, used_ms, device, \
        address, ends_ms, version) VALUES ($1, 'a', 'active', $1, $3, '', '', 1, $2, 1, '', '', 9, 1)";
    const PROOFS: &str = r#"[{"method":"password","subject":"a","at_ms":1}]"#;
    const CHILD: &str = "INSERT INTO session (id, account, state, cookie, proofs, acr, amr, auth_time_ms, created_ms, used_ms, device, \
        address, ends_ms, version, parent, parent_number) VALUES ($1, 'a', 'active', $1, '[]', '', '', 1, 1, 1, '', '', 9, 1, $2, $3)";
    const INSTALLATION: &str = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, \
        attested_ms) VALUES ('one', $2, 'active', 'ios', 'hardware', $1, 0, '{}', 0, 0)";
    let mut change = Change::new(1_000);
    let session = || Value::from(&SESSION[..]);
    change.run(OWN, vec![session(), BEGAN_MS.into(), PROOFS.into()]);
    change.run(INSTALLATION, vec![Value::Bytes(Vec::new()), JKT.into()]);
    rest(&mut change, SESSION);
    for (number, client, kind, holder) in [(1_i64, "one", "instance", JKT), (2, "one", "bearer", ""), (3, "two", "bearer", "")] {
        let (scope, empty) = (|| Value::from("openid"), || Value::from("[]"));
        let values = vec![session(), number.into(), "a".into(), client.into(), kind.into(), holder.into(), scope(), empty(), "{}".into()];
        change.run(app_grant::INSERT, [values, vec![session(), (number * 10).into(), 9_000_000.into()]].concat());
        change.run(CHILD, vec![Value::from(&child(number)[..]), session(), number.into()]);
        hang(&mut change, SESSION, number);
        hang(&mut change, child(number), 7);
        rest(&mut change, child(number));
    }
    store.apply(change).await.unwrap();
}

type Way<'a> = &'a dyn Fn(&mut Change);

/// The rows, after one way has been gone.
async fn after(engine: Engine, way: Way<'_>) -> (World, Store) {
    let world = World::start(engine).await;
    let store = world.running.shared.now().store.clone();
    fill(&store).await;
    let mut change = Change::new(2_000);
    way(&mut change);
    store.apply(change).await.unwrap();
    (world, store)
}

/// Tries each way on rows of both engines.
async fn try_ways(ways: &[(&str, Way<'_>, Left)]) {
    for engine in engines() {
        for (name, way, expected) in ways {
            let (world, store) = after(engine, way).await;
            assert_eq!(left(&store).await, *expected, "{name}");
            let ended = count(&store, "SELECT count(*) AS count FROM session WHERE parent IS NOT NULL AND ended_ms = 2000").await;
            assert_eq!(ended, 3 - expected.0, "{name}: clients and APIs are told by this instant");
            world.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_function_ends_what_hangs_on_a_grant() {
    let ways: [(&str, Way<'_>, Left); 10] = [
        ("nothing", &|_| {}, (3, 6, 6, 4)),
        ("signed out", &|change| ending::sign_out(change, &SESSION, 1), (2, 4, 2, 3)),
        ("replaced", &|change| ending::replace(change, &SESSION, 1), (2, 4, 4, 3)),
        ("the oldest", &|change| ending::end_oldest(change, ("a", "one"), 1, true), (2, 4, 4, 3)),
        ("the oldest of a client that carries nothing", &|change| ending::end_oldest(change, ("a", "one"), 1, false), (3, 6, 6, 4)),
        ("the client's", &|change| ending::end_of_client(change, "a", "one"), (1, 2, 2, 2)),
        ("the client's of then", &|change| ending::end_of_client_again(change, "a", "one", 10), (2, 4, 4, 3)),
        ("the session's of then", &|change| ending::end_of_session_again(change, "a", (&SESSION, "one"), 20), (1, 2, 2, 2)),
        ("the installation's", &|change| ending::end_of_installation(change, "one", JKT), (2, 4, 4, 3)),
        ("another installation's", &|change| ending::end_of_installation(change, "two", JKT), (3, 6, 6, 4)),
    ];
    try_ways(&ways).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_function_ends_what_hangs_on_a_session() {
    let ways: [(&str, Way<'_>, Left); 8] = [
        ("one", &|change| sessions::ending::end_one(change, &SESSION), (0, 0, 0, 0)),
        ("a child", &|change| sessions::ending::end_one(change, &child(1)), (2, 5, 5, 3)),
        ("the person's own", &|change| sessions::ending::end_own(change, "a", &SESSION), (0, 0, 0, 0)),
        ("somebody else's", &|change| sessions::ending::end_own(change, "b", &SESSION), (3, 6, 6, 4)),
        ("all", &|change| sessions::ending::end_all(change, "a", None), (0, 0, 0, 0)),
        ("all others", &|change| sessions::ending::end_all(change, "a", Some(&SESSION)), (0, 3, 3, 1)),
        ("all of then", &|change| sessions::ending::end_all_until(change, "a", None, BEGAN_MS - 1), (0, 3, 3, 1)),
        ("its browser alone", &|change| sessions::ending::drop_browser(change, &SESSION), (3, 6, 6, 4)),
    ];
    try_ways(&ways).await;
}

/// A browser that is dropped proves nothing any more: no cookie of the session is good, and nothing is proved in it. It lives on, with all that
/// came from it. The twins: nothing is done, and the cookie alone goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_is_dropped_leaves_no_cookie_and_no_proofs() {
    let ways: [(&str, Way<'_>, (i64, i64)); 3] = [
        ("nothing", &|_| {}, (4, 1)),
        ("its cookie", &|change| sessions::ending::drop_cookie(change, &SESSION), (3, 1)),
        ("its browser", &|change| sessions::ending::drop_browser(change, &SESSION), (3, 0)),
    ];
    for engine in engines() {
        for (name, way, expected) in &ways {
            let (world, store) = after(engine, way).await;
            let cookies = "SELECT count(*) AS count FROM session WHERE state = 'active' AND length(cookie) > 0";
            let proofs = "SELECT count(*) AS count FROM session WHERE state = 'active' AND proofs <> '[]'";
            assert_eq!((count(&store, cookies).await, count(&store, proofs).await), *expected, "{name}");
            world.stop().await;
        }
    }
}

/// A key holds grants of other kinds too: from before it was attested, and with the generation at which it was learned. They end with its
/// installation. The twins: a grant of another key, and one of a client that only has such a name.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_held_before_ends_with_its_installation() {
    const HELD: &str = "UPDATE app_grant SET holder_kind = $2, holder = $3 WHERE session = $1 AND number = 2";
    let (one, both) = ((2, 4, 4, 3), (1, 2, 2, 2));
    let (learned, of_another) = (format!("{JKT}@7"), format!("{}@7", another_end(JKT)));
    let (learned, of_another) = (learned.as_str(), of_another.as_str());
    for engine in engines() {
        for (kind, holder, expected) in [
            ("jkt", JKT, both),
            ("learned", learned, both),
            ("instance", learned, both),
            ("learned", of_another, one),
            ("client", JKT, one),
        ] {
            let end_what_it_holds = |change: &mut Change| {
                change.run(HELD, vec![Value::from(&SESSION[..]), kind.into(), holder.into()]);
                ending::end_of_installation(change, "one", JKT);
            };
            let (world, store) = after(engine, &end_what_it_holds).await;
            assert_eq!(left(&store).await, expected, "{kind} {holder}");
            world.stop().await;
        }
    }
}

/// An operator revokes an installation: nobody is woken up there any more, and nothing is shared from it. The twin: a preview ends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_is_revoked_leaves_no_address_and_no_secret() {
    for engine in engines() {
        let world = World::start(engine).await;
        let store = world.running.shared.now().store.clone();
        fill(&store).await;
        for (preview, expected) in [(true, (3, 6, 6, 4)), (false, (2, 4, 4, 3))] {
            let selection = Selection { jkt: Some(JKT.to_owned()), ..Selection::default() };
            let operation = Operation::Instance(InstanceOperation::Revoke { selection, preview, after: None });
            let done = run(&Context::of(&world.running.shared.now()), &Actor::Offline { uid: 0 }, operation).await;
            assert!(done.is_ok(), "{:?}", done.err());
            assert_eq!(left(&store).await, expected, "preview: {preview}");
        }
        world.stop().await;
    }
}

/// A store was restored from a copy that is older than the revocation of an installation. The browsers that its app had led on end again,
/// and their clients hear of it. The twin: the revocation of another installation ends none.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_carried_out_again_ends_the_browsers_below() {
    for engine in engines() {
        let backend = Backend::start(&[]).await;
        let told_at = format!("[client.shop-web]\nbackchannel_logout_uri = \"{}\"\n", backend.uri);
        let scene = Scene::with(engine, &told_at).await;
        let jkt = {
            let (mut phone, tokens) = scene.app("handing", "alice").await;
            let path = scene.path(&mut phone, &tokens).await;
            let mut led = Browser::default();
            let page = led.visit(&scene.world, &path).await;
            led.submit(&scene.world, &page, &[], "continue").await;
            assert!(site(&scene.world, &mut led).await.is_some(), "the site gets tokens in the browser's session");
            phone.key.kid().to_owned()
        };
        let mut world = scene.world;
        for (key, alive) in [("of another installation", 1), (jkt.as_str(), 0)] {
            let at = world.running.shared.now().now_ms();
            let entry = json!({ "at": at, "event": "instance_revoked", "outcome": "ok", "client": "handing", "detail": { "jkt": key } });
            let audit = world.directory.join("audit.jsonl");
            std::fs::write(&audit, format!("{entry}\n")).unwrap();
            world = world
                .restarted(|world| {
                    let said = command(world, &["recover", "--audit", audit.to_str().unwrap()]);
                    assert!(said.contains("1 end of the audit"), "{said}");
                })
                .await;
            let store = world.running.shared.now().store.clone();
            assert_eq!(left(&store).await.0, alive, "{key}");
            let listed = "SELECT count(*) AS count FROM session WHERE parent IS NOT NULL AND state = 'ended' AND ended_ms > 0";
            assert_eq!(count(&store, listed).await, 1 - alive, "{key}");
        }
        backend.hears(1).await;
        world.stop().await;
    }
}

/// The person takes the app's access away on the account page: the browser that the app led on is signed out, as APIs can read.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_access_is_taken_away_leaves_no_browser_behind() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let world = &scene.world;
        let store = world.running.shared.now().store.clone();
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        let path = scene.path(&mut phone, &tokens).await;
        let mut led = Browser::default();
        let page = led.visit(world, &path).await;
        led.submit(world, &page, &[], "continue").await;
        assert_eq!(left(&store).await.0, 1, "the twin");
        let mut own = Browser::default();
        own.sign_in(world, &Ask::native("openid"), "alice").await;
        let account = own.visit(world, "/account").await;
        own.change(world, &account, "revoke_app:handing").await;
        assert_eq!((left(&store).await.0, world.audited("consent_withdrawn").await), (0, 1));
        scene.world.stop().await;
    }
}
