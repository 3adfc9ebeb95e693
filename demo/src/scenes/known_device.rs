//! Less is asked for on a device that the person has proved everything on. A thief with the password is on another one.

use super::genuine_app::APP_ID;
use super::{ORDERS, Scene};
use crate::stage::Stage;
use crate::world::PASSWORD;
use symbolon_client::SignIn;
use symbolon_phone::Trouble;
use symbolon_phone::browser::Person;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "known-device",
    about: "a policy asks for less on a known device, and for everything elsewhere",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-known";
const BACK: &str = "https://app.example.com/callback-known";

const CONFIG: &str = r#"
# Two factors; on an installation with a key in hardware that is known, a password.
[login.known]
require = ["password + totp"]
[[login.known.easier]]
require = ["password"]
tiers = ["hardware_claimed", "hardware"]
known_device = "30d"
[client.shop-known]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "known"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-known"]
[client.shop-known.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
"#;

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let request = SignIn::new("openid orders:read").for_api(ORDERS);
    let phone = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    let ticket = stage.world.ticket(stage.name).await?;
    let answers = vec![("username", stage.name), ("password", PASSWORD), ("ticket", ticket.as_str())];
    let screens = Terminal::new(Person { answers, buttons: vec!["use_ticket"], ..Person::default() });
    let signed_in = phone.client.sign_in_natively(&request, &screens).await;
    stage.act_with(
        "The first sign-in on this phone asks for two factors; the person has a ticket of the operator's for the second one",
        &lines(&screens),
        signed_in.is_ok() && screens.kinds() == ["password", "enrol_totp", "ticket", "enrol_totp", "recovery_codes"],
        "Nothing is known of the phone yet. Now the server keeps what was proved on it.",
    );
    let screens = Terminal::new(stage.person());
    let signed_in = phone.client.sign_in_natively(&request, &screens).await;
    stage.act_with(
        "The next one asks for the password alone",
        &lines(&screens),
        signed_in.is_ok() && screens.kinds() == ["password"],
        "The installation proves its key, and its last whole sign-in is not thirty days old. Such a sign-in has no acr.",
    );
    let other = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    let screens = Terminal::new(Person { buttons: vec!["continue", "cancel"], ..stage.person() });
    let signed_in = other.client.sign_in_natively(&request, &screens).await;
    stage.act_with(
        "A thief has the password, and a phone of his own",
        &lines(&screens),
        signed_in.is_err() && screens.kinds() == ["password", "totp"],
        "It is a genuine app on a genuine phone, and still another installation. Both factors are asked for.",
    );
    Ok(())
}

/// What was on the app's screens, line by line.
fn lines(screens: &Terminal<'_>) -> Vec<String> {
    screens.take_screens().iter().flat_map(|screen| screen.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}
