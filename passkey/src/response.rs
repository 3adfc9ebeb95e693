//! What the browser or the system answers: RegistrationResponseJSON and AuthenticationResponseJSON. WebAuthn Level 3, 5.1.
//!
//! Binary members are base64url without padding. Some platforms pad them or use the other alphabet; the bytes are the same, and
//! they alone are compared.

use crate::{MAX_CREDENTIAL_ID_BYTES, MAX_RESPONSE_BYTES, MAX_USER_HANDLE_BYTES, Unreadable};
use serde_json::{Map, Value};
use symbolon_oauth::{base64url, jws};

const MAX_TRANSPORTS: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationResponse {
    pub id: Vec<u8>,
    pub client_data: Vec<u8>,
    pub attestation_object: Vec<u8>,
    /// As they were sent; [`crate::transports::kept`] says what is kept.
    pub transports: Vec<String>,
    /// `credProps.rk`: the passkey can be found without a name. None: the platform does not say.
    pub discoverable: Option<bool>,
    /// `authenticatorAttachment`: `platform`, `cross-platform`, or something new.
    pub attachment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionResponse {
    pub id: Vec<u8>,
    pub client_data: Vec<u8>,
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
    /// Absent, null and empty are the same: the authenticator does not say whose passkey it is.
    pub user_handle: Option<Vec<u8>>,
    pub attachment: Option<String>,
}

impl RegistrationResponse {
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let outer = Outer::parse(text)?;
        let extensions = outer.members.get("clientExtensionResults");
        let transports = outer.response.get("transports").and_then(Value::as_array);
        let transports = transports.into_iter().flatten().take(MAX_TRANSPORTS).filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self {
            client_data: outer.bytes("clientDataJSON")?,
            attestation_object: outer.bytes("attestationObject")?,
            transports,
            discoverable: extensions.and_then(|all| all["credProps"]["rk"].as_bool()),
            attachment: outer.attachment(),
            id: outer.id,
        })
    }
}

impl AssertionResponse {
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let outer = Outer::parse(text)?;
        let user_handle = match outer.response.get("userHandle") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(_)) => Some(outer.bytes("userHandle")?),
            Some(_) => return Err(Unreadable("userHandle is no text")),
        };
        if user_handle.as_ref().is_some_and(|handle| handle.is_empty() || handle.len() > MAX_USER_HANDLE_BYTES) {
            return Err(Unreadable("a user handle has 1 to 64 bytes"));
        }
        Ok(Self {
            client_data: outer.bytes("clientDataJSON")?,
            authenticator_data: outer.bytes("authenticatorData")?,
            signature: outer.bytes("signature")?,
            user_handle,
            attachment: outer.attachment(),
            id: outer.id,
        })
    }
}

/// What both have in common.
struct Outer {
    members: Map<String, Value>,
    response: Map<String, Value>,
    id: Vec<u8>,
}

impl Outer {
    fn parse(text: &str) -> Result<Self, Unreadable> {
        if text.len() > MAX_RESPONSE_BYTES {
            return Err(Unreadable("the response is larger than 64 KiB"));
        }
        let members = jws::parse_object(text.as_bytes()).ok_or(Unreadable("the response is not a JSON object without repeated members"))?;
        if members.get("type").is_none_or(|kind| kind != "public-key") {
            return Err(Unreadable("the response is not of the type public-key"));
        }
        let bytes = |name: &str| members.get(name).and_then(Value::as_str).and_then(decode);
        let id = bytes("rawId").ok_or(Unreadable("rawId is not base64url"))?;
        // 380-W
        if bytes("id").is_none_or(|other| other != id) {
            return Err(Unreadable("id and rawId are not the same bytes"));
        }
        if id.is_empty() || id.len() > MAX_CREDENTIAL_ID_BYTES {
            return Err(Unreadable("a credential id has 1 to 1023 bytes"));
        }
        let response = members.get("response").and_then(Value::as_object).cloned().ok_or(Unreadable("the response has no response"))?;
        Ok(Self { members, response, id })
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, Unreadable> {
        let missing = match name {
            "clientDataJSON" => Unreadable("clientDataJSON is not base64url"),
            "attestationObject" => Unreadable("attestationObject is not base64url"),
            "authenticatorData" => Unreadable("authenticatorData is not base64url"),
            "signature" => Unreadable("signature is not base64url"),
            _ => Unreadable("userHandle is not base64url"),
        };
        self.response.get(name).and_then(Value::as_str).and_then(decode).ok_or(missing)
    }

    fn attachment(&self) -> Option<String> {
        let text = self.members.get("authenticatorAttachment").and_then(Value::as_str)?;
        Some(text.chars().take(32).collect())
    }
}

/// base64url, or the plain alphabet, with padding or without.
fn decode(text: &str) -> Option<Vec<u8>> {
    let bare = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    if bare.len() != text.len() && !text.len().is_multiple_of(4) {
        return None;
    }
    base64url::decode(&bare.replace('+', "-").replace('/', "_"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn answer() -> Value {
        json!({
            "id": "_-8", "rawId": "_-8", "type": "public-key", "clientExtensionResults": {},
            "response": { "clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AQ", "userHandle": "YQ" },
        })
    }

    fn parsed(change: impl Fn(&mut Value)) -> Result<AssertionResponse, Unreadable> {
        let mut made = answer();
        change(&mut made);
        AssertionResponse::parse(&made.to_string())
    }

    /// W-09, and W-08: a handle that is null or empty is none.
    #[test]
    fn other_spellings_are_the_same_bytes() {
        let plain = parsed(|_| {}).unwrap();
        assert_eq!((plain.id.as_slice(), plain.user_handle.as_deref()), (&[0xff, 0xef][..], Some(&b"a"[..])));
        for (id, raw) in [("_-8=", "_-8"), ("/+8=", "/+8"), ("_-8", "/+8=")] {
            let other = parsed(|made| (made["id"], made["rawId"]) = (json!(id), json!(raw))).unwrap();
            assert_eq!(other, plain, "{id} {raw}");
        }
        for empty in [json!(null), json!("")] {
            assert_eq!(parsed(|made| made["response"]["userHandle"] = empty.clone()).unwrap().user_handle, None);
        }
        parsed(|made| made["surprise"] = json!({ "a": [1] })).unwrap();
    }

    /// 380-W, and what is no answer at all.
    #[test]
    fn what_is_no_answer_is_not_read() {
        let refused = |change: &dyn Fn(&mut Value)| parsed(change).unwrap_err().0;
        assert_eq!(refused(&|made| made["id"] = json!("AAAA")), "id and rawId are not the same bytes");
        assert_eq!(refused(&|made| made["rawId"] = json!("A")), "rawId is not base64url");
        assert_eq!(refused(&|made| made["rawId"] = json!("_-8==")), "rawId is not base64url");
        assert_eq!(refused(&|made| made["type"] = json!("password")), "the response is not of the type public-key");
        assert_eq!(refused(&|made| made["response"] = json!([])), "the response has no response");
        assert_eq!(refused(&|made| made["response"]["signature"] = json!(1)), "signature is not base64url");
        assert_eq!(refused(&|made| made["response"]["userHandle"] = json!(7)), "userHandle is no text");
        let long = base64url::encode(&[1; 1024]);
        let too_long = refused(&|made| (made["id"], made["rawId"]) = (json!(long), json!(long)));
        assert_eq!(too_long, "a credential id has 1 to 1023 bytes");
        let longest = base64url::encode(&[1; 1023]);
        parsed(|made| (made["id"], made["rawId"]) = (json!(longest), json!(longest))).unwrap();
        for text in ["", "{}", "[]", "null", "{", "{\"id\":\"a\",\"id\":\"a\"}"] {
            assert!(AssertionResponse::parse(text).is_err() && RegistrationResponse::parse(text).is_err(), "{text}");
        }
    }
}
