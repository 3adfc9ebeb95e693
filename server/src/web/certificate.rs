//! The client certificate behind a request, whoever's it is. RFC 8705, RFC 9440.

use super::headers;
use crate::config::Networks;
use crate::error::{Refused, Result};
use http::HeaderMap;
use rustls_pki_types::CertificateDer;
use std::net::IpAddr;
use std::sync::Arc;
use symbolon_oauth::{base64url, certificate, digest};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Of the certificates above a client's own.
const LONGEST: usize = 8;

/// Certificates of one connection, the own one first.
pub type Chain = Arc<Vec<CertificateDer<'static>>>;

/// Certificates a caller showed, its own first.
#[derive(Clone, Debug)]
pub struct ShownCertificates(pub Chain);

impl ShownCertificates {
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
pub fn of_request(
    headers: &HeaderMap,
    peer: IpAddr,
    of_connection: Option<&Chain>,
    proxies: Option<&Networks>,
) -> Option<ShownCertificates> {
    if !proxies.is_some_and(|proxies| proxies.contains(peer)) {
        return of_connection.cloned().filter(|it| !it.is_empty()).map(ShownCertificates);
    }
    let mut all = headers.get_all("client-cert").iter();
    let first = all.next().filter(|_| all.next().is_none())?;
    let mut chain = vec![certificate::from_header(first.to_str().ok()?)?];
    for one in headers::list(headers, "client-cert-chain").take(LONGEST) {
        chain.push(certificate::from_header(std::str::from_utf8(one).ok()?)?);
    }
    Some(ShownCertificates(Arc::new(chain.into_iter().map(CertificateDer::from).collect())))
}

/// Whatever is wrong with a certificate, the caller hears the same.
pub fn refused(why: impl Into<String>) -> Refused {
    Refused::new(401, "invalid_client", "The client certificate is missing or is not this client's.").because(why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http::HeaderValue;

    /// RFC 9110 5.6.1: a list may have empty elements, and stands on any number of lines.
    #[test]
    fn a_chain_is_a_list() {
        let one = certificate::to_header(b"own");
        let shown = |chain: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert("client-cert", HeaderValue::from_str(&one).unwrap());
            for line in chain {
                headers.append("client-cert-chain", HeaderValue::from_str(line).unwrap());
            }
            let proxies = Networks::parse(&["127.0.0.1"]).unwrap();
            of_request(&headers, IpAddr::from([127, 0, 0, 1]), None, Some(&proxies)).map(|it| it.0.len())
        };
        let (a, b) = (certificate::to_header(b"a"), certificate::to_header(b"b"));
        assert_eq!(shown(&[]), Some(1));
        let lists = [format!("{a}, {b}"), format!("{a},{b},"), format!(" , {a},, {b} ,")];
        for list in &lists {
            assert_eq!(shown(&[list]), Some(3), "{list}");
        }
        assert_eq!(shown(&[&a, "", &b]), Some(3));
        for bad in [format!("{a}, x"), format!("{a}, :"), format!("{a} {b}")] {
            assert_eq!(shown(&[&bad]), None, "{bad}");
        }
        let many = [a.as_str(); 6].join(",");
        assert_eq!(shown(&[&many, &many]), Some(1 + LONGEST), "of all lines together");
    }
}
