//! What phones, browsers and password managers really send about passkeys, and what they are sent. Area W of the complaints.

use crate::passkeys::{reason, refused};
use crate::world::app_passkeys::{Hand, options as options_of_step, with_app};
use crate::world::native::*;
use crate::world::passkeys::{Keys, on_every_engine, operation, options};
use crate::world::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use symbolon::login::accounts::{self, NewAccount};
use symbolon_oauth::base64url;
use symbolon_phone::authenticator::Authenticator;

/// The page on which this person makes a passkey.
pub async fn making(keys: &Keys, browser: &mut Browser, person: &str) -> Page {
    let page = browser.visit(&keys.world, "/account").await;
    if page.asks_for("password") {
        assert_eq!(browser.submit_password(&keys.world, &page, person, PASSWORD).await.status, 303);
    }
    let account = browser.visit(&keys.world, "/account").await;
    browser.submit(&keys.world, &account, &[], "add_passkey").await
}

/// 300-H: before the first proof nothing tells who has an account, or a passkey, or that two names are one person's. The twin: a credential
/// that is not found without a name is named.
#[tokio::test(flavor = "multi_thread")]
async fn ids_of_a_name_tell_nothing() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut key) = (Authenticator::default(), Authenticator::found_by_id());
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        keys.world.person("bob").await;
        let ids = async |name: &str| {
            let mut browser = Browser::default();
            let page = keys.open(&mut browser).await;
            let page = browser.submit(&keys.world, &page, &[("username", name)], "security_key").await;
            let mut asked = operation(&page);
            let allowed = asked["options"]["allowCredentials"].take();
            asked["options"]["challenge"].take();
            let shape = (page.status, page.title(), page.actions(), asked);
            assert!(allowed.as_array().is_some_and(|all| !all.is_empty()), "{name}: {allowed}");
            (shape, allowed)
        };
        // The last ones are names that nobody can have. They are none of the others either.
        let names = ["alice", "alice@example.com", "bob", "bob@example.com", "nobody", "nobody@example.com", "alice\u{a0}", "\talice"];
        let mut seen = Vec::new();
        for name in names {
            seen.push(ids(name).await);
        }
        for (at, (shape, allowed)) in seen.iter().enumerate() {
            assert_eq!((shape, allowed), (&seen[0].0, &ids(names[at]).await.1), "{}: always the same", names[at]);
            assert!(seen[..at].iter().all(|(_, other)| other != allowed), "{}: nothing in common with another name", names[at]);
            assert!(!allowed.to_string().contains(&base64url::encode(&phone.ids()[0])), "{}: found without a name", names[at]);
        }
        assert_eq!(ids("Nobody").await.1, seen[4].1, "in another spelling");
        let mut browser = Browser::default();
        let page = keys.open(&mut browser).await;
        refused(&browser.submit(&keys.world, &page, &[("username", "")], "security_key").await, "Type your user name");
        keys.add(&mut Browser::default(), &mut key, "bob").await;
        let own = base64url::encode(&key.ids()[0]);
        assert_eq!((&ids("bob").await.1[0]["id"], &ids("bob@example.com").await.1[0]["id"]), (&json!(own), &json!(own)), "the twin");
        keys.world.stop().await;
    })
    .await;
}

/// A name that was typed for another method decides nothing about a passkey that is found without one: it says itself whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_says_whose_it_is_whatever_name_was_typed() {
    on_every_engine("", |keys| async move {
        keys.world.person("bob").await;
        let (mut alices, mut bobs) = (Authenticator::default(), Authenticator::default());
        keys.add(&mut Browser::default(), &mut alices, "alice").await;
        keys.add(&mut Browser::default(), &mut bobs, "bob").await;
        keys.world.reload(|it| it.set("login.default.require", vec!["email", "passkey"])).await;
        for (typed, owner) in [("alice", "bob"), ("alice", "alice"), ("nobody", "bob")] {
            let hand = if owner == "bob" { &mut bobs } else { &mut alices };
            let mut browser = Browser::default();
            let page = keys.open(&mut browser).await;
            let page = browser.submit(&keys.world, &page, &[("username", typed)], "continue").await;
            let page = browser.submit(&keys.world, &page, &[], "use_passkey").await;
            assert_eq!(options(&page)["allowCredentials"], json!([]), "{typed}: {}", page.html);
            let done = keys.use_it(&mut browser, &page, hand).await;
            assert!(done.has_code(), "{typed}: {}", done.html);
            let account = browser.visit(&keys.world, "/account").await;
            assert!(account.says(&format!("{owner}@example.com")), "{typed}: {}", account.html);
        }
        keys.world.stop().await;
    })
    .await;
}

/// W-08: the answer need not say whose passkey it is where the person is known. Where nobody is named, the name is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_handle_is_enough_after_a_name() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut found) = (Authenticator::found_by_id(), Authenticator::default());
        let mut own = Browser::default();
        keys.add(&mut own, &mut phone, "alice").await;
        keys.add(&mut own, &mut found, "alice").await;
        for handle in [None, Some(Json::Null), Some(json!(""))] {
            let used = |platform: &mut Authenticator, page: &Page| {
                let mut used = platform.get(&options(page), &keys.origin).unwrap();
                let response = used["response"].as_object_mut().unwrap();
                match &handle {
                    Some(handle) => drop(response.insert("userHandle".to_owned(), handle.clone())),
                    None => drop(response.remove("userHandle")),
                }
                used
            };
            let mut browser = Browser::default();
            let page = keys.open(&mut browser).await;
            let page = keys.answer(&mut browser, &page, &used(&mut found, &page)).await;
            refused(&page, "Type your name first");
            assert!(page.asks_for("username") && page.action("security_key"), "{}", page.html);
            let named = browser.submit(&keys.world, &page, &[("username", "alice")], "security_key").await;
            assert!(keys.answer(&mut browser, &named, &used(&mut phone, &named)).await.has_code(), "the twin of {handle:?}");
        }
        keys.world.stop().await;
    })
    .await;
}

/// The same bytes, with padding and in the plain alphabet.
fn respelled(answer: &Json) -> Json {
    let spelled = |text: &str| {
        let plain = text.replace('-', "+").replace('_', "/");
        format!("{plain}{}", "=".repeat((4 - plain.len() % 4) % 4))
    };
    let mut changed = answer.clone();
    for name in ["id", "rawId"] {
        changed[name] = spelled(answer[name].as_str().unwrap()).into();
    }
    for (name, value) in changed["response"].as_object_mut().unwrap() {
        if let Some(text) = answer["response"][name].as_str() {
            *value = spelled(text).into();
        }
    }
    changed
}

async fn rows(keys: &Keys) -> i64 {
    keys.world.running.shared.now().store.one("SELECT count(*) AS count FROM passkey", &[]).await.unwrap().unwrap().int("count").unwrap()
}

/// W-09: padding and the plain alphabet are the same bytes. One credential is one row, however it is spelled, and `id` is compared with
/// `rawId` as bytes.
#[tokio::test(flavor = "multi_thread")]
async fn one_credential_is_one_row_however_it_is_spelled() {
    on_every_engine("", |keys| async move {
        let id = vec![0xfb, 0xff, 0xbf, 0xfe];
        let (mut browser, mut phone) = (Browser::default(), Authenticator::found_by_id());
        phone.next_id = Some(id.clone());
        let page = making(&keys, &mut browser, "alice").await;
        let made = respelled(&phone.create(&options(&page), &keys.origin).unwrap());
        assert_eq!(made["id"], "+/+//g==", "what is tried");
        assert_eq!(keys.answer(&mut browser, &page, &made).await.status, 303);
        keys.world.confirm("alice").await;
        for is_respelled in [false, true] {
            let mut fresh = Browser::default();
            let page = keys.open(&mut fresh).await;
            let named = fresh.submit(&keys.world, &page, &[("username", "alice")], "security_key").await;
            assert_eq!(options(&named)["allowCredentials"][0]["id"], "-_-__g", "sent without padding");
            let used = phone.get(&options(&named), &keys.origin).unwrap();
            let mut used = if is_respelled { respelled(&used) } else { used };
            let raw_id = std::mem::replace(&mut used["rawId"], "-_-__w".into());
            let page = keys.answer(&mut fresh, &named, &used).await;
            refused(&page, "no passkey");
            (used["id"], used["rawId"]) = ("-_-__g".into(), raw_id);
            let again = phone.get(&options(&page), &keys.origin).unwrap();
            used["response"] = if is_respelled { respelled(&again)["response"].take() } else { again["response"].clone() };
            assert!(keys.answer(&mut fresh, &page, &used).await.has_code(), "{is_respelled}");
        }
        // The same id once more, in either spelling, by its owner and by somebody else.
        keys.world.person("bob").await;
        for is_respelled in [false, true] {
            let (mut other, mut copy) = (Browser::default(), Authenticator::default());
            copy.next_id = Some(id.clone());
            let page = making(&keys, &mut other, "bob").await;
            let made = copy.create(&options(&page), &keys.origin).unwrap();
            let made = if is_respelled { respelled(&made) } else { made };
            let page = keys.answer(&mut other, &page, &made).await;
            refused(&page, "could not be added");
            assert!(reason(&keys).await.contains("another request was quicker"), "{is_respelled}");
        }
        let page = making(&keys, &mut browser, "alice").await;
        let mut copy = Authenticator::default();
        copy.next_id = Some(id);
        let made = respelled(&copy.create(&options(&page), &keys.origin).unwrap());
        refused(&keys.answer(&mut browser, &page, &made).await, "could not be added");
        assert_eq!(rows(&keys).await, 1);
        keys.world.stop().await;
    })
    .await;
}

/// W-10: whatever an account lacks, the options have names, a challenge and a handle that every authenticator takes.
#[tokio::test(flavor = "multi_thread")]
async fn options_are_complete_whatever_the_account_lacks() {
    on_every_engine("", |keys| async move {
        let app = keys.world.running.shared.now();
        for (login, name, email) in [("bare", None, None), ("blank", Some(""), None), ("mailed", None, Some("m@example.com"))] {
            let new = NewAccount {
                login_names: vec![login.to_owned()],
                email: email.map(str::to_owned),
                email_verified: email.is_some(),
                name: name.map(str::to_owned),
                locale: None,
                claims: serde_json::Map::new(),
                password: Some(PASSWORD.to_owned()),
            };
            accounts::create(&app.store, app.machine.hashers(), new, app.now_ms()).await.unwrap();
            let page = making(&keys, &mut Browser::default(), login).await;
            let asked = options(&page);
            for text in [&asked["rp"]["name"], &asked["user"]["name"], &asked["user"]["displayName"]] {
                assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{login}: {asked}");
            }
            let bytes = |value: &Json| base64url::decode(value.as_str().unwrap()).unwrap().len();
            assert!(bytes(&asked["challenge"]) >= 16 && (1..=64).contains(&bytes(&asked["user"]["id"])), "{asked}");
        }
        drop(app);
        keys.world.stop().await;
    })
    .await;
}

/// W-11: whatever a browser says of the ways to an authenticator, the passkey is made. Each one gets its own list back, of known values
/// alone; where nothing is known there is none.
#[tokio::test(flavor = "multi_thread")]
async fn each_passkey_gets_its_own_ways_back() {
    on_every_engine("", |keys| async move {
        let lists = [
            (Some(json!(["usb", "nfc", "usb"])), json!(["nfc", "usb"])),
            (Some(json!(["cable", "quantum"])), json!(["hybrid"])),
            (Some(json!(["quantum"])), Json::Null),
            (Some(json!([])), Json::Null),
            (Some(Json::Null), Json::Null),
            (Some(json!("usb")), Json::Null),
            (Some(json!([7, "ble", null])), json!(["ble"])),
            (None, Json::Null),
        ];
        let (mut browser, mut wanted) = (Browser::default(), BTreeSet::new());
        let mut excluded = Json::Null;
        for (sent, kept) in &lists {
            let mut key = Authenticator::security_key();
            key.is_found = false;
            let page = making(&keys, &mut browser, "alice").await;
            excluded = options(&page)["excludeCredentials"].clone();
            let mut made = key.create(&options(&page), &keys.origin).unwrap();
            match sent {
                Some(sent) => made["response"]["transports"] = sent.clone(),
                None => drop(made["response"].as_object_mut().unwrap().remove("transports")),
            }
            let done = keys.answer(&mut browser, &page, &made).await;
            assert_eq!(done.status, 303, "{sent:?}: {}", done.html);
            wanted.insert((made["id"].as_str().unwrap().to_owned(), kept.to_string()));
            keys.world.confirm("alice").await;
        }
        let of = |list: &Json| {
            let all = list.as_array().unwrap().iter();
            let one = |one: &Json| (one["id"].as_str().unwrap().to_owned(), one.get("transports").cloned().unwrap_or_default().to_string());
            all.map(one).collect::<BTreeSet<_>>()
        };
        let mut fresh = Browser::default();
        let page = keys.open(&mut fresh).await;
        let named = fresh.submit(&keys.world, &page, &[("username", "alice")], "security_key").await;
        assert_eq!(of(&options(&named)["allowCredentials"]), wanted);
        assert!(of(&excluded).is_subset(&wanted) && excluded.as_array().is_some_and(|all| all.len() == lists.len() - 1), "{excluded}");
        keys.world.stop().await;
    })
    .await;
}

/// W-17: a new passkey leaves out all that the account has, in both faces. One handle stands for the account everywhere. A passkey that
/// nobody has used says so. W-20: a passkey is asked for that is found without a name.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_passkey_takes_no_other_ones_place() {
    for engine in engines() {
        let scene = Screens::with(engine, |it| with_app(it).set("passkeys.offer", true)).await;
        let (world, origin) = (&scene.world, scene.world.issuer.clone());
        let mut hand = Hand::of(&scene, Authenticator::default());
        hand.add("alice").await;
        // A second one, on the page.
        let (mut browser, mut key) = (Browser::default(), Authenticator::security_key());
        let page = browser.visit(world, "/account").await;
        let used = hand.keys.get(&options(&page), &origin).unwrap();
        assert_eq!(browser.submit(world, &page, &[("passkey", &used.to_string())], "passkey").await.status, 303);
        let account = browser.visit(world, "/account").await;
        let page = browser.submit(world, &account, &[], "add_passkey").await;
        let on_page = options(&page);
        let made = key.create(&on_page, &origin).unwrap();
        assert_eq!(browser.submit(world, &page, &[("passkey", &made.to_string())], "passkey").await.status, 303);
        world.confirm("alice").await;
        let account = browser.visit(world, "/account").await;
        assert_eq!(account.text().matches("never used").count(), 1, "{}", account.text());
        // A third one is offered in the app, after the passkey of another device.
        let step = hand.phone.begin().await;
        let mut used = hand.used(&step);
        used["authenticatorAttachment"] = "cross-platform".into();
        let offer = hand.send(&step, &used).await;
        assert_eq!(offer.kind(), "offer_passkey", "{offer:?}");
        let in_app = options_of_step(&offer).clone();
        let ids = |asked: &Json| {
            let all = asked["excludeCredentials"].as_array().unwrap().iter();
            all.map(|one| base64url::decode(one["id"].as_str().unwrap()).unwrap()).collect::<BTreeSet<_>>()
        };
        let (first, both) = (hand.keys.ids(), [hand.keys.ids(), key.ids()].concat());
        assert_eq!((ids(&on_page), ids(&in_app)), (first.into_iter().collect(), both.into_iter().collect()));
        assert!(on_page["user"]["id"] == in_app["user"]["id"] && used["response"]["userHandle"] == in_app["user"]["id"], "{in_app}");
        for asked in [&on_page, &in_app] {
            let selection = &asked["authenticatorSelection"];
            assert_eq!((&selection["residentKey"], &selection["requireResidentKey"]), (&json!("required"), &json!(true)), "{asked}");
            assert_eq!(asked["extensions"]["credProps"], true, "{asked}");
        }
        scene.world.stop().await;
    }
}

/// W-20: a passkey that cannot be found without a name is kept, and the account page says so. What a platform does not say is no "no".
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_needs_the_name_first_says_so() {
    on_every_engine("", |keys| async move {
        let cases = [(json!({ "credProps": { "rk": false } }), true), (json!({ "credProps": { "rk": true } }), false), (json!({}), false)];
        for (number, (extensions, needs_name)) in cases.into_iter().enumerate() {
            let person = format!("person{number}");
            keys.world.person(&person).await;
            let (mut browser, mut key) = (Browser::default(), Authenticator::security_key());
            let page = making(&keys, &mut browser, &person).await;
            let mut made = key.create(&options(&page), &keys.origin).unwrap();
            made["clientExtensionResults"] = extensions.clone();
            assert_eq!(keys.answer(&mut browser, &page, &made).await.status, 303, "{extensions}");
            let account = browser.visit(&keys.world, "/account").await;
            assert_eq!(account.says("needs your name first"), needs_name, "{extensions}: {}", account.text());
            keys.world.confirm(&person).await;
            let mut fresh = Browser::default();
            let page = keys.open(&mut fresh).await;
            let named = fresh.submit(&keys.world, &page, &[("username", &person)], "security_key").await;
            let names_it = options(&named)["allowCredentials"][0]["id"] == base64url::encode(&key.ids()[0]);
            assert_eq!(names_it, needs_name, "{extensions}: 300-H");
            let asked = if needs_name { named } else { keys.open(&mut fresh).await };
            assert!(keys.use_it(&mut fresh, &asked, &mut key).await.has_code(), "{extensions}: it signs in");
        }
        keys.world.stop().await;
    })
    .await;
}

/// To the list of passkeys in the app, behind the proof that it wants.
async fn list_of_passkeys(hand: &mut Hand<'_>, done: &Answer) -> Answer {
    let tokens = hand.phone.redeem(&done.text("authorization_code")).await;
    let held = tokens.text("auth_session");
    let form = [("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")];
    let mut step = hand.phone.post("/authorize-challenge", &form).await;
    for _ in 0..2 {
        step = match step.kind() {
            "password" => hand.phone.answer(&step, "continue", &[("password", PASSWORD)]).await,
            "passkey" => hand.use_it(&step).await,
            _ => step,
        };
    }
    let list = hand.phone.answer(&step, "passkeys", &[]).await;
    assert_eq!((list.error(), list.kind()), (ASKED, "manage_passkeys"), "{list:?}");
    list
}

/// W-17, W-20: the list in the app says of each passkey what the account page says of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_in_an_app_says_what_is_unused_and_what_needs_a_name() {
    for engine in engines() {
        let scene = Screens::with(engine, |it| with_app(it).set("client.screens.manage", vec!["passkeys"])).await;
        let (mut hand, mut key) = (Hand::of(&scene, Authenticator::default()), Authenticator::security_key());
        let done = hand.add("alice").await;
        let list = list_of_passkeys(&mut hand, &done).await;
        let step = hand.phone.answer(&list, "add_passkey", &[]).await;
        let mut made = key.create(options_of_step(&step), &hand.origin).unwrap();
        made["clientExtensionResults"] = json!({ "credProps": { "rk": false } });
        let done = hand.send(&step, &made).await;
        assert_eq!(done.status, 200, "{done:?}");
        scene.world.confirm("alice").await;
        assert_eq!(hand.sign_in().await.status, 200, "the first one is used");
        let list = list_of_passkeys(&mut hand, &done).await;
        let lines = list.step()["content"][0]["items"].as_array().unwrap();
        let with = |words: &str| lines.iter().filter(|line| line.as_str().unwrap().contains(words)).count();
        assert_eq!((lines.len(), with("used 20"), with("never used · needs your name first")), (2, 1, 1), "{lines:?}");
        scene.world.stop().await;
    }
}

/// W-36, W-39: the RP ID is the configuration's, whatever host a request names. It is in the options of every request, in both faces.
#[tokio::test(flavor = "multi_thread")]
async fn the_rp_id_follows_no_request() {
    on_every_engine("", |keys| async move {
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let url = keys.world.url(&Ask::native("openid").path());
        for (name, value) in [("host", "evil.example"), ("host", "localhost"), ("x-forwarded-host", "evil.example"), ("accept", "*/*")] {
            let page = Browser::default().send(keys.world.http.get(&url).header(name, value)).await;
            let is_refused = page.status == 421 && page.location.is_none();
            assert!(is_refused || options(&page)["rpId"] == "127.0.0.1", "{name}: {value}: {}", page.html);
        }
        let mut browser = Browser::default();
        let page = keys.open(&mut browser).await;
        let named = browser.submit(&keys.world, &page, &[("username", "alice")], "security_key").await;
        assert_eq!(operation(&named)["options"]["rpId"], "127.0.0.1");
        let mut browser = Browser::default();
        let page = browser.visit(&keys.world, "/account").await;
        assert_eq!(browser.submit_password(&keys.world, &page, "alice", PASSWORD).await.status, 303);
        let account = browser.visit(&keys.world, "/account").await;
        let page = browser.submit(&keys.world, &account, &[], "change_password").await;
        assert_eq!(options(&page)["rpId"], "127.0.0.1", "a proof before a change: {}", page.html);
        keys.world.stop().await;
    })
    .await;
    let scene = Screens::with(Engine::Sqlite, with_app).await;
    let mut hand = Hand::of(&scene, Authenticator::default());
    hand.add("alice").await;
    let step = hand.phone.begin().await;
    assert_eq!(options_of_step(&step)["rpId"], "127.0.0.1");
    let named = hand.phone.answer(&step, "security_key", &[("username", "alice")]).await;
    assert_eq!(options_of_step(&named)["rpId"], "127.0.0.1");
    let step = hand.phone.begin_with(&[("acr_values", "urn:both")]).await;
    let asked = hand.phone.answer_password(&step, "alice", PASSWORD).await;
    assert_eq!((asked.kind(), &options_of_step(&asked)["rpId"]), ("passkey", &json!("127.0.0.1")), "{asked:?}");
    scene.world.stop().await;
}
