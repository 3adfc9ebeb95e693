//! A request as every endpoint gets it: who is connected, what came, and who was found to have sent it.

use crate::config::Networks;
use crate::store::Row;
use crate::web::certificate::{Chain, Shown};
use http::{HeaderMap, Method, header};
use serde_json::{Map, Value as Json};
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock};
use symbolon_oauth::form::Form;

/// Who is connected.
#[derive(Clone)]
pub struct Peer {
    pub address: IpAddr,
    /// What it showed in the TLS handshake, its own certificate first.
    pub certificates: Option<Chain>,
}

/// A request that passed the checks every endpoint shares.
pub struct Incoming {
    pub method: Method,
    /// The path of the route table, below the issuer.
    pub route: &'static str,
    /// The last segment of the path, where the route has a parameter there.
    pub parameter: String,
    pub query: Form,
    /// The body, where the endpoint takes a form; else it is empty.
    pub form: Form,
    /// The body, where the endpoint takes a JSON object; else it is empty.
    pub json: Map<String, Json>,
    pub headers: HeaderMap,
    /// The caller's address; a proxy's word for it only where the proxy is configured.
    pub address: IpAddr,
    /// The client certificate, proved by the handshake or passed on by a configured proxy.
    pub certificate: Option<Shown>,
    pub now_ms: i64,
    /// Filled in by whoever proves it; for the audit.
    pub known: Known,
}

impl Incoming {
    /// A header that may be given once; twice counts as absent text, never as the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?;
        all.next().is_none().then(|| first.to_str().ok())?
    }

    /// A cookie's value; sent twice, it is not believed.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut found = None;
        for line in self.headers.get_all(header::COOKIE) {
            for pair in line.to_str().ok()?.split(';') {
                let Some((key, value)) = pair.trim().split_once('=') else { continue };
                if key == name {
                    if found.is_some() {
                        return None;
                    }
                    found = Some(value);
                }
            }
        }
        found
    }

    /// The names of all cookies.
    pub fn cookie_names(&self) -> Vec<String> {
        let lines = self.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let names = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    /// Parameters of the request whichever way they came: the body of a POST, else the query.
    pub fn parameters(&self) -> &Form {
        if self.method == Method::POST { &self.form } else { &self.query }
    }
}

/// Who a request turned out to be from, once that was proved.
#[derive(Default)]
pub struct Known {
    pub client: OnceLock<String>,
    pub instance: OnceLock<String>,
    /// The row of the grant that the refresh token names, read on the way and not looked at yet.
    grant: Mutex<Option<Row>>,
}

impl Known {
    pub fn keep_grant(&self, row: Row) {
        if let Ok(mut slot) = self.grant.lock() {
            *slot = Some(row);
        }
    }

    /// Once: whoever tries again reads again.
    pub fn take_grant(&self) -> Option<Row> {
        self.grant.lock().ok()?.take()
    }
}

/// The caller's address: the peer's own, or, when the peer is a configured proxy, the last entry of X-Forwarded-For
/// that is not itself a configured proxy. Anybody else's header is ignored.
pub fn address(headers: &HeaderMap, peer: IpAddr, proxies: &Networks) -> IpAddr {
    let peer = peer.to_canonical();
    let trusted = |it: &IpAddr| proxies.contains(*it);
    if !trusted(&peer) {
        return peer;
    }
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|it| it.to_str().ok()).collect();
    let all = lines.join(",");
    for hop in all.rsplit(',').take(16) {
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { return peer };
        if !trusted(&hop) {
            return hop;
        }
    }
    peer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_proxy_is_believed_only_when_configured() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "203.0.113.9, 198.51.100.7".parse().unwrap());
        let peer: IpAddr = "10.0.0.2".parse().unwrap();
        assert_eq!(address(&headers, peer, &Networks::default()), peer);
        assert_eq!(address(&headers, peer, &Networks::parse(&["10.0.0.0/8"]).unwrap()).to_string(), "198.51.100.7");
        assert_eq!(address(&headers, peer, &Networks::parse(&["10.0.0.2", "198.51.100.7"]).unwrap()).to_string(), "203.0.113.9");
    }
}
