//! Tiers: what an app may have, by what its installation proved. The page docs/attestation.md says what each proves.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, optional};
use super::super::patch_level;
use super::super::span::Span;
use super::ios::BUILDS;
use super::ios::{IosBuild, is_at_least, version};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.attestation.tier.hardware",
    title: "Tiers",
    text: "What an installation may have, by what it proved. The tiers are `hardware`, `hardware_claimed`, `software` and `none`, from the highest to \
           the lowest. Only the tiers that are named are let in; where none is named, each but `none` is.\n\n\
           A key can only give less than the client has. An installation that does not meet `least_patch`, `least_android_version`, \
           `least_ios_version` or `builds`, or of which that is not known, gets the next lower tier that is named. These four need this server's \
           own attester.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.shop-android.attestation.tier.hardware]
least_patch = 202601

[client.shop-android.attestation.tier.none]
scopes = ["orders:read"]
lifetime = "2m"
refresh = false
"#,
};

const KEYS: &[Key] = &[
    optional(
        "scopes",
        Kind::Texts,
        "all of the client's",
        r#"["orders:read"]"#,
        "The API scopes it may have of those that the client may have.",
    ),
    optional(
        "authorization_details_types",
        Kind::Texts,
        "all of the client's, or none where `scopes` is given",
        "[]",
        "The types of authorization details it may have of those that the client may have.",
    ),
    optional("lifetime", Kind::Time, "the API's", r#""5m""#, "The longest life of an access token."),
    defaulted("refresh", Kind::Flag, "true", "Does the app stay signed in? With `false` it gets no refresh token."),
    optional("idle", Kind::Time, "the client's", r#""1d""#, "The longest pause between two refreshes."),
    optional(
        "acr",
        Kind::Text,
        "the client's policy",
        r#""urn:example:two-factor""#,
        "How the person must have signed in: the `acr` of a `[login.NAME]`.",
    ),
    optional("max_age", Kind::Time, "the client's", r#""1h""#, "An older attestation is answered with `use_fresh_attestation`."),
    optional("least_patch", Kind::Number, "any", "202601", "The oldest patch level of an Android device, as YYYYMM."),
    optional("least_android_version", Kind::Number, "any", "42", "The oldest version of the app on Android (versionCode)."),
    optional("least_ios_version", Kind::Text, "any", r#""4.2""#, "The oldest version of the app on iOS (CFBundleVersion)."),
    optional("builds", Kind::SomeOf(BUILDS), "those of `ios.builds`", r#"["app_store"]"#, "Whose builds of the app on iOS."),
];

/// What is known of the installation's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierName {
    /// Nothing: a device that cannot attest. Its tokens are bound to a key all the same (DPoP).
    None,
    /// An attester vouches for the app, not for where the key is kept.
    Software,
    /// A genuine app says that its key is in hardware.
    HardwareClaimed,
    /// Evidence says that this very key is in hardware.
    Hardware,
}

impl TierName {
    /// From the lowest to the highest.
    const ALL: [Self; 4] = [Self::None, Self::Software, Self::HardwareClaimed, Self::Hardware];

    /// This one and those below it that an attested installation may be of, from the highest down.
    pub fn and_below(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().rev().filter(move |it| *it <= self && *it != Self::None)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Software => "software",
            Self::HardwareClaimed => "hardware_claimed",
            Self::Hardware => "hardware",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// One byte, inside tokens.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Software => 2,
            Self::HardwareClaimed => 3,
            Self::Hardware => 4,
        }
    }

    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }
}

/// What a tier may have. Absent: what the client may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_details_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Span>,
    pub refresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_patch: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_android_version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_ios_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds: Option<Vec<IosBuild>>,
}

impl Default for Tier {
    fn default() -> Self {
        Self {
            scopes: None,
            authorization_details_types: None,
            lifetime: None,
            refresh: true,
            idle: None,
            acr: None,
            max_age: None,
            least_patch: None,
            least_android_version: None,
            least_ios_version: None,
            builds: None,
        }
    }
}

impl Tier {
    /// Is there a rule about app or device, which only an attester that has seen the evidence can judge?
    pub fn judges_facts(&self) -> bool {
        self.least_patch.is_some() || self.least_android_version.is_some() || self.least_ios_version.is_some() || self.builds.is_some()
    }

    /// Do app and device, by the facts that are kept of the installation, come up to this tier? An unknown fact does not.
    pub fn takes(&self, platform: &str, facts: &Json) -> bool {
        let number = |name: &str, least: Option<i64>| least.is_none_or(|least| facts[name].as_i64().is_some_and(|it| it >= least));
        let text = |name: &str| facts[name].as_str();
        match platform {
            // Its own rules are the plug-in's.
            platform if platform.starts_with("plugin:") => true,
            "android" => number("os_patch", self.least_patch) && number("version", self.least_android_version),
            _ => {
                let recent = |least: &String| text("bundle_version").is_some_and(|said| is_at_least(said, least));
                let of_kind = |kinds: &Vec<IosBuild>| text("build").is_some_and(|said| kinds.iter().any(|it| it.as_str() == said));
                self.least_ios_version.as_ref().is_none_or(recent) && self.builds.as_ref().is_none_or(of_kind)
            }
        }
    }

    /// What is wrong with its rules about app and device by themselves.
    pub fn problem(&self, is_ours: bool) -> Option<&'static str> {
        if self.judges_facts() && !is_ours {
            return Some("least_patch, least_android_version, least_ios_version and builds are judged where this server attests");
        }
        if self.least_ios_version.as_ref().is_some_and(|it| version(it).is_none()) {
            return Some("least_ios_version: numbers with dots between them, such as 42 or 4.2.1");
        }
        patch_level::problem(self.least_patch)
    }

    /// A tier with scopes of its own has only the details that it names.
    pub fn may_have_details_of(&self, kind: &str) -> bool {
        self.authorization_details_types.as_ref().map_or(self.scopes.is_none(), |own| own.iter().any(|it| it == kind))
    }
}
