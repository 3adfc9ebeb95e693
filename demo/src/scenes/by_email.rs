//! Another way of signing in: the app sends the same request and gets the same kind of token.

use super::Scene;
use crate::stage::{Stage, text};
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};

pub const SCENE: Scene = Scene {
    name: "by-email",
    about: "the person signs in by a code from an e-mail, and the app does not notice",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", "https://app.example.com/callback").await?;
    let pending = app.push("openid orders:read").await?;
    let (world, address) = (stage.world.clone(), stage.address());
    let person = Person { answers: vec![("username", stage.name)], buttons: vec!["use_email"], mail: Some((&world.mailbox, &address)) };
    let code = app.sign_in(&mut Browser::default(), &pending, &person).await?;
    let letters = world.mailbox.letters();
    let subject = letters.last().and_then(|it| it.subject()).unwrap_or_default();
    stage.act_with(
        "The person has forgotten the password and asks for a code by e-mail",
        &[format!("a letter came: \"{subject}\"")],
        code.starts_with("sc_"),
        "The policy of this client allows a password or a code by e-mail.",
    );
    let (status, tokens) = app.exchange(&code, &pending.verifier).await?;
    stage.act("The app exchanges the code as always", status == 200, "It is the same request and the same kind of token for every method.");
    let (status, _) = app.call(&stage.world.url("/orders"), Some(&text(&tokens, "access_token"))).await?;
    stage.act("The app calls the API", status == 200, "The API does not see how the person signed in, unless it asks for acr or amr.");
    Ok(())
}
