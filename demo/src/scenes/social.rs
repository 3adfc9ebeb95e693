//! An account at somebody else's provider: its tokens are nothing to the shop's API, and a sign-in through it gives tokens of ours.

use super::genuine_app::APP_ID;
use super::{ORDERS, Scene};
use crate::anysocial::{PASSWORD, PERSON, Sdk, sdk_tokens};
use crate::stage::{Refusal, Stage, claims, status, text};
use symbolon_client::SignIn;
use symbolon_client::native::{Operations, Pressed, Screens, Step};
use symbolon_client::platform::{BoxFuture, Request, Unavailable};
use symbolon_phone::Trouble;
use symbolon_phone::browser::Person;
use symbolon_phone::phone::Phone;
use symbolon_phone::terminal::Terminal;

pub const SCENE: Scene = Scene {
    name: "social",
    about: "a social provider's tokens are refused by the API; signing in through it gives tokens that work",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CONFIG: &str = r#"
# An app whose people may have an account at Anysocial instead of one here.
[login.social]
require = ["password", "upstream:anysocial"]
[client.shop-social]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "social"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-social"]
[client.shop-social.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }

# The same with Anysocial's SDK in the app. Its ID tokens, made for that very app, may answer a step.
[client.shop-social-sdk]
kind = "native"
name = "Example Shop for phones"
first_party = true
native = true
login = "social"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-sdk"]
native_providers = { anysocial = { audiences = ["example-shop-sdk"] } }
[client.shop-social-sdk.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
"#;

const CLIENT: &str = "shop-social";
const BACK: &str = "https://app.example.com/callback-social";
const TO_PROVIDER: &str = "use_upstream:anysocial";

/// Ann has an account at Anysocial, and none at the shop.
fn ann() -> Person<'static> {
    Person { buttons: vec![TO_PROVIDER], ..Person::with_password(PERSON, PASSWORD) }
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    foreign_tokens(stage).await?;
    let phone = stage.phone_of(CLIENT, BACK, ann())?.attested_by(&stage.world.maker, APP_ID);
    let request = SignIn::new("openid profile orders:read").for_api(ORDERS);
    let signed_in = phone.client.sign_in(&request).await;
    let pages = phone.pages().await;
    stage.act_with(
        "The new app opens the shop's sign-in page, and Ann chooses Anysocial there",
        &[format!("pages in the browser: {pages}")],
        signed_in.is_ok() && pages.contains("Allow Example Shop?"),
        "The shop's server asks Anysocial who she is, and checks the answer. Ann now has an account at the shop.",
    );
    let first = works(stage, &phone).await?;
    // Another phone, whose browser knows nobody yet.
    let phone = stage.phone_of(CLIENT, BACK, ann())?.attested_by(&stage.world.maker, APP_ID);
    let screens = Terminal::new(ann());
    let signed_in = phone.client.sign_in_natively(&request, &screens).await;
    stage.act_with(
        "On another phone the app draws the sign-in itself, and Ann presses Anysocial's button there",
        &lines(&screens.take_screens()),
        signed_in.is_ok() && screens.kinds() == ["password"] && phone.pages().await.contains("Allow Example Shop?"),
        "A provider's page belongs in the system browser, so the app goes there and comes back.",
    );
    let second = works(stage, &phone).await?;
    stage.act("It is the same account on both phones", first == second, "The key is Anysocial's issuer and Ann's subject there.");
    by_sdk(stage, &first).await
}

/// An app that keeps Anysocial's SDK, and no longer sends its tokens to the API.
async fn by_sdk(stage: &mut Stage, sub: &str) -> Result<(), Trouble> {
    let phone = stage.phone_of("shop-social-sdk", "https://app.example.com/callback-sdk", ann())?.attested_by(&stage.world.maker, APP_ID);
    let sdk = Sdk { issuer: stage.world.anysocial.issuer.clone(), gives_access_token: true.into() };
    let screens = AppWithSdk { terminal: Terminal::new(ann()), sdk };
    let signed_in = phone.client.sign_in_natively(&SignIn::new("openid profile orders:read").for_api(ORDERS), &screens).await;
    let shown = screens.terminal.take_screens();
    stage.act_with(
        "A third app has Anysocial's SDK. It answers the step with the access token, and then with the ID token",
        &lines(&shown),
        signed_in.is_ok()
            && screens.terminal.kinds() == ["password", "upstream", "upstream"]
            && shown.iter().any(|screen| screen.contains("did not work"))
            && phone.pages().await.is_empty(),
        "Any app of Ann's has an access token. The ID token has the nonce of this step, and is for this app. No browser was needed.",
    );
    let third = works(stage, &phone).await?;
    stage.act("It is the same account again", third == *sub, "Anysocial says the same subject to the browser and to the SDK.");
    Ok(())
}

struct AppWithSdk {
    terminal: Terminal<'static>,
    sdk: Sdk,
}

impl Screens for AppWithSdk {
    fn show<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        self.terminal.show(step)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(&self.sdk)
    }
}

fn lines(screens: &[String]) -> Vec<String> {
    screens.iter().flat_map(|screen| screen.lines().map(str::to_owned)).collect()
}

/// The app of before: it signs people in with Anysocial's SDK, and sends the API what it got.
async fn foreign_tokens(stage: &mut Stage) -> Result<(), Trouble> {
    let tokens = sdk_tokens(&stage.world.anysocial.issuer, "n").await?;
    let old = stage.app("shop-phone", "https://app.example.com/callback").await?;
    stage.prepared("The shop's old app has Anysocial's SDK. Ann signed in with it, and the app got two tokens.");
    let (access, id_token) = (text(&tokens, "access_token"), text(&tokens, "id_token"));
    let call = |token| Refusal { path: "/orders", token: Some(token), status: 401, says: "another issuer, such as a social provider" };
    let why = "It was made for Anysocial's own API. Any other app that Ann ever used there has one as well.";
    stage.refused(&old, "Anysocial's access token is sent to the shop's API", call(&access), why).await?;
    let why = "It tells the app who signed in. It was not made for the API, and it gives no access to anything.";
    stage.refused(&old, "Anysocial's ID token is sent to the shop's API", call(&id_token), why).await
}

/// Calls the API. Answers the `sub` of the token.
async fn works(stage: &mut Stage, phone: &Phone) -> Result<String, Trouble> {
    let called = phone.client.call(ORDERS, Request::get(&stage.world.url("/orders"))).await?;
    let token = claims(&phone.client.access_token(ORDERS).await?.token);
    let told = |name: &str| token.iter().find(|line| line.starts_with(name)).cloned().unwrap_or_default();
    let is_ours = told("iss").contains(&stage.world.issuer) && !token.join(" ").contains(&stage.world.anysocial.issuer);
    stage.act_with(
        "The app calls the API with the token that it has now",
        &["iss", "aud", "scope", "sub"].map(told),
        status(&called) == 200 && is_ours,
        "The token is the shop's own: its issuer, its audience, its scopes, its end. Nothing of Anysocial is in it.",
    );
    Ok(told("sub"))
}
