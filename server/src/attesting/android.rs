//! Android Key Attestation at our attester: the installation's own key first, and a witness afterwards.

use super::case::{self, Case, Judged, invalid, on_pool, proved};
use crate::config::{AndroidApp, TierName, UserAuth};
use crate::core::Core;
use crate::error::Result;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use symbolon_attest::binding::{self, Purpose};
use symbolon_attest::key_attestation::{self, GOOGLE_ROOT_P384, GOOGLE_ROOT_RSA, Level, Person, Policy, Properties, patch_month};
use symbolon_attest::{Verdict, status_list};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PublicKey;

/// What is kept of the names of maker and model, in characters.
const MAX_NAME: usize = 64;

/// The attested key is the installation's key itself.
pub async fn key(core: &Core, case: &Arc<Case>, chain: Vec<Vec<u8>>) -> Result<Judged> {
    case::within_the_clients(core, case)?;
    let verdict = on_pool(core, case, move |case| keystore(case, &chain, &binding::leaf(&case.challenge, &case.client_id))).await?;
    let mut failed: Vec<&'static str> = verdict.failed.iter().map(|it| it.name).collect();
    // 263-N: the key that proves the request is the key in the leaf.
    if jkt_of(&verdict.facts.public_key).as_deref() != Some(&case.jkt) {
        failed.push("instance_key");
    }
    Ok(Judged {
        platform: "android".into(),
        proved: Some(TierName::Hardware),
        facts: android_facts(&verdict.facts),
        evidence_key: verdict.facts.public_key,
        failed,
        ..Judged::default()
    })
}

/// Renewal on Android without Play. A key cannot be attested twice, so a throw-away key is attested, whose challenge names the
/// installation's. The device must not have become worse since. The witness is held to every rule of first evidence.
pub async fn witness(core: &Core, case: &Arc<Case>, chain: Vec<Vec<u8>>) -> Result<Judged> {
    let unknown = || invalid("This installation is not known here, or is revoked: attest it anew.");
    let known = known(core, case).await?.ok_or_else(unknown)?;
    let verdict = on_pool(core, case, move |case| keystore(case, &chain, &case.named(Purpose::Renewal)?)).await?;
    let mut failed: Vec<&'static str> = verdict.failed.iter().map(|it| it.name).collect();
    failed.extend(known.failed(case));
    let (before, mut now) = (&known.facts, android_facts(&verdict.facts));
    // An installation that began with Play has no device yet to compare with: its first witness is that.
    if !before["boot_key"].is_null() && before["boot_key"] != now["boot_key"] {
        failed.push("another_device");
    }
    if os_patch(&now, case.now_s) < os_patch(before, case.now_s) {
        failed.push("older_patch");
    }
    // What the witness says of its own key and certificates is beside what attested the installation's.
    ["level", "remotely_provisioned", "user_auth_type", "auth_timeout_s"].iter().for_each(|it| now[*it] = Json::Null);
    now["witness_serials"] = now["serials"].take();
    let facts = known.facts_with(now);
    failed.extend(broken(rules(case)?, &facts, case.now_s));
    let (proved, before) = (known.proved, Some(known.written));
    Ok(Judged { platform: "android".into(), proved, facts, failed, before, ..Judged::default() })
}

fn android_facts(facts: &key_attestation::Facts) -> Json {
    let properties = facts.properties();
    let mut known = json!({
        "packages": facts.packages, "version": properties.app_version, "os_patch": properties.os_patch, "os_version": facts.os_version,
        "level": properties.level.map(|it| format!("{it:?}")), "remotely_provisioned": properties.remotely_provisioned,
        "user_auth_type": properties.user_auth_type, "auth_timeout_s": properties.auth_timeout_s,
        "signing_digests": facts.signing_digests.iter().map(|digest| base64url::encode(digest)).collect::<Vec<_>>(),
        "boot_key": base64url::encode(&facts.boot_key), "serials": facts.serials, "newer_version": facts.newer_version,
    });
    for (name, text) in [("manufacturer", &facts.manufacturer), ("model", &facts.model)] {
        if let Some(text) = text {
            known[name] = text.chars().take(MAX_NAME).collect::<String>().into();
        }
    }
    known
}

/// What is kept of an installation, as [`android_facts`] writes it. A timeout of another type is no timeout, and the longest.
fn properties(facts: &Json) -> Properties {
    let is_level = |level: &Level| facts["level"] == format!("{level:?}");
    let timeout_s = Some(&facts["auth_timeout_s"]).filter(|it| !it.is_null());
    Properties {
        level: [Level::TrustedEnvironment, Level::StrongBox].into_iter().find(is_level),
        remotely_provisioned: facts["remotely_provisioned"] == true,
        user_auth_type: facts["user_auth_type"].as_i64(),
        auth_timeout_s: timeout_s.map(|it| it.as_i64().unwrap_or(i64::MAX)),
        os_patch: facts["os_patch"].as_i64(),
        app_version: facts["version"].as_i64(),
    }
}

/// The patch level of kept facts, if it is one.
fn os_patch(facts: &Json, now_s: i64) -> Option<i64> {
    patch_month(facts["os_patch"].as_i64()?, now_s)
}

fn rules(case: &Case) -> Result<&AndroidApp> {
    Ok(case.rules.android.as_ref().ok_or_else(|| invalid("This client has no Android app."))?)
}

/// The client's rules about app, device and key.
fn policy(rules: &AndroidApp) -> Policy {
    Policy {
        strongbox: rules.strongbox,
        remotely_provisioned: rules.require_rkp,
        person: person(rules),
        least_patch: rules.least_patch,
        least_version: rules.least_version,
    }
}

/// The client's rules that an installation breaks by all that is known of it. Every kind of evidence is judged here. Evidence that says
/// nothing about a rule breaks it.
pub fn broken(rules: &AndroidApp, facts: &Json, now_s: i64) -> Vec<&'static str> {
    policy(rules).failed(&properties(facts), now_s).into_iter().map(|it| it.name).collect()
}

/// A chain of the Keystore for this challenge, by the client's rules.
fn keystore(case: &Case, chain: &[Vec<u8>], challenge: &[u8; 32]) -> Result<Verdict<key_attestation::Facts>> {
    let rules = rules(case)?;
    let packages: Vec<&str> = rules.packages.iter().map(String::as_str).collect();
    let digests: Vec<[u8; 32]> = rules.signing_digests.iter().map(|it| it.0).collect();
    let own: Vec<[u8; 32]> = rules.own_boot_keys.iter().map(|it| it.0).collect();
    let expected = key_attestation::Expected {
        challenge,
        app: Some(key_attestation::App { packages: &packages, signing_digests: &digests }),
        roots: &case.roots(&[GOOGLE_ROOT_RSA, GOOGLE_ROOT_P384]),
        now_s: case.now_s,
        status: &|serial| case.listed.of(serial, &rules.revoked_serials, case.now_s),
        own_boot_keys: &own,
        sign_only: true,
        strict: rules.strict,
        policy: policy(rules),
    };
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    Ok(key_attestation::judge(&slices, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?)
}

fn person(rules: &AndroidApp) -> Option<Person> {
    let way = |it: &UserAuth| match it {
        UserAuth::Password => key_attestation::PASSWORD,
        UserAuth::Biometric => key_attestation::BIOMETRIC,
    };
    let ways = rules.user_auth.as_ref()?.iter().map(way).fold(0, |all, bit| all | bit);
    Some(Person { ways, for_s: rules.user_auth_timeout.map_or(0, |it| it.0) })
}

/// Serials of the certificates that attested an installation, by its facts: of its own key, and of the last witness.
pub fn serials(facts: &Json) -> impl Iterator<Item = &str> {
    ["serials", "witness_serials"].into_iter().filter_map(|it| facts[it].as_array()).flatten().filter_map(Json::as_str)
}

/// An installation that is known and welcome.
pub struct KnownInstallation {
    /// What the evidence of its key proved.
    pub proved: Option<TierName>,
    facts: Json,
    /// The facts as they stand in the store.
    pub written: String,
}

impl KnownInstallation {
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
pub async fn known(core: &Core, case: &Case) -> Result<Option<KnownInstallation>> {
    let Some(row) = case::row_of(core, case).await? else { return Ok(None) };
    let why = match (row.text("state")?, row.text("platform")?) {
        // Somebody else's attester vouched for it until now; here it comes for the first time.
        ("active", "attester") => return Ok(None),
        ("active", "android") => None,
        ("active", _) => Some("another_platform"),
        _ => Some("installation_revoked"),
    };
    if let Some(why) = why {
        return Err(invalid("This installation is revoked, or its key belongs to another platform.").because(why).into());
    }
    let mut facts = case::facts(row.text("facts")?)?;
    // A number that is no month counts nowhere, whoever wrote it down.
    let patch = os_patch(&facts, case.now_s);
    if let Some(kept) = facts.get_mut("os_patch") {
        *kept = patch.into();
    }
    Ok(Some(KnownInstallation { proved: proved(row.text("tier")?, &facts), facts, written: row.text("facts")?.to_owned() }))
}

/// RFC 7638 thumbprint of a P-256 key in SubjectPublicKeyInfo.
fn jkt_of(spki: &[u8]) -> Option<String> {
    let point = spki.get(spki.len().checked_sub(65)?..)?;
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(&point[1..33]), "y": base64url::encode(&point[33..]) });
    Some(PublicKey::from_jwk(&jwk).ok()?.thumbprint().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 2026-11-15.
    const NOW_S: i64 = 1_794_700_800;

    fn kept() -> Json {
        json!({
            "version": 7, "os_patch": 202_601, "level": "StrongBox", "remotely_provisioned": true, "user_auth_type": 2,
            "auth_timeout_s": 30,
        })
    }

    /// Kept facts are held to every rule. A fact that is absent, has another type or is no month breaks the rule.
    #[test]
    fn kept_facts_are_held_to_every_rule() {
        let rules: AndroidApp = serde_json::from_value(json!({
            "packages": [], "signing_digests": [], "strongbox": true, "require_rkp": true, "user_auth": ["biometric"],
            "user_auth_timeout": "30s", "least_version": 7, "least_patch": 202_601,
        }))
        .unwrap();
        assert_eq!(broken(&rules, &kept(), NOW_S), [""; 0]);
        for (name, rule, bad) in [
            ("version", "version", json!([null, 6, "7", true, 7.5])),
            ("os_patch", "patch", json!([null, 202_512, 202_613, 20_260_105, 99_999_999, "202601", 202_601.5])),
            ("level", "key_level", json!([null, "TrustedEnvironment", "Software", "strongbox", "", 2, true])),
            ("remotely_provisioned", "provisioning", json!([null, false, "true", 1])),
            ("user_auth_type", "user_auth", json!([null, 0, 1, 3, "2", true])),
            ("auth_timeout_s", "user_auth", json!([31, -1, "30", false, []])),
        ] {
            for value in bad.as_array().unwrap() {
                let mut facts = kept();
                facts[name] = value.clone();
                assert_eq!(broken(&rules, &facts, NOW_S), [rule], "{name} {value}");
            }
        }
        assert_eq!(broken(&rules, &json!({}), NOW_S), ["key_level", "provisioning", "user_auth", "patch", "version"]);
        let no_rules: AndroidApp = serde_json::from_value(json!({ "packages": [], "signing_digests": [] })).unwrap();
        assert_eq!(broken(&no_rules, &json!({}), NOW_S), [""; 0]);
    }

    /// What fresh evidence says is read back as it was.
    #[test]
    fn facts_are_kept_as_they_were() {
        for level in [None, Some(Level::TrustedEnvironment), Some(Level::StrongBox)] {
            let facts = key_attestation::Facts {
                level,
                remotely_provisioned: true,
                user_auth_type: Some(2),
                auth_timeout_s: level.map(|_| 30),
                os_patch: Some(202_601),
                app_version: Some(7),
                ..key_attestation::Facts::default()
            };
            assert_eq!(properties(&android_facts(&facts)), facts.properties());
        }
        let anybody = key_attestation::Facts { user_auth_type: Some(2), no_auth_required: true, ..key_attestation::Facts::default() };
        assert_eq!(properties(&android_facts(&anybody)).user_auth_type, None);
    }
}
