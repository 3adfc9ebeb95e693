//! An app that nobody knows registers itself, and tries to be more than that. RFC 7591 5, RFC 9700 4.11.2.

use super::Scene;
use crate::stage::{Stage, text};
use serde_json::{Value, json};
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::browser::Browser;

pub const SCENE: Scene = Scene {
    name: "registered-app",
    about: "an app that nobody knows registers itself, and tries to be more than that",
    in_story: false,
    config: r#"
[client_registration.open]
open = true
scopes = ["openid"]
per_network = 100
"#,
    acts: |stage| Box::pin(acts(stage)),
};

const BACK: &str = "https://harvest.example/callback";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("nobody", BACK).await?;
    let site = json!({ "client_name": "Harvest notes", "redirect_uris": [BACK], "token_endpoint_auth_method": "none" });
    let lookalike = with(&site, "client_name", "Examp1e Shop".into());
    let (status, refused) = register(stage, &app, &lookalike).await?;
    stage.act_with(
        "A stranger registers an app by the name Examp1e Shop",
        &[said(status, &refused)],
        status == 400 && text(&refused, "error_description").contains("looks like"),
        "The eye takes it for the shop's own app, and people would allow it everything.",
    );
    let squatter = json!({ "application_type": "native", "redirect_uris": ["com.example.shop:/callback"] });
    let (status, refused) = register(stage, &app, &squatter).await?;
    stage.act_with(
        "It asks for the private-use scheme of the shop's app",
        &[said(status, &refused)],
        status == 400 && text(&refused, "error") == "invalid_redirect_uri",
        "The scheme belongs to a client of the configuration. Of any other scheme it would have to prove the host that the scheme reverses.",
    );
    let (status, registered) = register(stage, &app, &site).await?;
    stage.act_with(
        "It registers under a name of its own",
        &[said(status, &registered)],
        status == 201,
        "It got a client_id and a token for its registration. Nothing of that proves who it is.",
    );
    leads_nowhere(stage, &text(&registered, "client_id")).await
}

/// Its answers, and its errors.
async fn leads_nowhere(stage: &mut Stage, id: &str) -> Result<(), Trouble> {
    let own = stage.app(id, BACK).await?;
    let pending = own.push("openid").await?;
    let mut browser = Browser::default();
    let title = browser.open(&own.net.http, &pending.address, &stage.person()).await?;
    stage.act_with(
        "A person signs in and allows it",
        &[format!("pages: {}", browser.seen.join(", "))],
        title == "Go on to harvest.example?",
        "The page before said that nobody has checked this app. The answer leads on by the person's click alone.",
    );
    let bad = format!("{}/authorize?client_id={id}&redirect_uri={BACK}&response_type=code&scope=nonsense", stage.world.issuer);
    let title = browser.open(&own.net.http, &bad, &stage.person()).await?;
    stage.act_with(
        "It sends people a link with an error in it, so that the server forwards them to its site",
        &[format!("the page: {title}")],
        title == "Go on to harvest.example?",
        "Whoever registers a client must not get a redirector with the server's good name.",
    );
    Ok(())
}

fn with(site: &Value, name: &str, value: Value) -> Value {
    let mut other = site.clone();
    other[name] = value;
    other
}

fn said(status: u16, answer: &Value) -> String {
    let words = answer["error_description"].as_str().or(answer["client_id"].as_str()).unwrap_or_default();
    format!("POST /clients {status} {words}")
}

async fn register(stage: &Stage, app: &App, metadata: &Value) -> Result<(u16, Value), Trouble> {
    let answer = app.net.http.post(format!("{}/clients", stage.world.issuer)).json(metadata).send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}
