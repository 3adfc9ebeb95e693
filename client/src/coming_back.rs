//! A native sign-in goes on in the browser and comes back to the app's own screens (`browser_return=sw`). What was proved there counts once
//! the app has brought the handle of the redirect. Until then its last step is open, and the app has to keep it. The code of a wallet that
//! the app has opened takes the same way.

use crate::Client;
use crate::native::{Screens, Under};
use crate::platform::NoRedirect;
use crate::redirect::{self, Redirect};
use crate::sign_in::{Away, BROWSER_RETURN, PENDING, Pending, SignedIn};
use crate::trouble::{Reply, Trouble};
use crate::wallet::{WalletCode, opens_wallet};

/// How many rounds of sending a handle meets while another answer is being checked.
const MOST_ROUNDS: usize = 4;
/// How many codes of wallets are kept: the oldest, and the newest. Anybody may send the app such a link.
const MOST_CODES: usize = 8;

/// What came of the browser, or of a wallet.
pub(crate) enum Came {
    Handle(String),
    Wallet(WalletCode),
    /// The operator wants the browser meanwhile: the sign-in has ended there.
    Code(String),
    /// The person refused there.
    Refused,
    /// The person closed the browser, or came back without an answer. A late one may still come.
    Closed,
}

impl Away {
    /// Keeps what came, so that it can be brought again. Where there is no room, a wallet's code takes the place of the one that came last.
    /// False: nothing was kept.
    fn keep(&mut self, came: &Came) -> bool {
        match came {
            Came::Handle(handle) => self.handle = Some(handle.clone()),
            Came::Wallet(code) if !self.wallets.contains(code) => {
                self.wallets.truncate(MOST_CODES - 1);
                self.wallets.push(code.clone());
            }
            Came::Wallet(_) | Came::Code(_) | Came::Refused | Came::Closed => return false,
        }
        true
    }

    /// What came, and the server has not taken yet.
    fn kept(&self) -> Option<Came> {
        self.handle.clone().map(Came::Handle).or_else(|| self.wallets.first().cloned().map(Came::Wallet))
    }
}

impl Client {
    /// Goes on with a native sign-in whose app was ended while the person was in the browser or in a wallet. `url`: what the operating
    /// system handed to the app. Any other answer goes to [`Client::finish`].
    pub async fn finish_natively(&self, url: &str, screens: &dyn Screens) -> Result<Option<SignedIn>, Trouble> {
        let Some(pending) = self.away().await? else { return self.finish(url).await };
        let Some(came) = self.came(url, &pending).await? else { return Ok(None) };
        self.go_on_without_request(pending, came, screens).await
    }

    /// Brings what the server has not taken: after `Later` from a native sign-in, or at the start of the app. Any other sign-in
    /// goes to [`Client::resume`]. `None`: there is no such sign-in.
    pub async fn resume_natively(&self, screens: &dyn Screens) -> Result<Option<SignedIn>, Trouble> {
        let Some(pending) = self.away().await? else { return self.resume().await };
        let Some(came) = pending.away.as_ref().and_then(Away::kept) else { return Ok(None) };
        self.go_on_without_request(pending, came, screens).await
    }

    async fn go_on_without_request(&self, pending: Pending, came: Came, screens: &dyn Screens) -> Result<Option<SignedIn>, Trouble> {
        let is_beside = pending.away.as_ref().is_some_and(|it| it.is_beside);
        let saved = if is_beside { self.saved().await? } else { None };
        self.come_back(Under { pending, request: None, saved }, came, screens).await
    }

    /// The native sign-in that waits for the browser or a wallet.
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
    pub(crate) async fn came(&self, url: &str, pending: &Pending) -> Result<Option<Came>, Trouble> {
        Ok(match redirect::read(url, &self.0.server.settings, &pending.state) {
            Redirect::NotOurs => None,
            Redirect::BrowserReturn(handle) => Some(Came::Handle(handle)),
            Redirect::WalletReturn(code) => pending.away.as_ref().filter(|it| opens_wallet(&it.step)).map(|_| Came::Wallet(code)),
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
            let answered = match &came {
                Came::Code(code) => return self.redeem_native(under.pending, code.clone()).await.map(Some),
                Came::Handle(handle) => self.bring(&away, &[(BROWSER_RETURN, handle.as_str())]).await?,
                Came::Wallet(_) => self.bring_codes(&mut under.pending, &away).await?,
                Came::Refused | Came::Closed => None,
            };
            match (&came, &answered) {
                // The link was somebody else's, perhaps, and the person's own may still come.
                (Came::Closed, _) | (Came::Wallet(_), None) => {}
                // The browser's answer was to an older step, or a no. A wallet's code that is kept may still be good.
                (Came::Handle(_) | Came::Refused, None) if !away.wallets.is_empty() => self.forget(&mut under.pending, None).await?,
                _ => self.0.server.connection().store::<Pending>(PENDING, None).await?,
            }
            answered.unwrap_or_else(|| away.still_open())
        };
        Box::pin(self.go_on_natively(under, reply, screens)).await.map(Some)
    }

    /// Stores what is brought before it is sent, so that it can be brought again. What came elsewhere meanwhile stays. `None`: this sign-in
    /// does not wait any more. Or nothing came here, while what came elsewhere is kept to be brought.
    async fn note(&self, pending: &mut Pending, came: &Came) -> Result<Option<Away>, Trouble> {
        let _lock = self.0.storage_lock.lock().await;
        let Some(stored) = self.waiting(pending).await? else { return Ok(None) };
        if matches!(came, Came::Closed) && stored.kept().is_some() {
            return Ok(None);
        }
        pending.away = Some(stored);
        if pending.away.as_mut().is_some_and(|it| it.keep(came)) {
            self.wait_for(pending).await?;
        }
        Ok(pending.away.clone())
    }

    /// Brings the codes of wallets, the oldest first. So a link that somebody has sent takes nothing from a code that is kept. A code that
    /// is refused is forgotten. `None`: all were refused.
    async fn bring_codes(&self, pending: &mut Pending, away: &Away) -> Result<Option<Reply>, Trouble> {
        for code in &away.wallets {
            if let Some(reply) = self.bring(away, &code.answer(&away.step)).await? {
                return Ok(Some(reply));
            }
            self.forget(pending, Some(code)).await?;
        }
        Ok(None)
    }

    /// Forgets what is not brought again: this code of a wallet, or else the browser's handle. The sign-in waits as before.
    async fn forget(&self, pending: &mut Pending, code: Option<&WalletCode>) -> Result<(), Trouble> {
        let _lock = self.0.storage_lock.lock().await;
        let Some(mut stored) = self.waiting(pending).await? else { return Ok(()) };
        match code {
            Some(code) => stored.wallets.retain(|it| it != code),
            None => stored.handle = None,
        }
        pending.away = Some(stored);
        self.wait_for(pending).await
    }

    /// Stores the sign-in before its wallet opens. Codes that came to this step before stay.
    pub(crate) async fn set_out(&self, pending: &mut Pending) -> Result<(), Trouble> {
        let _lock = self.0.storage_lock.lock().await;
        if let Some(stored) = self.waiting(pending).await? {
            pending.away = Some(stored);
        }
        self.wait_for(pending).await
    }

    /// This step of this sign-in, as it is stored, while it waits.
    async fn waiting(&self, pending: &Pending) -> Result<Option<Away>, Trouble> {
        let is_open = |stored: &Away| pending.away.as_ref().is_some_and(|own| own.auth_session == stored.auth_session);
        Ok(self.away().await?.filter(|it| it.state == pending.state).and_then(|it| it.away).filter(is_open))
    }

    /// From now on a late answer changes nothing. False: one has come meanwhile. It is brought to its end first, or is kept to be brought.
    pub(crate) async fn stop_waiting(&self, pending: &Pending) -> Result<bool, Trouble> {
        let _bringing = self.0.bringing.lock().await;
        let _lock = self.0.storage_lock.lock().await;
        let stops = self.waiting(pending).await?.is_some_and(|it| it.kept().is_none());
        if stops {
            self.0.server.connection().store::<Pending>(PENDING, None).await?;
        }
        Ok(stops)
    }

    /// `None`: what is too old, or of another sign-in, is of no use, and the step is still open. After `Later` it is still good.
    async fn bring(&self, away: &Away, brought: &[(&str, &str)]) -> Result<Option<Reply>, Trouble> {
        let form = [&[("auth_session", away.auth_session.as_str())], brought].concat();
        for _ in 0..MOST_ROUNDS {
            let Some(reply) = self.send_answer(&form).await? else { continue };
            return match reply.trouble() {
                later @ Trouble::Later { .. } if !reply.is_good() => Err(later),
                Trouble::Refused { error, .. } if error == "invalid_request" => Ok(None),
                _ => Ok(Some(reply)),
            };
        }
        Err(Trouble::later("another answer to this sign-in is still being checked"))
    }
}
