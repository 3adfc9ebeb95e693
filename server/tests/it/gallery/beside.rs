//! Providers, wallets, plug-ins, the way back into an app, and where sign-ins end.

use crate::world::provider::{Provider, Says};
use crate::world::*;
use crate::{continue_page, upstream, upstream_links, wallet_elsewhere, wallets};
use serde_json::json;

pub async fn walk(album: &Album) {
    a_provider(album).await;
    a_wallet(album).await;
    #[cfg(feature = "plugins")]
    a_plug_in(album).await;
    back_into_an_app(album).await;
    the_ends(album).await;
}

async fn a_provider(album: &Album) {
    let provider = Provider::start().await;
    let world = upstream::world(Engine::Sqlite, &provider, "").await;
    provider.says(Says { sub: "one".to_owned(), claims: json!({ "email": "one@any.example" }), ..Says::default() });
    let page = upstream::sign_in(&world, &provider, &mut album.browser()).await;
    assert_eq!(page.name().as_deref(), Some("upstream_unknown"), "{}", page.html);
    let mut browser = album.browser();
    let page = upstream_links::to_link(&world, &provider, &mut browser).await;
    assert_eq!(page.name().as_deref(), Some("link"), "{}", page.html);
    browser.submit(&world, &page, &[], "continue").await;
    let page = browser.visit(&world, "/account").await;
    let unlink = page.actions().into_iter().find(|action| action.starts_with("unlink:")).unwrap();
    let page = browser.submit(&world, &page, &[], &unlink).await;
    assert_eq!(page.name().as_deref(), Some("unlink"), "{}", page.html);
    world.stop().await;
}

async fn a_wallet(album: &Album) {
    let outside = wallets::Outside::new();
    let configured = outside.configured(Engine::Sqlite, wallets::CREATE).await.set("login.default.wallet_on_other_device", true);
    let world = configured.start().await;
    wallets::leave(&world, &mut album.browser(), &wallets::ask()).await;
    let mut browser = album.browser();
    let page = wallets::consent(&world, &mut browser, &wallets::ask()).await;
    let page = browser.submit(&world, &page, &[], "other_device").await;
    let wallet = outside.wallet_of("AA-1");
    let asked = wallet.read(&world.http, &wallet_elsewhere::link_of(&page), wallets::now_s()).await.unwrap();
    let back = wallet.answer(&world.http, &asked).await.unwrap();
    album.browser().get(&world, &back).await;
    world.stop().await;
}

#[cfg(feature = "plugins")]
async fn a_plug_in(album: &Album) {
    use crate::plugin_methods::{EXTERNAL, answered, requiring, word};
    let asking = word(EXTERNAL, "asks_who = true\nfactor = \"possession\"\namr = \"hwk\"");
    let world = Configuration::on(Engine::Sqlite).await.with(&asking).with(&requiring("\"plugin:word\"")).start().await;
    let mut browser = album.browser();
    let page = browser.open(&world, &Ask::native("openid")).await;
    assert_eq!(page.name().as_deref(), Some("plugin_begin"), "{}", page.html);
    let page = browser.submit(&world, &page, &[], "continue").await;
    answered(&world, &mut browser, &page).await;
    world.stop().await;
}

async fn back_into_an_app(album: &Album) {
    let world = continue_page::world(Engine::Sqlite).await;
    let path = continue_page::signed_in(&world).await;
    let shown = continue_page::fetch(&world, continue_page::GO, &path, &[("accept-language", album.language)]).await;
    assert_eq!(shown.status, 200, "{}", shown.html);
    album.keep_html(shown.html);
    world.stop().await;
}

async fn the_ends(album: &Album) {
    let world = World::start(Engine::Sqlite).await;
    let mut browser = album.browser();
    for path in ["/", "/logout", "/nothing", "/authorize?client_id=nobody", "/stop/nonsense", "/login/nonsense"] {
        browser.visit(&world, path).await;
    }
    browser.send(world.http.post(world.url("/login")).form(&[("handle", "x")])).await;
    let page = browser.visit(&world, "/account").await;
    let left = browser.submit(&world, &page, &[], "cancel").await;
    assert_eq!(left.name().as_deref(), Some("not_signed_in"), "{}", left.html);
    album.keep_as("after cancelling", &left);
    // The page of a sign-in that went on, that is over here, and that is done.
    let (ask, wrong) = (Ask::native("openid"), [("username", "alice"), ("password", "not hers")]);
    let start = browser.open(&world, &ask).await;
    let answer = browser.submit_raw(&world, &start, &wrong, "continue").await;
    let address = answer.location.unwrap();
    let page = browser.get(&world, &address).await;
    let mut older = browser.clone();
    let page = browser.submit(&world, &page, &wrong, "continue").await;
    older.get(&world, &address).await;
    album.keep_as("of an app", &album.browser().get(&world, &address).await);
    let done = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    let (status, tokens) = world.exchange(&done.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let page = browser.get(&world, &address).await;
    assert_eq!(page.name().as_deref(), Some("done"), "{}", page.html);
    let page = browser.visit(&world, "/logout").await;
    let page = browser.submit(&world, &page, &[], "logout").await;
    assert_eq!(page.name().as_deref(), Some("signed_out"), "{}", page.html);
    world.stop().await;
}
