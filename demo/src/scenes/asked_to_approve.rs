//! The attacker begins a sign-in on a screen and lets the victim approve it. RFC 8628 5.4; RFC 10027.

use super::Scene;
use super::television::{poll, start};
use crate::stage::{Stage, text};
use crate::world::PASSWORD;
use serde_json::Value;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
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

[client.home-screen]
kind = "native"
name = "Example Shop at home"
first_party = true
apis = { orders = ["orders:read"] }
grants = ["urn:ietf:params:oauth:grant-type:device_code"]
device = { network = "same" }
"#,
    acts: |stage| Box::pin(acts(stage)),
};

const HOME: &str = "203.0.113.7";
/// Networks of the attacker.
const CAFE: &str = "198.51.100.66";
const HOTEL: &str = "192.0.2.66";

/// The victim types this screen's code at home, and presses this button where the page has it. The last heading, and what stood on the page
/// that asked.
async fn victim(stage: &Stage, app: &App, shown: &Value, button: &str) -> Result<(String, Vec<String>), Trouble> {
    let code = text(shown, "user_code");
    let answers = vec![("user_code", code.as_str()), ("username", stage.name), ("password", PASSWORD)];
    let person = Person { answers, buttons: vec![button], ..Person::default() };
    let mut browser = Browser::default();
    browser.address = Some(HOME);
    let title = browser.open(&app.net.http, &text(shown, "verification_uri"), &person).await?;
    let asked = browser.seen.iter().position(|title| title.starts_with("Let a device use"));
    let read = asked.and_then(|at| browser.read.get(at)).cloned().unwrap_or_default();
    Ok((title, read.iter().map(|line| format!("page: {line}")).collect()))
}

fn says(read: &[String], words: &[&str]) -> bool {
    words.iter().all(|word| read.iter().any(|line| line.contains(word)))
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let cafe = stage.app_at("shop-screen", CAFE).await?;
    let shown = start(&cafe).await?;
    let (title, read) = victim(stage, &cafe, &shown, "not_mine").await?;
    let is_warned = says(&read, &["not in your network", CAFE, "We could not check that this request comes from", "call you about it"]);
    stage.act_with(
        "An attacker starts a screen and calls. The victim types the code, reads the page, and says: I did not start this",
        &read,
        title == "The device gets nothing" && is_warned,
        "The page names the attacker's network, says that the app's name is not proved, and asks whether somebody called.",
    );
    let (_, refused) = poll(&cafe, &shown).await?;
    stage.act("The attacker asks for the tokens", text(&refused, "error") == "access_denied", "The audit has the attacker's address.");
    let again = start(&cafe).await?;
    let (title, read) = victim(stage, &cafe, &again, "allow").await?;
    let (_, refused) = poll(&cafe, &again).await?;
    stage.act_with(
        "The attacker calls again, and now the victim would allow it",
        &read,
        title == "The device gets nothing"
            && says(&read, &["You said that you did not start"])
            && text(&refused, "error") == "access_denied",
        "Whoever started it gets nothing of this person for an hour. The page has no button that allows.",
    );
    believed(stage).await?;
    at_home(stage).await
}

/// What no page can stop.
async fn believed(stage: &mut Stage) -> Result<(), Trouble> {
    let hotel = stage.app_at("shop-screen", HOTEL).await?;
    let shown = start(&hotel).await?;
    let (title, read) = victim(stage, &hotel, &shown, "allow").await?;
    stage.act_with(
        "The attacker calls from another network. The victim believes the caller and allows it, against every word of the page",
        &read,
        title == "The device is signed in" && says(&read, &["not in your network", HOTEL]),
        "The person gets a letter about it, and can end the device on the account page.",
    );
    let (status, _) = poll(&hotel, &shown).await?;
    stage.act("The attacker asks for the tokens", status == 200, "No page can stop a victim who approves. A rule about networks can.");
    Ok(())
}

/// What stops it.
async fn at_home(stage: &mut Stage) -> Result<(), Trouble> {
    let hotel = stage.app_at("home-screen", HOTEL).await?;
    let shown = start(&hotel).await?;
    let (title, read) = victim(stage, &hotel, &shown, "allow").await?;
    let (_, refused) = poll(&hotel, &shown).await?;
    stage.act_with(
        "The same with a client that says network = \"same\": the victim would allow it",
        &read,
        title == "The device gets nothing"
            && says(&read, &["Only a person in the same network"])
            && text(&refused, "error") == "access_denied",
        "The page has no button that allows, whatever the caller says.",
    );
    let own = stage.app_at("home-screen", HOME).await?;
    let shown = start(&own).await?;
    let (title, read) = victim(stage, &own, &shown, "allow").await?;
    let (status, _) = poll(&own, &shown).await?;
    stage.act_with(
        "The person's own screen at home is allowed",
        &read,
        title == "The device is signed in" && says(&read, &["in the same network as you"]) && status == 200,
        "For people, nothing is more difficult.",
    );
    Ok(())
}
