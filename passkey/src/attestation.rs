//! What a maker says of an authenticator. WebAuthn Level 3, 6.5.4, 7.1 steps 21 to 24, and 8: the formats `none`, `packed`, `tpm`,
//! `android-key`, `apple` and `fido-u2f`.
//!
//! `android-safetynet` is refused: its service is gone, and its statement is a token of that service's. So are statements with SHA-1.

mod android;
mod tpm;

use crate::authenticator_data::{AttestedCredential, AuthenticatorData};
use crate::cose::{EDDSA, ES256, ES384, ES512, PublicKey, RS256};
use crate::{Failed, Unreadable};
use minicbor::Decoder;
use symbolon_attest::cbor;
use symbolon_attest::der::Reader;
use symbolon_attest::x509::{Chain, Dates, MAX_CERTIFICATES, extension, verifies};
use symbolon_oauth::digest::{equal, sha256};
use x509_parser::prelude::*;

const MAX_BYTES: usize = 32 * 1024;
const SHAPE: Unreadable = Unreadable("the attestation object is not fmt, attStmt and authData in CBOR");
const STATEMENT: Unreadable = Unreadable("the attestation statement lacks a member, has one twice, or has one of another type");
/// 1.3.6.1.4.1.45724.1.1.4: the AAGUID, in a leaf of the formats packed and tpm.
const AAGUID_EXTENSION: &str = "1.3.6.1.4.1.45724.1.1.4";
/// 1.2.840.113635.100.8.2: the nonce, in a leaf of Apple's.
const APPLE_NONCE: &str = "1.2.840.113635.100.8.2";

/// Whose certificates are believed.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// SubjectPublicKeyInfo in DER.
    pub roots: &'a [&'a [u8]],
    /// Seconds since the epoch.
    pub now_s: i64,
}

/// On what an attestation rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On nothing: the AAGUID is a claim.
    None,
    /// On the credential's own key: a claim as well (388-W).
    Itself,
    /// On certificates. They count only where a chain was judged (`Trust`) and no rule failed.
    Certificates,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Attestation {
    pub format: String,
    pub kind: Kind,
    /// A chain to a trusted root was asked for and found.
    pub trusted: bool,
    /// The signature by which a maker vouches covers the AAGUID. Else the AAGUID is a claim, also where the statement is trusted (388-W).
    pub vouches_for_aaguid: bool,
}

/// The attestation object. WebAuthn Level 3, 6.5.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    format: &'a str,
    members: Members<'a>,
    pub authenticator_data: &'a [u8],
}

/// The members of all statements that are read. Unknown ones are skipped.
#[derive(Debug, Default)]
struct Members<'a> {
    count: u64,
    algorithm: Option<i64>,
    signature: Option<&'a [u8]>,
    certificates: Vec<&'a [u8]>,
    version: Option<&'a str>,
    certified: Option<&'a [u8]>,
    public_area: Option<&'a [u8]>,
}

impl<'a> Object<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the attestation object is larger than 32 KiB"));
        }
        let mut reader = Decoder::new(bytes);
        if reader.map().ok().flatten() != Some(3) {
            return Err(SHAPE);
        }
        let (mut format, mut members, mut authenticator_data) = (None, None, None);
        for _ in 0..3 {
            match reader.str().map_err(|_| SHAPE)? {
                "fmt" if format.is_none() => format = Some(reader.str().map_err(|_| SHAPE)?),
                "attStmt" if members.is_none() => members = Some(Members::read(&mut reader)?),
                "authData" if authenticator_data.is_none() => authenticator_data = Some(reader.bytes().map_err(|_| SHAPE)?),
                _ => return Err(SHAPE),
            }
        }
        if reader.position() != bytes.len() {
            return Err(SHAPE);
        }
        let (Some(format), Some(members), Some(authenticator_data)) = (format, members, authenticator_data) else { return Err(SHAPE) };
        Ok(Self { format, members, authenticator_data })
    }
}

impl<'a> Members<'a> {
    fn read(reader: &mut Decoder<'a>) -> Result<Self, Unreadable> {
        let count = reader.map().ok().flatten().filter(|count| *count <= cbor::MAX_MEMBERS).ok_or(STATEMENT)?;
        let mut found = Self { count, ..Self::default() };
        let mut seen = Vec::new();
        for _ in 0..count {
            let name = reader.str().map_err(|_| STATEMENT)?;
            if seen.contains(&name) {
                return Err(STATEMENT);
            }
            seen.push(name);
            match name {
                "alg" => found.algorithm = Some(reader.i64().map_err(|_| STATEMENT)?),
                "sig" => found.signature = Some(reader.bytes().map_err(|_| STATEMENT)?),
                "ver" => found.version = Some(reader.str().map_err(|_| STATEMENT)?),
                "certInfo" => found.certified = Some(reader.bytes().map_err(|_| STATEMENT)?),
                "pubArea" => found.public_area = Some(reader.bytes().map_err(|_| STATEMENT)?),
                "x5c" => {
                    let length = reader.array().ok().flatten().filter(|length| *length <= MAX_CERTIFICATES as u64).ok_or(STATEMENT)?;
                    for _ in 0..length {
                        found.certificates.push(reader.bytes().map_err(|_| STATEMENT)?);
                    }
                    if found.certificates.is_empty() {
                        return Err(STATEMENT);
                    }
                }
                _ => cbor::skip(reader)?,
            }
        }
        Ok(found)
    }
}

/// A statement with what it is about.
pub(crate) struct Statement<'a> {
    pub object: &'a Object<'a>,
    pub data: &'a AuthenticatorData<'a>,
    pub credential: &'a AttestedCredential<'a>,
    pub key: &'a PublicKey,
    pub client_data_hash: &'a [u8; 32],
}

impl Statement<'_> {
    /// What most formats sign.
    fn signed(&self) -> Vec<u8> {
        [self.object.authenticator_data, self.client_data_hash].concat()
    }

    fn algorithm(&self) -> Result<i64, Unreadable> {
        self.object.members.algorithm.ok_or(STATEMENT)
    }

    fn signature(&self) -> Result<&[u8], Unreadable> {
        self.object.members.signature.ok_or(STATEMENT)
    }
}

/// The rules of a format that were broken, each once.
struct Rules(Vec<Failed>);

impl Rules {
    fn rule(&mut self, holds: bool, detail: &str) {
        if !holds {
            self.0.push(Failed::new("attestation", detail));
        }
    }
}

/// Judges the statement by its format.
pub(crate) fn judge(statement: &Statement<'_>, trust: Option<Trust<'_>>) -> Result<(Attestation, Vec<Failed>), Unreadable> {
    let members = &statement.object.members;
    let mut rules = Rules(Vec::new());
    let kind = match statement.object.format {
        "none" => {
            rules.rule(members.count == 0, "a statement of the format none is not empty");
            Kind::None
        }
        "packed" if members.certificates.is_empty() => {
            judge_own(statement, &mut rules)?;
            Kind::Itself
        }
        "packed" | "tpm" | "android-key" | "apple" | "fido-u2f" if !members.certificates.is_empty() => {
            let chain = Chain::parse(&members.certificates)?;
            match statement.object.format {
                "packed" => judge_packed(statement, chain.leaf(), &mut rules)?,
                "tpm" => tpm::judge(statement, chain.leaf(), &mut rules)?,
                "android-key" => android::judge(statement, chain.leaf(), &mut rules)?,
                "apple" => judge_apple(statement, chain.leaf(), &mut rules),
                _ => judge_u2f(statement, chain.leaf(), &mut rules)?,
            }
            if let Some(trust) = trust {
                rules.0.extend(chain.judge(trust.roots, Dates::All(trust.now_s)));
                // The format tpm puts a critical name into its leaf, and Android's leaves mark what they like.
                if matches!(statement.object.format, "packed" | "fido-u2f") {
                    rules.0.extend(chain.judge_extensions());
                }
            }
            Kind::Certificates
        }
        _ => {
            rules.0.push(Failed::new("format", "the attestation is of a format that is not judged here"));
            Kind::None
        }
    };
    let trusted = kind == Kind::Certificates && trust.is_some() && rules.0.is_empty();
    // 8.6: what a statement of U2F signs has no authenticator data.
    let vouches_for_aaguid = kind == Kind::Certificates && statement.object.format != "fido-u2f";
    let format = statement.object.format.chars().take(32).collect();
    Ok((Attestation { format, kind, trusted, vouches_for_aaguid }, rules.0))
}

/// 8.2, without certificates: signed by the credential's own key.
fn judge_own(statement: &Statement<'_>, rules: &mut Rules) -> Result<(), Unreadable> {
    rules.rule(statement.algorithm()? == statement.key.algorithm(), "the statement's algorithm is not the credential's");
    let signed = statement.signed();
    rules.rule(statement.key.verify(&signed, statement.signature()?), "the statement is not signed by the credential's key");
    Ok(())
}

/// 8.2, with certificates.
fn judge_packed(statement: &Statement<'_>, leaf: &X509Certificate<'_>, rules: &mut Rules) -> Result<(), Unreadable> {
    let is_signed = signed_by_leaf(statement.algorithm()?, leaf, &statement.signed(), statement.signature()?);
    rules.rule(is_signed, "the statement is not signed by its certificate's key");
    rules.rule(leaf.version() == X509Version::V3, "the statement's certificate is not of version 3");
    let subject = leaf.subject();
    let common = subject.iter_common_name().next().is_some();
    let unit = subject.iter_organizational_unit().filter_map(|name| name.as_str().ok()).any(|name| name == "Authenticator Attestation");
    let named = subject.iter_country().next().is_some() && subject.iter_organization().next().is_some() && common;
    rules.rule(named && unit, "the subject of the statement's certificate is not an authenticator's");
    rules.rule(!is_ca(leaf), "the statement's certificate is a CA's");
    judge_aaguid(leaf, statement.credential, rules);
    Ok(())
}

/// 8.2.1, 8.3.1: a certificate that names a kind of authenticator names the credential's.
fn judge_aaguid(leaf: &X509Certificate<'_>, credential: &AttestedCredential<'_>, rules: &mut Rules) {
    if let Some(found) = leaf.extensions().iter().find(|one| one.oid.to_id_string() == AAGUID_EXTENSION) {
        let is_same = Reader::new(found.value).octets().is_ok_and(|aaguid| aaguid == credential.aaguid);
        rules.rule(is_same && !found.critical, "the certificate is of another kind of authenticator");
    }
}

/// 8.8: the digest of what would be signed stands in the leaf, whose key is the credential's.
fn judge_apple(statement: &Statement<'_>, leaf: &X509Certificate<'_>, rules: &mut Rules) {
    let nonce = extension(leaf, APPLE_NONCE).and_then(|value| {
        let mut sequence = Reader::new(value).sequence().ok()?;
        let tagged = sequence.value().ok().filter(|tagged| tagged.kind == 0xa0 && tagged.number == 1)?;
        Reader::new(tagged.content).octets().ok()
    });
    let is_about = nonce.is_some_and(|nonce| equal(nonce, &sha256(&statement.signed())));
    rules.rule(is_about, "the nonce in the certificate is of another ceremony");
    rules.rule(is_key_of(leaf, statement.key), "the certificate's key is not the credential's");
}

/// 8.6
fn judge_u2f(statement: &Statement<'_>, leaf: &X509Certificate<'_>, rules: &mut Rules) -> Result<(), Unreadable> {
    rules.rule(statement.object.members.certificates.len() == 1, "a statement of U2F has one certificate");
    let point = statement.key.point().filter(|_| statement.key.algorithm() == ES256).ok_or(STATEMENT)?;
    let parts = [&[0][..], statement.data.rp_id_hash, statement.client_data_hash, statement.credential.id, point];
    let is_signed = signed_by_leaf(ES256, leaf, &parts.concat(), statement.signature()?);
    rules.rule(is_signed, "the statement is not signed by its certificate's key");
    Ok(())
}

/// Only algorithms without SHA-1 are known.
fn signed_by_leaf(algorithm: i64, leaf: &X509Certificate<'_>, message: &[u8], signature: &[u8]) -> bool {
    let name = match algorithm {
        ES256 => "1.2.840.10045.4.3.2",
        ES384 => "1.2.840.10045.4.3.3",
        ES512 => "1.2.840.10045.4.3.4",
        RS256 => "1.2.840.113549.1.1.11",
        -258 => "1.2.840.113549.1.1.12",
        -259 => "1.2.840.113549.1.1.13",
        EDDSA => "1.3.101.112",
        _ => return false,
    };
    verifies(name, leaf.public_key().raw, message, signature)
}

fn is_ca(certificate: &X509Certificate<'_>) -> bool {
    // Two of them, or one that cannot be read, are not the same as none.
    certificate.basic_constraints().map_or(true, |found| found.is_some_and(|constraints| constraints.value.ca))
}

/// Is the certificate's key the credential's?
fn is_key_of(certificate: &X509Certificate<'_>, key: &PublicKey) -> bool {
    let spki = certificate.public_key();
    match key.point() {
        Some(point) => spki.subject_public_key.data.as_ref() == point,
        None => match (spki.parsed(), key.rsa()) {
            (Ok(x509_parser::public_key::PublicKey::RSA(found)), Some((modulus, exponent))) => {
                let bare = |bytes: &[u8]| bytes.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
                bare(found.modulus) == modulus && bare(found.exponent) == exponent
            }
            _ => false,
        },
    }
}
