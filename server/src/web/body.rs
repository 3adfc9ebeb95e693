//! The body of a request: coding, content type, size, time, and members given twice.

use crate::error::{Error, Refused, Result};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, Value as Json};
use std::time::Duration;
use symbolon_oauth::form::{Form, FormError, MAX_PARAMETERS};
use symbolon_oauth::jws;

/// What an endpoint reads, unless its row says more.
pub const BODY_LIMIT: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);

/// What an endpoint takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// No body at all.
    Nothing,
    /// RFC 6749 3.2: parameters as a form.
    Form,
    /// The same, and nothing at all is as good as a form without parameters.
    FormOrNothing,
    /// One JSON object.
    Json,
}

/// What came.
#[derive(Debug)]
pub enum Body {
    Form(Form),
    Json(Map<String, Json>),
    Empty,
}

impl Body {
    pub async fn read<B>(headers: &HeaderMap, body: B, (takes, most_bytes): (Takes, usize)) -> Result<Self>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Refused::new(415, "invalid_request", "Send the body without Content-Encoding.").into());
        }
        let limited = Limited::new(body, most_bytes);
        let bytes = tokio::time::timeout(BODY_TIME, limited.collect())
            .await
            .map_err(|_| Refused::new(408, "invalid_request", "The request body took too long to arrive."))?
            .map_err(|_| Refused::new(413, "invalid_request", too_large(most_bytes)))?
            .to_bytes();
        match takes {
            Takes::Nothing | Takes::FormOrNothing if bytes.is_empty() => Ok(Self::Empty),
            Takes::Nothing => Err(Refused::new(415, "invalid_request", "This address takes no body.").into()),
            Takes::Form | Takes::FormOrNothing => {
                let hint = "Send the parameters as application/x-www-form-urlencoded in UTF-8.";
                check_content_type(headers, "application/x-www-form-urlencoded", hint)?;
                Form::parse_within(&bytes, most_bytes).map_err(unreadable).map(Self::Form)
            }
            Takes::Json => {
                check_content_type(headers, "application/json", "Send one object as application/json in UTF-8.")?;
                parse_json(&bytes).map(Self::Json)
            }
        }
    }
}

fn too_large(most_bytes: usize) -> &'static str {
    match most_bytes {
        BODY_LIMIT => "The request body is larger than 64 KiB or was cut off.",
        _ => "The request body is too large or was cut off.",
    }
}

/// One object, under the limits of a form: depth and doubled members in `jws`, the number of members and U+0000 here.
fn parse_json(bytes: &[u8]) -> Result<Map<String, Json>> {
    let malformed = || Refused::bad_request("invalid_request", "The body is not one JSON object, or a member of it is there twice.");
    let object = jws::parse_object(bytes).ok_or_else(malformed)?;
    check_members(&object)?;
    Ok(object)
}

fn check_members(object: &Map<String, Json>) -> Result<()> {
    check_size(object.len())?;
    object.iter().try_for_each(|(name, value)| {
        check_text(name)?;
        check_value(value)
    })
}

/// Recursion ends at the depth that the parser allows.
fn check_value(value: &Json) -> Result<()> {
    match value {
        Json::String(text) => check_text(text),
        Json::Object(object) => check_members(object),
        Json::Array(all) => {
            check_size(all.len())?;
            all.iter().try_for_each(check_value)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(()),
    }
}

/// Of one object, or of one array.
fn check_size(members: usize) -> Result<()> {
    if members > MAX_PARAMETERS {
        return Err(Refused::new(413, "invalid_request", "An object or a list of the body has too many members.").into());
    }
    Ok(())
}

fn check_text(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Refused::bad_request("invalid_request", "A text of the body contains U+0000.").into());
    }
    Ok(())
}

pub fn parse_form(bytes: &[u8]) -> Result<Form> {
    Form::parse(bytes).map_err(unreadable)
}

/// There once, and of this kind. A charset, if named, is UTF-8.
fn check_content_type(headers: &HeaderMap, kind: &str, hint: &'static str) -> Result<()> {
    let wrong = || Refused::new(415, "invalid_request", hint);
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return Err(wrong().into()) };
    let text = only.to_str().map_err(|_| wrong())?.to_ascii_lowercase();
    let mut pieces = text.split(';').map(str::trim);
    if pieces.next() != Some(kind) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http_body_util::Full;

    async fn read(kind: &str, text: &str, takes: Takes) -> std::result::Result<Body, (u16, &'static str)> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        Body::read(&headers, Full::new(Bytes::from(text.to_owned())), (takes, BODY_LIMIT)).await.map_err(|error| match error {
            Error::Refused(refused) => (refused.status, refused.code),
            Error::Fault(_) => (500, ""),
        })
    }

    #[tokio::test]
    async fn a_json_body_is_one_object_without_doubled_members() {
        for (kind, text) in [("application/json", "{\"a\":1}"), ("Application/JSON; charset=\"UTF-8\"", " {\"a\":1}")] {
            assert!(matches!(read(kind, text, Takes::Json).await, Ok(Body::Json(object)) if object["a"] == 1), "{kind}");
        }
        for text in ["", "[]", "1", "null", "{\"a\":1", "{\"a\":1,\"a\":1}", "{\"a\":{\"b\":1,\"b\":2}}", "{} {}"] {
            assert_eq!(read("application/json", text, Takes::Json).await.unwrap_err(), (400, "invalid_request"), "{text}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/jsonp"] {
            assert_eq!(read(kind, "{\"a\":1}", Takes::Json).await.unwrap_err(), (415, "invalid_request"), "{kind}");
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(BODY_LIMIT));
        assert_eq!(read("application/json", &large, Takes::Json).await.unwrap_err(), (413, "invalid_request"));
    }

    #[tokio::test]
    async fn a_form_is_a_form_and_nothing_is_taken_where_it_may_be() {
        let form = "application/x-www-form-urlencoded";
        for takes in [Takes::Form, Takes::FormOrNothing] {
            assert!(matches!(read(form, "a=1", takes).await, Ok(Body::Form(body)) if body.get("a") == Some("1")));
            assert_eq!(read("application/json", "{}", takes).await.unwrap_err(), (415, "invalid_request"));
            assert_eq!(read(form, "a=1&a=1", takes).await.unwrap_err(), (400, "invalid_request"));
        }
        assert!(matches!(read("text/plain", "", Takes::FormOrNothing).await, Ok(Body::Empty)));
        assert_eq!(read("text/plain", "", Takes::Form).await.unwrap_err(), (415, "invalid_request"));
    }

    /// The limits of a form hold for JSON too.
    #[tokio::test]
    async fn a_json_body_is_neither_large_nor_deep_and_has_no_null_character() {
        let list = |count: usize| vec!["1"; count].join(",");
        let members = |count: usize| (0..count).map(|it| format!("\"{it}\":1")).collect::<Vec<_>>().join(",");
        let deep = |count: usize| format!("{{\"a\":{}{}}}", "[".repeat(count), "]".repeat(count));
        for good in [format!("{{\"a\":[{}]}}", list(64)), format!("{{{}}}", members(64)), deep(10), "{\"a\":\"0\"}".to_owned()] {
            assert!(matches!(read("application/json", &good, Takes::Json).await, Ok(Body::Json(_))), "{good}");
        }
        for (bad, status) in [
            (format!("{{\"a\":[{}]}}", list(65)), 413),
            (format!("{{{}}}", members(65)), 413),
            (format!("{{\"a\":[{{{}}}]}}", members(65)), 413),
            (deep(100), 400),
            ("{\"a\":\"\\u0000\"}".to_owned(), 400),
            ("{\"a\\u0000\":1}".to_owned(), 400),
            ("{\"a\":[{\"b\":\"\\u0000\"}]}".to_owned(), 400),
        ] {
            assert_eq!(read("application/json", &bad, Takes::Json).await.unwrap_err(), (status, "invalid_request"), "{bad}");
        }
    }

    /// A row may read more, and its limit holds as well.
    #[tokio::test]
    async fn a_row_may_read_more_than_others() {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap())]);
        let read = async |bytes: usize, most: usize| {
            let text = format!("a={}", "x".repeat(bytes - 2));
            Body::read(&headers, Full::new(Bytes::from(text)), (Takes::Form, most)).await.is_ok()
        };
        assert!(read(BODY_LIMIT, BODY_LIMIT).await && !read(BODY_LIMIT + 1, BODY_LIMIT).await);
        assert!(read(4 * BODY_LIMIT, 4 * BODY_LIMIT).await && !read(4 * BODY_LIMIT + 1, 4 * BODY_LIMIT).await);
    }

    #[tokio::test]
    async fn where_no_body_is_taken_none_comes() {
        assert!(matches!(read("text/plain", "", Takes::Nothing).await, Ok(Body::Empty)));
        assert_eq!(read("application/json", "{}", Takes::Nothing).await.unwrap_err(), (415, "invalid_request"));
    }
}
