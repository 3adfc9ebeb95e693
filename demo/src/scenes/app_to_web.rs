//! From an app to a page on the web, signed in; and what the link is worth to somebody else.

use super::{ORDERS, Scene};
use crate::stage::Stage;
use symbolon_client::{SignIn, Trouble as ClientTrouble};
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};

pub const SCENE: Scene = Scene {
    name: "app-to-web",
    about: "an app leads its person to a page on the web, signed in, and somebody else opens the link",
    in_story: false,
    config: r#"
[client.handing-app]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/handing-app"]
[client.handing-app.attestation]
ios = { app_ids = ["ABCDE12345.com.example.handing"] }
[client.handing-app.handover]
clients = ["handed-site"]
url = "https://site.example.com/sign-in"

[client.handed-site]
kind = "web"
first_party = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://site.example.com/back"]
"#,
    acts: |stage| Box::pin(acts(stage)),
};

const SITE: &str = "https://site.example.com/sign-in";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let trouble = |it: ClientTrouble| Trouble(it.to_string());
    let phone = stage.phone("handing-app", "https://app.example.com/handing-app")?;
    let phone = phone.attested_by(&stage.world.maker, "ABCDE12345.com.example.handing");
    phone.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await.map_err(trouble)?;
    let site = stage.app("handed-site", "https://site.example.com/back").await?;
    stage.prepared("The person is signed in to the app. A page for her settings exists on the web alone.");
    let address = phone.client.web_page().await.map_err(trouble)?;
    stage.act(
        "The app asks for an address to open",
        address.contains("/handover/"),
        "It proves its key. The address is good for a minute, in one browser, and leads to one page that no request can change.",
    );
    let mut browser = Browser::default();
    let back = browser.visit(&site.net.http, &address, SITE, &Person::default()).await?;
    let seen = [format!("pages: {}", browser.seen.join(", "))];
    stage.act_with(
        "She opens it, reads as whom she goes on, and continues",
        &seen,
        back == SITE,
        "Opening it changes nothing: her button does. Somebody who is sent such a link reads a name that is not theirs.",
    );
    let pending = site.push_with(&[("scope", "openid orders:read")]).await?;
    let code = site.sign_in(&mut browser, &pending, &Person::default()).await;
    stage.act(
        "The page on the web asks who she is, and nobody asks her",
        code.is_ok(),
        "The browser's session is a child of the app's. It answers this site alone, and opens no account page.",
    );
    let mut other = Browser::default();
    let refused = other.visit(&site.net.http, &address, SITE, &Person::default()).await;
    stage.act("Somebody finds the address in a history and opens it", refused.is_err(), "It was spent, and it was another browser's.");
    phone.client.sign_out().await.map_err(trouble)?;
    let pending = site.push_with(&[("scope", "openid orders:read")]).await?;
    let asked = site.sign_in(&mut browser, &pending, &Person::default()).await;
    stage.act("She signs out in the app. The web page asks her again", asked.is_err(), "The child ends with the app's grant.");
    Ok(())
}
