//! What every request sees: the core, and beside it the components with a life of their own. A reload replaces the whole.

use crate::attesting::Attesting;
use crate::authorization::Authority;
use crate::caller::Callers;
use crate::certificates;
use crate::clients::Needs;
use crate::config::Config;
use crate::core::{Core, Parts};
use crate::endings::Endings;
use crate::error::Fault;
use crate::grants::details::Types;
use crate::links::Links;
use crate::login::machine::Machine;
use crate::mail::Mailer;
use crate::pages::Pages;
use crate::upstream::Providers;
use crate::wallet::Wallets;
use bytes::Bytes;
use std::ops::Deref;
use std::sync::{Arc, Mutex, RwLock};

pub use crate::clock::Clock;
pub use crate::core::schedule;

pub struct App {
    core: Core,
    /// What tells who is calling, with the attester.
    pub callers: Callers,
    pub pages: Pages,
    pub machine: Machine,
    /// Absent: this server sends no mail.
    pub mailer: Option<Mailer>,
    pub endings: Arc<Endings>,
    pub links: Links,
    /// The types of authorization details.
    pub details: Types,
    /// What the metadata endpoint answers, and by which needs of clients it was made.
    metadata: Mutex<Option<(Arc<Needs>, Bytes)>>,
}

/// So that `app.config` and the like read as before, and an `&App` goes where a `&Core` is taken.
impl Deref for App {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl App {
    pub fn authority(&self) -> Authority<'_> {
        Authority { core: &self.core, details: &self.details }
    }

    /// `before`: what a reload replaces.
    pub async fn build(parts: Parts, before: Option<&App>) -> Result<Arc<App>, Fault> {
        let core = Core::build(parts, before.map(|it| &it.core)).await?;
        let (config, base) = (&core.config, core.base.as_path());
        let templates = config.templates.as_ref().map(|it| base.join(it));
        let pages = Pages::new(&config.brand, templates.as_deref(), base)?;
        let machine =
            Machine::new(core.store.clone(), core.keyring.clone(), Arc::clone(config), &core.recovery.epoch, before.map(|it| &it.machine))?
                .with_providers(Providers::load(&config.upstream, &config.issuer, &core.outgoing)?)
                .with_wallets(Wallets::load(&config.wallet, (&config.issuer, &config.brand.name), &core.outgoing)?)
                .with_plugins(core.plugins.clone())
                .with_clients(Arc::clone(&core.clients))
                .with_languages(pages.named_languages())
                .with_breached(config.passwords.open_list(base).map_err(Fault::new)?);
        let attesting = Attesting::load(config, base, &core.outgoing, before.map(|it| &it.callers.attesting))?;
        must_have_letters(config, &pages)?;
        Ok(Arc::new(App {
            callers: Callers::new(attesting, certificates::load_anchors(config, base)?, machine.hashers().clone()),
            details: Types::new(config)?,
            pages,
            machine,
            mailer: config.mail.as_ref().map(|mail| Mailer::new(mail, &config.issuer)).transpose()?,
            links: Links::new(config),
            endings: before.map_or_else(Arc::default, |it| Arc::clone(&it.endings)),
            metadata: Mutex::default(),
            core,
        }))
    }

    /// Says which files and certificates are in force: when this application is. `before`: what it took the place of.
    pub fn measure(&self, before: Option<&App>) {
        self.plugins.measure(before.map(|old| &old.plugins));
        self.machine.wallets().measure(before.map(|old| old.machine.wallets()));
    }

    /// The metadata document, made by `make` once for each configuration, and again when a registered client needs more.
    pub fn metadata(&self, make: impl FnOnce() -> Bytes) -> Bytes {
        let needs = self.clients.needs();
        let kept = || self.metadata.lock().ok()?.as_ref().filter(|it| Arc::ptr_eq(&it.0, &needs)).map(|it| it.1.clone());
        if let Some(bytes) = kept() {
            return bytes;
        }
        let bytes = make();
        if let Ok(mut slot) = self.metadata.lock() {
            *slot = Some((needs, bytes.clone()));
        }
        bytes
    }
}

/// Plug-ins send the operator's own letters: one without words would be a letter with a key in it.
pub fn must_have_letters(config: &Config, pages: &Pages) -> Result<(), Fault> {
    let letters = config.plugin.iter().flat_map(|(name, plugin)| plugin.letters.iter().map(move |letter| (name, letter)));
    let keys = letters.flat_map(|(name, letter)| ["subject", "body"].map(|part| (name, format!("mail-plugin-{letter}-{part}"))));
    match keys.into_iter().find(|(_, key)| !pages.has_message(key)) {
        None => Ok(()),
        Some((name, key)) => Err(Fault::new(format!("[plugin.{name}]: there is no message {key}; add it to en.ftl below templates"))),
    }
}

/// The application as it is now. A request takes it once and keeps it, so that a reload never splits a request.
#[derive(Clone)]
pub struct Shared(Arc<RwLock<Arc<App>>>);

impl Shared {
    pub fn new(app: Arc<App>) -> Self {
        Self(Arc::new(RwLock::new(app)))
    }
    pub fn now(&self) -> Arc<App> {
        match self.0.read() {
            Ok(app) => Arc::clone(&app),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }
    pub fn replace(&self, app: Arc<App>) {
        match self.0.write() {
            Ok(mut slot) => *slot = app,
            Err(poisoned) => *poisoned.into_inner() = app,
        }
    }
}
