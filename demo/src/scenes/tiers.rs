//! One client, three phones: what each may have follows what it proved.

use super::Scene;
use super::genuine_app::thumbprint;
use crate::stage::{Stage, text};
use crate::world;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::base64url;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::play::Verdict;

pub const SCENE: Scene = Scene {
    name: "tiers",
    about: "three Android phones of one app: rooted, genuine, and unable to attest (Play Integrity)",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-phone-4";
const BACK: &str = "https://app.example.com/callback-4";
const SCOPE: [(&str, &str); 1] = [("scope", "orders:read orders:write")];

/// Sends what Google Play says of a device, bound to a new challenge.
async fn attest(stage: &Stage, app: &App, device: Vec<&str>) -> Result<u16, Trouble> {
    let (challenge, bytes) = app.attestation_challenge().await?;
    let hash = base64url::encode(&binding::named(Purpose::First, CLIENT, &bytes, &thumbprint(app)?));
    let verdict = Verdict {
        package: "com.example.shop",
        signing_digest: [7; 32],
        version: 42,
        device,
        recognition: "PLAY_RECOGNIZED",
        binding: ("nonce", hash),
        at_ms: world::now_ms(),
    };
    Ok(app.attest("play-classic", &challenge, &[("token", &stage.world.play.token(&verdict)?)]).await?.0)
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let mut app = stage.app(CLIENT, BACK).await?;
    app.make_key()?;
    stage.prepared("The app asks Google Play for a verdict about itself and its phone, and sends it to the server.");
    let status = attest(stage, &app, vec!["MEETS_BASIC_INTEGRITY"]).await?;
    stage.act(
        "The app on a rooted phone",
        status == 400,
        "The server opens the token with the keys of the Play Console. This device does not pass.",
    );
    let status = attest(stage, &app, vec!["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY"]).await?;
    stage.act("The app on a genuine phone", status == 200, "Its tier is hardware_claimed: a genuine app says where its key is.");
    let tokens = stage.signed_in(&app, &SCOPE).await?;
    stage.act(
        "It signs its person in",
        text(&tokens, "scope") == "orders:read orders:write" && tokens.get("refresh_token").is_some(),
        "This tier may have every scope and stays signed in.",
    );
    let mut old = stage.app(CLIENT, BACK).await?;
    old.make_key()?;
    stage.prepared("The same app on a phone that cannot attest at all.");
    let tokens = stage.signed_in(&old, &SCOPE).await?;
    stage.act(
        "The app on the old phone signs its person in",
        text(&tokens, "scope") == "orders:read" && tokens.get("refresh_token").is_none() && tokens["expires_in"] == 120,
        "The tier \"none\" reads orders for two minutes, bound to its key. Then the person signs in again.",
    );
    Ok(())
}
