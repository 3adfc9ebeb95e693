//! Somebody is invited: an operator makes an account and a ticket, and the person links an account at a provider to it.

use crate::commands::symbolon;
use crate::upstream::{leave, sign_in, subject, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine, PASSWORD, Page, World, engines, totp};
use serde_json::json;

async fn invite(world: &World, name: &str) -> String {
    let (code, said, error) = symbolon(&world.file(), &["user", "invite", name, "--display-name", "Anna"], "").await;
    assert_eq!(code, Some(0), "{said}{error}");
    said.lines().last().unwrap().trim().to_owned()
}

/// Comes from the provider, known to nobody, and says that there is an invitation. The page asks for the ticket.
async fn invited(world: &World, provider: &Provider, browser: &mut Browser, name: &str) -> Page {
    let page = sign_in(world, provider, browser).await;
    assert!(page.says("No account here belongs to that") && page.action("use_invitation"), "{}", page.html);
    let page = browser.submit(world, &page, &[], "use_invitation").await;
    assert!(page.asks_for("username"), "{}", page.html);
    browser.submit(world, &page, &[("username", name)], "continue").await
}

async fn show(world: &World, browser: &mut Browser, page: &Page, ticket: &str) -> Page {
    browser.submit(world, page, &[("ticket", ticket)], "continue").await
}

/// With the ticket, and a fresh sign-in at the provider, the identity leads to the account from then on.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_links_the_first_identity() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        provider.is("anna");
        let (ticket, mut browser) = (invite(&world, "anna").await, Browser::default());
        let page = invited(&world, &provider, &mut browser, "anna").await;
        let page = show(&world, &mut browser, &page, &ticket).await;
        assert!(page.action("go"), "{}", page.html);
        let away = browser.submit(&world, &page, &[], "go").await.location.unwrap();
        assert_eq!(crate::world::parameters(&away)["max_age"], "300");
        let page = browser.get(&world, &provider.sign_in(&away)).await;
        assert!(page.action("continue") && page.title().contains("Anysocial"), "{}", page.html);
        let page = browser.submit(&world, &page, &[], "continue").await;
        assert!(!page.has_code(), "a ticket signs nobody in: {}", page.html);
        assert_eq!(world.audited("upstream_linked").await, 1);
        let ask = Ask::native("openid orders:read");
        let mut again = Browser::default();
        let url = leave(&world, &mut again, &ask).await;
        let page = again.get(&world, &provider.sign_in(&url)).await;
        let sub = subject(&world, &page, &ask).await;
        let (_, said, _) = symbolon(&world.file(), &["user", "show", "anna"], "").await;
        assert!(said.contains(&sub), "{said}");
        // The account has means now: nobody is invited to it any more, by this ticket or by another.
        provider.is("somebody");
        let mut other = Browser::default();
        let page = invited(&world, &provider, &mut other, "anna").await;
        let page = show(&world, &mut other, &page, &ticket).await;
        assert!(page.asks_for("ticket") && !page.problem().is_empty(), "{}", page.html);
        let (code, _, error) = symbolon(&world.file(), &["user", "invite", "anna"], "").await;
        assert!(code == Some(1) && error.contains("can sign in already"), "{error}");
        world.stop().await;
    }
}

/// What is no invitation to this account opens nothing: a wrong ticket, another person's, an old one, and a ticket for people who can sign in.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_their_invitation() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "").await;
    provider.is("anna");
    let (annas, bens) = (invite(&world, "anna").await, invite(&world, "ben").await);
    let (_, said, _) = symbolon(&world.file(), &["user", "ticket", "alice"], "").await;
    let alices = said.lines().last().unwrap().trim().to_owned();
    for (name, ticket) in [("anna", "aaaaa-aaaaa"), ("anna", &*bens), ("alice", &*alices), ("nobody", &*annas), ("ben", &*annas)] {
        let mut browser = Browser::default();
        let page = invited(&world, &provider, &mut browser, name).await;
        let page = show(&world, &mut browser, &page, ticket).await;
        assert!(page.asks_for("ticket") && page.problem().contains("not your ticket"), "{name}: {}", page.html);
    }
    // The ticket is good, and the sign-in at the provider is too old to be the person's own.
    let mut browser = Browser::default();
    let page = invited(&world, &provider, &mut browser, "anna").await;
    let page = show(&world, &mut browser, &page, &annas).await;
    provider.says(Says { sub: "anna".to_owned(), id_token: json!({ "auth_time": 1_000_000 }), ..Says::default() });
    let away = browser.submit(&world, &page, &[], "go").await.location.unwrap();
    let page = browser.get(&world, &provider.sign_in(&away)).await;
    assert!(!page.problem().is_empty(), "{}", page.html);
    assert_eq!(world.audited("upstream_linked").await, 0);
    // A new ticket for her, and then it is too old.
    let late = invite(&world, "anna").await;
    let mut browser = Browser::default();
    let page = invited(&world, &provider, &mut browser, "anna").await;
    let fresh = invite(&world, "anna").await;
    let page = show(&world, &mut browser, &page, &late).await;
    assert!(page.problem().contains("not your ticket"), "replaced: {}", page.html);
    assert!(show(&world, &mut browser, &page, &fresh).await.action("go"), "the twin");
    world.stop().await;
}

/// 469-E: whoever guesses invitations for somebody uses up tries of their own, and none for that person's codes.
#[tokio::test(flavor = "multi_thread")]
async fn guessed_invitations_use_up_no_codes() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        let now_ms = || world.running.shared.now().now_ms();
        let mut browser = Browser::default();
        let page = browser.visit(&world, "/account").await;
        browser.submit_password(&world, &page, "alice", PASSWORD).await;
        let account = browser.visit(&world, "/account").await;
        let page = browser.submit(&world, &account, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        browser.submit(&world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
        world.confirm("alice").await;
        provider.is("eve");
        let mut eve = Browser::default();
        let mut page = invited(&world, &provider, &mut eve, "alice").await;
        let mut tries = 0;
        while page.problem().contains("not your ticket") || tries == 0 {
            page = show(&world, &mut eve, &page, "aaaaa-aaaaa").await;
            tries += 1;
        }
        assert_eq!(tries, 11, "the eleventh is too many: {}", page.html);
        assert!(page.problem().contains("Too many"), "{}", page.html);
        world.advance_s(60);
        let mut fresh = Browser::default();
        let page = fresh.visit(&world, "/account").await;
        let page = fresh.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(page.asks_for("code"), "{}", page.html);
        let done = fresh.submit(&world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
        assert_eq!((done.status, done.problem()), (303, String::new()), "{}", done.html);
        world.stop().await;
    }
}
