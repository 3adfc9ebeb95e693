//! The built-in attester: POST /attest/challenge and POST /attest. Evidence of the platform goes in, a Client Attestation JWT
//! for the installation's key comes out. The order: proof of the key, our challenge, sizes, then signatures in a bounded pool.
//! docs/attestation.md has the bytes an app hashes.

use crate::app::{App, Limits};
use crate::audit;
use crate::config::{AttestationRules, Client, TierName};
use crate::dpop;
use crate::error::{Fault, Refused, Result};
use crate::http::Incoming;
use crate::http::reply::{self, Reply};
use crate::store::{Change, NotApplied, Value};
use serde_json::{Map, Value as Json, json};
use symbolon_attest::app_attest::{self, APPLE_ROOT, Environment};
use symbolon_attest::binding::{self, Purpose};
use symbolon_attest::key_attestation::{self, GOOGLE_ROOT_P384, GOOGLE_ROOT_RSA, Level};
use symbolon_attest::{Failed, Verdict};
use symbolon_oauth::jwk::{Algorithm, PublicKey};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, client_attestation, digest};

const CHALLENGE_MS: i64 = 5 * 60_000;
const ENROL: &str = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms) \
    VALUES ($1, $2, 'active', $3, $4, $5, 0, $6, $7, $7) ON CONFLICT (client, jkt) DO UPDATE SET platform = excluded.platform, \
    tier = excluded.tier, evidence_key = excluded.evidence_key, counter = 0, facts = excluded.facts, attested_ms = excluded.attested_ms \
    WHERE instance.state = 'active'";
/// Assertions count upwards; whoever comes with a lower number is late or a copy.
const RENEW: &str =
    "UPDATE instance SET counter = $3, attested_ms = $4 WHERE client = $1 AND jkt = $2 AND state = 'active' AND counter < $3";
const AGAIN: &str = "UPDATE instance SET attested_ms = $3 WHERE client = $1 AND jkt = $2 AND state = 'active'";
const KNOWN: &str = "SELECT state, tier, evidence_key, counter, platform, facts FROM instance WHERE client = $1 AND jkt = $2";

pub fn invalid(hint: &'static str) -> Refused {
    Refused::bad_request("invalid_client_attestation", hint)
}

/// The client, if this server attests it.
fn client_of(app: &App, incoming: &Incoming) -> Result<(String, std::sync::Arc<Client>, AttestationRules)> {
    let unknown = || Refused::new(401, "invalid_client", "There is no client of this client_id that this server attests.");
    let id = incoming.form.get("client_id").ok_or_else(unknown)?;
    let client = app.client(id).ok_or_else(unknown)?;
    let rules = client.attestation.clone().filter(|it| it.attester_jwks.is_none()).ok_or_else(unknown)?;
    let place = Limits::place(&["attest", id, &Limits::line(incoming.address)]);
    if app.limits.attests.check_key(&place).is_err() {
        return Err(Refused::new(429, "temporarily_unavailable", "Too many attestations from here; wait.").retry_after(10).into());
    }
    Ok((id.to_owned(), client, rules))
}

/// POST /attest/challenge: 32 bytes, good for five minutes and one attestation of this client. Nothing is stored.
pub fn challenge(app: &App, incoming: &Incoming) -> Result<Reply> {
    let (client_id, ..) = client_of(app, incoming)?;
    let head = [&incoming.now_ms.to_be_bytes()[..], &crate::seal::random::<8>()?].concat();
    let (_, tag) = app.keyring.mac("evidence challenge", &[&head, client_id.as_bytes()]);
    let challenge = [&head[..], &tag[..16]].concat();
    let mut answer = reply::json(200, &json!({ "challenge": base64url::encode(&challenge), "expires_in": CHALLENGE_MS / 1000 }));
    if let Some(nonce) = dpop::nonce(app, incoming.now_ms) {
        reply::set(&mut answer, http::HeaderName::from_static("dpop-nonce"), &nonce);
    }
    Ok(answer)
}

/// Ours, for this client, and not too old (236-N).
fn opened(app: &App, text: &str, client_id: &str, now_ms: i64) -> Option<[u8; 32]> {
    let bytes: [u8; 32] = base64url::decode(text)?.try_into().ok()?;
    let (head, tag) = bytes.split_at(16);
    let made = |version| app.keyring.mac_with(version, "evidence challenge", &[head, client_id.as_bytes()]);
    let ours = app.keyring.versions().into_iter().filter_map(made).any(|it| digest::equal(&it[..16], tag));
    let made_ms = i64::from_be_bytes(head.get(..8)?.try_into().ok()?);
    (ours && (-60_000..CHALLENGE_MS).contains(&(now_ms - made_ms))).then_some(bytes)
}

/// What the evidence came to.
#[derive(Default)]
pub struct Judged {
    pub platform: &'static str,
    pub tier: String,
    pub evidence_key: Vec<u8>,
    pub facts: Json,
    /// Of an assertion.
    pub counter: Option<u32>,
    /// For a key that is known already, whose facts stay.
    pub renews: bool,
    /// Proof and challenge were spent before the evidence was looked at.
    pub spent: bool,
    pub failed: Vec<&'static str>,
}

/// Everything about one request.
pub struct Case<'a> {
    pub client_id: &'a str,
    pub rules: &'a AttestationRules,
    pub challenge: [u8; 32],
    pub jkt: &'a str,
    pub now_s: i64,
    roots: Vec<Vec<u8>>,
}

/// POST /attest.
pub async fn attest(app: &App, incoming: &Incoming) -> Result<Reply> {
    let (client_id, _, rules) = client_of(app, incoming)?;
    let held = dpop::of_request(app, incoming, None)?
        .ok_or_else(|| Refused::bad_request("invalid_dpop_proof", "Prove the installation's key: send a DPoP header."))?;
    let text = incoming.form.get("challenge").unwrap_or_default();
    let challenge = opened(app, text, &client_id, incoming.now_ms)
        .ok_or_else(|| invalid("The challenge is unknown or too old. Get a new one from /attest/challenge."))?;
    let case = Case {
        client_id: &client_id,
        rules: &rules,
        challenge,
        jkt: &held.jkt,
        now_s: incoming.now_ms / 1000,
        roots: app.config.attestation.simulated_roots.iter().filter_map(|it| base64url::decode(it)).collect(),
    };
    let mut judged = judged(app, incoming, &case, &held, text).await?;
    let tier = TierName::parse(&judged.tier);
    if tier.and_then(|it| rules.tier(it)).is_none() {
        judged.failed.push("tier");
    }
    if !judged.failed.is_empty() {
        return Err(refused(app, incoming, &client_id, &judged.failed).await?.into());
    }
    let mut change = Change::new(incoming.now_ms);
    let (id, jkt) = (|| client_id.as_str().into(), || held.jkt.as_str().into());
    let now = || Value::from(incoming.now_ms);
    let row = match judged.counter {
        Some(counter) => {
            change.run(RENEW, vec![id(), jkt(), i64::from(counter).into(), now()]);
            change.len() - 1
        }
        None if judged.renews => {
            change.run(AGAIN, vec![id(), jkt(), now()]);
            change.len() - 1
        }
        None => {
            let (tier, key) = (judged.tier.as_str().into(), Value::from(judged.evidence_key));
            change.run(ENROL, vec![id(), jkt(), judged.platform.into(), tier, key, judged.facts.to_string().into(), now()]);
            change.len() - 1
        }
    };
    let proof = (!judged.spent).then(|| held.burn(&mut change));
    if !judged.spent {
        change.once("evidence_challenge", &client_id, text, incoming.now_ms + CHALLENGE_MS);
    }
    let entry = audit::Entry::ok("instance_attested").client(client_id.as_str()).address(incoming.address.to_string());
    change.audit(entry.with("jkt", held.jkt.as_str()).with("tier", judged.tier.as_str()).with("platform", judged.platform));
    match app.store.apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(at)) if Some(at) == proof => return Err(dpop::use_nonce().into()),
        Err(NotApplied::Conflict(at)) if at == row => {
            let hint = "This installation is revoked, or a later assertion of it came first. Get a new challenge and try again.";
            return Err(invalid(hint).because("guard of the instance").into());
        }
        Err(NotApplied::Conflict(_)) => return Err(invalid("This challenge was used before. Get a new one.").into()),
        Err(other) => return Err(other.into()),
    }
    issued(app, incoming, &client_id, &rules, &judged.tier)
}

/// The Client Attestation JWT, signed by us for the key of the proof.
fn issued(app: &App, incoming: &Incoming, client_id: &str, rules: &AttestationRules, tier: &str) -> Result<Reply> {
    let header = incoming.header("dpop").unwrap_or_default();
    let jwk = Unverified::parse(header).ok().and_then(|it| it.header().get("jwk").cloned()).unwrap_or_default();
    let key = PublicKey::from_jwk(&jwk).map_err(|it| Fault::new(it.0))?;
    let iat = incoming.now_ms / 1000;
    let claims = Map::from_iter([("tier".to_owned(), Json::from(tier))]);
    let signer = app.keys.signer(Algorithm::ES256, incoming.now_ms)?;
    let jwt = client_attestation::make(&signer, client_id, &key.to_jwk(), iat, iat + rules.max_age.0, &claims)
        .map_err(|it| Fault::new(format!("signing an attestation: {it:?}")))?;
    Ok(reply::json(200, &json!({ "client_attestation": jwt, "expires_in": rules.max_age.0, "tier": tier })))
}

/// One public answer for every failed rule (284-N); the rules are in the audit.
async fn refused(app: &App, incoming: &Incoming, client_id: &str, failed: &[&'static str]) -> Result<Refused> {
    let mut change = Change::new(incoming.now_ms);
    let entry = audit::Entry::refused("evidence_refused", failed.join(" ")).client(client_id).address(incoming.address.to_string());
    change.audit(entry);
    app.store.apply(change).await?;
    Ok(invalid("The evidence was refused. The server's audit says which rule it broke.").because(failed.join(" ")).audited())
}

async fn judged(app: &App, incoming: &Incoming, case: &Case<'_>, held: &dpop::Held, text: &str) -> Result<Judged> {
    let bytes = |name: &str| incoming.form.get(name).and_then(base64url::decode);
    let missing = || invalid("A parameter of the evidence is missing or is not base64url.");
    match incoming.form.get("format") {
        Some("apple-appattest") => {
            let (object, key_id) = (bytes("attestation").ok_or_else(missing)?, bytes("key_id").ok_or_else(missing)?);
            let thumbprint = thumbprint(case.jkt)?;
            let hash = binding::named(Purpose::First, case.client_id, &case.challenge, &thumbprint);
            app_attestation(case, &object, &key_id, &hash)
        }
        Some("apple-assertion") => {
            let object = bytes("assertion").ok_or_else(missing)?;
            app_assertion(app, case, &object).await
        }
        Some("android-key") => {
            let text = incoming.form.get("chain").ok_or_else(missing)?;
            let chain: Option<Vec<Vec<u8>>> = text.split('.').take(11).map(base64url::decode).collect();
            android(app, case, &chain.ok_or_else(missing)?)
        }
        Some("android-witness") => {
            let text = incoming.form.get("chain").ok_or_else(missing)?;
            let chain: Option<Vec<Vec<u8>>> = text.split('.').take(11).map(base64url::decode).collect();
            witness(app, case, &chain.ok_or_else(missing)?).await
        }
        Some("play-classic" | "play-standard") => super::play::judged(app, incoming, case, held, text).await,
        _ => {
            let hint = "format is apple-appattest, apple-assertion, android-key, android-witness, play-classic or play-standard.";
            Err(invalid(hint).into())
        }
    }
}

pub fn thumbprint(jkt: &str) -> Result<[u8; 32]> {
    let bytes = base64url::decode(jkt).and_then(|it| it.try_into().ok());
    bytes.ok_or_else(|| Fault::new("a thumbprint has 32 bytes").into())
}

/// Trusted roots of a maker, and the simulated ones of a development configuration.
fn roots<'a>(case: &'a Case<'_>, ours: &[&'static [u8]]) -> Vec<&'a [u8]> {
    ours.iter().copied().chain(case.roots.iter().map(Vec::as_slice)).collect()
}

fn app_attestation(case: &Case<'_>, object: &[u8], key_id: &[u8], hash: &[u8; 32]) -> Result<Judged> {
    let rules = case.rules.ios.as_ref().ok_or_else(|| invalid("This client has no iOS app."))?;
    let app_ids: Vec<&str> = rules.app_ids.iter().map(String::as_str).collect();
    let expected = app_attest::Expected {
        app_ids: &app_ids,
        client_data_hash: hash,
        key_id,
        environment: if rules.development { Environment::Development } else { Environment::Production },
        roots: &roots(case, &[APPLE_ROOT]),
        now_s: case.now_s,
    };
    let verdict = app_attest::attestation(object, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?;
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
async fn app_assertion(app: &App, case: &Case<'_>, object: &[u8]) -> Result<Judged> {
    let rules = case.rules.ios.as_ref().ok_or_else(|| invalid("This client has no iOS app."))?;
    let unknown = || invalid("This installation is not known here, or is revoked: attest it anew.");
    let row = app.store.one(KNOWN, &[case.client_id.into(), case.jkt.into()]).await?.ok_or_else(unknown)?;
    if row.text(0)? != "active" || row.text(4)? != "ios" {
        return Err(unknown().into());
    }
    let app_ids: Vec<&str> = rules.app_ids.iter().map(String::as_str).collect();
    let hash = binding::named(Purpose::Renewal, case.client_id, &case.challenge, &thumbprint(case.jkt)?);
    let expected = app_attest::ExpectedAssertion {
        app_ids: &app_ids,
        client_data_hash: &hash,
        public_key: row.bytes(2)?,
        counter_above: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
    };
    let verdict = app_attest::assertion(object, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?;
    Ok(Judged {
        platform: "ios",
        tier: row.text(1)?.to_owned(),
        counter: Some(verdict.facts.counter),
        failed: verdict.failed.into_iter().map(|it| it.name).collect(),
        ..Judged::default()
    })
}

/// The attested key is the installation's key itself.
fn android(app: &App, case: &Case<'_>, chain: &[Vec<u8>]) -> Result<Judged> {
    let challenge = binding::leaf(&case.challenge, case.client_id);
    let verdict = keystore(app, case, chain, &challenge)?;
    let mut failed: Vec<&'static str> = verdict.failed.iter().map(|it| it.name).collect();
    // 263-N: the key that proves the request is the key in the leaf.
    if jkt_of(&verdict.facts.public_key).as_deref() != Some(case.jkt) {
        failed.push("instance_key");
    }
    Ok(Judged { platform: "android", tier: "hardware".to_owned(), facts: android_facts(&verdict.facts), failed, ..Judged::default() })
}

/// Renewal on Android without Play: a key cannot be attested twice, so a throw-away key is attested whose challenge names the
/// installation's. The device must not have become worse since.
async fn witness(app: &App, case: &Case<'_>, chain: &[Vec<u8>]) -> Result<Judged> {
    let unknown = || invalid("This installation is not known here, or is revoked: attest it anew.");
    let row = app.store.one(KNOWN, &[case.client_id.into(), case.jkt.into()]).await?.ok_or_else(unknown)?;
    if row.text(0)? != "active" || row.text(4)? != "android" {
        return Err(unknown().into());
    }
    let challenge = binding::named(Purpose::Renewal, case.client_id, &case.challenge, &thumbprint(case.jkt)?);
    let verdict = keystore(app, case, chain, &challenge)?;
    let mut failed: Vec<&'static str> = verdict.failed.iter().map(|it| it.name).collect();
    let before: Json = serde_json::from_str(row.text(5)?).map_err(|it| Fault::new(format!("an installation's facts: {it}")))?;
    let now = android_facts(&verdict.facts);
    if before["boot_key"] != now["boot_key"] {
        failed.push("another_device");
    }
    if now["os_patch"].as_i64() < before["os_patch"].as_i64() {
        failed.push("older_patch");
    }
    Ok(Judged { platform: "android", tier: row.text(1)?.to_owned(), renews: true, failed, ..Judged::default() })
}

fn android_facts(facts: &key_attestation::Facts) -> Json {
    json!({
        "packages": facts.packages, "version": facts.app_version, "os_patch": facts.os_patch, "os_version": facts.os_version,
        "level": format!("{:?}", facts.key_level), "boot_key": base64url::encode(&facts.boot_key), "serials": facts.serials,
    })
}

/// A chain of the Keystore for this challenge, judged by the client's rules.
fn keystore(app: &App, case: &Case<'_>, chain: &[Vec<u8>], challenge: &[u8; 32]) -> Result<Verdict<key_attestation::Facts>> {
    let rules = case.rules.android.as_ref().ok_or_else(|| invalid("This client has no Android app."))?;
    let packages: Vec<&str> = rules.packages.iter().map(String::as_str).collect();
    let digests: Vec<[u8; 32]> = rules.signing_digests.iter().filter_map(|it| base64url::decode(it)?.try_into().ok()).collect();
    let expected = key_attestation::Expected {
        challenge,
        app: Some(key_attestation::App { packages: &packages, signing_digests: &digests }),
        roots: &roots(case, &[GOOGLE_ROOT_RSA, GOOGLE_ROOT_P384]),
        now_s: case.now_s,
        status: &super::status::of_chain(app, &rules.revoked_serials, case.now_s),
        own_boot_keys: &[],
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

/// The tier of an installation that is known and welcome; `None`: it comes for the first time.
pub async fn known(app: &App, case: &Case<'_>) -> Result<Option<String>> {
    let Some(row) = app.store.one(KNOWN, &[case.client_id.into(), case.jkt.into()]).await? else { return Ok(None) };
    if row.text(0)? != "active" || row.text(4)? != "android" {
        return Err(invalid("This installation is revoked, or its key belongs to another platform.").into());
    }
    Ok(Some(row.text(1)?.to_owned()))
}

/// RFC 7638 thumbprint of a P-256 key in SubjectPublicKeyInfo.
fn jkt_of(spki: &[u8]) -> Option<String> {
    let point = spki.get(spki.len().checked_sub(65)?..)?;
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(&point[1..33]), "y": base64url::encode(&point[33..]) });
    Some(PublicKey::from_jwk(&jwk).ok()?.thumbprint().to_owned())
}

/// Is this installation still welcome? Asked at every authentication of a client that this server attests.
pub async fn must_be_welcome(app: &App, client_id: &str, jkt: &str) -> Result<()> {
    match app.store.one(KNOWN, &[client_id.into(), jkt.into()]).await? {
        Some(row) if row.text(0)? == "active" => Ok(()),
        _ => Err(Refused::new(401, "invalid_client", "This installation has been revoked.").because(format!("instance {jkt}")).into()),
    }
}
