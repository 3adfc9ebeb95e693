//! What a sign-in comes to: one change with the effects of the answer, the session, the grant and the row. Every face settles by it and
//! only dresses what it returns.

use super::Authority;
use super::complete::{Completing, Judgement, Reaching, complete, gives_essential_acr, judge, not_gone_on, refused_end};
use super::consent::{self, Assured};
use super::delivery::Delivery;
use super::request::{self, AuthorizationRequest, Surroundings};
use super::signed_in::{Answerer, End, OpenedSession, note_device, sign_in};
use super::{backchannel, backchannel_answer, device, device_answer};
use crate::audit::Entry;
use crate::caller::{Burnt, Caller};
use crate::config::{Client, ClientKind, DEFAULT_POLICY, NamedClient};
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::grants::code::CODE_LIFETIME_MS;
use crate::login::commit::{Committed, Draft, OVERTAKEN};
use crate::login::context::Visitor;
use crate::login::flow::{Begin, Moved, Proven};
use crate::login::machine::{Machine, over};
use crate::login::policy::may_stand_in;
use crate::login::rights::Rights;
use crate::login::row::{self, SignInSecret};
use crate::login::state::{Ended, Rules, State};
use crate::login::step::Problem;
use crate::sessions::Session;
use crate::store::Change;
use std::net::IpAddr;

pub enum Settled {
    /// There is a question left.
    Asked(Box<State>),
    Ended(Box<Finished>),
    /// Another answer moved the sign-in first.
    Late,
    /// Another sign-in was quicker. What this one knows is judged again.
    Overtaken,
}

pub struct Finished {
    pub state: State,
    /// The code of a grant.
    pub code: Option<String>,
    /// The value of a new session cookie, and whose it is.
    pub cookie: Option<(String, String)>,
}

/// What a sign-in is settled with.
pub struct Settling<'a> {
    pub authority: Authority<'a>,
    pub machine: &'a Machine,
    pub delivery: &'a Delivery,
    /// The browser's present session.
    pub session: Option<&'a Session>,
    pub visitor: &'a Visitor<'a>,
    /// What the cookie of a new session is made of. None: no browser asks.
    pub session_secret: Option<[u8; 32]>,
    /// Other sign-ins of the browser that are over when this one ends: ids and secrets.
    pub others: Vec<([u8; 16], SignInSecret)>,
    /// The client that asks by itself, and what assures who it is. None: a browser does.
    pub caller: Option<(&'a Caller, Assured)>,
}

impl<'a> Settling<'a> {
    /// Writes what a move came to. The number of a grant is random. Where the session has thousands of grants, one of them may have the
    /// number already: then all of it is made once more, with another number. A plug-in that decides is asked again.
    pub async fn settle(&self, moved: Moved) -> Result<Settled> {
        // Without a proof there is no grant, and a new session has no other one.
        if self.session.is_some()
            && moved.proven.is_some()
            && let Some(settled) = self.settle_unless_taken(moved.clone()).await?
        {
            return Ok(settled);
        }
        let taken = || Fault::new("two numbers of grants in a row were taken").into();
        self.settle_unless_taken(moved).await?.ok_or_else(taken)
    }

    /// None: the session has a grant of this number.
    async fn settle_unless_taken(&self, mut moved: Moved) -> Result<Option<Settled>> {
        let mut draft = self.machine.draft(&moved, self.visitor)?;
        let end = self.finish(&mut moved, &mut draft).await?;
        if moved.state.ended().is_some()
            && let Some(rest) = self.delivery.after_its_end()
        {
            moved.state.request = rest.as_json()?;
        }
        if moved.is_only_begun() && end.is_none() {
            return self.asked(moved.state).map(Some);
        }
        let burnt = self.burn(&mut draft);
        match self.machine.commit(&moved, draft).await? {
            Committed::Yes => moved.state.version += 1,
            Committed::Late => return Ok(Some(Settled::Late)),
            Committed::Conflict(at) if burnt.refusal(at).is_some() => return Err(burnt.refused(at)),
            Committed::Conflict(at) if end.as_ref().is_some_and(|end| end.answered == Some(at)) => {
                let over = if matches!(self.delivery, Delivery::Device(_)) { device::is_over() } else { backchannel::is_over() };
                return Err(over.because("another answer was first, or it has just expired").into());
            }
            Committed::Conflict(at) if end.as_ref().and_then(|end| end.granted.as_ref()).is_some_and(|it| it.added == at) => {
                return Ok(None);
            }
            Committed::Conflict(at) => {
                let granted = end.as_ref().and_then(|end| end.granted.as_ref());
                return Err(granted.map_or_else(|| over().because("a guard failed").into(), |granted| granted.refusal(at)));
            }
            Committed::TurnedDown { event: OVERTAKEN, .. } => return Ok(Some(Settled::Overtaken)),
            Committed::TurnedDown { event, problem } => return self.turn_down(moved, event, problem).await.map(Some),
        }
        let Some(end) = end else { return self.asked(moved.state).map(Some) };
        let code = end.granted.map(|granted| granted.code);
        Ok(Some(Settled::Ended(Box::new(Finished { state: moved.state, code, cookie: end.cookie }))))
    }

    /// A question goes with what it is about. One that a sign-in begins with learns it here: where nothing is asked, nobody needs it.
    fn asked(&self, mut state: State) -> Result<Settled> {
        if state.request.is_null() {
            state.request = self.delivery.as_json()?;
        }
        Ok(Settled::Asked(Box::new(state)))
    }

    async fn turn_down(&self, moved: Moved, event: &'static str, problem: Problem) -> Result<Settled> {
        let mut moved = self.machine.turn_down(moved, event, problem);
        let mut draft = self.machine.draft(&moved, self.visitor)?;
        let burnt = self.burn(&mut draft);
        match self.machine.commit(&moved, draft).await? {
            Committed::Yes => {
                moved.state.version += 1;
                self.asked(moved.state)
            }
            Committed::Late => Ok(Settled::Late),
            Committed::Conflict(at) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
            _ => Err(Fault::new("a refusal could not be written").into()),
        }
    }

    /// What the caller may use once is spent by the change that its request makes.
    fn burn(&self, draft: &mut Draft) -> Burnt {
        self.caller.map(|(caller, _)| caller.burn(&mut draft.change)).unwrap_or_default()
    }

    async fn finish(&self, moved: &mut Moved, draft: &mut Draft) -> Result<Option<End>> {
        let (answerer, change) = (self.answerer(), &mut draft.change);
        let elsewhere = match self.delivery {
            Delivery::Device(device) => Some(device_answer::settle(&answerer, moved, change, device).await?),
            Delivery::Backchannel(asked) => Some(backchannel_answer::settle(&answerer, moved, change, asked).await?),
            _ => None,
        };
        if let Some(end) = elsewhere {
            if end.is_some() && moved.proven.is_some() {
                self.void_others(change);
            }
            return Ok(end);
        }
        if let Some(proven) = moved.proven.clone() {
            let end = match self.delivery.request() {
                None => Some(sign_in(&answerer, moved, change, &proven).await?),
                Some(request) => self.authorize(moved, change, request, &proven).await?,
            };
            let Some(end) = end else { return Ok(None) };
            self.void_others(change);
            return Ok(Some(end));
        }
        if matches!(moved.state.ended(), Some(Ended::Closed { .. })) {
            return Ok(Some(End::default()));
        }
        let Some(Ended::Refused { no, .. }) = moved.state.ended() else { return Ok(None) };
        let Some(request) = self.delivery.request() else { return Ok(Some(End::default())) };
        let refused = not_gone_on(*no);
        let account = moved.state.subject.as_ref().map(|subject| subject.account.as_str());
        self.refusal(request, account, &refused).note(&self.authority, change).await?;
        Ok(Some(End::default()))
    }

    fn answerer(&self) -> Answerer<'a> {
        let Self { authority, machine, session, visitor, session_secret, .. } = *self;
        Answerer { authority, machine, session, visitor, session_secret }
    }

    /// After the session's statements, as a sign-out does it: no two changes wait for each other.
    fn void_others(&self, change: &mut Change) {
        for (id, secret) in &self.others {
            row::void(change, id, secret);
        }
    }

    fn refusal<'b>(&self, request: &'b AuthorizationRequest, account: Option<&'b str>, refused: &'b Refused) -> Refusal<'b> {
        Refusal { request, account, refused, is_authenticated: self.caller.is_some(), address: self.visitor.address }
    }

    async fn authorize(
        &self,
        moved: &mut Moved,
        change: &mut Change,
        request: &AuthorizationRequest,
        proven: &Proven,
    ) -> Result<Option<End>> {
        let gone = || over().because("the client is gone or disabled");
        let client = self.authority.clients.get(&request.client_id).await?.ok_or_else(gone)?;
        let (answerer, assured) = (self.answerer(), self.assured(&client, request)?);
        let completing = Completing {
            client: &client,
            request,
            proven,
            assured,
            address: self.visitor.address,
            opened_from: answerer.opened_from(),
            reaching: Reaching::Code { session: self.session, session_secret: self.session_secret },
            entry: self.code_issued(&client, request, assured),
        };
        match judge(&self.authority, change, &completing).await? {
            Judgement::Consent => {
                moved.ask_consent(consent::step(&self.authority, &client, request), self.visitor.face, request.sub.as_deref());
                Ok(None)
            }
            Judgement::Refused(refused) => {
                self.refusal(request, Some(&proven.account), &refused).note(&self.authority, change).await?;
                moved.state.end(refused_end(&refused));
                Ok(Some(End::default()))
            }
            Judgement::SentBack => {
                moved.state.end(Ended::SentBack { until_ms: change.now_ms() + CODE_LIFETIME_MS });
                Ok(Some(End::default()))
            }
            Judgement::Grant(grantable) => {
                let granted = complete(&self.authority, change, &completing, grantable)?;
                let opened = OpenedSession { session: &granted.session, cookie: granted.cookie.as_deref(), counts: true };
                note_device(&answerer, moved, change, proven, &opened).await?;
                let (account, opened) = (proven.account.clone(), granted.cookie.is_some());
                let (session, number) = (granted.session, granted.number);
                moved.state.end(Ended::Granted { session, number, account: account.clone(), opened });
                let cookie = granted.cookie.clone().map(|cookie| (cookie, account));
                Ok(Some(End { cookie, granted: Some(granted), ..End::default() }))
            }
        }
    }

    /// What the audit says of a code alone.
    fn code_issued(&self, client: &Client, request: &AuthorizationRequest, assured: Assured) -> Entry {
        let entry = Entry::ok("code_issued");
        let entry = if request.native { entry.with("face", "native") } else { entry };
        // Whoever enforces `assurance` one day can see whom it would have asked.
        let is_claimed = client.kind == ClientKind::Native && assured == Assured::ClaimedHttps;
        let links = &self.authority.proved_links;
        let is_proved = |uri: &str| links.is_proved(&request.client_id, client, uri, self.visitor.now_ms);
        if is_claimed && !is_proved(&request.back.redirect_uri) { entry.with("unproved_link", true) } else { entry }
    }

    fn assured(&self, client: &Client, request: &AuthorizationRequest) -> Result<Assured> {
        match (self.delivery, self.caller) {
            (Delivery::Redirect(_), None) => {
                let named = NamedClient { client_id: &request.client_id, client };
                Ok(Assured::by_redirect(&self.authority, named, &request.back.redirect_uri))
            }
            (Delivery::Native(_), Some((_, assured))) => Ok(assured),
            _ => Err(Fault::new("a sign-in of one face was answered in another").into()),
        }
    }
}

/// A refusal that the client is told.
pub struct Refusal<'a> {
    pub request: &'a AuthorizationRequest,
    pub account: Option<&'a str>,
    pub refused: &'a Refused,
    /// The client itself asks, and has proved who it is.
    pub is_authenticated: bool,
    pub address: Option<IpAddr>,
}

impl Refusal<'_> {
    /// For a person who is known, or a client that has proved itself, it is an entry. What anybody could repeat without being either is a
    /// log record.
    pub async fn note(&self, core: &Core, change: &mut Change) -> Result<()> {
        let Self { request, account, refused, .. } = self;
        let is_confidential = core.clients.get(&request.client_id).await?.is_some_and(|client| client.is_confidential());
        let is_proved = self.is_authenticated || request.object.is_some() || (request.pushed.is_some() && is_confidential);
        let reason = refused.reason();
        if account.is_none() && !is_proved {
            tracing::info!(
                client = request.client_id,
                address = self.address.map(tracing::field::display),
                error = refused.code,
                reason,
                "an authorization request was refused"
            );
            return Ok(());
        }
        let mut entry = Entry::refused("authorization_refused", reason).client(request.client_id.as_str());
        entry.account = account.map(str::to_owned);
        entry.address = self.address.map(|address| address.to_string());
        change.audit(entry.with("error", refused.code));
        Ok(())
    }
}

/// What the sign-in has to prove under the present configuration. The client, its redirect URI, its scopes and its policy are chosen again
/// for every answer, as at the beginning. What can no longer be chosen ends here.
pub async fn rules(authority: &Authority<'_>, delivery: &Delivery, surroundings: Surroundings) -> Result<Rules> {
    match delivery {
        Delivery::Device(device) => return device::rules(authority, device).await,
        Delivery::Backchannel(asked) => return backchannel::rules(authority, asked).await,
        _ => {}
    }
    let Some(request) = delivery.request() else {
        let policy = authority.config.policy(DEFAULT_POLICY).cloned().ok_or_else(|| over().because("no default policy"))?;
        let rights = Rights::Everything;
        let max_age_s = policy.max_age_s();
        return Ok(Rules { policy, max_age_s, force: false, sub: None, confirm: None, rights, transaction: None, client: None });
    };
    let gone = || over().because("the client is gone or disabled");
    let client = authority.clients.get(&request.client_id).await?.ok_or_else(gone)?;
    request::still_allowed(authority, &client, request)?;
    request::sign_in_rules(authority, &client, request, surroundings)
}

/// Begins a sign-in for what a client has asked. Where an acr is essential, what a browser or an app knew from before ends nothing (368-Z): a
/// recovery code from before stands in for no authenticator. If all that is asked for is there, and gives no acr, the person proves it anew.
pub async fn begin_for(
    machine: &Machine,
    mut begin: Begin,
    rules: &Rules,
    visitor: &Visitor<'_>,
    asked: Option<&AuthorizationRequest>,
) -> Result<Moved> {
    let is_essential = |request: &&AuthorizationRequest| request.essential_acr && !request.acr_values.is_empty();
    let Some(request) = asked.filter(|request| is_essential(request) && begin.existing.is_some()) else {
        return machine.begin(begin, rules, visitor).await;
    };
    let mut moved = machine.begin(begin.clone(), rules, visitor).await?;
    let has_code = begin.existing.as_ref().is_some_and(|existing| existing.proofs.iter().any(may_stand_in));
    // Where no chain of the policy lets a code stand in, the code counts on, also where something else is asked first. Where one does, and
    // another chain names the code, the person may have to spend another one.
    let keeps_code = match &moved.proven {
        Some(proven) => gives_essential_acr(request, proven),
        None => !rules.policy.lets_codes_stand_in(),
    };
    if has_code && !keeps_code {
        begin.existing.iter_mut().for_each(|existing| existing.proofs.retain(|proof| !may_stand_in(proof)));
        moved = machine.begin(begin.clone(), rules, visitor).await?;
    }
    // A means that waits may itself count as a recovery code, or as another proof that gives no acr.
    if moved.proven.as_ref().is_some_and(|proven| !gives_essential_acr(request, proven)) {
        begin.existing.iter_mut().for_each(|existing| existing.proofs.clear());
        moved = machine.begin(begin, rules, visitor).await?;
    }
    Ok(moved)
}
