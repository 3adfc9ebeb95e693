//! Providers of plain OAuth 2.0. No ID token says who somebody is. A document of the provider's API does. The server fetches it with the
//! access token that the provider has just made for this sign-in. (RFC 6749 4.1.3, RFC 7636.)

use super::claims::{self, ProviderProfile};
use super::learned::Learned;
use super::mapping;
use super::metadata::{MOST_BYTES, ProviderMetadata};
use super::provider::{Provider, Trouble};
use crate::config::upstream::Preset;
use crate::outgoing::Target;
use serde_json::{Map, Value as Json};
use symbolon_oauth::{id_token, jws};

impl Provider {
    /// The issuer that names a person of such a provider: some number their people anew for each app.
    pub(super) fn issuer_of_app(&self) -> String {
        self.settings.key_issuer("")
    }

    /// Who the access token was made for.
    pub(super) async fn identify(&self, metadata: &ProviderMetadata, access_token: &str, now_ms: i64) -> Result<Learned, Trouble> {
        let target = metadata.userinfo_endpoint.as_ref().ok_or_else(|| Trouble::broken("there is no userinfo_endpoint"))?;
        let document = self.document("userinfo", target, access_token, now_ms).await?;
        let subject = subject(document.get(&self.settings.subject))
            .ok_or_else(|| Trouble::broken("userinfo: the member that names a person is missing, or is neither text nor a whole number"))?;
        let mut profile = ProviderProfile::read(&Map::new(), &document);
        if let Some(address) = &self.settings.emails_endpoint {
            (profile.email, profile.email_verified) = (None, false);
            let target = Target::of_operator(address).map_err(Trouble::broken)?;
            if let Some(email) = self.primary_address(&target, access_token, now_ms).await {
                (profile.email, profile.email_verified) = (Some(email), true);
            }
        }
        if self.settings.preset == Some(Preset::Github) {
            profile.preferred_username = claims::text(&document, "login");
        }
        let claims = mapping::read(&self.settings, &Map::new(), &document)?;
        Ok(Learned {
            issuer: self.issuer_of_app(),
            subject,
            auth_time: None,
            sid: None,
            profile,
            claims,
            domain: None,
            ..Learned::default()
        })
    }

    async fn document(&self, what: &'static str, target: &Target, access_token: &str, now_ms: i64) -> Result<Map<String, Json>, Trouble> {
        let body = self.api(what, target, access_token, now_ms).await?;
        jws::parse_object(&body).ok_or_else(|| Trouble::broken(format!("{what}: the answer is no JSON object")))
    }

    async fn api(&self, what: &'static str, target: &Target, access_token: &str, now_ms: i64) -> Result<Vec<u8>, Trouble> {
        let proof = self.app_secret_proof(access_token);
        let target = proof.map_or_else(|| target.clone(), |proof| target.with_parameter("appsecret_proof", &proof));
        // GitHub refuses callers without a name.
        let call =
            self.outgoing.get(&target).header("accept", "application/json").header("user-agent", "symbolon").bearer_auth(access_token);
        let answer = self.call(what, call.at_most(MOST_BYTES), now_ms).await?;
        match answer.status {
            200 => Ok(answer.body),
            status if status >= 500 => Err(Trouble::away(format!("{what}: the answer has status {status}"))),
            status => Err(Trouble::broken(format!("{what}: the answer has status {status}"))),
        }
    }

    /// Facebook: the caller of its API proves that it has the app's secret too. A stolen token alone is then of no use.
    fn app_secret_proof(&self, access_token: &str) -> Option<String> {
        let secret = self.secret.as_ref().filter(|_| self.settings.preset == Some(Preset::Facebook))?;
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = aws_lc_rs::hmac::sign(&key, access_token.as_bytes());
        Some(tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The address that is primary and verified. A list that cannot be had costs no sign-in (S-12).
    async fn primary_address(&self, target: &Target, access_token: &str, now_ms: i64) -> Option<String> {
        let body = match self.api("emails", target, access_token, now_ms).await {
            Ok(body) => body,
            Err(trouble) => {
                tracing::info!(
                    provider = self.name(),
                    why = trouble.why,
                    "the addresses of a person cannot be had; the sign-in goes on without"
                );
                return None;
            }
        };
        let list: Json = serde_json::from_slice(&body).ok()?;
        let is = |entry: &Json, name: &str| entry.get(name) == Some(&Json::Bool(true));
        let primary = list.as_array()?.iter().find(|entry| is(entry, "primary") && is(entry, "verified"))?;
        claims::text(primary.as_object()?, "email")
    }
}

/// A number is written in decimal, so that it is one name whatever the provider's spelling. Nobody is number 0 (442-B).
fn subject(value: Option<&Json>) -> Option<String> {
    let text = match value? {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.as_u64().filter(|number| *number > 0)?.to_string(),
        _ => return None,
    };
    id_token::is_subject(&text).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// 442-B: a subject is a text or a whole number. A number and a text of its digits are the same person.
    #[test]
    fn a_subject_is_text_or_a_whole_number() {
        assert_eq!(subject(Some(&json!(583_231))).as_deref(), Some("583231"));
        assert_eq!(subject(Some(&json!(18_446_744_073_709_551_615_u64))).as_deref(), Some("18446744073709551615"));
        assert_eq!(subject(Some(&json!("583231"))).as_deref(), Some("583231"));
        for bad in
            [json!(null), json!(0), json!(-1), json!(1.0), json!(1e30), json!(""), json!({}), json!([1]), json!(true), json!("\u{e9}")]
        {
            assert_eq!(subject(Some(&bad)), None, "{bad}");
        }
        assert_eq!(subject(None), None);
    }
}
