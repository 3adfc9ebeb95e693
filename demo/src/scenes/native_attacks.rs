//! Two attackers of native sign-in. One drives it with a key that nobody vouched for; the other mails the address of his own sign-in.

use super::Scene;
use super::genuine_app::APP_ID;
use super::native_sign_in::{BACK, CLIENT};
use crate::stage::{Stage, text};
use serde_json::Value;
use symbolon_client::{Server, SignIn};
use symbolon_oauth::pkce;
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};

pub const SCENE: Scene = Scene {
    name: "native-attacks",
    about: "a phishing page's server, and a mailed link: both get nothing from native sign-in",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

/// An app that draws the sign-in itself, under the default policy.
pub const SCREENS: &str = "shop-screens-2";
pub const SCREENS_BACK: &str = "https://app.example.com/callback-6";

const CONFIG: &str = r#"
# The same, for devices that cannot attest too. They sign in with the browser.
[client.shop-screens-2]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-6"]
[client.shop-screens-2.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
[client.shop-screens-2.attestation.tier.hardware_claimed]
[client.shop-screens-2.attestation.tier.none]
refresh = false
"#;

/// Begins a native sign-in that may go on in the browser.
pub async fn begin(server: &Server) -> Result<(u16, Value), Trouble> {
    let challenge = pkce::challenge(&pkce::verifier([7; 32]));
    let redirect_uri = server.settings.redirect_uri.as_str();
    let form = [
        ("response_type", "code"),
        ("scope", "openid orders:read"),
        ("state", "mailed"),
        ("redirect_uri", redirect_uri),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let reply = server.challenge(&form).await?;
    Ok((reply.status, reply.body))
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let mut fake = stage.app(SCREENS, SCREENS_BACK).await?;
    fake.make_key()?;
    let (status, body) = begin(&fake.server).await?;
    stage.act(
        "The server of a phishing page makes a key and wants to ask a person for the password",
        status == 400 && text(&body, "error") == "unauthorized_client",
        "Anybody can make a key. Native screens are for installations that evidence vouches for.",
    );
    let phone = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    let server = phone.client.server();
    let (_, step) = begin(server).await?;
    let held = text(&step, "auth_session");
    let sent = server.challenge(&[("auth_session", held.as_str()), ("action", "browser")]).await?;
    let address = server.browser_address(&text(&sent.body, "request_uri")).await?;
    stage.act(
        "An attacker with a genuine phone of his own takes his sign-in to the browser, and mails the address to a victim",
        sent.status == 403 && address.contains("request_uri"),
        "The address itself cannot be told from an honest one.",
    );
    let person = stage.person();
    let mut browser = Browser::default();
    // The victim is signed in there.
    let own = phone.client.begin(&SignIn::new("openid orders:read")).await?;
    browser.visit(&phone.net.http, &own, BACK, &person).await?;
    browser.seen.clear();
    let wary = Person { buttons: vec!["not_mine"], ..person };
    let back = browser.visit(&phone.net.http, &address, BACK, &wary).await?;
    stage.act_with(
        "The victim, who is signed in in this browser, opens the link",
        &[format!("the page asks: {}", browser.seen.join(", ")), format!("the app is told: {}", back.replace(BACK, "…"))],
        browser.seen.first().is_some_and(|title| title.starts_with("Did you start this")) && back.contains("error=access_denied"),
        "The page comes first, though nothing else would be asked. It says where the sign-in was started. No is as easy as yes.",
    );
    Ok(())
}
