//! What a reviewer says of the operator's own programs.

use super::outcome::Finding;
use crate::config::Config;
use crate::config::plugin::{PluginSettings, PluginWorld};

pub(super) fn plugin_findings(config: &Config) -> Vec<Finding> {
    config.plugin.iter().flat_map(|(name, plugin)| of_plugin(name, plugin)).collect()
}

fn of_plugin(name: &str, plugin: &PluginSettings) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut weak = |is_weak: bool, what: &str| {
        if is_weak {
            found.push(Finding::weak(format!("[plugin.{name}]: {what}")));
        }
    };
    weak(plugin.observe, "the decision is observed only: what it denies goes on");
    weak(plugin.hosts.iter().any(|host| host.starts_with("http://")), "a host is reached without TLS; for your own machine only");
    let what = match plugin.world {
        PluginWorld::Method => "whoever controls the program or its hosts can sign in as everybody whose policy is content with it",
        PluginWorld::Decision => "whoever controls the program or its hosts can keep people out",
        PluginWorld::Evidence => "whoever controls the program or its hosts can pass anything for a genuine app, up to its tier",
        PluginWorld::Claims => "whoever controls the program or its hosts chooses the claims that plugin_claims lists",
    };
    found.push(Finding::fact(format!("[plugin.{name}]: {what}")));
    found
}
