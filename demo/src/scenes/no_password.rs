//! An account without a password. The app makes it with a passkey, a tablet gets a second passkey, and the first one is removed. The last
//! one stays.

use super::genuine_app::APP_ID;
use super::{ORDERS, Scene};
use crate::stage::Stage;
use crate::world::World;
use std::sync::Arc;
use symbolon_client::{SignIn, SignedIn, Trouble as Told};
use symbolon_phone::Trouble;
use symbolon_phone::browser::Person;
use symbolon_phone::links::System;
use symbolon_phone::passkeys::Passkeys;
use symbolon_phone::phone::Phone;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "no-password",
    about: "an account is made in the app with a passkey alone; a passkey is removed, and the last one stays",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-no-password";
const BACK: &str = "https://no-password.example.com/callback";
const ADDRESS: &str = "nora.no-password@example.com";

const CONFIG: &str = r#"
# An app whose people have passkeys. Without one, a code by e-mail and a recovery code together get them in.
[login.no-password]
require = ["passkey", "email + recovery"]
[client.shop-no-password]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "no-password"
manage = ["passkeys"]
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://no-password.example.com/callback"]
[client.shop-no-password.app]
ios = ["ABCDE12345.com.example.shop"]
[client.shop-no-password.attestation]
ios = {}
"#;

/// What the app asks for.
pub fn request() -> SignIn {
    SignIn::new("openid orders:read").for_api(ORDERS)
}

/// The account on the app's own screens.
pub fn managing() -> SignIn {
    request().beside_session().with("prompt", "manage")
}

/// A person who types nothing, and presses these buttons.
pub fn touch(buttons: &[&'static str], passkeys: &Arc<Passkeys>) -> Terminal<'static> {
    Terminal::new(Person { buttons: buttons.to_vec(), ..Person::default() }).with_passkeys(passkeys)
}

/// What was on the screens, and what the app is told in the end if the person is not signed in.
pub fn seen(screens: &Terminal<'_>, signed_in: &Result<SignedIn, Told>) -> Vec<String> {
    let screens = screens.take_screens();
    let lines = screens.iter().flat_map(|screen| screen.lines().map(str::to_owned));
    lines.chain(signed_in.as_ref().err().map(|why| format!("the app: {why}"))).collect()
}

/// Somebody makes an account in the app: with an address and a passkey.
pub async fn make_account<'a>(
    world: &'a World,
    address: &'a str,
    phone: &Phone,
    passkeys: &Arc<Passkeys>,
) -> (Terminal<'a>, Result<SignedIn, Told>) {
    let answers = vec![("email", address), ("name", "Nora Example")];
    let person = Person { answers, mail: Some((&world.mailbox, address)), ..Person::default() };
    let screens = Terminal::new(person).with_passkeys(passkeys);
    let signed_in = phone.client.sign_in_natively(&request().with("prompt", "create"), &screens).await;
    (screens, signed_in)
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let world = stage.world.clone();
    let phone = stage.phone_of(CLIENT, BACK, Person::default())?.attested_by(&world.maker, APP_ID);
    let passkeys = Arc::new(Passkeys::install(&world.issuer, System::Ios(APP_ID)).await?);
    let (screens, signed_in) = make_account(&world, ADDRESS, &phone, &passkeys).await;
    let digest = world.digest(ADDRESS).await?;
    stage.act_with(
        "A person makes an account on the app's own screens: with an address, a passkey and no password",
        &seen(&screens, &signed_in),
        signed_in.is_ok()
            && screens.kinds() == ["register", "email_code", "enrol_passkey", "recovery_codes"]
            && digest.is_empty()
            && passkeys.authenticator().ids().len() == 1,
        "The policy begins with a passkey, so the server asks for no password. The store keeps none of this person.",
    );
    let screens = touch(&["passkey"], &passkeys);
    let signed_in = phone.client.sign_in_natively(&request(), &screens).await;
    stage.act_with(
        "The next time the person touches the phone, and types nothing",
        &seen(&screens, &signed_in),
        signed_in.is_ok() && screens.kinds() == ["passkey"],
        "The passkey says whose it is.",
    );
    the_last_one(stage, (&phone, &passkeys)).await;
    let tablet = tablet(stage, &passkeys).await?;
    removed(stage, (&phone, &passkeys), &tablet).await;
    Ok(())
}

async fn the_last_one(stage: &mut Stage, (phone, passkeys): (&Phone, &Arc<Passkeys>)) {
    let screens = touch(&["passkey", "passkeys", "remove_passkey:1", "cancel"], passkeys);
    let managed = phone.client.sign_in_natively(&managing(), &screens).await;
    let lines = seen(&screens, &managed);
    stage.act_with(
        "The person wants to remove the only passkey",
        &lines,
        matches!(managed, Err(Told::Cancelled { .. }))
            && screens.kinds() == ["passkey", "manage", "manage_passkeys", "remove_passkey"]
            && lines.iter().any(|line| line.contains("only way in that you have left"))
            && passkeys.authenticator().ids().len() == 1,
        "Nobody could sign in to the account any more. The screen has no button that removes it.",
    );
}

/// A second passkey, in another device. Answers what that device keeps.
async fn tablet(stage: &mut Stage, passkeys: &Arc<Passkeys>) -> Result<Arc<Passkeys>, Trouble> {
    let tablet = stage.phone_of(CLIENT, BACK, Person::default())?.attested_by(&stage.world.maker, APP_ID);
    let mut keys = Passkeys::install(&stage.world.issuer, System::Ios(APP_ID)).await?;
    keys.nearby = Some(Arc::clone(passkeys));
    let keys = Arc::new(keys);
    let screens = touch(&["passkey", "passkey"], &keys);
    let signed_in = tablet.client.sign_in_natively(&request(), &screens).await;
    stage.act_with(
        "On a tablet the person signs in with the phone's passkey, and makes one for the tablet",
        &seen(&screens, &signed_in),
        signed_in.is_ok() && screens.kinds() == ["passkey", "offer_passkey"] && keys.authenticator().ids().len() == 1,
        "The platform says that the passkey came from another device. So the server offers one for this device, once.",
    );
    Ok(keys)
}

async fn removed(stage: &mut Stage, (phone, passkeys): (&Phone, &Arc<Passkeys>), tablet: &Arc<Passkeys>) {
    let screens = touch(&["passkey", "passkeys", "remove_passkey:1", "remove"], passkeys);
    let managed = phone.client.sign_in_natively(&managing(), &screens).await;
    let left = (passkeys.authenticator().ids().len(), tablet.authenticator().ids().len());
    let kept = format!("passkeys in the phone: {}, in the tablet: {}", left.0, left.1);
    stage.act_with(
        "Now there are two, and the person removes the phone's; the phone forgets it too",
        &[seen(&screens, &managed), vec![kept]].concat(),
        managed.is_ok() && screens.kinds() == ["passkey", "manage", "manage_passkeys", "remove_passkey"] && left == (0, 1),
        "Beside the code the app gets the list of passkeys that the account has. The platform drops all others (Signal API).",
    );
    let screens = touch(&["passkey", "cancel"], passkeys);
    let signed_in = phone.client.sign_in_natively(&request(), &screens).await;
    let lines = seen(&screens, &signed_in);
    stage.act_with(
        "The person tries to sign in on the phone with the removed passkey",
        &lines,
        matches!(signed_in, Err(Told::Cancelled { .. }))
            && screens.kinds() == ["passkey", "passkey"]
            && lines.iter().any(|line| line.contains("There is no passkey for this server on this device")),
        "The phone has nothing to offer. Without the Signal API it would offer a passkey that no longer works.",
    );
}
