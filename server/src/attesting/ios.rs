//! App Attest at our attester: the evidence of a new key, and its assertions afterwards.

use super::case::{self, Case, Judged, invalid, on_pool, proved};
use super::receipts::{self, Apple, KnownFacts, environment, word};
use crate::config::{IosApp, IosBuild, TierName};
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::store::Row;
use serde_json::json;
use std::sync::Arc;
use symbolon_attest::app_attest::{self, APPLE_ROOT, Build};
use symbolon_attest::binding::Purpose;
use symbolon_oauth::digest;

fn rules(case: &Case) -> Result<&IosApp> {
    Ok(case.rules.ios.as_ref().ok_or_else(|| invalid("This client has no iOS app."))?)
}

fn build_word(build: Option<Build>) -> Option<&'static str> {
    build.and_then(IosBuild::of).map(IosBuild::as_str)
}

/// Apple's word for a new key, which is not the installation's own.
pub async fn attestation(core: &Core, case: &Arc<Case>, object: Vec<u8>, key_id: Vec<u8>) -> Result<Judged> {
    case::within_the_clients(core, case)?;
    let judging = on_pool(core, case, move |case| {
        let rules = rules(case)?;
        let app_ids: Vec<&str> = rules.app_ids.iter().map(String::as_str).collect();
        let mac_app_ids: Vec<&str> = rules.mac_app_ids.iter().map(String::as_str).collect();
        let hash = case.named(Purpose::First)?;
        let expected = app_attest::Expected {
            app_ids: &app_ids,
            mac_app_ids: &mac_app_ids,
            client_data_hash: &hash,
            key_id: &key_id,
            builds: &rules.builds(),
            roots: &case.roots(&[APPLE_ROOT]),
            now_s: case.now_s,
        };
        let verdict = app_attest::attestation(&object, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?;
        let receipt = verdict.holds().then(|| receipts::first(case, &verdict.facts, &hash));
        Ok((verdict, receipt))
    });
    let (verdict, receipt) = judging.await?;
    let mut failed: Vec<&'static str> = verdict.failed.iter().map(|it| it.name).collect();
    let rules = rules(case)?;
    if !rules.is_recent(verdict.facts.bundle_version.as_deref()) {
        failed.push("version");
    }
    let receipt = match receipt {
        None => None,
        Some(Ok((bytes, due_ms))) => Some((receipts::sealed(core, case, &bytes)?, due_ms)),
        Some(Err(why)) => {
            tracing::info!(why, "the receipt of an App Attest key is not kept");
            if rules.receipts.is_some() {
                failed.push("receipt");
            }
            None
        }
    };
    let mut facts = json!({
        "app_id": verdict.facts.app_id, "bundle_version": verdict.facts.bundle_version,
        "environment": verdict.facts.environment.map(word), "build": build_word(verdict.facts.build),
    });
    // What Apple said of the device is not forgotten because a new key comes for the same installation.
    if let Some(row) = case::row_of(core, case).await?.filter(|row| row.text("platform").is_ok_and(|it| it == "ios")) {
        let before = case::facts(row.text("facts")?)?;
        ["risk_metric", "risk_ms"].iter().for_each(|it| facts[*it] = before[*it].clone());
        if !receipts::takes(rules, &facts) {
            failed.push("risk_metric");
        }
    }
    Ok(Judged {
        platform: "ios".into(),
        // The app says that its key is in the Secure Enclave; the evidence is about the app.
        proved: Some(TierName::HardwareClaimed),
        evidence_key: verdict.facts.public_key,
        facts,
        receipt,
        failed,
        ..Judged::default()
    })
}

/// The newest assertion that was accepted, once more. A phone whose answer was lost sends it. Another assertion with the same counter is of
/// a copy of the key.
pub fn is_repeated(known: &Row, (counter, digest): &(u32, [u8; 32])) -> Result<bool> {
    Ok(known.int("counter")? == i64::from(*counter) && known.opt_bytes("assertion")? == Some(&digest[..]))
}

/// "`retry` without alarm": nothing is wrong with whoever sent it.
pub fn repeated() -> Refused {
    let hint = "This assertion was accepted before. Get a new challenge and a new assertion about it.";
    Refused::new(503, "temporarily_unavailable", hint).retry_after(1)
}

/// Renewal for a key that is known: the same App Attest key signs again.
pub async fn assertion(core: &Core, apple: Option<&Apple>, case: &Arc<Case>, object: Vec<u8>) -> Result<Judged> {
    let unknown = || invalid("This installation is not known here, or is revoked: attest it anew.");
    let row = case::row_of(core, case).await?.ok_or_else(unknown)?;
    if row.text("state")? != "active" || row.text("platform")? != "ios" {
        return Err(unknown().into());
    }
    let (key, counter) = (row.bytes("evidence_key")?.to_vec(), u32::try_from(row.int("counter")?).unwrap_or(u32::MAX));
    let digest = digest::sha256(&object);
    let judging = on_pool(core, case, move |case| {
        let expected = app_attest::ExpectedAssertion {
            app_ids: &rules(case)?.all_app_ids(),
            client_data_hash: &case.named(Purpose::Renewal)?,
            public_key: &key,
            counter_above: counter,
        };
        Ok(app_attest::assertion(&object, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?)
    });
    let verdict = judging.await?;
    let mut failed: Vec<&'static str> = verdict.failed.iter().map(|it| it.name).collect();
    let assertion = (verdict.facts.counter, digest);
    if failed == ["counter"] && is_repeated(&row, &assertion)? {
        return Err(repeated().into());
    }
    if !rules(case)?.is_recent(verdict.facts.bundle_version.as_deref()) {
        failed.push("version");
    }
    let mut facts = case::facts(row.text("facts")?)?;
    let build = environment(&facts).and_then(|it| Build::of(it, verdict.facts.category));
    if !build.is_some_and(|it| rules(case).is_ok_and(|own| own.builds().contains(&it))) {
        failed.push("build");
    }
    facts["build"] = build_word(build).into();
    if let Some(version) = verdict.facts.bundle_version {
        facts["bundle_version"] = version.into();
    }
    // Apple is asked only about an installation that is right so far.
    let mut known = KnownFacts { facts, before: row.text("facts")?.to_owned() };
    if failed.is_empty()
        && let Some(why) = receipts::problem(core, apple, case, &row, &mut known).await?
    {
        failed.push(why);
    }
    let KnownFacts { facts, before } = known;
    let proved = proved(row.text("tier")?, &facts);
    let before = Some(before);
    let evidence_key = row.bytes("evidence_key")?.to_vec();
    Ok(Judged { platform: "ios".into(), proved, evidence_key, assertion: Some(assertion), facts, failed, before, ..Judged::default() })
}
