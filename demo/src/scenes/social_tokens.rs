//! What a social provider says later: a token for an API that may have one, and that a person has signed out there.

use super::Scene;
use crate::anysocial::{PASSWORD, PERSON};
use crate::stage::{Stage, text};
use crate::world::ORDERS_SECRET;
use std::time::Duration;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::browser::{Browser, Person};

pub const SCENE: Scene = Scene {
    name: "social-tokens",
    about: "an API gets a social provider's token for a person where the operator says so; a sign-out there counts here",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CONFIG: &str = r#"
# The same provider, asked for more: one API may have its tokens, and only for one scope.
[upstream.anysocial-friends]
label = "Anysocial, with friends"
issuer = "{anysocial}"
client_id = "example-shop-friends"
secret = { file = "{anysocial_secret}" }
accounts = "create"
userinfo = false
scopes = ["openid", "graph:read"]
release = { api = "orders", scope = "orders:read", scopes = ["graph:read"] }
[login.friends]
require = ["upstream:anysocial-friends"]
[client.shop-friends]
kind = "native"
name = "Example Shop for friends"
first_party = true
login = "friends"
apis = { orders = ["orders:read", "orders:write"] }
redirect_uris = ["https://friends.example.com/callback"]
"#;

const CLIENT: &str = "shop-friends";
const BACK: &str = "https://friends.example.com/callback";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

fn ann() -> Person<'static> {
    Person { buttons: vec!["go"], ..Person::with_password(PERSON, PASSWORD) }
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app(CLIENT, BACK).await?;
    let mut browser = Browser::default();
    let access = signed_in(&app, &mut browser, "openid orders:read").await?;
    stage.prepared("Ann signed in at the shop by Anysocial. The app called the orders API, which wants to know her friends.");
    let (status, body) = ask(&app, &access).await?;
    let only_this = text(&body, "scope") == "graph:read" && body.get("refresh_token").is_none();
    stage.act(
        "The orders API exchanges Ann's token of the shop for one of Anysocial",
        status == 200 && only_this,
        "The configuration names this API and this scope. Anysocial's tokens stay in the server, sealed; apps never get one.",
    );
    let writes = signed_in(&app, &mut browser, "openid orders:write").await?;
    let (status, body) = ask(&app, &writes).await?;
    stage.act(
        "It does the same with a token of Ann's that has another scope",
        status == 400 && text(&body, "error") == "invalid_scope",
        "Ann gave this app no right to read her orders, so the API gets nothing of Anysocial by it.",
    );
    signs_out_there(stage, &app, &mut browser).await
}

async fn signed_in(app: &App, browser: &mut Browser, scope: &str) -> Result<String, Trouble> {
    let pending = app.push(scope).await?;
    let code = app.sign_in(browser, &pending, &ann()).await?;
    let (_, tokens) = app.exchange(&code, &pending.verifier).await?;
    Ok(text(&tokens, "access_token"))
}

/// RFC 8693.
async fn ask(app: &App, access: &str) -> Result<(u16, serde_json::Value), Trouble> {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_id", "orders-api"),
        ("client_secret", ORDERS_SECRET),
        ("subject_token_type", ACCESS),
        ("subject_token", access),
        ("audience", "upstream:anysocial-friends"),
    ];
    app.post(&app.metadata.token_endpoint.clone().unwrap_or_default(), &form).await
}

/// Is Ann signed in at the shop, in this browser? An app that shows no page learns it so.
async fn is_signed_in(app: &App, browser: &mut Browser) -> Result<bool, Trouble> {
    let pending = app.push_with(&[("scope", "openid orders:read"), ("prompt", "none")]).await?;
    let back = browser.visit(&app.net.http, &pending.address, BACK, &Person::default()).await?;
    app.net.add_browsed(browser.take_log());
    Ok(back.contains("code=") && !back.contains("error="))
}

/// OpenID Connect Back-Channel Logout 1.0.
async fn signs_out_there(stage: &mut Stage, app: &App, browser: &mut Browser) -> Result<(), Trouble> {
    let before = is_signed_in(app, browser).await?;
    stage.act("The app asks whether Ann is still signed in", before, "Her browser's session at the shop goes on. No page is shown.");
    let page = format!("{}/logout", stage.world.anysocial.issuer);
    browser.open(&app.net.http, &page, &Person { buttons: vec!["logout"], ..Person::default() }).await?;
    app.net.add_browsed(browser.take_log());
    let mut after = true;
    for _ in 0..100 {
        after = is_signed_in(app, browser).await?;
        if !after {
            break;
        }
        stage.prepared("A moment passes.");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.act(
        "Ann signs out at Anysocial, and the app asks again",
        !after,
        "Anysocial told the shop's server, which let the session go. What her phones got goes on, unless the operator says otherwise.",
    );
    Ok(())
}
