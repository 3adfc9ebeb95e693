//! A television that is let in by the app in which the person is signed in already (RFC 8628), and a link that somebody sends.

use super::television::{poll, start};
use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use symbolon_client::{Answered, DeviceCode, DeviceSays, SignIn};
use symbolon_phone::Trouble;

pub const SCENE: Scene = Scene {
    name: "television-app",
    about: "the person lets a television in with the app on the phone, and a photograph does not",
    in_story: false,
    config: r#"
[client.den-tv]
kind = "native"
name = "Example Shop in the den"
first_party = true
apis = { orders = ["orders:read"] }
grants = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]

[client.den-app]
kind = "native"
name = "Example Shop on your phone"
first_party = true
dpop = "required"
approves = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/den"]
"#,
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let trouble = |it: symbolon_client::Trouble| Trouble(it.to_string());
    let tv = stage.app("den-tv", "https://app.example.com/none").await?;
    let phone = stage.phone("den-app", "https://app.example.com/den")?;
    phone.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await.map_err(trouble)?;
    let shown = start(&tv).await?;
    let (code, picture) = (text(&shown, "user_code"), text(&shown, "verification_uri_complete"));
    stage.prepared("The person is signed in on the phone. The television shows a code and a picture.");
    let device = phone.client.find_device(&DeviceCode::Scanned(picture.clone()), "en").await.map_err(trouble)?;
    stage.act(
        "Her app reads the picture and asks which device that is",
        device.client_id == "den-tv" && device.asks_for_last_letters(),
        "The picture has no code in it. The app shows who asks, what for, and from which network.",
    );
    let guess = phone.client.answer_device(&device, DeviceSays::Allow { last_letters: Some("BBBB") }).await;
    stage.act(
        "Somebody who has only a photograph of the picture guesses the letters",
        matches!(&guess, Err(symbolon_client::Trouble::Refused { error, .. }) if error == "wrong_last_group"),
        "Five guesses, in whichever app or browser. Then no letters are right.",
    );
    let letters = code.get(5..).unwrap_or_default();
    let answered = phone.client.answer_device(&device, DeviceSays::Allow { last_letters: Some(letters) }).await.map_err(trouble)?;
    stage.act(
        "She types the last letters that she sees on the screen",
        answered == Answered::Approved,
        "The television's own policy decides whether the app's sign-in is enough. No browser was opened.",
    );
    let (status, tokens) = poll(&tv, &shown).await?;
    stage.act("The television asks again", status == 200, "The tokens are its own, below a session of its own.");
    let (status, _) = tv.call(&stage.world.url("/orders"), Some(&text(&tokens, "access_token"))).await?;
    stage.act("It calls the API", status == 200, "She ends it on her account page, alone.");
    let elsewhere = stage.app_at("den-tv", "198.51.100.66").await?;
    let unasked = start(&elsewhere).await?;
    let device = phone.client.find_device(&DeviceCode::Typed(text(&unasked, "user_code")), "en").await.map_err(trouble)?;
    let answered = phone.client.answer_device(&device, DeviceSays::NotMine).await.map_err(trouble)?;
    let (_, refused) = poll(&elsewhere, &unasked).await?;
    let seen: Vec<String> =
        device.step["text"].as_array().into_iter().flatten().map(|line| format!("app: {}", line.as_str().unwrap_or_default())).collect();
    let is_warned = seen.iter().any(|line| line.contains("not in your network") && line.contains("198.51.100.66"));
    stage.act_with(
        "A caller reads a code to her. She types it, sees another network, and says that she did not start this",
        &seen,
        is_warned && answered == Answered::Denied && text(&refused, "error") == "access_denied",
        "No code stops a caller whom she believes. network = \"same\" does.",
    );
    Ok(())
}
