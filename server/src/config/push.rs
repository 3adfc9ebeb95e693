//! `[push]`: the operator's own service that wakes apps up by APNs and FCM. docs/backchannel.md.

use super::docs::{Key, Kind, Presence, Section, required};
use super::url::is_address;
use serde::Deserialize;

pub(super) const SECTION: Section = Section {
    path: "push",
    title: "Waking apps up",
    text: "A service of yours that passes a wake-up on to Apple's and Google's push services. It gets a signed JWT with the address of an app's \
           installation, and nothing about the person or the request. [backchannel.md](backchannel.md) has its members. Without this table an app \
           learns of requests when it asks.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[push]
webhook = "https://push.example.com/wake"
"#,
};

const KEYS: &[Key] =
    &[required("webhook", Kind::Text, r#""https://push.example.com/wake""#, "Where the wake-ups are posted to, as `application/jwt`.")];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    pub webhook: String,
}

impl Push {
    pub(super) fn problems(&self, development: bool) -> Vec<String> {
        let is_good = is_address(&self.webhook, development, true);
        (!is_good).then(|| "[push]: webhook is no https URL without fragment and user name".to_owned()).into_iter().collect()
    }
}
