//! The client certificate behind a request, whoever's it is. RFC 8705, RFC 9440.

use crate::config::Networks;
use crate::error::{Refused, Result};
use http::HeaderMap;
use rustls_pki_types::CertificateDer;
use std::net::IpAddr;
use std::sync::Arc;
use symbolon_oauth::{base64url, certificate, digest};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates of one connection, the own one first.
pub type Chain = Arc<Vec<CertificateDer<'static>>>;

/// Certificates a caller showed, its own first.
#[derive(Clone, Debug)]
pub struct Shown(pub Chain);

impl Shown {
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.0[0]
    }

    /// `x5t#S256`.
    pub fn thumbprint(&self) -> String {
        certificate::thumbprint(self.leaf())
    }

    /// What tokens and grants are bound to.
    pub fn binding(&self) -> Result<Binding> {
        let key = base64url::encode(&digest::sha256(self.parsed()?.public_key().raw));
        Ok(Binding { thumbprint: self.thumbprint(), key })
    }

    pub fn parsed(&self) -> std::result::Result<X509Certificate<'_>, Refused> {
        let (rest, leaf) = X509Certificate::from_der(self.leaf()).map_err(|_| refused("not a certificate"))?;
        if rest.is_empty() { Ok(leaf) } else { Err(refused("bytes behind the certificate")) }
    }
}

/// A shown certificate, as something to bind to.
#[derive(Clone, Debug)]
pub struct Binding {
    /// `x5t#S256`, of this very certificate (RFC 8705 3.1): for access tokens, which live for minutes.
    pub thumbprint: String,
    /// Digest of its public key: for what outlives a certificate. A name in it would not do, where no CA vouches for it.
    pub key: String,
}

/// The certificate behind a request. It is the connection's, or, from a proxy that is configured for it, that of its `Client-Cert` header
/// (RFC 9440). Under any other name, from anybody else, or twice, a header is no certificate (187-M, 188-M).
pub fn of_request(headers: &HeaderMap, peer: IpAddr, of_connection: Option<&Chain>, proxies: Option<&Networks>) -> Option<Shown> {
    if !proxies.is_some_and(|proxies| proxies.contains(peer)) {
        return of_connection.cloned().filter(|it| !it.is_empty()).map(Shown);
    }
    let mut all = headers.get_all("client-cert").iter();
    let first = all.next().filter(|_| all.next().is_none())?;
    let mut chain = vec![certificate::from_header(first.to_str().ok()?)?];
    for line in headers.get_all("client-cert-chain") {
        for one in line.to_str().ok()?.split(',').take(8) {
            chain.push(certificate::from_header(one)?);
        }
    }
    Some(Shown(Arc::new(chain.into_iter().map(CertificateDer::from).collect())))
}

/// Whatever is wrong with a certificate, the caller hears the same.
pub fn refused(why: impl Into<String>) -> Refused {
    Refused::new(401, "invalid_client", "The client certificate is missing or is not this client's.").because(why)
}
