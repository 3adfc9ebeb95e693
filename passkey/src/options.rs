//! What a browser or a system is asked for, in the JSON that their parsers take: PublicKeyCredentialCreationOptionsJSON and
//! PublicKeyCredentialRequestOptionsJSON. WebAuthn Level 3, 5.1.8 and 5.1.9.

use crate::UserVerification;
use crate::cose::OFFERED;
use serde_json::{Value, json};
use symbolon_oauth::base64url;

/// A credential that is named to the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub id: Vec<u8>,
    /// Empty: not known. The member is left out then.
    pub transports: Vec<String>,
}

impl Descriptor {
    fn as_json(&self) -> Value {
        let mut made = json!({ "type": "public-key", "id": base64url::encode(&self.id) });
        if !self.transports.is_empty() {
            made["transports"] = json!(self.transports);
        }
        made
    }
}

fn list(descriptors: &[Descriptor]) -> Value {
    descriptors.iter().map(Descriptor::as_json).collect()
}

/// The makers' statement about an authenticator: WebAuthn Level 3, 5.4.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conveyance {
    None,
    Direct,
    Enterprise,
}

impl Conveyance {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Direct => "direct",
            Self::Enterprise => "enterprise",
        }
    }
}

/// To make a passkey.
#[derive(Debug, Clone, Copy)]
pub struct Creation<'a> {
    pub rp_id: &'a str,
    pub rp_name: &'a str,
    /// 1 to 64 bytes that say nothing about the person (WebAuthn Level 3, 14.6.1).
    pub user_handle: &'a [u8],
    /// What the person sees in a list of passkeys.
    pub user_name: &'a str,
    pub display_name: &'a str,
    pub challenge: &'a [u8],
    pub timeout_ms: u32,
    pub user_verification: UserVerification,
    pub conveyance: Conveyance,
    /// All that the account has already.
    pub exclude: &'a [Descriptor],
}

/// A passkey is discoverable: with `discouraged` Android makes something that only Google's own manager finds (residentKey).
pub fn creation(wanted: &Creation<'_>) -> Value {
    let algorithms: Vec<Value> = OFFERED.iter().map(|alg| json!({ "type": "public-key", "alg": alg })).collect();
    json!({
        "rp": { "id": wanted.rp_id, "name": wanted.rp_name },
        "user": {
            "id": base64url::encode(wanted.user_handle),
            "name": wanted.user_name,
            "displayName": wanted.display_name,
        },
        "challenge": base64url::encode(wanted.challenge),
        "pubKeyCredParams": algorithms,
        "timeout": wanted.timeout_ms,
        "excludeCredentials": list(wanted.exclude),
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": true,
            "userVerification": wanted.user_verification.as_str(),
        },
        "hints": ["client-device"],
        "attestation": wanted.conveyance.as_str(),
        "extensions": { "credProps": true },
    })
}

/// To use a passkey.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub rp_id: &'a str,
    pub challenge: &'a [u8],
    pub timeout_ms: u32,
    pub user_verification: UserVerification,
    /// Empty: the platform offers what it has, and the answer says whose it is.
    pub allow: &'a [Descriptor],
}

pub fn request(wanted: &Request<'_>) -> Value {
    json!({
        "challenge": base64url::encode(wanted.challenge),
        "timeout": wanted.timeout_ms,
        "rpId": wanted.rp_id,
        "allowCredentials": list(wanted.allow),
        "userVerification": wanted.user_verification.as_str(),
    })
}

/// All passkeys of an account, after one was removed: PublicKeyCredential.signalAllAcceptedCredentials (WebAuthn Level 3, 5.1.10.3).
pub fn signal_all_accepted(rp_id: &str, user_handle: &[u8], ids: &[Vec<u8>]) -> Value {
    let ids: Vec<String> = ids.iter().map(|id| base64url::encode(id)).collect();
    json!({ "rpId": rp_id, "userId": base64url::encode(user_handle), "allAcceptedCredentialIds": ids })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// W-10: whatever bytes they have, the documents decode strictly, and no text that people see is empty. W-09: nothing is padded. W-20:
    /// the old member stands beside the new one.
    #[test]
    fn ten_thousand_documents_decode() {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        let mut alphabet = String::new();
        for round in 0..10_000_usize {
            let bytes = |length: usize, next: &mut dyn FnMut() -> u8| (0..length).map(|_| next()).collect::<Vec<u8>>();
            let (challenge, user_handle) = (bytes(16 + round % 17, &mut next), bytes(1 + round % 64, &mut next));
            let exclude = [Descriptor { id: bytes(1 + round % 1023, &mut next), transports: Vec::new() }];
            let made = creation(&Creation {
                rp_id: "login.example.com",
                rp_name: "Example",
                user_handle: &user_handle,
                user_name: "alice",
                display_name: "Alice",
                challenge: &challenge,
                timeout_ms: 300_000,
                user_verification: UserVerification::Preferred,
                conveyance: Conveyance::None,
                exclude: &exclude,
            });
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            assert_eq!(base64url::decode(&text(&made["challenge"])).unwrap(), challenge);
            assert_eq!(base64url::decode(&text(&made["user"]["id"])).unwrap(), user_handle);
            assert_eq!(base64url::decode(&text(&made["excludeCredentials"][0]["id"])).unwrap(), exclude[0].id);
            alphabet += &text(&made["challenge"]);
            for named in [&made["rp"]["name"], &made["user"]["name"], &made["user"]["displayName"]] {
                assert!(!text(named).is_empty());
            }
            let algorithms: Vec<i64> =
                made["pubKeyCredParams"].as_array().unwrap().iter().map(|one| one["alg"].as_i64().unwrap()).collect();
            assert!(algorithms.contains(&-7) && algorithms.contains(&-257), "{algorithms:?}");
            assert_eq!(made["authenticatorSelection"]["residentKey"], "required");
            assert!(made["authenticatorSelection"]["requireResidentKey"] == true && made["extensions"]["credProps"] == true);
            assert!(made["authenticatorSelection"].get("authenticatorAttachment").is_none());
            assert!(made["excludeCredentials"][0].get("transports").is_none(), "unknown transports are left out, not empty");
        }
        assert!(alphabet.contains('-') && alphabet.contains('_') && !alphabet.contains('='));
    }
}
