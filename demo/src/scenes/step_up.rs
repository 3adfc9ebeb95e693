//! A call that needs a better sign-in than the token's (RFC 9470).

use super::Scene;
use crate::stage::{Stage, text};
use symbolon_phone::Trouble;
use symbolon_phone::browser::Browser;

pub const SCENE: Scene = Scene {
    name: "step-up",
    about: "an API asks for a stronger sign-in before a refund (RFC 9470)",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", "https://app.example.com/callback").await?;
    let access = text(&stage.signed_in(&app, &[("scope", "openid orders:read")]).await?, "access_token");
    stage.prepared("The app signed its person in, with a password.");
    let (status, body) = app.call(&stage.world.url("/orders/refund"), Some(&access)).await?;
    stage.act(
        "The app asks for a refund",
        status == 401 && text(&body, "error") == "insufficient_user_authentication",
        "The API names the sign-in that it wants: acr_values in its challenge.",
    );
    let pending = app.push_with(&[("scope", "openid orders:read"), ("acr_values", "urn:example:strong")]).await?;
    let (world, address, mut person) = (stage.world.clone(), stage.address(), stage.person());
    person.mail = Some((&world.mailbox, &address));
    let code = app.sign_in(&mut Browser::default(), &pending, &person).await?;
    stage.act(
        "The app starts a sign-in with these acr_values",
        code.starts_with("sc_"),
        "The policy for this acr wants password and e-mail code. The server asks for what is missing.",
    );
    let (_, tokens) = app.exchange(&code, &pending.verifier).await?;
    let (status, _) = app.call(&stage.world.url("/orders/refund"), Some(&text(&tokens, "access_token"))).await?;
    stage.act("The app asks for the refund again", status == 200, "The new token says how the person signed in (acr, amr).");
    Ok(())
}
