//! Symbolon: an OAuth 2.0 / OpenID Connect authorization server for mobile apps that call APIs.
//! `docs/ARCHITECTURE.md` is the map.

pub mod app;
pub mod attesting;
pub mod audit;
pub mod authorization;
pub mod bounded;
pub mod caller;
pub mod certificates;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod config;
pub mod core;
pub mod dpop;
pub mod endings;
pub mod error;
pub mod grants;
pub mod http;
pub mod limits;
pub mod login;
pub mod mail;
pub mod nodes;
pub mod operations;
pub mod outgoing;
pub mod pages;
pub mod pool;
pub mod refusals;
pub mod seal;
pub mod serve;
pub mod sessions;
pub mod store;
pub mod stored_bytes;
pub mod telemetry;
pub mod tokens;
pub mod visible;
pub mod web;
