//! The play: from sign-in to API call, and what a thief or a confused app meets.

mod attested;
mod between;
mod bound;
mod lies;

use crate::print::Printer;
use crate::{NAME, PASSWORD};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::element::Maker;
use symbolon_phone::mailbox::Mailbox;
use symbolon_phone::play::Play;

const SCOPE: &str = "openid orders:read ledger:read blink";
const ORDERS: &str = "https://api.example.com/orders";
const LEDGER: &str = "https://api.example.com/ledger";
const BLINK: &str = "https://api.example.com/blink";

/// Plays all acts; true if every one ended as expected.
pub async fn play(issuer: &str, api: &str, mailbox: &Mailbox, maker: &Arc<Maker>, play: &Play) -> bool {
    let mut printer = Printer::new();
    let plot = async {
        all(issuer, api, mailbox, &mut printer).await?;
        attested::genuine(issuer, api, maker, &mut printer).await?;
        attested::tiers(issuer, play, &mut printer).await?;
        lies::all(issuer, maker, &mut printer).await
    };
    if let Err(trouble) = plot.await {
        printer.act("The play stops here", None, false, &trouble.to_string());
    }
    printer.finish()
}

struct Stage<'a> {
    app: App,
    api: &'a str,
    printer: &'a mut Printer,
}

impl Stage<'_> {
    fn last(&mut self, title: &str, expected: bool, why: &str) {
        let exchange = self.app.last();
        self.printer.act(title, exchange.as_ref(), expected, why);
    }

    /// A call that must be refused with this status, saying this.
    #[expect(clippy::too_many_arguments, reason = "an act of one line: what is asked and what the answer must be")]
    async fn refused(&mut self, title: &str, path: &str, token: Option<&str>, status: u16, says: &str) -> Result<(), Trouble> {
        let (got, body) = self.app.call(&format!("{}{path}", self.api), token).await?;
        let said = body["error_description"].as_str().unwrap_or_default().contains(says);
        self.last(title, got == status && said, &format!("{status}, and the answer says what it was: \"{says}\"."));
        Ok(())
    }

    async fn refreshed(&mut self, token: &str, resource: &str) -> Result<Value, Trouble> {
        let (status, body) = self.app.refresh(token, Some(resource)).await?;
        if status == 200 { Ok(body) } else { Err(Trouble(format!("a refresh was refused: {body}"))) }
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

async fn all(issuer: &str, api: &str, mailbox: &Mailbox, printer: &mut Printer) -> Result<(), Trouble> {
    let app = App::discover(issuer, "shop-phone", "https://app.example.com/callback").await?;
    let mut stage = Stage { app, api, printer };
    stage.last(
        "The app reads the server's metadata",
        true,
        "One document says where everything is; the app checks that it is this issuer's.",
    );
    let tokens = sign_in(&mut stage).await?;
    let newest = use_and_refresh(&mut stage, &tokens).await?;
    thieves(&mut stage, &tokens, &newest).await?;
    twice(&mut stage).await?;
    by_mail(&mut stage, mailbox).await?;
    bound::all(issuer, api, stage.printer).await?;
    between::all(&mut stage, mailbox).await?;
    goodbye(&mut stage, &newest).await
}

async fn sign_in(stage: &mut Stage<'_>) -> Result<Value, Trouble> {
    let pending = stage.app.push(SCOPE).await?;
    stage.last("The app pushes its request (RFC 9126)", true, "The browser will carry a reference, so nobody can edit what is asked.");
    let mut browser = Browser::default();
    let code = stage.app.sign_in(&mut browser, &pending, &Person::with_password(NAME, PASSWORD)).await?;
    let pages = browser.seen.join(", ");
    stage.printer.act(
        "The system browser shows the server's pages and comes back to the app",
        None,
        code.starts_with("sc_"),
        &format!("Pages seen: {pages}. The claimed https link hands code, state and iss to the genuine app."),
    );
    let (status, _) = stage.app.exchange(&code, "a-verifier-that-some-other-app-made-up-itself").await?;
    stage.last(
        "A thief who saw the code tries it",
        status == 400,
        "Without the verifier of PKCE the code is worthless, and trying does not spend it.",
    );
    let (status, tokens) = stage.app.exchange(&code, &pending.verifier).await?;
    if status != 200 {
        // Three APIs are granted; an access token is for one, so the app names it.
        stage.last(
            "The app exchanges the code without naming an API",
            text(&tokens, "error") == "invalid_target",
            "An access token is for one API: the app has to say which.",
        );
    }
    let url = stage.app.metadata.token_endpoint.clone().unwrap_or_default();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "shop-phone"),
        ("code", &code),
        ("code_verifier", &pending.verifier),
        ("redirect_uri", "https://app.example.com/callback"),
        ("resource", ORDERS),
    ];
    let (status, tokens) = stage.app.post(&url, &form).await?;
    stage.last(
        "The app exchanges the code",
        status == 200,
        "The server issues its own short-lived token, whatever way the person signed in.",
    );
    if status == 200 { Ok(tokens) } else { Err(Trouble("without tokens there is nothing more to show".to_owned())) }
}

async fn use_and_refresh(stage: &mut Stage<'_>, tokens: &Value) -> Result<String, Trouble> {
    let (status, body) = stage.app.call(&format!("{}/orders", stage.api), Some(&text(tokens, "access_token"))).await?;
    stage.last(
        "The app calls the API",
        status == 200 && body["customer"] == "c-1041",
        "The token is for this API, carries its scope and the one claim it needs.",
    );
    let first = text(tokens, "refresh_token");
    let next = stage.refreshed(&first, ORDERS).await?;
    let second = text(&next, "refresh_token");
    stage.last("The app refreshes", second != first, "A refresh token works once; the answer carries its successor.");
    let again = stage.refreshed(&first, ORDERS).await?;
    stage.last(
        "The same again a moment later, as if the answer had been lost",
        text(&again, "refresh_token") == second,
        "The same successor. Without a key this heals for ten seconds only; the next version of the app does better.",
    );
    let ledger = stage.refreshed(&second, LEDGER).await?;
    let (status, _) = stage.app.call(&format!("{}/balance", stage.api), Some(&text(&ledger, "access_token"))).await?;
    stage.last(
        "Another API takes opaque tokens",
        status == 200,
        "The app did not change: this API asks the server about the token (RFC 7662).",
    );
    Ok(text(&ledger, "refresh_token"))
}

async fn thieves(stage: &mut Stage<'_>, tokens: &Value, newest: &str) -> Result<(), Trouble> {
    stage.refused("A call without a token", "/orders", None, 401, "access token").await?;
    let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| Trouble(it.to_string()))?;
    let social =
        serde_json::json!({ "iss": "https://accounts.social.example", "sub": "1", "aud": "shop", "exp": 4_000_000_000_i64, "iat": 1 });
    let social = jws::sign(&key, "JWT", &social).map_err(|_| Trouble("signing".to_owned()))?;
    stage.refused("A social provider's token is sent to the API", "/orders", Some(&social), 401, "another issuer").await?;
    stage.refused("The ID token is sent to the API", "/orders", Some(&text(tokens, "id_token")), 401, "ID token").await?;
    stage.refused("The refresh token is sent to the API", "/orders", Some(newest), 401, "refresh token").await?;
    stage
        .refused("A token for the orders API is sent to another API", "/blink", Some(&text(tokens, "access_token")), 401, "another API")
        .await?;
    stage.refused("A token without the scope", "/orders/new", Some(&text(tokens, "access_token")), 403, "scope").await?;
    let blink = stage.refreshed(newest, BLINK).await?;
    tokio::time::sleep(Duration::from_secs(7)).await;
    stage.refused("A token of one second is sent seven seconds later", "/blink", Some(&text(&blink, "access_token")), 401, "expired").await
}

async fn twice(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let pending = stage.app.push("orders:read").await?;
    let code = stage.app.sign_in(&mut Browser::default(), &pending, &Person::with_password(NAME, PASSWORD)).await?;
    let (_, tokens) = stage.app.exchange(&code, &pending.verifier).await?;
    let (status, body) = stage.app.exchange(&code, &pending.verifier).await?;
    stage.last(
        "A code is used twice",
        status == 400 && text(&body, "error") == "invalid_grant",
        "One of the two is a thief, and nobody can tell which.",
    );
    let (status, _) = stage.app.refresh(&text(&tokens, "refresh_token"), None).await?;
    stage.last("What the code gave is over", status == 400, "So everything issued from it has ended.");
    Ok(())
}

/// Another way of signing in: the app sends the same request and gets the same kind of token.
async fn by_mail(stage: &mut Stage<'_>, mailbox: &Mailbox) -> Result<(), Trouble> {
    let pending = stage.app.push("openid orders:read").await?;
    let mut browser = Browser::default();
    let person = Person { answers: vec![("username", NAME)], buttons: vec!["use_email"], mail: Some((mailbox, "alice@example.com")) };
    let code = stage.app.sign_in(&mut browser, &pending, &person).await?;
    let subject = mailbox.letters().last().and_then(|it| it.subject().map(str::to_owned)).unwrap_or_default();
    let pages = browser.seen.join(", ");
    stage.printer.act(
        "The person has forgotten the password and signs in by a code from a real e-mail",
        None,
        code.starts_with("sc_"),
        &format!("Pages seen: {pages}. The letter: \"{subject}\"."),
    );
    let (status, tokens) = stage.app.exchange(&code, &pending.verifier).await?;
    stage.last("The app did not change", status == 200, "The same request, the same exchange, the same token for the API.");
    let (status, _) = stage.app.call(&format!("{}/orders", stage.api), Some(&text(&tokens, "access_token"))).await?;
    stage.last("And the API neither", status == 200, "It never sees how the person signed in, unless it asks for acr or amr.");
    Ok(())
}

async fn goodbye(stage: &mut Stage<'_>, before: &str) -> Result<(), Trouble> {
    let next = stage.refreshed(before, LEDGER).await?;
    let access = text(&next, "access_token");
    let status = stage.app.revoke(&text(&next, "refresh_token")).await?;
    stage.last("The app signs out (RFC 7009)", status == 200, "The grant ends, and with it every token of it.");
    stage.refused("The opaque access token is used once more", "/balance", Some(&access), 401, "ended").await
}
