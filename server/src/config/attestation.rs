//! The table `attestation` of a client: who vouches for its installations, and what is good enough.

use super::{CertificateName, Jwks, SecretSource, Span, Tier, TierName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use symbolon_attest::app_attest::Build;
use symbolon_attest::status_list;
use symbolon_oauth::base64url;
use symbolon_oauth::client_attestation::MAX_LIFETIME_S;

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

/// Which attestations of an installation are good enough: of a client that authenticates by them, and as a further signal of
/// one that authenticates in another way, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttestationRules {
    /// The keys of the customer's own attester; without them and `attester_x5c` this server attests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attester_jwks: Option<Jwks>,
    /// Its certificates, in the attestation's header; beside the keys, or instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attester_x5c: Option<AttesterX5c>,
    /// An older attestation is answered with use_fresh_attestation.
    pub max_age: Span,
    /// What an installation may have, by what it proved. None named: each but `none` may have everything.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tier: BTreeMap<TierName, Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ios: Option<IosApp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub android: Option<AndroidApp>,
}

/// The customer's own attester, known by a certificate of this CA with exactly one of the names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttesterX5c {
    /// The CA's certificates, in PEM.
    pub ca: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_dns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_uri: Option<String>,
}

/// The genuine app on iOS, for App Attest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IosApp {
    /// `TEAMID.bundle.id`.
    #[serde(default)]
    pub app_ids: Vec<String>,
    /// `TEAMID.signing-identifier` of apps on Macs, which have to protect their system.
    #[serde(default)]
    pub mac_app_ids: Vec<String>,
    /// Whose builds of the app are let in.
    #[serde(default = "IosBuild::of_customers")]
    pub builds: Vec<IosBuild>,
    /// CFBundleVersion, numbers with dots. Devices say it from iOS 27 on; evidence that does not say it is refused ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_version: Option<String>,
    /// ... unless this is true.
    #[serde(default)]
    pub allow_without_version: bool,
    /// Apple's risk metric.
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
    /// The .p8 file of that key.
    pub private_key: SecretSource,
    /// Installations of devices on which Apple has seen more keys of the app than this are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_metric_max: Option<u32>,
    /// UNSAFE, and only with `development = true`: somebody else than Apple answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_url: Option<String>,
}

/// The genuine app on Android, for Key Attestation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AndroidApp {
    pub packages: Vec<String>,
    /// SHA-256 of the certificates the app is signed with, in base64url.
    pub signing_digests: Vec<String>,
    /// Only phones with a secure element of their own.
    #[serde(default)]
    pub strongbox: bool,
    /// Only attesting keys that were provisioned over the air: no keyboxes of a factory's, which leak by the batch.
    #[serde(default)]
    pub require_rkp: bool,
    /// Only what is written as DER and the documentation want it; some makers' hardware writes otherwise.
    #[serde(default)]
    pub strict: bool,
    /// The hardware asks for the person before the installation's key signs, in one of these ways. Absent: it need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_auth: Option<Vec<UserAuth>>,
    /// For how long after that the key may sign; absent: each time anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_auth_timeout: Option<Span>,
    /// versionCode of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_version: Option<i64>,
    /// `YYYYMM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_patch: Option<i64>,
    /// Play Integrity beside, or instead of, Key Attestation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play: Option<PlayRules>,
    /// Verified boot keys (32 bytes in base64url) of systems of the owners' own that are welcome all the same.
    #[serde(default)]
    pub own_boot_keys: Vec<String>,
    /// Serials of attestation certificates that are known to have leaked, in hexadecimal.
    #[serde(default)]
    pub revoked_serials: Vec<String>,
}

/// How an Android phone knows its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserAuth {
    /// PIN, pattern or password of the phone.
    Password,
    Biometric,
}

/// Play Integrity: which verdicts are good enough, and what opens the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayRules {
    /// versionCode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<i64>,
    #[serde(default)]
    pub device: PlayDevice,
    /// Installed from Play by an account that may.
    #[serde(default)]
    pub require_licensed: bool,
    /// What Play Protect may say, such as NO_ISSUES; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play_protect: Option<Vec<String>>,
    /// Which apps that could watch or steer this one may be there, such as KNOWN_INSTALLED; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_access_risk: Option<Vec<String>>,
    /// How busy the device may have been with such requests, such as LEVEL_1; absent: as busy as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_activity: Option<Vec<String>>,
    /// Classic tokens: the response encryption keys of Play Console, a pair for each app.
    #[serde(default)]
    pub keys: Vec<PlayKeys>,
    /// Standard tokens: the JSON file of a Google service account that may decode them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<SecretSource>,
    /// UNSAFE, and only with `development = true`: somebody else than Google decodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_url: Option<String>,
}

/// In base64, as Play Console shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayKeys {
    pub decryption_key: SecretSource,
    pub verification_key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlayDevice {
    Basic,
    #[default]
    Device,
    Strong,
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
        let apps = self.ios.is_some() || self.android.is_some();
        if self.is_ours() && !apps {
            let why = "attestation names neither an attester (attester_jwks, attester_x5c) nor an app of ours (ios, android)";
            found.push(why.to_owned());
        }
        if !self.is_ours() && apps {
            found.push("attestation: ios and android are judged where this server attests, not beside an attester of your own".to_owned());
        }
        found.extend(self.ios.iter().flat_map(|it| it.problems(development)));
        found.extend(self.android.iter().flat_map(|it| it.problems(development)));
        found
    }

    /// This server attests, and nobody else.
    pub fn is_ours(&self) -> bool {
        self.attester_jwks.is_none() && self.attester_x5c.is_none()
    }

    /// What an installation of this tier may have; `None`: nothing, it is not let in.
    pub fn tier(&self, name: TierName) -> Option<Tier> {
        if self.tier.is_empty() {
            return (name != TierName::None).then(Tier::default);
        }
        self.tier.get(&name).cloned()
    }
}

impl Default for AttestationRules {
    fn default() -> Self {
        Self { attester_jwks: None, attester_x5c: None, max_age: Span::hours(24), tier: BTreeMap::new(), ios: None, android: None }
    }
}

impl IosApp {
    fn problems(&self, development: bool) -> Vec<String> {
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
    let parts = text.split('.').map(|it| it.parse().ok().filter(|_| it.bytes().all(|it| it.is_ascii_digit())));
    let mut parts = parts.collect::<Option<Vec<u64>>>()?;
    while parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

/// 32 bytes.
fn is_digest(text: &str) -> bool {
    base64url::decode(text).is_some_and(|it| it.len() == 32)
}

impl AndroidApp {
    fn problems(&self, development: bool) -> Vec<String> {
        let mut found = Vec::new();
        if self.packages.is_empty() || self.signing_digests.is_empty() || !self.signing_digests.iter().all(|it| is_digest(it)) {
            found.push("attestation.android needs packages, and signing_digests of 32 bytes in base64url".to_owned());
        }
        if !self.own_boot_keys.iter().all(|it| is_digest(it)) {
            found.push("attestation.android.own_boot_keys are of 32 bytes in base64url".to_owned());
        }
        for serial in self.revoked_serials.iter().filter(|it| status_list::written(it).is_none()) {
            found.push(format!("attestation.android.revoked_serials: {serial:?} is no serial in hexadecimal"));
        }
        if self.user_auth.as_ref().is_some_and(Vec::is_empty) {
            found.push("attestation.android.user_auth is empty: name password, biometric or both, or leave it out".to_owned());
        }
        if self.user_auth_timeout.is_some() && self.user_auth.is_none() {
            found.push("attestation.android.user_auth_timeout says nothing without user_auth".to_owned());
        }
        if let Some(play) = &self.play {
            if play.keys.is_empty() && play.service_account.is_none() {
                found.push("attestation.android.play needs keys, or service_account, or both".to_owned());
            }
            if play.decode_url.is_some() && !development {
                found.push("attestation.android.play.decode_url: only Google decodes, except with development = true".to_owned());
            }
        }
        found
    }
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

    /// 259-N: what nobody could ever match is an error, and not a list that says nothing.
    #[test]
    fn revoked_serials_are_serials() {
        let problems = |serial: &str| {
            let app = AndroidApp {
                packages: vec!["com.example.shop".to_owned()],
                signing_digests: vec![base64url::encode(&[7; 32])],
                strongbox: false,
                require_rkp: false,
                strict: false,
                user_auth: None,
                user_auth_timeout: None,
                least_version: None,
                least_patch: None,
                play: None,
                own_boot_keys: vec![],
                revoked_serials: vec![serial.to_owned()],
            };
            app.problems(false)
        };
        for good in ["6b7b766dd43c494c", "6B:7B:76:6D", "0006b7b", "12487776376909927609"] {
            assert!(problems(good).is_empty(), "{good}");
        }
        for bad in ["", ":", "0x6b7b", "6b7b 766d", "serial", &"a".repeat(65)] {
            assert_eq!(problems(bad).len(), 1, "{bad:?}");
        }
    }
}
