//! Signed data of the Cryptographic Message Syntax (RFC 5652 5), as far as Apple's receipts use it: one signer, ECDSA with
//! SHA-256, the content inside. Apple writes indefinite lengths (BER) and contents in segments, so both are read. Whatever is signed or
//! decides something is DER.
//!
//! Signed attributes are refused: a signature over attributes can be shown as one over a content of the same bytes, and the other way round.
//! Apple wrote attributes in 2020 and signed the content alone, against RFC 5652.

use crate::der::{CONSTRUCTED, CONTEXT, Reader, UNIVERSAL, Value};
use crate::x509::{Chain, Dates, MAX_CERTIFICATES, verifies};
use crate::{Failed, MAX_BYTES, Unreadable};
use x509_parser::prelude::*;

const SHAPE: Unreadable = Unreadable("the bytes are not CMS signed data (RFC 5652) with one signer and its content");
const ALGORITHM: Unreadable = Unreadable("the signature is not ECDSA with SHA-256");
/// ContentInfo, its [0], SignedData, EncapsulatedContentInfo, its [0], the octets: no more are written with indefinite lengths.
const DEPTH: u8 = 6;
/// The most segments of a content. Apple's have at most a thousand octets each.
const MAX_SEGMENTS: usize = 64;

/// 1.2.840.113549.1.7.2 and 1.2.840.113549.1.7.1 (RFC 5652 5.1, 4).
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// AlgorithmIdentifier of SHA-256, without and with NULL (RFC 5754 2).
const SHA_256: [&[u8]; 2] = [
    &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
    &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00],
];
/// AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5754 3.3: without parameters).
const ECDSA_WITH_SHA_256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_SHA_256: &str = "1.2.840.10045.4.3.2";

/// SignedData (RFC 5652 5.1) with its one SignerInfo (5.3).
#[derive(Debug, Clone)]
pub struct Signed<'a> {
    /// What was signed.
    pub content: Vec<u8>,
    /// In DER, in the order in which they came.
    pub certificates: Vec<&'a [u8]>,
    /// Name and serial by which the signer's certificate is known.
    issuer: &'a [u8],
    serial: &'a [u8],
    signature: &'a [u8],
}

/// A value whose length may be indefinite.
fn ber<'a>(reader: &mut Reader<'a>, kind: u8, number: u32) -> Result<&'a [u8], Unreadable> {
    let value = reader.value_of_ber(DEPTH).map_err(|_| SHAPE)?;
    if (value.kind, value.number) == (kind, number) { Ok(value.content) } else { Err(SHAPE) }
}

fn end(reader: &Reader<'_>) -> Result<(), Unreadable> {
    reader.end().map_err(|_| SHAPE)
}

/// A value in DER.
fn der<'a>(reader: &mut Reader<'a>, kind: u8, number: u32) -> Result<&'a [u8], Unreadable> {
    let value = reader.value().map_err(|_| SHAPE)?;
    if (value.kind, value.number) == (kind, number) { Ok(value.content) } else { Err(SHAPE) }
}

const SEQUENCE: (u8, u32) = (UNIVERSAL | CONSTRUCTED, 16);
const SET: (u8, u32) = (UNIVERSAL | CONSTRUCTED, 17);
const OBJECT: (u8, u32) = (UNIVERSAL, 6);
const OCTETS: (u8, u32) = (UNIVERSAL, 4);
const INTEGER: (u8, u32) = (UNIVERSAL, 2);

fn is(bytes: &[u8], wanted: &[u8]) -> Result<(), Unreadable> {
    if bytes == wanted { Ok(()) } else { Err(SHAPE) }
}

impl<'a> Signed<'a> {
    /// Reads ContentInfo (RFC 5652 3) of SignedData, version 1, with nothing behind it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the signed data are larger than 64 KiB"));
        }
        let mut outer = Reader::new(bytes);
        let mut info = Reader::new(ber(&mut outer, SEQUENCE.0, SEQUENCE.1)?);
        end(&outer)?;
        is(der(&mut info, OBJECT.0, OBJECT.1)?, SIGNED_DATA)?;
        let mut explicit = Reader::new(ber(&mut info, CONTEXT | CONSTRUCTED, 0)?);
        end(&info)?;
        let mut data = Reader::new(ber(&mut explicit, SEQUENCE.0, SEQUENCE.1)?);
        end(&explicit)?;
        is(der(&mut data, INTEGER.0, INTEGER.1)?, &[1])?;
        let mut digests = Reader::new(der(&mut data, SET.0, SET.1)?);
        algorithm(&mut digests, &SHA_256)?;
        end(&digests)?;
        let content = content(ber(&mut data, SEQUENCE.0, SEQUENCE.1)?)?;
        let certificates = certificates(ber(&mut data, CONTEXT | CONSTRUCTED, 0)?)?;
        // [1] would be revocation lists, which nobody sends.
        let mut signers = Reader::new(ber(&mut data, SET.0, SET.1)?);
        end(&data)?;
        let (issuer, serial, signature) = signer(&mut signers)?;
        end(&signers)?;
        Ok(Self { content, certificates, issuer, serial, signature })
    }

    /// The certificates from the signer's own upwards, by their names (RFC 5280 6.1), not yet judged. Empty: the signer's is missing.
    fn path(&self) -> Result<Vec<&'a [u8]>, Unreadable> {
        let mut rest = Vec::with_capacity(self.certificates.len());
        for der in &self.certificates {
            let (behind, certificate) = X509Certificate::from_der(der).map_err(|_| SHAPE)?;
            if !behind.is_empty() {
                return Err(SHAPE);
            }
            rest.push((*der, certificate));
        }
        let mut path = Vec::new();
        let signer = |it: &X509Certificate<'_>| it.issuer().as_raw() == self.issuer && it.raw_serial() == self.serial;
        let mut next = rest.iter().position(|(_, it)| signer(it));
        while let Some(at) = next {
            let (der, certificate) = rest.remove(at);
            path.push(der);
            let issuer = certificate.issuer().as_raw();
            next = rest.iter().position(|(_, it)| it.subject().as_raw() == issuer);
        }
        Ok(path)
    }

    /// Judges the signature and the signer's chain (RFC 5652 5.6, RFC 5280 6.1); answers every rule that failed. `is_signer` says
    /// whether a certificate may sign such data, because a root certifies other signers too. `roots`: SubjectPublicKeyInfo in DER.
    pub fn judge(
        &self,
        roots: &[&[u8]],
        dates: Dates,
        is_signer: &dyn Fn(&X509Certificate<'_>) -> bool,
    ) -> Result<Vec<Failed>, Unreadable> {
        let path = self.path()?;
        if path.is_empty() {
            return Ok(vec![Failed::new("signer", "the signer's certificate is missing")]);
        }
        let chain = Chain::parse(&path)?;
        let mut failed = chain.judge(roots, dates);
        if path.len() != self.certificates.len() {
            failed.push(Failed::new("chain_extra", "some certificates do not belong to the signer's chain"));
        }
        let leaf = chain.leaf();
        let may_sign = leaf.key_usage().is_ok_and(|usage| usage.is_none_or(|it| it.value.digital_signature()));
        if !may_sign || !is_signer(leaf) {
            failed.push(Failed::new("signer", "the signer's certificate is not for such data"));
        }
        if !verifies(ECDSA_SHA_256, leaf.public_key().raw, &self.content, self.signature) {
            failed.push(Failed::new("signature", "the signature is wrong"));
        }
        Ok(failed)
    }
}

fn algorithm(reader: &mut Reader<'_>, wanted: &[&[u8]]) -> Result<(), Unreadable> {
    let found = der(reader, SEQUENCE.0, SEQUENCE.1)?;
    if wanted.contains(&found) { Ok(()) } else { Err(ALGORITHM) }
}

/// EncapsulatedContentInfo (RFC 5652 5.2): octets, in one piece or, in BER, several (X.690 8.7.3).
fn content(bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut info = Reader::new(bytes);
    is(der(&mut info, OBJECT.0, OBJECT.1)?, DATA)?;
    let mut explicit = Reader::new(ber(&mut info, CONTEXT | CONSTRUCTED, 0)?);
    end(&info)?;
    let Value { kind, number, content } = explicit.value_of_ber(DEPTH).map_err(|_| SHAPE)?;
    end(&explicit)?;
    if (kind, number) == OCTETS {
        return Ok(content.to_vec());
    }
    if (kind, number) != (UNIVERSAL | CONSTRUCTED, OCTETS.1) {
        return Err(SHAPE);
    }
    let mut segments = Reader::new(content);
    let mut whole = Vec::new();
    for _ in 0..MAX_SEGMENTS {
        whole.extend_from_slice(der(&mut segments, OCTETS.0, OCTETS.1)?);
        if segments.is_empty() {
            return Ok(whole);
        }
    }
    Err(SHAPE)
}

/// CertificateSet (RFC 5652 10.2.3), of X.509 certificates only.
fn certificates(bytes: &[u8]) -> Result<Vec<&[u8]>, Unreadable> {
    let mut all = Vec::new();
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let whole = reader.whole().map_err(|_| SHAPE)?;
        if whole.first() != Some(&0x30) || all.len() == MAX_CERTIFICATES {
            return Err(SHAPE);
        }
        all.push(whole);
    }
    Ok(all)
}

/// SignerInfo (RFC 5652 5.3), version 1: issuer, serial and signature, with no attributes, signed or not.
fn signer<'a>(signers: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8], &'a [u8]), Unreadable> {
    let mut info = Reader::new(ber(signers, SEQUENCE.0, SEQUENCE.1)?);
    is(der(&mut info, INTEGER.0, INTEGER.1)?, &[1])?;
    let mut name = Reader::new(der(&mut info, SEQUENCE.0, SEQUENCE.1)?);
    let issuer = name.whole().map_err(|_| SHAPE)?;
    let serial = der(&mut name, INTEGER.0, INTEGER.1)?;
    end(&name)?;
    algorithm(&mut info, &SHA_256)?;
    algorithm(&mut info, &[ECDSA_WITH_SHA_256])?;
    let signature = der(&mut info, OCTETS.0, OCTETS.1)?;
    end(&info)?;
    Ok((issuer, serial, signature))
}
