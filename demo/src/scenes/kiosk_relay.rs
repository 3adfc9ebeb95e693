//! Codes of a member in the wrong hands: carried to another gate, kept for later; and what ends the token that a gate has.

use super::kiosk::{gate_with, show};
use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use std::time::Duration;
use symbolon_client::{Kiosk, SignIn};
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::phone::Phone;

pub const SCENE: Scene = Scene {
    name: "kiosk-relay",
    about: "a member's code is carried to another gate, a picture is too old, and the member signs out",
    in_story: false,
    config: r#"
[client.pool-app]
kind = "native"
name = "Example Pool"
first_party = true
dpop = "required"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/pool"]

[client.pool-gate]
kind = "native"
name = "Example Pool, gates"
first_party = true
apis = { orders = ["orders:read"] }
grants = ["urn:symbolon:oauth:grant-type:kiosk"]
authentication = "attest_jwt_client_auth_dpop"
[client.pool-gate.attestation]
ios = { app_ids = ["ABCDE12345.com.example.gate"] }
[client.pool-gate.kiosk]
members = ["pool-app"]
[client.pool-gate.kiosk.device.{gate}]
name = "Gate 1"
place = "Street"
[client.pool-gate.kiosk.device.{other_gate}]
name = "Gate 2"
place = "Sauna"
"#,
    acts: |stage| Box::pin(acts(stage)),
};

fn trouble(error: symbolon_client::Trouble) -> Trouble {
    Trouble(error.to_string())
}

/// What the phone reads of the picture that this gate shows now.
async fn scanned(member: &Phone, gate: &App) -> Result<Kiosk, Trouble> {
    let shown = super::kiosk::challenge(gate).await?;
    member.client.read_kiosk(&text(&shown, "picture")).await.map_err(trouble)
}

/// Waits until the API has heard of an end.
async fn is_over(stage: &Stage, gate: &App, token: &str) -> Result<bool, Trouble> {
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if gate.call(&stage.world.url("/orders"), Some(token)).await?.0 == 401 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let (first, second) = (stage.world.gate.clone(), stage.world.other_gate.clone());
    let (street, sauna) = (gate_with(stage, "pool-gate", first).await?, gate_with(stage, "pool-gate", second).await?);
    let member = stage.phone("pool-app", "https://app.example.com/pool")?;
    member.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await.map_err(trouble)?;
    member.client.prepare_for_kiosks(ORDERS).await.map_err(trouble)?;
    stage.prepared("Two gates of one operator. The member stands at the one in the street.");
    let kiosk = scanned(&member, &street).await?;
    let code = member.client.kiosk_proof(Some(&kiosk)).await.map_err(trouble)?;
    let (status, refused) = show(&sauna, &code).await?;
    stage.act(
        "Somebody films her code and shows it at the sauna",
        status == 400 && text(&refused, "error_description").contains("another kiosk"),
        "The phone has signed the picture of the gate in the street. She gets a letter: her code was shown elsewhere.",
    );
    let (status, body) = show(&street, &code).await?;
    let token = text(&body, "access_token");
    stage.act("She shows it at her own gate", status == 200, "A copy that was refused elsewhere takes nothing from her.");
    let old = stage.world.old_picture("pool-gate", &stage.world.gate, 61)?;
    let kiosk = member.client.read_kiosk(&old).await.map_err(trouble)?;
    let late = member.client.kiosk_proof(Some(&kiosk)).await.map_err(trouble)?;
    let (status, refused) = show(&street, &late).await?;
    stage.act(
        "A code for the picture that the gate showed a minute ago",
        status == 400 && text(&refused, "error_description").contains("has changed since"),
        "A picture of the gate is good for 60 seconds, whatever the phone's clock says. The operator reads how often this happens.",
    );
    let (status, _) = street.call(&stage.world.url("/orders"), Some(&token)).await?;
    stage.act("The gate calls the API", status == 200, "None of that has ended what she came for.");
    member.client.sign_out().await.map_err(trouble)?;
    let over = is_over(stage, &street, &token).await?;
    stage.act("She signs out in her app", over, "The gate's token hangs on her app's sign-in, and the API hears that it has ended.");
    Ok(())
}
