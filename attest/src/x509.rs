//! Certificate chains of attestation keys. RFC 5280, as far as hardware makers use it: names, signatures, basic constraints, and dates where
//! they mean something. Dates of Apple's certificates do; those of Android's leaves do not, nor do the expiry dates of factory certificates.
//! Roots are public keys, not certificates: makers renew a root certificate for the same key, and devices go on sending the old one.

use crate::{Failed, Unreadable};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use symbolon_oauth::digest::equal;
use x509_parser::prelude::*;

/// The longest chain anybody sends has six certificates.
pub const MAX_CERTIFICATES: usize = 10;
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

const NAME_CONSTRAINTS: &str = "2.5.29.30";
/// Key usage, subject alternative name, basic constraints, extended key usage: judged here or by the caller.
const JUDGED: [&str; 4] = ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"];

/// A parsed chain, leaf first. The bytes stay with the caller.
pub struct Chain<'a> {
    pub certificates: Vec<X509Certificate<'a>>,
}

/// Which dates count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// Every certificate's, at this time (seconds since the epoch).
    All(i64),
    /// All but the leaf's and the root's. The dates of Android's leaves mean nothing, and a root is judged by its key.
    Between(i64),
    /// The same, without expiry: certificates from a factory last as long as the device.
    BetweenFrom(i64),
}

impl<'a> Chain<'a> {
    /// Reads certificates in DER, leaf first, with nothing behind any of them.
    pub fn parse(der: &'a [&'a [u8]]) -> Result<Self, Unreadable> {
        if der.is_empty() || der.len() > MAX_CERTIFICATES {
            return Err(Unreadable("a chain has one to ten certificates"));
        }
        let mut certificates = Vec::with_capacity(der.len());
        for one in der {
            if one.len() > MAX_CERTIFICATE_BYTES {
                return Err(Unreadable("a certificate is larger than 16 KiB"));
            }
            let (rest, certificate) = X509Certificate::from_der(one).map_err(|_| Unreadable("a certificate is not DER of X.509"))?;
            if !rest.is_empty() {
                return Err(Unreadable("there are bytes behind a certificate"));
            }
            if !same_algorithm(one, certificate.tbs_certificate.as_ref()) {
                return Err(Unreadable("the two signature algorithms of a certificate differ"));
            }
            certificates.push(certificate);
        }
        Ok(Self { certificates })
    }

    pub fn leaf(&self) -> &X509Certificate<'a> {
        &self.certificates[0]
    }

    /// Walks from the leaf to a trusted root and answers every rule that failed. `roots`: SubjectPublicKeyInfo in DER. The
    /// root itself may be in the chain or not.
    pub fn judge(&self, roots: &[&[u8]], dates: Dates) -> Vec<Failed> {
        self.judge_from(roots, dates, 1)
    }

    /// The same where certificates below the place `first_ca` (the leaf's is 0) may issue others and be no CAs.
    pub fn judge_from(&self, roots: &[&[u8]], dates: Dates, first_ca: usize) -> Vec<Failed> {
        let mut failed = Vec::new();
        for (at, pair) in self.certificates.windows(2).enumerate() {
            let (child, parent) = (&pair[0], &pair[1]);
            if child.issuer().as_raw() != parent.subject().as_raw() {
                failed.push(Failed::new("chain_names", format!("certificate {at} was issued by another than the one behind it")));
            }
            if !signed_by(child, parent.public_key().raw) {
                failed.push(Failed::new("chain_signature", format!("the signature of certificate {at} is wrong")));
            }
            if at + 1 >= first_ca {
                judge_issuer(parent, at, &mut failed);
            }
        }
        let last = &self.certificates[self.certificates.len() - 1];
        let is_root = roots.iter().any(|it| equal(it, last.public_key().raw));
        // A chain that stops below its root: some root has signed its last certificate.
        let below_root = !is_root && roots.iter().any(|it| signed_by(last, it));
        if !is_root && !below_root {
            failed.push(Failed::new("chain_root", "the chain does not end at a trusted root"));
        }
        if is_root && self.certificates.len() == 1 {
            failed.push(Failed::new("chain_root", "a root alone is no evidence"));
        }
        self.judge_dates(dates, is_root, &mut failed);
        failed
    }

    /// Refuses extensions that limit a chain in a way that is not judged here (RFC 5280 4.2: a critical one that is not understood).
    /// For chains of any CA; makers of phones mark extensions as they like.
    pub fn judge_extensions(&self) -> Vec<Failed> {
        let limits = |extension: &X509Extension<'_>| {
            let name = extension.oid.to_id_string();
            name == NAME_CONSTRAINTS || (extension.critical && !JUDGED.contains(&name.as_str()))
        };
        let limited = self.certificates.iter().position(|it| it.extensions().iter().any(limits));
        let detail = |at: usize| format!("certificate {at} has an extension that is not understood");
        limited.map(|at| Failed::new("chain_extension", detail(at))).into_iter().collect()
    }

    fn judge_dates(&self, dates: Dates, ends_with_root: bool, failed: &mut Vec<Failed>) {
        let between = self.certificates.len() - usize::from(ends_with_root);
        let (now_s, from, to, expires) = match dates {
            Dates::All(now_s) => (now_s, 0, self.certificates.len(), true),
            Dates::Between(now_s) => (now_s, 1, between, true),
            Dates::BetweenFrom(now_s) => (now_s, 1, between, false),
        };
        for (at, certificate) in self.certificates.iter().enumerate().take(to).skip(from) {
            let validity = certificate.validity();
            if now_s < validity.not_before.timestamp() || (expires && now_s > validity.not_after.timestamp()) {
                failed.push(Failed::new("chain_dates", format!("certificate {at} is not valid at the time of judging")));
            }
        }
    }
}

/// The value of the one extension of this name. Two of them are none (RFC 5280 4.2: at most one of each).
pub fn extension<'a>(certificate: &'a X509Certificate<'_>, name: &str) -> Option<&'a [u8]> {
    let mut all = certificate.extensions().iter().filter(|it| it.oid.to_id_string() == name);
    let first = all.next()?;
    all.next().is_none().then_some(first.value)
}

/// Is there an extension of this name, or several?
pub fn carries(certificate: &X509Certificate<'_>, name: &str) -> bool {
    certificate.extensions().iter().any(|it| it.oid.to_id_string() == name)
}

/// The algorithm beside the signature is not signed. It must be the signed one, byte for byte (RFC 5280 4.1.1.2).
fn same_algorithm(certificate: &[u8], tbs: &[u8]) -> bool {
    let Some(behind) = (0..8).find_map(|at| certificate.get(at..)?.strip_prefix(tbs)) else { return false };
    let Some(length) = behind.get(1).filter(|it| **it < 0x80) else { return false };
    let Some(outer) = behind.get(..2 + usize::from(*length)) else { return false };
    tbs.windows(outer.len()).any(|it| it == outer)
}

fn judge_issuer(parent: &X509Certificate<'_>, at: usize, failed: &mut Vec<Failed>) {
    let constraints = parent.basic_constraints().ok().flatten();
    let is_ca = constraints.as_ref().is_some_and(|it| it.value.ca);
    if !is_ca {
        failed.push(Failed::new("chain_ca", format!("certificate {} issued another and is no CA", at + 1)));
    }
    // The number of CA certificates below this one: all in front of it but the leaf.
    let longest = constraints.and_then(|it| it.value.path_len_constraint);
    if longest.is_some_and(|it| (it as usize) < at) {
        failed.push(Failed::new("chain_path_length", format!("certificate {} may not issue so deep a chain", at + 1)));
    }
    // Two of them, or one that cannot be read, are not the same as none.
    let may_sign = parent.key_usage().is_ok_and(|usage| usage.is_none_or(|it| it.value.key_cert_sign()));
    if !may_sign {
        failed.push(Failed::new("chain_ca", format!("certificate {} may not sign certificates", at + 1)));
    }
}

/// Was the certificate signed by this key (SubjectPublicKeyInfo in DER)?
pub fn signed_by(certificate: &X509Certificate<'_>, spki: &[u8]) -> bool {
    let algorithm = &certificate.signature_algorithm;
    if algorithm.algorithm != certificate.tbs_certificate.signature.algorithm {
        return false;
    }
    if certificate.signature_value.unused_bits != 0 {
        return false;
    }
    let signature = &certificate.signature_value.data;
    verifies(&algorithm.algorithm.to_id_string(), spki, certificate.tbs_certificate.as_ref(), signature)
}

/// Is it a signature by this key (SubjectPublicKeyInfo in DER)? `algorithm` is the object identifier of the signature.
pub fn verifies(algorithm: &str, spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok((rest, key)) = SubjectPublicKeyInfo::from_der(spki) else { return false };
    if !rest.is_empty() {
        return false;
    }
    let curve = key.algorithm.parameters.as_ref().and_then(|it| Some(it.as_oid().ok()?.to_id_string()));
    let with: &'static dyn VerificationAlgorithm = match (algorithm, curve.as_deref()) {
        ("1.2.840.10045.4.3.2", Some("1.2.840.10045.3.1.7")) => &ECDSA_P256_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", Some("1.2.840.10045.3.1.7")) => &ECDSA_P256_SHA384_ASN1,
        ("1.2.840.10045.4.3.2", Some("1.3.132.0.34")) => &ECDSA_P384_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", Some("1.3.132.0.34")) => &ECDSA_P384_SHA384_ASN1,
        ("1.2.840.10045.4.3.4", Some("1.3.132.0.35")) => &ECDSA_P521_SHA512_ASN1,
        ("1.3.101.112", None) if key.algorithm.algorithm.to_id_string() == "1.3.101.112" => &ED25519,
        ("1.2.840.113549.1.1.11", _) => &RSA_PKCS1_2048_8192_SHA256,
        ("1.2.840.113549.1.1.12", _) => &RSA_PKCS1_2048_8192_SHA384,
        ("1.2.840.113549.1.1.13", _) => &RSA_PKCS1_2048_8192_SHA512,
        _ => return false,
    };
    UnparsedPublicKey::new(with, key.subject_public_key.data.as_ref()).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    fn params(name: &str, ca: bool) -> CertificateParams {
        let mut certificate = CertificateParams::default();
        certificate.distinguished_name.push(DnType::CommonName, name);
        if ca {
            certificate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        certificate
    }

    /// Root, intermediate and leaf in DER, leaf first, and the root's key.
    fn chain(intermediate_is_ca: bool) -> (Vec<Vec<u8>>, Vec<u8>) {
        let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
        let root = params("root", true).self_signed(&keys[0]).unwrap();
        let by_root = Issuer::new(params("root", true), &keys[0]);
        let middle = params("middle", intermediate_is_ca).signed_by(&keys[1], &by_root).unwrap();
        let by_middle = Issuer::new(params("middle", intermediate_is_ca), &keys[1]);
        let leaf = params("leaf", false).signed_by(&keys[2], &by_middle).unwrap();
        let all: Vec<Vec<u8>> = [&leaf, &middle, &root].iter().map(|it| it.der().to_vec()).collect();
        let spki = X509Certificate::from_der(&all[2]).unwrap().1.public_key().raw.to_vec();
        (all, spki)
    }

    fn judged(der: &[Vec<u8>], root: &[u8], now_s: i64) -> Vec<&'static str> {
        let slices: Vec<&[u8]> = der.iter().map(Vec::as_slice).collect();
        Chain::parse(&slices).unwrap().judge(&[root], Dates::All(now_s)).into_iter().map(|it| it.name).collect()
    }

    #[test]
    fn a_chain_ends_at_a_pinned_key() {
        let (der, root) = chain(true);
        let now_s = 1_700_000_000;
        assert!(judged(&der, &root, now_s).is_empty());
        assert!(judged(&der[..2], &root, now_s).is_empty(), "the root may be left out");
        let (other, other_root) = chain(true);
        assert_eq!(judged(&der, &other_root, now_s), ["chain_root"]);
        assert_eq!(judged(&der[..2], &other_root, now_s), ["chain_root"]);
        assert_eq!(judged(&der[2..], &root, now_s), ["chain_root"], "a root alone");
        let mixed = vec![der[0].clone(), other[1].clone(), other[2].clone()];
        assert_eq!(judged(&mixed, &other_root, now_s), ["chain_signature"]);
        assert!(judged(&chain(false).0, &chain(false).1, now_s).contains(&"chain_ca"));
        assert!(judged(&der, &root, 0).contains(&"chain_dates"));
        let swapped = vec![der[0].clone(), der[2].clone()];
        assert!(judged(&swapped, &root, now_s).contains(&"chain_names"));
    }

    #[test]
    fn what_is_no_chain_is_not_read() {
        let (der, _) = chain(true);
        let slice = der[0].as_slice();
        assert!(Chain::parse(&[slice]).is_ok());
        let longer = [slice, &[0]].concat();
        let huge = vec![0x30; MAX_CERTIFICATE_BYTES + 1];
        for bad in [vec![], vec![&slice[..40]], vec![longer.as_slice()], vec![huge.as_slice()], vec![slice; MAX_CERTIFICATES + 1]] {
            assert!(Chain::parse(&bad).is_err());
        }
    }
}
