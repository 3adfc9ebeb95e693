//! Sessions, grants and tokens that ended early. The issuer's `endings_endpoint` lists them: a request to it waits for news, and this file
//! repeats the request for ever. While the issuer cannot be reached, tokens are valid until they expire, as they are without this file.
//! When the issuer or this process has lost a part of the list (a gap), older tokens are introspected one by one.

use crate::Token;
use crate::issuer::Issuer;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;

const MAX_NAMES: usize = 200_000;
const KINDS: [&str; 3] = ["sid", "grant_id", "jti"];

pub struct Ended {
    issuer: Issuer,
    known: RwLock<Known>,
    /// Tokens that were issued up to this second may belong to a session whose end this process missed.
    doubtful_s: AtomicI64,
}

#[derive(Default)]
struct Known {
    /// The sessions, grants and tokens that ended. Each stays here until the last of its access tokens has expired.
    names: HashMap<(&'static str, String), i64>,
    /// Clients whose tokens from before a second ended, and until when that matters.
    clients: HashMap<String, (i64, i64)>,
}

impl Known {
    fn has(&self, token: &Token) -> bool {
        let grant_id = token.extra.get("grant_id").and_then(Value::as_str);
        let named = [token.sid.as_deref(), grant_id, Some(&*token.jti)];
        let is_named =
            KINDS.into_iter().zip(named).any(|(kind, name)| name.is_some_and(|it| self.names.contains_key(&(kind, it.to_owned()))));
        is_named || self.clients.get(&*token.client_id).is_some_and(|it| token.iat < it.0)
    }

    fn forget(&mut self, now_s: i64) {
        self.names.retain(|_, until_s| *until_s > now_s);
        self.clients.retain(|_, it| it.1 > now_s);
    }
}

impl Ended {
    fn new(issuer: Issuer) -> Self {
        Self { issuer, known: RwLock::default(), doubtful_s: AtomicI64::new(i64::MIN) }
    }

    /// Has the token ended, as far as this process knows? `text` is the token itself.
    pub async fn has(&self, token: &Token, text: &str, now_s: i64) -> bool {
        if self.known.read().is_ok_and(|it| it.has(token)) {
            return true;
        }
        // Without an answer, the token is valid until it expires.
        token.iat <= self.doubtful_s.load(Ordering::Relaxed) && matches!(self.issuer.introspect(text, now_s).await, Ok(None))
    }

    fn doubt(&self, why: &'static str, now_s: i64) {
        self.doubtful_s.store(now_s, Ordering::Relaxed);
        tracing::warn!(
            issuer = self.issuer.name(),
            why,
            "the list of endings is incomplete: tokens that were issued until now are introspected"
        );
    }

    fn learn(&self, list: &[Value], until_s: i64, now_s: i64) {
        let Ok(mut known) = self.known.write() else { return };
        for one in list {
            for kind in KINDS {
                if let Some(name) = one[kind].as_str() {
                    known.names.insert((kind, name.to_owned()), until_s);
                }
            }
            if let (Some(client), Some(before_s)) = (one["client_id"].as_str(), one["before"].as_i64()) {
                known.clients.insert(client.to_owned(), (before_s, until_s));
            }
        }
        known.forget(now_s);
        if known.names.len() > MAX_NAMES {
            let beyond: Vec<_> = known.names.keys().take(known.names.len() - MAX_NAMES).cloned().collect();
            for key in beyond {
                known.names.remove(&key);
            }
            self.doubt("more has ended than this process keeps", now_s);
        }
    }
}

/// Follows the issuer until all owners of `ended` are gone.
pub async fn follow(issuer: Issuer, ended: Weak<Ended>, clock: crate::Clock) {
    let (mut after, mut pause_s) = (None, 1);
    loop {
        if ended.strong_count() == 0 {
            return;
        }
        match issuer.endings(after.as_deref(), clock()).await {
            Ok(news) => {
                let Some(ended) = ended.upgrade() else { return };
                let now_s = clock();
                let keep_s = news["keep"].as_i64().unwrap_or(3600);
                ended.learn(news["ended"].as_array().map(Vec::as_slice).unwrap_or_default(), now_s + keep_s, now_s);
                if news["gap"] == true {
                    ended.doubt("the issuer has dropped endings that this API has not read", now_s);
                }
                after = news["next"].as_str().map(str::to_owned);
                pause_s = 1;
            }
            Err(why) => {
                tracing::warn!(issuer = issuer.name(), why, "the list of endings cannot be read; tokens are valid until they expire");
                tokio::time::sleep(Duration::from_secs(pause_s)).await;
                pause_s = (pause_s * 2).min(30);
            }
        }
    }
}

/// Starts to follow the issuer in a task of its own.
pub fn start(issuer: Issuer, clock: crate::Clock) -> Arc<Ended> {
    let ended = Arc::new(Ended::new(issuer.clone()));
    tokio::spawn(follow(issuer, Arc::downgrade(&ended), clock));
    ended
}
