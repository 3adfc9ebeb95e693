//! A length of time as people write it: "10s", "15m", "1h", "30d". Whole seconds inside.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Seconds. A hundred years is the most that makes sense, so that no sum of instants can overflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

const LONGEST_S: i64 = 100 * 366 * 86_400;
const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

impl Span {
    pub const fn minutes(n: i64) -> Self {
        Self(n * 60)
    }
    pub const fn hours(n: i64) -> Self {
        Self(n * 3600)
    }
    pub const fn days(n: i64) -> Self {
        Self(n * 86_400)
    }

    pub const fn ms(self) -> i64 {
        self.0 * 1000
    }

    /// A number and one unit; a bare number is refused, because nobody remembers which unit was meant.
    pub fn parse(text: &str) -> Option<Self> {
        let (unit, factor) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
        let digits = text.strip_suffix(unit)?.trim_end();
        if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        let seconds = digits.parse::<i64>().ok()?.checked_mul(factor)?;
        (seconds <= LONGEST_S).then_some(Self(seconds))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in UNITS {
            if self.0 != 0 && self.0 % factor == 0 {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}s", self.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SpanVisitor)
    }
}

/// A length of time where a text is wanted. A number says what it lacks.
struct SpanVisitor;

impl de::Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time: a number and s, m, h or d, such as \"15m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        Span::parse(text)
            .ok_or_else(|| E::custom(format!("{text:?} is not a length of time; write a number and s, m, h or d, such as \"15m\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_back_as_they_print() {
        for (text, seconds) in [("10s", 10), ("15m", 900), ("1h", 3600), ("30d", 2_592_000), ("0s", 0), ("90s", 90)] {
            assert_eq!(Span::parse(text), Some(Span(seconds)), "{text}");
            assert_eq!(Span(seconds).to_string(), text);
        }
        for bad in ["", "s", "10", "-1s", "1.5h", "+3s", "99999999999999999999d", "40000d", "1w", "1h30m"] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_told_how_to_write_it() {
        let read = serde_json::from_str::<Span>;
        assert_eq!(read("\"15m\"").ok(), Some(Span(900)), "the twin");
        for bad in ["900", "\"900\"", "true"] {
            let said = read(bad).err().map(|it| it.to_string()).unwrap_or_default();
            assert!(said.contains("such as \"15m\""), "{said}");
        }
    }
}
