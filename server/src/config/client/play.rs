//! `[client.ID.attestation.android.play]`: Play Integrity.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, optional, required};
use super::super::secret::SecretSource;
use serde::{Deserialize, Serialize};

pub(in crate::config) const PLAY: Section = Section {
    path: "client.ID.attestation.android.play",
    title: "Play Integrity",
    text: "Verdicts of Google Play, beside Key Attestation or instead. `keys` or `service_account` is needed: the first opens classic tokens here, the \
           second has standard tokens decoded by Google.",
    presence: Presence::Absent,
    keys: PLAY_KEYS,
    example: r#"
[client.shop-android.attestation.android.play]
minimum_version = 42
service_account = { file = "play-service-account.json" }
"#,
};

const PLAY_KEYS: &[Key] = &[
    optional("minimum_version", Kind::Number, "any", "42", "The oldest version of the app (versionCode) in a verdict."),
    defaulted(
        "device",
        Kind::OneOf(&["basic", "device", "strong"]),
        r#""device""#,
        "The least that Google says of the device: MEETS_BASIC_INTEGRITY, MEETS_DEVICE_INTEGRITY or MEETS_STRONG_INTEGRITY.",
    ),
    defaulted("require_licensed", Kind::Flag, "false", "Only apps that were installed from Play, by an account that may."),
    optional("play_protect", Kind::Texts, "anything", r#"["NO_ISSUES", "NO_DATA"]"#, "What Play Protect may say."),
    optional(
        "app_access_risk",
        Kind::Texts,
        "any",
        r#"["KNOWN_INSTALLED", "UNKNOWN_INSTALLED"]"#,
        "Which apps may be there that could watch or steer this one.",
    ),
    optional("recent_activity", Kind::Texts, "any", r#"["LEVEL_1", "LEVEL_2"]"#, "How busy the device may have been with such requests."),
    optional(
        "service_account",
        Kind::Secret,
        "no standard tokens",
        r#"{ file = "play-service-account.json" }"#,
        "The JSON file of a Google service account that may decode tokens.",
    ),
    optional(
        "decode_url",
        Kind::Text,
        "Google's server",
        r#""http://127.0.0.1:9000""#,
        "**UNSAFE**, and only with `development = true`: somebody else than Google decodes.",
    ),
];

pub(in crate::config) const KEYS: Section = Section {
    path: "client.ID.attestation.android.play.keys",
    title: "Keys for classic Play tokens",
    text: "The response encryption keys as Play Console shows them, in base64. There is one such table for each app.",
    presence: Presence::List,
    keys: &[
        required("decryption_key", Kind::Secret, r#"{ file = "play.key" }"#, "The key that opens the token."),
        required("verification_key", Kind::Text, r#""MFkwEwYHKoZI...""#, "The key that checks its signature."),
    ],
    example: r#"
[[client.shop-android.attestation.android.play.keys]]
decryption_key = { file = "play.key" }
verification_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
"#,
};

/// Play Integrity: which verdicts are good enough, and what opens the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayRules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<i64>,
    #[serde(default)]
    pub device: PlayDevice,
    #[serde(default)]
    pub require_licensed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play_protect: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_access_risk: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_activity: Option<Vec<String>>,
    #[serde(default)]
    pub keys: Vec<PlayKeys>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<SecretSource>,
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
