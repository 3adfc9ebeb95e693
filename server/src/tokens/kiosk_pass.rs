//! A pass: what a phone puts into a proof for a kiosk. It says which session and grant it is of, and which key proves it. It is sealed, so
//! that a photograph of it tells nothing. It is new with every refresh. Its age bounds how long a phone can go without a network, and how
//! far ahead it can sign.

use crate::error::Fault;
use crate::seal::KeyRing;
use serde_json::json;
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PublicKey;

const PREFIX: &str = "sp_";

#[derive(Clone, Debug)]
pub struct Pass {
    pub session: [u8; 16],
    pub number: u32,
    pub key: PublicKey,
    pub issued_ms: i64,
}

/// Another issuer may have the same master key.
fn sealed_at(issuer: &str) -> String {
    format!("kiosk pass/{issuer}")
}

impl Pass {
    /// The text for the app. `None`: the key is of another kind than P-256, which alone signs at a kiosk.
    pub fn seal(&self, keyring: &KeyRing, issuer: &str) -> Result<Option<String>, Fault> {
        let jwk = self.key.to_jwk();
        let coordinate = |name: &str| jwk[name].as_str().and_then(base64url::decode).filter(|bytes| bytes.len() == 32);
        let (true, Some(x), Some(y)) = (jwk["crv"] == "P-256", coordinate("x"), coordinate("y")) else { return Ok(None) };
        let plain = [&self.session[..], &self.number.to_be_bytes(), &self.issued_ms.to_be_bytes(), &x, &y].concat();
        Ok(Some(format!("{PREFIX}{}", base64url::encode(&keyring.seal(&sealed_at(issuer), &plain)?))))
    }

    /// `None`: it is no pass of this issuer.
    pub fn open(keyring: &KeyRing, issuer: &str, text: &str) -> Option<Self> {
        let plain = keyring.open(&sealed_at(issuer), &base64url::decode(text.strip_prefix(PREFIX)?)?)?;
        let (session, rest) = plain.split_first_chunk::<16>()?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        let (issued_ms, rest) = rest.split_first_chunk::<8>()?;
        let (x, y) = rest.split_at_checked(32)?;
        let key = json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y) });
        Some(Self {
            session: *session,
            number: u32::from_be_bytes(*number),
            key: PublicKey::from_jwk(&key).ok()?,
            issued_ms: i64::from_be_bytes(*issued_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use symbolon_oauth::jwk::{Algorithm, PrivateKey};

    #[test]
    fn a_pass_reads_back_at_its_own_issuer_alone() {
        let keyring = KeyRing::new(vec![(1, [7; 32])]).unwrap();
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let pass = Pass { session: [3; 16], number: 9, key: key.public().clone(), issued_ms: 1_000 };
        let text = pass.seal(&keyring, "https://a.example").unwrap().unwrap();
        let read = Pass::open(&keyring, "https://a.example", &text).unwrap();
        assert_eq!((read.session, read.number, read.issued_ms, read.key.thumbprint()), ([3; 16], 9, 1_000, key.kid()));
        assert!(Pass::open(&keyring, "https://b.example", &text).is_none());
        for wrong in ["", "sp_", &text[3..], &text[..text.len() - 2], &text.replacen("sp_", "sr_", 1)] {
            assert!(Pass::open(&keyring, "https://a.example", wrong).is_none(), "{wrong}");
        }
        let other = PrivateKey::generate(Algorithm::EdDSA).unwrap();
        assert!(Pass { key: other.public().clone(), ..pass }.seal(&keyring, "https://a.example").unwrap().is_none());
    }
}
