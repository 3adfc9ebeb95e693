//! A native sign-in goes on in the browser and comes back to the app's own screens (`browser_return=sw`). What was proved there counts once
//! the app has brought the handle of the redirect. Until then its last step is open, and the app has to keep it.

use crate::Client;
use crate::native::{Screens, Under};
use crate::platform::NoRedirect;
use crate::redirect::{self, Redirect};
use crate::sign_in::{Away, BROWSER_RETURN, PENDING, Pending, SignedIn};
use crate::trouble::{Reply, Trouble};

/// What came of the browser.
pub(crate) enum Came {
    Handle(String),
    /// The operator wants the browser meanwhile: the sign-in has ended there.
    Code(String),
    /// The person refused there, or closed the browser.
    Nothing,
}

impl Client {
    /// Goes on with a native sign-in whose app was ended while the person was in the browser. `url`: what the operating system handed to
    /// the app. Any other answer goes to [`Client::finish`].
    pub async fn finish_natively(&self, url: &str, screens: &dyn Screens) -> Result<Option<SignedIn>, Trouble> {
        let pending = self.pending().await?.filter(|it| it.code.is_none());
        let Some((pending, away)) = pending.and_then(|it| it.away.clone().map(|away| (it, away))) else { return self.finish(url).await };
        let Some(came) = self.came(url, &pending).await? else { return Ok(None) };
        let under = Under { pending, request: None, saved: None };
        self.come_back(under, (&away, came), screens).await.map(Some)
    }

    /// Opens the browser and waits for what it brings.
    pub(crate) async fn go_and_come_back(&self, address: &str, pending: &Pending) -> Result<Came, Trouble> {
        self.wait_for(pending).await?;
        let browser = &self.0.server.platform.browser;
        let closed = |why| if why == NoRedirect::Closed { Ok(Came::Nothing) } else { Err(Trouble::from(why)) };
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
            Redirect::Refused { .. } => Some(Came::Nothing),
            Redirect::AnotherIssuer => {
                self.0.server.connection().store::<Pending>(PENDING, None).await?;
                return Err(Trouble::Wrong("the answer to this sign-in names another issuer".to_owned()));
            }
        })
    }

    /// Brings it to the sign-in, which goes on with the answer.
    pub(crate) async fn come_back(
        &self,
        under: Under<'_>,
        (away, came): (&Away, Came),
        screens: &dyn Screens,
    ) -> Result<SignedIn, Trouble> {
        let reply = match came {
            Came::Code(code) => return self.redeem_native(under.pending, code).await,
            Came::Handle(handle) => self.bring(away, &handle).await?,
            Came::Nothing => away.still_open(),
        };
        Box::pin(self.go_on_natively(under, reply, screens)).await
    }

    /// A handle that is too old is of no use, and the step is still open.
    async fn bring(&self, away: &Away, handle: &str) -> Result<Reply, Trouble> {
        let form = [("auth_session", away.auth_session.as_str()), (BROWSER_RETURN, handle)];
        let reply = self.send_answer(&form).await?;
        Ok(reply.filter(|reply| reply.error() != "invalid_request").unwrap_or_else(|| away.still_open()))
    }
}
