//! CBOR (RFC 8949) that nobody here knows yet: it is skipped, where it is well-formed and not too deep.

use crate::Unreadable;
use minicbor::Decoder;
use minicbor::data::Type;

/// The most members of a map that may have unknown ones.
pub const MAX_MEMBERS: u64 = 16;
/// The deepest nesting of arrays, maps and tags in a value that is skipped.
const MAX_DEPTH: u8 = 16;
const BROKEN: Unreadable = Unreadable("a value in the CBOR is not well-formed or nested too deeply");

/// Skips one value of any type (RFC 8949 3). It costs what it weighs: every step reads a byte.
pub fn skip(reader: &mut Decoder<'_>) -> Result<(), Unreadable> {
    skip_below(reader, MAX_DEPTH)
}

fn skip_below(reader: &mut Decoder<'_>, depth: u8) -> Result<(), Unreadable> {
    let depth = depth.checked_sub(1).ok_or(BROKEN)?;
    match reader.datatype().map_err(|_| BROKEN)? {
        Type::Array | Type::ArrayIndef => {
            let count = reader.array().map_err(|_| BROKEN)?;
            skip_members(reader, count, |it| skip_below(it, depth))
        }
        Type::Map | Type::MapIndef => {
            let count = reader.map().map_err(|_| BROKEN)?;
            skip_members(reader, count, |it| skip_below(it, depth).and_then(|()| skip_below(it, depth)))
        }
        Type::Tag => {
            reader.tag().map_err(|_| BROKEN)?;
            skip_below(reader, depth)
        }
        // RFC 8949 3.3: of two bytes are those alone that have no form of one.
        Type::Simple => match reader.input().get(reader.position()..).unwrap_or_default() {
            [0xf8, ..0x20, ..] => Err(BROKEN),
            _ => reader.simple().map(drop).map_err(|_| BROKEN),
        },
        Type::Break | Type::Unknown(_) => Err(BROKEN),
        _ => reader.skip().map_err(|_| BROKEN),
    }
}

/// So many members, or all up to the break.
fn skip_members(
    reader: &mut Decoder<'_>,
    count: Option<u64>,
    skip_one: impl Fn(&mut Decoder<'_>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let Some(count) = count else {
        while reader.datatype().map_err(|_| BROKEN)? != Type::Break {
            skip_one(reader)?;
        }
        reader.set_position(reader.position() + 1);
        return Ok(());
    };
    (0..count).try_for_each(|_| skip_one(reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of bytes that are skipped.
    fn skipped(bytes: &[u8]) -> Option<usize> {
        let mut reader = Decoder::new(bytes);
        skip(&mut reader).ok().map(|()| reader.position())
    }

    #[test]
    fn every_type_is_skipped_once() {
        for value in [
            &b"\x00"[..],
            b"\x18\x18",
            b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x20",
            b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x40",
            b"\x43abc",
            b"\x5f\x41a\x41b\xff",
            b"\x60",
            b"\x63abc",
            b"\x7f\x61a\x61b\xff",
            b"\x80",
            b"\x82\x01\x82\x02\x03",
            b"\x9f\x01\x9f\xff\xff",
            b"\xa0",
            b"\xa1\x01\xa1\x61a\x80",
            b"\xbf\x01\x02\xff",
            b"\x82\x9f\x01\xff\xbf\xff",
            b"\xc0\x60",
            b"\xd9\xd9\xf7\x81\xc1\x00",
            b"\xe0",
            b"\xf8\x20",
            b"\xf8\xff",
            b"\xf4",
            b"\xf5",
            b"\xf6",
            b"\xf7",
            b"\xf9\x3c\x00",
            b"\xfa\x00\x00\x00\x00",
            b"\xfb\x00\x00\x00\x00\x00\x00\x00\x00",
        ] {
            assert_eq!(skipped(value), Some(value.len()), "{value:02x?}");
            assert_eq!(skipped(&[value, &[0]].concat()), Some(value.len()), "{value:02x?}, and something behind");
            for cut in 0..value.len() {
                assert_eq!(skipped(&value[..cut]), None, "{value:02x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_not_well_formed_is_not_skipped() {
        for bad in [
            &b"\xff"[..],
            b"\x1c",
            b"\x1f",
            b"\x3e",
            b"\x5c",
            b"\x9c",
            b"\xbd",
            b"\xdf\x00",
            b"\xf8\x00",
            b"\xf8\x18",
            b"\xf8\x1f",
            b"\xfc",
            b"\x81\xff",
            b"\xa1\x01\xff",
            b"\xbf\x01\xff",
            b"\x62\xc3\x28",
            b"\x5f\x61a\xff",
            b"\x7f\x41a\xff",
            b"\xc1\xff",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00",
            b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00",
            b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(skipped(bad), None, "{bad:02x?}");
        }
    }

    #[test]
    fn a_value_is_only_so_deep() {
        for nest in [0x81_u8, 0x9f, 0xc1] {
            let nested = |depth: usize| {
                let ends = if nest == 0x9f { vec![0xff; depth] } else { vec![] };
                [vec![nest; depth], vec![0], ends].concat()
            };
            assert_eq!(skipped(&nested(15)), Some(nested(15).len()), "{nest:x}");
            assert_eq!(skipped(&nested(16)), None, "{nest:x}");
            assert_eq!(skipped(&vec![nest; 60_000]), None, "{nest:x}");
        }
    }
}
