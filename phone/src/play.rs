//! A simulated Google Play. It makes verdicts about an app and its device, as classic tokens in their wire format and as the JSON of
//! standard tokens. The verdicts can be false, because the tests and the demo need that.

use crate::Trouble;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use serde_json::{Value, json};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64, base64url, jws};

fn trouble(error: impl std::fmt::Debug) -> Trouble {
    Trouble(format!("the simulated Play: {error:?}"))
}

/// The keys of one app's Play Console.
pub struct Play {
    decryption: [u8; 32],
    signing: PrivateKey,
}

/// The content of a verdict.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    pub package: &'a str,
    pub signing_digest: [u8; 32],
    pub version: i64,
    pub device: Vec<&'a str>,
    pub recognition: &'a str,
    /// `requestHash` of a standard request, `nonce` of a classic one.
    pub binding: (&'a str, String),
    pub at_ms: i64,
}

impl Verdict<'_> {
    pub fn json(&self) -> Value {
        let (name, value) = &self.binding;
        let mut request = json!({ "requestPackageName": self.package, "timestampMillis": self.at_ms.to_string() });
        request[*name] = value.as_str().into();
        json!({
            "requestDetails": request,
            "appIntegrity": {
                "appRecognitionVerdict": self.recognition, "packageName": self.package, "versionCode": self.version.to_string(),
                "certificateSha256Digest": [base64url::encode(&self.signing_digest)],
            },
            "deviceIntegrity": { "deviceRecognitionVerdict": self.device },
            "accountDetails": { "appLicensingVerdict": "LICENSED" },
        })
    }
}

impl Play {
    pub fn new() -> Result<Self, Trouble> {
        let mut decryption = [0; 32];
        aws_lc_rs::rand::fill(&mut decryption).map_err(trouble)?;
        Ok(Self { decryption, signing: PrivateKey::generate(Algorithm::ES256).map_err(trouble)? })
    }

    /// As Play Console shows it.
    pub fn decryption_key(&self) -> String {
        base64::encode(&self.decryption)
    }

    /// As Play Console shows it.
    pub fn verification_key(&self) -> String {
        let jwk = self.signing.public().to_jwk();
        let part = |name: &str| base64url::decode(jwk[name].as_str().unwrap_or_default()).unwrap_or_default();
        let head =
            [0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0, 4];
        base64::encode(&[&head[..], &part("x"), &part("y")].concat())
    }

    /// A classic token.
    pub fn token(&self, verdict: &Verdict<'_>) -> Result<String, Trouble> {
        let signed = jws::sign_with_header(&self.signing, &json!({ "alg": "ES256" }), &verdict.json()).map_err(trouble)?;
        let (mut content_key, mut iv, mut wrapped) = ([0; 32], [0; 12], [0; 40]);
        aws_lc_rs::rand::fill(&mut content_key).map_err(trouble)?;
        aws_lc_rs::rand::fill(&mut iv).map_err(trouble)?;
        let header = base64url::encode(br#"{"alg":"A256KW","enc":"A256GCM"}"#);
        AesKek::new(&AES_256, &self.decryption).map_err(trouble)?.wrap(&content_key, &mut wrapped).map_err(trouble)?;
        let mut sealed = signed.into_bytes();
        let gcm = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key).map_err(trouble)?);
        gcm.seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(header.as_bytes()), &mut sealed).map_err(trouble)?;
        let tag = sealed.split_off(sealed.len() - 16);
        Ok([header, base64url::encode(&wrapped), base64url::encode(&iv), base64url::encode(&sealed), base64url::encode(&tag)].join("."))
    }
}
