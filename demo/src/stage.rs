//! The stage: what a scene works with, and how it shows an act.

use crate::print::Printer;
use crate::world::{PASSWORD, World};
use serde_json::Value;
use std::sync::Arc;
use symbolon_client::{Called, Settings};
use symbolon_oauth::base64url;
use symbolon_phone::app::App;
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::net::Net;
use symbolon_phone::phone::Phone;
use symbolon_phone::{Exchange, Trouble};

pub struct Stage {
    pub world: Arc<World>,
    /// The login name of this scene's own person. The password is [`PASSWORD`].
    pub name: &'static str,
    /// The networks of the scene's phones, and how much of their logs was shown.
    networks: Vec<(Arc<Net>, usize)>,
    printer: Printer,
}

/// A call that an API must refuse: where, with which token, and what the answer is.
pub struct Refusal<'a> {
    pub path: &'a str,
    pub token: Option<&'a str>,
    pub status: u16,
    /// A part of `error_description`.
    pub says: &'a str,
}

pub fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

pub fn status(called: &Called) -> u16 {
    match called {
        Called::Answer(answer) => answer.status,
        Called::StepUp(_) => 401,
    }
}

/// The claims of a JWT, one line each. The signature is not checked here: the API does that.
pub fn claims(token: &str) -> Vec<String> {
    let payload = token.split('.').nth(1).and_then(base64url::decode).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&payload).unwrap_or_default();
    claims.as_object().into_iter().flatten().map(|(name, value)| format!("{name}: {value}")).collect()
}

impl Stage {
    pub fn new(world: Arc<World>) -> Self {
        Self { world, name: "", networks: Vec::new(), printer: Printer::new() }
    }

    /// Begins a scene with a person of its own.
    pub async fn begin(&mut self, scene: &'static str, about: &str) -> Result<(), Trouble> {
        self.networks.clear();
        self.printer.scene(scene, about);
        self.name = self.world.new_person(scene).await?;
        Ok(())
    }

    /// A trouble that no act expects ends the scene.
    pub fn broke_off(&mut self, trouble: &Trouble) {
        self.act("The scene breaks off here", false, &trouble.to_string());
    }

    pub fn finish(self) -> bool {
        self.printer.finish()
    }

    pub fn person(&self) -> Person<'static> {
        Person::with_password(self.name, PASSWORD)
    }

    pub fn address(&self) -> String {
        format!("{}@example.com", self.name)
    }

    /// An app that sends one request at a time. Its key, if it gets one, is made with `make_key`.
    pub async fn app(&mut self, client_id: &str, redirect_uri: &str) -> Result<App, Trouble> {
        let app = App::discover(&self.world.issuer, client_id, redirect_uri).await?;
        self.networks.push((app.net.clone(), 0));
        Ok(app)
    }

    /// The same in another network, by this address.
    pub async fn app_at(&mut self, client_id: &str, address: &'static str) -> Result<App, Trouble> {
        let app = self.app(client_id, "https://app.example.com/none").await?;
        app.net.address.get_or_init(|| address);
        Ok(app)
    }

    /// A phone with the mobile SDK, which handles answers by itself.
    pub fn phone(&mut self, client_id: &str, redirect_uri: &str) -> Result<Phone, Trouble> {
        self.phone_of(client_id, redirect_uri, self.person())
    }

    /// The same with another person in front of its browser.
    pub fn phone_of(&mut self, client_id: &str, redirect_uri: &str, person: Person<'static>) -> Result<Phone, Trouble> {
        let settings =
            Settings { issuer: self.world.issuer.clone(), client_id: client_id.to_owned(), redirect_uri: redirect_uri.to_owned() };
        let phone = Phone::new(settings, person)?;
        self.networks.push((phone.net.clone(), 0));
        Ok(phone)
    }

    /// Signs the scene's person in with the password, in a new browser. Answers the tokens.
    pub async fn signed_in(&self, app: &App, parameters: &[(&str, &str)]) -> Result<Value, Trouble> {
        let pending = app.push_with(parameters).await?;
        let code = app.sign_in(&mut Browser::default(), &pending, &self.person()).await?;
        let (status, tokens) = app.exchange(&code, &pending.verifier).await?;
        if status == 200 { Ok(tokens) } else { Err(Trouble(format!("the code was refused: {tokens}"))) }
    }

    /// The requests since the last act.
    fn requests(&mut self) -> Vec<Exchange> {
        let mut found = Vec::new();
        for (net, shown) in &mut self.networks {
            let all = net.everything();
            found.extend_from_slice(all.get(*shown..).unwrap_or_default());
            *shown = all.len();
        }
        found
    }

    /// Says what was done before the next act. Its requests are not shown.
    pub fn prepared(&mut self, what: &str) {
        self.requests();
        self.printer.note(what);
    }

    /// Shows an act with its requests since the last one, and remembers whether it ended as expected.
    /// `why` gives the reason; it does not repeat the answer, which stands above it.
    pub fn act(&mut self, title: &str, expected: bool, why: &str) {
        self.act_with(title, &[], expected, why);
    }

    /// An act with more to see than its requests: pages, a letter, the claims of a token.
    pub fn act_with(&mut self, title: &str, seen: &[String], expected: bool, why: &str) {
        let requests = self.requests();
        self.printer.act(title, &requests, seen, expected);
        self.printer.outcome(expected, why);
    }

    /// An act in which an API refuses a call, for this reason.
    pub async fn refused(&mut self, app: &App, title: &str, call: Refusal<'_>, why: &str) -> Result<(), Trouble> {
        let (status, body) = app.call(&self.world.url(call.path), call.token).await?;
        let is_told = text(&body, "error_description").contains(call.says);
        self.act(title, status == call.status && is_told, why);
        Ok(())
    }
}
