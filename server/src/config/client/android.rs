//! `[client.ID.attestation.android]`: the genuine app on Android, by Key Attestation.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, optional};
use super::super::patch_level;
use super::super::span::Span;
use super::fingerprint::Fingerprint;
use super::play::PlayRules;
use serde::{Deserialize, Serialize};
use symbolon_attest::status_list;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.attestation.android",
    title: "Attested apps on Android",
    text: "Which app on Android is the genuine one (Key Attestation), and what is asked of the device.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.shop-android.attestation.android]
packages = ["com.example.shop"]
signing_digests = ["47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"]
least_patch = 202501
"#,
};

const KEYS: &[Key] = &[
    optional("packages", Kind::Texts, "those of the table `app`", r#"["com.example.shop"]"#, "The names of the app's packages."),
    optional(
        "signing_digests",
        Kind::Texts,
        "those of the table `app`, without `debug`",
        r#"["47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"]"#,
        "SHA-256 of the certificates that the app is signed with, in base64url, base64 or hexadecimal.",
    ),
    defaulted("strongbox", Kind::Flag, "false", "Only phones with a secure element of their own, which the maker's certificate names."),
    defaulted(
        "require_rkp",
        Kind::Flag,
        "false",
        "Only attesting keys that were provisioned remotely. Those of a factory leak by the batch.",
    ),
    defaulted(
        "strict",
        Kind::Flag,
        "false",
        "Refuses what is not written exactly as DER and the documentation want it, and descriptions of a version newer than 500. Some makers' hardware \
         writes otherwise, and the next system version is newer.",
    ),
    optional(
        "user_auth",
        Kind::SomeOf(&["password", "biometric"]),
        "the hardware need not ask",
        r#"["biometric"]"#,
        "The phone's hardware asks for the person, in one of these ways, before the key signs.",
    ),
    optional("user_auth_timeout", Kind::Time, "it asks each time", r#""30s""#, "For how long after that the key may sign."),
    optional(
        "least_patch",
        Kind::Number,
        "any",
        "202501",
        "The oldest patch level, as YYYYMM. A phone whose level is no month of the calendar is refused.",
    ),
    optional("least_version", Kind::Number, "any", "42", "The oldest version of the app (versionCode)."),
    defaulted(
        "own_boot_keys",
        Kind::Texts,
        "[]",
        "Verified boot keys (32 bytes in base64url or hexadecimal) of systems such as GrapheneOS that are let in as well.",
    ),
    defaulted(
        "revoked_serials",
        Kind::Texts,
        "[]",
        "Serials of attestation certificates that are known to have leaked, in hexadecimal, beside those of the status list.",
    ),
];

/// The genuine app on Android, for Key Attestation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AndroidApp {
    #[serde(default)]
    pub packages: Vec<String>,
    #[serde(default)]
    pub signing_digests: Vec<Fingerprint>,
    #[serde(default)]
    pub strongbox: bool,
    #[serde(default)]
    pub require_rkp: bool,
    #[serde(default)]
    pub strict: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_auth: Option<Vec<UserAuth>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_auth_timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_version: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_patch: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play: Option<PlayRules>,
    #[serde(default)]
    pub own_boot_keys: Vec<Fingerprint>,
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

impl AndroidApp {
    pub(super) fn problems(&self, development: bool) -> Vec<String> {
        let mut found = Vec::new();
        if self.packages.is_empty() || self.signing_digests.is_empty() {
            found.push("attestation.android needs packages, and signing_digests of 32 bytes in base64url or hexadecimal".to_owned());
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
        found.extend(patch_level::problem(self.least_patch).map(|why| format!("attestation.android.{why}")));
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
    use super::*;

    /// 259-N: a serial that could never match is an error. It is not read as an empty list.
    #[test]
    fn revoked_serials_are_serials() {
        let problems = |serial: &str| {
            let app = AndroidApp {
                packages: vec!["com.example.shop".to_owned()],
                signing_digests: vec![Fingerprint([7; 32])],
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
