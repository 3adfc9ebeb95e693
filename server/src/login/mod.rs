//! Signing in: one machine for every face. `docs/ARCHITECTURE.md` walks through it.

pub mod accounts;
mod becoming;
pub mod budgets;
mod ceremony;
pub mod commit;
pub mod context;
pub mod effect;
mod filling;
pub mod flow;
pub mod forms;
pub mod imported;
pub mod journey;
pub mod machine;
pub mod matching;
pub mod methods;
pub mod operation;
mod passkey_forms;
pub mod passkeys;
pub mod policy;
pub mod proof;
mod questions;
pub mod rates;
pub mod row;
pub mod state;
pub mod step;
pub mod typed_codes;
