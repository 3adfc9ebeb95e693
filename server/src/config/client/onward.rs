//! `[client.ID.continue]`: the page between the issuer and the app's link.

use super::super::docs::{Kind, Presence, Section, optional, required};
use serde::{Deserialize, Serialize};

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.continue",
    title: "The continue page",
    text: "Browsers often open an app only when a person taps a link. With this table a sign-in ends on a page with that link: \
           [links.md](links.md#the-continue-page). It is for https redirect URIs.",
    presence: Presence::Absent,
    keys: &[
        required(
            "host",
            Kind::Text,
            r#""go.shop-signin.example""#,
            "The `[host]` that has the page. Its domain is another one than that of the redirect URIs: an iPhone opens no app from the app's own domain.",
        ),
        optional(
            "app_page",
            Kind::Text,
            "nothing is offered",
            r#""https://shop.example/app""#,
            "An https page where people get the app. The page links to it for whom the app does not open.",
        ),
    ],
    example: r#"
[client.shop-app.continue]
host = "go.shop-signin.example"
app_page = "https://shop.example/app"

[host."go.shop-signin.example"]
owner = "shop"
continue_page = true
certificate = "/etc/symbolon/go.shop-signin.example.pem"
key = "/etc/symbolon/go.shop-signin.example.key"
"#,
};

/// Where a sign-in stops before the app's link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContinuePage {
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_page: Option<String>,
}
