//! The session: one refresh token that is always the newest, access tokens while they are good, one refresh for everybody who needs
//! the same. RFC 6749 6, RFC 9700 4.14, from the side that must not lose it.

use crate::Client;
use crate::attesting::margin_s;
use crate::server::{Server, locked, text};
use crate::trouble::{Reply, Trouble};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex};

const SESSION: &str = "session";
const LEAVING: &str = "leaving";

/// What survives the process. The server's names are kept beside the token, so that it is never sent to another.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub issuer: String,
    pub client_id: String,
    pub refresh_token: String,
}

/// An access token for one API. It never prints itself.
#[derive(Clone)]
pub struct Access {
    pub token: String,
    /// It needs a proof of the key with every call (RFC 9449 7).
    pub is_bound: bool,
    until_s: i64,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access(until {})", self.until_s)
    }
}

impl Access {
    /// From a good answer of the token endpoint. An app with a key takes no token that would work without it (RFC 9449 5).
    pub(crate) fn read(server: &Server, reply: &Reply) -> Result<Self, Trouble> {
        let is_bound = server.platform.keys.is_some();
        let fits = text(&reply.body, "token_type").is_some_and(|it| it.eq_ignore_ascii_case(if is_bound { "DPoP" } else { "Bearer" }));
        let token = text(&reply.body, "access_token").filter(|_| fits);
        let token = token.ok_or_else(|| Trouble::Wrong("the answer carries no access token of the kind this app asked for".to_owned()))?;
        let lifetime_s = reply.body["expires_in"].as_i64().unwrap_or(60).clamp(0, 86_400);
        Ok(Self { token, is_bound, until_s: server.now_s() + lifetime_s - margin_s(lifetime_s) })
    }
}

/// What is needed for one API, and the last thing that came of asking for it.
#[derive(Default)]
pub(crate) struct Need {
    asking: tokio::sync::Mutex<()>,
    last: Mutex<(u64, Option<Result<Access, Trouble>>)>,
}

impl Need {
    pub fn set(&self, outcome: Result<Access, Trouble>) {
        let mut last = locked(&self.last);
        *last = (last.0 + 1, Some(outcome));
    }

    fn good(&self, now_s: i64, refused: Option<&str>) -> Option<Access> {
        match &locked(&self.last).1 {
            Some(Ok(it)) if now_s < it.until_s && Some(it.token.as_str()) != refused => Some(it.clone()),
            _ => None,
        }
    }
}

/// A refresh under way. Requests with one refresh token may cross each other: their answers carry the same successor. One with the
/// successor waits until they have landed; else a late one would look like a copy of an old token.
struct Flight<'a>(&'a Client);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        locked(&self.0.0.flights).1 -= 1;
        self.0.0.landed.notify_waiters();
    }
}

impl Client {
    /// Is there a session to refresh? `Later` while the device is locked.
    pub async fn is_signed_in(&self) -> Result<bool, Trouble> {
        Ok(self.saved().await?.is_some())
    }

    /// An access token for an API that is good for a while; refreshed only when it has to be. `resource`: the API's identifier
    /// (RFC 8707), or empty where the server issues for one API only.
    pub async fn access_token(&self, resource: &str) -> Result<Access, Trouble> {
        self.access(resource, None).await
    }

    /// `refused`: the token that an API has just called invalid.
    pub(crate) async fn access(&self, resource: &str, refused: Option<&str>) -> Result<Access, Trouble> {
        let need = self.need(resource);
        if let Some(good) = need.good(self.0.server.now_s(), refused) {
            return Ok(good);
        }
        let seen = locked(&need.last).0;
        let _alone = need.asking.lock().await;
        // Whoever waited gets what came of it, be it good or bad, and does not ask the server the same again.
        if let (number, Some(outcome)) = &*locked(&need.last)
            && *number != seen
        {
            return outcome.clone();
        }
        let outcome = self.refresh(resource).await;
        need.set(outcome.clone());
        outcome
    }

    pub(crate) fn need(&self, resource: &str) -> Arc<Need> {
        Arc::clone(locked(&self.0.needs).entry(resource.to_owned()).or_default())
    }

    async fn refresh(&self, resource: &str) -> Result<Access, Trouble> {
        for _ in 0..3 {
            let (sent, _flight) = self.board().await?;
            let reply = self.0.server.refresh(&sent.refresh_token, resource).await?;
            if reply.is_good() {
                let access = Access::read(&self.0.server, &reply)?;
                let next = text(&reply.body, "refresh_token").unwrap_or_else(|| sent.refresh_token.clone());
                if self.landed(&sent, next).await? {
                    return Ok(access);
                }
                continue;
            }
            match reply.trouble() {
                Trouble::Refused { error, description } if error == "invalid_grant" => self.is_over(&sent, description).await?,
                other => return Err(other),
            }
        }
        Err(Trouble::later("the session is being refreshed elsewhere"))
    }

    /// Storage is asked each time: another process of the app may have the newer token.
    pub(crate) async fn saved(&self) -> Result<Option<Saved>, Trouble> {
        let settings = &self.0.server.settings;
        let ours = |it: &Saved| it.issuer == settings.issuer && it.client_id == settings.client_id;
        Ok(self.0.server.kept::<Saved>(SESSION).await?.filter(ours))
    }

    async fn board(&self) -> Result<(Saved, Flight<'_>), Trouble> {
        loop {
            let landed = self.0.landed.notified();
            {
                let _door = self.0.door.lock().await;
                let saved = self.saved().await?.ok_or_else(|| Trouble::SignedOut("nobody is signed in".to_owned()))?;
                let mut flights = locked(&self.0.flights);
                if flights.1 == 0 || flights.0 == saved.refresh_token {
                    *flights = (saved.refresh_token.clone(), flights.1 + 1);
                    drop(flights);
                    return Ok((saved, Flight(self)));
                }
            }
            landed.await;
        }
    }

    /// Keeps the successor before anything of the answer is used: an answer that could not be kept was never got, and the same
    /// refresh token gets it again. `false`: meanwhile somebody signed in or out, or another process went on.
    async fn landed(&self, sent: &Saved, next: String) -> Result<bool, Trouble> {
        let _door = self.0.door.lock().await;
        match self.saved().await?.map(|it| it.refresh_token) {
            Some(held) if held == next => Ok(true),
            Some(held) if held == sent.refresh_token => {
                self.0.server.keep(SESSION, Some(&Saved { refresh_token: next, ..sent.clone() })).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The server's own word that this token is over. It is, unless a newer one has been stored meanwhile.
    async fn is_over(&self, sent: &Saved, why: String) -> Result<(), Trouble> {
        let _door = self.0.door.lock().await;
        match self.saved().await? {
            Some(held) if held.refresh_token != sent.refresh_token => Ok(()),
            _ => {
                self.0.server.keep::<Saved>(SESSION, None).await?;
                locked(&self.0.needs).clear();
                Err(Trouble::SignedOut(why))
            }
        }
    }

    /// A new session instead of whatever was there.
    pub(crate) async fn begin_session(&self, refresh_token: Option<String>, resource: &str, access: Access) -> Result<(), Trouble> {
        let _door = self.0.door.lock().await;
        let settings = &self.0.server.settings;
        let saved =
            refresh_token.map(|it| Saved { issuer: settings.issuer.clone(), client_id: settings.client_id.clone(), refresh_token: it });
        self.0.server.keep(SESSION, saved.as_ref()).await?;
        locked(&self.0.needs).clear();
        self.need(resource).set(Ok(access));
        Ok(())
    }

    /// Ends the session here, and at the server (RFC 7009): now, or, if it cannot be reached, before the next sign-in. `Later`: the
    /// device is locked and nothing happened.
    pub async fn sign_out(&self) -> Result<(), Trouble> {
        {
            let _door = self.0.door.lock().await;
            if let Some(saved) = self.saved().await? {
                self.0.server.keep(LEAVING, Some(&saved.refresh_token)).await?;
                self.0.server.keep::<Saved>(SESSION, None).await?;
            }
            locked(&self.0.needs).clear();
        }
        // The person is signed out on this device, whatever the network does.
        let _ = self.leave().await;
        Ok(())
    }

    /// Tells the server of a sign-out it has not heard of yet.
    pub(crate) async fn leave(&self) -> Result<(), Trouble> {
        let Some(token) = self.0.server.kept::<String>(LEAVING).await? else { return Ok(()) };
        let reply = self.0.server.revoke(&token).await?;
        match reply.trouble() {
            later @ Trouble::Later { .. } if !reply.is_good() => Err(later),
            _ => self.0.server.keep::<String>(LEAVING, None).await,
        }
    }
}
