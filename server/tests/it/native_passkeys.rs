//! Passkeys on an app's own screens: made, used with and without a name, refused. The pages' part is in passkeys.rs.

use crate::world::app_passkeys::*;
use crate::world::native::*;
use crate::world::passkeys::options as options_of_page;
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_phone::authenticator::{Authenticator, NotDone, USER_PRESENT, USER_VERIFIED};

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Screens) -> T) {
    for engine in engines() {
        test(Screens::with(engine, with_app).await).await;
    }
}

async fn reason(scene: &Screens) -> String {
    let entry = scene.world.entries("passkey_refused").await.pop().unwrap();
    entry["reason"].as_str().unwrap().to_owned()
}

/// What the ID token says of the sign-in.
async fn proved(hand: &mut Hand<'_>, done: &Answer) -> Json {
    let tokens = hand.phone.redeem(&done.text("authorization_code")).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let said = claims(&tokens.text("id_token"));
    json!([said["amr"], said["acr"]])
}

/// Made where the policy wants one, then used: offered beside the password, after a name, and where the policy counts it twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_makes_a_passkey_and_signs_in_with_it() {
    on_every_engine(|scene| async move {
        let mut hand = Hand::of(&scene, Authenticator::default());
        let done = hand.add("alice").await;
        assert_eq!(proved(&mut hand, &done).await, json!([["pwd", "pop", "mfa"], "urn:both"]));
        let letter = scene.mailbox.wait("alice@example.com", 0).await.unwrap();
        assert!(letter.subject().is_some_and(|it| it.contains("A passkey was added")), "{}", letter.text);

        let step = hand.phone.begin().await;
        let operation = &step.step()["operation"];
        assert_eq!((step.kind(), operation["mediation"].as_str()), ("password", Some("conditional")), "{step:?}");
        assert_eq!((&options(&step)["allowCredentials"], options(&step)["rpId"].as_str()), (&json!([]), Some("127.0.0.1")));
        assert_eq!(step.step()["fields"][0]["autocomplete"], "username webauthn");
        let done = hand.use_it(&step).await;
        assert_eq!(done.status, 200, "{done:?}");
        assert_eq!(proved(&mut hand, &done).await, json!([["pop"], null]));

        // Bob's is found by its id alone.
        scene.world.person("bob").await;
        let mut bob = Hand::of(&scene, Authenticator::found_by_id());
        bob.add("bob").await;
        let step = bob.phone.begin().await;
        assert_eq!(bob.keys.get(options(&step), &bob.origin), Err(NotDone::NoPasskey));
        let named = bob.phone.answer(&step, "security_key", &[("username", "bob")]).await;
        assert_eq!(
            (named.kind(), &options(&named)["allowCredentials"][0]["id"]),
            ("passkey", &json!(base64url::encode(&bob.keys.ids()[0])))
        );
        bob.keys.tells_user_handle = false;
        assert_eq!(bob.use_it(&named).await.status, 200);

        let step = hand.phone.begin_with(&[("acr_values", "urn:two")]).await;
        let done = hand.use_it(&step).await;
        assert_eq!(proved(&mut hand, &done).await, json!([["pop", "mfa"], "urn:two"]));
        // 379-W: one that did not verify the person is one factor, and the second is asked for.
        hand.keys.flags = USER_PRESENT;
        let step = hand.phone.begin_with(&[("acr_values", "urn:two")]).await;
        let more = hand.use_it(&step).await;
        assert_eq!((more.error(), more.kind()), (ASKED, "password"), "{more:?}");
        scene.world.stop().await;
    })
    .await;
}

/// W-01, W-02: each certificate of the client is one origin and stands in the association file, and on iOS the RP ID's. What the operator
/// takes out is refused and gone from the file, and the passkey that was made under it works from the other builds.
#[tokio::test(flavor = "multi_thread")]
async fn every_build_of_the_app_signs_in_and_no_other() {
    on_every_engine(|scene| async move {
        let mut hand = Hand::of(&scene, Authenticator::default());
        hand.origin = android(BUILDS[1].1);
        hand.add("alice").await;
        let ours = BUILDS.iter().map(|(_, byte)| android(*byte)).chain(["https://127.0.0.1".to_owned()]);
        for origin in ours {
            hand.origin = origin.clone();
            assert_eq!(hand.sign_in().await.status, 200, "{origin}");
        }
        // 377-W: another app's certificate, our own page, and what only looks like one of ours.
        let page = scene.world.issuer.clone();
        let upper = android(BUILDS[0].1).replace("android", "Android");
        for origin in [android(0x33), page, "https://127.0.0.1/".to_owned(), format!("{}=", android(0x14)), upper, String::new()] {
            hand.origin = origin.clone();
            refused(&hand.sign_in().await, "passkey_unknown");
            assert!(reason(&scene).await.contains(&format!("the origin is {origin:?}")), "{}", reason(&scene).await);
        }
        let listed = async || {
            let file = scene.world.get("/.well-known/assetlinks.json").await.text().await.unwrap();
            BUILDS.map(|(_, byte)| file.contains(&fingerprint(byte)))
        };
        assert_eq!(listed().await, [true, true, true]);
        scene.world.reload(|it| it.without("client.screens.app.android.\"com.example.screens\".side")).await;
        assert_eq!(listed().await, [true, false, true]);
        hand.origin = android(BUILDS[1].1);
        refused(&hand.sign_in().await, "passkey_unknown");
        hand.origin = android(BUILDS[0].1);
        assert_eq!(hand.sign_in().await.status, 200, "the twin");
        scene.world.reload(|it| it.without("client.screens.app.ios")).await;
        hand.origin = "https://127.0.0.1".to_owned();
        refused(&hand.sign_in().await, "passkey_unknown");
        scene.world.stop().await;
    })
    .await;
}

/// Every lie is refused at the step, with the reason in the audit. The same sign-in then goes on with the truth.
#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_refused_and_the_truth_goes_on() {
    on_every_engine(|scene| async move {
        let mut hand = Hand::of(&scene, Authenticator::default());
        hand.add("alice").await;
        type Lie = fn(&mut Authenticator);
        let lies: [(Lie, &str, &str); 6] = [
            (|keys| keys.other_rp_id = Some("evil.example".to_owned()), "passkey_unknown", "rp_id"),
            (|keys| keys.flags = USER_VERIFIED, "passkey_unknown", "user_present"), // 379-W
            (|keys| keys.client_data = json!({ "crossOrigin": true }), "passkey_unknown", "cross_origin"), // 386-W
            (|keys| keys.client_data = json!({ "type": "webauthn.create" }), "passkey_unknown", "type"),
            (|keys| keys.client_data = json!({ "challenge": base64url::encode(&[7; 32]) }), "passkey_unknown", "challenge"), // 375-W
            (|keys| keys.tells_user_handle = false, "passkey_without_person", "no user handle"),                             // W-08
        ];
        for (lie, problem, why) in lies {
            let step = hand.phone.begin().await;
            lie(&mut hand.keys);
            let answer = hand.use_it(&step).await;
            refused(&answer, problem);
            assert!(reason(&scene).await.contains(why), "{why}: {}", reason(&scene).await);
            let honest = Authenticator::default();
            (hand.keys.flags, hand.keys.other_rp_id, hand.keys.tells_user_handle) = (honest.flags, None, true);
            hand.keys.client_data = json!({});
            assert_eq!(hand.use_it(&answer).await.status, 200, "the twin of {why}");
        }
        // W-06: what is no answer at all costs no strike, and the same sign-in goes on.
        for bad in ["{}", "null", "[]", "x", "{\"id\":\"AAAA\",\"rawId\":\"AAAB\",\"type\":\"public-key\",\"response\":{}}"] {
            let step = hand.phone.begin().await;
            let answer = hand.phone.answer(&step, "passkey", &[("passkey", bad)]).await;
            refused(&answer, "passkey_unreadable");
            assert_eq!(hand.use_it(&answer).await.status, 200, "the twin of {bad}");
        }
        scene.world.stop().await;
    })
    .await;
}

/// 382-W: neither after Alice's name nor after her password does Eve's passkey prove Alice. 384-W: nor does Eve register Alice's.
#[tokio::test(flavor = "multi_thread")]
async fn another_persons_passkey_proves_another_person() {
    on_every_engine(|scene| async move {
        scene.world.person("eve").await;
        let mut alice = Hand::of(&scene, Authenticator::found_by_id());
        let mut eve = Hand::of(&scene, Authenticator::default());
        alice.add("alice").await;
        eve.add("eve").await;
        let step = alice.phone.begin().await;
        let named = alice.phone.answer(&step, "security_key", &[("username", "alice")]).await;
        let by_eve = eve.keys.answer_with(0, options(&named), &eve.origin).unwrap();
        let answer = alice.send(&named, &by_eve).await;
        refused(&answer, "passkey_unknown");
        assert!(reason(&scene).await.contains("no such passkey of this person"));
        assert_eq!(alice.use_it(&answer).await.status, 200, "the twin");

        let step = alice.phone.begin_with(&[("acr_values", "urn:both")]).await;
        let asked = alice.phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!(asked.kind(), "passkey", "{asked:?}");
        let by_eve = eve.keys.answer_with(0, options(&asked), &eve.origin).unwrap();
        let answer = alice.send(&asked, &by_eve).await;
        refused(&answer, "passkey_unknown");
        assert_eq!(alice.use_it(&answer).await.status, 200, "the twin");

        // Nobody was named: Eve signs in, as Eve.
        let tokens = eve.sign_in().await.text("authorization_code");
        let tokens = eve.phone.redeem(&tokens).await;
        assert_eq!(claims(&tokens.text("access_token"))["customer_id"], "c-eve");

        scene.world.person("mallory").await;
        let mut mallory = Hand::of(&scene, Authenticator::default());
        let step = mallory.phone.begin_with(&[("acr_values", "urn:both")]).await;
        let step = mallory.phone.answer_password(&step, "mallory", PASSWORD).await;
        mallory.keys.next_id = Some(alice.keys.ids()[0].clone());
        let answer = mallory.make(&step).await;
        refused(&answer, "passkey_not_made");
        assert_eq!(mallory.make(&answer).await.kind(), "waits", "the twin: an id of its own is made, and waits to be confirmed");
        scene.world.stop().await;
    })
    .await;
}

/// 300-H: without a good signature the id of somebody and a made-up one get one answer. The twin: the owner's signature hears that a name
/// is missing, and signs in with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_nobody_signed_for_tells_nothing() {
    on_every_engine(|scene| async move {
        scene.world.person("bob").await;
        let mut bob = Hand::of(&scene, Authenticator::found_by_id());
        bob.add("bob").await;
        bob.keys.tells_user_handle = false;
        let step = bob.phone.begin().await;
        let named = bob.phone.answer(&step, "security_key", &[("username", "nobody")]).await;
        let made_up = options(&named)["allowCredentials"][0]["id"].clone();
        let real = Json::from(base64url::encode(&bob.keys.ids()[0]));
        assert!(made_up.is_string() && made_up != real, "{made_up}");
        for (member, value, problem) in [
            ("signature", "MAYCAQECAQE", "passkey_unknown"),
            ("clientDataJSON", "e30", "passkey_unreadable"),
            ("authenticatorData", "AAAA", "passkey_unreadable"),
        ] {
            let mut seen = Vec::new();
            for id in [&real, &made_up] {
                let step = bob.phone.begin().await;
                let mut answer = bob.keys.answer_with(0, options(&step), &bob.origin).unwrap();
                (answer["id"], answer["rawId"]) = (id.clone(), id.clone());
                answer["response"][member] = value.into();
                let said = bob.send(&step, &answer).await;
                refused(&said, problem);
                let mut shown = said.step().clone();
                shown["operation"]["options"]["challenge"].take();
                seen.push((said.status, shown));
            }
            assert_eq!(seen[0], seen[1], "{member}");
        }
        let step = bob.phone.begin().await;
        let unnamed = bob.keys.answer_with(0, options(&step), &bob.origin).unwrap();
        let said = bob.send(&step, &unnamed).await;
        refused(&said, "passkey_without_person");
        let named = bob.phone.answer(&said, "security_key", &[("username", "bob")]).await;
        assert_eq!(bob.use_it(&named).await.status, 200, "the twin");
        scene.world.stop().await;
    })
    .await;
}

/// 375-W, 292-H: what answered one sign-in is good for no other, whichever face began it. The same request once more gets the same code.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_answers_one_sign_in() {
    on_every_engine(|scene| async move {
        let mut hand = Hand::of(&scene, Authenticator::default());
        hand.add("alice").await;
        let step = hand.phone.begin().await;
        let used = hand.used(&step);
        let done = hand.send(&step, &used).await;
        assert_eq!(hand.send(&step, &used).await.body, done.body, "a lost answer heals");
        assert_eq!(scene.world.audited("passkey_proved").await, 1);
        let other = hand.phone.begin().await;
        let answer = hand.send(&other, &used).await;
        refused(&answer, "passkey_unknown");
        assert!(reason(&scene).await.contains("challenge"), "{}", reason(&scene).await);
        assert_eq!(hand.use_it(&answer).await.status, 200, "the twin");
        // Of a page, although the origin is the app's.
        let pushed = hand.phone.push(&Ask::new("screens", BACK, "openid")).await.unwrap();
        let page = Browser::default().open(&scene.world, &pushed).await;
        let of_page = hand.keys.get(&options_of_page(&page), &hand.origin).unwrap();
        let step = hand.phone.begin().await;
        refused(&hand.send(&step, &of_page).await, "passkey_unknown");
        // Another installation has the answer, and not the sign-in.
        let step = hand.phone.begin().await;
        let used = hand.used(&step);
        let mut thief = Hand::of(&scene, Authenticator::default());
        assert_eq!(thief.send(&step, &used).await.error(), OVER);
        assert_eq!(hand.send(&step, &used).await.status, 200, "the twin");
        assert_eq!(hand.phone.redeem(&done.text("authorization_code")).await.status, 200);
        assert_eq!(hand.send(&step, &used).await.status, 200, "its own code is there still");
        scene.world.stop().await;
    })
    .await;
}

/// 383-W: the counter of a key that goes back, or stands still, is refused; the truth goes on. 379-W: where verification is required, the
/// answer is judged by it, also while a sign-in is under way (W-15).
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_key_and_an_unverified_person_are_refused() {
    on_every_engine(|scene| async move {
        let mut hand = Hand::of(&scene, Authenticator::security_key());
        hand.add("alice").await;
        hand.keys.set_counter(9);
        assert_eq!(hand.sign_in().await.status, 200);
        for copy in [3, 9] {
            hand.keys.set_counter(copy);
            let answer = hand.sign_in().await;
            refused(&answer, "passkey_copied");
            hand.keys.set_counter(copy);
            refused(&hand.use_it(&answer).await, "passkey_copied");
        }
        hand.keys.set_counter(20);
        assert_eq!(hand.sign_in().await.status, 200, "the twin");

        hand.keys.flags = USER_PRESENT;
        assert_eq!(hand.sign_in().await.status, 200, "verification is preferred");
        let step = hand.phone.begin().await;
        assert_eq!(options(&step)["userVerification"], "preferred");
        scene.world.reload(|it| it.set("passkeys.user_verification", "required")).await;
        let answer = hand.use_it(&step).await;
        refused(&answer, "passkey_unverified");
        assert!(reason(&scene).await.contains("user_verified"));
        hand.keys.flags |= USER_VERIFIED;
        assert_eq!(hand.use_it(&answer).await.status, 200, "the twin");
        let step = hand.phone.begin().await;
        assert_eq!(options(&step)["userVerification"], "required");
        scene.world.stop().await;
    })
    .await;
}

/// W-51, 431-U: an account with a passkey and no password, on the app's screens. Whoever stops before the passkey leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_with_a_passkey() {
    on_every_engine(|scene| async move {
        scene.world.reload(|it| it.with("[login.default]\nrequire = [\"passkey\", \"password\"]")).await;
        let mut hand = Hand::of(&scene, Authenticator::default());
        let address = "nora@example.com";
        let asked = async |hand: &mut Hand<'_>| {
            let seen = scene.mailbox.letters().len();
            let step = hand.phone.begin_with(&[("prompt", "create")]).await;
            let step = hand.phone.answer(&step, "continue", &[("email", address), ("name", "Nora")]).await;
            let code = scene.code_of_letter(address, seen).await;
            hand.phone.answer(&step, "continue", &[("email_code", &code)]).await
        };
        let step = asked(&mut hand).await;
        assert_eq!((step.kind(), options(&step)["user"]["name"].as_str()), ("enrol_passkey", Some(address)), "{step:?}");
        assert_eq!(options(&step)["excludeCredentials"], json!([]));
        assert_eq!(hand.phone.answer(&step, "cancel", &[]).await.error(), (400, "access_denied"));
        let step = asked(&mut hand).await;
        let step = hand.phone.answer(&step, "passkey", &[("passkey_failure", "cancelled")]).await;
        refused(&step, "passkey_cancelled");
        assert_eq!((scene.world.audited("registered").await, scene.world.audited("account_created").await), (0, 1), "alice alone");
        hand.origin = android(0x33);
        let step = hand.make(&step).await;
        refused(&step, "passkey_not_made");
        hand.origin = android(BUILDS[0].1);
        let done = hand.make(&step).await;
        assert_eq!(proved(&mut hand, &done).await, json!([["pop", "otp"], null]));
        assert_eq!((scene.world.audited("registered").await, scene.world.audited("passkey_enrolled").await), (1, 1));
        assert_eq!(hand.sign_in().await.status, 200);
        scene.world.stop().await;
    })
    .await;
}

/// A passkey that a sign-up refuses stays on the phone: the code says which one is kept. The twin refuses nothing and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_a_sign_up_refused_is_signalled_away() {
    on_every_engine(|scene| async move {
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let file = scene.world.directory.join("makers.pem");
        std::fs::write(&file, root.pem()).unwrap();
        let strict = format!("[passkeys]\nattestation = \"direct\"\nattestation_roots = ['{}']\nsynced = false\n", file.display());
        let open = "[passkeys]\nattestation = \"none\"\nattestation_roots = []\nsynced = true\n";
        scene.world.reload(|it| it.with("[login.default]\nrequire = [\"passkey\", \"password\"]")).await;
        for (address, refuses) in [("nora@example.com", true), ("nils@example.com", false)] {
            scene.world.reload(|it| it.with(if refuses { strict.as_str() } else { open })).await;
            let (mut hand, mut gone) = (Hand::of(&scene, Authenticator::default()), Authenticator::default());
            let seen = scene.mailbox.letters().len();
            let step = hand.phone.begin_with(&[("prompt", "create")]).await;
            let step = hand.phone.answer(&step, "continue", &[("email", address), ("name", "New")]).await;
            let code = scene.code_of_letter(address, seen).await;
            let mut step = hand.phone.answer(&step, "continue", &[("email_code", &code)]).await;
            assert_eq!(step.kind(), "enrol_passkey", "{step:?}");
            if refuses {
                let made = gone.create(options(&step), &hand.origin).unwrap();
                step = hand.send(&step, &made).await;
                refused(&step, "passkey_synced");
                scene.world.reload(|it| it.with(open)).await;
            }
            let done = hand.make(&step).await;
            let told = &done.body["operation"];
            assert_eq!((done.status, told.is_null()), (200, !refuses), "{done:?}");
            if refuses {
                let kept = json!([base64url::encode(&hand.keys.ids()[0])]);
                assert_eq!((&told["name"], &told["options"]["allAcceptedCredentialIds"]), (&json!("passkey_signal"), &kept));
                gone.forget_others(&told["options"]);
                assert!(gone.ids().is_empty(), "the refused one is of the same person: {told}");
            }
        }
        scene.world.stop().await;
    })
    .await;
}

/// After a password the app's person is offered a passkey, once; "not now" holds in the browser too.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_offered_once_over_both_faces() {
    on_every_engine(|scene| async move {
        scene.world.reload(|it| it.set("passkeys.offer", true)).await;
        let mut hand = Hand::of(&scene, Authenticator::default());
        let step = hand.phone.begin().await;
        let offer = hand.phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!((offer.kind(), offer.step()["operation"]["mediation"].as_str()), ("offer_passkey", Some("conditional")), "{offer:?}");
        assert_eq!(hand.phone.answer(&offer, "not_now", &[]).await.status, 200);
        let step = hand.phone.begin().await;
        assert_eq!(hand.phone.answer_password(&step, "alice", PASSWORD).await.status, 200);
        let mut browser = Browser::default();
        let pushed = hand.phone.push(&Ask::new("screens", BACK, "openid")).await.unwrap();
        let page = browser.open(&scene.world, &pushed).await;
        assert!(browser.submit_password(&scene.world, &page, "alice", PASSWORD).await.has_code());
        scene.world.person("bob").await;
        let step = hand.phone.begin().await;
        let offer = hand.phone.answer_password(&step, "bob", PASSWORD).await;
        assert_eq!(hand.make(&offer).await.status, 200);
        assert_eq!(hand.sign_in().await.status, 200);
        scene.world.stop().await;
    })
    .await;
}

/// W-31: nothing forces a kind of authenticator, and a device that has no passkey says so in words. Whoever came with the passkey of another
/// device is offered one for this device, once. The twin is a passkey of this device.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_came_with_another_devices_passkey_is_offered_one() {
    on_every_engine(|scene| async move {
        scene.world.reload(|it| it.set("passkeys.offer", true)).await;
        let mut hand = Hand::of(&scene, Authenticator::default());
        let step = hand.phone.begin().await;
        let none = hand.phone.answer(&step, "passkey", &[("passkey_failure", "no_passkey")]).await;
        refused(&none, "passkey_none_here");
        let offer = hand.phone.answer_password(&none, "alice", PASSWORD).await;
        let asked = options(&offer);
        assert_eq!((offer.kind(), &asked["hints"]), ("offer_passkey", &json!(["client-device"])), "{offer:?}");
        assert_eq!(asked["authenticatorSelection"].get("authenticatorAttachment"), None, "{offer:?}");
        assert_eq!(hand.make(&offer).await.status, 200);
        let use_from = async |hand: &mut Hand<'_>, attachment: Json| {
            let step = hand.phone.begin().await;
            let mut used = hand.used(&step);
            used["authenticatorAttachment"] = attachment;
            hand.send(&step, &used).await
        };
        for here in [json!("platform"), Json::Null] {
            assert_eq!(use_from(&mut hand, here.clone()).await.status, 200, "{here}: the twin");
        }
        let offer = use_from(&mut hand, json!("cross-platform")).await;
        assert_eq!((offer.kind(), options(&offer)["excludeCredentials"].as_array().map(Vec::len)), ("offer_passkey", Some(1)), "{offer:?}");
        assert_eq!(hand.phone.answer(&offer, "not_now", &[]).await.status, 200);
        assert_eq!(use_from(&mut hand, json!("cross-platform")).await.status, 200, "once");
        scene.world.stop().await;
    })
    .await;
}

/// An app that may not use the server's passkeys is shown no operation; the browser is the way. What it sends all the same is refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_credentials_uses_the_browser() {
    on_every_engine(|scene| async move {
        let mut hand = Hand::of(&scene, Authenticator::default());
        hand.add("alice").await;
        let known = hand.phone.begin().await;
        scene.world.reload(|it| it.set("client.screens.app.credentials", false).set("passkeys.offer", true)).await;
        let step = hand.phone.begin().await;
        assert_eq!((step.kind(), &step.step()["operation"]), ("password", &Json::Null), "{step:?}");
        assert!(!step.actions().iter().any(|name| name == "passkey" || name == "security_key"), "{step:?}");
        refused(&hand.use_it(&known).await, "passkey_unknown");
        let challenge = ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let step = hand.phone.begin_with(&[challenge, ("code_challenge_method", "S256")]).await;
        let left = hand.phone.answer(&step, "use_passkey", &[]).await;
        assert_eq!((left.error(), left.text("request_uri").is_empty()), ((403, "redirect_to_web"), false), "{left:?}");
        scene.world.person("bob").await;
        let step = hand.phone.begin().await;
        assert_eq!(hand.phone.answer_password(&step, "bob", PASSWORD).await.status, 200, "nothing is offered that the app cannot do");
        // Where the policy wants one, the step has the browser alone.
        let step = hand.phone.begin_with(&[("acr_values", "urn:both")]).await;
        let step = hand.phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!((step.kind(), step.step()["operation"].is_null()), ("passkey", true), "{step:?}");
        assert!(step.actions().contains(&"browser".to_owned()) && !step.actions().contains(&"passkey".to_owned()));
        scene.world.reload(|it| it.without("client.screens.app.credentials")).await;
        assert_eq!(hand.sign_in().await.status, 200, "the twin");
        scene.world.stop().await;
    })
    .await;
}

/// W-14, 388-W: the platform is asked for a maker's statement only where the configuration wants one. Then a passkey without one is
/// refused with a code of its own, and nothing is stored. The person hears which kinds are accepted, in their language. At the end the
/// platform hears which passkeys are kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_asked_for_by_configuration_alone() {
    on_every_engine(|scene| async move {
        let mut hand = Hand::of(&scene, Authenticator::default());
        let step = hand.phone.begin_with(&[("acr_values", "urn:both")]).await;
        let step = hand.phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!(options(&step)["attestation"].as_str().unwrap_or("none"), "none", "{step:?}");
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let file = scene.world.directory.join("makers.pem");
        std::fs::write(&file, root.pem()).unwrap();
        let kinds = "aaguids = [\"ee882879-721c-4913-9775-3dfcce97072a\"]";
        let wanted = format!("[passkeys]\nattestation = \"direct\"\nattestation_roots = ['{}']\n{kinds}\n", file.display());
        scene.world.reload(|it| it.with(&wanted)).await;
        let step = hand.phone.begin_with(&[("acr_values", "urn:both")]).await;
        let step = hand.phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!(options(&step)["attestation"], "direct", "{step:?}");
        let answer = hand.make(&step).await;
        refused(&answer, "passkey_kind");
        assert!(reason(&scene).await.contains("no statement of a maker"), "{}", reason(&scene).await);
        assert_eq!(scene.world.audited("passkey_enrolled").await, 0);
        let named = symbolon_passkey::aaguid::name(&symbolon_passkey::aaguid::parse("ee882879-721c-4913-9775-3dfcce97072a").unwrap());
        let says = |answer: &Answer| answer.step()["problem"]["text"].as_str().unwrap().to_owned();
        assert!(says(&answer).ends_with(&format!("These are: {}.", named.unwrap())), "{answer:?}");
        let step = hand.phone.begin_with(&[("acr_values", "urn:both"), ("ui_locales", "de")]).await;
        let step = hand.phone.answer_password(&step, "alice", PASSWORD).await;
        hand.keys = Authenticator::default();
        let in_german = hand.make(&step).await;
        assert!(says(&in_german).ends_with(&format!("Es gelten: {}.", named.unwrap())), "{in_german:?}");
        hand.keys = Authenticator::default();
        scene.world.reload(|it| it.with("[passkeys]\nattestation = \"none\"\nattestation_roots = []\naaguids = []\n")).await;
        let waits = hand.make(&answer).await;
        assert_eq!(waits.kind(), "waits", "the twin: the present rules judge, and it was made with a password");
        assert!(scene.world.confirm("alice").await);
        let done = hand.phone.answer(&waits, "continue", &[]).await;
        let kept = &done.body["operation"]["options"]["allAcceptedCredentialIds"];
        assert_eq!(
            (done.status, kept),
            (200, &json!([base64url::encode(&hand.keys.ids()[0])])),
            "what was refused is not among them: {done:?}"
        );
        scene.world.stop().await;
    })
    .await;
}

/// 300-H: ids of a name stay the same and tell nothing, on the app's screens as on the page.
#[tokio::test(flavor = "multi_thread")]
async fn ids_of_a_name_tell_nothing() {
    on_every_engine(|scene| async move {
        let mut hand = Hand::of(&scene, Authenticator::default());
        hand.add("alice").await;
        scene.world.person("bob").await;
        let mut ids = async |name: &str| {
            let step = hand.phone.begin().await;
            let named = hand.phone.answer(&step, "security_key", &[("username", name)]).await;
            let mut shown = named.step().clone();
            shown["operation"]["options"]["challenge"].take();
            let allowed = shown["operation"]["options"]["allowCredentials"].take();
            assert!(allowed.as_array().is_some_and(|all| !all.is_empty()), "{named:?}");
            (shown, allowed)
        };
        let names = ["alice", "alice@example.com", "bob", "nobody", "nobody@example.com"];
        let mut seen = Vec::new();
        for name in names {
            seen.push(ids(name).await);
        }
        for (at, one) in seen.iter().enumerate() {
            assert_eq!((&one.0, &one.1), (&seen[0].0, &ids(names[at]).await.1), "{}: always the same", names[at]);
            assert!(seen[..at].iter().all(|(_, other)| *other != one.1), "{}: nothing in common with another name", names[at]);
        }
        scene.world.stop().await;
    })
    .await;
}
