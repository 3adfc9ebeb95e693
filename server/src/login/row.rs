//! The row of a sign-in, and the secret that its browser holds. The secret changes with every answer that moves the sign-in. The one before
//! is good for the same answer once more and for nothing else.

use super::state::State;
use crate::error::{Fault, Result};
use crate::seal::KeyRing;
use crate::store::tables::sign_in::{ADVANCE, INSERT, KEEP, LET_GO, READ, READ_OPEN, TAKE, VOID};
use crate::store::{Change, Expect, Row, Store, Value};
use symbolon_oauth::{base64url, digest};

/// How long a crash keeps a question closed.
const TAKEN_MS: i64 = 30_000;

pub type SignInSecret = [u8; 32];

/// A row as it was read.
pub struct SignInRow {
    pub state: State,
    secret: Vec<u8>,
    secret_before: Vec<u8>,
    answered: Vec<u8>,
    taken_by: Vec<u8>,
    taken_ms: i64,
    life: Life,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    Open,
    Ended,
}

/// What the store has of a sign-in.
pub enum StoredSignIn {
    Nothing,
    /// Its browser ended it by the way. Nothing of it is kept, but that it was begun.
    Void,
    Row(Box<SignInRow>),
}

/// What a browser or an app holds of a sign-in.
#[derive(Clone, Copy)]
pub struct HeldSignIn<'a> {
    pub id: &'a [u8; 16],
    /// Of the sign-in, when its page or step was shown.
    pub version: i64,
    pub secret: &'a [u8],
}

/// What a browser's secret is to a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    Present,
    Before,
    Nothing,
}

impl SignInRow {
    pub fn holds(&self, secret: &[u8]) -> Holds {
        let given = digest::sha256(secret);
        if digest::equal(&given, &self.secret) {
            Holds::Present
        } else if digest::equal(&given, &self.secret_before) {
            Holds::Before
        } else {
            Holds::Nothing
        }
    }

    pub fn life(&self) -> Life {
        self.life
    }

    /// Was this the answer that made the row what it is?
    pub fn was_answered_by(&self, keyring: &KeyRing, answer: &AnswerParts<'_>) -> bool {
        let Some((version, tag)) = self.answered.split_first() else { return false };
        answer.mac_with(keyring, *version).is_some_and(|made| digest::equal(&made, tag))
    }

    /// The secret that the last answer set, for a browser that gave it and did not hear of it.
    pub fn present_secret(&self, keyring: &KeyRing, held: &[u8], holds: Holds) -> std::result::Result<SignInSecret, Fault> {
        if holds == Holds::Present {
            return held.try_into().map_err(|_| Fault::new("a sign-in's secret has 32 bytes"));
        }
        next_secret(keyring, (&self.state.id, self.state.version - 1), held, &self.answered)
    }

    /// Is this answer being judged right now, here or on another node?
    pub fn is_taken(&self, now_ms: i64) -> bool {
        self.taken_ms > now_ms - TAKEN_MS && !self.taken_by.is_empty()
    }

    pub fn is_taken_by(&self, keyring: &KeyRing, answer: &AnswerParts<'_>) -> bool {
        let Some((version, tag)) = self.taken_by.split_first() else { return false };
        answer.mac_with(keyring, *version).is_some_and(|made| digest::equal(&made, tag))
    }
}

/// All that makes an answer the same answer. A MAC names it: a plain digest would be a fast hash of the password in it.
pub struct AnswerParts<'a> {
    pub id: &'a [u8; 16],
    pub version: i64,
    pub action: &'a str,
    pub fields: &'a std::collections::BTreeMap<String, String>,
}

impl AnswerParts<'_> {
    fn mac_with(&self, keyring: &KeyRing, version: u8) -> Option<[u8; 32]> {
        let number = self.version.to_be_bytes();
        let mut parts = vec![&self.id[..], &number[..], self.action.as_bytes()];
        for (name, value) in self.fields {
            parts.extend([name.as_bytes(), value.as_bytes()]);
        }
        keyring.mac_with(version, "answer", &parts)
    }

    /// The MAC under the newest master key, behind its version.
    pub fn mac(&self, keyring: &KeyRing) -> std::result::Result<Vec<u8>, Fault> {
        let version = keyring.newest();
        let tag = self.mac_with(keyring, version).ok_or_else(|| Fault::new("there is no newest master key"))?;
        Ok([&[version], &tag[..]].concat())
    }
}

fn sealed_at(id: &[u8; 16]) -> String {
    format!("sign_in/body/{}", base64url::encode(id))
}

/// The browser's secret after an answer. It is a function of the secret before it, so that the same answer once more gets the same one.
fn next_secret(
    keyring: &KeyRing,
    (id, version): (&[u8; 16], i64),
    before: &[u8],
    answer_mac: &[u8],
) -> std::result::Result<SignInSecret, Fault> {
    let number = version.to_be_bytes();
    let made =
        answer_mac.first().and_then(|key_version| keyring.mac_with(*key_version, "sign-in secret", &[id, &number, before, answer_mac]));
    made.ok_or_else(|| Fault::new("the master key of a sign-in's answer is gone"))
}

/// None: there is none, or it is void.
pub async fn read(store: &Store, keyring: &KeyRing, id: &[u8; 16]) -> Result<Option<SignInRow>> {
    Ok(living(find(store, keyring, id).await?))
}

/// The same, if it is under way: of all others nothing is opened.
pub async fn read_open(store: &Store, keyring: &KeyRing, id: &[u8; 16]) -> Result<Option<SignInRow>> {
    Ok(living(find_by(READ_OPEN, store, keyring, id).await?))
}

/// A start may come again when its sign-in is void.
pub async fn find(store: &Store, keyring: &KeyRing, id: &[u8; 16]) -> Result<StoredSignIn> {
    find_by(READ, store, keyring, id).await
}

fn living(found: StoredSignIn) -> Option<SignInRow> {
    match found {
        StoredSignIn::Row(row) => Some(*row),
        StoredSignIn::Nothing | StoredSignIn::Void => None,
    }
}

async fn find_by(sql: &'static str, store: &Store, keyring: &KeyRing, id: &[u8; 16]) -> Result<StoredSignIn> {
    let Some(row) = store.one(sql, &[Value::from(&id[..])]).await? else { return Ok(StoredSignIn::Nothing) };
    Ok(stored(keyring, id, &row)?)
}

fn stored(keyring: &KeyRing, id: &[u8; 16], row: &Row) -> std::result::Result<StoredSignIn, Fault> {
    let life = match row.text("state")? {
        "open" => Life::Open,
        "ended" => Life::Ended,
        _ => return Ok(StoredSignIn::Void),
    };
    let plain = keyring.open(&sealed_at(id), row.bytes("body")?).ok_or_else(|| Fault::new("a sign-in cannot be opened"))?;
    let mut state: State = serde_json::from_slice(&plain).map_err(|error| Fault::new(format!("a sign-in: {error}")))?;
    state.version = row.int("version")?;
    let bytes = |name: &str| row.bytes(name).map(<[u8]>::to_vec);
    let (secret, secret_before, answered, taken_by) = (bytes("secret")?, bytes("secret_before")?, bytes("answered")?, bytes("taken_by")?);
    let taken_ms = row.int("taken_ms")?;
    Ok(StoredSignIn::Row(Box::new(SignInRow { state, secret, secret_before, answered, taken_by, taken_ms, life })))
}

/// What an answer does to the row, beside its effects.
pub struct Moving<'a> {
    /// The state before the answer.
    pub state: &'a State,
    /// There is a row already.
    pub is_stored: bool,
    /// The browser's secret before the answer.
    pub secret: &'a [u8],
    pub mac: &'a [u8],
}

impl Moving<'_> {
    /// Takes the question for this answer. Conflicts where another answer has it, or the row moved on.
    pub fn take(&self, keyring: &KeyRing, change: &mut Change) -> std::result::Result<(), Fault> {
        let now_ms = change.now_ms();
        if self.is_stored {
            let values = vec![
                Value::from(&self.state.id[..]),
                self.state.version.into(),
                Value::from(self.mac),
                now_ms.into(),
                (now_ms - TAKEN_MS).into(),
            ];
            change.run(TAKE, values);
            return Ok(());
        }
        let sealed = seal(keyring, self.state)?;
        self.insert(change, NextRow { body: sealed, version: 0, secret: digest::sha256(self.secret).to_vec(), before: Vec::new() }, "open");
        Ok(())
    }

    /// Gives the question free again.
    pub fn let_go(&self, change: &mut Change, taken_ms: i64) {
        change.run_expecting(LET_GO, vec![Value::from(&self.state.id[..]), self.state.version.into(), taken_ms.into()], Expect::Any);
    }

    /// Keeps what an answer made known, while it has the question. `state`: at the same version.
    pub fn keep(&self, keyring: &KeyRing, change: &mut Change, state: &State, taken_ms: i64) -> std::result::Result<(), Fault> {
        let body = seal(keyring, state)?;
        change.run(KEEP, vec![Value::from(&self.state.id[..]), self.state.version.into(), Value::from(body), taken_ms.into()]);
        Ok(())
    }

    /// Writes the outcome. `taken_ms`: when this answer took the question; 0: it did not have to.
    pub fn write(&self, keyring: &KeyRing, change: &mut Change, after: &State, taken_ms: i64) -> std::result::Result<usize, Fault> {
        let body = seal(keyring, after)?;
        let secret = digest::sha256(&self.next_secret(keyring)?).to_vec();
        let life = if after.ended().is_some() { "ended" } else { "open" };
        let at = change.len();
        if self.is_stored || taken_ms > 0 {
            change.run(
                ADVANCE,
                vec![
                    Value::from(&self.state.id[..]),
                    self.state.version.into(),
                    taken_ms.into(),
                    Value::from(body),
                    Value::from(secret),
                    Value::from(self.mac),
                    Value::from(&b""[..]),
                    life.into(),
                    (change.now_ms() - TAKEN_MS).into(),
                ],
            );
        } else {
            let before = digest::sha256(self.secret).to_vec();
            self.insert(change, NextRow { body, version: 1, secret, before }, life);
        }
        Ok(at)
    }

    /// The browser's secret after this answer.
    pub fn next_secret(&self, keyring: &KeyRing) -> std::result::Result<SignInSecret, Fault> {
        next_secret(keyring, (&self.state.id, self.state.version), self.secret, self.mac)
    }

    fn insert(&self, change: &mut Change, written: NextRow, life: &str) {
        let is_taken = written.version == 0;
        let (answered, taken_by) = if is_taken { (&b""[..], self.mac) } else { (self.mac, &b""[..]) };
        change.run(
            INSERT,
            vec![
                Value::from(&self.state.id[..]),
                Value::from(written.body),
                written.version.into(),
                Value::from(written.secret),
                Value::from(written.before),
                Value::from(answered),
                Value::from(taken_by),
                if is_taken { change.now_ms() } else { 0 }.into(),
                life.into(),
                self.state.expires_ms.into(),
            ],
        );
    }
}

struct NextRow {
    body: Vec<u8>,
    version: i64,
    secret: Vec<u8>,
    before: Vec<u8>,
}

fn seal(keyring: &KeyRing, state: &State) -> std::result::Result<Vec<u8>, Fault> {
    let plain = serde_json::to_vec(state).map_err(|error| Fault::new(error.to_string()))?;
    keyring.seal(&sealed_at(&state.id), &plain)
}

/// Ends a sign-in that a browser had begun, if the browser proves it. What was typed, proved and learned in it goes.
pub fn void(change: &mut Change, id: &[u8; 16], secret: &[u8]) {
    let named = vec![Value::from(&id[..]), Value::from(&digest::sha256(secret)[..]), Value::from(&b""[..])];
    change.run_expecting(VOID, named, Expect::Any);
}
