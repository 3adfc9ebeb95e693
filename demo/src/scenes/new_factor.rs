//! A thief has the password and adds an authenticator. That makes no second factor of it, and the letter has the button that stops it.

use super::Scene;
use super::genuine_app::APP_ID;
use super::native_attacks::{SCREENS, SCREENS_BACK};
use crate::stage::Stage;
use crate::world::PASSWORD;
use symbolon_client::SignIn;
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "new-factor",
    about: "a thief with the password adds an authenticator, and still has one factor",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let request = SignIn::new("openid orders:read").with("acr_values", "urn:example:two-factor");
    let answers = vec![("username", stage.name), ("password", PASSWORD)];
    let phone = stage.phone(SCREENS, SCREENS_BACK)?.attested_by(&stage.world.maker, APP_ID);
    let thief = Terminal::new(Person { answers: answers.clone(), buttons: vec!["give_up"], ..Person::default() });
    let signed_in = phone.client.sign_in_natively(&request, &thief).await;
    stage.act_with(
        "A thief has the password. The app wants two factors, so the thief adds an authenticator",
        &lines(&thief),
        signed_in.is_err() && thief.kinds() == ["password", "enrol_totp", "recovery_codes", "waits"],
        "It was added with the password alone, and counts for no more until nobody has stopped it for three days.",
    );

    let (world, address) = (stage.world.clone(), stage.address());
    let (letter, link) = world.stop_link(&address).await?;
    let mut browser = Browser::default();
    let owner = Person { buttons: vec!["stop"], ..Person::default() };
    let page = browser.open(&phone.net.http, &link, &owner).await?;
    stage.act_with(
        "The person reads the letter and presses its button",
        &[format!("a letter came: \"{letter}\""), format!("pages: {}", browser.seen.join(", "))],
        page == "It is stopped",
        "The link works once, in any browser, and needs no sign-in: the person may be locked out.",
    );

    let ticket = world.ticket(stage.name).await?;
    let answers = [answers, vec![("ticket", ticket.as_str())]].concat();
    let owner = Terminal::new(Person { answers, buttons: vec!["use_ticket"], ..Person::default() });
    let signed_in = phone.client.sign_in_natively(&request, &owner).await;
    let acr = signed_in.as_ref().ok().and_then(|done| done.claims.get("acr")?.as_str().map(str::to_owned)).unwrap_or_default();
    stage.act_with(
        "The person does not want to wait, and has a ticket from the operator",
        &[lines(&owner), vec![format!("acr of the ID token: {acr}")]].concat(),
        acr == "urn:example:two-factor" && owner.kinds() == ["password", "enrol_totp", "ticket", "enrol_totp", "recovery_codes"],
        "The operator knows the person. The ticket is good once, and for what is added in this sign-in.",
    );

    let ticket = world.ticket(stage.name).await?;
    let new = [("new_password", "another horse entirely"), ("new_password_again", "another horse entirely")];
    let answers = [vec![("username", stage.name), ("password", PASSWORD), ("ticket", ticket.as_str())], new.to_vec()].concat();
    let mail = Some((&world.mailbox, address.as_str()));
    let owner = Terminal::new(Person { answers, buttons: vec!["regain", "use_ticket"], mail });
    let signed_in = phone.client.sign_in_natively(&request, &owner).await;
    let begun = ["password", "totp", "email_code", "regain", "ticket", "new_password", "enrol_totp", "recovery_codes"];
    stage.act_with(
        "The phone with the authenticator is lost. The person says so, and shows another ticket",
        &lines(&owner),
        signed_in.is_ok() && owner.kinds() == begun,
        "Without the ticket they wait three days, and every address is told. Then what was lost is removed.",
    );
    Ok(())
}

/// What was on the app's screens, line by line.
fn lines(screens: &Terminal<'_>) -> Vec<String> {
    screens.take_screens().iter().flat_map(|screen| screen.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}
