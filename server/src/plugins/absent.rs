//! A program without plug-ins.

use super::facts::{Decided, PluginLine, Situation, TokenSituation};
use crate::config::plugin::PluginSettings;
use crate::error::{Fault, Result};
use crate::outgoing::Outgoing;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Clone, Default)]
pub struct Plugins(());

impl Plugins {
    /// A configuration that names one is refused: a rule that is not asked would be no rule.
    pub fn load(
        all: &BTreeMap<String, PluginSettings>,
        _base: &Path,
        _outgoing: &Outgoing,
        _before: Option<&Self>,
    ) -> std::result::Result<Self, Fault> {
        match all.keys().next() {
            None => Ok(Self(())),
            Some(name) => {
                let why = "this program was built without plug-ins; build it with the feature `plugins`";
                Err(Fault::new(format!("[plugin.{name}]: {why}")))
            }
        }
    }

    pub async fn decide(&self, _situation: Situation) -> Decided {
        Decided::default()
    }

    pub async fn claims(&self, _situation: TokenSituation<'_>) -> Result<Map<String, Json>> {
        Err(Fault::new("this program was built without plug-ins").into())
    }

    pub fn list(&self) -> Vec<PluginLine> {
        Vec::new()
    }
}
