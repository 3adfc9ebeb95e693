//! A simulated secure element and its maker: it forges the evidence of both platforms in their exact wire formats, under a root of
//! its own that only a development configuration trusts. It can also lie, which the tests and the demo need.

use crate::Trouble;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use minicbor::Encoder;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use symbolon_oauth::base64url;
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jwk::PrivateKey;

fn trouble(it: impl std::fmt::Display) -> Trouble {
    Trouble(format!("the secure element: {it}"))
}

/// Who makes the phones: a root and an intermediate.
pub struct Maker {
    root: KeyPair,
    middle: KeyPair,
    middle_der: Vec<u8>,
    /// SubjectPublicKeyInfo of the root, in base64url: what a development configuration trusts.
    pub root_spki: String,
}

fn params(name: &str, ca: bool) -> CertificateParams {
    let mut it = CertificateParams::default();
    it.distinguished_name.push(DnType::CommonName, name);
    if ca {
        it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    it
}

impl Maker {
    pub fn new() -> Result<Self, Trouble> {
        let (root, middle) = (KeyPair::generate().map_err(trouble)?, KeyPair::generate().map_err(trouble)?);
        let root_made = params("Simulated Root", true).self_signed(&root).map_err(trouble)?;
        let by_root = Issuer::new(params("Simulated Root", true), &root);
        let middle_der = params("Simulated Intermediate", true).signed_by(&middle, &by_root).map_err(trouble)?.der().to_vec();
        let (_, parsed) = x509_parser::parse_x509_certificate(root_made.der()).map_err(trouble)?;
        let root_spki = base64url::encode(parsed.public_key().raw);
        drop(by_root);
        Ok(Self { root, middle, middle_der, root_spki })
    }

    fn leaf(&self, key: &KeyPair, extension: CustomExtension) -> Result<Vec<u8>, Trouble> {
        let mut leaf = params("Simulated Key", false);
        leaf.custom_extensions.push(extension);
        let by_middle = Issuer::new(params("Simulated Intermediate", true), &self.middle);
        Ok(leaf.signed_by(key, &by_middle).map_err(trouble)?.der().to_vec())
    }

    /// Somebody else's factory, with the same names.
    pub fn is_other_than(&self, other: &Self) -> bool {
        self.root.public_key_raw() != other.root.public_key_raw()
    }

    /// `attestKey` on iOS: a new key of the Secure Enclave, and Apple's word for it.
    pub fn ios(&self, app_id: &str, client_data_hash: &[u8]) -> Result<(IosKey, Vec<u8>), Trouble> {
        let key = KeyPair::generate().map_err(trouble)?;
        let point = key.public_key_raw().to_vec();
        let mut cose = Encoder::new(Vec::new());
        (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            cose.map(5)?.i8(1)?.i8(2)?.i8(3)?.i8(-7)?.i8(-1)?.i8(1)?;
            cose.i8(-2)?.bytes(&point[1..33])?.i8(-3)?.bytes(&point[33..])?;
            Ok(())
        })()
        .map_err(trouble)?;
        let (key_id, app) = (sha256(&point), sha256(app_id.as_bytes()));
        let data = [&app[..], &[0x40], &[0; 4], b"appattest\0\0\0\0\0\0\0", &[0, 32], &key_id, &cose.into_writer()].concat();
        let nonce = sha256(&[data.as_slice(), client_data_hash].concat());
        let value = [[0x30, 0x24, 0xa1, 0x22, 0x04, 0x20].as_slice(), &nonce].concat();
        let leaf = self.leaf(&key, CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 8, 2], value))?;
        let mut out = Encoder::new(Vec::new());
        (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            out.map(3)?.str("fmt")?.str("apple-appattest")?.str("attStmt")?.map(2)?;
            out.str("x5c")?.array(2)?.bytes(&leaf)?.bytes(&self.middle_der)?.str("receipt")?.bytes(b"")?;
            out.str("authData")?.bytes(&data)?;
            Ok(())
        })()
        .map_err(trouble)?;
        let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der()).map_err(trouble)?;
        Ok((IosKey { app_id: app_id.to_owned(), key_id, signer }, out.into_writer()))
    }

    /// A key of the Android Keystore that exists already in this simulation, with the chain that describes it: leaf, intermediate.
    pub fn android(&self, key: &PrivateKey, phone: &Android<'_>) -> Result<Vec<Vec<u8>>, Trouble> {
        let pair = KeyPair::try_from(key.to_pkcs8()).map_err(trouble)?;
        let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 1, 17], phone.description());
        Ok(vec![self.leaf(&pair, extension)?, self.middle_der.clone()])
    }
}

/// A key of App Attest, which is not the installation's own key.
pub struct IosKey {
    pub app_id: String,
    pub key_id: [u8; 32],
    signer: EcdsaKeyPair,
}

impl IosKey {
    /// `generateAssertion`.
    pub fn assertion(&self, client_data_hash: &[u8], counter: u32) -> Result<Vec<u8>, Trouble> {
        let data = [&sha256(self.app_id.as_bytes())[..], &[0x40], &counter.to_be_bytes()].concat();
        let nonce = sha256(&[data.as_slice(), client_data_hash].concat());
        let signature = self.signer.sign(&SystemRandom::new(), &nonce).map_err(trouble)?;
        let mut out = Encoder::new(Vec::new());
        (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            out.map(2)?.str("signature")?.bytes(signature.as_ref())?.str("authenticatorData")?.bytes(&data)?;
            Ok(())
        })()
        .map_err(trouble)?;
        Ok(out.into_writer())
    }
}

/// What an Android phone says of itself and of the app that made the key.
#[derive(Clone, Copy)]
pub struct Android<'a> {
    pub challenge: &'a [u8],
    pub package: &'a str,
    pub signing_digest: [u8; 32],
    /// 0 software, 1 trusted environment, 2 StrongBox.
    pub level: u8,
    pub locked: bool,
    /// `YYYYMM`.
    pub patch: u32,
}

fn tlv(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head: Vec<u8> = match length {
        0..=0x7f => vec![length as u8],
        0x80..=0xff => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [tag, &head, content].concat()
}

fn integer(value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|it| *it != 0).unwrap_or(3);
    let padded = if bytes[start] >= 0x80 { [&[0][..], &bytes[start..]].concat() } else { bytes[start..].to_vec() };
    tlv(&[2], &padded)
}

/// An explicit context tag.
fn tagged(number: u32, content: &[u8]) -> Vec<u8> {
    match number {
        0..=30 => tlv(&[0xa0 | number as u8], content),
        _ => tlv(&[0xbf, 0x80 | (number >> 7) as u8, (number & 0x7f) as u8], content),
    }
}

impl Android<'_> {
    /// KeyDescription of version 300.
    fn description(&self) -> Vec<u8> {
        let package = tlv(&[0x30], &[tlv(&[4], self.package.as_bytes()), integer(1)].concat());
        let app = tlv(&[0x30], &[tlv(&[0x31], &package), tlv(&[0x31], &tlv(&[4], &self.signing_digest))].concat());
        let boot = [tlv(&[4], &[9; 32]), tlv(&[1], &[if self.locked { 0xff } else { 0 }]), tlv(&[10], &[if self.locked { 0 } else { 2 }])]
            .concat();
        let hardware = [
            tagged(1, &tlv(&[0x31], &integer(2))),
            tagged(702, &integer(0)),
            tagged(704, &tlv(&[0x30], &boot)),
            tagged(705, &integer(160_000)),
            tagged(706, &integer(self.patch)),
        ];
        let fields = [
            integer(300),
            tlv(&[10], &[self.level]),
            integer(300),
            tlv(&[10], &[self.level]),
            tlv(&[4], self.challenge),
            tlv(&[4], &[]),
            tlv(&[0x30], &tagged(709, &tlv(&[4], &app))),
            tlv(&[0x30], &hardware.concat()),
        ];
        tlv(&[0x30], &fields.concat())
    }
}
