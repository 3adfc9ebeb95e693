//! Accounts: names people sign in with, password digests, and the pool that computes them.

use crate::audit;
use crate::error::{Fault, Refused, Result};
use crate::store::{Change, Expect, NotApplied, Store, Value};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use symbolon_oauth::base64url;
use tokio::sync::Semaphore;

/// A password is 8 to 256 bytes; the upper end keeps hashing from being an attack on us (581-K).
pub const PASSWORD_MIN: usize = 8;
pub const PASSWORD_MAX: usize = 256;

const INSERT: &str = "INSERT INTO account (id, state, email, email_verified, name, locale, claims, created_ms, sessions_from_ms, attempts, \
    attempts_until_ms, version) VALUES ($1, 'active', $2, $3, $4, $5, $6, $7, 0, 0, 0, 1)";
const NAME: &str = "INSERT INTO login_name (name, account) VALUES ($1, $2)";
const PASSWORD: &str = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) VALUES ($1, 'password', '', $2, $3, 0)";
const SET_PASSWORD: &str = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) VALUES ($1, 'password', '', $2, $3, 0) \
    ON CONFLICT (account, kind, id) DO UPDATE SET secret = excluded.secret, created_ms = excluded.created_ms";
/// Codes that were sent before are void after this (405-U).
const RAISE: &str = "UPDATE account SET version = version + 1 WHERE id = $1";
const PERSON: &str = "SELECT state, email, email_verified, locale FROM account WHERE id = $1";
const SET_EMAIL: &str = "UPDATE account SET email = $2, email_verified = 1, version = version + 1 WHERE id = $1 AND state = 'active'";
const DROP_NAME: &str = "DELETE FROM login_name WHERE name = $1 AND account = $2";
const FIND: &str = "SELECT a.id, a.state, c.secret, a.attempts, a.attempts_until_ms FROM login_name n JOIN account a ON a.id = n.account \
    LEFT JOIN credential c ON c.account = a.id AND c.kind = 'password' AND c.id = '' WHERE n.name = $1";

/// A person to be.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub login_names: Vec<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
    pub locale: Option<String>,
    pub claims: Map<String, Json>,
    pub password: Option<String>,
}

/// A person as the login machine needs them.
pub struct Found {
    pub id: String,
    pub active: bool,
    /// argon2id in PHC form.
    pub password: Option<String>,
    pub attempts: i64,
    pub attempts_until_ms: i64,
}

/// What the machine needs of an account beside its password.
#[derive(Debug, Default, Clone)]
pub struct Person {
    pub active: bool,
    /// The address, if it is proved.
    pub email: Option<String>,
    pub any_email: Option<String>,
    pub locale: Option<String>,
}

pub async fn person(store: &Store, account: &str) -> Result<Option<Person>> {
    let Some(row) = store.one(PERSON, &[account.into()]).await? else { return Ok(None) };
    let any_email = row.opt_text(1)?.map(str::to_owned);
    Ok(Some(Person {
        active: row.text(0)? == "active",
        email: any_email.clone().filter(|_| row.int(2).is_ok_and(|it| it == 1)),
        any_email,
        locale: row.opt_text(3)?.map(str::to_owned),
    }))
}

/// An address mail can be sent to and a person can sign in with, as typed but for its edges. RFC 5321 4.1.2, without comments,
/// quotes and address literals.
pub fn email_address(text: &str) -> Option<String> {
    let text = text.trim_matches(' ');
    let (name, domain) = text.rsplit_once('@')?;
    let plain = !name.is_empty() && domain.contains('.') && !text.contains(['"', '<', '>', '(', ')', ',', ';', '[', ']']);
    (plain && text.is_ascii() && canonical(text).is_some() && text.parse::<lettre::Address>().is_ok()).then(|| text.to_owned())
}

pub fn is_good_password(password: &str) -> bool {
    (PASSWORD_MIN..=PASSWORD_MAX).contains(&password.len())
}

/// One spelling for one person: trimmed, lower case, and nothing in it that looks like something else or like nothing
/// (415-U, 416-U, 417-U). `None`: no name that anybody can have.
pub fn canonical(name: &str) -> Option<String> {
    let name = name.trim_matches(' ').to_lowercase();
    let plain = |it: char| it.is_ascii_graphic() || (it.is_alphanumeric() && !"\u{131}\u{212a}\u{17f}".contains(it));
    let composed = !name.chars().any(|it| ('\u{300}'..='\u{36f}').contains(&it));
    let one_at = name.matches('@').count() <= 1;
    let ok = !name.is_empty() && name.len() <= 200 && name.chars().all(plain) && composed && one_at && !name.ends_with('.');
    ok.then_some(name)
}

/// Creates a person; answers the account's id, which is the `sub` of tokens and never used again.
pub async fn create(store: &Store, hashers: &Hashers, new: NewAccount, now_ms: i64) -> Result<String> {
    let digest = match &new.password {
        Some(password) => Some(hashers.hash(password).await?),
        None => None,
    };
    let (id, change) = prepare(new, digest, now_ms)?;
    match store.apply(change).await {
        Ok(_) => Ok(id),
        Err(NotApplied::Conflict(_)) => {
            Err(Refused::bad_request("invalid_request", "Somebody has that login name or e-mail address already.").into())
        }
        Err(other) => Err(other.into()),
    }
}

/// The change that makes a person, whose password is hashed already.
pub fn prepare(new: NewAccount, digest: Option<String>, now_ms: i64) -> Result<(String, Change)> {
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    let id = base64url::encode(&crate::seal::random::<16>()?);
    let mut names = Vec::new();
    for name in new.login_names.iter().chain(&new.email) {
        let name = canonical(name).ok_or_else(|| invalid("A login name is a plain word or an e-mail address in normal characters."))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut change = Change::new(now_ms);
    let claims = Json::Object(new.claims).to_string();
    change.run(
        INSERT,
        vec![
            id.as_str().into(),
            new.email.into(),
            new.email_verified.into(),
            new.name.into(),
            new.locale.into(),
            claims.into(),
            now_ms.into(),
        ],
    );
    for name in names {
        change.run(NAME, vec![name.into(), id.as_str().into()]);
    }
    if let Some(digest) = digest {
        change.run(PASSWORD, vec![id.as_str().into(), Value::from(digest.into_bytes()), now_ms.into()]);
    }
    change.audit(audit::Entry::ok("account_created").account(id.as_str()));
    Ok((id, change))
}

/// Another address, proved: it becomes a login name, the old one stops being one.
pub fn set_email(change: &mut Change, account: &str, old: Option<&str>, new: &str) {
    change.run(SET_EMAIL, vec![account.into(), new.into()]);
    let (old, name) = (old.and_then(canonical), canonical(new).unwrap_or_default());
    if old.as_deref() == Some(&name) {
        return;
    }
    if let Some(old) = old {
        change.run_expecting(DROP_NAME, vec![old.into(), account.into()], Expect::Any);
    }
    change.run(NAME, vec![name.into(), account.into()]);
}

pub async fn find_by_login_name(store: &Store, name: &str) -> Result<Option<Found>> {
    let Some(name) = canonical(name) else { return Ok(None) };
    let Some(row) = store.one(FIND, &[name.into()]).await? else { return Ok(None) };
    let password = match row.bytes(2) {
        Ok(it) => String::from_utf8(it.to_vec()).ok(),
        Err(_) => None,
    };
    Ok(Some(Found {
        id: row.text(0)?.to_owned(),
        active: row.text(1)? == "active",
        password,
        attempts: row.int(3)?,
        attempts_until_ms: row.int(4)?,
    }))
}

/// Adds a new password to `change`; the caller decides what else it ends.
pub fn set_password(change: &mut Change, account: &str, digest: String) {
    let now_ms = change.now_ms();
    change.run(RAISE, vec![account.into()]);
    change.run(SET_PASSWORD, vec![account.into(), Value::from(digest.into_bytes()), now_ms.into()]);
}

/// argon2id on a bounded pool: as many at once as there are cores, a short queue behind them, and a clear "busy" beyond
/// (580-K). It runs apart from the threads that serve, so that tokens flow while passwords are guessed.
#[derive(Clone)]
pub struct Hashers {
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Hashers {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { cores: Arc::new(Semaphore::new(cores)), queue: Arc::new(Semaphore::new(cores * 16)) }
    }
}

impl Hashers {
    async fn on_pool<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = || Refused::new(503, "temporarily_unavailable", "Too many people are signing in; try again.").retry_after(2);
        let waiting = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| busy().because("the hashing queue is full"))?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(|_| busy())?;
        // The work holds its own places: a caller who goes away does not stop it, and must not make room for more (616-Q).
        let work = move || {
            let _places = (waiting, core);
            work()
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(|it| Fault::new(it.to_string()))?)
    }

    pub async fn hash(&self, password: &str) -> Result<String> {
        if !is_good_password(password) {
            return Err(Refused::bad_request("invalid_request", "A password has 8 to 256 characters.").into());
        }
        let password = password.to_owned();
        Ok(self.on_pool(move || hash_password_blocking(&password)).await??)
    }

    /// Compares with the stored form; without one it works as long and says no, so that time tells nothing (300-H).
    pub async fn verify(&self, stored: Option<&str>, password: &str) -> Result<bool> {
        if password.len() > PASSWORD_MAX {
            return Ok(false);
        }
        let (stored, password) = (stored.map(str::to_owned), password.to_owned());
        self.on_pool(move || {
            let known = stored.is_some();
            let phc = stored.unwrap_or_else(|| DUMMY.to_owned());
            let fits = PasswordHash::new(&phc).is_ok_and(|it| Argon2::default().verify_password(password.as_bytes(), &it).is_ok());
            fits && known
        })
        .await
    }

    /// A client's or an API's secret against its digest in the configuration.
    pub async fn verify_secret(&self, stored: &str, secret: &str) -> Result<bool> {
        self.verify(Some(stored), secret).await
    }
}

/// The digest of a password nobody has, in the parameters of all others.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3ltYm9sb24tZHVtbXkhIQ$Zq9sVwq3Ycz6mVbV9yQkqk0i8mH6l4pY2vKzM3bqZ8E";

/// argon2id with the crate's defaults (19 MiB, two passes), which are OWASP's; 20 ms or so.
pub fn hash_password_blocking(password: &str) -> std::result::Result<String, Fault> {
    let salt = crate::seal::random::<16>()?;
    let digest: argon2::password_hash::phc::PasswordHash =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map_err(|it| Fault::new(format!("argon2: {it}")))?;
    Ok(digest.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 415-U, 416-U, 417-U
    #[test]
    fn one_person_one_spelling() {
        for same in ["Alice", "alice", " ALICE "] {
            assert_eq!(canonical(same).as_deref(), Some("alice"));
        }
        for bad in [
            "",
            "al\u{200b}ice",
            "m\u{131}ke",
            "\u{212a}ate\u{17f}",
            "e\u{301}",
            "a b",
            "user@evil@allowed",
            "a\u{202e}b",
            "alice.",
            "a\nb",
        ] {
            assert_eq!(canonical(bad).filter(|it| it != "kates"), None, "{bad:?}");
        }
        assert!(canonical("\u{e9}mile@example.com").is_some());
    }

    #[test]
    fn an_address_is_plain() {
        for good in ["alice@example.com", " Alice.B+x@mail.example.com "] {
            assert_eq!(email_address(good).as_deref(), Some(good.trim()));
        }
        for bad in [
            "",
            "alice",
            "@example.com",
            "a@b",
            "a@@example.com",
            "a b@example.com",
            "a@example.com\r\nBcc: b@x.y",
            "\"a\"@example.com",
            "a@[127.0.0.1]",
            "a,b@example.com",
            "m\u{131}ke@example.com",
            "a@example.com.",
        ] {
            assert_eq!(email_address(bad), None, "{bad:?}");
        }
    }

    /// 616-Q, 580-K: callers who go away while their password is hashed make no room for more than there are cores.
    #[tokio::test(flavor = "multi_thread")]
    async fn who_goes_away_keeps_the_place_until_the_work_is_done() {
        let hashers = Hashers::default();
        let all = hashers.cores.available_permits();
        let abandoned = tokio::spawn({
            let hashers = hashers.clone();
            async move { hashers.on_pool(|| std::thread::sleep(std::time::Duration::from_millis(400))).await.is_ok() }
        });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        abandoned.abort();
        assert!(abandoned.await.is_err());
        assert_eq!(hashers.cores.available_permits(), all - 1, "the work goes on");
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        assert_eq!(hashers.cores.available_permits(), all, "and ends");
        assert!(hashers.on_pool(|| true).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_fits_its_digest_only() {
        let hashers = Hashers::default();
        let digest = hashers.hash("correct horse").await.unwrap();
        assert!(hashers.verify(Some(&digest), "correct horse").await.unwrap());
        assert!(!hashers.verify(Some(&digest), "wrong horse").await.unwrap());
        assert!(!hashers.verify(None, "correct horse").await.unwrap());
        assert!(PasswordHash::new(DUMMY).is_ok(), "nobody's password takes as long to check as somebody's");
        assert!(hashers.hash("short").await.is_err());
        assert!(hashers.hash(&"x".repeat(257)).await.is_err());
    }
}
