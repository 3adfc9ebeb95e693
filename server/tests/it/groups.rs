//! PostgreSQL in groups: changes that leave together are as independent as if each had left alone.

use crate::commits::operator;
use crate::world::road::{Cut, Road};
use crate::world::{Engine, database, postgres};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use symbolon::audit::{Cursor, Entry, Filter};
use symbolon::store::{Applied, Change, NotApplied, Store, StoreOptions, Value};

const PUT: &str = "INSERT INTO attempt (key, used, until_ms) VALUES ($1, 0, $2)";
const ADD: &str = "UPDATE attempt SET used = used + 1 WHERE key = $1";
const COUNT: &str = "SELECT used FROM attempt WHERE key = $1";

pub async fn open(url: &str) -> Store {
    Store::open(url, StoreOptions::default()).await.unwrap()
}

fn key(number: u8) -> Value {
    Value::from(&[number; 32][..])
}

/// A row of a round's own: nothing was lost there before, so whoever changes it leaves with others.
fn key_of(round: u8, number: u8) -> Value {
    let mut bytes = [number; 32];
    bytes[0] = round;
    Value::from(&bytes[..])
}

async fn put(store: &Store, numbers: impl IntoIterator<Item = u8>) {
    let mut change = Change::new(1_000);
    for number in numbers {
        change.run(PUT, vec![key(number), 9_000.into()]);
    }
    store.apply(change).await.unwrap();
}

async fn count(store: &Store, number: u8) -> i64 {
    store.one(COUNT, &[key(number)]).await.unwrap().unwrap().int("used").unwrap()
}

fn now_ms() -> i64 {
    symbolon::serve::system_clock()()
}

/// SYMBOLON_SOAK: for how many seconds, where a few are not enough.
fn soak_s() -> Option<u64> {
    std::env::var("SYMBOLON_SOAK").ok().and_then(|text| text.parse().ok())
}

/// One code twice, beside a change that fails and many that do not: each has the outcome it would have alone.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_do_not_decide_for_each_other() {
    const CHANGED: &str =
        "SELECT count(*) AS changed, count(DISTINCT xmin::text) AS transactions FROM attempt WHERE until_ms = $1 AND used = 1";
    let Some(_) = postgres() else { return };
    let store = open(&database(Engine::Postgres).await).await;
    let mut rounds_in_groups = 0;
    for round in 0..20_u8 {
        let mut rows = Change::new(1_000);
        for number in 0..40 {
            rows.run(PUT, vec![key_of(round, number), i64::from(round).into()]);
        }
        store.apply(rows).await.unwrap();
        let mut running = Vec::new();
        for number in 0..40_u8 {
            let store = store.clone();
            running.push(tokio::spawn(async move {
                let mut change = Change::new(1_000);
                match number {
                    // The same code, twice.
                    0 | 1 => {
                        change.once("code", "scope", &round.to_string(), 5_000);
                        change.run(ADD, vec![key_of(round, 0)]);
                    }
                    // A guard that never holds, behind a statement that does.
                    2 => {
                        change.run(ADD, vec![key_of(round, 2)]);
                        change.run(ADD, vec![key_of(round, 200)]);
                    }
                    _ => change.run(ADD, vec![key_of(round, number)]),
                }
                change.audit(Entry::ok("put"));
                store.apply(change).await
            }));
        }
        let mut outcomes = Vec::new();
        for one in running {
            outcomes.push(one.await.unwrap());
        }
        let won = outcomes[..2].iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "{outcomes:?}");
        assert!(outcomes[..2].iter().any(|outcome| matches!(outcome, Err(NotApplied::Conflict(0)))), "{outcomes:?}");
        assert!(matches!(outcomes[2], Err(NotApplied::Conflict(1))), "its own statement is named: {:?}", outcomes[2]);
        assert!(outcomes[3..].iter().all(Result::is_ok), "{outcomes:?}");
        let row = store.one(CHANGED, &[i64::from(round).into()]).await.unwrap().unwrap();
        let (changed, transactions) = (row.int("changed").unwrap(), row.int("transactions").unwrap());
        assert_eq!(changed, 38, "one row for each change that was applied");
        rounds_in_groups += i32::from(transactions < changed);
    }
    assert!(rounds_in_groups > 0, "no two changes ever left together");
    let entries = symbolon::audit::list(&store, &Filter::default(), 10_000).await.unwrap();
    assert_eq!(entries.len(), 20 * 38, "one entry for each change that was applied");
}

/// What became of a change that gives this name to an account, and whose the name is right after. It has no key in common with any other,
/// so that two of them may leave together.
async fn give(store: &Store, name: &'static str, account: &'static str) -> (Result<Applied, NotApplied>, Option<String>) {
    let mut change = Change::new(1_000);
    change.run("INSERT INTO login_name (name, account) VALUES ($1, $2)", vec![name.into(), account.into()]);
    let outcome = store.apply(change).await;
    let row = store.one("SELECT account FROM login_name WHERE name = $1", &[name.into()]).await.unwrap();
    (outcome, row.map(|row| row.text("account").unwrap().to_owned()))
}

/// A conflict behind another member of the group rests on what that one did. It is said only when that is committed. Where it never is, the
/// change goes again.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_behind_another_member_waits_for_it() {
    const DOOM: &str = "CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'doomed'; END $$; \
        CREATE CONSTRAINT TRIGGER doom AFTER INSERT ON login_name DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
        WHEN (NEW.account = 'doomed') EXECUTE FUNCTION doom()";
    let Some(base) = postgres() else { return };
    let direct = database(Engine::Postgres).await;
    let (road, url) = Road::to(&base, &direct).await;
    let store = Store::open(&url, StoreOptions { connections: 2, ..StoreOptions::default() }).await.unwrap();
    operator(&direct).await.batch_execute(DOOM).await.unwrap();
    put(&store, 0..1).await;
    let both = async |name: &'static str, [first, second]: [&'static str; 2]| {
        // Another change is under way for so long that these two leave together behind it.
        road.cut(Cut::Late(200));
        let mut change = Change::new(1_000);
        change.run(ADD, vec![key(0)]);
        let other = store.clone();
        let under_way = tokio::spawn(async move { other.apply(change).await });
        while !road.was_cut() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let before = road.flights().len();
        let (one, two) = tokio::join!(give(&store, name, first), give(&store, name, second));
        under_way.await.unwrap().unwrap();
        assert_eq!(road.flights()[before].executed, 2, "they left together");
        [one, two]
    };
    // At the commit the first one fails, without the second as well.
    let [doomed, saved] = both("alice", ["doomed", "saved"]).await;
    assert!(doomed.0.is_err(), "{doomed:?}");
    assert!(saved.0.is_ok(), "its conflict was with what is not there: {saved:?}");
    assert_eq!(saved.1.as_deref(), Some("saved"));
    // The twin: one of them has the name, and the other one hears of it when that can be read.
    for name in ["bob", "carol"] {
        let outcomes = both(name, ["first", "second"]).await;
        let winner = usize::from(outcomes[0].0.is_err());
        let (won, lost) = (&outcomes[winner], &outcomes[1 - winner]);
        assert!(won.0.is_ok() && matches!(lost.0, Err(NotApplied::Conflict(0))), "{outcomes:?}");
        assert_eq!(lost.1.as_deref(), Some(["first", "second"][winner]), "{outcomes:?}");
    }
}

/// Two nodes change the same rows in opposite order, and a follower on a third one reads the audit. Nothing is lost, and no entry is missed.
/// Nobody waits for long, and few are told that the server is busy: only a deadlock or somebody who never gets a turn would break these
/// bounds. `SYMBOLON_SOAK` says for how many seconds.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_in_opposite_order_lose_nothing() {
    const LONGEST: Duration = Duration::from_secs(10);
    let Some(_) = postgres() else { return };
    let url = database(Engine::Postgres).await;
    let seconds = soak_s().unwrap_or(3);
    let nodes = [open(&url).await, open(&url).await];
    put(&nodes[0], 0..8).await;
    let until = Instant::now() + Duration::from_secs(seconds);
    let is_over = Arc::new(AtomicBool::new(false));
    let following = tokio::spawn(follow(open(&url).await, Arc::clone(&is_over)));
    let mut running = Vec::new();
    for task in 0..16_u8 {
        let store = nodes[usize::from(task % 2)].clone();
        running.push(tokio::spawn(async move {
            let (mut applied, mut busy, mut longest) = (0_u64, 0_u64, Duration::ZERO);
            while Instant::now() < until {
                let mut change = Change::new(now_ms());
                let numbers = [task / 2 % 8, (task / 2 + 1) % 8];
                let ordered = if task % 2 == 0 { numbers } else { [numbers[1], numbers[0]] };
                for number in ordered {
                    change.run(ADD, vec![key(number)]);
                }
                change.audit(Entry::ok("put"));
                let began = Instant::now();
                match store.apply(change).await {
                    Ok(_) => applied += 1,
                    Err(NotApplied::Busy) => busy += 1,
                    Err(other) => panic!("{other:?}"),
                }
                longest = longest.max(began.elapsed());
            }
            (applied, busy, longest)
        }));
    }
    let (mut applied, mut busy, mut longest) = (0, 0, Duration::ZERO);
    for one in running {
        let one = one.await.unwrap();
        (applied, busy, longest) = (applied + one.0, busy + one.1, longest.max(one.2));
    }
    let mut counted = 0;
    for number in 0..8 {
        counted += count(&nodes[0], number).await;
    }
    assert_eq!(counted, i64::try_from(applied * 2).unwrap());
    assert!(applied > 20, "{applied} changes in {seconds} s");
    assert!(longest < LONGEST, "a change took {longest:?}");
    assert!(busy * 4 <= applied, "{busy} were told that the server is busy, and {applied} changes applied");
    // What the follower waits for: the clocks' leeway.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    is_over.store(true, Ordering::SeqCst);
    let seen = following.await.unwrap();
    assert_eq!(seen, applied, "every entry, once");
}

/// Reads the audit as it grows. Answers how many entries came, each of them once.
async fn follow(store: Store, is_over: Arc<AtomicBool>) -> u64 {
    let mut cursor = Cursor::at(0);
    let mut seen = BTreeSet::new();
    loop {
        let is_last = is_over.load(Ordering::SeqCst);
        let settled_ms = store.settled_before(now_ms()).await.unwrap();
        loop {
            let (found, more) = cursor.next(&store, &Filter::default(), Some(settled_ms)).await.unwrap();
            for (id, _) in found {
                assert!(seen.insert(id), "an entry came twice");
            }
            if !more {
                break;
            }
        }
        if is_last {
            return seen.len() as u64;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The connection dies at each byte of the answer. What was committed is said to be applied, and is there once.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_anywhere_is_resolved() {
    let Some(base) = postgres() else { return };
    let (road, url) = Road::to(&base, &database(Engine::Postgres).await).await;
    let store = open(&url).await;
    put(&store, 0..2).await;
    let change = |number: u8| {
        let mut change = Change::new(1_000);
        change.run(ADD, vec![key(number)]);
        change.audit(Entry::ok("put"));
        change
    };
    // Prepared on a new connection and on one that knows the statements: two shapes of the answer, of at most 200 bytes.
    for bytes in 0..200 {
        road.cut(Cut::AfterBytes(bytes));
        let outcome = store.apply(change(0)).await;
        assert!(outcome.is_ok(), "after {bytes} bytes: {outcome:?}");
        assert!(road.was_cut());
        // Where the whole answer came through, the end of the connection is behind it, and takes a moment.
        tokio::time::sleep(Duration::from_millis(3)).await;
        if bytes % 2 == 0 {
            store.apply(change(1)).await.unwrap();
        }
    }
    assert_eq!((count(&store, 0).await, count(&store, 1).await), (200, 100));
    for how in [Cut::Before, Cut::Within] {
        road.cut(how);
        let outcome = store.apply(change(0)).await;
        assert!(matches!(outcome, Err(NotApplied::Unknown)), "{how:?}: {outcome:?}");
    }
    assert_eq!(count(&store, 0).await, 200, "what did not arrive was not done");
}

/// The same for a group: every member hears what became of it, and all hear the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_answer_breaks_off_is_resolved_for_each_member() {
    const MEMBERS: u8 = 8;
    const TOGETHER: &str = "SELECT count(DISTINCT xmin::text) AS used FROM attempt WHERE key <> $1";
    let Some(base) = postgres() else { return };
    let (road, url) = Road::to(&base, &database(Engine::Postgres).await).await;
    let store = Store::open(&url, StoreOptions { connections: 2, ..StoreOptions::default() }).await.unwrap();
    put(&store, 0..=MEMBERS).await;
    let add = |number: u8| {
        let mut change = Change::new(1_000);
        change.run(ADD, vec![key(number)]);
        change.audit(Entry::ok("put"));
        let store = store.clone();
        tokio::spawn(async move { store.apply(change).await })
    };
    let mut applied = 0;
    let (step, where_it_breaks) =
        if soak_s().is_some() { (1, "every byte") } else { (41, "every 41st byte; with SYMBOLON_SOAK it is every one") };
    println!("the answer of a group breaks off at {where_it_breaks}");
    for how in (0..1_500).step_by(step).map(Cut::AfterBytes).chain([Cut::Before, Cut::Within]) {
        // This one is under way for so long that the others leave together.
        road.cut(Cut::Late(40));
        let first = add(0);
        while !road.was_cut() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        road.cut(how);
        let members: Vec<_> = (1..=MEMBERS).map(add).collect();
        first.await.unwrap().unwrap();
        let mut outcomes = Vec::new();
        for member in members {
            outcomes.push(member.await.unwrap());
        }
        assert!(road.was_cut(), "{how:?}");
        if matches!(how, Cut::AfterBytes(_)) {
            assert!(outcomes.iter().all(Result::is_ok), "{how:?}: {outcomes:?}");
            let together = store.one(TOGETHER, &[key(0)]).await.unwrap().unwrap().int("used").unwrap();
            assert_eq!(together, 1, "{how:?}: the members left in one transaction");
            applied += 1;
        } else {
            assert!(outcomes.iter().all(|it| matches!(it, Err(NotApplied::Unknown))), "{how:?}: {outcomes:?}");
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for number in 1..=MEMBERS {
        assert_eq!(count(&store, number).await, applied, "{number}");
    }
}

/// Whoever gives up waiting neither cancels what was sent nor leaves a connection that answers the next one with the wrong rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up_disturbs_nobody() {
    let Some(_) = postgres() else { return };
    let store = open(&database(Engine::Postgres).await).await;
    put(&store, 0..3).await;
    for round in 0..200_u64 {
        let _ =
            tokio::time::timeout(Duration::from_micros(round * 5), store.one("SELECT until_ms AS used FROM attempt LIMIT 1", &[])).await;
        let mut change = Change::new(1_000);
        change.run(ADD, vec![key(1)]);
        let _ = tokio::time::timeout(Duration::from_micros(round * 5), store.apply(change)).await;
        assert_eq!(count(&store, 0).await, 0, "round {round}");
    }
    let mut last = Change::new(1_000);
    last.run(ADD, vec![key(1)]);
    store.apply(last).await.unwrap();
    let added = count(&store, 1).await;
    assert!((1..=201).contains(&added), "{added}");
}

/// Reads that wait for the only connection leave together. Each gets its own rows, the one that fails fails alone, and whoever gives up
/// disturbs nobody.
#[tokio::test(flavor = "multi_thread")]
async fn reads_that_leave_together_do_not_decide_for_each_other() {
    const OWN: &str = "SELECT key FROM attempt WHERE key = $1";
    const SHARE: &str = "SELECT 1 / used AS share FROM attempt WHERE key = $1";
    let Some(_) = postgres() else { return };
    let options = StoreOptions { connections: 2, ..StoreOptions::default() };
    let store = Store::open(&database(Engine::Postgres).await, options).await.unwrap();
    put(&store, 0..100).await;
    let mut change = Change::new(1_000);
    change.run(ADD, vec![key(1)]);
    store.apply(change).await.unwrap();
    let share = async |store: Store, number: u8| store.one(SHARE, &[key(number)]).await.map(|row| row.unwrap().int("share").unwrap());
    // The twin: where it can be divided. From now on the connection knows both statements.
    assert_eq!(share(store.clone(), 1).await.unwrap(), 1);
    store.one(OWN, &[key(0)]).await.unwrap();
    for round in 0..10 {
        let mut running = Vec::new();
        for number in 0..100_u8 {
            let store = store.clone();
            running.push(tokio::spawn(async move {
                if number % 9 == 5 {
                    assert!(share(store, number).await.is_err(), "{number}");
                    return;
                }
                let row = store.one(OWN, &[key(number)]).await.unwrap().unwrap();
                assert_eq!(row.bytes("key").unwrap(), [number; 32], "{round}");
            }));
        }
        for (number, running) in running.into_iter().enumerate() {
            if number % 10 == 9 {
                running.abort();
            } else {
                running.await.unwrap();
            }
        }
    }
    assert_eq!(share(store.clone(), 1).await.unwrap(), 1);
}

/// A connection prepares a statement when it sends it for the first time, and never again.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_prepares_a_statement_once() {
    let Some(base) = postgres() else { return };
    let (road, url) = Road::to(&base, &database(Engine::Postgres).await).await;
    let store = open(&url).await;
    let opened = road.flights().len();
    put(&store, 0..40).await;
    for _ in 0..10 {
        let mut running = Vec::new();
        for number in 0..40 {
            let store = store.clone();
            running.push(tokio::spawn(async move {
                let mut change = Change::new(1_000);
                change.run(ADD, vec![key(number)]);
                change.audit(Entry::ok("put"));
                store.apply(change).await.unwrap();
                count(&store, number).await
            }));
        }
        for one in running {
            one.await.unwrap();
        }
    }
    let mut prepared = BTreeSet::new();
    let mut executed = 0;
    for flight in &road.flights()[opened..] {
        executed += flight.executed;
        for text in &flight.prepared {
            assert!(prepared.insert((flight.connection, text.clone())), "connection {} prepares twice: {text}", flight.connection);
        }
    }
    assert!(prepared.iter().any(|(_, text)| text.contains(ADD)), "{prepared:?}");
    assert!(executed >= 10 * prepared.len(), "{executed} statements, {} prepared", prepared.len());
}
