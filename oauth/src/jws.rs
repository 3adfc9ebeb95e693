//! Signed JWTs in compact form. RFC 7515, RFC 7519, RFC 8725: one form, an allow-list, no key from the token itself.

use crate::base64url;
use crate::jwk::{Algorithm, KeySet, PrivateKey, PublicKey};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

pub const MAX_BYTES: usize = 16 * 1024;
const MAX_DEPTH: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// Not three parts of canonical base64url holding JSON objects without doubled members, or too large.
    Malformed,
    /// The header asks for something we do not do: `crit`, `b64`, an embedded key, an unknown or absent `alg`.
    UnsupportedHeader,
    NoKey,
    BadSignature,
}

/// A JWT whose signature has not been looked at: its names say so.
pub struct Unverified<'a> {
    signed: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > MAX_BYTES {
            return Err(JwsError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, claims) = signed.split_once('.').filter(|(_, it)| !it.contains('.')).ok_or(JwsError::Malformed)?;
        let object = |part: &str| base64url::decode(part).and_then(|it| parse_object(&it)).ok_or(JwsError::Malformed);
        let header = object(header)?;
        // RFC 7515 4.1.11; RFC 7797; and no key is ever taken from the token (200-J, 201-J, 204-J).
        if ["crit", "b64", "jku", "x5u", "zip"].iter().any(|it| header.contains_key(*it)) {
            return Err(JwsError::UnsupportedHeader);
        }
        let claims = object(claims)?;
        let signature = base64url::decode(signature).ok_or(JwsError::Malformed)?;
        Ok(Self { signed, header, claims, signature })
    }

    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    pub fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub fn alg(&self) -> Option<Algorithm> {
        self.header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse)
    }

    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// Without a leading `application/`, which RFC 7515 4.1.9 lets a sender leave out.
    pub fn typ(&self) -> Option<&str> {
        let typ = self.header.get("typ").and_then(Value::as_str)?;
        Some(typ.strip_prefix("application/").unwrap_or(typ))
    }

    /// The claims, once the signature fits this key.
    pub fn verify(self, key: &PublicKey) -> Result<Map<String, Value>, JwsError> {
        let alg = self.alg().ok_or(JwsError::UnsupportedHeader)?;
        if key.verify(alg, self.signed.as_bytes(), &self.signature) { Ok(self.claims) } else { Err(JwsError::BadSignature) }
    }

    /// The claims, once the signature fits a key of the set with the header's kid.
    pub fn verify_with(self, keys: &KeySet) -> Result<Map<String, Value>, JwsError> {
        self.verify_by(keys).map(|it| it.0)
    }

    /// The same, with the key that fitted.
    pub fn verify_by(self, keys: &KeySet) -> Result<(Map<String, Value>, PublicKey), JwsError> {
        let alg = self.alg().ok_or(JwsError::UnsupportedHeader)?;
        if self.header.get("kid").is_some_and(|it| !it.is_string()) {
            return Err(JwsError::UnsupportedHeader);
        }
        let candidates = keys.candidates(self.kid(), alg);
        if candidates.is_empty() {
            return Err(JwsError::NoKey);
        }
        let fits = candidates.into_iter().find(|it| it.verify(alg, self.signed.as_bytes(), &self.signature)).cloned();
        fits.map(|it| (self.claims, it)).ok_or(JwsError::BadSignature)
    }
}

/// Signs claims; the header carries alg, typ and kid.
pub fn sign(key: &PrivateKey, typ: &str, claims: &impl Serialize) -> Result<String, JwsError> {
    let header = json!({ "alg": key.algorithm().as_str(), "typ": typ, "kid": key.kid() });
    sign_with_header(key, &header, claims)
}

/// Signs under a header of the caller's.
pub fn sign_with_header(key: &PrivateKey, header: &Value, claims: &impl Serialize) -> Result<String, JwsError> {
    let input = signing_input(header, claims)?;
    let signature = key.sign(input.as_bytes()).map_err(|_| JwsError::BadSignature)?;
    Ok(with_signature(&input, &signature))
}

/// What is signed (RFC 7515 5.1), for keys that are elsewhere: in a phone's secure element.
pub fn signing_input(header: &Value, claims: &impl Serialize) -> Result<String, JwsError> {
    let claims = serde_json::to_vec(claims).map_err(|_| JwsError::Malformed)?;
    Ok(format!("{}.{}", base64url::encode(header.to_string().as_bytes()), base64url::encode(&claims)))
}

/// The JWT; `signature` in the form of RFC 7518 3 (ES256: 64 bytes, not DER).
pub fn with_signature(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", base64url::encode(signature))
}

/// A JSON object without doubled members, at any depth; anything else is `None`.
pub fn parse_object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict(0).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match value {
        Value::Object(it) => Some(it),
        _ => None,
    }
}

/// serde_json keeps the last of doubled members; two readers that keep different ones disagree about a token.
struct Strict(usize);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.0 > MAX_DEPTH {
            return Err(de::Error::custom("too deep"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(it.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(it) = seq.next_element_seed(Strict(self.0 + 1))? {
            all.push(it);
        }
        Ok(all.into())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict(self.0 + 1))?;
            if all.insert(name, value).is_some() {
                return Err(de::Error::custom("a member is doubled"));
            }
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn key(alg: Algorithm) -> PrivateKey {
        PrivateKey::generate(alg).unwrap()
    }

    #[test]
    fn what_is_signed_verifies_with_its_own_key_only() {
        for alg in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256] {
            let (mine, other) = (key(alg), key(alg));
            let token = sign(&mine, "JWT", &json!({ "a": 1 })).unwrap();
            assert_eq!(Unverified::parse(&token).unwrap().verify(mine.public()).unwrap()["a"], 1);
            assert!(Unverified::parse(&token).unwrap().verify(other.public()).is_err());
            let mut edited = token.into_bytes();
            let at = edited.len() - 20;
            edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
            assert!(Unverified::parse(&String::from_utf8(edited).unwrap()).unwrap().verify(mine.public()).is_err());
        }
    }

    /// 101-T, 198-J, 200-J, 201-J, 204-J, 205-J, 215-J, 229-J
    #[test]
    fn headers_that_ask_for_more_are_refused() {
        let mine = key(Algorithm::ES256);
        let good = json!({ "alg": "ES256", "typ": "JWT" });
        let token = |header: &Value| sign_with_header(&mine, header, &json!({})).unwrap();
        let refused = |text: &str| Unverified::parse(text).and_then(|it| it.verify(mine.public())).is_err();
        assert!(!refused(&token(&good)));
        for alg in ["none", "None", "NONE", "nOnE", "HS256", "es256", "ES384", ""] {
            let odd = token(&json!({ "alg": alg }));
            assert!(refused(&odd), "{alg}");
            let (unsigned, _) = odd.rsplit_once('.').unwrap();
            assert!(refused(&format!("{unsigned}.")), "{alg} without a signature");
        }
        let (unsigned, signature) = token(&good).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(!refused(&format!("{unsigned}.{signature}")));
        assert!(refused(&format!("{unsigned}.")) && refused(&unsigned));
        for (name, value) in [
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
            ("jku", json!("https://x")),
            ("x5u", json!("https://x")),
            ("zip", json!("DEF")),
        ] {
            let mut header = good.clone();
            header[name] = value;
            assert!(refused(&token(&header)), "{name}");
        }
        let text = token(&good);
        for bad in [
            format!("{text}."),
            format!("{text}="),
            format!(" {text}"),
            text.replacen('.', "..", 1),
            "a.b".to_owned(),
            json!({ "payload": "x" }).to_string(),
        ] {
            assert!(refused(&bad), "{bad}");
        }
        // An embedded key is not looked at: the token is refused because no key of ours made it.
        let theirs = key(Algorithm::ES256);
        let mut header = good.clone();
        header["jwk"] = theirs.public().to_jwk();
        assert!(refused(&sign_with_header(&theirs, &header, &json!({})).unwrap()));
    }

    /// 211-J
    #[test]
    fn zero_signatures_are_refused() {
        let mine = key(Algorithm::ES256);
        let token = sign(&mine, "JWT", &json!({})).unwrap();
        let signed = token.rsplit_once('.').unwrap().0;
        for raw in [vec![0; 64], vec![255; 64], vec![], vec![0; 63]] {
            assert!(Unverified::parse(&format!("{signed}.{}", base64url::encode(&raw))).unwrap().verify(mine.public()).is_err());
        }
    }

    #[test]
    fn doubled_members_and_depth_are_refused() {
        assert!(parse_object(br#"{"a":1,"b":{"c":2}}"#).is_some());
        assert!(parse_object(br#"{"a":1,"a":2}"#).is_none());
        assert!(parse_object(br#"{"a":{"b":1,"b":2}}"#).is_none());
        assert!(parse_object(br#"{"a":1}x"#).is_none());
        assert!(parse_object(format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40)).as_bytes()).is_none());
    }
}
