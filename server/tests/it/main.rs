//! The one integration-test binary: the real server on a real socket, on SQLite and, where `SYMBOLON_TEST_POSTGRES`
//! names a server, on PostgreSQL. A test is a sentence; a negative one has its positive twin and names the row of the
//! attack catalogue it covers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod anchors;
mod answers;
mod attacks;
mod attestation_rules;
mod attestation_signal;
mod attestation_tiers;
mod attested;
mod attester;
mod authorization_requests;
mod authorize;
mod client;
mod clients;
mod clocks_and_copies;
mod commands;
mod connections;
mod database_tls;
mod details;
mod dpop;
mod durable;
mod endings;
mod exchange;
mod factors;
mod fapi;
mod forged_evidence;
mod guessing;
mod instances;
mod killed_processes;
mod letters;
mod lost_commits;
mod mail;
mod model;
mod mtls;
mod nodes;
mod operations;
mod overload;
mod play;
mod races;
mod receipts;
mod refresh;
mod refusals;
mod restored_store;
mod signed;
mod stale_logins;
mod status;
mod store;
mod surface;
mod tidy;
mod timing;
mod tls;
mod tokens;
mod untrusted_input;
mod user_commands;
mod world;
