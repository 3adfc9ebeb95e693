//! Passkeys. The demo's server has no name, only an address. The simulated phone makes passkeys for it all the same; real platforms
//! want a name. The operator adds passkeys to the policy, the same app makes one and signs in with it, and so does the page.

use super::genuine_app::APP_ID;
use super::{ORDERS, Scene};
use crate::stage::Stage;
use std::sync::Arc;
use symbolon_client::{SignIn, SignedIn, Trouble as Told};
use symbolon_phone::Trouble;
use symbolon_phone::authenticator::USER_PRESENT;
use symbolon_phone::browser::Person;
use symbolon_phone::links::System;
use symbolon_phone::passkeys::Passkeys;
use symbolon_phone::phone::Phone;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "passkeys",
    about: "a new policy reaches the same app: it makes a passkey and signs in with it, natively and in the browser",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-keys";
const BACK: &str = "https://keys.example.com/callback";

const CONFIG: &str = r#"
# An app that may use the passkeys of this server: the platforms know it by its name and certificate.
[login.keys]
require = ["password"]
[client.shop-keys]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "keys"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://keys.example.com/callback"]
[client.shop-keys.app]
ios = ["ABCDE12345.com.example.shop"]
[client.shop-keys.attestation]
ios = {}
"#;

const PASSWORDS: &str = "[login.keys]\nrequire = [\"password\"]";
const EITHER: &str = "[login.keys]\nrequire = [\"password\", \"passkey\"]";
const TWO_FACTORS: &str = "[login.keys]\ntwo_factor_passkey = true\nrequire = [\"password + totp\", \"passkey\"]";

/// The person presses these buttons.
fn hand(stage: &Stage, buttons: &[&'static str], passkeys: &Arc<Passkeys>) -> Terminal<'static> {
    Terminal::new(Person { buttons: buttons.to_vec(), ..stage.person() }).with_passkeys(passkeys)
}

/// The same of a person who types nothing.
fn touch(buttons: &[&'static str], passkeys: &Arc<Passkeys>) -> Terminal<'static> {
    Terminal::new(Person { buttons: buttons.to_vec(), ..Person::default() }).with_passkeys(passkeys)
}

fn amr(signed_in: &Result<SignedIn, Told>) -> Vec<String> {
    let said = signed_in.as_ref().ok().and_then(|it| it.claims.get("amr")?.as_array().cloned());
    said.unwrap_or_default().iter().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

/// What was on the screens, and what the ID token says.
fn seen(screens: &Terminal<'_>, signed_in: &Result<SignedIn, Told>) -> Vec<String> {
    let screens = screens.take_screens();
    let lines = screens.iter().flat_map(|screen| screen.lines().map(str::to_owned));
    lines.chain(signed_in.as_ref().ok().map(|_| format!("amr: {}", amr(signed_in).join(" ")))).collect()
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let person = Person { buttons: vec!["passkey"], ..stage.person() };
    let phone = stage.phone_of(CLIENT, BACK, person)?.attested_by(&stage.world.maker, APP_ID);
    let passkeys = Arc::new(Passkeys::install(&stage.world.issuer, System::Ios(APP_ID)).await?);
    phone.screen.browser.lock().await.passkeys = Some(passkeys.clone());
    let request = SignIn::new("openid orders:read").for_api(ORDERS);
    let screens = hand(stage, &[], &passkeys);
    phone.client.sign_in_natively(&request, &screens).await?;
    stage.prepared("The app signed its person in with the password. The policy names nothing else.");
    let world = stage.world.clone();
    world.reconfigure(PASSWORDS, EITHER).await?;
    make_and_use(stage, (&phone, &passkeys), &request).await?;
    world.reconfigure(EITHER, TWO_FACTORS).await?;
    worth(stage, (&phone, &passkeys), &request).await;
    let other = Arc::new(passkeys.for_app(System::Ios("EVIL123456.com.example.shop")).await?);
    let screens = touch(&["passkey", "cancel"], &other);
    let signed_in = phone.client.sign_in_natively(&request, &screens).await;
    let lines = seen(&screens, &signed_in);
    stage.act_with(
        "Another app on the same phone asks for the passkey",
        &lines,
        matches!(signed_in, Err(Told::Cancelled { .. })) && lines.iter().any(|line| line.contains("cannot use passkeys here")),
        "The platform reads in the server's association file which apps may. Its team is not there.",
    );
    world.reconfigure(TWO_FACTORS, PASSWORDS).await
}

async fn make_and_use(stage: &mut Stage, (phone, passkeys): (&Phone, &Arc<Passkeys>), request: &SignIn) -> Result<(), Trouble> {
    let screens = hand(stage, &["continue", "passkey"], passkeys);
    let signed_in = phone.client.sign_in_natively(request, &screens).await;
    stage.act_with(
        "The operator adds passkeys to the policy; the same app, not changed, offers to make one",
        &seen(&screens, &signed_in),
        signed_in.is_ok() && screens.kinds() == ["password", "offer_passkey"] && passkeys.authenticator().ids().len() == 1,
        "The step carries an operation. The app hands it to the platform and sends back what comes.",
    );
    stage.world.confirm(stage.name).await?;
    stage.prepared("The passkey was made with a password, and so counts as one. An operator confirms it: it was the person.");
    let screens = touch(&["passkey"], passkeys);
    let signed_in = phone.client.sign_in_natively(request, &screens).await;
    stage.act_with(
        "The person signs in with the passkey, and types nothing",
        &seen(&screens, &signed_in),
        amr(&signed_in) == ["pop"] && screens.kinds() == ["password"],
        "The passkey itself says whose it is. The origin in its answer is the app's own.",
    );
    let signed_in = phone.client.sign_in(request).await;
    let lines = vec![format!("pages in the browser: {}", phone.pages().await), format!("amr: {}", amr(&signed_in).join(" "))];
    stage.act_with(
        "The same passkey on the page, in the phone's browser",
        &lines,
        amr(&signed_in) == ["pop"],
        "A passkey belongs to the server's name, so every app and page of it can ask for it.",
    );
    Ok(())
}

/// What a passkey is worth is the policy's to say.
async fn worth(stage: &mut Stage, (phone, passkeys): (&Phone, &Arc<Passkeys>), request: &SignIn) {
    let screens = touch(&["passkey"], passkeys);
    let signed_in = phone.client.sign_in_natively(request, &screens).await;
    stage.act_with(
        "The operator wants two factors, and counts a passkey that verified the person as two",
        &seen(&screens, &signed_in),
        amr(&signed_in) == ["pop", "mfa"],
        "The key is one factor; the finger, the face or the PIN is the other.",
    );
    let flags = std::mem::replace(&mut passkeys.authenticator().flags, USER_PRESENT);
    let screens = touch(&["passkey", "cancel"], passkeys);
    let signed_in = phone.client.sign_in_natively(request, &screens).await;
    passkeys.authenticator().flags = flags;
    stage.act_with(
        "A passkey that did not check who touched it",
        &seen(&screens, &signed_in),
        signed_in.is_err() && screens.kinds() == ["passkey", "password"],
        "That is one factor. The password is asked for as the other.",
    );
}
