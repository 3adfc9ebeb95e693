//! PKCE (RFC 7636), S256 only. `plain` would show the verifier to everybody who sees the request.

use crate::{base64url, digest};

/// A well-formed S256 challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// RFC 7636 4.3. The method must be there: a missing one would mean `plain` (068-P).
    pub fn parse(challenge: &str, method: Option<&str>) -> Result<Self, &'static str> {
        match method {
            Some("S256") => {}
            None => return Err("code_challenge_method is missing"),
            Some(_) => return Err("code_challenge_method is not S256"),
        }
        match base64url::decode(challenge) {
            Some(bytes) if bytes.len() == 32 => Ok(Self(challenge.to_owned())),
            _ => Err("code_challenge is not 32 bytes in canonical base64url"),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// RFC 7636 4.1 and 4.6: 43 to 128 unreserved characters whose digest is the challenge.
    pub fn matches(&self, verifier: &str) -> bool {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(is_unreserved)
            && digest::equal(challenge(verifier).as_bytes(), self.0.as_bytes())
    }
}

/// The verifier that stands for these 32 random bytes.
pub fn verifier(random: [u8; 32]) -> String {
    base64url::encode(&random)
}

pub fn challenge(verifier: &str) -> String {
    base64url::encode(&digest::sha256(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_matches() {
        assert_eq!(challenge(VERIFIER), CHALLENGE);
        let parsed = Challenge::parse(CHALLENGE, Some("S256")).unwrap();
        assert!(parsed.matches(VERIFIER));
        for wrong in ["", "short", CHALLENGE, &format!("{VERIFIER} "), &"a".repeat(129)] {
            assert!(!parsed.matches(wrong), "{wrong}");
        }
    }

    /// 068-P, 069-P, 071-P
    #[test]
    fn other_methods_and_other_spellings_are_refused() {
        for method in [None, Some("plain"), Some("s256"), Some("SHA256"), Some("")] {
            assert!(Challenge::parse(CHALLENGE, method).is_err());
        }
        let other_tail = CHALLENGE.replace("w-cM", "w-cN");
        for bad in ["", &format!("{CHALLENGE}="), &CHALLENGE.replace('-', "+"), &other_tail, &CHALLENGE[1..]] {
            assert!(Challenge::parse(bad, Some("S256")).is_err(), "{bad}");
        }
    }
}
