//! A call of a provider's token endpoint: who we are, and the key that is proved. RFC 6749 2.3.1, RFC 7523 2.2, RFC 8705 2.

use super::metadata::MOST_BYTES;
use super::provider::{Provider, Trouble};
use super::proving::{Conversation, Proved};
use crate::config::upstream::SecretSentBy;
use crate::outgoing::{Call, RemoteResponse};
use symbolon_oauth::base64;

impl Provider {
    /// Authenticated, and proved where there is a key to prove.
    pub(super) async fn call_token_endpoint(
        &self,
        conversation: &mut Conversation<'_>,
        what: &'static str,
        form: &[(&'static str, &str)],
    ) -> Result<RemoteResponse, Trouble> {
        let (target, now_ms) = (&conversation.metadata.token_endpoint, conversation.now_ms);
        let make = || {
            let call = self.outgoing.post(target).header("accept", "application/json").at_most(MOST_BYTES);
            let (signed, mut form) = (self.signed_secret(now_ms)?, form.to_vec());
            let call = self.authenticate(call, signed.as_deref(), &mut form);
            Ok(call.form(&form))
        };
        let proved = Proved { what, method: "POST", target, access_token: None };
        self.call_proved(&proved, conversation.proving.as_mut(), make, now_ms).await
    }

    /// RFC 6749 2.3.1, RFC 7523 2.2. In the header both halves are form-encoded first.
    pub(super) fn authenticate<'a>(&'a self, call: Call, signed: Option<&'a str>, form: &mut Vec<(&'static str, &'a str)>) -> Call {
        let client_id = self.settings.client_id.as_str();
        match (signed.or(self.secret.as_ref().map(|secret| secret.as_str())), self.settings.authentication) {
            (Some(secret), SecretSentBy::ClientSecretBasic) => {
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encoded(client_id), encoded(secret));
                call.header("authorization", &format!("Basic {}", base64::encode(pair.as_bytes())))
            }
            (Some(secret), SecretSentBy::ClientSecretPost) => {
                form.extend([("client_id", client_id), ("client_secret", secret)]);
                call
            }
            // The certificate says who we are; `client_id` says whom to compare it with (RFC 8705 2).
            (_, SecretSentBy::TlsClientAuth | SecretSentBy::SelfSignedTlsClientAuth) => {
                form.push(("client_id", client_id));
                call
            }
            (Some(assertion), SecretSentBy::PrivateKeyJwt) => {
                form.extend([
                    ("client_id", client_id),
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", assertion),
                ]);
                call
            }
            (None, _) => {
                form.push(("client_id", client_id));
                call
            }
        }
    }
}
