//! Who carries operations out: the running server if there is one. Else this process does, on a store that it opens alone.

use super::screen::Stop;
use crate::clock::Clock;
use crate::config::Config;
use crate::core;
use crate::operations::{self, Actor, Context, Operation, Outcome, Problem};
use crate::plugins::Plugins;
use crate::seal::KeyRing;
use crate::serve::admin::{self, Connection};
use crate::serve::{base_of, database, system_clock};
use crate::store::{Store, StoreOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Desk {
    pub config: Arc<Config>,
    pub file: PathBuf,
    base: PathBuf,
    /// Found at the first operation, so that nobody waits for a person who types.
    backend: Option<Backend>,
}

enum Backend {
    Server(Connection),
    Store(Box<Offline>),
}

struct Offline {
    context: Context,
    actor: Actor,
    clock: Clock,
}

impl Desk {
    pub fn new(config: Config, file: &Path) -> Self {
        Self { config: Arc::new(config), file: file.to_owned(), base: base_of(file).to_owned(), backend: None }
    }

    pub async fn ask(&mut self, operation: Operation) -> Result<Outcome, Stop> {
        if !self.find_server().await? && self.backend.is_none() {
            self.backend = Some(Backend::Store(Box::new(self.open().await?)));
        }
        Ok(match &mut self.backend {
            Some(Backend::Server(connection)) => connection.ask(operation).await?,
            Some(Backend::Store(offline)) => {
                offline.context.now_ms = (offline.clock)();
                operations::run(&offline.context, &offline.actor, operation).await?
            }
            None => return Err(Problem::fault("there is neither server nor store").into()),
        })
    }

    /// Where relative paths of the configuration begin.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Is a server running here?
    pub async fn find_server(&mut self) -> Result<bool, Problem> {
        if self.backend.is_none()
            && let Some(socket) = self.config.admin_socket.as_ref().map(|it| self.base.join(it))
            && let Some(connection) = admin::connect(&socket).await?
        {
            self.backend = Some(Backend::Server(connection));
        }
        Ok(matches!(self.backend, Some(Backend::Server(_))))
    }

    async fn open(&self) -> Result<Offline, Problem> {
        let clock = system_clock();
        let keyring = KeyRing::new(self.config.master_key.read()?)?;
        let options = StoreOptions { readers: 1, connections: 2, ..StoreOptions::default() };
        let store = Store::open(&database(&self.config, &self.base), options).await?;
        store.compare_clocks(&clock).await?;
        let context = Context {
            schedule: core::schedule(&self.config),
            config: Arc::clone(&self.config),
            store,
            keyring,
            plugins: Plugins::default(),
            base: self.base.clone(),
            now_ms: clock(),
        };
        Ok(Offline { context, actor: Actor::Offline { uid: admin::own_uid()? }, clock })
    }

    pub async fn close(&mut self) {
        if let Some(Backend::Store(offline)) = self.backend.take() {
            offline.context.store.close().await;
        }
    }
}
