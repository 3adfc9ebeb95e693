//! Two apps of one organisation on one phone: the second joins the session of the first (Native SSO). Others try.

use super::{ORDERS, Scene};
use crate::stage::{Stage, status};
use std::sync::Arc;
use symbolon_client::platform::Request;
use symbolon_client::{SharedSignIn, SignIn, Trouble as ClientTrouble};
use symbolon_phone::Trouble;
use symbolon_phone::phone::Phone;
use symbolon_phone::services::{Element, Shelf};

pub const SCENE: Scene = Scene {
    name: "two-apps",
    about: "a second app of the organisation joins the sign-in of the first, and two others try",
    in_story: false,
    config: r#"
[client.family-shop]
kind = "native"
first_party = true
sso_group = "family"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/family-shop"]
[client.family-shop.attestation]
ios = { app_ids = ["ABCDE12345.com.example.family-shop"] }

[client.family-bonus]
kind = "native"
first_party = true
sso_group = "family"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/family-bonus"]
[client.family-bonus.attestation]
ios = { app_ids = ["ABCDE12345.com.example.family-bonus"] }

[client.family-stranger]
kind = "native"
first_party = true
sso_group = "family"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/family-stranger"]
[client.family-stranger.attestation]
ios = { app_ids = ["ZZZZZ99999.com.stranger.app"] }
"#,
    acts: |stage| Box::pin(acts(stage)),
};

fn phone(stage: &mut Stage, client_id: &str, app_id: &str) -> Result<Phone, Trouble> {
    let phone = stage.phone(client_id, &format!("https://app.example.com/{client_id}"))?;
    Ok(phone.attested_by(&stage.world.maker, app_id))
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let trouble = |it: ClientTrouble| Trouble(it.to_string());
    let shop = phone(stage, "family-shop", "ABCDE12345.com.example.family-shop")?;
    let bonus = phone(stage, "family-bonus", "ABCDE12345.com.example.family-bonus")?;
    let stranger = phone(stage, "family-stranger", "ZZZZZ99999.com.stranger.app")?;
    let shared = SharedSignIn { key: Arc::new(Element::new()?), storage: Arc::new(Shelf::default()) };
    shop.client.share_with(shared.clone());
    shop.client.sign_in(&SignIn::new("openid device_sso orders:read").for_api(ORDERS)).await.map_err(trouble)?;
    let left = shared.storage.read("shared-sign-in").await.map_err(|it| Trouble(it.0))?;
    stage.act(
        "The person signs in to the first app, which shares it",
        left.is_some_and(|text| text.contains("device_secret")),
        "The secret is bound to a key that both apps reach and nobody else: in a keychain group of the organisation's team.",
    );
    let joined = bonus.client.join(&shared, "openid orders:read", ORDERS).await.map_err(trouble)?;
    stage.act(
        "She opens the second app. It joins, and nobody is asked",
        joined.claims.contains_key("sid"),
        "It attests itself, proves its own key, and has the shared key sign for that. Both apps' evidence names one team.",
    );
    let called = bonus.client.call(ORDERS, Request::get(&stage.world.url("/orders"))).await.map_err(trouble)?;
    stage.act("The second app calls the API", status(&called) == 200, "Its tokens are its own, below the same session.");
    let refused = stranger.client.join(&shared, "openid orders:read", ORDERS).await;
    stage.act(
        "An app of another vendor reaches the secret and the key all the same",
        matches!(refused, Err(ClientTrouble::SignedOut(_))),
        "Its configuration says the same group, but its evidence names another team. Evidence decides.",
    );
    let copied = SharedSignIn { key: Arc::new(Element::new()?), storage: shared.storage.clone() };
    let refused = bonus.client.join(&copied, "openid orders:read", ORDERS).await;
    stage.act(
        "Somebody copies the secret and the ID token to another phone",
        matches!(refused, Err(ClientTrouble::SignedOut(_))),
        "The text without the key is worth nothing.",
    );
    shop.client.sign_out().await.map_err(trouble)?;
    let refused = bonus.client.join(&shared, "openid orders:read", ORDERS).await;
    stage.act(
        "She signs out in the first app. Nothing is shared any more",
        matches!(refused, Err(ClientTrouble::SignedOut(_))),
        "A sign-out in any app of the session ends the secret.",
    );
    Ok(())
}
