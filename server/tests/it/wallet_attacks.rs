//! What wallets, their owners and others can do wrong at a sign-in, one thing at a time.

use crate::wallets::{CREATE, Outside, VCT, ask, asked, consent, leave, now_s, pid, sign_in, terms};
use crate::world::{Browser, Engine, World, engines, parameters};
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_phone::wallet::issuer::{CredentialIssuer, Terms};
use symbolon_phone::wallet::{Asked, Held, Wallet};
use symbolon_wallet::jwe::Encryption;

/// Methods.md, V-12, HAIP 1.0 5.1: an answer is for the browser that began. In any other one it is void, for good.
#[tokio::test]
async fn an_answer_counts_in_the_browser_that_began_alone() {
    for engine in engines() {
        let outside = Outside::new();
        let world = outside.world(engine, CREATE).await;
        // Eve begins, and mails her link. Ana's wallet answers it, and Ana's browser goes on.
        let (mut eve, mut ana, ask) = (Browser::default(), Browser::default(), ask());
        let wallet = outside.wallet_of("AA-1");
        let link = asked(&world, &wallet, &mut eve, &ask).await;
        let back = wallet.answer(&world.http, &link).await.unwrap();
        let page = ana.get(&world, &back).await;
        assert!(page.status == 400 && !page.has_code(), "{} {}", page.status, page.html);
        // Eve has no code. Were she given it, it is void by now.
        let page = eve.get(&world, &back).await;
        assert!(!page.has_code() && page.kind() != "account", "{}", page.html);
        assert!(page.says("That did not work"), "{}", page.text());
        let refused = world.entries("wallet_refused").await;
        assert!(refused.iter().any(|it| it.to_string().contains("another browser")), "{refused:?}");
        // The twin: the same, and nobody else was there.
        let link = asked(&world, &wallet, &mut ana, &ask).await;
        let back = wallet.answer(&world.http, &link).await.unwrap();
        assert!(ana.get(&world, &back).await.has_code());
        world.stop().await;
    }
}

/// V-12: without the code there is no way on, whatever the wallet has posted.
#[tokio::test]
async fn without_its_code_an_answer_signs_nobody_in() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let wallet = outside.wallet_of("AA-1");
    for (what, bend) in [
        ("none", (|url: &str| url.split("&response_code").next().unwrap().to_owned()) as fn(&str) -> String),
        ("another", |url| format!("{}x", &url[..url.len() - 1])),
        ("two", |url| format!("{url}&response_code=x")),
    ] {
        let (mut browser, ask) = (Browser::default(), ask());
        let link = asked(&world, &wallet, &mut browser, &ask).await;
        let back = wallet.answer(&world.http, &link).await.unwrap();
        let page = browser.get(&world, &bend(&back)).await;
        assert!(!page.has_code(), "{what}: {}", page.html);
    }
    // A button of the page cannot say that somebody has come back.
    let (mut browser, ask) = (Browser::default(), ask());
    let link = leave(&world, &mut browser, &ask).await;
    let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
    let back = wallet.answer(&world.http, &asked).await.unwrap();
    let code = parameters(&back)["response_code"].clone();
    let page = consent(&world, &mut browser.clone(), &ask).await;
    let page = browser.submit(&world, &page, &[("response_code", &code)], "returned").await;
    assert!(!page.has_code(), "{}", page.html);
    assert!(sign_in(&world, &wallet, &mut Browser::default(), &ask).await.has_code());
    world.stop().await;
}

/// V-01: each part of the exchange that the holder signs.
#[tokio::test]
async fn a_presentation_for_another_exchange_is_refused() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let mut wallet = outside.wallet_of("AA-1");
    let bends: [(&str, &str, fn(&mut Asked)); 4] = [
        ("nonce", "holder_nonce", |it| it.nonce.push('x')),
        ("client_id", "holder_audience", |it| it.client_id = "x509_hash:other".to_owned()),
        ("old", "holder_time", |it| it.now_s -= 3600),
        ("future", "holder_time", |it| it.now_s += 3600),
    ];
    for (what, why, bend) in bends {
        wallet.bend = Some(bend);
        let page = sign_in(&world, &wallet, &mut Browser::default(), &ask()).await;
        assert!(!page.has_code() && page.says("That did not work"), "{what}: {}", page.html);
        let last = world.entries("wallet_refused").await;
        assert!(last.iter().any(|it| it.to_string().contains(why)), "{what}: {last:?}");
    }
    wallet.bend = None;
    assert!(sign_in(&world, &wallet, &mut Browser::default(), &ask()).await.has_code());
    // The credential of one person with the key of another one.
    wallet.key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let page = sign_in(&world, &wallet, &mut Browser::default(), &ask()).await;
    assert!(!page.has_code() && page.says("That did not work"), "{}", page.html);
    world.stop().await;
}

/// V-05, V-06, V-20: who has issued it, what is in it, and until when. The person reads what is wrong.
#[tokio::test]
async fn a_credential_that_is_not_good_is_refused_in_words() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let refused = async |wallet: &Wallet, words: &str| {
        let page = sign_in(&world, wallet, &mut Browser::default(), &ask()).await;
        assert!(!page.has_code() && page.says(words), "{words}: {}", page.text());
    };
    let stranger = CredentialIssuer::new("Utopia").unwrap();
    let mut wallet = outside.wallet();
    let text = stranger.sd_jwt(&terms(&wallet, VCT, None), &pid("AA-1")).unwrap();
    wallet.held = vec![Held::SdJwt { vct: VCT.to_owned(), text }];
    refused(&wallet, "from somebody whom this service does not trust").await;
    let late = Terms { lifetime_s: -120, ..terms(&wallet, VCT, None) };
    wallet.held = vec![Held::SdJwt { vct: VCT.to_owned(), text: outside.issuer.sd_jwt(&late, &pid("AA-1")).unwrap() }];
    refused(&wallet, "has expired").await;
    let mut less = pid("AA-1");
    less.remove("given_name");
    refused(&outside.wallet_with(&less, None), "does not show all that is asked").await;
    for nobody in [json!(""), json!(true), json!({ "a": 1 }), json!("x".repeat(256))] {
        let mut says = pid("AA-1");
        says["personal_administrative_number"] = nobody;
        refused(&outside.wallet_with(&says, None), "cannot sign you in").await;
    }
    let mut number = pid("");
    number["personal_administrative_number"] = json!(17);
    assert!(sign_in(&world, &outside.wallet_with(&number, None), &mut Browser::default(), &ask()).await.has_code());
    assert_eq!(world.audited("registered").await, 1, "nobody else has an account");
    world.stop().await;
}

/// V-12: whatever a wallet calls its no, the person is back at once and can go another way.
#[tokio::test]
async fn a_no_of_the_wallet_ends_its_step() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let wallet = outside.wallet_of("AA-1");
    for (name, sealed) in [("access_denied", true), ("user_said_no", true), ("access_denied", false)] {
        let (mut browser, ask) = (Browser::default(), ask());
        let asked = asked(&world, &wallet, &mut browser, &ask).await;
        let back = if sealed {
            wallet.send(&world.http, &asked, &json!({ "error": name })).await.unwrap()
        } else {
            for wrong in [&[("error", name)][..], &[("error", name), ("state", "other")], &[("error", ""), ("state", asked.state.as_str())]]
            {
                assert_eq!(post(&world, &asked, wrong).await.0, 400);
            }
            post(&world, &asked, &[("error", name), ("state", &asked.state)]).await.1["redirect_uri"].as_str().unwrap().to_owned()
        };
        let page = browser.get(&world, &back).await;
        assert!(page.says("You came back without signing in"), "{}", page.text());
        let page = browser.submit(&world, &page, &[], "use_password").await;
        assert!(page.asks_for("password"), "{}", page.html);
    }
    world.stop().await;
}

async fn post(world: &World, asked: &Asked, form: &[(&str, &str)]) -> (u16, Json) {
    let answer = world.http.post(&asked.response_uri).form(form).send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// V-13, V-04: what cannot be read says why, and uses nothing up. The same answer once more is the same; another one is refused.
#[tokio::test]
async fn a_response_is_read_in_one_form_and_once() {
    for engine in engines() {
        let outside = Outside::new();
        let world = outside.world(engine, CREATE).await;
        let wallet = outside.wallet_of("AA-1");
        let (mut browser, ask) = (Browser::default(), ask());
        let asked = asked(&world, &wallet, &mut browser, &ask).await;
        let token = wallet.token(&asked).unwrap();
        for (form, hint) in [
            (vec![("response", "x")], "no compact JWE"),
            (vec![("vp_token", "{}"), ("state", asked.state.as_str())], "Send the response encrypted"),
            (vec![("response", "x"), ("error", "y")], "Send the response encrypted"),
            (vec![], "Send the response encrypted"),
        ] {
            let (status, body) = post(&world, &asked, &form).await;
            assert!(status == 400 && body.to_string().contains(hint), "{body}");
        }
        for (says, hint) in [
            (json!({ "vp_token": {} }), "not as OpenID4VP"),
            (json!({ "vp_token": "eyJ" }), "not as OpenID4VP"),
            (json!({ "vp_token": token, "error": "x" }), "not as OpenID4VP"),
        ] {
            let (status, body) = wallet.post(&world.http, &asked, &says).await.unwrap();
            assert!(status == 400 && body.to_string().contains(hint), "{body}");
        }
        let other = Asked { state: "other".to_owned(), ..asked.clone() };
        let (status, body) = wallet.post(&world.http, &other, &json!({ "vp_token": token })).await.unwrap();
        assert!(status == 400 && body.to_string().contains("another request"), "{body}");
        let key = symbolon_wallet::jwe::DecryptionKey::generate().unwrap();
        let other = Asked { jwk: key.to_jwk(), ..asked.clone() };
        let (status, body) = wallet.post(&world.http, &other, &json!({ "vp_token": token })).await.unwrap();
        assert!(status == 400 && body.to_string().contains("another key"), "{body}");
        // Sealed once, sent three times: each time the same answer.
        let says = json!({ "vp_token": token, "state": asked.state }).to_string();
        let sealed = symbolon_wallet::jwe::seal(&asked.jwk, Encryption::A128Gcm, &Default::default(), [9; 12], says.as_bytes()).unwrap();
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(post(&world, &asked, &[("response", &sealed)]).await);
        }
        assert!(answers.iter().all(|it| it.0 == 200 && *it == answers[0]), "{answers:?}");
        let (status, body) = wallet.post(&world.http, &asked, &json!({ "vp_token": token })).await.unwrap();
        assert!(status == 400 && body.to_string().contains("answered already"), "{body}");
        let page = browser.get(&world, answers[0].1["redirect_uri"].as_str().unwrap()).await;
        assert!(page.has_code(), "{}", page.html);
        // The sign-in is over, and with it the addresses.
        assert_eq!(wallet.post(&world.http, &asked, &json!({ "vp_token": token })).await.unwrap().0, 400);
        world.stop().await;
    }
}
