//! Symbolon: an OAuth 2.0 / OpenID Connect authorization server for mobile apps that call APIs.
//! `docs/ARCHITECTURE.md` is the map.

pub mod app;
pub mod attesting;
pub mod audit;
pub mod caller;
pub mod certificates;
pub mod cli;
pub mod config;
pub mod dpop;
pub mod endings;
pub mod error;
pub mod grants;
pub mod http;
pub mod login;
pub mod mail;
pub mod nodes;
pub mod operations;
pub mod pages;
pub mod pool;
pub mod refusals;
pub mod seal;
pub mod serve;
pub mod sessions;
pub mod store;
pub mod telemetry;
pub mod tokens;
