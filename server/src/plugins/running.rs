//! The plug-ins of a configuration. They are loaded once, and a reload replaces them whole. It asks decisions and claims plug-ins.

use super::facts::{Decided, EvidenceFound, EvidenceSituation, Loading, PluginDecision, PluginLine, Situation, TokenSituation, Unanswered};
use super::facts::{call_id, failed};
use super::host::ServerHost;
use crate::audit::Entry;
use crate::config::client::tier::TierName;
use crate::config::plugin::{Moment, PluginSettings, PluginWorld};
use crate::error::Fault;
use futures_util::future::join_all;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbolon_oauth::digest;
use symbolon_plugin::login::Claim;
use symbolon_plugin::{Cache, Call, Compiled, Failure, Limits, Plugin, Runtime, World, decisions, evidences, tokens};

/// Levels of JSON in a claim.
const DEEPEST: usize = 16;
/// How long a request waits for a verdict that changes nothing.
const OBSERVED: Duration = Duration::from_secs(1);
/// What is kept of an installation, in bytes of JSON.
const EVIDENCE_FACTS: usize = 4096;

/// Every configured plug-in, by its name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Plugins(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// None: there is no plug-in, and nothing of the engine runs.
    runtime: Option<Runtime>,
    all: BTreeMap<String, Running>,
}

/// One plug-in.
#[derive(Clone)]
pub struct Running {
    pub name: String,
    pub settings: PluginSettings,
    loaded: std::result::Result<(Plugin, Compiled), String>,
}

impl Plugins {
    /// Reads, compares and compiles the files. What was compiled before, of the same bytes, is taken from there. `before`: what a reload
    /// replaces; it goes on with the requests that it has.
    pub fn load(loading: &Loading<'_>, before: Option<&Self>) -> std::result::Result<Self, Fault> {
        if loading.settings.is_empty() {
            return Ok(Self::default());
        }
        let cache =
            loading.cache.as_ref().map(|(directory, key)| Cache::open(directory, key)).transpose().map_err(|error| Fault::new(error.0))?;
        let runtime = match before.and_then(|old| old.0.runtime.clone()) {
            Some(runtime) => runtime,
            None => Runtime::new().map_err(|error| Fault::new(error.0))?,
        };
        let mut all = BTreeMap::new();
        for (name, settings) in loading.settings {
            let known = before.and_then(|old| old.0.all.get(name)).filter(|old| old.settings.sha256 == settings.sha256);
            let known = known.filter(|old| old.settings.world == settings.world).and_then(|old| old.loaded.as_ref().ok());
            let loaded = load(name, settings, loading, Compiler { runtime: &runtime, cache: cache.as_ref(), known });
            if let (Err(why), false) = (&loaded, settings.optional) {
                return Err(Fault::new(format!("[plugin.{name}]: {why}")));
            }
            if let Err(why) = &loaded {
                tracing::error!(plugin = name, why, "an optional plug-in is not loaded; what needs it is refused");
            }
            all.insert(name.clone(), Running { name: name.clone(), settings: settings.clone(), loaded });
        }
        if let Some(cache) = &cache {
            cache.sweep(&runtime, &loading.settings.values().map(|settings| settings.sha256.as_str()).collect::<Vec<_>>());
        }
        Ok(Self(Arc::new(Inner { runtime: Some(runtime), all })))
    }

    /// Says which files are in force. A reload that is refused later on has changed nothing, so it is called when this one is in force.
    /// `before`: what it took the place of.
    pub fn measure(&self, before: Option<&Self>) {
        for gone in before.iter().flat_map(|old| old.0.all.values()) {
            let is_same = |new: &Running| new.settings.sha256 == gone.settings.sha256 && new.settings.world == gone.settings.world;
            let is_there_still = self.get(&gone.name).is_some_and(|new| new.loaded.is_ok() && is_same(new));
            if !is_there_still {
                gone.measure(0.0);
            }
        }
        self.0.all.values().for_each(|running| running.measure(1.0));
    }

    pub fn get(&self, name: &str) -> Option<&Running> {
        self.0.all.get(name)
    }

    pub fn list(&self) -> Vec<PluginLine> {
        self.0.all.values().map(Running::line).collect()
    }

    /// Asks every decision plug-in that is for this moment and client, all at the same time. The strictest answer counts.
    pub async fn decide(&self, situation: Situation) -> Decided {
        let mut decided = Decided::default();
        let asked: Vec<&Running> =
            self.0.all.values().filter(|plugin| plugin.settings.is_asked(situation.moment, &situation.client)).collect();
        let mut asking = Vec::with_capacity(asked.len());
        for plugin in &asked {
            asking.push(plugin.decide_in_time(&situation));
        }
        for (plugin, verdict) in asked.into_iter().zip(join_all(asking).await) {
            plugin.weigh(&mut decided, verdict, &situation);
        }
        decided
    }

    /// What the API's plug-in makes of a token's claims, or why it failed. Only claims of the API's own list are its to write.
    pub async fn claims(&self, situation: TokenSituation<'_>) -> std::result::Result<Map<String, Json>, Unanswered> {
        let mut claims = situation.claims.clone();
        for (claim, value) in self.named(situation.plugin)?.claims(&situation).await? {
            match value {
                Json::Null => claims.remove(&claim),
                value => claims.insert(claim, value),
            };
        }
        Ok(claims)
    }

    /// What a plug-in makes of evidence, or why it failed.
    pub async fn verify(&self, situation: EvidenceSituation<'_>) -> std::result::Result<EvidenceFound, Unanswered> {
        self.named(situation.plugin)?.verify(&situation).await
    }

    fn named(&self, name: &str) -> std::result::Result<&Running, String> {
        self.get(name).ok_or_else(|| "there is no such plug-in".to_owned())
    }
}

/// Names and values as the API's list allows them, or what is wrong.
fn read_claims(allowed: &[String], found: Vec<Claim>) -> std::result::Result<Vec<(String, Json)>, String> {
    let read = |claim: Claim| {
        if !allowed.contains(&claim.name) {
            return Err(format!("it set {}, which plugin_claims does not list", crate::visible::plain(&claim.name, 60)));
        }
        let value = read_value(&claim)?;
        Ok((claim.name, value))
    };
    found.into_iter().map(read).collect()
}

/// A claim's value, if it may be kept.
fn read_value(claim: &Claim) -> std::result::Result<Json, String> {
    let value: Json = serde_json::from_str(&claim.value).map_err(|error| format!("the claim {} is no JSON: {error}", claim.name))?;
    if is_deeper(&value, DEEPEST) {
        return Err(format!("the claim {} has more than {DEEPEST} levels", claim.name));
    }
    if has_control(&value) {
        return Err(format!("the claim {} has a control character in a text", claim.name));
    }
    Ok(value)
}

/// An address has lines. Any other control character is for no reader, however it was written in the JSON text.
fn has_control(value: &Json) -> bool {
    let in_text = |text: &str| text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'));
    match value {
        Json::String(text) => in_text(text),
        Json::Array(all) => all.iter().any(has_control),
        Json::Object(all) => all.iter().any(|(name, value)| in_text(name) || has_control(value)),
        _ => false,
    }
}

fn is_deeper(value: &Json, most: usize) -> bool {
    match value {
        Json::Array(all) => most == 0 || all.iter().any(|value| is_deeper(value, most - 1)),
        Json::Object(all) => most == 0 || all.values().any(|value| is_deeper(value, most - 1)),
        _ => false,
    }
}

/// Why a plug-in cannot be used, for operators.
type Loaded = std::result::Result<(Plugin, Compiled), String>;

/// What makes code of a file.
#[derive(Clone, Copy)]
struct Compiler<'a> {
    runtime: &'a Runtime,
    cache: Option<&'a Cache>,
    /// What was made of the same file before, in this process.
    known: Option<&'a (Plugin, Compiled)>,
}

fn load(name: &str, settings: &PluginSettings, loading: &Loading<'_>, compiler: Compiler<'_>) -> Loaded {
    let Compiler { runtime, cache, known } = compiler;
    let compiled = match known {
        Some((_, compiled)) => compiled.clone(),
        None => {
            let path = loading.base.join(&settings.file);
            let bytes = std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let found = hexadecimal(&digest::sha256(&bytes));
            if found != settings.sha256 {
                return Err(format!("{} has another digest than sha256 says: {found}", path.display()));
            }
            // A large one takes seconds: whoever waits for the server sees why.
            tracing::info!(plugin = name, bytes = bytes.len(), "compiling a plug-in, or taking it from the cache");
            // These very bytes are compiled: nobody can change the file between the two.
            let compiled = Compiled::with_cache(runtime, &bytes, world(settings.world), cache).map_err(|error| error.0)?;
            let (from, took_ms) = (if compiled.facts().is_cached { "cache" } else { "compiler" }, compiled.facts().compiled_in.as_millis());
            metrics::counter!("symbolon_plugin_loads_total", "plugin" => name.to_owned(), "from" => from).increment(1);
            tracing::info!(plugin = name, from, took_ms, "a plug-in is loaded");
            compiled
        }
    };
    let host = ServerHost::new(name, settings, loading.outgoing).map_err(|fault| fault.0)?;
    // The same file goes on counting: operators reload for other reasons.
    let before = known.map(|(plugin, _)| plugin);
    let plugin = Plugin::counting_on(&compiled, Arc::new(host), limits(settings), before).map_err(|error| error.0)?;
    Ok((plugin, compiled))
}

/// The one rule about a claims plug-in's answer, for a trial without a server.
pub fn must_be_listed(allowed: &[String], found: Vec<Claim>) -> std::result::Result<(), String> {
    read_claims(allowed, found).map(|_| ())
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn world(world: PluginWorld) -> World {
    match world {
        PluginWorld::Method => World::Method,
        PluginWorld::Decision => World::Decision,
        PluginWorld::Claims => World::Claims,
        PluginWorld::Evidence => World::Evidence,
    }
}

fn limits(settings: &PluginSettings) -> Limits {
    Limits {
        memory: settings.memory << 20,
        time: Duration::from_secs(u64::try_from(settings.time.0).unwrap_or(1)),
        instances: settings.instances,
        sends: settings.sends,
        ..Limits::default()
    }
}

/// What a plug-in is told, as a part of the id of the call.
fn told(facts: &impl std::fmt::Debug) -> String {
    format!("{facts:?}")
}

impl Running {
    /// A call, known by what it is about.
    pub fn call(&self, about: &[&[u8]], now_ms: i64) -> Call {
        let parts: Vec<&[u8]> = [self.name.as_bytes()].into_iter().chain(about.iter().copied()).collect();
        Call { id: call_id(&parts), now_ms: u64::try_from(now_ms).unwrap_or_default() }
    }

    pub fn label(&self) -> &str {
        self.settings.label.as_deref().unwrap_or(&self.name)
    }

    /// The plug-in, or why it cannot be called.
    pub fn plugin(&self) -> std::result::Result<&Plugin, String> {
        self.loaded.as_ref().map(|(plugin, _)| plugin).map_err(|why| format!("not loaded: {why}"))
    }

    /// Why there was no answer that counts. One that is not loaded was not called. Then there is no id, as neither log nor audit has it.
    pub fn unanswered(&self, why: String, call: String) -> Unanswered {
        Unanswered { why, call: if self.loaded.is_ok() { call } else { String::new() } }
    }

    /// Counts a call, and says a failure as the audit does.
    pub fn said<T>(&self, answer: std::result::Result<T, Failure>) -> std::result::Result<T, String> {
        let outcome = answer.as_ref().map_or_else(|failure| failure.reason.as_str(), |_| "ok");
        metrics::counter!("symbolon_plugin_calls_total", "plugin" => self.name.clone(), "outcome" => outcome).increment(1);
        answer.map_err(|failure| {
            if !failure.printed.is_empty() {
                let printed = crate::visible::plain(&failure.printed, 4096);
                tracing::warn!(
                    plugin = self.name,
                    call = failure.call_id,
                    printed,
                    "a plug-in failed, and this is the end of what it printed"
                );
            }
            crate::visible::plain(&failure.to_string(), 600)
        })
    }

    /// 1: it is in force.
    fn measure(&self, in_force: f64) {
        if self.loaded.is_ok() {
            let (name, world, sha256) = (self.name.clone(), self.settings.world.as_str(), self.settings.sha256.clone());
            metrics::gauge!("symbolon_plugin_info", "plugin" => name, "world" => world, "sha256" => sha256).set(in_force);
        }
    }

    fn line(&self) -> PluginLine {
        let counts = self.loaded.as_ref().map(|(plugin, _)| plugin.counts()).unwrap_or_default();
        let mean_us = u64::try_from(counts.time.as_micros()).unwrap_or(u64::MAX).checked_div(counts.calls).unwrap_or_default();
        PluginLine {
            name: self.name.clone(),
            world: world(self.settings.world).to_string(),
            interface: symbolon_plugin::INTERFACE.to_owned(),
            sha256: self.settings.sha256.clone(),
            calls: counts.calls,
            failures: counts.failures,
            mean_us,
            problem: self.loaded.as_ref().err().cloned(),
        }
    }

    /// One that is observed only keeps no request waiting for all of its time.
    async fn decide_in_time(&self, situation: &Situation) -> std::result::Result<decisions::Verdict, Unanswered> {
        let facts = decisions::Facts {
            moment: match situation.moment {
                Moment::SignIn => decisions::Moment::SignIn,
                Moment::Token => decisions::Moment::Token,
                Moment::Refresh => decisions::Moment::Refresh,
            },
            client: situation.client.clone(),
            sub: situation.account.clone(),
            scopes: situation.scopes.clone(),
            tier: situation.tier.clone(),
            installation: situation.installation.clone(),
            address: situation.address.clone(),
            auth_time: u64::try_from(situation.auth_time_ms).unwrap_or_default(),
            amr: situation.amr.clone(),
            acr: situation.acr.clone(),
        };
        let call = self.call(&[told(&facts).as_bytes(), &situation.occasion], situation.now_ms);
        let id = call.id.clone();
        let asking = self.decide(call, facts, situation.moment);
        let late = |_| {
            metrics::counter!("symbolon_plugin_calls_total", "plugin" => self.name.clone(), "outcome" => "time").increment(1);
            Err("time: it is observed only, and a request waits one second for it".to_owned())
        };
        let verdict = if self.settings.observe { tokio::time::timeout(OBSERVED, asking).await.unwrap_or_else(late) } else { asking.await };
        verdict.map_err(|why| self.unanswered(why, id))
    }

    async fn decide(&self, call: Call, facts: decisions::Facts, moment: Moment) -> std::result::Result<decisions::Verdict, String> {
        match self.said(self.plugin()?.decide(call, facts).await)? {
            // What cannot be done at this moment is no verdict of it.
            decisions::Verdict::Shorten(_) if moment == Moment::SignIn => {
                Err("answer: it shortened the life of tokens at a sign-in, which has none".to_owned())
            }
            verdict => Ok(verdict),
        }
    }

    /// Adds one verdict. One that is observed only is written down and changes nothing.
    fn weigh(&self, decided: &mut Decided, verdict: std::result::Result<decisions::Verdict, Unanswered>, situation: &Situation) {
        let refused = |event, why: &str| Entry::refused(event, reason(why)).with("plugin", self.name.as_str());
        let (outcome, most_s, entry) = match verdict {
            Ok(decisions::Verdict::Allow) => return,
            Ok(decisions::Verdict::Shorten(seconds)) => (PluginDecision::Allow, Some(i64::from(seconds)), None),
            Ok(decisions::Verdict::StepUp(why)) => (PluginDecision::StepUp, None, Some(refused("plugin_step_up", &why))),
            Ok(decisions::Verdict::Deny(why)) => (PluginDecision::Deny, None, Some(refused("plugin_denied", &why))),
            Err(unanswered) => (PluginDecision::Unavailable, None, Some(failed(&self.name, &unanswered))),
        };
        if let Some(entry) = entry {
            let mut entry = entry.account(situation.account.as_str()).client(situation.client.as_str());
            entry.address = situation.address.clone();
            entry.instance = situation.installation.clone();
            decided.entries.push(entry.with("moment", moment(situation.moment)).with("observed", self.settings.observe));
        }
        if self.settings.observe {
            return;
        }
        if outcome.rank() > decided.outcome.rank() {
            decided.outcome = outcome;
        }
        decided.most_s = [decided.most_s, most_s].into_iter().flatten().min();
    }

    async fn verify(&self, situation: &EvidenceSituation<'_>) -> std::result::Result<EvidenceFound, Unanswered> {
        let facts = evidences::Facts {
            client: situation.client.to_owned(),
            binding: situation.binding.to_vec(),
            installation: situation.installation.to_owned(),
            renewal: situation.is_renewal,
            evidence: situation.evidence.to_owned(),
        };
        let call = self.call(&[told(&facts).as_bytes()], situation.now_ms);
        let id = call.id.clone();
        self.judge(call, facts).await.map_err(|why| self.unanswered(why, id))
    }

    async fn judge(&self, call: Call, facts: evidences::Facts) -> std::result::Result<EvidenceFound, String> {
        match self.said(self.plugin()?.verify(call, facts).await)? {
            evidences::Verdict::Refused(rules) => Ok(EvidenceFound::Refused(rules)),
            evidences::Verdict::Accepted(accepted) => {
                let facts = accepted.facts.iter().map(|claim| Ok((claim.name.clone(), read_value(claim)?)));
                let tier = match accepted.tier {
                    evidences::Tier::Software => TierName::Software,
                    evidences::Tier::HardwareClaimed => TierName::HardwareClaimed,
                    evidences::Tier::Hardware => TierName::Hardware,
                };
                let facts: Map<String, Json> = facts.collect::<std::result::Result<_, String>>()?;
                if Json::Object(facts.clone()).to_string().len() > EVIDENCE_FACTS {
                    return Err(format!("answer: the facts have more than {EVIDENCE_FACTS} bytes together"));
                }
                Ok(EvidenceFound::Accepted { binding: accepted.binding, evidence_key: accepted.evidence_key, tier, facts })
            }
        }
    }

    async fn claims(&self, situation: &TokenSituation<'_>) -> std::result::Result<Vec<(String, Json)>, Unanswered> {
        let claim = |(name, value): (&String, &Json)| Claim { name: name.clone(), value: value.to_string() };
        let facts = tokens::Facts {
            api: situation.api.to_owned(),
            audience: situation.audience.to_owned(),
            client: situation.client.to_owned(),
            sub: situation.sub.to_owned(),
            scopes: situation.scopes.clone(),
            tier: situation.tier.map(str::to_owned),
            claims: situation.claims.iter().map(claim).collect(),
        };
        let call = self.call(&[told(&facts).as_bytes(), situation.occasion], situation.now_ms);
        let id = call.id.clone();
        self.map(call, facts, situation.allowed).await.map_err(|why| self.unanswered(why, id))
    }

    async fn map(&self, call: Call, facts: tokens::Facts, allowed: &[String]) -> std::result::Result<Vec<(String, Json)>, String> {
        read_claims(allowed, self.said(self.plugin()?.claims(call, facts).await)?)
    }
}

/// What the audit says of a verdict. One without a reason counts as well: to take it for a failure would have apps try again.
fn reason(why: &str) -> String {
    let shown = crate::visible::plain(why, 600);
    if shown.trim().is_empty() { "no reason given".to_owned() } else { shown }
}

fn moment(moment: Moment) -> &'static str {
    match moment {
        Moment::SignIn => "sign-in",
        Moment::Token => "token",
        Moment::Refresh => "refresh",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// P-14, P-17: a name that is not listed ends the request; it is not left out in silence.
    #[test]
    fn claims_are_the_api_s_own_or_nothing() {
        let allowed = ["plan".to_owned(), "regions".to_owned()];
        let read = |name: &str, value: &str| read_claims(&allowed, vec![Claim { name: name.to_owned(), value: value.to_owned() }]);
        assert_eq!(read("plan", "\"gold\"").unwrap(), [("plan".to_owned(), Json::from("gold"))]);
        assert_eq!(read("plan", "null").unwrap(), [("plan".to_owned(), Json::Null)]);
        for name in ["sub", "cnf", "act", "roles", "Plan", "plan "] {
            assert!(read(name, "1").unwrap_err().contains("does not list"), "{name}");
        }
        for value in ["gold", "{", "\"\\ud800\"", "1 2", ""] {
            assert!(read("plan", value).unwrap_err().contains("is no JSON"), "{value}");
        }
        for value in ["\"a\\u0000b\"", "[\"\\u001b[2J\"]", "{\"a\":{\"\\u009b\":1}}"] {
            assert!(read("plan", value).unwrap_err().contains("a control character"), "{value}");
        }
        assert!(read("plan", "{\"formatted\":\"1 Street\\r\\nTown \\u00e9\"}").is_ok(), "the twin");
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read("plan", &nested(DEEPEST)).is_ok());
        assert!(read("plan", &nested(DEEPEST + 1)).unwrap_err().contains("levels"));
    }
}
