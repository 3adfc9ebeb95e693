//! What a browser keeps of us beside the session, and the token of our forms.

use super::reply::{Reply, add_cookie};
use crate::app::App;
use crate::error::Result;
use crate::login::row::{self, HeldSignIn};
use crate::sessions;
use crate::store::Change;
use crate::web::request::Incoming;
use symbolon_oauth::form::Form;
use symbolon_oauth::{base64url, digest};

/// Sign-ins under way in one browser: an older one than the newest eight is forgotten.
const MOST_SIGN_INS: usize = 8;
/// A little longer than a sign-in lives.
const SIGN_IN_S: i64 = 32 * 60;

/// The token that every form of ours carries. It is a MAC over the issuer, the browser's secret and the form's state (341-L).
pub fn form_token(app: &App, secret: &[u8], state: &str) -> String {
    let (version, tag) = app.keyring.mac("form", &[app.config.issuer.as_bytes(), secret, state.as_bytes()]);
    let mut bytes = vec![version];
    bytes.extend_from_slice(&tag);
    base64url::encode(&bytes)
}

pub fn form_token_fits(app: &App, secret: &[u8], state: &str, token: Option<&str>) -> bool {
    let Some(bytes) = token.and_then(base64url::decode).filter(|bytes| bytes.len() == 33) else { return false };
    app.keyring
        .mac_with(bytes[0], "form", &[app.config.issuer.as_bytes(), secret, state.as_bytes()])
        .is_some_and(|made| digest::equal(&made, &bytes[1..]))
}

/// The fields of a form of ours, if its token fits. On rows with a form token there is no other way to what a form wants done.
pub fn verified_form<'a>(app: &App, incoming: &'a Incoming, secret: &[u8], state: &str) -> Option<&'a Form> {
    incoming.unverified_form.verify(|token| form_token_fits(app, secret, state, token))
}

/// The cookie of one sign-in. Its name has the sign-in's id, its value the secret and nothing else.
pub struct SignInCookie {
    pub id: [u8; 16],
    pub secret: [u8; 32],
}

impl SignInCookie {
    fn name(app: &App, id: &[u8; 16]) -> String {
        format!("{}{}", prefix(app), base64url::encode(id))
    }

    /// The one of a sign-in. None: its address was carried to another browser (328-L).
    pub fn of(app: &App, incoming: &Incoming, id: &[u8; 16]) -> Option<Self> {
        let secret = base64url::decode(incoming.cookie(&Self::name(app, id))?)?.try_into().ok()?;
        Some(Self { id: *id, secret })
    }

    /// What the browser holds of the sign-in. `version`: as its page says it, or the address by which it comes back.
    pub fn at(&self, version: i64) -> HeldSignIn<'_> {
        HeldSignIn { id: &self.id, version, secret: &self.secret }
    }

    /// All of them, oldest first: ids are ordered by time.
    pub fn all(app: &App, incoming: &Incoming) -> Vec<Self> {
        let prefix = prefix(app);
        let ids = incoming.cookie_names().filter_map(|name| {
            let id: [u8; 16] = base64url::decode(name.strip_prefix(&prefix)?)?.try_into().ok()?;
            Self::of(app, incoming, &id)
        });
        let mut found: Vec<Self> = ids.collect();
        found.sort_by_key(|cookie| cookie.id);
        found
    }

    /// Sets it on a reply. The oldest of too many go, so that the session and the known browser always have room.
    pub fn set(&self, app: &App, incoming: &Incoming, reply: &mut Reply) {
        let others: Vec<Self> = Self::all(app, incoming).into_iter().filter(|other| other.id != self.id).collect();
        let too_many = (others.len() + 1).saturating_sub(MOST_SIGN_INS);
        for old in others.iter().take(too_many) {
            old.forget(app, reply);
        }
        add_cookie(reply, &sessions::cookie(app, &Self::name(app, &self.id), &base64url::encode(&self.secret), SIGN_IN_S));
    }

    pub fn forget(&self, app: &App, reply: &mut Reply) {
        add_cookie(reply, &sessions::cookie(app, &Self::name(app, &self.id), "", 0));
    }
}

fn prefix(app: &App) -> String {
    format!("{}-", sessions::cookie_name(app, "login"))
}

/// Ends every sign-in that this browser has under way: somebody signed out.
pub fn void_sign_ins(app: &App, incoming: &Incoming, change: &mut Change) {
    for cookie in SignInCookie::all(app, incoming) {
        row::void(change, &cookie.id, &cookie.secret);
    }
}

/// What another person had begun in this browser. `but`: the sign-in that ends now, if one does.
pub async fn sign_ins_of_others(app: &App, incoming: &Incoming, account: &str, but: Option<[u8; 16]>) -> Result<Vec<SignInCookie>> {
    let mut found = Vec::new();
    for cookie in SignInCookie::all(app, incoming).into_iter().filter(|cookie| Some(cookie.id) != but) {
        let owner = app.machine.owner(&cookie.id, &cookie.secret).await?;
        if owner.is_some_and(|owner| owner != account) {
            found.push(cookie);
        }
    }
    Ok(found)
}

/// Deletes the cookies of all sign-ins.
pub fn forget_sign_ins(app: &App, incoming: &Incoming, reply: &mut Reply) {
    for cookie in SignInCookie::all(app, incoming) {
        cookie.forget(app, reply);
    }
}
