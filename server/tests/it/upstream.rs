//! Signing in with somebody else's account: a provider says who somebody is, and apps get our tokens alone.

use crate::world::provider::{CLIENT_SECRET, Provider, Says};
use crate::world::{Ask, Browser, Configuration, Engine, Page, World, claims, engines};
use serde_json::json;
use std::collections::BTreeMap;

/// A world whose people may sign in by password or by the provider `any`.
pub async fn world(engine: Engine, provider: &Provider, more: &str) -> World {
    // The one variable of these tests, with one value: no test sees another one's.
    configured(engine, provider, more).await.start().await
}

pub async fn configured(engine: Engine, provider: &Provider, more: &str) -> Configuration {
    let secret = std::env::temp_dir().join(format!("symbolon-it-upstream-{}", std::process::id()));
    if !secret.exists() {
        write_private(&secret);
    }
    let table =
        provider.table("any").replace("{ env = \"SYMBOLON_TEST_UPSTREAM_SECRET\" }", &format!("{{ file = '{}' }}", secret.display()));
    Configuration::on(engine).await.with("[login.default]\nrequire = [\"password\", \"upstream:any\"]").with(&format!("{table}{more}"))
}

fn write_private(path: &std::path::Path) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.unwrap().write_all(CLIENT_SECRET.as_bytes()).unwrap();
}

pub const CREATE: &str = "accounts = \"create\"\n";

/// To the provider's page.
pub async fn leave(world: &World, browser: &mut Browser, ask: &Ask) -> String {
    let page = browser.open(world, ask).await;
    let page = browser.submit(world, &page, &[], "use_upstream:any").await;
    page.location.unwrap_or_else(|| panic!("the browser does not leave: {}", page.html))
}

/// The whole way; what comes is a redirect to the app or a page of ours.
pub async fn sign_in(world: &World, provider: &Provider, browser: &mut Browser) -> Page {
    let url = leave(world, browser, &Ask::native("openid orders:read")).await;
    browser.get(world, &provider.sign_in(&url)).await
}

/// The tokens that the app gets for a code; the `sub` of the account.
pub async fn subject(world: &World, page: &Page, ask: &Ask) -> String {
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    claims(tokens["access_token"].as_str().unwrap())["sub"].as_str().unwrap().to_owned()
}

pub async fn sign_in_for_subject(world: &World, provider: &Provider) -> String {
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    let url = leave(world, &mut browser, &ask).await;
    let page = browser.get(world, &provider.sign_in(&url)).await;
    subject(world, &page, &ask).await
}

/// 442-B: two people are two accounts; one person is one, whatever the provider calls them meanwhile.
#[tokio::test]
async fn somebody_new_gets_an_account_and_finds_it_again() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, CREATE).await;
        provider.says(Says { sub: "one".to_owned(), claims: json!({ "name": "One", "email": "one@example.com" }), ..Says::default() });
        let one = sign_in_for_subject(&world, &provider).await;
        provider.is("two");
        let two = sign_in_for_subject(&world, &provider).await;
        provider.says(Says { sub: "one".to_owned(), claims: json!({ "name": "Another", "email": "x@y.example" }), ..Says::default() });
        let again = sign_in_for_subject(&world, &provider).await;
        assert_eq!(one, again);
        assert_ne!(one, two);
        assert_eq!((world.audited("account_created").await, world.audited("registered").await), (3, 2), "alice, and these two");
        assert_eq!(world.audited("upstream_proved").await, 3);
        world.stop().await;
    }
}

/// The app's tokens are ours: nothing of the provider is in them, and no factor is claimed that nobody saw.
#[tokio::test]
async fn the_app_gets_our_tokens_alone() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    provider.says(Says {
        sub: "one".to_owned(),
        claims: json!({ "name": "One", "email": "one@example.com", "email_verified": true, "groups": ["admin"], "amr": ["mfa"] }),
        ..Says::default()
    });
    let (mut browser, ask) = (Browser::default(), Ask::native("openid profile email orders:read"));
    let url = leave(&world, &mut browser, &ask).await;
    let page = browser.get(&world, &provider.sign_in(&url)).await;
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let text = tokens.to_string();
    assert!(!text.contains("anysocial"), "{text}");
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token["iss"], world.issuer.as_str());
    let access = claims(tokens["access_token"].as_str().unwrap());
    for token in [&id_token, &access] {
        for foreign in ["groups", "roles"] {
            assert!(token.get(foreign).is_none(), "456-B: {token}");
        }
        assert!(token.get("amr").is_none_or(|amr| amr.as_array().is_some_and(|amr| !amr.contains(&json!("mfa")))), "{token}");
        assert_ne!(token["email_verified"], json!(true), "nobody here has seen that address");
    }
    let userinfo = world.http.get(world.url("/userinfo")).bearer_auth(tokens["access_token"].as_str().unwrap()).send().await.unwrap();
    let userinfo: serde_json::Value = userinfo.json().await.unwrap_or_default();
    assert!(userinfo.get("email").is_none(), "487-O: {userinfo}");
    world.stop().await;
}

/// 432-B, 419-U: an address never leads to an account, however verified the provider calls it.
#[tokio::test]
async fn an_address_never_links() {
    for (verified, more) in [
        (json!(true), "authoritative_for = [\"example.com\"]\n"),
        (json!("true"), "authoritative_for = [\"example.com\"]\n"),
        (json!(true), ""),
        (json!(false), ""),
        (json!(null), ""),
    ] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{more}")).await;
        let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
        let back = browser.sign_in(&world, &ask, "alice").await;
        let (_, tokens) = world.exchange(&back["code"], &ask.verifier).await;
        let alice = claims(tokens["access_token"].as_str().unwrap())["sub"].clone();
        let said = json!({ "email": "alice@example.com", "email_verified": verified });
        provider.says(Says { sub: "evil".to_owned(), claims: said, ..Says::default() });
        let other = sign_in_for_subject(&world, &provider).await;
        assert_ne!(alice, other.as_str(), "{verified} {more}");
        world.stop().await;
    }
}

/// The twin of the above: an address that nobody has becomes the new account's only if this provider may vouch for its domain.
#[tokio::test]
async fn an_address_counts_where_the_provider_may_vouch_for_it() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}authoritative_for = [\"example.com\"]\n")).await;
    let app = world.running.shared.now();
    let owner = async |name: &str| app.accounts().by_typed_name(name).await.unwrap();
    for (sub, email, verified, counts) in [
        ("a", "new@example.com", json!(true), true),
        ("b", "unverified@example.com", json!(false), false),
        ("c", "new@elsewhere.example", json!(true), false),
        ("d", "two@at@example.com", json!(true), false),
    ] {
        provider.says(Says { sub: sub.to_owned(), claims: json!({ "email": email, "email_verified": verified }), ..Says::default() });
        let subject = sign_in_for_subject(&world, &provider).await;
        assert_eq!(owner(email).await.map(|account| account.id), Some(subject).filter(|_| counts), "{email}");
    }
    world.stop().await;
}

/// S-32: accounts are made by the operator: the page says so, and leads to another account, another way, or back to the app.
#[tokio::test]
async fn without_an_account_nobody_comes_in_where_accounts_are_by_invitation() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "").await;
    provider.says(Says { sub: "one".to_owned(), claims: json!({ "email": "one@any.example" }), ..Says::default() });
    let mut browser = Browser::default();
    let page = sign_in(&world, &provider, &mut browser).await;
    assert_eq!(page.status, 200);
    assert!(page.says("No account here belongs to that") && page.says("o…@any.example"), "{}", page.text());
    assert!(page.action("other_account") && page.action("use_password") && page.action("cancel"), "{:?}", page.actions());
    let to_provider = browser.submit(&world, &page, &[], "other_account").await;
    assert_eq!(to_provider.parameters()["prompt"], "select_account");
    let page = browser.get(&world, &provider.sign_in(&to_provider.location.unwrap())).await;
    let page = browser.submit(&world, &page, &[], "use_password").await;
    let page = browser.submit_password(&world, &page, "alice", crate::world::PASSWORD).await;
    assert!(page.has_code(), "{}", page.html);
    assert_eq!(world.audited("account_created").await, 1, "alice alone");
    world.stop().await;
}

/// 446-B, S-32: whose account is closed hears that, and nothing else.
#[tokio::test]
async fn a_disabled_person_does_not_come_in_through_a_provider() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let subject = sign_in_for_subject(&world, &provider).await;
    let app = world.running.shared.now();
    let set = async |state: &'static str| {
        let mut change = symbolon::store::Change::new(app.now_ms());
        change.run("UPDATE account SET state = $2 WHERE id = $1", vec![subject.as_str().into(), state.into()]);
        app.store.apply(change).await.unwrap();
    };
    set("disabled").await;
    let page = sign_in(&world, &provider, &mut Browser::default()).await;
    assert!(page.problem().contains("closed"), "{}", page.html);
    set("active").await;
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin");
    world.stop().await;
}

/// Each lie alone is refused, with a page that leads on; the truth behind it, in the same sign-in, is not.
#[tokio::test]
async fn each_lie_of_a_provider_is_refused_and_its_twin_is_not() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let far = symbolon::serve::system_clock()() / 1000;
    let token = |changes: serde_json::Value| Says { sub: "sub-1".to_owned(), id_token: changes, ..Says::default() };
    let base = || Says { sub: "sub-1".to_owned(), ..Says::default() };
    let lies: Vec<(&str, Says)> = vec![
        ("440-B issuer", token(json!({ "iss": "https://accounts.google.com" }))),
        ("440-B audience", token(json!({ "aud": "somebody else" }))),
        ("440-B audiences", token(json!({ "aud": ["example shop", "somebody else"] }))),
        ("440-B azp", token(json!({ "azp": "somebody else" }))),
        ("nonce", token(json!({ "nonce": "of another sign-in" }))),
        ("no nonce", token(json!({ "nonce": null }))),
        ("at_hash", token(json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }))),
        ("441-B expired", token(json!({ "exp": far - 60 }))),
        ("441-B no exp", token(json!({ "exp": null }))),
        ("441-B future", token(json!({ "iat": far + 600 }))),
        ("442-B no sub", token(json!({ "sub": null }))),
        ("442-B sub 0", token(json!({ "sub": 0 }))),
        ("442-B sub object", token(json!({ "sub": { "id": 1 } }))),
        ("foreign key, and a kid that nobody knows", Says { foreign_key: true, ..base() }),
        ("a key of the set, and an algorithm that was not announced", Says { other_alg: true, ..base() }),
        ("typ", Says { typ: Some("at+jwt"), ..base() }),
        ("no id_token", Says { token_answer: json!({ "id_token": null }), ..base() }),
        ("alg none", Says { token_answer: json!({ "id_token": "eyJhbGciOiJub25lIn0.e30." }), ..base() }),
        ("455-B no token_type", Says { token_answer: json!({ "token_type": null }), ..base() }),
        ("455-B odd token_type", Says { token_answer: json!({ "token_type": "mac" }), ..base() }),
        ("error of the token endpoint", Says { token_status: Some(400), ..base() }),
        ("userinfo of another", Says { userinfo: Some(json!({ "sub": "sub-2", "email": "victim@example.com" })), ..base() }),
        ("userinfo of nobody", Says { userinfo: Some(json!({ "email": "victim@example.com" })), ..base() }),
        ("iss of another", Says { answer: json!({ "iss": "https://accounts.google.com" }), ..base() }),
        ("no iss, though announced", Says { answer: json!({ "iss": null }), ..base() }),
        ("neither code nor error", Says { answer: json!({ "code": null }), ..base() }),
        ("code of somebody else", Says { answer: json!({ "code": "made-up" }), ..base() }),
    ];
    for (name, lie) in lies {
        provider.says(lie);
        let mut browser = Browser::default();
        let page = sign_in(&world, &provider, &mut browser).await;
        assert_eq!(page.status, 200, "{name}: {:?}", page.location);
        assert!(page.problem().contains("did not work"), "{name}: {}", page.html);
        assert!(!page.html.contains("<b>no</b>"), "{name}");
        provider.says(base());
        let page = browser.submit(&world, &page, &[], "go").await;
        let back = provider.sign_in(page.location.as_deref().unwrap_or_else(|| panic!("{name}: {}", page.html)));
        let page = browser.get(&world, &back).await;
        assert!(page.has_code(), "the twin of {name}: {}", page.html);
    }
    assert_eq!(world.audited("registered").await, 1);
    world.stop().await;
}

/// 454-B: pressing cancel there leads back to the choice, in our words; the request of the app is still alive.
#[tokio::test]
async fn whoever_cancels_at_the_provider_chooses_again() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let error = |code: &str| Says {
        sub: "x".to_owned(),
        answer: json!({ "code": null, "error": code, "error_description": "<script>alert(1)</script>" }),
        ..Says::default()
    };
    for (code, words) in [
        ("access_denied", "came back without signing in"),
        ("user_cancelled_authorize", "came back without signing in"),
        ("temporarily_unavailable", "does not answer"),
        ("<img src=x>", "did not work"),
    ] {
        provider.says(error(code));
        let mut browser = Browser::default();
        let page = sign_in(&world, &provider, &mut browser).await;
        assert!(page.problem().contains(words), "{code}: {}", page.html);
        assert!(!page.html.contains("<script>") && !page.html.contains("<img src=x"), "{code}");
        let page = browser.submit(&world, &page, &[], "use_password").await;
        assert!(browser.submit_password(&world, &page, "alice", crate::world::PASSWORD).await.has_code(), "{code}");
    }
    world.stop().await;
}

/// 439-B, 447-B: what comes back belongs to one provider, one sign-in and one browser, and works once. Anything else uses nothing up.
#[tokio::test]
async fn an_answer_belongs_to_one_provider_one_sign_in_and_one_browser() {
    for engine in engines() {
        let (provider, other) = (Provider::start().await, Provider::start().await);
        let more =
            format!("{CREATE}{}", other.table("other").lines().filter(|line| !line.starts_with("secret")).collect::<Vec<_>>().join("\n"));
        let world = world(engine, &provider, &more).await;
        let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
        let url = leave(&world, &mut browser, &ask).await;
        let back = provider.sign_in(&url);
        let state = crate::world::parameters(&back)["state"].clone();
        let refused = async |browser: &mut Browser, url: &str, why: &str| {
            let page = browser.get(&world, url).await;
            assert_eq!((page.status, page.kind()), (400, "error"), "{why}: {}", page.html);
        };
        refused(&mut browser.clone(), &back.replace("/upstream/any/", "/upstream/other/"), "another provider's address").await;
        refused(&mut Browser::default(), &back, "a browser without the cookie").await;
        let mut stranger = Browser::default();
        leave(&world, &mut stranger, &ask).await;
        refused(&mut stranger, &back, "a browser with a sign-in of its own").await;
        for bad in ["", "x", &state[1..]] {
            refused(&mut browser.clone(), &back.replace(&state, bad), "state").await;
        }
        assert_eq!(browser.get(&world, &back.replace("/upstream/any/", "/upstream/nobody/")).await.status, 404);
        let fetched = world.http.get(&back).header("sec-purpose", "prefetch").header("cookie", browser.cookie_line()).send().await.unwrap();
        assert_eq!(fetched.status(), 403, "a browser that fetches ahead");
        assert_eq!(world.http.head(&back).send().await.unwrap().status(), 405);
        let page = browser.get(&world, &back).await;
        assert!(page.has_code(), "nothing was used up: {}", page.html);
        let tokens = provider.asked().iter().filter(|path| *path == "/token").count();
        assert_eq!(tokens, 1);
        let again = browser.clone().get(&world, &back).await;
        assert!(again.has_code() || again.status == 200, "the same answer once more leads to the same end: {}", again.html);
        assert!(provider.asked().iter().all(|path| path != "/token"), "the code is exchanged once");
        world.stop().await;
    }
}

/// S-33: three sign-ins in one browser end in any order.
#[tokio::test]
async fn several_tabs_do_not_disturb_each_other() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let mut browser = Browser::default();
    let mut backs = Vec::new();
    for _ in 0..3 {
        backs.push(provider.sign_in(&leave(&world, &mut browser, &Ask::native("openid")).await));
    }
    for at in [1, 2, 0] {
        let page = browser.get(&world, &backs[at]).await;
        assert!(page.has_code(), "{at}: {}", page.html);
    }
    world.stop().await;
}

/// A provider that changes its key in the middle is asked for the new one, and not more often than once in ten seconds (550-S).
#[tokio::test]
async fn a_key_that_is_new_is_fetched() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code());
    world.advance_s(11);
    provider.rotate();
    provider.asked();
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the new key");
    assert_eq!(provider.asked().iter().filter(|path| *path == "/jwks").count(), 1);
    for _ in 0..3 {
        provider.says(Says { sub: "sub-1".to_owned(), foreign_key: true, ..Says::default() });
        assert!(!sign_in(&world, &provider, &mut Browser::default()).await.has_code());
    }
    assert_eq!(provider.asked().iter().filter(|path| *path == "/jwks").count(), 0, "not for every unknown key");
    world.stop().await;
}

/// S-22: a provider that is away costs its own button alone. When it is back, the next try works, without a restart.
#[tokio::test]
async fn a_provider_that_is_away_is_a_page_and_not_an_outage() {
    let provider = Provider::start().await;
    let away = "HTTP/1.1 503 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let raw = |path: &'static str, answer: &str| Says {
        sub: "sub-1".to_owned(),
        raw: BTreeMap::from([(path, answer.to_owned())]),
        ..Says::default()
    };
    provider.says(raw("/.well-known/openid-configuration", away));
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let mut browser = Browser::default();
    let page = browser.open(&world, &Ask::native("openid")).await;
    let page = browser.submit(&world, &page, &[], "use_upstream:any").await;
    assert!(page.problem().contains("does not answer"), "{}", page.html);
    let page = browser.submit(&world, &page, &[], "use_password").await;
    assert!(browser.submit_password(&world, &page, "alice", crate::world::PASSWORD).await.has_code(), "another way works");
    provider.is("sub-1");
    world.advance_s(1);
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "it is back");
    let huge = format!("HTTP/1.1 200 X\r\nconnection: close\r\n\r\n{}", "x".repeat(100_000));
    let redirect = format!("HTTP/1.1 302 X\r\nlocation: {}/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", provider.issuer());
    for (name, answer) in
        [("451-B huge", huge.as_str()), ("541-S redirect", redirect.as_str()), ("no JSON", "HTTP/1.1 200 X\r\ncontent-length: 1\r\n\r\n{")]
    {
        provider.says(raw("/token", answer));
        provider.asked();
        let page = sign_in(&world, &provider, &mut Browser::default()).await;
        assert!(!page.has_code() && page.status == 200, "{name}: {}", page.html);
        assert!(!provider.asked().contains(&"/elsewhere".to_owned()), "{name}");
    }
    world.stop().await;
}

/// S-22: after three failures nobody waits any more. After half a minute one asks again.
#[tokio::test]
async fn a_provider_that_fails_is_left_alone() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let away = "HTTP/1.1 500 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
    let broken = Says { raw: BTreeMap::from([("/.well-known/openid-configuration", away)]), ..Says::default() };
    provider.says(broken);
    for round in 0..5 {
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        let page = browser.submit(&world, &page, &[], "use_upstream:any").await;
        assert!(page.problem().contains("does not answer"), "{round}: {}", page.html);
        // A fetch that failed counts for a second.
        world.advance_s(1);
    }
    assert_eq!(provider.asked().len(), 3);
    provider.is("sub-1");
    world.advance_s(31);
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin");
    world.stop().await;
}

/// 542-S: the operator wrote the issuer; the document may name other hosts only where everybody can reach them.
#[tokio::test]
async fn a_discovery_document_leads_nowhere_private() {
    for (member, address) in [
        ("token_endpoint", "https://127.0.0.1:1/token"),
        ("token_endpoint", "http://127.0.0.1:1/token"),
        ("jwks_uri", "https://169.254.169.254/latest"),
        ("userinfo_endpoint", "https://10.0.0.1/"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("issuer", "https://accounts.google.com"),
        ("jwks_uri", ""),
    ] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, CREATE).await;
        provider.says(Says { discovery: json!({ member: address }), ..Says::default() });
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        let page = browser.submit(&world, &page, &[], "use_upstream:any").await;
        assert!(page.problem().contains("did not work"), "{member} {address}: {}", page.html);
        provider.is("sub-1");
        world.advance_s(1);
        assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin of {member}");
        world.stop().await;
    }
}

/// The same new person in two tabs at once is one account.
#[tokio::test]
async fn a_race_of_one_new_person_makes_one_account() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, CREATE).await;
        let mut all = Vec::new();
        for _ in 0..6 {
            let (mut browser, ask) = (Browser::default(), Ask::native("openid"));
            let back = provider.sign_in(&leave(&world, &mut browser, &ask).await);
            all.push((browser, back));
        }
        let world = std::sync::Arc::new(world);
        let tasks: Vec<_> = all
            .into_iter()
            .map(|(mut browser, back)| {
                let node = world.node.clone();
                tokio::spawn(async move { browser.get(&node, &back).await })
            })
            .collect();
        for task in tasks {
            let page = task.await.unwrap();
            assert!(page.has_code(), "{}", page.html);
        }
        assert_eq!(world.audited("registered").await, 1);
        std::sync::Arc::into_inner(world).unwrap().stop().await;
    }
}

/// 444-B: a provider that was taken out of the configuration signs nobody in, whatever was on its way or stands in a session.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_gone_signs_nobody_in() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let (mut signed_in, mut leaving) = (Browser::default(), Browser::default());
    assert!(sign_in(&world, &provider, &mut signed_in).await.has_code());
    let back = provider.sign_in(&leave(&world, &mut leaving, &Ask::native("openid")).await);
    let table = provider.table("any");
    world.reload(|it| it.without("upstream.any").set("login.default.require", vec!["password"])).await;
    assert_eq!(leaving.get(&world, &back).await.status, 404);
    let page = signed_in.open(&world, &Ask::native("openid")).await;
    assert!(page.asks_for("password") && !page.has_code(), "its proof in the session counts for nothing: {}", page.html);
    let both = vec!["password", "upstream:any"];
    let secret = std::env::temp_dir().join(format!("symbolon-it-upstream-{}", std::process::id()));
    let table = table.replace("{ env = \"SYMBOLON_TEST_UPSTREAM_SECRET\" }", &format!("{{ file = '{}' }}", secret.display()));
    world.reload(|it| it.with(&format!("{table}{CREATE}")).set("login.default.require", both)).await;
    assert!(leaving.get(&world, &back).await.has_code(), "the twin");
    world.stop().await;
}
