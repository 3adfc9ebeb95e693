//! A native sign-in goes on in the browser and comes back (`browser_return=sw`). The browser's sign-in ends in a handle in the place of a
//! code. The app sends it with its `auth_session` and its key, and only then does what was proved in the browser count.

use super::Authority;
use super::delivery::Delivery;
use super::detour::ComesBack;
use crate::error::{Fault, Refused, Result};
use crate::login::machine::{Answering, Brought};
use crate::login::row::{self, Life};
use crate::login::state::{Ended, State};
use crate::tokens::handles::{Kind, RowName};

/// The handle of a browser's sign-in that ended so. It names the row alone, and whoever has it needs the app's key.
pub fn handle(authority: &Authority<'_>, state: &State) -> String {
    authority.handles.make(Kind::BrowserReturn, RowName { id: state.id, number: 0, generation: 0 }, b"")
}

/// What was proved in the browser for the step that this answer answers. The answer moves the sign-in, so a handle is good once.
pub async fn brought(authority: &Authority<'_>, handle: &str, answering: &Answering, now_ms: i64) -> Result<Brought> {
    let refused = |why: &str| {
        let hint = "This browser_return is unknown, used, too old, or of another sign-in. The step is still open.";
        Refused::bad_request("invalid_request", hint).because(why)
    };
    let read = authority.handles.read(Kind::BrowserReturn, handle).ok_or_else(|| refused("browser_return cannot be read"))?;
    let stored = row::read(&authority.store, &authority.keyring, &read.id).await?.ok_or_else(|| refused("no row of browser_return"))?;
    let is_over = stored.life() == Life::Ended;
    let Some(&Ended::SentBack { until_ms }) = stored.state.ended().filter(|_| is_over) else {
        return Err(refused("the browser's sign-in did not end so").into());
    };
    if now_ms >= until_ms {
        return Err(refused("browser_return is too old").into());
    }
    let Delivery::Redirect(request) = Delivery::from_json(stored.state.request)? else {
        return Err(refused("no browser's sign-in").into());
    };
    if request.detour.and_then(|detour| detour.comes_back) != Some(ComesBack::to(&answering.state.id, answering.state.version)) {
        return Err(refused("browser_return is of another sign-in, or of another step of it").into());
    }
    let subject = stored.state.subject.ok_or_else(|| Fault::new("a browser came back with nobody"))?;
    let proofs = stored.state.proofs.into_iter().filter(|proof| !proof.method.is_of_one_sign_in()).collect();
    Ok(Brought { subject, proofs, is_new: stored.state.is_new })
}
