//! The genuine app on a genuine phone gets in; an impostor with the same client_id and redirect_uri stays out. The phones are
//! simulated and forge their evidence under a root of their own, which this demonstration's configuration trusts.

use super::bound::{settings, status};
use super::{ORDERS, text};
use crate::print::Printer;
use crate::{NAME, PASSWORD};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbolon_attest::binding::{self, Purpose};
use symbolon_client::SignIn;
use symbolon_client::platform::Request;
use symbolon_oauth::base64url;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::element::{Android, Maker};
use symbolon_phone::phone::Phone;
use symbolon_phone::play::{Play, Verdict};

const CLIENT: &str = "shop-phone-3";
const BACK: &str = "https://app.example.com/callback-3";
const APP_ID: &str = "ABCDE12345.com.example.shop";

async fn app(issuer: &str) -> Result<App, Trouble> {
    let mut app = App::discover(issuer, CLIENT, BACK).await?;
    app.make_key()?;
    Ok(app)
}

/// The raw thumbprint of the installation's key.
fn thumbprint(app: &App) -> Result<[u8; 32], Trouble> {
    app.element.as_ref().map(|it| it.thumbprint()).ok_or_else(|| Trouble("the app has no key".to_owned()))
}

pub async fn genuine(issuer: &str, api: &str, maker: &Arc<Maker>, printer: &mut Printer) -> Result<(), Trouble> {
    impostor(issuer, maker, printer).await?;
    let phone = Phone::new(settings(issuer, CLIENT, BACK), Person::with_password(NAME, PASSWORD))?.attested_by(maker, APP_ID);
    let signed_in = phone.client.sign_in(&SignIn::new("openid orders:read").for_api(ORDERS)).await;
    let to = |path: &'static str| phone.net.newest(|it| it.url.ends_with(path));
    printer.act(
        "The genuine app asks for a challenge",
        to("/attest/challenge").as_ref(),
        true,
        "Evidence answers a challenge, so that old evidence is worth nothing.",
    );
    let attested = to("/attest");
    printer.act(
        "The phone attests the app (App Attest); the server verifies it itself",
        attested.as_ref(),
        attested.as_ref().is_some_and(|it| it.status == 200 && text(&it.body, "tier") == "hardware_claimed"),
        "Out comes an attestation of this installation's key, which is how the app authenticates from now on.",
    );
    printer.act(
        "The attested app signs its user in",
        to("/token").as_ref(),
        signed_in.is_ok(),
        "Pushed request, code and tokens belong to this installation.",
    );
    let called = phone.client.call(ORDERS, Request::get(&format!("{api}/orders"))).await?;
    printer.act("And calls the API", phone.last().as_ref(), status(&called) == 200, "The API needs no change for any of this.");
    tokio::time::sleep(Duration::from_secs(6)).await;
    // Otherwise the client would renew the attestation by itself before it is asked to.
    phone.clock.ahead_s.store(-10, Ordering::Relaxed);
    let before = phone.refresh_token();
    phone.restarted().client.access_token(ORDERS).await?;
    let stale = phone.net.newest(|it| text(&it.body, "error") == "use_fresh_attestation");
    let told = stale.is_some();
    printer.act(
        "Later the app refreshes, its clock a little behind; the policy wants fresh evidence",
        stale.as_ref(),
        told,
        "Nothing is consumed: the answer says what to do.",
    );
    let asserted = phone.net.newest(|it| it.sent.iter().any(|(_, value)| value == "apple-assertion"));
    printer.act(
        "The phone asserts that it is still the same app and key",
        asserted.as_ref(),
        asserted.as_ref().is_some_and(|it| it.status == 200),
        "One signature of the Secure Enclave; its counter only rises.",
    );
    let again = to("/token").filter(|it| it.status == 200 && it.sent.iter().any(|(_, value)| *value == before));
    printer.act(
        "The refresh goes through",
        again.as_ref(),
        again.is_some(),
        "The same refresh token as before: the refused attempt cost nothing. The client did all of this by itself.",
    );
    Ok(())
}

/// The same client_id, the same redirect_uri, another app; and a phone with an open boot loader.
async fn impostor(issuer: &str, maker: &Maker, printer: &mut Printer) -> Result<(), Trouble> {
    let fake = app(issuer).await?;
    let refused = match fake.push("openid orders:read").await {
        Ok(_) => false,
        Err(Trouble(why)) => why.contains("invalid_client"),
    };
    printer.act(
        "An impostor knows the client_id and the redirect_uri of the app",
        fake.last().as_ref(),
        refused,
        "Without an attestation it is nobody.",
    );
    let (challenge, bytes) = fake.attestation_challenge().await?;
    let hash = binding::named(Purpose::First, CLIENT, &bytes, &thumbprint(&fake)?);
    let (enclave, object) = maker.ios("EVIL123456.com.example.shop", &hash)?;
    let evidence = [("attestation", base64url::encode(&object)), ("key_id", base64url::encode(&enclave.key_id))];
    let evidence: Vec<(&str, &str)> = evidence.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, _) = fake.attest("apple-appattest", &challenge, &evidence).await?;
    printer.act(
        "It attests itself, on a genuine iPhone",
        fake.last().as_ref(),
        status == 400,
        "The evidence names the app that made it, and that is another one.",
    );
    let (challenge, bytes) = fake.attestation_challenge().await?;
    let hash = binding::leaf(&bytes, CLIENT);
    let phone = Android { locked: false, ..Android::genuine("com.example.shop", [7; 32], &hash) };
    let element = fake.element.as_ref().ok_or_else(|| Trouble("the app has no key".to_owned()))?;
    let chain: Vec<String> = maker.android(&element.key, &phone)?.iter().map(|it| base64url::encode(it)).collect();
    let (status, _) = fake.attest("android-key", &challenge, &[("chain", &chain.join("."))]).await?;
    printer.act(
        "The right app on an Android phone with an open boot loader",
        fake.last().as_ref(),
        status == 400,
        "The hardware says so; whatever runs above it cannot be believed.",
    );
    Ok(())
}

/// One client, three phones: what each may have follows what it proved.
pub async fn tiers(issuer: &str, play: &Play, printer: &mut Printer) -> Result<(), Trouble> {
    const CLIENT: &str = "shop-phone-4";
    const BACK: &str = "https://app.example.com/callback-4";
    let mut app = App::discover(issuer, CLIENT, BACK).await?;
    app.make_key()?;
    let (challenge, bytes) = app.attestation_challenge().await?;
    let hash = base64url::encode(&binding::named(Purpose::First, CLIENT, &bytes, &thumbprint(&app)?));
    let verdict = Verdict {
        package: "com.example.shop",
        signing_digest: [7; 32],
        version: 42,
        device: vec!["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY"],
        recognition: "PLAY_RECOGNIZED",
        binding: ("nonce", hash),
        at_ms: crate::now_ms(),
    };
    let rooted = Verdict { device: vec!["MEETS_BASIC_INTEGRITY"], ..verdict.clone() };
    let (status, _) = app.attest("play-classic", &challenge, &[("token", &play.token(&rooted)?)]).await?;
    printer.act(
        "A rooted Android phone sends what Google Play says of it",
        app.last().as_ref(),
        status == 400,
        "The token is opened with the keys of the Play Console, here; the device does not pass.",
    );
    let (challenge, bytes) = app.attestation_challenge().await?;
    let hash = base64url::encode(&binding::named(Purpose::First, CLIENT, &bytes, &thumbprint(&app)?));
    let good = Verdict { binding: ("nonce", hash), at_ms: crate::now_ms(), ..verdict };
    let (status, _) = app.attest("play-classic", &challenge, &[("token", &play.token(&good)?)]).await?;
    printer.act(
        "A phone that passes",
        app.last().as_ref(),
        status == 200,
        "Its tier is hardware_claimed: a genuine app says where its key is.",
    );
    let tokens = signed_in(&app).await?;
    let all = text(&tokens, "scope") == "orders:read orders:write" && tokens.get("refresh_token").is_some();
    printer.act(
        "It signs its user in, and may have everything",
        app.last().as_ref(),
        all,
        "Scopes, lifetime and staying signed in follow the tier.",
    );
    let mut old = App::discover(issuer, CLIENT, BACK).await?;
    old.make_key()?;
    let tokens = signed_in(&old).await?;
    let less = text(&tokens, "scope") == "orders:read" && tokens.get("refresh_token").is_none() && tokens["expires_in"] == 120;
    printer.act(
        "A phone that cannot attest at all is not locked out",
        old.last().as_ref(),
        less,
        "The same app without any shared secret: it reads orders for two minutes, bound to its key, and signs in again after.",
    );
    Ok(())
}

async fn signed_in(app: &App) -> Result<serde_json::Value, Trouble> {
    let pending = app.push("orders:read orders:write").await?;
    let code = app.sign_in(&mut Browser::default(), &pending, &Person::with_password(NAME, PASSWORD)).await?;
    Ok(app.exchange(&code, &pending.verifier).await?.1)
}
