//! The operator sends an app to the browser: for one client, one tier or one scope, with an edit and a reload. The app is not changed.

use super::genuine_app::APP_ID;
use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use crate::world::World;
use symbolon_client::native::{Pressed, Step};
use symbolon_client::platform::{BoxFuture, Unavailable};
use symbolon_client::{Screens, SignIn};
use symbolon_phone::Trouble;
use symbolon_phone::phone::Phone;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "web-only",
    about: "the operator sends an app's sign-ins to the browser and back, and the app is not changed",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-web-only";
const BACK: &str = "https://app.example.com/callback-web-only";

const CONFIG: &str = r#"
# An app that draws the sign-in itself, until its operator wants the browser.
[login.web-only]
require = ["password"]
[client.shop-web-only]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "web-only"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read", "orders:write"] }
redirect_uris = ["https://app.example.com/callback-web-only"]
[client.shop-web-only.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
"#;

const NATIVE: &str = "login = \"web-only\"\nauth";
const BY_CLIENT: &str = "login = \"web-only\"\nweb_only = true\nauth";
const BY_TIER: &str = "login = \"web-only\"\nweb_only_tiers = [\"hardware_claimed\"]\nauth";
const BY_SCOPE: &str = "login = \"web-only\"\nweb_only_scopes = [\"orders:write\"]\nauth";

const READ: &str = "openid orders:read";
const WRITE: &str = "openid orders:write";

/// The app's screens, while whose first one is shown the operator edits the configuration.
struct Meanwhile<'a> {
    screens: &'a Terminal<'static>,
    world: &'a World,
    change: (&'static str, &'static str),
}

impl Screens for Meanwhile<'_> {
    fn show<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        Box::pin(async move {
            let (from, to) = self.change;
            self.world.reconfigure(from, to).await.map_err(|trouble| Unavailable(trouble.0))?;
            self.screens.show(step).await
        })
    }
}

/// A sign-in, and where it was asked for.
struct Seen {
    is_signed_in: bool,
    /// The kinds of the app's own screens.
    screens: Vec<String>,
    /// The titles of the browser's pages.
    pages: String,
    /// Both, line by line.
    lines: Vec<String>,
}

impl Seen {
    fn is_in_app(&self) -> bool {
        self.is_signed_in && self.screens == ["password"] && self.pages.is_empty()
    }

    /// Nothing was asked on the app's own screens.
    fn is_in_browser(&self) -> bool {
        self.is_signed_in && self.screens.is_empty() && self.pages.starts_with("Did you start this")
    }
}

/// The person signs in with the app once more.
async fn sign_in(stage: &Stage, phone: &Phone, scope: &str) -> Seen {
    let screens = Terminal::new(stage.person());
    let signed_in = phone.client.sign_in_natively(&SignIn::new(scope).for_api(ORDERS), &screens).await;
    look(phone, &screens, signed_in.err().map(|why| why.to_string())).await
}

/// What was shown since this was last asked.
async fn look(phone: &Phone, screens: &Terminal<'_>, trouble: Option<String>) -> Seen {
    let pages = std::mem::take(&mut phone.screen.browser.lock().await.seen).join(", ");
    let is_signed_in = trouble.is_none();
    let mut lines: Vec<String> =
        screens.take_screens().iter().flat_map(|screen| screen.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.push(format!("pages in the browser: {}", if pages.is_empty() { "none" } else { pages.as_str() }));
    lines.extend(trouble.map(|why| format!("the app: {why}")));
    Seen { is_signed_in, screens: screens.kinds(), pages, lines }
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let world = stage.world.clone();
    let phone = stage.phone(CLIENT, BACK)?.attested_by(&world.maker, APP_ID);
    let seen = sign_in(stage, &phone, READ).await;
    stage.act_with(
        "The app signs its person in on its own screens",
        &seen.lines,
        seen.is_in_app(),
        "The configuration allows it, and evidence vouches for this installation.",
    );
    while_typing(stage, &phone).await;
    let seen = sign_in(stage, &phone, READ).await;
    stage.act_with(
        "The next sign-in of the same app shows no screen at all",
        &seen.lines,
        seen.is_in_browser(),
        "The rule is the first answer of the sign-in. The app opens the browser before it asks anything.",
    );
    by_tier_and_scope(stage, &phone).await?;
    world.reconfigure(BY_SCOPE, NATIVE).await?;
    let seen = sign_in(stage, &phone, WRITE).await;
    stage.act_with(
        "The operator takes the rule out; the same app asks on its own screens again",
        &seen.lines,
        seen.is_in_app(),
        "The app has no version for the one and another for the other. It does what each answer says.",
    );
    Ok(())
}

async fn while_typing(stage: &mut Stage, phone: &Phone) {
    let world = stage.world.clone();
    let screens = Terminal::new(stage.person());
    let meanwhile = Meanwhile { screens: &screens, world: &world, change: (NATIVE, BY_CLIENT) };
    let signed_in = phone.client.sign_in_natively(&SignIn::new(READ).for_api(ORDERS), &meanwhile).await;
    let sent = phone.net.newest(|it| text(&it.body, "error") == "redirect_to_web");
    let seen = look(phone, &screens, signed_in.err().map(|why| why.to_string())).await;
    stage.act_with(
        "While the person types, the operator sets `web_only` for this client; the app goes on in the browser",
        &seen.lines,
        sent.is_some_and(|it| it.status == 403)
            && seen.is_signed_in
            && seen.screens == ["password"]
            && seen.pages.starts_with("Did you start this"),
        "The rule holds from the reload on. What was typed is not judged. The browser brings a code, and the app is signed in.",
    );
}

async fn by_tier_and_scope(stage: &mut Stage, phone: &Phone) -> Result<(), Trouble> {
    let world = stage.world.clone();
    world.reconfigure(BY_CLIENT, BY_TIER).await?;
    let seen = sign_in(stage, phone, READ).await;
    stage.act_with(
        "The operator sends one tier of installations to the browser, and this phone is of that tier",
        &seen.lines,
        seen.is_in_browser(),
        "The server knows the tier from the evidence. Installations of other tiers keep their own screens.",
    );
    world.reconfigure(BY_TIER, BY_SCOPE).await?;
    let (reads, writes) = (sign_in(stage, phone, READ).await, sign_in(stage, phone, WRITE).await);
    stage.act_with(
        "The operator sends one scope to the browser; the app signs in without it, and then with it",
        &[&reads.lines[..], &writes.lines[..]].concat(),
        reads.is_in_app() && writes.is_in_browser(),
        "Seeing orders is asked for in the app. Placing orders is asked for in the browser.",
    );
    Ok(())
}
