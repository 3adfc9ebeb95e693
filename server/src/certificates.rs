//! Client certificates. RFC 8705: who shows one, what it proves, and what gets bound to it. The TLS handshake proves that the
//! caller has the key (`serve::tls`); whose certificate it is, is decided here.

use crate::attesting::instance::Instance;
use crate::config::{CertificateName, Client, ClientAuthentication, Config, TlsClientAuth};
use crate::error::{Fault, Refused, Result};
use crate::pem;
use crate::watched::Watched;
use crate::web::certificate::{ShownCertificates, refused};
use crate::web::request::Incoming;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use symbolon_oauth::distinguished_name::{self, Rdn};
use symbolon_oauth::{base64url, certificate, digest};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// Authenticates a client by its certificate. Answers the device, where every device of the client has its own.
pub fn authenticate(
    anchors: &BTreeMap<String, Anchors>,
    incoming: &Incoming,
    client_id: &str,
    client: &Client,
) -> Result<Option<Instance>> {
    let shown = incoming.certificate.as_ref().ok_or_else(|| refused("no certificate"))?;
    if client.authentication == ClientAuthentication::SelfSignedTlsClientAuth {
        return self_signed(client, shown).map(|()| None).map_err(Into::into);
    }
    let rules = client.tls_client_auth.as_ref().ok_or_else(|| Fault::new(format!("client {client_id} has no tls_client_auth")))?;
    let anchors = anchors.get(client_id).ok_or_else(|| Fault::new(format!("client {client_id} has no CA")))?;
    anchors.verify(shown, incoming.now_ms)?;
    let leaf = shown.parsed()?;
    if rules.devices {
        return Ok(Some(Instance::of_device(device(&leaf)?, leaf.subject().to_string())));
    }
    let named = rules.names().iter().any(|it| is_named(it, &leaf));
    if named { Ok(None) } else { Err(refused(format!("subject {}", leaf.subject())).into()) }
}

/// A device is its subject among those of its CA: a renewed certificate is the same device. Without a subject all devices would be the same.
fn device(leaf: &X509Certificate<'_>) -> std::result::Result<String, Refused> {
    if leaf.subject().iter_rdn().next().is_none() {
        return Err(refused("a device without a subject"));
    }
    let (ca, subject) = (leaf.issuer().as_raw(), leaf.subject().as_raw());
    Ok(base64url::encode(&digest::sha256(&[&(ca.len() as u64).to_be_bytes()[..], ca, subject].concat())))
}

/// RFC 8705 2.2.2: the certificate itself is registered, as `x5c` of a key of the client's set. Dates and issuer say nothing.
fn self_signed(client: &Client, shown: &ShownCertificates) -> std::result::Result<(), Refused> {
    let document = client.jwks.as_ref().map(crate::config::Jwks::document);
    let keys = document.and_then(|it| it["keys"].as_array()).into_iter().flatten();
    let registered = keys.filter_map(|it| it["x5c"][0].as_str()).filter_map(standard_base64);
    let mut registered = registered.filter(|it| digest::equal(it, shown.leaf()));
    registered.next().map(|_| ()).ok_or_else(|| refused("not among the registered certificates"))
}

/// RFC 7515 4.1.6: `x5c` holds plain base64.
fn standard_base64(text: &str) -> Option<Vec<u8>> {
    certificate::from_header(&format!(":{text}:"))
}

/// Is this the one name that is registered?
pub fn is_named(wanted: &CertificateName<'_>, leaf: &X509Certificate<'_>) -> bool {
    if let CertificateName::SubjectDn(wanted) = wanted {
        return distinguished_name::parse(wanted).is_some_and(|name| Some(name) == subject(leaf));
    }
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|name| match (name, wanted) {
        (GeneralName::DNSName(name), CertificateName::Dns(wanted)) => name == wanted,
        (GeneralName::URI(name), CertificateName::Uri(wanted)) => name == wanted,
        (GeneralName::RFC822Name(name), CertificateName::Email(wanted)) => name == wanted,
        (GeneralName::IPAddress(name), CertificateName::Ip(wanted)) => address(name) == Some(*wanted),
        _ => false,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

/// The subject, most specific part first. A value that is not valid text makes the whole name unusable (189-M).
fn subject(leaf: &X509Certificate<'_>) -> Option<Vec<Rdn>> {
    let mut name = Vec::new();
    for rdn in leaf.subject().iter_rdn() {
        let mut part = Rdn::new();
        for one in rdn.iter() {
            let text = one.as_str().ok().filter(|it| !it.contains('\0'))?;
            part.push((one.attr_type().to_id_string(), text.to_owned()));
        }
        part.sort();
        name.push(part);
    }
    name.reverse();
    Some(name)
}

/// The CA of a client's certificates, and its revocation list where there is one; files that change are read again.
pub struct Anchors(Watched<Arc<dyn ClientCertVerifier>>);

impl Anchors {
    pub fn load(rules: &TlsClientAuth, base: &Path) -> std::result::Result<Self, Fault> {
        let files = std::iter::once(&rules.ca).chain(&rules.crl).map(|it| base.join(it)).collect();
        Watched::new(files, read).map(Self)
    }

    fn current(&self) -> Arc<dyn ClientCertVerifier> {
        self.0.now(|| read(self.0.files()))
    }

    /// Chain, dates, purpose, constraints and revocation, at this time, of every certificate up to the anchor. A certificate is refused if
    /// its CA has no list here. Everybody is refused while a list is overdue (194-M).
    fn verify(&self, shown: &ShownCertificates, now_ms: i64) -> std::result::Result<(), Refused> {
        let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now_ms).unwrap_or_default()));
        let checked = self.current().verify_client_cert(shown.leaf(), &shown.0[1..], now);
        checked.map(|_| ()).map_err(|it| refused(it.to_string()))
    }
}

/// The CAs of clients that show certificates, by client.
pub fn load_anchors(config: &Config, base: &Path) -> std::result::Result<BTreeMap<String, Anchors>, Fault> {
    let showing = config.client.iter().filter_map(|(id, client)| Some((id, client.tls_client_auth.as_ref()?)));
    showing.map(|(id, rules)| Ok((id.clone(), Anchors::load(rules, base)?))).collect()
}

/// `files`: the CA, and a revocation list where there is one.
fn read(files: &[PathBuf]) -> std::result::Result<Arc<dyn ClientCertVerifier>, Fault> {
    let (ca, crl) = files.split_first().ok_or_else(|| Fault::new("a client's certificates have a CA"))?;
    let named = |path: &Path, why: String| Fault::new(format!("{}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    for one in pem::all::<CertificateDer<'static>>(ca).map_err(|it| named(ca, it.to_string()))? {
        roots.add(one).map_err(|it| named(ca, it.to_string()))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(aws_lc_rs::default_provider()));
    if let Some(crl) = crl.first() {
        let lists: Vec<CertificateRevocationListDer<'static>> = pem::all(crl).map_err(|it| named(crl, it.to_string()))?;
        if lists.is_empty() {
            return Err(named(crl, "no revocation list in PEM".to_owned()));
        }
        builder = builder.with_crls(lists).enforce_revocation_expiration();
    }
    let built = builder.build().map_err(|it| named(ca, it.to_string()))?;
    Ok(built)
}
