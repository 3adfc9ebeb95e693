//! The table `attestation` of a client: who vouches for its installations, and what is good enough.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, optional, required};
use super::super::span::Span;
use super::android::AndroidApp;
use super::ios::IosApp;
use super::keys::Jwks;
use super::tier::{Tier, TierName};
use super::tls_client_auth::CertificateName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use symbolon_oauth::client_attestation::MAX_LIFETIME_S;

/// A tier whose table says nothing.
static UNLIMITED: LazyLock<Tier> = LazyLock::new(Tier::default);

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.attestation",
    title: "Attested apps",
    text: "Who vouches for the installations of an app, and what is good enough. This server does, with the tables `ios` and `android`; or your own \
           attester does, with `attester_jwks` or `attester_x5c`. [attestation.md](attestation.md) explains it.\n\n\
           With `authentication = \"attest_jwt_client_auth_dpop\"` or `\"attest_jwt_client_auth\"` the attestation is how the client authenticates. With any \
           other, every request needs an attestation besides. Which tiers are let in is said by the tables `tier`.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.shop-android]
kind = "native"
redirect_uris = ["https://app.example.com/android"]
apis = { orders = ["orders:read"] }
authentication = "attest_jwt_client_auth_dpop"

[client.shop-android.attestation]
max_age = "12h"
"#,
};

const KEYS: &[Key] = &[
    optional(
        "attester_jwks",
        Kind::Table("JWK set (RFC 7517)"),
        "no keys",
        r#"{ keys = [{ kty = "OKP", crv = "Ed25519", alg = "EdDSA", use = "sig", kid = "1", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }"#,
        "The public keys of your own attester.",
    ),
    defaulted(
        "max_age",
        Kind::Time,
        r#""24h""#,
        "An older attestation is answered with `use_fresh_attestation`. At most 31d. Attestations of this server live as long.",
    ),
    defaulted(
        "plugins",
        Kind::Texts,
        "[]",
        "Plug-ins of the world `evidence`, for other platforms: `windows` takes what an app sends with `format=plugin:windows` \
         ([plugins.md](plugins.md)).",
    ),
    defaulted(
        "observe",
        Kind::Flag,
        "false",
        "**UNSAFE**, for a roll-out: verdicts are recorded and nobody is refused. Evidence that breaks a rule, and none at all, get what the tier `none` \
         has, or all that the client may where no tier `none` is named.",
    ),
    defaulted(
        "unsafe_private_schemes",
        Kind::Flag,
        "false",
        "**UNSAFE.** The client may have redirect URIs with a private-use scheme. Attestation does not protect them: any app on the phone can take \
         the answer to a sign-in that somebody's genuine app began.",
    ),
];

pub(in crate::config) const X5C: Section = Section {
    path: "client.ID.attestation.attester_x5c",
    title: "An attester with certificates",
    text: "Your own attester is known by a certificate in the attestation's header (`x5c`), beside its keys or instead. Give the CA and exactly one of \
           the names.",
    presence: Presence::Absent,
    keys: &[
        required("ca", Kind::Path, r#""attester-ca.pem""#, "The CA's certificates, in PEM."),
        optional(
            "subject_dn",
            Kind::Text,
            "none",
            r#""CN=attester,O=Example""#,
            "The subject of the certificate (RFC 4514), compared exactly.",
        ),
        optional("san_dns", Kind::Text, "none", r#""attester.example.com""#, "Its DNS name."),
        optional("san_uri", Kind::Text, "none", r#""https://example.com/attester""#, "Its URI."),
    ],
    example: r#"
[client.partner-app]
kind = "native"
redirect_uris = ["https://partner.example.com/callback"]
authentication = "attest_jwt_client_auth_dpop"

[client.partner-app.attestation]
attester_x5c = { ca = "attester-ca.pem", san_dns = "attester.example.com" }
"#,
};

/// Which attestations of an installation are good enough. A client may authenticate by them, or they are a further signal beside another
/// method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttestationRules {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attester_jwks: Option<Jwks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attester_x5c: Option<AttesterX5c>,
    pub max_age: Span,
    /// UNSAFE: verdicts are recorded, and nobody is refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub observe: bool,
    /// UNSAFE: any app may take the answer to a sign-in that a genuine one began.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsafe_private_schemes: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tier: BTreeMap<TierName, Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ios: Option<IosApp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub android: Option<AndroidApp>,
    /// Plug-ins that judge evidence of other platforms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<String>,
}

/// The customer's own attester, known by a certificate of this CA with exactly one of the names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttesterX5c {
    pub ca: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_dns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_uri: Option<String>,
}

impl AttestationRules {
    /// What is wrong with them by themselves. `development`: as the configuration says.
    pub fn problems(&self, development: bool) -> Vec<String> {
        let mut found = Vec::new();
        if self.attester_jwks.as_ref().is_some_and(|it| it.keys().is_err()) {
            found.push("attestation.attester_jwks is not a key set we accept".to_owned());
        }
        found.extend(self.attester_x5c.as_ref().and_then(AttesterX5c::problems));
        if !(1..=MAX_LIFETIME_S).contains(&self.max_age.0) {
            found.push("attestation.max_age is at most 31d; no attestation that lives longer is accepted".to_owned());
        }
        let apps = self.ios.is_some() || self.android.is_some() || !self.plugins.is_empty();
        if self.is_ours() && !apps {
            let why = "attestation names neither an attester (attester_jwks, attester_x5c) nor an app of ours (ios, android, plugins)";
            found.push(why.to_owned());
        }
        if !self.is_ours() && apps {
            found.push(
                "attestation: ios, android and plugins are judged where this server attests, not beside an attester of your own".to_owned(),
            );
        }
        found.extend(self.ios.iter().flat_map(|it| it.problems(development)));
        found.extend(self.android.iter().flat_map(|it| it.problems(development)));
        found
    }

    /// This server attests, and nobody else.
    pub fn is_ours(&self) -> bool {
        self.attester_jwks.is_none() && self.attester_x5c.is_none()
    }

    /// The same rules, obeyed: what an operator who observes will have.
    pub fn enforced(&self) -> Self {
        Self { observe: false, ..self.clone() }
    }

    /// Does `observe` alone let this tier in?
    pub fn only_observes(&self, name: TierName) -> bool {
        self.observe && self.enforced_tier(name).is_none()
    }

    /// What an installation of this tier may have; `None`: nothing, it is not let in.
    pub fn tier(&self, name: TierName) -> Option<&Tier> {
        if self.observe {
            return Some(self.tier.get(&name).unwrap_or(&UNLIMITED));
        }
        self.enforced_tier(name)
    }

    fn enforced_tier(&self, name: TierName) -> Option<&Tier> {
        if self.tier.is_empty() {
            return (name != TierName::None).then_some(&*UNLIMITED);
        }
        self.tier.get(&name)
    }
}

impl Default for AttestationRules {
    fn default() -> Self {
        Self {
            attester_jwks: None,
            attester_x5c: None,
            max_age: Span::hours(24),
            observe: false,
            unsafe_private_schemes: false,
            tier: BTreeMap::new(),
            ios: None,
            android: None,
            plugins: Vec::new(),
        }
    }
}

impl AttesterX5c {
    pub fn names(&self) -> Vec<CertificateName<'_>> {
        let names = [
            self.subject_dn.as_deref().map(CertificateName::SubjectDn),
            self.san_dns.as_deref().map(CertificateName::Dns),
            self.san_uri.as_deref().map(CertificateName::Uri),
        ];
        names.into_iter().flatten().collect()
    }

    pub fn problems(&self) -> Option<String> {
        let names = self.names();
        if names.len() != 1 {
            return Some(
                "attestation.attester_x5c needs one of subject_dn, san_dns, san_uri: which of the CA's certificates vouch".to_owned(),
            );
        }
        names.iter().find_map(CertificateName::problem).map(|it| format!("attestation.attester_x5c.{it}"))
    }
}
