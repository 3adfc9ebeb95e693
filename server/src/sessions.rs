//! The session of a browser: one person authenticated on one browser, with idle and absolute limits of its own.
//! Grants hang below the session row: ending the row ends them, while the cookie's limits end only the single sign-on.

pub mod ending;

use crate::audit;
use crate::core::Core;
use crate::error::{Fault, Result};
use crate::login::proof::Proof;
use crate::mail;
use crate::seal::KeyRing;
use crate::store::tables::{provider_session, session};
use crate::store::{Change, Expect, Value};
use crate::web::reply::{Reply, add_cookie};
use std::net::IpAddr;
use symbolon_oauth::{base64url, digest};

/// A live session, proved by its cookie.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: [u8; 16],
    pub account: String,
    pub proofs: Vec<Proof>,
    pub acr: String,
    pub amr: Vec<String>,
    pub auth_time_ms: i64,
    pub used_ms: i64,
    pub version: i64,
    /// The account's version when the session was read.
    pub account_version: i64,
    /// It came from an app: whose requests alone it answers. None: everybody's, and it opens our own pages.
    pub clients: Option<Vec<String>>,
}

/// Cookie names: `__Host-` where there is TLS; one per issuer path, so that tenants on one host have their own (332-L).
pub fn cookie_name(core: &Core, purpose: &str) -> String {
    let host = if core.config.issuer.starts_with("https://") { "__Host-" } else { "" };
    match core.config.issuer_path() {
        "" => format!("{host}symbolon-{purpose}"),
        path => format!("{host}symbolon-{purpose}-{}", &base64url::encode(&digest::sha256(path.as_bytes()))[..8]),
    }
}

/// A `Set-Cookie` value. `max_age_s` of 0 deletes it.
pub fn cookie(core: &Core, name: &str, value: &str, max_age_s: i64) -> String {
    let secure = if core.config.issuer.starts_with("https://") { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}")
}

/// The purpose of the cookie that says that somebody signed out in this browser, who had come from a provider.
pub const SIGNED_OUT: &str = "signed-out";
/// For so long a provider is asked to offer its accounts.
pub const SIGNED_OUT_S: i64 = 86_400;

/// What a finished login says about the person.
pub struct Authenticated<'a> {
    pub account: &'a str,
    pub proofs: &'a [Proof],
    pub acr: &'a str,
    pub amr: &'a [String],
    pub auth_time_ms: i64,
    pub opened_from: OpenedFrom<'a>,
}

/// From where a session was opened, for the person's own list.
#[derive(Clone, Copy, Default)]
pub struct OpenedFrom<'a> {
    /// The header of the browser or app; kept is a name for it.
    pub user_agent: Option<&'a str>,
    pub address: Option<IpAddr>,
}

impl OpenedFrom<'_> {
    fn values(&self) -> [Value; 2] {
        let device = self.user_agent.and_then(mail::device_name).unwrap_or_default();
        [device.into(), self.address.map(|address| address.to_string()).unwrap_or_default().into()]
    }
}

/// The session whose proofs a login was given still lives when the login is completed.
pub fn hold(change: &mut Change, id: &[u8; 16]) {
    change.run(session::HOLD, vec![Value::from(&id[..])]);
}

/// Opens a session, or raises the present one, in `change`. The browser always gets a new cookie, so that a cookie from
/// before the login is worth nothing (327-L). `secret`: 32 bytes that nobody else can know. Answers the session's id and the cookie's value.
pub fn open(
    core: &Core,
    change: &mut Change,
    present: Option<&Session>,
    authenticated: &Authenticated<'_>,
    secret: [u8; 32],
) -> Result<([u8; 16], String)> {
    let proofs = serde_json::to_string(authenticated.proofs).map_err(|it| Fault::new(it.to_string()))?;
    let now_ms = change.now_ms();
    let cookie_digest = digest::sha256(&secret);
    let common = |mut values: Vec<Value>| {
        values.extend([
            Value::from(&cookie_digest[..]),
            Value::from(proofs.as_str()),
            Value::from(authenticated.acr),
            Value::from(authenticated.amr.join(" ")),
            Value::from(authenticated.auth_time_ms),
            Value::from(now_ms),
        ]);
        values.extend(authenticated.opened_from.values());
        values
    };
    let id = match present {
        Some(session) if session.account == authenticated.account => {
            change.run(session::RAISE, common(vec![Value::from(&session.id[..]), session.version.into()]));
            session.id
        }
        other => {
            // A different person on the same browser: no Back button brings the first one back (334-L). What the first one's apps got
            // lives on.
            if let Some(session) = other {
                ending::drop_cookie(change, &session.id);
            }
            let id = crate::seal::time_ordered_id(now_ms)?;
            let mut values = common(vec![Value::from(&id[..]), authenticated.account.into()]);
            values.push((now_ms + core.config.session.absolute.0 * 1000).into());
            change.run(session::INSERT, values);
            id
        }
    };
    note_providers(change, &id, authenticated);
    Ok((id, cookie_value(&id, &secret)))
}

/// Opens a session that no browser proves. What another device gets hangs below it, and ends when the person ends it.
pub fn open_apart(change: &mut Change, authenticated: &Authenticated<'_>, absolute_ms: i64) -> Result<[u8; 16]> {
    let proofs = serde_json::to_string(authenticated.proofs).map_err(|it| Fault::new(it.to_string()))?;
    let now_ms = change.now_ms();
    let id = crate::seal::time_ordered_id(now_ms)?;
    let [device, address] = authenticated.opened_from.values();
    change.run(
        session::INSERT,
        vec![
            Value::from(&id[..]),
            authenticated.account.into(),
            Value::from(&NO_COOKIE[..]),
            proofs.into(),
            authenticated.acr.into(),
            authenticated.amr.join(" ").into(),
            authenticated.auth_time_ms.into(),
            now_ms.into(),
            device,
            address,
            (now_ms + absolute_ms).into(),
        ],
    );
    note_providers(change, &id, authenticated);
    Ok(id)
}

/// Notes which sign-ins at providers a session rests on. A guard refuses one that the provider has called over meanwhile.
fn note_providers(change: &mut Change, id: &[u8; 16], authenticated: &Authenticated<'_>) {
    for Proof { method, facts, .. } in authenticated.proofs {
        let (Some(identity), Some(at), Some(provider)) = (&facts.credential, &facts.at_provider, method.provider()) else { continue };
        let values = vec![
            Value::from(&id[..]),
            identity.as_str().into(),
            at.sid.as_str().into(),
            authenticated.account.into(),
            at.left_ms.into(),
            provider.into(),
        ];
        change.run(provider_session::NOTE, values);
    }
}

/// A session that comes of another one (a browser of an app, a visit at a kiosk) rests on the same sign-ins at providers.
pub fn inherit_providers(change: &mut Change, child: &[u8; 16], parent: &[u8; 16]) {
    change.run_expecting(provider_session::INHERIT, vec![Value::from(&child[..]), Value::from(&parent[..])], Expect::Any);
}

/// No digest has this length, so that no cookie fits.
const NO_COOKIE: [u8; 0] = [];

/// What the browser keeps of a session.
pub fn cookie_value(id: &[u8; 16], secret: &[u8; 32]) -> String {
    base64url::encode(&[&id[..], &secret[..]].concat())
}

/// Sets the session cookie on a reply.
pub fn remember(core: &Core, reply: &mut Reply, value: &str) {
    add_cookie(reply, &cookie(core, &cookie_name(core, "session"), value, core.config.session.absolute.0));
}

/// Ends a session and with it every grant that hangs below it, and says why.
pub fn end(core: &Core, change: &mut Change, id: &[u8; 16], account: &str, why: &'static str) {
    ending::end_one(change, id);
    change.audit(audit::Entry::ok("session_ended").account(account).session(public_id(core, id)).with("why", why));
}

/// The name of a session in audit entries and in lists: never the id itself.
pub fn public_id(core: &Core, id: &[u8; 16]) -> String {
    public_name(&core.keyring, id)
}

pub fn public_name(keyring: &KeyRing, id: &[u8; 16]) -> String {
    let (_, tag) = keyring.mac("session-name", &[id]);
    base64url::encode(&tag[..12])
}

/// The `sid` a party sees: another one for each party, so that they cannot link a person's sessions.
pub fn sid(core: &Core, party: &str, id: &[u8; 16]) -> String {
    let (_, tag) = core.keyring.mac("sid", &[party.as_bytes(), id]);
    base64url::encode(&tag[..16])
}
