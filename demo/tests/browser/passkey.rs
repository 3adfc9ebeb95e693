//! The page's script for passkeys where the platform fails: a stub throws each kind of failure. And a passkey is made by keyboard alone.

use crate::driver::{Driver, at_account, server_on_localhost};
use serde_json::{Value, json};
use std::time::Duration;

/// A platform that answers nothing, until a test says with which error it fails. It keeps what it was asked.
const STUB: &str = r#"
window.calls = [];
const stub = (kind) => (asked) => {
  window.calls.push(`${kind} ${asked.mediation ?? "modal"}`);
  const name = asked.mediation === "conditional" ? window.rejectsOffer : window.fails;
  if (name === "Error") return Promise.reject(new Error("kaputt"));
  if (name) return Promise.reject(new DOMException("The operation either timed out or was not allowed.", name));
  return new Promise((_, no) => asked.signal.addEventListener("abort", () => no(new DOMException("", "AbortError"))));
};
navigator.credentials.get = stub("get");
navigator.credentials.create = stub("create");
PublicKeyCredential.isConditionalMediationAvailable = async () => true;
PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: true });
"#;

/// Errors of WebAuthn Level 3, 5.1.3 and 5.1.4, what else a browser may throw, and what the page then says.
const FAILURES: [(&str, &str); 9] = [
    ("NotAllowedError", "cancelled"),
    ("AbortError", "cancelled"),
    ("TimeoutError", "cancelled"),
    ("SecurityError", "failed"),
    ("NotSupportedError", "failed"),
    ("ConstraintError", "failed"),
    ("UnknownError", "failed"),
    ("Error", "failed"),
    ("NobodyKnowsThisError", "failed"),
];

async fn cdp(browser: &Driver, command: &str, params: Value) {
    browser.command("/goog/cdp/execute", json!({ "cmd": command, "params": params })).await;
}

/// Presses the button, and reads what the page says when the platform failed.
async fn said(browser: &Driver, error: &str) -> String {
    browser.script(&format!("window.fails = '{error}'")).await;
    browser.click("button[value=passkey]").await;
    for _ in 0..50 {
        let text = browser.text("#passkey").await;
        let waits = browser.script("return document.getElementById('passkey').dataset.waiting").await;
        if !text.is_empty() && text != waits {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the page says nothing about {error}");
}

/// W-27: each failure has its text by the name of the error, in the page's language and never in the browser's words. It is no alarm, and the
/// other ways stand.
async fn every_failure_is_said_calmly(browser: &Driver, there: &str) {
    for (error, kind) in FAILURES.into_iter().chain([("InvalidStateError", there)]) {
        let wanted = browser.script(&format!("return document.getElementById('passkey').dataset.{kind}")).await;
        assert_eq!(said(browser, error).await, wanted.as_str().unwrap(), "{error}");
        let alarms = "return document.querySelectorAll('[role=alert]').length";
        assert_eq!(browser.script(alarms).await, 0, "{error}");
    }
}

/// What the page asked of the platform so far.
async fn calls(browser: &Driver) -> Value {
    tokio::time::sleep(Duration::from_millis(300)).await;
    browser.script("return window.calls").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_throws_is_said_in_our_words_in_chromium() {
    let Some((_programs, browser, account, directory)) = at_account("failures", server_on_localhost).await else { return };
    cdp(&browser, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": STUB })).await;
    cdp(&browser, "Network.enable", json!({})).await;
    let mut texts = Vec::new();
    for language in ["en", "de"] {
        cdp(&browser, "Network.setExtraHTTPHeaders", json!({ "headers": { "Accept-Language": language } })).await;
        browser.command("/url", json!({ "url": account })).await;
        assert_eq!(browser.script("return document.documentElement.lang").await, language);
        // W-34: the live region is there before anything is said in it.
        assert_eq!(browser.script("return document.getElementById('passkey').getAttribute('role')").await, "status");
        assert_eq!(
            (browser.text("#passkey").await, calls(&browser).await),
            (String::new(), json!(["get conditional"])),
            "no window by itself"
        );
        every_failure_is_said_calmly(&browser, "failed").await;
        browser.find("button[value=continue]").await;
        texts.push(said(&browser, "NotAllowedError").await);
    }
    assert_ne!(texts[0], texts[1]);
    // A wrong password opens no window either. The mistake is at its field, and the field has the focus.
    browser.click("input[name=username]").await;
    browser.keys("alice\u{e004}").await;
    browser.keys("not the password\u{e007}").await;
    browser.find("[role=alert]#problem").await;
    assert_eq!(calls(&browser).await, json!(["get conditional"]));
    let active =
        "const it = document.activeElement; return [it.name, it.getAttribute('aria-describedby'), it.getAttribute('aria-invalid')]";
    assert_eq!(browser.script(active).await, json!(["password", "problem", "true"]));
    // W-26: a browser that turns the offer down at once: no text, and the page stands.
    cdp(&browser, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": "window.rejectsOffer = 'NotAllowedError'" })).await;
    browser.command("/url", json!({ "url": account })).await;
    browser.script("window.same = true").await;
    assert_eq!((calls(&browser).await, browser.text("#passkey").await), (json!(["get conditional"]), String::new()));
    assert_eq!(browser.script("return window.same").await, true, "nothing led away");
    // Where a passkey is made: the offer after a sign-in is quiet, and the page of the account waits for the button.
    browser.keys("alice\u{e004}").await;
    browser.keys("open sesame, please\u{e007}").await;
    browser.find("main[data-page=offer_passkey]").await;
    assert_eq!(calls(&browser).await, json!(["create conditional"]));
    every_failure_is_said_calmly(&browser, "there").await;
    let asked = calls(&browser).await;
    let quiet = asked.as_array().unwrap().iter().filter(|call| **call == "create conditional").count();
    assert_eq!(quiet, 1, "after a refusal nothing is made quietly: {asked}");
    browser.click("button[value=not_now]").await;
    browser.click("button[value=add_passkey]").await;
    browser.find("main[data-page=enrol_passkey]").await;
    assert_eq!(calls(&browser).await, json!([]));
    every_failure_is_said_calmly(&browser, "there").await;
    browser.http.delete(&browser.session).send().await.unwrap();
    let _ = std::fs::remove_dir_all(&directory);
}

/// Tab until this button has the focus, then Enter.
async fn press(browser: &Driver, button: &str) {
    for _ in 0..20 {
        if browser.script("return document.activeElement.value ?? ''").await == button {
            browser.keys("\u{e007}").await;
            return;
        }
        browser.keys("\u{e004}").await;
    }
    panic!("no Tab leads to the button {button}");
}

/// W-34: a passkey is made, and signs in, with the keyboard alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_made_by_keyboard_alone_in_chromium() {
    let Some((_programs, browser, account, directory)) = at_account("keyboard", server_on_localhost).await else { return };
    let platform = json!({ "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
                           "isUserConsenting": true, "isUserVerified": true });
    browser.command("/webauthn/authenticator", platform).await;
    browser.command("/url", json!({ "url": account })).await;
    browser.heading("Sign in").await;
    browser.keys("alice\u{e004}").await;
    browser.keys("open sesame, please\u{e007}").await;
    browser.heading("Sign in faster next time?").await;
    press(&browser, "passkey").await;
    browser.heading("Your account").await;
    browser.find("button[value^='remove_passkey:']").await;
    browser.http.delete(&browser.session).send().await.unwrap();
    let _ = std::fs::remove_dir_all(&directory);
}
