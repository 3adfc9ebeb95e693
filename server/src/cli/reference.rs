//! `symbolon config`: every key, with its default and what it does. One text, which the tests hold to the types.

pub const REFERENCE: &str = include_str!("reference.toml");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::REFERENCE;
    use crate::config::Config;

    #[test]
    fn the_reference_is_a_configuration() {
        let read = Config::from_text(REFERENCE, "reference.toml", &|_| None);
        assert!(read.is_ok(), "{}", read.err().map(|it| it.to_string()).unwrap_or_default());
    }

    /// Every table's own error names its keys; each of them stands in the reference under that table.
    #[test]
    fn every_key_is_in_the_reference() {
        let tables = [
            "",
            "tls",
            "mtls",
            "brand",
            "mail",
            "registration",
            "session",
            "dpop",
            "attestation",
            "signing",
            "retention",
            "api.orders",
            "api.orders.scope.\"orders:read\"",
            "api.orders.authorization_details.order",
            "client.shop-ios",
            "client.shop-ios.refresh",
            "client.shop-android.attestation",
            "client.shop-android.attestation.android",
            "client.shop-android.attestation.android.play",
            "client.fleet.tls_client_auth",
            "login.default",
        ];
        for table in tables {
            let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
            let text = if table.is_empty() {
                format!("no_such_key = 1\n{REFERENCE}")
            } else {
                REFERENCE.replacen(&header, &format!("{header}no_such_key = 1\n"), 1)
            };
            let error = Config::from_text(&text, "x", &|_| None).unwrap_err().to_string();
            let keys: Vec<&str> =
                error.split("expected").nth(1).unwrap_or_else(|| panic!("{table}: {error}")).split('`').skip(1).step_by(2).collect();
            assert!(!keys.is_empty(), "{table}: {error}");
            for key in keys {
                let written = REFERENCE.lines().any(|it| {
                    it.starts_with(&format!("{key} ="))
                        || it.contains(&format!(" {key} = "))
                        || it.starts_with(&format!("[{key}"))
                        || it.contains(&format!(".{key}]"))
                        || it.contains(&format!(".{key}."))
                });
                assert!(written, "[{table}] {key} is not in `symbolon config`");
            }
        }
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_one() {
        let error = Config::from_text("issuer = \"https://a.example\"\nlisen = \"x\"", "symbolon.toml", &|_| None).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("Did you mean `listen`?"), "{error}");
        let far = Config::from_text("issuer = \"https://a.example\"\nzzz = 1", "symbolon.toml", &|_| None).unwrap_err().to_string();
        assert!(!far.contains("Did you mean"), "{far}");
    }
}
