//! A world whose letters arrive in a mailbox on this machine, over real SMTP.

use super::{Ask, Browser, Configuration, Engine, PASSWORD, Page, World, engines, totp};
use symbolon_phone::mailbox::Mailbox;

pub const NEW_PASSWORD: &str = "another horse entirely";

pub struct Post {
    pub world: World,
    pub mailbox: Mailbox,
}

impl Post {
    pub async fn start(engine: Engine) -> Self {
        let mailbox = Mailbox::open().await.unwrap();
        let more = format!(
            "[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"Shop <no-reply@example.com>\"\nnew_devices = false\n\
             [registration]\nemail_domains = [\"example.com\"]\n\
             [login.default]\nrequire = [\"password\", \"email\"]\n\
             [login.strong]\nrequire = [\"password + email\"]\nacr = \"urn:strong\"\n\
             [login.two-factor]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n",
            mailbox.address.port()
        );
        Self { world: Configuration::on(engine).await.behind_a_proxy().with(&more).start().await, mailbox }
    }

    pub async fn code(&self, to: &str, seen: usize) -> String {
        self.mailbox.wait_for_code(to, seen).await.expect("a letter with a code")
    }

    /// A letter with these words has come.
    pub async fn told(&self, to: &str, words: &str) {
        let has_come = || self.mailbox.letters().iter().any(|letter| letter.to == [to] && letter.plain().contains(words));
        for _ in 0..100 {
            if has_come() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no letter to {to} says {words:?}");
    }

    pub fn seen(&self) -> usize {
        self.mailbox.letters().len()
    }

    pub fn now_ms(&self) -> i64 {
        self.world.running.shared.now().now_ms()
    }

    /// Alice adds an authenticator at a sign-in that asks for one, and an operator confirms it; its secret and the ten recovery codes.
    pub async fn enrol(&self, browser: &mut Browser) -> (String, Vec<String>) {
        let page = browser.open(&self.world, &Ask::native("openid").with("acr_values", "urn:two")).await;
        let page = browser.submit_password(&self.world, &page, "alice", PASSWORD).await;
        let secret = page.codes().remove(0);
        let page = browser.submit(&self.world, &page, &[("code", &totp(&secret, self.now_ms()))], "continue").await;
        let codes = page.codes();
        assert_eq!((codes.len(), codes[0].len()), (10, 11), "{}", page.html);
        let waits = browser.submit(&self.world, &page, &[], "continue").await;
        assert_eq!((waits.status, waits.kind()), (200, "waits"), "{}", waits.html);
        assert!(self.world.confirm("alice").await);
        let done = browser.submit(&self.world, &waits, &[], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        (secret, codes)
    }

    /// Alice opens her account page with her password.
    pub async fn account(&self, browser: &mut Browser) -> Page {
        let page = browser.visit(&self.world, "/account").await;
        let done = browser.submit_password(&self.world, &page, "alice", PASSWORD).await;
        assert_eq!(done.status, 303, "{}", done.html);
        browser.visit(&self.world, "/account").await
    }

    /// A question that a code by mail answers: the page, and the code that was sent.
    pub async fn asked(&self, browser: &mut Browser, path: &str, fill: &[(&str, &str)], to: &str) -> (Page, String) {
        let seen = self.seen();
        let page = browser.visit(&self.world, path).await;
        let sent = browser.submit(&self.world, &page, fill, "continue").await;
        (sent, self.code(to, seen).await)
    }
}

pub async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Post) -> T) {
    for engine in engines() {
        test(Post::start(engine).await).await;
    }
}
