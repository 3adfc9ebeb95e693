//! Devices without a browser: where a person may approve, who learns what, who gets a lost answer again, floods. Each refusal with its twin.

use crate::devices::{GRANT, Tv, is_the_question, open_complete, televisions, tv_at, type_code, world};
use crate::world::mail::{NEW_PASSWORD, Post};
use crate::world::*;
use symbolon_phone::mailbox::Mailbox;

const WRONG: &str = "No device that waits has this code. Compare it letter by letter.";
const OVER: &str = "This code was used already, or it has expired. Ask your device for a new one.";

/// K-08: a code that somebody else has answered is like one that no device has, word for word and at the same price. Its own person reads
/// what became of it; and one that nobody has answered says that it has expired (K-05).
#[tokio::test(flavor = "multi_thread")]
async fn another_person_learns_nothing_of_a_typed_code() {
    for engine in engines() {
        let world = world(engine).await;
        world.person("bob").await;
        let (mut alice, mut bob) = (Browser::at("203.0.113.7"), Browser::at("203.0.113.8"));
        let (tv, denied, late) = (
            Tv::start(&world, "tv", "orders:read").await,
            tv_at(&world, "tv", "198.51.100.1").await,
            Tv::start(&world, "tv", "orders:read").await,
        );
        let page = type_code(&mut alice, &world, denied.user_code(), "alice").await;
        alice.submit(&world, &page, &[], "not_mine").await;
        let page = type_code(&mut alice, &world, tv.user_code(), "alice").await;
        assert_eq!(alice.submit(&world, &page, &[], "allow").await.title(), "The device is signed in");
        bob.sign_in(&world, &Ask::native("orders:read"), "bob").await;
        let typed = async |browser: &mut Browser, code: &str| {
            let page = browser.visit(&world, "/device").await;
            browser.submit(&world, &page, &[("user_code", code)], "continue").await
        };
        let nobodys = typed(&mut bob, "BCDF-GHJK").await;
        for code in [tv.user_code(), denied.user_code()] {
            let others = typed(&mut bob, code).await;
            assert_eq!(others.problem(), WRONG);
            assert_eq!(others.text(), nobodys.text().replace("BCDF-GHJK", code), "word for word");
            let stranger = typed(&mut Browser::at("203.0.113.9"), code).await;
            assert_eq!(stranger.problem(), WRONG);
        }
        // The same price: three of ten are used.
        for _ in 0..7 {
            assert_eq!(typed(&mut bob, tv.user_code()).await.problem(), WRONG);
        }
        assert!(typed(&mut bob, tv.user_code()).await.problem().starts_with("Too many codes were typed"));
        assert_eq!(typed(&mut alice, tv.user_code()).await.title(), "The device is signed in", "her own");
        assert_eq!(typed(&mut alice, denied.user_code()).await.problem(), OVER, "her own");
        world.advance_s(601);
        assert_eq!(typed(&mut Browser::at("203.0.113.10"), late.user_code()).await.problem(), OVER, "nobody answered it");
        world.stop().await;
    }
}

/// K-10: `network = "same_country"`, by what the operator's proxy says. The page says both countries. Unknown is never the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_television_is_let_in_from_its_country_alone() {
    let more = "country_header = \"cf-ipcountry\"\n[client.home-tv.device]\nnetwork = \"same_country\"\n";
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&televisions()).with(more).start().await;
        let start = async |country: Option<&str>| {
            let request = world.http.post(world.url("/device_authorization")).header("x-forwarded-for", "198.51.100.66");
            let request = country.into_iter().fold(request, |request, country| request.header("cf-ipcountry", country));
            let answer = request.form(&[("client_id", "home-tv"), ("scope", "orders:read")]).send().await.unwrap();
            Tv::of("home-tv", answer.json().await.unwrap())
        };
        let problem = "Only a person in the same country as the device can approve it.";
        for (device, own) in [(Some("RO"), Some("AT")), (None, Some("AT")), (Some("AT"), None), (None, None), (Some("XX"), Some("XX"))] {
            let tv = start(device).await;
            let mut browser = Browser::at("203.0.113.7");
            browser.country = own.map(str::to_owned);
            let page = type_code(&mut browser, &world, tv.user_code(), "alice").await;
            assert!(page.problem() == problem && !page.action("allow") && page.action("not_mine"), "{device:?} {own:?}: {}", page.html);
            assert_eq!(page.says("the device is in the country RO. You are in AT"), device == Some("RO"), "{}", page.text());
            assert_eq!(browser.submit(&world, &page, &[], "allow").await.problem(), problem);
            assert_eq!(tv.error(&world).await, "authorization_pending");
        }
        let tv = start(Some("at")).await;
        let mut browser = Browser::at("203.0.113.7");
        browser.country = Some("AT".to_owned());
        let page = type_code(&mut browser, &world, tv.user_code(), "alice").await;
        assert!(page.says("the device is in the country AT. You are in AT"), "{}", page.text());
        assert_eq!(browser.submit(&world, &page, &[], "allow").await.title(), "The device is signed in", "the twin");
        assert_eq!(world.entries("device_approved").await.remove(0)["detail"]["started_in"], "AT");
        world.stop().await;
    }
}

/// What cannot be meant is an error at the start.
#[test]
fn countries_that_nobody_says_are_refused() {
    let with = |text: &str| Configuration::to_read().with(text).read();
    let tv = |network: &str| {
        format!("[client.tv]\nkind = \"native\"\ngrants = [\"{GRANT}\"]\nredirect_uris = []\n[client.tv.device]\nnetwork = \"{network}\"\n")
    };
    let proxies = "trusted_proxies = [\"127.0.0.1\"]\n";
    with(&format!("{proxies}country_header = \"cf-ipcountry\"\n{}", tv("same_country"))).unwrap();
    for (text, why) in [
        (tv("same_country"), "device.network = \"same_country\" needs country_header"),
        ("country_header = \"cf-ipcountry\"".to_owned(), "country_header is believed from trusted_proxies alone"),
        (format!("{proxies}country_header = \"\""), "country_header is no name of a header"),
        (format!("{proxies}country_header = \"a b\""), "country_header is no name of a header"),
        (tv("same-country"), "unknown variant"),
    ] {
        let error = with(&text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

/// K-18: a lost answer is given again only until its refresh token was used.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_not_given_again_once_it_was_used() {
    for engine in engines() {
        let world = world(engine).await;
        let tv = Tv::start(&world, "box", "orders:read").await;
        let mut browser = Browser::default();
        let page = type_code(&mut browser, &world, tv.user_code(), "alice").await;
        browser.submit(&world, &page, &[], "allow").await;
        let ((first, tokens), (again, same)) = (tv.poll(&world).await, tv.poll(&world).await);
        assert_eq!((first, again, &tokens["refresh_token"]), (200, 200, &same["refresh_token"]), "the twin");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens))];
        let (status, refreshed) = world.post("/token", &form, Some("box")).await;
        assert_eq!(status, 200, "{refreshed}");
        assert_eq!(tv.error(&world).await, "invalid_grant");
        assert_eq!(world.audited("device_code_replayed").await, 1, "an alarm");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&refreshed))];
        assert_eq!(world.post("/token", &form, Some("box")).await.0, 200, "and nothing ends");
        world.stop().await;
    }
}

/// A start of an attested installation binds the code to that installation: no other one, and no key alone, gets its tokens.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_an_attested_device_is_its_own() {
    for engine in engines() {
        let attester = new_key();
        let more = format!(
            "[client.tv]\nauthentication = \"attest_jwt_client_auth_dpop\"\n[client.tv.attestation]\nattester_jwks = {}\n",
            named_jwks(&attester)
        );
        let world = Configuration::on(engine).await.with(&televisions()).with(&more).start().await;
        let set = || {
            let mut set = Phone { attester: Some(&attester), ..Phone::new(&world, "tv", "") };
            set.attest_for(3600);
            set
        };
        let (mut own, mut other) = (set(), set());
        let answer = own.post("/device_authorization", &[("scope", "orders:read")]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let tv = Tv::of("tv", answer.body);
        let mut browser = Browser::default();
        let page = type_code(&mut browser, &world, tv.user_code(), "alice").await;
        assert!(!page.says("We could not check that this request comes from"), "its name is proved: {}", page.text());
        browser.submit(&world, &page, &[], "allow").await;
        let form = [("grant_type", GRANT), ("device_code", tv.text("device_code"))];
        assert_eq!(other.post("/token", &form).await.error(), (400, "invalid_grant"));
        let mut unattested = Phone { mode: Mode::Unattested, ..Phone::new(&world, "tv", "") }.with_key(own.key.clone());
        let refused = unattested.post("/token", &form).await;
        assert!(matches!(refused.error(), (401, "invalid_client") | (400, "use_fresh_attestation")), "{}", refused.body);
        assert_eq!(tv.poll(&world).await.0, 401, "no key at all");
        assert_eq!(world.audited("device_code_in_wrong_hands").await, 1);
        let tokens = own.post("/token", &form).await;
        assert_eq!((tokens.status, tokens.text("token_type").as_str()), (200, "DPoP"), "the twin: {}", tokens.body);
        world.stop().await;
    }
}

/// The person hears of an approval by mail, and ends the device from the account page that the letter names.
#[tokio::test(flavor = "multi_thread")]
async fn the_letter_about_a_device_leads_to_its_end() {
    for engine in engines() {
        let post = posted(engine, "").await;
        let tv = Tv::start(&post.world, "tv", "orders:read").await;
        let mut browser = Browser::default();
        let page = type_code(&mut browser, &post.world, tv.user_code(), "alice").await;
        browser.submit(&post.world, &page, &[], "allow").await;
        let (status, tokens) = tv.poll(&post.world).await;
        assert_eq!(status, 200, "{tokens}");
        post.told("alice@example.com", "You approved a television or another device").await;
        post.told("alice@example.com", "open your account there and end its session now").await;
        let page = browser.visit(&post.world, "/account").await;
        browser.change(&post.world, &page, "revoke_app:tv").await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens)), ("client_id", "tv")];
        assert_eq!(post.world.post("/token", &form, None).await.1["error"], "invalid_grant");
        post.world.stop().await;
    }
}

/// A world with letters, televisions and nothing else beside the least that registration needs.
async fn posted(engine: Engine, more: &str) -> Post {
    let mailbox = Mailbox::open().await.unwrap();
    let mail = format!(
        "[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"Shop <no-reply@example.com>\"\n{more}",
        mailbox.address.port()
    );
    Post { world: Configuration::on(engine).await.with(&televisions()).with(&mail).start().await, mailbox }
}

/// K-07: who must first make an account and prove an address comes to the same page, and the code was not lost meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_survives_the_making_of_an_account() {
    for engine in engines() {
        let post = posted(engine, "[registration]\nemail_domains = [\"example.com\"]\n").await;
        for (by_address, email) in [(false, "carol@example.com"), (true, "dave@example.com")] {
            let tv = Tv::start(&post.world, "tv", "orders:read").await;
            let mut browser = Browser::default();
            let page = if by_address {
                browser.visit(&post.world, tv.complete()).await
            } else {
                let page = browser.visit(&post.world, "/device").await;
                browser.submit(&post.world, &page, &[("user_code", tv.user_code())], "continue").await
            };
            let page = browser.submit(&post.world, &page, &[], "register").await;
            assert_eq!(page.kind(), "register", "{}", page.html);
            let seen = post.seen();
            let fill = [("email", email), ("name", "New"), ("new_password", NEW_PASSWORD)];
            let sent = browser.submit(&post.world, &page, &fill, "continue").await;
            // The device polls on, and the person reads the letter in another tab.
            post.world.advance_s(120);
            assert_eq!(tv.error(&post.world).await, "authorization_pending");
            let code = post.code(email, seen).await;
            let page = browser.submit(&post.world, &sent, &[("email_code", &code)], "continue").await;
            assert!(is_the_question(&page), "{}", page.html);
            let fill: &[(&str, &str)] = if by_address { &[("last_group", tv.last_group())] } else { &[] };
            assert_eq!(browser.submit(&post.world, &page, fill, "allow").await.title(), "The device is signed in");
            post.world.advance_s(6);
            assert_eq!(tv.poll(&post.world).await.0, 200);
        }
        post.world.stop().await;
    }
}

/// K-04: one second after its end a code has expired, and stays so for a further lifetime and more. Five hundred polls change nothing, and only
/// the words of RFC 8628 are said.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_code_stays_expired() {
    for engine in engines() {
        let world = world(engine).await;
        world.freeze();
        let tv = Tv::start(&world, "tv", "orders:read").await;
        world.advance_s(599);
        assert_eq!(tv.error(&world).await, "authorization_pending", "the twin, a second before");
        let rows = async || {
            let app = world.running.shared.now();
            let row = app.store.one("SELECT state, account, answered_ms, expires_ms FROM device_request", &[]).await.unwrap().unwrap();
            (
                row.text("state").unwrap().to_owned(),
                row.text("account").unwrap().to_owned(),
                row.int("answered_ms").unwrap(),
                row.int("expires_ms").unwrap(),
            )
        };
        let (before, mut words) = (rows().await, std::collections::BTreeSet::new());
        world.advance_s(2);
        for number in 0..500 {
            words.insert(tv.error(&world).await);
            if number == 250 {
                world.advance_s(600);
            }
        }
        assert_eq!(words.into_iter().collect::<Vec<_>>(), ["expired_token"]);
        assert_eq!(rows().await, before);
        world.stop().await;
    }
}

/// A television of a member polls and is let in while another client floods the server with starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_through_another_client_leaves_polls_alone() {
    for engine in engines() {
        let world = world(engine).await;
        let tv = Tv::start(&world, "tv", "orders:read").await;
        let mut browser = Browser::at("203.0.113.1");
        let flood = (0..300).map(|number: u32| {
            let form = [("client_id", "other-tv"), ("scope", "orders:read")];
            let address = format!("198.51.{}.{}", number / 250, number % 250);
            let request = world.http.post(world.url("/device_authorization")).form(&form).header("x-forwarded-for", address);
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        });
        let flood: Vec<_> = flood.collect();
        assert_eq!(tv.error(&world).await, "authorization_pending");
        let page = type_code(&mut browser, &world, tv.user_code(), "alice").await;
        assert!(is_the_question(&page), "{}", page.html);
        assert_eq!(browser.submit(&world, &page, &[], "allow").await.title(), "The device is signed in");
        assert_eq!(tv.poll(&world).await.0, 200);
        for request in flood {
            assert!(matches!(request.await.unwrap(), 200 | 429 | 503));
        }
        world.stop().await;
    }
}

/// 589-K, K-13: a flood of starts from one network leaves room for everybody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_starts_keeps_nobody_out() {
    let world = world(Engine::Sqlite).await;
    let start = async |address: &str, client: &str| {
        let form = [("client_id", client), ("scope", "orders:read")];
        let request = world.http.post(world.url("/device_authorization")).form(&form).header("x-forwarded-for", address);
        request.send().await.unwrap().status().as_u16()
    };
    let own = Tv::start(&world, "tv", "orders:read").await;
    let mut statuses = Vec::new();
    for _ in 0..100 {
        statuses.push(start("203.0.113.1", "tv").await);
    }
    let started = statuses.iter().filter(|status| **status == 200).count();
    assert!((60..=62).contains(&started) && statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    assert_eq!((start("203.0.113.2", "tv").await, start("203.0.113.1", "other-tv").await), (200, 200));
    let mut browser = Browser::at("203.0.113.1");
    let page = type_code(&mut browser, &world, own.user_code(), "alice").await;
    assert!(is_the_question(&page), "an earlier start is still there: {}", page.html);
    world.stop().await;
}

/// Where the page does not offer to allow, letters are no try: whoever is elsewhere uses up none of the five. The twin is offered it.
#[tokio::test(flavor = "multi_thread")]
async fn letters_cost_nothing_where_nothing_can_be_allowed() {
    for engine in engines() {
        let world = world(engine).await;
        world.person("bob").await;
        for (address, is_offered) in [("203.0.113.7", false), ("198.51.100.66", true)] {
            let tv = tv_at(&world, "home-tv", "198.51.100.66").await;
            let mut bob = Browser::at(address);
            let mut page = open_complete(&mut bob, &world, &tv, "bob").await;
            assert_eq!(page.action("allow"), is_offered, "{}", page.html);
            for _ in 0..5 {
                page = bob.submit(&world, &page, &[("last_group", "BBBB")], "allow").await;
                assert_eq!(page.problem().starts_with("The device has another code"), is_offered, "{}", page.html);
            }
            assert_eq!(world.audited("device_code_refused").await > 0, is_offered);
            let mut alice = Browser::at("198.51.100.66");
            let page = open_complete(&mut alice, &world, &tv, "alice").await;
            let done = alice.submit(&world, &page, &[("last_group", tv.last_group())], "allow").await;
            if is_offered {
                assert_eq!(done.problem(), "This code is no longer good. Ask for another one.", "the twin");
            } else {
                assert_eq!(done.title(), "The device is signed in", "{}", done.html);
            }
        }
        world.stop().await;
    }
}
