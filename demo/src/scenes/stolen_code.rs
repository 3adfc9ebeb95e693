//! Somebody else gets the code of a sign-in: from a log, from the screen, by another app that took the redirect.

use super::{ORDERS, Scene};
use crate::stage::{Stage, text};
use std::sync::atomic::Ordering;
use symbolon_client::SignIn;
use symbolon_client::platform::Browser as _;
use symbolon_phone::Trouble;
use symbolon_phone::browser::Browser;

pub const SCENE: Scene = Scene {
    name: "stolen-code",
    about: "a code in the wrong hands: without the verifier, twice, without the key",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

const CLIENT: &str = "shop-phone-2";
const BACK: &str = "https://app.example.com/callback-2";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    without_verifier(stage).await?;
    with_a_key(stage).await
}

async fn without_verifier(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", "https://app.example.com/callback").await?;
    let pending = app.push("orders:read").await?;
    let code = app.sign_in(&mut Browser::default(), &pending, &stage.person()).await?;
    stage.prepared("The app signed its person in, and a thief read the code.");
    let (status, _) = app.exchange(&code, "a-verifier-that-some-other-app-made-up-itself").await?;
    stage.act(
        "The thief sends the code with a verifier of his own",
        status == 400,
        "The code is worth nothing without the app's verifier (PKCE). The attempt does not use the code up.",
    );
    let (status, tokens) = app.exchange(&code, &pending.verifier).await?;
    stage.act("The app exchanges the code", status == 200, "The thief's attempt cost the app nothing.");
    let (status, body) = app.exchange(&code, &pending.verifier).await?;
    stage.act(
        "The code comes a second time, with the right verifier",
        status == 400 && text(&body, "error") == "invalid_grant",
        "One of the two senders is a thief, and nobody can tell which.",
    );
    let (status, _) = app.refresh(&text(&tokens, "refresh_token"), None).await?;
    stage.act("The app refreshes", status == 400, "So everything that was issued for this code has ended (RFC 6749, 4.1.2).");
    Ok(())
}

async fn with_a_key(stage: &mut Stage) -> Result<(), Trouble> {
    let phone = stage.phone(CLIENT, BACK)?;
    let mut thief = stage.app(CLIENT, BACK).await?;
    thief.make_key()?;
    stage.prepared("The same once more, with the version of the app that holds a key.");
    let address = phone.client.begin(&SignIn::new("openid orders:read").for_api(ORDERS)).await?;
    stage.act(
        "The app pushes its request with a proof of its key (RFC 9449, 10.1)",
        true,
        "The code will be for this key alone. The key was made in the phone and never leaves it.",
    );
    let gone = |_| Trouble("the browser did not come back".to_owned());
    phone.screen.open(&address).await.map_err(gone)?;
    let back = phone.screen.redirected().await.map_err(gone)?;
    stage.prepared("The person signed in, in the system browser.");
    let code =
        url::Url::parse(&back).ok().and_then(|address| address.query_pairs().find(|(name, _)| name == "code").map(|it| it.1.into_owned()));
    let (status, body) = thief.exchange(&code.unwrap_or_default(), &phone.shelf.stolen("sign-in", "verifier")).await?;
    stage.act(
        "A thief has the code and even the verifier",
        status == 400 && text(&body, "error") == "invalid_grant",
        "His proof is of another key than the one that the request named.",
    );
    let other = phone.client.finish(&back.replace("state=", "state=not-")).await?;
    stage.act(
        "Some other app opens the redirect with an answer of its own",
        other.is_none(),
        "The state is not the app's: it sends nothing.",
    );
    phone.net.lose_answers.store(1, Ordering::Relaxed);
    let is_signed_in = phone.client.finish(&back).await?.is_some_and(|it| it.claims.contains_key("sub"));
    stage.act(
        "The app exchanges the code; the answer is lost, and it asks again",
        is_signed_in && phone.net.log().iter().any(|it| it.status == 0),
        "The same code with the same key within a minute gets the same tokens.",
    );
    Ok(())
}
