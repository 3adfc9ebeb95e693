//! A wallet's answer while it waits for the browser that began. It is sealed, and there is one for each request. It is good for the
//! `response_code` that the wallet was given (OpenID4VP 1.0, 8.2 and 13.3).

use super::judge::CredentialSubject;
use super::trip::Trip;
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::seal::KeyRing;
use crate::store::tables::wallet_answer::{INSERT, READ, VOID};
use crate::store::{Change, Expect, NotApplied, Row, Store, Value};
use serde::{Deserialize, Serialize};
use symbolon_oauth::{base64url, digest};

/// How long it waits.
const LIFETIME_MS: i64 = 10 * 60_000;

/// What came of a request.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum WalletOutcome {
    Known(Box<CredentialSubject>),
    /// The key of a problem, and why.
    Failed(String, String),
}

/// An answer, and what its code is compared with.
pub struct Answered {
    pub outcome: WalletOutcome,
    code: Vec<u8>,
}

impl Answered {
    /// `response_code`: what the wallet is given for it.
    pub fn new(outcome: WalletOutcome, response_code: &str) -> Self {
        Self { outcome, code: digest::sha256(response_code.as_bytes()).to_vec() }
    }

    /// Is it the code that the wallet was given?
    pub fn fits(&self, response_code: &str) -> bool {
        digest::equal(&digest::sha256(response_code.as_bytes()), &self.code)
    }

    /// The two digits that the wallet's device shows. They are a function of the answer, so that nothing more is kept. None: it is void.
    pub fn number(&self, keyring: &KeyRing, trip: &Trip) -> Option<String> {
        let (_, tag) = keyring.mac("wallet number", &[&trip.id, trip.nonce.as_bytes(), &self.code]);
        let drawn = tag.first_chunk::<8>().map(|it| u64::from_be_bytes(*it))?;
        (!self.code.is_empty()).then(|| format!("{:02}", drawn % 100))
    }
}

fn sealed_at(id: &[u8; 16]) -> String {
    format!("wallet answer/{}", base64url::encode(id))
}

/// The code for an answer. It is a function of what was sent, so that a wallet that sends it once more gets the same.
pub fn response_code(keyring: &KeyRing, trip: &Trip, sent: &str) -> String {
    let (_, tag) = keyring.mac("wallet response_code", &[&trip.id, trip.nonce.as_bytes(), sent.as_bytes()]);
    base64url::encode(&tag)
}

/// Keeps an answer, in the change that has its entry in the audit. False: there is another one for this request already.
pub async fn keep(store: &Store, keyring: &KeyRing, trip: &Trip, answered: &Answered, mut change: Change) -> Result<bool> {
    let plain = serde_json::to_vec(&answered.outcome).map_err(|error| Fault::new(error.to_string()))?;
    let sealed = keyring.seal(&sealed_at(&trip.id), &plain)?;
    let until_ms = change.now_ms() + LIFETIME_MS;
    change.run(INSERT, vec![Value::from(&trip.id[..]), Value::from(&answered.code[..]), Value::from(sealed), until_ms.into()]);
    match store.apply(change).await {
        Ok(_) => Ok(true),
        Err(NotApplied::Conflict(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

pub fn read(row: Option<Row>, keyring: &KeyRing, trip: &Trip) -> std::result::Result<Option<Answered>, Fault> {
    let Some(row) = row else { return Ok(None) };
    let plain = keyring.open(&sealed_at(&trip.id), row.bytes("body")?).ok_or_else(|| Fault::new("a wallet's answer cannot be opened"))?;
    let outcome = serde_json::from_slice(&plain).map_err(|error| Fault::new(format!("a wallet's answer: {error}")))?;
    Ok(Some(Answered { outcome, code: row.bytes("code")?.to_vec() }))
}

/// The statement that reads the answer to a request, and its values.
pub fn query(trip: &Trip, now_ms: i64) -> (&'static str, [Value; 2]) {
    (READ, [Value::from(&trip.id[..]), now_ms.into()])
}

/// A code that another browser brought: the presentation counts for nobody any more.
pub async fn void(store: &Store, trip: &Trip, entry: Entry, now_ms: i64) -> Result<()> {
    let mut change = Change::new(now_ms);
    change.run_expecting(VOID, vec![Value::from(&trip.id[..]), Value::from(&b""[..])], Expect::Any);
    change.audit(entry);
    store.apply(change).await?;
    Ok(())
}
