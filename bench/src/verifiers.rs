//! The cost of verifying evidence, in this process and on one core, beside that of the bare signatures in it. The evidence is forged under
//! a root of our own. It uses P-256 alone, so that both sides count the same operation.

use crate::limits::{Limit, repeat};
use std::time::Duration;
use symbolon_attest::app_attest::{self, Build};
use symbolon_attest::key_attestation::{self, Policy};
use symbolon_attest::play_integrity::{self, Binding, DeviceLevel};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64, base64url};
use symbolon_phone::element::{Android, Maker};
use symbolon_phone::play::{Play, Verdict};

const APP: &str = "ABCDE12345.com.example.shop";
const PACKAGE: &str = "com.example.shop";
const SIGNER: [u8; 32] = [7; 32];
const HASH: [u8; 32] = [5; 32];

/// A kind of evidence: the cost of verifying it, and the number of its signatures.
pub struct Kind {
    pub limit: Limit,
    pub signatures: u32,
}

pub fn measure(duration: Duration) -> Result<Vec<Kind>, String> {
    let maker = Maker::new().map_err(|it| it.to_string())?;
    let root = base64url::decode(&maker.root_spki).ok_or("the root is no base64url")?;
    let now_s = crate::process::now_s();
    let mut kinds = ios(&maker, &root, now_s, duration)?;
    kinds.push(android(&maker, &root, now_s, duration)?);
    kinds.push(play(now_s, duration)?);
    Ok(kinds)
}

fn kind(name: &str, signatures: u32, duration: Duration, mut holds: impl FnMut() -> bool) -> Result<Kind, String> {
    let verify = || if holds() { Ok(1) } else { Err(format!("{name}: the evidence does not hold")) };
    Ok(Kind { limit: repeat(name, duration, verify)?, signatures })
}

fn ios(maker: &Maker, root: &[u8], now_s: i64, duration: Duration) -> Result<Vec<Kind>, String> {
    let (enclave, object) = maker.ios(APP, &HASH).map_err(|it| it.to_string())?;
    let expected = app_attest::Expected {
        app_ids: &[APP],
        mac_app_ids: &[],
        client_data_hash: &HASH,
        key_id: &enclave.key_id,
        builds: &[Build::Unsaid],
        roots: &[root],
        now_s,
    };
    let public_key = app_attest::attestation(&object, &expected).map_err(|it| it.0.to_owned())?.facts.public_key;
    let assertion = enclave.assertion(&HASH, 1).map_err(|it| it.to_string())?;
    let again = app_attest::ExpectedAssertion { app_ids: &[APP], client_data_hash: &HASH, public_key: &public_key, counter_above: 0 };
    Ok(vec![
        kind("App Attest attestation", 2, duration, || app_attest::attestation(&object, &expected).is_ok_and(|it| it.holds()))?,
        kind("App Attest assertion", 1, duration, || app_attest::assertion(&assertion, &again).is_ok_and(|it| it.holds()))?,
    ])
}

fn android(maker: &Maker, root: &[u8], now_s: i64, duration: Duration) -> Result<Kind, String> {
    let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| format!("{it:?}"))?;
    let phone = Android::genuine(PACKAGE, SIGNER, &HASH);
    let chain = maker.android(&key, &phone).map_err(|it| it.to_string())?;
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let expected = key_attestation::Expected {
        challenge: &HASH,
        app: Some(key_attestation::App { packages: &[PACKAGE], signing_digests: &[SIGNER] }),
        roots: &[root],
        now_s,
        status: &|_| None,
        own_boot_keys: &[],
        sign_only: true,
        strict: false,
        policy: Policy { least_patch: Some(202_601), ..Policy::ANY },
    };
    kind("Android key attestation", 3, duration, || key_attestation::judge(&chain, &expected).is_ok_and(|it| it.holds()))
}

/// This counts the opening of a classic token (AES) and the check of its verdict.
fn play(now_s: i64, duration: Duration) -> Result<Kind, String> {
    let play = Play::new().map_err(|it| it.to_string())?;
    let nonce = base64url::encode(&HASH);
    let verdict = Verdict {
        package: PACKAGE,
        signing_digest: SIGNER,
        version: 42,
        device: vec!["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY"],
        recognition: "PLAY_RECOGNIZED",
        binding: ("nonce", nonce.clone()),
        at_ms: now_s * 1000,
    };
    let token = play.token(&verdict).map_err(|it| it.to_string())?;
    let decryption = base64::decode(&play.decryption_key()).and_then(|it| it.try_into().ok());
    let verification_spki = base64::decode(&play.verification_key());
    let (Some(decryption), Some(verification_spki)) = (decryption, verification_spki) else { return Err("Play's keys".to_owned()) };
    let keys = play_integrity::Keys { decryption, verification_spki };
    let digest = base64url::encode(&SIGNER);
    let expected = play_integrity::Expected {
        packages: &[PACKAGE],
        binding: Binding::Nonce(&nonce),
        signing_digests: &[&digest],
        minimum_version_code: Some(42),
        now_ms: now_s * 1000,
        max_age_ms: 600_000,
        device: DeviceLevel::Device,
        require_licensed: true,
        allow_unrecognized_version: false,
    };
    kind("Play Integrity, classic token", 1, duration, || {
        let opened = play_integrity::open(&token, &keys).ok();
        opened.and_then(|it| play_integrity::judge(&it, &expected).ok()).is_some_and(|it| it.holds())
    })
}
