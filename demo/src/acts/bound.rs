//! The next version of the app: the client of the mobile SDK, with a key in the phone. What a thief copies is of no use, and no tunnel
//! costs the person the session.

use super::{ORDERS, text};
use crate::print::Printer;
use crate::{NAME, PASSWORD};
use serde_json::Value;
use std::sync::atomic::Ordering;
use symbolon_client::platform::{Browser, Request};
use symbolon_client::{Called, Settings, SignIn, Trouble as Told};
use symbolon_phone::app::App;
use symbolon_phone::browser::Person;
use symbolon_phone::phone::Phone;
use symbolon_phone::{Exchange, Trouble};

const CLIENT: &str = "shop-phone-2";
const BACK: &str = "https://app.example.com/callback-2";

pub fn settings(issuer: &str, client_id: &str, redirect_uri: &str) -> Settings {
    Settings { issuer: issuer.to_owned(), client_id: client_id.to_owned(), redirect_uri: redirect_uri.to_owned() }
}

pub fn status(called: &Called) -> u16 {
    match called {
        Called::Answer(it) => it.status,
        Called::StepUp(_) => 401,
    }
}

/// The refreshes that were answered with tokens, or not at all.
fn refreshes(phone: &Phone) -> Vec<Exchange> {
    let is_refresh = |it: &Exchange| it.sent.iter().any(|(name, value)| name == "grant_type" && value == "refresh_token");
    phone.net.log().into_iter().filter(|it| is_refresh(it) && it.status != 400).collect()
}

fn sent_token(it: &Exchange) -> &str {
    it.sent.iter().find(|(name, _)| name == "refresh_token").map_or("", |(_, value)| value)
}

pub async fn all(issuer: &str, api: &str, printer: &mut Printer) -> Result<(), Trouble> {
    let phone = Phone::new(settings(issuer, CLIENT, BACK), Person::with_password(NAME, PASSWORD))?;
    let mut thief = App::discover(issuer, CLIENT, BACK).await?;
    thief.make_key()?;
    sign_in(&phone, &thief, printer).await?;
    thefts(&phone, &mut thief, api, printer).await?;
    tunnel(&phone, printer).await?;
    at_once(&phone, printer).await
}

async fn sign_in(phone: &Phone, thief: &App, printer: &mut Printer) -> Result<(), Trouble> {
    let address = phone.client.begin(&SignIn::new("openid orders:read").for_api(ORDERS)).await?;
    printer.act(
        "The next version of the app pushes its request with a proof of its key (RFC 9449)",
        phone.last().as_ref(),
        true,
        "The key was made in the phone and never leaves it; the code will be for this key alone.",
    );
    let gone = |_| Trouble("the browser did not come back".to_owned());
    phone.screen.open(&address).await.map_err(gone)?;
    let back = phone.screen.redirected().await.map_err(gone)?;
    let code = url::Url::parse(&back).ok().and_then(|it| it.query_pairs().find(|(name, _)| name == "code").map(|it| it.1.into_owned()));
    let (status, body) = thief.exchange(&code.unwrap_or_default(), &phone.shelf.stolen("sign-in", "verifier")).await?;
    let refused = status == 400 && text(&body, "error") == "invalid_grant";
    printer.act("A thief has the code and even the verifier", thief.last().as_ref(), refused, "But not the key.");
    let other = phone.client.finish(&back.replace("state=", "state=not-")).await?.is_none();
    printer.act("Some other app opens the redirect with an answer of its own", None, other, "It is not to our request: nothing happens.");
    phone.net.lose_answers.store(1, Ordering::Relaxed);
    let signed_in = phone.client.finish(&back).await?.is_some_and(|it| it.claims.contains_key("sub"));
    printer.act(
        "The app exchanges the code; the answer is lost in a tunnel, and it asks again",
        phone.last().as_ref(),
        signed_in && phone.net.log().iter().any(|it| it.status == 0),
        "Same key, same minute: the same session. The refresh token is stored before anything is done with it.",
    );
    Ok(())
}

async fn thefts(phone: &Phone, thief: &mut App, api: &str, printer: &mut Printer) -> Result<(), Trouble> {
    let orders = format!("{api}/orders");
    let called = phone.client.call(ORDERS, Request::get(&orders)).await?;
    printer.act(
        "The app calls the API, with a proof for this very request",
        phone.last().as_ref(),
        status(&called) == 200,
        "Token, key, method and address belong together.",
    );
    let access = phone.client.access_token(ORDERS).await?.token;
    let (status, body) = thief.call(&orders, Some(&access)).await?;
    let why = text(&body, "error_description");
    printer.act("A thief sends the stolen access token with a key of his own", thief.last().as_ref(), status == 401, &why);
    thief.forget_key();
    let (status, body) = thief.call(&orders, Some(&access)).await?;
    printer.act("A thief sends it as a bearer token", thief.last().as_ref(), status == 401, &text(&body, "error_description"));
    thief.make_key()?;
    let (status, body) = thief.refresh(&phone.refresh_token(), None).await?;
    let why = text(&body, "error_description");
    printer.act("A thief tries the stolen refresh token", thief.last().as_ref(), status == 400, &why);
    phone.restarted().client.access_token(ORDERS).await?;
    printer.act(
        "The app itself, started anew, refreshes from what it stored",
        phone.last().as_ref(),
        true,
        "The attempt cost the rightful app nothing: a string alone ends nothing.",
    );
    Ok(())
}

/// Whatever happens on the way, the person stays signed in.
async fn tunnel(phone: &Phone, printer: &mut Printer) -> Result<(), Trouble> {
    let (before, started) = (phone.refresh_token(), phone.restarted());
    phone.net.lose_answers.store(2, Ordering::Relaxed);
    let later = matches!(started.client.access_token(ORDERS).await, Err(Told::Later { .. }));
    printer.act(
        "The phone is in a tunnel: the server turned the token over, and no answer came, twice",
        phone.last().as_ref(),
        later
            && refreshes(phone).iter().filter(|it| it.status == 0).count() == 2
            && started.client.is_signed_in().await?
            && phone.refresh_token() == before,
        "The app says \"later\", never \"signed out\"; it still has the old token.",
    );
    started.client.access_token(ORDERS).await?;
    let same = refreshes(phone).last().is_some_and(|it| sent_token(it) == before && it.status == 200);
    printer.act(
        "Out of the tunnel, be it an hour later",
        phone.last().as_ref(),
        same && phone.refresh_token() != before,
        "The same old token gets the same successor, at any time: rotation logs nobody out.",
    );
    let before = phone.refresh_token();
    phone.shelf.dies_at.lock().map_err(|it| Trouble(it.to_string()))?.replace("session");
    let died = phone.restarted().client.access_token(ORDERS).await.is_err() && phone.refresh_token() == before;
    phone.restarted().client.access_token(ORDERS).await?;
    printer.act(
        "The process is ended between the answer and its storing; started again, it has the token of before",
        phone.last().as_ref(),
        died && phone.refresh_token() != before,
        "An answer that was not stored was never got: the next one is the same.",
    );
    let started = phone.restarted();
    phone.element.is_locked.store(true, Ordering::Relaxed);
    let locked = matches!(started.client.access_token(ORDERS).await, Err(Told::Later { .. })) && started.client.is_signed_in().await?;
    phone.element.is_locked.store(false, Ordering::Relaxed);
    printer.act("At night the phone is locked, and its key with it", None, locked, "Later, again; nothing was sent, nothing is lost.");
    Ok(())
}

/// Ten screens need a token at the same moment.
async fn at_once(phone: &Phone, printer: &mut Printer) -> Result<(), Trouble> {
    let (started, before) = (phone.restarted(), refreshes(phone).len());
    let screens: Vec<_> = (0..10)
        .map(|_| {
            let client = started.client.clone();
            tokio::spawn(async move { client.access_token(ORDERS).await })
        })
        .collect();
    let mut good = 0;
    for screen in screens {
        good += usize::from(screen.await.is_ok_and(|it| it.is_ok()));
    }
    let sent = refreshes(phone).len() - before;
    printer.act(
        "Ten screens of the app need a token at once",
        phone.last().as_ref(),
        good == 10 && sent == 1,
        &format!("{good} got one, by {sent} refresh."),
    );
    started.client.sign_out().await?;
    let over = phone.last().is_some_and(|it| it.status == 200 && it.url.ends_with("/revoke") && it.body == Value::Null);
    let gone = matches!(started.client.access_token(ORDERS).await, Err(Told::SignedOut(_)));
    printer.act("The person signs out", phone.last().as_ref(), over && gone, "Only this, or the server's own word, ends a session.");
    Ok(())
}
