//! App Attest. An attestation is Apple's statement that a key was made in a device's Secure Enclave for one app ("Validating apps that
//! connect to your server", "Attestation Object Validation Guide"). An assertion is signed by that key and says that the same app sent a request.
//!
//! The reader is our own and knows the forms of iOS 14 to 27. A WebAuthn parser fails on them: the flags of an assertion announce a credential
//! that does not follow, and iOS 27 appends a map that no flag announces. Receipts: [`crate::receipt`].

use crate::der::{CONSTRUCTED, CONTEXT, Reader};
use crate::x509::{Chain, Dates, carries, extension, verifies};
use crate::{Failed, MAX_BYTES, Unreadable, Verdict, cbor};
use minicbor::Decoder;
use minicbor::data::Type;
use symbolon_oauth::digest::{equal, sha256};
use x509_parser::prelude::*;

/// Subject public key of "Apple App Attestation Root CA" (P-384, valid 2020 to 2045), from
/// <https://www.apple.com/certificateauthority/Apple_App_Attestation_Root_CA.pem>.
pub const APPLE_ROOT: &[u8] = &ROOT_BYTES;

const ROOT_BYTES: [u8; 120] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62,
    0x00, 0x04, 0x45, 0x31, 0xe1, 0x98, 0xb5, 0xb4, 0xec, 0x04, 0xda, 0x15, 0x02, 0x04, 0x57, 0x04, 0xed, 0x4f, 0x87, 0x72, 0x72, 0xd7,
    0x61, 0x35, 0xb2, 0x61, 0x16, 0xcf, 0xc8, 0x8b, 0x61, 0x5d, 0x0a, 0x00, 0x07, 0x19, 0xba, 0x69, 0x85, 0x8d, 0xfe, 0x77, 0xca, 0xa3,
    0xb8, 0x39, 0xe0, 0x20, 0xdd, 0xd6, 0x56, 0x14, 0x14, 0x04, 0x70, 0x28, 0x31, 0xe4, 0x3f, 0x70, 0xb8, 0x8f, 0xd6, 0xc3, 0x94, 0xb6,
    0x08, 0xea, 0x2b, 0xd6, 0xae, 0x61, 0xe9, 0xf5, 0x98, 0xc1, 0x2f, 0x46, 0xaf, 0x52, 0x93, 0x72, 0x66, 0xe5, 0x7f, 0x14, 0xeb, 0x61,
    0xfe, 0xc5, 0x30, 0xf7, 0x14, 0x4f, 0x53, 0x81, 0x2e, 0x35,
];

/// 1.2.840.113635.100.8.2: the nonce, in the leaf.
const NONCE_EXTENSION: &str = "1.2.840.113635.100.8.2";
/// 1.2.840.113635.100.8.6: who may do what with the key, in newer leaves.
const ACCESS_EXTENSION: &str = "1.2.840.113635.100.8.6";
/// Its value on a Mac with System Integrity Protection and Full Security ("aclBlob" of Apple's guide), without the tags around it.
const PROTECTED_MAC: &[u8] = b"\x30\x40\x0c\x0211\x30\x3a\x30\x09\x0c\x02ok\xa1\x03\x01\x01\xff\x30\x09\x0c\x02oa\xa1\x03\x01\x01\xff\
    \x30\x0b\x0c\x04odel\xa1\x03\x01\x01\xff\x30\x15\x0c\x04osgn\xa0\x06\x0c\x04rsec\x30\x05\xa6\x03\x02\x01\x01";
const PRODUCTION: [u8; 16] = *b"appattest\0\0\0\0\0\0\0";
const DEVELOPMENT: [u8; 16] = *b"appattestdevelop";
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
/// SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point.
pub(crate) const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
    0x07, 0x03, 0x42, 0x00,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Production,
    /// Built by a developer; never acceptable where real users are.
    Development,
}

/// Who built the app. The environment of the key says it, and from iOS 27 on also the kind of the app's signature
/// (`apple_validation_category_01`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Made and signed by a developer; never acceptable where real users are.
    Development,
    AppStore,
    TestFlight,
    /// Signed for an organisation, or ad hoc.
    Enterprise,
    /// A Mac app from outside the store.
    DeveloperId,
    /// Part of the system; Apple's sample says so of itself.
    Platform,
    /// Of the production environment; a system before iOS 27 does not say which.
    Unsaid,
}

impl Build {
    /// `category`: the number in the evidence. `None`: no app of a customer's is of this kind.
    pub fn of(environment: Environment, category: Option<u32>) -> Option<Self> {
        match (environment, category) {
            (_, Some(0)) => None,
            (Environment::Development, _) | (_, Some(3)) => Some(Self::Development),
            (_, None) => Some(Self::Unsaid),
            (_, Some(1)) => Some(Self::Platform),
            (_, Some(2)) => Some(Self::TestFlight),
            (_, Some(4)) => Some(Self::AppStore),
            (_, Some(5)) => Some(Self::Enterprise),
            (_, Some(6)) => Some(Self::DeveloperId),
            (_, Some(_)) => None,
        }
    }
}

/// What an attestation should be about.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// `TEAMID.bundle.id` of apps on phones and tablets; any one of them.
    pub app_ids: &'a [&'a str],
    /// `TEAMID.signing-identifier` of apps on Macs. A Mac must also protect its system.
    pub mac_app_ids: &'a [&'a str],
    /// The hash the app passed to `attestKey`.
    pub client_data_hash: &'a [u8],
    /// The key's name as the app sent it, 32 bytes.
    pub key_id: &'a [u8],
    /// Any one of them.
    pub builds: &'a [Build],
    /// Trusted roots: SubjectPublicKeyInfo in DER.
    pub roots: &'a [&'a [u8]],
    /// Seconds since the epoch; Apple's certificates are valid for days.
    pub now_s: i64,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Which of the expected apps it is.
    pub app_id: Option<String>,
    pub environment: Option<Environment>,
    pub build: Option<Build>,
    /// The attested key: an uncompressed P-256 point, 65 bytes.
    pub public_key: Vec<u8>,
    pub counter: u32,
    /// For Apple's risk metric. It is judged in [`crate::receipt`], not here.
    pub receipt: Vec<u8>,
    /// `CFBundleVersion`, from iOS 27 on.
    pub bundle_version: Option<String>,
}

/// Judges an attestation object (CBOR, as `attestKey` gave it to the app).
pub fn attestation(bytes: &[u8], expected: &Expected<'_>) -> Result<Verdict<Facts>, Unreadable> {
    let object = Object::read(bytes)?;
    let data = AuthenticatorData::read(object.authenticator_data)?;
    let credential = data.credential.as_ref().ok_or(Unreadable("the authenticator data carry no credential"))?;
    let chain = Chain::parse(&object.certificates)?;
    let leaf = chain.leaf();
    let mut failed = chain.judge(expected.roots, Dates::All(expected.now_s));
    let mut rule = |holds: bool, name: &'static str, detail: &str| {
        if !holds {
            failed.push(Failed::new(name, detail));
        }
    };
    // The certificates are the leaf and Apple's intermediate; the root is ours.
    rule(object.certificates.len() == 2 || object.certificates.len() == 3, "chain_length", "the chain is not leaf and intermediate");
    rule(object.format == "apple-appattest", "format", "fmt is not apple-appattest");
    let nonce = sha256(&[object.authenticator_data, expected.client_data_hash].concat());
    let has_nonce = nonce_of(leaf).is_some_and(|it| equal(it, &nonce));
    rule(has_nonce, "nonce", "the nonce in the leaf is of another challenge, key or app");
    let above_leaf = chain.certificates.iter().skip(1).any(|it| carries(it, NONCE_EXTENSION));
    rule(!above_leaf, "nonce_place", "a certificate above the leaf has a nonce");
    let point = leaf.public_key().subject_public_key.data.to_vec();
    let spki = [P256_PREFIX.as_slice(), &point].concat();
    rule(point.len() == 65 && leaf.public_key().raw == spki, "key", "the attested key is not an uncompressed P-256 point");
    let key_id = sha256(&point);
    rule(equal(&key_id, expected.key_id), "key_id", "the key id is not the digest of the attested key");
    rule(equal(credential.id, &key_id), "credential_id", "the credential id is not the digest of the attested key");
    rule(credential.cose_point.as_deref() == Some(&point[..]), "credential_key", "the credential's key is not the attested key");
    let (phone, mac) = (app_of(data.rp_id_hash, expected.app_ids), app_of(data.rp_id_hash, expected.mac_app_ids));
    rule(phone.is_some() || mac.is_some(), "app", "the app is another one");
    let access = access_of(leaf);
    let machine = (phone.is_some() && !access.is_some_and(has_conditions)) || (mac.is_some() && access == Some(PROTECTED_MAC));
    let detail = "the app is not listed for Macs, or the Mac does not protect its system";
    rule(machine || (phone.is_none() && mac.is_none()), "machine", detail);
    let app_id = phone.or(mac);
    rule(data.counter == 0, "counter", "the counter of a new key is not zero");
    let environment = environment_of(credential.aaguid);
    let build = environment.and_then(|it| Build::of(it, data.category));
    rule(build.is_some_and(|it| expected.builds.contains(&it)), "build", "this kind of build is not accepted");
    rule(data.flags & 0x40 != 0, "flags", "the flags announce no credential");
    let facts = Facts {
        app_id,
        environment,
        build,
        public_key: point,
        counter: data.counter,
        receipt: object.receipt.to_vec(),
        bundle_version: data.bundle_version,
    };
    Ok(Verdict { facts, failed })
}

/// What an assertion should be about.
#[derive(Clone, Copy)]
pub struct ExpectedAssertion<'a> {
    /// The app that the key was attested for, of phones or of Macs.
    pub app_ids: &'a [&'a str],
    /// The hash the app passed to `generateAssertion`.
    pub client_data_hash: &'a [u8],
    /// The key that was attested: 65 bytes.
    pub public_key: &'a [u8],
    /// The counter of the last assertion that was accepted; zero at first.
    pub counter_above: u32,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AssertionFacts {
    pub app_id: Option<String>,
    /// Keep it: the counter of the next assertion must be higher.
    pub counter: u32,
    /// `CFBundleVersion`, from iOS 27 on.
    pub bundle_version: Option<String>,
    /// For [`Build::of`], with the environment of the attestation.
    pub category: Option<u32>,
}

/// Judges an assertion (CBOR, as `generateAssertion` gave it to the app).
pub fn assertion(bytes: &[u8], expected: &ExpectedAssertion<'_>) -> Result<Verdict<AssertionFacts>, Unreadable> {
    let (signature, authenticator_data) = read_assertion(bytes)?;
    let data = AuthenticatorData::read_short(authenticator_data)?;
    let mut failed = Vec::new();
    let mut rule = |holds: bool, name: &'static str, detail: &str| {
        if !holds {
            failed.push(Failed::new(name, detail));
        }
    };
    let nonce = sha256(&[authenticator_data, expected.client_data_hash].concat());
    let key = [P256_PREFIX.as_slice(), expected.public_key].concat();
    rule(verifies(ECDSA_SHA256, &key, &nonce, signature), "signature", "the signature is by another key or over other data");
    let app_id = app_of(data.rp_id_hash, expected.app_ids);
    rule(app_id.is_some(), "app", "the app is another one");
    rule(data.counter > expected.counter_above, "counter", "the counter is not higher than the last one");
    let facts = AssertionFacts { app_id, counter: data.counter, bundle_version: data.bundle_version, category: data.category };
    Ok(Verdict { facts, failed })
}

fn app_of(rp_id_hash: &[u8], app_ids: &[&str]) -> Option<String> {
    let app_id = app_ids.iter().find(|it| equal(&sha256(it.as_bytes()), rp_id_hash))?;
    Some((*app_id).to_owned())
}

fn environment_of(aaguid: &[u8]) -> Option<Environment> {
    match <[u8; 16]>::try_from(aaguid).ok()? {
        PRODUCTION => Some(Environment::Production),
        DEVELOPMENT => Some(Environment::Development),
        _ => None,
    }
}

/// SEQUENCE { [1] EXPLICIT OCTET STRING of 32 bytes }, and nothing else.
fn nonce_of<'a>(leaf: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    let (head, nonce) = extension(leaf, NONCE_EXTENSION)?.split_at_checked(6)?;
    (head == [0x30, 0x24, 0xa1, 0x22, 0x04, 0x20] && nonce.len() == 32).then_some(nonce)
}

/// SEQUENCE { [3] EXPLICIT OCTET STRING }: who may do what with the key. `None`: the leaf does not say, or says it in an unknown form. Apple
/// documents the value of Macs alone.
fn access_of<'a>(leaf: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    let mut reader = Reader::new(extension(leaf, ACCESS_EXTENSION)?).sequence().ok()?;
    let value = reader.value().ok().filter(|it| (it.kind, it.number) == (CONTEXT | CONSTRUCTED, 3))?;
    Reader::new(value.content).octets().ok()
}

/// Has the access conditions (`[0]`), as that of Macs has on the mode of the system? Keys of phones have none.
fn has_conditions(access: &[u8]) -> bool {
    let read = || {
        let mut outer = Reader::new(access).sequence()?;
        outer.value()?;
        let mut entries = outer.sequence()?;
        let mut found = false;
        while !entries.is_empty() {
            let mut entry = entries.sequence()?;
            entry.value()?;
            let value = entry.value()?;
            found |= (value.kind, value.number) == (CONTEXT | CONSTRUCTED, 0);
        }
        Ok::<_, Unreadable>(found)
    };
    read().unwrap_or(false)
}

struct Object<'a> {
    format: &'a str,
    certificates: Vec<&'a [u8]>,
    receipt: &'a [u8],
    authenticator_data: &'a [u8],
}

const SHAPE: Unreadable = Unreadable("the CBOR is not of the shape Apple documents");
/// The largest assertion, in bytes.
const MAX_ASSERTION: usize = 4096;
/// The most certificates of a statement.
const MAX_CHAIN: u64 = 5;

/// A definite length.
fn length(read: Result<Option<u64>, minicbor::decode::Error>) -> Result<u64, Unreadable> {
    read.ok().flatten().ok_or(SHAPE)
}

impl<'a> Object<'a> {
    /// Definite lengths, the documented members, each once, nothing behind (247-N).
    fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the attestation is larger than 64 KiB"));
        }
        let mut reader = Decoder::new(bytes);
        let (mut format, mut statement, mut data) = (None, None, None);
        read_members(&mut reader, |reader, name| {
            match name {
                "fmt" => format = Some(reader.str().map_err(|_| SHAPE)?),
                "attStmt" => statement = Some(Self::read_statement(reader)?),
                "authData" => data = Some(reader.bytes().map_err(|_| SHAPE)?),
                _ => cbor::skip(reader)?,
            }
            Ok(())
        })?;
        if reader.position() != bytes.len() {
            return Err(Unreadable("there are bytes behind the attestation"));
        }
        let (certificates, receipt) = statement.ok_or(SHAPE)?;
        Ok(Self { format: format.ok_or(SHAPE)?, certificates, receipt, authenticator_data: data.ok_or(SHAPE)? })
    }

    fn read_statement(reader: &mut Decoder<'a>) -> Result<(Vec<&'a [u8]>, &'a [u8]), Unreadable> {
        let (mut certificates, mut receipt) = (None, None);
        read_members(reader, |reader, name| {
            match name {
                "x5c" => certificates = Some(Self::read_certificates(reader)?),
                "receipt" => receipt = Some(reader.bytes().map_err(|_| SHAPE)?),
                _ => cbor::skip(reader)?,
            }
            Ok(())
        })?;
        Ok((certificates.ok_or(SHAPE)?, receipt.ok_or(SHAPE)?))
    }

    fn read_certificates(reader: &mut Decoder<'a>) -> Result<Vec<&'a [u8]>, Unreadable> {
        let count = length(reader.array())?;
        if !(1..=MAX_CHAIN).contains(&count) {
            return Err(SHAPE);
        }
        (0..count).map(|_| reader.bytes()).collect::<Result<_, _>>().map_err(|_| SHAPE)
    }
}

/// The members of a map, each once. `read` skips those of a later system: they decide nothing.
fn read_members<'a>(
    reader: &mut Decoder<'a>,
    mut read: impl FnMut(&mut Decoder<'a>, &'a str) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut seen = Vec::new();
    for _ in 0..at_most(length(reader.map())?, cbor::MAX_MEMBERS)? {
        let name = reader.str().map_err(|_| SHAPE)?;
        if seen.contains(&name) {
            return Err(SHAPE);
        }
        seen.push(name);
        read(reader, name)?;
    }
    Ok(())
}

fn at_most(count: u64, most: u64) -> Result<u64, Unreadable> {
    if count <= most { Ok(count) } else { Err(SHAPE) }
}

fn only(count: u64, wanted: u64) -> Result<u64, Unreadable> {
    if count == wanted { Ok(count) } else { Err(SHAPE) }
}

fn read_assertion(bytes: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    if bytes.len() > MAX_ASSERTION {
        return Err(Unreadable("the assertion is larger than 4 KiB"));
    }
    let mut reader = Decoder::new(bytes);
    let (mut signature, mut data) = (None, None);
    read_members(&mut reader, |reader, name| {
        match name {
            "signature" => signature = Some(reader.bytes().map_err(|_| SHAPE)?),
            "authenticatorData" => data = Some(reader.bytes().map_err(|_| SHAPE)?),
            _ => cbor::skip(reader)?,
        }
        Ok(())
    })?;
    if reader.position() != bytes.len() {
        return Err(Unreadable("there are bytes behind the assertion"));
    }
    Ok((signature.ok_or(SHAPE)?, data.ok_or(SHAPE)?))
}

struct Credential<'a> {
    aaguid: &'a [u8],
    id: &'a [u8],
    /// The COSE key as an uncompressed point.
    cose_point: Option<Vec<u8>>,
}

struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8],
    flags: u8,
    counter: u32,
    credential: Option<Credential<'a>>,
    bundle_version: Option<String>,
    category: Option<u32>,
}

const VERSION: &str = "apple_bundle_version_01";
const CATEGORY: &str = "apple_validation_category_01";
const CUT: Unreadable = Unreadable("the authenticator data are cut off or too long");

impl<'a> AuthenticatorData<'a> {
    fn read_head(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Unreadable> {
        let (rp_id_hash, rest) = bytes.split_at_checked(32).ok_or(CUT)?;
        let (flags, rest) = rest.split_first().ok_or(CUT)?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
        let counter = u32::from_be_bytes(*counter);
        Ok((Self { rp_id_hash, flags: *flags, counter, credential: None, bundle_version: None, category: None }, rest))
    }

    /// Of an assertion: 37 bytes, whatever the flags say. iOS 27 may append its map.
    fn read_short(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let (mut data, rest) = Self::read_head(bytes)?;
        data.read_extensions(rest)?;
        Ok(data)
    }

    /// Of an attestation: with the credential.
    fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let (mut data, rest) = Self::read_head(bytes)?;
        let (aaguid, rest) = rest.split_at_checked(16).ok_or(CUT)?;
        let (size, rest) = rest.split_first_chunk::<2>().ok_or(CUT)?;
        let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*size))).ok_or(CUT)?;
        let mut reader = Decoder::new(rest);
        let cose_point = cose_point(&mut reader)?;
        let after = rest.get(reader.position()..).ok_or(CUT)?;
        data.credential = Some(Credential { aaguid, id, cose_point });
        data.read_extensions(after)?;
        Ok(data)
    }

    /// At most one map with text keys, flagged or not (iOS 27). Unknown extensions are skipped: the nonce or the signature covers them.
    fn read_extensions(&mut self, rest: &'a [u8]) -> Result<(), Unreadable> {
        if rest.is_empty() {
            return Ok(());
        }
        let mut reader = Decoder::new(rest);
        let count = length(reader.map()).map_err(|_| CUT)?;
        if count > cbor::MAX_MEMBERS {
            return Err(CUT);
        }
        let mut seen = Vec::new();
        for _ in 0..count {
            let name = reader.str().map_err(|_| CUT)?;
            if seen.contains(&name) {
                return Err(CUT);
            }
            seen.push(name);
            match (name, reader.datatype().map_err(|_| CUT)?) {
                (VERSION, Type::String) => self.bundle_version = Some(reader.str().map_err(|_| CUT)?.to_owned()),
                (CATEGORY, Type::Bytes) => {
                    let value = reader.bytes().map_err(|_| CUT)?;
                    self.category = Some(u32::from_le_bytes(value.try_into().map_err(|_| CUT)?));
                }
                // Apple's text calls it a number, and Apple's sample has bytes.
                (CATEGORY, Type::U8 | Type::U16 | Type::U32) => self.category = Some(reader.u32().map_err(|_| CUT)?),
                (VERSION | CATEGORY, _) => return Err(CUT),
                _ => cbor::skip(&mut reader)?,
            }
        }
        if reader.position() == rest.len() { Ok(()) } else { Err(CUT) }
    }
}

/// The point of a COSE_Key (RFC 9053 7.1.1): kty EC2, alg ES256, P-256 and two coordinates, each once, in any order.
fn cose_point(reader: &mut Decoder<'_>) -> Result<Option<Vec<u8>>, Unreadable> {
    let (mut kty, mut alg, mut curve, mut x, mut y) = (None, None, None, None, None);
    for _ in 0..only(length(reader.map())?, 5)? {
        let member = reader.i8().map_err(|_| SHAPE)?;
        match member {
            1 if kty.is_none() => kty = Some(reader.i8().map_err(|_| SHAPE)?),
            3 if alg.is_none() => alg = Some(reader.i8().map_err(|_| SHAPE)?),
            -1 if curve.is_none() => curve = Some(reader.i8().map_err(|_| SHAPE)?),
            -2 if x.is_none() => x = Some(reader.bytes().map_err(|_| SHAPE)?),
            -3 if y.is_none() => y = Some(reader.bytes().map_err(|_| SHAPE)?),
            _ => return Err(SHAPE),
        }
    }
    let (Some(2), Some(-7), Some(1), Some(x), Some(y)) = (kty, alg, curve, x, y) else { return Ok(None) };
    Ok((x.len() == 32 && y.len() == 32).then(|| [&[4], x, y].concat()))
}
