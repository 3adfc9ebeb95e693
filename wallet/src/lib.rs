//! Digital wallets: the verifier of OpenID for Verifiable Presentations 1.0. It makes requests and judges responses.
//!
//! The caller gives bytes, whom it trusts, what it asked and the time. It gets credentials with every claim that was disclosed, or
//! every rule that failed. Pure: no store, no network, no clock. The caller fetches status lists and decides what a credential is
//! worth.
//!
//! Two formats: SD-JWT VC (RFC 9901, draft-ietf-oauth-sd-jwt-vc-19) and mdoc (ISO/IEC 18013-5). One signature algorithm, ES256 with
//! P-256 and SHA-256, as HAIP 1.0 has it; digests of mdocs may be SHA-384 and SHA-512 too.
//!
//! Every reader has a budget: a largest size, and a largest number of members or levels. What is beyond it is unreadable.
//!
//! Left out: device MACs, credentials without a holder's key, JSON-LD, `openid_federation` and `etsi_tl` trust lists.
#![warn(clippy::too_many_lines, clippy::too_many_arguments)]

pub mod cbor;
pub mod cose;
pub mod dcql;
pub mod issuer;
pub mod jwe;
pub mod mdoc;
pub mod request;
pub mod response;
pub mod sd_jwt;
pub mod status;
pub mod transcript;

pub use symbolon_attest::{Failed, Unreadable, Verdict};

use issuer::Signer;
use serde_json::{Map, Value};
use status::Reference;

/// The largest presentation of one credential, in bytes. A driving licence has a picture.
pub const MAX_BYTES: usize = 96 * 1024;

/// The formats of credentials (OpenID4VP 1.0, B.2 and B.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    SdJwt,
    Mdoc,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SdJwt => "dc+sd-jwt",
            Self::Mdoc => "mso_mdoc",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::SdJwt, Self::Mdoc].into_iter().find(|it| it.as_str() == name)
    }
}

/// What was found in a presentation. It means nothing while a rule has failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    pub format: Format,
    /// `vct`, or the docType.
    pub kind: String,
    /// The disclosed claims. Those of an mdoc stand below their namespace.
    pub claims: Map<String, Value>,
    /// None: no issuer that is trusted has signed it.
    pub signer: Option<Signer>,
    /// Where its status is said. None: it has none, and is good until it expires.
    pub status: Option<Reference>,
    pub expires_s: Option<i64>,
}
