//! /wallet/{name}/request/{handle}, /wallet/{name}/response/{handle}, /wallet/{name}/return: OpenID4VP 1.0, 5.10, 8.2 and 8.3.
//!
//! The handle names the sign-in, its version and its question under a MAC. A wallet has no cookie, so that what it posts waits. It counts
//! for the browser that began, and only with the code that the wallet was given. A code that another browser brings ends it. Else somebody
//! mails a link of his own, and signs in with what another person's wallet shows.
//!
//! Where the wallet is on another device by intent, that device's browser shows two digits, from where the sign-in was begun, and a button
//! that ends it.

use super::browser::SignInCookie;
use super::reply::Reply;
use super::{login, pages};
use crate::app::App;
use crate::audit::Entry;
use crate::error::{Refused, Result};
use crate::login::context::Answer;
use crate::login::machine::over;
use crate::login::methods::upstream::RETURNED;
use crate::login::methods::wallet as method;
use crate::login::operation::WALLET;
use crate::login::proof::MethodName;
use crate::login::state::State;
use crate::login::step::{Problem, Step, Text};
use crate::store::Change;
use crate::stored_bytes::Writer;
use crate::upstream::{self, WayBack};
use crate::wallet::{self, Answered, Elsewhere, Heard, PresentationMode, Trip, Wallet, WalletOutcome};
use crate::web::reply;
use crate::web::request::Incoming;
use http::Method;
use serde_json::json;
use std::collections::BTreeMap;
use symbolon_wallet::jwe::{self, JweError};
use symbolon_wallet::request::is_wallet_nonce;
use symbolon_wallet::response::{Response, Said};

const MIME: &str = "application/oauth-authz-req+jwt";
/// What a wallet may post: credentials have pictures in them.
pub const ANSWER_LIMIT: usize = jwe::MAX_BYTES;
/// What a wallet's answer costs in the store, at most.
const ANSWER_BYTES: usize = 4096;

fn configured<'a>(app: &'a App, incoming: &Incoming) -> Result<&'a Wallet> {
    let name = incoming.path("name").unwrap_or_default();
    app.machine.wallets().get(name).ok_or_else(|| Refused::new(404, "not_found", "There is no such wallet here.").into())
}

fn way_back(app: &App, wallet: &Wallet, handle: &str) -> Option<WayBack> {
    upstream::read_way_back(&app.keyring, &app.config.issuer, &wallet.method(), handle)
}

/// The request that a handle names, while its question is open.
async fn open_trip(app: &App, wallet: &Wallet, handle: &str, now_ms: i64) -> Result<Trip> {
    let gone = || Refused::bad_request("invalid_request", "This request is over. Start again where you came from.");
    let way_back = way_back(app, wallet, handle).ok_or_else(|| gone().because("handle"))?;
    let secret = app.machine.secret_outside(&way_back, &MethodName::new(wallet.method()), now_ms).await?;
    let secret = secret.ok_or_else(|| gone().because("the sign-in went on, or is over"))?;
    let trip = method::trip(&secret, &way_back)?.ok_or_else(|| gone().because("no request is under way"))?;
    // A picture of a code lies about for longer than a link.
    if trip.elsewhere.is_some() && !Wallet::is_in_time(&trip, now_ms) {
        return Err(gone().because("the code has expired").into());
    }
    Ok(trip)
}

/// GET and POST: the request object. POST brings `wallet_nonce`, which is copied.
pub async fn request(app: &App, incoming: &Incoming) -> Result<Reply> {
    let (wallet, handle) = (configured(app, incoming)?, incoming.path("handle").unwrap_or_default());
    let nonce = incoming.form.get("wallet_nonce").filter(|_| incoming.method == Method::POST);
    if nonce.is_some_and(|it| !is_wallet_nonce(it)) {
        return Err(Refused::bad_request("invalid_request", "wallet_nonce is visible ASCII of at most 512 characters.").into());
    }
    let trip = open_trip(app, wallet, handle, incoming.now_ms).await?;
    Ok(reply::body(200, MIME, wallet.request_object(&trip, handle, nonce, incoming.now_ms)?))
}

/// POST: the wallet's answer, encrypted; an error may come in clear.
pub async fn response(app: &App, incoming: &Incoming) -> Result<Reply> {
    let (wallet, handle) = (configured(app, incoming)?, incoming.path("handle").unwrap_or_default());
    let trip = open_trip(app, wallet, handle, incoming.now_ms).await?;
    let form = &incoming.form;
    let (said, opened, sent) = match (form.get("response"), form.get("error")) {
        (Some(sealed), None) => {
            let opened = jwe::open(sealed, &trip.key()?).map_err(unreadable)?;
            let read = Response::parse(&opened.content).map_err(|why| malformed("The response is not as OpenID4VP 1.0 has it.", why.0))?;
            (must_be_of(read, handle)?, Some(opened), sealed)
        }
        (None, Some(error)) => {
            let said = Response::error(error).map_err(|why| malformed("The error has no good name.", why.0))?;
            let read = Response { said, state: form.get("state").map(str::to_owned) };
            // In clear it says itself which request it is for.
            let read =
                Some(read).filter(|it| it.state.is_some()).ok_or_else(|| malformed("state is missing.", "an error without state"))?;
            (must_be_of(read, handle)?, None, error)
        }
        _ => return Err(malformed("Send the response encrypted, as direct_post.jwt.", "neither response nor error").into()),
    };
    let party_u = opened.as_ref().map(|it| it.party_u.as_slice()).unwrap_or_default();
    let heard = Heard { party_u, trip: &trip, way: PresentationMode::Posted { handle }, now_ms: incoming.now_ms };
    let outcome = judge(app, wallet, &said, &heard).await;
    let entry = match &outcome {
        WalletOutcome::Known(known) => Entry::ok("wallet_answered").with("wallet", wallet.name()).with("issuer", known.issuer.as_str()),
        WalletOutcome::Failed(_, why) => Entry::refused("wallet_refused", why).with("wallet", wallet.name()),
    };
    app.stored.charge(Writer::Network(incoming.address), ANSWER_BYTES)?;
    let code = wallet::response_code(&app.keyring, &trip, sent);
    let mut change = Change::new(incoming.now_ms);
    change.audit(entry);
    let answered = Answered::new(outcome, &code);
    let keep = wallet::keep(&app.store, &app.keyring, &trip, &answered, change);
    if !keep.await? && !is_the_same(app, &trip, &code, incoming.now_ms).await? {
        return Err(malformed("This request was answered already.", "another answer to the same request").into());
    }
    Ok(reply::json(200, &json!({ "redirect_uri": wallet.return_uri(&trip, handle, &code) })))
}

fn malformed(hint: &'static str, why: &str) -> Refused {
    Refused::bad_request("invalid_request", hint).because(why)
}

/// Each reason has words of its own, so that whoever writes a wallet can see it.
fn unreadable(why: JweError) -> Refused {
    let hint = match why {
        JweError::Malformed => "The response is no compact JWE.",
        JweError::UnsupportedHeader => "The response is not ECDH-ES with A128GCM or A256GCM, or its header asks for more.",
        JweError::UnknownKey => "The response is for another key than that of the request.",
        JweError::Undecipherable => "The response cannot be decrypted by the key of the request.",
    };
    malformed(hint, why.as_str())
}

/// `state` may be left out of an encrypted response, as the address says it. Another one is refused.
fn must_be_of(response: Response, handle: &str) -> Result<Said> {
    if response.state.as_deref().is_some_and(|it| it != handle) {
        return Err(malformed("The response is for another request.", "another state").into());
    }
    Ok(response.said)
}

async fn judge(app: &App, wallet: &Wallet, said: &Said, heard: &Heard<'_>) -> WalletOutcome {
    match wallet.judge(said, heard, &app.keyring).await {
        Ok(known) => WalletOutcome::Known(Box::new(known)),
        Err((problem, why)) => WalletOutcome::Failed(problem.to_owned(), why),
    }
}

/// The same answer once more: its first reply was lost.
async fn is_the_same(app: &App, trip: &Trip, code: &str, now_ms: i64) -> Result<bool> {
    Ok(answered(app, trip, code, now_ms).await?.is_some())
}

/// What waits for this `response_code`.
async fn answered(app: &App, trip: &Trip, code: &str, now_ms: i64) -> Result<Option<Answered>> {
    let (sql, values) = wallet::query(trip, now_ms);
    let kept = wallet::read_answer(app.store.one(sql, &values).await?, &app.keyring, trip)?;
    Ok(kept.filter(|it| it.fits(code)))
}

/// GET: the browser comes back.
pub async fn come_back(app: &App, incoming: &Incoming) -> Result<Reply> {
    let wallet = configured(app, incoming)?;
    let parameters = incoming.parameters();
    let handle = parameters.get("state").unwrap_or_default();
    let way_back = way_back(app, wallet, handle).ok_or_else(|| over().because("state of a wallet's return"))?;
    let code = parameters.get("response_code").filter(|it| it.len() <= 64).unwrap_or_default();
    let Some(cookie) = SignInCookie::of(app, incoming, &way_back.id) else {
        return other_browser(app, incoming, (wallet, handle), code).await;
    };
    let fields = BTreeMap::from([("response_code".to_owned(), code.to_owned())]);
    let answer = Answer { action: RETURNED, fields: &fields };
    let received = app.machine.receive_answer(cookie.at(i64::from(way_back.version)), &answer, incoming.now_ms).await?;
    login::go_on(app, incoming, &answer, received).await
}

/// A browser that did not begin.
async fn other_browser(app: &App, incoming: &Incoming, (wallet, handle): (&Wallet, &str), code: &str) -> Result<Reply> {
    let stray = || over().because("no cookie of the sign-in that left for the wallet");
    let Ok(trip) = open_trip(app, wallet, handle, incoming.now_ms).await else { return Err(stray().into()) };
    let Some(answered) = answered(app, &trip, code, incoming.now_ms).await? else { return Err(stray().into()) };
    if let Some(began) = &trip.elsewhere {
        let shown = number_step(began, &answered, answered.number(&app.keyring, &trip));
        let hidden = [("state", handle), ("response_code", code)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        return pages::ask_with(app, incoming, &shown, &format!("/wallet/{}/stop", wallet.name()), hidden.to_vec());
    }
    // A good code in the wrong browser: whoever began is not who has shown the credential.
    end(app, wallet, &trip, "the code was brought by another browser: the answer is void", incoming.now_ms).await?;
    Err(stray().into())
}

/// An app brings a code by its link, to this sign-in. False: the link is not of the wallet that its open question has opened. It is late, or
/// anybody has sent it. The code of another sign-in is void: whoever began that one is not who has shown the credential.
pub async fn is_own_link(app: &App, answer: &Answer<'_>, own: &State, now_ms: i64) -> Result<bool> {
    let (handle, code) = (answer.text(wallet::WALLET_STATE), answer.text(WALLET.field));
    for (_, wallet) in app.machine.wallets().all() {
        let Some(way_back) = way_back(app, wallet, handle) else { continue };
        if way_back.id == own.id {
            let asked = own.asked(&MethodName::new(wallet.method()), &way_back.question);
            return Ok(asked.map_or(Ok(false), |pending| method::has_made(&pending.secret, &way_back))?);
        }
        let Ok(trip) = open_trip(app, wallet, handle, now_ms).await else { continue };
        if answered(app, &trip, code, now_ms).await?.is_some() {
            end(app, wallet, &trip, "the code was brought to another sign-in: the answer is void", now_ms).await?;
        }
    }
    Ok(false)
}

async fn end(app: &App, wallet: &Wallet, trip: &Trip, why: &str, now_ms: i64) -> Result<()> {
    wallet::void(&app.store, trip, Entry::refused("wallet_refused", why).with("wallet", wallet.name()), now_ms).await
}

/// What the wallet's device shows: the number, what it is for, and where that began.
fn number_step(began: &Elsewhere, answered: &Answered, number: Option<String>) -> Step {
    let number = match (&answered.outcome, number) {
        (WalletOutcome::Failed(problem, _), _) => return Step::new("wallet_number_none").with_problem(Some(Problem::new(problem))),
        (WalletOutcome::Known(_), None) => return Step::new("wallet_stopped"),
        (WalletOutcome::Known(_), Some(number)) => number,
    };
    let mut step = Step::new("wallet_number").lead(Text::new("wallet_number-lead").with("client", began.client.as_str()));
    step.title = Text::new("wallet_number-title").with("number", number);
    step.text.push(match began.device.as_str() {
        "" => Text::new("wallet_number-address").with("address", began.address.as_str()),
        device => Text::new("wallet_number-device").with("device", device).with("address", began.address.as_str()),
    });
    step.text.push(Text::new("wallet_number-warning"));
    step.secondary("not_mine")
}

/// POST /wallet/{name}/stop: whoever has shown the credential did not begin. The `response_code` says who that is.
pub async fn stop(app: &App, incoming: &Incoming) -> Result<Reply> {
    let wallet = configured(app, incoming)?;
    let field = |name: &str| incoming.form.get(name).filter(|it| it.len() <= 512).unwrap_or_default();
    let trip = open_trip(app, wallet, field("state"), incoming.now_ms).await?;
    let known = answered(app, &trip, field("response_code"), incoming.now_ms).await?;
    if trip.elsewhere.is_none() || known.is_none() {
        return Err(over().because("no answer of another device waits for this code").into());
    }
    end(app, wallet, &trip, "the person says that somebody else began: the answer is void", incoming.now_ms).await?;
    pages::shown_alone(app, incoming, 200, &Step::new("wallet_stopped"), None)
}
