//! Between a question and its answer an operator changes the configuration: the answer counts under the present one.

use crate::wallets::{CREATE, Outside, ask, asked};
use crate::world::mail::on_every_engine as on_every_post;
use crate::world::*;
use symbolon_phone::wallet::issuer::CredentialIssuer;

const THIRD: &str = "https://third.example.com/callback";

type Change = fn(Configuration) -> Configuration;

/// A wallet's answer is judged when it is posted, and counts when the browser comes back. Each change is made before the one and before the
/// other.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_s_answer_counts_under_the_present_configuration() {
    let outside = Outside::new();
    let changes: [(&str, Change); 7] = [
        ("another issuer", |it| it.set("wallet.pid.issuer.utopia.name", "https://other.example")),
        ("another account claim", |it| it.set("wallet.pid.account_claim", "pid/customer")),
        ("other claims", |it| it.set("wallet.pid.claims", toml::Table::new())),
        ("more is asked", |it| it.set("wallet.pid.credential.pid.values", toml::toml! { given_name = ["Bea"] })),
        ("no policy names it", |it| it.set("login.default.require", vec!["password"])),
        ("it is gone", |it| it.set("login.default.require", vec!["password"]).without("wallet")),
        ("the client is gone", |it| it.without("client.shop-ios")),
    ];
    for (what, change) in changes {
        for is_posted in [false, true] {
            let world = outside.world(Engine::Sqlite, CREATE).await;
            let wallet = outside.wallet_of("AA-1");
            let (mut browser, ask) = (Browser::default(), ask());
            let asked = asked(&world, &wallet, &mut browser, &ask).await;
            if !is_posted {
                world.reload(change).await;
            }
            let sent = wallet.answer(&world.http, &asked).await;
            if is_posted {
                world.reload(change).await;
            }
            let page = match sent {
                Ok(back) => browser.get(&world, &back).await,
                Err(_) => browser.visit(&world, "/account").await,
            };
            assert!(!page.has_code() && page.kind() != "account", "{what} {is_posted}: {}", page.html);
            assert_eq!((world.audited("registered").await, world.audited("upstream_proved").await), (0, 0), "{what} {is_posted}");
            if what == "no policy names it" {
                assert!(page.asks_for("password") && page.problem().starts_with("This question is out of date"), "{}", page.html);
                let refused = world.entries("sign_in_refused").await;
                assert_eq!(refused.len(), 0, "of nobody there is a line in the log alone: {refused:?}");
                let done = browser.submit_password(&world, &page, "alice", PASSWORD).await;
                assert!(done.has_code(), "the way that there is: {}", done.html);
            }
            world.stop().await;
        }
    }
}

/// The twins: what decides nothing of an answer, and files that say the same, change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_judge_an_answer_voids_none() {
    let outside = Outside::new();
    let changes: [(&str, Change); 4] = [
        ("nothing", |it| it),
        ("a label", |it| it.set("wallet.pid.label", "Card")),
        ("another policy", |it| it.with("[login.other]\nrequire = [\"password\"]\n")),
        ("another client", |it| it.without("client.robot")),
    ];
    for (what, change) in changes {
        for is_posted in [false, true] {
            let world = outside.world(Engine::Sqlite, CREATE).await;
            let wallet = outside.wallet_of("AA-1");
            let (mut browser, ask) = (Browser::default(), ask());
            let asked = asked(&world, &wallet, &mut browser, &ask).await;
            if !is_posted {
                world.reload(change).await;
            }
            let back = wallet.answer(&world.http, &asked).await.unwrap();
            if is_posted {
                world.reload(change).await;
            }
            assert!(browser.get(&world, &back).await.has_code(), "{what} {is_posted}");
            world.stop().await;
        }
    }
}

/// V-08: a CA that is no longer listed vouches for nobody, whatever was posted before. Listed beside a new one, it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_taken_away_vouches_for_nobody() {
    let (outside, other) = (Outside::new(), CredentialIssuer::new("Utopia").unwrap());
    let file = std::env::temp_dir().join(format!("symbolon-it-other-ca-{}.pem", std::process::id()));
    std::fs::write(&file, &other.root_pem).unwrap();
    let listed = |old: bool| {
        let text = outside.table(CREATE);
        let known = text.split("anchors = ['").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        let all = [Some(file.display().to_string()), old.then_some(known)];
        all.into_iter().flatten().collect::<Vec<_>>()
    };
    for (keeps_old, counts) in [(false, false), (true, true)] {
        let world = outside.world(Engine::Sqlite, CREATE).await;
        let wallet = outside.wallet_of("AA-1");
        world.reload(|it| it.set("wallet.pid.issuer.utopia.anchors", listed(keeps_old))).await;
        let page = crate::wallets::sign_in(&world, &wallet, &mut Browser::default(), &ask()).await;
        assert_eq!(page.has_code(), counts, "{keeps_old}: {}", page.html);
        world.stop().await;
    }
    std::fs::remove_file(&file).unwrap();
}

/// A form of the account is answered when its policy already asks for more: nothing changes before that is proved.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_the_account_is_weighed_again() {
    for engine in engines() {
        for is_stricter in [true, false] {
            let world = Configuration::on(engine).await.with("[login.default]\nrequire = [\"password\"]\n").start().await;
            let mut browser = Browser::default();
            let page = browser.visit(&world, "/account").await;
            browser.submit_password(&world, &page, "alice", PASSWORD).await;
            let account = browser.visit(&world, "/account").await;
            let form = browser.submit(&world, &account, &[], "change_password").await;
            assert_eq!(form.kind(), "new_password", "{}", form.html);
            world.reload(|it| if is_stricter { it.set("login.default.require", vec!["password + totp"]) } else { it }).await;
            let new = [("new_password", "another horse entirely"), ("new_password_again", "another horse entirely")];
            let page = browser.submit(&world, &form, &new, "continue").await;
            assert_eq!(world.audited("password_changed").await, usize::from(!is_stricter), "{}", page.html);
            if is_stricter {
                assert_eq!((page.kind(), page.problem().is_empty()), ("enrol_totp", false), "{}", page.html);
                let refused = world.entries("sign_in_refused").await;
                assert_eq!(refused[0]["reason"], "the present configuration does not ask for it any more", "{refused:?}");
            }
            world.stop().await;
        }
    }
}

/// Whoever takes long over a form is asked nothing anew: it is the configuration that is looked at again, and not the clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_takes_long_is_as_good() {
    let world = Configuration::on(Engine::Sqlite).await.start().await;
    let mut browser = Browser::default();
    let page = browser.visit(&world, "/account").await;
    browser.submit_password(&world, &page, "alice", PASSWORD).await;
    let account = browser.visit(&world, "/account").await;
    let form = browser.submit(&world, &account, &[], "change_name").await;
    world.advance_s(600);
    let page = browser.submit(&world, &form, &[("name", "Alice A.")], "continue").await;
    assert_eq!((page.status, world.audited("name_changed").await), (303, 1), "{}", page.html);
    world.stop().await;
}

/// The same for a wallet that may no longer be linked, on the very last page.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_may_no_longer_be_linked_is_not() {
    for is_off in [true, false] {
        let outside = Outside::new();
        let world = outside.world(Engine::Sqlite, "").await;
        let wallet = outside.wallet_of("AA-1");
        let mut browser = Browser::default();
        let page = browser.visit(&world, "/account").await;
        browser.answer(&world, &page, "alice").await;
        let page = browser.visit(&world, "/account").await;
        let page = browser.submit(&world, &page, &[], "link:wallet:pid").await;
        let page = browser.submit(&world, &page, &[], "go").await;
        let asked = wallet.read(&world.http, &page.location.unwrap(), crate::wallets::now_s()).await.unwrap();
        let page = browser.get(&world, &wallet.answer(&world.http, &asked).await.unwrap()).await;
        assert_eq!(page.title(), "Link ID wallet?", "{}", page.html);
        world.reload(|it| if is_off { it.set("wallet.pid.linking", "off") } else { it }).await;
        browser.submit(&world, &page, &[], "continue").await;
        assert_eq!(world.audited("upstream_linked").await, usize::from(!is_off));
        world.stop().await;
    }
}

/// `absolute` holds for new grants. One that was made before it was shortened lives on, and no sweep takes it. The twins: what has ended
/// goes, and so does this one after its own time.
#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_lifetime_sweeps_no_living_grant() {
    for engine in engines() {
        let world = World::start(engine).await;
        let ended = world.tokens("openid orders:read").await;
        let form = [("token", refresh_token(&ended)), ("client_id", "shop-ios")];
        assert_eq!(world.post("/revoke", &form, None).await.0, 200);
        let living = world.tokens("openid orders:read").await;
        let rows = async || {
            let (app, mut found) = (world.running.shared.now(), Vec::new());
            for sql in ["SELECT count(*) AS count FROM session", "SELECT count(*) AS count FROM app_grant"] {
                found.push(app.store.one(sql, &[]).await.unwrap().unwrap().int("count").unwrap());
            }
            found
        };
        // As if no client had grants of more than an hour any more.
        let sweep = async || {
            let app = world.running.shared.now();
            symbolon::store::retention::sweep_old(&app.store, &app.config, 3600, app.now_ms()).await.unwrap();
        };
        sweep().await;
        assert_eq!(rows().await, [2, 2], "all are young");
        world.advance_s(10 * 86_400);
        sweep().await;
        assert_eq!(rows().await, [1, 1]);
        let (status, tokens) = world.refresh(refresh_token(&living)).await;
        assert_eq!(status, 200, "{tokens}");
        world.advance_s(171 * 86_400);
        sweep().await;
        assert_eq!(rows().await, [0, 0]);
        let (status, answer) = world.refresh(refresh_token(&tokens)).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
        world.stop().await;
    }
}

/// The account page is asked as often as any sign-in is answered: then its network waits, and others do not.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_page_has_the_common_limit() {
    let world = Configuration::on(Engine::Sqlite).await.behind_a_proxy().start().await;
    let mut browser = Browser::at("198.51.100.7");
    let mut statuses = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let page = browser.send(world.http.get(world.url("/account"))).await;
        statuses.insert(page.status);
        if page.status == 429 {
            assert_eq!(page.header("retry-after"), Some("60"));
            break;
        }
    }
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 429]);
    let posted = browser.send(world.http.post(world.url("/account")).form(&[("action", "change_name")])).await;
    assert_eq!(posted.status, 429);
    assert_eq!(Browser::at("198.51.100.8").send(world.http.get(world.url("/account"))).await.status, 200, "the twin: another network");
    world.stop().await;
}

/// An age that a client got meanwhile is asked for at the next answer. One that the request names goes before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_age_reaches_a_sign_in_that_waits() {
    for engine in engines() {
        for (own, asked, done) in [("1m", None, false), ("1h", None, true), ("1m", Some("3600"), true)] {
            let world = Configuration::on(engine).await.start().await;
            let ask = Ask::new("third-party", THIRD, "openid").with("prompt", "consent");
            let ask = asked.into_iter().fold(ask, |ask, age| ask.with("max_age", age));
            let mut browser = Browser::default();
            browser.sign_in(&world, &Ask::new("third-party", THIRD, "openid"), "alice").await;
            world.advance_s(600);
            let page = browser.open(&world, &ask).await;
            assert_eq!(page.kind(), "consent", "{}", page.html);
            world.reload(|it| it.set("client.third-party.default_max_age", own)).await;
            let page = browser.submit(&world, &page, &[], "allow").await;
            assert_eq!(page.has_code(), done, "{own} {asked:?}: {}", page.html);
            assert!(done || page.asks_for("password"), "{}", page.html);
            world.stop().await;
        }
    }
}

/// A domain that was taken away meanwhile is refused when the mailbox is proved, as at a registration.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_a_domain_that_was_taken_away_is_not_set() {
    on_every_post(|post| async move {
        let world = &post.world;
        let mut browser = Browser::default();
        post.account(&mut browser).await;
        for (address, domains, status, changed) in
            [("one@example.com", vec!["example.net"], 400, 0), ("two@example.com", vec!["example.com"], 303, 1)]
        {
            let account = browser.visit(world, "/account").await;
            let page = browser.submit(world, &account, &[], "change_email").await;
            let seen = post.seen();
            let sent = browser.submit(world, &page, &[("email", address)], "continue").await;
            let code = post.code(address, seen).await;
            world.reload(|it| it.set("registration.email_domains", domains.clone())).await;
            let page = browser.submit(world, &sent, &[("email_code", &code)], "continue").await;
            assert_eq!((page.status, world.audited("email_changed").await), (status, changed), "{domains:?}: {}", page.html);
            world.reload(|it| it.set("registration.email_domains", vec!["example.com"])).await;
        }
        post.world.stop().await;
    })
    .await;
}
