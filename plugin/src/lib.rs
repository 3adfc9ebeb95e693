//! Runs plug-ins: WebAssembly components in a sandbox. `wit/symbolon.wit` says what a plug-in may import and must export.
//!
//! Every call has an instance of its own, which nothing of an earlier call is left in. What a call may use is bounded: memory, tables,
//! time with the waiting for others in it, calls of the host, calls to other servers, and what it gives back. A call that fails is a
//! [`Failure`] with its reason, and the next call works.
//!
//! The crate knows no configuration and no network. Whoever embeds it implements [`Host`]. Without the feature `engine` it is empty.
#![cfg(feature = "engine")]

mod bindings;
mod cache;
mod call;
mod engine;
mod failure;
mod guest;
mod host;
mod limits;
mod load;
mod wasi;
mod worlds;

pub use bindings::claims::symbolon::plugin::tokens;
pub use bindings::decision::symbolon::plugin::decisions;
pub use bindings::evidence::symbolon::plugin::evidences;
pub use bindings::method::symbolon::plugin::{host::Severity, login};
pub use cache::Cache;
pub use call::{Call, Counts};
pub use engine::Runtime;
pub use failure::{Failure, LoadError, Reason};
pub use host::{Host, HttpRequest, HttpResponse, SendError};
pub use limits::Limits;
pub use load::{Compiled, Facts, INTERFACE, Plugin, World};
pub use worlds::Given;
