//! Android Key Attestation at our attester: the installation's own key first, and a witness afterwards.

use super::attester::{Case, Judged, KNOWN, invalid, on_pool};
use crate::app::App;
use crate::error::{Fault, Result};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use symbolon_attest::binding::{self, Purpose};
use symbolon_attest::key_attestation::{self, GOOGLE_ROOT_P384, GOOGLE_ROOT_RSA, Level};
use symbolon_attest::{Failed, Verdict, status_list};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PublicKey;

/// The attested key is the installation's key itself.
pub async fn key(app: &App, case: &Arc<Case>, chain: Vec<Vec<u8>>) -> Result<Judged> {
    let verdict = on_pool(app, case, move |case| keystore(case, &chain, &binding::leaf(&case.challenge, &case.client_id))).await?;
    let mut failed: Vec<&'static str> = verdict.failed.iter().map(|it| it.name).collect();
    // 263-N: the key that proves the request is the key in the leaf.
    if jkt_of(&verdict.facts.public_key).as_deref() != Some(&case.jkt) {
        failed.push("instance_key");
    }
    Ok(Judged {
        platform: "android",
        tier: "hardware".to_owned(),
        facts: android_facts(&verdict.facts),
        evidence_key: verdict.facts.public_key,
        failed,
        ..Judged::default()
    })
}

/// Renewal on Android without Play: a key cannot be attested twice, so a throw-away key is attested whose challenge names the
/// installation's. The device must not have become worse since.
pub async fn witness(app: &App, case: &Arc<Case>, chain: Vec<Vec<u8>>) -> Result<Judged> {
    let unknown = || invalid("This installation is not known here, or is revoked: attest it anew.");
    let known = known(app, case).await?.ok_or_else(unknown)?;
    let verdict = on_pool(app, case, move |case| keystore(case, &chain, &case.named(Purpose::Renewal)?)).await?;
    let mut failed: Vec<&'static str> = verdict.failed.iter().map(|it| it.name).collect();
    failed.extend(known.failed(case));
    let (before, mut now) = (&known.facts, android_facts(&verdict.facts));
    if before["boot_key"] != now["boot_key"] {
        failed.push("another_device");
    }
    if now["os_patch"].as_i64() < before["os_patch"].as_i64() {
        failed.push("older_patch");
    }
    // What the witness says of its own key and certificates is beside what attested the installation's.
    now["level"] = Json::Null;
    now["witness_serials"] = now["serials"].take();
    let facts = known.facts_with(now);
    Ok(Judged { platform: "android", tier: known.tier, facts, renews: true, failed, ..Judged::default() })
}

fn android_facts(facts: &key_attestation::Facts) -> Json {
    json!({
        "packages": facts.packages, "version": facts.app_version, "os_patch": facts.os_patch, "os_version": facts.os_version,
        "level": format!("{:?}", facts.key_level), "boot_key": base64url::encode(&facts.boot_key), "serials": facts.serials,
    })
}

/// A chain of the Keystore for this challenge, judged by the client's rules.
fn keystore(case: &Case, chain: &[Vec<u8>], challenge: &[u8; 32]) -> Result<Verdict<key_attestation::Facts>> {
    let rules = case.rules.android.as_ref().ok_or_else(|| invalid("This client has no Android app."))?;
    let packages: Vec<&str> = rules.packages.iter().map(String::as_str).collect();
    let digests: Vec<[u8; 32]> = rules.signing_digests.iter().filter_map(|it| base64url::decode(it)?.try_into().ok()).collect();
    let own: Vec<[u8; 32]> = rules.own_boot_keys.iter().filter_map(|it| base64url::decode(it)?.try_into().ok()).collect();
    let expected = key_attestation::Expected {
        challenge,
        app: Some(key_attestation::App { packages: &packages, signing_digests: &digests }),
        roots: &case.roots(&[GOOGLE_ROOT_RSA, GOOGLE_ROOT_P384]),
        now_s: case.now_s,
        status: &|serial| case.listed.of(serial, &rules.revoked_serials, case.now_s),
        own_boot_keys: &own,
        least_level: if rules.strongbox { Level::StrongBox } else { Level::TrustedEnvironment },
        sign_only: true,
        strict: false,
        least_patch: rules.least_patch,
    };
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let mut verdict = key_attestation::judge(&slices, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?;
    if rules.least_version.is_some_and(|least| verdict.facts.app_version.is_none_or(|it| it < least)) {
        verdict.failed.push(Failed::new("version", "the app is older than least_version"));
    }
    Ok(verdict)
}

/// Serials of the certificates that attested an installation, by its facts: of its own key, and of the last witness.
pub fn serials(facts: &Json) -> impl Iterator<Item = &str> {
    ["serials", "witness_serials"].into_iter().filter_map(|it| facts[it].as_array()).flatten().filter_map(Json::as_str)
}

/// An installation that is known and welcome.
pub struct Known {
    pub tier: String,
    facts: Json,
}

impl Known {
    /// 259-N: what is said by now of the certificates that attested it. A keybox that leaks later takes its installations along.
    pub fn failed(&self, case: &Case) -> Vec<&'static str> {
        let own = case.rules.android.as_ref().map(|it| it.revoked_serials.as_slice()).unwrap_or_default();
        let failed = status_list::failed(serials(&self.facts), &|it| case.listed.of(it, own, case.now_s));
        failed.into_iter().map(|it| it.name).collect()
    }

    /// What is known by now: what newer evidence says, and the rest as it was.
    pub fn facts_with(&self, newer: Json) -> Json {
        let mut facts = self.facts.clone();
        let Json::Object(newer) = newer else { return facts };
        newer.into_iter().filter(|it| !it.1.is_null()).for_each(|(name, it)| facts[name] = it);
        facts
    }
}

/// `None`: it comes for the first time.
pub async fn known(app: &App, case: &Case) -> Result<Option<Known>> {
    let known = app.store.one(KNOWN, &[case.client_id.as_str().into(), case.jkt.as_str().into()]).await?;
    let Some(row) = known else { return Ok(None) };
    if row.text(0)? != "active" || row.text(4)? != "android" {
        let hint = "This installation is revoked, or its key belongs to another platform.";
        return Err(invalid(hint).because("installation_revoked").into());
    }
    let facts = serde_json::from_str(row.text(5)?).map_err(|it| Fault::new(format!("an installation's facts: {it}")))?;
    Ok(Some(Known { tier: row.text(1)?.to_owned(), facts }))
}

/// RFC 7638 thumbprint of a P-256 key in SubjectPublicKeyInfo.
fn jkt_of(spki: &[u8]) -> Option<String> {
    let point = spki.get(spki.len().checked_sub(65)?..)?;
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(&point[1..33]), "y": base64url::encode(&point[33..]) });
    Some(PublicKey::from_jwk(&jwk).ok()?.thumbprint().to_owned())
}
