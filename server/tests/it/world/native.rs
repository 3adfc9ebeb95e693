//! A world with apps that draw their own sign-in screens: clients of the native face, and an attester that vouches for installations.

use super::{Answer, Ask, Browser, Configuration, Engine, Mode, PASSWORD, Page, Phone, World, named_jwks, new_key};
use serde_json::{Map, Value as Json};
use symbolon_oauth::jwk::PrivateKey;
use symbolon_phone::mailbox::Mailbox;

pub const BACK: &str = "https://screens.example.com/cb";

const CLIENTS: &str = r#"
[client.screens]
kind = "native"
name = "Screens"
first_party = true
native = true
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read", "orders:write"] }
redirect_uris = ["https://screens.example.com/cb"]
[client.screens.attestation]
max_age = "24h"
attester_jwks = JWKS

[client.signer]
kind = "web"
first_party = true
native = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://signer.example.com/cb", "https://signer.example.com/other"]
jwks = SIGNER
"#;

pub struct Screens {
    pub world: World,
    pub mailbox: Mailbox,
    pub attester: PrivateKey,
    pub signer: PrivateKey,
}

impl Screens {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, |configuration| configuration).await
    }

    pub async fn with(engine: Engine, change: impl FnOnce(Configuration) -> Configuration) -> Self {
        let (attester, signer, mailbox) = (new_key(), new_key(), Mailbox::open().await.unwrap());
        let clients = CLIENTS.replace("JWKS", &named_jwks(&attester)).replace("SIGNER", &named_jwks(&signer));
        let more = format!(
            "[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"Shop <no-reply@example.com>\"\nnew_devices = false\n\
             [registration]\nemail_domains = [\"example.com\"]\n\
             [login.default]\nrequire = [\"password\", \"email\"]\n\
             [login.two-factor]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n",
            mailbox.address.port()
        );
        let configuration = Configuration::on(engine).await.behind_a_proxy().with(&more).with(&clients);
        Self { world: change(configuration).start().await, mailbox, attester, signer }
    }

    /// An installation of this tier.
    pub fn phone(&self, tier: &str) -> Phone<'_> {
        let mut phone = Phone { mode: Mode::Combined, attester: Some(&self.attester), ..Phone::new(&self.world, "screens", BACK) };
        phone.attest_by(&self.attester, "screens", 3600, &Map::from_iter([("tier".to_owned(), Json::from(tier))]));
        phone
    }

    /// One whose key is in hardware.
    pub fn genuine(&self) -> Phone<'_> {
        self.phone("hardware")
    }

    /// What a browser opens: the request, pushed by an installation that has begun nothing else.
    pub async fn pushed(&self, ask: &Ask) -> Ask {
        self.genuine().push(ask).await.unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// A client that signs with a registered key.
    pub fn signer(&self) -> Phone<'_> {
        let phone = Phone::new(&self.world, "signer", "https://signer.example.com/cb");
        Phone { client_key: Some(&self.signer), mode: Mode::Unattested, ..phone }
    }

    pub async fn code_of_letter(&self, to: &str, seen: usize) -> String {
        self.mailbox.wait_for_code(to, seen).await.expect("a letter with a code")
    }
}

/// The request that begins a native sign-in.
pub const BEGIN: [(&str, &str); 2] = [("response_type", "code"), ("scope", "openid orders:read")];

impl Phone<'_> {
    pub async fn begin(&mut self) -> Answer {
        self.begin_with(&[]).await
    }

    pub async fn begin_with(&mut self, more: &[(&str, &str)]) -> Answer {
        let begin = BEGIN.iter().filter(|(name, _)| more.iter().all(|(own, _)| own != name));
        let form: Vec<(&str, &str)> = begin.chain(more).copied().collect();
        self.post("/authorize-challenge", &form).await
    }

    /// Answers the step of an earlier answer with this button and these fields.
    pub async fn answer(&mut self, step: &Answer, action: &str, fields: &[(&str, &str)]) -> Answer {
        let held = step.text("auth_session");
        let form = [&[("auth_session", held.as_str()), ("action", action)], fields].concat();
        self.post("/authorize-challenge", &form).await
    }

    /// Alice's password, in answer to a step that asks for it.
    pub async fn answer_password(&mut self, step: &Answer, name: &str, password: &str) -> Answer {
        self.answer(step, "continue", &[("username", name), ("password", password)]).await
    }

    /// Alice signs in by her password: the code.
    pub async fn native_code(&mut self) -> String {
        self.native_code_of("alice").await
    }

    pub async fn native_code_of(&mut self, person: &str) -> String {
        let step = self.begin().await;
        assert_eq!(step.error(), ASKED, "{step:?}");
        let done = self.answer_password(&step, person, PASSWORD).await;
        assert_eq!(done.status, 200, "{done:?}");
        done.text("authorization_code")
    }

    /// Redeems a code of the native face: neither redirect_uri nor verifier.
    pub async fn redeem(&mut self, code: &str) -> Answer {
        self.post("/token", &[("grant_type", "authorization_code"), ("code", code)]).await
    }
}

/// The answer that has a step.
pub const ASKED: (u16, &str) = (403, "insufficient_authorization");
pub const OVER: (u16, &str) = (400, "invalid_session");

impl Answer {
    pub fn step(&self) -> &Json {
        &self.body["step"]
    }

    pub fn kind(&self) -> &str {
        self.step()["kind"].as_str().unwrap_or_default()
    }

    pub fn problem(&self) -> &str {
        self.step()["problem"]["key"].as_str().unwrap_or_default()
    }

    pub fn actions(&self) -> Vec<String> {
        let actions = self.step()["actions"].as_array().into_iter().flatten();
        actions.map(|action| action["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Opens the address that a native sign-in goes on at.
pub async fn open_detour(browser: &mut Browser, world: &World, client: &str, request_uri: &str) -> Page {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client)
        .append_pair("request_uri", request_uri)
        .finish();
    browser.visit(world, &format!("/authorize?{query}")).await
}
