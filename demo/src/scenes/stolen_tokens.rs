//! The next version of the app has a key in the phone (DPoP, RFC 9449). A thief who copies its tokens cannot use them.

use super::{ORDERS, Scene};
use crate::stage::{Stage, status, text};
use symbolon_client::SignIn;
use symbolon_client::platform::Request;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::phone::Phone;

pub const SCENE: Scene = Scene {
    name: "stolen-tokens",
    about: "the app holds a key, and stolen tokens do not work without it",
    in_story: true,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-phone-2";
const BACK: &str = "https://app.example.com/callback-2";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let phone = stage.phone(CLIENT, BACK)?;
    phone.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await?;
    let mut thief = stage.app(CLIENT, BACK).await?;
    stage.prepared("The app made a key in the phone's hardware and signed its person in. The thief knows everything but that key.");
    let called = phone.client.call(ORDERS, Request::get(&stage.world.url("/orders"))).await?;
    stage.act(
        "The app calls the API with its token and a proof of its key (DPoP, RFC 9449)",
        status(&called) == 200,
        "The proof is a signature over the method, the address and the token. It works once.",
    );
    thief_calls(stage, &phone, &mut thief).await?;
    thief.make_key()?;
    let (status, body) = thief.refresh(&phone.refresh_token(), None).await?;
    stage.act(
        "The thief sends the stolen refresh token to the server",
        status == 400 && text(&body, "error") == "invalid_grant",
        "The refresh token belongs to the app's key too. A copy of it is only a string.",
    );
    let before = phone.refresh_token();
    phone.restarted().client.access_token(ORDERS).await?;
    stage.act(
        "The app itself refreshes",
        phone.refresh_token() != before,
        "The thief's attempt did not sign the person out. Otherwise a thief could end anybody's session.",
    );
    Ok(())
}

async fn thief_calls(stage: &mut Stage, phone: &Phone, thief: &mut App) -> Result<(), Trouble> {
    let access = phone.client.access_token(ORDERS).await?.token;
    thief.make_key()?;
    let (status, body) = thief.call(&stage.world.url("/orders"), Some(&access)).await?;
    stage.act(
        "A thief sends the stolen access token with a proof of another key",
        status == 401 && text(&body, "error") == "invalid_token",
        "The token names the key that it was issued for (cnf.jkt). The API compares the two.",
    );
    thief.forget_key();
    let (status, _) = thief.call(&stage.world.url("/orders"), Some(&access)).await?;
    stage.act(
        "The thief sends it without any proof, as a bearer token",
        status == 401,
        "Nobody may take the key away from a token by leaving out the proof.",
    );
    Ok(())
}
