//! The account page and everything behind it.

use crate::world::passkeys::Keys;
use crate::world::*;
use symbolon_phone::authenticator::{Authenticator, NotDone};

const KNOWN: &str = "[login.strict]\nrequire = [\"password + totp\"]\nacr = \"urn:strict\"\n\
    [[login.strict.easier]]\nrequire = [\"password\"]\nknown_device = \"30d\"\n";
const LAPTOP: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15";

/// Alice, with her browser, her platform and her authenticator.
struct Alice<'a> {
    keys: &'a Keys,
    browser: Browser,
    platform: Authenticator,
    secret: String,
}

impl Alice<'_> {
    /// Proves what is asked for, until another page comes.
    async fn prove(&mut self, mut page: Page) -> Page {
        let world = &self.keys.world;
        for _ in 0..4 {
            page = match page.name().as_deref() {
                Some("password") => self.browser.submit_password(world, &page, "alice", PASSWORD).await,
                Some("totp") => {
                    world.advance_s(60);
                    let code = totp(&self.secret, world.running.shared.now().now_ms());
                    self.browser.submit(world, &page, &[("code", &code)], "continue").await
                }
                Some("passkey") => self.keys.use_it(&mut self.browser, &page, &mut self.platform).await,
                _ => return page,
            };
        }
        page
    }

    async fn account(&mut self) -> Page {
        let page = self.browser.visit(&self.keys.world, "/account").await;
        if page.name().as_deref() == Some("account") {
            return page;
        }
        self.prove(page).await;
        self.browser.visit(&self.keys.world, "/account").await
    }

    /// Presses a button of the account page, and proves what is asked for. The first one that begins so.
    async fn press(&mut self, action: &str, wanted: &str) -> Page {
        let account = self.account().await;
        let found = account.actions().into_iter().find(|one| one.starts_with(action));
        let action = found.unwrap_or_else(|| panic!("no {action}: {}", account.html));
        let page = self.browser.submit(&self.keys.world, &account, &[], &action).await;
        let page = self.prove(page).await;
        assert_eq!(page.name().as_deref(), Some(wanted), "{action}: {} {}", page.status, page.html);
        page
    }

    async fn go_on(&mut self, page: &Page, fill: &[(&str, &str)]) -> Page {
        self.browser.submit(&self.keys.world, page, fill, "continue").await
    }
}

pub async fn walk(album: &Album) {
    let keys = Keys::start(Engine::Sqlite, KNOWN).await;
    let mut alice = Alice { keys: &keys, browser: album.browser(), platform: Authenticator::default(), secret: String::new() };
    by_passkey(&mut alice).await;
    let page = alice.account().await;
    album.keep_as("new", &page);
    somewhere_else(&keys).await;
    with_an_authenticator(&mut alice).await;
    let page = alice.account().await;
    for row in ["remove_passkey:", "forget_device:", "end_session:", "revoke_app:"] {
        assert!(page.actions().iter().any(|action| action.starts_with(row)), "no {row}: {}", page.html);
    }
    album.keep_as("with much", &page);
    change_everything(&mut alice).await;
    let page = alice.press("delete", "delete_account").await;
    let page = alice.browser.submit(&keys.world, &page, &[], "delete_account").await;
    assert_eq!(page.name().as_deref(), Some("account_deleted"), "{}", page.html);
    keys.world.stop().await;
    offered(album).await;
}

/// A passkey is added, and used with a name.
async fn by_passkey(alice: &mut Alice<'_>) {
    let page = alice.press("add_passkey", "enrol_passkey").await;
    let page = alice.keys.fail(&mut alice.browser, &page, NotDone::AlreadyThere).await;
    alice.keys.make(&mut alice.browser, &page, &mut alice.platform).await;
    assert!(alice.keys.world.confirm("alice").await);
    let mut other = alice.browser.clone();
    other.cookies.clear();
    let page = alice.keys.open(&mut other).await;
    let page = other.submit(&alice.keys.world, &page, &[("username", "alice")], "security_key").await;
    assert_eq!(page.name().as_deref(), Some("passkey"), "{}", page.html);
    alice.keys.fail(&mut other, &page, NotDone::NoPasskey).await;
}

/// An authenticator is added, and this browser becomes known.
async fn with_an_authenticator(alice: &mut Alice<'_>) {
    let world = &alice.keys.world;
    let page = alice.press("enrol_totp", "enrol_totp").await;
    alice.secret = page.codes().remove(0);
    let code = totp(&alice.secret, world.running.shared.now().now_ms());
    let page = alice.go_on(&page, &[("code", &code)]).await;
    alice.go_on(&page, &[]).await;
    world.confirm("alice").await;
    let strict = Ask::native("openid").with("acr_values", "urn:strict").with("prompt", "login");
    let page = alice.browser.open(world, &strict).await;
    let done = alice.prove(page).await;
    assert!(done.has_code(), "{}", done.html);
}

/// A laptop in another place, and an app with access.
async fn somewhere_else(keys: &Keys) {
    let world = &keys.world;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).user_agent(LAPTOP).build().unwrap();
    let node = Node { http, url: world.node.url.clone(), issuer: world.node.issuer.clone() };
    let mut browser = Browser::at("203.0.113.7");
    let ask = Ask::native("openid orders:read");
    let done = browser.sign_in(&node, &ask, "alice").await;
    let (status, tokens) = world.exchange(&done["code"], &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
}

async fn change_everything(alice: &mut Alice<'_>) {
    alice.press("change_name", "new_name").await;
    alice.press("change_language", "new_language").await;
    let page = alice.press("change_email", "new_email").await;
    alice.go_on(&page, &[("email", "no address")]).await;
    alice.press("change_password", "new_password").await;
    alice.press("remove_totp", "remove_totp").await;
    alice.press("remove_passkey:", "remove_passkey").await;
    alice.press("end_session:", "end_session").await;
    alice.press("sign_out_others", "end_other_sessions").await;
    alice.press("forget_device:", "forget_device").await;
    alice.press("revoke_app:", "revoke_app").await;
    let page = alice.press("export", "export").await;
    let page = alice.go_on(&page, &[]).await;
    assert_eq!(page.name().as_deref(), Some("exported"), "{}", page.html);
}

/// A passkey is offered after a sign-in by password.
async fn offered(album: &Album) {
    let keys = Keys::start(Engine::Sqlite, "[passkeys]\noffer = true").await;
    let mut browser = album.browser();
    let page = keys.open(&mut browser).await;
    let page = browser.submit_password(&keys.world, &page, "alice", PASSWORD).await;
    assert_eq!(page.name().as_deref(), Some("offer_passkey"), "{}", page.html);
    keys.world.stop().await;
}
