//! Signing in: one machine for every face. `docs/ARCHITECTURE.md` draws it.

pub mod accounts;
pub mod flow;
pub mod methods;
pub mod policy;
pub mod step;
