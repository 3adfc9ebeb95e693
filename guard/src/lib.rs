//! `symbolon guard`: the part of an API as a process of its own, for APIs in any language. A proxy asks it about each call, and passes the
//! verified claims on in headers that the guard alone may set. docs/guard.md shows the configuration of each proxy.
//!
//! The guard never reads a body, and it never changes a path: what it would have to repair, it refuses.

mod asked;
pub mod config;
mod counts;
mod envoy;
pub mod ext_authz;
mod forward;
mod identity;
mod judge;
mod origins;
mod path;
mod percent;
pub mod review;
mod serve;

pub use config::Config;
pub use serve::{Metrics, Running, start};

/// Reads every secret, as the start does, and keeps none.
pub fn check_secrets(config: &Config) -> Result<(), String> {
    judge::check_secrets(config)
}
