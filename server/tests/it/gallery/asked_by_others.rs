//! Pages on which a person answers for something else: a television, a call centre, an app that leads to a site.

use crate::devices::{self, Tv};
use crate::world::*;
use crate::{backchannel, handover};

pub async fn walk(album: &Album) {
    televisions(album).await;
    call_centre(album).await;
    from_an_app(album).await;
}

async fn televisions(album: &Album) {
    let world = devices::world(Engine::Sqlite).await;
    let mut browser = album.browser();
    let page = browser.visit(&world, "/device").await;
    browser.submit(&world, &page, &[("user_code", "BBBB-BBBB")], "continue").await;
    let tv = Tv::start(&world, "box", "openid orders:read").await;
    let page = browser.visit(&world, "/device").await;
    let page = browser.submit(&world, &page, &[("user_code", tv.user_code())], "continue").await;
    let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    let page = browser.submit(&world, &page, &[], "allow").await;
    assert_eq!(page.name().as_deref(), Some("device_approved"), "{}", page.html);
    let tv = Tv::start(&world, "tv", "openid orders:read").await;
    let page = browser.visit(&world, tv.complete()).await;
    let page =
        if page.name().as_deref() == Some("password") { browser.submit_password(&world, &page, "alice", PASSWORD).await } else { page };
    album.keep_as("by its address", &page);
    let page = browser.submit(&world, &page, &[("last_group", "BBBB")], "allow").await;
    let page = browser.submit(&world, &page, &[], "not_mine").await;
    assert_eq!(page.name().as_deref(), Some("device_denied"), "{}", page.html);
    world.stop().await;
}

async fn call_centre(album: &Album) {
    let scene = backchannel::Scene::start(Engine::Sqlite, "[client.other-desk.backchannel]\nuser_code = true\n").await;
    let mut browser = album.browser();
    for (client, action, wanted) in [("desk", "allow", "approval_given"), ("desk", "not_mine", "approval_refused")] {
        scene.ask_alice(client).await;
        let page = backchannel::question(&scene.world, &mut browser).await;
        let page = browser.submit(&scene.world, &page, &[], action).await;
        assert_eq!(page.name().as_deref(), Some(wanted), "{}", page.html);
    }
    browser.visit(&scene.world, "/approvals").await;
    scene.ask_alice("till").await;
    let page = backchannel::question(&scene.world, &mut browser).await;
    album.keep_as("with a number", &page);
    scene.world.person("bob").await;
    let (mut app, token) = scene.app("member-app", "alice").await;
    let path = format!("/approvals?ref={}", app.pending(&token).await[0]["request"].as_str().unwrap());
    let mut bobs = album.browser();
    let page = bobs.visit(&scene.world, &path).await;
    let page = bobs.submit_password(&scene.world, &page, "bob", PASSWORD).await;
    assert_eq!(page.name().as_deref(), Some("approval_other"), "{}", page.html);
    let account = browser.visit(&scene.world, "/account").await;
    album.keep_as("asked", &account);
    let page = browser.submit(&scene.world, &account, &[], "change_user_code").await;
    let page = browser.submit(&scene.world, &page, &[("new_user_code", "short")], "continue").await;
    assert_eq!(page.name().as_deref(), Some("new_user_code"), "{}", page.html);
    scene.world.stop().await;
}

async fn from_an_app(album: &Album) {
    let scene = handover::Scene::start(Engine::Sqlite).await;
    let (mut phone, tokens) = scene.app("handing", "alice").await;
    let path = scene.path(&mut phone, &tokens).await;
    let page = album.browser().visit(&scene.world, &path).await;
    assert_eq!(page.name().as_deref(), Some("handover"), "{}", page.html);
    scene.world.person("bob").await;
    let mut bobs = album.browser();
    bobs.sign_in(&scene.world, &Ask::native("orders:read"), "bob").await;
    let path = scene.path(&mut phone, &tokens).await;
    let page = bobs.visit(&scene.world, &path).await;
    album.keep_as("in place of another", &page);
    scene.world.stop().await;
}
