//! What a sign-in leaves where the person is, beside what its client gets: a session of our own pages, and a device that is known from then on.
//! The person hears of a device that was not known before (W-57), and of an approval. Every face and every delivery comes by here.

use super::Authority;
use super::complete::{Granted, authenticated};
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::login::context::{Device, Face, Visitor};
use crate::login::flow::{Moved, Proven};
use crate::login::known_devices::{self, SeenDevice};
use crate::login::machine::Machine;
use crate::login::state::Ended;
use crate::login::{ending, notices};
use crate::mail;
use crate::sessions::{self, OpenedFrom, Session};
use crate::store::Change;

/// Who answers, and where.
#[derive(Clone, Copy)]
pub(super) struct Answerer<'a> {
    pub(super) authority: Authority<'a>,
    pub(super) machine: &'a Machine,
    /// The browser's present session.
    pub(super) session: Option<&'a Session>,
    pub(super) visitor: &'a Visitor<'a>,
    /// What the cookie of a new session is made of. None: no browser asks.
    pub(super) session_secret: Option<[u8; 32]>,
}

impl<'a> Answerer<'a> {
    pub(super) fn opened_from(&self) -> OpenedFrom<'a> {
        OpenedFrom { user_agent: self.visitor.user_agent, address: self.visitor.address }
    }

    pub(super) fn is_in_browser(&self) -> bool {
        matches!(self.visitor.face, Face::Browser)
    }
}

/// The end of a sign-in while it is written.
#[derive(Default)]
pub(super) struct End {
    pub(super) cookie: Option<(String, String)>,
    /// What a code leads to.
    pub(super) granted: Option<Granted>,
    /// The statement that answers the request of a client that waits elsewhere. It conflicts if another answer was first.
    pub(super) answered: Option<usize>,
}

impl End {
    pub(super) fn of_answer(answered: usize) -> Self {
        Self { answered: Some(answered), ..Self::default() }
    }
}

/// What a sign-in has opened, or goes on with.
pub(super) struct OpenedSession<'a> {
    pub(super) session: &'a [u8; 16],
    /// None: nothing was proved anew, or no browser asks.
    pub(super) cookie: Option<&'a str>,
    /// The policy of a client was met, which may ask for less next time.
    pub(super) counts: bool,
}

/// The account's own pages: a session and nothing else.
pub(super) async fn sign_in(answerer: &Answerer<'_>, moved: &mut Moved, change: &mut Change, proven: &Proven) -> Result<End> {
    let core = answerer.authority.core;
    let secret = answerer.session_secret.ok_or_else(|| Fault::new("a session of our own pages without a browser"))?;
    let (session, cookie) = sessions::open(core, change, answerer.session, &authenticated(proven, answerer.opened_from()), secret)?;
    let mut entry = Entry::ok("signed_in").account(proven.account.as_str()).session(sessions::public_id(core, &session));
    entry.address = answerer.visitor.address.map(|address| address.to_string());
    change.audit(entry.with("acr", proven.satisfied.acr.clone().unwrap_or_default()));
    let opened = OpenedSession { session: &session, cookie: Some(&cookie), counts: false };
    note_device(answerer, moved, change, proven, &opened).await?;
    moved.state.end(Ended::SignedIn { session, account: proven.account.clone(), opened: true });
    Ok(End { cookie: Some((cookie, proven.account.clone())), ..End::default() })
}

/// The browser stays signed in, as after any sign-in.
pub(super) async fn remember_browser(answerer: &Answerer<'_>, moved: &mut Moved, change: &mut Change, proven: &Proven) -> Result<End> {
    let unchanged = answerer.session.filter(|session| session.account == proven.account && session.proofs == proven.proofs);
    if let Some(session) = unchanged {
        moved.state.end(Ended::SignedIn { session: session.id, account: proven.account.clone(), opened: false });
        return Ok(End::default());
    }
    sign_in(answerer, moved, change, proven).await
}

/// The same where an app may answer as well. It has its session.
pub(super) async fn stay_signed_in(answerer: &Answerer<'_>, moved: &mut Moved, change: &mut Change, proven: &Proven) -> Result<End> {
    if answerer.is_in_browser() {
        return remember_browser(answerer, moved, change, proven).await;
    }
    let session = moved.state.subject.as_ref().and_then(|subject| subject.session).unwrap_or_default();
    moved.state.end(Ended::SignedIn { session, account: proven.account.clone(), opened: false });
    Ok(End::default())
}

/// On which device a person signed in. It is known from then on.
pub(super) async fn note_device(
    answerer: &Answerer<'_>,
    moved: &Moved,
    change: &mut Change,
    proven: &Proven,
    opened: &OpenedSession<'_>,
) -> Result<()> {
    let Answerer { machine, visitor, .. } = answerer;
    if !machine.remembers_devices() || moved.forgets_device() {
        return Ok(());
    }
    let (name, may_count) = match (visitor.device, visitor.face, opened.cookie) {
        (Some(Device::Installation { client, jkt }), _, _) => (known_devices::installation(client, jkt), true),
        (_, Face::Browser, Some(cookie)) => (machine.browser_name(cookie), true),
        // Nothing was proved anew.
        (_, Face::Browser, None) => return Ok(()),
        // A server's key stands for many people.
        (_, Face::App { .. }, _) => (known_devices::server(moved.state.client.as_deref().unwrap_or_default()), false),
    };
    let before = moved.device();
    let names: Vec<&str> = before.into_iter().chain([name.as_str()]).collect();
    // In an account that has just been made every device is new.
    let tells = machine.tells_of_devices() && !moved.state.is_new;
    if tells && !machine.is_known_device(&proven.account, &names, visitor.now_ms).await? {
        let link = ending::link(answerer.authority.core, opened.session);
        let notice = mail::Notice { template: "new_device", locale: visitor.locale, user_agent: visitor.user_agent, link: Some(&link) };
        tell(answerer, moved, change, notice)?;
    }
    let user_agent = visitor.user_agent.and_then(mail::device_name).unwrap_or_default();
    let seen = SeenDevice { account: &proven.account, before, name: &name, label: &user_agent };
    if opened.counts && may_count && !proven.satisfied.is_eased && proven.satisfied.is_as_named {
        return Ok(known_devices::remember(change, &seen, &proven.proofs)?);
    }
    match machine.tells_of_devices() {
        true => known_devices::see(change, &seen),
        false => known_devices::rename(change, &seen),
    }
    Ok(())
}

/// The person hears of an approval, and how to end it.
pub(super) fn tell_of_approval(answerer: &Answerer<'_>, moved: &Moved, change: &mut Change, template: &str) -> Result<()> {
    tell(answerer, moved, change, mail::Notice { template, locale: answerer.visitor.locale, user_agent: None, link: None })
}

fn tell(answerer: &Answerer<'_>, moved: &Moved, change: &mut Change, notice: mail::Notice<'_>) -> Result<()> {
    let (core, Some(account)) = (answerer.authority.core, moved.account()) else { return Ok(()) };
    Ok(notices::tell(change, (&core.config, &core.keyring), account, notice)?)
}
