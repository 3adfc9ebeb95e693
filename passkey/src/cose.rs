//! Keys of credentials: COSE_Key (RFC 9052 7, RFC 9053 2 and 7, RFC 8230 4), and signatures by them.

use crate::Unreadable;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use minicbor::Decoder;
use minicbor::data::Type;

/// The algorithms of RFC 9053 and RFC 8812 that a credential may have, by their number in the register of COSE.
pub const ES256: i64 = -7;
pub const EDDSA: i64 = -8;
pub const ES384: i64 = -35;
pub const ES512: i64 = -36;
pub const RS256: i64 = -257;

/// What is asked of an authenticator, the first preferred. Windows Hello may have RS256 alone.
pub const OFFERED: [i64; 5] = [ES256, EDDSA, ES384, ES512, RS256];

/// Room for RSA of 8192 bits.
const MAX_BYTES: usize = 2048;
const MAX_MEMBERS: u64 = 16;
const SHAPE: Unreadable = Unreadable("the credential's key is not a COSE_Key of an algorithm that is known here");
const BAD: Unreadable = Unreadable("the credential's key is not a good key of its algorithm");

/// A credential's public key.
pub struct PublicKey {
    algorithm: i64,
    parts: Parts,
}

enum Parts {
    /// An uncompressed point (SEC 1, 2.3.3) of a curve, or the 32 bytes of Ed25519.
    Point(ParsedPublicKey, Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.algorithm)
    }
}

/// The members of a COSE_Key that mean something here, each at most once.
#[derive(Default)]
struct Members<'a> {
    kty: Option<i64>,
    alg: Option<i64>,
    curve: Option<i64>,
    /// -1 where it is bytes (RSA: n), -2 (x, or RSA: e), -3 (y).
    first: Option<&'a [u8]>,
    second: Option<&'a [u8]>,
    third: Option<&'a [u8]>,
}

impl PublicKey {
    /// Reads a COSE_Key with nothing behind it. Refused (394-W): points off the curve, RSA below 2048 bits, a key of another kind
    /// than its algorithm's, algorithms with SHA-1.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the credential's key is larger than 2 KiB"));
        }
        let members = Members::read(bytes)?;
        let (Some(kty), Some(algorithm)) = (members.kty, members.alg) else { return Err(SHAPE) };
        let parts = match (kty, algorithm, members.curve) {
            (2, ES256, Some(1)) => members.point(&ECDSA_P256_SHA256_ASN1, 32)?,
            (2, ES384, Some(2)) => members.point(&ECDSA_P384_SHA384_ASN1, 48)?,
            (2, ES512, Some(3)) => members.point(&ECDSA_P521_SHA512_ASN1, 66)?,
            (1, EDDSA, Some(6)) => members.ed25519()?,
            (3, RS256, None) => members.rsa()?,
            _ => return Err(SHAPE),
        };
        Ok(Self { algorithm, parts })
    }

    pub fn algorithm(&self) -> i64 {
        self.algorithm
    }

    /// The point in its uncompressed form, or the bytes of Ed25519. None: it is an RSA key.
    pub fn point(&self) -> Option<&[u8]> {
        match &self.parts {
            Parts::Point(_, bytes) => Some(bytes),
            Parts::Rsa { .. } => None,
        }
    }

    /// Modulus and exponent, big-endian. None: it is no RSA key.
    pub fn rsa(&self) -> Option<(&[u8], &[u8])> {
        match &self.parts {
            Parts::Rsa { modulus, exponent } => Some((modulus, exponent)),
            Parts::Point(..) => None,
        }
    }

    /// Signatures of ECDSA are in DER (WebAuthn Level 3, 6.5.5).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.parts {
            Parts::Point(key, _) => key.verify_sig(message, signature).is_ok(),
            Parts::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
        }
    }
}

impl<'a> Members<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut reader = Decoder::new(bytes);
        let count = reader.map().ok().flatten().filter(|count| *count <= MAX_MEMBERS).ok_or(SHAPE)?;
        let mut members = Self::default();
        let mut seen = Vec::new();
        for _ in 0..count {
            let name = reader.i64().map_err(|_| SHAPE)?;
            if seen.contains(&name) {
                return Err(SHAPE);
            }
            seen.push(name);
            let is_bytes = matches!(reader.datatype(), Ok(Type::Bytes));
            match name {
                1 => members.kty = Some(reader.i64().map_err(|_| SHAPE)?),
                3 => members.alg = Some(reader.i64().map_err(|_| SHAPE)?),
                -1 if !is_bytes => members.curve = Some(reader.i64().map_err(|_| SHAPE)?),
                -1 => members.first = Some(reader.bytes().map_err(|_| SHAPE)?),
                -2 => members.second = Some(reader.bytes().map_err(|_| SHAPE)?),
                -3 => members.third = Some(reader.bytes().map_err(|_| SHAPE)?),
                // Private members, a use (key_ops) or anything else does not belong to a credential's key (WebAuthn Level 3, 6.5.1.1).
                _ => return Err(SHAPE),
            }
        }
        if reader.position() == bytes.len() { Ok(members) } else { Err(SHAPE) }
    }

    fn point(&self, algorithm: &'static dyn VerificationAlgorithm, length: usize) -> Result<Parts, Unreadable> {
        let (None, Some(x), Some(y)) = (self.first, self.second, self.third) else { return Err(SHAPE) };
        if x.len() != length || y.len() != length {
            return Err(SHAPE);
        }
        parsed(algorithm, [&[4], x, y].concat())
    }

    fn ed25519(&self) -> Result<Parts, Unreadable> {
        let (None, Some(x), None) = (self.first, self.second, self.third) else { return Err(SHAPE) };
        if x.len() != 32 || symbolon_oauth::jwk::is_low_order(x) {
            return Err(BAD);
        }
        parsed(&ED25519, x.to_vec())
    }

    fn rsa(&self) -> Result<Parts, Unreadable> {
        let (Some(modulus), Some(exponent), None) = (self.first, self.second, self.third) else { return Err(SHAPE) };
        let has_leading_zero = modulus.first() == Some(&0) || exponent.first() == Some(&0);
        let is_odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte & 1 == 1);
        let is_large = modulus.len() >= 256 && modulus.first().is_some_and(|byte| *byte >= 0x80) && modulus.len() <= 1024;
        // RFC 8017 allows 3; whoever makes one today makes 65537.
        let is_usual = (3..=5).contains(&exponent.len());
        if has_leading_zero || !is_large || !is_usual || !is_odd(modulus) || !is_odd(exponent) {
            return Err(BAD);
        }
        Ok(Parts::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }
}

fn parsed(algorithm: &'static dyn VerificationAlgorithm, bytes: Vec<u8>) -> Result<Parts, Unreadable> {
    let key = ParsedPublicKey::new(algorithm, &bytes).map_err(|_| BAD)?;
    Ok(Parts::Point(key, bytes))
}
