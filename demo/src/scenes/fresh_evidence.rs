//! Later in the life of a genuine app: the policy wants fresh evidence, and the SDK gives it by itself.

use super::genuine_app::{APP_ID, BACK, CLIENT};
use super::{ORDERS, Scene};
use crate::stage::{Stage, status, text};
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbolon_client::SignIn;
use symbolon_client::platform::Request;
use symbolon_phone::{Exchange, Trouble};

pub const SCENE: Scene = Scene {
    name: "fresh-evidence",
    about: "an attested app renews its evidence when it refreshes",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let phone = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    phone.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await?;
    stage.prepared("The genuine app attested itself and signed its person in.");
    let called = phone.client.call(ORDERS, Request::get(&stage.world.url("/orders"))).await?;
    stage.act("The app calls the API", status(&called) == 200, "Attestation is between app and server. The API needs no change.");
    tokio::time::sleep(Duration::from_secs(6)).await;
    // Otherwise the SDK would renew the attestation by itself before it is asked to.
    phone.clock.ahead_s.store(-10, Ordering::Relaxed);
    stage.prepared("Six seconds pass. The policy of this demo takes evidence that is at most five seconds old.");
    let (before, shown) = (phone.refresh_token(), phone.net.log().len());
    phone.restarted().client.access_token(ORDERS).await?;
    let log = phone.net.log();
    let new = log.get(shown..).unwrap_or_default();
    let at = |fits: &dyn Fn(&Exchange) -> bool| new.iter().position(fits);
    let stale = at(&|it| text(&it.body, "error") == "use_fresh_attestation");
    let renewed = at(&|it| it.status == 200 && it.sent.iter().any(|(_, value)| value == "apple-assertion"));
    let refreshed = at(&|it| it.status == 200 && it.url.ends_with("/token") && it.sent.iter().any(|(_, value)| *value == before));
    let in_order =
        matches!((stale, renewed, refreshed), (Some(stale), Some(renewed), Some(refreshed)) if stale < renewed && renewed < refreshed);
    stage.act(
        "The app refreshes; it is asked for fresh evidence, gives it, and repeats the refresh",
        in_order,
        "The first attempt used nothing up. The evidence is one signature of the Secure Enclave, whose counter only rises.",
    );
    Ok(())
}
