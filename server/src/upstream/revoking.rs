//! A token that the provider gave is revoked there. RFC 7009 2; Apple wants it where an account is deleted.

use super::kept::ProviderTokens;
use super::provider::{Provider, Trouble};

/// What became of it, where the provider has answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Revoked {
    Yes,
    /// Another try would come to the same.
    Never(String),
}

impl Provider {
    pub async fn revoke(&self, kept: &ProviderTokens, now_ms: i64) -> Result<Revoked, Trouble> {
        let Some(token) = &kept.refresh_token else { return Ok(Revoked::Never("there is no refresh token".to_owned())) };
        let metadata = self.metadata(now_ms).await?;
        let Some(target) = &metadata.revocation_endpoint else {
            return Ok(Revoked::Never("the provider has no revocation_endpoint".to_owned()));
        };
        let signed = self.signed_secret(now_ms)?;
        let mut form = vec![("token", token.as_str()), ("token_type_hint", "refresh_token")];
        let call = self.authenticate(self.outgoing.post(target).at_most(4096), signed.as_deref(), &mut form);
        let answer = self.call("revoke", call.form(&form), now_ms).await?;
        match answer.status {
            200 => Ok(Revoked::Yes),
            // 2.2.1: 503 may work later. What is wrong with the request stays wrong.
            status @ 400..500 if !matches!(status, 408 | 429) => Ok(Revoked::Never(format!("the provider answers with status {status}"))),
            status => Err(Trouble::away(format!("revoke: status {status}"))),
        }
    }
}
