//! What ended before its time: sessions, grants, single access tokens, and everything of a client before a cut-off. APIs that
//! check JWTs themselves ask for it (/endings), so that an ended session is refused there within a second.
//!
//! Clocks do not order endings: a commit becomes visible late, two fall into one millisecond, a node's clock steps back. So each process
//! numbers what it sees in the order in which it first saw it. A position says up to which number of which process an API has heard. If a
//! process has forgotten something, it says so: `gap`. Time only chooses the rows that are read: often those of a few seconds, now and then
//! all.

use crate::config::Config;
use crate::core::Core;
use crate::error::{Fault, Result};
use crate::seal::KeyRing;
use crate::store::Value;
use crate::store::tables::{app_grant, once, session};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use symbolon_oauth::base64url;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// How long a request waits for news.
pub const WAIT: Duration = Duration::from_secs(20);
/// Between two looks at the store, however many APIs wait.
pub const PAUSE: Duration = Duration::from_millis(300);
/// How far back a look goes.
const OVERLAP_MS: i64 = 10_000;
/// Between two looks at everything that still matters: for commits that were slower, and clocks that are further off.
const DEEP: Duration = Duration::from_secs(10);
/// Beyond that many the oldest are forgotten, and `gap` says so.
const MOST: usize = 100_000;
/// Rows of one question to the store, and endings of one answer.
const PAGE: usize = 20_000;
/// Processes that a position remembers.
const NODES: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EndedItem {
    Session([u8; 16]),
    Grant([u8; 16], u32),
    Token(String),
    /// Everything of this client that was there at that instant.
    Client(String),
}

/// When something ended, by the clock of whoever ended it, and what.
type Ending = (i64, EndedItem);

/// Up to where an API has heard each process, the latest process last. Opaque to the API, which hands it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(Vec<(String, u64)>);

impl Position {
    /// `NODE.NUMBER`, several joined by `~`.
    pub fn parse(text: &str) -> Option<Self> {
        let one = |text: &str| {
            let (node, number) = text.split_once('.')?;
            let named = base64url::decode(node).is_some_and(|it| (1..=16).contains(&it.len()));
            Some((node.to_owned(), number.parse().ok().filter(|_| named)?))
        };
        let all: Vec<_> = text.split('~').take(NODES + 1).map(one).collect::<Option<_>>()?;
        (all.len() <= NODES).then_some(Self(all))
    }

    fn of(&self, node: &str) -> Option<u64> {
        self.0.iter().find(|it| it.0 == node).map(|it| it.1)
    }

    fn at(&self, node: &str, number: u64) -> Self {
        let mut all: Vec<_> = self.0.iter().filter(|it| it.0 != node).cloned().collect();
        let beyond = (all.len() + 1).saturating_sub(NODES);
        all.drain(..beyond);
        all.push((node.to_owned(), number));
        Self(all)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(node, number)| format!("{node}.{number}")).collect();
        f.write_str(&all.join("~"))
    }
}

/// Lives beyond a reload.
pub struct Endings {
    known: Mutex<Memory>,
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct Memory {
    /// The number of each ending, and back.
    numbers: BTreeMap<Ending, u64>,
    order: BTreeMap<u64, Ending>,
    /// The last number given.
    last: u64,
    /// The latest instant seen in the store.
    latest_ms: i64,
    /// What ended up to this instant was forgotten; the last of it had this number.
    floor_ms: i64,
    dropped: u64,
    asked: Option<Instant>,
    asked_all: Option<Instant>,
}

impl Default for Endings {
    fn default() -> Self {
        Self { known: Mutex::default(), closed: watch::Sender::new(false) }
    }
}

impl Endings {
    /// Answers everybody who waits, because the server stops.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }
}

/// For how long an API has to remember: the life of the longest access token, in milliseconds.
pub fn horizon_ms(config: &Config) -> i64 {
    config.api.values().map(|it| it.lifetime.0).max().unwrap_or(900).max(900) * 1000
}

/// An answer to one API.
pub struct News {
    pub ended: Vec<Json>,
    pub next: Position,
    /// Something is missing that the API has not heard: it has to ask about its tokens.
    pub gap: bool,
    /// The API's first word from this process.
    pub first: bool,
}

impl Endings {
    /// What ended after `after`, named as this audience's tokens name it, and where to go on.
    pub async fn since(&self, core: &Core, audience: &str, after: &Position, now_ms: i64) -> Result<News> {
        let mut known = self.known.lock().await;
        if known.asked.is_none_or(|it| it.elapsed() >= PAUSE) {
            known.look(core, now_ms).await?;
        }
        let heard = after.of(&core.node);
        let from = heard.unwrap_or(0);
        let page: Vec<(&u64, &Ending)> = known.order.range(from.saturating_add(1)..).take(PAGE).collect();
        // The end of a full page is where the next one begins.
        let upto = if page.len() < PAGE { known.last.max(from) } else { page.last().map_or(from, |it| *it.0) };
        let ended = page.into_iter().map(|(_, it)| named(core, audience, it)).collect();
        // What was forgotten matters as long as there are tokens from before it ended.
        let gap = from < known.dropped && known.floor_ms > now_ms - horizon_ms(&core.config);
        Ok(News { ended, next: after.at(&core.node, upto), gap, first: heard.is_none() })
    }
}

fn named(core: &Core, audience: &str, (at_ms, what): &Ending) -> Json {
    match what {
        EndedItem::Session(id) => json!({ "sid": crate::sessions::sid(core, audience, id) }),
        EndedItem::Grant(session, number) => json!({ "grant_id": grant_id(&core.keyring, audience, session, *number) }),
        EndedItem::Token(jti) => json!({ "jti": jti }),
        EndedItem::Client(id) => json!({ "client_id": id, "before": cut_s(*at_ms) }),
    }
}

/// A client's tokens whose `iat` is before this second are over.
fn cut_s(before_ms: i64) -> i64 {
    before_ms.div_euclid(1000) + i64::from(before_ms.rem_euclid(1000) > 0)
}

impl Memory {
    async fn look(&mut self, core: &Core, now_ms: i64) -> std::result::Result<(), Fault> {
        let oldest = now_ms - horizon_ms(&core.config);
        let deep = self.asked_all.is_none_or(|it| it.elapsed() >= DEEP);
        // A row of the future must not hide those of the present.
        let recent = self.latest_ms.min(now_ms) - OVERLAP_MS;
        let from = oldest.max(self.floor_ms).max(if deep { i64::MIN } else { recent }) + 1;
        for sql in [session::ENDED_SINCE, app_grant::ENDED_SINCE, once::REVOKED_SINCE, once::CUTOFFS_SINCE] {
            self.read(core, sql, from).await?;
        }
        while let Some(first) = self.numbers.first_entry().filter(|it| it.key().0 <= oldest) {
            self.order.remove(&first.remove());
        }
        let now = Some(Instant::now());
        self.asked = now;
        if deep {
            self.asked_all = now;
        }
        Ok(())
    }

    /// Reads page by page. A page may end inside a millisecond, so the next one begins with that millisecond. If a page holds
    /// nothing else, it is read again, twice as long.
    async fn read(&mut self, core: &Core, sql: &'static str, mut from: i64) -> std::result::Result<(), Fault> {
        let mut limit = PAGE;
        loop {
            let rows = core.store.all(sql, &[from.into(), Value::from(i64::try_from(limit).unwrap_or(i64::MAX))]).await?;
            let mut last_ms = from;
            for row in &rows {
                last_ms = row.int("ended_ms")?;
                let what = match sql {
                    session::ENDED_SINCE => EndedItem::Session(row.array("id")?),
                    app_grant::ENDED_SINCE => {
                        let number = u32::try_from(row.int("number")?).map_err(|_| Fault::new("a grant's number is out of range"))?;
                        EndedItem::Grant(row.array("session")?, number)
                    }
                    once::REVOKED_SINCE => EndedItem::Token(row.text("jti")?.to_owned()),
                    _ => EndedItem::Client(row.text("key")?.to_owned()),
                };
                self.learn((last_ms, what));
            }
            self.forget_oldest();
            if rows.len() < limit {
                return Ok(());
            }
            limit = if last_ms > from { PAGE } else { limit * 2 };
            from = last_ms.max(self.floor_ms + 1);
        }
    }

    fn learn(&mut self, ending: Ending) {
        if ending.0 <= self.floor_ms || self.numbers.contains_key(&ending) {
            return;
        }
        self.latest_ms = self.latest_ms.max(ending.0);
        self.last += 1;
        self.order.insert(self.last, ending.clone());
        self.numbers.insert(ending, self.last);
    }

    /// Forgets the oldest, whole milliseconds at a time, so that an instant tells what is forgotten.
    fn forget_oldest(&mut self) {
        let before = self.numbers.len();
        while let Some(first) = self.numbers.first_entry()
            && (before > MOST && (first.key().0 <= self.floor_ms || self.order.len() > MOST))
        {
            self.floor_ms = first.key().0;
            let number = first.remove();
            self.order.remove(&number);
            self.dropped = self.dropped.max(number);
        }
        let gone = before - self.numbers.len();
        if gone > 0 {
            tracing::warn!(gone, kept = MOST, "more has ended than is kept; APIs that have not heard of it are told that there is a gap");
            metrics::counter!("symbolon_endings_dropped_total").increment(gone as u64);
        }
    }
}

/// The name of a grant in the tokens of one audience; another one for each, as with `sid`.
pub fn grant_id(keyring: &KeyRing, audience: &str, session: &[u8; 16], number: u32) -> String {
    let (_, tag) = keyring.mac("grant_id", &[audience.as_bytes(), session, &number.to_be_bytes()]);
    base64url::encode(&tag[..16])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_position_reads_back_and_remembers_few() {
        let mut position = Position::default();
        for number in 1..=20_u64 {
            let node = base64url::encode(&[u8::try_from(number).unwrap(); 9]);
            position = position.at(&node, number);
            assert_eq!(Position::parse(&position.to_string()), Some(position.clone()));
            assert_eq!(position.of(&node), Some(number));
        }
        assert_eq!(position.0.len(), NODES);
        assert_eq!(position.at(&position.0[0].0, 99).0.len(), NODES);
        let long = ["AAAAAAAAAAAA.1"; NODES + 1].join("~");
        for bad in ["", "x", "-1", "AAAAAAAAAAAA", "AAAAAAAAAAAA.", "AAAAAAAAAAAA.-1", "A.B.1", "AAAAAAAAAAAA.1~", ".1", &long] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }

    /// Numbers follow the order of seeing, not the clock. What is forgotten leaves no hole in the order, and an instant tells what it was.
    #[test]
    fn the_oldest_give_way_and_say_so() {
        let mut known = Memory::default();
        let token = |number: usize| EndedItem::Token(number.to_string());
        for number in 0..MOST {
            known.learn((1_000 + i64::try_from(number / 2).unwrap(), token(number)));
        }
        known.forget_oldest();
        assert_eq!((known.numbers.len(), known.dropped), (MOST, 0));
        known.learn((500, token(MOST)));
        known.learn((500, token(MOST)));
        assert_eq!(known.last, u64::try_from(MOST).unwrap() + 1, "seen late, and once");
        known.forget_oldest();
        assert_eq!((known.floor_ms, known.dropped), (500, known.last));
        known.learn((500, token(MOST + 1)));
        known.learn((9_000_000, token(MOST + 2)));
        known.forget_oldest();
        assert_eq!((known.floor_ms, known.numbers.len(), known.order.len()), (1_000, MOST - 1, MOST - 1), "both of one millisecond");
    }
}
