//! The genuine app on a genuine phone gets in; an impostor with the same client_id and redirect_uri stays out. The phones are
//! simulated. They make their evidence under a root of their own, which this demonstration's configuration trusts.

use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use symbolon_attest::binding::{self, Purpose};
use symbolon_client::SignIn;
use symbolon_oauth::base64url;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;

pub const SCENE: Scene = Scene {
    name: "genuine-app",
    about: "the server verifies with Apple's evidence that this is the real app on a real phone",
    in_story: true,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

pub const CLIENT: &str = "shop-phone-3";
pub const BACK: &str = "https://app.example.com/callback-3";
pub const APP_ID: &str = "ABCDE12345.com.example.shop";

/// The raw thumbprint of the installation's key.
pub fn thumbprint(app: &App) -> Result<[u8; 32], Trouble> {
    app.element.as_ref().map(|it| it.thumbprint()).ok_or_else(|| Trouble("the app has no key".to_owned()))
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    impostor(stage).await?;
    let phone = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    let signed_in = phone.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await;
    let attested = phone.net.newest(|it| it.url.ends_with("/attest"));
    stage.act(
        "The genuine app attests itself (App Attest) and signs its person in",
        signed_in.is_ok() && attested.is_some_and(|it| it.status == 200 && text(&it.body, "tier") == "hardware_claimed"),
        "The evidence answers a fresh challenge. The app now authenticates as this client, without a shared secret.",
    );
    Ok(())
}

/// The same client_id, the same redirect_uri, another app.
async fn impostor(stage: &mut Stage) -> Result<(), Trouble> {
    let mut fake = stage.app(CLIENT, BACK).await?;
    fake.make_key()?;
    stage.prepared("An impostor has copied the client_id and the redirect_uri of the app. Both are in every copy of it.");
    let is_refused = match fake.push("openid orders:read").await {
        Ok(_) => false,
        Err(Trouble(why)) => why.contains("invalid_client"),
    };
    stage.act("The impostor starts a sign-in", is_refused, "This client has to show an attestation. Anybody can copy an id.");
    let (challenge, bytes) = fake.attestation_challenge().await?;
    let hash = binding::named(Purpose::First, CLIENT, &bytes, &thumbprint(&fake)?);
    let (enclave, object) = stage.world.maker.ios("EVIL123456.com.example.shop", &hash)?;
    let (attestation, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
    let (status, _) = fake.attest("apple-appattest", &challenge, &[("attestation", &attestation), ("key_id", &key_id)]).await?;
    stage.act(
        "The impostor attests itself on a genuine iPhone",
        status == 400,
        "Apple writes into the evidence which app asked for it. It is not the app of this client.",
    );
    Ok(())
}
