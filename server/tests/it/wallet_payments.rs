//! `transaction_data`: a wallet signs what a person agrees to, and its proof counts for that alone (OpenID4VP 1.0, 8.4; RFC 9396).

use crate::wallets::{CREATE, Outside, leave, now_s};
use crate::world::passkeys::operation;
use crate::world::{Ask, Browser, Engine, NATIVE_BACK, Page, World, claims, engines};
use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_phone::wallet::{Asked, Wallet};

const PAYMENTS: &str = "https://api.example.com/payments";
const TYPE: &str = "urn:bank.example:payment";

async fn world(outside: &Outside, engine: Engine) -> World {
    let payments = format!(
        "[api.payments]\naudience = \"{PAYMENTS}\"\n[api.payments.authorization_details.payment]\ntext = \"Pay once\"\n\
         schema = {{ properties = {{ amount = {{ type = \"string\" }} }} }}\n"
    );
    let more = format!("{CREATE}transaction_type = \"{TYPE}\"\n");
    let configured = outside.configured(engine, &more).await.with(&payments).set("login.default.require", vec!["wallet:pid"]);
    configured.set("client.shop-ios.authorization_details_types", vec!["payment"]).start().await
}

fn pay(amount: &str) -> Ask {
    let details = json!([{ "type": "payment", "amount": amount }]);
    Ask::native("openid").with("authorization_details", &details.to_string())
}

/// To the wallet and back.
async fn shown(world: &World, wallet: &Wallet, browser: &mut Browser, ask: &Ask) -> (Asked, Page) {
    let page = browser.open(world, ask).await;
    let page = browser.submit(world, &page, &[], "go").await;
    let link = page.location.clone().unwrap_or_else(|| panic!("the browser does not leave: {}", page.html));
    let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
    let back = wallet.answer(&world.http, &asked).await.unwrap();
    (asked, browser.get(world, &back).await)
}

fn item(asked: &Asked) -> Json {
    assert_eq!(asked.transaction_data.len(), 1, "{asked:?}");
    serde_json::from_slice(&base64url::decode(&asked.transaction_data[0]).unwrap()).unwrap()
}

/// V-21: the wallet gets the details whole, and signs them. The page shows them as well, and the token has them.
#[tokio::test]
async fn a_payment_is_shown_and_signed_in_the_wallet() {
    for engine in engines() {
        let outside = Outside::new();
        let world = world(&outside, engine).await;
        let mut wallet = outside.wallet_of("AA-1");
        let (mut browser, ask) = (Browser::default(), pay("12.50"));
        let page = browser.open(&world, &ask).await;
        assert!(page.says("signs that"), "{}", page.text());
        let (asked, page) = shown(&world, &wallet, &mut browser, &ask).await;
        let says = item(&asked);
        assert_eq!((&says["type"], &says["credential_ids"]), (&json!(TYPE), &json!(["pid"])));
        assert_eq!(says["authorization_details"], json!([{ "type": "payment", "amount": "12.50" }]));
        assert!(page.says("Pay once") && page.says("12.50"), "{}", page.html);
        let done = browser.submit(&world, &page, &[], "allow").await;
        let code = done.code();
        let form = [
            ("client_id", "shop-ios"),
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("code_verifier", ask.verifier.as_str()),
            ("redirect_uri", NATIVE_BACK),
            ("resource", PAYMENTS),
        ];
        let (status, tokens) = world.post("/token", &form, None).await;
        assert_eq!((status, &tokens["authorization_details"]), (200, &says["authorization_details"]), "{tokens}");
        // A wallet that shows the credential and signs nothing, or something else.
        let bends: [fn(&mut Asked); 2] = [
            |asked| asked.transaction_data.clear(),
            |asked| {
                let other =
                    json!({ "type": TYPE, "credential_ids": ["pid"], "authorization_details": [{ "type": "payment", "amount": "1" }] });
                asked.transaction_data = vec![base64url::encode(other.to_string().as_bytes())];
            },
        ];
        for bend in bends {
            wallet.bend = Some(bend);
            let (_, refused) = shown(&world, &wallet, &mut Browser::default(), &pay("12.50")).await;
            assert!(!refused.says("Pay once") && refused.says("That did not work"), "{}", refused.html);
        }
        let refused = world.entries("wallet_refused").await;
        assert!(refused.len() == 2 && refused.iter().all(|it| it.to_string().contains("transaction_data")), "{refused:?}");
        wallet.bend = None;
        let (_, good) = shown(&world, &wallet, &mut Browser::default(), &pay("12.50")).await;
        assert!(good.says("Pay once"), "the twin: {}", good.html);
        world.stop().await;
    }
}

/// Whoever is signed in has signed no payment yet, and one payment's signature is not another one's.
#[tokio::test]
async fn a_proof_counts_for_the_payment_that_it_has_signed() {
    for engine in engines() {
        let outside = Outside::new();
        let world = world(&outside, engine).await;
        let wallet = outside.wallet_of("AA-1");
        let (mut browser, plain) = (Browser::default(), Ask::native("openid"));
        let (asked, done) = shown(&world, &wallet, &mut browser, &plain).await;
        assert!(asked.transaction_data.is_empty() && done.has_code(), "{}", done.html);
        assert!(browser.open(&world, &plain).await.has_code(), "signed in already: the twin");
        let page = browser.open(&world, &pay("12.50")).await;
        assert!(page.action("go") && !page.says("Pay once"), "the wallet is asked: {}", page.html);
        let (_, page) = shown(&world, &wallet, &mut browser, &pay("12.50")).await;
        assert!(browser.submit(&world, &page, &[], "allow").await.has_code(), "{}", page.html);
        let page = browser.open(&world, &pay("12.51")).await;
        assert!(page.action("go") && !page.says("Pay once"), "another payment: {}", page.html);
        // Somebody else's wallet cannot sign for the person who is signed in.
        let (_, refused) = shown(&world, &outside.wallet_of("AA-2"), &mut browser, &pay("12.51")).await;
        assert!(!refused.says("Pay once") && !refused.has_code(), "{}", refused.html);
        world.stop().await;
    }
}

/// The same by the platform, in the page.
#[tokio::test]
async fn a_payment_is_signed_by_the_platform_s_wallet_too() {
    let outside = Outside::new();
    let world = world(&outside, Engine::Sqlite).await;
    let mut wallet = outside.wallet_of("AA-1");
    let mut browser = Browser::default();
    let page = browser.open(&world, &pay("3.00")).await;
    let asked = wallet.read_call(&operation(&page)["options"], &world.issuer, now_s()).unwrap();
    assert_eq!(item(&asked)["authorization_details"][0]["amount"], "3.00");
    wallet.bend = Some(|asked| asked.transaction_data.clear());
    let document = wallet.answer_call(&asked).unwrap().to_string();
    let refused = browser.submit(&world, &page, &[("credential", &document)], "show_credential").await;
    assert!(refused.says("That did not work"), "{}", refused.html);
    wallet.bend = None;
    let asked = wallet.read_call(&operation(&refused)["options"], &world.issuer, now_s()).unwrap();
    let document = wallet.answer_call(&asked).unwrap().to_string();
    let page = browser.submit(&world, &refused, &[("credential", &document)], "show_credential").await;
    assert!(page.says("Pay once"), "the twin: {}", page.html);
    world.stop().await;
}

/// What its proof is worth, the configuration says.
#[tokio::test]
async fn the_worth_of_a_wallet_s_proof_is_configured() {
    let outside = Outside::new();
    let more = format!("{CREATE}amr = \"hwk\"\nfactor = \"possession\"\nlinking = \"off\"\n");
    let world = outside.configured(Engine::Sqlite, &more).await.start().await;
    let (mut browser, ask) = (Browser::default(), crate::wallets::ask());
    let link = leave(&world, &mut browser, &ask).await;
    let wallet = outside.wallet_of("AA-1");
    let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
    let page = browser.get(&world, &wallet.answer(&world.http, &asked).await.unwrap()).await;
    let (_, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["amr"], json!(["hwk"]), "{tokens}");
    world.stop().await;
    for bad in ["mfa", "", "a b"] {
        let table = outside.table(&format!("amr = \"{bad}\"\n"));
        let error = crate::world::Configuration::to_read().with(&table).read().unwrap_err();
        assert!(error.contains("amr is a word"), "{bad}: {error}");
    }
    let payment = outside.table("transaction_type = \"a b\"\n");
    assert!(crate::world::Configuration::to_read().with(&payment).read().unwrap_err().contains("transaction_type"));
}
