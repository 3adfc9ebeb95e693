//! A call centre asks the person in her own app (OpenID Connect CIBA), and a stranger asks in her name.

use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use serde_json::Value;
use symbolon_client::{Answered, Says, SignIn};
use symbolon_oauth::backchannel::GRANT_TYPE;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;

pub const SCENE: Scene = Scene {
    name: "call-centre",
    about: "a call centre asks the person in her own app, and an impostor asks in her name",
    in_story: false,
    config: r#"
[client.call-centre]
kind = "web"
name = "Example Shop, call centre"
first_party = true
authentication = "client_secret_post"
secret = '{digest}'
apis = { orders = ["orders:read"] }
redirect_uris = []
grants = ["urn:openid:params:grant-type:ciba"]

[client.call-centre.backchannel]
shows_number = true

[client.approver-app]
kind = "native"
name = "Example Shop, your own app"
first_party = true
dpop = "required"
approves = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/approver"]
"#,
    acts: |stage| Box::pin(acts(stage)),
};

const SECRET: (&str, &str) = ("client_secret", crate::world::LEDGER_SECRET);
const CLIENT: (&str, &str) = ("client_id", "call-centre");

async fn ask(desk: &App, person: &str, message: &str) -> Result<(u16, Value), Trouble> {
    let url = format!("{}/backchannel_authentication", desk.server.settings.issuer);
    desk.post(&url, &[CLIENT, SECRET, ("scope", "openid orders:read"), ("login_hint", person), ("binding_message", message)]).await
}

async fn fetch(desk: &App, asked: &Value) -> Result<(u16, Value), Trouble> {
    let url = desk.metadata.token_endpoint.clone().unwrap_or_default();
    desk.post(&url, &[CLIENT, SECRET, ("grant_type", GRANT_TYPE), ("auth_req_id", &text(asked, "auth_req_id"))]).await
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let trouble = |it: symbolon_client::Trouble| Trouble(it.to_string());
    let desk = stage.app("call-centre", "https://app.example.com/none").await?;
    let phone = stage.phone("approver-app", "https://app.example.com/approver")?;
    phone.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await.map_err(trouble)?;
    stage.prepared("The person has the organisation's own app and is signed in there. She calls, and an agent takes the call.");
    let (status, asked) = ask(&desk, stage.name, "Your call at 10:41").await?;
    let number = text(&asked, "matching_number");
    stage.act(
        "The agent asks the person, whom a name alone names",
        status == 200 && number.len() == 2,
        "The answer is the same for a name that nobody has. The agent reads two digits to the person.",
    );
    let waiting = phone.client.pending_requests("en").await.map_err(trouble)?;
    let request = waiting.first().ok_or_else(|| Trouble("nothing waits".to_owned()))?;
    stage.act(
        "Her app shows who asks, what for, and the message",
        request.binding_message.as_deref() == Some("Your call at 10:41") && request.asks_for_number(),
        "The app needs a token of a living session, and proves its key. What it shows is named in its answer.",
    );
    let answered = phone.client.answer_request(request, Says::Allow { number: Some(&number) }).await.map_err(trouble)?;
    stage.act(
        "She types the digits that she hears, and approves",
        answered == Answered::Approved,
        "The policy of the call centre decides whether the app's sign-in is enough. An unlocked screen counts for nothing.",
    );
    let (status, tokens) = fetch(&desk, &asked).await?;
    stage.act("The agent's program fetches its token", status == 200, "It hangs below a session of its own: she can end it alone.");
    let (status, _) = desk.call(&stage.world.url("/orders"), Some(&text(&tokens, "access_token"))).await?;
    stage.act("It reads her orders", status == 200, "The API gets the same kind of token as from any app.");
    let (_, unasked) = ask(&desk, stage.name, "Your refund").await?;
    let waiting = phone.client.pending_requests("en").await.map_err(trouble)?;
    let request = waiting.first().ok_or_else(|| Trouble("nothing waits".to_owned()))?;
    let answered = phone.client.answer_request(request, Says::NotMine).await.map_err(trouble)?;
    stage.act(
        "Somebody else calls in her name. She did not start this, and says so",
        answered == Answered::Denied,
        "Two digits stop whoever cannot talk to her. No number stops an impostor whom she believes.",
    );
    let (_, refused) = fetch(&desk, &unasked).await?;
    stage.act("The impostor's agent gets nothing", text(&refused, "error") == "access_denied", "The audit has both addresses.");
    let (status, again) = ask(&desk, stage.name, "Your refund, please").await?;
    stage.act(
        "The call centre asks once more",
        status == 403 && text(&again, "error") == "access_denied",
        "For an hour it asks this person nothing, and hears so at once. Everybody else is asked as before.",
    );
    Ok(())
}
