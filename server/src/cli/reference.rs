//! `symbolon config`: every key, with its default and what it does. It is made from the sections of the configuration.

use crate::config::{docs, sections};

pub fn reference() -> String {
    docs::toml(&sections())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::reference;
    use crate::config::Config;

    #[test]
    fn the_reference_is_a_configuration() {
        let read = Config::from_text(&reference(), "reference.toml", &|_| None);
        assert!(read.is_ok(), "{}", read.err().map(|it| it.to_string()).unwrap_or_default());
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_one() {
        let error = Config::from_text("issuer = \"https://a.example\"\nlisen = \"x\"", "symbolon.toml", &|_| None).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("Did you mean `listen`?"), "{error}");
        let far = Config::from_text("issuer = \"https://a.example\"\nzzz = 1", "symbolon.toml", &|_| None).unwrap_err().to_string();
        assert!(!far.contains("Did you mean"), "{far}");
    }
}
