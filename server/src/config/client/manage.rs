//! `[client.ID] manage`: what an app's own screens may show and change of a person's account.

use serde::{Deserialize, Serialize};

/// One thing that people may do on the screens of an app (`prompt=manage`).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    Name,
    Language,
    Email,
    Password,
    Authenticator,
    RecoveryCodes,
    UserCode,
    Passkeys,
    Links,
    Sessions,
    Devices,
    Apps,
    History,
    Export,
    Delete,
}

/// As the configuration writes them.
pub(super) const WORDS: &[&str] = &[
    "name",
    "language",
    "email",
    "password",
    "authenticator",
    "recovery_codes",
    "user_code",
    "passkeys",
    "links",
    "sessions",
    "devices",
    "apps",
    "history",
    "export",
    "delete",
];
