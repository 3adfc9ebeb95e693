//! Seven wrong tokens, and an API that says what is wrong with each.

use super::{BLINK, ORDERS, Scene};
use crate::stage::{Refusal, Stage, text};
use std::time::Duration;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::browser::Browser;

pub const SCENE: Scene = Scene {
    name: "wrong-tokens",
    about: "an API tells the app which wrong token it sent",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

const BACK: &str = "https://app.example.com/callback";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", BACK).await?;
    let tokens = tokens(stage, &app).await?;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let call = |path, token, status, says| Refusal { path, token, status, says };
    let none = call("/orders", None, 401, "access token");
    stage.refused(&app, "A call without a token", none, "An API never guesses who is calling.").await?;
    let social = social_token()?;
    let wrong = call("/orders", Some(social.as_str()), 401, "another issuer");
    stage.refused(&app, "A social provider's token is sent to the API", wrong, "An API trusts one issuer.").await?;
    let id_token = text(&tokens, "id_token");
    let wrong = call("/orders", Some(id_token.as_str()), 401, "ID token");
    stage
        .refused(&app, "The ID token is sent to the API", wrong, "It tells the app who signed in. It gives no access to anything.")
        .await?;
    let wrong = call("/orders", Some(refresh.as_str()), 401, "refresh token");
    stage.refused(&app, "The refresh token is sent to the API", wrong, "It is for the server's token endpoint alone.").await?;
    let wrong = call("/blink", Some(access.as_str()), 401, "another API");
    stage.refused(&app, "A token for the orders API is sent to another API", wrong, "A token is for one audience.").await?;
    let wrong = call("/orders/new", Some(access.as_str()), 403, "scope");
    stage.refused(&app, "A token without the scope that the call needs", wrong, "The person allowed reading, not ordering.").await?;
    let (_, blink) = app.refresh(&refresh, Some(BLINK)).await?;
    let token = text(&blink, "access_token");
    stage.prepared("The app gets a token that lives one second, and waits for seven.");
    tokio::time::sleep(Duration::from_secs(7)).await;
    let wrong = call("/blink", Some(token.as_str()), 401, "expired");
    stage
        .refused(&app, "A token of one second is sent seven seconds later", wrong, "The API allows clocks to differ by five seconds.")
        .await
}

/// Three APIs are granted. An access token is for one of them, so the app names it.
async fn tokens(stage: &mut Stage, app: &App) -> Result<serde_json::Value, Trouble> {
    let pending = app.push("openid orders:read ledger:read blink").await?;
    let code = app.sign_in(&mut Browser::default(), &pending, &stage.person()).await?;
    stage.prepared("The app signed its person in and may call three APIs.");
    let (status, body) = app.exchange(&code, &pending.verifier).await?;
    stage.act(
        "The app exchanges the code without naming an API",
        status == 400 && text(&body, "error") == "invalid_target",
        "An access token is for one API, so the app has to choose one.",
    );
    let (status, tokens) = app.exchange_for(&code, &pending.verifier, ORDERS).await?;
    stage.act("The app names the orders API (RFC 8707)", status == 200, "The refused attempt did not use the code up.");
    Ok(tokens)
}

fn social_token() -> Result<String, Trouble> {
    let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| Trouble(it.to_string()))?;
    let claims =
        serde_json::json!({ "iss": "https://accounts.social.example", "sub": "1", "aud": "shop", "exp": 4_000_000_000_i64, "iat": 1 });
    jws::sign(&key, "JWT", &claims).map_err(|_| Trouble("signing".to_owned()))
}
