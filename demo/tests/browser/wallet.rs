//! The Digital Credentials API in Chromium.

use crate::driver::{Driver, at_account, server_with};
use serde_json::{Value, json};
use std::time::Duration;
use symbolon_phone::wallet::issuer::{CredentialIssuer, Terms, certify};
use symbolon_phone::wallet::{Asked, Held, Wallet};

/// What stands in the place of the browser's own call: the test answers it. `userAgentAllowsProtocol` is what the page asks first.
const STUB: &str = r#"
Object.defineProperty(window, "DigitalCredential", { configurable: true, value: KNOWN });
window.asked = null;
navigator.credentials.get = (options) => new Promise((resolve, reject) => {
  window.asked = JSON.stringify(options);
  window.answer = (protocol, data) => resolve({ protocol, data });
  window.refuse = (name) => reject(new DOMException("", name));
});
"#;
const KNOWN: &str = r#"class { static userAgentAllowsProtocol(protocol) { return protocol === "openid4vp-v1-signed"; } }"#;

/// A wallet with a credential, and the server's tables for it. Their files are in this directory.
fn wallet_and_tables(directory: &std::path::Path) -> (Wallet, String) {
    std::fs::create_dir_all(directory).unwrap();
    let (issuer, verifier) = (CredentialIssuer::new("Utopia").unwrap(), certify("Registrar", &["login.test"], None).unwrap());
    for (name, text) in [("utopia.pem", &issuer.root_pem), ("verifier.pem", &verifier.leaf_pem), ("verifier.key", &verifier.key_pem)] {
        std::fs::write(directory.join(name), text).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(directory.join(name), private).unwrap();
    }
    let mut wallet = Wallet::new(&verifier.root_der).unwrap();
    let terms = Terms {
        kind: "urn:utopia:pid:1".to_owned(),
        namespace: String::new(),
        holder: wallet.holder().clone(),
        now_s: now_s() - 60,
        lifetime_s: 3600,
        status: None,
    };
    let says = json!({ "personal_administrative_number": "UT-42" });
    let text = issuer.sd_jwt(&terms, says.as_object().unwrap()).unwrap();
    wallet.held = vec![Held::SdJwt { vct: terms.kind, text }];
    let at = directory.display();
    let tables = format!(
        "[wallet.pid]\nlabel = \"ID wallet\"\npurpose = \"To know you again.\"\ncertificates = '{at}/verifier.pem'\n\
         key = {{ file = '{at}/verifier.key' }}\naccount_claim = \"pid/personal_administrative_number\"\n\
         account_claim_is_unique = true\naccounts = \"create\"\n\
         [wallet.pid.credential.pid]\nformat = \"dc+sd-jwt\"\ntypes = [\"urn:utopia:pid:1\"]\n\
         claims = [\"personal_administrative_number\"]\n\
         [wallet.pid.issuer.utopia]\nname = \"https://pid.utopia.example\"\nanchors = ['{at}/utopia.pem']\n"
    );
    (wallet, tables)
}

fn now_s() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The page as a browser shows it whose wallets are `known`, with nobody signed in.
async fn wallet_page(browser: &Driver, account: &str, known: &str) {
    let script = json!({ "source": STUB.replace("KNOWN", known) });
    browser.command("/goog/cdp/execute", json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": script })).await;
    browser.http.delete(format!("{}/cookie", browser.session)).send().await.unwrap();
    browser.command("/url", json!({ "url": account })).await;
    browser.heading("Sign in with ID wallet").await;
}

async fn run_script(browser: &Driver, script: &str, args: Value) -> Value {
    browser.command("/execute/sync", json!({ "script": script, "args": args })).await
}

/// Presses the button, and gives what the page's script asked of the browser.
async fn asks(browser: &Driver) -> Value {
    browser.click("button[value=show_credential]").await;
    for _ in 0..50 {
        if let Some(asked) = run_script(browser, "return window.asked", json!([])).await.as_str() {
            return serde_json::from_str(asked).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the page asked the browser for nothing");
}

/// V-15: the Digital Credentials API, with a stub in the place of the browser's call that answers as a wallet does. What is tried is our
/// script, the page and the server; no browser's own wallet is.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_s_credential_is_shown_in_the_page_in_chromium() {
    let files = std::env::temp_dir().join(format!("symbolon-dc-api-{}.wallet", std::process::id()));
    let (wallet, tables) = wallet_and_tables(&files);
    let start = move |at: &std::path::Path| server_with(at, "[\"wallet:pid\", \"password\"]", &tables);
    let Some((_programs, browser, account, directory)) = at_account("dc-api", start).await else { return };
    let origin = account.trim_end_matches("/account");
    // Browsers give `data` as an object; some gave text.
    for data in ["arguments[1]", "JSON.stringify(arguments[1])"] {
        wallet_page(&browser, &account, KNOWN).await;
        browser.fits().await;
        let call = asks(&browser).await;
        assert_eq!((&call["mediation"], &call["digital"]["requests"][0]["protocol"]), (&json!("required"), &json!("openid4vp-v1-signed")));
        let shown = wallet.answer_call(&wallet.read_call(&call["digital"], origin, now_s()).unwrap()).unwrap();
        run_script(&browser, &format!("window.answer(arguments[0], {data})"), json!([shown["protocol"], shown["data"]])).await;
        browser.heading("Your account").await;
    }
    // What was made for another page is refused, in words, and the page goes on.
    wallet_page(&browser, &account, KNOWN).await;
    let call = asks(&browser).await;
    let asked = wallet.read_call(&call["digital"], origin, now_s()).unwrap();
    let foreign = Asked { origin: Some("https://evil.example".to_owned()), ..asked };
    let shown = wallet.answer_call(&foreign).unwrap();
    run_script(&browser, "window.answer(arguments[0], arguments[1])", json!([shown["protocol"], shown["data"]])).await;
    assert!(browser.text("[role=alert]").await.contains("nobody was signed in"));
    // A person who says no, and a browser that cannot: the line says so without a reload, and the link is there.
    for (name, words) in [("NotAllowedError", "did not work out"), ("NetworkError", "could not do that here")] {
        wallet_page(&browser, &account, KNOWN).await;
        asks(&browser).await;
        run_script(&browser, "window.refuse(arguments[0])", json!([name])).await;
        for _ in 0..50 {
            if browser.text("#credential").await.contains(words) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(browser.text("#credential").await.contains(words), "{name}: {}", browser.text("#credential").await);
        browser.find("button[value=go]").await;
    }
    browser.picture("wallet-page").await;
    // No dead button: a browser without the API, with an older form of it, and with another protocol.
    let older = "class {}";
    let other = "class { static userAgentAllowsProtocol(protocol) { return protocol === \"org-iso-mdoc\"; } }";
    for known in ["undefined", older, other] {
        wallet_page(&browser, &account, known).await;
        let hidden = run_script(&browser, "return document.querySelector('button[value=show_credential]').hidden", json!([])).await;
        assert_eq!(hidden, true, "{known}");
        browser.find("button[value=go]").await;
    }
    browser.http.delete(&browser.session).send().await.unwrap();
    for gone in [&directory, &files] {
        let _ = std::fs::remove_dir_all(gone);
    }
}
