//! What the server hands out: handles (codes, refresh tokens, request URIs), access tokens, ID tokens and their claims. And the keys that
//! sign them.

pub mod claims;
pub mod handles;
pub mod issue;
pub mod jti;
pub mod keys;
pub mod kiosk_pass;
pub mod preview;
mod seen;
