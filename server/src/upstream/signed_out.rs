//! A provider says that somebody is signed out there. OpenID Connect Back-Channel Logout 1.0 2.6.

use super::issuers;
use super::metadata::ProviderMetadata;
use super::provider::{MayFetch, Provider, Trouble};
use symbolon_oauth::claims;
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::logout_token::{self, Expected, NOT_SIGNED};

/// Whom a checked logout token names: a person, a session there, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedOut {
    /// As it names an identity.
    pub issuer: String,
    pub subject: Option<String>,
    pub sid: Option<String>,
    pub jti: String,
    pub exp_s: i64,
}

impl Provider {
    /// Checks the token with the known keys and, if those did not sign it, with the newest.
    pub async fn check_logout(&self, token: &str, fetches: MayFetch<'_>, now_ms: i64) -> Result<SignedOut, Trouble> {
        if !self.settings.is_openid() {
            return Err(Trouble::broken("a provider of plain OAuth sends no logout tokens"));
        }
        let token = &self.decrypted(token.to_owned(), false)?;
        let unverified = Unverified::parse(token).map_err(|_| Trouble::broken("logout token: not a JWT"))?;
        let issuer = self.expected_issuer(unverified.unverified_claims())?;
        let metadata = self.metadata(now_ms).await?;
        let refused = |why: &str| Trouble::broken(format!("logout token: {why}"));
        let checked = match self.read_logout(&metadata, token, &issuer, now_ms) {
            Err(NOT_SIGNED) => {
                let metadata = self.with_newest_keys_if(fetches, now_ms).await?;
                self.read_logout(&metadata, token, &issuer, now_ms).map_err(refused)?
            }
            other => other.map_err(refused)?,
        };
        Ok(SignedOut { issuer: self.canonical(&issuer), ..checked })
    }

    fn read_logout(&self, metadata: &ProviderMetadata, token: &str, issuer: &str, now_ms: i64) -> Result<SignedOut, &'static str> {
        let expected = Expected {
            issuer,
            client_id: &self.settings.client_id,
            algorithms: &metadata.algorithms,
            now_s: now_ms.div_euclid(1000),
            leeway_s: self.settings.clock_skew.0,
        };
        let checked = logout_token::check(token, &issuers::keys_for(metadata, issuer, &self.settings), &expected)?;
        let text = |name: &str| claims::string(&checked, name).map(|it| it.map(str::to_owned));
        Ok(SignedOut {
            issuer: String::new(),
            subject: text("sub")?,
            sid: text("sid")?,
            jti: text("jti")?.unwrap_or_default(),
            exp_s: claims::time_s(&checked, "exp")?.unwrap_or_default(),
        })
    }
}
