//! Accounts: names people sign in with, password digests, and the pool that computes them.

use super::breached::{Breached, Unfit};
use super::enrolment::Waiting;
pub use super::names::{canonical, former_spelling};
use super::passkeys::RegisteredPasskey;
use super::proof::MethodName;
pub use super::proof::link_key;
use crate::audit;
use crate::error::{Fault, Refused, Result};
use crate::login::imported;
use crate::pool::Pool;
use crate::sessions::ending;
use crate::store::tables::account::{
    ADD_NAME, ADD_PASSWORD, DROP_NAME, HOLD, INSERT, RAISE, REHASH, SESSIONS_FROM, SET_EMAIL, SET_PASSWORD, STANDS,
};
use crate::store::tables::{outside_identity, passkey};
use crate::store::{Change, Expect, NotApplied, Row, Store, Value};
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use symbolon_oauth::base64url;
use unicode_normalization::UnicodeNormalization;

/// Characters of a password, as it is prepared for its digest (NIST SP 800-63B 3.1.1.2).
pub const PASSWORD_MIN: usize = 8;
/// Its bytes in UTF-8, both as typed and as prepared: this keeps hashing from being an attack on us (581-K).
pub const PASSWORD_MAX: usize = 256;

/// A person to be.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    pub login_names: Vec<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
    pub locale: Option<String>,
    pub claims: Map<String, Json>,
    pub password: Option<String>,
}

/// An account as a sign-in needs it.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub id: String,
    pub active: bool,
    pub version: i64,
    /// argon2id in PHC form, or another system's digest until the next sign-in (`imported`).
    pub password: Option<String>,
    /// The address, if it is proved.
    pub email: Option<String>,
    pub any_email: Option<String>,
    pub locale: Option<String>,
    /// Since when there is an authenticator.
    pub totp_from_ms: Option<i64>,
    /// What the store knows the unused recovery codes by.
    pub recovery: Vec<String>,
    /// How many login names lead to it.
    pub names: usize,
    /// As other people see it.
    pub name: Option<String>,
    /// One of those that lead to it.
    pub login_name: Option<String>,
    /// Those that the person can sign in with: of the present RP ID, and of a kind that is accepted.
    pub passkeys: Vec<RegisteredPasskey>,
    /// Of another RP ID, or of a kind that the configuration refuses. They stay until they are removed.
    pub former_passkeys: Vec<RegisteredPasskey>,
    /// The user handle of all its passkeys, once there was one.
    pub passkey_handle: Option<String>,
    /// The person does not want to be offered one.
    pub passkeys_declined: bool,
    /// Identities at providers and in wallets, and names of plug-ins.
    pub links: Vec<Link>,
    /// Means that nobody has confirmed yet.
    pub waiting: Vec<Waiting>,
    /// The address before one that waits to be confirmed.
    pub former_email: Option<String>,
}

impl Account {
    /// Where the person hears what happens to the account: at the proved address, and at the one before it until that one is confirmed.
    pub fn told_at(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for address in self.email.iter().chain(&self.former_email) {
            if found.iter().all(|known| !known.eq_ignore_ascii_case(address)) {
                found.push(address);
            }
        }
        found
    }

    /// Those that nobody can sign in with too.
    pub fn all_passkeys(&self) -> impl Iterator<Item = &RegisteredPasskey> {
        self.passkeys.iter().chain(&self.former_passkeys)
    }

    /// The configuration refuses these, by their public names.
    pub(super) fn refuse_passkeys(&mut self, refused: &[String]) {
        let is_refused = |known: &RegisteredPasskey| refused.contains(&known.public_id());
        let (gone, kept) = std::mem::take(&mut self.passkeys).into_iter().partition(is_refused);
        self.passkeys = kept;
        self.former_passkeys.extend::<Vec<RegisteredPasskey>>(gone);
        for known in &mut self.former_passkeys {
            known.is_refused = is_refused(known);
        }
    }

    /// Nobody can sign in to it by anything of its own. A proved address does not count: an operator wrote it.
    pub fn has_no_means(&self) -> bool {
        let has_passkeys = self.all_passkeys().next().is_some();
        self.password.is_none() && self.totp_from_ms.is_none() && !has_passkeys && self.links.is_empty() && self.recovery.is_empty()
    }

    /// Recovery codes were made with an authenticator or with passkeys. Without either they are of no use.
    pub fn has_codes(&self) -> bool {
        !self.recovery.is_empty() && self.may_have_codes()
    }

    pub fn may_have_codes(&self) -> bool {
        self.totp_from_ms.is_some() || !self.passkeys.is_empty()
    }

    pub fn remove_passkey(&mut self, public_id: &str) {
        self.passkeys.retain(|known| known.public_id() != public_id);
        self.former_passkeys.retain(|known| known.public_id() != public_id);
        if !self.may_have_codes() {
            self.recovery.clear();
        }
    }

    /// The account as it would be without this link.
    pub fn without_link(&self, key: &str) -> Self {
        let mut without = self.clone();
        without.links.retain(|link| link.key() != key);
        without
    }
}

/// An identity at a provider that leads to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The method by which it was last used.
    pub method: String,
    pub issuer: String,
    pub subject: String,
    /// What the provider says: JSON of `upstream::ProviderProfile`.
    pub said: String,
    /// The claims that it shows: JSON, or nothing.
    pub shows: String,
    pub created_ms: i64,
    pub used_ms: i64,
    /// The methods that let its person in, by the present configuration. Several entries may be of one issuer.
    pub lets_in_by: Vec<MethodName>,
}

impl Link {
    /// Does it let its person in by this method?
    pub fn is_by(&self, method: &str) -> bool {
        self.lets_in_by.iter().any(|by| by.as_str() == method)
    }

    pub fn key(&self) -> String {
        link_key(&self.issuer, &self.subject)
    }
}

/// The account that an identity is linked to.
pub async fn linked(store: &Store, issuer: &str, subject: &str) -> std::result::Result<Option<String>, Fault> {
    let row = store.one(outside_identity::FIND, &[issuer.into(), subject.into()]).await?;
    row.map(|row| row.text("account").map(str::to_owned)).transpose()
}

/// The account of these rows, without its links: [`super::reading`] adds them. `rp_id`: asked only of an account that has passkeys.
pub(super) fn from_rows(rows: &[Row], rp_id: impl FnOnce() -> String) -> std::result::Result<Option<Account>, Fault> {
    let Some(row) = rows.first() else { return Ok(None) };
    let any_email = row.opt_text("email")?.map(str::to_owned);
    let is_proved = row.int("email_verified")? == 1;
    // No name has a space (`canonical`).
    let login_names = row.opt_text("login_names")?.unwrap_or_default().split(' ').filter(|name| !name.is_empty());
    let passkeys = RegisteredPasskey::read(row.opt_text("passkeys")?.unwrap_or_default());
    let rp_id = if passkeys.is_empty() { String::new() } else { rp_id() };
    let (passkeys, former_passkeys) = passkeys.into_iter().partition(|known| known.rp_id == rp_id);
    let mut found = Account {
        id: row.text("id")?.to_owned(),
        active: row.text("state")? == "active",
        version: row.int("version")?,
        password: row.bytes("secret").ok().and_then(|secret| String::from_utf8(secret.to_vec()).ok()),
        email: any_email.clone().filter(|_| is_proved),
        any_email,
        locale: row.opt_text("locale")?.map(str::to_owned),
        totp_from_ms: None,
        recovery: Vec::new(),
        links: Vec::new(),
        waiting: Waiting::read_all(row.opt_text("waiting")?.unwrap_or_default())?,
        former_email: row.opt_text("former_email")?.map(str::to_owned),
        names: login_names.clone().count(),
        name: row.opt_text("name")?.map(str::to_owned),
        login_name: login_names.min().map(str::to_owned),
        passkeys,
        former_passkeys,
        passkey_handle: row.opt_text("passkey_handle")?.map(str::to_owned),
        passkeys_declined: row.opt_int("passkey_declined_ms")?.unwrap_or(0) > 0,
    };
    for row in rows {
        match row.opt_text("factor")? {
            Some("totp") => found.totp_from_ms = Some(row.int("factor_ms")?),
            Some("recovery") => found.recovery.push(row.text("factor_id")?.to_owned()),
            _ => {}
        }
    }
    Ok(Some(found))
}

/// An address mail can be sent to and a person can sign in with, as typed but for its edges. RFC 5321 4.1.2, without comments,
/// quotes and address literals.
pub fn email_address(text: &str) -> Option<String> {
    let text = text.trim_matches(' ');
    let (name, domain) = text.rsplit_once('@')?;
    let plain = !name.is_empty() && domain.contains('.') && !text.contains(['"', '<', '>', '(', ')', ',', ';', '[', ']']);
    (plain && text.is_ascii() && canonical(text).is_some() && text.parse::<lettre::Address>().is_ok()).then(|| text.to_owned())
}

/// The mailbox that an address leads to, as limits count it: many servers deliver `name+anything@` to `name@`.
pub fn mailbox(address: &str) -> String {
    let address = address.trim().to_lowercase();
    match address.rsplit_once('@') {
        Some((name, domain)) => format!("{}@{}", name.split('+').next().unwrap_or_default(), domain.trim_end_matches('.')),
        None => address,
    }
}

pub fn is_good_password(password: &str) -> bool {
    unfit_length(password).is_none()
}

fn unfit_length(password: &str) -> Option<Unfit> {
    let prepared = prepared(password);
    if prepared.len() > PASSWORD_MAX || password.len() > PASSWORD_MAX {
        return Some(Unfit::Long);
    }
    (prepared.chars().count() < PASSWORD_MIN).then_some(Unfit::Short)
}

/// One form of a password, however a keyboard composes its letters and spaces. RFC 8265 4.2.2.
fn prepared(password: &str) -> String {
    password.chars().map(|letter| if letter.is_whitespace() && !letter.is_control() { ' ' } else { letter }).nfc().collect()
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
    let id = new_id()?;
    let mut change = Change::new(now_ms);
    insert(&mut change, &id, new, digest)?;
    Ok((id, change))
}

/// The id of an account to be: the `sub` of tokens, never used again.
pub fn new_id() -> std::result::Result<String, Fault> {
    Ok(base64url::encode(&crate::seal::random::<16>()?))
}

/// Adds the statements that make a person, whose password is hashed already. Answers where the names begin: a conflict from there
/// on means that somebody has one of them.
pub fn insert(change: &mut Change, id: &str, new: NewAccount, digest: Option<String>) -> Result<usize> {
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    let now_ms = change.now_ms();
    let mut names = Vec::new();
    for name in new.login_names.iter().chain(&new.email) {
        let name = canonical(name).ok_or_else(|| invalid("A login name is a plain word or an e-mail address in normal characters."))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let claims = Json::Object(new.claims).to_string();
    change.run(
        INSERT,
        vec![id.into(), new.email.into(), new.email_verified.into(), new.name.into(), new.locale.into(), claims.into(), now_ms.into()],
    );
    let first_name = change.len();
    for name in names {
        change.run(ADD_NAME, vec![name.into(), id.into()]);
    }
    if let Some(digest) = digest {
        change.run(ADD_PASSWORD, vec![id.into(), Value::from(digest.into_bytes()), now_ms.into()]);
    }
    change.audit(audit::Entry::ok("account_created").account(id));
    Ok(first_name)
}

/// Another address, proved: it becomes a login name, the old one stops being one. The code that proved it has raised the version.
/// `kept`: an address that stays a login name until the new one is confirmed.
pub fn set_email(change: &mut Change, account: &str, (old, kept): (Option<&str>, Option<&str>), new: &str) {
    let now_ms = change.now_ms();
    change.run(SET_EMAIL, vec![account.into(), new.into(), now_ms.into()]);
    let (old, kept, name) = (old.and_then(canonical), kept.and_then(canonical), canonical(new).unwrap_or_default());
    if old.as_deref() == Some(&name) {
        return;
    }
    if let Some(old) = old.filter(|old| kept.as_ref() != Some(old)) {
        drop_name(change, account, &old);
    }
    if kept.as_deref() != Some(&name) {
        change.run(ADD_NAME, vec![name.into(), account.into()]);
    }
}

/// The address is no login name of the account any more.
pub fn drop_name(change: &mut Change, account: &str, address: &str) {
    if let Some(name) = canonical(address) {
        change.run_expecting(DROP_NAME, vec![name.into(), account.into()], Expect::Any);
    }
}

/// What was proved or sent before this is void: codes by mail, and logins under way (405-U).
pub fn raise(change: &mut Change, account: &str) {
    change.run(RAISE, vec![account.into()]);
}

/// The account is still what it was when the proofs of a login were made. Comes first in the change that builds on them.
pub fn hold(change: &mut Change, account: &str, version: i64) {
    change.run(HOLD, vec![account.into(), version.into()]);
}

/// The same, before anything is decided; and the session that gave the proofs, if one did, still lives.
pub async fn stands(store: &Store, account: &str, version: i64, session: Option<&[u8; 16]>) -> Result<bool> {
    let id = session.map_or(&[][..], |it| &it[..]);
    let Some(row) = store.one(STANDS, &[account.into(), id.into()]).await? else { return Ok(false) };
    Ok(row.int("version")? == version && (session.is_none() || row.opt_text("session_state")? == Some("active")))
}

/// Ends every session of a person, and every login that could open a new one without proving anything anew.
pub fn end_sessions(change: &mut Change, account: &str) {
    let now_ms = change.now_ms();
    raise(change, account);
    change.run_expecting(SESSIONS_FROM, vec![account.into(), now_ms.into()], Expect::Any);
    ending::end_all(change, account, None);
}

/// A new password ends every session of the person (420-U).
pub fn set_password(change: &mut Change, account: &str, digest: String) {
    end_sessions(change, account);
    replace_password(change, account, digest);
}

/// A passkey goes. Conflicts where `expect` says so.
pub fn drop_passkey(change: &mut Change, account: &str, public_id: &str, expect: Expect) {
    change.run_expecting(passkey::REMOVE, vec![account.into(), public_id.into()], expect);
    drop_codes(change, account);
}

/// Recovery codes go, where nothing is left that they came with.
pub fn drop_codes(change: &mut Change, account: &str) {
    passkey::DROP_CODES.into_iter().for_each(|sql| change.run_expecting(sql, vec![account.into()], Expect::Any));
}

/// Writes the digest alone.
pub fn replace_password(change: &mut Change, account: &str, digest: String) {
    let now_ms = change.now_ms();
    change.run(SET_PASSWORD, vec![account.into(), Value::from(digest.into_bytes()), now_ms.into()]);
}

/// Writes a digest of ours in place of another system's. Where the password was changed meanwhile, the change stays.
pub fn rehash(change: &mut Change, account: &str, from: &str, to: &str) {
    let values = vec![account.into(), Value::from(from.as_bytes()), Value::from(to.as_bytes())];
    change.run_expecting(REHASH, values, Expect::Any);
}

/// argon2id on a bounded pool, and the list that no chosen password may be in.
#[derive(Clone)]
pub struct Hashers {
    pool: Pool,
    breached: Option<Arc<Breached>>,
}

impl Default for Hashers {
    fn default() -> Self {
        Self { pool: Pool::new("Too many people are signing in; try again."), breached: None }
    }
}

impl Hashers {
    pub fn with_breached(self, list: Option<Breached>) -> Self {
        Self { breached: list.map(Arc::new), ..self }
    }

    /// The digest of a password that somebody chooses, or why it cannot be chosen. A list that cannot be read is a fault: a password is
    /// never taken because nobody could look.
    pub async fn choose(&self, password: &str) -> Result<std::result::Result<String, Unfit>> {
        if let Some(unfit) = unfit_length(password) {
            return Ok(Err(unfit));
        }
        let (typed, breached) = (password.to_owned(), self.breached.clone());
        let work = move || {
            let password = prepared(&typed);
            let is_in = |list: &Breached| -> std::io::Result<bool> { Ok(list.has(&password)? || (password != typed && list.has(&typed)?)) };
            let found = breached.as_deref().map_or(Ok(false), is_in);
            match found.map_err(|error| Fault::new(format!("[passwords] breached: {error}")))? {
                true => Ok(Err(Unfit::Breached)),
                false => hash_password_blocking(&password).map(Ok),
            }
        };
        Ok(self.pool.run(work).await??)
    }

    /// The digest of a password that is somebody's already, or of one that this program made.
    pub async fn hash(&self, password: &str) -> Result<String> {
        if let Some(unfit) = unfit_length(password) {
            return Err(Refused::bad_request("invalid_request", unfit.hint()).into());
        }
        let password = prepared(password);
        Ok(self.pool.run(move || hash_password_blocking(&password)).await??)
    }

    /// Compares with the stored form; without one it works as long and says no, so that time tells nothing (300-H).
    pub async fn verify(&self, stored: Option<&str>, password: &str) -> Result<bool> {
        if password.len() > PASSWORD_MAX {
            return Ok(false);
        }
        let (stored, typed) = (stored.map(str::to_owned), password.to_owned());
        self.pool
            .run(move || {
                let known = stored.is_some();
                let phc = stored.unwrap_or_else(|| DUMMY.to_owned());
                let fits = |text: &str| imported::fits(&phc, text);
                let prepared = prepared(&typed);
                // Digests of before passwords were prepared are of what was typed.
                (fits(&prepared) || (prepared != typed && fits(&typed))) && known
            })
            .await
    }

    /// The digest of something else that somebody has to know. Its length is the caller's to judge.
    pub async fn hash_secret(&self, secret: &str) -> Result<String> {
        let secret = secret.to_owned();
        Ok(self.pool.run(move || hash_password_blocking(&secret)).await??)
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
    use argon2::password_hash::phc::PasswordHash;

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

    #[test]
    fn an_address_with_a_tag_is_the_same_mailbox() {
        for same in ["u@example.com", "U+1@example.com", "u+2@Example.COM", " u+a+b@example.com. "] {
            assert_eq!(mailbox(same), "u@example.com", "{same}");
        }
        for other in ["u1@example.com", "u@example.org", "u", "x+u@example.com", "\"a@b\"@example.com"] {
            assert_ne!(mailbox(other), "u@example.com", "{other}");
        }
    }

    #[tokio::test]
    async fn a_password_fits_its_digest_only() {
        let hashers = Hashers::default();
        let digest = hashers.hash("correct horse").await.unwrap();
        assert!(hashers.verify(Some(&digest), "correct horse").await.unwrap());
        assert!(!hashers.verify(Some(&digest), "wrong horse").await.unwrap());
        assert!(!hashers.verify(None, "correct horse").await.unwrap());
        assert!(PasswordHash::new(DUMMY).is_ok(), "nobody's password takes as long to check as somebody's");
        let composed = hashers.hash("caf\u{e9} horse\u{a0}staple").await.unwrap();
        assert!(hashers.verify(Some(&composed), "cafe\u{301} horse staple").await.unwrap(), "another keyboard (RFC 8265 4.2.2)");
        assert!(!hashers.verify(Some(&composed), "cafe horse staple").await.unwrap());
        let before = hash_password_blocking("cafe\u{301} horse").unwrap();
        assert!(hashers.verify(Some(&before), "cafe\u{301} horse").await.unwrap(), "a digest of before");
        assert!(hashers.hash("short").await.is_err());
        assert!(hashers.hash(&"x".repeat(257)).await.is_err());
    }

    /// Eight characters, however a keyboard composes them, and 256 bytes.
    #[test]
    fn a_password_has_eight_characters_and_at_most_256_bytes() {
        let e_acute = "\u{e9}";
        for (password, unfit) in [
            ("1234567", Some(Unfit::Short)),
            ("12345678", None),
            (&*e_acute.repeat(7), Some(Unfit::Short)),
            (&*e_acute.repeat(8), None),
            ("e\u{301}123456", Some(Unfit::Short)),
            ("e\u{301}1234567", None),
            (&*e_acute.repeat(128), None),
            (&*e_acute.repeat(129), Some(Unfit::Long)),
            (&*"x".repeat(256), None),
            (&*"x".repeat(257), Some(Unfit::Long)),
            (&*"e\u{301}".repeat(86), Some(Unfit::Long)),
        ] {
            assert_eq!(unfit_length(password), unfit, "{password}");
        }
    }
}
