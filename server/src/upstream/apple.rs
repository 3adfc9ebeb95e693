//! Keys of ours at a provider: assertions (`private_key_jwt`), and Apple's peculiarities. There the client secret is a JWT, and a person's
//! name comes once, beside the code.

use super::provider::{Provider, Trouble};
use crate::config::upstream::Upstream;
use crate::error::Fault;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, jws};

/// Apple allows six months. It is made anew for every call, so it needs minutes.
const SECRET_LIVES_S: i64 = 300;
const ASSERTION_LIVES_S: i64 = 60;
/// The longest `user` that is read.
pub const LONGEST_USER: usize = 2048;

/// The team's key. It is read at the start, so that a wrong file is no surprise half a year later.
pub fn read_key(name: &str, settings: &Upstream) -> Result<Option<PrivateKey>, Fault> {
    // The key of a certificate signs in the TLS handshake alone.
    let Some(source) = settings.key.as_ref().filter(|_| !settings.authentication.shows_certificate()) else { return Ok(None) };
    let what = format!("[upstream.{name}] key");
    let pem = zeroize::Zeroizing::new(source.text(&what)?);
    let wrong = |why: &str| Fault::new(format!("{what}: {}: {why}", source.whereabouts()));
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong("no private key in PEM (PKCS#8, not encrypted)"))?;
    let key = PrivateKey::from_pkcs8(Algorithm::ES256, der.secret_pkcs8_der()).map_err(|_| wrong("no key of the curve P-256"))?;
    Ok(Some(key))
}

impl Provider {
    /// The client secret of the moment, where the provider wants one that is signed.
    pub(super) fn signed_secret(&self, now_ms: i64) -> Result<Option<String>, Trouble> {
        let (Some(key), Some(kid)) = (&self.key, &self.settings.key_id) else { return Ok(None) };
        let now_s = now_ms.div_euclid(1000);
        let Some(team) = &self.settings.team_id else { return self.assertion(key, kid, now_s).map(Some) };
        let header = json!({ "alg": "ES256", "kid": kid });
        let claims = json!({
            "iss": team, "iat": now_s, "exp": now_s + SECRET_LIVES_S, "aud": self.settings.issuer, "sub": self.settings.client_id
        });
        jws::sign_with_header(key, &header, &claims).map(Some).map_err(|_| Trouble::broken("the client secret could not be signed"))
    }
}

impl Provider {
    /// RFC 7523 with draft-ietf-oauth-rfc7523bis: the audience is the issuer alone, so that no other server can use it.
    fn assertion(&self, key: &PrivateKey, kid: &str, now_s: i64) -> Result<String, Trouble> {
        let unsigned = |_| Trouble::broken("the client assertion could not be signed");
        let jti = crate::seal::random::<16>().map_err(|fault| Trouble::broken(fault.0))?;
        let header = json!({ "alg": "ES256", "kid": kid, "typ": "client-authentication+jwt" });
        let us = &self.settings.client_id;
        let claims = json!({
            "iss": us, "sub": us, "aud": self.settings.issuer, "jti": base64url::encode(&jti), "iat": now_s, "exp": now_s + ASSERTION_LIVES_S
        });
        jws::sign_with_header(key, &header, &claims).map_err(unsigned)
    }
}

/// The name in `user`, which the browser brings at the first sign-in. Nobody has signed it: it is what the person says.
pub fn name_of(user: &str) -> Option<String> {
    let user: Json = serde_json::from_str(user).ok()?;
    let part = |name: &str| user.get("name")?.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty());
    let parts: Vec<&str> = [part("firstName"), part("lastName")].into_iter().flatten().collect();
    super::claims::shown(&parts.join(" "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;
    use rcgen::KeyPair;
    use std::os::unix::fs::PermissionsExt;

    /// S-05: a file that is no key of the team stops the start, and the error says which file. Nothing of the file is in it.
    #[test]
    fn a_wrong_key_is_named_by_its_file() {
        let path = std::env::temp_dir().join(format!("symbolon-apple-{}.p8", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let table = "preset = \"apple\"\nclient_id = \"us\"\nteam_id = \"ABCDE12345\"\nkey_id = \"KEY1234567\"";
            let text = format!("issuer = \"https://a.example\"\n[upstream.apple]\n{table}\nkey = {{ file = '{}' }}", path.display());
            let config = Config::from_text(&text, "x", &|_| None).unwrap();
            read_key("apple", &config.upstream["apple"]).map(|key| key.is_some()).map_err(|fault| fault.0)
        };
        let good = KeyPair::generate().unwrap().serialize_pem();
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
        for (bad, why) in [
            (p384.as_str(), "no key of the curve P-256"),
            (&good[..good.len() / 2], "no private key in PEM"),
            (&good.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "no private key in PEM"),
            (&good.replace("PRIVATE KEY", "EC PRIVATE KEY"), "no private key in PEM"),
            ("eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "no private key in PEM"),
            ("", ""),
        ] {
            let error = read(bad).unwrap_err();
            let secret = bad.lines().nth(1).unwrap_or("none of it");
            assert!(error.contains(why) && error.contains(&path.display().to_string()) && !error.contains(secret), "{why}: {error}");
        }
        assert_eq!(read(&good), Ok(true), "the twin");
        std::fs::remove_file(path).unwrap();
    }

    /// S-01: a name is kept where there is one, and nothing else in the form can break a sign-in.
    #[test]
    fn a_name_is_read_and_oddities_are_none() {
        let read = |text: &str| name_of(text);
        assert_eq!(read(r#"{"name":{"firstName":"Ann","lastName":"Example"},"email":"a@b.example"}"#).as_deref(), Some("Ann Example"));
        assert_eq!(read(r#"{"name":{"firstName":" Ann "}}"#).as_deref(), Some("Ann"));
        for odd in
            ["", "{", "null", "[]", r#"{"name":null}"#, r#"{"name":{"firstName":7}}"#, r#"{"name":{"firstName":""}}"#, r#"{"name":"Ann"}"#]
        {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
