//! The core of the mobile SDK: what an app does as an OAuth client (RFC 8252), and how it never loses its person's session to a bad
//! network. Pure Rust without I/O of its own: what the operating system does is a trait in [`platform`]. docs/client.md is the guide.

mod api;
mod attesting;
pub mod platform;
pub mod redirect;
mod server;
mod session;
mod sign_in;
mod trouble;

pub use api::{Called, StepUp};
pub use platform::Platform;
pub use server::{Server, Settings};
pub use session::Access;
pub use sign_in::{SignIn, SignedIn};
pub use trouble::{Reply, Trouble};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The app's session with one authorization server. Cheap to clone; make one for a process and share it, because what it promises
/// (one refresh for everybody) it promises within itself.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    server: Server,
    needs: Mutex<BTreeMap<String, Arc<session::Need>>>,
    /// Held around every reading and writing of what is stored of the session.
    door: tokio::sync::Mutex<()>,
    /// The refresh token that requests are under way with, and how many.
    flights: Mutex<(String, usize)>,
    landed: tokio::sync::Notify,
}

impl Client {
    /// Sends nothing; the server's metadata is read when it is needed first.
    pub fn new(settings: Settings, platform: Platform) -> Self {
        Self(Arc::new(Inner {
            server: Server::new(settings, platform),
            needs: Mutex::default(),
            door: tokio::sync::Mutex::default(),
            flights: Mutex::default(),
            landed: tokio::sync::Notify::new(),
        }))
    }

    /// The single requests below all this, for whoever wants to do something unusual.
    pub fn server(&self) -> &Server {
        &self.0.server
    }
}

/// The guide's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../docs/client.md")]
struct Guide;
