//! `auth_session`: what an app holds of a sign-in that is under way, as the browser's cookie and form do. The app cannot read it.
//! draft-ietf-oauth-first-party-apps-04 5.3.1.

use crate::app::App;
use crate::error::{Fault, Result};
use crate::login::context::Answer;
use crate::login::machine::{Received, over};
use crate::login::row::{HeldSignIn, SignInSecret};
use crate::login::state::State;
use symbolon_oauth::{base64url, digest};

const PREFIX: &str = "sl_";
const TAG: usize = 16;
/// Version of the master key, id, number of the answer, secret, tag.
const OF_ROW: usize = 1 + 16 + 8 + 32 + TAG;

/// A sign-in that nobody has answered yet travels sealed. From the first answer on it is a row, and its secret changes with each.
pub enum AuthSession {
    Start(String),
    Row { id: [u8; 16], version: i64, secret: SignInSecret },
}

impl AuthSession {
    pub fn read(app: &App, text: &str) -> Result<Self> {
        let unknown = || over().because("auth_session cannot be read");
        let rest = text.strip_prefix(PREFIX).ok_or_else(unknown)?;
        let bytes = base64url::decode(rest).ok_or_else(unknown)?;
        if bytes.len() != OF_ROW {
            return Ok(Self::Start(rest.to_owned()));
        }
        let (fields, tag) = bytes.split_at(OF_ROW - TAG);
        let made = app.keyring.mac_with(fields[0], "auth_session", &[app.config.issuer.as_bytes(), &fields[1..]]);
        if !made.is_some_and(|made| digest::equal(&made[..TAG], tag)) {
            return Err(unknown().into());
        }
        let wrong = |_| Fault::new("an auth_session of our own has other lengths");
        Ok(Self::Row {
            id: fields[1..17].try_into().map_err(wrong)?,
            version: i64::from_be_bytes(fields[17..25].try_into().map_err(wrong)?),
            secret: fields[25..].try_into().map_err(wrong)?,
        })
    }

    /// Nobody has answered it, so that its first answer makes a row.
    pub fn is_start(&self) -> bool {
        matches!(self, Self::Start(_))
    }

    /// That of a sign-in nobody has answered.
    pub fn of_start(app: &App, state: &State) -> Result<String> {
        Ok(format!("{PREFIX}{}", app.machine.seal_start(state)?))
    }

    /// That of a sign-in after an answer, with the secret which the answer set.
    pub fn of_row(app: &App, state: &State, secret: &SignInSecret) -> String {
        let number = state.version.to_be_bytes();
        let parts = [&state.id[..], &number, secret].concat();
        let (version, tag) = app.keyring.mac("auth_session", &[app.config.issuer.as_bytes(), &parts]);
        format!("{PREFIX}{}", base64url::encode(&[&[version], &parts[..], &tag[..TAG]].concat()))
    }

    /// What this answer is to the sign-in.
    pub async fn receive(&self, app: &App, answer: &Answer<'_>, now_ms: i64) -> Result<Received> {
        match self {
            Self::Start(sealed) => {
                let state = app.machine.open_start(sealed, now_ms)?;
                // The same start always has the same first secret: one start has one row.
                let bytes = base64url::decode(sealed).unwrap_or_default();
                let made = bytes.first().and_then(|version| app.keyring.mac_with(*version, "auth_session start", &[&bytes]));
                let secret = made.ok_or_else(|| over().because("the master key of the start is gone"))?;
                app.machine.receive_start(state, &secret, answer, now_ms).await
            }
            Self::Row { id, version, secret } => {
                app.machine.receive_answer(HeldSignIn { id, version: *version, secret }, answer, now_ms).await
            }
        }
    }
}
