//! A screen without a keyboard: it shows a code, and a person approves it on a phone (RFC 8628).

use super::Scene;
use crate::stage::{Stage, text};
use crate::world::PASSWORD;
use serde_json::Value;
use symbolon_oauth::device_authorization::GRANT_TYPE;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::browser::{Browser, Person};

pub const SCENE: Scene = Scene {
    name: "television",
    about: "a television shows a code, and the person approves it on a phone",
    in_story: true,
    config: r#"
[client.shop-tv]
kind = "native"
name = "Example Shop on television"
first_party = true
apis = { orders = ["orders:read"] }
grants = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
"#,
    acts: |stage| Box::pin(acts(stage)),
};

/// A sign-in begins on the screen; what it gets to show.
pub async fn start(app: &App) -> Result<Value, Trouble> {
    let client_id = app.server.settings.client_id.as_str();
    let url = format!("{}/device_authorization", app.server.settings.issuer);
    Ok(app.post(&url, &[("client_id", client_id), ("scope", "orders:read")]).await?.1)
}

pub async fn poll(app: &App, shown: &Value) -> Result<(u16, Value), Trouble> {
    let url = app.metadata.token_endpoint.clone().unwrap_or_default();
    let client_id = app.server.settings.client_id.as_str();
    app.post(&url, &[("grant_type", GRANT_TYPE), ("client_id", client_id), ("device_code", &text(shown, "device_code"))]).await
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-tv", "https://app.example.com/none").await?;
    let shown = start(&app).await?;
    let code = text(&shown, "user_code");
    stage.act(
        "A television asks for a code to show",
        code.len() == 9 && !text(&shown, "verification_uri_complete").contains(&code),
        "The picture beside the code leads to the page and has no code in it: a picture that somebody sends on is not enough.",
    );
    let (_, waiting) = poll(&app, &shown).await?;
    stage.act("It asks whether somebody approved", text(&waiting, "error") == "authorization_pending", "Such a question writes nothing.");
    let mut guesser = Browser::default();
    let guess = Person { answers: vec![("last_group", "BBBB"), ("username", stage.name), ("password", PASSWORD)], ..Person::default() };
    let was_sent = guesser.open(&app.net.http, &text(&shown, "verification_uri_complete"), &guess).await;
    let told = guesser.read.iter().flatten().find(|line| line.starts_with("The device has another code"));
    let seen: Vec<String> = told.map(|line| format!("the page says: {line}")).into_iter().collect();
    stage.act_with(
        "Somebody who was sent the picture guesses the code",
        &seen,
        was_sent.is_err() && told.is_some(),
        "The page asks for the last letters on the screen. After five guesses, whoever makes them, no letters are right.",
    );
    let mut browser = Browser::default();
    let person = Person { answers: vec![("user_code", &code), ("username", stage.name), ("password", PASSWORD)], ..Person::default() };
    let title = browser.open(&app.net.http, &text(&shown, "verification_uri"), &person).await?;
    let seen = [format!("pages: {}", browser.seen.join(", "))];
    stage.act_with(
        "The person types the code on a phone, signs in and approves",
        &seen,
        title == "The device is signed in",
        "The page shows the code to compare, which app asks, and from which network.",
    );
    let (status, tokens) = poll(&app, &shown).await?;
    stage.act("The television asks again", status == 200, "The tokens are its own: the phone never saw them.");
    let (status, _) = app.call(&stage.world.url("/orders"), Some(&text(&tokens, "access_token"))).await?;
    stage.act("It calls the API", status == 200, "The API gets the same kind of token as from any app.");
    Ok(())
}
