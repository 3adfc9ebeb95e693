//! Client certificates: the thumbprint that binds a token (RFC 8705 3.1), and the header in which a proxy passes the certificate on (RFC
//! 9440 2.2).

use crate::digest::sha256;
use crate::{base64, base64url};
use ipnet::IpNet;
use std::net::IpAddr;

/// The largest certificate that is read.
pub const MAX_BYTES: usize = 16 * 1024;

/// `x5t#S256`: SHA-256 of the certificate in DER, base64url.
pub fn thumbprint(der: &[u8]) -> String {
    base64url::encode(&sha256(der))
}

/// The certificate of a `Client-Cert` header: one byte sequence of RFC 8941, base64 with padding between colons.
pub fn from_header(value: &str) -> Option<Vec<u8>> {
    let encoded = value.trim().strip_prefix(':')?.strip_suffix(':')?;
    if encoded.is_empty() || encoded.len() > MAX_BYTES * 4 / 3 + 4 {
        return None;
    }
    base64::decode(encoded)
}

/// The header that a proxy would send for this certificate.
pub fn to_header(der: &[u8]) -> String {
    format!(":{}:", base64::encode(der))
}

/// Reads a CIDR block, or one address as the block that holds this address alone.
pub fn parse_net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_proxy_is_read_strictly() {
        for size in [1, 2, 3, 600] {
            let der = vec![0xfb; size];
            assert_eq!(from_header(&to_header(&der)), Some(der));
        }
        for bad in ["", "::", "AAAA", ":AAAA", ":AAA:", ":A===:", ":AA-_:", ":AA==AA==:", ":AAAA:,:AAAA:", ":AAAA: ;a=1"] {
            assert_eq!(from_header(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_is_found_in_its_network() {
        let is = |net: &str, address: &str| {
            let address: Option<IpAddr> = address.parse().ok();
            address.is_some_and(|address| parse_net(net).is_some_and(|it| it.contains(&address.to_canonical())))
        };
        assert!(is("10.0.0.0/8", "10.1.2.3") && is("10.0.0.1", "::ffff:10.0.0.1") && is("2001:db8::/32", "2001:db8::1"));
        assert!(
            !is("10.0.0.0/8", "11.1.2.3") && !is("nonsense", "10.1.2.3") && !is("10.0.0.0/x", "10.1.2.3") && is("0.0.0.0/0", "9.9.9.9")
        );
        // A prefix that is longer than the address is no block.
        assert!(is("10.1.2.3/32", "10.1.2.3") && !is("10.1.2.3/33", "10.1.2.3") && !is("10.1.2.3/128", "10.1.2.3"));
    }
}
