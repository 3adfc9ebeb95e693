//! The account on the app's own screens (`prompt=manage`). The person sees and changes what the operator allows this app, and no web view
//! is opened.

use super::genuine_app::APP_ID;
use super::{ORDERS, Scene};
use crate::stage::Stage;
use crate::world::PASSWORD;
use symbolon_client::{SignIn, Trouble as ClientTrouble};
use symbolon_phone::Trouble;
use symbolon_phone::browser::Person;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "own-account",
    about: "the person sees and changes the account on the app's own screens, as far as the operator allows the app",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-account";
const BACK: &str = "https://account.example.com/callback";

const CONFIG: &str = r#"
# An app with a screen for the account. Each thing that the person may do there is a right of the client.
[login.account]
require = ["password"]
[client.shop-account]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "account"
manage = ["name", "sessions", "apps", "history"]
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://account.example.com/callback"]
[client.shop-account.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
"#;

const RIGHTS: &str = "manage = [\"name\", \"sessions\", \"apps\", \"history\"]\nauth";
const WITH_DELETION: &str = "manage = [\"name\", \"sessions\", \"apps\", \"history\", \"delete\"]\nauth";

/// The person presses these buttons, in this order.
fn hand(name: &'static str, buttons: &[&'static str]) -> Terminal<'static> {
    let answers = vec![("username", name), ("password", PASSWORD), ("name", "Alice Liddell")];
    Terminal::new(Person { answers, buttons: buttons.to_vec(), ..Person::default() })
}

fn lines(screens: &Terminal<'_>) -> Vec<String> {
    screens.take_screens().iter().flat_map(|screen| screen.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let phone = stage.phone(CLIENT, BACK)?.attested_by(&stage.world.maker, APP_ID);
    let request = SignIn::new("openid orders:read").for_api(ORDERS);
    phone.client.sign_in_natively(&request, &hand(stage.name, &[])).await?;
    stage.prepared("The app signed its person in on its own screens.");
    let manage = SignIn::new("openid orders:read").for_api(ORDERS).beside_session().with("prompt", "manage");
    let screens = hand(stage.name, &["sessions", "overview", "history", "overview", "done"]);
    let managed = phone.client.sign_in_natively(&manage, &screens).await;
    let seen = lines(&screens);
    stage.act_with(
        "The person looks at the account: where they are signed in, and what has happened",
        &seen,
        managed.is_ok()
            && screens.kinds() == ["password", "manage", "manage_sessions", "manage", "manage_history", "manage"]
            && !seen.iter().any(|line| line.contains("Delete")),
        "The server asks for a fresh proof first. It offers what the client's `manage` names, and nothing else.",
    );
    let screens = hand(stage.name, &["change_name"]);
    let managed = phone.client.sign_in_natively(&manage, &screens).await;
    stage.act_with(
        "The person changes the name",
        &lines(&screens),
        managed.is_ok() && screens.kinds() == ["password", "manage", "new_name"],
        "One change ends the journey. The app gets a code for what it had, and goes on.",
    );
    let world = stage.world.clone();
    world.reconfigure(RIGHTS, WITH_DELETION).await?;
    let screens = hand(stage.name, &["delete", "delete_account"]);
    let managed = phone.client.sign_in_natively(&manage, &screens).await;
    stage.act_with(
        "The operator allows deletion too; the person deletes the account in the same app, which was not changed",
        &lines(&screens),
        matches!(&managed, Err(ClientTrouble::SignedOut(why)) if why == "account_deleted")
            && screens.kinds() == ["password", "manage", "delete_account"],
        "There is nothing left to sign in to. Every session and every grant ended in the change that deleted the account.",
    );
    world.reconfigure(WITH_DELETION, RIGHTS).await
}
