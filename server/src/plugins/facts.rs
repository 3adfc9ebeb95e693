//! What plug-ins are asked with, and what comes of it.

use crate::audit::Entry;
use crate::config::client::tier::TierName;
use crate::config::plugin::{Configured, Moment, PluginSettings};
use crate::error::Refused;
use crate::outgoing::Outgoing;
use crate::seal::KeyRing;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The id of a call. It is made of the plug-in's name, of all that the plug-in is told, and of the occasion. So a question that is asked
/// again has the same id, and no other question has it. What it is made of is secret, or nobody's affair.
#[cfg(feature = "plugins")]
pub fn call_id(parts: &[&[u8]]) -> String {
    let whole: Vec<u8> = parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part].concat()).collect();
    data_encoding::HEXLOWER.encode(&symbolon_oauth::digest::sha256(&whole)[..16])
}

/// What plug-ins are loaded with.
pub struct Loading<'a> {
    pub settings: &'a BTreeMap<String, PluginSettings>,
    /// Where relative paths begin.
    pub base: &'a Path,
    pub outgoing: &'a Outgoing,
    /// Where compiled files are kept, and the key that they are checked by. None: nowhere.
    pub cache: Option<(PathBuf, [u8; 32])>,
}

impl<'a> Loading<'a> {
    /// As the configuration has it. Without a key ring nothing is kept: for checks.
    pub fn of(configured: Configured<'a>, base: &'a Path, outgoing: &'a Outgoing, keyring: Option<&KeyRing>) -> Self {
        let (settings, directory) = configured;
        let directory = directory.map(|it| base.join(it));
        let cache = directory.zip(keyring.map(|keyring| keyring.mac("plugin cache", &[]).1));
        Self { settings, base, outgoing, cache }
    }
}

/// What a decision is made of.
#[derive(Debug, Clone)]
pub struct Situation {
    pub moment: Moment,
    pub client: String,
    pub account: String,
    pub scopes: Vec<String>,
    pub tier: Option<String>,
    pub installation: Option<String>,
    pub address: Option<String>,
    pub auth_time_ms: i64,
    pub amr: Vec<String>,
    pub acr: Option<String>,
    /// A repeated request has the same, and another one another.
    pub occasion: Vec<u8>,
    pub now_ms: i64,
}

/// Why a plug-in had no answer that counts, and the id of the call. Without an id it was not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    pub why: String,
    pub call: String,
}

impl From<String> for Unanswered {
    fn from(why: String) -> Self {
        Self { why, call: String::new() }
    }
}

/// What the audit says of a plug-in that had no answer that counts. By the id of the call the log has more, and so has whoever it asked.
pub fn failed(name: &str, unanswered: &Unanswered) -> Entry {
    let entry = Entry::refused("plugin_failed", crate::visible::plain(&unanswered.why, 600)).with("plugin", name);
    if unanswered.call.is_empty() { entry } else { entry.with("call", unanswered.call.as_str()) }
}

/// What the caller hears of it. Nothing moves, and trying again may help.
pub fn unavailable() -> Refused {
    Refused::new(503, "temporarily_unavailable", "A rule of this server could not be asked; try again.").retry_after(5)
}

/// What all decisions together come to.
#[derive(Debug, Default)]
pub struct Decided {
    pub outcome: PluginDecision,
    /// Tokens of this answer live no longer.
    pub most_s: Option<i64>,
    /// What the audit has to say of it.
    pub entries: Vec<Entry>,
}

/// The strictest first: a later one never takes back what an earlier one said.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum PluginDecision {
    #[default]
    Allow,
    StepUp,
    Deny,
    /// A plug-in failed. Nothing moves and nothing ends.
    Unavailable,
}

impl PluginDecision {
    #[cfg_attr(not(feature = "plugins"), expect(dead_code, reason = "nobody decides"))]
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::StepUp => 1,
            Self::Deny => 2,
            Self::Unavailable => 3,
        }
    }
}

/// A token whose claims are asked for.
#[derive(Debug, Clone)]
pub struct TokenSituation<'a> {
    /// The API's plug-in, and the claims that it may write.
    pub plugin: &'a str,
    pub allowed: &'a [String],
    pub api: &'a str,
    pub audience: &'a str,
    pub client: &'a str,
    pub sub: &'a str,
    pub scopes: Vec<String>,
    pub tier: Option<&'static str>,
    pub claims: &'a Map<String, Json>,
    /// A repeated request has the same, and another one another.
    pub occasion: &'a [u8],
    pub now_ms: i64,
}

/// Evidence of another platform.
#[derive(Debug, Clone)]
pub struct EvidenceSituation<'a> {
    /// The plug-in.
    pub plugin: &'a str,
    pub client: &'a str,
    /// What the evidence must be about.
    pub binding: [u8; 32],
    pub installation: &'a str,
    pub is_renewal: bool,
    pub evidence: &'a str,
    pub now_ms: i64,
}

/// What a plug-in makes of evidence.
#[derive(Debug, Clone, PartialEq)]
pub enum EvidenceFound {
    Accepted {
        binding: Vec<u8>,
        evidence_key: Vec<u8>,
        tier: TierName,
        facts: Map<String, Json>,
    },
    /// The rules that it breaks.
    Refused(Vec<String>),
}

/// One line of `symbolon plugin list` and of /health/details.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
pub struct PluginLine {
    pub name: String,
    pub world: String,
    /// The version of the interface.
    pub interface: String,
    pub sha256: String,
    pub calls: u64,
    pub failures: u64,
    pub mean_us: u64,
    /// Why it could not be loaded.
    pub problem: Option<String>,
}
