//! The changes of a node that wait, and which of them may leave together.

use super::super::change::{ApplyResult, Draft, Statement};
use super::super::ids::UnderWay;
use super::super::value::Value;
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// A group is at most this many changes, and this many bytes of values.
const MOST_CHANGES: usize = 32;
const MOST_BYTES: usize = 256 * 1024;
/// How far the queue is searched for changes that may go together.
const LOOK_AHEAD: usize = 256;
/// A value of so many bytes is the key of a row: session, sign-in, what was spent.
const KEY_LENGTH: usize = 12;
/// So many keys of changes that conflicted are remembered.
const MOST_LOST: usize = 1024;

pub(super) struct QueuedChange {
    pub draft: Draft,
    pub keys: Vec<u64>,
    /// Another change with one of its keys conflicted just before: a budget that is used up, a proof that was seen. It goes alone, because
    /// a conflict inside a group costs the others a flight.
    pub may_lose: bool,
    bytes: usize,
    pub answer: oneshot::Sender<ApplyResult>,
    /// Holds the audit's horizon back until this change is decided.
    _under_way: UnderWay,
}

impl QueuedChange {
    pub fn new(draft: Draft, under_way: UnderWay) -> (Self, oneshot::Receiver<ApplyResult>) {
        let (answer, outcome) = oneshot::channel();
        let keys = keys(draft.own_statements());
        let bytes = draft.statements().iter().flat_map(|statement| &statement.values).map(size).sum();
        (Self { draft, keys, may_lose: false, bytes, answer, _under_way: under_way }, outcome)
    }

    pub fn goes_alone(&self) -> bool {
        self.draft.goes_alone() || self.bytes > MOST_BYTES
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Int(_) | Value::Null => 8,
    }
}

/// What a change may have in common with another one: the keys of its rows. Too many cost a little time, one too few costs a wait for a
/// lock inside PostgreSQL. Neither changes an outcome.
fn keys(statements: &[Statement]) -> Vec<u64> {
    let mut keys: Vec<u64> = Vec::new();
    let mut add = |bytes: &[u8]| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        keys.push(hasher.finish());
    };
    for statement in statements {
        for value in &statement.values {
            match value {
                Value::Bytes(bytes) if bytes.len() >= KEY_LENGTH => add(bytes),
                _ => {}
            }
        }
        for number in text_keys(statement.sql) {
            if let Some(Value::Text(text)) = statement.values.get(number) {
                add(text.as_bytes());
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Which values name an account or a client whose rows an UPDATE, a DELETE or a lock may wait for. A passkey is its account's. An INSERT names
/// a client that many sign-ins have in common, and waits for none of them.
fn text_keys(sql: &'static str) -> impl Iterator<Item = usize> {
    let (head, condition) = sql.split_once(" WHERE ").filter(|(head, _)| !head.starts_with("INSERT")).unwrap_or_default();
    const NAMES_ID: [&str; 5] =
        ["UPDATE account ", "UPDATE client ", "DELETE FROM account", "DELETE FROM client", "SELECT 1 AS one FROM account"];
    let names_id = NAMES_ID.iter().any(|it| head.starts_with(it));
    let own = names_id.then(|| condition.strip_prefix("id = $")).flatten();
    let others = condition.match_indices("account = $").map(|(at, found)| &condition[at + found.len()..]);
    own.into_iter().chain(others).filter_map(number_of)
}

/// `2 AND ...` is the second value.
fn number_of(rest: &str) -> Option<usize> {
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse::<usize>().ok()?.checked_sub(1)
}

/// The keys of changes that conflicted, newest last.
#[derive(Default)]
struct Lost {
    order: VecDeque<u64>,
    keys: HashSet<u64>,
}

impl Lost {
    fn add(&mut self, keys: &[u64]) {
        for key in keys {
            if self.keys.insert(*key) {
                self.order.push_back(*key);
            }
        }
        while self.order.len() > MOST_LOST {
            if let Some(key) = self.order.pop_front() {
                self.keys.remove(&key);
            }
        }
    }
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<QueuedChange>,
    /// Keys of the changes under way on this node.
    held: HashSet<u64>,
    lost: Lost,
    is_closed: bool,
    /// Groups under way that take long.
    slow: usize,
}

impl QueueState {
    /// The first writer cannot carry all of it alone.
    fn wants_help(&self) -> bool {
        self.slow > 0 || self.is_closed || self.waiting.len() >= MOST_CHANGES
    }

    /// The changes that may go together now, in order. A change that has to wait keeps its place before others with its keys.
    fn take_group(&mut self) -> Vec<QueuedChange> {
        let (mut group, mut bytes, mut at) = (Vec::new(), 0, 0);
        let mut blocked: HashSet<u64> = HashSet::new();
        while at < self.waiting.len().min(LOOK_AHEAD) && group.len() < MOST_CHANGES {
            let candidate = &self.waiting[at];
            let is_free = candidate.keys.iter().all(|key| !self.held.contains(key) && !blocked.contains(key));
            if !is_free || (!group.is_empty() && bytes + candidate.bytes > MOST_BYTES) {
                blocked.extend(&candidate.keys);
                at += 1;
                continue;
            }
            let Some(mut taken) = self.waiting.remove(at) else { break };
            taken.may_lose = taken.keys.iter().any(|key| self.lost.keys.contains(key));
            bytes += taken.bytes;
            self.held.extend(&taken.keys);
            group.push(taken);
        }
        // In one order everywhere, so that two groups do not wait for each other.
        group.sort_by(|one, other| one.keys.cmp(&other.keys));
        group
    }
}

pub(super) struct Queue {
    line: Mutex<QueueState>,
    /// Wakes the first writer.
    bell: Notify,
    /// Wakes the second one.
    help: Notify,
    most: usize,
}

/// While it lives, the second writer helps.
pub(super) struct Slow<'a>(&'a Queue);

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        self.0.line().slow -= 1;
    }
}

impl Queue {
    pub fn new(most: usize) -> Self {
        Self { line: Mutex::default(), bell: Notify::new(), help: Notify::new(), most }
    }

    fn line(&self) -> MutexGuard<'_, QueueState> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the change back where the queue is full.
    pub fn push(&self, waiting: QueuedChange) -> Result<(), QueuedChange> {
        let mut line = self.line();
        if line.waiting.len() >= self.most {
            return Err(waiting);
        }
        line.waiting.push_back(waiting);
        self.ring(&line);
        Ok(())
    }

    fn ring(&self, line: &QueueState) {
        self.bell.notify_one();
        if line.wants_help() {
            self.help.notify_one();
        }
    }

    /// A group takes long: until the answer is dropped the second writer takes what waits.
    pub fn is_slow(&self) -> Slow<'_> {
        let mut line = self.line();
        line.slow += 1;
        self.ring(&line);
        Slow(self)
    }

    /// None: the store is closed and nothing waits. `helps`: the second writer asks. It leaves changes to the first one as long as that one
    /// gets on, because large groups cost PostgreSQL less.
    pub async fn next_group(&self, helps: bool) -> Option<Vec<QueuedChange>> {
        let bell = if helps { &self.help } else { &self.bell };
        loop {
            {
                let mut line = self.line();
                let group = if !helps || line.wants_help() { line.take_group() } else { Vec::new() };
                if !group.is_empty() {
                    if !line.waiting.is_empty() {
                        self.ring(&line);
                    }
                    return Some(group);
                }
                if line.is_closed && line.waiting.is_empty() {
                    return None;
                }
            }
            bell.notified().await;
        }
    }

    /// These keys are free again. `has_lost`: their change conflicted.
    pub fn release(&self, keys: &[u64], has_lost: bool) {
        let mut line = self.line();
        for key in keys {
            line.held.remove(key);
        }
        if has_lost {
            line.lost.add(keys);
        }
        if !line.waiting.is_empty() {
            self.ring(&line);
        }
    }

    pub fn close(&self) {
        let mut line = self.line();
        line.is_closed = true;
        self.ring(&line);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::super::change::Change;
    use super::super::super::ids::Ids;
    use super::*;
    use std::sync::Arc;

    fn waiting(ids: &Arc<Ids>, keys: &[u8]) -> QueuedChange {
        let mut change = Change::new(1);
        for key in keys {
            change.run("UPDATE x SET y = 1 WHERE id = $1", vec![Value::from(&[*key; 16][..])]);
        }
        QueuedChange::new(change.into_draft(), ids.begin(1)).0
    }

    fn lengths(line: &mut QueueState) -> Vec<usize> {
        std::iter::from_fn(|| Some(line.take_group().len()).filter(|length| *length > 0)).collect()
    }

    /// Two changes of one row never go together, and a later one does not overtake.
    #[test]
    fn a_group_has_no_row_twice() {
        let ids = Arc::new(Ids::new().unwrap());
        let mut line = QueueState::default();
        line.waiting.extend([&[1][..], &[2], &[1, 3], &[3], &[4]].map(|keys| waiting(&ids, keys)));
        let group = line.take_group();
        assert_eq!(group.len(), 3, "1, 2 and 4: the third waits for 1, the fourth for the third");
        assert!(line.take_group().is_empty());
        line.held.clear();
        assert_eq!(lengths(&mut line), [1]);
        line.held.clear();
        assert_eq!(lengths(&mut line), [1]);
        assert!(line.waiting.is_empty());
    }

    /// What shares a key with a change that conflicted goes alone. Everything else leaves together.
    #[test]
    fn who_lost_just_before_goes_alone() {
        let ids = Arc::new(Ids::new().unwrap());
        let queue = Queue::new(100);
        let taken = |keys: &[u8]| {
            assert!(queue.push(waiting(&ids, keys)).is_ok());
            queue.line().take_group().pop().unwrap()
        };
        let (winner, loser) = (taken(&[1]), taken(&[2]));
        assert!(!winner.may_lose && !loser.may_lose);
        queue.release(&winner.keys, false);
        queue.release(&loser.keys, true);
        assert!(!taken(&[1]).may_lose);
        assert!(taken(&[2, 3]).may_lose);
        for key in 0..=MOST_LOST {
            queue.release(&[key as u64], true);
        }
        let lost = &queue.line().lost;
        assert_eq!((lost.order.len(), lost.keys.len()), (MOST_LOST, MOST_LOST), "what was lost long ago is forgotten");
        assert!(!lost.keys.contains(&loser.keys[0]));
    }

    /// The second writer leaves all to the first one, until a whole group waits or a flight takes long.
    #[tokio::test]
    async fn the_second_writer_helps_where_one_is_not_enough() {
        let ids = Arc::new(Ids::new().unwrap());
        let queue = Queue::new(100);
        let asked = async |helps: bool| {
            let next = tokio::time::timeout(std::time::Duration::from_millis(20), queue.next_group(helps)).await;
            next.map_or(0, |group| group.unwrap().len())
        };
        let push = |keys: std::ops::Range<u8>| keys.for_each(|key| assert!(queue.push(waiting(&ids, &[key])).is_ok()));
        push(0..3);
        assert_eq!((asked(true).await, asked(false).await), (0, 3));
        push(3..3 + MOST_CHANGES as u8);
        assert_eq!(asked(true).await, MOST_CHANGES, "a whole group");
        push(100..103);
        let slow = queue.is_slow();
        assert_eq!(asked(true).await, 3, "the first one is slow");
        push(103..104);
        drop(slow);
        assert_eq!((asked(true).await, asked(false).await), (0, 1));
        queue.close();
        assert!(queue.next_group(true).await.is_none() && queue.next_group(false).await.is_none());
    }

    /// Accounts and clients have names, not bytes. Only a statement that may wait for their rows names them.
    #[test]
    fn rows_of_people_and_clients_are_keys() {
        use super::super::super::tables::{account, app_grant, client, passkey};
        let numbers = |sql| text_keys(sql).collect::<Vec<_>>();
        assert_eq!(numbers(account::HOLD), [0]);
        assert_eq!(numbers(account::DROP_NAME), [1]);
        assert_eq!(numbers(account::SPEND_CODE), [0]);
        assert_eq!(numbers(passkey::USE), [2]);
        assert_eq!(numbers(client::KEEP_KEYS), [0]);
        for sql in [account::INSERT, account::ADD_NAME, app_grant::INSERT, passkey::ADD] {
            assert!(numbers(sql).is_empty(), "{sql}");
        }
    }

    #[test]
    fn a_group_is_bounded() {
        let ids = Arc::new(Ids::new().unwrap());
        let mut line = QueueState::default();
        line.waiting.extend((0..100).map(|key| waiting(&ids, &[key])));
        assert_eq!(lengths(&mut line), [32, 32, 32, 4]);
        let large = |key: u8| {
            let mut change = Change::new(1);
            change.run("INSERT INTO x (id, y) VALUES ($1, $2)", vec![Value::from(&[key; 16][..]), "y".repeat(100_000).into()]);
            QueuedChange::new(change.into_draft(), ids.begin(1)).0
        };
        line.held.clear();
        line.waiting.extend((0..5).map(large));
        assert_eq!(lengths(&mut line), [2, 2, 1]);
    }
}
