//! A script in a browser reads a refusal only where the answer allows it for the script's origin (Fetch, "CORS protocol"). So a browser app
//! of a known origin learns why it was refused. Nothing else is told: the call itself is the API's to answer.

use bytes::Bytes;
use http::header::{
    self, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderName, Response};
use url::Url;

/// What says why, beside status and body.
const READ: [HeaderName; 3] = [WWW_AUTHENTICATE, RETRY_AFTER, HeaderName::from_static("dpop-nonce")];

/// Lets the script that called read a refusal. An origin is compared whole; none that is not listed learns anything.
pub fn show(allowed: &[String], caller: Option<&str>, answer: &mut Response<Bytes>) {
    if allowed.is_empty() {
        return;
    }
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = caller.filter(|caller| allowed.iter().any(|it| it == caller)) else { return };
    if let Ok(origin) = HeaderValue::try_from(origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let names = READ.map(|name| name.to_string()).join(", ");
        headers.extend(HeaderValue::try_from(names).map(|it| (ACCESS_CONTROL_EXPOSE_HEADERS, it)));
    }
}

/// The origin of a call. Two of them are none.
pub fn of(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(header::ORIGIN).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then(|| first.to_owned())
}

/// Is it written as browsers write it: scheme, host, and a port that is not the usual one? `null` is everybody's.
pub fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for good in ["https://app.example.com", "https://app.example.com:8443", "http://127.0.0.1:3000"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "https://a.example:443",
            "file:///x",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
