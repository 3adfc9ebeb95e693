//! Mail. The change that causes a letter writes it into the outbox, and a worker sends each at least once. The words
//! of a letter come from the message files; nothing in it is a link a stranger could choose.

mod device;
pub use device::name as device_name;
mod message;
mod smtp;
pub use smtp::Mailer;

use crate::config::Config;
use crate::core::Core;
use crate::error::Fault;
use crate::pages::Pages;
use crate::seal::{KeyRing, time_ordered_id};
use crate::store::tables::enrolment::TOLD;
use crate::store::tables::outbox::{CLAIM, DONE, DUE, MOST_WAITING, WAITING, WRITE};
use crate::store::{Change, Expect, NotApplied, Store, Value};
use message::LetterContent;
use serde::{Deserialize, Serialize};
use smtp::NotSent;
use std::collections::BTreeMap;

/// A letter to one person. Its words are the messages `mail-TEMPLATE-subject` and `mail-TEMPLATE-body`.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Letter {
    /// Absent: a letter to nobody, written so that a name nobody has costs what a real one does.
    pub to: Option<String>,
    pub template: String,
    pub locale: String,
    pub values: BTreeMap<String, String>,
    /// After this instant nobody wants it any more.
    pub give_up_ms: i64,
    /// What is to know that it has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The id of an enrolment that waits, in base64url.
    Enrolment(String),
}

const KIND: &str = "mail";
/// How long one worker has for one letter before another may try.
const LEASE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

fn sealed_at(id: &[u8; 16]) -> String {
    format!("outbox/body/{}", symbolon_oauth::base64url::encode(id))
}

/// Adds a letter to a change.
pub fn post(change: &mut Change, keyring: &KeyRing, letter: &Letter) -> Result<(), Fault> {
    let now_ms = change.now_ms();
    let id = time_ordered_id(now_ms)?;
    let plain = serde_json::to_vec(letter).map_err(|it| Fault::new(it.to_string()))?;
    let values = vec![Value::from(&id[..]), KIND.into(), Value::from(keyring.seal(&sealed_at(&id), &plain)?), now_ms.into()];
    // A full outbox must not keep the change itself from happening.
    change.run_expecting(WRITE, values, Expect::Any);
    Ok(())
}

/// A word about something that happened to an account.
#[derive(Clone, Copy)]
pub struct Notice<'a> {
    pub template: &'a str,
    /// Where the account has no language of its own.
    pub locale: &'a str,
    /// The User-Agent header of whoever did it. The letter has a name for it, and none of its words.
    pub user_agent: Option<&'a str>,
    /// Where the person can end it.
    pub link: Option<&'a str>,
}

/// Adds a notice to this address to a change, where there is mail. `login::notices` alone says which addresses there are.
pub fn post_notice(change: &mut Change, config: &Config, keyring: &KeyRing, to: &str, notice: &Notice<'_>) -> Result<(), Fault> {
    if config.mail.is_none() {
        return Ok(());
    }
    let mut values = occasion(change.now_ms(), notice.user_agent);
    values.extend(notice.link.map(|link| ("link".to_owned(), link.to_owned())));
    let letter = Letter {
        to: Some(to.to_owned()),
        template: notice.template.to_owned(),
        locale: notice.locale.to_owned(),
        values,
        give_up_ms: change.now_ms() + DAY_MS,
        about: None,
    };
    post(change, keyring, &letter)
}

/// When something happened, and with which device.
pub fn occasion(now_ms: i64, user_agent: Option<&str>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::from([(TIME.to_owned(), written_time(now_ms))]);
    if let Some(device) = user_agent.and_then(device::name) {
        values.insert(DEVICE.to_owned(), device);
    }
    values
}

/// What a notice says beside its own words.
const TIME: &str = "time";
const DEVICE: &str = "device";

/// An instant, as pages and letters say it.
pub fn written_time(now_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(now_ms).map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

/// The day of an instant, in UTC.
pub fn written_day(now_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(now_ms).map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// The full hour behind an instant, where it is not known to the minute.
pub fn hour_after(from_ms: i64) -> String {
    const HOUR_MS: i64 = 3_600_000;
    written_time((from_ms / HOUR_MS + 1) * HOUR_MS)
}

/// A letter that this worker alone may send now.
struct ClaimedLetter {
    id: [u8; 16],
    letter: Letter,
    claimed_ms: i64,
}

impl Mailer {
    /// Sends what is due; answers how many letters left. One letter's trouble is not another's.
    pub async fn deliver(&self, core: &Core, pages: &Pages) -> Result<usize, Fault> {
        let mut sent = 0;
        warn_if_full(&core.store).await?;
        for row in core.store.all(DUE, &[core.now_ms().into(), KIND.into()]).await? {
            // The letters before this one may have taken long: each lease begins when its letter is claimed.
            let now_ms = core.now_ms();
            let id: [u8; 16] = row.array("id")?;
            let (attempts, next_ms) = (row.int("attempts")?, row.int("next_ms")?);
            let mut claim = Change::new(now_ms);
            // Waits longer after every failure: one minute, two, four, up to an hour.
            let wait_ms = LEASE_MS << attempts.clamp(0, 6);
            claim.run(CLAIM, vec![Value::from(&id[..]), (now_ms + wait_ms).into(), next_ms.into()]);
            match core.store.apply(claim).await {
                Ok(_) => {}
                Err(NotApplied::Conflict(_)) => continue,
                Err(other) => return Err(other.into_fault("claiming a letter")),
            }
            let letter = core.keyring.open(&sealed_at(&id), row.bytes("body")?).and_then(|it| serde_json::from_slice::<Letter>(&it).ok());
            let Some(letter) = letter else {
                tracing::error!("a letter in the outbox cannot be opened and is dropped");
                remove(&core.store, &id, now_ms).await?;
                continue;
            };
            sent += usize::from(self.send_one(core, pages, &ClaimedLetter { id, letter, claimed_ms: now_ms }).await?);
        }
        Ok(sent)
    }

    async fn send_one(&self, core: &Core, pages: &Pages, claimed: &ClaimedLetter) -> Result<bool, Fault> {
        let (id, letter, now_ms) = (&claimed.id, &claimed.letter, claimed.claimed_ms);
        let Some(to) = &letter.to else {
            remove(&core.store, id, now_ms).await?;
            return Ok(false);
        };
        if now_ms >= letter.give_up_ms {
            tracing::warn!(template = letter.template, "a letter could not be delivered in time and was given up");
            remove(&core.store, id, now_ms).await?;
            return Ok(false);
        }
        let (subject, body) = worded(core, pages, letter);
        let content = LetterContent { to, subject, body, locale: &letter.locale, id, now_ms };
        let outcome = match self.send(&content).await {
            Ok(()) => "sent",
            Err(NotSent { why, is_permanent: true }) => {
                tracing::error!(template = letter.template, error = why, "a letter was refused for good and is not tried again");
                "refused"
            }
            Err(NotSent { why, is_permanent: false }) => {
                tracing::warn!(template = letter.template, error = why, "a letter did not leave; it will be tried again");
                "failed"
            }
        };
        metrics::counter!("symbolon_letters_total", "outcome" => outcome).increment(1);
        match (outcome, &letter.about) {
            ("failed", _) => {}
            ("sent", Some(about)) => note_sent(&core.store, id, about, core.now_ms()).await?,
            _ => remove(&core.store, id, now_ms).await?,
        }
        Ok(outcome == "sent")
    }
}

/// Subject and text of a letter.
fn worded(core: &Core, pages: &Pages, letter: &Letter) -> (String, String) {
    let mut values = letter.values.clone();
    values.insert("brand".to_owned(), core.config.brand.name.clone());
    let text = |key: &str| pages.text(&letter.locale, key, &values);
    let mut body = text(&format!("mail-{}-body", letter.template));
    if values.contains_key(TIME) {
        let occasion = if values.contains_key(DEVICE) { "mail-when-and-device" } else { "mail-when" };
        body = format!("{body}\n\n{}", text(occasion));
    }
    (text(&format!("mail-{}-subject", letter.template)), body)
}

async fn warn_if_full(store: &Store) -> Result<(), Fault> {
    let waiting = store.one(WAITING, &[KIND.into()]).await?.map_or(Ok(0), |row| row.int("count"))?;
    metrics::gauge!("symbolon_outbox_letters").set(waiting as f64);
    if waiting >= MOST_WAITING {
        tracing::error!(waiting, "the outbox is full: new letters are not written until the mail server takes the old ones");
    }
    Ok(())
}

/// Removes a letter that has left, and says so to what it is about. A letter counts once, however often it was sent.
async fn note_sent(store: &Store, id: &[u8; 16], about: &About, now_ms: i64) -> Result<(), Fault> {
    let About::Enrolment(enrolment) = about;
    let mut change = Change::new(now_ms);
    change.run(DONE, vec![Value::from(&id[..])]);
    let enrolment = symbolon_oauth::base64url::decode(enrolment).unwrap_or_default();
    change.run_expecting(TOLD, vec![Value::from(enrolment), now_ms.into()], Expect::Any);
    match store.apply(change).await {
        Ok(_) | Err(NotApplied::Conflict(_)) => Ok(()),
        Err(other) => Err(other.into_fault("a letter that has left")),
    }
}

async fn remove(store: &Store, id: &[u8; 16], now_ms: i64) -> Result<(), Fault> {
    let mut change = Change::new(now_ms);
    change.run_expecting(DONE, vec![Value::from(&id[..])], Expect::Any);
    store.apply(change).await.map(|_| ()).map_err(|it| it.into_fault("removing a letter"))
}
