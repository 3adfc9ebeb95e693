//! CBOR as an issuer and a wallet write it.

use minicbor::Encoder;
use minicbor::data::Tag;
use serde_json::Value as Json;
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PublicKey;

/// A key of a map.
pub enum Item<'a> {
    Text(&'a str),
    Number(i64),
}

/// Writing to memory does not fail.
fn written(write: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    write(&mut out);
    out.into_writer()
}

pub fn text(value: &str) -> Vec<u8> {
    written(|it| drop(it.str(value)))
}

pub fn number(value: i64) -> Vec<u8> {
    written(|it| drop(it.i64(value)))
}

pub fn bytes(value: &[u8]) -> Vec<u8> {
    written(|it| drop(it.bytes(value)))
}

pub fn array(values: &[Vec<u8>]) -> Vec<u8> {
    [written(|it| drop(it.array(values.len() as u64))), values.concat()].concat()
}

pub fn map(members: &[(Item<'_>, Vec<u8>)]) -> Vec<u8> {
    let mut all = written(|it| drop(it.map(members.len() as u64)));
    for (key, value) in members {
        all.extend(match key {
            Item::Text(name) => text(name),
            Item::Number(label) => number(*label),
        });
        all.extend(value);
    }
    all
}

/// Tag 0 with RFC 3339.
pub fn instant(at_s: i64) -> Vec<u8> {
    let shown = jiff::Timestamp::from_second(at_s).unwrap_or_default().to_string();
    written(|encoder| drop(encoder.tag(Tag::new(0)).and_then(|it| it.str(&shown))))
}

/// COSE_Key of P-256 (RFC 9053 7.1.1).
pub fn key(public: &PublicKey) -> Vec<u8> {
    let jwk = public.to_jwk();
    let part = |name: &str| bytes(&jwk[name].as_str().and_then(base64url::decode).unwrap_or_default());
    map(&[(Item::Number(1), number(2)), (Item::Number(-1), number(1)), (Item::Number(-2), part("x")), (Item::Number(-3), part("y"))])
}

pub fn of_json(value: &Json) -> Vec<u8> {
    match value {
        Json::Null => vec![0xf6],
        Json::Bool(value) => vec![if *value { 0xf5 } else { 0xf4 }],
        Json::Number(value) => number(value.as_i64().unwrap_or_default()),
        Json::String(value) => text(value),
        Json::Array(all) => array(&all.iter().map(of_json).collect::<Vec<_>>()),
        Json::Object(all) => map(&all.iter().map(|(name, it)| (Item::Text(name), of_json(it))).collect::<Vec<_>>()),
    }
}
