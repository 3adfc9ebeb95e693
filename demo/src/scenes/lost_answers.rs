//! Bad networks. Whatever happens on the way, the person stays signed in.

use super::{ORDERS, Scene};
use crate::stage::Stage;
use std::sync::atomic::Ordering;
use symbolon_client::{SignIn, Trouble as Told};
use symbolon_phone::phone::Phone;
use symbolon_phone::{Exchange, Trouble};

pub const SCENE: Scene = Scene {
    name: "lost-answers",
    about: "a tunnel, a killed process and ten screens at once cost nobody the session",
    in_story: true,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

/// The refreshes that were answered with tokens, or not at all.
fn refreshes(phone: &Phone) -> Vec<Exchange> {
    let is_refresh = |it: &Exchange| it.sent.iter().any(|(name, value)| name == "grant_type" && value == "refresh_token");
    phone.net.log().into_iter().filter(|it| is_refresh(it) && it.status != 400).collect()
}

fn sent_token(exchange: &Exchange) -> &str {
    exchange.sent.iter().find(|(name, _)| name == "refresh_token").map_or("", |(_, value)| value)
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let phone = stage.phone("shop-phone-2", "https://app.example.com/callback-2")?;
    phone.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await?;
    stage.prepared("The app, which holds a key, signed its person in.");
    tunnel(stage, &phone).await?;
    killed(stage, &phone).await?;
    at_once(stage, &phone).await
}

async fn tunnel(stage: &mut Stage, phone: &Phone) -> Result<(), Trouble> {
    let (before, started) = (phone.refresh_token(), phone.restarted());
    phone.net.lose_answers.store(2, Ordering::Relaxed);
    let is_later = matches!(started.client.access_token(ORDERS).await, Err(Told::Later { .. }));
    let lost = refreshes(phone).iter().filter(|it| it.status == 0).count();
    stage.act(
        "The app refreshes in a tunnel: the server issues new tokens, and the answer is lost twice",
        is_later && lost == 2 && started.client.is_signed_in().await? && phone.refresh_token() == before,
        "The SDK tells the app to try later. It still has the old refresh token, which the server has replaced.",
    );
    started.client.access_token(ORDERS).await?;
    let is_repeated = refreshes(phone).last().is_some_and(|it| sent_token(it) == before && it.status == 200);
    stage.act(
        "Out of the tunnel the app sends the old refresh token again",
        is_repeated && phone.refresh_token() != before,
        "With its key, an app gets the same new token again, an hour later too. Other servers sign people out here.",
    );
    Ok(())
}

async fn killed(stage: &mut Stage, phone: &Phone) -> Result<(), Trouble> {
    let before = phone.refresh_token();
    phone.shelf.dies_at.lock().map_err(|it| Trouble(it.to_string()))?.replace("session");
    let has_died = phone.restarted().client.access_token(ORDERS).await.is_err() && phone.refresh_token() == before;
    phone.restarted().client.access_token(ORDERS).await?;
    stage.act(
        "The phone kills the app after the answer came and before it was stored; then the app starts again",
        has_died && phone.refresh_token() != before,
        "The app finds its old refresh token and repeats the request. The answer is the same as before.",
    );
    Ok(())
}

/// Ten screens need a token at the same moment.
async fn at_once(stage: &mut Stage, phone: &Phone) -> Result<(), Trouble> {
    let (started, before) = (phone.restarted(), refreshes(phone).len());
    let screens: Vec<_> = (0..10)
        .map(|_| {
            let client = started.client.clone();
            tokio::spawn(async move { client.access_token(ORDERS).await })
        })
        .collect();
    let mut good = 0;
    for screen in screens {
        good += usize::from(screen.await.is_ok_and(|it| it.is_ok()));
    }
    let sent = refreshes(phone).len() - before;
    stage.act_with(
        "Ten screens of the app need a token at the same moment",
        &[format!("{good} screens got a token, by {sent} refresh")],
        good == 10 && sent == 1,
        "One screen asks the server, and the others wait for its answer.",
    );
    Ok(())
}
