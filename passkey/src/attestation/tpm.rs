//! The format `tpm`. WebAuthn Level 3, 8.3; the structures are of "Trusted Platform Module Library, Part 2: Structures".

use super::{Rules, STATEMENT, Statement, is_ca, judge_aaguid, signed_by_leaf};
use crate::Unreadable;
use crate::cose::{ES256, ES384, ES512, PublicKey, RS256};
use aws_lc_rs::digest::{self as hash, Algorithm};
use symbolon_oauth::digest::equal;
use x509_parser::prelude::*;

const SHAPE: Unreadable = Unreadable("certInfo or pubArea is not of the TPM's shape");
/// TPM_GENERATED_VALUE and TPM_ST_ATTEST_CERTIFY.
const GENERATED: u32 = 0xff54_4347;
const CERTIFY: u16 = 0x8017;
const RSA: u16 = 0x0001;
const ECC: u16 = 0x0023;
/// TPM_ALG_NULL.
const NONE: u16 = 0x0010;
/// 2.23.133.8.3: tcg-kp-AIKCertificate.
const AIK: &str = "2.23.133.8.3";
const ALTERNATIVE_NAME: &str = "2.5.29.17";

pub(super) fn judge(statement: &Statement<'_>, leaf: &X509Certificate<'_>, rules: &mut Rules) -> Result<(), Unreadable> {
    let members = &statement.object.members;
    let (certified, public_area) = (members.certified.ok_or(STATEMENT)?, members.public_area.ok_or(STATEMENT)?);
    let algorithm = statement.algorithm()?;
    rules.rule(members.version == Some("2.0"), "the TPM is not of version 2.0");
    let is_signed = signed_by_leaf(algorithm, leaf, certified, statement.signature()?);
    rules.rule(is_signed, "the statement is not signed by its certificate's key");
    let area = PublicArea::read(public_area)?;
    rules.rule(area.is_key(statement.key), "the TPM's key is not the credential's");
    let found = Certified::read(certified)?;
    let is_about = hash_of(algorithm).is_some_and(|with| equal(found.extra_data, hash::digest(with, &statement.signed()).as_ref()));
    rules.rule(is_about, "the TPM certified a key for another ceremony");
    let name = named_hash(area.name_algorithm)
        .map(|with| [&area.name_algorithm.to_be_bytes()[..], hash::digest(with, public_area).as_ref()].concat());
    rules.rule(name.is_some_and(|name| equal(found.name, &name)), "the TPM certified another key");
    rules.rule(leaf.version() == X509Version::V3 && !is_ca(leaf), "the certificate is not of version 3, or a CA's");
    rules.rule(leaf.subject().iter().next().is_none(), "the subject of the certificate is not empty");
    let has_name = leaf.extensions().iter().any(|one| one.oid.to_id_string() == ALTERNATIVE_NAME && !one.value.is_empty());
    rules.rule(has_name, "the certificate does not name its TPM");
    let usage = leaf.extended_key_usage().ok().flatten();
    let is_for_attestation = usage.is_some_and(|usage| usage.value.other.iter().any(|one| one.to_id_string() == AIK));
    rules.rule(is_for_attestation, "the certificate is not for attestation");
    judge_aaguid(leaf, statement.credential, rules);
    Ok(())
}

/// The digest of a signature's algorithm. None with SHA-1.
fn hash_of(algorithm: i64) -> Option<&'static Algorithm> {
    match algorithm {
        ES256 | RS256 => Some(&hash::SHA256),
        ES384 | -258 => Some(&hash::SHA384),
        ES512 | -259 => Some(&hash::SHA512),
        _ => None,
    }
}

/// TPM_ALG_ID of a digest. None with SHA-1.
fn named_hash(id: u16) -> Option<&'static Algorithm> {
    match id {
        0x000b => Some(&hash::SHA256),
        0x000c => Some(&hash::SHA384),
        0x000d => Some(&hash::SHA512),
        _ => None,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SHAPE)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Unreadable> {
        let (taken, rest) = self.0.split_first_chunk::<2>().ok_or(SHAPE)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*taken))
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        let (taken, rest) = self.0.split_first_chunk::<4>().ok_or(SHAPE)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*taken))
    }

    /// A TPM2B: its length, then its bytes.
    fn sized(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    fn end(&self) -> Result<(), Unreadable> {
        if self.0.is_empty() { Ok(()) } else { Err(SHAPE) }
    }
}

/// TPMS_ATTEST of a certified key (Part 2, 10.12.12).
struct Certified<'a> {
    extra_data: &'a [u8],
    name: &'a [u8],
}

impl<'a> Certified<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader(bytes);
        if reader.u32()? != GENERATED || reader.u16()? != CERTIFY {
            return Err(SHAPE);
        }
        reader.sized()?;
        let extra_data = reader.sized()?;
        // Clock and firmware.
        reader.take(17 + 8)?;
        let name = reader.sized()?;
        reader.sized()?;
        reader.end()?;
        Ok(Self { extra_data, name })
    }
}

/// TPMT_PUBLIC (Part 2, 12.2.4).
struct PublicArea<'a> {
    name_algorithm: u16,
    unique: Unique<'a>,
}

enum Unique<'a> {
    Rsa { modulus: &'a [u8], exponent: u32 },
    Ecc { curve: u16, x: &'a [u8], y: &'a [u8] },
}

impl<'a> PublicArea<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader(bytes);
        let (kind, name_algorithm) = (reader.u16()?, reader.u16()?);
        reader.take(4)?;
        reader.sized()?;
        // A key that signs encrypts nothing.
        if reader.u16()? != NONE {
            return Err(SHAPE);
        }
        if reader.u16()? != NONE {
            // The scheme's digest.
            reader.u16()?;
        }
        let unique = match kind {
            RSA => {
                reader.u16()?;
                let exponent = reader.u32()?;
                Unique::Rsa { modulus: reader.sized()?, exponent: if exponent == 0 { 65537 } else { exponent } }
            }
            ECC => {
                let curve = reader.u16()?;
                if reader.u16()? != NONE {
                    reader.u16()?;
                }
                Unique::Ecc { curve, x: reader.sized()?, y: reader.sized()? }
            }
            _ => return Err(SHAPE),
        };
        reader.end()?;
        Ok(Self { name_algorithm, unique })
    }

    fn is_key(&self, key: &PublicKey) -> bool {
        match (&self.unique, key.point(), key.rsa()) {
            (Unique::Rsa { modulus, exponent }, None, Some((wanted, wanted_exponent))) => {
                let exponent = exponent.to_be_bytes();
                let bare: Vec<u8> = exponent.iter().skip_while(|byte| **byte == 0).copied().collect();
                *modulus == wanted && bare == wanted_exponent
            }
            (Unique::Ecc { curve, x, y }, Some(point), None) => {
                let (algorithm, length) = match curve {
                    3 => (ES256, 32),
                    4 => (ES384, 48),
                    5 => (ES512, 66),
                    _ => return false,
                };
                let padded = |bytes: &[u8]| (bytes.len() <= length).then(|| [&vec![0; length - bytes.len()][..], bytes].concat());
                let (Some(x), Some(y)) = (padded(x), padded(y)) else { return false };
                key.algorithm() == algorithm && point == [&[4][..], &x, &y].concat()
            }
            _ => false,
        }
    }
}
