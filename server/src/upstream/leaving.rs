//! Who signs out here may be signed out at the provider too. OpenID Connect RP-Initiated Logout 1.0 2. No ID token is kept, so the provider
//! knows this server by `client_id`, and may ask the person.

use super::provider::{Provider, Trouble};

impl Provider {
    /// Where the browser goes. None: the provider has no such page. `back`: where it comes back to.
    pub async fn sign_out_url(&self, back: &str, state: &str, now_ms: i64) -> Result<Option<String>, Trouble> {
        let known = self.known(now_ms).await?;
        let Some(endpoint) = &known.end_session_endpoint else { return Ok(None) };
        let mut url = url::Url::parse(endpoint).map_err(|_| Trouble::broken("end_session_endpoint is no URL"))?;
        let pairs = [("client_id", self.settings.client_id.as_str()), ("post_logout_redirect_uri", back), ("state", state)];
        url.query_pairs_mut().extend_pairs(pairs);
        Ok(Some(url.into()))
    }
}
