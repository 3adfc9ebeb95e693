//! Networks whose machines are believed: proxies. An entry that cannot be read is an error, never a wider or an empty rule.

use ipnet::IpNet;
use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Networks(Vec<Network>);

/// One address, or one network such as 10.0.0.0/8.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Network(IpNet);

impl Networks {
    pub fn parse(entries: &[&str]) -> Result<Self, String> {
        entries.iter().map(|it| Network::parse(it)).collect::<Result<_, _>>().map(Self)
    }

    /// An IPv4 address that is written as IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|it| it.0.contains(&address))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|it| it.0.to_string()).collect();
        f.write_str(&all.join(", "))
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse::<IpNet>().map_err(|_| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))?,
        };
        if net.prefix_len() == 0 {
            return Err(format!("{text:?} would trust every address; name the proxies themselves"));
        }
        if matches!(net, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some()) {
            return Err(format!("{text:?} is a network of IPv4 addresses; write it as one, such as 10.0.0.0/8"));
        }
        Ok(Self(net))
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn contains(net: &str, address: &str) -> bool {
        Networks::parse(&[net]).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_belongs_to_its_network_alone() {
        assert!(contains("10.0.0.0/8", "10.1.2.3") && contains("10.9.9.9/8", "10.1.2.3") && !contains("10.0.0.0/8", "11.1.2.3"));
        assert!(contains("10.0.0.1", "10.0.0.1") && !contains("10.0.0.1", "10.0.0.2"));
        assert!(contains("10.0.0.1", "::ffff:10.0.0.1") && contains("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(contains("2001:db8::/32", "2001:db8::1") && !contains("2001:db8::/32", "2001:db9::1"));
        assert!(!contains("::1", "127.0.0.1") && !contains("127.0.0.1", "::1"));
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()), "nobody is believed unless named");
    }

    #[test]
    fn what_is_no_network_is_an_error() {
        let bad = [
            "",
            " ",
            "/",
            "/0",
            "*",
            "nonsense",
            "localhost",
            "10.0.0.0/",
            "10.0.0.0/x",
            "10.0.0.0/33",
            "10.0.0/8",
            " 10.0.0.1",
            "::1/129",
        ];
        for entry in bad {
            assert!(Networks::parse(&[entry]).unwrap_err().contains("neither an address nor a network"), "{entry:?}");
        }
        for entry in ["0.0.0.0/0", "::/0", "10.0.0.0/0"] {
            assert!(Networks::parse(&[entry]).unwrap_err().contains("every address"), "{entry}");
        }
        assert!(Networks::parse(&["::ffff:10.0.0.0/104"]).unwrap_err().contains("IPv4"));
        assert!(Networks::parse(&["10.0.0.1", ""]).is_err(), "one bad entry is not skipped");
    }

    #[test]
    fn a_bad_entry_of_the_file_names_its_line() {
        let read = |more: &str| crate::config::Config::from_text(&format!("issuer = \"https://a.example\"\n{more}"), "x", &|_| None);
        let mtls = "[mtls]\nurl = \"https://mtls.a.example\"\nclient_cert_from";
        for bad in ["\"\"", "\"0.0.0.0/0\"", "\"10.0.0.0/x\"", "1"] {
            let error = read(&format!("trusted_proxies = [\"10.0.0.1\", {bad}]")).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
            let error = read(&format!("{mtls} = [{bad}]")).unwrap_err().to_string();
            assert!(error.contains("line 4"), "{error}");
        }
        assert!(read("trusted_proxies = [\"10.0.0.1\", \"10.1.0.0/16\"]").is_ok());
        assert!(read(&format!("{mtls} = [\"10.0.0.1\"]")).is_ok());
    }
}
