//! A standby that does not answer. What waits for it is left alone, and is not said to be applied before it is on both machines.

use crate::commits::{is_there, operator, put};
use crate::groups::open;
use crate::world::cluster::PrivateCluster;
use std::time::{Duration, Instant};
use symbolon::store::{Applied, NotApplied, Store};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// A commit that waits, where the node has asked meanwhile to cancel what takes so long.
const WAITING: &str = "SELECT w.pid FROM pg_stat_activity w JOIN pg_stat_activity a ON a.query_start > w.query_start \
    WHERE w.wait_event = 'SyncRep' AND a.query LIKE 'SELECT pg_cancel_backend(pid)::text AS cancelled%' AND a.state = 'idle'";

/// Begins a change, which waits for the standby. Answers when its group has had its time: the change, and the process that waits.
async fn begin(store: &Store, asked: &Client, name: &'static str) -> (JoinHandle<Result<Applied, NotApplied>>, i32) {
    let (store, began) = (store.clone(), Instant::now());
    let applying = tokio::spawn(async move { store.apply(put(name)).await });
    let process = async || asked.query(WAITING, &[]).await.unwrap().first().map(|row| row.get::<_, i32>(0));
    loop {
        if let Some(found) = process().await {
            // A cancel would have been heard by now.
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(process().await, Some(found), "{name}: it waits still");
            assert!(!applying.is_finished(), "{name}");
            return (applying, found);
        }
        assert!(began.elapsed() < Duration::from_secs(10) && !applying.is_finished(), "{name}: nothing waits for the standby");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// 614-Q: the node spares a commit that waits for its standby, and an operator may end the wait. Then the change is on the primary, and
/// nobody says that it is safe. The twin: the wait ends because the standby is asked for no longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_its_standby_is_left_alone() {
    let Some(cluster) = PrivateCluster::start("synchronous_standby_names = 'nobody'") else { return };
    let (url, asked) = (cluster.url(), operator(&cluster.url()).await);
    asked.batch_execute("SET synchronous_commit = local").await.unwrap();
    let set = async |value: &str| {
        asked.batch_execute(&format!("ALTER DATABASE postgres SET synchronous_commit = {value}")).await.unwrap();
    };
    // A start writes, and would wait for the standby, too. Sessions that begin later do.
    set("local").await;
    let (local, store) = (open(&url).await, open(&url).await);
    local.apply(put("local")).await.unwrap();
    set("on").await;
    for (name, end) in [("cancelled", "SELECT pg_cancel_backend($1)"), ("ended", "SELECT pg_terminate_backend($1)")] {
        let (applying, process) = begin(&store, &asked, name).await;
        assert!(!is_there(&store, name).await, "nobody reads it before it is safe");
        asked.execute(end, &[&process]).await.unwrap();
        let outcome = applying.await.unwrap();
        assert!(matches!(outcome, Err(NotApplied::Unknown)), "{name}: {outcome:?}");
        assert!(is_there(&store, name).await, "{name}: on the primary it is");
    }
    let (applying, _) = begin(&store, &asked, "released").await;
    asked.batch_execute("ALTER SYSTEM SET synchronous_standby_names = ''").await.unwrap();
    asked.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    applying.await.unwrap().unwrap();
    store.apply(put("after")).await.unwrap();
}
