//! What ended before its time: sessions, grants, single access tokens. APIs that check JWTs themselves ask for it (/endings), so
//! that an ended session is refused there within a second. One node reads the store at most three times a second, however
//! many APIs wait; what is kept is bounded by the longest access token's life.

use crate::app::App;
use crate::error::{Fault, Result};
use crate::store::Value;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use symbolon_oauth::base64url;
use tokio::sync::{Mutex, watch};

/// How long a request waits for news.
pub const WAIT: Duration = Duration::from_secs(20);
/// Between two looks at the store.
pub const PAUSE: Duration = Duration::from_millis(300);
/// Commits become visible out of order, and clocks of nodes differ: a look reaches back by this much.
const OVERLAP_MS: i64 = 10_000;
/// Beyond that many the oldest are left out: their tokens are good until they expire.
const MOST: usize = 100_000;

const SESSIONS: &str = "SELECT id, ended_ms FROM session WHERE ended_ms > $1 ORDER BY ended_ms LIMIT 20000";
const GRANTS: &str = "SELECT session, number, ended_ms FROM app_grant WHERE ended_ms > $1 ORDER BY ended_ms LIMIT 20000";
const REVOKED: &str = "SELECT jti, ended_ms FROM revoked WHERE ended_ms > $1 ORDER BY ended_ms LIMIT 20000";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Session([u8; 16]),
    Grant([u8; 16], u32),
    Token(String),
}

/// Lives beyond a reload.
pub struct Endings {
    known: Mutex<Known>,
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct Known {
    /// When it ended; of what was seen later than something that ended after it, or in the same millisecond: just after that,
    /// so that whoever knows the one still hears of the other (621-Q).
    at_ms: BTreeMap<What, i64>,
    /// The latest instant seen, and when the store was last asked.
    latest_ms: i64,
    asked: Option<tokio::time::Instant>,
}

impl Default for Endings {
    fn default() -> Self {
        Self { known: Mutex::default(), closed: watch::Sender::new(false) }
    }
}

impl Endings {
    /// Lets go of everybody who waits: the server stops.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }
}

/// For how long an API has to remember: the life of the longest access token, in milliseconds.
pub fn horizon_ms(app: &App) -> i64 {
    app.config.api.values().map(|it| it.lifetime.0).max().unwrap_or(900).max(900) * 1000
}

/// What ended after `after_ms`, named as this audience's tokens name it, and where to go on.
pub async fn since(app: &App, audience: &str, after_ms: i64, now_ms: i64) -> Result<(Vec<Json>, i64)> {
    let mut known = app.endings.known.lock().await;
    if known.asked.is_none_or(|it| it.elapsed() >= PAUSE) {
        known.ask(app, now_ms).await?;
    }
    let named = |what: &What| match what {
        What::Session(id) => json!({ "sid": crate::sessions::sid(app, audience, id) }),
        What::Grant(session, number) => json!({ "grant_id": grant_id(app, audience, session, *number) }),
        What::Token(jti) => json!({ "jti": jti }),
    };
    let from = after_ms.min(known.latest_ms - OVERLAP_MS);
    let news = known.at_ms.values().any(|it| *it > after_ms);
    let list = if news { known.at_ms.iter().filter(|it| *it.1 > from).map(|it| named(it.0)).collect() } else { Vec::new() };
    Ok((list, known.latest_ms.max(after_ms)))
}

impl Known {
    async fn ask(&mut self, app: &App, now_ms: i64) -> std::result::Result<(), Fault> {
        let oldest = now_ms - horizon_ms(app);
        let from = [Value::from((self.latest_ms - OVERLAP_MS).max(oldest))];
        let id = |it: &[u8]| it.try_into().map_err(|_| Fault::new("a session's id has 16 bytes"));
        let mut found = Vec::new();
        for row in app.store.all(SESSIONS, &from).await? {
            found.push((What::Session(id(row.bytes(0)?)?), row.int(1)?));
        }
        for row in app.store.all(GRANTS, &from).await? {
            let number = u32::try_from(row.int(1)?).map_err(|_| Fault::new("a grant's number is out of range"))?;
            found.push((What::Grant(id(row.bytes(0)?)?, number), row.int(2)?));
        }
        for row in app.store.all(REVOKED, &from).await? {
            found.push((What::Token(row.text(0)?.to_owned()), row.int(1)?));
        }
        let told_ms = self.latest_ms;
        for (what, at_ms) in found {
            let at_ms = *self.at_ms.entry(what).or_insert(at_ms.max(told_ms + 1));
            self.latest_ms = self.latest_ms.max(at_ms);
        }
        self.at_ms.retain(|_, at_ms| *at_ms > oldest);
        if self.at_ms.len() > MOST {
            tracing::warn!(kept = MOST, "more has ended than is kept; tokens of the oldest endings are good until they expire");
            let mut all: Vec<i64> = self.at_ms.values().copied().collect();
            all.sort_unstable();
            let from = all[all.len() - MOST];
            self.at_ms.retain(|_, at_ms| *at_ms > from);
        }
        self.asked = Some(tokio::time::Instant::now());
        Ok(())
    }
}

/// The name of a grant in the tokens of one audience; another one for each, as with `sid`.
pub fn grant_id(app: &App, audience: &str, session: &[u8; 16], number: u32) -> String {
    let (_, tag) = app.keyring.mac("grant_id", &[audience.as_bytes(), session, &number.to_be_bytes()]);
    base64url::encode(&tag[..16])
}
