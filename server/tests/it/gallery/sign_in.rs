//! Signing in, beginning and coming back: the pages that are all this server's own.

use crate::registration;
use crate::world::mail::NEW_PASSWORD;
use crate::world::native::*;
use crate::world::*;
use serde_json::json;
use symbolon_oauth::pkce;

const POLICIES: &str = "[api.files]\naudience = \"https://api.example.com/files\"\n[api.files.authorization_details.files]\n\
    text = \"Read these files\"\nschema = { properties = { paths = { } } }\n[login.mail]\nrequire = [\"password + email\"]\nacr = \"urn:mail\"\n";

fn ask() -> Ask {
    Ask::native("openid orders:read")
}

fn two() -> Ask {
    ask().with("acr_values", "urn:two")
}

pub async fn walk(album: &Album) {
    let scene =
        Screens::with(Engine::Sqlite, |it| it.with(POLICIES).set("client.shop-ios.authorization_details_types", vec!["files"])).await;
    for name in ["bob", "carol"] {
        scene.world.person(name).await;
    }
    by_password(album, &scene).await;
    with_what_apps_ask(album, &scene).await;
    forgotten_password(album, &scene).await;
    new_account(album, &scene).await;
    with_two_factors(album, &scene).await;
    scene.world.stop().await;
    at_an_unproved_app(album).await;
}

async fn by_password(album: &Album, scene: &Screens) {
    let (world, mut browser) = (&scene.world, album.browser());
    let page = browser.open(world, &ask()).await;
    let page = browser.submit(world, &page, &[("username", "alice"), ("password", "")], "continue").await;
    let page = browser.submit_password(world, &page, "alice", "wrong").await;
    let page = browser.submit(world, &page, &[("username", "alice")], "use_email").await;
    let page = browser.submit(world, &page, &[("username", "")], "continue").await;
    let page = browser.submit(world, &page, &[("username", "alice")], "continue").await;
    let page = browser.submit(world, &page, &[("email_code", "00000000")], "continue").await;
    let page = browser.submit(world, &page, &[], "use_password").await;
    let done = browser.submit_password(world, &page, "alice", PASSWORD).await;
    assert!(done.has_code(), "{}", done.html);
    let page = browser.open(world, &ask().with("prompt", "select_account")).await;
    let page = browser.submit(world, &page, &[], "not_you").await;
    browser.submit_password(world, &page, "bob", PASSWORD).await;
    album.keep_as("of several", &browser.open(world, &ask().with("prompt", "select_account")).await);
    browser.open(world, &ask().with("acr_values", "urn:mail")).await;
    let form_post = browser.open(world, &ask().with("response_mode", "form_post")).await;
    assert_eq!(form_post.name().as_deref(), Some("form_post"), "{}", form_post.html);
}

/// Consent, and whether a person has started what goes on in the browser.
async fn with_what_apps_ask(album: &Album, scene: &Screens) {
    let (world, mut browser) = (&scene.world, album.browser());
    let planner = Ask::new("third-party", "https://third.example.com/callback", "openid profile email offline_access orders:read");
    let page = browser.open(world, &planner).await;
    browser.submit_password(world, &page, "alice", PASSWORD).await;
    let files = json!([{ "type": "files", "paths": ["reports/2026/march.pdf", "reports/2026/april.pdf"] }]).to_string();
    let page = browser.open(world, &ask().with("authorization_details", &files)).await;
    album.keep_as("in detail", &page);
    let mut phone = scene.genuine();
    let challenge = pkce::challenge(&pkce::verifier([5; 32]));
    let step = phone.begin_with(&[("code_challenge", &challenge), ("code_challenge_method", "S256"), ("state", "s-9")]).await;
    let sent = phone.answer(&step, "browser", &[]).await;
    open_detour(&mut browser, world, "screens", &sent.text("request_uri")).await;
}

async fn forgotten_password(album: &Album, scene: &Screens) {
    let (world, mut browser) = (&scene.world, album.browser());
    let page = browser.open(world, &ask()).await;
    let page = browser.submit(world, &page, &[], "reset").await;
    let seen = scene.mailbox.letters().len();
    let page = browser.submit(world, &page, &[("username", "bob")], "continue").await;
    let code = scene.code_of_letter("bob@example.com", seen).await;
    let page = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
    let page = browser.submit(world, &page, &[("new_password", NEW_PASSWORD), ("new_password_again", "other")], "continue").await;
    let page = browser.submit(world, &page, &[("new_password", "short"), ("new_password_again", "short")], "continue").await;
    assert_eq!(page.name().as_deref(), Some("new_password"), "{}", page.html);
}

async fn new_account(album: &Album, scene: &Screens) {
    let (world, mut browser) = (&scene.world, album.browser());
    let page = browser.visit(world, "/register").await;
    let page = browser.submit(world, &page, &[("email", "no address"), ("name", "N")], "continue").await;
    let fill = [("email", "nora@elsewhere.example"), ("name", "Nora"), ("new_password", NEW_PASSWORD)];
    let page = browser.submit(world, &page, &fill, "continue").await;
    assert_eq!(page.name().as_deref(), Some("register"), "{}", page.html);
}

/// Bob adds an authenticator, signs in with it, and says that he has lost it.
async fn with_two_factors(album: &Album, scene: &Screens) {
    let (world, mut browser) = (&scene.world, album.browser());
    let now_ms = || world.running.shared.now().now_ms();
    let page = browser.open(world, &two()).await;
    let page = browser.submit_password(world, &page, "carol", PASSWORD).await;
    let secret = page.codes().remove(0);
    let page = browser.submit(world, &page, &[("code", "000000")], "continue").await;
    let page = browser.submit(world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
    let page = browser.submit(world, &page, &[], "continue").await;
    assert_eq!(page.name().as_deref(), Some("waits"), "{}", page.html);
    let page = browser.submit(world, &page, &[], "use_ticket").await;
    browser.submit(world, &page, &[("ticket", "aaaaa-aaaaa")], "continue").await;
    assert!(world.confirm("carol").await);
    world.advance_s(60);
    let mut browser = album.browser();
    let page = browser.open(world, &two()).await;
    let page = browser.submit_password(world, &page, "carol", PASSWORD).await;
    let page = browser.submit(world, &page, &[("code", "000000")], "continue").await;
    let page = browser.submit(world, &page, &[], "use_recovery").await;
    let page = browser.submit(world, &page, &[("recovery_code", "AAAAA-AAAAA")], "continue").await;
    assert_eq!(page.name().as_deref(), Some("recovery_code"), "{}", page.html);
    let mut browser = album.browser();
    let page = browser.open(world, &two()).await;
    let page = browser.submit_password(world, &page, "carol", PASSWORD).await;
    let seen = scene.mailbox.letters().len();
    let page = browser.submit(world, &page, &[], "regain").await;
    let code = scene.code_of_letter("carol@example.com", seen).await;
    let page = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
    assert_eq!(page.name().as_deref(), Some("regain"), "{}", page.html);
}

/// An app that registered itself: what the person is told of it, and that nothing leads there by itself.
async fn at_an_unproved_app(album: &Album) {
    let world = registration::open(Engine::Sqlite).await;
    let (status, answer) = registration::register(&world, None, &registration::site()).await;
    assert_eq!(status, 201, "{answer}");
    let mut browser = album.browser();
    let page = browser.open(&world, &Ask::new(answer["client_id"].as_str().unwrap(), registration::BACK, "openid email")).await;
    let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    album.keep_as("of a stranger", &page);
    let page = browser.submit(&world, &page, &[], "allow").await;
    assert_eq!(page.name().as_deref(), Some("unvouched"), "{}", page.html);
    world.stop().await;
}
