//! Signed JWTs in compact form. RFC 7515, RFC 7519, RFC 8725: one form, a list of allowed algorithms, no key from the token itself.

use crate::base64url;
use crate::jwk::{Algorithm, KeySet, PrivateKey, PublicKey};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::{Map, Value};
use std::fmt;

pub const MAX_BYTES: usize = 16 * 1024;
const MAX_DEPTH: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// These are not three parts of canonical base64url with JSON objects without repeated members, or they are too large.
    Malformed,
    /// The header asks for something that we do not support: `crit`, `b64`, an embedded key, an unknown or absent `alg`.
    UnsupportedHeader,
    NoKey,
    BadSignature,
}

/// A JWT whose signature is not verified yet.
pub struct Unverified<'a> {
    signed: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        Self::parse_within(token, MAX_BYTES)
    }

    /// The same with a budget of the caller's own: a status list is larger than any token.
    pub fn parse_within(token: &'a str, max_bytes: usize) -> Result<Self, JwsError> {
        if token.len() > max_bytes {
            return Err(JwsError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, claims) = signed.split_once('.').filter(|(_, it)| !it.contains('.')).ok_or(JwsError::Malformed)?;
        let object = |part: &str| base64url::decode(part).and_then(|it| parse_object(&it)).ok_or(JwsError::Malformed);
        let header = object(header)?;
        // RFC 7515 4.1.11 and RFC 7797. No key is ever taken from the token (200-J, 201-J, 204-J).
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

    /// The text that was signed (RFC 7515 5.1). It identifies the JWT. The whole text does not, as a signature can be rewritten.
    pub fn signing_input(&self) -> &'a str {
        self.signed
    }

    pub fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The same, where nothing else of the JWT is needed any more.
    pub fn into_unverified_claims(self) -> Map<String, Value> {
        self.claims
    }

    pub fn alg(&self) -> Option<Algorithm> {
        self.header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse)
    }

    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// `typ` without a leading `application/`, which RFC 7515 4.1.9 lets a sender leave out.
    pub fn typ(&self) -> Option<&str> {
        let typ = self.header.get("typ").and_then(Value::as_str)?;
        Some(typ.strip_prefix("application/").unwrap_or(typ))
    }

    /// Did this key make the signature?
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.alg().is_some_and(|alg| key.verify(alg, self.signed.as_bytes(), &self.signature))
    }

    /// Returns the claims if this key made the signature.
    pub fn verify(self, key: &PublicKey) -> Result<Map<String, Value>, JwsError> {
        let alg = self.alg().ok_or(JwsError::UnsupportedHeader)?;
        if key.verify(alg, self.signed.as_bytes(), &self.signature) { Ok(self.claims) } else { Err(JwsError::BadSignature) }
    }

    /// Returns the claims if a key of the set with the header's kid made the signature.
    pub fn verify_with(self, keys: &KeySet) -> Result<Map<String, Value>, JwsError> {
        self.verify_and_find_key(keys).map(|(claims, _)| claims)
    }

    /// The same, with the key that made the signature.
    pub fn verify_and_find_key(self, keys: &KeySet) -> Result<(Map<String, Value>, PublicKey), JwsError> {
        let alg = self.alg().ok_or(JwsError::UnsupportedHeader)?;
        if self.header.get("kid").is_some_and(|it| !it.is_string()) {
            return Err(JwsError::UnsupportedHeader);
        }
        let candidates = keys.candidates(self.kid(), alg);
        if candidates.is_empty() {
            return Err(JwsError::NoKey);
        }
        let signer = candidates.into_iter().find(|it| it.verify(alg, self.signed.as_bytes(), &self.signature)).cloned();
        signer.map(|it| (self.claims, it)).ok_or(JwsError::BadSignature)
    }
}

/// Signs claims. The header has alg, typ and kid.
pub fn sign(key: &PrivateKey, typ: &str, claims: &impl Serialize) -> Result<String, JwsError> {
    signed(key, &Header { alg: key.algorithm().as_str(), kid: key.kid(), typ }, claims)
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

/// The JSON of most tokens is no longer than this.
const MOST_JSON: usize = 1024;
/// Room for the dots and a signature in base64url: RSA's is the longest.
const SIGNATURE: usize = 350;

/// The text to sign, with room for the signature behind it.
fn joined(header: &impl Serialize, claims: &impl Serialize) -> Result<String, JwsError> {
    let mut json: Vec<u8> = Vec::with_capacity(MOST_JSON);
    serde_json::to_writer(&mut json, header).map_err(|_| JwsError::Malformed)?;
    let end = json.len();
    serde_json::to_writer(&mut json, claims).map_err(|_| JwsError::Malformed)?;
    let (header, claims) = json.split_at(end);
    let mut text = String::with_capacity(json.len() * 4 / 3 + SIGNATURE);
    base64url::append(header, &mut text);
    text.push('.');
    base64url::append(claims, &mut text);
    Ok(text)
}

fn signed(key: &PrivateKey, header: &impl Serialize, claims: &impl Serialize) -> Result<String, JwsError> {
    let mut text = joined(header, claims)?;
    let signature = key.sign(text.as_bytes()).map_err(|_| JwsError::BadSignature)?;
    text.push('.');
    base64url::append(&signature, &mut text);
    Ok(text)
}

/// Signs claims under the caller's header.
pub fn sign_with_header(key: &PrivateKey, header: &Value, claims: &impl Serialize) -> Result<String, JwsError> {
    signed(key, header, claims)
}

/// The text to sign (RFC 7515 5.1), for keys outside of this process, such as those in a phone's secure element.
pub fn signing_input(header: &Value, claims: &impl Serialize) -> Result<String, JwsError> {
    joined(header, claims)
}

/// The JWT of such a key. `signature` has the form of RFC 7518 3 (ES256: 64 bytes, not DER).
pub fn with_signature(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", base64url::encode(signature))
}

/// Reads a JSON object without repeated members at any depth. Anything else is `None`.
pub fn parse_object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match parse_value(bytes)? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Reads JSON of any kind without repeated members at any depth.
pub fn parse_value(bytes: &[u8]) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict(0).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// Reads JSON at this depth. serde_json keeps the last of repeated members; readers that keep different ones disagree about a token.
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
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = seq.next_element_seed(Strict(self.0 + 1))? {
            all.push(element);
        }
        Ok(all.into())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict(self.0 + 1))?;
            if all.insert(name, value).is_some() {
                return Err(de::Error::custom("a member is repeated"));
            }
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn key(alg: Algorithm) -> PrivateKey {
        PrivateKey::generate(alg).unwrap()
    }

    #[test]
    fn a_token_verifies_with_the_key_that_signed_it_alone() {
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
        // An embedded key has no effect: the token is refused because no key of ours signed it.
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
    fn repeated_members_and_deep_nesting_are_refused() {
        assert!(parse_object(br#"{"a":1,"b":{"c":2}}"#).is_some());
        assert!(parse_object(br#"{"a":1,"a":2}"#).is_none());
        assert!(parse_object(br#"{"a":{"b":1,"b":2}}"#).is_none());
        assert!(parse_object(br#"{"a":1}x"#).is_none());
        assert!(parse_object(format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40)).as_bytes()).is_none());
    }
}
