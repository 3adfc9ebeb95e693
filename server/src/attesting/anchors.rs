//! A customer's attester that is known by certificates. Those in the attestation's header (`x5c`, RFC 7515 4.1.6) lead to a CA of the
//! configuration. The first of them has the name that is registered for the attester.

use crate::certificates::is_named;
use crate::config::AttesterX5c;
use crate::error::Fault;
use crate::pem;
use rustls_pki_types::CertificateDer;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use symbolon_attest::x509::{Chain, Dates};
use symbolon_oauth::jwk::{KeySet, PublicKey};
use symbolon_oauth::{base64url, digest};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey as Spki;

/// Chains that are known to be good; an attester has one or two.
const MANY: usize = 64;

/// The key at the end of a chain, and from when to when all of its certificates are valid.
type VerifiedChain = (Arc<KeySet>, i64, i64);

pub struct Anchors {
    rules: AttesterX5c,
    /// In DER.
    anchors: Vec<CertificateDer<'static>>,
    known: Mutex<HashMap<[u8; 32], VerifiedChain>>,
}

impl Anchors {
    pub fn load(rules: &AttesterX5c, base: &Path) -> Result<Self, Fault> {
        let path = base.join(&rules.ca);
        let named = |why: String| Fault::new(format!("attester_x5c.ca: {}: {why}", path.display()));
        let anchors: Vec<CertificateDer<'static>> = pem::all(&path).map_err(|it| named(it.to_string()))?;
        if anchors.is_empty() || anchors.iter().any(|it| X509Certificate::from_der(it).is_err()) {
            return Err(named("no certificates in PEM".to_owned()));
        }
        Ok(Self { rules: rules.clone(), anchors, known: Mutex::default() })
    }

    /// The attester's key, if its certificates are good at this time. A chain that was verified before costs a lookup.
    pub fn key(&self, x5c: &[Vec<u8>], now_s: i64) -> Result<Arc<KeySet>, String> {
        let lengths = x5c.iter().flat_map(|it| (it.len() as u64).to_be_bytes());
        let digest = digest::sha256(&lengths.chain(x5c.iter().flatten().copied()).collect::<Vec<u8>>());
        let known = self.known.lock().ok().and_then(|it| it.get(&digest).cloned());
        if let Some((key, from_s, to_s)) = known
            && (from_s..=to_s).contains(&now_s)
        {
            return Ok(key);
        }
        let mut why = "no certificates".to_owned();
        for anchor in &self.anchors {
            match self.judge(x5c, anchor, now_s) {
                Ok(found) => {
                    if let Ok(mut known) = self.known.lock() {
                        if known.len() >= MANY {
                            known.clear();
                        }
                        known.insert(digest, found.clone());
                    }
                    return Ok(found.0);
                }
                Err(reason) => why = reason,
            }
        }
        Err(why)
    }

    fn judge(&self, x5c: &[Vec<u8>], anchor: &[u8], now_s: i64) -> Result<VerifiedChain, String> {
        let (_, root) = X509Certificate::from_der(anchor).map_err(|it| it.to_string())?;
        let mut all: Vec<&[u8]> = x5c.iter().map(Vec::as_slice).collect();
        // The anchor itself is usually left out; its dates, constraints and name count all the same.
        if all.last().is_some_and(|it| *it != anchor) {
            all.push(anchor);
        }
        let chain = Chain::parse(&all).map_err(|it| it.0.to_owned())?;
        let mut failed = chain.judge(&[root.public_key().raw], Dates::All(now_s));
        failed.extend(chain.judge_extensions());
        let leaf = chain.leaf();
        if !failed.is_empty() {
            return Err(failed.iter().map(|it| it.name).collect::<Vec<_>>().join(" "));
        }
        let is_ca = leaf.basic_constraints().map_or(true, |constraints| constraints.is_some_and(|it| it.value.ca));
        let signs = leaf.key_usage().is_ok_and(|usage| usage.is_none_or(|it| it.value.digital_signature()));
        // HAIP 1.0: the attester's certificate is not its own issuer's.
        if is_ca || !signs || leaf.issuer() == leaf.subject() {
            return Err("the first certificate is not one of an attester".to_owned());
        }
        if !self.rules.names().iter().any(|it| is_named(it, leaf)) {
            return Err(format!("subject {}", leaf.subject()));
        }
        let key = PublicKey::from_jwk(&jwk(leaf).ok_or("a key of another kind")?).map_err(|it| it.0.to_owned())?;
        let from_s = chain.certificates.iter().map(|it| it.validity().not_before.timestamp()).max().unwrap_or(now_s);
        let to_s = chain.certificates.iter().map(|it| it.validity().not_after.timestamp()).min().unwrap_or(now_s);
        Ok((Arc::new(KeySet { keys: vec![key] }), from_s, to_s))
    }
}

fn jwk(leaf: &X509Certificate<'_>) -> Option<Json> {
    let (spki, text) = (leaf.public_key(), |bytes: &[u8]| base64url::encode(bytes));
    let bytes = spki.subject_public_key.data.as_ref();
    let curve = || spki.algorithm.parameters.as_ref()?.as_oid().ok().map(|it| it.to_id_string());
    match spki.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.10045.2.1" if curve().as_deref() == Some("1.2.840.10045.3.1.7") && bytes.len() == 65 && bytes[0] == 4 => {
            Some(json!({ "kty": "EC", "crv": "P-256", "x": text(&bytes[1..33]), "y": text(&bytes[33..]) }))
        }
        "1.3.101.112" => Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": text(bytes) })),
        "1.2.840.113549.1.1.1" => match spki.parsed().ok()? {
            Spki::RSA(key) => {
                let plain = |number: &[u8]| text(&number[number.iter().take_while(|it| **it == 0).count()..]);
                Some(json!({ "kty": "RSA", "n": plain(key.modulus), "e": plain(key.exponent) }))
            }
            _ => None,
        },
        _ => None,
    }
}
