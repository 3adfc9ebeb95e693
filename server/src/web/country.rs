//! The country of a caller, as a proxy of the operator's says it in a header. This server knows no addresses of countries itself.

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Two letters (ISO 3166-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// Proxies say so of an address whose country they do not know.
const UNKNOWN: [&str; 2] = ["XX", "ZZ"];

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let letters = text.as_bytes().first_chunk::<2>().filter(|_| text.len() == 2 && !UNKNOWN.contains(&text.as_str()));
        letters.filter(|all| all.iter().all(u8::is_ascii_uppercase)).map(|all| Self(*all)).ok_or("a country has two letters")
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.to_string()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// Only a configured proxy is believed. The header given twice says nothing. `None`: unknown.
pub fn of_request(headers: &HeaderMap, is_proxy: bool, header: Option<&str>) -> Option<Country> {
    let mut said = headers.get_all(header.filter(|_| is_proxy)?).iter();
    let (first, second) = (said.next()?, said.next());
    let text = first.to_str().ok().filter(|_| second.is_none())?;
    text.trim().to_ascii_uppercase().try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_country_is_what_one_proxy_says_once() {
        let said = |values: &[&str], is_proxy: bool, header: Option<&str>| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| _ = headers.append("cf-ipcountry", HeaderValue::from_str(value).unwrap()));
            of_request(&headers, is_proxy, header).map(|it| it.to_string())
        };
        let named = Some("cf-ipcountry");
        assert_eq!(said(&["at"], true, named).as_deref(), Some("AT"));
        for (values, is_proxy, header) in [
            (&["at"][..], false, named),
            (&["at"], true, None),
            (&["at"], true, Some("x-country")),
            (&["at", "at"], true, named),
            (&[], true, named),
            (&["XX"], true, named),
            (&["T1"], true, named),
            (&["AUT"], true, named),
            (&[""], true, named),
        ] {
            assert_eq!(said(values, is_proxy, header), None, "{values:?} {is_proxy} {header:?}");
        }
    }
}
