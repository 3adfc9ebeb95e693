//! App Attest at our attester: the evidence of a new key, and its assertions afterwards.

use super::attester::{Case, Judged, KNOWN, invalid, on_pool};
use crate::app::App;
use crate::config::IosApp;
use crate::error::Result;
use serde_json::json;
use std::sync::Arc;
use symbolon_attest::app_attest::{self, APPLE_ROOT, Environment};
use symbolon_attest::binding::Purpose;

fn rules(case: &Case) -> Result<&IosApp> {
    Ok(case.rules.ios.as_ref().ok_or_else(|| invalid("This client has no iOS app."))?)
}

fn environment(rules: &IosApp) -> Environment {
    if rules.development { Environment::Development } else { Environment::Production }
}

/// Apple's word for a new key, which is not the installation's own.
pub async fn attestation(app: &App, case: &Arc<Case>, object: Vec<u8>, key_id: Vec<u8>) -> Result<Judged> {
    let verdict = on_pool(app, case, move |case| {
        let rules = rules(case)?;
        let app_ids: Vec<&str> = rules.app_ids.iter().map(String::as_str).collect();
        let expected = app_attest::Expected {
            app_ids: &app_ids,
            client_data_hash: &case.named(Purpose::First)?,
            key_id: &key_id,
            environment: environment(rules),
            roots: &case.roots(&[APPLE_ROOT]),
            now_s: case.now_s,
        };
        Ok(app_attest::attestation(&object, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?)
    });
    let verdict = verdict.await?;
    let facts = json!({ "app_id": verdict.facts.app_id, "bundle_version": verdict.facts.bundle_version });
    Ok(Judged {
        platform: "ios",
        // The app says that its key is in the Secure Enclave; the evidence is about the app.
        tier: "hardware_claimed".to_owned(),
        evidence_key: verdict.facts.public_key,
        facts,
        failed: verdict.failed.into_iter().map(|it| it.name).collect(),
        ..Judged::default()
    })
}

/// Renewal for a key that is known: the same App Attest key signs again.
pub async fn assertion(app: &App, case: &Arc<Case>, object: Vec<u8>) -> Result<Judged> {
    let unknown = || invalid("This installation is not known here, or is revoked: attest it anew.");
    let known = app.store.one(KNOWN, &[case.client_id.as_str().into(), case.jkt.as_str().into()]).await?;
    let row = known.ok_or_else(unknown)?;
    if row.text(0)? != "active" || row.text(4)? != "ios" {
        return Err(unknown().into());
    }
    let (key, counter) = (row.bytes(2)?.to_vec(), u32::try_from(row.int(3)?).unwrap_or(u32::MAX));
    let verdict = on_pool(app, case, move |case| {
        let app_ids: Vec<&str> = rules(case)?.app_ids.iter().map(String::as_str).collect();
        let expected = app_attest::ExpectedAssertion {
            app_ids: &app_ids,
            client_data_hash: &case.named(Purpose::Renewal)?,
            public_key: &key,
            counter_above: counter,
        };
        Ok(app_attest::assertion(&object, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?)
    });
    let verdict = verdict.await?;
    Ok(Judged {
        platform: "ios",
        tier: row.text(1)?.to_owned(),
        counter: Some(verdict.facts.counter),
        failed: verdict.failed.into_iter().map(|it| it.name).collect(),
        ..Judged::default()
    })
}
