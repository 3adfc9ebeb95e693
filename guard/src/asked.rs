//! A call as a proxy describes it, after the checks that hold for every call. The proxy passes the caller's headers on. So none of them may
//! look like one of ours, name another method or URL for the API, or have a spelling that some servers read as another header.

use crate::identity::PREFIX;
use crate::path::{Path, check_query};
use http::{HeaderMap, HeaderName, header};
use symbolon_oauth::{base64, certificate};

const MAX_METHOD: usize = 32;

/// With these headers a caller could make some frameworks take another method or URL than the one that is checked.
const OVERRIDES: [&str; 8] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-forwarded-prefix",
    "x-forwarded-path",
];

/// Headers that decide. Another spelling of them is refused.
const DECIDING: [&str; 7] = ["authorization", "dpop", "client-cert", "x-forwarded-method", "x-forwarded-uri", "connection", "upgrade"];

/// What a `Connection` header may name. A proxy may take any header away that it names, one of ours too.
const CONNECTION: [&str; 4] = ["close", "keep-alive", "te", "upgrade"];

#[derive(Debug)]
pub struct Asked {
    pub method: String,
    pub path: Path,
    pub query: Option<String>,
    pub headers: HeaderMap,
    /// The certificate that the caller proved, in DER.
    pub certificate: Option<Vec<u8>>,
}

impl Asked {
    /// `target` is path and query as the caller sent them.
    pub fn new(method: &str, target: &str, headers: HeaderMap) -> Result<Self, &'static str> {
        if method.is_empty() || method.len() > MAX_METHOD || !method.bytes().all(|it| it.is_ascii_uppercase() || it == b'-') {
            return Err("The method is not a name in capital letters.");
        }
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let path = Path::parse(path)?;
        query.map_or(Ok(()), check_query)?;
        check_headers(&headers)?;
        Ok(Self { method: method.to_owned(), path, query: query.map(str::to_owned), headers, certificate: None })
    }

    /// Does the caller want to speak another protocol behind this call?
    pub fn upgrade(&self) -> Upgrade {
        let mut all = self.headers.get_all(header::UPGRADE).iter();
        match (all.next(), all.next()) {
            (None, _) => Upgrade::None,
            (Some(name), None) if name.as_bytes().eq_ignore_ascii_case(b"websocket") => Upgrade::WebSocket,
            _ => Upgrade::Other,
        }
    }

    /// A CORS preflight as browsers send it (Fetch, 4.8): it has no credentials and no body.
    pub fn is_preflight(&self) -> bool {
        let has = |name: HeaderName| self.headers.contains_key(name);
        let has_body = self.headers.get_all(header::CONTENT_LENGTH).iter().any(|it| it != "0") || has(header::TRANSFER_ENCODING);
        self.method == "OPTIONS"
            && has(header::ORIGIN)
            && has(header::ACCESS_CONTROL_REQUEST_METHOD)
            && ![header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("dpop")].into_iter().any(has)
            && !has_body
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    None,
    WebSocket,
    Other,
}

/// CGI and its heirs make one variable of `X_A`, `X.A` and `X-A`.
fn folded(name: &HeaderName) -> String {
    name.as_str().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
}

fn check_headers(headers: &HeaderMap) -> Result<(), &'static str> {
    for name in headers.keys() {
        let folded = folded(name);
        if folded.starts_with(PREFIX) {
            return Err("The call has a header that only the guard may set.");
        }
        if OVERRIDES.contains(&folded.as_str()) {
            return Err("The call has a header that names another method or URL.");
        }
        if folded != name.as_str() && DECIDING.contains(&folded.as_str()) {
            return Err("The call has a header with another sign for a dash, which some servers read as another header.");
        }
    }
    for value in headers.get_all(header::CONNECTION) {
        let names = value.to_str().map_err(|_| "The Connection header is not text.")?;
        if !names
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .all(|it| CONNECTION.iter().any(|known| known.eq_ignore_ascii_case(it)))
        {
            return Err("The Connection header names a header that the API may need.");
        }
    }
    Ok(())
}

/// Reads a header that the proxy sets itself. Two of them, or one in another spelling beside it, are the caller's work.
pub fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.iter().filter(|(it, _)| folded(it) == name);
    match (all.next(), all.next()) {
        (Some((spelled, value)), None) if spelled.as_str() == name => value.to_str().ok(),
        _ => None,
    }
}

/// Reads the certificate as a proxy passes it on: `:BASE64:` (RFC 9440), or `pem:` and the PEM, percent-encoded. `::` and `pem:` say that
/// the caller showed none.
pub fn read_certificate(text: &str) -> Result<Option<Vec<u8>>, &'static str> {
    const WRONG: &str = "The proxy passes the certificate on in a form that the guard does not know.";
    match text {
        "::" | "pem:" => Ok(None),
        _ => match text.strip_prefix("pem:") {
            Some(pem) => read_pem(pem).map(Some).ok_or(WRONG),
            None => certificate::from_header(text).map(Some).ok_or(WRONG),
        },
    }
}

/// One certificate in PEM, percent-encoded.
pub fn read_pem(encoded: &str) -> Option<Vec<u8>> {
    if encoded.len() > certificate::MAX_BYTES * 3 {
        return None;
    }
    let pem = crate::percent::decode(encoded, |it| it.is_ascii_graphic(), |_| true)?;
    let body = pem.trim().strip_prefix("-----BEGIN CERTIFICATE-----")?.strip_suffix("-----END CERTIFICATE-----")?;
    let base64: String = body.chars().filter(|it| !matches!(it, '\r' | '\n')).collect();
    base64::decode(&base64).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut all = HeaderMap::new();
        for (name, value) in list {
            all.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        all
    }

    /// 187-M. Each with its twin: the same call without the header.
    #[test]
    fn a_header_that_could_deceive_the_api_is_refused() {
        assert!(
            Asked::new("GET", "/orders?page=2", headers(&[("authorization", "Bearer x"), ("connection", "Keep-Alive, close")])).is_ok()
        );
        for (name, value) in [
            ("X-Symbolon-Sub", "admin"),
            ("x_symbolon_sub", "admin"),
            ("X-Symbolon_Sub", "admin"),
            ("X-Symbolon-Anything", ""),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X_HTTP_Method_Override", "DELETE"),
            ("X-Original-URL", "/admin"),
            ("X-Rewrite-Url", "/admin"),
            ("X-Original-URI", "/admin"),
            ("X_Forwarded_Prefix", "/admin"),
            ("X-Forwarded-Path", "/admin"),
            ("X_Forwarded_Uri", "/admin"),
            ("Client_Cert", "::"),
            ("Connection", "close, X-Symbolon-Sub"),
            ("Connection", "authorization"),
        ] {
            assert!(
                Asked::new("GET", "/orders?page=2", headers(&[("authorization", "Bearer x"), (name, value)])).is_err(),
                "{name}: {value}"
            );
        }
        for method in ["", "get", "GET ", "GET\r\n", &"G".repeat(33)] {
            assert!(Asked::new(method, "/orders", HeaderMap::new()).is_err(), "{method}");
        }
    }

    #[test]
    fn what_the_proxy_says_is_there_once() {
        assert_eq!(single(&headers(&[("x-forwarded-uri", "/a")]), "x-forwarded-uri"), Some("/a"));
        for list in [
            &[][..],
            &[("x-forwarded-uri", "/a"), ("x-forwarded-uri", "/b")],
            &[("x-forwarded-uri", "/a"), ("x_forwarded_uri", "/b")],
            &[("x_forwarded_uri", "/b")],
        ] {
            assert_eq!(single(&headers(list), "x-forwarded-uri"), None, "{list:?}");
        }
    }

    #[test]
    fn a_preflight_has_no_credentials_and_no_body() {
        let is = |method: &str, more: &[(&str, &str)]| {
            let mut list = vec![("origin", "https://app.example.com"), ("access-control-request-method", "PUT")];
            list.extend(more);
            Asked::new(method, "/orders", headers(&list)).unwrap().is_preflight()
        };
        assert!(is("OPTIONS", &[]) && is("OPTIONS", &[("content-length", "0")]));
        assert!(!is("GET", &[]));
        for more in
            [("authorization", "Bearer x"), ("cookie", "a=b"), ("dpop", "x"), ("content-length", "5"), ("transfer-encoding", "chunked")]
        {
            assert!(!is("OPTIONS", &[more]), "{more:?}");
        }
        assert!(!Asked::new("OPTIONS", "/orders", headers(&[("origin", "https://app.example.com")])).unwrap().is_preflight());
    }

    #[test]
    fn a_certificate_is_read_in_the_forms_of_proxies() {
        let der = vec![0xfb; 40];
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64::encode(&der));
        let encoded = pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert_eq!(read_certificate(&certificate::to_header(&der)), Ok(Some(der.clone())));
        assert_eq!(read_certificate(&format!("pem:{encoded}")), Ok(Some(der)));
        assert_eq!((read_certificate("::"), read_certificate("pem:")), (Ok(None), Ok(None)));
        for bad in [
            "",
            "pem",
            &encoded,
            "pem:AAAA",
            ":AAA:",
            &format!("pem:{encoded}{encoded}"),
            "pem:-----BEGIN%20CERTIFICATE----------END%20CERTIFICATE-----",
        ] {
            assert!(read_certificate(bad).is_err(), "{bad}");
        }
    }
}
