//! An API that checks nothing itself, behind `symbolon guard`: what reaches it, and what does not.

use super::Scene;
use crate::anysocial::sdk_tokens;
use crate::stage::{Stage, text};
use serde_json::Value;
use std::time::Duration;
use symbolon_client::platform::{Http, Request};
use symbolon_phone::Trouble;
use symbolon_phone::app::App;

pub const SCENE: Scene = Scene {
    name: "guard",
    about: "an API in any language believes what the guard says, and sees no call that the guard refuses",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

const BACK: &str = "https://app.example.com/callback";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", BACK).await?;
    let access = text(&stage.signed_in(&app, &[("scope", "openid orders:read")]).await?, "access_token");
    stage.prepared("An API knows nothing of tokens. The proxy in front of it asks the guard, another process, about each call.");
    refused(stage, &app, "A call without a token", ("/guarded/orders", None, 401, "access token")).await?;
    let social = text(&sdk_tokens(&stage.world.anysocial.issuer, "n").await?, "access_token");
    stage.prepared("Anysocial's SDK gave an old app a token.");
    let wrong = ("/guarded/orders", Some(social.as_str()), 401, "another issuer, such as a social provider");
    refused(stage, &app, "Anysocial's token is sent to the API", wrong).await?;
    let (status, told) = app.call(&url(stage, "/guarded/orders"), Some(&access)).await?;
    stage.act(
        "The shop's own token is sent",
        status == 200 && text(&told, "outcome") == "token" && text(&told, "claim_customer_id") == "c-1041" && told["token_seen"] == false,
        "The API got who calls, in headers that the guard alone may set. It did not get the token, so it cannot leak it.",
    );
    lies(stage, &app, &access).await?;
    old_app(stage, &app, &social).await?;
    ended(stage, &app, &access).await
}

fn url(stage: &Stage, path: &str) -> String {
    format!("{}{path}", stage.world.guarded.url)
}

async fn refused(stage: &mut Stage, app: &App, title: &str, call: (&str, Option<&str>, u16, &str)) -> Result<(), Trouble> {
    let (path, token, expected, says) = call;
    let (status, body) = app.call(&url(stage, path), token).await?;
    let is_told = text(&body, "error_description").contains(says);
    stage.act(title, status == expected && is_told, "The guard refuses it. The API never sees the call.");
    Ok(())
}

/// A good token, and something beside it that would deceive the API.
async fn lies(stage: &mut Stage, app: &App, access: &str) -> Result<(), Trouble> {
    let with_token = |path: &str| Request::get(&url(stage, path)).with("authorization", &format!("Bearer {access}"));
    let forged = with_token("/guarded/orders").with("x_symbolon_sub", "somebody-else");
    let folded = with_token("/guarded//orders");
    let mut statuses = Vec::new();
    for request in [forged, folded] {
        let answer = app.net.send(request).await.map_err(|it| Trouble(it.0))?;
        statuses.push((answer.status, text(&answer.json(), "error")));
    }
    let is_refused = |it: &(u16, String)| it.0 == 400 && it.1 == "invalid_request";
    stage.act(
        "The same token with a header of the guard's, and with a path that servers read in two ways",
        statuses.iter().all(is_refused),
        "What the guard would have to repair, it refuses: some server behind it could read it otherwise.",
    );
    Ok(())
}

/// The old route lets Anysocial's tokens through until its last day, to the API's old check.
async fn old_app(stage: &mut Stage, app: &App, social: &str) -> Result<(), Trouble> {
    let (status, told) = app.call(&url(stage, "/legacy/orders"), Some(social)).await?;
    let is_nobody = |told: &Value| ["sub", "client", "scope", "claim_customer_id"].iter().all(|name| text(told, name).is_empty());
    stage.act(
        "Old apps still call an old route with Anysocial's token (observe mode)",
        status == 200 && text(&told, "outcome") == "observed" && is_nobody(&told) && told["token_seen"] == true,
        "It authenticates nobody: the API's old check has to stay. The guard counts such calls, so that a team sees when to refuse them.",
    );
    Ok(())
}

/// The token is still good by its signature and its end.
async fn ended(stage: &mut Stage, app: &App, access: &str) -> Result<(), Trouble> {
    app.revoke(access).await?;
    for _ in 0..80 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if app.call(&url(stage, "/guarded/orders"), Some(access)).await?.0 == 401 {
            break;
        }
    }
    stage.prepared("The app signs out, and a moment passes.");
    refused(stage, app, "Somebody uses the shop's token once more", ("/guarded/orders", Some(access), 401, "ended")).await
}
