//! `[client.ID.handover]`: the app leads its person to a web page of the same organisation, signed in. docs/handover.md.

use super::super::docs::{Key, Kind, Presence, Section, required};
use serde::{Deserialize, Serialize};

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.handover",
    title: "From an app to a web page",
    text: "The app opens the browser at a page of yours, and the person is signed in there without being asked again. The app is attested and \
           `first_party`. The browser's session is worth what the app's is, ends with it, and answers the listed clients alone. \
           [handover.md](handover.md) explains it.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.shop-front]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
attestation = { ios = { app_ids = ["ABCDE12345.com.example.shop"] } }
redirect_uris = ["https://app.example.com/shop"]

[client.shop-front.handover]
clients = ["shop-site"]
url = "https://shop.example.com/sign-in"

[client.shop-site]
kind = "web"
first_party = true
redirect_uris = ["https://shop.example.com/back"]
secret = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'
"#,
};

const KEYS: &[Key] = &[
    required(
        "clients",
        Kind::Texts,
        r#"["shop-site"]"#,
        "The clients whose requests the browser's session answers. The account page is not among them.",
    ),
    required(
        "url",
        Kind::Text,
        r#""https://shop.example.com/sign-in""#,
        "Where the browser goes then: one address, which no request can change.",
    ),
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    pub clients: Vec<String>,
    pub url: String,
}
