//! The plug-ins of the configuration, and how their calls went in this process.

use super::context::Context;
use super::operation::PluginOperation;
use super::outcome::{Outcome, PluginPage};
use super::paging::cut_page;
use super::problem::Result;
use crate::config::plugin::PluginWorld;
use crate::plugins::PluginLine;
use std::collections::BTreeMap;

pub(super) fn run(context: &Context, operation: PluginOperation) -> Result<Outcome> {
    let PluginOperation::List { paging } = operation;
    let (size, after) = (paging.size()?, paging.after());
    let running: BTreeMap<String, PluginLine> = context.plugins.list().into_iter().map(|line| (line.name.clone(), line)).collect();
    let idle = |name: &String, world: PluginWorld, sha256: &String| PluginLine {
        name: name.clone(),
        world: world.as_str().to_owned(),
        interface: String::new(),
        sha256: sha256.clone(),
        calls: 0,
        failures: 0,
        mean_us: 0,
        problem: None,
    };
    let named = context.config.plugin.iter().filter(|(name, _)| name.as_str() > after);
    let line = |(name, plugin): (&String, &crate::config::plugin::PluginSettings)| {
        running.get(name).cloned().unwrap_or_else(|| idle(name, plugin.world, &plugin.sha256))
    };
    let mut plugins: Vec<PluginLine> = named.map(line).collect();
    let next = cut_page(&mut plugins, size, |line| line.name.clone());
    Ok(Outcome::Plugins(PluginPage { plugins, next }))
}
