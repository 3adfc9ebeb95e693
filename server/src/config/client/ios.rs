//! `[client.ID.attestation.ios]`: the genuine app on iOS, by App Attest.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, optional, required};
use super::super::secret::SecretSource;
use serde::{Deserialize, Serialize};
use symbolon_attest::app_attest::Build;

pub(in crate::config) const IOS: Section = Section {
    path: "client.ID.attestation.ios",
    title: "Attested apps on iOS",
    text: "Which app on iOS is the genuine one (App Attest). `app_ids`, `mac_app_ids` or the table `app` is needed.",
    presence: Presence::Absent,
    keys: IOS_KEYS,
    example: r#"
[client.shop-android.attestation.ios]
app_ids = ["ABCDE12345.com.example.shop"]
least_version = "4.2"
"#,
};

/// The words of `IosBuild`.
pub const BUILDS: &[&str] = &["app_store", "test_flight", "enterprise", "developer_id", "unsaid", "development", "platform"];

const IOS_KEYS: &[Key] = &[
    optional(
        "app_ids",
        Kind::Texts,
        "those of the table `app`, where there is no `mac_app_ids`",
        r#"["ABCDE12345.com.example.shop"]"#,
        "The apps on phones and tablets, as TEAMID.bundle.id.",
    ),
    defaulted("mac_app_ids", Kind::Texts, "[]", "The apps on Macs, as TEAMID.signing-identifier. Such a Mac has to protect its system."),
    defaulted(
        "builds",
        Kind::SomeOf(BUILDS),
        r#"["app_store", "test_flight", "enterprise", "developer_id", "unsaid"]"#,
        "Whose builds of the app are let in. `unsaid`: systems before iOS 27 do not say. `development` is **UNSAFE**: built and signed by a developer.",
    ),
    optional(
        "least_version",
        Kind::Text,
        "any",
        r#""4.2""#,
        "The oldest version of the app (CFBundleVersion): numbers with dots. Devices say it from iOS 27 on; those that do not are refused.",
    ),
    defaulted("allow_without_version", Kind::Flag, "false", "Devices that do not say the version are let in all the same."),
];

pub(in crate::config) const RECEIPTS: Section = Section {
    path: "client.ID.attestation.ios.receipts",
    title: "Apple's risk metric",
    text: "The server asks Apple how many keys of the app it has seen on the device. It does so as your developer account, by a key with the service \
           DeviceCheck.",
    presence: Presence::Absent,
    keys: RECEIPT_KEYS,
    example: r#"
[client.shop-android.attestation.ios.receipts]
team_id = "ABCDE12345"
key_id = "KEY1234567"
private_key = { file = "AuthKey_KEY1234567.p8" }
risk_metric_max = 20
"#,
};

const RECEIPT_KEYS: &[Key] = &[
    required("team_id", Kind::Text, r#""ABCDE12345""#, "Your team at Apple."),
    required("key_id", Kind::Text, r#""KEY1234567""#, "The key's id at Apple."),
    required("private_key", Kind::Secret, r#"{ file = "AuthKey_KEY1234567.p8" }"#, "The .p8 file of that key."),
    optional(
        "risk_metric_max",
        Kind::Number,
        "nobody is refused by it",
        "20",
        "Installations on devices on which Apple has seen more keys of the app are refused.",
    ),
    optional(
        "exchange_url",
        Kind::Text,
        "Apple's server",
        r#""http://127.0.0.1:9000""#,
        "**UNSAFE**, and only with `development = true`: somebody else than Apple answers.",
    ),
];

/// The genuine app on iOS, for App Attest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IosApp {
    #[serde(default)]
    pub app_ids: Vec<String>,
    #[serde(default)]
    pub mac_app_ids: Vec<String>,
    #[serde(default = "IosBuild::of_customers")]
    pub builds: Vec<IosBuild>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_version: Option<String>,
    #[serde(default)]
    pub allow_without_version: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Receipts>,
}

/// Whose build of the app it is: [`symbolon_attest::app_attest::Build`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IosBuild {
    AppStore,
    TestFlight,
    Enterprise,
    DeveloperId,
    /// Not a developer's; systems before iOS 27 do not say more.
    Unsaid,
    /// UNSAFE: made and signed by a developer.
    Development,
    Platform,
}

impl IosBuild {
    const ALL: [Self; 7] =
        [Self::AppStore, Self::TestFlight, Self::Enterprise, Self::DeveloperId, Self::Unsaid, Self::Development, Self::Platform];

    /// What customers have.
    fn of_customers() -> Vec<Self> {
        Self::ALL[..5].to_vec()
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppStore => "app_store",
            Self::TestFlight => "test_flight",
            Self::Enterprise => "enterprise",
            Self::DeveloperId => "developer_id",
            Self::Unsaid => "unsaid",
            Self::Development => "development",
            Self::Platform => "platform",
        }
    }

    pub fn attested(self) -> Build {
        match self {
            Self::AppStore => Build::AppStore,
            Self::TestFlight => Build::TestFlight,
            Self::Enterprise => Build::Enterprise,
            Self::DeveloperId => Build::DeveloperId,
            Self::Unsaid => Build::Unsaid,
            Self::Development => Build::Development,
            Self::Platform => Build::Platform,
        }
    }

    pub fn of(build: Build) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.attested() == build)
    }
}

/// How Apple is asked for receipts with its risk metric: as the developer, by a key with the service DeviceCheck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipts {
    pub team_id: String,
    pub key_id: String,
    pub private_key: SecretSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_metric_max: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_url: Option<String>,
}

impl IosApp {
    pub(super) fn problems(&self, development: bool) -> Vec<String> {
        let mut found = Vec::new();
        if self.app_ids.is_empty() && self.mac_app_ids.is_empty() {
            found.push("attestation.ios needs app_ids or mac_app_ids, such as ABCDE12345.com.example.shop".to_owned());
        }
        if self.builds.is_empty() {
            found.push("attestation.ios.builds is empty: no build of the app would be let in".to_owned());
        }
        if self.least_version.as_ref().is_some_and(|it| version(it).is_none()) {
            found.push("attestation.ios.least_version: numbers with dots between them, such as 42 or 4.2.1".to_owned());
        }
        if self.receipts.as_ref().is_some_and(|it| it.exchange_url.is_some()) && !development {
            found.push("attestation.ios.receipts.exchange_url: only Apple answers, except with development = true".to_owned());
        }
        found
    }

    /// Is an app of this version (CFBundleVersion) recent enough? `None`: the evidence does not say.
    pub fn is_recent(&self, said: Option<&str>) -> bool {
        let Some(least) = &self.least_version else { return true };
        said.map_or(self.allow_without_version, |said| is_at_least(said, least))
    }

    /// Of phones, tablets and Macs.
    pub fn all_app_ids(&self) -> Vec<&str> {
        self.app_ids.iter().chain(&self.mac_app_ids).map(String::as_str).collect()
    }

    pub fn builds(&self) -> Vec<Build> {
        self.builds.iter().map(|it| it.attested()).collect()
    }
}

/// Compares versions of an app as numbers; what is no version is older than any.
pub fn is_at_least(said: &str, least: &str) -> bool {
    version(said).is_some_and(|it| Some(it) >= version(least))
}

/// Numbers with dots between them; zeros at the end say nothing. `None`: something else, which is no version.
pub fn version(text: &str) -> Option<Vec<u64>> {
    let parts = text.split('.').map(|part| part.parse().ok().filter(|_| part.bytes().all(|it| it.is_ascii_digit())));
    let mut parts = parts.collect::<Option<Vec<u64>>>()?;
    while parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn versions_are_numbers_and_not_text() {
        let app = |least: Option<&str>, lax: bool| IosApp {
            app_ids: vec![],
            mac_app_ids: vec![],
            builds: vec![],
            least_version: least.map(str::to_owned),
            allow_without_version: lax,
            receipts: None,
        };
        let strict = app(Some("4.10"), false);
        for good in ["4.10", "4.10.0", "4.11", "5", "10", "4.10.1"] {
            assert!(strict.is_recent(Some(good)), "{good}");
        }
        for bad in ["4.9", "4.9.99", "4", "", "x", "5x", "+5", "-5", "5 ", "5..1", "99999999999999999999999"] {
            assert!(!strict.is_recent(Some(bad)), "{bad:?}");
        }
        assert!(!strict.is_recent(None) && app(Some("4.10"), true).is_recent(None));
        assert!(!app(Some("4.10"), true).is_recent(Some("4.9")), "the exception is for those that do not say");
        assert!(app(None, false).is_recent(None) && app(None, false).is_recent(Some("x")));
    }
}
