//! An API that has to call the next API for the same person (token exchange, RFC 8693).

use super::{LEDGER, Scene};
use crate::stage::{Stage, text};
use crate::world::ORDERS_SECRET;
use symbolon_phone::Trouble;

pub const SCENE: Scene = Scene {
    name: "next-api",
    about: "an API calls another API for the same person (token exchange, RFC 8693)",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", "https://app.example.com/callback").await?;
    let access = text(&stage.signed_in(&app, &[("scope", "openid orders:read")]).await?, "access_token");
    stage.prepared("The app signed its person in and called the orders API, which needs the ledger API to answer.");
    let url = app.metadata.token_endpoint.clone().unwrap_or_default();
    let form = |scope: &'static str| {
        [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("client_id", "orders-api"),
            ("client_secret", ORDERS_SECRET),
            ("subject_token_type", ACCESS),
            ("subject_token", access.as_str()),
            ("resource", LEDGER),
            ("scope", scope),
        ]
    };
    let (status, body) = app.post(&url, &form("ledger:read")).await?;
    stage.act(
        "The orders API exchanges the token that it was called with",
        status == 200 && body.get("refresh_token").is_none(),
        "The new token is for the ledger and for the same person. It says who acts, and lives no longer than the first.",
    );
    let (status, _) = app.call(&stage.world.url("/balance"), Some(&text(&body, "access_token"))).await?;
    stage.act("The orders API calls the ledger with it", status == 200, "The ledger sees the person (sub) and the orders API (act).");
    let (status, body) = app.post(&url, &form("ledger:write")).await?;
    stage.act(
        "The orders API asks for more than its caller may do",
        status == 400 && text(&body, "error") == "invalid_scope",
        "The configuration says for each scope which tokens may become it. Reading orders does not become writing.",
    );
    Ok(())
}
