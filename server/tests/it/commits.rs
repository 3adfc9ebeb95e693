//! What a commit on PostgreSQL promises: durable where it was acknowledged, decided once, within bounds. And what nodes do not do twice.

use crate::groups::open;
use crate::world::road::{Cut, Road};
use crate::world::{Engine, database, postgres};
use std::time::{Duration, Instant};
use symbolon::audit::{Entry, Filter};
use symbolon::store::retention::sweep;
use symbolon::store::{Change, Expect, NotApplied, Store, StoreOptions, Value};

/// An operator's own connection.
pub async fn operator(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn now_ms() -> i64 {
    symbolon::serve::system_clock()()
}

pub fn put(name: &str) -> Change {
    let mut change = Change::new(now_ms());
    change.run("INSERT INTO login_name (name, account) VALUES ($1, 'a')", vec![name.into()]);
    change.audit(Entry::ok("put"));
    change
}

pub async fn is_there(store: &Store, name: &str) -> bool {
    store.one("SELECT name FROM login_name WHERE name = $1", &[name.into()]).await.unwrap().is_some()
}

/// The primary has the change and stopped waiting for its standby: nobody knows whether a second machine has it. The server may say so and
/// go on, or say so as its last word. A mere notice is the twin.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_gave_up_on_its_standby_is_unknown() {
    let Some(base) = postgres() else { return };
    let (road, url) = Road::to(&base, &database(Engine::Postgres).await).await;
    let store = open(&url).await;
    store.apply(put("before")).await.unwrap();
    for (number, cut) in [Cut::Noted, Cut::NotedAndGone].into_iter().enumerate() {
        let name = format!("warned {number}");
        road.cut(cut("WARNING"));
        let warned = store.apply(put(&name)).await;
        assert!(matches!(warned, Err(NotApplied::Unknown)), "{number}: {warned:?}");
        assert!(is_there(&store, &name).await, "on the primary it is");
        let name = format!("noted {number}");
        road.cut(cut("NOTICE"));
        store.apply(put(&name)).await.unwrap();
        assert!(road.was_cut() && is_there(&store, &name).await);
    }
    store.apply(put("after")).await.unwrap();
}

/// The setting can be changed for a database or a user while the server runs: each new connection is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_wait_for_the_disk_is_refused() {
    let Some(_) = postgres() else { return };
    let url = database(Engine::Postgres).await;
    let name = url.rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
    let operator = operator(&url).await;
    let set = async |value: &str| {
        operator.batch_execute(&format!("ALTER DATABASE {name} SET synchronous_commit = {value}")).await.unwrap();
        let others =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        operator.query(others, &[]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    set("off").await;
    let refused = Store::open(&url, StoreOptions::default()).await.err().expect("not durable");
    assert!(refused.to_string().contains("synchronous_commit = off"), "{refused}");
    for durable in ["local", "on"] {
        set(durable).await;
        open(&url).await.apply(put(durable)).await.unwrap();
    }
    let store = open(&url).await;
    store.apply(put("before")).await.unwrap();
    set("off").await;
    let refused = store.apply(put("meanwhile")).await;
    assert!(matches!(refused, Err(NotApplied::Fault(_))), "{refused:?}");
    set("on").await;
    store.apply(put("meanwhile")).await.unwrap();
}

/// What arrives so late that followers of the audit may have read past its ids is not taken. It goes again with new ones.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_arrives_late_gets_a_new_id() {
    let Some(base) = postgres() else { return };
    let (road, url) = Road::to(&base, &database(Engine::Postgres).await).await;
    let store = open(&url).await;
    store.apply(put("before")).await.unwrap();
    for (late_ms, goes_again) in [(1_400, true), (150, false)] {
        let began_ms = now_ms();
        road.cut(Cut::Late(late_ms));
        store.apply(put(&format!("late {late_ms}"))).await.unwrap();
        assert!(road.was_cut());
        let rows = store.all("SELECT id FROM audit_routine UNION SELECT id FROM audit_security", &[]).await.unwrap();
        let instant_ms = |id: &[u8]| id[..6].iter().fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
        let newest_ms = rows.iter().map(|row| instant_ms(row.bytes("id").unwrap())).max().unwrap();
        assert_eq!(newest_ms - began_ms > 1_000, goes_again, "{late_ms}: {} ms", newest_ms - began_ms);
    }
    let entries = symbolon::audit::list(&store, &Filter::default(), 10).await.unwrap();
    assert_eq!(entries.len(), 3, "each once");
}

/// An id of an audit entry that is there already says nothing about the change, which goes again. A key of the change itself does.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_id_that_is_there_is_no_conflict() {
    let Some(_) = postgres() else { return };
    let url = database(Engine::Postgres).await;
    let store = open(&url).await;
    let operator = operator(&url).await;
    let trigger = |times: u32| {
        format!(
            "DROP SEQUENCE IF EXISTS seen; CREATE SEQUENCE seen; \
             CREATE OR REPLACE FUNCTION is_there() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('seen') <= {times} THEN \
             RAISE EXCEPTION 'there' USING ERRCODE = '23505', TABLE = TG_TABLE_NAME; END IF; RETURN NEW; END $$; \
             CREATE OR REPLACE TRIGGER there BEFORE INSERT ON audit_routine FOR EACH ROW EXECUTE FUNCTION is_there(); \
             CREATE OR REPLACE TRIGGER there BEFORE INSERT ON audit_security FOR EACH ROW EXECUTE FUNCTION is_there()"
        )
    };
    operator.batch_execute(&trigger(2)).await.unwrap();
    store.apply(put("twice")).await.unwrap();
    assert!(is_there(&store, "twice").await);
    operator.batch_execute(&trigger(1000)).await.unwrap();
    let refused = store.apply(put("never")).await;
    assert!(matches!(refused, Err(NotApplied::Busy)), "{refused:?}");
    operator.batch_execute(&trigger(0)).await.unwrap();
    let refused = store.apply(put("twice")).await;
    assert!(matches!(refused, Err(NotApplied::Conflict(0))), "{refused:?}");
    store.apply(put("never")).await.unwrap();
}

/// 614-Q: a warning that is not about a standby, as a trigger of the operator's gives, leaves no doubt about a commit.
#[tokio::test(flavor = "multi_thread")]
async fn another_warning_leaves_no_doubt() {
    let Some(_) = postgres() else { return };
    let url = database(Engine::Postgres).await;
    let store = open(&url).await;
    let trigger = "CREATE FUNCTION warns() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'mind the step'; RETURN NEW; END $$; \
        CREATE CONSTRAINT TRIGGER warns AFTER INSERT ON login_name DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warns()";
    operator(&url).await.batch_execute(trigger).await.unwrap();
    let applied = store.apply(put("warned")).await;
    assert!(applied.is_ok(), "{applied:?}");
    assert!(is_there(&store, "warned").await);
}

/// The same on SQLite, where whoever asks again draws another id.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_id_that_is_there_is_no_conflict_on_sqlite() {
    let directory = std::env::temp_dir().join(format!("symbolon-audit-id-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let store = open(&format!("sqlite:{}", directory.join("test.db").display())).await;
    let run = async |sql: &'static str| {
        let mut change = Change::new(1_000);
        change.run_expecting(sql, Vec::new(), Expect::Any);
        store.apply(change).await.unwrap();
    };
    run("CREATE TRIGGER there BEFORE INSERT ON audit_routine BEGIN SELECT RAISE(ABORT, 'there'); END").await;
    run("CREATE TRIGGER there_too BEFORE INSERT ON audit_security BEGIN SELECT RAISE(ABORT, 'there'); END").await;
    let refused = store.apply(put("one")).await;
    assert!(matches!(refused, Err(NotApplied::Busy)), "{refused:?}");
    assert!(!is_there(&store, "one").await);
    run("DROP TRIGGER there").await;
    run("DROP TRIGGER there_too").await;
    store.apply(put("one")).await.unwrap();
    let refused = store.apply(put("one")).await;
    assert!(matches!(refused, Err(NotApplied::Conflict(0))), "{refused:?}");
    store.close().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

/// A group has half a second in all. What holds it up goes on alone, and is done as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_change_does_not_hold_up_its_group() {
    const SLOW: &str = "SELECT pg_sleep(0.4)::text";
    let Some(_) = postgres() else { return };
    let options = StoreOptions { connections: 4, ..StoreOptions::default() };
    let store = Store::open(&database(Engine::Postgres).await, options).await.unwrap();
    store.apply(put("before")).await.unwrap();
    let sleeping = |times: usize| {
        let mut change = Change::new(1_000);
        (0..times).for_each(|_| change.run_expecting(SLOW, Vec::new(), Expect::Any));
        let store = store.clone();
        tokio::spawn(async move { store.apply(change).await })
    };
    // The only writer is busy for a moment, so that the next two leave together.
    let first = sleeping(1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let slow = sleeping(12);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    store.apply(put("quick")).await.unwrap();
    let (quick, is_slow_done) = (began.elapsed(), slow.is_finished());
    assert!(quick < Duration::from_millis(4_000) && !is_slow_done, "{quick:?}");
    first.await.unwrap().unwrap();
    slow.await.unwrap().unwrap();
}

/// Of several nodes one sweeps a table at a time. Nothing is counted twice, and whoever swept gives its turn back.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_at_once_sweep_each_row_once() {
    let Some(_) = postgres() else { return };
    let url = database(Engine::Postgres).await;
    let nodes = [open(&url).await, open(&url).await];
    let (hour, now) = (3_600_000_i64, 100 * 3_600_000_i64);
    for round in 0..2_u64 {
        for part in 0..8 {
            let mut change = Change::new(now);
            for n in part * 400..(part + 1) * 400 {
                change.once("proof", "s", &n.to_string(), 5 * hour);
                change.run("INSERT INTO revoked (jti, until_ms) VALUES ($1, $2)", vec![format!("old {n}").into(), (5 * hour).into()]);
            }
            nodes[0].apply(change).await.unwrap();
        }
        let (one, other) = tokio::join!(sweep(&nodes[0], now), sweep(&nodes[1], now));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one + other, 6_400, "round {round}: {one} and {other}");
        for table in
            ["SELECT count(*) AS count FROM once", "SELECT count(*) AS count FROM revoked", "SELECT count(*) AS count FROM attempt"]
        {
            assert_eq!(nodes[0].one(table, &[]).await.unwrap().unwrap().int("count").unwrap(), 0, "{table}");
        }
    }
}

/// A step of the sweep reads the rows that it deletes. It does not read the rest of their hour again and again: an hour may have millions.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_reads_what_it_deletes_and_no_more() {
    let Some(_) = postgres() else { return };
    let url = database(Engine::Postgres).await;
    let (store, asked, rows) = (open(&url).await, operator(&url).await, 50_000_i64);
    let fill = format!(
        "INSERT INTO once (bucket, kind, key) SELECT n / {rows}, 'proof', sha256(n::text::bytea) FROM generate_series(0, {rows}) n \
        ORDER BY 1, 3; VACUUM ANALYZE once"
    );
    for statement in fill.split("; ") {
        asked.batch_execute(statement).await.unwrap();
    }
    let counts = "SELECT t.n_tup_ins, t.n_tup_del, i.idx_blks_hit + i.idx_blks_read FROM pg_stat_user_tables t \
        JOIN pg_statio_user_indexes i USING (relid) WHERE t.relname = 'once' AND t.schemaname = current_schema()";
    // PostgreSQL counts a moment later.
    let pages_when_counted = async |column: usize| {
        for _ in 0..100 {
            let row = asked.query_one(counts, &[]).await.unwrap();
            if row.get::<_, i64>(column) > rows {
                return row.get::<_, i64>(2);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("PostgreSQL did not count the rows");
    };
    let before = pages_when_counted(0).await;
    assert_eq!(sweep(&store, 100 * 3_600_000).await.unwrap(), rows.unsigned_abs() + 1);
    let pages = pages_when_counted(1).await - before;
    assert!(pages > 0 && pages < rows / 10, "{pages} pages of the index for {rows} rows");
}

/// Both ways to write a UNIX socket into `database`.
#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_a_way_to_the_database() {
    let Some(_) = postgres() else { return };
    let url = database(Engine::Postgres).await;
    let asked = operator(&url).await;
    let row = asked.query_one("SELECT current_setting('unix_socket_directories'), current_setting('port'), current_user::text", &[]).await;
    let row = row.unwrap();
    let (directories, port, user): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let directory = directories.split(',').next().unwrap().trim().to_owned();
    if !std::path::Path::new(&directory).join(format!(".s.PGSQL.{port}")).exists() {
        println!("skipped: the server has no UNIX socket here");
        return;
    }
    let name = url.rsplit_once('/').unwrap().1.split('?').next().unwrap();
    let encoded = directory.replace('/', "%2F");
    for (number, way) in
        [format!("postgres://{user}@{encoded}:{port}/{name}"), format!("postgres:///{name}?host={directory}&user={user}&port={port}")]
            .into_iter()
            .enumerate()
    {
        let store = open(&way).await;
        store.apply(put(&format!("by socket {number}"))).await.unwrap();
    }
    let nowhere = Store::open(&format!("postgres://{user}@%2Fnowhere/{name}"), StoreOptions::default()).await;
    assert!(nowhere.is_err(), "the twin: another directory has no server");
}

/// A statement that one row of an INSERT satisfies by itself is sent without a guard. What it must not do is a conflict as before.
#[tokio::test(flavor = "multi_thread")]
async fn an_insert_without_a_guard_still_conflicts() {
    let Some(_) = postgres() else { return };
    let store = open(&database(Engine::Postgres).await).await;
    const TWO: &str = "INSERT INTO login_name (name, account) VALUES ($1, 'a'), ($2, 'b')";
    const MAYBE: &str = "INSERT INTO login_name (name, account) VALUES ($1, 'a') ON CONFLICT (name) DO NOTHING";
    let run = async |sql: &'static str, values: Vec<Value>, expect: Expect| {
        let mut change = put(&format!("beside {values:?}"));
        change.run_expecting(sql, values, expect);
        store.apply(change).await
    };
    run(TWO, vec!["one".into(), "two".into()], Expect::Exactly(2)).await.unwrap();
    let two_for_one = run(TWO, vec!["three".into(), "four".into()], Expect::Exactly(1)).await;
    assert!(matches!(two_for_one, Err(NotApplied::Conflict(1))), "{two_for_one:?}");
    assert!(!is_there(&store, "three").await);
    run(MAYBE, vec!["three".into()], Expect::Exactly(1)).await.unwrap();
    let there = run(MAYBE, vec!["one".into()], Expect::Exactly(1)).await;
    assert!(matches!(there, Err(NotApplied::Conflict(1))), "{there:?}");
    store.apply(put("five")).await.unwrap();
    let again = store.apply(put("five")).await;
    assert!(matches!(again, Err(NotApplied::Conflict(0))), "{again:?}");
}

/// Many callers at once. Some of their changes go alone.
async fn work(store: Store, until: Instant) {
    let mut running = Vec::new();
    for task in 0..64 {
        let store = store.clone();
        running.push(tokio::spawn(async move {
            let mut times = 0;
            while Instant::now() < until {
                let name = format!("{task} {times}");
                let mut change = put(&name);
                if task % 4 == 0 {
                    change.go_alone();
                }
                store.apply(change).await.unwrap();
                assert!(is_there(&store, &name).await);
                times += 1;
            }
        }));
    }
    for one in running {
        one.await.unwrap();
    }
}

/// However much waits, a node holds at most `database_connections`. Where that is one it holds two: groups of changes have one of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_holds_no_more_connections_than_it_may() {
    const HELD: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' \
        AND pid <> pg_backend_pid()";
    let Some(_) = postgres() else { return };
    for (connections, most) in [(1, 2), (2, 2), (6, 6)] {
        let url = database(Engine::Postgres).await;
        let asked = operator(&url).await;
        let held = async || asked.query_one(HELD, &[]).await.unwrap().get::<_, i64>(0);
        let store = Store::open(&url, StoreOptions { connections, ..StoreOptions::default() }).await.unwrap();
        // What the start needed ends in a moment.
        let began = Instant::now();
        while held().await > 0 {
            assert!(began.elapsed() < Duration::from_secs(10), "connections of the start stay open");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let working = tokio::spawn(work(store.clone(), Instant::now() + Duration::from_secs(1)));
        let mut seen = 0;
        while !working.is_finished() {
            let mut now = held().await;
            if now > most {
                // PostgreSQL lists one that was replaced for a moment longer.
                tokio::time::sleep(Duration::from_millis(500)).await;
                now = held().await;
            }
            seen = seen.max(now);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        working.await.unwrap();
        assert!((2..=most).contains(&seen), "{connections} allowed, {seen} seen");
    }
}
