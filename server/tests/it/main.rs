//! The one integration-test binary: the real server on a real socket, on SQLite and, where `SYMBOLON_TEST_POSTGRES`
//! names a server, on PostgreSQL. A test is a sentence; a negative one has its positive twin and names the row of the
//! attack catalogue it covers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod anchors;
mod attacks;
mod attacks_more;
mod attested;
mod attester;
mod authorize;
mod clients;
mod commands;
mod details;
mod disaster;
mod dpop;
mod endings;
mod exchange;
mod fapi;
mod instances;
mod kill;
mod lies;
mod login;
mod mail;
mod model;
mod mtls;
mod nodes;
mod play;
mod receipts;
mod refresh;
mod refusals;
mod signal;
mod signed;
mod store;
mod surface;
mod tidy;
mod tiers;
mod tls;
mod tokens;
mod world;
