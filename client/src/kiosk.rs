//! A member proves themself at a kiosk, also where there is no network. docs/kiosk.md.

use crate::Client;
use crate::connection::text_member;
use crate::platform::Request;
use crate::trouble::{Reply, Trouble};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_oauth::jwk::KeySet;
use symbolon_oauth::kiosk::{self, Challenge, Statement};
use symbolon_oauth::{base64url, jws};

const PASS: &str = "kiosk_pass";
const KEYS: &str = "kiosk_keys";

/// The newest pass. The issuer and the client stand beside it, so that it goes to no other server.
#[derive(Clone, Serialize, Deserialize)]
struct SavedPass {
    issuer: String,
    client_id: String,
    pass: String,
    until_s: i64,
}

/// What a kiosk shows. Ask the person "Are you standing there?" with `name` and `place` before you sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kiosk {
    pub name: String,
    pub place: String,
    nonce: String,
}

impl From<Challenge> for Kiosk {
    fn from(challenge: Challenge) -> Self {
        Self { name: challenge.name, place: challenge.place, nonce: challenge.nonce }
    }
}

impl Client {
    /// Gets a new pass and the server's keys, while there is a network: at the start of the app, and when the member opens the card.
    /// `Refused`: this app's members cannot prove themselves at kiosks.
    pub async fn prepare_for_kiosks(&self, resource: &str) -> Result<(), Trouble> {
        self.renew(resource).await?;
        let url = self.server().metadata().await?.jwks_uri.clone();
        let url = url.ok_or_else(|| Trouble::Wrong("the server publishes no keys".to_owned()))?;
        let answer = self.server().connection().send(Request::get(&url), None, true).await?;
        let document = answer.json();
        if answer.status != 200 || KeySet::parse(&document).is_err() {
            return Err(Trouble::later("the server's keys cannot be read"));
        }
        self.server().connection().store(KEYS, Some(&document)).await?;
        match self.saved_pass().await? {
            Some(_) => Ok(()),
            None => Err(Trouble::of_code("unauthorized_client", "the server gave no pass")),
        }
    }

    /// Keeps the pass of a token response, if there is one.
    pub(crate) async fn keep_pass(&self, reply: &Reply) -> Result<(), Trouble> {
        let Some(pass) = text_member(&reply.body, "kiosk_pass") else { return Ok(()) };
        let connection = self.server().connection();
        let settings = &self.server().settings;
        let until_s = connection.now_s() + reply.body["kiosk_pass_expires_in"].as_i64().unwrap_or(0).clamp(0, 86_400);
        let saved = SavedPass { issuer: settings.issuer.clone(), client_id: settings.client_id.clone(), pass, until_s };
        connection.store(PASS, Some(&saved)).await
    }

    /// The member signed out: nobody is let in any more.
    pub(crate) async fn forget_pass(&self) -> Result<(), Trouble> {
        self.server().connection().store::<SavedPass>(PASS, None).await
    }

    async fn saved_pass(&self) -> Result<Option<SavedPass>, Trouble> {
        let settings = &self.server().settings;
        let is_ours = |saved: &SavedPass| saved.issuer == settings.issuer && saved.client_id == settings.client_id;
        Ok(self.server().connection().load::<SavedPass>(PASS).await?.filter(is_ours))
    }

    /// Reads the picture of a kiosk, or its text. It needs no network. `Wrong`: it is no kiosk of this server.
    pub async fn read_kiosk(&self, shown: &str) -> Result<Kiosk, Trouble> {
        let document = self.server().connection().load::<Value>(KEYS).await?;
        let keys = document.and_then(|document| KeySet::parse(&document).ok());
        let keys = keys.ok_or_else(|| Trouble::later("open the app once where there is a network"))?;
        let wrong = |why: &str| Trouble::Wrong(why.to_owned());
        let text = kiosk::from_picture(shown).ok_or_else(|| wrong("this is no picture of a kiosk"))?;
        let challenge = kiosk::read_challenge(&text, &keys, &self.server().settings.issuer).map_err(wrong)?;
        Ok(challenge.into())
    }

    /// The text of the picture that the phone shows to the kiosk. Call it after the person has said that they stand there, and anew for
    /// every showing. `kiosk`: what the phone has scanned; `None` is for kiosks that take any code. `Later`: the pass is too old, and a new
    /// one needs a network. `SignedOut`: nobody is a member here.
    pub async fn kiosk_proof(&self, kiosk: Option<&Kiosk>) -> Result<String, Trouble> {
        if !self.is_signed_in().await? {
            return Err(Trouble::SignedOut("nobody is signed in".to_owned()));
        }
        let connection = self.server().connection();
        let keys = connection.platform.keys.as_ref();
        let keys = keys.ok_or_else(|| Trouble::Wrong("this app has no key, and a code needs one".to_owned()))?;
        let saved = self.saved_pass().await?.filter(|saved| connection.now_s() < saved.until_s);
        let saved = saved.ok_or_else(|| Trouble::later("open the app once where there is a network"))?;
        let jti = base64url::encode(&connection.random::<16>()?);
        let statement = Statement {
            issuer: &self.server().settings.issuer,
            pass: &saved.pass,
            jti: &jti,
            iat: connection.now_s(),
            challenge: kiosk.map(|kiosk| kiosk.nonce.as_str()),
        };
        let input = kiosk::signing_input(&statement).map_err(|it| Trouble::Wrong(format!("{it:?}")))?;
        let signature = keys.sign(input.as_bytes()).await?;
        if signature.len() != 64 {
            return Err(Trouble::Wrong("the key store's signature is not r and s".to_owned()));
        }
        Ok(kiosk::to_picture(&jws::with_signature(&input, &signature)))
    }
}
