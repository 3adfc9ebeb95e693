//! `[client.ID.backchannel]`: the client asks a person on the person's own device. OpenID Connect CIBA Core 1.0.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, optional};
use super::super::span::Span;
use super::keys::Jwks;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.backchannel",
    title: "Asking people on their own device",
    text: "A client whose `grants` list `urn:openid:params:grant-type:ciba` names a person: a call centre, a cash desk, a bank. The person answers \
           in an app of yours (`approves`) or on a page. The client must authenticate. [backchannel.md](backchannel.md) has all sides.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.desk]
kind = "web"
name = "Example call centre"
first_party = true
apis = { orders = ["orders:read"] }
redirect_uris = []
grants = ["urn:openid:params:grant-type:ciba"]
jwks = { keys = [{ kty = "OKP", crv = "Ed25519", alg = "EdDSA", use = "sig", kid = "1", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }

[client.desk.backchannel]
delivery = "ping"
notification_endpoint = "https://desk.example.com/answered"
"#,
};

const KEYS: &[Key] = &[
    defaulted(
        "delivery",
        Kind::OneOf(&["poll", "ping"]),
        r#""poll""#,
        "How the client learns of the answer (`backchannel_token_delivery_mode`). With `ping` it is told to come, and may poll too.",
    ),
    optional(
        "notification_endpoint",
        Kind::Text,
        "nobody is told",
        r#""https://desk.example.com/answered""#,
        "Where a client with `ping` is told (`backchannel_client_notification_endpoint`).",
    ),
    defaulted(
        "lifetime",
        Kind::Time,
        r#""2m""#,
        "How long a person can answer: from 30s to 10m. It is also the most that `requested_expiry` gets.",
    ),
    defaulted(
        "shows_number",
        Kind::Flag,
        "false",
        "The client shows or says the two digits of `matching_number` in our answer, and the person types them. One wrong number ends the request.",
    ),
    defaulted(
        "plain_approval",
        Kind::Flag,
        "false",
        "**UNSAFE.** A request needs neither a `binding_message` nor a number, so that nothing ties what the person approves to what they see.",
    ),
    defaulted(
        "user_code",
        Kind::Flag,
        "false",
        "The client sends the person's user code with each request (`backchannel_user_code_parameter`). Nobody is asked without the right one, \
         and so nobody who has none.",
    ),
    defaulted(
        "hint_issuers",
        Kind::Table("issuers with their key sets"),
        "{}",
        "Who may sign a `login_hint_token` for this client, beside the client itself: the `iss` of the token, with the keys that sign it.",
    ),
];

/// `backchannel_token_delivery_mode`. There is no push: FAPI forbids it, and it sends tokens where nothing was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenDelivery {
    #[default]
    Poll,
    Ping,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackchannelRules {
    pub delivery: TokenDelivery,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_endpoint: Option<String>,
    pub lifetime: Span,
    pub shows_number: bool,
    pub plain_approval: bool,
    pub user_code: bool,
    pub hint_issuers: BTreeMap<String, Jwks>,
}

impl Default for BackchannelRules {
    fn default() -> Self {
        Self {
            delivery: TokenDelivery::Poll,
            notification_endpoint: None,
            lifetime: Span::minutes(2),
            shows_number: false,
            plain_approval: false,
            user_code: false,
            hint_issuers: BTreeMap::new(),
        }
    }
}
