//! Providers and wallets behind another method of a chain, and several entries of the configuration that are of one issuer.

use crate::upstream::world;
use crate::upstream_links::{linked, unlinked};
use crate::wallets::{Outside, now_s};
use crate::world::provider::Provider;
use crate::world::*;

const LACKS: &str = "Your account lacks what this sign-in needs";

/// A policy beside the one of the account page. Whoever asks for its `acr` proves it.
fn policy(name: &str, chains: &str) -> String {
    format!("[login.{name}]\nrequire = [{chains}]\nacr = \"urn:{name}\"\n")
}

fn ask(name: &str) -> Ask {
    Ask::native("openid").with("acr_values", &format!("urn:{name}"))
}

/// The page behind the password, in a browser that nobody knows.
async fn after_password(world: &World, browser: &mut Browser, ask: &Ask, person: &str) -> Page {
    let page = browser.open(world, ask).await;
    browser.submit_password(world, &page, person, PASSWORD).await
}

/// From a page that leads to the provider: there and back.
async fn at_provider(world: &World, provider: &Provider, browser: &mut Browser, page: &Page, action: &str) -> Page {
    let left = browser.submit(world, page, &[], action).await;
    let url = left.location.unwrap_or_else(|| panic!("the browser does not leave: {}", left.html));
    browser.get(world, &provider.sign_in(&url)).await
}

/// Whoever has no link is refused, with the reason in the audit or the log and not on the page.
fn lacks(page: &Page) {
    assert_eq!((page.status, page.says(LACKS), &page.location), (400, true, &None), "{}", page.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_the_second_method_of_a_chain() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        linked(&world, &provider, "alice", "any").await;
        world.person("bob").await;
        world.reload(|it| it.with(&policy("both", "\"password + upstream:any\""))).await;
        let mut browser = Browser::default();
        let page = after_password(&world, &mut browser, &ask("both"), "alice").await;
        assert!(page.status == 200 && page.action("go"), "{}", page.html);
        assert!(at_provider(&world, &provider, &mut browser, &page, "go").await.has_code());
        lacks(&after_password(&world, &mut Browser::default(), &ask("both"), "bob").await);
        // Somebody else's identity is none of Alice's.
        provider.is("another");
        let mut browser = Browser::default();
        let page = after_password(&world, &mut browser, &ask("both"), "alice").await;
        let refused = at_provider(&world, &provider, &mut browser, &page, "go").await;
        assert_eq!((refused.status, refused.has_code(), refused.problem().is_empty()), (200, false, false), "{}", refused.html);
        world.stop().await;
    }
}

/// The page behind the first method offers the others that the person has, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_offered_beside_another_second_method() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        linked(&world, &provider, "alice", "any").await;
        world.person("bob").await;
        world.reload(|it| it.with(&policy("either", "\"password + totp\", \"password + upstream:any\""))).await;
        for (person, is_offered) in [("alice", true), ("bob", false)] {
            let mut browser = Browser::default();
            let page = browser.open(&world, &ask("either")).await;
            let enrolling = browser.submit_password(&world, &page, person, PASSWORD).await;
            assert_eq!(enrolling.kind(), "enrol_totp", "{}", enrolling.html);
            let secret = enrolling.codes().remove(0);
            let code = totp(&secret, world.running.shared.now().now_ms());
            browser.submit(&world, &enrolling, &[("code", &code)], "continue").await;
            let mut browser = Browser::default();
            let page = after_password(&world, &mut browser, &ask("either"), person).await;
            assert_eq!((page.kind(), page.action("use_upstream:any")), ("totp", is_offered), "{person}: {}", page.html);
        }
        world.stop().await;
    }
}

/// Who lacks what the first chain asks for goes by another one: by what they have, or by what they can add.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_link_goes_by_another_chain() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        linked(&world, &provider, "alice", "any").await;
        world.person("bob").await;
        world.reload(|it| it.with(&policy("either", "\"password + upstream:any\", \"password + totp\""))).await;
        let page = after_password(&world, &mut Browser::default(), &ask("either"), "alice").await;
        assert!(page.action("go"), "{}", page.html);
        let mut browser = Browser::default();
        let page = after_password(&world, &mut browser, &ask("either"), "bob").await;
        assert_eq!((page.status, page.kind()), (200, "enrol_totp"), "{}", page.html);
        let secret = page.codes().remove(0);
        let page = browser.submit(&world, &page, &[("code", &totp(&secret, world.running.shared.now().now_ms()))], "continue").await;
        let waits = browser.submit(&world, &page, &[], "continue").await;
        assert_eq!((waits.status, waits.kind()), (200, "waits"), "{}", waits.html);
        assert!(world.confirm("bob").await);
        assert!(browser.submit(&world, &waits, &[], "continue").await.has_code());
        let mut browser = Browser::default();
        let page = after_password(&world, &mut browser, &ask("either"), "bob").await;
        assert_eq!((page.status, page.kind()), (200, "totp"), "{}", page.html);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_the_second_method_of_a_chain() {
    for engine in engines() {
        let outside = Outside::new();
        let world = outside.world(engine, "").await;
        let wallet = outside.wallet_of("AA-1");
        crate::wallets::linked(&world, &wallet).await;
        world.person("bob").await;
        world.confirm("alice").await;
        world.reload(|it| it.with(&policy("both", "\"password + wallet:pid\""))).await;
        let mut browser = Browser::default();
        let page = after_password(&world, &mut browser, &ask("both"), "alice").await;
        assert!(page.status == 200 && page.action("go"), "{}", page.html);
        let left = browser.submit(&world, &page, &[], "go").await;
        let asked = wallet.read(&world.http, &left.location.unwrap(), now_s()).await.unwrap();
        let page = browser.get(&world, &wallet.answer(&world.http, &asked).await.unwrap()).await;
        assert!(page.has_code(), "{}", page.html);
        lacks(&after_password(&world, &mut Browser::default(), &ask("both"), "bob").await);
        world.stop().await;
    }
}

/// A browser is known for what was proved at a provider too, as long as the link is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_proved_makes_a_browser_known() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "").await;
        linked(&world, &provider, "alice", "any").await;
        let easier = "[[login.both.easier]]\nrequire = [\"password\"]\nknown_device = \"30d\"\n[client.shop-ios]\nlogin = \"both\"";
        world.reload(|it| it.with(&format!("{}{easier}", policy("both", "\"password + upstream:any\"")))).await;
        let again = Ask::native("openid").with("prompt", "login");
        let mut browser = Browser::default();
        let page = after_password(&world, &mut browser, &again, "alice").await;
        assert!(at_provider(&world, &provider, &mut browser, &page, "go").await.has_code());
        assert!(after_password(&world, &mut browser, &again, "alice").await.has_code(), "the password alone is enough here");
        let page = after_password(&world, &mut Browser::default(), &again, "alice").await;
        assert!(!page.has_code() && page.action("go"), "another browser: {}", page.html);
        unlinked(&world, "alice").await;
        lacks(&after_password(&world, &mut browser, &again, "alice").await);
        world.stop().await;
    }
}

/// Two entries are of one issuer: an identity that one of them met is the other's too. A session stands on what it proved, whichever of them
/// the person used last.
#[tokio::test(flavor = "multi_thread")]
async fn entries_of_one_issuer_share_their_people() {
    for engine in engines() {
        let (provider, elsewhere) = (Provider::start().await, Provider::start().await);
        let world = world(engine, &provider, "").await;
        let more = |configuration: Configuration| {
            let staff = configuration.text().parse::<toml::Table>().unwrap()["upstream"]["any"].clone();
            configuration.set("upstream.staff", staff.clone()).set("upstream.else", staff).set("upstream.else.issuer", elsewhere.issuer())
        };
        world.reload(more).await;
        let chains = "\"password\", \"upstream:any\", \"upstream:staff\"";
        let all = [
            ("default", chains),
            ("any", "\"password + upstream:any\""),
            ("staff", "\"password + upstream:staff\""),
            ("else", "\"password + upstream:else\""),
        ];
        world.reload(|configuration| all.iter().fold(configuration, |it, (name, chains)| it.with(&policy(name, chains)))).await;
        linked(&world, &provider, "alice", "any").await;
        // By turns, each entry lets her in.
        for name in ["any", "staff", "any"] {
            let mut browser = Browser::default();
            let page = after_password(&world, &mut browser, &ask(name), "alice").await;
            assert!(page.status == 200 && page.action("go"), "{name}: {}", page.html);
            assert!(at_provider(&world, &provider, &mut browser, &page, "go").await.has_code(), "{name}");
        }
        lacks(&after_password(&world, &mut Browser::default(), &ask("else"), "alice").await);
        let (mut first, mut second) = (Browser::default(), Browser::default());
        for (browser, action) in [(&mut first, "use_upstream:any"), (&mut second, "use_upstream:staff")] {
            let page = browser.open(&world, &Ask::native("openid")).await;
            assert!(at_provider(&world, &provider, browser, &page, action).await.has_code(), "{action}");
        }
        for browser in [&mut first, &mut second] {
            assert!(browser.open(&world, &Ask::native("openid")).await.has_code(), "signed in still");
        }
        unlinked(&world, "alice").await;
        for browser in [&mut first, &mut second] {
            let page = browser.open(&world, &Ask::native("openid")).await;
            assert!(!page.has_code() && page.status == 200, "the twin: the link is gone: {}", page.html);
        }
        world.stop().await;
    }
}

/// Two wallets know a person of one issuer as the same, if they ask for the same claim.
#[test]
fn a_link_is_of_every_entry_that_knows_its_people() {
    let outside = Outside::new();
    let first = Configuration::to_read().with(&outside.table(""));
    let pid = first.text().parse::<toml::Table>().unwrap()["wallet"]["pid"].clone();
    let all = ["claim", "elsewhere", "other"].iter().fold(first, |it, name| it.set(&format!("wallet.{name}"), pid.clone()));
    let all = all.set("wallet.claim.account_claim", "pid/customer").set("wallet.elsewhere.issuer.utopia.name", "https://elsewhere.example");
    let config = symbolon::config::Config::from_text(&all.text(), "test.toml", &|_| None).unwrap();
    let methods =
        |last_used: &str, issuer: &str| config.methods_of_link(last_used, issuer).iter().map(ToString::to_string).collect::<Vec<_>>();
    for issuer in ["https://pid.utopia.example", "https://pid.utopia.example Ministry"] {
        assert_eq!(methods("wallet:pid", issuer), ["wallet:other", "wallet:pid"], "{issuer}");
        assert_eq!(methods("wallet:claim", issuer), ["wallet:claim"], "another claim: {issuer}");
    }
    assert_eq!(methods("wallet:pid", "https://elsewhere.example"), ["wallet:elsewhere"], "another issuer");
    assert_eq!(methods("wallet:pid", "https://pid.utopia.example.evil"), Vec::<String>::new());
}
