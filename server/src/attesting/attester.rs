//! The built-in attester: POST /attest/challenge and POST /attest. Evidence of the platform goes in, a Client Attestation JWT for the
//! installation's key comes out. The order is proof of the key, our challenge, sizes, then signatures in a bounded pool.
//! docs/attestation.md has what an app hashes.

use super::case::{AttestedClient, CHALLENGE_USED, Case, INVALID, Judged, Sent, from_base64, invalid, row_of, within};
use super::issue::issue;
use super::observed::{self, Finding};
use super::status::Listed;
use super::{Attesting, android, ios, play, plugin, repeated, standing};
use crate::audit;
use crate::config::{AttestationRules, TierName};
use crate::core::Core;
use crate::dpop;
use crate::error::{Error, Refused, Result};
use crate::limits::Limits;
use crate::store::tables::instance::{AGAIN, ENROL, RENEW};
use crate::store::{Change, NotApplied, Value};
use crate::web::reply::{self, Reply};
use crate::web::request::Incoming;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use symbolon_oauth::{base64url, digest};

const CHALLENGE_MS: i64 = 5 * 60_000;

/// The client, if this server attests it.
async fn client_of(core: &Core, incoming: &Incoming) -> Result<(String, AttestationRules)> {
    let unknown = || Refused::new(401, "invalid_client", "There is no client of this client_id that this server attests.");
    let id = incoming.form.get("client_id").ok_or_else(unknown)?;
    let client = core.clients.get(id).await?.ok_or_else(unknown)?;
    let rules = client.attestation.clone().filter(|it| it.is_ours()).ok_or_else(unknown)?;
    within(&core.limits.attests, &["attest", id, &Limits::line(incoming.address)])?;
    Ok((id.to_owned(), rules))
}

/// POST /attest/challenge: 32 bytes, good for five minutes and one attestation of this client; with a DPoP proof for that key alone.
/// Nothing is stored, the proof neither: whoever sends it twice has two challenges for a key that another holds.
pub async fn challenge(core: &Core, incoming: &Incoming) -> Result<Reply> {
    let (client_id, ..) = client_of(core, incoming).await?;
    let held = dpop::of_request(core, incoming, None)?;
    let head = [&incoming.now_ms.to_be_bytes()[..], &crate::seal::random::<8>()?].concat();
    let (label, bound) = bound_to(&client_id, held.as_ref().map(|it| it.jkt.as_str()));
    let (_, tag) = core.keyring.mac(label, &[&[core.config.issuer.as_bytes(), &head[..]], &bound[..]].concat());
    let challenge = [&head[..], &tag[..16]].concat();
    let mut answer = reply::json(200, &json!({ "challenge": base64url::encode(&challenge), "expires_in": CHALLENGE_MS / 1000 }));
    if let Some(nonce) = dpop::nonce(core, incoming.now_ms) {
        reply::set(&mut answer, http::HeaderName::from_static("dpop-nonce"), &nonce);
    }
    Ok(answer)
}

/// What the MAC of a challenge is about, beside the issuer and its first half.
fn bound_to<'a>(client_id: &'a str, jkt: Option<&'a str>) -> (&'static str, Vec<&'a [u8]>) {
    match jkt {
        Some(jkt) => ("evidence challenge of a key", vec![client_id.as_bytes(), jkt.as_bytes()]),
        None => ("evidence challenge", vec![client_id.as_bytes()]),
    }
}

/// Ours, for this client, for this key or for none, and not too old (236-N). It answers whether it is for the key, and until when it is
/// good.
fn opened(core: &Core, text: &str, client_id: &str, jkt: &str, now_ms: i64) -> Option<([u8; 32], bool, i64)> {
    let bytes: [u8; 32] = base64url::decode(text)?.try_into().ok()?;
    let (head, tag) = bytes.split_at(16);
    let is_of = |jkt| {
        let (label, bound) = bound_to(client_id, jkt);
        let parts = [&[core.config.issuer.as_bytes(), head], &bound[..]].concat();
        core.keyring
            .versions()
            .into_iter()
            .filter_map(|it| core.keyring.mac_with(it, label, &parts))
            .any(|it| digest::equal(&it[..16], tag))
    };
    let made_ms = i64::from_be_bytes(head.get(..8)?.try_into().ok()?);
    let bound = is_of(Some(jkt));
    if core.recovery.is_forgotten(made_ms) {
        return None;
    }
    ((bound || is_of(None)) && (-60_000..CHALLENGE_MS).contains(&(now_ms - made_ms))).then_some((bytes, bound, made_ms + CHALLENGE_MS))
}

/// What became of evidence that could be read.
enum EvidenceOutcome {
    Accepted(Reply),
    Broken(Judged),
}

/// POST /attest. Whatever is wrong with the evidence goes to the audit, with the rules it broke (284-N) and what it said.
pub async fn attest(attesting: &Attesting, core: &Core, incoming: &Incoming) -> Result<Reply> {
    let (client_id, rules) = client_of(core, incoming).await?;
    let held = dpop::required_key(core, incoming)?;
    // Counted by what was proved, so that nobody uses up another's.
    within(&core.limits.attests_of_instance, &["attest", &client_id, &held.jkt])?;
    let challenge = incoming.form.get("challenge").unwrap_or_default();
    let spent = AtomicBool::new(false);
    let client = AttestedClient { client_id: &client_id, rules: &rules };
    let sent = Sent { client, incoming, held: &held, challenge, evidence: repeated::evidence_digest(incoming), spent: &spent };
    if let Some(answer) = repeated::repeat_answer(core, sent).await? {
        return Ok(answer);
    }
    let finding = match accept(attesting, core, sent).await {
        Ok(EvidenceOutcome::Accepted(answer)) => return Ok(answer),
        Ok(EvidenceOutcome::Broken(judged)) => Finding::of_judged(&judged),
        Err(Error::Refused(refused)) => Finding::of_refused(*refused),
        Err(fault) => return Err(fault),
    };
    // The same evidence came twice at once, and the other request was first.
    if finding.refused.private == CHALLENGE_USED
        && let Some(answer) = repeated::repeat_answer(core, sent).await?
    {
        return Ok(answer);
    }
    let is_not_judged = is_not_judged(&finding.refused);
    if finding.refused.code != INVALID && !is_not_judged {
        return Err(finding.refused.into());
    }
    // What it proved before stays: an outage takes no installation's tier away.
    let is_known = is_not_judged && standing::tier_of(core, &client_id, &held.jkt).await?.is_some();
    if rules.observe && !is_known {
        observed::let_in(core, sent, &finding).await?;
        return issue(core, incoming, client, TierName::None, incoming.now_ms);
    }
    let event = if is_not_judged { "evidence_not_judged" } else { "evidence_refused" };
    let mut change = Change::new(incoming.now_ms);
    if finding.audit(core, sent, event, &mut change) {
        core.store.apply(change).await?;
    }
    Err(finding.refused.audited().into())
}

/// "Try again": Google was down or did not look (271-N). Load that is shed, or an answer that was lost, is no news for an auditor. It gives
/// no reason of its own.
fn is_not_judged(refused: &Refused) -> bool {
    refused.status == 503 && !refused.private.is_empty()
}

async fn accept(attesting: &Attesting, core: &Core, sent: Sent<'_>) -> Result<EvidenceOutcome> {
    let Sent { client, incoming, held, challenge: text, .. } = sent;
    let AttestedClient { client_id, rules } = client;
    let unknown = || invalid("The challenge is unknown or too old. Get a new one from /attest/challenge.").because("challenge_unknown");
    let (challenge, bound, ends_ms) = opened(core, text, client_id, &held.jkt, incoming.now_ms).ok_or_else(unknown)?;
    let case = Arc::new(Case {
        client_id: client_id.to_owned(),
        // Who only observes judges all the same.
        rules: rules.enforced(),
        challenge,
        bound,
        ends_ms,
        jkt: held.jkt.clone(),
        now_s: incoming.now_ms / 1000,
        listed: Listed::now(&attesting.status, &core.config),
        roots: core.config.attestation.simulated_roots.iter().filter_map(|it| base64url::decode(it)).collect(),
    });
    let mut judged = judge(attesting, core, &case, sent).await?;
    let tier = judged.proved.and_then(|it| granted(&case.rules, it, &judged.platform, &judged.facts));
    let Some(tier) = tier.filter(|_| judged.failed.is_empty()) else {
        judged.failed.extend(tier.is_none().then_some("tier"));
        let mut named = BTreeSet::new();
        judged.failed.retain(|it| named.insert(*it));
        return Ok(EvidenceOutcome::Broken(judged));
    };
    judged.facts["proved"] = judged.proved.map(TierName::as_str).into();
    keep(core, &case, sent, (judged, tier)).await?;
    Ok(EvidenceOutcome::Accepted(issue(core, incoming, client, tier, incoming.now_ms)?))
}

/// The highest tier that the evidence proves, that is let in, and that app and device come up to.
fn granted(rules: &AttestationRules, proved: TierName, platform: &str, facts: &Json) -> Option<TierName> {
    proved.and_below().find(|it| rules.tier(*it).is_some_and(|tier| tier.takes(platform, facts)))
}

/// Writes the installation down, and spends what was shown for it.
async fn keep(core: &Core, case: &Case, sent: Sent<'_>, (mut judged, tier): (Judged, TierName)) -> Result<()> {
    let Sent { incoming, challenge: text, .. } = sent;
    let mut change = Change::new(incoming.now_ms);
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
            let key = Value::from(judged.evidence_key.clone());
            let what =
                vec![judged.platform.as_ref().into(), tier.as_str().into(), key, facts, incoming.now_ms.into(), receipt.into(), due_ms];
            change.run(ENROL, [id(), what, vec![Value::from(&sent.evidence[..])]].concat());
        }
    }
    let row = change.len() - 1;
    let proof = sent.burn(&mut change);
    if proof.is_some() {
        change.once("evidence_challenge", &case.client_id, text, case.ends_ms);
    }
    let is_newer = judged.facts["newer_version"] == true;
    change.audit(entry_of(case, incoming, &judged, tier, is_newer));
    match core.store.apply(change).await {
        Ok(_) => {
            if is_newer {
                metrics::counter!("symbolon_attestation_newer_version_total", "client" => case.client_id.clone()).increment(1);
            }
            Ok(())
        }
        Err(NotApplied::Conflict(at)) if Some(at) == proof => Err(dpop::use_nonce().into()),
        Err(NotApplied::Conflict(at)) if at == row => Err(explain_conflict(core, case, &judged).await?.into()),
        Err(NotApplied::Conflict(_)) => Err(challenge_used().into()),
        Err(other) => Err(other.into()),
    }
}

/// `is_newer`: Android describes the key in a version that this server does not know, and what it knows was read.
fn entry_of(case: &Case, incoming: &Incoming, judged: &Judged, tier: TierName, is_newer: bool) -> audit::Entry {
    let entry = audit::Entry::ok("instance_attested").client(case.client_id.as_str()).address(incoming.address.to_string());
    let entry = entry
        .with("jkt", case.jkt.as_str())
        .with("tier", tier.as_str())
        .with("platform", judged.platform.as_ref())
        .with("renewal", judged.is_renewal());
    if is_newer { entry.with("newer_version", true) } else { entry }
}

fn challenge_used() -> Refused {
    invalid("This challenge was used before. Get a new one.").because(CHALLENGE_USED)
}

/// Why the row of an installation did not take what was proved.
async fn explain_conflict(core: &Core, case: &Case, judged: &Judged) -> Result<Refused> {
    let known = row_of(core, case).await?;
    let revoked = match &known {
        Some(row) => row.text("state")? != "active",
        None => false,
    };
    if let (false, Some(row), Some(assertion)) = (revoked, &known, &judged.assertion)
        && ios::is_repeated(row, assertion)?
    {
        return Ok(ios::repeated());
    }
    if let (false, Some(row), Some(before)) = (revoked, &known, &judged.before)
        && (row.text("facts")? != before || (judged.assertion.is_some() && row.bytes("evidence_key")? != judged.evidence_key))
    {
        let hint = "Something else was learned of this installation at this moment. Get a new challenge and new evidence about it.";
        return Ok(Refused::new(503, "temporarily_unavailable", hint).retry_after(1));
    }
    // Another request wrote this row at the same moment; PostgreSQL then names the unique key instead of updating the row.
    if let (false, false, Some(row)) = (revoked, judged.is_renewal(), &known)
        && row.bytes("evidence_key")? == judged.evidence_key
    {
        return Ok(challenge_used());
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

async fn judge(attesting: &Attesting, core: &Core, case: &Arc<Case>, sent: Sent<'_>) -> Result<Judged> {
    let incoming = sent.incoming;
    let missing = || invalid("A parameter of the evidence is missing or is not base64.");
    let bytes = |name: &str| incoming.form.get(name).and_then(from_base64).ok_or_else(missing);
    let chain = || {
        let text = incoming.form.get("chain").ok_or_else(missing)?;
        text.split('.').take(11).map(from_base64).collect::<Option<Vec<Vec<u8>>>>().ok_or_else(missing)
    };
    match incoming.form.get("format") {
        Some("apple-appattest") => ios::attestation(core, case, bytes("attestation")?, bytes("key_id")?).await,
        Some("apple-assertion") => ios::assertion(core, attesting.apple.get(&case.client_id), case, bytes("assertion")?).await,
        Some("android-key") => android::key(core, case, chain()?).await,
        Some("android-witness") => android::witness(core, case, chain()?).await,
        Some("play-classic" | "play-standard") => play::judge_token(core, attesting.play.get(&case.client_id), case, sent).await,
        Some(format) if let Some(name) = format.strip_prefix("plugin:") => plugin::judge_evidence(core, case, sent, name).await,
        _ => {
            let hint =
                "format is apple-appattest, apple-assertion, android-key, android-witness, play-classic, play-standard, or plugin:NAME.";
            Err(invalid(hint).into())
        }
    }
}
