//! `[client.ID.device]`: sign-in on a device without a browser. RFC 8628.

use super::super::docs::{Key, Kind, Presence, Section, defaulted};
use super::super::span::Span;
use serde::{Deserialize, Serialize};
use symbolon_oauth::device_authorization::GRANT_TYPE;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.device",
    title: "Televisions and other devices without a browser",
    text: "A client whose `grants` list `urn:ietf:params:oauth:grant-type:device_code` shows a code, and a person approves it on another device \
           (RFC 8628). No client has this grant by itself, because whoever shows the code can send it to somebody else instead. \
           [devices.md](devices.md) says what the page tells people, and what no page can stop.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.tv]
kind = "native"
name = "Example TV"
apis = { orders = ["orders:read"] }
redirect_uris = []
grants = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
dpop = "required"

[client.tv.device]
lifetime = "5m"
"#,
};

const KEYS: &[Key] = &[
    defaulted(
        "lifetime",
        Kind::Time,
        r#""10m""#,
        "How long a code can be approved: from 1m to 30m. A short time leaves less of it to a deceiver.",
    ),
    defaulted(
        "network",
        Kind::OneOf(&["any", "same", "same_country"]),
        r#""any""#,
        "With `same` only a person in the device's own network can approve it: the same IPv4 address, or the same /64 of IPv6. With \
         `same_country` the proxies must say the same country of both (`country_header`). With `any` the page says whether the networks \
         differ.",
    ),
];

/// RFC 8628 6.1: long enough to take out a phone, short for a deceiver.
const SHORTEST: Span = Span::minutes(1);
const LONGEST: Span = Span::minutes(30);

/// From where a person may approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceNetwork {
    #[default]
    Any,
    Same,
    SameCountry,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceRules {
    pub lifetime: Span,
    pub network: DeviceNetwork,
}

impl Default for DeviceRules {
    fn default() -> Self {
        Self { lifetime: Span::minutes(10), network: DeviceNetwork::Any }
    }
}

impl DeviceRules {
    /// `allowed`: the client has the grant. `has_people`: a person can sign in to it. `knows_countries`: there is a country_header.
    pub(super) fn problems(&self, allowed: bool, has_people: bool, knows_countries: bool) -> Vec<String> {
        let mut found = Vec::new();
        if self.network == DeviceNetwork::SameCountry && !knows_countries {
            found.push("device.network = \"same_country\" needs country_header".to_owned());
        }
        if self.lifetime < SHORTEST || self.lifetime > LONGEST {
            found.push("device.lifetime is from 1m to 30m".to_owned());
        }
        if *self != Self::default() && !allowed {
            found.push(format!("the table device needs grants with \"{GRANT_TYPE}\""));
        }
        if allowed && !has_people {
            found.push(format!("a service has no person, so it cannot have the grant \"{GRANT_TYPE}\""));
        }
        found
    }
}
