//! A phone with the app on it: the client that real apps run, on simulated platform services.

use crate::browser::{Browser, Person};
use crate::element::Maker;
use crate::net::Net;
use crate::services::{AppAttest, Clock, Element, KeyAttestation, Screen, Shelf};
use crate::{Exchange, Trouble};
use std::sync::{Arc, Mutex};
use symbolon_client::{Client, Platform, Settings};

pub struct Phone {
    pub client: Client,
    pub net: Arc<Net>,
    pub element: Arc<Element>,
    pub shelf: Arc<Shelf>,
    pub screen: Arc<Screen>,
    pub clock: Arc<Clock>,
}

impl Phone {
    pub fn new(settings: Settings, person: Person<'static>) -> Result<Self, Trouble> {
        let net = Arc::new(Net::new()?);
        let element = Arc::new(Element::new()?);
        let (shelf, clock) = (Arc::new(Shelf::default()), Arc::new(Clock::default()));
        let screen = Arc::new(Screen {
            net: net.clone(),
            redirect_uri: settings.redirect_uri.clone(),
            person,
            browser: tokio::sync::Mutex::new(Browser::default()),
            back: Mutex::default(),
        });
        let platform = Platform {
            http: net.clone(),
            keys: Some(element.clone()),
            storage: shelf.clone(),
            browser: screen.clone(),
            attester: None,
            device: clock.clone(),
        };
        Ok(Self { client: Client::new(settings, platform), net, element, shelf, screen, clock })
    }

    fn with_platform(&self, platform: Platform) -> Self {
        Self {
            client: Client::new(self.client.server().settings.clone(), platform),
            net: self.net.clone(),
            element: self.element.clone(),
            shelf: self.shelf.clone(),
            screen: self.screen.clone(),
            clock: self.clock.clone(),
        }
    }

    /// The same app after the operating system ended its process. Its memory is empty.
    pub fn restarted(&self) -> Self {
        self.with_platform(self.client.server().platform.clone())
    }

    /// The same phone, with an app that can attest itself.
    pub fn attested_by(&self, maker: &Arc<Maker>, app_id: &str) -> Self {
        let attester =
            AppAttest { maker: maker.clone(), app_id: app_id.to_owned(), element: self.element.clone(), enclave: Mutex::default() };
        self.with_platform(Platform { attester: Some(Arc::new(attester)), ..self.client.server().platform.clone() })
    }

    /// The same on an Android phone. `signing_digest`: SHA-256 of the certificate that signs the app.
    pub fn attested_on_android(&self, maker: &Arc<Maker>, package: &str, signing_digest: [u8; 32]) -> Self {
        let (maker, element, package) = (maker.clone(), self.element.clone(), package.to_owned());
        let attester = KeyAttestation { maker, package, signing_digest, element };
        self.with_platform(Platform { attester: Some(Arc::new(attester)), ..self.client.server().platform.clone() })
    }

    /// The newest request.
    pub fn last(&self) -> Option<Exchange> {
        self.net.newest(|_| true)
    }

    /// The refresh token in the app's storage.
    pub fn refresh_token(&self) -> String {
        self.shelf.stolen("session", "refresh_token")
    }

    /// The titles of the pages that its browser has shown.
    pub async fn pages(&self) -> String {
        self.screen.browser.lock().await.seen.join(", ")
    }
}
