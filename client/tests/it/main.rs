//! The careful app, tried with fakes of everything around it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod refresh;
mod sign_in;
mod world;
