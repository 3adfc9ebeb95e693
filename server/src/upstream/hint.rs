//! The ID token of a provider's session, kept where `sign_out_hint` wants it. The provider then knows who signs out, and need not ask
//! (OpenID Connect RP-Initiated Logout 1.0 2, `id_token_hint`). Sealed, small, of one session there, and gone with the session's time.

use crate::error::Fault;
use crate::seal::KeyRing;
use serde::{Deserialize, Serialize};
use std::fmt;

/// It travels in an address.
const LONGEST: usize = 4096;

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Hint(String);

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hint(..)")
    }
}

/// Whose hint it is: an identity that came by this entry, and its session there.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    pub identity: &'a str,
    pub provider: &'a str,
    pub sid: &'a str,
}

impl Of<'_> {
    fn sealed_at(&self) -> String {
        format!("provider_hint/sealed/{}/{}/{}", self.identity, self.provider, self.sid)
    }
}

impl Hint {
    /// The token as it was signed. None: it is too long for an address.
    pub(super) fn of(id_token: &str) -> Option<Self> {
        (id_token.len() <= LONGEST).then(|| Self(id_token.to_owned()))
    }

    pub fn seal(&self, keyring: &KeyRing, of: Of<'_>) -> Result<Vec<u8>, Fault> {
        keyring.seal(&of.sealed_at(), self.0.as_bytes())
    }

    /// None: it was sealed under a master key that is gone. The provider asks then.
    pub fn open(keyring: &KeyRing, of: Of<'_>, sealed: &[u8]) -> Option<Self> {
        String::from_utf8(keyring.open(&of.sealed_at(), sealed)?).ok().map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
