//! The session: the newest refresh token, access tokens while they are valid, and one refresh for all callers that need the same token.
//! RFC 6749 6, RFC 9700 4.14, on the side of the app, which must not lose the session.

use crate::Client;
use crate::connection::{Connection, lock, margin_s, text_member};
use crate::trouble::{Reply, Trouble};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex};

const SESSION: &str = "session";
/// A sign-out that the server has not heard of yet.
const PENDING_SIGN_OUT: &str = "leaving";

/// The part of the session that is stored. The issuer stands beside the token, so that the token never goes to another server.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub issuer: String,
    pub client_id: String,
    pub refresh_token: String,
    /// Begins a native sign-in of the same person, which asks only for what is missing.
    #[serde(default)]
    pub auth_session: Option<String>,
}

/// An access token for one API. Its `Debug` form does not show the token.
#[derive(Clone)]
pub struct Access {
    pub token: String,
    /// Every call needs a proof of the key (RFC 9449 7).
    pub is_bound: bool,
    until_s: i64,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access(until {})", self.until_s)
    }
}

impl Access {
    /// Reads a successful answer of the token endpoint. An app with a key accepts no token that works without the key (RFC 9449 5).
    pub(crate) fn from_reply(connection: Connection<'_>, reply: &Reply) -> Result<Self, Trouble> {
        let is_bound = connection.platform.keys.is_some();
        let wanted_type = if is_bound { "DPoP" } else { "Bearer" };
        let has_type = text_member(&reply.body, "token_type").is_some_and(|it| it.eq_ignore_ascii_case(wanted_type));
        let token = text_member(&reply.body, "access_token").filter(|_| has_type);
        let token = token.ok_or_else(|| Trouble::Wrong("the answer has no access token of the type that this app asked for".to_owned()))?;
        let lifetime_s = reply.body["expires_in"].as_i64().unwrap_or(60).clamp(0, 86_400);
        Ok(Self { token, is_bound, until_s: connection.now_s() + lifetime_s - margin_s(lifetime_s) })
    }
}

/// The token for one API: the outcome of the last refresh, and its number.
#[derive(Default)]
pub(crate) struct TokenSlot {
    /// Held during a refresh, so that there is one at a time.
    refreshing: tokio::sync::Mutex<()>,
    last: Mutex<(u64, Option<Result<Access, Trouble>>)>,
}

impl TokenSlot {
    pub fn set(&self, outcome: Result<Access, Trouble>) {
        let mut last = lock(&self.last);
        *last = (last.0 + 1, Some(outcome));
    }

    /// The token, if it is valid now and is not the refused one.
    fn valid(&self, now_s: i64, refused: Option<&str>) -> Option<Access> {
        match &lock(&self.last).1 {
            Some(Ok(access)) if now_s < access.until_s && Some(access.token.as_str()) != refused => Some(access.clone()),
            _ => None,
        }
    }
}

/// A refresh request in flight. Requests with the same refresh token may run side by side: their answers have the same successor. A request
/// with the successor waits until they have ended. Otherwise a late one would look like a stolen copy of an old token.
struct InFlight<'a>(&'a Client);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        lock(&self.0.0.in_flight).1 -= 1;
        self.0.0.request_ended.notify_waiters();
    }
}

impl Client {
    /// Is there a session to refresh? `Later` while the device is locked.
    pub async fn is_signed_in(&self) -> Result<bool, Trouble> {
        Ok(self.saved().await?.is_some())
    }

    /// An access token for an API. It is refreshed only when it expires soon. `resource` is the API's identifier (RFC 8707). It is empty
    /// where the server issues tokens for one API only.
    pub async fn access_token(&self, resource: &str) -> Result<Access, Trouble> {
        self.access(resource, None).await
    }

    /// `refused`: the token that an API has just called invalid.
    pub(crate) async fn access(&self, resource: &str, refused: Option<&str>) -> Result<Access, Trouble> {
        let slot = self.token_slot(resource);
        if let Some(access) = slot.valid(self.0.server.connection().now_s(), refused) {
            return Ok(access);
        }
        let seen = lock(&slot.last).0;
        let _lock = slot.refreshing.lock().await;
        // A caller that waited gets the outcome of the other refresh, good or bad. It does not ask the server again.
        if let (number, Some(outcome)) = &*lock(&slot.last)
            && *number != seen
        {
            return outcome.clone();
        }
        let outcome = self.refresh(resource).await;
        slot.set(outcome.clone());
        outcome
    }

    /// Refreshes, whether or not the token is still good.
    pub(crate) async fn renew(&self, resource: &str) -> Result<Access, Trouble> {
        let present = self.token_slot(resource).valid(self.0.server.connection().now_s(), None);
        self.access(resource, present.as_ref().map(|access| access.token.as_str())).await
    }

    pub(crate) fn token_slot(&self, resource: &str) -> Arc<TokenSlot> {
        Arc::clone(lock(&self.0.tokens).entry(resource.to_owned()).or_default())
    }

    async fn refresh(&self, resource: &str) -> Result<Access, Trouble> {
        for _ in 0..3 {
            let (sent, _in_flight) = self.enter_flight().await?;
            let reply = self.0.server.refresh(&sent.refresh_token, resource).await?;
            if reply.is_good() {
                let access = Access::from_reply(self.0.server.connection(), &reply)?;
                let next = text_member(&reply.body, "refresh_token").unwrap_or_else(|| sent.refresh_token.clone());
                let auth_session = text_member(&reply.body, "auth_session").or_else(|| sent.auth_session.clone());
                if self.store_successor(&sent, Saved { refresh_token: next, auth_session, ..sent.clone() }).await? {
                    // Without it there is one later; the session does not depend on it.
                    let _ = self.keep_pass(&reply).await;
                    if let Some(shared) = self.shared() {
                        let _ = shared.keep(&self.0.server.settings.issuer, &reply).await;
                    }
                    return Ok(access);
                }
                continue;
            }
            match reply.trouble() {
                Trouble::Refused { error, description, .. } if error == "invalid_grant" => self.end_session(&sent, description).await?,
                other => return Err(other),
            }
        }
        Err(Trouble::later("the session is being refreshed elsewhere"))
    }

    /// Reads the storage each time, because another process of the app may have stored a newer token.
    pub(crate) async fn saved(&self) -> Result<Option<Saved>, Trouble> {
        let settings = &self.0.server.settings;
        let is_ours = |saved: &Saved| saved.issuer == settings.issuer && saved.client_id == settings.client_id;
        Ok(self.0.server.connection().load::<Saved>(SESSION).await?.filter(is_ours))
    }

    /// Waits until no request with another refresh token is in flight, and joins those with this one.
    async fn enter_flight(&self) -> Result<(Saved, InFlight<'_>), Trouble> {
        loop {
            let request_ended = self.0.request_ended.notified();
            {
                let _lock = self.0.storage_lock.lock().await;
                let saved = self.saved().await?.ok_or_else(|| Trouble::SignedOut("nobody is signed in".to_owned()))?;
                let mut in_flight = lock(&self.0.in_flight);
                if in_flight.1 == 0 || in_flight.0 == saved.refresh_token {
                    *in_flight = (saved.refresh_token.clone(), in_flight.1 + 1);
                    drop(in_flight);
                    return Ok((saved, InFlight(self)));
                }
            }
            request_ended.await;
        }
    }

    /// Stores the successor before anything of the answer is used. An answer that could not be stored counts as lost: the same refresh
    /// token gets it again. `false`: meanwhile the person signed in or out, or another process refreshed.
    async fn store_successor(&self, sent: &Saved, next: Saved) -> Result<bool, Trouble> {
        let _lock = self.0.storage_lock.lock().await;
        match self.saved().await?.map(|it| it.refresh_token) {
            Some(stored) if stored == next.refresh_token => Ok(true),
            Some(stored) if stored == sent.refresh_token => {
                self.0.server.connection().store(SESSION, Some(&next)).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Ends the session after the server said that this token is invalid, unless a newer one has been stored meanwhile.
    pub(crate) async fn end_session(&self, sent: &Saved, why: String) -> Result<(), Trouble> {
        let _lock = self.0.storage_lock.lock().await;
        match self.saved().await? {
            Some(stored) if stored.refresh_token != sent.refresh_token => Ok(()),
            _ => {
                self.0.server.connection().store::<Saved>(SESSION, None).await?;
                lock(&self.0.tokens).clear();
                Err(Trouble::SignedOut(why))
            }
        }
    }

    /// Stores a new session in place of the old one.
    pub(crate) async fn begin_session(&self, reply: &Reply, resource: &str, access: Access) -> Result<(), Trouble> {
        let _lock = self.0.storage_lock.lock().await;
        let settings = &self.0.server.settings;
        let (issuer, client_id) = (settings.issuer.clone(), settings.client_id.clone());
        let auth_session = text_member(&reply.body, "auth_session");
        let saved = text_member(&reply.body, "refresh_token");
        let saved = saved.map(|refresh_token| Saved { issuer, client_id, refresh_token, auth_session });
        self.0.server.connection().store(SESSION, saved.as_ref()).await?;
        lock(&self.0.tokens).clear();
        self.token_slot(resource).set(Ok(access));
        Ok(())
    }

    /// Ends the session here and at the server (RFC 7009). If the server cannot be reached, it hears of it before the next sign-in.
    /// `Later`: the device is locked and nothing happened.
    pub async fn sign_out(&self) -> Result<(), Trouble> {
        {
            let _lock = self.0.storage_lock.lock().await;
            if let Some(saved) = self.saved().await? {
                let connection = self.0.server.connection();
                connection.store(PENDING_SIGN_OUT, Some(&saved.refresh_token)).await?;
                connection.store::<Saved>(SESSION, None).await?;
            }
            self.forget_pass().await?;
            lock(&self.0.tokens).clear();
        }
        // The person is signed out on this device, whatever the network does.
        let _ = self.send_pending_sign_out().await;
        Ok(())
    }

    /// Tells the server about a sign-out that it has not heard of yet.
    pub(crate) async fn send_pending_sign_out(&self) -> Result<(), Trouble> {
        let Some(token) = self.0.server.connection().load::<String>(PENDING_SIGN_OUT).await? else { return Ok(()) };
        let reply = self.0.server.revoke(&token).await?;
        match reply.trouble() {
            later @ Trouble::Later { .. } if !reply.is_good() => Err(later),
            _ => self.0.server.connection().store::<String>(PENDING_SIGN_OUT, None).await,
        }
    }
}
