//! A way to sign in that the bank wrote itself: a plug-in.

use super::Scene;
use crate::stage::{Stage, text};
use symbolon_phone::Trouble;
use symbolon_phone::browser::Browser;

pub const SCENE: Scene = Scene {
    name: "branch-visit",
    about: "a sign-in method of the bank's own, in a sandbox: a number that a clerk hands out",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CONFIG: &str = r#"
# A program of the operator's own asks and judges. It may call this one host, and never sees the secret of the header.
[plugin.branch-visit]
file = "branch-visit.wasm"
sha256 = "{branch_digest}"
world = "method"
label = "a number from the branch"
claims = ["customer_id"]
effects = ["audit", "once"]
factor = "possession"
amr = "otp"
hosts = ["{branch}"]
config = { service = "{branch}" }
[login.branch]
require = ["password + plugin:branch-visit"]
[client.shop-branch]
kind = "native"
name = "Example Shop"
first_party = true
login = "branch"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-branch"]
"#;

const SCOPE: [(&str, &str); 1] = [("scope", "openid orders:read")];

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-branch", "https://app.example.com/callback-branch").await?;
    let (world, mut person) = (stage.world.clone(), stage.person());
    let number = world.branch.hand_out("c-1041");
    person.answers.push(("plugin_visit_number", &number));
    let pending = app.push_with(&SCOPE).await?;
    let mut browser = Browser::default();
    let code = app.sign_in(&mut browser, &pending, &person).await?;
    stage.act(
        "The person types a password, and the number that a clerk at the branch gave them",
        browser.seen.iter().any(|title| title == "Number from the branch"),
        "The page is the plug-in's. It asked the bank's service, which alone knows the numbers.",
    );
    let (_, tokens) = app.exchange(&code, &pending.verifier).await?;
    let access = text(&tokens, "access_token");
    let (status, _) = app.call(&world.url("/orders"), Some(&access)).await?;
    stage.act("The app calls the API", status == 200, "Two factors of different kinds: amr says pwd, otp and mfa.");
    let again = app.push_with(&SCOPE).await?;
    let refused = app.sign_in(&mut Browser::default(), &again, &person).await;
    stage.act(
        "Somebody who saw the number tries it again",
        refused.is_err(),
        "The plug-in wants that a number works once. The server sees to it.",
    );
    Ok(())
}
