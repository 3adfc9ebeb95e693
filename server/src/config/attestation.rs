//! `[attestation]`: the server's own attester, for all clients. A client's rules are its table `attestation`.

use super::docs::{Key, Kind, Presence, Section, defaulted, optional};
use super::span::Span;
use serde::Deserialize;
use std::path::PathBuf;

pub(super) const SECTION: Section = Section {
    path: "attestation",
    title: "The attester",
    text: "What the server's own attester goes by, for all clients. Which evidence is good enough for a client is said in `[client.ID.attestation]`; \
           [attestation.md](attestation.md) explains the whole.",
    presence: Presence::Defaults,
    keys: KEYS,
    example: r#"
[attestation]
status_list = "file:/var/lib/symbolon/status.json"
status_max_age = "1d"
"#,
};

const KEYS: &[Key] = &[
    defaulted(
        "simulated_roots",
        Kind::Texts,
        "[]",
        "**UNSAFE**, and only with `development = true`: roots of simulated phones (SubjectPublicKeyInfo in base64url).",
    ),
    optional(
        "status_list",
        Kind::Text,
        "Google's list; none with `development = true`",
        r#""https://android.googleapis.com/attestation/status""#,
        "The list of Android attestation keys that have leaked: an https URL, `file:PATH`, or `off` (**UNSAFE**).",
    ),
    defaulted("status_max_age", Kind::Time, r#""3d""#, "With an older list every Android chain is refused."),
];

const GOOGLE_STATUS_LIST: &str = "https://android.googleapis.com/attestation/status";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attesting {
    pub simulated_roots: Vec<String>,
    pub status_list: Option<StatusList>,
    pub status_max_age: Span,
}

impl Default for Attesting {
    fn default() -> Self {
        Self { simulated_roots: Vec::new(), status_list: None, status_max_age: Span::days(3) }
    }
}

/// As the key says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StatusList {
    Off,
    From(StatusListSource),
}

/// Where the status list comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusListSource {
    Url(String),
    File(PathBuf),
}

impl TryFrom<String> for StatusList {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Some(path) = text.strip_prefix("file:") {
            return Ok(Self::From(StatusListSource::File(PathBuf::from(path))));
        }
        if text.starts_with("https://") {
            return Ok(Self::From(StatusListSource::Url(text)));
        }
        Err("[attestation] status_list is an https URL, file:PATH or off")
    }
}

impl Attesting {
    /// `None`: no list is asked.
    pub fn status_source(&self, development: bool) -> Option<StatusListSource> {
        match &self.status_list {
            Some(StatusList::Off) => None,
            Some(StatusList::From(source)) => Some(source.clone()),
            None if development => None,
            None => Some(StatusListSource::Url(GOOGLE_STATUS_LIST.to_owned())),
        }
    }

    pub(super) fn problems(&self, development: bool) -> Vec<String> {
        if self.simulated_roots.is_empty() || development {
            return Vec::new();
        }
        vec!["[attestation] simulated_roots: simulated phones are trusted only with development = true".to_owned()]
    }
}
