//! How attestation evidence names the key that it is about: the bytes that an app hashes, the same on every platform. There are two
//! layouts. docs/attestation.md publishes both with the vectors below.
//!
//! *Leaf* is for Android's first evidence, where the attested key is the instance key itself:
//! `SHA-256("symbolon-attest-leaf-1" || challenge (32 bytes) || client_id)`.
//!
//! *Named* is for everything else: `SHA-256("symbolon-attest-1" || purpose (1 byte) || length of client_id (4 bytes, big-endian) ||
//! client_id || challenge (32 bytes) || RFC 7638 thumbprint of the instance key (32 bytes))`.

use crate::digest::sha256;

/// What the evidence is for. Evidence for one purpose is refused for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The first evidence of an installation.
    First = 1,
    /// Fresh evidence for a key that the server knows already.
    Renewal = 2,
}

pub fn leaf(challenge: &[u8; 32], client_id: &str) -> [u8; 32] {
    sha256(&[b"symbolon-attest-leaf-1".as_slice(), challenge, client_id.as_bytes()].concat())
}

/// `thumbprint` is the raw 32 bytes, not their base64url.
pub fn named(purpose: Purpose, client_id: &str, challenge: &[u8; 32], thumbprint: &[u8; 32]) -> [u8; 32] {
    // A client_id has at most a few hundred bytes. A longer one is refused long before.
    let length = u32::try_from(client_id.len()).unwrap_or(u32::MAX).to_be_bytes();
    sha256(&[b"symbolon-attest-1".as_slice(), &[purpose as u8], &length, client_id.as_bytes(), challenge, thumbprint].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;

    #[test]
    fn no_two_inputs_share_a_binding() {
        let (challenge, key) = ([1; 32], [2; 32]);
        let all = [
            leaf(&challenge, "shop"),
            leaf(&[3; 32], "shop"),
            leaf(&challenge, "shop2"),
            named(Purpose::First, "shop", &challenge, &key),
            named(Purpose::Renewal, "shop", &challenge, &key),
            named(Purpose::First, "shop2", &challenge, &key),
            named(Purpose::First, "shop", &[3; 32], &key),
            named(Purpose::First, "shop", &challenge, &[3; 32]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|it| it != one), "{at}");
        }
        // The vectors of docs/attestation.md: challenge 32 times 01, thumbprint 32 times 02, client_id "shop".
        assert_eq!(base64url::encode(&all[0]), "u8OLrjeTnzTEeGttAJRJxGgKc1NwBb_o3WRmVWQboHw");
        assert_eq!(base64url::encode(&all[3]), "LYXY6BBvgV_uySp0Eu5DbxXRIfOXcdBYeye4yXQyOys");
    }
}
