//! Passkeys in chains of a policy, and what is left of their sign-ins when one is removed, is lost, or is no longer accepted.

use crate::passkeys::refused;
use crate::world::passkeys::{Keys, on_every_engine};
use crate::world::*;
use serde_json::json;
use symbolon_phone::authenticator::Authenticator;

/// Another browser signs in to the app by this key alone: with the app's refresh token.
async fn elsewhere(keys: &Keys, key: &mut Authenticator) -> (Browser, String) {
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    let page = browser.open(&keys.world, &ask).await;
    let done = keys.use_it(&mut browser, &page, key).await;
    let (status, tokens) = keys.world.exchange(&done.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    (browser, refresh_token(&tokens).to_owned())
}

/// W-56: whoever says that a passkey is lost ends what it opened, the tokens of apps too. One that is only removed ends no app, and the page
/// says so. Either way it signs nobody in from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_passkey_ends_what_it_opened_and_a_removed_one_does_not() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut browser) = (Authenticator::default(), Browser::default());
        keys.add(&mut browser, &mut phone, "alice").await;
        for (button, ends) in [("remove", false), ("remove_lost", true)] {
            let mut key = Authenticator::security_key();
            keys.add(&mut browser, &mut key, "alice").await;
            let (mut other, token) = elsewhere(&keys, &mut key).await;
            let account = browser.visit(&keys.world, "/account").await;
            let rows: Vec<String> = account.actions().into_iter().filter(|action| action.starts_with("remove_passkey:")).collect();
            let asked = browser.submit(&keys.world, &account, &[], &rows[1]).await;
            assert!(asked.says("You stay signed in to your apps."), "{}", asked.html);
            assert_eq!(browser.submit(&keys.world, &asked, &[], button).await.status, 303);
            let (status, answer) = keys.world.refresh(&token).await;
            let expected = if ends { (400, json!("invalid_grant")) } else { (200, json!(null)) };
            assert_eq!((status, answer["error"].clone()), expected, "{button}: {answer}");
            assert_eq!(other.visit(&keys.world, "/account").await.asks_for("password"), ends, "{button}");
            let mut fresh = Browser::default();
            let page = keys.open(&mut fresh).await;
            refused(&keys.use_it(&mut fresh, &page, &mut key).await, "does not work here any more");
        }
        keys.world.stop().await;
    })
    .await;
}

/// W-56: passkeys that the operator takes out of the policies fail at once: on a page that stands open, and as what a session was opened with.
#[tokio::test(flavor = "multi_thread")]
async fn passkeys_that_no_policy_takes_fail_at_once() {
    on_every_engine("", |keys| async move {
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let silent = Ask::native("openid").with("prompt", "none");
        let (mut signed_in, _) = elsewhere(&keys, &mut phone).await;
        assert!(signed_in.open(&keys.world, &silent).await.has_code(), "the twin");
        let mut browser = Browser::default();
        let open = keys.open(&mut browser).await;
        let policies = |passkey: &'static str| {
            move |configuration: Configuration| {
                let configuration =
                    configuration.set("login.default.require", vec!["password", passkey]).set("login.passkey.require", vec![passkey]);
                configuration.set("login.two-factor.require", vec!["password + totp"])
            }
        };
        keys.world.reload(policies("password")).await;
        let page = keys.use_it(&mut browser, &open, &mut phone).await;
        assert!(!page.has_code() && page.asks_for("password") && !page.action("passkey"), "{} {}", page.status, page.html);
        assert_eq!(signed_in.open(&keys.world, &silent).await.error().as_deref(), Some("login_required"));
        let page = keys.open(&mut Browser::default()).await;
        assert!(!page.action("passkey"), "{}", page.html);
        // The twin: the operator takes them again, and they are there.
        keys.world.reload(policies("passkey")).await;
        assert!(signed_in.open(&keys.world, &silent).await.has_code());
        let page = keys.open(&mut browser).await;
        assert!(keys.use_it(&mut browser, &page, &mut phone).await.has_code());
        keys.world.stop().await;
    })
    .await;
}

const CHAINS: &str = "[login.both]\nrequire = [\"passkey + totp\"]\nacr = \"urn:both\"\n\
    [login.either]\nrequire = [\"password + passkey\", \"password + totp\"]\nacr = \"urn:either\"\n";

/// W-29: a chain of both asks for the code once, either is a second factor after a password, and at the same `acr` nothing is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_and_an_authenticator_make_no_loop() {
    on_every_engine(CHAINS, |keys| async move {
        let (mut phone, mut browser, world) = (Authenticator::default(), Browser::default(), &keys.world);
        keys.add(&mut browser, &mut phone, "alice").await;
        let account = browser.visit(world, "/account").await;
        let page = browser.submit(world, &account, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        let code = || totp(&secret, world.running.shared.now().now_ms());
        let page = browser.submit(world, &page, &[("code", &code())], "continue").await;
        assert_eq!(browser.submit(world, &page, &[], "continue").await.status, 303);
        world.confirm("alice").await;
        for (acr, second) in [("urn:both", "totp"), ("urn:either", "totp"), ("urn:either", "passkey")] {
            world.advance_s(60);
            let (mut fresh, ask) = (Browser::default(), Ask::native("openid").with("acr_values", acr));
            let silent = ask.clone().with("prompt", "none");
            assert_eq!(fresh.open(world, &silent).await.error().as_deref(), Some("login_required"), "{acr}");
            let page = fresh.open(world, &ask).await;
            let page = match acr {
                "urn:both" => keys.use_it(&mut fresh, &page, &mut phone).await,
                _ => fresh.submit_password(world, &page, "alice", PASSWORD).await,
            };
            let is_asked = if second == "totp" { page.asks_for("code") } else { page.name().as_deref() == Some("passkey") };
            let page = if is_asked { page } else { fresh.submit(world, &page, &[], &format!("use_{second}")).await };
            let done = match second {
                "totp" => fresh.submit(world, &page, &[("code", &code())], "continue").await,
                _ => keys.use_it(&mut fresh, &page, &mut phone).await,
            };
            let (status, tokens) = world.exchange(&done.code(), &ask.verifier).await;
            assert_eq!(status, 200, "{tokens}");
            let said = claims(tokens["id_token"].as_str().unwrap());
            // Two that the person has are two factors of one kind.
            let is_mfa = acr == "urn:either";
            assert_eq!((&said["acr"], said["amr"].to_string().contains("mfa")), (&json!(acr), is_mfa), "{said}");
            assert!(fresh.open(world, &silent).await.has_code(), "{acr} by {second}");
        }
        keys.world.stop().await;
    })
    .await;
}
