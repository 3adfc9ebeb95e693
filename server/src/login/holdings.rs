//! What an account has, as its person may see it: sessions, apps, known devices, history, and a copy of it all. Nothing here is secret:
//! no digest, no key, no code.

use super::accounts;
use super::machine::Machine;
use super::passkeys::PasskeyKind;
use crate::error::{Fault, Result};
use crate::sessions;
use crate::store::Row;
use crate::store::tables::account::{FACTORS, NAMES, PERSON};
use crate::store::tables::{account_event, app_grant, known_device, passkey, session};
use serde_json::{Value as Json, json};

/// Of a history that a page shows.
pub const SHOWN_EVENTS: i64 = 30;
/// Of one that a person takes away.
const MOST_EVENTS: i64 = 500;

/// A session that is open.
pub struct OpenSession {
    pub id: [u8; 16],
    /// Opens nothing.
    pub public_name: String,
    /// The browser or device, and the apps that were signed in to. Empty: nothing is known.
    pub label: String,
    /// Empty: it is not known.
    pub address: String,
    pub created_ms: i64,
    pub used_ms: i64,
}

/// An app that has access.
pub struct AppAccess {
    pub client: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub since_ms: i64,
}

pub struct KnownDevice {
    pub id: String,
    pub label: String,
    pub first_ms: i64,
    pub last_ms: i64,
}

/// A passkey, as its person knows it.
pub struct OwnPasskey {
    pub public_id: String,
    /// What the authenticator knows it by, in base64url.
    pub id: String,
    /// Two of one name have numbers.
    pub name: String,
    pub created_ms: i64,
    /// 0: never.
    pub used_ms: i64,
    /// It is found by its person's name alone.
    pub needs_name: bool,
    pub is_of_other_rp: bool,
    /// The present configuration refuses its kind.
    pub is_refused: bool,
}

/// Something that happened to the account.
pub struct Event {
    pub at_ms: i64,
    /// A name of the audit.
    pub event: String,
    /// The app's name, or empty.
    pub app: String,
    pub address: String,
    pub is_by_operator: bool,
}

impl Event {
    /// What stands behind the words of the event: the app and the place, as far as they are known.
    pub fn more(&self) -> String {
        [&self.app, &self.address].into_iter().filter(|text| !text.is_empty()).map(|text| format!(" · {text}")).collect()
    }
}

impl Machine {
    async fn name_of(&self, client: &str) -> std::result::Result<String, Fault> {
        let found = match &self.clients {
            Some(clients) => clients.get(client).await?,
            None => None,
        };
        Ok(found.map_or_else(|| client.to_owned(), |found| found.display_name(client).to_owned()))
    }

    /// Those that somebody can use: a browser, or an app. The one used last comes first.
    pub async fn sessions_of(&self, account: &str, now_ms: i64) -> Result<Vec<OpenSession>> {
        let mut found = Vec::new();
        let used_since_ms = now_ms - self.config.session.idle.ms();
        for row in self.store.all(session::OF_ACCOUNT, &[account.into(), used_since_ms.into(), now_ms.into()]).await? {
            let id: [u8; 16] = row.bytes("id")?.try_into().map_err(|_| Fault::new("a session's id has 16 bytes"))?;
            let mut label = vec![row.text("device")?.to_owned()];
            let mut clients: Vec<&str> = row.opt_text("clients")?.unwrap_or_default().split_whitespace().collect();
            clients.sort_unstable();
            clients.dedup();
            for client in clients {
                label.push(self.name_of(client).await?);
            }
            label.retain(|part| !part.is_empty());
            found.push(OpenSession {
                id,
                public_name: sessions::public_name(&self.keyring, &id),
                label: label.join(", "),
                address: row.text("address")?.to_owned(),
                created_ms: row.int("created_ms")?,
                used_ms: row.int("used_ms")?.max(row.opt_int("app_used_ms")?.unwrap_or(0)),
            });
        }
        Ok(found)
    }

    /// Each app once, with what it got last.
    pub async fn apps_of(&self, account: &str) -> Result<Vec<AppAccess>> {
        let mut found: Vec<AppAccess> = Vec::new();
        for row in self.store.all(app_grant::OF_ACCOUNT, &[account.into()]).await? {
            let client = row.text("client")?;
            if found.iter().any(|one| one.client == client) {
                continue;
            }
            let scopes = row.text("scope")?.split_whitespace().map(str::to_owned).collect();
            let (name, since_ms) = (self.name_of(client).await?, row.int("created_ms")?);
            found.push(AppAccess { client: client.to_owned(), name, scopes, since_ms });
        }
        Ok(found)
    }

    pub async fn devices_of(&self, account: &str) -> Result<Vec<KnownDevice>> {
        let device = |row: &Row| -> std::result::Result<KnownDevice, Fault> {
            let (id, label) = (row.text("device")?.to_owned(), row.text("label")?.to_owned());
            Ok(KnownDevice { id, label, first_ms: row.int("first_ms")?, last_ms: row.int("last_ms")? })
        };
        let rows = self.store.all(known_device::OF_ACCOUNT, &[account.into()]).await?;
        Ok(rows.iter().map(device).collect::<std::result::Result<_, _>>()?)
    }

    /// All that there are, oldest first.
    pub async fn passkeys_of(&self, account: &str) -> Result<Vec<OwnPasskey>> {
        let accepted = self.config.passkeys.accepted();
        let mut found: Vec<OwnPasskey> = Vec::new();
        for row in self.store.all(passkey::OF_ACCOUNT, &[account.into()]).await? {
            let name = row.text("name")?;
            found.push(OwnPasskey {
                public_id: row.text("public_id")?.to_owned(),
                id: row.text("id")?.to_owned(),
                name: told_apart(name, found.iter().map(|one| one.name.as_str())),
                created_ms: row.int("created_ms")?,
                used_ms: row.int("used_ms")?,
                needs_name: row.int("discoverable")? == 0,
                is_of_other_rp: row.text("rp_id")? != self.rp_id(),
                is_refused: accepted.refuses(PasskeyKind::read(&row)?).is_some(),
            });
        }
        Ok(found)
    }

    /// The newest first.
    pub async fn history_of(&self, account: &str, most: i64) -> Result<Vec<Event>> {
        let mut found = Vec::new();
        for row in self.store.all(account_event::OF_ACCOUNT, &[account.into(), most.into()]).await? {
            let client = row.text("client")?;
            found.push(Event {
                at_ms: row.int("at_ms")?,
                event: row.text("event")?.to_owned(),
                app: if client.is_empty() { String::new() } else { self.name_of(client).await? },
                address: row.text("address")?.to_owned(),
                is_by_operator: row.int("by_operator")? == 1,
            });
        }
        Ok(found)
    }

    /// A copy of what the account has and says.
    pub async fn export_of(&self, account: &str, now_ms: i64) -> Result<Json> {
        let key = [account.into()];
        let person = self.store.one(PERSON, &key).await?.ok_or_else(|| Fault::new("an export of nobody"))?;
        let claims: Json = serde_json::from_str(person.text("claims")?).map_err(|error| Fault::new(format!("claims: {error}")))?;
        let names = self.store.all(NAMES, &key).await?;
        let names = names.iter().map(|row| Ok(row.text("name")?.to_owned())).collect::<std::result::Result<Vec<_>, Fault>>()?;
        let factor = |row: &Row| Ok(json!({ "kind": row.text("kind")?, "since": time(row.int("created_ms")?) }));
        let factors = self.store.all(FACTORS, &key).await?;
        let links = self.accounts().links_of(account).await?;
        let link = |link: &accounts::Link| {
            let said: Json = serde_json::from_str(&link.said).unwrap_or_default();
            let claims = crate::profile::claims_of_link(&link.shows).unwrap_or_default();
            let (method, issuer, since) = (&link.method, &link.issuer, time(link.created_ms));
            json!({ "method": method, "issuer": issuer, "subject": link.subject, "said": said, "claims": claims, "since": since })
        };
        Ok(json!({
            "issuer": self.config.issuer,
            "exported": time(now_ms),
            "account": {
                "sub": account,
                "name": person.opt_text("name")?,
                "email": person.opt_text("email")?,
                "email_verified": person.int("email_verified")? == 1,
                "language": person.opt_text("locale")?,
                "since": time(person.int("created_ms")?),
                "login_names": names,
                "claims": claims,
            },
            "means": factors.iter().map(factor).collect::<std::result::Result<Vec<_>, Fault>>()?,
            "passkeys": self.passkeys_of(account).await?.iter().map(own_passkey).collect::<Vec<_>>(),
            "links": links.iter().map(link).collect::<Vec<_>>(),
            "sessions": self.sessions_of(account, now_ms).await?.iter().map(session).collect::<Vec<_>>(),
            "apps": self.apps_of(account).await?.iter().map(app).collect::<Vec<_>>(),
            "known_devices": self.devices_of(account).await?.iter().map(device).collect::<Vec<_>>(),
            "history": self.history_of(account, MOST_EVENTS).await?.iter().map(event).collect::<Vec<_>>(),
        }))
    }
}

/// W-13: another one of this name gets a number.
fn told_apart<'a>(name: &str, before: impl Iterator<Item = &'a str> + Clone) -> String {
    let is_free = |wanted: &String| before.clone().all(|other| other != wanted);
    let numbered = (2..).map(|number: usize| format!("{name} ({number})"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

fn session(one: &OpenSession) -> Json {
    json!({ "device": one.label, "address": one.address, "since": time(one.created_ms), "last_used": time(one.used_ms) })
}

fn own_passkey(one: &OwnPasskey) -> Json {
    let used = if one.used_ms > 0 { Json::from(time(one.used_ms)) } else { Json::Null };
    json!({ "name": one.name, "since": time(one.created_ms), "last_used": used })
}

fn app(one: &AppAccess) -> Json {
    json!({ "client_id": one.client, "name": one.name, "scope": one.scopes.join(" "), "since": time(one.since_ms) })
}

fn device(one: &KnownDevice) -> Json {
    json!({ "device": one.label, "since": time(one.first_ms), "last_full_sign_in": time(one.last_ms) })
}

fn event(one: &Event) -> Json {
    json!({ "at": time(one.at_ms), "event": one.event, "app": one.app, "address": one.address, "by_operator": one.is_by_operator })
}

/// An instant. RFC 3339.
fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|it| it.to_string()).unwrap_or_default()
}
