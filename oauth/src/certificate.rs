//! Client certificates as OAuth sees them: the thumbprint a token is bound to (RFC 8705 3.1), and the header by which a proxy
//! that ended TLS passes the certificate on (RFC 9440 2.2).

use crate::base64url;
use crate::digest::sha256;
use std::net::IpAddr;

/// The largest certificate that is looked at.
pub const MAX_BYTES: usize = 16 * 1024;

/// `x5t#S256`: SHA-256 of the certificate in DER, base64url.
pub fn thumbprint(der: &[u8]) -> String {
    base64url::encode(&sha256(der))
}

/// The certificate of a `Client-Cert` header: one byte sequence of RFC 8941, base64 with padding between colons.
pub fn from_header(value: &str) -> Option<Vec<u8>> {
    let encoded = value.trim().strip_prefix(':')?.strip_suffix(':')?;
    if encoded.is_empty() || encoded.len() > MAX_BYTES * 4 / 3 + 4 || encoded.len() % 4 != 0 || encoded.contains(['-', '_']) {
        return None;
    }
    let padding = encoded.len() - encoded.trim_end_matches('=').len();
    if padding > 2 {
        return None;
    }
    let url: String = encoded
        .trim_end_matches('=')
        .chars()
        .map(|it| {
            if it == '+' {
                '-'
            } else if it == '/' {
                '_'
            } else {
                it
            }
        })
        .collect();
    base64url::decode(&url)
}

/// The header a proxy would send for this certificate.
pub fn to_header(der: &[u8]) -> String {
    let text: String = base64url::encode(der)
        .chars()
        .map(|it| {
            if it == '-' {
                '+'
            } else if it == '_' {
                '/'
            } else {
                it
            }
        })
        .collect();
    format!(":{text}{}:", "=".repeat((4 - text.len() % 4) % 4))
}

/// Is the address in one of these: addresses or CIDR blocks? An IPv4 address mapped into IPv6 counts as the IPv4 address.
pub fn is_one_of(nets: &[String], address: IpAddr) -> bool {
    let address = address.to_canonical();
    nets.iter().any(|net| within(net, &address))
}

fn within(net: &str, address: &IpAddr) -> bool {
    let (base, bits) = match net.split_once('/') {
        Some((base, bits)) => (base, bits.parse::<u32>().ok()),
        None => (net, Some(128)),
    };
    let (Ok(base), Some(bits)) = (base.parse::<IpAddr>(), bits) else { return false };
    match (base, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => shifted(u32::from(a).into(), 32, bits) == shifted(u32::from(*b).into(), 32, bits),
        (IpAddr::V6(a), IpAddr::V6(b)) => shifted(u128::from(a), 128, bits) == shifted(u128::from(*b), 128, bits),
        _ => false,
    }
}

fn shifted(value: u128, width: u32, bits: u32) -> u128 {
    value.checked_shr(width - bits.min(width)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_sends_is_read_strictly() {
        for size in [1, 2, 3, 600] {
            let der = vec![0xfb; size];
            assert_eq!(from_header(&to_header(&der)), Some(der));
        }
        for bad in ["", "::", "AAAA", ":AAAA", ":AAA:", ":A===:", ":AA-_:", ":AAAA:,:AAAA:", ":AAAA: ;a=1"] {
            assert_eq!(from_header(bad), None, "{bad}");
        }
    }

    #[test]
    fn networks() {
        let is = |net: &str, address: &str| address.parse().is_ok_and(|it| is_one_of(&[net.to_owned()], it));
        assert!(is("10.0.0.0/8", "10.1.2.3") && is("10.0.0.1", "::ffff:10.0.0.1") && is("2001:db8::/32", "2001:db8::1"));
        assert!(
            !is("10.0.0.0/8", "11.1.2.3") && !is("nonsense", "10.1.2.3") && !is("10.0.0.0/x", "10.1.2.3") && is("0.0.0.0/0", "9.9.9.9")
        );
    }
}
