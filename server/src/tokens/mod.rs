//! What the server hands out: handles (codes, refresh tokens, request URIs), access tokens, ID tokens, and the keys that sign them.

pub mod handles;
pub mod issue;
pub mod keys;
pub mod preview;
