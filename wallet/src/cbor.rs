//! The parts of CBOR (RFC 8949) that an mdoc is made of, as slices of the bytes that were sent: digests and signatures are over those.

use crate::Unreadable;
use jiff::Timestamp;
use minicbor::Decoder;
use minicbor::data::{Tag, Type};
use serde_json::{Map, Value};
use symbolon_attest::cbor::skip;
use symbolon_oauth::base64url;

/// The most members of one map or array.
const MAX_MEMBERS: usize = 256;
/// The deepest nesting of a claim.
const MAX_DEPTH: u8 = 8;
const BROKEN: Unreadable = Unreadable("the CBOR is not as ISO 18013-5 has it");
/// RFC 8949 3.4.5.1: CBOR in a byte string.
const ENCODED: u64 = 24;

/// One value as it was sent.
pub type Raw<'a> = &'a [u8];

/// A key of a map: mdocs have texts and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key<'a> {
    Text(&'a str),
    Number(i64),
}

/// The next value, whole.
fn next<'a>(reader: &mut Decoder<'a>) -> Result<Raw<'a>, Unreadable> {
    let from = reader.position();
    skip(reader)?;
    reader.input().get(from..reader.position()).ok_or(BROKEN)
}

/// The members of a map with nothing behind it. No key may stand in it twice.
pub fn members(bytes: Raw<'_>) -> Result<Vec<(Key<'_>, Raw<'_>)>, Unreadable> {
    let mut reader = Decoder::new(bytes);
    let count = reader.map().map_err(|_| BROKEN)?;
    let mut all: Vec<(Key<'_>, Raw<'_>)> = Vec::new();
    while more(&mut reader, count, all.len())? {
        let key = match reader.datatype().map_err(|_| BROKEN)? {
            Type::String => Key::Text(reader.str().map_err(|_| BROKEN)?),
            _ => Key::Number(reader.i64().map_err(|_| BROKEN)?),
        };
        if all.iter().any(|(known, _)| *known == key) {
            return Err(Unreadable("a map in the CBOR has a key twice"));
        }
        all.push((key, next(&mut reader)?));
    }
    end(&reader)?;
    Ok(all)
}

/// The elements of an array with nothing behind it.
pub fn elements(bytes: Raw<'_>) -> Result<Vec<Raw<'_>>, Unreadable> {
    let mut reader = Decoder::new(bytes);
    let count = reader.array().map_err(|_| BROKEN)?;
    let mut all = Vec::new();
    while more(&mut reader, count, all.len())? {
        all.push(next(&mut reader)?);
    }
    end(&reader)?;
    Ok(all)
}

/// Is there one more? A break ends what has no length.
fn more(reader: &mut Decoder<'_>, count: Option<u64>, read: usize) -> Result<bool, Unreadable> {
    let is_more = match count {
        Some(count) => (read as u64) < count,
        None if reader.datatype().map_err(|_| BROKEN)? == Type::Break => {
            reader.set_position(reader.position() + 1);
            false
        }
        None => true,
    };
    if is_more && read >= MAX_MEMBERS { Err(Unreadable("a map or array in the CBOR has more than 256 members")) } else { Ok(is_more) }
}

fn end(reader: &Decoder<'_>) -> Result<(), Unreadable> {
    if reader.position() == reader.input().len() { Ok(()) } else { Err(Unreadable("there are bytes behind the CBOR")) }
}

/// Exactly one value.
pub fn one(bytes: Raw<'_>) -> Result<(), Unreadable> {
    let mut reader = Decoder::new(bytes);
    skip(&mut reader)?;
    end(&reader)
}

/// The member of this name.
pub fn member<'a>(members: &[(Key<'_>, Raw<'a>)], name: &str) -> Option<Raw<'a>> {
    members.iter().find(|(key, _)| *key == Key::Text(name)).map(|(_, value)| *value)
}

/// The member of this name, which there must be.
pub fn required<'a>(members: &[(Key<'_>, Raw<'a>)], name: &str) -> Result<Raw<'a>, Unreadable> {
    member(members, name).ok_or(Unreadable("a member is missing in the mdoc"))
}

/// The member of this number.
pub fn numbered<'a>(members: &[(Key<'_>, Raw<'a>)], number: i64) -> Option<Raw<'a>> {
    members.iter().find(|(key, _)| *key == Key::Number(number)).map(|(_, value)| *value)
}

pub fn text(bytes: Raw<'_>) -> Result<&str, Unreadable> {
    let mut reader = Decoder::new(bytes);
    let text = reader.str().map_err(|_| BROKEN)?;
    end(&reader)?;
    Ok(text)
}

pub fn octets(bytes: Raw<'_>) -> Result<&[u8], Unreadable> {
    let mut reader = Decoder::new(bytes);
    let octets = reader.bytes().map_err(|_| BROKEN)?;
    end(&reader)?;
    Ok(octets)
}

pub fn number(bytes: Raw<'_>) -> Result<i64, Unreadable> {
    let mut reader = Decoder::new(bytes);
    let number = reader.i64().map_err(|_| BROKEN)?;
    end(&reader)?;
    Ok(number)
}

pub fn is_null(bytes: Raw<'_>) -> bool {
    bytes == [0xf6]
}

/// The CBOR within `#6.24(bstr)`.
pub fn encoded(bytes: Raw<'_>) -> Result<Raw<'_>, Unreadable> {
    let mut reader = Decoder::new(bytes);
    if reader.tag().map_err(|_| BROKEN)? != Tag::new(ENCODED) {
        return Err(BROKEN);
    }
    let inner = reader.bytes().map_err(|_| BROKEN)?;
    end(&reader)?;
    one(inner)?;
    Ok(inner)
}

/// An instant: tag 0 with RFC 3339, in whole seconds since the epoch.
pub fn instant(bytes: Raw<'_>) -> Result<i64, Unreadable> {
    let mut reader = Decoder::new(bytes);
    if reader.tag().map_err(|_| BROKEN)? != Tag::new(0) {
        return Err(BROKEN);
    }
    let text = reader.str().map_err(|_| BROKEN)?;
    end(&reader)?;
    seconds(text).ok_or(Unreadable("a date of the mdoc is not RFC 3339 in UTC"))
}

/// RFC 3339 in UTC. ISO 18013-5 7.2.1 has no fractions; some issuers send them, and they count for nothing.
fn seconds(text: &str) -> Option<i64> {
    let is_shaped = text.len() <= 30 && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    let instant: Timestamp = text.parse().ok().filter(|_| is_shaped)?;
    Some(instant.as_millisecond().div_euclid(1000))
}

/// A claim as JSON. Bytes become base64url; dates (tags 0 and 1004) become their text. What JSON has no form for is refused.
pub fn json(bytes: Raw<'_>) -> Result<Value, Unreadable> {
    json_below(bytes, MAX_DEPTH)
}

fn json_below(bytes: Raw<'_>, depth: u8) -> Result<Value, Unreadable> {
    const ODD: Unreadable = Unreadable("a claim of the mdoc has no form in JSON");
    let depth = depth.checked_sub(1).ok_or(Unreadable("a claim of the mdoc is nested too deeply"))?;
    let mut reader = Decoder::new(bytes);
    Ok(match reader.datatype().map_err(|_| BROKEN)? {
        Type::Bool => reader.bool().map_err(|_| BROKEN)?.into(),
        Type::Null => Value::Null,
        Type::String => text(bytes)?.into(),
        Type::Bytes => base64url::encode(octets(bytes)?).into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => reader.u64().map_err(|_| BROKEN)?.into(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => reader.i64().map_err(|_| BROKEN)?.into(),
        Type::F16 | Type::F32 | Type::F64 => {
            let number = reader.f64().map_err(|_| BROKEN)?;
            serde_json::Number::from_f64(number).map(Value::Number).ok_or(ODD)?
        }
        Type::Array | Type::ArrayIndef => elements(bytes)?.into_iter().map(|it| json_below(it, depth)).collect::<Result<_, _>>()?,
        Type::Map | Type::MapIndef => {
            let mut all = Map::new();
            for (key, value) in members(bytes)? {
                let Key::Text(name) = key else { return Err(ODD) };
                all.insert(name.to_owned(), json_below(value, depth)?);
            }
            Value::Object(all)
        }
        Type::Tag => match reader.tag().map_err(|_| BROKEN)?.as_u64() {
            0 | 1004 => text(bytes.get(reader.position()..).unwrap_or_default())?.into(),
            ENCODED => json_below(encoded(bytes)?, depth)?,
            _ => return Err(ODD),
        },
        _ => return Err(ODD),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_have_one_form() {
        assert_eq!(seconds("1970-01-02T00:00:01Z"), Some(86_401));
        assert_eq!(seconds("2025-02-19T23:36:58.910391Z"), seconds("2025-02-19T23:36:58Z"));
        for bad in [
            "",
            "Z",
            "2026-11-29",
            "2026-11-29T04:30:00",
            "2026-11-29T04:30:00+00:00",
            "2026-13-29T04:30:00Z",
            "2026-11-29T24:30:00Z",
            "2026-1-029T04:30:00Z",
            "2026-11-29 04:30:00Z",
            "2026-11-29T04:30:00.Z",
            "2026-11-29T04:30:0\u{e9}Z",
            "2026-11-29T04:30:00[UTC]Z",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn maps_and_arrays_have_a_budget_and_no_key_twice() {
        assert_eq!(members(b"\xa1\x61a\x01").unwrap(), [(Key::Text("a"), &b"\x01"[..])]);
        assert_eq!(members(b"\xbf\x01\x61b\xff").unwrap(), [(Key::Number(1), &b"\x61b"[..])]);
        assert_eq!(elements(b"\x82\x01\x81\x02").unwrap(), [&b"\x01"[..], b"\x81\x02"]);
        for bad in [&b"\xa2\x61a\x01\x61a\x02"[..], b"\xa1\x61a", b"\xa1\x61a\x01\x00", b"\xa1\x41a\x01", b"\x81\x01", b""] {
            assert!(members(bad).is_err(), "{bad:02x?}");
        }
        let many = |count: u16| [&[0x99][..], &count.to_be_bytes(), &vec![0; usize::from(count)]].concat();
        assert!(elements(&many(256)).is_ok() && elements(&many(257)).is_err());
        assert!(elements(&[&[0x9f][..], &[0; 257], &[0xff]].concat()).is_err());
    }

    #[test]
    fn a_claim_becomes_json_or_is_refused() {
        assert_eq!(
            json(b"\xa2\x61a\xd9\x03\xec\x6a2019-10-20\x61b\x82\xf5\x41\xff").unwrap(),
            json!({ "a": "2019-10-20", "b": [true, "_w"] })
        );
        for bad in [&b"\xa1\x01\x02"[..], b"\xf7", b"\xc2\x41\x01", b"\xf9\x7e\x00", &[&[0x81; 8][..], &[0]].concat()] {
            assert!(json(bad).is_err(), "{bad:02x?}");
        }
        assert!(json(&[&[0x81; 7][..], &[0]].concat()).is_ok());
    }
}
