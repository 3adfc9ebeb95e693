//! COSE, as far as mdocs need it: COSE_Sign1 (RFC 9052 4.2), keys of P-256 (RFC 9053 7.1), chains of certificates (RFC 9360).

use crate::Unreadable;
use crate::cbor::{self, Key, Raw};
use minicbor::Encoder;
use serde_json::json;
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::{Algorithm, PublicKey};

/// ES256, and its fully specified name (RFC 9864).
const ES256: [i64; 2] = [-7, -9];
const ALG: i64 = 1;
const CRIT: i64 = 2;
const X5CHAIN: i64 = 33;
const SHAPE: Unreadable = Unreadable("a COSE_Sign1 of the mdoc is not as RFC 9052 has it");

/// A signature that is not verified yet.
pub struct Sign1<'a> {
    protected: &'a [u8],
    /// None: the content stands elsewhere.
    payload: Option<&'a [u8]>,
    signature: &'a [u8],
    alg: i64,
    /// Label 33, wherever it stood.
    chain: Option<Raw<'a>>,
}

impl<'a> Sign1<'a> {
    pub fn read(bytes: Raw<'a>) -> Result<Self, Unreadable> {
        // Tag 18 may stand in front (RFC 9052 2).
        let bytes = bytes.strip_prefix(&[0xd2]).unwrap_or(bytes);
        let parts = cbor::elements(bytes)?;
        let [protected, unprotected, payload, signature] = parts.as_slice() else { return Err(SHAPE) };
        let protected = cbor::octets(protected)?;
        let header = if protected.is_empty() { Vec::new() } else { cbor::members(protected)? };
        let beside = cbor::members(unprotected)?;
        // RFC 9052 3: a label is in one of the two maps. `crit` asks for something that is not known here.
        let is_twice = header.iter().any(|(label, _)| beside.iter().any(|(other, _)| label == other));
        if is_twice || has(&header, CRIT) || has(&beside, CRIT) {
            return Err(SHAPE);
        }
        let alg = cbor::numbered(&header, ALG).ok_or(Unreadable("a COSE_Sign1 has no protected alg"))?;
        let chain = cbor::numbered(&beside, X5CHAIN).or_else(|| cbor::numbered(&header, X5CHAIN));
        let payload = if cbor::is_null(payload) { None } else { Some(cbor::octets(payload)?) };
        Ok(Self { protected, payload, signature: cbor::octets(signature)?, alg: cbor::number(alg)?, chain })
    }

    pub fn payload(&self) -> Option<&'a [u8]> {
        self.payload
    }

    pub fn is_es256(&self) -> bool {
        ES256.contains(&self.alg)
    }

    pub fn is_empty(&self) -> bool {
        self.signature.is_empty()
    }

    /// The certificates in DER, leaf first: one as bytes, or an array (RFC 9360 2). Empty: there are none.
    pub fn chain(&self) -> Result<Vec<&'a [u8]>, Unreadable> {
        let Some(chain) = self.chain else { return Ok(Vec::new()) };
        match cbor::octets(chain) {
            Ok(one) => Ok(vec![one]),
            Err(_) => cbor::elements(chain)?.into_iter().map(cbor::octets).collect(),
        }
    }

    /// Is it this key's signature? `detached` is the content where the structure has none.
    pub fn verify(&self, key: &PublicKey, detached: Option<&[u8]>) -> bool {
        let (Some(content), true) = (self.payload.or(detached), self.is_es256()) else { return false };
        // What is detached stands in one place alone.
        if self.payload.is_some() && detached.is_some() {
            return false;
        }
        key.verify(Algorithm::ES256, &signature_structure(self.protected, content), self.signature)
    }
}

fn has(members: &[(Key<'_>, Raw<'_>)], label: i64) -> bool {
    cbor::numbered(members, label).is_some()
}

/// `Sig_structure` (RFC 9052 4.4): what is signed. Nothing is authenticated from outside.
pub fn signature_structure(protected: &[u8], content: &[u8]) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    // Writing to memory does not fail.
    let written = out.array(4).and_then(|it| it.str("Signature1")).and_then(|it| it.bytes(protected));
    let _ = written.and_then(|it| it.bytes(&[])).and_then(|it| it.bytes(content));
    out.into_writer()
}

/// Reads a COSE_Key of P-256, as a key like those of JWTs. A private member, or a use other than signing, is refused.
pub fn key(bytes: Raw<'_>) -> Result<PublicKey, Unreadable> {
    const BAD: Unreadable = Unreadable("the holder's key is not a COSE_Key of P-256");
    let members = cbor::members(bytes)?;
    let number = |label: i64| cbor::numbered(&members, label).map(cbor::number).transpose();
    let is_good = number(1)? == Some(2) && number(-1)? == Some(1) && !has(&members, -4);
    let is_for_signing = number(3)?.is_none_or(|alg| ES256.contains(&alg));
    let part = |label: i64| cbor::numbered(&members, label).ok_or(BAD).and_then(cbor::octets);
    if !is_good || !is_for_signing {
        return Err(BAD);
    }
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(part(-2)?), "y": base64url::encode(part(-3)?) });
    PublicKey::from_jwk(&jwk).map_err(|_| BAD)
}
