//! App Attest receipts at our attester. The first one comes with the evidence and is kept, sealed. When it is due, a renewal brings Apple's
//! next one. That one says how many keys of the app Apple has lately seen on the device. This is the risk metric, a fact of the
//! installation. Apple's being down refuses nobody: the fact is older then.

use super::case::{Case, on_pool};
use crate::audit;
use crate::config::IosApp;
use crate::core::Core;
use crate::error::{Fault, Result};
use crate::outgoing::{Outgoing, RemoteResponse, Target};
use crate::store::tables::instance::{CLAIM_RECEIPT, KEEP_RECEIPT};
use crate::store::{Change, NotApplied, Row};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use symbolon_attest::app_attest::{Environment, Facts as Attested};
use symbolon_attest::receipt::{self, APPLE_ROOT_G3, Expected, Facts, Kind};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64, jws};

/// How old a receipt may be when it comes: as old as a challenge.
const MAX_AGE_MS: i64 = 5 * 60_000;
/// Where a receipt does not say when the next one is available.
const EVERY_MS: i64 = 86_400_000;
/// After Apple gave no receipt.
const AGAIN_MS: i64 = 3_600_000;
const MAX_ANSWER: usize = 64 * 1024;
const WITHIN: Duration = Duration::from_secs(5);

/// A receipt and when the next one is available, or the rules it breaks.
type FirstReceipt = std::result::Result<(Vec<u8>, i64), String>;

/// As it is kept among the facts of an installation.
pub fn word(environment: Environment) -> &'static str {
    match environment {
        Environment::Production => "production",
        Environment::Development => "development",
    }
}

/// Which of Apple's environments an installation's key is for.
pub fn environment(facts: &Json) -> Option<Environment> {
    [Environment::Production, Environment::Development].into_iter().find(|it| facts["environment"] == word(*it))
}

fn judged(bytes: &[u8], expected: &Expected<'_>) -> std::result::Result<Facts, String> {
    let verdict = receipt::judge(bytes, expected).map_err(|it| it.0.to_owned())?;
    if verdict.holds() {
        return Ok(verdict.facts);
    }
    Err(verdict.failed.iter().map(|it| it.name).collect::<Vec<_>>().join(" "))
}

/// The receipt inside the evidence of a new key.
pub fn first(case: &Case, attested: &Attested, hash: &[u8; 32]) -> FirstReceipt {
    let app_ids: Vec<&str> = attested.app_id.as_deref().into_iter().collect();
    let expected = Expected {
        app_ids: &app_ids,
        public_key: &attested.public_key,
        client_data_hash: Some(hash),
        kind: Kind::Attestation,
        environment: attested.environment.ok_or("the environment is not known")?,
        roots: &case.roots(&[APPLE_ROOT_G3]),
        now_ms: case.now_s * 1000,
        max_age_ms: MAX_AGE_MS,
    };
    let facts = judged(&attested.receipt, &expected)?;
    Ok((attested.receipt.clone(), facts.not_before_ms.unwrap_or(expected.now_ms + EVERY_MS)))
}

fn seal_label(case: &Case) -> String {
    format!("instance/receipt/{}/{}", case.client_id, case.jkt)
}

pub fn sealed(core: &Core, case: &Case, receipt: &[u8]) -> Result<Vec<u8>> {
    Ok(core.keyring.seal(&seal_label(case), receipt)?)
}

/// Is the risk metric among these facts one that the client takes? An installation of which Apple has said nothing yet is taken.
pub fn takes(rules: &IosApp, facts: &Json) -> bool {
    let most = rules.receipts.as_ref().and_then(|it| it.risk_metric_max);
    most.is_none_or(|most| facts["risk_metric"].as_u64().is_none_or(|it| it <= u64::from(most)))
}

/// The facts of an installation.
pub struct KnownFacts {
    /// What is known by now.
    pub facts: Json,
    /// As they stand in the store.
    pub before: String,
}

/// What is wrong with an installation by what Apple says of its device, if the client asks for that. Asks Apple for the newest receipt
/// first, where it is due. `known`: the metric comes to it, and to the store.
pub async fn problem(
    core: &Core,
    apple: Option<&Apple>,
    case: &Arc<Case>,
    row: &Row,
    known: &mut KnownFacts,
) -> Result<Option<&'static str>> {
    let Some(rules) = case.rules.ios.as_ref().filter(|it| it.receipts.is_some()) else { return Ok(None) };
    // Enrolled before the client asked for receipts: its next first evidence brings one.
    if row.opt_bytes("receipt")?.is_none() {
        return Ok(Some("receipt"));
    }
    if let Some(apple) = apple
        && let Some(newer) = exchange_receipt(core, case, apple, row, &known.facts).await?
    {
        known.before = newer.to_string();
        known.facts = newer;
    }
    Ok((!takes(rules, &known.facts)).then_some("risk_metric"))
}

/// The facts with what a new receipt says. `None`: there is none now.
async fn exchange_receipt(core: &Core, case: &Arc<Case>, apple: &Apple, row: &Row, facts: &Json) -> Result<Option<Json>> {
    let now_ms = case.now_s * 1000;
    let Some(old) = row.bytes("receipt").ok().and_then(|it| core.keyring.open(&seal_label(case), it)) else { return Ok(None) };
    let Some(environment) = environment(facts).filter(|_| row.int("receipt_due_ms").is_ok_and(|due_ms| due_ms <= now_ms)) else {
        return Ok(None);
    };
    let id = || vec![case.client_id.as_str().into(), case.jkt.as_str().into()];
    let mut change = Change::new(now_ms);
    change.run(CLAIM_RECEIPT, [id(), vec![now_ms.into(), (now_ms + AGAIN_MS).into()]].concat());
    match core.store.apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(_)) => return Ok(None),
        Err(other) => return Err(other.into()),
    }
    let fresh = match apple.exchange(&old, environment, case.now_s).await {
        Ok(Some(fresh)) => fresh,
        Ok(None) => return Ok(None),
        Err(why) => {
            tracing::warn!(why, client = case.client_id, "Apple gave no new receipt; the installation's risk metric stays as it was");
            let mut change = Change::new(now_ms);
            let entry = audit::Entry::refused("receipt_not_exchanged", why).client(case.client_id.as_str());
            change.audit(entry.with("jkt", case.jkt.as_str()));
            core.store.apply(change).await?;
            return Ok(None);
        }
    };
    let (key, bytes) = (row.bytes("evidence_key")?.to_vec(), fresh.clone());
    let judging = on_pool(core, case, move |case| {
        let Some(rules) = &case.rules.ios else { return Err(Fault::new("a receipt of a client without an iOS app").into()) };
        let expected = Expected {
            app_ids: &rules.all_app_ids(),
            public_key: &key,
            client_data_hash: None,
            kind: Kind::Refreshed,
            environment,
            roots: &case.roots(&[APPLE_ROOT_G3]),
            now_ms: case.now_s * 1000,
            max_age_ms: MAX_AGE_MS,
        };
        Ok(judged(&bytes, &expected))
    });
    let said = judging.await?;
    let entry = match &said {
        Ok(receipt) => audit::Entry::ok("receipt_exchanged").with("risk_metric", receipt.risk_metric.map(i64::from)),
        Err(why) => audit::Entry::refused("receipt_exchanged", why.as_str()),
    };
    let mut change = Change::new(now_ms);
    let newer = said.ok().map(|receipt| {
        let mut newer = facts.clone();
        (newer["risk_metric"], newer["risk_ms"]) = (json!(receipt.risk_metric), json!(receipt.created_ms));
        (newer, receipt.not_before_ms.unwrap_or(0).max(now_ms + AGAIN_MS))
    });
    if let Some((newer, due_ms)) = &newer {
        let kept = vec![sealed(core, case, &fresh)?.into(), (*due_ms).into(), newer.to_string().into()];
        change.run(KEEP_RECEIPT, [id(), kept, vec![row.bytes("evidence_key")?.into(), row.text("facts")?.into()]].concat());
    }
    change.audit(entry.client(case.client_id.as_str()).with("jkt", case.jkt.as_str()));
    match core.store.apply(change).await {
        Ok(_) => Ok(newer.map(|it| it.0)),
        Err(NotApplied::Conflict(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Apple's server, asked as the developer ("Assessing fraud risk").
pub struct Apple {
    team_id: String,
    key_id: String,
    key: PrivateKey,
    /// Somebody else than Apple.
    url: Option<String>,
    outgoing: Outgoing,
}

impl Apple {
    pub fn load(ios: &IosApp, base: &Path, outgoing: &Outgoing) -> std::result::Result<Self, Fault> {
        let rules = ios.receipts.as_ref().ok_or_else(|| Fault::new("an iOS app without receipts"))?;
        let text = rules.private_key.clone().below(base).text("receipts.private_key")?;
        let wrong = || Fault::new("receipts.private_key: expected the .p8 file that Apple made");
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| wrong())?;
        let key = PrivateKey::from_pkcs8(Algorithm::ES256, der.secret_pkcs8_der()).map_err(|_| wrong())?;
        let (team_id, key_id, url) = (rules.team_id.clone(), rules.key_id.clone(), rules.exchange_url.clone());
        Ok(Self { team_id, key_id, key, url, outgoing: outgoing.clone() })
    }

    /// The next receipt. `None`: it is too early for one.
    async fn exchange(&self, receipt: &[u8], of: Environment, now_s: i64) -> std::result::Result<Option<Vec<u8>>, String> {
        let apples = match of {
            Environment::Production => "https://data.appattest.apple.com",
            Environment::Development => "https://data-development.appattest.apple.com",
        };
        let url = format!("{}/v1/attestationData", self.url.as_deref().unwrap_or(apples).trim_end_matches('/'));
        let header = json!({ "alg": "ES256", "kid": self.key_id, "typ": "JWT" });
        let token = jws::sign_with_header(&self.key, &header, &json!({ "iss": self.team_id, "iat": now_s }));
        let token = token.map_err(|it| format!("signing: {it:?}"))?;
        let body = base64::encode(receipt);
        let call = self.outgoing.post(&Target::of_operator(&url)?).header("authorization", &token).body(body);
        let RemoteResponse { status, body: answer, .. } = call.at_most(MAX_ANSWER).within(WITHIN).send().await?;
        match status {
            200 => {}
            304 => return Ok(None),
            other => return Err(format!("attestationData answered {other}")),
        }
        let text = std::str::from_utf8(&answer).map_err(|it| it.to_string())?;
        let bytes = base64::decode(text.trim()).filter(|it| it.len() <= MAX_ANSWER);
        bytes.map(Some).ok_or_else(|| "the answer is not base64".to_owned())
    }
}
