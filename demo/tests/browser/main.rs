//! A person with Chromium: signs in through the demo's own page, at phone width and on a desk, in both themes, by keyboard.
//! Screenshots are in target/screenshots. Without chromedriver it says that it was skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod driver;
mod leaving;
mod passkey;
mod wallet;

use driver::{Driver, ELEMENT, at_account, code, demo, driver, server_on_localhost, server_with};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::time::Duration;

/// What an authenticator app shows. RFC 6238.
fn totp(secret: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = secret
        .bytes()
        .flat_map(|letter| {
            let value = alphabet.iter().position(|one| *one == letter).unwrap() as u8;
            (0..5).rev().map(move |bit| value >> bit & 1)
        })
        .collect();
    let bytes: Vec<u8> = bits.chunks_exact(8).map(|it| it.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let made = totp_rs::Builder::new().with_algorithm(totp_rs::Algorithm::SHA1).with_digits(6).with_step_duration(30);
    let secret: [u8; 20] = bytes.try_into().unwrap();
    made.with_secret(secret).build().unwrap().generate(now_s).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_chromium() {
    let Some((_chromedriver, browser)) = driver().await else {
        println!("skipped: there is no chromedriver");
        return;
    };
    let (_demo, address, printed) = tokio::task::spawn_blocking(demo).await.unwrap();
    for (name, width, height, theme) in [("phone-light", 390, 844, "light"), ("desk-dark", 1280, 900, "dark")] {
        browser.dress(width, height, theme).await;
        browser.command("/url", json!({ "url": address })).await;
        browser.click("a").await;
        browser.heading("Sign in").await;
        browser.fits().await;
        browser.picture(&format!("{name}-sign-in")).await;
        // The first field has the focus; Tab leads on, Enter sends.
        browser.keys("alice\u{e004}").await;
        browser.keys("not the password\u{e007}").await;
        assert!(browser.text("[role=alert]").await.contains("not right"));
        browser.picture(&format!("{name}-wrong")).await;
        // The focus is where the mistake is.
        browser.keys("open sesame, please\u{e007}").await;
        browser.heading("Allow Example Shop on this computer?").await;
        browser.fits().await;
        browser.picture(&format!("{name}-consent")).await;
        browser.click("button[value=allow]").await;
        browser.heading("You are signed in").await;
        assert!(browser.text("pre").await.contains("c-1041"), "the API answered");
        browser.click("a[href$='/account']").await;
        browser.heading("Your account").await;
        browser.fits().await;
        browser.picture(&format!("{name}-account")).await;
        browser.click("a[href$='/logout']").await;
        browser.heading("Sign out?").await;
        browser.click("button[value=logout]").await;
        browser.heading("You are signed out").await;

        // Somebody new makes an account, and adds an authenticator.
        let email = format!("{name}@example.com");
        browser.command("/url", json!({ "url": address })).await;
        browser.click("a").await;
        browser.heading("Sign in").await;
        browser.click("button[value=register]").await;
        browser.heading("Create an account").await;
        browser.fits().await;
        browser.picture(&format!("{name}-register")).await;
        browser.keys(&format!("{email}\u{e004}Nora New\u{e004}a rather long password\u{e007}")).await;
        browser.heading("Read your e-mail").await;
        browser.fits().await;
        browser.picture(&format!("{name}-email-code")).await;
        browser.keys("00000000\u{e007}").await;
        assert!(browser.text("[role=alert]").await.contains("not right"));
        browser.keys(&format!("{}\u{e007}", code(&printed, &email).await)).await;
        browser.heading("Allow Example Shop on this computer?").await;
        browser.click("button[value=allow]").await;
        browser.heading("You are signed in").await;
        browser.click("a[href$='/account']").await;
        browser.heading("Your account").await;
        browser.picture(&format!("{name}-account-new")).await;
        browser.click("button[value=enrol_totp]").await;
        browser.heading("Add an authenticator app").await;
        browser.fits().await;
        browser.picture(&format!("{name}-authenticator")).await;
        let secret = browser.text(".secret code").await.replace(' ', "");
        browser.keys(&format!("{}\u{e007}", totp(&secret))).await;
        browser.heading("Keep these recovery codes").await;
        browser.fits().await;
        browser.picture(&format!("{name}-recovery-codes")).await;
        browser.click("button[value=continue]").await;
        browser.heading("Your account").await;
        browser.click("a[href$='/logout']").await;
        browser.click("button[value=logout]").await;
        browser.heading("You are signed out").await;
    }
    browser.http.delete(&browser.session).send().await.unwrap();
}

/// The page's script, in a real browser with a virtual authenticator (WebDriver, WebAuthn Level 3, 11): a passkey is offered after a
/// password, made, and then signs in without a name. A browser that may not use it leaves the other ways open.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_made_and_signs_in_without_a_name_in_chromium() {
    let Some((_programs, browser, account, directory)) = at_account("passkey", server_on_localhost).await else { return };
    let virtual_one = |consents: bool| {
        json!({ "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
                "isUserConsenting": consents, "isUserVerified": true })
    };
    let key = browser.command("/webauthn/authenticator", virtual_one(true)).await.as_str().unwrap().to_owned();
    browser.command("/url", json!({ "url": account })).await;
    browser.heading("Sign in").await;
    browser.keys("alice\u{e004}").await;
    browser.keys("open sesame, please\u{e007}").await;
    browser.heading("Sign in faster next time?").await;
    browser.fits().await;
    browser.picture("passkey-offer").await;
    browser.click("button[value=passkey]").await;
    browser.heading("Your account").await;
    browser.find("button[value^='remove_passkey:']").await;
    browser.picture("passkey-account").await;
    let made = browser.look(&format!("/webauthn/authenticator/{key}/credentials")).await;
    assert_eq!(made.as_array().map(Vec::len), Some(1), "{made}");
    assert_eq!((&made[0]["rpId"], &made[0]["isResidentCredential"]), (&json!("localhost"), &json!(true)));

    // Nobody is known any more: the browser offers the passkey by itself, and this one says yes.
    browser.http.delete(format!("{}/cookie", browser.session)).send().await.unwrap();
    browser.command("/url", json!({ "url": account })).await;
    browser.heading("Your account").await;

    // Somebody who has no passkey for this page presses the button: the page says so, and the password still works.
    browser.http.delete(format!("{}/webauthn/authenticator/{key}", browser.session)).send().await.unwrap();
    browser.command("/webauthn/authenticator", virtual_one(true)).await;
    browser.http.delete(format!("{}/cookie", browser.session)).send().await.unwrap();
    browser.command("/url", json!({ "url": account })).await;
    browser.heading("Sign in").await;
    browser.click("button[value=passkey]").await;
    let mut said = String::new();
    for _ in 0..100 {
        said = browser.text("#passkey").await;
        if said.contains("did not work out") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(said.contains("did not work out"), "{said}");
    browser.picture("passkey-none").await;
    browser.click("input[name=username]").await;
    browser.keys("alice\u{e004}").await;
    browser.keys("open sesame, please\u{e007}").await;
    browser.heading("Your account").await;
    browser.http.delete(&browser.session).send().await.unwrap();
    let _ = std::fs::remove_dir_all(&directory);
}

/// The ways back into an app, for a server on this machine.
const WAYS_BACK: &str = r#"
[client.handed-over]
kind = "native"
owner = "shop"
name = "Example Shop"
first_party = true
require_consent = true
redirect_uris = ["https://links.shop.test/callback", "com.example.shop:/callback", "http://127.0.0.1/callback", "http://[::1]/callback"]
[client.handed-over.app]
ios = ["ABCDE12345.com.example.shop"]
[client.handed-over.app.android."com.example.shop"]
play = "14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5"
[client.handed-over.continue]
host = "go.signin.test:PORT"
app_page = "https://shop.test/app"
[host."go.signin.test:PORT"]
owner = "shop"
continue_page = true
[client.site]
kind = "web"
name = "Example Shop"
first_party = true
require_consent = true
redirect_uris = ["https://other.shop.test/callback", "https://other.shop.test:SITE/callback"]
"#;

/// What a phone with Chrome says of itself.
const ANDROID: &str =
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";

/// Signs in, or goes on with the session, and agrees.
async fn agrees(browser: &Driver, issuer: &str, (client, redirect_uri): (&str, &str)) {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", client), ("response_type", "code"), ("scope", "openid"), ("redirect_uri", redirect_uri)])
        .extend_pairs([("code_challenge", challenge), ("code_challenge_method", "S256"), ("state", "s-1")])
        .finish();
    browser.command("/url", json!({ "url": format!("{issuer}/authorize?{query}") })).await;
    if browser.text("h1").await == "Sign in" {
        browser.click("input[name=username]").await;
        browser.keys("alice\u{e004}").await;
        browser.keys("open sesame, please\u{e007}").await;
    }
    browser.heading("Allow Example Shop?").await;
    browser.click("button.primary").await;
}

async fn onward(browser: &Driver) -> String {
    let id = browser.find("#onward").await;
    browser.look(&format!("/element/{id}/attribute/href")).await.as_str().unwrap_or_default().to_owned()
}

/// One request at a loopback address, as an app on this computer takes it.
fn loopback(address: &str) -> (u16, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind(format!("{address}:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let taking = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        line
    });
    (port, taking)
}

/// L-02: Chrome on Android, as far as its name goes: after a form, each kind of redirect reaches its link, also by a site that leads on to the
/// app itself. The pages in between fit a phone.
#[tokio::test(flavor = "multi_thread")]
async fn each_way_back_into_an_app_is_handed_over_in_chromium() {
    let site = leaving::site().await;
    let ways_back = WAYS_BACK.replace("SITE", &site.to_string());
    let start = move |at: &std::path::Path| server_with(at, "[\"password\"]", &ways_back);
    let Some((_programs, browser, account, directory)) = at_account("handover", start).await else { return };
    let issuer = account.trim_end_matches("/account").to_owned();
    let on_a_phone = async || {
        let agent = json!({ "cmd": "Emulation.setUserAgentOverride", "params": { "userAgent": ANDROID } });
        browser.command("/goog/cdp/execute", agent).await;
        browser.dress(390, 844, "light").await;
    };
    on_a_phone().await;
    for address in ["127.0.0.1", "[::1]"] {
        let (port, taking) = loopback(address);
        agrees(&browser, &issuer, ("handed-over", &format!("http://{address}:{port}/callback"))).await;
        let line = tokio::task::spawn_blocking(move || taking.join().unwrap()).await.unwrap();
        assert!(line.starts_with("GET /callback?code=") && line.contains("state=s-1"), "{address}: {line}");
    }
    // Of another host, without a page in between.
    agrees(&browser, &issuer, ("site", "https://other.shop.test/callback")).await;
    let left = browser.leads_to("https://other.shop.test/callback?code=").await;
    assert_eq!(browser.look("/url").await, *left);
    leaving::by_whom(&browser, &issuer, site).await;
    agrees(&browser, &issuer, ("handed-over", "https://links.shop.test/callback")).await;
    browser.heading("Continue in Example Shop").await;
    let link = onward(&browser).await;
    assert!(link.starts_with("intent://links.shop.test/callback?code="), "{link}");
    let (_, intent) = link.split_once("#Intent;").unwrap();
    assert!(intent.starts_with("scheme=https;package=com.example.shop;") && !intent.contains("code="), "{link}");
    for (theme, width) in [("light", 390), ("dark", 390), ("light", 1280), ("dark", 1280)] {
        browser.dress(width, 844, theme).await;
        browser.fits().await;
        browser.picture(&format!("handover-continue-{theme}-{width}")).await;
    }
    // By keyboard: the button has the focus.
    let active = browser.look("/element/active").await[ELEMENT].as_str().unwrap().to_owned();
    assert_eq!(browser.look(&format!("/element/{active}/attribute/id")).await, "onward");
    browser.keys("\u{e007}").await;
    assert_eq!(browser.leads_to("intent://").await, link);

    // Elsewhere than on Android the button is the link itself. A desktop has a picture of the app's page too.
    browser.new_tab().await;
    agrees(&browser, &issuer, ("handed-over", "https://links.shop.test/callback")).await;
    browser.heading("Continue in Example Shop").await;
    browser.find("img.qr").await;
    browser.fits().await;
    browser.picture("handover-continue-desk").await;
    let link = onward(&browser).await;
    browser.click("#onward").await;
    assert!(link.starts_with("https://links.shop.test/callback?code=") && browser.goes_by_a_gesture(&link).await, "{link}");

    // The scheme: the page leads there by itself, and its link does so again. The browser asks whether it may open another program, and
    // takes no click until then.
    browser.new_tab().await;
    on_a_phone().await;
    agrees(&browser, &issuer, ("handed-over", "com.example.shop:/callback")).await;
    browser.heading("You are done here").await;
    let link = onward(&browser).await;
    assert!(link.starts_with("com.example.shop:/callback?code=") && link.contains("state=s-1"), "{link}");
    assert_eq!(browser.leads_to("com.example.shop:").await, link);
    browser.script("document.getElementById('onward').click()").await;
    assert_eq!(browser.leads_to("com.example.shop:").await, link);
    browser.fits().await;
    browser.picture("handover-scheme").await;

    browser.new_tab().await;
    on_a_phone().await;
    leaving::through_a_site(&browser, &issuer, site).await;
    browser.http.delete(&browser.session).send().await.unwrap();
    let _ = std::fs::remove_dir_all(&directory);
}
