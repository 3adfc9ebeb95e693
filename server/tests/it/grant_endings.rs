//! Whatever ends a grant ends all that hangs on it: sessions of browsers that it led on, the address for waking the app, what apps share.

use crate::handover::Scene;
use crate::world::*;
use symbolon::grants::ending;
use symbolon::store::tables::{app_grant, backchannel_request, device_secret};
use symbolon::store::{Change, Store, Value};

const SESSION: [u8; 16] = [1; 16];

async fn count(store: &Store, sql: &'static str) -> i64 {
    store.one(sql, &[]).await.unwrap().unwrap().int("count").unwrap()
}

/// Child sessions that live, addresses, shared secrets.
async fn left(store: &Store) -> (i64, i64, i64) {
    let children = "SELECT count(*) AS count FROM session WHERE parent IS NOT NULL AND state = 'active'";
    let (addresses, secrets) = ("SELECT count(*) AS count FROM push_address", "SELECT count(*) AS count FROM device_secret");
    (count(store, children).await, count(store, addresses).await, count(store, secrets).await)
}

/// Three grants of one session, of two apps and one person, with all that can hang on each.
async fn fill(store: &Store) {
    const CHILD: &str = "INSERT INTO session (id, account, state, cookie, proofs, acr, amr, auth_time_ms, created_ms, used_ms, device, \
        address, ends_ms, version, parent, parent_number) VALUES ($1, 'a', 'active', $1, '[]', '', '', 1, 1, 1, '', '', 9, 1, $2, $3)";
    let mut change = Change::new(1_000);
    for (number, client) in [(1_i64, "one"), (2, "one"), (3, "two")] {
        let session = || Value::from(&SESSION[..]);
        let (scope, empty) = (|| Value::from("openid"), || Value::from("[]"));
        let values = vec![session(), number.into(), "a".into(), client.into(), "bearer".into(), "".into(), scope(), empty(), "{}".into()];
        change.run(app_grant::INSERT, [values, vec![session(), (number * 10).into(), 9_000_000.into()]].concat());
        let child = [u8::try_from(number).unwrap() + 10; 16];
        change.run(CHILD, vec![Value::from(&child[..]), session(), number.into()]);
        let named = || vec![session(), number.into(), "a".into()];
        change.run(backchannel_request::WRITE_ADDRESS, [named(), vec![session(), 1.into()]].concat());
        change.run(device_secret::INSERT, [named(), vec![client.into(), "i".into(), "k".into(), 1.into()]].concat());
    }
    store.apply(change).await.unwrap();
}

type Way<'a> = &'a dyn Fn(&mut Change);

/// Each way, on rows of both engines.
#[tokio::test(flavor = "multi_thread")]
async fn one_function_ends_what_hangs_on_a_grant() {
    for engine in engines() {
        let oldest = || (app_grant::END_OLDEST, vec!["a".into(), "one".into(), 1.into(), 2_000.into()]);
        let of_client = || (app_grant::END_OF_CLIENT, vec!["a".into(), "one".into(), 2_000.into()]);
        let ways: [(&str, Way<'_>, (i64, i64, i64)); 5] = [
            ("nothing", &|_| {}, (3, 3, 3)),
            ("signed out", &|change| ending::sign_out(change, &SESSION, 1), (2, 2, 0)),
            ("replaced", &|change| ending::replace(change, &SESSION, 1), (2, 2, 2)),
            ("the oldest", &|change| ending::end_all(change, "a", oldest()), (2, 2, 2)),
            ("the client's", &|change| ending::end_all(change, "a", of_client()), (1, 1, 1)),
        ];
        for (name, way, expected) in ways {
            let world = World::start(engine).await;
            let store = world.running.shared.now().store.clone();
            fill(&store).await;
            let mut change = Change::new(2_000);
            way(&mut change);
            store.apply(change).await.unwrap();
            assert_eq!(left(&store).await, expected, "{name}");
            let ended = count(&store, "SELECT count(*) AS count FROM session WHERE parent IS NOT NULL AND ended_ms = 2000").await;
            assert_eq!(ended, 3 - expected.0, "{name}: /endings tells by this instant");
            world.stop().await;
        }
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
