//! The installation's attestation: challenge, the platform's evidence, attestation. When the server asks, all of it is repeated for the
//! same key. docs/attestation.md describes the server's side.

use crate::connection::{Connection, margin_s, text_member};
use crate::platform::{Attester, Evidence, EvidenceRequest};
use crate::trouble::{Reply, Trouble};
use serde::{Deserialize, Serialize};
use symbolon_oauth::base64url;
use tokio::sync::Mutex;

/// The name of the attestation in the storage.
const ATTESTATION: &str = "attestation";
/// After this time a device that could not attest tries again.
const RETRY_S: i64 = 86_400;

/// The server's attestation of this installation's key.
#[derive(Clone, Serialize, Deserialize)]
struct Attestation {
    /// `None`: this device cannot attest.
    jwt: Option<String>,
    until_s: i64,
}

/// The attestation in use.
#[derive(Default)]
pub(crate) struct Attesting {
    current: Mutex<Option<Attestation>>,
}

impl Attesting {
    /// The attestation to send. One caller attests at a time, and those that wait get its result. `refused` is the attestation that the
    /// server has just refused as too old; `Some(None)`: the server asked for one and none was sent.
    pub async fn attestation(&self, connection: Connection<'_>, refused: Option<Option<&str>>) -> Result<Option<String>, Trouble> {
        let mut current = self.current.lock().await;
        let Some(attester) = &connection.platform.attester else { return Ok(current.as_ref().and_then(|it| it.jwt.clone())) };
        if current.is_none() {
            *current = connection.load(ATTESTATION).await?;
        }
        let is_usable = |held: &&Attestation| connection.now_s() < held.until_s && refused.is_none_or(|used| held.jwt.as_deref() != used);
        if let Some(usable) = current.as_ref().filter(is_usable) {
            return Ok(usable.jwt.clone());
        }
        let is_renewal = current.as_ref().is_some_and(|it| it.jwt.is_some());
        let fresh = match attest(connection, attester.as_ref(), is_renewal).await {
            // The server no longer knows this key, so it needs the first evidence once more.
            Err(Trouble::Refused { error, .. }) if is_renewal && error == "invalid_client_attestation" => {
                attest(connection, attester.as_ref(), false).await?
            }
            other => other?,
        };
        if fresh.jwt.is_some() {
            connection.store(ATTESTATION, Some(&fresh)).await?;
        }
        Ok(current.insert(fresh).jwt.clone())
    }

    /// Uses the attestation of this reply from now on.
    pub async fn adopt(&self, connection: Connection<'_>, reply: &Reply) {
        if let Some(attestation) = read(connection, reply) {
            *self.current.lock().await = Some(attestation);
        }
    }
}

async fn attest(connection: Connection<'_>, attester: &dyn Attester, renewal: bool) -> Result<Attestation, Trouble> {
    let (challenge_text, challenge) = challenge(connection, renewal).await?;
    let request = EvidenceRequest { client_id: connection.settings.client_id.clone(), challenge, renewal };
    let Some(evidence) = attester.evidence(request).await? else {
        return Ok(Attestation { jwt: None, until_s: connection.now_s() + RETRY_S });
    };
    let reply = submit(connection, &challenge_text, &evidence, !renewal).await?;
    read(connection, &reply).ok_or_else(|| reply.trouble())
}

fn read(connection: Connection<'_>, reply: &Reply) -> Option<Attestation> {
    let jwt = Some(text_member(&reply.body, "client_attestation").filter(|_| reply.is_good())?);
    let lifetime_s = reply.body["expires_in"].as_i64().unwrap_or(0);
    Some(Attestation { jwt, until_s: connection.now_s() + lifetime_s - margin_s(lifetime_s) })
}

/// Gets a challenge for evidence, as text and as its 32 bytes. `of_key`: for the installation's key alone, as renewals need it.
pub(crate) async fn challenge(connection: Connection<'_>, of_key: bool) -> Result<(String, [u8; 32]), Trouble> {
    let url = format!("{}/attest/challenge", connection.settings.issuer);
    let form = [("client_id", connection.settings.client_id.as_str())];
    // The first request has no proof: Android makes the key only when the challenge is known.
    let reply = match of_key {
        true => connection.post_form(&url, &form, None, false).await?,
        false => connection.post_form_without_proof(&url, &form).await?,
    };
    let text = text_member(&reply.body, "challenge").filter(|_| reply.is_good()).ok_or_else(|| reply.trouble())?;
    let bytes = base64url::decode(&text).and_then(|it| it.try_into().ok());
    bytes.map(|it| (text, it)).ok_or_else(|| Trouble::Wrong("the challenge is not 32 bytes".to_owned()))
}

/// Sends evidence. The server answers first evidence again for some minutes, so that it may be sent again after a lost answer (`resend`).
/// Renewals may not: they need a new challenge.
pub(crate) async fn submit(connection: Connection<'_>, challenge: &str, evidence: &Evidence, resend: bool) -> Result<Reply, Trouble> {
    let Connection { settings, .. } = connection;
    let mut form = vec![("client_id", settings.client_id.as_str()), ("format", &evidence.format), ("challenge", challenge)];
    form.extend(evidence.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    connection.post_form(&format!("{}/attest", settings.issuer), &form, None, resend).await
}
