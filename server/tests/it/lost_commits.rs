//! PostgreSQL behind a connection that breaks: COMMIT was sent and its answer never came. The audit entry tells what became of the change.

use crate::world::{Engine, database};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use symbolon::audit::Entry;
use symbolon::store::{Change, NotApplied, Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_postgres::config::Host;

const WELL: u8 = 0;
/// COMMIT arrives, its answer does not.
const CUT_BEHIND: u8 = 1;
/// COMMIT itself does not arrive.
const CUT_BEFORE: u8 = 2;

/// A socket in a directory of its own, in front of the real one.
struct Wire {
    directory: PathBuf,
    cut: Arc<AtomicU8>,
}

impl Wire {
    fn before(server: PathBuf) -> Self {
        let random = symbolon_oauth::base64url::encode(&symbolon::seal::random::<6>().unwrap());
        let directory = std::env::temp_dir().join(format!("symbolon-wire-{random}"));
        std::fs::create_dir_all(&directory).unwrap();
        let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
        let cut = Arc::new(AtomicU8::new(WELL));
        let how = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, how) = (server.clone(), Arc::clone(&how));
                tokio::spawn(async move { carry(client, UnixStream::connect(server).await.unwrap(), &how).await });
            }
        });
        Self { directory, cut }
    }
}

/// Bytes both ways until one side ends, or until a COMMIT meets its fate.
async fn carry(mut client: UnixStream, mut server: UnixStream, cut: &AtomicU8) {
    let (mut up, mut down) = ([0; 16_384], [0; 16_384]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                let bytes = &up[..read];
                let commit = bytes.windows(7).position(|it| it == b"COMMIT\0");
                match commit.map(|at| (at, cut.swap(WELL, Ordering::SeqCst))) {
                    Some((_, CUT_BEHIND)) => {
                        server.write_all(bytes).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(400)).await;
                        return;
                    }
                    Some((at, CUT_BEFORE)) => {
                        // Without the head of the message: its letter and its length.
                        server.write_all(&bytes[..at - 5]).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(400)).await;
                        return;
                    }
                    _ => if server.write_all(bytes).await.is_err() { return },
                }
            }
            read = server.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&down[..read]).await.is_err() { return }
            }
        }
    }
}

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
    if std::env::var("SYMBOLON_TEST_POSTGRES").is_err() {
        println!("skipped: SYMBOLON_TEST_POSTGRES names no server");
        return;
    }
    let url = database(Engine::Postgres).await;
    let real: tokio_postgres::Config = url.parse().unwrap();
    let Host::Unix(socket) = &real.get_hosts()[0] else {
        println!("skipped: the server is not reached by a socket file");
        return;
    };
    let wire = Wire::before(socket.join(format!(".s.PGSQL.{}", real.get_ports().first().copied().unwrap_or(5432))));
    let (user, name) = (real.get_user().unwrap_or("postgres"), real.get_dbname().unwrap());
    let through = format!("postgres://{user}@/{name}?host={}", wire.directory.display());
    let store = Store::open(&through, StoreOptions::default()).await.unwrap();
    let is_there = async |name: &str| store.one("SELECT name FROM login_name WHERE name = $1", &[name.into()]).await.unwrap().is_some();
    store.apply(put("before", true)).await.unwrap();

    wire.cut.store(CUT_BEHIND, Ordering::SeqCst);
    store.apply(put("committed", true)).await.unwrap();
    assert!(is_there("committed").await, "applied, and said so");

    wire.cut.store(CUT_BEFORE, Ordering::SeqCst);
    let lost = store.apply(put("lost", true)).await;
    assert!(matches!(lost, Err(NotApplied::Unknown)), "{lost:?}");
    assert!(!is_there("lost").await);

    // Nothing to look up by: it may have been applied or not, and nobody claims to know.
    wire.cut.store(CUT_BEHIND, Ordering::SeqCst);
    let unmarked = store.apply(put("unmarked", false)).await;
    assert!(matches!(unmarked, Err(NotApplied::Unknown)), "{unmarked:?}");
    store.apply(put("after", true)).await.unwrap();
    let _ = std::fs::remove_dir_all(&wire.directory);
}

/// The server ends the connection under us, as on a restart: the next change has a new one.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_ended_are_replaced() {
    if std::env::var("SYMBOLON_TEST_POSTGRES").is_err() {
        println!("skipped: SYMBOLON_TEST_POSTGRES names no server");
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
