//! POST /authorize-challenge: the native face of the login machine. draft-ietf-oauth-first-party-apps-04. An app asks the person on its own
//! screens. What it asks is the step of the answer, and what it may say is named there. The browser's face is `login`.

use super::auth_session::AuthSession;
use super::pages as views;
use super::reply::{self, Reply};
use super::wallet;
use crate::app::App;
use crate::attesting::standing::{known_facts, platform_of};
use crate::audit::Entry;
use crate::authorization::binding::bind;
use crate::authorization::coming_back;
use crate::authorization::consent::{self, Assured};
use crate::authorization::delivery::Delivery;
use crate::authorization::detour::{BROWSER_RETURN, ComesBack, Detour, WANTED};
use crate::authorization::request::{self, AuthorizationRequest, Surroundings};
use crate::authorization::settle::{Settled, Settling, begin_for, rules};
use crate::authorization::{native, pushed};
use crate::caller::Caller;
use crate::config::ClientAuthentication;
use crate::config::plugin::Moment;
use crate::error::{Error, Fault, Refused, Result};
use crate::grants::{self, Grant, Replaced, again, code, decision};
use crate::limits::Limits;
use crate::login::commit::Committed;
use crate::login::context::{self, Answer, Device, Visitor};
use crate::login::flow::{Begin, Existing, JudgedAnswer};
use crate::login::journey::{Journey, Overview};
use crate::login::machine::{Answering, Received, over};
use crate::login::methods::wallet::WALLET_RETURN;
use crate::login::operation::{Operation, WALLET};
use crate::login::row::SignInSecret;
use crate::login::state::{Away, Ended, Left, Rules, SaidNo, State, Subject};
use crate::mail;
use crate::store::Change;
use crate::stored_bytes::Writer;
use crate::tokens::handles::Kind;
use crate::web::request::Incoming;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The media type of an answer that carries a step.
pub const STEP: &str = "application/vnd.symbolon.step+json";

/// Parameters that are no answer.
const OURS: [&str; 9] = [
    "auth_session",
    "action",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "response_type",
    "ui_locales",
    "scope",
];

pub async fn challenge(app: &App, incoming: &Incoming, caller: &Caller) -> Result<Reply> {
    let assured = native::admit(caller)?;
    let origins = caller.client.passkey_origins(&app.config.passkeys.rp_id(&app.config.issuer));
    let facts = known_facts(app, &caller.client_id, caller.instance.as_ref(), incoming.now_ms).await?;
    let surroundings = Surroundings {
        tier: caller.instance.as_ref().map(|instance| instance.tier),
        address: Some(incoming.address),
        installation: facts.map(Arc::new),
    };
    let face = NativeRequest { app, incoming, caller, assured, origins, surroundings };
    let answered = match incoming.form.get("auth_session") {
        Some(held) if held.starts_with(Kind::AuthSession.prefix()) => face.begin_beside(held).await,
        Some(held) => face.answer(held).await,
        None if incoming.form.was_empty("auth_session") => Err(over().because("auth_session is empty").into()),
        None => face.begin(None).await,
    };
    answered.map_err(|error| match error {
        // The machine's own words are for a person with a browser.
        Error::Refused(refused) if refused.code == "invalid_session" => {
            let hint = "This auth_session is unknown, over, replaced, or of another installation. Begin the sign-in anew.";
            Error::from(Refused { hint, ..*refused })
        }
        other => other,
    })
}

/// Why a sign-in goes on in the browser.
#[derive(Clone, Copy)]
struct Exit {
    why: &'static str,
    /// What is proved there may be brought back, if the app asked for that.
    comes_back: bool,
}

const OPERATOR: Exit = Exit { why: "the operator sends this sign-in to the browser", comes_back: false };

/// A sign-in that goes on in the browser.
struct Leaving<'a> {
    why: &'static str,
    /// Who is proved already.
    subject: Option<&'a str>,
    /// None: nothing of it is brought back.
    comes_back: Option<ComesBack>,
}

/// One request of an app that may ask people itself.
struct NativeRequest<'a> {
    app: &'a App,
    incoming: &'a Incoming,
    caller: &'a Caller,
    assured: Assured,
    /// Of passkeys, as the app's platform writes them.
    origins: Vec<String>,
    /// What a policy's conditions are weighed by.
    surroundings: Surroundings,
}

impl NativeRequest<'_> {
    fn visitor<'b>(&'b self, locale: &'b str) -> Visitor<'b> {
        let installation = |jkt| Device::Installation { client: &self.caller.client_id, jkt };
        Visitor {
            device: self.caller.instance.as_ref().map(|instance| installation(instance.jkt.as_str())),
            address: Some(self.incoming.address),
            country: self.incoming.country,
            user_agent: self.incoming.header("user-agent"),
            locale,
            now_ms: self.incoming.now_ms,
            face: context::Face::App { origins: &self.origins, providers: &self.caller.client.native_providers, link: None },
            signed_out: false,
        }
    }

    fn locale(&self, request: &AuthorizationRequest) -> String {
        views::locale(self.app, self.incoming, self.incoming.form.get("ui_locales").or(request.ui_locales.as_deref()))
    }

    fn settling<'b>(&'b self, delivery: &'b Delivery, visitor: &'b Visitor<'b>) -> Result<Settling<'b>> {
        let (authority, caller) = (self.app.authority(), Some((self.caller, self.assured)));
        Ok(Settling {
            authority,
            machine: &self.app.machine,
            delivery,
            session: None,
            visitor,
            session_secret: None,
            others: Vec::new(),
            caller,
        })
    }

    /// The first request: a request as at the authorization endpoint.
    async fn begin(&self, beside: Option<(&Grant, Existing)>) -> Result<Reply> {
        let Self { app, incoming, caller, .. } = self;
        let bucket = Limits::bucket(&["par", &caller.client_id, &Limits::line(incoming.address)]);
        if app.limits.pushes.check_key(&bucket).is_err() {
            return Err(Refused::new(429, "temporarily_unavailable", "Too many sign-ins begin here; wait.").retry_after(10).into());
        }
        let authority = app.authority();
        let granted = beside.as_ref().map(|(grant, _)| &grant.scope);
        let mut request = request::check_native(&authority, (&caller.client_id, &caller.client), &incoming.form, granted)?;
        bind(&mut request, caller)?;
        if let Some((grant, _)) = &beside {
            stay_with(&mut request, grant);
            self.ask_anew_where_a_rule_wants_it(&mut request, grant).await?;
        }
        let rules = request::sign_in_rules(&authority, &caller.client, &request, self.surroundings.clone())?;
        let says = |word: &str| request.prompt.iter().any(|prompt| prompt == word);
        let manages = says(request::MANAGE);
        if manages {
            must_manage(caller, beside.as_ref().map(|(grant, _)| *grant), &request)?;
        }
        if says("none") {
            let refused = Refused::bad_request("login_required", "The person has to be asked, which prompt=none forbids.");
            return Err(refused.because("prompt=none without a grant").into());
        }
        if native::belongs_to_web(&caller.client, self.assured, &request) {
            return self.leave(&request, None, OPERATOR).await;
        }
        let delivery = Delivery::Native(Box::new(request.clone()));
        let begin = Begin {
            journey: match (says(request::CREATE), manages) {
                (true, _) => Journey::Register { draft: None },
                (_, true) => Journey::Manage(Overview::Menu),
                _ => Journey::SignIn,
            },
            client: Some(caller.client_id.clone()),
            hint: request.login_hint.clone(),
            existing: beside.map(|(_, existing)| existing),
        };
        let locale = self.locale(&request);
        let visitor = self.visitor(&locale);
        let mut moved = begin_for(&app.machine, begin, &rules, &visitor, Some(&request)).await?;
        if moved.proven.is_some() {
            // Nothing is missing, and no code comes without an answer of the person.
            moved.ask_consent(consent::step(&authority, &caller.client, &request), visitor.face, request.sub.as_deref());
        }
        match self.settling(&delivery, &visitor)?.settle(moved).await? {
            Settled::Asked(state) => {
                self.burn_assertion().await?;
                Ok(self.ask(&state, &request, AuthSession::of_start(app, &state)?))
            }
            _ => Err(Fault::new("a native sign-in ended before anything was asked").into()),
        }
    }

    /// Another sign-in of the person of a grant, by its lasting `auth_session`. What was proved counts as far as the request allows.
    async fn begin_beside(&self, held: &str) -> Result<Reply> {
        let (app, caller) = (self.app, self.caller);
        let over_because = |why: String| Error::from(over().because(why));
        let grant = again::open(app, caller, held).await.map_err(|error| again::as_session(error, over_because))?;
        let (proofs, version) = grant.proved()?.ok_or_else(|| over().because("the session of the grant has ended"))?;
        let subject = Subject { account: grant.account.clone(), version, session: Some(grant.session) };
        self.begin(Some((&grant, Existing { subject, proofs, account: None }))).await
    }

    /// An installation's start is of use to its key alone, so that nothing has to be written for it. An assertion works once.
    async fn burn_assertion(&self) -> Result<()> {
        if self.caller.client.authentication != ClientAuthentication::PrivateKeyJwt {
            return Ok(());
        }
        self.burn_alone().await
    }

    async fn burn_alone(&self) -> Result<()> {
        let mut change = Change::new(self.incoming.now_ms);
        let burnt = self.caller.burn(&mut change);
        if burnt.is_empty() {
            return Ok(());
        }
        burnt.applied(self.app.store.apply(change).await)
    }

    /// A later request: an answer to the step before.
    async fn answer(&self, held: &str) -> Result<Reply> {
        let Self { app, incoming, .. } = self;
        // An app that sends its first parameters with every answer brings nothing by that word.
        let is_asked_again = |name: &str, value: &str| name == BROWSER_RETURN && value == WANTED;
        let fields = incoming.form.iter().filter(|(name, value)| !OURS.contains(name) && !is_asked_again(name, value));
        let fields: BTreeMap<String, String> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        // What the browser brought is no answer of a button.
        let said = if fields.contains_key(BROWSER_RETURN) { None } else { incoming.form.get("action") };
        let answer = Answer { action: said.unwrap_or_default(), fields: &fields };
        let session = AuthSession::read(app, held)?;
        let received = session.receive(app, &answer, incoming.now_ms).await?;
        if session.is_start() && matches!(received, Received::Fresh(_)) {
            // All installations of a client share its key or its attester, so each counts for its network.
            app.stored.charge(Writer::Network(incoming.address), held.len())?;
        }
        self.go_on(&answer, received).await
    }

    async fn go_on(&self, answer: &Answer<'_>, received: Received) -> Result<Reply> {
        match received {
            Received::Fresh(answering) => self.judge(answer, *answering, false).await,
            Received::Again(state, secret) => {
                let request = self.own(&state)?;
                self.burn_alone().await?;
                self.tell(&state, &request, &secret).await
            }
            Received::Busy(state) => {
                self.own(&state)?;
                let hint = "Another answer to this step is being checked. Wait a moment, then send it again.";
                Err(Refused::bad_request("busy", hint).because("another answer is being judged").retry_after(1).audited().into())
            }
            Received::Outdated(_) => Err(over().because("another answer moved the sign-in").into()),
        }
    }

    /// The request of a sign-in that this very caller began, here.
    fn own(&self, state: &State) -> Result<AuthorizationRequest> {
        let Delivery::Native(request) = Delivery::from_json(state.request.clone())? else {
            return Err(over().because("a sign-in of the browser").into());
        };
        if !native::is_of(&request, self.caller) {
            return Err(over().because("another client, installation or key began this sign-in").into());
        }
        Ok(*request)
    }

    /// A decision that wants another sign-in at the grant's refresh wants proofs of this one.
    async fn ask_anew_where_a_rule_wants_it(&self, request: &mut AuthorizationRequest, grant: &Grant) -> Result<()> {
        let over_because = |why: String| Error::from(over().because(why));
        let verdict = decision::decide(self.app, self.caller, grant, Moment::Refresh).await;
        let wants_it = matches!(verdict.map_err(|error| again::as_session(error, over_because))?, decision::TokenDecision::StepUp);
        if wants_it && !request.prompt.iter().any(|word| word == "login") {
            request.prompt.push("login".to_owned());
        }
        Ok(())
    }

    /// A sign-in beside a grant ends with it.
    async fn must_still_be_beside(&self, request: &AuthorizationRequest) -> Result<()> {
        let Some(old) = &request.replaces else { return Ok(()) };
        let over_because = |why: String| Error::from(over().because(why));
        let gone = || over().because("the grant is gone");
        let grant = grants::read(self.app, &old.session, old.number).await?.ok_or_else(gone)?;
        again::must_be_held(&grant, self.caller).map_err(|error| again::as_session(error, over_because))
    }

    /// Is this the button of a provider whose SDK is in the app, or of a wallet that the platform speaks to? It needs no browser then.
    fn stays_in_app(&self, action: &str, rules: &Rules) -> bool {
        let has_sdk = |name: &str| self.caller.client.native_providers.contains_key(name);
        let has_way =
            |name: &str| self.app.machine.wallets().get(name).is_some_and(|it| !it.platform_origins(&self.origins, true).is_empty());
        // A wallet on another device needs no browser of this one.
        let has_way = |name: &str| rules.policy.wallet_on_other_device || has_way(name);
        action.strip_prefix("use_upstream:").is_some_and(has_sdk) || action.strip_prefix("use_wallet:").is_some_and(has_way)
    }

    /// The app's own link, where it says that it opens wallets itself and is opened again by that link.
    fn wallet_link<'b>(&self, answer: &Answer<'_>, request: &'b AuthorizationRequest) -> Option<&'b str> {
        let client = (self.caller.client_id.as_str(), &*self.caller.client);
        let wants_it = answer.text(WALLET_RETURN) == WANTED;
        if wants_it { native::own_link(&self.app.authority(), client, request) } else { None }
    }

    /// Is this the button of a wallet, in an app that opens it by itself?
    fn opens_wallet(&self, answer: &Answer<'_>, state: &State, request: &AuthorizationRequest) -> bool {
        let leads_to_wallet = state.outside(answer.action).is_some_and(|method| method.wallet().is_some());
        leads_to_wallet && answer.action != "other_account" && self.wallet_link(answer, request).is_some()
    }

    /// Does this answer need a browser?
    fn exit(&self, answer: &Answer<'_>, state: &State, (request, rules): (&AuthorizationRequest, &Rules)) -> Option<Exit> {
        let action = answer.action;
        if native::belongs_to_web(&self.caller.client, self.assured, request) {
            return Some(OPERATOR);
        }
        if action == "browser" {
            return Some(Exit { why: "the person goes on in the browser", comes_back: true });
        }
        if !state.offers(action) {
            return None;
        }
        let stays = self.stays_in_app(action, rules) || self.opens_wallet(answer, state, request);
        if state.outside(action).is_some() && !stays {
            return Some(Exit { why: "the person goes on at a provider", comes_back: true });
        }
        let is_passkey = self.origins.is_empty() && action == "use_passkey";
        is_passkey.then_some(Exit { why: "the app may not use passkeys; the browser may", comes_back: true })
    }

    /// `is_second`: another sign-in was quicker with what this answer wanted, and it is judged once more.
    async fn judge(&self, answer: &Answer<'_>, answering: Answering, is_second: bool) -> Result<Reply> {
        let app = self.app;
        let request = self.own(&answering.state)?;
        self.must_still_be_beside(&request).await?;
        let delivery = Delivery::Native(Box::new(request.clone()));
        let rules = rules(&app.authority(), &delivery, self.surroundings.clone()).await?;
        if let Some(exit) = self.exit(answer, &answering.state, (&request, &rules)) {
            return self.leave(&request, Some((answer, &answering)), exit).await;
        }
        let is_link = answer.action == WALLET.action && answer.text(WALLET.failure_field).is_empty();
        if is_link && !wallet::is_own_link(app, answer, &answering.state, self.incoming.now_ms).await? {
            let hint = "wallet_state is of no wallet that this sign-in has opened.";
            return Err(Refused::bad_request("invalid_request", hint).into());
        }
        let locale = self.locale(&request);
        let visitor = self.visitor(&locale);
        let visitor = Visitor { face: visitor.face.with_link(self.wallet_link(answer, &request)), ..visitor };
        let judged = match answer.fields.get(BROWSER_RETURN) {
            Some(handle) => {
                let brought = coming_back::brought(&app.authority(), handle, &answering, self.incoming.now_ms).await?;
                app.machine.come_back(&answering, &rules, brought, &visitor).await?
            }
            None if !answering.state.offers(answer.action) => {
                let hint = "action is missing, or is none of the actions of the step.";
                return Err(Refused::bad_request("invalid_request", hint).into());
            }
            None => app.machine.judge(&answering, &rules, answer, &visitor).await?,
        };
        let moved = match judged {
            JudgedAnswer::Moved(moved) => *moved,
            JudgedAnswer::Late => return self.late(answer, &answering).await,
        };
        let taken_ms = moved.taken_ms();
        match self.settling(&delivery, &visitor)?.settle(moved).await {
            Ok(Settled::Asked(state)) => self.tell(&state, &request, &answering.next_secret(&app.keyring)?).await,
            Ok(Settled::Ended(ended)) => match ended.code {
                Some(code) => Ok(done(&code, ended.state.signal.as_ref())),
                None => self.tell(&ended.state, &request, &answering.next_secret(&app.keyring)?).await,
            },
            Ok(Settled::Late) => self.late(answer, &answering).await,
            Ok(Settled::Overtaken) if is_second => Err(over().because("overtaken twice").into()),
            Ok(Settled::Overtaken) => {
                app.machine.let_go(&answering, taken_ms, self.incoming.now_ms).await;
                match app.machine.receive_overtaken(&answering, answer, self.incoming.now_ms).await? {
                    Received::Fresh(answering) => Box::pin(self.judge(answer, *answering, true)).await,
                    received => Box::pin(self.go_on(answer, received)).await,
                }
            }
            Err(error) => {
                app.machine.let_go(&answering, taken_ms, self.incoming.now_ms).await;
                Err(error)
            }
        }
    }

    /// Another request was quicker: the same answer gets its result, another one is told to wait.
    async fn late(&self, answer: &Answer<'_>, answering: &Answering) -> Result<Reply> {
        match self.app.machine.receive_again(answering, answer).await? {
            Received::Fresh(_) => Err(over().because("overtaken").into()),
            received => Box::pin(self.go_on(answer, received)).await,
        }
    }

    /// What the sign-in asks now, or how it ended.
    async fn tell(&self, state: &State, request: &AuthorizationRequest, secret: &SignInSecret) -> Result<Reply> {
        match state.ended() {
            None => {
                let held = AuthSession::of_row(self.app, state, secret);
                Ok(match state.is_away() {
                    Some(left) => self.to_browser(left, request, Some(&held)),
                    None => self.ask(state, request, held),
                })
            }
            Some(Ended::Granted { session, number, .. }) => {
                let code = code::of_row(self.app, session, *number, self.incoming.now_ms).await?;
                let code = code.ok_or_else(|| over().because("the code was redeemed, or is too old"))?;
                Ok(done(&code, state.signal.as_ref()))
            }
            Some(Ended::Refused { code, hint, no }) => Ok(refused(code, hint, *no)),
            Some(Ended::Left(left)) => Ok(self.to_browser(left, request, None)),
            Some(Ended::Closed { why, signal }) => Ok(closed(why, signal.as_ref())),
            Some(Ended::SignedIn { .. } | Ended::SentBack { .. }) => Err(Fault::new("a native sign-in ended as one of our pages").into()),
        }
    }

    /// 403 with the next step. Every step can be left for the browser. An app which does not know it can finish all the same.
    fn ask(&self, state: &State, request: &AuthorizationRequest, auth_session: String) -> Reply {
        let step = state.pending.as_ref().map(|pending| {
            let step = pending.step.clone();
            let step = if self.origins.is_empty() { step.without_passkey() } else { step };
            self.app.pages.word(&step.link("browser"), &self.locale(request))
        });
        let body = json!({
            "error": "insufficient_authorization",
            "error_description": "The person has to answer the step.",
            "auth_session": auth_session,
            "expires_in": (state.expires_ms - self.incoming.now_ms).max(0) / 1000,
            "step": step,
        });
        reply::body(403, STEP, body.to_string())
    }

    /// The sign-in goes on in the browser. It ends here, unless the app wants the browser's proofs back. Without `code_challenge` the app gets
    /// no `request_uri` and asks there anew.
    async fn leave(&self, request: &AuthorizationRequest, answered: Option<(&Answer<'_>, &Answering)>, exit: Exit) -> Result<Reply> {
        let app = self.app;
        let Some((answer, answering)) = answered else {
            let mut change = Change::new(self.incoming.now_ms);
            let leaving = Leaving { why: exit.why, subject: None, comes_back: None };
            let left = self.push(&mut change, request, leaving).await?;
            let burnt = self.caller.burn(&mut change);
            burnt.applied(app.store.apply(change).await)?;
            return Ok(self.to_browser(&left, request, None));
        };
        app.machine.must_not_be_too_fast(Some(self.incoming.address))?;
        let mut moved = app.machine.leave(answering);
        let locale = self.locale(request);
        let mut draft = app.machine.draft(&moved, &self.visitor(&locale))?;
        let subject = moved.state.subject.as_ref().map(|subject| subject.account.as_str());
        let version = answering.state.version + 1;
        let comes_back = exit.comes_back && request.comes_back && !manages(request);
        let back_to = comes_back.then(|| ComesBack::to(&moved.state.id, version));
        let leaving = Leaving { why: exit.why, subject, comes_back: back_to };
        let left = self.push(&mut draft.change, request, leaving).await?;
        if comes_back {
            (moved.state.pending, moved.state.away) = (answering.state.pending.clone(), Some(Away { left, version }));
        } else {
            moved.state.end(Ended::Left(left));
        }
        let burnt = self.caller.burn(&mut draft.change);
        match app.machine.commit(&moved, draft).await? {
            Committed::Yes => {
                moved.state.version = version;
                self.tell(&moved.state, request, &answering.next_secret(&app.keyring)?).await
            }
            Committed::Late => self.late(answer, answering).await,
            Committed::Conflict(at) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
            _ => Err(Fault::new("a sign-in could not be left for the browser").into()),
        }
    }

    async fn push(&self, change: &mut Change, request: &AuthorizationRequest, leaving: Leaving<'_>) -> Result<Left> {
        let Self { app, incoming, caller, .. } = self;
        let Leaving { why, subject, comes_back } = leaving;
        let until_ms = incoming.now_ms + pushed::LIFETIME_S * 1000;
        let request_uri = match &request.code_challenge {
            // There the account has a page of its own.
            _ if manages(request) => None,
            Some(_) => {
                let device = match incoming.header("user-agent").and_then(mail::device_name) {
                    Some(device) => Some(device),
                    None => platform_of(app, &caller.client_id, caller.instance.as_ref()).await?.map(str::to_owned),
                };
                let detour = Detour { address: incoming.address, country: incoming.country, device, comes_back };
                let request = request.for_browser(detour, subject);
                let pushed = pushed::push(&app.authority(), change, &caller.client_id, &request)?;
                app.stored.charge(Writer::Network(incoming.address), pushed.bytes)?;
                Some(pushed.request_uri)
            }
            None => None,
        };
        let mut entry = Entry::ok("sent_to_browser").client(caller.client_id.as_str()).address(incoming.address.to_string());
        entry.account = subject.map(str::to_owned);
        change.audit(entry.with("why", why));
        Ok(Left { request_uri, until_ms })
    }

    /// `auth_session`: what the app comes back with.
    fn to_browser(&self, left: &Left, request: &AuthorizationRequest, auth_session: Option<&str>) -> Reply {
        let mut body = json!({ "error": "redirect_to_web", "error_description": "Go on in the system browser." });
        if let Some(uri) = &left.request_uri {
            body["request_uri"] = uri.as_str().into();
            body["expires_in"] = ((left.until_ms - self.incoming.now_ms).max(0) / 1000).into();
        }
        if let Some(held) = auth_session {
            body["auth_session"] = held.into();
        }
        if manages(request) {
            body["account_uri"] = self.app.url("/account").into();
        }
        reply::json(403, &body)
    }
}

/// The same person; what goes beyond the grant is asked for. Its code takes the grant's place.
fn stay_with(request: &mut AuthorizationRequest, grant: &Grant) {
    request.sub = Some(grant.account.clone());
    request.replaces = Some(Replaced { session: grant.session, number: grant.number });
    let is_within = request.asked_scope().is_subset_of(&grant.scope);
    if !is_within && !request.prompt.iter().any(|word| word == "consent") {
        request.prompt.push("consent".to_owned());
    }
}

fn manages(request: &AuthorizationRequest) -> bool {
    request.prompt.iter().any(|word| word == request::MANAGE)
}

/// The account on the app's own screens: for the person of a grant, with what the client may change, and for no more scope.
fn must_manage(caller: &Caller, grant: Option<&Grant>, request: &AuthorizationRequest) -> Result<()> {
    if caller.client.manage.is_empty() {
        let hint = "This client may not show or change accounts; open the account page in the browser.";
        return Err(Refused::bad_request("unauthorized_client", hint).because("the client has no manage").into());
    }
    let Some(grant) = grant else {
        return Err(Refused::bad_request("invalid_request", "prompt=manage needs the auth_session of a token answer.").into());
    };
    if !request.asked_scope().is_subset_of(&grant.scope) {
        return Err(Refused::bad_request("invalid_scope", "prompt=manage gives no scope that the grant has not.").into());
    }
    Ok(())
}

/// There is nothing left to sign in to.
fn closed(why: &str, signal: Option<&Operation>) -> Reply {
    let hint = match why {
        "account_deleted" => "The account is deleted. Forget its tokens.",
        "access_removed" => "The person took this app's access away. Forget its tokens.",
        _ => "The person ended this session. Forget its tokens.",
    };
    let mut body = json!({ "error": "invalid_session", "error_description": hint, "reason": why });
    if let Some(signal) = signal {
        body["operation"] = json!(signal);
    }
    reply::json(400, &body)
}

/// `no`: how the person ended it.
fn refused(code: &str, hint: &str, no: Option<SaidNo>) -> Reply {
    let mut body = json!({ "error": code, "error_description": hint });
    if let Some(no) = no {
        body["reason"] = json!(no);
    }
    reply::json(400, &body)
}

/// `signal`: what the platform is told beside it.
fn done(code: &str, signal: Option<&Operation>) -> Reply {
    let mut body = json!({ "authorization_code": code });
    if let Some(signal) = signal {
        body["operation"] = json!(signal);
    }
    reply::json(200, &body)
}
