//! The status list of Android's attestation keys, as this server holds it. It is fetched from Google every hour, or read from a file that
//! the operator keeps. Without a list that is young enough no Android chain is accepted.

use crate::config::{Config, StatusListSource};
use crate::core::Core;
use crate::outgoing::{Outgoing, RemoteResponse, Target};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use symbolon_attest::status_list::{self, MAX_BYTES, Status, StatusList};

const EVERY_S: i64 = 3600;
/// After a failure.
const AGAIN_S: i64 = 60;
const WITHIN: Duration = Duration::from_secs(20);

/// Lives beyond a reload.
#[derive(Default)]
pub struct CurrentList(RwLock<Option<Arc<StatusList>>>);

impl CurrentList {
    fn now(&self) -> Option<Arc<StatusList>> {
        self.0.read().ok()?.clone()
    }
}

/// The list as one request sees it.
pub struct Listed {
    list: Option<Arc<StatusList>>,
    needed: bool,
    max_age_s: i64,
}

impl Listed {
    pub fn now(current: &CurrentList, config: &Config) -> Self {
        Self {
            list: current.now(),
            needed: config.attestation.status_source(config.development).is_some(),
            max_age_s: config.attestation.status_max_age.0,
        }
    }

    /// What is said of a certificate; what `own` (`revoked_serials`) names is refused in any case.
    pub fn of(&self, serial: &str, own: &[String], now_s: i64) -> Option<Status> {
        if own.iter().any(|it| status_list::written(it).as_deref() == Some(serial)) {
            return Some(Status::Revoked);
        }
        match &self.list {
            _ if !self.needed => None,
            Some(list) => list.at(now_s, self.max_age_s)(serial),
            None => Some(Status::Stale),
        }
    }
}

/// Is there any client that needs the list?
fn is_wanted(config: &Config) -> bool {
    config.client.values().any(|client| client.attestation.as_ref().is_some_and(|it| it.android.is_some()))
}

/// One turn of the background work; answers when the next is due.
pub async fn refresh(current: &CurrentList, core: &Core) -> Duration {
    let Some(source) = core.config.attestation.status_source(core.config.development).filter(|_| is_wanted(&core.config)) else {
        return Duration::from_secs(60);
    };
    let now_s = core.now_ms() / 1000;
    if current.now().is_some_and(|it| it.age_s(now_s) < EVERY_S) && matches!(source, StatusListSource::Url(_)) {
        return Duration::from_secs(60);
    }
    let read = match &source {
        StatusListSource::Url(url) => fetch(&core.outgoing, url).await.map(|it| (it, now_s)),
        StatusListSource::File(path) => file(&core.base.join(path)),
    };
    let parsed = read.and_then(|(bytes, at_s)| StatusList::parse(&bytes, at_s).map_err(|it| it.0.to_owned()));
    match parsed {
        Ok(list) => {
            tracing::debug!(entries = list.len(), "the status list of attestation keys was read");
            if let Ok(mut slot) = current.0.write() {
                *slot = Some(Arc::new(list));
            }
            Duration::from_secs(60)
        }
        Err(why) => {
            tracing::error!(why, "the status list of attestation keys cannot be read; without one that is young enough Android is refused");
            Duration::from_secs(AGAIN_S.unsigned_abs())
        }
    }
}

/// The bytes, and when somebody fetched them: the file's own time.
fn file(path: &std::path::Path) -> Result<(Vec<u8>, i64), String> {
    let named = |it: std::io::Error| format!("{}: {it}", path.display());
    let about = std::fs::metadata(path).map_err(named)?;
    if about.len() > MAX_BYTES as u64 {
        return Err(format!("{}: larger than {MAX_BYTES} bytes", path.display()));
    }
    let changed = about.modified().map_err(named)?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok((std::fs::read(path).map_err(named)?, i64::try_from(changed.as_secs()).unwrap_or(0)))
}

async fn fetch(outgoing: &Outgoing, url: &str) -> Result<Vec<u8>, String> {
    let call = outgoing.get(&Target::of_operator(url)?).at_most(MAX_BYTES).within(WITHIN);
    match call.send().await.map_err(|it| format!("{url}: {it}"))? {
        RemoteResponse { status: 200, body, .. } => Ok(body),
        RemoteResponse { status, .. } => Err(format!("{url} answered {status}")),
    }
}
