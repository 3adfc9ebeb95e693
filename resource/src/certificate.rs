//! Certificate-bound tokens. RFC 8705 3: the certificate of the call's own mutual TLS, or, where a configured proxy ended TLS,
//! the one its `Client-Cert` header carries (RFC 9440). The header of anybody else counts for nothing.

use crate::{Call, Refusal, Token};
use ipnet::IpNet;
use std::net::IpAddr;
use symbolon_oauth::certificate;

/// What the API's own server knows of a connection; it puts this into the request's extensions.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Who is connected: an app, or a proxy.
    pub address: Option<IpAddr>,
    /// The certificate the peer proved in the TLS handshake, in DER.
    pub certificate: Option<Vec<u8>>,
}

/// Must the call come with a certificate, and does it?
pub fn must_fit(call: &Call<'_>, token: &Token, proxies: &[IpNet]) -> Result<(), Refusal> {
    let Some(bound) = token.cnf.as_ref().and_then(|it| it.get("x5t#S256")) else { return Ok(()) };
    let refuse = |why: &str| Err(Refusal::Token(why.to_owned()));
    let Some(shown) = shown(call, proxies) else {
        return refuse("This token is bound to a client certificate. Call this API over mutual TLS with that certificate.");
    };
    if bound.as_str() != Some(certificate::thumbprint(&shown).as_str()) {
        return refuse("The call was made with another client certificate than the one the token is bound to.");
    }
    Ok(())
}

fn shown(call: &Call<'_>, proxies: &[IpNet]) -> Option<Vec<u8>> {
    let peer = call.peer?;
    let is_proxy = |address: IpAddr| proxies.iter().any(|it| it.contains(&address.to_canonical()));
    if !peer.address.is_some_and(is_proxy) {
        return peer.certificate.clone();
    }
    // The proxy's own certificate, if it has one, says nothing about the app.
    let mut all = call.headers.get_all("client-cert").iter();
    let first = all.next()?;
    if all.next().is_some() {
        return None;
    }
    certificate::from_header(first.to_str().ok()?)
}
