//! A provider that has another issuer than before, or this server another client_id there. Links rest on both: the issuer is in their key,
//! and some providers number their people anew for each client. So the start is refused, until `formerly` says what became of the people.

use crate::audit::Entry;
use crate::config::Config;
use crate::config::upstream::{Subjects, Upstream};
use crate::error::Fault;
use crate::login::deletion::unlink;
use crate::store::tables::fact::{READ, WRITE};
use crate::store::tables::{outside_identity, provider_session};
use crate::store::{Change, Expect, Store};
use serde::{Deserialize, Serialize};

/// Links that one change deletes.
const BATCH: i64 = 200;

/// What the store knows of a provider by its name in the configuration.
#[derive(Serialize, Deserialize, PartialEq, Eq, Debug)]
struct Called {
    issuer: String,
    client_id: String,
    /// Behind the keys of its links.
    key_issuer: String,
    key_client_id: String,
}

impl Called {
    fn of(settings: &Upstream) -> Self {
        let (key_issuer, key_client_id) = settings.keyed_by();
        let [issuer, client_id, key_issuer, key_client_id] =
            [settings.issuer.as_str(), &settings.client_id, key_issuer, key_client_id].map(str::to_owned);
        Self { issuer, client_id, key_issuer, key_client_id }
    }

    fn has_same_keys(&self, other: &Self) -> bool {
        (&self.key_issuer, &self.key_client_id) == (&other.key_issuer, &other.key_client_id)
    }
}

fn fact(name: &str) -> String {
    format!("upstream {name}")
}

fn method(name: &str) -> String {
    format!("upstream:{name}")
}

async fn before(store: &Store, name: &str) -> Result<Option<Called>, Fault> {
    let Some(row) = store.one(READ, &[fact(name).into()]).await? else { return Ok(None) };
    let called = serde_json::from_str(row.text("value")?).map_err(|it| Fault::new(format!("what the provider {name} was called: {it}")))?;
    Ok(Some(called))
}

/// Why the configuration cannot be in force: links would lead nowhere, or to somebody else.
pub async fn must_be_named(config: &Config, store: &Store) -> Result<(), Fault> {
    for (name, settings) in &config.upstream {
        let now = Called::of(settings);
        match before(store, name).await? {
            Some(before) if before.has_same_keys(&now) || leaves_behind(settings, &before) => {}
            Some(before) => must_have_no_links(store, name, &before).await?,
            // Links of a version that wrote nothing down.
            None => {
                for row in store.all(outside_identity::ISSUERS_OF, &[method(name).into()]).await? {
                    let issuer = row.text("issuer")?;
                    if !settings.is_keyed_by(issuer) {
                        return Err(refused(name, &format!("the issuer {issuer:?}")));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The operator says that the people of before are others.
fn leaves_behind(settings: &Upstream, before: &Called) -> bool {
    let own = (settings.issuer.as_str(), settings.client_id.as_str());
    let is_named = |formerly: &crate::config::upstream::Formerly| {
        formerly.subjects == Subjects::Other && formerly.or(own) == (before.key_issuer.as_str(), before.key_client_id.as_str())
    };
    settings.formerly.as_ref().is_some_and(is_named)
}

async fn must_have_no_links(store: &Store, name: &str, before: &Called) -> Result<(), Fault> {
    match store.one(outside_identity::OF_METHOD, &[method(name).into(), 1.into()]).await? {
        None => Ok(()),
        Some(_) => Err(refused(name, &format!("the issuer {:?} and the client_id {:?}", before.key_issuer, before.key_client_id))),
    }
}

fn refused(name: &str, known_by: &str) -> Fault {
    Fault::new(format!(
        "[upstream.{name}] has links of people who are known by {known_by}. Write them into `formerly`, with subjects = \"same\" if people kept \
         their subjects, or with subjects = \"other\" if the links shall be deleted. A provider of other people needs another name"
    ))
}

/// Carries out what `formerly` says, and writes down what the providers are called now.
pub async fn settle(config: &Config, store: &Store, now_ms: i64) -> Result<(), Fault> {
    for (name, settings) in &config.upstream {
        let (before, now) = (before(store, name).await?, Called::of(settings));
        if before.as_ref() == Some(&now) {
            continue;
        }
        let is_left = before.as_ref().is_some_and(|before| !before.has_same_keys(&now) && leaves_behind(settings, before));
        let dropped = if is_left { drop_links(store, name, now_ms).await? } else { 0 };
        let mut change = Change::new(now_ms);
        let text = serde_json::to_string(&now).map_err(|it| Fault::new(it.to_string()))?;
        change.run_expecting(WRITE, vec![fact(name).into(), text.into()], Expect::Any);
        if let Some(before) = before {
            let entry = Entry::ok("provider_moved").with("provider", name.as_str()).with("issuer", before.issuer);
            change.audit(entry.with("client_id", before.client_id).with("links", dropped));
        }
        apply(store, change).await?;
    }
    Ok(())
}

/// With what rests on them. Answers how many there were.
async fn drop_links(store: &Store, name: &str, now_ms: i64) -> Result<usize, Fault> {
    let mut dropped = 0;
    loop {
        let rows = store.all(outside_identity::OF_METHOD, &[method(name).into(), BATCH.into()]).await?;
        if rows.is_empty() {
            return Ok(dropped);
        }
        let mut change = Change::new(now_ms);
        for row in &rows {
            let (identity, account) = (row.text("name")?, row.text("account")?);
            unlink(&mut change, account, identity, Expect::Any);
            change.run_expecting(provider_session::UNLINK, vec![identity.into(), account.into()], Expect::Any);
        }
        apply(store, change).await?;
        dropped += rows.len();
    }
}

async fn apply(store: &Store, change: Change) -> Result<(), Fault> {
    store.apply(change).await.map(|_| ()).map_err(|it| it.into_fault("noting that a provider has moved"))
}
