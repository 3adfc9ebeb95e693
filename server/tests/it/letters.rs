//! What letters can be used for, and what can be put into them: a code is for one question of one person, and a letter goes to one.

use crate::world::mail::{NEW_PASSWORD, Post, on_every_engine};
use crate::world::native::*;
use crate::world::{Ask, Browser, Engine, PASSWORD, World, another_end, engines};
use symbolon_phone::mailbox::Mailbox;

async fn signs_in(world: &World, name: &str, password: &str) -> bool {
    let mut browser = Browser::default();
    let page = browser.open(world, &Ask::native("openid")).await;
    browser.submit_password(world, &page, name, password).await.has_code()
}

/// 406-U: a code that was sent for signing in, for registering or for another address opens no reset; the reset's own does.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_code_of_a_reset_resets() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        let (page, own) = post.asked(&mut browser, "/reset", &[("username", "alice")], "alice@example.com").await;
        let mut other = Browser::default();
        let seen = post.seen();
        let ways = other.open(&post.world, &Ask::native("openid")).await;
        let ways = other.submit(&post.world, &ways, &[], "use_email").await;
        other.submit(&post.world, &ways, &[("username", "alice")], "continue").await;
        let signing_in = post.code("alice@example.com", seen).await;
        let fill = [("email", "dan@example.com"), ("new_password", NEW_PASSWORD)];
        let (_, registering) = post.asked(&mut Browser::default(), "/register", &fill, "dan@example.com").await;
        let account = post.account(&mut other).await;
        let wish = other.submit(&post.world, &account, &[], "change_email").await;
        let seen = post.seen();
        other.submit(&post.world, &wish, &[("email", "alice.new@example.com")], "continue").await;
        let changing = post.code("alice.new@example.com", seen).await;
        let mut page = page;
        for code in [&signing_in, &registering, &changing] {
            page = browser.submit(&post.world, &page, &[("email_code", code)], "continue").await;
            assert_eq!((page.status, page.problem().contains("not right"), &page.location), (200, true, &None));
        }
        assert_eq!(post.world.audited("email_code_refused").await, 3);
        let done = browser.submit(&post.world, &page, &[("email_code", &own)], "continue").await;
        assert_eq!(done.kind(), "new_password", "{}", done.html);
        post.world.stop().await;
    })
    .await;
}

/// W-52: an address with a slip in it changes nothing before somebody proves it. Until then letters go to the old one. A newer wish ends the
/// older one. The letter has a code and no link: in another browser it is of no use. 410-U is what happens behind a change.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_changes_when_it_is_proved() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let mut browser = Browser::default();
        let wish = async |browser: &mut Browser, to: &str| {
            let account = browser.visit(world, "/account").await;
            let page = browser.submit(world, &account, &[], "change_email").await;
            let seen = post.seen();
            let sent = browser.submit(world, &page, &[("email", to)], "continue").await;
            (sent, post.code(to, seen).await)
        };
        post.account(&mut browser).await;
        let (older, slip) = wish(&mut browser, "alcie@example.com").await;
        let letter = post.mailbox.letters().pop().unwrap();
        assert!(letter.to == ["alcie@example.com"] && !letter.plain().contains("http"), "{}", letter.plain());
        // Whoever reads that letter has a code and no page to type it in.
        let (reset, _) = post.asked(&mut Browser::default(), "/reset", &[("username", "alice")], "alice@example.com").await;
        let mut stranger = Browser::default();
        let page = stranger.visit(world, "/reset").await;
        let page = stranger.submit(world, &page, &[("username", "alice")], "continue").await;
        let page = stranger.submit(world, &page, &[("email_code", &slip)], "continue").await;
        assert!(reset.asks_for("email_code") && page.problem().contains("not right"), "{}", page.html);
        let (newer, code) = wish(&mut browser, "alice.new@example.com").await;
        let wrong = browser.submit(world, &newer, &[("email_code", &slip)], "continue").await;
        assert!(wrong.problem().contains("not right"), "{}", wrong.html);
        assert_eq!(world.audited("email_changed").await, 0);
        assert_eq!(browser.submit(world, &wrong, &[("email_code", &code)], "continue").await.status, 303, "the twin");
        let late = browser.submit(world, &older, &[("email_code", &slip)], "continue").await;
        assert_eq!(world.audited("email_changed").await, 1, "the older wish has ended: {}", late.html);
        post.told("alice@example.com", "another e-mail address").await;
        post.world.stop().await;
    })
    .await;
}

/// W-57: a browser that is known sends no letter, from whatever network, also long after its session is over.
#[tokio::test(flavor = "multi_thread")]
async fn signing_in_again_elsewhere_sends_no_letter() {
    on_every_engine(|post| async move {
        let (world, mut browser) = (&post.world, Browser::at("192.0.2.7"));
        browser.sign_in(world, &Ask::native("openid"), "alice").await;
        let seen = post.seen();
        for (address, later_s) in [("198.51.100.9", 60), ("2001:db8::9", 3600), ("203.0.113.4", 20 * 86_400)] {
            world.advance_s(later_s);
            browser.address = Some(address.to_owned());
            let back = browser.sign_in(world, &Ask::native("openid").with("prompt", "login"), "alice").await;
            assert!(back.contains_key("code"), "{back:?}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert_eq!(post.seen(), seen);
        // The twin: what changes the ways in is told at once.
        post.enrol(&mut Browser::default()).await;
        post.told("alice@example.com", "authenticator").await;
        post.world.stop().await;
    })
    .await;
}

/// A world that tells people of new devices, as servers do by themselves.
pub async fn telling(engine: Engine) -> Post {
    let mut post = Post::start(engine).await;
    post.world.change(|configuration| configuration.with("[mail]\nnew_devices = true"));
    post.world = post.world.restarted(|_| {}).await;
    post
}

pub async fn letters_about_devices(mailbox: &Mailbox, wanted: usize) -> Vec<String> {
    let found = || -> Vec<String> {
        let all = mailbox.letters();
        all.iter().map(|it| it.plain().to_owned()).filter(|it| it.contains("had not used for it before")).collect()
    };
    for _ in 0..100 {
        if found().len() >= wanted {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let found = found();
    assert_eq!(found.len(), wanted, "{found:?}");
    found
}

/// W-57: a browser that is not known is told once: by an app, and by our own pages. Whoever has just made an account hears nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_is_told_once() {
    for engine in engines() {
        let post = telling(engine).await;
        let world = &post.world;
        let mut browser = Browser::at("192.0.2.7");
        browser.sign_in(world, &Ask::native("openid"), "alice").await;
        let letter = letters_about_devices(&post.mailbox, 1).await.remove(0);
        assert!(letter.contains("UTC") && letter.contains(&world.url("/stop/")), "{letter}");
        for (address, later_s) in [("198.51.100.9", 60), ("203.0.113.4", 20 * 86_400)] {
            world.advance_s(later_s);
            browser.address = Some(address.to_owned());
            browser.sign_in(world, &Ask::native("openid").with("prompt", "login"), "alice").await;
        }
        // The account page, in the same browser and in another one.
        world.advance_s(30 * 86_400);
        post.account(&mut browser).await;
        letters_about_devices(&post.mailbox, 1).await;
        post.account(&mut Browser::default()).await;
        letters_about_devices(&post.mailbox, 2).await;
        let fill = [("email", "dan@example.com"), ("new_password", NEW_PASSWORD)];
        let mut new = Browser::default();
        let (page, code) = post.asked(&mut new, "/register", &fill, "dan@example.com").await;
        assert_eq!(new.submit(world, &page, &[("email_code", &code)], "continue").await.status, 303);
        letters_about_devices(&post.mailbox, 2).await;
        let mut again = Browser::default();
        let page = again.open(world, &Ask::native("openid")).await;
        assert!(again.submit_password(world, &page, "dan@example.com", NEW_PASSWORD).await.has_code());
        letters_about_devices(&post.mailbox, 3).await;
        post.world.stop().await;
    }
}

/// W-57: an app's installation is told once, and none of the networks that it moves to. Another one is told as well. All that sign in by the
/// key of a server are on one device.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_installation_is_told_once() {
    for engine in engines() {
        let scene = Screens::with(engine, |it| it.set("mail.new_devices", true)).await;
        let (world, mailbox) = (&scene.world, &scene.mailbox);
        let mut phone = scene.genuine();
        phone.native_code().await;
        letters_about_devices(mailbox, 1).await;
        let moved = async |form: &[(&str, &str)]| {
            let mut headers = phone.headers("/authorize-challenge");
            headers.push(("x-forwarded-for", "198.51.100.9".to_owned()));
            let form = [&[("client_id", "screens")], form].concat();
            phone.send_headers(world, "/authorize-challenge", &form, &headers).await
        };
        let step = moved(&BEGIN).await;
        let held = step.text("auth_session");
        let right = [("auth_session", held.as_str()), ("action", "continue"), ("username", "alice"), ("password", PASSWORD)];
        assert_eq!(moved(&right).await.status, 200);
        letters_about_devices(mailbox, 1).await;
        scene.genuine().native_code().await;
        letters_about_devices(mailbox, 2).await;
        for _ in 0..2 {
            scene.signer().native_code().await;
            letters_about_devices(mailbox, 3).await;
        }
        scene.world.stop().await;
    }
}

/// W-57: the link of the letter signs everybody out, once, and needs no sign-in. Nobody makes one.
#[tokio::test(flavor = "multi_thread")]
async fn the_letter_about_a_device_ends_the_sign_in() {
    for engine in engines() {
        let post = telling(engine).await;
        let world = &post.world;
        let (mut thief, mut owner) = (Browser::default(), Browser::default());
        thief.sign_in(world, &Ask::native("openid"), "alice").await;
        let letter = letters_about_devices(&post.mailbox, 1).await.remove(0);
        let link = letter.split_whitespace().find_map(|word| word.strip_prefix(&world.issuer)).unwrap_or_else(|| panic!("{letter}"));
        let forged = another_end(link);
        for bad in [forged.as_str(), "/stop/AAAA"] {
            assert_eq!(owner.visit(world, bad).await.status, 404, "{bad}");
        }
        let asked = owner.visit(world, link).await;
        assert_eq!((asked.status, asked.kind()), (200, "stop_session"), "{}", asked.html);
        assert!(thief.open(world, &Ask::native("openid")).await.has_code(), "a look ends nothing");
        assert_eq!(owner.submit(world, &asked, &[], "stop").await.kind(), "stopped_session");
        assert!(!thief.open(world, &Ask::native("openid")).await.has_code());
        assert_eq!(owner.visit(world, link).await.kind(), "stop_over");
        assert_eq!(world.audited("sessions_ended").await, 1);
        // No device is known any more.
        thief.sign_in(world, &Ask::native("openid"), "alice").await;
        letters_about_devices(&post.mailbox, 2).await;
        post.world.stop().await;
    }
}

/// 408-U: whoever proves an address gets at that person's account, whatever name is written beside the code.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_for_the_person_it_was_sent_to() {
    on_every_engine(|post| async move {
        post.world.person("mallory").await;
        let mut browser = Browser::default();
        let (page, code) = post.asked(&mut browser, "/reset", &[("username", "mallory")], "mallory@example.com").await;
        let (hers, _) = post.asked(&mut browser, "/reset", &[("username", "alice")], "alice@example.com").await;
        let refused = browser.submit(&post.world, &hers, &[("email_code", &code)], "continue").await;
        assert_eq!((refused.status, refused.problem().contains("not right"), refused.location), (200, true, None));
        let names = [("username", "alice"), ("account", "alice"), ("user", "alice"), ("email", "alice@example.com")];
        let fill: Vec<(&str, &str)> = [("email_code", code.as_str())].into_iter().chain(names).collect();
        let page = browser.submit(&post.world, &page, &fill, "continue").await;
        let fill: Vec<(&str, &str)> =
            [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)].into_iter().chain(names).collect();
        let done = browser.submit(&post.world, &page, &fill, "continue").await;
        assert_eq!(done.status, 303, "{}", done.html);
        assert!(!signs_in(&post.world, "alice", NEW_PASSWORD).await && signs_in(&post.world, "alice", PASSWORD).await);
        assert!(signs_in(&post.world, "mallory", NEW_PASSWORD).await && !signs_in(&post.world, "mallory", PASSWORD).await);
        post.world.stop().await;
    })
    .await;
}

/// 425-U: no line end in an address, a name or a language makes a header, a second recipient or a second letter.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_has_one_recipient_and_our_headers() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        let ask = Ask::native("openid profile").with("prompt", "create");
        let page = browser.open(&post.world, &ask).await;
        let mut page = page;
        for bad in [
            "bob@example.com\r\nBcc: victim@evil.test",
            "bob@example.com\nRCPT TO:<victim@evil.test>",
            "bob@example.com,victim@evil.test",
            "\"bob\r\nX-Evil: 1\"@example.com",
            "bob@example.com> NOTIFY=SUCCESS\r\nDATA",
        ] {
            page = browser.submit(&post.world, &page, &[("email", bad), ("new_password", NEW_PASSWORD)], "continue").await;
            assert_eq!((page.status, page.problem().contains("not an e-mail address")), (200, true), "{bad:?}: {}", page.html);
            let reset = browser.visit(&post.world, "/reset").await;
            let nobody = browser.submit(&post.world, &reset, &[("username", bad)], "continue").await;
            assert_eq!(nobody.kind(), "email_code", "{bad:?}: {}", nobody.html);
        }
        let name = "Bob\r\nBcc: victim@evil.test\r\n.\r\nMAIL FROM:<x@evil.test>\u{1b}[2J";
        let fill = [("email", "bob@example.com"), ("new_password", NEW_PASSWORD), ("name", name), ("locale", "en\r\nX-Evil: 1")];
        let sent = browser.submit(&post.world, &page, &fill, "continue").await;
        let code = post.code("bob@example.com", 0).await;
        let letters = post.mailbox.letters();
        assert_eq!((letters.len(), &letters[0].to[..]), (1, &["bob@example.com".to_owned()][..]));
        assert!(!letters[0].text.contains("evil") && !letters[0].text.contains("X-Evil"), "{}", letters[0].text);
        let done = browser.submit(&post.world, &sent, &[("email_code", &code)], "continue").await;
        let tokens = post.world.exchange(&done.code(), &ask.verifier).await.1;
        let request = post.world.http.get(post.world.url("/userinfo")).bearer_auth(tokens["access_token"].as_str().unwrap());
        let profile: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        let name = profile["name"].as_str().unwrap();
        assert!(name.starts_with("Bob") && !name.chars().any(char::is_control), "{name:?}");
        post.world.stop().await;
    })
    .await;
}

/// 429-U: there is no link in a letter that a scanner could follow, opening and reloading pages spends nothing, and of eight that
/// send the code at the same time one wins.
#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_spends_nothing_and_one_of_many_wins() {
    on_every_engine(|post: Post| async move {
        let mut browser = Browser::default();
        let (page, code) = post.asked(&mut browser, "/reset", &[("username", "alice")], "alice@example.com").await;
        assert!(post.mailbox.letters().iter().all(|it| !it.text.contains("://") && !it.text.contains("www.")));
        for path in ["/reset", "/login", &format!("/login?email_code={code}&action=continue")] {
            for method in ["GET", "HEAD"] {
                let status = post.world.http.request(method.parse().unwrap(), post.world.url(path)).send().await.unwrap().status().as_u16();
                assert_eq!(status, if (method, path) == ("GET", "/reset") { 200 } else { 405 }, "{method} {path}");
            }
        }
        let mut tries = Vec::new();
        for at in 0..8 {
            let (mut browser, node, page, code) = (browser.clone(), post.world.node.clone(), page.clone(), code.clone());
            tries.push(tokio::spawn(async move {
                browser.submit(&node, &page, &[("email_code", &code), ("n", &at.to_string())], "continue").await
            }));
        }
        let mut won = 0;
        for one in tries {
            won += usize::from(one.await.unwrap().says("Choose a new password"));
        }
        assert_eq!((won, post.world.audited("email_proved").await), (1, 1));
        post.world.stop().await;
    })
    .await;
}

/// 410-U: until a new address is confirmed, its owner is nobody in particular. What happens to the account is told to the one before as well,
/// also what waits for nothing (W-57).
#[tokio::test(flavor = "multi_thread")]
async fn the_address_before_hears_of_all_that_follows() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let mut thief = Browser::default();
        post.account(&mut thief).await;
        let told = |to: &str| {
            let letters = post.mailbox.letters();
            letters.iter().filter(|letter| letter.to == [to] && letter.plain().contains("all other devices were signed out")).count()
        };
        let change_password = async |thief: &mut Browser| {
            let page = thief.visit(world, "/account").await;
            let page = thief.submit(world, &page, &[], "change_password").await;
            let fill = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];
            assert_eq!(thief.submit(world, &page, &fill, "continue").await.status, 303);
        };
        let hears = async |to: &str, times: usize| {
            for _ in 0..100 {
                if told(to) >= times {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            assert_eq!(told(to), times, "{to}");
        };
        change_password(&mut thief).await;
        hears("alice@example.com", 1).await;
        let page = thief.visit(world, "/account").await;
        let page = thief.submit(world, &page, &[], "change_email").await;
        let seen = post.seen();
        let sent = thief.submit(world, &page, &[("email", "thief@example.com")], "continue").await;
        let code = post.code("thief@example.com", seen).await;
        assert_eq!(thief.submit(world, &sent, &[("email_code", &code)], "continue").await.status, 303);
        change_password(&mut thief).await;
        hears("thief@example.com", 1).await;
        hears("alice@example.com", 2).await;
        // The twin: once the new address is confirmed, the one before is nobody's.
        assert!(world.confirm("thief@example.com").await);
        change_password(&mut thief).await;
        hears("thief@example.com", 2).await;
        hears("alice@example.com", 2).await;
        post.world.stop().await;
    })
    .await;
}
