//! What has ended before its time, told by the issuer (its `endings_endpoint`): one request that waits for news, asked again and
//! again. While the issuer cannot be reached, tokens are good until they expire, as they are without this.

use crate::Token;
use crate::issuer::Issuer;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;

const MOST: usize = 200_000;
const NAMES: [&str; 3] = ["sid", "grant_id", "jti"];

/// Names of sessions, grants and tokens that are over, each until the last of its access tokens has expired.
#[derive(Default)]
pub struct Ended(RwLock<HashMap<(&'static str, String), i64>>);

impl Ended {
    pub fn has(&self, token: &Token) -> bool {
        let Ok(known) = self.0.read() else { return false };
        if known.is_empty() {
            return false;
        }
        let grant_id = token.extra.get("grant_id").and_then(Value::as_str);
        let named = [token.sid.as_deref(), grant_id, Some(token.jti.as_str())];
        NAMES.into_iter().zip(named).any(|(name, value)| value.is_some_and(|it| known.contains_key(&(name, it.to_owned()))))
    }

    fn learn(&self, list: &[Value], until_s: i64, now_s: i64) {
        let Ok(mut known) = self.0.write() else { return };
        for one in list {
            for name in NAMES {
                if let Some(value) = one[name].as_str() {
                    known.insert((name, value.to_owned()), until_s);
                }
            }
        }
        if known.len() > MOST {
            known.retain(|_, until_s| *until_s > now_s);
            if known.len() > MOST {
                tracing::warn!(kept = MOST, "more has ended than is kept; the rest is good until it expires");
                let beyond: Vec<_> = known.keys().take(known.len() - MOST).cloned().collect();
                for key in beyond {
                    known.remove(&key);
                }
            }
        }
    }

    fn forget(&self, now_s: i64) {
        if let Ok(mut known) = self.0.write() {
            known.retain(|_, until_s| *until_s > now_s);
        }
    }
}

/// Follows the issuer until nobody holds `ended` any more.
pub async fn follow(issuer: Issuer, ended: Weak<Ended>, clock: crate::Clock) {
    let (mut after_ms, mut pause_s) = (0, 1);
    loop {
        if ended.strong_count() == 0 {
            return;
        }
        match issuer.endings(after_ms, clock()).await {
            Ok(news) => {
                let Some(ended) = ended.upgrade() else { return };
                let now_s = clock();
                let keep_s = news["keep"].as_i64().unwrap_or(3600);
                ended.learn(news["ended"].as_array().map(Vec::as_slice).unwrap_or_default(), now_s + keep_s, now_s);
                ended.forget(now_s);
                after_ms = news["next"].as_i64().unwrap_or(after_ms);
                pause_s = 1;
            }
            Err(why) => {
                tracing::warn!(issuer = issuer.name(), why, "what has ended cannot be followed; tokens are good until they expire");
                tokio::time::sleep(Duration::from_secs(pause_s)).await;
                pause_s = (pause_s * 2).min(30);
            }
        }
    }
}

/// Starts to follow, beside the requests.
pub fn start(issuer: Issuer, clock: crate::Clock) -> Arc<Ended> {
    let ended = Arc::new(Ended::default());
    tokio::spawn(follow(issuer, Arc::downgrade(&ended), clock));
    ended
}
