//! A strict reader of DER (X.690): definite, minimal lengths, tags of up to three bytes, nothing behind. It reads what x509-parser has no
//! types for.

use crate::Unreadable;

const BROKEN: Unreadable = Unreadable("an extension is not DER of the documented shape");

/// One value: its tag and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// The first byte without the number: class and whether it is constructed.
    pub kind: u8,
    pub number: u32,
    pub content: &'a [u8],
}

pub const UNIVERSAL: u8 = 0x00;
pub const CONSTRUCTED: u8 = 0x20;
pub const CONTEXT: u8 = 0x80;

#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        let (first, rest) = self.0.split_first().ok_or(BROKEN)?;
        self.0 = rest;
        Ok(*first)
    }

    pub fn value(&mut self) -> Result<Value<'a>, Unreadable> {
        let first = self.byte()?;
        let number = match first & 0x1f {
            0x1f => self.high_number()?,
            low => u32::from(low),
        };
        let length = self.length()?;
        let (content, rest) = self.0.split_at_checked(length).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(Value { kind: first & 0xe0, number, content })
    }

    /// The same, and also a value of indefinite length (X.690 8.1.3.6). At most `depth` of those may stand in one another.
    pub fn value_of_ber(&mut self, depth: u8) -> Result<Value<'a>, Unreadable> {
        let [first, 0x80, content @ ..] = self.0 else { return self.value() };
        if first & CONSTRUCTED == 0 || first & 0x1f == 0x1f || depth == 0 {
            return Err(BROKEN);
        }
        let mut inner = Self(content);
        loop {
            if let Some(behind) = inner.0.strip_prefix(&[0, 0]) {
                let (content, _) = content.split_at_checked(content.len() - inner.0.len()).ok_or(BROKEN)?;
                self.0 = behind;
                return Ok(Value { kind: first & 0xe0, number: u32::from(first & 0x1f), content });
            }
            inner.value_of_ber(depth - 1)?;
        }
    }

    /// One value as it is written, with tag and length.
    pub fn whole(&mut self) -> Result<&'a [u8], Unreadable> {
        let before = self.0;
        self.value()?;
        before.get(..before.len() - self.0.len()).ok_or(BROKEN)
    }

    /// X.690 8.1.2.4: seven bits a byte, no leading zeros, only for numbers from 31 on.
    fn high_number(&mut self) -> Result<u32, Unreadable> {
        let mut number = 0_u32;
        for at in 0..3 {
            let byte = self.byte()?;
            if at == 0 && byte == 0x80 {
                return Err(BROKEN);
            }
            number = number << 7 | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return if number >= 31 { Ok(number) } else { Err(BROKEN) };
            }
        }
        Err(BROKEN)
    }

    fn length(&mut self) -> Result<usize, Unreadable> {
        let first = self.byte()?;
        let count = match first {
            0..=0x7f => return Ok(usize::from(first)),
            0x81 | 0x82 => usize::from(first & 0x7f),
            _ => return Err(BROKEN),
        };
        let mut length = 0;
        for _ in 0..count {
            length = length << 8 | usize::from(self.byte()?);
        }
        let least = if count == 1 { 0x80 } else { 0x100 };
        if length >= least { Ok(length) } else { Err(BROKEN) }
    }

    fn expect(&mut self, kind: u8, number: u32) -> Result<&'a [u8], Unreadable> {
        let value = self.value()?;
        if (value.kind, value.number) == (kind, number) { Ok(value.content) } else { Err(BROKEN) }
    }

    pub fn sequence(&mut self) -> Result<Reader<'a>, Unreadable> {
        self.expect(UNIVERSAL | CONSTRUCTED, 16).map(Reader)
    }
    pub fn set(&mut self) -> Result<Reader<'a>, Unreadable> {
        self.expect(UNIVERSAL | CONSTRUCTED, 17).map(Reader)
    }
    pub fn octets(&mut self) -> Result<&'a [u8], Unreadable> {
        self.expect(UNIVERSAL, 4)
    }
    pub fn integer(&mut self) -> Result<i64, Unreadable> {
        number(self.expect(UNIVERSAL, 2)?)
    }
    pub fn enumerated(&mut self) -> Result<i64, Unreadable> {
        number(self.expect(UNIVERSAL, 10)?)
    }
    /// The value, and whether it is DER. At least one maker's hardware writes 01 for true, which is BER.
    pub fn boolean(&mut self) -> Result<(bool, bool), Unreadable> {
        match self.expect(UNIVERSAL, 1)? {
            [0x00] => Ok((false, true)),
            [0x01] => Ok((true, false)),
            [0xff] => Ok((true, true)),
            _ => Err(BROKEN),
        }
    }

    /// Everything is read.
    pub fn end(&self) -> Result<(), Unreadable> {
        if self.0.is_empty() { Ok(()) } else { Err(BROKEN) }
    }
}

/// X.690 8.3: two's complement, minimal, up to eight bytes.
fn number(bytes: &[u8]) -> Result<i64, Unreadable> {
    let padded = bytes.len() > 1 && ((bytes[0] == 0 && bytes[1] < 0x80) || (bytes[0] == 0xff && bytes[1] >= 0x80));
    let first = bytes.first().ok_or(BROKEN)?;
    if padded || bytes.len() > 8 {
        return Err(BROKEN);
    }
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(bytes.iter().fold(start, |number, byte| number << 8 | i64::from(*byte)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 267-N: what is not DER is not read.
    #[test]
    fn der_and_nothing_else() {
        assert_eq!(Reader::new(&[2, 1, 0x7f]).integer().unwrap(), 127);
        assert_eq!(Reader::new(&[2, 2, 0, 0x80]).integer().unwrap(), 128);
        assert_eq!(Reader::new(&[2, 1, 0xff]).integer().unwrap(), -1);
        let tag = Reader::new(&[0xbf, 0x85, 0x40, 2, 5, 0]).value().unwrap();
        assert_eq!((tag.kind, tag.number, tag.content), (CONTEXT | CONSTRUCTED, 704, &[5, 0][..]));
        for bad in [
            &[][..],
            &[2],
            &[2, 0],
            &[2, 2, 0, 1],
            &[2, 2, 0xff, 0x80],
            &[2, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            &[2, 0x81, 1, 1],
            &[2, 0x80, 1, 0, 0],
            &[2, 0x83, 0, 0, 1, 1],
            &[2, 5, 1],
        ] {
            assert!(Reader::new(bad).integer().is_err(), "{bad:?}");
        }
        for bad in [&[0xbf, 0x80, 0x40, 0][..], &[0xbf, 0x1e, 0], &[0xbf, 0x81, 0x81, 0x81, 0x01, 0]] {
            assert!(Reader::new(bad).value().is_err(), "{bad:?}");
        }
        assert!(Reader::new(&[0x30, 0x80, 2, 1, 5, 0, 0]).value().is_err(), "an indefinite length is not DER");
        assert!(Reader::new(&[1, 1, 2]).boolean().is_err() && Reader::new(&[1, 2, 0, 0]).boolean().is_err());
    }

    #[test]
    fn indefinite_lengths_where_they_are_asked_for() {
        let read = |bytes: &'static [u8], depth: u8| {
            let mut reader = Reader::new(bytes);
            let value = reader.value_of_ber(depth)?;
            Ok::<_, Unreadable>((value.number, value.content, reader.is_empty()))
        };
        assert_eq!(read(&[0x30, 3, 2, 1, 5], 0).unwrap(), (16, &[2, 1, 5][..], true));
        assert_eq!(read(&[0x30, 0x80, 2, 1, 5, 0, 0], 1).unwrap(), (16, &[2, 1, 5][..], true));
        assert_eq!(read(&[0x30, 0x80, 0, 0, 0, 0], 1).unwrap(), (16, &[][..], false), "it ends at the first end");
        let nested = &[0xa0, 0x80, 0x30, 0x80, 4, 2, 0, 0, 0, 0, 0, 0, 0x05];
        assert_eq!(read(nested, 2).unwrap(), (0, &[0x30, 0x80, 4, 2, 0, 0, 0, 0][..], false), "zeros inside are no end");
        assert!(read(nested, 1).is_err(), "too deep");
        for bad in [&[0x30, 0x80][..], &[0x30, 0x80, 0], &[0x30, 0x80, 2, 1, 5], &[4, 0x80, 0, 0], &[0x3f, 0x80, 0, 0], &[]] {
            assert!(read(bad, 9).is_err(), "{bad:?}");
        }
        let mut reader = Reader::new(&[2, 1, 5, 4, 0]);
        assert_eq!((reader.whole().unwrap(), reader.whole().unwrap()), (&[2, 1, 5][..], &[4, 0][..]));
        assert!(reader.whole().is_err());
    }
}
