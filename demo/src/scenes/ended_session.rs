//! A session ends while its access token still looks good. The orders API checks JWTs itself, and hears of ended sessions.

use super::Scene;
use crate::stage::{Refusal, Stage, text};
use std::time::Duration;
use symbolon_phone::Trouble;

pub const SCENE: Scene = Scene {
    name: "ended-session",
    about: "an API that checks JWTs itself hears within a second that a session has ended",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", "https://app.example.com/callback").await?;
    let access = text(&stage.signed_in(&app, &[("scope", "openid orders:read")]).await?, "access_token");
    let (before, _) = app.call(&stage.world.url("/orders"), Some(&access)).await?;
    stage.prepared("The app signed its person in and called the API. The access token lives for minutes.");
    let status = app.revoke(&access).await?;
    stage.act(
        "The app signs out",
        status == 200 && before == 200,
        "The JWT itself does not change. Its signature and its end are still good.",
    );
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if app.call(&stage.world.url("/orders"), Some(&access)).await?.0 == 401 {
            break;
        }
    }
    stage.prepared("A moment passes.");
    let call = Refusal { path: "/orders", token: Some(access.as_str()), status: 401, says: "ended" };
    stage.refused(&app, "Somebody uses the access token once more", call, "The API follows the server's list of ended sessions.").await
}
