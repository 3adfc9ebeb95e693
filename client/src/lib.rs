//! The core of the mobile SDK: an OAuth client for native apps (RFC 8252) that never loses a session to a bad network. It does no I/O of
//! its own: the traits in [`platform`] stand for the operating system. docs/client.md is the guide.

mod api;
mod approvals;
mod attesting;
mod coming_back;
mod connection;
mod devices;
mod handover;
mod kiosk;
pub mod native;
pub mod platform;
pub mod redirect;
mod server;
mod session;
mod sharing;
mod sign_in;
mod trouble;
mod wallet;

pub use api::{Called, StepUp};
pub use approvals::{Answered, PendingRequest, Says};
pub use connection::Settings;
pub use devices::{DeviceCode, DeviceSays, WaitingDevice};
pub use kiosk::Kiosk;
pub use native::Screens;
pub use platform::Platform;
pub use server::Server;
pub use session::Access;
pub use sharing::SharedSignIn;
pub use sign_in::{SignIn, SignedIn};
pub use trouble::{Reply, Trouble};
pub use wallet::WalletCode;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The app's session with one authorization server. It is cheap to clone. Make one for a process and share it: only callers that share
/// it share one refresh.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    server: Server,
    /// The access tokens by API.
    tokens: Mutex<BTreeMap<String, Arc<session::TokenSlot>>>,
    /// Held while the stored session is read and written.
    storage_lock: tokio::sync::Mutex<()>,
    /// Held while the browser's answer is brought to a native sign-in.
    bringing: tokio::sync::Mutex<()>,
    /// The refresh token of the requests in flight, and their number.
    in_flight: Mutex<(String, usize)>,
    /// Notified when a request in flight has ended.
    request_ended: tokio::sync::Notify,
    /// What other apps of the organisation reach, if this app shares.
    shared: Mutex<Option<SharedSignIn>>,
}

impl Client {
    /// Sends nothing. The server's metadata is read when it is first needed.
    pub fn new(settings: Settings, platform: Platform) -> Self {
        Self(Arc::new(Inner {
            server: Server::new(settings, platform),
            tokens: Mutex::default(),
            storage_lock: tokio::sync::Mutex::default(),
            bringing: tokio::sync::Mutex::default(),
            in_flight: Mutex::default(),
            request_ended: tokio::sync::Notify::new(),
            shared: Mutex::default(),
        }))
    }

    /// The single requests, for callers that do something unusual.
    pub fn server(&self) -> &Server {
        &self.0.server
    }
}

/// The guide's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../docs/client.md")]
struct Guide;
