//! A request that another site posts comes without our cookies, as they are `SameSite=Lax`. A person who is signed in would be nobody.
//! So a page of ours posts it once more, and then the cookies come along.

use crate::app::App;
use crate::authorization::delivery::origin;
use crate::web::headers::list;
use crate::web::request::Incoming;
use crate::web::route::Sender;
use http::{HeaderMap, Method};

/// In the query of the second request. Whoever adds it to the first one gets what a request without cookies gets.
const HERE: &str = "here";

/// Did another site post this request?
pub fn is_needed(app: &App, incoming: &Incoming) -> bool {
    incoming.method == Method::POST
        && incoming.route.from == Sender::Browser
        && !has_come_back(incoming)
        && is_from_elsewhere(&incoming.headers, &app.config.issuer)
}

/// Did our own page post it?
pub fn has_come_back(incoming: &Incoming) -> bool {
    incoming.method == Method::POST && incoming.query.contains(HERE)
}

/// Where our page posts the request to.
pub fn address(app: &App, incoming: &Incoming) -> String {
    app.url(&format!("{}?{HERE}", incoming.path_as_sent()))
}

/// Browsers say where a request comes from: in `Sec-Fetch-Site`, older ones in `Origin` alone.
fn is_from_elsewhere(headers: &HeaderMap, issuer: &str) -> bool {
    if headers.contains_key("sec-fetch-site") {
        let sends_cookies = |site: &[u8]| [&b"same-origin"[..], b"same-site", b"none"].contains(&site);
        return !list(headers, "sec-fetch-site").all(sends_cookies);
    }
    let own = origin(issuer);
    headers.get_all("origin").iter().any(|named| named.as_bytes() != own.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_browser_says_where_a_request_comes_from() {
        let is_foreign = |pairs: &[(&'static str, &[u8])]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            }
            is_from_elsewhere(&headers, "https://as.example.com/tenant")
        };
        for here in [
            &[][..],
            &[("sec-fetch-site", &b"same-origin"[..])],
            &[("sec-fetch-site", b"same-site"), ("origin", b"https://app.example.com")],
            &[("sec-fetch-site", b"none"), ("origin", b"null")],
            &[("origin", b"https://as.example.com")],
        ] {
            assert!(!is_foreign(here), "{here:?}");
        }
        for elsewhere in [
            &[("sec-fetch-site", &b"cross-site"[..])][..],
            &[("sec-fetch-site", b"\xff")],
            &[("sec-fetch-site", b"same-origin"), ("sec-fetch-site", b"cross-site")],
            &[("sec-fetch-site", b"cross-site"), ("origin", b"https://as.example.com")],
            &[("origin", b"https://app.example.com")],
            &[("origin", b"http://as.example.com")],
            &[("origin", b"null")],
        ] {
            assert!(is_foreign(elsewhere), "{elsewhere:?}");
        }
    }
}
