//! The statements, one file for each family of tables. A guard stands in the WHERE clause, and not in a read before it. Of two requests at
//! the same moment, one changes the row and the other one conflicts.
//!
//! `store::retention` keeps its own: they are one list over all tables. Columns are read by name. Where two tables of a statement share a
//! name, the statement gives one of them another (`session_state`). An expression has a name by `AS`, because engines name it differently.

pub mod account;
pub mod account_event;
pub mod app_grant;
pub mod attempt;
pub mod audit;
pub mod backchannel_request;
pub mod client;
pub mod consent;
pub mod continuing;
pub mod device_request;
pub mod device_secret;
pub mod enrolment;
pub mod fact;
pub mod handover;
pub mod held_host;
pub mod initial_access_token;
pub mod instance;
pub mod known_device;
pub mod node;
pub mod once;
pub mod outbox;
pub mod outside_identity;
pub mod passkey;
pub mod proved_link;
pub mod provider_check;
pub mod provider_hint;
pub mod provider_revocation;
pub mod provider_session;
pub mod provider_token;
pub mod provider_transfer;
pub mod pushed_request;
pub mod session;
pub mod sign_in;
pub mod signing_key;
pub mod wallet_answer;
