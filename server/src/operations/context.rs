//! What operations work on.

use super::actor::Actor;
use crate::config::Config;
use crate::core::{self, Core};
use crate::login::reading::Accounts;
use crate::plugins::Plugins;
use crate::seal::KeyRing;
use crate::store::{Change, Store};
use crate::tokens::keys::Schedule;
use std::path::PathBuf;
use std::sync::Arc;

/// What operations work on.
pub struct Context {
    pub config: Arc<Config>,
    pub store: Store,
    pub keyring: KeyRing,
    /// As they run. Empty without a running server.
    pub plugins: Plugins,
    /// How signing keys come and go.
    pub schedule: Schedule,
    /// Where relative paths of the configuration begin.
    pub base: PathBuf,
    /// The instant at which the operation happens.
    pub now_ms: i64,
}

impl Context {
    /// Of a running server, at this instant.
    pub fn of(core: &Core) -> Self {
        Self {
            config: Arc::clone(&core.config),
            store: core.store.clone(),
            keyring: core.keyring.clone(),
            plugins: core.plugins.clone(),
            schedule: core::schedule(&core.config),
            base: core.base.clone(),
            now_ms: core.now_ms(),
        }
    }

    pub(super) fn accounts(&self) -> Accounts<'_> {
        Accounts::new(&self.store, &self.config)
    }

    /// A change whose audit entries carry the actor.
    pub(super) fn change(&self, actor: &Actor) -> Change {
        let mut change = Change::new(self.now_ms);
        change.set_actor(actor.to_json());
        change
    }
}
