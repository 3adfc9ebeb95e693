//! A digital wallet on the app's own screens: opened by its link, asked by the platform, and with the link of a thief.

use super::genuine_app::APP_ID;
use super::native_attacks::begin;
use super::{ORDERS, Scene};
use crate::stage::{Stage, claims, status, text};
use serde_json::Value;
use std::sync::Arc;
use symbolon_client::platform::Request;
use symbolon_client::{Server, SignIn};
use symbolon_phone::browser::Person;
use symbolon_phone::links::System;
use symbolon_phone::phone::Phone;
use symbolon_phone::terminal::Terminal;
use symbolon_phone::wallet::beside::Beside;
use symbolon_phone::{Exchange, Trouble};

pub const SCENE: Scene = Scene {
    name: "wallet-app",
    about: "an app's own screens open a digital wallet by its link, or the platform asks it; a thief's link is void",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-wallet";
const BACK: &str = "https://app.example.com/callback-wallet";
const ANDROID: &str = "shop-wallet-android";
const ANDROID_BACK: &str = "https://wallet.example.com/callback";
const PACKAGE: &str = "com.example.shop";
/// SHA-256 of the certificate that signs the app on Android, and the same as Google's console writes it.
const SIGNED_BY: [u8; 32] = [7; 32];
const FINGERPRINT: &str = "07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07";

const CONFIG: &str = r#"
# Apps that ask for a credential on their own screens. The wallet itself is that of the scene `wallet`.
[login.wallet-app]
require = ["wallet:pid"]
[client.shop-wallet]
kind = "native"
name = "Example Wine for phones"
first_party = true
native = true
login = "wallet-app"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-wallet"]
[client.shop-wallet.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }

# The same on Android, whose platform speaks to wallets. An answer has to be for the certificate of this app.
[client.shop-wallet-android]
kind = "native"
name = "Example Wine for phones"
first_party = true
native = true
login = "wallet-app"
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://wallet.example.com/callback"]
[client.shop-wallet-android.app.android."com.example.shop"]
play = "07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07"
[client.shop-wallet-android.attestation]
android = {}
"#;

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let by_link = by_link(stage).await?;
    let by_platform = by_platform(stage).await?;
    stage.act("It is the same account both times", by_link == by_platform, "The key is Utopia's name and Ana's number, in whichever way.");
    thief(stage).await
}

fn request() -> SignIn {
    SignIn::new("openid orders:read").for_api(ORDERS)
}

/// An iPhone with the app.
fn iphone(stage: &mut Stage) -> Result<Phone, Trouble> {
    Ok(stage.phone_of(CLIENT, BACK, Person::default())?.attested_by(&stage.world.maker, APP_ID))
}

/// Ana's wallet on this phone, for this app.
fn wallet(stage: &Stage, phone: &Phone, (system, back): (System, &str)) -> Result<Beside, Trouble> {
    Ok(Beside::new(stage.world.utopia.wallet_of("UT-42", "Ana", true)?, &phone.net, system, back))
}

/// The app's screens. Ana types nothing; she presses these buttons, or else the first one.
fn screens(wallet: Beside, buttons: &[&'static str]) -> Terminal<'static> {
    Terminal::new(Person { buttons: buttons.to_vec(), ..Person::default() }).with_operations(Arc::new(wallet))
}

fn lines(screens: &Terminal<'_>) -> Vec<String> {
    screens.take_screens().iter().flat_map(|screen| screen.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Calls the API. Answers the `sub` of the token.
async fn works(stage: &mut Stage, phone: &Phone) -> Result<String, Trouble> {
    let called = phone.client.call(ORDERS, Request::get(&stage.world.url("/orders"))).await?;
    let token = claims(&phone.client.access_token(ORDERS).await?.token);
    let sub = token.into_iter().find(|line| line.starts_with("sub")).unwrap_or_default();
    let is_named = sub.strip_prefix("sub: ").is_some_and(|value| !value.trim_matches('"').is_empty());
    let why = "The token is the shop's own. It says nothing of the credential, and the API knows nothing of wallets.";
    stage.act_with("The app calls the API", std::slice::from_ref(&sub), status(&called) == 200 && is_named && !sub.contains("UT-42"), why);
    Ok(sub)
}

async fn by_link(stage: &mut Stage) -> Result<String, Trouble> {
    let phone = iphone(stage)?;
    let screens = screens(wallet(stage, &phone, (System::Ios(APP_ID), BACK))?, &[]);
    let signed_in = phone.client.sign_in_natively(&request(), &screens).await;
    stage.act_with(
        "The app opens Ana's wallet. She agrees there, and the wallet opens the app again",
        &lines(&screens),
        signed_in.is_ok() && screens.kinds() == ["wallet", "wallet_open"] && phone.pages().await.is_empty(),
        "The wallet leads to the app's own https link with a code. The app brings it to its sign-in, and no browser was opened.",
    );
    works(stage, &phone).await
}

async fn by_platform(stage: &mut Stage) -> Result<String, Trouble> {
    let phone = stage.phone_of(ANDROID, ANDROID_BACK, Person::default())?;
    let phone = phone.attested_on_android(&stage.world.maker, PACKAGE, SIGNED_BY);
    let android = System::Android { package: PACKAGE, fingerprint: FINGERPRINT };
    let screens = screens(wallet(stage, &phone, (android, ANDROID_BACK))?, &["show_credential"]);
    let signed_in = phone.client.sign_in_natively(&request(), &screens).await;
    stage.act_with(
        "On an Android phone the platform asks Ana's wallet for the app, which is not left",
        &lines(&screens),
        signed_in.is_ok() && screens.kinds() == ["wallet"] && phone.pages().await.is_empty(),
        "Android says by which certificate the app is signed, and the wallet's answer is for that one alone.",
    );
    works(stage, &phone).await
}

/// Answers a step, as an app does that sends its requests by hand.
async fn answer(server: &Server, asked: &Value, action: &str, more: &[(&str, &str)]) -> Result<Value, Trouble> {
    let held = text(asked, "auth_session");
    let form = [&[("auth_session", held.as_str()), ("action", action), ("wallet_return", "sw")], more].concat();
    Ok(server.challenge(&form).await?.body)
}

fn sent<'a>(exchange: &'a Exchange, name: &str) -> &'a str {
    exchange.sent.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// Eve begins, and has Ana's wallet answer.
async fn thief(stage: &mut Stage) -> Result<(), Trouble> {
    let eve = iphone(stage)?;
    let server = eve.client.server();
    let (_, begun) = begin(server).await?;
    let opening = answer(server, &begun, "go", &[]).await?;
    let link = text(&opening["step"]["operation"]["options"], "url");
    stage.prepared("Eve has begun a sign-in in her own app. She mails the link that opens a wallet for it to Ana.");
    let phone = iphone(stage)?;
    let screens = screens(wallet(stage, &phone, (System::Ios(APP_ID), BACK))?.lured_by(&link), &[]);
    let signed_in = phone.client.sign_in_natively(&request(), &screens).await;
    let brought = phone.net.newest(|it| it.status == 400 && sent(it, "action") == "open_wallet");
    let told = brought.as_ref().map(|it| text(&it.body, "error_description")).unwrap_or_default();
    stage.act_with(
        "Ana signs in, and opens Eve's mail in between. Her wallet answers Eve's request, and opens Ana's app",
        &[lines(&screens), vec![format!("the app is told: {told}")]].concat(),
        signed_in.is_ok()
            && told.contains("no wallet that this sign-in has opened")
            && screens.kinds() == ["wallet", "wallet_open", "wallet_open"],
        "The code came to another sign-in than the one that began, so it is void. Ana goes on with her own wallet.",
    );
    let Some(brought) = brought else { return Err(Trouble("the app has brought no code of Eve's".to_owned())) };
    let stolen = ["wallet_state", "response_code"].map(|name| (name, sent(&brought, name)));
    let end = answer(server, &opening, "open_wallet", &stolen).await?;
    stage.act(
        "Eve gets hold of the code as well, and brings it to her own sign-in",
        end["step"]["problem"]["key"] == "wallet_failed" && end.get("authorization_code").is_none(),
        "A code that another sign-in has brought is good for nobody.",
    );
    Ok(())
}
