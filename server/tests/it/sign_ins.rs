//! A sign-in is one row with a page: it can be fetched again, a repeated answer heals, and every answer is judged under the present
//! configuration.

use crate::world::*;

/// Writes the configuration with this replaced, and reads it again as SIGHUP does.
async fn reload(world: &World, from: &str, to: &str) {
    let text = std::fs::read_to_string(world.file()).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(world.file(), text.replacen(from, to, 1)).unwrap();
    symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap();
}

async fn rows(world: &World) -> usize {
    world.running.shared.now().store.all("SELECT id FROM sign_in", &[]).await.unwrap().len()
}

/// The address of the present page of the browser's sign-in, from the redirect that an answer got.
fn address(page: &Page) -> String {
    page.location.clone().unwrap_or_else(|| panic!("no redirect: {} {}", page.status, page.html))
}

const WRONG: [(&str, &str); 2] = [("username", "alice"), ("password", "not hers")];
const RIGHT: [(&str, &str); 2] = [("username", "alice"), ("password", PASSWORD)];

/// A GET writes nothing; the first answer makes the row, the later ones replace it; the page shows the last result however often it
/// is fetched, and sends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_one_row_whose_page_can_be_fetched_again() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        let start = browser.open(&world, &Ask::native("openid")).await;
        browser.open(&world, &Ask::native("openid")).await;
        assert_eq!(rows(&world).await, 0, "nothing was answered");
        let answer = browser.submit_raw(&world, &start, &WRONG, "continue").await;
        assert_eq!((answer.status, rows(&world).await), (303, 1));
        for _ in 0..3 {
            let page = browser.get(&world, &address(&answer)).await;
            assert_eq!((page.status, page.kind(), page.problem().contains("not right")), (200, "password", true), "{}", page.html);
            assert_eq!(page.field("username"), "alice", "what was typed is there again");
        }
        let mut page = browser.get(&world, &address(&answer)).await;
        for _ in 0..3 {
            page = browser.submit(&world, &page, &WRONG, "continue").await;
        }
        assert_eq!(rows(&world).await, 1, "an answer replaces the row");
        let done = browser.submit(&world, &page, &RIGHT, "continue").await;
        assert!(done.has_code(), "{}", done.html);
        assert_eq!((rows(&world).await, world.audited("code_issued").await), (1, 1));
        // The page of the end gives the same code until it is redeemed.
        let again = browser.get(&world, &address(&answer)).await;
        assert_eq!(again.location, done.location);
        world.stop().await;
    })
    .await;
}

/// 328-L: another browser that has the address sees nothing of the sign-in; nor does the browser with the secret of before.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_belongs_to_the_newest_secret_of_its_browser() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        let start = browser.open(&world, &Ask::native("openid")).await;
        let mut before = browser.clone();
        let answer = browser.submit_raw(&world, &start, &WRONG, "continue").await;
        let page = browser.get(&world, &address(&answer)).await;
        let mut older = browser.clone();
        let next = browser.submit_raw(&world, &page, &WRONG, "continue").await;
        assert_eq!(address(&next), address(&answer), "one sign-in, one address");
        let elsewhere = older.get(&world, &address(&answer)).await;
        assert_eq!((elsewhere.status, elsewhere.kind()), (409, "elsewhere"), "{}", elsewhere.html);
        for (name, mut other) in [("another browser", Browser::default()), ("a secret that is two answers old", before.clone())] {
            let dead = other.get(&world, &address(&answer)).await;
            assert_eq!((dead.status, dead.kind()), (404, "over"), "{name}: {}", dead.html);
            assert!(dead.says("Go back to Shop"), "{name}: the page names the app: {}", dead.html);
        }
        let refused = before.submit(&world, &page, &RIGHT, "continue").await;
        assert_eq!((refused.status, refused.location), (400, None));
        let edited = format!("{}x", address(&answer));
        assert_eq!(browser.get(&world, &edited).await.status, 404);
        let present = browser.get(&world, &address(&answer)).await;
        assert!(browser.submit(&world, &present, &RIGHT, "continue").await.has_code(), "the twin");
        world.stop().await;
    })
    .await;
}

/// W-35: ten tabs sleep for half an hour and are reloaded, some at the app's request and some at a page of a sign-in. Each is a fresh start that
/// knows the app, or ends signed in, or names the app and leads on.
#[tokio::test(flavor = "multi_thread")]
async fn tabs_that_slept_are_no_dead_ends() {
    on_every_engine(|world| async move {
        let (mut browser, mut tabs) = (Browser::default(), Vec::new());
        for number in 0..10 {
            let ask = Ask::native("openid");
            let start = browser.open(&world, &ask).await;
            let is_begun = number % 2 == 1;
            let address =
                if is_begun { address(&browser.submit_raw(&world, &start, &WRONG, "continue").await) } else { world.url(&ask.path()) };
            tabs.push((is_begun, address));
        }
        world.advance_s(31 * 60);
        let mut signed_in = 0;
        for (is_begun, url) in &tabs {
            let page = browser.get(&world, url).await;
            if *is_begun {
                assert_eq!((page.status, page.kind()), (404, "over"), "{}", page.html);
                assert!(page.says("Go back to Shop"), "{}", page.html);
                let link = page.html.split("id=\"onward\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
                let link = link.replace("&#x2f;", "/");
                let onward = browser.get(&world, &link).await;
                let kind = if signed_in > 0 { "account" } else { "password" };
                assert_eq!((onward.status, onward.kind()), (200, kind), "{link}: {}", onward.html);
                continue;
            }
            if signed_in == 0 {
                assert!(page.kind() == "password" && page.says("To continue to Shop"), "{}", page.text());
                assert!(browser.submit(&world, &page, &RIGHT, "continue").await.has_code());
            } else {
                assert!(page.has_code(), "signed in by the first tab: {}", page.html);
            }
            signed_in += 1;
        }
        assert_eq!(signed_in, 5);
        // A bookmark, in a browser that never had the sign-in.
        let bookmark = Browser::default().get(&world, &tabs[1].1).await;
        assert!(bookmark.status == 404 && bookmark.says("Go back to Shop"), "{}", bookmark.html);
        world.stop().await;
    })
    .await;
}

/// The same answer twice at the same time has one result; another answer beside it is told to wait, or finds the next question.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_answer_has_one_result() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        let start = browser.open(&world, &Ask::native("openid")).await;
        let send = |fill: [(&'static str, &'static str); 2]| {
            let (mut browser, node, start) = (browser.clone(), world.node.clone(), start.clone());
            tokio::spawn(async move { browser.submit(&node, &start, &fill, "continue").await })
        };
        let mut answers = Vec::new();
        for _ in 0..6 {
            answers.push(send(RIGHT));
        }
        let mut codes = Vec::new();
        for answer in answers {
            codes.push(answer.await.unwrap().code());
        }
        codes.dedup();
        assert_eq!(codes.len(), 1, "{codes:?}");
        assert_eq!((world.audited("code_issued").await, world.audited("password_proved").await), (1, 1));
        world.stop().await;
    })
    .await;
}

/// A sign-in under way is judged by what the configuration says now: a policy that was renamed, and a client that lost what it asked
/// for, end it; nothing falls back to less.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_judged_under_the_present_configuration() {
    for engine in engines() {
        let changes = [
            ("login = \"two\"\n", "login = \"two\"\ndisabled = true\n", "disabled"),
            ("redirect_uris = [\"https://app.example.com/callback\", ", "redirect_uris = [", "lost its redirect URI"),
            ("orders = [\"orders:read\", \"orders:write\"]", "orders = [\"orders:write\"]", "lost a scope"),
            ("login = \"two\"\n", "login = \"two\"\nrequire_pushed_authorization_requests = true\n", "must push"),
            ("login = \"two\"\n", "login = \"two\"\nresponse_modes = [\"form_post\"]\n", "lost its response mode"),
        ];
        for (from, to, what) in changes {
            let world = two_factor(engine).await;
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::native("openid orders:read")).await;
            let twin = browser.submit(&world, &page, &WRONG, "continue").await;
            assert_eq!(twin.kind(), "password", "{what}");
            reload(&world, from, to).await;
            let over = browser.submit(&world, &twin, &RIGHT, "continue").await;
            assert_eq!((over.status, over.location.as_deref()), (400, None), "{what}: {}", over.html);
            assert!(over.says("invalid_session"), "{what}: {}", over.html);
            reload(&world, to, from).await;
            let goes_on = browser.submit(&world, &twin, &RIGHT, "continue").await;
            assert_eq!(goes_on.kind(), "enrol_totp", "{what}: {}", goes_on.html);
            world.stop().await;
        }
    }
}

/// A client with a policy that asks for a password and a code.
async fn two_factor(engine: Engine) -> World {
    let port = free_port();
    let text = configuration(port, &database(engine).await).replacen("[client.shop-ios]\n", "[client.shop-ios]\nlogin = \"two\"\n", 1)
        + "[login.two]\nrequire = [\"password + totp\"]\n[login.weak]\nrequire = [\"password\"]\n";
    // The tests replace words of this text.
    World::on(&text, port, |store| store).await
}

/// A stronger policy reaches sign-ins under way; a renamed one never becomes a password alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changed_is_asked_for_again() {
    for engine in engines() {
        let world = two_factor(engine).await;
        // From weak to strong: the password was enough when the sign-in began.
        reload(&world, "login = \"two\"", "login = \"weak\"").await;
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        reload(&world, "login = \"weak\"", "login = \"two\"").await;
        let asked = browser.submit(&world, &page, &RIGHT, "continue").await;
        assert_eq!((asked.kind(), asked.location), ("enrol_totp", None), "{}", asked.html);
        // The policy was renamed, and the client with it.
        let mut other = Browser::default();
        let page = other.open(&world, &Ask::native("openid")).await;
        let text = std::fs::read_to_string(world.file()).unwrap().replace("login = \"two\"", "login = \"strong\"");
        std::fs::write(world.file(), text.replace("[login.two]", "[login.strong]")).unwrap();
        symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap();
        let asked = other.submit(&world, &page, &RIGHT, "continue").await;
        assert_eq!((asked.kind(), asked.location), ("enrol_totp", None), "{}", asked.html);
        world.stop().await;
    }
}

/// Signing out ends what the browser had begun; so does another person who signs in. A browser keeps eight sign-ins at most.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_had_begun_ends_with_its_session() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        let mut browser = Browser::default();
        browser.sign_in(&world, &Ask::native("openid"), "alice").await;
        let under_way = browser.open(&world, &Ask::native("openid").with("prompt", "login")).await;
        let under_way = browser.submit(&world, &under_way, &WRONG, "continue").await;
        let kept = browser.clone();
        let page = browser.visit(&world, "/logout").await;
        let out = browser.submit(&world, &page, &[], "logout").await;
        assert_eq!(out.kind(), "signed_out");
        assert!(browser.cookies.keys().all(|name| !name.contains("-login-")), "{:?}", browser.cookies.keys());
        let late = kept.clone().submit(&world, &under_way, &RIGHT, "continue").await;
        assert_eq!((late.status, late.location), (400, None), "{}", late.html);

        let mut browser = Browser::default();
        browser.sign_in(&world, &Ask::native("openid"), "alice").await;
        let under_way = browser.open(&world, &Ask::native("openid").with("prompt", "login")).await;
        let under_way = browser.submit(&world, &under_way, &WRONG, "continue").await;
        let kept = browser.clone();
        let page = browser.open(&world, &Ask::native("openid").with("prompt", "select_account")).await;
        let page = browser.submit(&world, &page, &[], "not_you").await;
        assert!(browser.submit_password(&world, &page, "bob", PASSWORD).await.has_code());
        let late = kept.clone().submit(&world, &under_way, &RIGHT, "continue").await;
        assert_eq!((late.status, late.location), (400, None), "{}", late.html);

        let mut many = Browser::default();
        let first = many.open(&world, &Ask::native("openid")).await;
        for _ in 0..7 {
            many.open(&world, &Ask::native("openid")).await;
        }
        let count = |browser: &Browser| browser.cookies.keys().filter(|name| name.contains("-login-")).count();
        assert_eq!(count(&many), 8);
        assert!(many.clone().submit(&world, &first, &RIGHT, "continue").await.has_code(), "the eighth pushes nothing out");
        let newest = many.open(&world, &Ask::native("openid")).await;
        assert_eq!(count(&many), 8);
        let gone = many.clone().submit(&world, &first, &RIGHT, "continue").await;
        assert_eq!((gone.status, gone.location), (400, None), "the ninth takes the oldest one's place");
        assert!(many.submit(&world, &newest, &RIGHT, "continue").await.has_code());
        world.stop().await;
    })
    .await;
}

/// The method for tests alone, `knock`, is a method like any other. It is a file, a line of the list, two events and its texts:
/// `tidy/methods.rs` has the list of these files.
#[tokio::test(flavor = "multi_thread")]
async fn a_method_is_one_file() {
    for engine in engines() {
        let policy = "[login.default]\nrequire = [\"knock + password\", \"password + totp\"]\n";
        let world = Configuration::on(engine).await.with(policy).start().await;
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        assert_eq!(page.kind(), "identify", "a method that does not ask for the name: {}", page.html);
        let page = browser.submit(&world, &page, &[("username", "alice")], "continue").await;
        assert_eq!(page.title(), "Knock", "{}", page.html);
        let times: usize = page.text().split("Knock ").find_map(|rest| rest.split(' ').next()?.parse().ok()).unwrap();
        let wrong = browser.submit(&world, &page, &[("knocks", "*")], "continue").await;
        assert!(wrong.problem().contains("another number"), "{}", wrong.html);
        let page = browser.submit(&world, &wrong, &[("knocks", &"*".repeat(times))], "continue").await;
        assert!(page.kind() == "password" && !page.asks_for("username"), "the person is known now: {}", page.html);
        let done = browser.submit(&world, &page, &[("password", PASSWORD)], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        assert_eq!((world.audited("knock_refused").await, world.audited("knock_proved").await), (1, 1));
        // The order is the person's.
        let mut other = Browser::default();
        let page = other.open(&world, &Ask::native("openid")).await;
        let page = other.submit(&world, &page, &[], "use_password").await;
        let knock = other.submit(&world, &page, &RIGHT, "continue").await;
        assert_eq!(knock.title(), "Knock", "the chain of which most is proved: {}", knock.html);
        world.stop().await;
    }
}
