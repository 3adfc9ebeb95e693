//! A program without plug-ins.

use super::facts::{Decided, EvidenceFound, EvidenceSituation, Loading, PluginLine, Situation, TokenSituation, Unanswered};
use crate::error::Fault;
use serde_json::{Map, Value as Json};

#[derive(Clone, Default)]
pub struct Plugins(());

impl Plugins {
    /// A configuration that names one is refused: a rule that is not asked would be no rule.
    pub fn load(loading: &Loading<'_>, _before: Option<&Self>) -> Result<Self, Fault> {
        match loading.settings.keys().next() {
            None => Ok(Self(())),
            Some(name) => {
                let why = "this program was built without plug-ins; build it with the feature `plugins`";
                Err(Fault::new(format!("[plugin.{name}]: {why}")))
            }
        }
    }

    pub fn measure(&self, _before: Option<&Self>) {}

    pub async fn decide(&self, _situation: Situation) -> Decided {
        Decided::default()
    }

    pub async fn claims(&self, _situation: TokenSituation<'_>) -> Result<Map<String, Json>, Unanswered> {
        Err("this program was built without plug-ins".to_owned().into())
    }

    pub async fn verify(&self, _situation: EvidenceSituation<'_>) -> Result<EvidenceFound, Unanswered> {
        Err("this program was built without plug-ins".to_owned().into())
    }

    pub fn list(&self) -> Vec<PluginLine> {
        Vec::new()
    }
}
