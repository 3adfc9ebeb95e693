//! A kiosk that asks the member once more, in the app that showed the code: whoever relays two screens is seen by the member.

use super::kiosk::{challenge, gate, redeem, show};
use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use symbolon_client::{Answered, PendingRequest, Says, SignIn};
use symbolon_phone::Trouble;
use symbolon_phone::phone::Phone;

pub const SCENE: Scene = Scene {
    name: "kiosk-confirm",
    about: "a gate asks the member once more in her app, and a code is relayed from elsewhere",
    in_story: false,
    config: r#"
[client.club-app]
kind = "native"
name = "Example Club"
first_party = true
dpop = "required"
approves = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/club"]

[client.door]
kind = "native"
name = "Example Club, doors"
first_party = true
apis = { orders = ["orders:read"] }
grants = ["urn:symbolon:oauth:grant-type:kiosk"]
authentication = "attest_jwt_client_auth_dpop"
[client.door.attestation]
ios = { app_ids = ["ABCDE12345.com.example.gate"] }
[client.door.kiosk]
members = ["club-app"]
mode = "confirm"
[client.door.kiosk.device.{gate}]
name = "Door 7"
place = "North wing"
"#,
    acts: |stage| Box::pin(acts(stage)),
};

fn trouble(error: symbolon_client::Trouble) -> Trouble {
    Trouble(error.to_string())
}

async fn question(member: &Phone) -> Result<PendingRequest, Trouble> {
    let waiting = member.client.pending_requests("en").await.map_err(trouble)?;
    waiting.into_iter().next().ok_or_else(|| Trouble("nothing waits".to_owned()))
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let door = gate(stage, "door").await?;
    let member = stage.phone("club-app", "https://app.example.com/club")?;
    member.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await.map_err(trouble)?;
    member.client.prepare_for_kiosks(ORDERS).await.map_err(trouble)?;
    stage.prepared("The door is an attested device with mode = \"confirm\". The member is signed in, and her phone is online.");
    let asked = challenge(&door).await?;
    let kiosk = member.client.read_kiosk(&text(&asked, "picture")).await.map_err(trouble)?;
    let code = member.client.kiosk_proof(Some(&kiosk)).await.map_err(trouble)?;
    let (status, waiting) = show(&door, &code).await?;
    let handle = text(&waiting, "auth_req_id");
    stage.act(
        "The member shows her code, and the door gets nothing yet",
        (status, text(&waiting, "error").as_str()) == (400, "authorization_pending") && !handle.is_empty(),
        "The door polls with what it got. The code itself is used up.",
    );
    let request = question(&member).await?;
    let shown = request.step.to_string();
    stage.act(
        "Her app asks: are you standing there?",
        shown.contains("Door 7") && shown.contains("North wing"),
        "Name and place are the operator's, and only the app that showed the code is asked.",
    );
    let answered = member.client.answer_request(&request, Says::Allow { number: None }).await.map_err(trouble)?;
    stage.act("She says yes", answered == Answered::Approved, "Her answer names what was shown to her, and is signed by her app's key.");
    let (status, token) = redeem(&door, ("auth_req_id", &handle)).await?;
    stage.act(
        "The door fetches its token",
        status == 200 && token.get("refresh_token").is_none(),
        "Once, for its own key, and for five minutes at most.",
    );
    let (status, _) = door.call(&stage.world.url("/orders"), Some(&text(&token, "access_token"))).await?;
    stage.act("The door calls the API", status == 200, "The token says who acts for the member, and where.");
    let (status, again) = redeem(&door, ("auth_req_id", &handle)).await?;
    stage.act(
        "It asks for the same token again",
        (status, text(&again, "error").as_str()) == (400, "expired_token"),
        "What was confirmed is fetched once.",
    );
    let asked = challenge(&door).await?;
    let kiosk = member.client.read_kiosk(&text(&asked, "picture")).await.map_err(trouble)?;
    let code = member.client.kiosk_proof(Some(&kiosk)).await.map_err(trouble)?;
    let (_, waiting) = show(&door, &code).await?;
    let request = question(&member).await?;
    let answered = member.client.answer_request(&request, Says::NotMine).await.map_err(trouble)?;
    let (_, refused) = redeem(&door, ("auth_req_id", &text(&waiting, "auth_req_id"))).await?;
    stage.act(
        "Somebody relays the door's picture and her code over two screens. She is not there, and says so",
        answered == Answered::Denied && text(&refused, "error") == "access_denied",
        "Without this question a live relay gets in. Whoever believes the caller and says yes is let in all the same.",
    );
    Ok(())
}
