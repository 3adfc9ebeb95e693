//! Statements by makers of our own, each with one lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ceremony;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use ceremony::{ORIGIN, creation_options, registered};
use minicbor::Encoder;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::Value as Json;
use symbolon_oauth::{base64url, digest};
use symbolon_passkey::options::Conveyance;
use symbolon_passkey::{Kind, cose};
use symbolon_phone::authenticator::Authenticator;

fn made(phone: &mut Authenticator) -> Json {
    phone.create(&creation_options(Conveyance::Direct, &[]), ORIGIN).unwrap()
}

fn bytes(answer: &Json, member: &str) -> Vec<u8> {
    base64url::decode(answer["response"][member].as_str().unwrap()).unwrap()
}

/// A TPM2B: its length, then its bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A certificate for attestation that names this kind of authenticator, or none, and its key.
fn certificate(names: Option<(&[u8], bool)>) -> (Vec<u8>, EcdsaKeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["tpm.example".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 3])];
    if let Some((aaguid, is_critical)) = names {
        let value = [&[0x04u8, 0x10][..], aaguid].concat();
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4], value);
        extension.set_criticality(is_critical);
        params.custom_extensions.push(extension);
    }
    let leaf = params.self_signed(&key).unwrap().der().to_vec();
    (leaf, EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der()).unwrap())
}

/// The answer with a statement of the format tpm in the place of none.
fn by_tpm(answer: &Json, (leaf, signer): &(Vec<u8>, EcdsaKeyPair)) -> Json {
    let object = bytes(answer, "attestationObject");
    // The authenticator data stand last, behind a length of one byte.
    let at = object.windows(9).position(|part| part == b"\x68authData").unwrap();
    let data = &object[at + 11..];
    let key = &data[data.len() - 77..];
    let about = digest::sha256(&[data, &digest::sha256(&bytes(answer, "clientDataJSON"))].concat());
    // An ECC key with SHA-256, without policy, symmetric algorithm and scheme, on P-256, without a derivation.
    let head = [0u8, 0x23, 0, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x10, 0, 3, 0, 0x10];
    let area = [&head[..], &sized(&key[10..42]), &sized(&key[45..])].concat();
    let name = [&[0u8, 0x0b][..], &digest::sha256(&area)].concat();
    let kind = [0xffu8, b'T', b'C', b'G', 0x80, 0x17, 0, 0];
    let certified = [&kind[..], &sized(&about), &[0; 25], &sized(&name), &[0, 0]].concat();
    let signature = signer.sign(&SystemRandom::new(), &certified).unwrap().as_ref().to_vec();
    let mut out = Encoder::new(Vec::new());
    out.map(3).unwrap().str("fmt").unwrap().str("tpm").unwrap().str("attStmt").unwrap().map(6).unwrap();
    out.str("ver").unwrap().str("2.0").unwrap().str("alg").unwrap().i64(cose::ES256).unwrap();
    out.str("x5c").unwrap().array(1).unwrap().bytes(leaf).unwrap();
    for (name, value) in [("sig", &signature), ("certInfo", &certified), ("pubArea", &area)] {
        out.str(name).unwrap().bytes(value).unwrap();
    }
    out.str("authData").unwrap().bytes(data).unwrap();
    let mut vouched = answer.clone();
    vouched["response"]["attestationObject"] = base64url::encode(&out.into_writer()).into();
    vouched
}

/// 388-W: a TPM's certificate that names a kind of authenticator names the credential's. The twins name the same kind, or none.
#[test]
fn a_tpms_certificate_of_another_kind_is_refused() {
    let mut phone = Authenticator::security_key();
    let (own, other) = (phone.aaguid, [8u8; 16]);
    for (names, is_good) in
        [(Some((&own[..], false)), true), (None, true), (Some((&other[..], false)), false), (Some((&own[..], true)), false)]
    {
        let verdict = registered(&by_tpm(&made(&mut phone), &certificate(names))).unwrap();
        let found: Vec<(&str, &str)> = verdict.failed.iter().map(|one| (one.name, one.detail.as_str())).collect();
        let wanted: &[(&str, &str)] = &[("attestation", "the certificate is of another kind of authenticator")];
        assert_eq!(found, if is_good { &[][..] } else { wanted }, "{names:?}");
        assert_eq!((verdict.facts.attestation.kind, verdict.facts.attestation.vouches_for_aaguid), (Kind::Certificates, true), "{names:?}");
    }
}
