//! PostgreSQL behind a connection that breaks: COMMIT was sent and its answer never came. The audit entry tells what became of the change.

use crate::world::road::{Cut, Road};
use crate::world::{Engine, database, postgres};
use std::time::Duration;
use symbolon::audit::Entry;
use symbolon::store::{Change, NotApplied, Store, StoreOptions};

fn put(name: &str, audited: bool) -> Change {
    let mut change = Change::new(1_000);
    change.run("INSERT INTO login_name (name, account) VALUES ($1, 'a')", vec![name.into()]);
    if audited {
        change.audit(Entry::ok("put"));
    }
    change
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_looked_up() {
    let Some(base) = postgres() else { return };
    let (road, through) = Road::to(&base, &database(Engine::Postgres).await).await;
    let store = Store::open(&through, StoreOptions::default()).await.unwrap();
    let is_there = async |name: &str| store.one("SELECT name FROM login_name WHERE name = $1", &[name.into()]).await.unwrap().is_some();
    store.apply(put("before", true)).await.unwrap();

    road.cut(Cut::After);
    store.apply(put("committed", true)).await.unwrap();
    assert!(is_there("committed").await, "applied, and said so");

    road.cut(Cut::Within);
    let lost = store.apply(put("lost", true)).await;
    assert!(matches!(lost, Err(NotApplied::Unknown)), "{lost:?}");
    assert!(!is_there("lost").await);

    // Nothing to look up by: it may have been applied or not, and nobody claims to know.
    road.cut(Cut::After);
    let unmarked = store.apply(put("unmarked", false)).await;
    assert!(matches!(unmarked, Err(NotApplied::Unknown)), "{unmarked:?}");
    store.apply(put("after", true)).await.unwrap();
    assert!(road.was_cut());
}

/// The server ends the connection under us, as on a restart: the next change has a new one.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_ended_are_replaced() {
    if postgres().is_none() {
        return;
    }
    let url = database(Engine::Postgres).await;
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    store.apply(put("before", true)).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let ended = client
        .query_one(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    assert!(ended.get::<_, i64>(0) > 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    store.apply(put("after", true)).await.unwrap();
}
