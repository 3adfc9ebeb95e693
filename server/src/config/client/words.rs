//! What a client is, how it proves itself, and which profile it is held to.

use serde::{Deserialize, Serialize};
use symbolon_oauth::redirect;

/// What runs the client: it decides what the client can keep secret. RFC 6749 2.1, RFC 8252.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// An app on a phone or a desktop: public, whatever is compiled into it.
    Native,
    /// A site with a server behind it, or a browser application if it has neither secret nor key.
    Web,
    /// A program without a person.
    Service,
}

impl From<ClientKind> for redirect::ClientKind {
    fn from(kind: ClientKind) -> Self {
        match kind {
            ClientKind::Native => Self::Native,
            ClientKind::Web => Self::Web,
            ClientKind::Service => Self::Service,
        }
    }
}

/// A profile of OAuth that a client is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecurityProfile {
    /// FAPI 2.0 Security Profile.
    Fapi2,
}

/// How a client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    #[default]
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    /// An attested key, proved by a PoP JWT (draft-ietf-oauth-attestation-based-client-auth).
    AttestJwtClientAuth,
    /// An attested key, proved by DPoP.
    AttestJwtClientAuthDpop,
    /// A certificate of a CA (RFC 8705 2.1).
    TlsClientAuth,
    /// A registered certificate (RFC 8705 2.2).
    SelfSignedTlsClientAuth,
}

impl ClientAuthentication {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::AttestJwtClientAuth => "attest_jwt_client_auth",
            Self::AttestJwtClientAuthDpop => "attest_jwt_client_auth_dpop",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
        }
    }

    /// By an attested key of the installation.
    pub fn attests(self) -> bool {
        matches!(self, Self::AttestJwtClientAuth | Self::AttestJwtClientAuthDpop)
    }

    pub fn uses_certificate(self) -> bool {
        matches!(self, Self::TlsClientAuth | Self::SelfSignedTlsClientAuth)
    }

    pub fn uses_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}
