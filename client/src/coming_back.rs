//! A native sign-in goes on in the browser and comes back to the app's own screens (`browser_return=sw`). What was proved there counts once
//! the app has brought the handle of the redirect. Until then its last step is open, and the app has to keep it.

use crate::Client;
use crate::native::{Screens, Under};
use crate::platform::NoRedirect;
use crate::redirect::{self, Redirect};
use crate::sign_in::{Away, BROWSER_RETURN, PENDING, Pending, SignedIn};
use crate::trouble::{Reply, Trouble};

/// How many rounds of sending a handle meets while another answer is being checked.
const MOST_ROUNDS: usize = 4;

/// What came of the browser.
pub(crate) enum Came {
    Handle(String),
    /// The operator wants the browser meanwhile: the sign-in has ended there.
    Code(String),
    /// The person refused there.
    Refused,
    /// The person closed the browser. A late answer may still come.
    Closed,
}

impl Client {
    /// Goes on with a native sign-in whose app was ended while the person was in the browser. `url`: what the operating system handed to
    /// the app. Any other answer goes to [`Client::finish`].
    pub async fn finish_natively(&self, url: &str, screens: &dyn Screens) -> Result<Option<SignedIn>, Trouble> {
        let Some(pending) = self.away().await? else { return self.finish(url).await };
        let Some(came) = self.came(url, &pending).await? else { return Ok(None) };
        self.go_on_without_request(pending, came, screens).await
    }

    /// Brings the handle that the server has not taken: after `Later` from a native sign-in, or at the start of the app. Any other sign-in
    /// goes to [`Client::resume`]. `None`: there is no such sign-in.
    pub async fn resume_natively(&self, screens: &dyn Screens) -> Result<Option<SignedIn>, Trouble> {
        let Some(pending) = self.away().await? else { return self.resume().await };
        let Some(handle) = pending.away.as_ref().and_then(|it| it.handle.clone()) else { return Ok(None) };
        self.go_on_without_request(pending, Came::Handle(handle), screens).await
    }

    async fn go_on_without_request(&self, pending: Pending, came: Came, screens: &dyn Screens) -> Result<Option<SignedIn>, Trouble> {
        let is_beside = pending.away.as_ref().is_some_and(|it| it.is_beside);
        let saved = if is_beside { self.saved().await? } else { None };
        self.come_back(Under { pending, request: None, saved }, came, screens).await
    }

    /// The native sign-in that waits for the browser.
    async fn away(&self) -> Result<Option<Pending>, Trouble> {
        Ok(self.pending().await?.filter(|it| it.code.is_none() && it.away.is_some()))
    }

    /// Opens the browser and waits for what it brings.
    pub(crate) async fn go_and_come_back(&self, address: &str, pending: &Pending) -> Result<Came, Trouble> {
        self.wait_for(pending).await?;
        let browser = &self.0.server.platform.browser;
        let closed = |why| if why == NoRedirect::Closed { Ok(Came::Closed) } else { Err(Trouble::from(why)) };
        if let Err(why) = browser.open(address).await {
            return closed(why);
        }
        loop {
            match browser.redirected().await {
                Ok(url) => match self.came(&url, pending).await? {
                    Some(came) => return Ok(came),
                    None => continue,
                },
                Err(why) => return closed(why),
            }
        }
    }

    /// None: it is no answer to the pending sign-in, and changed nothing.
    async fn came(&self, url: &str, pending: &Pending) -> Result<Option<Came>, Trouble> {
        Ok(match redirect::read(url, &self.0.server.settings, &pending.state) {
            Redirect::NotOurs => None,
            Redirect::BrowserReturn(handle) => Some(Came::Handle(handle)),
            Redirect::Code(code) => Some(Came::Code(code)),
            Redirect::Refused { .. } => Some(Came::Refused),
            Redirect::AnotherIssuer => {
                self.0.server.connection().store::<Pending>(PENDING, None).await?;
                return Err(Trouble::Wrong("the answer to this sign-in names another issuer".to_owned()));
            }
        })
    }

    /// Brings it to the sign-in, which goes on with the answer. The same redirect may arrive twice at once, and counts once. `None`: it was
    /// taken before.
    pub(crate) async fn come_back(&self, mut under: Under<'_>, came: Came, screens: &dyn Screens) -> Result<Option<SignedIn>, Trouble> {
        let reply = {
            let _bringing = self.0.bringing.lock().await;
            let Some(away) = self.note(&mut under.pending, &came).await? else { return Ok(None) };
            let reply = match &came {
                Came::Code(code) => return self.redeem_native(under.pending, code.clone()).await.map(Some),
                Came::Handle(handle) => self.bring(&away, handle).await?,
                Came::Refused | Came::Closed => away.still_open(),
            };
            if !matches!(came, Came::Closed) {
                self.0.server.connection().store::<Pending>(PENDING, None).await?;
            }
            reply
        };
        Box::pin(self.go_on_natively(under, reply, screens)).await.map(Some)
    }

    /// Stores a handle before it is sent: it can be brought again if its answer is lost. `None`: this sign-in does not wait any more.
    async fn note(&self, pending: &mut Pending, came: &Came) -> Result<Option<Away>, Trouble> {
        let _lock = self.0.storage_lock.lock().await;
        let waits = self.away().await?.is_some_and(|it| it.state == pending.state);
        if waits
            && let Came::Handle(handle) = came
            && let Some(away) = pending.away.as_mut()
        {
            away.handle = Some(handle.clone());
            self.wait_for(pending).await?;
        }
        Ok(pending.away.clone().filter(|_| waits))
    }

    /// A handle that is too old is of no use, and the step is still open. After `Later` the handle is still good.
    async fn bring(&self, away: &Away, handle: &str) -> Result<Reply, Trouble> {
        let form = [("auth_session", away.auth_session.as_str()), (BROWSER_RETURN, handle)];
        for _ in 0..MOST_ROUNDS {
            let Some(reply) = self.send_answer(&form).await? else { continue };
            return match reply.trouble() {
                later @ Trouble::Later { .. } if !reply.is_good() => Err(later),
                Trouble::Refused { error, .. } if error == "invalid_request" => Ok(away.still_open()),
                _ => Ok(reply),
            };
        }
        Err(Trouble::later("another answer to this sign-in is still being checked"))
    }
}
