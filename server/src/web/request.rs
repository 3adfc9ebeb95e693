//! A request as every endpoint gets it: who is connected, what came, and who was found to have sent it.

use crate::error::{Error, Refused, Result};
use crate::store::Row;
use crate::web::certificate::{Chain, Shown};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body_util::{BodyExt, Limited};
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use symbolon_oauth::certificate;
use symbolon_oauth::form::{Form, FormError};

const BODY_LIMIT: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);

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
    pub query: Form,
    pub form: Form,
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

/// The form of a POST: coding, content type, size, time, parameters given twice.
pub async fn read_form<B>(headers: &HeaderMap, body: B, empty_is_fine: bool) -> Result<Form>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    check_coding(headers)?;
    let limited = Limited::new(body, BODY_LIMIT);
    let bytes = tokio::time::timeout(BODY_TIME, limited.collect())
        .await
        .map_err(|_| Refused::new(408, "invalid_request", "The request body took too long to arrive."))?
        .map_err(|_| Refused::new(413, "invalid_request", "The request body is larger than 64 KiB or was cut off."))?
        .to_bytes();
    if !(bytes.is_empty() && empty_is_fine) {
        check_content_type(headers)?;
    }
    parse_form(&bytes)
}

pub fn parse_form(bytes: &[u8]) -> Result<Form> {
    Form::parse(bytes).map_err(unreadable)
}

fn check_coding(headers: &HeaderMap) -> Result<()> {
    match headers.get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(_) => Err(Refused::new(415, "invalid_request", "Send the body without Content-Encoding.").into()),
    }
}

/// RFC 6749 3.2: parameters come as a form. A charset, if named, is UTF-8.
fn check_content_type(headers: &HeaderMap) -> Result<()> {
    let wrong = || Refused::new(415, "invalid_request", "Send the parameters as application/x-www-form-urlencoded in UTF-8.");
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return Err(wrong().into()) };
    let text = only.to_str().map_err(|_| wrong())?.to_ascii_lowercase();
    let mut pieces = text.split(';').map(str::trim);
    if pieces.next() != Some("application/x-www-form-urlencoded") {
        return Err(wrong().because("content type").into());
    }
    for piece in pieces {
        if let Some(charset) = piece.strip_prefix("charset=")
            && charset.trim_matches('"') != "utf-8"
        {
            return Err(wrong().because("charset").into());
        }
    }
    Ok(())
}

fn unreadable(error: FormError) -> Error {
    match error {
        FormError::Repeated(name) => {
            Refused::bad_request("invalid_request", "A parameter was given twice.").because(format!("twice: {name:?}")).into()
        }
        FormError::TooLarge => Refused::new(413, "invalid_request", "There are too many parameters or they are too long.").into(),
        FormError::Malformed => Refused::bad_request("invalid_request", "The parameters are not valid form encoding in UTF-8.").into(),
    }
}

/// The caller's address: the peer's own, or, when the peer is a configured proxy, the last entry of X-Forwarded-For
/// that is not itself a configured proxy. Anybody else's header is ignored.
pub fn address(headers: &HeaderMap, peer: IpAddr, proxies: &[String]) -> IpAddr {
    let peer = peer.to_canonical();
    let trusted = |it: &IpAddr| certificate::is_one_of(proxies, *it);
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
        assert_eq!(address(&headers, peer, &[]), peer);
        assert_eq!(address(&headers, peer, &["10.0.0.0/8".into()]).to_string(), "198.51.100.7");
        assert_eq!(address(&headers, peer, &["10.0.0.2".into(), "198.51.100.7".into()]).to_string(), "203.0.113.9");
    }
}
