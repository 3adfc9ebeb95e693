//! An app without a key: bearer tokens, opaque tokens, refresh, sign-out.

use super::{LEDGER, ORDERS, Scene};
use crate::stage::{Refusal, Stage, text};
use std::time::Duration;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::browser::Browser;

pub const SCENE: Scene = Scene {
    name: "bearer-app",
    about: "an app without a key: refresh, opaque tokens (RFC 7662), sign-out (RFC 7009)",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

const BACK: &str = "https://app.example.com/callback";

async fn first_tokens(stage: &mut Stage, app: &App) -> Result<String, Trouble> {
    let pending = app.push("openid orders:read ledger:read").await?;
    let code = app.sign_in(&mut Browser::default(), &pending, &stage.person()).await?;
    let (_, tokens) = app.exchange_for(&code, &pending.verifier, ORDERS).await?;
    stage.prepared("The app signed its person in. It holds no key, so its tokens are bearer tokens.");
    Ok(text(&tokens, "refresh_token"))
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", BACK).await?;
    let first = first_tokens(stage, &app).await?;
    let (_, next) = app.refresh(&first, Some(ORDERS)).await?;
    let second = text(&next, "refresh_token");
    stage.act("The app refreshes", !second.is_empty() && second != first, "A refresh token works once. The answer has the next one.");
    let (_, again) = app.refresh(&first, Some(ORDERS)).await?;
    stage.act(
        "It sends the same again a moment later, as if the answer had been lost",
        text(&again, "refresh_token") == second,
        "The same answer comes again, for ten seconds. Apps that hold a key have no such limit.",
    );
    let (_, ledger) = app.refresh(&second, Some(LEDGER)).await?;
    let access = text(&ledger, "access_token");
    let (status, _) = app.call(&stage.world.url("/balance"), Some(&access)).await?;
    stage.act(
        "It refreshes for another API, which takes opaque tokens, and calls it",
        status == 200,
        "The app does the same as before. This API asks the server what the token means (introspection).",
    );
    let status = app.revoke(&text(&ledger, "refresh_token")).await?;
    stage.act("The app signs out", status == 200, "The grant ends, and with it every token that came of it.");
    tokio::time::sleep(Duration::from_secs(6)).await;
    stage.prepared("Six seconds pass. An API uses the server's answer about a token for five.");
    let call = Refusal { path: "/balance", token: Some(access.as_str()), status: 401, says: "ended" };
    stage
        .refused(
            &app,
            "The opaque token is used once more",
            call,
            "The API asked the server again. An API that follows ended sessions knows within a second.",
        )
        .await
}
