//! The words of `[upstream.NAME]`.

use crate::config::span::Span;
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSentBy {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    /// RFC 7523: an assertion that a key of ours signs.
    PrivateKeyJwt,
    /// RFC 8705 2: a certificate that we show, of a CA or of our own.
    TlsClientAuth,
    SelfSignedTlsClientAuth,
}

impl SecretSentBy {
    pub fn shows_certificate(self) -> bool {
        matches!(self, Self::TlsClientAuth | Self::SelfSignedTlsClientAuth)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Newcomers {
    #[default]
    Invited,
    Create,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Linking {
    #[default]
    Fresh,
    Undated,
    Off,
}

/// What a logout at the provider ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLogout {
    #[default]
    Browser,
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NonceRule {
    #[default]
    Required,
    NotReturned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    Login,
    SelectAccount,
    Consent,
}

impl Prompt {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SelectAccount => "select_account",
            Self::Consent => "consent",
        }
    }
}

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OpenID Connect, with discovery.
    #[default]
    Openid,
    /// OAuth 2.0 alone: who somebody is stands in a document of the provider's API.
    Oauth2,
}

/// What became of the subjects of people when the provider got another issuer, or this server another client_id there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subjects {
    Same,
    Other,
}

/// What the provider, and this server there, were called before. What is left out did not change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Formerly {
    pub issuer: Option<String>,
    pub client_id: Option<String>,
    pub subjects: Subjects,
}

impl Formerly {
    /// Issuer and client_id of before. `present`: those of now.
    pub fn or<'a>(&'a self, present: (&'a str, &'a str)) -> (&'a str, &'a str) {
        (self.issuer.as_deref().unwrap_or(present.0), self.client_id.as_deref().unwrap_or(present.1))
    }
}

/// The provider is asked again whether a person may still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatedCheck {
    pub every: Span,
    /// What apps got goes on for so long without an answer.
    #[serde(default = "a_day")]
    pub max_age: Span,
}

fn a_day() -> Span {
    Span::days(1)
}

/// The provider's tokens are kept, and this API gets one by token exchange. Without this table nothing is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The API of ours whose access tokens are exchanged.
    pub api: String,
    /// The scope of ours that such a token has.
    pub scope: String,
    /// What the given token may do at the provider, and no more.
    pub scopes: Vec<String>,
}
