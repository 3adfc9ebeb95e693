//! The careful app, tried with fakes of everything around it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod approvals;
mod kiosks;
mod native;
mod refresh;
mod sharing;
mod sign_in;
mod wallet;
mod world;
