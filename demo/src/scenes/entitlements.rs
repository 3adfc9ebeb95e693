//! Claims from an entitlement service: a plug-in in JavaScript.

use super::Scene;
use crate::branch::{BUILD, is_built};
use crate::stage::{Stage, claims, text};
use std::time::Duration;
use symbolon_phone::Trouble;

pub const SCENE: Scene = Scene {
    name: "entitlements",
    about: "claims of an API's tokens from a service of the operator's own, by a plug-in in JavaScript",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const FILE: &str = "entitlements.wasm";
const CONFIG: &str = r#"
# A script of the operator's own says what a member has bought. It writes the claims of this list, and no other.
[plugin.entitlements]
file = "{examples}/entitlements.wasm"
sha256 = "{entitlements_digest}"
world = "claims"
optional = true
hosts = ["{branch}"]
config = { service = "{branch}" }
[api.club]
audience = "https://api.example.com/club"
claims_plugin = "entitlements"
plugin_claims = ["plan", "regions", "credit_limit"]
[api.club.scope."club:read"]
text = "See your membership"
[client.shop-club]
kind = "native"
name = "Example Club"
first_party = true
apis = { club = ["club:read"] }
redirect_uris = ["https://app.example.com/callback-club"]
"#;

/// The plan that a token names.
fn plan(access: &str) -> String {
    claims(access).into_iter().find(|line| line.starts_with("plan")).unwrap_or_default()
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    if !is_built(FILE) {
        stage.prepared(&format!("There is no {FILE}. {BUILD}"));
        return Ok(());
    }
    let app = stage.app("shop-club", "https://app.example.com/callback-club").await?;
    let branch = stage.world.branch.clone();
    branch.sell(Some("gold"));
    let tokens = stage.signed_in(&app, &[("scope", "openid club:read")]).await?;
    let access = text(&tokens, "access_token");
    stage.act_with(
        "A member signs in. A script in JavaScript asks the shop's own service what the member has bought",
        &[plan(&access)],
        plan(&access).contains("gold"),
        "The API's list names the claims that the script may write. It cannot touch sub, scope or the key.",
    );
    branch.sell(None);
    let refresh = text(&tokens, "refresh_token");
    let (status, answer) = app.refresh(&refresh, None).await?;
    stage.act(
        "The service is away when the app refreshes",
        status == 503 && text(&answer, "error") == "temporarily_unavailable",
        "A token without its claims would be a wrong one. Nothing has moved, and nobody is signed out.",
    );
    branch.sell(Some("silver"));
    // The answer's Retry-After.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (status, tokens) = app.refresh(&refresh, None).await?;
    let access = text(&tokens, "access_token");
    stage.act_with(
        "The service is back. The app waits as Retry-After says, and sends the same refresh token again",
        &[plan(&access)],
        status == 200 && plan(&access).contains("silver"),
        "Each token says what holds at that moment.",
    );
    Ok(())
}
