//! Plug-ins of the operator's own (`[plugin.NAME]`), as the rest of the server sees them. The sandbox is the crate `symbolon-plugin`.
//!
//! A program that was built without the feature `plugins` has none: its configuration names none, and nothing is asked.

#[cfg(not(feature = "plugins"))]
mod absent;
mod facts;
#[cfg(feature = "plugins")]
mod host;
#[cfg(feature = "plugins")]
mod running;

#[cfg(not(feature = "plugins"))]
pub use absent::Plugins;
#[cfg(feature = "plugins")]
pub use host::listed;
#[cfg(feature = "plugins")]
pub use running::{Plugins, Running, hexadecimal, must_be_listed};

pub use facts::{Decided, EvidenceFound, EvidenceSituation, Loading, PluginDecision, PluginLine, Situation, TokenSituation, Unanswered};
pub use facts::{failed, unavailable};
