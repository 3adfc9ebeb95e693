//! Which addresses everybody can reach, and which are of this machine's own networks.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

pub const NOT_PUBLIC: &str = "the address is not a public one";

/// Can everybody on the Internet be meant by this address?
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Not those of the IANA registry of special-purpose addresses (RFC 6890).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        // Multicast and reserved.
        || a >= 224;
    !special
}

/// Global unicast is 2000::/3, without what is set aside in it (RFC 6890, RFC 9637). 64:ff9b::/96 leads to an IPv4 address (RFC 6052).
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [.., high, low] = segments;
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    match segments[0] {
        0x2001 => segments[1] >= 0x200 && segments[1] != 0xdb8,
        0x2002 => false,
        0x3fff => segments[1] >= 0x1000,
        first => first & 0xe000 == 0x2000,
    }
}

/// Looks a name up.
pub type LookUp = dyn Fn(String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync;

/// Looks names up, and refuses one that leads to any address that is not public. The connection goes to what was judged.
pub struct PublicOnly(pub Arc<LookUp>);

impl PublicOnly {
    pub fn of_system() -> Self {
        Self(Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })))
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.0)(name.as_str().to_owned());
        Box::pin(async move {
            let found = found.await?;
            if found.is_empty() || !found.iter().all(|it| is_public(it.ip())) {
                return Err(NOT_PUBLIC.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// For tests: judges what a name leads to as always, and connects to the test's own server.
#[cfg(feature = "faults")]
pub struct Diverted(pub PublicOnly, pub SocketAddr);

#[cfg(feature = "faults")]
impl Resolve for Diverted {
    fn resolve(&self, name: Name) -> Resolving {
        let (judged, to) = (self.0.resolve(name), self.1);
        Box::pin(async move {
            let _ = judged.await?;
            Ok(Box::new(std::iter::once(to)) as Addrs)
        })
    }
}
