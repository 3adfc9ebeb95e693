//! Signing in: one machine for every face. `docs/ARCHITECTURE.md` draws it.

pub mod accounts;
pub mod attempts;
pub mod flow;
mod journeys;
pub mod methods;
pub mod policy;
pub mod rates;
pub mod recovery;
mod state;
pub mod step;
