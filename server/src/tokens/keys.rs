//! The keys that sign tokens. They are made here, sealed in the store, published before they sign, and retired after their last token.
//! Several nodes share them through the store. RFC 7517; OpenID Connect Core 10.1.1.

use super::seen::VerifiedSigners;
use crate::audit;
use crate::error::{Fault, Result};
use crate::seal::KeyRing;
use crate::store::tables::signing_key;
use crate::store::{Change, Expect, Row, Store, Value};
use serde_json::{Map, Value as Json, json};
use std::sync::{Arc, RwLock};
use symbolon_oauth::jwk::{Algorithm, KeySet, PrivateKey};
use symbolon_oauth::jws::{JwsError, Unverified};

/// How keys come and go. All in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// How long one key signs.
    pub signs_ms: i64,
    /// How long before it signs a key is published, so that every cache of the key set knows it.
    pub ahead_ms: i64,
    /// How long after its last signature a key stays published: the longest life of what it signs, plus leeway.
    pub after_ms: i64,
    /// How long a key is kept after that, so that ID tokens of living sessions are still known as ours.
    pub kept_ms: i64,
}

#[derive(Clone)]
struct SigningKey {
    key: PrivateKey,
    signs_from_ms: i64,
    signs_until_ms: i64,
    published_until_ms: i64,
}

/// The key set of this issuer as this node knows it; `refresh` reads it again.
#[derive(Clone)]
pub struct Keys {
    known: Arc<RwLock<Arc<Vec<SigningKey>>>>,
    /// What `verifiers` answers until the instant beside it: reading keys costs as much as a signature.
    verifying: Arc<RwLock<Option<(i64, Arc<KeySet>)>>>,
    /// Tokens of ours that were verified before.
    seen: Arc<VerifiedSigners>,
}

/// By how much clocks of nodes may differ.
const CLOCKS_MS: i64 = 300_000;

/// Where keys are kept, and what seals them.
#[derive(Clone, Copy)]
pub struct KeyStore<'a> {
    pub store: &'a Store,
    pub keyring: &'a KeyRing,
}

impl Keys {
    /// Reads the keys, and makes those that are missing or due.
    pub async fn open(kept: KeyStore<'_>, algorithms: &[Algorithm], schedule: Schedule, now_ms: i64) -> Result<Self> {
        let keys = Self { known: Arc::new(RwLock::new(Arc::new(Vec::new()))), verifying: Arc::default(), seen: Arc::default() };
        keys.refresh(kept, algorithms, schedule, now_ms).await?;
        Ok(keys)
    }

    /// Reads the keys again; makes the next one where the newest is about to end.
    pub async fn refresh(&self, kept: KeyStore<'_>, algorithms: &[Algorithm], schedule: Schedule, now_ms: i64) -> Result<()> {
        let mut known = read(kept).await?;
        // Nobody has cached the key set of a store without keys. So the first key signs at once, also at nodes whose clocks are behind
        // (620-Q).
        let first_ms = if known.is_empty() { now_ms - CLOCKS_MS } else { now_ms + schedule.ahead_ms };
        for alg in algorithms {
            let newest = known.iter().filter(|it| it.key.algorithm() == *alg).map(|it| it.signs_until_ms).max();
            let signs_from_ms = match newest {
                None => first_ms,
                Some(end) if end <= now_ms => now_ms - CLOCKS_MS,
                Some(end) if end - now_ms <= schedule.ahead_ms => end,
                Some(_) => continue,
            };
            known.push(make(kept, *alg, signs_from_ms, schedule, now_ms).await?);
        }
        if let Ok(mut slot) = self.known.write() {
            *slot = Arc::new(known);
        }
        if let Ok(mut kept) = self.verifying.write() {
            *kept = None;
        }
        Ok(())
    }

    fn known(&self) -> Arc<Vec<SigningKey>> {
        self.known.read().map(|it| Arc::clone(&it)).unwrap_or_default()
    }

    /// The key that signs now: the newest one whose time has come. A server that was started with a new algorithm has only one key of it,
    /// whose time will come. It takes that one.
    pub fn signer(&self, alg: Algorithm, now_ms: i64) -> std::result::Result<PrivateKey, Fault> {
        let known = self.known();
        let mut of_alg = known.iter().filter(|it| it.key.algorithm() == alg && now_ms < it.signs_until_ms);
        let ready = of_alg
            .clone()
            .filter(|it| it.signs_from_ms <= now_ms)
            .max_by(|one, other| (one.signs_from_ms, one.key.kid()).cmp(&(other.signs_from_ms, other.key.kid())));
        ready
            .or_else(|| of_alg.find(|it| it.signs_from_ms < it.signs_until_ms))
            .map(|it| it.key.clone())
            .ok_or_else(|| Fault::new(format!("no {} key signs at this instant", alg.as_str())))
    }

    /// When an algorithm's first key will have been published long enough for every cache to know it. `None`: that was so before.
    pub fn ready_ms(&self, alg: Algorithm, now_ms: i64) -> Option<i64> {
        let known = self.known();
        let of_alg = known.iter().filter(|it| it.key.algorithm() == alg && now_ms < it.signs_until_ms);
        of_alg.map(|it| it.signs_from_ms).min().filter(|it| *it > now_ms)
    }

    /// The published set as a document (public members only).
    pub fn document(&self, now_ms: i64) -> Json {
        let keys: Vec<Json> = self
            .published(now_ms)
            .into_iter()
            .map(|key| {
                let mut jwk = key.public().to_jwk();
                if let Some(members) = jwk.as_object_mut() {
                    members.insert("kid".into(), key.kid().into());
                    members.insert("alg".into(), key.algorithm().as_str().into());
                    members.insert("use".into(), "sig".into());
                }
                jwk
            })
            .collect();
        json!({ "keys": keys })
    }

    /// The keys with which a token of ours may be verified now.
    pub fn verifiers(&self, now_ms: i64) -> Arc<KeySet> {
        if let Ok(kept) = self.verifying.read()
            && let Some((until_ms, set)) = kept.as_ref()
            && now_ms < *until_ms
        {
            return Arc::clone(set);
        }
        let set = Arc::new(KeySet::parse(&self.document(now_ms)).unwrap_or_else(|_| KeySet { keys: Vec::new() }));
        let until_ms = self.known().iter().map(|it| it.published_until_ms).filter(|it| now_ms < *it).min().unwrap_or(now_ms);
        if let Ok(mut kept) = self.verifying.write() {
            *kept = Some((until_ms, Arc::clone(&set)));
        }
        set
    }

    /// The claims of a token of ours. A signature that was verified before costs a look-up.
    pub fn verified(&self, text: &str, unverified: Unverified<'_>, now_ms: i64) -> std::result::Result<Map<String, Json>, JwsError> {
        self.seen.verified(text, unverified, &self.verifiers(now_ms))
    }

    /// The keys by which an ID token is known as ours, also those that were replaced. It opens nothing: it names a session or a person.
    pub fn hint_verifiers(&self) -> KeySet {
        KeySet { keys: self.known().iter().map(|known| known.key.public().clone()).collect() }
    }

    fn published(&self, now_ms: i64) -> Vec<PrivateKey> {
        self.known().iter().filter(|it| now_ms < it.published_until_ms).map(|it| it.key.clone()).collect()
    }
}

async fn read(kept: KeyStore<'_>) -> Result<Vec<SigningKey>> {
    let mut keys = Vec::new();
    for row in kept.store.all(signing_key::ALL, &[]).await? {
        keys.push(from_row(&row, kept.keyring)?);
    }
    Ok(keys)
}

fn from_row(row: &Row, keyring: &KeyRing) -> std::result::Result<SigningKey, Fault> {
    let (kid, alg) = (row.text("kid")?, row.text("alg")?);
    let alg = Algorithm::parse(alg).ok_or_else(|| Fault::new(format!("signing key {kid} has an unknown algorithm")))?;
    let pkcs8 = keyring
        .open(&sealed_at(kid), row.bytes("private")?)
        .ok_or_else(|| Fault::new(format!("signing key {kid} cannot be opened: the master key is not the one this store was made with")))?;
    let key = PrivateKey::from_pkcs8(alg, &pkcs8).map_err(|_| Fault::new(format!("signing key {kid} is damaged")))?;
    Ok(SigningKey {
        key,
        signs_from_ms: row.int("signs_from_ms")?,
        signs_until_ms: row.int("signs_until_ms")?,
        published_until_ms: row.int("published_until_ms")?,
    })
}

pub fn sealed_at(kid: &str) -> String {
    format!("signing_key/private/{kid}")
}

async fn make(kept: KeyStore<'_>, alg: Algorithm, signs_from_ms: i64, schedule: Schedule, now_ms: i64) -> Result<SigningKey> {
    let key = tokio::task::spawn_blocking(move || PrivateKey::generate(alg))
        .await
        .map_err(|it| Fault::new(it.to_string()))?
        .map_err(|_| Fault::new("a signing key could not be generated"))?;
    let made = SigningKey {
        signs_from_ms,
        signs_until_ms: signs_from_ms + schedule.signs_ms,
        published_until_ms: signs_from_ms + schedule.signs_ms + schedule.after_ms,
        key,
    };
    let mut change = Change::new(now_ms);
    insert(&mut change, kept.keyring, &made)?;
    change.run_expecting(signing_key::DELETE_PAST, vec![Value::Int(now_ms - schedule.kept_ms)], Expect::Any);
    change.audit(audit::Entry::ok("key_created").with("kid", made.key.kid()).with("alg", alg.as_str()));
    kept.store.apply(change).await.map_err(crate::error::Error::from)?;
    Ok(made)
}

fn insert(change: &mut Change, keyring: &KeyRing, made: &SigningKey) -> Result<()> {
    let kid = made.key.kid().to_owned();
    let sealed = keyring.seal(&sealed_at(&kid), made.key.to_pkcs8())?;
    let now_ms = change.now_ms();
    change.run(
        signing_key::INSERT,
        vec![
            Value::from(kid.as_str()),
            Value::from(made.key.algorithm().as_str()),
            Value::from(sealed),
            Value::from(made.key.public().to_jwk().to_string()),
            Value::from(now_ms),
            Value::from(made.signs_from_ms),
            Value::from(made.signs_until_ms),
            Value::from(made.published_until_ms),
        ],
    );
    Ok(())
}

/// The next key, and the change that brings it in.
pub struct Rotation {
    pub kid: String,
    pub signs_from_ms: i64,
    pub change: Change,
}

/// A rotation: the next key is published now and signs after `ahead_ms`; the present one signs until then. With `at_once` a key is known to
/// be stolen. The new one signs immediately, and the old ones leave the key set.
pub fn prepare_rotation(keyring: &KeyRing, alg: Algorithm, schedule: Schedule, at_once: bool, now_ms: i64) -> Result<Rotation> {
    let from_ms = if at_once { now_ms } else { now_ms + schedule.ahead_ms };
    let key = PrivateKey::generate(alg).map_err(|_| Fault::new("a signing key could not be generated"))?;
    let kid = key.kid().to_owned();
    let mut change = Change::new(now_ms);
    match at_once {
        true => change.run_expecting(signing_key::WITHDRAW, vec![alg.as_str().into(), now_ms.into()], Expect::Any),
        false => change.run_expecting(
            signing_key::SHORTEN,
            vec![alg.as_str().into(), from_ms.into(), (from_ms + schedule.after_ms).into()],
            Expect::Any,
        ),
    }
    let made = SigningKey {
        key,
        signs_from_ms: from_ms,
        signs_until_ms: from_ms + schedule.signs_ms,
        published_until_ms: from_ms + schedule.signs_ms + schedule.after_ms,
    };
    insert(&mut change, keyring, &made)?;
    let at = if at_once { "now" } else { "later" };
    change.audit(audit::Entry::ok("key_rotated").with("kid", kid.as_str()).with("signs", at));
    Ok(Rotation { kid, signs_from_ms: from_ms, change })
}
