//! A world that takes passkeys, and a browser whose platform has a software authenticator.

use super::{Ask, Browser, Configuration, Engine, PASSWORD, Page, World};
use serde_json::Value as Json;
use symbolon_phone::authenticator::{Authenticator, NotDone};
use symbolon_phone::mailbox::Mailbox;

pub struct Keys {
    pub world: World,
    pub mailbox: Mailbox,
    /// Of the pages.
    pub origin: String,
}

impl Keys {
    /// `more`: tables laid over the configuration.
    pub async fn start(engine: Engine, more: &str) -> Self {
        let mailbox = Mailbox::open().await.unwrap();
        let mail = format!(
            "[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"Shop <no-reply@example.com>\"\nnew_devices = false\n\
             [registration]\nemail_domains = [\"example.com\"]\n[passkeys]\noffer = false\n\
             [login.default]\nrequire = [\"password\", \"passkey\"]\n\
             [login.two-factor]\nrequire = [\"passkey\", \"password + totp\"]\ntwo_factor_passkey = true\nacr = \"urn:two\"\n\
             [login.passkey]\nrequire = [\"passkey\", \"password\"]\nacr = \"urn:passkey\"\n",
            mailbox.address.port()
        );
        let world = Configuration::on(engine).await.behind_a_proxy().with(&mail).with(more).start().await;
        let origin = world.issuer.clone();
        Self { world, mailbox, origin }
    }

    /// Somebody signs in with the password and adds a passkey on the account page.
    pub async fn add(&self, browser: &mut Browser, phone: &mut Authenticator, person: &str) {
        let page = browser.visit(&self.world, "/account").await;
        let page = if page.asks_for("password") {
            assert_eq!(browser.submit_password(&self.world, &page, person, PASSWORD).await.status, 303);
            browser.visit(&self.world, "/account").await
        } else {
            page
        };
        let page = browser.submit(&self.world, &page, &[], "add_passkey").await;
        let done = self.make(browser, &page, phone).await;
        assert!(done.location.as_deref().is_some_and(|to| to.ends_with("/account")), "{}", done.html);
        // One that was made with a passkey counts at once.
        self.world.confirm(person).await;
    }

    /// The platform makes a passkey, as the page asks.
    pub async fn make(&self, browser: &mut Browser, page: &Page, phone: &mut Authenticator) -> Page {
        let made = phone.create(&options(page), &self.origin).unwrap();
        self.answer(browser, page, &made).await
    }

    /// The platform uses a passkey, as the page asks.
    pub async fn use_it(&self, browser: &mut Browser, page: &Page, phone: &mut Authenticator) -> Page {
        let used = phone.get(&options(page), &self.origin).unwrap();
        self.answer(browser, page, &used).await
    }

    pub async fn answer(&self, browser: &mut Browser, page: &Page, answer: &Json) -> Page {
        browser.submit(&self.world, page, &[("passkey", &answer.to_string())], "passkey").await
    }

    /// The platform did not do it.
    pub async fn fail(&self, browser: &mut Browser, page: &Page, why: NotDone) -> Page {
        browser.submit(&self.world, page, &[("passkey_failure", why.as_str())], "passkey").await
    }

    /// The first page of a sign-in for the app.
    pub async fn open(&self, browser: &mut Browser) -> Page {
        browser.open(&self.world, &Ask::native("openid")).await
    }
}

/// What the page gives to the platform.
pub fn operation(page: &Page) -> Json {
    let text = page.html.split("data-operation=\"").nth(1).unwrap_or_else(|| panic!("no operation: {}", page.html));
    let text = text.split('"').next().unwrap();
    let text = text.replace("&quot;", "\"").replace("&#x2f;", "/").replace("&#x27;", "'").replace("&lt;", "<").replace("&gt;", ">");
    serde_json::from_str(&text.replace("&amp;", "&")).unwrap()
}

pub fn options(page: &Page) -> Json {
    operation(page)["options"].clone()
}

/// On every engine there is, with tables laid over the configuration.
pub async fn on_every_engine<T: Future<Output = ()>>(more: &str, test: impl Fn(Keys) -> T) {
    for engine in super::engines() {
        test(Keys::start(engine, more).await).await;
    }
}
