//! Proofs of a key towards a provider (RFC 9449). The key is made for one sign-in or one renewal, as what is bound to it is used at once. A
//! refresh token of a client that authenticates is bound to the client, and not to the key (RFC 9449 5).

use super::metadata::ProviderMetadata;
use super::provider::{Provider, Trouble};
use crate::outgoing::{Call, RemoteResponse, Target};
use serde_json::Value as Json;
use symbolon_oauth::dpop::{self, Statement};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, jws};

/// The longest nonce that is sent back.
const LONGEST_NONCE: usize = 512;

pub(super) struct Proving {
    key: PrivateKey,
    nonce: Option<String>,
}

/// Calls of one provider that belong together.
pub(super) struct Conversation<'a> {
    /// What the provider says of itself.
    pub metadata: &'a ProviderMetadata,
    /// None: the operator wants no proofs.
    pub proving: Option<Proving>,
    pub now_ms: i64,
}

/// One call that is proved.
pub(super) struct Proved<'a> {
    pub what: &'static str,
    pub method: &'static str,
    pub target: &'a Target,
    pub access_token: Option<&'a str>,
}

impl Proving {
    fn proof(&self, call: &Proved<'_>, now_ms: i64) -> Result<String, Trouble> {
        let jti = crate::seal::random::<16>().map_err(|fault| Trouble::broken(fault.0))?;
        let statement = Statement {
            method: call.method,
            url: call.target.address(),
            nonce: self.nonce.as_deref(),
            access_token: call.access_token,
            jti: &base64url::encode(&jti),
            iat: now_ms.div_euclid(1000),
        };
        dpop::make(&self.key, &statement).map_err(|_| Trouble::broken("the proof of the key could not be signed"))
    }

    /// RFC 9449 8.2: the newest nonce counts. Answers whether there is one.
    fn note(&mut self, answer: &RemoteResponse) -> bool {
        let nonce = answer.headers.get("dpop-nonce").and_then(|it| it.to_str().ok()).filter(|it| it.len() <= LONGEST_NONCE);
        self.nonce = nonce.map(str::to_owned).or(self.nonce.take());
        nonce.is_some()
    }
}

/// RFC 9449 8 and 9.
fn wants_nonce(answer: &RemoteResponse) -> bool {
    let said = jws::parse_object(&answer.body).and_then(|it| it.get("error").and_then(Json::as_str).map(str::to_owned));
    let challenges = answer.headers.get_all("www-authenticate").iter().filter_map(|it| it.to_str().ok());
    said.is_some_and(|it| it == "use_dpop_nonce") || challenges.into_iter().any(|it| it.contains("use_dpop_nonce"))
}

impl Provider {
    /// None: the operator wants no proofs.
    pub(super) fn proving(&self) -> Result<Option<Proving>, Trouble> {
        if !self.settings.dpop {
            return Ok(None);
        }
        let key = PrivateKey::generate(Algorithm::ES256).map_err(|_| Trouble::broken("no key could be made"))?;
        Ok(Some(Proving { key, nonce: None }))
    }

    /// Sends a call with a proof, where there is one to send. A provider that wants a nonce in it gets the call once more. `make` makes it
    /// anew, so that what works once, such as an assertion, is new too.
    pub(super) async fn call_proved(
        &self,
        call: &Proved<'_>,
        proving: Option<&mut Proving>,
        make: impl Fn() -> Result<Call, Trouble>,
        now_ms: i64,
    ) -> Result<RemoteResponse, Trouble> {
        let Some(proving) = proving else { return self.call(call.what, make()?, now_ms).await };
        let answer = self.call(call.what, make()?.header("dpop", &proving.proof(call, now_ms)?), now_ms).await?;
        if !proving.note(&answer) || answer.status < 400 || !wants_nonce(&answer) {
            return Ok(answer);
        }
        let answer = self.call(call.what, make()?.header("dpop", &proving.proof(call, now_ms)?), now_ms).await?;
        proving.note(&answer);
        Ok(answer)
    }

    /// RFC 6749 5.1, RFC 9449 5. Another type may have rules that we do not know, so it is refused (455-B). So is an unbound token where a
    /// bound one was asked for: it is weaker.
    pub(super) fn is_right_type(&self, token_type: Option<&str>) -> bool {
        let wanted = if self.settings.dpop { "DPoP" } else { "Bearer" };
        token_type.is_some_and(|it| it.eq_ignore_ascii_case(wanted))
    }
}
