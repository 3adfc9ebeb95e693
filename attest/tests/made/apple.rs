//! App Attest evidence of our own making, under a root of its own, with whatever lie is asked for.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use data_encoding::{BASE64_NOPAD, HEXLOWER};
use minicbor::Encoder;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use symbolon_attest::Unreadable;
use symbolon_attest::app_attest::{Build, Expected, attestation};
use symbolon_oauth::digest::sha256;

/// A device of our own making, under a root of its own.
pub struct Device {
    pub root: Vec<u8>,
    pub point: Vec<u8>,
    pub signer: EcdsaKeyPair,
    pub lie: Lie,
    /// Leaf, intermediate and root in DER.
    pub chain: Vec<Vec<u8>>,
    /// Authenticator data.
    pub data: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Default)]
pub struct Lie {
    pub counter: u32,
    pub development: bool,
    pub app: bool,
    pub no_flag: bool,
    /// How often the nonce stands in leaf and intermediate; absent: once, in the leaf.
    pub nonces: Option<[usize; 2]>,
    /// Bytes behind the authenticator data, which the nonce is about as well.
    pub behind: &'static [u8],
    pub other_credential: bool,
    pub extra: bool,
    pub category: Option<u32>,
    /// 1.2.840.113635.100.8.6, between the tags around it.
    pub access: Option<&'static str>,
    pub machine: Machine,
}

/// What the app is listed for.
#[derive(Clone, Copy, PartialEq, Default)]
pub enum Machine {
    #[default]
    Phone,
    Mac,
    Both,
}

/// As an iPhone with iOS 26 says it.
pub const PHONE: &str = "30430c023131303d300a0c036f6b64a1030101ff30090c026f61a1030101ff300b0c046f73676ea1030101ff300b0c046f64656ca1030101ff300a0c036f636ba1030101ff";
/// As Apple's guide says that a Mac with System Integrity Protection and Full Security says it.
pub const MAC: &str = "MEAMAjExMDowCQwCb2uhAwEB/zAJDAJvYaEDAQH/MAsMBG9kZWyhAwEB/zAVDARvc2duoAYMBHJzZWMwBaYDAgEB";

pub fn access(text: &str) -> Vec<u8> {
    let value = match text {
        PHONE => HEXLOWER.decode(PHONE.as_bytes()).unwrap(),
        other => BASE64_NOPAD.decode(other.as_bytes()).unwrap(),
    };
    let length = value.len() as u8;
    [&[0x30, length + 4, 0xa3, length + 2, 0x04, length][..], &value].concat()
}

pub const APP: &str = "ABCDE12345.com.example.shop";
pub const NOW: i64 = 1_700_000_000;

impl Device {
    /// The attestation object for this client data hash.
    pub fn attest(hash: &[u8], lie: Lie) -> (Self, Vec<u8>) {
        let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
        let point = keys[2].public_key_raw().to_vec();
        let data = authenticator_data(&point, lie);
        let nonce = sha256(&[data.as_slice(), hash].concat());
        let extension = || {
            let value = [[0x30, 0x24, 0xa1, 0x22, 0x04, 0x20].as_slice(), &nonce].concat();
            CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 8, 2], value)
        };
        let params = |name: &str, ca: bool| {
            let mut certificate = CertificateParams::default();
            certificate.distinguished_name.push(DnType::CommonName, name);
            if ca {
                certificate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            certificate
        };
        let root = params("root", true).self_signed(&keys[0]).unwrap();
        let mut middle = params("middle", true);
        let mut leaf = params("leaf", false);
        for (place, times) in [&mut leaf, &mut middle].into_iter().zip(lie.nonces.unwrap_or([1, 0])) {
            place.custom_extensions.extend((0..times).map(|_| extension()));
        }
        if let Some(allowed) = lie.access {
            leaf.custom_extensions.push(CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 8, 6], access(allowed)));
        }
        let middle = middle.signed_by(&keys[1], &Issuer::new(params("root", true), &keys[0])).unwrap();
        let leaf = leaf.signed_by(&keys[2], &Issuer::new(params("middle", true), &keys[1])).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(root.der()).unwrap();
        let spki = parsed.public_key().raw.to_vec();
        let pkcs8 = keys[2].serialize_der();
        let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).unwrap();
        let object = object(&[leaf.der(), middle.der()], &data);
        let chain = [&leaf, &middle, &root].map(|it| it.der().to_vec()).to_vec();
        (Self { root: spki, point, signer, lie, chain, data }, object)
    }

    pub fn judged(&self, object: &[u8], hash: &[u8]) -> Vec<&'static str> {
        self.read(object, hash).unwrap()
    }

    /// The rules it breaks, where it can be read.
    pub fn read(&self, object: &[u8], hash: &[u8]) -> Result<Vec<&'static str>, Unreadable> {
        let key_id = sha256(&self.point);
        let expected = Expected {
            app_ids: if self.lie.machine == Machine::Mac { &["OTHER.app"] } else { &["OTHER.app", APP] },
            mac_app_ids: if self.lie.machine == Machine::Phone { &[] } else { &[APP] },
            client_data_hash: hash,
            key_id: &key_id,
            builds: &[Build::Unsaid, Build::AppStore],
            roots: &[&self.root],
            now_s: NOW,
        };
        Ok(attestation(object, &expected)?.failed.into_iter().map(|it| it.name).collect())
    }

    pub fn assert(&self, hash: &[u8], counter: u32) -> Vec<u8> {
        self.assert_with(hash, counter, b"")
    }

    /// The same with these bytes behind the authenticator data, which are signed as well.
    pub fn assert_with(&self, hash: &[u8], counter: u32, behind: &[u8]) -> Vec<u8> {
        let data = [&sha256(APP.as_bytes())[..], &[0x40], &counter.to_be_bytes(), behind].concat();
        let nonce = sha256(&[data.as_slice(), hash].concat());
        let signature = self.signer.sign(&SystemRandom::new(), &nonce).unwrap();
        let mut out = Encoder::new(Vec::new());
        out.map(2).unwrap().str("signature").unwrap().bytes(signature.as_ref()).unwrap();
        out.str("authenticatorData").unwrap().bytes(&data).unwrap();
        out.into_writer()
    }
}

pub fn authenticator_data(point: &[u8], lie: Lie) -> Vec<u8> {
    let app = if lie.app { "EVIL.app" } else { APP };
    let aaguid: &[u8] = if lie.development { b"appattestdevelop" } else { b"appattest\0\0\0\0\0\0\0" };
    let id = if lie.other_credential { sha256(b"another") } else { sha256(point) };
    let mut key = Encoder::new(Vec::new());
    key.map(5).unwrap().i8(1).unwrap().i8(2).unwrap().i8(3).unwrap().i8(-7).unwrap().i8(-1).unwrap().i8(1).unwrap();
    key.i8(-2).unwrap().bytes(&point[1..33]).unwrap().i8(-3).unwrap().bytes(&point[33..]).unwrap();
    let mut tail = key.into_writer();
    if lie.extra {
        let mut map = Encoder::new(tail);
        map.map(1).unwrap().str("apple_bundle_version_01").unwrap().str("42").unwrap();
        tail = map.into_writer();
    }
    if let Some(category) = lie.category {
        let mut map = Encoder::new(tail);
        map.map(1).unwrap().str("apple_validation_category_01").unwrap().bytes(&category.to_le_bytes()).unwrap();
        tail = map.into_writer();
    }
    let flags = if lie.no_flag { 0 } else { 0x40 };
    [&sha256(app.as_bytes())[..], &[flags], &lie.counter.to_be_bytes(), aaguid, &[0, 32], &id, &tail, lie.behind].concat()
}

pub fn object(chain: &[&[u8]], data: &[u8]) -> Vec<u8> {
    object_with(chain, b"receipt", data)
}

pub fn object_with(chain: &[&[u8]], receipt: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    out.map(3).unwrap().str("fmt").unwrap().str("apple-appattest").unwrap().str("attStmt").unwrap().map(2).unwrap();
    out.str("x5c").unwrap().array(chain.len() as u64).unwrap();
    for one in chain {
        out.bytes(one).unwrap();
    }
    out.str("receipt").unwrap().bytes(receipt).unwrap().str("authData").unwrap().bytes(data).unwrap();
    out.into_writer()
}
