//! Tiers: what an app may have, by what its installation proved. docs/attestation.md says what each proves and what it does not.

use super::Span;
use serde::{Deserialize, Serialize};

/// What is known of the installation's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierName {
    /// Nothing: a device that cannot attest. Its tokens are bound to a key all the same (DPoP).
    None,
    /// An attester vouches for the app, not for where the key is kept.
    Software,
    /// A genuine app says that its key is in hardware.
    HardwareClaimed,
    /// Evidence says that this very key is in hardware.
    Hardware,
}

impl TierName {
    const ALL: [Self; 4] = [Self::None, Self::Software, Self::HardwareClaimed, Self::Hardware];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Software => "software",
            Self::HardwareClaimed => "hardware_claimed",
            Self::Hardware => "hardware",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// One byte, inside tokens.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Software => 2,
            Self::HardwareClaimed => 3,
            Self::Hardware => 4,
        }
    }

    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }
}

/// What a tier may have. Absent: what the client may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    /// The API scopes it may have of those the client may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The types of authorization details it may have of those the client may have. Absent: all, or none where `scopes` are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_details_types: Option<Vec<String>>,
    /// The longest life of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Span>,
    /// Does it stay signed in?
    pub refresh: bool,
    /// The longest pause between two refreshes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
    /// How the person must have signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// An older attestation is answered with use_fresh_attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
}

impl Default for Tier {
    fn default() -> Self {
        Self { scopes: None, authorization_details_types: None, lifetime: None, refresh: true, idle: None, acr: None, max_age: None }
    }
}

impl Tier {
    /// Is there anything that the client may have and this tier may not?
    pub fn narrows(&self) -> bool {
        self.scopes.is_some() || self.authorization_details_types.is_some()
    }

    /// A tier that was given less than the client in scopes has no details beside them that nobody named.
    pub fn may_have_details_of(&self, kind: &str) -> bool {
        self.authorization_details_types.as_ref().map_or(self.scopes.is_none(), |own| own.iter().any(|it| it == kind))
    }
}
