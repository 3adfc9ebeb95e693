//! A person's passkeys as a sign-in reads them, and what the operator asks of passkeys. What the platform is asked is in `ceremony`,
//! the method in `methods::passkey`, the forms in `passkey_forms`.

use symbolon_oauth::{base64url, digest};
use symbolon_passkey::UserVerification;
use symbolon_passkey::options::{Conveyance, Descriptor};

/// More than anybody has; each is named when another one is made.
pub const MOST: usize = 20;

/// A passkey of an account, as a sign-in reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub rp_id: String,
    /// base64url
    pub id: String,
    pub transports: Vec<String>,
}

impl Known {
    /// Reads what `tables::account::BY_ID` puts together: RP ID, id and transports, between spaces.
    pub fn read(text: &str) -> Vec<Self> {
        let one = |text: &str| {
            let mut parts = text.split(' ').filter(|part| !part.is_empty()).map(str::to_owned);
            Some(Self { rp_id: parts.next()?, id: parts.next()?, transports: parts.collect() })
        };
        let mut found: Vec<Self> = text.split(',').filter_map(one).collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }

    pub fn public_id(&self) -> String {
        public_id(&self.id)
    }

    pub fn descriptor(&self) -> Option<Descriptor> {
        Some(Descriptor { id: base64url::decode(&self.id)?, transports: self.transports.clone() })
    }
}

/// What pages, proofs and the audit call a credential. `id`: base64url.
pub fn public_id(id: &str) -> String {
    base64url::encode(&digest::sha256(id.as_bytes())[..12])
}

/// What the operator asks of passkeys, and accepts.
#[derive(Clone, Debug)]
pub struct PasskeyRules {
    pub user_verification: UserVerification,
    pub conveyance: Conveyance,
    /// Accepts passkeys that are copied to other devices.
    pub synced: bool,
    /// AAGUIDs; empty: every kind.
    pub kinds: Vec<[u8; 16]>,
    /// The makers that are believed: SubjectPublicKeyInfo in DER.
    pub roots: Vec<Vec<u8>>,
}

impl PasskeyRules {
    /// Is this kind of authenticator accepted?
    pub fn accepts(&self, kind: &[u8; 16]) -> bool {
        self.kinds.is_empty() || self.kinds.contains(kind)
    }

    /// Is a maker's statement asked for?
    pub fn wants_attestation(&self) -> bool {
        self.conveyance != Conveyance::None
    }
}

/// The relying party, under the present configuration.
#[derive(Clone, Copy)]
pub struct RelyingParty<'a> {
    pub id: &'a str,
    pub rules: &'a PasskeyRules,
    /// What the client data may name, in the face of this sign-in.
    pub origins: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_puts_together_is_read() {
        let read = Known::read("a.example AAAA usb nfc,a.example AAAB ,b.example _-8 internal");
        let shown: Vec<(&str, &str, usize)> = read.iter().map(|one| (one.rp_id.as_str(), one.id.as_str(), one.transports.len())).collect();
        assert_eq!(shown, [("a.example", "AAAA", 2), ("a.example", "AAAB", 0), ("b.example", "_-8", 1)]);
        assert!(Known::read("").is_empty());
    }
}
