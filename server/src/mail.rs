//! Mail: letters are written into the outbox by the change that causes them, and carried out at least once by a worker.
//! RFC 5321 by `lettre`. A letter is plain text from the message files; nothing in it is a link a stranger could choose.

use crate::config::{Config, Mail, MailSecurity, environment, trim_variable};
use crate::core::Core;
use crate::error::Fault;
use crate::pages::Pages;
use crate::seal::{KeyRing, time_ordered_id};
use crate::store::{Change, NotApplied, Store, Value};
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

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
}

const WRITE: &str = "INSERT INTO outbox (id, kind, body, attempts, next_ms) VALUES ($1, 'mail', $2, 0, $3)";
const DUE: &str = "SELECT id, body, attempts, next_ms FROM outbox WHERE next_ms <= $1 LIMIT 50";
const CLAIM: &str = "UPDATE outbox SET attempts = attempts + 1, next_ms = $2 WHERE id = $1 AND next_ms = $3";
const DONE: &str = "DELETE FROM outbox WHERE id = $1";
/// How long one worker has for one letter before another may try.
const LEASE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

fn place(id: &[u8; 16]) -> String {
    format!("outbox/body/{}", symbolon_oauth::base64url::encode(id))
}

/// Adds a letter to a change.
pub fn post(change: &mut Change, keyring: &KeyRing, letter: &Letter) -> Result<(), Fault> {
    let now_ms = change.now_ms();
    let id = time_ordered_id(now_ms)?;
    let plain = serde_json::to_vec(letter).map_err(|it| Fault::new(it.to_string()))?;
    change.run(WRITE, vec![Value::from(&id[..]), Value::from(keyring.seal(&place(&id), &plain)?), now_ms.into()]);
    Ok(())
}

/// A word about something that happened to the account, where there is mail and a proved address.
pub fn notice(
    change: &mut Change,
    config: &Config,
    keyring: &KeyRing,
    to: Option<&str>,
    template: &str,
    locale: &str,
) -> Result<(), Fault> {
    let (Some(_), Some(to)) = (&config.mail, to) else { return Ok(()) };
    let letter = Letter {
        to: Some(to.to_owned()),
        template: template.to_owned(),
        locale: locale.to_owned(),
        values: BTreeMap::new(),
        give_up_ms: change.now_ms() + DAY_MS,
    };
    post(change, keyring, &letter)
}

/// The road to the SMTP server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    pub fn new(config: &Mail) -> Result<Self, Fault> {
        let broken = |it: &dyn std::fmt::Display| Fault::new(format!("[mail]: {it}"));
        let tls = || TlsParameters::new(config.server.clone()).map_err(|it| broken(&it));
        let tls = match config.security {
            MailSecurity::Tls => Tls::Wrapper(tls()?),
            MailSecurity::Starttls => Tls::Required(tls()?),
            MailSecurity::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.server)
            .port(config.port())
            .tls(tls)
            .timeout(Some(Duration::from_secs(20)));
        const VARIABLE: &str = "SYMBOLON_MAIL_PASSWORD";
        let password = match (environment(VARIABLE), &config.password) {
            (Some(value), _) => Some(trim_variable(VARIABLE, &value).map_err(Fault::new)?),
            (None, Some(source)) => Some(source.text("[mail] password")?.trim().to_owned()),
            (None, None) => None,
        };
        if let (Some(username), Some(password)) = (&config.username, password) {
            builder = builder.credentials(Credentials::new(username.clone(), password));
        }
        let from = config.from.parse().map_err(|it| broken(&it))?;
        Ok(Self { transport: builder.build(), from })
    }

    async fn send(&self, to: &str, subject: String, body: String) -> Result<(), String> {
        let to: Mailbox = to.parse().map_err(|it| format!("the address: {it}"))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|it| it.to_string())?;
        self.transport.send(message).await.map(|_| ()).map_err(|it| it.to_string())
    }
}

impl Mailer {
    /// Carries out what is due; answers how many letters left. One letter's trouble is not another's.
    pub async fn deliver(&self, core: &Core, pages: &Pages) -> Result<usize, Fault> {
        let now_ms = core.now_ms();
        let mut sent = 0;
        for row in core.store.all(DUE, &[now_ms.into()]).await? {
            let id: [u8; 16] = row.bytes(0)?.try_into().map_err(|_| Fault::new("an outbox id has 16 bytes"))?;
            let (attempts, next_ms) = (row.int(2)?, row.int(3)?);
            let mut claim = Change::new(now_ms);
            // Waits longer after every failure: one minute, two, four, up to an hour.
            let wait_ms = LEASE_MS << attempts.clamp(0, 6);
            claim.run(CLAIM, vec![Value::from(&id[..]), (now_ms + wait_ms).into(), next_ms.into()]);
            match core.store.apply(claim).await {
                Ok(_) => {}
                Err(NotApplied::Conflict(_)) => continue,
                Err(other) => return Err(Fault::new(format!("claiming a letter: {other:?}"))),
            }
            let letter = core.keyring.open(&place(&id), row.bytes(1)?).and_then(|it| serde_json::from_slice::<Letter>(&it).ok());
            let Some(letter) = letter else {
                tracing::error!("a letter in the outbox cannot be opened and is dropped");
                remove(&core.store, &id, now_ms).await?;
                continue;
            };
            sent += usize::from(self.carry(core, pages, (&id, &letter), now_ms).await?);
        }
        Ok(sent)
    }

    async fn carry(&self, core: &Core, pages: &Pages, (id, letter): (&[u8; 16], &Letter), now_ms: i64) -> Result<bool, Fault> {
        let Some(to) = &letter.to else {
            remove(&core.store, id, now_ms).await?;
            return Ok(false);
        };
        if now_ms >= letter.give_up_ms {
            tracing::warn!(template = letter.template, "a letter could not be delivered in time and was given up");
            remove(&core.store, id, now_ms).await?;
            return Ok(false);
        }
        let mut values = letter.values.clone();
        values.insert("brand".to_owned(), core.config.brand.name.clone());
        let text = |part: &str| pages.text(&letter.locale, &format!("mail-{}-{part}", letter.template), &values);
        match self.send(to, text("subject"), text("body")).await {
            Ok(()) => {
                metrics::counter!("symbolon_letters_total", "outcome" => "sent").increment(1);
                remove(&core.store, id, now_ms).await?;
                Ok(true)
            }
            Err(error) => {
                metrics::counter!("symbolon_letters_total", "outcome" => "failed").increment(1);
                tracing::warn!(template = letter.template, error, "a letter did not leave; it will be tried again");
                Ok(false)
            }
        }
    }
}

async fn remove(store: &Store, id: &[u8; 16], now_ms: i64) -> Result<(), Fault> {
    let mut change = Change::new(now_ms);
    change.run_expecting(DONE, vec![Value::from(&id[..])], crate::store::Expect::Any);
    store.apply(change).await.map(|_| ()).map_err(|it| Fault::new(format!("a sent letter: {it:?}")))
}
