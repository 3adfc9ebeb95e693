//! Certificate-bound tokens (RFC 8705 3). The certificate is that of the connection's mutual TLS. Where a configured proxy terminated TLS,
//! it is that of the proxy's `Client-Cert` header (RFC 9440). The header of any other peer is ignored.

use crate::{Call, Confirmation, Refusal, Token};
use ipnet::IpNet;
use std::net::IpAddr;
use symbolon_oauth::certificate;

/// What the API's own server knows about a connection. The server puts it into the request's extensions.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The address of the peer: an app, or a proxy.
    pub address: Option<IpAddr>,
    /// The certificate the peer proved in the TLS handshake, in DER.
    pub certificate: Option<Vec<u8>>,
}

/// Refuses a token that is bound to another certificate than that of the call. What else it is bound to, `dpop` asks before.
pub fn must_match(call: &Call<'_>, token: &Token, proxies: &[IpNet]) -> Result<(), Refusal> {
    let Some(Confirmation::Known { certificate: Some(bound), .. }) = &token.cnf else { return Ok(()) };
    let refuse = |why: &str| Err(Refusal::Token(why.to_owned()));
    let Some(shown) = certificate_of(call, proxies) else {
        return refuse("This token is bound to a client certificate. Call this API over mutual TLS with that certificate.");
    };
    if *bound != certificate::thumbprint(&shown) {
        return refuse("The call was made with another client certificate than the one the token is bound to.");
    }
    Ok(())
}

fn certificate_of(call: &Call<'_>, proxies: &[IpNet]) -> Option<Vec<u8>> {
    let peer = call.peer?;
    let is_proxy = |address: IpAddr| proxies.iter().any(|it| it.contains(&address.to_canonical()));
    if !peer.address.is_some_and(is_proxy) {
        return peer.certificate.clone();
    }
    // The proxy may have a certificate of its own. It says nothing about the app.
    let mut all = call.headers.get_all("client-cert").iter();
    let first = all.next()?;
    if all.next().is_some() {
        return None;
    }
    certificate::from_header(first.to_str().ok()?)
}
