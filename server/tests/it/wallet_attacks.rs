//! What wallets, their owners and others can do wrong at a sign-in, one thing at a time.

use crate::wallets::{
    CREATE, LICENCE, NAMESPACE, Outside, VCT, ask, asked, consent, leave, now_s, pid, sign_in, sign_in_for_subject, subject, terms,
};
use crate::world::{Browser, Engine, PASSWORD, World, another_end, engines, parameters};
use serde_json::{Value as Json, json};
use symbolon::store::Store;
use symbolon::store::faults::{Fate, Plan};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_phone::wallet::issuer::{CredentialIssuer, FarBelow, Terms};
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
        ("another", another_end),
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
    let mut refused = 0;
    for (what, why, bend) in bends {
        wallet.bend = Some(bend);
        let page = sign_in(&world, &wallet, &mut Browser::default(), &ask()).await;
        assert!(!page.has_code() && page.says("That did not work"), "{what}: {}", page.html);
        refused += 1;
        let entries = world.entries("wallet_refused").await;
        assert_eq!(entries.len(), refused, "{what}");
        assert!(entries[refused - 1].to_string().contains(why), "{what}: {entries:?}");
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

/// V-12: a wallet that never answers keeps nobody. The page behind it offers the other ways from the start.
#[tokio::test]
async fn a_silent_wallet_leaves_the_other_ways() {
    for engine in engines() {
        let outside = Outside::new();
        let world = outside.world(engine, CREATE).await;
        let (mut browser, ask) = (Browser::default(), ask());
        let page = consent(&world, &mut browser, &ask).await;
        let own = page.form_action().unwrap().replacen(&world.issuer, "", 1);
        let left = browser.submit(&world, &page, &[], "go").await;
        assert!(left.location.is_some(), "the browser leaves: {}", left.html);
        // Nothing comes. The page that stayed behind is fetched again.
        let page = browser.visit(&world, &own).await;
        assert!(page.title() == "On to ID wallet" && page.action("use_password"), "{}", page.html);
        let page = browser.submit(&world, &page, &[], "use_password").await;
        let done = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(done.has_code(), "{}", done.html);
        // The twin: a wallet that answers.
        assert!(sign_in(&world, &outside.wallet_of("AA-1"), &mut Browser::default(), &ask).await.has_code());
        world.stop().await;
    }
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

/// Methods.md, "Who": what is empty in both ties nobody to anybody. Everybody without a number has the same none.
#[tokio::test]
async fn an_empty_claim_makes_no_two_credentials_one_person() {
    let outside = Outside::new();
    let second =
        format!("[wallet.pid.credential.lic]\nformat = \"mso_mdoc\"\ntypes = [\"{LICENCE}\"]\nclaims = [\"{NAMESPACE}/holder\"]\n");
    let more = format!("{CREATE}same_person = [\"pid/tied = lic/{NAMESPACE}/holder\"]\n");
    let configured = outside.configured(Engine::Sqlite, &more).await.with(&second);
    let configured = configured.set("wallet.pid.credential.pid.claims", vec!["personal_administrative_number", "tied"]);
    let world = configured.set("wallet.pid.claims", toml::Table::new()).start().await;
    // The friend's licence, in the wallet of whoever is AA-1.
    let page = async |tied: &Json| {
        let mut says = pid("AA-1");
        says.insert("tied".to_owned(), tied.clone());
        let mut wallet = outside.wallet_with(&says, None);
        let licence = json!({ "holder": tied });
        let issuer_signed = outside.issuer.mdoc(&terms(&wallet, LICENCE, None), licence.as_object().unwrap()).unwrap();
        wallet.held.push(Held::Mdoc { doctype: LICENCE.to_owned(), issuer_signed });
        sign_in(&world, &wallet, &mut Browser::default(), &ask()).await
    };
    for empty in [json!(null), json!(""), json!(" "), json!(true), json!(false), json!([]), json!([null]), json!({}), json!({ "a": "" })] {
        let page = page(&empty).await;
        assert!(!page.has_code() && page.says("of two people"), "{empty}: {}", page.text());
    }
    let refused = world.entries("wallet_refused").await;
    assert!(refused.iter().all(|it| it.to_string().contains("name nobody")) && refused.len() >= 9, "{refused:?}");
    for twin in [json!("1990-01-01"), json!(7), json!(["DE"]), json!({ "number": 7 })] {
        assert!(page(&twin).await.has_code(), "{twin}");
    }
    world.stop().await;
}

/// Methods.md, "Who": two claims of one issuer may say the same number of two people.
#[tokio::test]
async fn a_number_is_somebodys_by_its_claim_alone() {
    for engine in engines() {
        let outside = Outside::new();
        // A second wallet, of the same issuer, that counts people by another claim.
        let by_customer = "account_claim = \"pid/customer\"";
        let card = outside.table(CREATE).replace("[wallet.pid", "[wallet.card");
        let card = card.replace("account_claim = \"pid/personal_administrative_number\"", by_customer);
        assert!(card.contains(by_customer));
        let configured = outside.configured(engine, CREATE).await.with(&card);
        let world = configured.set("login.default.require", vec!["password", "wallet:pid", "wallet:card"]).start().await;
        let ana = sign_in_for_subject(&world, &outside.wallet_of("77")).await;
        let mut says = pid("78");
        says["customer"] = json!("77");
        let wallet = outside.wallet_with(&says, None);
        let by_card = async |wallet: &Wallet| {
            let (mut browser, ask) = (Browser::default(), ask());
            let page = browser.open(&world, &ask).await;
            let page = browser.submit(&world, &page, &[], "use_wallet:card").await;
            let page = browser.submit(&world, &page, &[], "go").await;
            let asked = wallet.read(&world.http, &page.location.unwrap(), now_s()).await.unwrap();
            let back = wallet.answer(&world.http, &asked).await.unwrap();
            let page = browser.get(&world, &back).await;
            subject(&world, &page, &ask).await
        };
        let bob = by_card(&wallet).await;
        assert_ne!(bob, ana, "customer 77 is not the person 77");
        assert_eq!(by_card(&wallet).await, bob, "the twin: known again by the same claim");
        assert_eq!(sign_in_for_subject(&world, &outside.wallet_of("77")).await, ana);
        world.stop().await;
    }
}

/// 351-L, 425-U: an issuer copies what people say of themselves. What nobody sees is in no account, and stops no sign-in.
#[tokio::test]
async fn what_nobody_sees_is_in_no_claim() {
    for engine in engines() {
        let outside = Outside::new();
        let configured = outside.configured(engine, CREATE).await;
        let mapped =
            toml::Table::from_iter([("name".to_owned(), "pid/given_name".into()), ("customer_id".to_owned(), "pid/customer".into())]);
        let world = configured.set("wallet.pid.claims", mapped).start().await;
        let mut says = pid("AA-1");
        says["given_name"] = json!("An\u{0}a \u{202e}Example\u{200b}");
        says["customer"] = json!({ "num\u{200b}ber": ["c\u{0}-7"] });
        let subject = sign_in_for_subject(&world, &outside.wallet_with(&says, None)).await;
        let store = &world.running.shared.now().store;
        let shown = "SELECT a.name, o.claims FROM account a JOIN outside_identity o ON o.account = a.id WHERE a.id = $1";
        let row = store.one(shown, &[subject.as_str().into()]).await.unwrap().unwrap();
        assert_eq!(row.text("name").unwrap(), "Ana Example");
        let claims: Json = serde_json::from_str(row.text("claims").unwrap()).unwrap();
        assert_eq!(claims["customer_id"], json!({ "number": ["c-7"] }));
        // Two names that look the same are one to whoever reads them.
        says["customer"] = json!({ "number": 1, "num\u{200b}ber": 2 });
        let page = sign_in(&world, &outside.wallet_with(&says, None), &mut Browser::default(), &ask()).await;
        assert!(!page.has_code() && page.says("That did not work"), "{}", page.text());
        let refused = world.entries("wallet_refused").await;
        assert!(refused.len() == 1 && refused[0].to_string().contains("two names"), "{refused:?}");
        world.stop().await;
    }
}

/// ARCHITECTURE.md, "The present configuration decides": what was learned a while ago is judged by what is configured now.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_learned_under_another_configuration_counts_nothing() {
    for is_other in [true, false] {
        let (outside, plan) = (Outside::new(), Plan::new(Vec::new()));
        let configured = outside.configured(Engine::Sqlite, CREATE).await;
        let world = configured.start_on(|it| Store::faulty(it, plan.clone()).unwrap()).await;
        let wallet = outside.wallet_of("AA-1");
        let (mut browser, ask) = (Browser::default(), ask());
        let link = asked(&world, &wallet, &mut browser, &ask).await;
        let back = wallet.answer(&world.http, &link).await.unwrap();
        // It is learned, and what follows from it cannot be written.
        plan.after(2, Fate::Refuse);
        assert_eq!(browser.get(&world, &back).await.status, 503);
        // From now on nobody but Eve is asked for.
        let only = toml::Table::from_iter([("given_name".to_owned(), vec!["Eve"].into())]);
        world.reload(|it| if is_other { it.set("wallet.pid.credential.pid.values", only) } else { it }).await;
        let page = browser.get(&world, &back).await;
        assert_eq!((page.has_code(), page.says("That did not work")), (!is_other, is_other), "{}", page.html);
        assert_eq!(world.audited("code_issued").await, usize::from(!is_other));
        world.stop().await;
    }
}

/// V-20: the CA of one issuer stands two levels below another's. The server begins, as their certificates do not say it. A chain that goes on
/// to the upper one is of nobody, and the short one is of the lower issuer.
#[tokio::test]
async fn a_chain_through_two_issuers_is_of_nobody() {
    let outside = Outside::new();
    let FarBelow { top_pem, mut issuer, whole, .. } = CredentialIssuer::far_below("Union", "Members").unwrap();
    let both = format!("{}{}", outside.trusting("union", &top_pem), outside.trusting("members", &issuer.root_pem));
    let world = outside.configured(Engine::Sqlite, CREATE).await.with(&both).start().await;
    let holding = |issuer: &CredentialIssuer| {
        let mut wallet = outside.wallet();
        let text = issuer.sd_jwt(&terms(&wallet, VCT, None), &pid("AA-1")).unwrap();
        wallet.held = vec![Held::SdJwt { vct: VCT.to_owned(), text }];
        wallet
    };
    let of_members = sign_in_for_subject(&world, &holding(&issuer)).await;
    issuer.chain = whole;
    let page = sign_in(&world, &holding(&issuer), &mut Browser::default(), &ask()).await;
    assert!(!page.has_code() && page.says("from somebody whom this service does not trust"), "{}", page.text());
    let refused = world.entries("wallet_refused").await;
    assert!(refused.len() == 1 && refused[0].to_string().contains("issuer_ambiguous"), "{refused:?}");
    // The twin: one of the two is named, and the same chain is that one's.
    world.reload(|it| it.set("wallet.pid.credential.pid.issuers", vec!["union"])).await;
    assert_ne!(sign_in_for_subject(&world, &holding(&issuer)).await, of_members, "another issuer's person");
    world.stop().await;
}
