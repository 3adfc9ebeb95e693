//! The one integration-test binary: the real server on a real socket, on SQLite and, where `SYMBOLON_TEST_POSTGRES`
//! names a server, on PostgreSQL. A test is a sentence; a negative one has its positive twin and names the row of the
//! attack catalogue it covers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod anchors;
mod asks;
mod attacks;
mod attacks_more;
mod attested;
mod attester;
mod authorize;
mod client;
mod clients;
mod commands;
mod connections;
mod crowds;
mod database_tls;
mod details;
mod disaster;
mod dpop;
mod durable;
mod endings;
mod exchange;
mod factors;
mod fapi;
mod instances;
mod instants;
mod kill;
mod letters;
mod lies;
mod login;
mod lost;
mod mail;
mod model;
mod mtls;
mod nodes;
mod operations;
mod outcomes;
mod people;
mod play;
mod races;
mod receipts;
mod refresh;
mod refusals;
mod rules;
mod signal;
mod signed;
mod stale;
mod status;
mod store;
mod surface;
mod tidy;
mod tiers;
mod timing;
mod tls;
mod tokens;
mod world;
