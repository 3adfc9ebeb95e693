//! The first scene: from the app's request to the API's answer, by way of the server's real pages.

use super::{ORDERS, Scene};
use crate::stage::{Stage, claims, text};
use symbolon_phone::Trouble;
use symbolon_phone::browser::Browser;

pub const SCENE: Scene = Scene {
    name: "sign-in",
    about: "a person signs in to an app, and the app calls an API",
    in_story: true,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", "https://app.example.com/callback").await?;
    stage.act(
        "The app reads the server's metadata (RFC 8414)",
        app.metadata.issuer == stage.world.issuer,
        "One document lists every endpoint. The app knows the issuer and nothing else.",
    );
    let pending = app.push("openid orders:read").await?;
    stage.act(
        "The app sends its request to the server (pushed authorization request, RFC 9126)",
        true,
        "The browser will carry only a reference, so nobody can change the request on the way.",
    );
    let code = app.sign_in(&mut Browser::default(), &pending, &stage.person()).await?;
    stage.act(
        "The system browser shows the server's pages and returns to the app",
        code.starts_with("sc_"),
        "The app never sees the password. The redirect gives it a code, its own state, and the issuer.",
    );
    let (status, tokens) = app.exchange(&code, &pending.verifier).await?;
    stage.act(
        "The app exchanges the code for tokens",
        status == 200,
        "The verifier proves that this app began the sign-in (PKCE, RFC 7636).",
    );
    let access = text(&tokens, "access_token");
    let (status, body) = app.call(&stage.world.url("/orders"), Some(&access)).await?;
    let claims: Vec<String> = claims(&access).into_iter().map(|it| format!("the access token says {it}")).collect();
    let says = |what: &str| claims.iter().any(|it| it.contains(what));
    stage.act_with(
        "The app calls the API with the access token, which is shown decoded (RFC 9068)",
        &claims,
        status == 200 && body["customer"] == "c-1041" && says(ORDERS) && says("customer_id"),
        "The token is for this one API. It has the API's scope and the one claim that the API needs.",
    );
    Ok(())
}
