//! A member proves herself at a kiosk with the key of her phone: nobody types a password on a screen that others use.

use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use symbolon_attest::binding::{self, Purpose};
use symbolon_client::SignIn;
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::kiosk::GRANT_TYPE;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::services::Element;

pub const SCENE: Scene = Scene {
    name: "kiosk",
    about: "a member shows a code at a gate, and others show her code again",
    in_story: true,
    config: r#"
[client.member-app]
kind = "native"
name = "Example Shop for members"
first_party = true
dpop = "required"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/member"]

[client.gate]
kind = "native"
name = "Example Shop, gates"
first_party = true
apis = { orders = ["orders:read"] }
grants = ["urn:symbolon:oauth:grant-type:kiosk"]
authentication = "attest_jwt_client_auth_dpop"
[client.gate.attestation]
ios = { app_ids = ["ABCDE12345.com.example.gate"] }
[client.gate.kiosk]
members = ["member-app"]
[client.gate.kiosk.device.{gate}]
name = "Gate 3"
place = "Main hall"
"#,
    acts: |stage| Box::pin(acts(stage)),
};

/// The app on a gate, whose key the operator has named.
pub async fn gate(stage: &mut Stage, client_id: &str) -> Result<App, Trouble> {
    let key = stage.world.gate.clone();
    gate_with(stage, client_id, key).await
}

/// The same with the key of this gate.
pub async fn gate_with(stage: &mut Stage, client_id: &str, key: PrivateKey) -> Result<App, Trouble> {
    let mut app = stage.app(client_id, "https://app.example.com/none").await?;
    let element = Arc::new(Element { key, is_locked: AtomicBool::new(false) });
    app.server.platform.keys = Some(element.clone());
    app.element = Some(element.clone());
    let (challenge, bytes) = app.attestation_challenge().await?;
    let hash = binding::named(Purpose::First, client_id, &bytes, &element.thumbprint());
    let (enclave, object) = stage.world.maker.ios("ABCDE12345.com.example.gate", &hash)?;
    let (attestation, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
    let (status, body) = app.attest("apple-appattest", &challenge, &[("attestation", &attestation), ("key_id", &key_id)]).await?;
    if status == 200 { Ok(app) } else { Err(Trouble(format!("the gate is not attested: {body}"))) }
}

pub async fn challenge(app: &App) -> Result<Value, Trouble> {
    let client_id = app.server.settings.client_id.as_str();
    Ok(app.post(&format!("{}/kiosk/challenge", app.server.settings.issuer), &[("client_id", client_id)]).await?.1)
}

pub async fn show(app: &App, code: &str) -> Result<(u16, Value), Trouble> {
    redeem(app, ("proof", code)).await
}

/// With a code, or with what the gate polls with.
pub async fn redeem(app: &App, what: (&str, &str)) -> Result<(u16, Value), Trouble> {
    let url = app.metadata.token_endpoint.clone().unwrap_or_default();
    let client_id = app.server.settings.client_id.as_str();
    app.post(&url, &[("grant_type", GRANT_TYPE), ("client_id", client_id), what]).await
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let trouble = |it: symbolon_client::Trouble| Trouble(it.to_string());
    let gate = gate(stage, "gate").await?;
    let member = stage.phone("member-app", "https://app.example.com/member")?;
    member.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await.map_err(trouble)?;
    member.client.prepare_for_kiosks(ORDERS).await.map_err(trouble)?;
    stage.prepared(
        "The gate is an attested device that its operator named. The member is signed in on her phone, which then loses its network.",
    );
    let asked = challenge(&gate).await?;
    let kiosk = member.client.read_kiosk(&text(&asked, "picture")).await.map_err(trouble)?;
    stage.act(
        "The gate shows a picture, and the phone reads it without a network",
        (kiosk.name.as_str(), kiosk.place.as_str()) == ("Gate 3", "Main hall"),
        "The server has signed name and place. The phone asks: are you standing there?",
    );
    let code = member.client.kiosk_proof(Some(&kiosk)).await.map_err(trouble)?;
    let (status, body) = show(&gate, &code).await?;
    stage.act(
        "The member shows her code",
        status == 200 && body.get("refresh_token").is_none(),
        "The phone's key has signed the gate's challenge. The token is the gate's, for her, and lives five minutes.",
    );
    let token = text(&body, "access_token");
    let (status, _) = gate.call(&stage.world.url("/orders"), Some(&token)).await?;
    stage.act("The gate calls the API", status == 200, "The token is bound to the gate's key and says at which gate it was.");
    let (status, _) = show(&gate, &code).await?;
    stage.act("Somebody photographed her code and shows it again", status == 400, "It is good once. She gets a letter about it.");
    let old = member.client.kiosk_proof(Some(&kiosk)).await.map_err(trouble)?;
    let (status, _) = show(&gate, &old).await?;
    stage.act("A new code for the old picture of the gate", status == 400, "A picture of the gate is good once, and for a minute.");
    let without = member.client.kiosk_proof(None).await.map_err(trouble)?;
    let (status, _) = show(&gate, &without).await?;
    stage.act("A code that was made without any gate", status == 400, "It would be good anywhere, so it is good nowhere.");
    let address = format!("{}/account", stage.world.issuer);
    let person = Person { buttons: vec!["revoke_app:gate", "continue"], ..stage.person() };
    let _ = Browser::default().visit(&gate.net.http, &address, "none:", &person).await;
    let mut status = 0;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        status = gate.call(&stage.world.url("/orders"), Some(&token)).await?.0;
        if status == 401 {
            break;
        }
    }
    stage.act(
        "The member takes the token away on her account page",
        status == 401,
        "The gate is an app like any other there, and the API hears of the end.",
    );
    Ok(())
}
