//! `[brand]`: what pages look like.

use super::docs::{Key, Kind, Presence, Section, defaulted, optional};
use super::url::read_url;
use serde::Deserialize;
use std::path::PathBuf;

pub(super) const SECTION: Section = Section {
    path: "brand",
    title: "Brand",
    text: "Name, colours and links of the pages that people see. [branding.md](branding.md) shows how to change pages and messages.",
    presence: Presence::Defaults,
    keys: KEYS,
    example: r##"
[brand]
name = "Example Shop"
logo = "logo.svg"
accent = "#1f4fd8"
support_url = "mailto:help@example.com"
"##,
};

const KEYS: &[Key] = &[
    defaulted("name", Kind::Text, r#""Symbolon""#, "The name on pages, in letters and in authenticator apps."),
    optional("privacy_url", Kind::Text, "no link", r#""https://example.com/privacy""#, "Your privacy policy. The link begins with https."),
    optional("terms_url", Kind::Text, "no link", r#""https://example.com/terms""#, "Your terms of use. The link begins with https."),
    optional(
        "support_url",
        Kind::Text,
        "no link",
        r#""https://example.com/help""#,
        "Where people get help. The link begins with https or mailto.",
    ),
    optional("logo", Kind::Path, "no picture", r#""logo.svg""#, "A .svg or .png file."),
    optional(
        "accent",
        Kind::Text,
        "our own colour",
        r##""#1f4fd8""##,
        "The colour of buttons and links, as #rrggbb. It is darkened or lightened where text on it could not be read.",
    ),
    optional("accent_dark", Kind::Text, "made from `accent`", r##""#9db8ff""##, "The same colour where the page is dark."),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Brand {
    pub name: String,
    pub privacy_url: Option<String>,
    pub terms_url: Option<String>,
    pub support_url: Option<String>,
    pub logo: Option<PathBuf>,
    pub accent: Option<String>,
    pub accent_dark: Option<String>,
}

impl Default for Brand {
    fn default() -> Self {
        Self {
            name: "Symbolon".to_owned(),
            privacy_url: None,
            terms_url: None,
            support_url: None,
            logo: None,
            accent: None,
            accent_dark: None,
        }
    }
}

impl Brand {
    /// The URLs become links on pages: nothing that runs may be one (575-V). Platforms refuse a passkey of nobody's name (W-10).
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.name.trim().is_empty() {
            found.push("[brand] name must not be empty".to_owned());
        }
        for (name, url) in [("privacy_url", &self.privacy_url), ("terms_url", &self.terms_url), ("support_url", &self.support_url)] {
            let Some(url) = url else { continue };
            let may_be_mail = name == "support_url";
            let scheme = read_url(url).map(|it| it.scheme().to_owned()).unwrap_or_default();
            if scheme != "https" && !(scheme == "mailto" && may_be_mail) {
                found.push(format!("[brand] {name} must begin with https://{}", if may_be_mail { " or mailto:" } else { "" }));
            }
        }
        found
    }
}
