//! A phone with the only passkey is lost. A code by e-mail and a recovery code let the person in on a new phone. Then the lost passkey
//! goes, and the lost phone is signed out.

use super::genuine_app::APP_ID;
use super::no_password::{make_account, managing, request, seen, touch};
use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use std::sync::Arc;
use symbolon_client::Trouble as Told;
use symbolon_phone::Trouble;
use symbolon_phone::browser::Person;
use symbolon_phone::links::System;
use symbolon_phone::passkeys::Passkeys;
use symbolon_phone::phone::Phone;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "lost-phone",
    about: "the phone with the passkey is lost; its person gets the account back on a new one, and the lost one is out",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-lost-phone";
const BACK: &str = "https://lost-phone.example.com/callback";
const ADDRESS: &str = "nora.lost-phone@example.com";

const CONFIG: &str = r#"
# An app whose people have passkeys. Whoever has lost theirs comes in with a code by e-mail and a recovery code.
[login.lost-phone]
require = ["passkey", "email + recovery"]
[client.shop-lost-phone]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "lost-phone"
manage = ["passkeys", "sessions"]
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://lost-phone.example.com/callback"]
[client.shop-lost-phone.app]
ios = ["ABCDE12345.com.example.shop"]
[client.shop-lost-phone.attestation]
ios = {}
"#;

/// A phone with the app, and the passkeys in it.
struct Owned {
    phone: Phone,
    passkeys: Arc<Passkeys>,
}

impl Owned {
    async fn buy(stage: &mut Stage) -> Result<Self, Trouble> {
        let phone = stage.phone_of(CLIENT, BACK, Person::default())?.attested_by(&stage.world.maker, APP_ID);
        let passkeys = Arc::new(Passkeys::install(&stage.world.issuer, System::Ios(APP_ID)).await?);
        Ok(Self { phone, passkeys })
    }
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let world = stage.world.clone();
    let lost = Owned::buy(stage).await?;
    let (screens, signed_in) = make_account(&world, ADDRESS, &lost.phone, &lost.passkeys).await;
    signed_in?;
    let code = screens.codes().into_iter().next().ok_or_else(|| Trouble("no recovery codes were shown".to_owned()))?;
    stage.prepared("A person has an account with one passkey, in the phone, and ten recovery codes on paper. Then the phone is lost.");
    let new = Owned::buy(stage).await?;
    come_in(stage, &new, &code).await;
    let opened = lost.phone.restarted().client.access_token(ORDERS).await;
    stage.act(
        "The finder unlocks the lost phone and opens the app, which is signed in still",
        opened.is_ok(),
        "Coming in elsewhere ends nothing. The person has to say that the phone is lost.",
    );
    regain(stage, &new).await?;
    locked_out(stage, &lost).await;
    what_is_left(stage, &new).await;
    Ok(())
}

async fn come_in(stage: &mut Stage, new: &Owned, code: &str) {
    let world = stage.world.clone();
    let answers = vec![("username", ADDRESS), ("recovery_code", code)];
    let buttons = vec!["use_email", "continue", "continue", "use_recovery"];
    let person = Person { answers, buttons, mail: Some((&world.mailbox, ADDRESS)) };
    let screens = Terminal::new(person).with_passkeys(&new.passkeys);
    let signed_in = new.phone.client.sign_in_natively(&request(), &screens).await;
    stage.act_with(
        "On a new phone the person comes in with a code by e-mail and a recovery code",
        &seen(&screens, &signed_in),
        signed_in.is_ok() && screens.kinds() == ["passkey", "identify", "email_code", "passkey", "recovery_code"],
        "The policy has a chain of both beside the passkey. The mailbox alone is not enough, and neither is the paper.",
    );
}

/// The waiting time takes three days, in which a letter can stop it. An operator who knows the person gives a ticket instead.
async fn regain(stage: &mut Stage, new: &Owned) -> Result<(), Trouble> {
    let world = stage.world.clone();
    let ticket = world.ticket(ADDRESS).await?;
    let answers = vec![("username", ADDRESS), ("ticket", ticket.as_str())];
    let buttons = vec!["use_email", "continue", "continue", "regain", "use_ticket", "continue", "passkey"];
    let person = Person { answers, buttons, mail: Some((&world.mailbox, ADDRESS)) };
    let screens = Terminal::new(person).with_passkeys(&new.passkeys);
    let signed_in = new.phone.client.sign_in_natively(&request(), &screens).await;
    let way = ["passkey", "identify", "email_code", "passkey", "regain", "ticket", "enrol_passkey"].map(str::to_owned);
    stage.act_with(
        "The person says that the passkey is lost, shows an operator's ticket, and makes a new one",
        &seen(&screens, &signed_in),
        signed_in.is_ok() && screens.kinds().starts_with(&way) && new.passkeys.authenticator().ids().len() == 1,
        "One change removes the lost passkey and ends every session. Without a ticket it waits three days, and a letter can stop it.",
    );
    Ok(())
}

async fn locked_out(stage: &mut Stage, lost: &Owned) {
    let opened = lost.phone.restarted().client.access_token(ORDERS).await;
    let answer = lost.phone.net.newest(|it| it.url.ends_with("/token"));
    stage.act(
        "The finder opens the app on the lost phone again: its refresh token is refused",
        matches!(opened, Err(Told::SignedOut(_)))
            && answer.is_some_and(|it| it.status == 400 && text(&it.body, "error") == "invalid_grant"),
        "The session of this phone ended with all others. The app forgets it and shows the sign-in.",
    );
    let screens = touch(&["passkey", "cancel"], &lost.passkeys);
    let signed_in = lost.phone.client.sign_in_natively(&request(), &screens).await;
    let lines = seen(&screens, &signed_in);
    stage.act_with(
        "The finder signs in with the passkey, which is still in the lost phone",
        &lines,
        matches!(signed_in, Err(Told::Cancelled { .. }))
            && screens.kinds() == ["passkey", "passkey"]
            && lines.iter().any(|line| line.contains("does not work here any more")),
        "The server knows this passkey no more. Its signature is right, and proves nobody.",
    );
}

async fn what_is_left(stage: &mut Stage, new: &Owned) {
    let buttons = ["passkey", "passkeys", "overview", "sessions", "overview", "done"];
    let screens = touch(&buttons, &new.passkeys);
    let managed = new.phone.client.sign_in_natively(&managing(), &screens).await;
    let lines = seen(&screens, &managed);
    let shown = lines.join("\n");
    stage.act_with(
        "The person looks at the account: one passkey, and one device that is signed in",
        &lines,
        managed.is_ok()
            && screens.kinds() == ["passkey", "manage", "manage_passkeys", "manage", "manage_sessions", "manage"]
            && shown.matches("Remove: ").count() == 1
            && shown.matches(" · since ").count() == 1,
        "Both are of the new phone. Nothing of the lost one is left.",
    );
}
