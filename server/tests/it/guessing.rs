//! Guessing passwords and codes: a few tries, the same for names that exist and names that do not. The owner is not locked out.

use crate::plugins::{Service, branch_visit};
use crate::world::*;
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeMap;
use symbolon::login::budgets::{Budget, BudgetKind, Charge, Purse, Whom};
use symbolon::login::rates::Rates;

async fn start(world: &World, browser: &mut Browser) -> Page {
    let again = Ask::native("orders:read").with("prompt", "login");
    browser.open(world, &again).await
}

async fn guess(world: &World, browser: &mut Browser, page: &Page, name: &str, password: &str) -> Page {
    browser.submit_password(world, page, name, password).await
}

/// A world behind a proxy that says where browsers are.
async fn behind_a_proxy(engine: Engine, more: &str) -> World {
    Configuration::on(engine).await.behind_a_proxy().with(more).start().await
}

const STRANGER: &str = "198.51.100.7";
const ELSEWHERE: &str = "203.0.113.5";

/// One guess from a browser nobody knows.
async fn guess_at(world: &World, address: &str, name: &str, password: &str) -> Page {
    let mut browser = Browser::at(address);
    let page = start(world, &mut browser).await;
    guess(world, &mut browser, &page, name, password).await
}

fn throttled(page: &Page) -> bool {
    assert!(page.status == 200 || page.status == 303, "{}", page.html);
    page.says("Too many attempts")
}

/// 298-H, 300-H, 356-Z: restarting the flow gives no new guesses, and the limit, which ends at the same moment, does not tell which names
/// exist. It is the stranger's own: the owner's browser signs in beside it, and so does a new one of the owner's anywhere else.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_alike_for_nobody_and_lock_no_owner_out() {
    for engine in engines() {
        let world = behind_a_proxy(engine, "").await;
        let mut owner = Browser::at(STRANGER);
        owner.sign_in(&world, &Ask::native("orders:read"), "alice").await;
        for name in ["alice", "nobody"] {
            let mut answers = Vec::new();
            for _ in 0..12 {
                answers.push(throttled(&guess_at(&world, STRANGER, name, "a wrong password").await));
            }
            assert_eq!(answers.iter().position(|it| *it), Some(10), "{name}: {answers:?}");
        }
        assert!(guess_at(&world, STRANGER, "alice", PASSWORD).await.location.is_none(), "the right one has to wait as well");
        let page = start(&world, &mut owner).await;
        assert!(guess(&world, &mut owner, &page, "alice", PASSWORD).await.location.is_some(), "the owner's browser, in the same network");
        assert!(guess_at(&world, ELSEWHERE, "alice", PASSWORD).await.location.is_some(), "a new browser of the owner's, elsewhere");
        world.advance_s(14 * 60);
        for name in ["alice", "nobody"] {
            assert!(throttled(&guess_at(&world, STRANGER, name, "a wrong password").await), "{name}: one window for both");
        }
        let world = world.restarted(|_| {}).await;
        for name in ["alice", "nobody"] {
            assert!(throttled(&guess_at(&world, STRANGER, name, "a wrong password").await), "{name}: a restart gives nothing back");
        }
        world.advance_s(61);
        for name in ["alice", "nobody"] {
            assert!(!throttled(&guess_at(&world, STRANGER, name, "a wrong password").await), "{name}: over for both");
        }
        world.stop().await;
    }
}

/// 298-H, 607-K: strangers in many networks have a hundred guesses an hour together, and the addresses of one line are one network. The
/// owner's browser is not among them.
#[tokio::test(flavor = "multi_thread")]
async fn all_strangers_together_have_few_guesses() {
    let world = behind_a_proxy(Engine::Sqlite, "").await;
    let mut owner = Browser::at(STRANGER);
    owner.sign_in(&world, &Ask::native("orders:read"), "alice").await;
    for network in 0..10 {
        let mut answers = Vec::new();
        for at in 0..11 {
            answers.push(throttled(
                &guess_at(&world, &format!("2001:db8:0:{network}::{at}"), "alice", &format!("wrong {network} {at}")).await,
            ));
        }
        assert_eq!(answers.iter().position(|it| *it), Some(10), "network {network}: {answers:?}");
    }
    assert!(throttled(&guess_at(&world, ELSEWHERE, "alice", PASSWORD).await));
    let page = start(&world, &mut owner).await;
    assert!(guess(&world, &mut owner, &page, "alice", PASSWORD).await.location.is_some());
    assert!(throttled(&guess_at(&world, ELSEWHERE, "alice", PASSWORD).await), "the owner's success gives strangers nothing back");
    world.advance_s(3601);
    assert!(guess_at(&world, ELSEWHERE, "alice", PASSWORD).await.location.is_some());
    world.stop().await;
}

/// So many guesses at once, from so many networks.
const GUESSES: usize = 1000;
const NETWORKS: usize = 25;

/// Sends all of them, a hundred at a time, and counts by network those that were judged: their page says `wrong`.
async fn guessed(world: &World, wrong: &str, guess: impl AsyncFn(String, usize) -> Page) -> BTreeMap<String, usize> {
    let sent = (0..GUESSES).map(|at| {
        let (address, guess) = (format!("198.51.100.{}", at % NETWORKS + 1), &guess);
        async move { (address.clone(), guess(address, at).await.problem()) }
    });
    let said: Vec<(String, String)> = stream::iter(sent).buffer_unordered(100).collect().await;
    let mut judged = BTreeMap::new();
    for (address, problem) in said {
        *judged.entry(address).or_insert(0) += usize::from(problem == wrong);
    }
    assert_eq!(world.audited("signed_in").await, 0);
    judged
}

/// 298-H, 607-K: of a thousand guesses at once few are judged, built-in method and plug-in alike. A network has ten, and all strangers
/// together a hundred.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_guesses_at_once_few_are_judged() {
    let service = Service::start().await;
    let numbers = "[login.default]\nrequire = [\"plugin:branch-visit\"]\n";
    // Three thousand requests take their time: the two share the engines.
    for (engine, by_plugin) in engines().into_iter().cycle().zip([true, false]) {
        let more = if by_plugin { format!("{}{numbers}", branch_visit(&service)) } else { String::new() };
        let world = behind_a_proxy(engine, &more).await;
        let wrong = if by_plugin { "That number is wrong, or it was used already." } else { "The name or the password is not right." };
        let judged = guessed(&world, wrong, async |address, at| {
            if !by_plugin {
                return guess_at(&world, &address, "alice", &format!("wrong {at}")).await;
            }
            let mut browser = Browser::at(&address);
            let page = start(&world, &mut browser).await;
            let page = browser.submit(&world, &page, &[("username", "alice")], "continue").await;
            browser.submit(&world, &page, &[("plugin_visit_number", &format!("{:08}", 10_000_000 + at))], "continue").await
        });
        let judged = judged.await;
        let all: usize = judged.values().sum();
        assert!((1..=100).contains(&all) && judged.values().all(|count| *count <= 10), "by a plug-in: {by_plugin}: {judged:?}");
        if by_plugin {
            // Where the machine is slow, a call may end before its answer: then the service was asked and the page says so.
            let asked = service.asked().len();
            assert!((all..=100).contains(&asked), "{asked} calls, {judged:?}");
        }
        world.stop().await;
    }
}

const TWO: &str = "[login.default]\nrequire = [\"password\"]\n[login.two]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n";

/// A browser with the password proved, at the question for the authenticator's code.
async fn at_the_code(world: &World, browser: &mut Browser) -> Page {
    let ask = Ask::native("openid").with("acr_values", "urn:two").with("prompt", "login");
    let page = browser.open(world, &ask).await;
    browser.submit_password(world, &page, "alice", PASSWORD).await
}

/// 352-Z, 356-Z: guesses at codes are counted like those at passwords, in the store; recovery codes share the budget; what is refused
/// is said as what it is and has its entry. Twins: the owner's browser, another network, and a code that is right.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_codes_are_counted_like_those_at_passwords() {
    for engine in engines() {
        let world = behind_a_proxy(engine, TWO).await;
        let mut owner = Browser::at(STRANGER);
        let page = at_the_code(&world, &mut owner).await;
        let secret = page.codes().remove(0);
        let now = |world: &World| totp(&secret, world.running.shared.now().now_ms());
        let page = owner.submit(&world, &page, &[("code", &now(&world))], "continue").await;
        let spare = page.codes();
        let waits = owner.submit(&world, &page, &[], "continue").await;
        assert!(waits.kind() == "waits" && world.confirm("alice").await, "{}", waits.html);
        assert!(owner.submit(&world, &waits, &[], "continue").await.location.is_some());
        world.advance_s(60);

        let mut thief = Browser::at(STRANGER);
        let mut page = at_the_code(&world, &mut thief).await;
        for _ in 0..3 {
            page = thief.submit(&world, &page, &[("code", "no digit")], "continue").await;
            assert!(page.asks_for("code") && !page.says("The code is not right"), "no try: {}", page.html);
        }
        for _ in 0..10 {
            page = thief.submit(&world, &page, &[("code", "000000")], "continue").await;
            assert!(page.says("The code is not right"), "{}", page.html);
        }
        for code in ["000000", &now(&world)] {
            page = thief.submit(&world, &page, &[("code", code)], "continue").await;
            assert!(throttled(&page) && !page.html.contains("The code is not right"), "{}", page.html);
        }
        let world = world.restarted(|_| {}).await;
        let mut again = Browser::at(STRANGER);
        let page = at_the_code(&world, &mut again).await;
        let page = again.submit(&world, &page, &[], "use_recovery").await;
        assert!(throttled(&again.submit(&world, &page, &[("recovery_code", &spare[0])], "continue").await));
        let entries = [world.entries("totp_refused").await, world.entries("recovery_code_refused").await];
        assert_eq!((entries[0].len(), entries[1].len()), (12, 1));
        for entry in entries.iter().flatten() {
            assert_eq!((entry["client"].as_str(), entry["address"].as_str()), (Some("shop-ios"), Some(STRANGER)), "{entry}");
        }

        let page = at_the_code(&world, &mut owner).await;
        let used = now(&world);
        assert!(owner.submit(&world, &page, &[("code", &used)], "continue").await.location.is_some(), "the owner's browser");
        let mut elsewhere = Browser::at(ELSEWHERE);
        let page = at_the_code(&world, &mut elsewhere).await;
        let page = elsewhere.submit(&world, &page, &[("code", &used)], "continue").await;
        assert!(page.says("The code is not right"), "a code works once (352-Z): {}", page.html);
        let page = elsewhere.submit(&world, &page, &[], "use_recovery").await;
        let page = elsewhere.submit(&world, &page, &[("recovery_code", &spare[0])], "continue").await;
        assert!(page.location.is_some(), "another network; the refused try spent nothing: {}", page.html);
        world.stop().await;
    }
}

/// 290-H, 291-H, 295-H: the sealed state of a login, edited anywhere or carried elsewhere, is refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_login_is_over() {
    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    let page = start(&world, &mut browser).await;
    let handle = page.field("handle");
    let right = [("username", "alice"), ("password", PASSWORD)];
    for at in [0, 10, handle.len() / 2, handle.len() - 1] {
        let mut edited = handle.clone().into_bytes();
        edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
        let edited = String::from_utf8(edited).unwrap();
        let answer = browser.submit(&world, &page, &[right[0], right[1], ("handle", &edited)], "continue").await;
        assert_eq!((answer.status, answer.location), (400, None), "edited at {at}");
    }
    let answer = browser.submit(&world, &page, &[right[0], right[1], ("form_token", "")], "continue").await;
    assert_eq!((answer.status, answer.location), (400, None));
    let answer = Browser::default().submit(&world, &page, &right, "continue").await;
    assert_eq!((answer.status, answer.location), (400, None), "another browser");
    let done = browser.submit(&world, &page, &right, "continue").await;
    assert!(done.has_code(), "{}", done.html);
    // The same answer once more is a lost answer: it gets the same code, and none once that is redeemed or its minute is over.
    let again = browser.submit(&world, &page, &right, "continue").await;
    assert_eq!(again.location, done.location);
    world.advance_s(61);
    for answer in [&right, &[("username", "alice"), ("password", "another")]] {
        let late = browser.submit(&world, &page, answer, "continue").await;
        assert_eq!((late.status, late.kind(), late.location), (200, "done", None), "a finished login is over (295-H)");
    }
    world.stop().await;
}

/// 470-E: one password over many people, each from another address: after fifty it is judged no more, nobody is locked out by it,
/// and a person whose own password is another one signs in meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_sprayed_is_judged_no_more() {
    for engine in engines() {
        let world = behind_a_proxy(engine, "").await;
        let tried = async |at: usize, name: &str| {
            let page = guess_at(&world, &format!("192.0.2.{}", at % 100), name, "Winter2026!").await;
            assert_eq!((page.status, &page.location), (200, &None));
            page.says("Too many attempts")
        };
        for at in 0..50 {
            assert!(!tried(at, &format!("person-{at}")).await, "{at}");
        }
        for at in 50..70 {
            assert!(tried(at, if at % 2 == 0 { "alice" } else { "nobody" }).await, "{at}");
        }
        assert_eq!(world.audited("password_refused").await, 10);
        let mut browser = Browser::default();
        let page = start(&world, &mut browser).await;
        assert!(guess(&world, &mut browser, &page, "alice", PASSWORD).await.location.is_some(), "no lock was left behind");
        world.advance_s(15 * 60);
        assert!(!tried(0, "alice").await, "and it is forgotten again");
        world.stop().await;
    }
}

/// A plug-in that finds out who it is has a budget for strangers of its own. Who signed in in the browser before keeps tries of their own.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_close_a_plug_in_to_nobody_who_was_here_before() {
    for engine in engines() {
        let world = Configuration::on(engine).await.start().await;
        let app = world.running.shared.now();
        let rates = Rates::default();
        let answer = async |address: u32, of: &str, seen_here: Option<&str>| {
            let whom = Whom::Anybody { of: of.to_owned(), seen_here: seen_here.map(str::to_owned) };
            let budget = Budget::Stored { what: BudgetKind::PluginOfAnybody, whom, event: "plugin_refused" };
            let address = Some(std::net::IpAddr::from(address.to_be_bytes()));
            let purse = Purse { store: &app.store, keyring: &app.keyring, rates: &rates, device: None, address, now_ms: app.now_ms() };
            matches!(purse.charge(&[budget], |_| Ok(())).await.unwrap(), Charge::Taken(_))
        };
        let networks = 0x0a00_0000;
        for at in 0..1000 {
            assert!(answer(networks + at / 10, "word", None).await, "{at}");
        }
        assert!(!answer(0x0b00_0000, "word", None).await, "strangers have used up theirs");
        assert!(answer(0x0b00_0000, "other", None).await, "another plug-in");
        for at in 0..11 {
            assert_eq!(answer(0x0b00_0000, "word", Some("alice")).await, at < 10, "{at}: whoever was here before");
        }
        assert!(answer(0x0b00_0000, "word", Some("bob")).await, "the twin: somebody else who was here");
        drop(app);
        world.stop().await;
    }
}
