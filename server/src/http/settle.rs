//! What a browser's sign-in comes to: one change with the effects of the answer, the session, the grant and the row.

use super::browser::{self, SignInCookie};
use super::pages;
use super::reply::{Reply, add_cookie};
use crate::app::App;
use crate::audit::Entry;
use crate::authorization::complete::{Completing, Completion, Granted, authenticated, complete};
use crate::authorization::consent::Assured;
use crate::authorization::delivery::{self, Delivery, Response};
use crate::authorization::request::AuthorizationRequest;
use crate::error::{Fault, Refused, Result};
use crate::login::commit::{Committed, Draft};
use crate::login::context::Visitor;
use crate::login::flow::{Moved, Proven};
use crate::login::machine::over;
use crate::login::row;
use crate::login::state::{Ended, State};
use crate::login::step::Problem;
use crate::sessions::{self, Session};
use crate::store::Change;
use crate::web::request::Incoming;

pub enum Settled {
    /// There is a question left.
    Asked(Box<State>),
    Ended(Box<Finished>),
    /// Another answer moved the sign-in first.
    Late,
}

pub struct Finished {
    pub state: State,
    /// What the client is told. None: it is a sign-in of our own pages.
    pub response: Option<Response>,
    /// The value of a new session cookie, and whose it is.
    cookie: Option<(String, String)>,
    /// What another person had begun in this browser: it is over.
    others: Vec<SignInCookie>,
}

impl Finished {
    /// Sets the cookies of a new session and of the known browser.
    pub fn remember(&self, app: &App, reply: &mut Reply, now_ms: i64) -> Result<()> {
        match &self.cookie {
            Some((value, account)) => remember(app, reply, value, account, now_ms),
            None => Ok(()),
        }
    }

    /// Another person has the browser: what was begun in it is over.
    pub fn forget_others(&self, app: &App, reply: &mut Reply) {
        for cookie in &self.others {
            cookie.forget(app, reply);
        }
    }
}

/// The session cookie, and the browser's name for the person's own budget of guesses.
pub fn remember(app: &App, reply: &mut Reply, value: &str, account: &str, now_ms: i64) -> Result<()> {
    sessions::remember(app, reply, value);
    let device = app.machine.device_cookie(account, now_ms)?;
    add_cookie(reply, &sessions::cookie(app, &sessions::cookie_name(app, "device"), &device, 365 * 24 * 3600));
    Ok(())
}

/// A session's secret is a function of the sign-in's, so that the same answer once more gets the same cookie.
pub fn session_secret(app: &App, secret: &[u8; 32]) -> [u8; 32] {
    app.keyring.mac("session secret", &[secret]).1
}

/// What a sign-in is settled with.
pub struct Settling<'a> {
    pub app: &'a App,
    pub incoming: &'a Incoming,
    pub delivery: &'a Delivery,
    /// The browser's present session.
    pub session: Option<&'a Session>,
    pub visitor: &'a Visitor<'a>,
    /// The browser's secret after this move.
    pub secret: [u8; 32],
}

/// The end of a sign-in while it is written.
#[derive(Default)]
struct End {
    response: Option<Response>,
    cookie: Option<(String, String)>,
    granted: Option<Granted>,
    others: Vec<SignInCookie>,
}

impl Settling<'_> {
    /// Writes what a move came to.
    pub async fn settle(&self, mut moved: Moved) -> Result<Settled> {
        let machine = &self.app.machine;
        let mut draft = machine.draft(&moved, self.visitor)?;
        let end = self.finish(&mut moved, &mut draft).await?;
        if moved.is_only_begun() && end.is_none() {
            return Ok(Settled::Asked(Box::new(moved.state)));
        }
        match machine.commit(&moved, draft).await? {
            Committed::Yes => {}
            Committed::Late => return Ok(Settled::Late),
            Committed::Conflict(at) => {
                let granted = end.as_ref().and_then(|end| end.granted.as_ref());
                return Err(granted.map_or_else(|| over().because("a guard failed").into(), |granted| granted.refusal(at)));
            }
            Committed::TurnedDown { event, problem } => return self.turn_down(moved, event, problem).await,
        }
        let Some(end) = end else { return Ok(Settled::Asked(Box::new(moved.state))) };
        Ok(Settled::Ended(Box::new(Finished { state: moved.state, response: end.response, cookie: end.cookie, others: end.others })))
    }

    async fn turn_down(&self, moved: Moved, event: &'static str, problem: Problem) -> Result<Settled> {
        let machine = &self.app.machine;
        let moved = machine.turn_down(moved, event, problem);
        let draft = machine.draft(&moved, self.visitor)?;
        match machine.commit(&moved, draft).await? {
            Committed::Yes => Ok(Settled::Asked(Box::new(moved.state))),
            Committed::Late => Ok(Settled::Late),
            _ => Err(Fault::new("a refusal could not be written").into()),
        }
    }

    async fn finish(&self, moved: &mut Moved, draft: &mut Draft) -> Result<Option<End>> {
        if let Some(proven) = moved.proven.clone() {
            let end = match self.delivery {
                Delivery::OwnPage => Some(self.signed_in(moved, &mut draft.change, &proven)?),
                Delivery::Redirect(request) => self.authorized(moved, &mut draft.change, request, &proven).await?,
            };
            let Some(mut end) = end else { return Ok(None) };
            // After the session's statements, as a sign-out does it: no two changes wait for each other.
            end.others = browser::sign_ins_of_others(self.app, self.incoming, &proven.account, &moved.state.id).await?;
            for cookie in &end.others {
                row::void(&mut draft.change, &cookie.id, &cookie.secret);
            }
            return Ok(Some(end));
        }
        let Some(Ended::Refused { .. }) = &moved.state.ended else { return Ok(None) };
        let Delivery::Redirect(request) = self.delivery else { return Ok(Some(End::default())) };
        let why = if moved.was_asked_for_consent() { "the person did not consent" } else { "the person cancelled the sign-in" };
        let refused = Refused::bad_request("access_denied", "The person did not go on.").because(why);
        let account = moved.state.subject.as_ref().map(|subject| subject.account.as_str());
        note_refusal(self.app, self.incoming, &mut draft.change, Refusal { request, account, refused: &refused }).await?;
        Ok(Some(End::default()))
    }

    /// The account's own pages: a session and nothing else.
    fn signed_in(&self, moved: &mut Moved, change: &mut Change, proven: &Proven) -> Result<End> {
        let app = self.app;
        let (session, cookie) = sessions::open(app, change, self.session, &authenticated(proven), session_secret(app, &self.secret))?;
        let entry = Entry::ok("signed_in").account(proven.account.as_str()).session(sessions::public_id(app, &session));
        let acr = proven.satisfied.acr.clone().unwrap_or_default();
        change.audit(entry.address(self.incoming.address.to_string()).with("acr", acr));
        moved.state.ended = Some(Ended::SignedIn { session, account: proven.account.clone(), opened: true });
        Ok(End { cookie: Some((cookie, proven.account.clone())), ..End::default() })
    }

    async fn authorized(
        &self,
        moved: &mut Moved,
        change: &mut Change,
        request: &AuthorizationRequest,
        proven: &Proven,
    ) -> Result<Option<End>> {
        let app = self.app;
        let client = app.clients.get(&request.client_id).await?.ok_or_else(|| over().because("the client is gone or disabled"))?;
        let completing = Completing {
            client: &client,
            request,
            proven,
            session: self.session,
            session_secret: session_secret(app, &self.secret),
            assured: Assured::by_redirect(&request.back.redirect_uri),
            address: Some(self.incoming.address),
        };
        match complete(&app.authority(), change, &completing).await? {
            Completion::Consent(step) => {
                moved.ask_consent(*step);
                Ok(None)
            }
            Completion::Refused(refused) => {
                note_refusal(app, self.incoming, change, Refusal { request, account: Some(&proven.account), refused: &refused }).await?;
                let response = self.response(moved, request, &[("error", refused.code), ("error_description", refused.hint)]).await?;
                moved.state.ended = Some(Ended::Refused { code: refused.code.to_owned(), hint: refused.hint.to_owned() });
                Ok(Some(End { response, ..End::default() }))
            }
            Completion::Granted(granted) => {
                let opened = granted.cookie.is_some();
                let account = proven.account.clone();
                moved.state.ended =
                    Some(Ended::Granted { session: granted.session, number: granted.number, account: account.clone(), opened });
                let response = self.response(moved, request, &[("code", &granted.code)]).await?;
                let cookie = granted.cookie.clone().map(|cookie| (cookie, account));
                Ok(Some(End { response, cookie, granted: Some(granted), ..End::default() }))
            }
        }
    }

    /// The answer to the client, where no page of the sign-in gives it later.
    async fn response(&self, moved: &Moved, request: &AuthorizationRequest, parameters: &[(&str, &str)]) -> Result<Option<Response>> {
        if !moved.is_only_begun() {
            return Ok(None);
        }
        delivery::respond(&self.app.authority(), &request.back, parameters, self.incoming.now_ms).await.map(Some)
    }
}

/// A refusal at the redirect URI.
struct Refusal<'a> {
    request: &'a AuthorizationRequest,
    account: Option<&'a str>,
    refused: &'a Refused,
}

/// Of a person who is known, or a client that has proved itself, it is an entry; what anybody could repeat without being either is a log
/// record.
async fn note_refusal(app: &App, incoming: &Incoming, change: &mut Change, refusal: Refusal<'_>) -> Result<()> {
    let Refusal { request, account, refused } = refusal;
    let is_confidential = app.clients.get(&request.client_id).await?.is_some_and(|client| client.is_confidential());
    let is_proved = request.object.is_some() || (request.pushed.is_some() && is_confidential);
    let reason = if refused.private.is_empty() { refused.hint } else { &refused.private };
    if account.is_none() && !is_proved {
        tracing::info!(client = request.client_id, error = refused.code, reason, "an authorization request was refused");
        return Ok(());
    }
    let mut entry = Entry::refused("authorization_refused", reason).client(request.client_id.as_str());
    entry.account = account.map(str::to_owned);
    change.audit(entry.address(incoming.address.to_string()).with("error", refused.code));
    Ok(())
}

/// A refusal before the sign-in began.
pub async fn refuse(
    app: &App,
    incoming: &Incoming,
    request: &AuthorizationRequest,
    account: Option<&str>,
    refused: Refused,
) -> Result<Reply> {
    let mut change = Change::new(incoming.now_ms);
    note_refusal(app, incoming, &mut change, Refusal { request, account, refused: &refused }).await?;
    if !change.is_empty() {
        app.store.apply(change).await?;
    }
    let error = [("error", refused.code), ("error_description", refused.hint)];
    pages::send(app, incoming, delivery::respond(&app.authority(), &request.back, &error, incoming.now_ms).await?)
}
