//! The store's promises: whole or not at all, once, bytes stay bytes, and a full disk loses nothing that was said.

use crate::world::{Engine, database, engines};
use std::ops::Deref;
use std::path::PathBuf;
use symbolon::audit::Entry;
use symbolon::store::faults::{Fate, Plan};
use symbolon::store::{Change, Expect, NotApplied, Store, StoreOptions, Value};

const PUT: &str = "INSERT INTO login_name (name, account) VALUES ($1, $2)";
const COUNT: &str = "SELECT count(*) AS count FROM login_name";

/// A store whose file goes with it.
struct Kept {
    store: Store,
    file: Option<PathBuf>,
}

impl Deref for Kept {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let name = self.file.as_ref().map(|file| format!("{}{end}", file.display()));
            let _ = name.map(std::fs::remove_file);
        }
    }
}

async fn open(engine: Engine) -> Kept {
    let random = symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap());
    let file = (engine == Engine::Sqlite).then(|| std::env::temp_dir().join(format!("symbolon-store-{random}.db")));
    let url = match &file {
        Some(file) => format!("sqlite:{}", file.display()),
        None => database(engine).await,
    };
    Kept { store: Store::open(&url, StoreOptions::default()).await.unwrap(), file }
}

async fn each<F, T>(test: F)
where
    F: Fn(Kept) -> T,
    T: Future<Output = ()>,
{
    for engine in engines() {
        test(open(engine).await).await;
    }
}

fn put(names: &[&str]) -> Change {
    let mut change = Change::new(1_000);
    for name in names {
        change.run(PUT, vec![(*name).into(), "a".into()]);
    }
    change.audit(Entry::ok("put"));
    change
}

async fn count(store: &Store) -> i64 {
    store.one(COUNT, &[]).await.unwrap().unwrap().int("count").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_leaves_nothing_and_names_its_statement() {
    each(|store| async move {
        store.apply(put(&["one"])).await.unwrap();
        let refused = store.apply(put(&["two", "one", "three"])).await;
        assert!(matches!(refused, Err(NotApplied::Conflict(1))), "{refused:?}");
        assert_eq!(count(&store).await, 1);
        let mut guarded = Change::new(1_000);
        guarded.run("UPDATE login_name SET account = 'b' WHERE name = $1", vec!["nobody".into()]);
        guarded.audit(Entry::ok("never"));
        assert!(matches!(store.apply(guarded).await, Err(NotApplied::Conflict(0))));
        let entries = symbolon::audit::list(&store, &Default::default(), 10).await.unwrap();
        assert_eq!(entries.len(), 1, "a refused change leaves no audit entry: {entries:?}");
        store.apply(put(&["two"])).await.unwrap();
        assert_eq!(count(&store).await, 2);
    })
    .await;
}

/// 625-Q
#[tokio::test(flavor = "multi_thread")]
async fn once_is_once_for_sixty_four_at_a_time() {
    each(|store| async move {
        let racing: Vec<_> = (0..64)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut change = Change::new(1_000);
                    change.once("test", "scope", "id", 5_000);
                    store.apply(change).await.is_ok()
                })
            })
            .collect();
        let mut won = 0;
        for one in racing {
            won += i32::from(one.await.unwrap());
        }
        assert_eq!(won, 1);
        let mut other = Change::new(1_000);
        other.once("test", "scop", "eid", 5_000);
        store.apply(other).await.unwrap();
    })
    .await;
}

/// SQLite gives BYTEA numeric affinity; a row of another storage class is a fault, never a guess.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_look_like_a_number_stay_bytes() {
    each(|store| async move {
        let mut change = Change::new(0);
        change.run(
            "INSERT INTO pushed_request (id, client, body, expires_ms) VALUES ($1, $2, $3, $4)",
            vec![Value::from(&b"123"[..]), "c".into(), "42".into(), 7.into()],
        );
        store.apply(change).await.unwrap();
        let row =
            store.one("SELECT id, body, expires_ms FROM pushed_request WHERE id = $1", &[Value::from(&b"123"[..])]).await.unwrap().unwrap();
        assert_eq!((row.bytes("id").unwrap(), row.text("body").unwrap(), row.int("expires_ms").unwrap()), (&b"123"[..], "42", 7));
        assert!(row.text("id").is_err() && row.int("body").is_err() && row.bytes("expires_ms").is_err());
    })
    .await;
}

/// Measured: SQLITE_FULL inside a savepoint can roll the whole transaction back, and later changes are then committed one
/// by one. Here the database may not grow any more: every change of the batch is told, and none is half there.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_inside_a_batch_tells_everybody_and_keeps_nothing_half() {
    let store = open(Engine::Sqlite).await;
    store.apply(put(&["before"])).await.unwrap();
    let big = "x".repeat(200_000);
    let mut limit = Change::new(0);
    limit.run_expecting("PRAGMA max_page_count = 60", Vec::new(), Expect::Any);
    store.apply(limit).await.unwrap();
    let racing: Vec<_> = (0..16)
        .map(|n| {
            let (store, big) = (store.clone(), big.clone());
            tokio::spawn(async move {
                let name = format!("{n}-{big}");
                let mut change = Change::new(0);
                change.run(PUT, vec![format!("small-{n}").into(), "a".into()]);
                change.run(PUT, vec![name.into(), "a".into()]);
                store.apply(change).await.is_ok()
            })
        })
        .collect();
    let mut applied = 0;
    for one in racing {
        applied += i64::from(one.await.unwrap());
    }
    assert!(applied < 16, "the limit was met");
    assert_eq!(count(&store).await, 1 + 2 * applied, "what was acknowledged is there, whole, and nothing else");
    // The writer opened the database anew; life goes on.
    store.apply(put(&["after"])).await.unwrap();
}

/// Measured: an unprepared statement is sent after COMMIT, and COMMIT of an aborted transaction answers Ok.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_nobody_prepared_and_a_commit_that_lies_commit_nothing() {
    each(|store| async move {
        for round in 0..3 {
            let fresh = format!("name-{round}");
            let mut change = put(&[&fresh]);
            change.run("UPDATE login_name SET account = 'c' WHERE name = $1 AND account = 'nobody'", vec![fresh.as_str().into()]);
            assert!(matches!(store.apply(change).await, Err(NotApplied::Conflict(1))));
            assert_eq!(count(&store).await, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_said_to_be_unknown() {
    let store = open(Engine::Sqlite).await;
    let faulty = Store::faulty(store.clone(), Plan::new(vec![Fate::LoseAnswer, Fate::Refuse, Fate::Apply])).unwrap();
    assert!(matches!(faulty.apply(put(&["one"])).await, Err(NotApplied::Unknown)));
    assert_eq!(count(&store).await, 1, "it was applied all the same");
    assert!(matches!(faulty.apply(put(&["two"])).await, Err(NotApplied::Busy)));
    assert!(faulty.apply(put(&["two"])).await.is_ok());
    assert_eq!(count(&store).await, 2);
}

/// What a sweep has freed goes back to the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_swept_database_gets_smaller() {
    let store = open(Engine::Sqlite).await;
    let pages = async || store.one("PRAGMA page_count", &[]).await.unwrap().unwrap().int("page_count").unwrap();
    let body = "x".repeat(2_000);
    for part in 0..4_i64 {
        let mut change = Change::new(0);
        for n in 0..500 {
            let id = [&[0_u8; 6][..], &(part * 500 + n).to_be_bytes(), &[0; 2]].concat();
            change.run("INSERT INTO audit_routine (id, body) VALUES ($1, $2)", vec![id.into(), body.as_str().into()]);
        }
        store.apply(change).await.unwrap();
    }
    let full = pages().await;
    let config = symbolon::config::Config::from_text("issuer = \"https://a.example\"", "x", &|_| None).unwrap();
    let now = 40 * 86_400_000;
    assert_eq!(symbolon::store::retention::sweep_old(&store, &config, 0, now).await.unwrap(), 2_000);
    // The writer shrinks behind the batch it has at hand; when it has answered a second one, that is done.
    store.apply(put(&["after"])).await.unwrap();
    store.apply(put(&["and again"])).await.unwrap();
    assert!(full > 1_000 && pages().await < full / 2, "{full} pages, then {}", pages().await);
}

/// 630-Q: a sweep forgets nothing that could still be accepted.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_keeps_replay_memory_until_it_is_useless() {
    each(|store| async move {
        let hour = 3_600_000;
        let spend = async |now: i64| {
            let mut change = Change::new(now);
            change.once("test", "s", "id", 10 * hour);
            store.apply(change).await.is_ok()
        };
        assert!(spend(10 * hour - 5).await);
        symbolon::store::retention::sweep(&store, 10 * hour + 60_000).await.unwrap();
        assert!(!spend(10 * hour + 60_000).await);
        symbolon::store::retention::sweep(&store, 13 * hour).await.unwrap();
        assert!(spend(13 * hour).await, "long after it could have been accepted the row is gone");
    })
    .await;
}

/// One round of a sweep takes the whole backlog, by whole keys, and nothing that is young.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_thousands_is_swept_in_one_round() {
    each(|store| async move {
        let (hour, now) = (3_600_000_i64, 100 * 3_600_000_i64);
        let key = |at_ms: i64, n: i64| Value::from([&at_ms.to_be_bytes()[2..], &[0; 2], &n.to_be_bytes()].concat());
        let old = 3_200;
        for part in 0..8 {
            let mut change = Change::new(now);
            for n in part * 400..(part + 1) * 400 {
                change.once(if n % 2 == 0 { "proof" } else { "par" }, "s", &n.to_string(), 5 * hour);
                let revoked = "INSERT INTO revoked (jti, until_ms) VALUES ($1, $2)";
                change.run(revoked, vec![format!("old-{n}").into(), (5 * hour).into()]);
                change.run("INSERT INTO audit_routine (id, body) VALUES ($1, $2)", vec![key(hour, n), "{}".into()]);
            }
            store.apply(change).await.unwrap();
        }
        let mut young = Change::new(now);
        young.once("proof", "s", "young", now);
        young.run("INSERT INTO revoked (jti, until_ms) VALUES ($1, $2)", vec!["young".into(), now.into()]);
        young.run("INSERT INTO audit_routine (id, body) VALUES ($1, $2)", vec![key(now, 0), "{}".into()]);
        store.apply(young).await.unwrap();
        assert_eq!(symbolon::store::retention::sweep(&store, now).await.unwrap(), 2 * old);
        let config =
            symbolon::config::Config::from_text("issuer = \"https://a.example\"\n[retention]\naudit_routine = \"30h\"", "x", &|_| None);
        let gone = symbolon::store::retention::sweep_old(&store, &config.unwrap(), 0, now).await.unwrap();
        assert_eq!(gone, old);
        for sql in
            ["SELECT count(*) AS count FROM once", "SELECT count(*) AS count FROM revoked", "SELECT count(*) AS count FROM audit_routine"]
        {
            assert_eq!(store.one(sql, &[]).await.unwrap().unwrap().int("count").unwrap(), 1, "{sql}: the young one stays");
        }
    })
    .await;
}
