//! Evidence that did not pass. Here is what the audit keeps of it, and the roll-out of `attestation.observe`, in which nobody is refused.
//! Evidence that is only observed enrols nothing. Its attestation has the tier `none`, which is worth nothing from the moment on that rules
//! are enforced.

use super::case::{Judged, Sent, refused};
use crate::audit::Entry;
use crate::core::Core;
use crate::dpop;
use crate::error::{Refused, Result};
use crate::limits::Limits;
use crate::store::{Change, NotApplied};
use crate::stored_bytes::Writer;
use serde_json::{Map, Value as Json};
use std::borrow::Cow;

/// Facts of refused evidence are a stranger's words: so much of each is kept.
const MAX_TEXT: usize = 128;
const MAX_MEMBERS: usize = 10;

/// The rule of evidence that could not be judged.
const NOT_JUDGED: &str = "not_judged";

/// What is wrong with evidence.
pub struct Finding {
    pub refused: Refused,
    /// The rules that it broke; empty where it could not be read.
    failed: Vec<&'static str>,
    platform: Cow<'static, str>,
    /// What it said of app and device. Nothing of it is verified.
    unverified_facts: Json,
}

impl Finding {
    pub fn of_judged(judged: &Judged) -> Self {
        let failed = judged.failed.clone();
        Self { refused: refused(&failed.join(" ")), failed, platform: judged.platform.clone(), unverified_facts: cut(&judged.facts) }
    }

    pub fn of_refused(refused: Refused) -> Self {
        // Whoever is at fault is told 400.
        let failed = if refused.status == 503 { vec![NOT_JUDGED] } else { Vec::new() };
        Self { refused, failed, platform: Cow::Borrowed(""), unverified_facts: Json::Null }
    }

    fn why(&self) -> &str {
        self.refused.reason()
    }

    /// Adds the entry. Nobody has proved who this is. So the audit takes a number that is bounded by line, by client and by bytes. The log
    /// has its own limit for a network, and counts what it leaves out. Was there room?
    pub fn audit(&self, core: &Core, sent: Sent<'_>, event: &'static str, change: &mut Change) -> bool {
        let (client_id, address) = (sent.client.client_id, sent.incoming.address);
        let mut entry = Entry::refused(event, self.why()).client(client_id).address(address.to_string());
        entry.security = false;
        entry = entry.with("jkt", sent.held.jkt.as_str());
        if !self.failed.is_empty() {
            entry = entry.with("rules", self.failed.clone());
        }
        if !self.unverified_facts.is_null() {
            entry = entry.with("platform", self.platform.as_ref()).with("unverified_facts", self.unverified_facts.clone());
        }
        let limits = &core.limits;
        let has_room = limits.refusals.check_key(&Limits::bucket(&["evidence", client_id, &Limits::line(address)])).is_ok()
            && limits.refusals_of_client.check_key(&Limits::bucket(&["evidence", client_id])).is_ok()
            && core.stored.charge(Writer::Network(address), entry.body(sent.incoming.now_ms).len()).is_ok();
        if has_room {
            change.audit(entry);
        }
        has_room
    }
}

/// Records what would have been refused, and spends the proof. The caller issues an attestation of the tier `none`.
pub async fn let_in(core: &Core, sent: Sent<'_>, finding: &Finding) -> Result<()> {
    let client_id = sent.client.client_id;
    for rule in &finding.failed {
        count(client_id, rule);
    }
    if finding.failed.is_empty() {
        count(client_id, NOT_JUDGED);
    }
    tracing::info!(client = client_id, address = %sent.incoming.address, why = finding.why(), "evidence would be refused; attestation.observe lets it in");
    let mut change = Change::new(sent.incoming.now_ms);
    let proof = sent.burn(&mut change);
    if !finding.audit(core, sent, "evidence_observed", &mut change) && proof.is_none() {
        return Ok(());
    }
    match core.store.apply(change).await {
        Ok(_) => Ok(()),
        Err(NotApplied::Conflict(at)) if Some(at) == proof => Err(dpop::use_nonce().into()),
        Err(other) => Err(other.into()),
    }
}

/// Counts one request that would be refused.
pub fn count(client_id: &str, rule: &'static str) {
    metrics::counter!("symbolon_attestation_observed_total", "client" => client_id.to_owned(), "rule" => rule).increment(1);
}

/// The same facts, bounded.
fn cut(facts: &Json) -> Json {
    match facts {
        Json::String(text) => text.chars().take(MAX_TEXT).collect::<String>().into(),
        Json::Array(all) => all.iter().take(MAX_MEMBERS).map(cut).collect(),
        Json::Object(all) => {
            Json::Object(all.iter().filter(|it| !it.1.is_null()).map(|(name, it)| (name.clone(), cut(it))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_strangers_words_are_cut() {
        let long = "x".repeat(10_000);
        let cut = cut(&json!({ "packages": vec![long.clone(); 100], "model": long, "version": 7, "level": null, "newer_version": false }));
        assert_eq!(cut["packages"].as_array().map(Vec::len), Some(MAX_MEMBERS));
        assert_eq!(cut["packages"][0].as_str().map(str::len), Some(MAX_TEXT));
        assert_eq!(cut["model"].as_str().map(str::len), Some(MAX_TEXT));
        assert_eq!((&cut["version"], &cut["newer_version"], cut.get("level")), (&json!(7), &json!(false), None));
    }
}
