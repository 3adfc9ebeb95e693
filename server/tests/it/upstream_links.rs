//! Linking somebody else's account to one of ours: a journey of its own, with both sides proved, and the way back.

use crate::commands::symbolon;
use crate::upstream::{CREATE, leave, sign_in, sign_in_for_subject, subject, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine, PASSWORD, Page, World, engines};
use serde_json::json;

/// Alice signs in by password and opens her account page.
async fn account(world: &World, browser: &mut Browser) -> Page {
    let page = browser.visit(world, "/account").await;
    let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
    let page = if page.kind() == "account" { page } else { browser.visit(world, "/account").await };
    assert_eq!(page.kind(), "account", "{}", page.html);
    page
}

/// From the account page to the provider; where its answer leads.
pub async fn to_link(world: &World, provider: &Provider, browser: &mut Browser) -> Page {
    let page = account(world, browser).await;
    let page = browser.submit(world, &page, &[], "link:any").await;
    let page = browser.submit(world, &page, &[], "go").await;
    let url = page.location.unwrap_or_else(|| panic!("the browser does not leave: {}", page.html));
    assert_eq!(crate::world::parameters(&url)["max_age"], "300");
    browser.get(world, &provider.sign_in(&url)).await
}

/// This person links the provider by its entry of that name; an operator confirms it.
pub async fn linked(world: &World, provider: &Provider, person: &str, entry: &str) {
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    browser.submit_password(world, &page, person, PASSWORD).await;
    let page = browser.visit(world, "/account").await;
    let page = browser.submit(world, &page, &[], &format!("link:{entry}")).await;
    let page = browser.submit(world, &page, &[], "go").await;
    let page = browser.get(world, &provider.sign_in(&page.location.unwrap())).await;
    browser.submit(world, &page, &[], "continue").await;
    assert!(world.confirm(person).await, "{}", page.html);
}

/// This person takes the link away.
pub async fn unlinked(world: &World, person: &str) {
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    browser.submit_password(world, &page, person, PASSWORD).await;
    let page = browser.visit(world, "/account").await;
    let unlink = page.actions().into_iter().find(|action| action.starts_with("unlink:")).unwrap();
    assert_eq!(browser.change(world, &page, &unlink).await.status, 303);
}

async fn alice(world: &World) -> String {
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    let page = browser.sign_in_at(world, &world.url(&ask.path()), "alice").await;
    subject(world, &page, &ask).await
}

async fn links(world: &World) -> i64 {
    let app = world.running.shared.now();
    app.store.one("SELECT count(*) AS count FROM outside_identity", &[]).await.unwrap().unwrap().int("count").unwrap()
}

#[tokio::test]
async fn a_link_is_made_on_the_account_page_and_taken_away_there() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        provider.says(Says { sub: "a".to_owned(), claims: json!({ "email": "alice@any.example" }), ..Says::default() });
        let mut browser = Browser::default();
        let page = to_link(&world, &provider, &mut browser).await;
        assert_eq!(page.title(), "Link Anysocial?", "{}", page.html);
        assert!(page.says("a…@any.example") && page.says("alice@example.com"), "both sides are named: {}", page.text());
        assert_eq!(links(&world).await, 0, "nothing before the person says so");
        browser.submit(&world, &page, &[], "continue").await;
        assert_eq!((links(&world).await, world.audited("upstream_linked").await), (1, 1));
        assert_eq!(sign_in_for_subject(&world, &provider).await, alice(&world).await);
        let page = browser.visit(&world, "/account").await;
        assert!(page.says("a…@any.example"), "{}", page.text());
        let unlink = page.actions().into_iter().find(|action| action.starts_with("unlink:")).unwrap();
        let page = browser.submit(&world, &page, &[], &unlink).await;
        assert_eq!(page.title(), "Remove this sign-in?", "{}", page.html);
        browser.submit(&world, &page, &[], "continue").await;
        assert_eq!((links(&world).await, world.audited("upstream_unlinked").await), (0, 1));
        let page = sign_in(&world, &provider, &mut Browser::default()).await;
        assert!(page.says("No account here belongs to that"), "{}", page.html);
        world.stop().await;
    }
}

/// S-32: a sign-in at the provider that is old, or without a date, links nothing, unless the operator allows it.
#[tokio::test]
async fn a_link_wants_a_fresh_sign_in_at_the_provider() {
    let now_s = symbolon::serve::system_clock()() / 1000;
    for (said, more, is_enough) in [
        (json!({ "auth_time": now_s - 200 }), "", true),
        (json!({ "auth_time": now_s - 1000 }), "", false),
        (json!({ "auth_time": null }), "", false),
        (json!({ "auth_time": null }), "linking = \"undated\"\n", true),
    ] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, more).await;
        provider.says(Says { sub: "a".to_owned(), id_token: said.clone(), ..Says::default() });
        let page = to_link(&world, &provider, &mut Browser::default()).await;
        let is_offered = page.title() == "Link Anysocial?";
        assert_eq!(is_offered, is_enough, "{said} {more}: {}", page.html);
        assert_eq!(page.problem().contains("sign in there anew"), !is_enough, "{said}");
        world.stop().await;
    }
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "linking = \"off\"\n").await;
    let page = account(&world, &mut Browser::default()).await;
    assert!(!page.action("link:any"), "{:?}", page.actions());
    world.stop().await;
}

/// An identity of somebody else's account is not taken over, and nobody is signed out by trying.
#[tokio::test]
async fn an_identity_leads_to_one_account() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let owner = sign_in_for_subject(&world, &provider).await;
    let mut browser = Browser::default();
    let page = to_link(&world, &provider, &mut browser).await;
    assert!(page.problem().contains("somebody else's account"), "{}", page.html);
    assert_eq!(browser.visit(&world, "/account").await.kind(), "account");
    assert_eq!(sign_in_for_subject(&world, &provider).await, owner);
    provider.is("another");
    let page = to_link(&world, &provider, &mut Browser::default()).await;
    assert_eq!(page.title(), "Link Anysocial?", "the twin");
    world.stop().await;
}

/// Inside a session, a sign-in with an identity that nobody has links nothing and makes nothing: else a person who sits in somebody
/// else's session would hand over the own account. One that is somebody else's links nothing either. The person's own one goes on.
#[tokio::test]
async fn a_sign_in_inside_a_session_links_nothing() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, CREATE).await;
        provider.is("owned");
        let owner = sign_in_for_subject(&world, &provider).await;
        provider.is("a");
        linked(&world, &provider, "alice", "any").await;
        world.reload(|it| it.with("[login.both]\nrequire = [\"password + upstream:any\"]\n[client.shop-ios]\nlogin = \"both\"")).await;
        let mut browser = Browser::default();
        account(&world, &mut browser).await;
        let mut page = browser.open(&world, &Ask::native("openid orders:read")).await;
        for (sub, problem, why) in [
            ("stranger", "is not linked to yours", "not linked, and a sign-in links nothing"),
            ("owned", "belongs to somebody else", "linked to another account"),
        ] {
            provider.is(sub);
            let away = browser.submit(&world, &page, &[], "go").await.location.unwrap_or_else(|| panic!("{sub}: {}", page.html));
            page = browser.get(&world, &provider.sign_in(&away)).await;
            assert!(!page.has_code() && page.problem().contains(problem), "{sub}: {}", page.html);
            assert_eq!((links(&world).await, world.audited("registered").await), (2, 1), "{sub}");
            assert_eq!(world.entries("upstream_refused").await.last().unwrap()["reason"], why, "{sub}");
        }
        provider.is("a");
        let away = browser.submit(&world, &page, &[], "go").await.location.unwrap();
        assert!(browser.get(&world, &provider.sign_in(&away)).await.has_code(), "the twin");
        assert_eq!(browser.visit(&world, "/account").await.kind(), "account", "the session is the person's still");
        world.reload(|it| it.without("client.shop-ios.login")).await;
        provider.is("owned");
        assert_eq!(sign_in_for_subject(&world, &provider).await, owner);
        world.stop().await;
    }
}

/// 434-B: what was on its way when a link was taken away brings it back by no means.
#[tokio::test]
async fn an_answer_that_comes_after_the_link_is_gone_is_of_no_use() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "").await;
    provider.is("a");
    let mut browser = Browser::default();
    let page = to_link(&world, &provider, &mut browser).await;
    browser.submit(&world, &page, &[], "continue").await;
    let mut other = Browser::default();
    let late = provider.sign_in(&leave(&world, &mut other, &Ask::native("openid")).await);
    let mut replaying = browser.clone();
    let page_again = page.clone();
    let account = browser.visit(&world, "/account").await;
    let unlink = account.actions().into_iter().find(|action| action.starts_with("unlink:")).unwrap();
    let page = browser.submit(&world, &account, &[], &unlink).await;
    browser.submit(&world, &page, &[], "continue").await;
    assert_eq!(links(&world).await, 0);
    let replayed = replaying.submit(&world, &page_again, &[], "continue").await;
    assert!(!replayed.has_code(), "{}", replayed.html);
    let page = other.get(&world, &late).await;
    assert!(page.says("No account here belongs to that"), "{}", page.html);
    assert_eq!(links(&world).await, 0);
    world.stop().await;
}

/// S-30: an operator takes a link away, and the person hears of it as after an unlinking of their own.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_unlinked_by_an_operator_hears_of_it() {
    for engine in engines() {
        let provider = Provider::start().await;
        let mailbox = symbolon_phone::mailbox::Mailbox::open().await.unwrap();
        let mail = format!(
            "[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"Shop <no-reply@example.com>\"\nnew_devices = false",
            mailbox.address.port()
        );
        let world = crate::upstream::configured(engine, &provider, "").await.with(&mail).start().await;
        provider.is("a");
        linked(&world, &provider, "alice", "any").await;
        let row = world.running.shared.now().store.one("SELECT name FROM outside_identity", &[]).await.unwrap().unwrap();
        let unlink = async |link: &str| symbolon(&world.file(), &["user", "unlink", "alice", link], "").await;
        let (code, _, error) = unlink("https://other.example alice").await;
        assert!(code == Some(1) && error.contains("has no link"), "{error}");
        let (code, said, error) = unlink(row.text("name").unwrap()).await;
        assert_eq!((code, links(&world).await), (Some(0), 0), "{said}{error}");
        let mut subjects = Vec::new();
        for at in 0.. {
            let letter = mailbox.wait("alice@example.com", at).await.unwrap();
            let letter = letter.plain();
            subjects.push(letter.lines().next().unwrap_or_default().to_owned());
            if letter.contains("was removed from your account") {
                break;
            }
            assert!(at < 4, "{subjects:?}");
        }
        world.stop().await;
    }
}

/// The last way in is not taken away.
#[tokio::test]
async fn the_last_means_stays() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let mut browser = Browser::default();
    let page = browser.visit(&world, "/account").await;
    let page = browser.submit(&world, &page, &[], "use_upstream:any").await;
    browser.get(&world, &provider.sign_in(&page.location.unwrap())).await;
    let page = browser.visit(&world, "/account").await;
    let unlink = page.actions().into_iter().find(|action| action.starts_with("unlink:")).unwrap();
    let page = browser.submit(&world, &page, &[], &unlink).await;
    let page = browser.submit(&world, &page, &[], "continue").await;
    assert!(page.problem().contains("your last way"), "{}", page.html);
    assert_eq!(links(&world).await, 1);
    world.stop().await;
}

/// 422-U, S-26: with the account its links go. The identity signs up anew, twice in a row, and is never the old person.
#[tokio::test(flavor = "multi_thread")]
async fn links_go_with_their_account() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let mut known = Vec::new();
    for _ in 0..3 {
        let subject = sign_in_for_subject(&world, &provider).await;
        assert!(!known.contains(&subject), "{subject}");
        let (code, _, error) = symbolon(&world.file(), &["user", "delete", "--yes", "--", &subject], "").await;
        assert_eq!(code, Some(0), "{error}");
        assert_eq!(links(&world).await, 0);
        known.push(subject);
    }
    world.stop().await;
}

/// `max_age` and `prompt=login` of the app reach the provider, and `auth_time` is compared, not believed.
#[tokio::test]
async fn freshness_that_the_app_wants_is_asked_of_the_provider() {
    let now_s = symbolon::serve::system_clock()() / 1000;
    for (parameter, value, sent, old) in [("max_age", "1000", ("max_age", "1000"), 2000), ("prompt", "login", ("prompt", "login"), 600)] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, CREATE).await;
        for (auth_time, is_enough) in [(json!(now_s), true), (json!(now_s - old), false), (json!(null), false)] {
            provider.says(Says { sub: "a".to_owned(), id_token: json!({ "auth_time": auth_time }), ..Says::default() });
            let (mut browser, ask) = (Browser::default(), Ask::native("openid").with(parameter, value));
            let url = leave(&world, &mut browser, &ask).await;
            assert_eq!(crate::world::parameters(&url)[sent.0], sent.1);
            let page = browser.get(&world, &provider.sign_in(&url)).await;
            assert_eq!(page.has_code(), is_enough, "{parameter} {auth_time}: {}", page.html);
        }
        world.stop().await;
    }
}

/// An app of its own cannot open a provider's page on its screens: it is sent to the browser, where the sign-in ends as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_sign_in_goes_to_the_browser_for_a_provider() {
    let provider = Provider::start().await;
    let table = provider.table("any").lines().filter(|line| !line.starts_with("secret")).collect::<Vec<_>>().join("\n");
    let require = "[login.default]\nrequire = [\"password\", \"upstream:any\"]\n";
    let scene = crate::world::native::Screens::with(Engine::Sqlite, |it| it.with(require).with(&table)).await;
    let mut phone = scene.genuine();
    let start = phone.begin().await;
    assert!(start.actions().contains(&"use_upstream:any".to_owned()), "{start:?}");
    let away = phone.answer(&start, "use_upstream:any", &[]).await;
    assert_eq!(away.error(), (403, "redirect_to_web"), "{away:?}");
    let made_up = phone.begin().await;
    let refused = phone.answer(&made_up, "returned", &[("code", "made-up")]).await;
    assert_eq!(refused.error(), (400, "invalid_request"), "what a provider's redirect brings, an app cannot say: {refused:?}");
    let done = phone.answer_password(&made_up, "alice", PASSWORD).await;
    assert_eq!(done.status, 200, "the twin: another way, on the app's own screens");
    scene.world.stop().await;
}

/// A thief with the password links an account of their own. The letter's link takes it away.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_a_letter_takes_the_new_identity_away() {
    for engine in engines() {
        let provider = Provider::start().await;
        let mailbox = symbolon_phone::mailbox::Mailbox::open().await.unwrap();
        let mut world = world(engine, &provider, "").await;
        let mail = format!(
            "[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"Shop <no-reply@example.com>\"\nnew_devices = false",
            mailbox.address.port()
        );
        world.change(|configuration| configuration.with(&mail));
        let world = world.restarted(|_| {}).await;
        provider.is("thief");
        let mut thief = Browser::default();
        let page = to_link(&world, &provider, &mut thief).await;
        thief.submit(&world, &page, &[], "continue").await;
        assert!(thief.visit(&world, "/account").await.says("A link to another account"));
        assert_eq!(sign_in_for_subject(&world, &provider).await, alice(&world).await);
        let letter = mailbox.wait("alice@example.com", 0).await.unwrap();
        let letter = letter.plain();
        let link = letter.split_whitespace().find_map(|word| word.strip_prefix(&world.issuer)).unwrap_or_else(|| panic!("{letter}"));
        let mut owner = Browser::default();
        let page = owner.visit(&world, link).await;
        assert_eq!((page.title().as_str(), links(&world).await), ("Remove the new link?", 1), "{}", page.html);
        assert_eq!(owner.submit(&world, &page, &[], "stop").await.kind(), "stopped");
        assert_eq!((links(&world).await, world.audited("upstream_unlinked").await), (0, 1));
        let page = sign_in(&world, &provider, &mut Browser::default()).await;
        assert!(page.says("No account here belongs to that"), "{}", page.html);
        world.stop().await;
    }
}
