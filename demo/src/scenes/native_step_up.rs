//! More proof on the app's own screens: an API asks for it (RFC 9470), the operator does at a refresh, and the person changes a means there.

use super::genuine_app::APP_ID;
use super::{ORDERS, Scene};
use crate::stage::{Stage, status};
use crate::world::PASSWORD;
use symbolon_client::platform::Request;
use symbolon_client::{Called, SignIn};
use symbolon_phone::Trouble;
use symbolon_phone::browser::Person;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "native-step-up",
    about: "an API, and then the operator, ask for more proof on the app's own screens; the person changes the address there",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-steps";
const BACK: &str = "https://steps.example.com/callback";

const CONFIG: &str = r#"
# An app whose people prove more when it is asked for, and may change their address on its screens.
[login.steps]
require = ["password"]
[client.shop-steps]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "steps"
manage = ["email"]
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://steps.example.com/callback"]
[client.shop-steps.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
"#;

fn lines(screens: &Terminal<'_>) -> Vec<String> {
    screens.take_screens().iter().flat_map(|screen| screen.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let phone = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    let request = SignIn::new("openid orders:read").for_api(ORDERS);
    phone.client.sign_in_natively(&request, &Terminal::new(stage.person())).await?;
    stage.prepared("The app signed its person in on its own screens, with a password.");
    let (world, address, name) = (stage.world.clone(), stage.address(), stage.name);
    let refund = Request::get(&world.url("/orders/refund"));
    let called = phone.client.call(ORDERS, refund.clone()).await?;
    let Called::StepUp(wanted) = called else { return Err(Trouble("the API asks for nothing".to_owned())) };
    let screens = Terminal::new(Person { mail: Some((&world.mailbox, &address)), ..stage.person() });
    let more = phone.client.sign_in_natively(&request.clone().with_step_up(&wanted), &screens).await;
    stage.act_with(
        "The API wants a stronger sign-in for a refund, and the app hands its wish on",
        &lines(&screens),
        more.is_ok() && screens.kinds() == ["email_send", "email_code"],
        "The password was proved. The server asks for what is missing, and the new grant takes the place of the old one.",
    );
    let called = phone.client.call(ORDERS, refund).await?;
    stage.act("The app asks for the refund again", status(&called) == 200, "The new token says how the person signed in (acr, amr).");
    let moved = format!("moved.{address}");
    let answers = vec![("username", name), ("password", PASSWORD), ("email", moved.as_str())];
    let person = Person { answers, buttons: vec!["change_email"], mail: Some((&world.mailbox, &moved)) };
    let screens = Terminal::new(person);
    let manage = request.clone().beside_session().with("prompt", "manage");
    let managed = phone.client.sign_in_natively(&manage, &screens).await;
    stage.act_with(
        "The person changes the address on the app's screens",
        &lines(&screens),
        managed.is_ok() && screens.kinds() == ["password", "manage", "new_email", "email_code"],
        "A change wants a fresh proof. The address changes when the code sent to it was right, and the old one is told.",
    );
    let (before, after) = ("[login.steps]\nrequire = [\"password\"]", "[login.steps]\nrequire = [\"password + totp\"]");
    world.reconfigure(before, after).await?;
    let refused = phone.client.server().refresh(&phone.refresh_token(), ORDERS).await?;
    stage.act(
        "The operator now wants two factors, and the app refreshes",
        (refused.status, refused.error()) == (403, "insufficient_authorization"),
        "The refresh token is not used up. The answer says that the person has to prove more.",
    );
    let ticket = world.ticket(name).await?;
    let answers = vec![("username", name), ("password", PASSWORD), ("ticket", ticket.as_str())];
    let screens = Terminal::new(Person { answers, buttons: vec!["use_ticket"], ..Person::default() });
    let more = phone.client.sign_in_natively(&request.beside_session(), &screens).await;
    let refreshed = phone.client.server().refresh(&phone.refresh_token(), ORDERS).await?;
    stage.act_with(
        "The app asks its person for what is missing, and refreshes again",
        &lines(&screens),
        more.is_ok() && refreshed.status == 200 && screens.kinds().last().is_some_and(|kind| kind == "recovery_codes"),
        "The person adds an authenticator, which an operator's ticket confirms at once. The same app goes on.",
    );
    world.reconfigure(after, before).await
}
