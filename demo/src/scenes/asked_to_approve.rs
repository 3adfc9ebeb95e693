//! The attacker begins a sign-in on a screen and lets the victim approve it. RFC 8628 5.4.

use super::Scene;
use super::television::{poll, start};
use crate::stage::{Stage, text};
use crate::world::PASSWORD;
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};

pub const SCENE: Scene = Scene {
    name: "asked-to-approve",
    about: "an attacker starts a screen and calls a victim to approve it",
    in_story: false,
    config: r#"
[client.shop-screen]
kind = "native"
name = "Example Shop on screens"
first_party = true
apis = { orders = ["orders:read"] }
grants = ["urn:ietf:params:oauth:grant-type:device_code"]
"#,
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-screen", "https://app.example.com/none").await?;
    let shown = start(&app).await?;
    let code = text(&shown, "user_code");
    let answers = vec![("user_code", code.as_str()), ("username", stage.name), ("password", PASSWORD)];
    let victim = Person { answers, buttons: vec!["not_mine"], ..Person::default() };
    let mut browser = Browser::default();
    let title = browser.open(&app.net.http, &text(&shown, "verification_uri"), &victim).await?;
    let seen = [format!("pages: {}", browser.seen.join(", "))];
    stage.act_with(
        "The victim is told to type the attacker's code, reads the page, and says: I did not start this",
        &seen,
        title == "The device gets nothing",
        "The page asks whether somebody sent the code, and says that the app's name is not proved. No page can stop a victim who approves.",
    );
    let (_, refused) = poll(&app, &shown).await?;
    stage.act("The attacker asks for the tokens", text(&refused, "error") == "access_denied", "The audit has the attacker's address.");
    Ok(())
}
