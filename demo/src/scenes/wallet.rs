//! A digital wallet: a youth who buys no wine, a customer whom the shop knows again, on the same device and with another one, and thieves
//! with a link and with a code of their own.

use super::Scene;
use crate::stage::{Stage, claims, text};
use crate::utopia::shown;
use crate::world::now_ms;
use std::sync::Arc;
use symbolon_phone::Trouble;
use symbolon_phone::app::{App, Pending};
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::wallet::Wallet;

pub const SCENE: Scene = Scene {
    name: "wallet",
    about: "a digital wallet says who somebody is: a youth buys no wine, a customer is known again, a thief's link is void",
    in_story: false,
    config: CONFIG,
    acts: |stage| Box::pin(acts(stage)),
};

const CONFIG: &str = r#"
# Wine is sold to people whose wallet shows that they are over 18.
[wallet.pid]
label = "your ID wallet"
purpose = "Wine is sold to people over 18. Your number lets you find your orders again."
certificates = "verifier.pem"
key = { file = "verifier.key" }
account_claim = "pid/personal_administrative_number"
account_claim_is_unique = true
accounts = "create"
[wallet.pid.credential.pid]
format = "dc+sd-jwt"
types = ["urn:utopia:pid:1"]
claims = ["personal_administrative_number", "age_over_18"]
values = { age_over_18 = [true] }
[wallet.pid.issuer.utopia]
name = "https://pid.utopia.example"
anchors = ["utopia.pem"]
[login.wine]
require = ["wallet:pid"]
acr = "urn:example:over-18"
wallet_on_other_device = true
[client.shop-wine]
kind = "native"
name = "Example Wine"
first_party = true
login = "wine"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback-wine"]
"#;

const CLIENT: &str = "shop-wine";
const BACK: &str = "https://app.example.com/callback-wine";
const WALLET: &str = "openid4vp://";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    youth(stage).await?;
    let first = customer(stage, "The customer's wallet shows a credential, and the app calls the API").await?;
    let again = customer(stage, "The same customer comes back with a new phone, a new wallet and a new credential").await?;
    stage.act("It is the same account", first == again, "The key is Utopia's name and the number. Only a MAC of it is stored.");
    in_the_browser(stage).await?;
    on_another_device(stage).await?;
    thief(stage).await?;
    thief_with_a_code(stage).await
}

/// To the wallet, from a new browser.
async fn leave(app: &App, browser: &mut Browser) -> Result<(Pending, String), Trouble> {
    let pending = app.push("openid orders:read").await?;
    let link = browser.visit(&app.net.http, &pending.address, WALLET, &Person::default()).await;
    app.net.add_browsed(browser.take_log());
    Ok((pending, link?))
}

/// The wallet reads the request and answers it. Where the browser goes on, and which claims it has shown.
async fn show(app: &App, wallet: &Wallet, link: &str) -> Result<(String, Vec<String>), Trouble> {
    let asked = wallet.read(&app.net.http, link, now_ms() / 1000).await?;
    let seen = shown(&wallet.token(&asked)?);
    Ok((wallet.answer(&app.net.http, &asked).await?, seen))
}

async fn youth(stage: &mut Stage) -> Result<(), Trouble> {
    let wallet = stage.world.utopia.wallet_of("UT-17", "Ben", false)?;
    let app = stage.app(CLIENT, BACK).await?;
    let mut browser = Browser::default();
    let (_, link) = leave(&app, &mut browser).await?;
    let (back, seen) = show(&app, &wallet, &link).await?;
    let gives_up = Person { buttons: vec!["cancel"], ..Person::default() };
    let back = browser.visit(&app.net.http, &back, BACK, &gives_up).await?;
    app.net.add_browsed(browser.take_log());
    stage.act_with(
        "Ben is 17. His wallet is real, his credential is real, and it says so",
        &[format!("his wallet shows: {}", seen.join(", ")), format!("the app hears: {}", back.split('?').nth(1).unwrap_or_default())],
        back.contains("error=access_denied") && !back.contains("code="),
        "The shop asks for age_over_18 = true. A wallet may send something else all the same, so the server compares.",
    );
    Ok(())
}

/// Signs Ana in. Answers the `sub` of her token.
async fn customer(stage: &mut Stage, title: &str) -> Result<String, Trouble> {
    let wallet = stage.world.utopia.wallet_of("UT-42", "Ana", true)?;
    let app = stage.app(CLIENT, BACK).await?;
    let mut browser = Browser::default();
    let (pending, link) = leave(&app, &mut browser).await?;
    let (back, seen) = show(&app, &wallet, &link).await?;
    let back = browser.visit(&app.net.http, &back, BACK, &Person::default()).await?;
    app.net.add_browsed(browser.take_log());
    let (_, tokens) = app.exchange(&code(&back), &pending.verifier).await?;
    let access = text(&tokens, "access_token");
    let (status, _) = app.call(&stage.world.url("/orders"), Some(&access)).await?;
    let told = claims(&access);
    let sub = told.iter().find(|line| line.starts_with("sub")).cloned().unwrap_or_default();
    let hidden = ["UT-42", "Ana", "Amaurot"].iter().all(|word| !tokens.to_string().contains(word) && !told.join(" ").contains(word));
    let pages = format!("pages in the browser: {}", browser.seen.join(", "));
    let lines: Vec<String> = told.into_iter().filter(|line| line.starts_with("acr") || line.starts_with("sub")).collect();
    stage.act_with(
        title,
        &[&[pages, format!("her wallet shows: {}", seen.join(", "))][..], &lines].concat(),
        status == 200 && hidden && seen.len() == 2,
        "Her name and address stay in the wallet. The token is the shop's own, and has nothing of the credential in it.",
    );
    Ok(sub)
}

/// The same without leaving the page: the browser knows a wallet itself.
async fn in_the_browser(stage: &mut Stage) -> Result<(), Trouble> {
    let wallet = Arc::new(stage.world.utopia.wallet_of("UT-42", "Ana", true)?);
    let app = stage.app(CLIENT, BACK).await?;
    let pending = app.push("openid orders:read").await?;
    let mut browser = Browser::with_wallet(wallet);
    let presses = Person { buttons: vec!["show_credential"], ..Person::default() };
    let back = browser.visit(&app.net.http, &pending.address, BACK, &presses).await?;
    app.net.add_browsed(browser.take_log());
    let (status, _) = app.exchange(&code(&back), &pending.verifier).await?;
    stage.act(
        "Ana's browser knows her wallet itself, and shows the credential in the page",
        status == 200,
        "The request names the shop's own origin, and the answer is for it alone. Without a script the page has the link.",
    );
    Ok(())
}

/// She sits at a computer, and her wallet is on the phone.
async fn on_another_device(stage: &mut Stage) -> Result<(), Trouble> {
    let wallet = Arc::new(stage.world.utopia.wallet_of("UT-42", "Ana", true)?);
    let app = stage.app(CLIENT, BACK).await?;
    let pending = app.push("openid orders:read").await?;
    let mut browser = Browser::beside(wallet, true);
    let presses = Person { buttons: vec!["other_device"], ..Person::default() };
    let back = browser.visit(&app.net.http, &pending.address, BACK, &presses).await?;
    app.net.add_browsed(browser.take_log());
    let (status, _) = app.exchange(&code(&back), &pending.verifier).await?;
    let shown = browser.other_device.map(|other| other.shown).unwrap_or_default();
    stage.act_with(
        "Ana sits at a computer. Her phone scans the code there, and shows two digits that she types at the computer",
        &shown.iter().map(|line| format!("her phone: {line}")).collect::<Vec<_>>(),
        status == 200 && shown.first().is_some_and(|heading| heading.starts_with("Your number is")),
        "The answer counts where the number is typed. The policy has to allow it: `wallet_on_other_device`.",
    );
    Ok(())
}

/// Eve sends Ana a picture of her code.
async fn thief_with_a_code(stage: &mut Stage) -> Result<(), Trouble> {
    let wallet = Arc::new(stage.world.utopia.wallet_of("UT-42", "Ana", true)?);
    let app = stage.app(CLIENT, BACK).await?;
    let pending = app.push("openid orders:read").await?;
    let mut eve = Browser::beside(wallet, false);
    let presses = Person { buttons: vec!["other_device", "continue", "cancel"], ..Person::default() };
    let end = eve.visit(&app.net.http, &pending.address, BACK, &presses).await.unwrap_or_default();
    app.net.add_browsed(eve.take_log());
    stage.act(
        "Eve shows Ana a picture of Eve's own code. Ana scans it and agrees, and Eve guesses the number",
        !end.contains("code="),
        "One wrong number ends the code. With the right one Eve would be in, so Ana's phone says: tell nobody.",
    );
    Ok(())
}

fn code(back: &str) -> String {
    let url = url::Url::parse(back).ok();
    url.and_then(|it| it.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned())).unwrap_or_default()
}

async fn thief(stage: &mut Stage) -> Result<(), Trouble> {
    let wallet = stage.world.utopia.wallet_of("UT-42", "Ana", true)?;
    let app = stage.app(CLIENT, BACK).await?;
    let (mut eve, mut ana) = (Browser::default(), Browser::default());
    let (_, link) = leave(&app, &mut eve).await?;
    let (back, _) = show(&app, &wallet, &link).await?;
    let page = ana.visit(&app.net.http, &back, BACK, &Person::default()).await;
    let refused = page.is_err();
    app.net.add_browsed(ana.take_log());
    stage.act(
        "Eve begins a sign-in and mails its wallet link to Ana, who agrees in her wallet",
        refused,
        "The answer counts in the browser that began, and comes back to the one in Ana's hand. It is void from then on.",
    );
    let gives_up = Person { buttons: vec!["cancel"], ..Person::default() };
    let end = eve.visit(&app.net.http, &back, BACK, &gives_up).await.unwrap_or_default();
    app.net.add_browsed(eve.take_log());
    stage.act(
        "Eve gets hold of the return link as well",
        !end.contains("code="),
        "A code that another browser brought is good for nobody.",
    );
    Ok(())
}
