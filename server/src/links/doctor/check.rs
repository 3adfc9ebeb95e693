//! What the doctor looks for, and how it says what it found.

use crate::config::{Config, NamedClient, NativeApp};
use crate::links::files::{self, Platform};
use serde::Serialize;

/// Characters of a text.
const LONGEST: usize = 2000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    Warning,
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub level: Level,
    pub code: &'static str,
    pub host: Option<String>,
    pub platform: Option<&'static str>,
    pub client: Option<String>,
    pub text: String,
    /// What to do.
    pub next: Option<String>,
}

/// Names of a fetched file may be as long as the file.
fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl Check {
    pub fn new(level: Level, code: &'static str, text: impl Into<String>) -> Self {
        Self { level, code, host: None, platform: None, client: None, text: short(text.into()), next: None }
    }

    pub fn fault(code: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { next: Some(short(next.into())), ..Self::new(Level::Fault, code, text) }
    }

    pub fn warning(code: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { next: Some(short(next.into())), ..Self::new(Level::Warning, code, text) }
    }

    pub(super) fn at(mut self, host: &str, platform: Platform) -> Self {
        self.host = Some(host.to_owned());
        self.platform = Some(name_of(platform));
        self
    }

    pub(super) fn of(mut self, client: &str) -> Self {
        self.client = Some(client.to_owned());
        self
    }
}

pub fn name_of(platform: Platform) -> &'static str {
    match platform {
        Platform::Android => "android",
        Platform::Apple => "ios",
    }
}

/// What a host has to say of one client's app.
pub struct Expected<'a> {
    pub client_id: &'a str,
    pub app: &'a NativeApp,
    /// Paths that open the app. Empty on the issuer's host, whose files are about credentials.
    pub paths: Vec<String>,
    /// May the host name the app under `webcredentials`?
    pub shares: bool,
}

impl<'a> Expected<'a> {
    /// `None`: the client has no app.
    pub(super) fn of(config: &Config, host: &str, named: NamedClient<'a>, paths: Vec<String>) -> Option<Self> {
        let NamedClient { client_id, client } = named;
        Some(Self { client_id, app: client.app.as_ref()?, paths, shares: files::may_share(config, host, client) })
    }
    pub(super) fn is_on(&self, platform: Platform) -> bool {
        match platform {
            Platform::Android => !self.app.android.is_empty(),
            Platform::Apple => !self.app.ios.is_empty() || !self.app.app_clips.is_empty(),
        }
    }
}
