//! A sign-in on the app's own screens. The operator changes the policy, and the same app asks for something that it has never heard of.

use super::genuine_app::APP_ID;
use super::{ORDERS, Scene};
use crate::stage::{Stage, status};
use crate::world::PASSWORD;
use symbolon_client::SignIn;
use symbolon_client::platform::Request;
use symbolon_phone::Trouble;
use symbolon_phone::browser::Person;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "native-sign-in",
    about: "the app asks on its own screens, and a new policy reaches it without a new version",
    in_story: true,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

pub const CLIENT: &str = "shop-screens";
pub const BACK: &str = "https://app.example.com/callback-5";

const CONFIG: &str = r#"
# An app that draws the sign-in itself.
[login.screens]
require = ["password"]
[client.shop-screens]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "screens"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-5"]
[client.shop-screens.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
"#;

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let phone = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    let request = SignIn::new("openid orders:read").for_api(ORDERS);
    let screens = Terminal::new(stage.person());
    let signed_in = phone.client.sign_in_natively(&request, &screens).await;
    stage.act_with(
        "The app shows its own screen, and the person types the password there",
        &lines(&screens),
        signed_in.is_ok() && screens.kinds() == ["password"],
        "The server says what to ask. It does so because it knows the key of this genuine installation.",
    );
    let called = phone.client.call(ORDERS, Request::get(&stage.world.url("/orders"))).await?;
    stage.act("The app calls the API", status(&called) == 200, "The tokens are the same as after a sign-in in the browser.");
    let answers = vec![("username", stage.name), ("password", PASSWORD)];
    let screens = Terminal::new(Person { answers, buttons: vec!["browser"], ..Person::default() });
    let signed_in = phone.client.sign_in_natively(&request, &screens).await;
    let pages = phone.pages().await;
    stage.act_with(
        "The person would rather use the browser",
        &[lines(&screens), vec![format!("pages in the browser: {pages}")]].concat(),
        pages.starts_with("Did you start this") && signed_in.is_ok(),
        "Every step can be left for the browser. Its first page asks whether the person started this.",
    );
    let away = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    let screens = Terminal::new(Person { buttons: vec!["browser"], ..stage.person() });
    let signed_in = away.client.sign_in_natively(&request.clone().coming_back(), &screens).await;
    let came = away.screen.browser.lock().await.seen.join(", ");
    stage.act_with(
        "Another app wants its person back, and not a code from the browser",
        &[lines(&screens), vec![format!("pages in the browser: {came}; then the app's own sign-in ends")]].concat(),
        came.starts_with("Did you start this") && signed_in.is_ok() && screens.kinds() == ["password"],
        "The browser brings a handle. With the key of this installation, what was proved there counts here. The browser is not signed in by it.",
    );
    let world = stage.world.clone();
    let (before, after) = ("[login.screens]\nrequire = [\"password\"]", "[login.screens]\nrequire = [\"password + totp\"]");
    world.reconfigure(before, after).await?;
    let ticket = world.ticket(stage.name).await?;
    let answers = vec![("username", stage.name), ("password", PASSWORD), ("ticket", ticket.as_str())];
    let screens = Terminal::new(Person { answers, buttons: vec!["use_ticket"], ..Person::default() });
    let signed_in = phone.client.sign_in_natively(&request, &screens).await;
    stage.act_with(
        "The operator now wants two factors and has given the person a ticket; the same app, not changed, asks for them",
        &lines(&screens),
        signed_in.is_ok() && screens.kinds() == ["password", "enrol_totp", "ticket", "enrol_totp", "recovery_codes"],
        "The app draws every step from its description. It has no code for authenticator apps.",
    );
    world.reconfigure(after, before).await
}

/// What was on the app's screens, line by line.
fn lines(screens: &Terminal<'_>) -> Vec<String> {
    screens.take_screens().iter().flat_map(|screen| screen.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}
