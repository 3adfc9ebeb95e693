//! Keys. RFC 7517, RFC 7518 6, RFC 7638 (thumbprints), RFC 8037 (Ed25519). A key is parsed once and used many times.

use crate::base64url;
use crate::digest::sha256;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaKeyPair, RsaPublicKeyComponents};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// The signature algorithms of RFC 7518 and RFC 8037 that this product makes and accepts. There is neither `none` nor HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    ES256,
    PS256,
    RS256,
    EdDSA,
}

impl Algorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::PS256 => "PS256",
            Self::RS256 => "RS256",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Names are case-sensitive (RFC 7515 4.1.1).
    pub fn parse(name: &str) -> Option<Self> {
        [Self::ES256, Self::PS256, Self::RS256, Self::EdDSA].into_iter().find(|it| it.as_str() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError(pub &'static str);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for KeyError {}

enum Parsed {
    Ec(ParsedPublicKey),
    Ed(ParsedPublicKey),
    Rsa { pkcs1: ParsedPublicKey, pss: ParsedPublicKey },
}

struct PublicInner {
    parsed: Parsed,
    /// The required members of RFC 7638. These are also the ones that we publish.
    members: Value,
    thumbprint: String,
    kid: Option<String>,
    alg: Option<Algorithm>,
}

/// A public key, cheap to clone.
#[derive(Clone)]
pub struct PublicKey(Arc<PublicInner>);

/// The same key, whatever it is called.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.thumbprint == other.0.thumbprint
    }
}
impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.0.thumbprint)
    }
}

/// The points of small order on edwards25519, as y without the sign of x: 0, 1, p - 1 and two values of order eight. 0 and 1 can also be
/// written as p and p + 1. A signature under such a point proves nothing (213-J).
const LOW_ORDER: [&str; 7] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "7P_______________________________________38",
    "7f_______________________________________38",
    "7v_______________________________________38",
    "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
    "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
];

impl PublicKey {
    /// Reads a JWK. Refused are private members, `oct`, and RSA under 2048 bits or with a tiny exponent. Points off the curve, points of
    /// low order, and keys that are marked for encryption are refused too.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let object = jwk.as_object().ok_or(KeyError("a JWK is a JSON object"))?;
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|it| object.contains_key(*it)) {
            return Err(KeyError("the JWK carries private members"));
        }
        let is_for_signing =
            |operations: &Value| operations.as_array().is_some_and(|all| all.iter().all(|it| it == "verify" || it == "sign"));
        if object.get("use").is_some_and(|it| it != "sig") || object.get("key_ops").is_some_and(|it| !is_for_signing(it)) {
            return Err(KeyError("the JWK is not for signatures alone"));
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str).ok_or(KeyError("the JWK lacks a required member"));
        let bytes = |name: &str| text(name).and_then(|it| base64url::decode(it).ok_or(KeyError("a JWK member is not canonical base64url")));
        let (parsed, members) = match text("kty")? {
            "EC" => parse_ec(text("crv")?, &bytes("x")?, &bytes("y")?)?,
            "OKP" => parse_ed25519(text("crv")?, &bytes("x")?)?,
            "RSA" => parse_rsa(&bytes("n")?, &bytes("e")?)?,
            _ => return Err(KeyError("the JWK's kty is not EC, OKP or RSA")),
        };
        let optional = |name: &str| match object.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= 256 => Ok(Some(text.clone())),
            Some(_) => Err(KeyError("kid or alg of the JWK is not a short string")),
        };
        let kid = optional("kid")?;
        let alg = match optional("alg")? {
            None => None,
            Some(name) => Some(Algorithm::parse(&name).ok_or(KeyError("the JWK's alg is not supported"))?),
        };
        let thumbprint = base64url::encode(&sha256(canonical(&members).as_bytes()));
        Ok(Self(Arc::new(PublicInner { parsed, members, thumbprint, kid, alg })))
    }

    /// RFC 7638, SHA-256, base64url.
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    pub fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    pub fn supports(&self, alg: Algorithm) -> bool {
        let fits = matches!(
            (&self.0.parsed, alg),
            (Parsed::Ec(_), Algorithm::ES256)
                | (Parsed::Ed(_), Algorithm::EdDSA)
                | (Parsed::Rsa { .. }, Algorithm::PS256 | Algorithm::RS256)
        );
        fits && self.0.alg.is_none_or(|it| it == alg)
    }

    /// The JWK with its required members only.
    pub fn to_jwk(&self) -> Value {
        self.0.members.clone()
    }

    pub fn verify(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.supports(alg) {
            return false;
        }
        let key = match (&self.0.parsed, alg) {
            (Parsed::Ec(key) | Parsed::Ed(key), _) => key,
            (Parsed::Rsa { pss, .. }, Algorithm::PS256) => pss,
            (Parsed::Rsa { pkcs1, .. }, _) => pkcs1,
        };
        key.verify_sig(message, signature).is_ok()
    }
}

/// RFC 7638 3.3: members in lexicographic order, without white space. The map of serde_json has that order.
fn canonical(members: &Value) -> String {
    members.to_string()
}

fn parse_ec(crv: &str, x: &[u8], y: &[u8]) -> Result<(Parsed, Value), KeyError> {
    if crv != "P-256" || x.len() != 32 || y.len() != 32 {
        return Err(KeyError("an EC key is P-256 with coordinates of 32 bytes"));
    }
    let mut point = vec![4];
    point.extend_from_slice(x);
    point.extend_from_slice(y);
    let key = ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &point).map_err(|_| KeyError("the point is not on P-256"))?;
    Ok((Parsed::Ec(key), json!({ "crv": "P-256", "kty": "EC", "x": base64url::encode(x), "y": base64url::encode(y) })))
}

/// Is it a point of small order on edwards25519, in any spelling?
pub fn is_low_order(x: &[u8]) -> bool {
    let mut y = x.to_vec();
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    LOW_ORDER.contains(&base64url::encode(&y).as_str())
}

fn parse_ed25519(crv: &str, x: &[u8]) -> Result<(Parsed, Value), KeyError> {
    if crv != "Ed25519" || x.len() != 32 {
        return Err(KeyError("an OKP key is Ed25519 with 32 bytes"));
    }
    if is_low_order(x) {
        return Err(KeyError("the Ed25519 point has low order"));
    }
    let key = ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| KeyError("the Ed25519 key is not usable"))?;
    Ok((Parsed::Ed(key), json!({ "crv": "Ed25519", "kty": "OKP", "x": base64url::encode(x) })))
}

fn parse_rsa(n: &[u8], e: &[u8]) -> Result<(Parsed, Value), KeyError> {
    if n.first() == Some(&0) || n.len() < 256 || n.len() > 1024 || e.first() == Some(&0) || e.len() > 4 {
        return Err(KeyError("an RSA key has 2048 to 8192 bits and a small odd exponent"));
    }
    let exponent = e.iter().fold(0_u64, |all, it| all << 8 | u64::from(*it));
    if exponent < 65537 || exponent % 2 == 0 {
        return Err(KeyError("the RSA exponent is under 65537 or even"));
    }
    let parse = |parameters: &'static signature::RsaParameters| {
        RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| KeyError("the RSA key is not usable"))
    };
    let parsed = Parsed::Rsa { pkcs1: parse(&signature::RSA_PKCS1_2048_8192_SHA256)?, pss: parse(&signature::RSA_PSS_2048_8192_SHA256)? };
    Ok((parsed, json!({ "e": base64url::encode(e), "kty": "RSA", "n": base64url::encode(n) })))
}

/// A set of public keys. RFC 7517 5.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    pub keys: Vec<PublicKey>,
}

impl KeySet {
    /// Reads at most 50 keys. Keys of an unknown kind are skipped (RFC 7517 5). Weak keys and repeated kids are an error.
    pub fn parse(document: &Value) -> Result<Self, KeyError> {
        let list = document.get("keys").and_then(Value::as_array).ok_or(KeyError("a key set has an array `keys`"))?;
        if list.len() > 50 {
            return Err(KeyError("a key set has at most 50 keys"));
        }
        let (mut keys, mut encryption_keys): (Vec<PublicKey>, Vec<PublicKey>) = (Vec::new(), Vec::new());
        for jwk in list {
            if is_for_encryption(jwk) {
                encryption_keys.extend(without_purpose(jwk));
                continue;
            }
            let is_known_kind = matches!(jwk["kty"].as_str(), Some("EC" | "RSA" | "OKP"));
            let is_known_curve = jwk.get("crv").is_none_or(|it| it == "P-256" || it == "Ed25519");
            // A secret key is not skipped: in a set of public keys it is an error.
            if (!is_known_kind && jwk.get("k").is_none()) || !is_known_curve {
                continue;
            }
            let key = PublicKey::from_jwk(jwk)?;
            if key.kid().is_some() && keys.iter().any(|it| it.kid() == key.kid()) {
                return Err(KeyError("two keys of the set have the same kid"));
            }
            keys.push(key);
        }
        // RFC 8725 3.5, RFC 7517 4.3: one key for two purposes is weak in both.
        if keys.iter().any(|key| encryption_keys.iter().any(|it| it.thumbprint() == key.thumbprint())) {
            return Err(KeyError("a key of the set is for signatures and for encryption"));
        }
        Ok(Self { keys })
    }

    /// The keys that may have made a signature: those of this kid, or any if no kid is named. At most four.
    pub fn candidates(&self, kid: Option<&str>, alg: Algorithm) -> Vec<&PublicKey> {
        self.keys.iter().filter(|it| it.supports(alg) && (kid.is_none() || it.kid() == kid || it.kid().is_none())).take(4).collect()
    }
}

/// Is the key for encryption alone, by its `use` or, where there is none, by its operations?
fn is_for_encryption(jwk: &Value) -> bool {
    let Some(purpose) = jwk.get("use") else {
        let operations = jwk.get("key_ops").and_then(Value::as_array);
        return operations.is_some_and(|all| !all.is_empty() && all.iter().all(|it| it != "sign" && it != "verify"));
    };
    purpose == "enc"
}

/// The key without the members that state its purpose.
fn without_purpose(jwk: &Value) -> Option<PublicKey> {
    let members = ["kty", "crv", "x", "y", "n", "e"].into_iter().filter_map(|it| Some((it.to_owned(), jwk.get(it)?.clone())));
    PublicKey::from_jwk(&members.collect()).ok()
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

struct PrivateInner {
    pair: Pair,
    algorithm: Algorithm,
    pkcs8: zeroize::Zeroizing<Vec<u8>>,
    public: PublicKey,
}

/// A signing key, cheap to clone. Its `Debug` form does not show the key.
#[derive(Clone)]
pub struct PrivateKey(Arc<PrivateInner>);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.0.public.thumbprint())
    }
}

impl PrivateKey {
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_| KeyError("key generation failed");
        let rng = SystemRandom::new();
        let pkcs8 = match algorithm {
            Algorithm::ES256 => {
                EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &rng).map_err(failed)?.as_ref().to_vec()
            }
            Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8(&rng).map_err(failed)?.as_ref().to_vec(),
            Algorithm::PS256 | Algorithm::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> =
                    aws_lc_rs::encoding::AsDer::as_der(&pair).map_err(|_| KeyError("key generation failed"))?;
                der.as_ref().to_vec()
            }
        };
        Self::from_pkcs8(algorithm, &pkcs8)
    }

    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let rejected = |_| KeyError("not a PKCS#8 key of this algorithm");
        let (pair, jwk) = match algorithm {
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(rejected)?;
                let point = pair.public_key().as_ref().to_vec();
                let half = |at: usize| base64url::encode(point.get(at..at + 32).unwrap_or_default());
                (Pair::Ec(pair), json!({ "crv": "P-256", "kty": "EC", "x": half(1), "y": half(33) }))
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(rejected)?;
                let x = base64url::encode(pair.public_key().as_ref());
                (Pair::Ed(pair), json!({ "crv": "Ed25519", "kty": "OKP", "x": x }))
            }
            Algorithm::PS256 | Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(rejected)?;
                let public = pair.public_key();
                let n = base64url::encode(public.modulus().big_endian_without_leading_zero());
                let e = base64url::encode(public.exponent().big_endian_without_leading_zero());
                (Pair::Rsa(pair), json!({ "e": e, "kty": "RSA", "n": n }))
            }
        };
        let public = PublicKey::from_jwk(&jwk)?;
        Ok(Self(Arc::new(PrivateInner { pair, algorithm, pkcs8: pkcs8.to_vec().into(), public })))
    }

    pub fn to_pkcs8(&self) -> &[u8] {
        &self.0.pkcs8
    }

    pub fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// The thumbprint: it is unique, and the same on every node (225-J).
    pub fn kid(&self) -> &str {
        self.0.public.thumbprint()
    }

    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// JWS form: r and s side by side for ECDSA (RFC 7518 3.4).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError("signing failed");
        let rng = SystemRandom::new();
        match &self.0.pair {
            Pair::Ec(pair) => Ok(pair.sign(&rng, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let how: &'static dyn signature::RsaEncoding =
                    if self.0.algorithm == Algorithm::PS256 { &signature::RSA_PSS_SHA256 } else { &signature::RSA_PKCS1_SHA256 };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(how, &rng, message, &mut out).map_err(failed)?;
                Ok(out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn okp(x: &[u8]) -> Result<PublicKey, KeyError> {
        PublicKey::from_jwk(&json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(x) }))
    }

    /// 213-J: the eight points of small order in every spelling, canonical or not, with either sign.
    #[test]
    fn a_point_of_low_order_is_refused() {
        assert_eq!(LOW_ORDER.len(), 7, "y is one of five values, of which 0 and 1 have a second spelling: p and p + 1");
        for text in LOW_ORDER {
            for sign in [0, 0x80] {
                let mut point = base64url::decode(text).unwrap();
                point[31] |= sign;
                assert_eq!(okp(&point).unwrap_err(), KeyError("the Ed25519 point has low order"), "{text} {sign}");
            }
        }
        let good = PrivateKey::generate(Algorithm::EdDSA).unwrap().public().to_jwk();
        assert!(okp(&base64url::decode(good["x"].as_str().unwrap()).unwrap()).is_ok());
    }

    /// 213-J: the equation holds for S and for S + L. Only the smaller one is a signature (RFC 8032 5.1.7).
    #[test]
    fn a_signature_has_one_spelling() {
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0x10,
        ];
        let key = PrivateKey::generate(Algorithm::EdDSA).unwrap();
        let mut signature = key.sign(b"message").unwrap();
        assert!(key.public().verify(Algorithm::EdDSA, b"message", &signature));
        let mut carry = 0;
        for (s, l) in signature[32..].iter_mut().zip(L) {
            carry += u16::from(*s) + u16::from(l);
            *s = u8::try_from(carry % 256).unwrap();
            carry /= 256;
        }
        assert_eq!(carry, 0);
        assert!(!key.public().verify(Algorithm::EdDSA, b"message", &signature));
    }

    /// 176-D, 231-J: RSA of 512 and 1024 bits, with the exponents 1, 3 and an even one; a point off the curve with coordinates of 32
    /// bytes; a secret; a key for more than signatures. The twins differ in one number.
    #[test]
    fn a_weak_key_is_refused() {
        let rsa = PrivateKey::generate(Algorithm::PS256).unwrap().public().to_jwk();
        let ec = PrivateKey::generate(Algorithm::ES256).unwrap().public().to_jwk();
        let with = |jwk: &Value, name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            PublicKey::from_jwk(&jwk)
        };
        assert!(PublicKey::from_jwk(&rsa).is_ok() && PublicKey::from_jwk(&ec).is_ok());
        let n = base64url::decode(rsa["n"].as_str().unwrap()).unwrap();
        for bytes in [64, 128, 255] {
            assert!(with(&rsa, "n", base64url::encode(&n[..bytes]).into()).is_err(), "{bytes}");
        }
        for e in [&[1][..], &[3], &[1, 0, 0], &[0, 1, 0, 1]] {
            assert!(with(&rsa, "e", base64url::encode(e).into()).is_err(), "{e:?}");
        }
        let mut y = base64url::decode(ec["y"].as_str().unwrap()).unwrap();
        y[31] ^= 1;
        assert_eq!(with(&ec, "y", base64url::encode(&y).into()).unwrap_err(), KeyError("the point is not on P-256"));
        assert!(PublicKey::from_jwk(&json!({ "kty": "oct", "k": "c2Vj" })).is_err());
        for (name, bad) in [("use", json!("enc")), ("key_ops", json!(["verify", "encrypt"])), ("key_ops", json!("verify"))] {
            assert!(with(&ec, name, bad).is_err(), "{name}");
        }
        assert!(with(&ec, "use", json!("sig")).is_ok() && with(&ec, "key_ops", json!(["verify"])).is_ok());
    }

    /// 231-J: one key for signatures and for encryption is refused, in either order. Two keys for the two purposes are accepted.
    #[test]
    fn a_key_has_one_purpose() {
        let (one, other) = (PrivateKey::generate(Algorithm::ES256).unwrap(), PrivateKey::generate(Algorithm::ES256).unwrap());
        let jwk = |key: &PrivateKey, of: &str| {
            let mut jwk = key.public().to_jwk();
            (jwk["use"], jwk["kid"]) = (of.into(), of.into());
            if of == "enc" {
                jwk["alg"] = "ECDH-ES".into();
            }
            jwk
        };
        let parse = |keys: [Value; 2]| KeySet::parse(&json!({ "keys": keys })).map(|it| it.keys.len());
        assert_eq!(parse([jwk(&one, "sig"), jwk(&other, "enc")]), Ok(1));
        let twice = Err(KeyError("a key of the set is for signatures and for encryption"));
        assert_eq!(parse([jwk(&one, "sig"), jwk(&one, "enc")]), twice);
        assert_eq!(parse([jwk(&one, "enc"), jwk(&one, "sig")]), twice);
        // The same where `key_ops` states the purpose.
        let by_operations = |key: &PrivateKey, operations: Value| {
            let mut jwk = key.public().to_jwk();
            jwk["key_ops"] = operations;
            jwk
        };
        assert_eq!(parse([jwk(&one, "sig"), by_operations(&other, json!(["wrapKey"]))]), Ok(1));
        assert_eq!(parse([jwk(&one, "sig"), by_operations(&one, json!(["wrapKey"]))]), twice);
        assert!(parse([jwk(&one, "sig"), by_operations(&other, json!(["verify", "encrypt"]))]).is_err());
    }
}
