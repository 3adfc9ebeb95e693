//! `[client.ID.kiosk]`: members prove themselves at devices of an organisation with the key of their phone. docs/kiosk.md.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, required};
use super::super::span::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.kiosk",
    title: "Kiosks",
    text: "The client is the app on an organisation's own screens: a gate, a counter, a shared tablet. A member shows a code on the phone, and the \
           kiosk gets an access token of at most five minutes for that member. [kiosk.md](kiosk.md) has both sides, and what no code can stop. The \
           devices prove themselves by attestation or by certificates of your own (`tls_client_auth.devices`).",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.member-app]
kind = "native"
first_party = true
dpop = "required"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/member"]

[client.gate]
kind = "native"
first_party = true
apis = { orders = ["orders:read"] }
grants = ["urn:symbolon:oauth:grant-type:kiosk"]
authentication = "attest_jwt_client_auth_dpop"
attestation = { ios = { app_ids = ["ABCDE12345.com.example.gate"] } }

[client.gate.kiosk]
members = ["member-app"]

[client.gate.kiosk.device.wLeSDQ5dnGMYYYIRsCMbYVnXyR0AeVKmK2Z0JQXlUTw]
name = "Gate 3"
place = "Main hall"
"#,
};

pub(in crate::config) const DEVICE: Section = Section {
    path: "client.ID.kiosk.device.NAME",
    title: "One kiosk",
    text: "A device that may take members' codes. NAME is the key of its installation, or the id of its certificate: `symbolon instance list` prints \
           it. A device that is not named here gets nothing. `symbolon instance revoke NAME` ends one alone, with what it got.",
    presence: Presence::Absent,
    keys: &[
        required("name", Kind::Text, r#""Gate 3""#, "What the phone shows: which device asks."),
        required("place", Kind::Text, r#""Main hall""#, "What the phone shows: where it stands."),
    ],
    example: "",
};

const KEYS: &[Key] = &[
    required(
        "members",
        Kind::Texts,
        r#"["member-app"]"#,
        "The apps whose members may prove themselves here. Their tokens must be bound to a key.",
    ),
    defaulted(
        "mode",
        Kind::OneOf(&["challenge", "confirm", "any"]),
        r#""challenge""#,
        "With `challenge` the phone first scans the kiosk's picture and says where it is. With `confirm` the member's app, which needs `approves = \
         true` and a network, asks once more when the code has arrived, and the kiosk polls. `any` is **UNSAFE**: a photographed code works at every \
         kiosk of this client until it expires.",
    ),
    defaulted("any_scopes", Kind::Texts, "[]", "The only scopes of a sign-in with `mode = \"any\"`, of those that the client has."),
    defaulted(
        "offline",
        Kind::Time,
        r#""15m""#,
        "How long a phone can prove its member without a network; at most 24h. It is counted from the app's last refresh.",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KioskMode {
    #[default]
    Challenge,
    /// As `Challenge`, and the member says yes in the app once the kiosk has read the code.
    Confirm,
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KioskRules {
    pub members: Vec<String>,
    #[serde(default)]
    pub mode: KioskMode,
    #[serde(default)]
    pub any_scopes: Vec<String>,
    #[serde(default = "offline")]
    pub offline: Span,
    #[serde(default)]
    pub device: BTreeMap<String, KioskDevice>,
}

/// A device, as its operator calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KioskDevice {
    pub name: String,
    #[serde(rename = "place")]
    pub stands_at: String,
}

fn offline() -> Span {
    Span::minutes(15)
}
