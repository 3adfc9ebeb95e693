//! Whom an operator trusts to issue credentials, and who has signed one. Trust comes from configured certificates (`x5c`, `x5chain`)
//! or from configured keys for a named `iss`. Nothing in a credential adds trust.

use crate::{Failed, Unreadable};
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use symbolon_attest::x509::{Chain, Dates, MAX_CERTIFICATE_BYTES, MAX_CERTIFICATES, signed_by};
use symbolon_oauth::jwk::{KeySet, PublicKey};
use symbolon_oauth::{base64, base64url};
use x509_parser::extensions::{ExtendedKeyUsage, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// ISO 18013-5 B.1.4: the extended key usage of those who sign mdocs.
const MDOC_SIGNER: &str = "1.0.18013.5.1.2";
const P256: &str = "1.2.840.10045.3.1.7";

/// One who is trusted.
#[derive(Debug, Clone, Default)]
pub struct Issuer {
    /// Its identifier: for `keys` it is the `iss` of the credentials. It is half of an account's key, so that it never changes.
    pub name: String,
    pub anchors: Vec<Anchor>,
    /// For credentials without a certificate.
    pub keys: KeySet,
    /// HAIP 1.0: no root in a credential, no signer that has signed itself.
    pub haip: bool,
}

/// A certificate that is trusted: a CA's, or outside of HAIP a signer's own.
#[derive(Debug, Clone)]
pub struct Anchor {
    der: Vec<u8>,
    spki: Vec<u8>,
    subject: Vec<u8>,
    key_id: Option<Vec<u8>>,
    is_ca: bool,
    /// How many certificates of CAs may stand below it.
    path_length: Option<u32>,
    not_before_s: i64,
    not_after_s: i64,
}

/// Who has signed a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The issuer's configured identifier.
    pub issuer: String,
    /// The authority below it: country and organization of the signer's certificate, or the `iss` whose configured key has signed. Never an
    /// `iss` beside a certificate: whoever has any certificate of the CA could write it. Empty: the certificate says neither.
    pub authority: String,
    /// The authority key identifiers of its chain, for `aki` of a query.
    pub authority_key_ids: Vec<Vec<u8>>,
}

impl Anchor {
    /// Reads a certificate in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, Unreadable> {
        let one = [der];
        let chain = Chain::parse(&one)?;
        let certificate = chain.leaf();
        let may_sign = certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|it| it.value.key_cert_sign()));
        let constraints = certificate.basic_constraints().ok().flatten();
        Ok(Self {
            der: der.to_vec(),
            spki: certificate.public_key().raw.to_vec(),
            subject: certificate.subject().as_raw().to_vec(),
            key_id: subject_key_id(certificate),
            is_ca: certificate.is_ca() && may_sign,
            path_length: constraints.and_then(|it| it.value.path_len_constraint),
            not_before_s: certificate.validity().not_before.timestamp(),
            not_after_s: certificate.validity().not_after.timestamp(),
        })
    }

    /// A CA. A signer's own certificate is trusted for this signer alone.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Seconds since the epoch.
    pub fn expires_s(&self) -> i64 {
        self.not_after_s
    }

    /// The subject key identifier: what `aki` of a query names (OpenID4VP 1.0, 6.1.1.1).
    pub fn key_id(&self) -> Option<&[u8]> {
        self.key_id.as_deref()
    }

    /// Is it the same CA, in this certificate or another one? What one has issued is below the other as well.
    pub fn is_same_ca(&self, other: &Self) -> bool {
        self.spki == other.spki && self.subject == other.subject
    }

    /// Has this CA issued the other one? Then what the other one has issued is below this one as well.
    pub fn is_above(&self, other: &Self) -> bool {
        let one = [other.der.as_slice()];
        Chain::parse(&one).is_ok_and(|chain| self.has_issued(chain.leaf()))
    }

    fn is_valid(&self, now_s: i64) -> bool {
        (self.not_before_s..=self.not_after_s).contains(&now_s)
    }

    /// Has this CA issued it? Names and key identifiers are compared as well as the signature (RFC 5280 6.1).
    fn has_issued(&self, certificate: &X509Certificate<'_>) -> bool {
        let names = self.is_ca && certificate.issuer().as_raw() == self.subject;
        let ids = match (&self.key_id, authority_key_id(certificate)) {
            (Some(own), Some(named)) => *own == named,
            _ => true,
        };
        names && ids && signed_by(certificate, &self.spki)
    }
}

/// What a chain's leaf signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// An mdoc: a leaf with extended key usages must have that of those who sign them.
    Mdoc,
    /// An SD-JWT or a status list: no usage is named for it. A certificate of a TLS server or client alone is not for it.
    Credential,
    /// A verifier's request: a certificate of its web site is good for it.
    Request,
}

/// The keys that may have signed something, and who that would be.
pub struct Signed<'a> {
    pub key: PublicKey,
    pub signer: Signer,
    pub failed: Vec<Failed>,
    /// The issuer in the list of those who are trusted.
    pub issuer: Option<&'a Issuer>,
    /// When the signer's certificate is valid, in seconds since the epoch.
    pub valid_s: RangeInclusive<i64>,
}

/// Judges a chain, leaf first.
pub fn judge_chain<'a>(issuers: &'a [Issuer], der: &[&[u8]], signs: Signs, now_s: i64) -> Result<Signed<'a>, Unreadable> {
    let chain = Chain::parse(der)?;
    let leaf = chain.leaf();
    let key = key_of(leaf).ok_or(Unreadable("the signer's certificate has no key of P-256"))?;
    let last = der.last().copied().unwrap_or_default();
    let found = issuers.iter().find_map(|issuer| Some((issuer, trusted(issuer, &chain, last, now_s)?)));
    let mut failed = Vec::new();
    match found {
        None => failed.push(Failed::new("issuer_unknown", "the chain ends at no certificate that is trusted")),
        Some((issuer, has_root)) => {
            if issuer.haip && (has_root || is_self_signed(leaf)) {
                failed.push(Failed::new("issuer_haip", "HAIP: a credential has neither its root nor a self-signed signer in it"));
            }
        }
    }
    // Where it ends was judged above: an anchor need not be a root.
    failed.extend(chain.judge(&[], Dates::All(now_s)).into_iter().filter(|it| it.name != "chain_root"));
    failed.extend(chain.judge_extensions());
    failed.extend(judge_leaf(leaf, signs));
    // Only a chain that is good otherwise is worth the work: one check of a signature for each certificate and anchor.
    let is_shared = |issuer: &Issuer| issuers.iter().any(|other| other.name != issuer.name && has_part_in(other, &chain));
    if failed.is_empty() && found.is_some_and(|(issuer, _)| is_shared(issuer)) {
        failed.push(Failed::new("issuer_ambiguous", "the chain leads through the CA of another configured issuer"));
    }
    let authority_key_ids = chain.certificates.iter().filter_map(authority_key_id).collect();
    let name = found.map(|(issuer, _)| issuer.name.clone()).unwrap_or_default();
    let signer = Signer { issuer: name, authority: authority(leaf), authority_key_ids };
    let valid_s = leaf.validity().not_before.timestamp()..=leaf.validity().not_after.timestamp();
    Ok(Signed { key, signer, failed, issuer: found.map(|(issuer, _)| issuer), valid_s })
}

/// Does the chain end at an anchor of this issuer? The answer is whether a root is in it.
fn trusted(issuer: &Issuer, chain: &Chain<'_>, last_der: &[u8], now_s: i64) -> Option<bool> {
    let last = chain.certificates.last()?;
    let is_leaf = chain.certificates.len() == 1;
    let valid = || issuer.anchors.iter().filter(|it| it.is_valid(now_s));
    // Byte for byte: nobody verifies the signature of what stands at the end. A CA vouches for others, a signer's own certificate for itself.
    if valid().any(|it| it.der == last_der && it.is_ca != is_leaf) {
        return Some(true);
    }
    let below = u32::try_from(chain.certificates.len() - 1).ok()?;
    valid().any(|it| it.has_issued(last) && it.path_length.is_none_or(|most| below <= most)).then(|| is_self_signed(last))
}

/// Is a key of this issuer in the chain, or has one signed a certificate of it? From one issuer's CA a chain may go on to another's, which is
/// further up. Whoever presents the credential would then choose whose it is. Dates change nothing: a key stays its issuer's.
fn has_part_in(issuer: &Issuer, chain: &Chain<'_>) -> bool {
    let is_its = |anchor: &Anchor, certificate: &X509Certificate<'_>| {
        certificate.public_key().raw == anchor.spki.as_slice() || signed_by(certificate, &anchor.spki)
    };
    issuer.anchors.iter().any(|anchor| chain.certificates.iter().any(|certificate| is_its(anchor, certificate)))
}

/// The rules for whoever signs credentials: no CA, and a key that may sign them.
fn judge_leaf(leaf: &X509Certificate<'_>, signs: Signs) -> Option<Failed> {
    let fail = |detail: &str| Some(Failed::new("signer_usage", detail));
    if leaf.is_ca() {
        return fail("a CA has signed the credential itself");
    }
    match leaf.key_usage() {
        Ok(usage) if usage.as_ref().is_none_or(|it| it.value.digital_signature()) => {}
        _ => return fail("the signer's key is not for signatures"),
    }
    if signs == Signs::Request {
        return None;
    }
    match leaf.extended_key_usage() {
        Ok(None) => None,
        Ok(Some(usage)) if signs == Signs::Mdoc && usage.value.other.iter().any(|it| it.to_id_string() == MDOC_SIGNER) => None,
        Ok(Some(usage)) if signs == Signs::Credential && !is_for_tls_alone(usage.value) => None,
        _ => fail("the signer's certificate is for another purpose"),
    }
}

fn is_for_tls_alone(usage: &ExtendedKeyUsage<'_>) -> bool {
    let others = [usage.any, usage.code_signing, usage.email_protection, usage.time_stamping, usage.ocsp_signing];
    (usage.server_auth || usage.client_auth) && !others.contains(&true) && usage.other.is_empty()
}

fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw() && signed_by(certificate, certificate.public_key().raw)
}

/// Country and organization: they stay when a signer's certificate is renewed.
fn authority(leaf: &X509Certificate<'_>) -> String {
    let country = leaf.subject().iter_country().next().and_then(|it| it.as_str().ok());
    let organization = leaf.subject().iter_organization().next().and_then(|it| it.as_str().ok());
    [country, organization].into_iter().flatten().collect::<Vec<_>>().join("/")
}

fn subject_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|it| match it.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

fn authority_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|it| it.0.to_vec()),
        _ => None,
    })
}

fn key_of(certificate: &X509Certificate<'_>) -> Option<PublicKey> {
    let key = certificate.public_key();
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
    let [4, point @ ..] = key.subject_public_key.data.as_ref() else { return None };
    if curve != P256 || point.len() != 64 {
        return None;
    }
    let (x, y) = point.split_at(32);
    PublicKey::from_jwk(&json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y) })).ok()
}

/// `x5c` of a JOSE header (RFC 7515 4.1.6): base64, leaf first.
pub fn x5c(header: &Value) -> Result<Vec<Vec<u8>>, Unreadable> {
    const BAD: Unreadable = Unreadable("x5c is not a list of certificates in base64");
    let list = header.as_array().filter(|it| (1..=MAX_CERTIFICATES).contains(&it.len())).ok_or(BAD)?;
    let short = |it: &&str| it.len() <= MAX_CERTIFICATE_BYTES * 4 / 3 + 4;
    list.iter().map(|it| it.as_str().filter(short).and_then(base64::decode).ok_or(BAD)).collect()
}

/// The certificates of a PEM text, in DER.
pub fn from_pem(text: &[u8]) -> Result<Vec<Vec<u8>>, Unreadable> {
    const BAD: Unreadable = Unreadable("not certificates in PEM");
    let mut all = Vec::new();
    for one in x509_parser::pem::Pem::iter_from_buffer(text) {
        let one = one.map_err(|_| BAD)?;
        if one.label != "CERTIFICATE" || X509Certificate::from_der(&one.contents).is_err() {
            return Err(BAD);
        }
        all.push(one.contents);
    }
    if all.is_empty() { Err(BAD) } else { Ok(all) }
}

/// When a certificate in DER expires, in seconds since the epoch.
pub fn expires_s(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// The key of a certificate in DER. None: it has none of P-256.
pub fn public_key(der: &[u8]) -> Option<PublicKey> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if rest.is_empty() { key_of(&certificate) } else { None }
}
