//! Who signs out here may be signed out at the provider too. OpenID Connect RP-Initiated Logout 1.0 2. The provider knows this server by
//! `client_id`. Without an ID token of its session (`sign_out_hint`) it may ask the person.

use super::hint::Hint;
use super::provider::{Provider, Trouble};

impl Provider {
    /// Where the browser goes. None: the provider has no such page. `back`: where it comes back to.
    pub async fn sign_out_url(&self, (back, state): (&str, &str), hint: Option<&Hint>, now_ms: i64) -> Result<Option<String>, Trouble> {
        let metadata = self.metadata(now_ms).await?;
        let Some(endpoint) = &metadata.end_session_endpoint else { return Ok(None) };
        let mut url = url::Url::parse(endpoint).map_err(|_| Trouble::broken("end_session_endpoint is no URL"))?;
        let pairs = [("client_id", self.settings.client_id.as_str()), ("post_logout_redirect_uri", back), ("state", state)];
        url.query_pairs_mut().extend_pairs(pairs).extend_pairs(hint.map(|hint| ("id_token_hint", hint.as_str())));
        Ok(Some(url.into()))
    }
}
