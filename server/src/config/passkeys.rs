//! `[passkeys]`: the relying party of WebAuthn.

use super::docs::{Key, Kind, Presence, Section, defaulted, optional};
use crate::login::passkeys::{Accepted, PasskeyRules};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use symbolon_passkey::UserVerification;
use symbolon_passkey::aaguid;
use symbolon_passkey::options::Conveyance;
use url::{Host, Url};

pub(super) const SECTION: Section = Section {
    path: "passkeys",
    title: "Passkeys",
    text: "What passkeys are made for and which are accepted. They are used where a login policy names the method `passkey`. \
           [passkeys.md](passkeys.md) explains them.",
    presence: Presence::Defaults,
    keys: KEYS,
    example: r#"
[passkeys]
rp_id = "example.com"
user_verification = "required"
related_origins = ["https://example.de"]

[login.passkey]
require = ["passkey", "password"]
"#,
};

const KEYS: &[Key] = &[
    optional(
        "rp_id",
        Kind::Text,
        "the issuer's host",
        r#""a.example""#,
        "The RP ID: the issuer's host, or a domain above it. A passkey works for one RP ID alone: with another one nobody can use the passkeys of before.",
    ),
    defaulted(
        "related_origins",
        Kind::Texts,
        "[]",
        "Further origins whose pages may ask for our passkeys, served at /.well-known/webauthn (WebAuthn Level 3, 5.11). Answers from there are not accepted here.",
    ),
    defaulted(
        "user_verification",
        Kind::OneOf(&["preferred", "required"]),
        r#""preferred""#,
        "Whether every passkey has to verify the person, by finger, face or PIN. The browser is asked for it, and the answer is judged by it.",
    ),
    defaulted(
        "synced",
        Kind::Flag,
        "true",
        "Accepts passkeys that are copied to the person's other devices. `false` needs `attestation`: without it any software may say that it copies nothing.",
    ),
    defaulted(
        "attestation",
        Kind::OneOf(&["none", "direct", "enterprise"]),
        r#""none""#,
        "Whether a new passkey comes with its maker's statement. Passkeys of phones have none. Other than `none`, `attestation_roots` is needed, and a passkey \
         without a good statement is refused.",
    ),
    defaulted("attestation_roots", Kind::Texts, "[]", "Files with certificates of the makers that are believed (PEM)."),
    defaulted(
        "aaguids",
        Kind::Texts,
        "[]",
        "The kinds of authenticators that are accepted, each by its AAGUID. An empty list accepts every kind. A list needs `attestation`.",
    ),
    defaulted(
        "offer",
        Kind::Flag,
        "true",
        "After a sign-in without one, offers once to make a passkey. Browsers that can do so make it quietly.",
    ),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Passkeys {
    rp_id: Option<String>,
    pub related_origins: Vec<String>,
    user_verification: Verification,
    pub synced: bool,
    attestation: AttestationConveyance,
    attestation_roots: Vec<PathBuf>,
    aaguids: Vec<String>,
    pub offer: bool,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Verification {
    Preferred,
    Required,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum AttestationConveyance {
    None,
    Direct,
    Enterprise,
}

impl Default for Passkeys {
    fn default() -> Self {
        Self {
            rp_id: None,
            related_origins: Vec::new(),
            user_verification: Verification::Preferred,
            synced: true,
            attestation: AttestationConveyance::None,
            attestation_roots: Vec::new(),
            aaguids: Vec::new(),
            offer: true,
        }
    }
}

impl Passkeys {
    /// How many different names the related origins have: the label before the public suffix. WebAuthn Level 3, 5.11.1 lets a browser
    /// stop after five.
    pub fn related_names(&self) -> usize {
        let name = |origin: &String| {
            let host = Url::parse(origin).ok()?.host_str()?.to_owned();
            let domain = psl::domain_str(&host)?.to_owned();
            domain.split('.').next().map(str::to_owned)
        };
        self.related_origins.iter().filter_map(name).collect::<std::collections::BTreeSet<_>>().len()
    }

    /// From the configuration alone, whatever host a request names.
    pub fn rp_id(&self, issuer: &str) -> String {
        let host = || Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        self.rp_id.clone().unwrap_or_else(host)
    }

    /// Is it the RP ID's host, or one of a related origin? An app of such a host has the RP ID's origin on iOS, and its pages may ask for
    /// our passkeys. `host` may have a port.
    pub fn are_of_host(&self, issuer: &str, host: &str) -> bool {
        let name = host.split(':').next().unwrap_or_default();
        let is_related = |origin: &String| Url::parse(origin).is_ok_and(|url| url.host_str() == Some(name));
        // For an address there are no passkeys.
        let is_own = name == self.rp_id(issuer) && matches!(Host::parse(name), Ok(Host::Domain(_)));
        is_own || self.related_origins.iter().any(is_related)
    }

    /// The same, or a host below the RP ID.
    pub fn are_in_reach_of(&self, issuer: &str, host: &str) -> bool {
        let name = host.split(':').next().unwrap_or_default();
        let is_below = name.strip_suffix(&self.rp_id(issuer)).is_some_and(|rest| rest.ends_with('.'));
        is_below || self.are_of_host(issuer, host)
    }

    /// Which kinds of passkeys count.
    pub fn accepted(&self) -> Accepted {
        Accepted {
            synced: self.synced,
            attested: self.attestation != AttestationConveyance::None,
            kinds: self.aaguids.iter().filter_map(|text| aaguid::parse(text)).collect(),
        }
    }

    /// What a sign-in works with. The files are read now.
    pub fn rules(&self) -> Result<PasskeyRules, String> {
        Ok(PasskeyRules {
            user_verification: match self.user_verification {
                Verification::Preferred => UserVerification::Preferred,
                Verification::Required => UserVerification::Required,
            },
            conveyance: match self.attestation {
                AttestationConveyance::None => Conveyance::None,
                AttestationConveyance::Direct => Conveyance::Direct,
                AttestationConveyance::Enterprise => Conveyance::Enterprise,
            },
            accepted: self.accepted(),
            roots: self.roots()?,
        })
    }

    /// Public keys (SubjectPublicKeyInfo in DER) of the certificates in the files. Read when the server starts.
    fn roots(&self) -> Result<Vec<Vec<u8>>, String> {
        let mut found = Vec::new();
        for path in &self.attestation_roots {
            let wrong = |what: String| format!("[passkeys]: attestation_roots: {}: {what}", path.display());
            let text = crate::pem::read(path).map_err(|error| wrong(error.to_string()))?;
            let before = found.len();
            for pem in x509_parser::pem::Pem::iter_from_buffer(&text) {
                let pem = pem.map_err(|error| wrong(error.to_string()))?;
                let certificate = pem.parse_x509().map_err(|error| wrong(error.to_string()))?;
                found.push(certificate.public_key().raw.to_vec());
            }
            if found.len() == before {
                return Err(wrong("there is no certificate in it".to_owned()));
            }
        }
        Ok(found)
    }

    pub(super) fn below(mut self, base: &Path) -> Self {
        self.attestation_roots = self.attestation_roots.iter().map(|path| base.join(path)).collect();
        self
    }

    /// `in_use`: people sign in with passkeys, in browsers of other machines than this one.
    pub(super) fn problems(&self, issuer: &str, in_use: bool) -> Vec<String> {
        let mut found = Vec::new();
        if in_use && !matches!(Host::parse(&self.rp_id(issuer)), Ok(Host::Domain(_))) {
            found.push("[passkeys]: the issuer's host is an address, for which no browser makes a passkey; give it a name".to_owned());
        }
        if let Some(problem) = self.rp_id_problem(issuer) {
            found.push(format!("[passkeys]: {problem}"));
        }
        for origin in &self.related_origins {
            let parsed = Url::parse(origin).ok().filter(|url| url.scheme() == "https");
            if parsed.is_none_or(|url| url.origin().ascii_serialization() != *origin) {
                found.push(format!("[passkeys]: related_origins: {origin} is no origin such as https://shop.example"));
            }
        }
        for text in self.aaguids.iter().filter(|text| aaguid::parse(text).is_none()) {
            found.push(format!("[passkeys]: aaguids: {text} is no AAGUID such as ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"));
        }
        let asks = self.attestation != AttestationConveyance::None;
        if !self.aaguids.is_empty() && !asks {
            found.push("[passkeys]: aaguids needs attestation: without it anybody may claim any kind".to_owned());
        }
        if !self.synced && !asks {
            found.push("[passkeys]: synced = false needs attestation: without it any software may say that it copies nothing".to_owned());
        }
        if asks && self.attestation_roots.is_empty() {
            found.push("[passkeys]: attestation needs attestation_roots: a statement by anybody proves nothing".to_owned());
        }
        found
    }

    /// A suffix of the issuer's host (HTML, "is a registrable domain suffix of or is equal to"). It is no address and no public suffix.
    fn rp_id_problem(&self, issuer: &str) -> Option<String> {
        let rp_id = self.rp_id.as_deref()?;
        let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let reads_as_itself = matches!(Host::parse(rp_id), Ok(Host::Domain(domain)) if domain == rp_id);
        if !reads_as_itself {
            return Some(format!("rp_id: {rp_id} is no domain in lower case"));
        }
        if psl::domain_str(rp_id).is_none() && rp_id != host {
            return Some(format!("rp_id: {rp_id} is a public suffix: it would be everybody's"));
        }
        let fits = host == rp_id || host.strip_suffix(rp_id).is_some_and(|rest| rest.ends_with('.'));
        (!fits).then(|| format!("rp_id: {rp_id} is neither the issuer's host {host} nor a domain above it"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::config::Config;

    fn read(more: &str) -> Result<Config, String> {
        let text = format!("issuer = \"https://login.a.example\"\n[passkeys]\n{more}");
        Config::from_text(&text, "x", &|_| None).map_err(|it| it.to_string())
    }

    /// W-36: from the configuration alone. An address, a public suffix and somebody else's domain stop the start.
    #[test]
    fn the_rp_id_is_the_issuers_host_or_above_it() {
        let rp_id = |more: &str| read(more).map(|config| config.passkeys.rp_id(&config.issuer));
        assert_eq!(rp_id("").unwrap(), "login.a.example");
        assert_eq!(rp_id("rp_id = \"a.example\"").unwrap(), "a.example");
        for (bad, why) in [
            ("b.example", "neither the issuer's host"),
            ("gin.a.example", "neither the issuer's host"),
            ("example", "public suffix"),
            ("A.example", "no domain in lower case"),
            ("127.0.0.1", "no domain"),
            ("", "no domain"),
            ("https://login.a.example", "no domain"),
            ("x.login.a.example", "neither the issuer's host"),
        ] {
            let error = rp_id(&format!("rp_id = \"{bad}\"")).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
        let british = |rp_id: &str| {
            let text = format!("issuer = \"https://login.shop.co.uk\"\n[passkeys]\nrp_id = \"{rp_id}\"\n");
            Config::from_text(&text, "x", &|_| None).map_err(|it| it.to_string())
        };
        assert!(british("co.uk").unwrap_err().contains("public suffix"));
        assert!(british("shop.co.uk").is_ok(), "the twin");
    }

    #[test]
    fn passkeys_are_in_reach_of_these_hosts() {
        let config = read("rp_id = \"a.example\"\nrelated_origins = [\"https://shop.example:8443\"]").unwrap();
        for (host, of_host, in_reach) in [
            ("a.example", true, true),
            ("a.example:8443", true, true),
            ("shop.example", true, true),
            ("links.a.example", false, true),
            ("xa.example", false, false),
            ("x.shop.example", false, false),
            ("example", false, false),
            ("", false, false),
        ] {
            let passkeys = &config.passkeys;
            assert_eq!(passkeys.are_of_host(&config.issuer, host), of_host, "{host}");
            assert_eq!(passkeys.are_in_reach_of(&config.issuer, host), in_reach, "{host}");
        }
    }

    /// 388-W: a list that anybody could satisfy stops the start.
    #[test]
    fn a_list_of_kinds_needs_attestation_and_roots() {
        const KIND: &str = "aaguids = [\"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4\"]";
        assert!(read(KIND).unwrap_err().contains("aaguids needs attestation"));
        assert!(read("synced = false").unwrap_err().contains("synced = false needs attestation"));
        assert!(read("attestation = \"direct\"").unwrap_err().contains("attestation needs attestation_roots"));
        assert!(read(&format!("{KIND}\nattestation = \"direct\"\nattestation_roots = [\"a.pem\"]")).is_ok());
        assert!(read("aaguids = [\"x\"]").unwrap_err().contains("x is no AAGUID"));
        for bad in ["http://a.example", "https://a.example/", "https://a.example/x", "a.example"] {
            assert!(read(&format!("related_origins = [\"{bad}\"]")).unwrap_err().contains("is no origin"), "{bad}");
        }
    }
}
