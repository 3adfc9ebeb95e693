//! The built-in attester: POST /attest/challenge and POST /attest. Evidence of the platform goes in, a Client Attestation JWT
//! for the installation's key comes out. The order: proof of the key, our challenge, sizes, then signatures in a bounded pool.
//! docs/attestation.md has the bytes an app hashes.

use super::status::Listed;
use super::{android, ios};
use crate::app::{App, Limits};
use crate::audit;
use crate::config::{AttestationRules, TierName};
use crate::dpop;
use crate::error::{Error, Fault, Refused, Result};
use crate::grants;
use crate::http::Incoming;
use crate::http::reply::{self, Reply};
use crate::store::{Change, NotApplied, Row, Value};
use crate::tokens::handles::Kind;
use governor::DefaultKeyedRateLimiter;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::jwk::{Algorithm, PublicKey};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, client_attestation, digest};

const CHALLENGE_MS: i64 = 5 * 60_000;
const ENROL: &str = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms, \
    receipt, receipt_due_ms) VALUES ($1, $2, 'active', $3, $4, $5, 0, $6, $7, $7, $8, $9) ON CONFLICT (client, jkt) DO UPDATE \
    SET platform = excluded.platform, tier = excluded.tier, evidence_key = excluded.evidence_key, counter = 0, assertion = NULL, \
    facts = excluded.facts, attested_ms = excluded.attested_ms, receipt = excluded.receipt, receipt_due_ms = excluded.receipt_due_ms \
    WHERE instance.state = 'active'";
/// Assertions count upwards; whoever comes with a lower number is late or a copy.
const RENEW: &str = "UPDATE instance SET counter = $7, assertion = $8, attested_ms = $3, facts = $4, tier = $5 WHERE client = $1 AND jkt = $2 \
    AND state = 'active' AND facts = $6 AND counter < $7 AND evidence_key = $9";
/// `facts`: as they were read, so that nothing is forgotten that somebody else wrote in the meantime.
const AGAIN: &str = "UPDATE instance SET attested_ms = $3, facts = $4, tier = $5 WHERE client = $1 AND jkt = $2 AND state = 'active' \
    AND facts = $6";
const KNOWN: &str = "SELECT state, tier, evidence_key, counter, platform, facts, receipt, receipt_due_ms, assertion \
    FROM instance WHERE client = $1 AND jkt = $2";
const STANDING: &str = "SELECT state, tier, attested_ms FROM instance WHERE client = $1 AND jkt = $2";

const INVALID: &str = "invalid_client_attestation";

pub fn invalid(hint: &'static str) -> Refused {
    Refused::bad_request(INVALID, hint)
}

/// The client, if this server attests it.
fn client_of(app: &App, incoming: &Incoming) -> Result<(String, AttestationRules)> {
    let unknown = || Refused::new(401, "invalid_client", "There is no client of this client_id that this server attests.");
    let id = incoming.form.get("client_id").ok_or_else(unknown)?;
    let client = app.client(id).ok_or_else(unknown)?;
    let rules = client.attestation.clone().filter(|it| it.is_ours()).ok_or_else(unknown)?;
    within(&app.limits.attests, &["attest", id, &Limits::line(incoming.address)])?;
    Ok((id.to_owned(), rules))
}

/// "Rate limits per address, client and instance" (285-N).
fn within(limit: &DefaultKeyedRateLimiter<u16>, whose: &[&str]) -> Result<()> {
    let many = || Refused::new(429, "temporarily_unavailable", "Too many attestations; wait.").retry_after(10);
    Ok(limit.check_key(&Limits::place(whose)).map_err(|_| many())?)
}

/// Of a client all first evidence is counted together, and no renewals: strangers who send evidence cannot keep the installations that
/// there are from going on.
pub fn within_the_clients(app: &App, case: &Case) -> Result<()> {
    within(&app.limits.attests_of_client, &["attest", &case.client_id])
}

/// POST /attest/challenge: 32 bytes, good for five minutes and one attestation of this client; with a DPoP proof for that key alone.
/// Nothing is stored, the proof neither: whoever sends it twice has two challenges for a key that another holds.
pub fn challenge(app: &App, incoming: &Incoming) -> Result<Reply> {
    let (client_id, ..) = client_of(app, incoming)?;
    let held = dpop::of_request(app, incoming, None)?;
    let head = [&incoming.now_ms.to_be_bytes()[..], &crate::seal::random::<8>()?].concat();
    let (label, bound) = bound_to(&client_id, held.as_ref().map(|it| it.jkt.as_str()));
    let (_, tag) = app.keyring.mac(label, &[&[&head[..]], &bound[..]].concat());
    let challenge = [&head[..], &tag[..16]].concat();
    let mut answer = reply::json(200, &json!({ "challenge": base64url::encode(&challenge), "expires_in": CHALLENGE_MS / 1000 }));
    if let Some(nonce) = dpop::nonce(app, incoming.now_ms) {
        reply::set(&mut answer, http::HeaderName::from_static("dpop-nonce"), &nonce);
    }
    Ok(answer)
}

/// What the MAC of a challenge is about, beside its first half.
fn bound_to<'a>(client_id: &'a str, jkt: Option<&'a str>) -> (&'static str, Vec<&'a [u8]>) {
    match jkt {
        Some(jkt) => ("evidence challenge of a key", vec![client_id.as_bytes(), jkt.as_bytes()]),
        None => ("evidence challenge", vec![client_id.as_bytes()]),
    }
}

/// Ours, for this client, for this key or for none, and not too old (236-N); whether it is for the key, and until when it is good.
fn opened(app: &App, text: &str, client_id: &str, jkt: &str, now_ms: i64) -> Option<([u8; 32], bool, i64)> {
    let bytes: [u8; 32] = base64url::decode(text)?.try_into().ok()?;
    let (head, tag) = bytes.split_at(16);
    let is_of = |jkt| {
        let (label, bound) = bound_to(client_id, jkt);
        let parts = [&[head], &bound[..]].concat();
        app.keyring.versions().into_iter().filter_map(|it| app.keyring.mac_with(it, label, &parts)).any(|it| digest::equal(&it[..16], tag))
    };
    let made_ms = i64::from_be_bytes(head.get(..8)?.try_into().ok()?);
    let bound = is_of(Some(jkt));
    ((bound || is_of(None)) && (-60_000..CHALLENGE_MS).contains(&(now_ms - made_ms))).then_some((bytes, bound, made_ms + CHALLENGE_MS))
}

/// What the evidence came to.
#[derive(Default)]
pub struct Judged {
    pub platform: &'static str,
    /// What the evidence of the installation's key proves of it; the tier is this one or a lower one.
    pub proved: Option<TierName>,
    pub evidence_key: Vec<u8>,
    pub facts: Json,
    /// Of App Attest: sealed, and when Apple gives the next one.
    pub receipt: Option<(Vec<u8>, i64)>,
    /// Of an assertion: its counter, and the digest of its bytes.
    pub assertion: Option<(u32, [u8; 32])>,
    /// Of a key that is known already: the facts that the store had, where `facts` are what is known by now.
    pub before: Option<String>,
    /// Proof and challenge were spent before the evidence was looked at.
    pub spent: bool,
    pub failed: Vec<&'static str>,
}

impl Judged {
    fn is_renewal(&self) -> bool {
        self.before.is_some()
    }
}

/// Everything about one request.
pub struct Case {
    pub client_id: String,
    pub rules: AttestationRules,
    pub challenge: [u8; 32],
    /// The challenge was asked for with a proof of this very key.
    pub bound: bool,
    /// Until when the challenge is good.
    pub ends_ms: i64,
    pub jkt: String,
    pub now_s: i64,
    pub listed: Listed,
    roots: Vec<Vec<u8>>,
}

impl Case {
    /// What evidence that names the installation's key has to be about. Every renewal comes by here: "a renewal challenge [is
    /// bound] to client and key" (236-N).
    pub fn named(&self, purpose: Purpose) -> Result<[u8; 32]> {
        if purpose == Purpose::Renewal && !self.bound {
            let hint = "The challenge of a renewal is asked for with a DPoP proof by the installation's key. Get one at /attest/challenge.";
            return Err(invalid(hint).because("challenge_unbound").into());
        }
        let thumbprint = base64url::decode(&self.jkt).and_then(|it| it.try_into().ok());
        let thumbprint = thumbprint.ok_or_else(|| Fault::new("a thumbprint has 32 bytes"))?;
        Ok(binding::named(purpose, &self.client_id, &self.challenge, &thumbprint))
    }

    /// Trusted roots of a maker, and the simulated ones of a development configuration.
    pub fn roots<'a>(&'a self, ours: &[&'static [u8]]) -> Vec<&'a [u8]> {
        ours.iter().copied().chain(self.roots.iter().map(Vec::as_slice)).collect()
    }
}

/// Verifies on the pool (285-N); what finds it full has spent nothing there.
pub async fn on_pool<T: Send + 'static>(app: &App, case: &Arc<Case>, work: impl FnOnce(&Case) -> Result<T> + Send + 'static) -> Result<T> {
    let case = Arc::clone(case);
    app.limits.evidence.run(move || work(&case)).await?
}

/// The row of the installation that the case is about, as [`KNOWN`] has it.
pub async fn row_of(app: &App, case: &Case) -> Result<Option<Row>> {
    Ok(app.store.one(KNOWN, &[case.client_id.as_str().into(), case.jkt.as_str().into()]).await?)
}

/// What is kept of an installation.
pub fn facts(text: &str) -> std::result::Result<Json, Fault> {
    serde_json::from_str(text).map_err(|it| Fault::new(format!("an installation's facts: {it}")))
}

/// POST /attest. Whatever is wrong with the evidence goes to the audit, with the rules it broke (284-N).
pub async fn attest(app: &App, incoming: &Incoming) -> Result<Reply> {
    let (client_id, rules) = client_of(app, incoming)?;
    let held = dpop::of_request(app, incoming, None)?
        .ok_or_else(|| Refused::bad_request("invalid_dpop_proof", "Prove the installation's key: send a DPoP header."))?;
    // Counted by what was proved, so that nobody uses up another's.
    within(&app.limits.attests_of_instance, &["attest", &client_id, &held.jkt])?;
    match attested(app, incoming, &client_id, rules, &held).await {
        Err(Error::Refused(it)) if it.code == INVALID || is_not_judged(&it) => {
            // Nobody has proved who this is: the log has every refusal, the audit a bounded number.
            if app.limits.refusals.check_key(&Limits::place(&["evidence", &client_id, &Limits::line(incoming.address)])).is_err() {
                return Err(it.audited().into());
            }
            let why = if it.private.is_empty() { it.hint } else { it.private.as_str() };
            let event = if it.code == INVALID { "evidence_refused" } else { "evidence_not_judged" };
            let entry = audit::Entry::refused(event, why).client(client_id).address(incoming.address.to_string());
            let mut change = Change::new(incoming.now_ms);
            change.audit(entry.with("jkt", held.jkt.as_str()));
            app.store.apply(change).await?;
            Err(it.audited().into())
        }
        other => other,
    }
}

/// "Try again": Google was down or did not look (271-N). What is no news for an auditor (load that is shed, an answer that was lost) gives no
/// reason of its own.
fn is_not_judged(refused: &Refused) -> bool {
    refused.status == 503 && !refused.private.is_empty()
}

async fn attested(app: &App, incoming: &Incoming, client_id: &str, rules: AttestationRules, held: &dpop::Held) -> Result<Reply> {
    let text = incoming.form.get("challenge").unwrap_or_default();
    let unknown = || invalid("The challenge is unknown or too old. Get a new one from /attest/challenge.").because("challenge_unknown");
    let (challenge, bound, ends_ms) = opened(app, text, client_id, &held.jkt, incoming.now_ms).ok_or_else(unknown)?;
    let case = Arc::new(Case {
        client_id: client_id.to_owned(),
        rules,
        challenge,
        bound,
        ends_ms,
        jkt: held.jkt.clone(),
        now_s: incoming.now_ms / 1000,
        listed: Listed::now(app),
        roots: app.config.attestation.simulated_roots.iter().filter_map(|it| base64url::decode(it)).collect(),
    });
    let mut judged = judged(app, incoming, &case, held, text).await?;
    let tier = judged.proved.and_then(|it| granted(&case.rules, it, judged.platform, &judged.facts));
    let Some(tier) = tier.filter(|_| judged.failed.is_empty()) else {
        judged.failed.extend(tier.is_none().then_some("tier"));
        let mut named = BTreeSet::new();
        judged.failed.retain(|it| named.insert(*it));
        return Err(refused(&judged.failed.join(" ")).into());
    };
    judged.facts["proved"] = judged.proved.map(TierName::as_str).into();
    keep(app, incoming, &case, held, (judged, tier)).await?;
    issued(app, incoming, client_id, &case.rules, tier)
}

/// The highest tier that the evidence proves, that is let in, and that app and device come up to.
fn granted(rules: &AttestationRules, proved: TierName, platform: &str, facts: &Json) -> Option<TierName> {
    proved.and_below().find(|it| rules.tier(*it).is_some_and(|tier| tier.takes(platform, facts)))
}

/// What the key of an installation was proved to be, by what is kept of it.
pub fn proved(tier: &str, facts: &Json) -> Option<TierName> {
    TierName::parse(facts["proved"].as_str().unwrap_or(tier))
}

/// Writes the installation down, and spends what was shown for it.
async fn keep(app: &App, incoming: &Incoming, case: &Case, held: &dpop::Held, (mut judged, tier): (Judged, TierName)) -> Result<()> {
    let (mut change, text) = (Change::new(incoming.now_ms), incoming.form.get("challenge").unwrap_or_default());
    let id = || vec![case.client_id.as_str().into(), case.jkt.as_str().into()];
    let now = || vec![Value::from(incoming.now_ms), judged.facts.to_string().into(), tier.as_str().into()];
    let before = || vec![Value::from(judged.before.clone())];
    match &judged.assertion {
        Some((counter, digest)) => {
            let shown = vec![i64::from(*counter).into(), digest[..].into(), Value::from(judged.evidence_key.clone())];
            change.run(RENEW, [id(), now(), before(), shown].concat());
        }
        None if judged.is_renewal() => change.run(AGAIN, [id(), now(), before()].concat()),
        None => {
            let (receipt, due_ms) = judged.receipt.take().unzip();
            let (facts, due_ms) = (judged.facts.to_string().into(), due_ms.unwrap_or_default().into());
            let key = Value::from(std::mem::take(&mut judged.evidence_key));
            let what = vec![judged.platform.into(), tier.as_str().into(), key, facts, incoming.now_ms.into(), receipt.into(), due_ms];
            change.run(ENROL, [id(), what].concat());
        }
    }
    let row = change.len() - 1;
    let proof = (!judged.spent).then(|| held.burn(&mut change));
    if !judged.spent {
        change.once("evidence_challenge", &case.client_id, text, case.ends_ms);
    }
    let entry = audit::Entry::ok("instance_attested").client(case.client_id.as_str()).address(incoming.address.to_string());
    change.audit(
        entry
            .with("jkt", case.jkt.as_str())
            .with("tier", tier.as_str())
            .with("platform", judged.platform)
            .with("renewal", judged.is_renewal()),
    );
    match app.store.apply(change).await {
        Ok(_) => Ok(()),
        Err(NotApplied::Conflict(at)) if Some(at) == proof => Err(dpop::use_nonce().into()),
        Err(NotApplied::Conflict(at)) if at == row => Err(guarded(app, case, &judged).await?.into()),
        Err(NotApplied::Conflict(_)) => Err(invalid("This challenge was used before. Get a new one.").because("challenge_used").into()),
        Err(other) => Err(other.into()),
    }
}

/// Why the row of an installation did not take what was proved.
async fn guarded(app: &App, case: &Case, judged: &Judged) -> Result<Refused> {
    let known = row_of(app, case).await?;
    let revoked = match &known {
        Some(row) => row.text(0)? != "active",
        None => false,
    };
    if let (false, Some(row), Some(assertion)) = (revoked, &known, &judged.assertion)
        && ios::is_repeated(row, assertion)?
    {
        return Ok(ios::repeated());
    }
    if let (false, Some(row), Some(before)) = (revoked, &known, &judged.before)
        && (row.text(5)? != before || (judged.assertion.is_some() && row.bytes(2)? != judged.evidence_key))
    {
        let hint = "Something else was learned of this installation at this moment. Get a new challenge and new evidence about it.";
        return Ok(Refused::new(503, "temporarily_unavailable", hint).retry_after(1));
    }
    let why = match (revoked, judged.is_renewal()) {
        (true, _) => "installation_revoked",
        (false, true) => "counter",
        // 234-N.
        (false, false) => "key_bound_elsewhere",
    };
    let hint = "This installation is revoked, its evidence is about a key of another one, or a later assertion of it came first. \
        Get a new challenge and try again.";
    Ok(invalid(hint).because(why))
}

/// The Client Attestation JWT, signed by us for the key of the proof.
fn issued(app: &App, incoming: &Incoming, client_id: &str, rules: &AttestationRules, tier: TierName) -> Result<Reply> {
    let header = incoming.header("dpop").unwrap_or_default();
    let jwk = Unverified::parse(header).ok().and_then(|it| it.header().get("jwk").cloned()).unwrap_or_default();
    let key = PublicKey::from_jwk(&jwk).map_err(|it| Fault::new(it.0))?;
    let iat = incoming.now_ms / 1000;
    let claims = Map::from_iter([("tier".to_owned(), Json::from(tier.as_str()))]);
    let signer = app.keys.signer(Algorithm::ES256, incoming.now_ms)?;
    // As long as it is good for: a tier may ask for fresh evidence more often.
    let life_s = rules.tier(tier).and_then(|it| it.max_age).map_or(rules.max_age, |it| it.min(rules.max_age)).0;
    let jwt = client_attestation::make(&signer, client_id, &key.to_jwk(), iat..iat + life_s, &claims)
        .map_err(|it| Fault::new(format!("signing an attestation: {it:?}")))?;
    Ok(reply::json(200, &json!({ "client_attestation": jwt, "expires_in": life_s, "tier": tier.as_str() })))
}

/// One public answer for every failed rule (284-N); the rules are in the audit.
pub fn refused(rules: &str) -> Refused {
    invalid("The evidence was refused. The server's audit says which rule it broke.").because(rules)
}

async fn judged(app: &App, incoming: &Incoming, case: &Arc<Case>, held: &dpop::Held, text: &str) -> Result<Judged> {
    let missing = || invalid("A parameter of the evidence is missing or is not base64url.");
    let bytes = |name: &str| incoming.form.get(name).and_then(base64url::decode).ok_or_else(missing);
    let chain = || {
        let text = incoming.form.get("chain").ok_or_else(missing)?;
        text.split('.').take(11).map(base64url::decode).collect::<Option<Vec<Vec<u8>>>>().ok_or_else(missing)
    };
    match incoming.form.get("format") {
        Some("apple-appattest") => ios::attestation(app, case, bytes("attestation")?, bytes("key_id")?).await,
        Some("apple-assertion") => ios::assertion(app, case, bytes("assertion")?).await,
        Some("android-key") => android::key(app, case, chain()?).await,
        Some("android-witness") => android::witness(app, case, chain()?).await,
        Some("play-classic" | "play-standard") => super::play::judged(app, incoming, case, held, text).await,
        _ => {
            let hint = "format is apple-appattest, apple-assertion, android-key, android-witness, play-classic or play-standard.";
            Err(invalid(hint).into())
        }
    }
}

/// What is known of an installation at this moment.
pub struct Standing {
    pub active: bool,
    pub tier: String,
    pub attested_ms: i64,
}

/// Asked at every authentication of an installation; `None`: it is not known. At a refresh the answer comes with the grant, which waits
/// in `known` for whoever refreshes.
pub async fn standing(app: &App, incoming: &Incoming, client_id: &str, jkt: &str) -> Result<Option<Standing>> {
    let handle = incoming.form.get("refresh_token").and_then(|it| app.handles.read(Kind::Refresh, it));
    let whose = [client_id.into(), jkt.into()];
    let along = match handle.filter(|_| incoming.form.get("grant_type") == Some("refresh_token")) {
        Some(it) => grants::read_along(app, grants::WITH_INSTANCE, (&it.id, it.number), &whose).await?,
        None => None,
    };
    let (row, at) = match along {
        Some((grant, row)) => {
            incoming.known.keep(grant);
            (Some(row), grants::ALONG)
        }
        None => (app.store.one(STANDING, &whose).await?, 0),
    };
    let Some(row) = row else { return Ok(None) };
    let Some(state) = row.opt_text(at)? else { return Ok(None) };
    Ok(Some(Standing { active: state == "active", tier: row.text(at + 1)?.to_owned(), attested_ms: row.int(at + 2)? }))
}

/// Is this installation, which this server attested, still welcome?
pub async fn must_be_welcome(app: &App, incoming: &Incoming, client_id: &str, jkt: &str) -> Result<()> {
    if standing(app, incoming, client_id, jkt).await?.is_some_and(|it| it.active) {
        return Ok(());
    }
    Err(Refused::new(401, "invalid_client", "This installation has been revoked.").because(format!("instance {jkt}")).into())
}
