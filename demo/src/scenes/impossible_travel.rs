//! A rule about where people are: a plug-in in Python.

use super::Scene;
use crate::branch::{BUILD, is_built};
use crate::stage::{Stage, text};
use symbolon_phone::Trouble;

pub const SCENE: Scene = Scene {
    name: "impossible-travel",
    about: "a rule of the operator's own at each refresh, by a plug-in in Python: nobody is faster than an airliner",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const FILE: &str = "impossible-travel.wasm";
const CONFIG: &str = r#"
# A script of the operator's own is asked at each refresh of this client. It can only narrow.
[plugin.travel]
file = "{examples}/impossible-travel.wasm"
sha256 = "{travel_digest}"
world = "decision"
at = ["refresh"]
clients = ["shop-travel"]
optional = true
memory = 128
time = "20s"
hosts = ["{branch}"]
config = { service = "{branch}", most_kmh = "900" }
[client.shop-travel]
kind = "native"
name = "Example Shop"
first_party = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-travel"]
"#;

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    if !is_built(FILE) {
        stage.prepared(&format!("There is no {FILE}. {BUILD}"));
        return Ok(());
    }
    let app = stage.app("shop-travel", "https://app.example.com/callback-travel").await?;
    let branch = stage.world.branch.clone();
    let tokens = stage.signed_in(&app, &[("scope", "openid orders:read")]).await?;
    branch.travelled(800.0, 1.0);
    let (status, tokens) = app.refresh(&text(&tokens, "refresh_token"), None).await?;
    stage.act(
        "The app refreshes 800 km and one hour from where the person was seen last",
        status == 200,
        "An airliner does that. A script in Python has asked the bank's own service, and allows it.",
    );
    branch.travelled(9000.0, 1.5);
    let refresh = text(&tokens, "refresh_token");
    let (status, answer) = app.refresh(&refresh, None).await?;
    stage.act(
        "Somebody refreshes 9000 km away, an hour and a half later",
        status == 400 && text(&answer, "error") == "invalid_grant",
        "The script wants another sign-in. This app cannot ask for one on its own screens, so that it is a refusal.",
    );
    branch.travelled(10.0, 5.0);
    let (status, _) = app.refresh(&refresh, None).await?;
    stage.act("The person is at home and refreshes", status == 200, "What was refused has ended nothing: the grant lives on.");
    Ok(())
}
