//! The installation proves what it is: challenge, evidence of the platform, attestation; and again for the same key when it is asked.
//! docs/attestation.md is the server's side.

use crate::platform::{Asked, Attester, Evidence};
use crate::server::{Server, text};
use crate::trouble::{Reply, Trouble};
use serde::{Deserialize, Serialize};
use symbolon_oauth::base64url;

const NAME: &str = "attestation";

/// What the server's attester said of this installation's key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Attestation {
    /// `None`: this device cannot attest; it is not asked again for a day.
    jwt: Option<String>,
    until_s: i64,
}

/// How long before its end something is renewed: a tenth of its life, at most half a minute.
pub(crate) fn margin_s(lifetime_s: i64) -> i64 {
    (lifetime_s / 10).clamp(0, 30)
}

impl Server {
    /// The attestation to send. One attests at a time, and whoever waited gets what came of it. `refused`: what the server
    /// found too old, or missed.
    pub(crate) async fn attestation(&self, refused: Option<Option<&str>>) -> Result<Option<String>, Trouble> {
        let mut held = self.attestation.lock().await;
        let Some(attester) = &self.platform.attester else { return Ok(held.as_ref().and_then(|it| it.jwt.clone())) };
        if held.is_none() {
            *held = self.kept(NAME).await?;
        }
        if let Some(it) = held.as_ref().filter(|it| self.now_s() < it.until_s && refused.is_none_or(|used| it.jwt.as_deref() != used)) {
            return Ok(it.jwt.clone());
        }
        let again = held.as_ref().is_some_and(|it| it.jwt.is_some());
        let fresh = match self.attest(attester.as_ref(), again).await {
            // The server no longer knows this key: then the first evidence once more.
            Err(Trouble::Refused { error, .. }) if again && error == "invalid_client_attestation" => {
                self.attest(attester.as_ref(), false).await?
            }
            other => other?,
        };
        if fresh.jwt.is_some() {
            self.keep(NAME, Some(&fresh)).await?;
        }
        Ok(held.insert(fresh).jwt.clone())
    }

    async fn attest(&self, attester: &dyn Attester, renewal: bool) -> Result<Attestation, Trouble> {
        let (challenge_text, challenge) = self.evidence_challenge(renewal).await?;
        let asked = Asked { client_id: self.settings.client_id.clone(), challenge, renewal };
        let Some(evidence) = attester.evidence(asked).await? else {
            return Ok(Attestation { jwt: None, until_s: self.now_s() + 86_400 });
        };
        let reply = self.submit(&challenge_text, &evidence).await?;
        self.read(&reply).ok_or_else(|| reply.trouble())
    }

    fn read(&self, reply: &Reply) -> Option<Attestation> {
        let jwt = Some(text(&reply.body, "client_attestation").filter(|_| reply.is_good())?);
        let lifetime_s = reply.body["expires_in"].as_i64().unwrap_or(0);
        Some(Attestation { jwt, until_s: self.now_s() + lifetime_s - margin_s(lifetime_s) })
    }

    /// A challenge for evidence: as text, and its 32 bytes. `of_key`: for the installation's key alone, as renewals want it.
    pub async fn evidence_challenge(&self, of_key: bool) -> Result<(String, [u8; 32]), Trouble> {
        let url = format!("{}/attest/challenge", self.settings.issuer);
        let form = [("client_id", self.settings.client_id.as_str())];
        // The first time without a proof: on Android the key is made only when the challenge is known.
        let reply = if of_key { self.form(&url, &form, None, false).await? } else { self.plain_form(&url, &form).await? };
        let text = text(&reply.body, "challenge").filter(|_| reply.is_good()).ok_or_else(|| reply.trouble())?;
        let bytes = base64url::decode(&text).and_then(|it| it.try_into().ok());
        bytes.map(|it| (text, it)).ok_or_else(|| Trouble::Wrong("the challenge is not 32 bytes".to_owned()))
    }

    /// Sends evidence. Not again without an answer: a challenge is good for one.
    pub async fn submit(&self, challenge: &str, evidence: &Evidence) -> Result<Reply, Trouble> {
        let url = format!("{}/attest", self.settings.issuer);
        let mut form = vec![("client_id", self.settings.client_id.as_str()), ("format", &evidence.format), ("challenge", challenge)];
        form.extend(evidence.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.form(&url, &form, None, false).await
    }

    /// From now on this attestation is sent, for callers that attest by hand.
    pub async fn adopt(&self, reply: &Reply) {
        if let Some(it) = self.read(reply) {
            *self.attestation.lock().await = Some(it);
        }
    }
}
