//! A client that registered itself, who looks after it, and what it is told once.

use crate::clients::proofs::Proofs;
use crate::config::Client;
use crate::sensitive::Sensitive;
use std::net::IpAddr;

/// Who asks, and when.
#[derive(Clone, Copy)]
pub struct Asking {
    pub address: IpAddr,
    pub now_ms: i64,
}

/// A client that registered itself, as its own token sees it.
pub struct Own {
    pub id: String,
    pub client: Client,
    pub policy: String,
    pub proofs: Proofs,
    pub created_ms: i64,
    pub changed_ms: i64,
    pub until_ms: i64,
    pub token: [u8; 32],
    /// Where its keys are, if they are not in its metadata.
    pub keys_uri: Option<String>,
}

/// What is answered once and never again.
#[derive(Default)]
pub struct Secrets {
    pub client_secret: Option<Sensitive>,
    pub access_token: Option<Sensitive>,
}
