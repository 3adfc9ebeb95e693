//! Scope. RFC 6749 3.3: words of printable ASCII without `"` and `\`, separated by single spaces. Words are compared exactly.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

pub const MAX_WORDS: usize = 100;
pub const MAX_BYTES: usize = 4096;

/// An ordered set of scope words.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scope(Vec<String>);

impl Scope {
    /// `None` when the text does not have the RFC's form or exceeds the limits. An empty text is the empty scope.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let mut words: Vec<String> = Vec::new();
        if text.is_empty() {
            return Some(Self(words));
        }
        for word in text.split(' ') {
            let is_well_formed = !word.is_empty() && word.bytes().all(|it| matches!(it, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
            if !is_well_formed || words.len() == MAX_WORDS {
                return None;
            }
            if !words.iter().any(|it| it == word) {
                words.push(word.to_owned());
            }
        }
        Some(Self(words))
    }

    pub fn contains(&self, word: &str) -> bool {
        self.0.iter().any(|it| it == word)
    }

    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().all(|it| other.contains(it))
    }

    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|it| other.contains(it)).cloned().collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

impl FromIterator<String> for Scope {
    fn from_iter<T: IntoIterator<Item = String>>(words: T) -> Self {
        let mut scope = Self::default();
        for word in words {
            if !scope.contains(&word) {
                scope.0.push(word);
            }
        }
        scope
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(|| de::Error::custom("not a scope"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 114-T, 585-K
    #[test]
    fn words_are_exact_and_few() {
        let scope = Scope::parse("orders:read openid orders:read").unwrap();
        assert_eq!(scope.to_string(), "orders:read openid");
        assert!(scope.contains("openid") && !scope.contains("orders") && !scope.contains("Openid"));
        for bad in ["a  b", " a", "a ", "a\tb", "a\"b", "a\\b", "\u{fc}"] {
            assert_eq!(Scope::parse(bad), None, "{bad:?}");
        }
        let many = |n: usize| (0..n).map(|it| format!("s{it}")).collect::<Vec<_>>().join(" ");
        assert!(Scope::parse(&many(100)).is_some());
        assert!(Scope::parse(&many(101)).is_none());
    }
}
