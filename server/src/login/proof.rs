//! What a sign-in has proved: facts, never what they are worth. Their worth follows from the policy in force at each evaluation.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use symbolon_oauth::{base64url, digest};

/// A short name of an identity: of the issuer and the subject together, never of one of them.
pub fn link_key(issuer: &str, subject: &str) -> String {
    let length = (issuer.len() as u64).to_be_bytes();
    let whole = digest::sha256(&[&length[..], issuer.as_bytes(), subject.as_bytes()].concat());
    base64url::encode(&whole[..16])
}

/// The word by which a policy names a method, such as `password` or `upstream:google`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(transparent)]
pub struct MethodName(Cow<'static, str>);

impl MethodName {
    pub const PASSWORD: Self = Self(Cow::Borrowed("password"));
    pub const EMAIL: Self = Self(Cow::Borrowed("email"));
    pub const TOTP: Self = Self(Cow::Borrowed("totp"));
    pub const PASSKEY: Self = Self(Cow::Borrowed("passkey"));
    pub const RECOVERY: Self = Self(Cow::Borrowed("recovery"));
    /// An operator's ticket: no policy names it.
    pub const TICKET: Self = Self(Cow::Borrowed("ticket"));

    pub fn new(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The method's word, and behind a colon the name of one of its family: `upstream` and `google`.
    pub fn parts(&self) -> (&str, Option<&str>) {
        self.0.split_once(':').map_or((&self.0, None), |(family, name)| (family, Some(name)))
    }

    /// Is it good in the sign-in that it was shown in, and in no other? No session keeps it.
    pub fn is_of_one_sign_in(&self) -> bool {
        *self == Self::TICKET
    }

    /// Are its questions answered at somebody else's?
    pub fn is_outside(&self) -> bool {
        self.provider().is_some() || self.wallet().is_some()
    }

    /// Do links say whose account it is? A plug-in's questions are answered here, and its names are somebody else's too.
    pub fn is_linked(&self) -> bool {
        self.is_outside() || self.plugin_name().is_some()
    }

    /// The method of a provider.
    pub fn upstream(name: &str) -> Self {
        Self::new(format!("upstream:{name}"))
    }

    /// The method of a provider as links and journeys name it: `any`, or `wallet:pid`.
    pub fn of_provider(name: &str) -> Self {
        if name.starts_with("wallet:") { Self::new(name) } else { Self::upstream(name) }
    }

    /// The name behind `wallet:`.
    pub fn wallet(&self) -> Option<&str> {
        self.0.strip_prefix("wallet:")
    }

    /// The method of a plug-in.
    pub fn plugin(name: &str) -> Self {
        Self::new(format!("plugin:{name}"))
    }

    /// The name behind `plugin:`.
    pub fn plugin_name(&self) -> Option<&str> {
        self.0.strip_prefix("plugin:")
    }

    /// The name behind `upstream:`.
    pub fn provider(&self) -> Option<&str> {
        self.0.strip_prefix("upstream:")
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a method found out beside the person.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The credential that was used, where a person can have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The person chose the credential in this sign-in, on the strength of this method alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_by: Option<MethodName>,
    /// The authenticator verified the person (WebAuthn Level 3, 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_verified: Option<bool>,
    /// The passkey is in another device than the one that asked (WebAuthn Level 3, 5.4.5, `cross-platform`). The platform says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_elsewhere: bool,
    /// Nobody says when the person was authenticated. Such a proof is never fresh where freshness is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undated: bool,
    /// The digest of what a wallet has signed beside (`transaction`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// A wallet on another device has answered, and the person typed its number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_other_device: bool,
    /// Where the method is a provider: what its logout tokens may name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<AtProvider>,
}

/// The session at a provider that a proof rests on.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct AtProvider {
    /// A digest of issuer and `sid`; of issuer and subject where the provider named no session.
    pub sid: String,
    /// When the person left for the provider.
    pub left_ms: i64,
}

impl AtProvider {
    pub fn name(issuer: &str, sid: Option<&str>, subject: &str) -> String {
        // An issuer has no line end, so these are no names of identities.
        match sid {
            Some(sid) => link_key(&format!("{issuer}\nsid"), sid),
            None => link_key(&format!("{issuer}\nno sid"), subject),
        }
    }
}

/// A person was proved by a method at an instant. All proofs of a sign-in have one subject.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub method: MethodName,
    pub subject: String,
    pub at_ms: i64,
    #[serde(flatten)]
    pub facts: Facts,
}

/// What a person proved on this device when they last proved all that the policy asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// Those whose credentials are the account's still.
    pub proofs: Vec<Proof>,
}

/// What a factor rests on (NIST SP 800-63B). Two factors count as several only if they are of different kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Factor {
    Knowledge,
    Possession,
}

/// What a method's proofs are worth that no code of ours knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// RFC 8176.
    pub amr: Option<String>,
    /// None: they are no second factor.
    pub factor: Option<Factor>,
    /// The method needs no credential of the person: a plug-in that is told who somebody is.
    pub needs_none: bool,
}
