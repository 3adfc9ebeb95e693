//! `[plugin.NAME]`: programs of the operator's own, in a sandbox.

use super::client::tier::TierName;
use super::docs::{Key, Kind, Presence, Section, defaulted, optional, required};
use super::secret::SecretSource;
use super::span::Span;
use super::upstream::words::Newcomers;
use super::url::read_url;
use crate::login::proof::{Factor, MethodName, Worth};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) const SECTION: Section = Section {
    path: "plugin.NAME",
    title: "Plug-ins",
    text: "A WebAssembly component that decides, adds claims, or is a way to sign in. It runs in a sandbox and can do nothing but answer, \
           and call the hosts that are listed here. [plugins.md](plugins.md) shows how to write one.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[plugin.branch-visit]
file = "branch-visit.wasm"
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
world = "method"
label = "a number from the branch"
claims = ["customer_id"]
effects = ["audit", "once"]
factor = "possession"
hosts = ["https://branches.bank.example"]
config = { service = "https://branches.bank.example" }

[plugin.branch-visit.headers."https://branches.bank.example"]
name = "authorization"
prefix = "Bearer "
secret = { file = "branches.secret" }
"#,
};

const KEYS: &[Key] = &[
    required("file", Kind::Path, r#""branch-visit.wasm""#, "The component. A relative path begins at the configuration's directory."),
    required(
        "sha256",
        Kind::Text,
        r#""9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08""#,
        "The file's digest in hexadecimal, as `symbolon plugin check` prints it. Another file is refused.",
    ),
    required(
        "world",
        Kind::OneOf(&["method", "decision", "claims", "evidence"]),
        r#""method""#,
        "What it is for. `method`: a login policy names it `plugin:NAME`. `decision`: it is asked at the moments of `at`. `claims`: an API \
         names it in `claims_plugin`. `evidence`: an attested client names it in `attestation.plugins`.",
    ),
    defaulted("config", Kind::Table("Names with texts"), "{}", "What the plug-in may read with `config`. No secrets."),
    defaulted(
        "hosts",
        Kind::Texts,
        "[]",
        "Where it may send HTTP requests: scheme, host and port, no path. Without any it reaches nobody. Redirects are not followed.",
    ),
    defaulted(
        "headers",
        Kind::Table("Hosts with `name`, `prefix` and `secret`"),
        "{}",
        "A header with a secret that is added to each request to a host. The plug-in itself never sees it.",
    ),
    defaulted(
        "effects",
        Kind::SomeOf(&["audit", "once", "link", "remove", "letter", "raise", "leave"]),
        "[]",
        "What a method may want done. `audit`: entries of its own. `once`: values that work once in a day. `link`: its own name for a person \
         who is proved otherwise leads to the account from then on. `remove`: such a name leads to it no longer. `letter`: a letter of `letters` to the person's proved address. \
         `raise`: codes that were mailed and sign-ins under way are void. `leave`: the browser goes on at one of `hosts`, and comes back.",
    ),
    defaulted(
        "letters",
        Kind::Texts,
        "[]",
        "Letters that it may send. `notice` is made of your own messages `mail-plugin-notice-subject` and `mail-plugin-notice-body` \
         ([branding.md](branding.md)).",
    ),
    defaulted(
        "accounts",
        Kind::OneOf(&["invited", "create"]),
        r#""invited""#,
        "With `asks_who`: what happens when it names somebody whom no account is linked to. `invited`: the page says so. `create`: a new \
         account is made, linked to that name.",
    ),
    optional("label", Kind::Text, "the plug-in's name", r#""a number from the branch""#, "What people read on the button of a method."),
    defaulted(
        "claims",
        Kind::Texts,
        "[]",
        "Claims of the account that a method is told. A claims plug-in is told what the token says so far.",
    ),
    defaulted(
        "asks_who",
        Kind::Flag,
        "false",
        "The method finds out by itself who somebody is, and answers with its own name for the person. Without it the person's login name is \
         asked first.",
    ),
    optional(
        "factor",
        Kind::OneOf(&["knowledge", "possession"]),
        "its proofs are no second factor",
        r#""possession""#,
        "What a method's proof rests on. Two factors of different kinds give `mfa`.",
    ),
    optional("amr", Kind::Text, "tokens have no word for it", r#""otp""#, "What `amr` of tokens says of a method's proof (RFC 8176)."),
    defaulted(
        "at",
        Kind::SomeOf(&["sign-in", "token", "refresh"]),
        "[]",
        "When a decision is asked: when a sign-in is completed, when a code becomes tokens, at a refresh.",
    ),
    optional(
        "tier",
        Kind::OneOf(&["software", "hardware_claimed", "hardware"]),
        "required of `evidence`",
        r#""hardware_claimed""#,
        "The highest tier that its evidence can prove. Whatever it says beyond that counts as this one.",
    ),
    defaulted("clients", Kind::Texts, "[]", "For which clients a decision is asked. Empty: for all."),
    defaulted(
        "observe",
        Kind::Flag,
        "false",
        "A decision is asked and written to the audit, and changes nothing. A failure changes nothing either. A request waits for it one second at most.",
    ),
    defaulted(
        "optional",
        Kind::Flag,
        "false",
        "The server starts although the plug-in cannot be loaded. What needs it is refused then, and `/health/details` names it.",
    ),
    defaulted("memory", Kind::Number, "64", "MiB of memory that one call may use, at most 1024."),
    defaulted("time", Kind::Time, r#""2s""#, "How long one call may take, with all that it waits for, at most `30s`."),
    defaulted("instances", Kind::Number, "4", "Calls that run at the same time. Others wait, within their time."),
    defaulted("sends", Kind::Number, "5", "HTTP requests of one call."),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginWorld {
    Method,
    Decision,
    Claims,
    Evidence,
}

impl PluginWorld {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Decision => "decision",
            Self::Claims => "claims",
            Self::Evidence => "evidence",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginEffect {
    Audit,
    Once,
    Link,
    Remove,
    Letter,
    Raise,
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    SignIn,
    Token,
    Refresh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginFactor {
    Knowledge,
    Possession,
}

impl PluginFactor {
    pub fn factor(self) -> Factor {
        match self {
            Self::Knowledge => Factor::Knowledge,
            Self::Possession => Factor::Possession,
        }
    }
}

/// Is it a word that a configuration may put into `amr` (RFC 8176)?
pub(super) fn is_amr(word: &str) -> bool {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    (1..=32).contains(&word.len()) && is_plain && word != "mfa"
}

/// What evidence can prove: everything but nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceTier {
    Software,
    HardwareClaimed,
    Hardware,
}

impl From<EvidenceTier> for TierName {
    fn from(tier: EvidenceTier) -> Self {
        match tier {
            EvidenceTier::Software => Self::Software,
            EvidenceTier::HardwareClaimed => Self::HardwareClaimed,
            EvidenceTier::Hardware => Self::Hardware,
        }
    }
}

/// A header with a secret, for one host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretHeader {
    pub name: String,
    #[serde(default)]
    pub prefix: String,
    pub secret: SecretSource,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSettings {
    pub file: PathBuf,
    pub sha256: String,
    pub world: PluginWorld,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, SecretHeader>,
    #[serde(default)]
    pub effects: Vec<PluginEffect>,
    #[serde(default)]
    pub letters: Vec<String>,
    #[serde(default)]
    pub accounts: Newcomers,
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default)]
    pub claims: Vec<String>,
    #[serde(default)]
    pub asks_who: bool,
    #[serde(default)]
    pub factor: Option<PluginFactor>,
    #[serde(default)]
    pub amr: Option<String>,
    #[serde(default)]
    pub at: Vec<Moment>,
    #[serde(default)]
    pub tier: Option<EvidenceTier>,
    #[serde(default)]
    pub clients: Vec<String>,
    #[serde(default)]
    pub observe: bool,
    #[serde(default)]
    pub optional: bool,
    #[serde(default = "memory")]
    pub memory: usize,
    #[serde(default = "time")]
    pub time: Span,
    #[serde(default = "instances")]
    pub instances: usize,
    #[serde(default = "sends")]
    pub sends: u32,
}

fn memory() -> usize {
    64
}

fn time() -> Span {
    Span(2)
}

fn instances() -> usize {
    4
}

fn sends() -> u32 {
    5
}

impl PluginSettings {
    pub fn may(&self, effect: PluginEffect) -> bool {
        self.effects.contains(&effect)
    }

    pub fn is_asked(&self, moment: Moment, client: &str) -> bool {
        let of_client = self.clients.is_empty() || self.clients.iter().any(|listed| listed == client);
        self.world == PluginWorld::Decision && self.at.contains(&moment) && of_client
    }

    pub fn factor(&self) -> Option<Factor> {
        self.factor.map(PluginFactor::factor)
    }

    fn problems(&self, name: &str, clients: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let (is_method, is_decision) = (self.world == PluginWorld::Method, self.world == PluginWorld::Decision);
        let mut rule = |is_broken: bool, what: &str| {
            if is_broken {
                found.push(format!("[plugin.{name}]: {what}"));
            }
        };
        rule(!(1..=32).contains(&name.len()) || !name.bytes().all(is_plain), "the name has 1 to 32 lower-case letters, digits and dashes");
        let is_digest = self.sha256.len() == 64 && self.sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        rule(!is_digest, "sha256 is 64 lower-case hexadecimal digits; `symbolon plugin check` prints them");
        rule(!self.hosts.iter().all(|host| is_origin(host)), "hosts lists addresses such as https://service.example, without a path");
        rule(!self.headers.keys().all(|host| self.hosts.contains(host)), "headers names a host that hosts does not list");
        rule(!self.headers.values().all(SecretHeader::is_good), "a header has a name such as authorization, and a prefix of visible ASCII");
        rule(self.label.as_ref().is_some_and(|label| label.trim().is_empty() || label.len() > 80), "label has at most 80 bytes");
        rule(self.amr.as_ref().is_some_and(|amr| !is_amr(amr)), "amr is a word such as otp; mfa follows from two factors");
        rule(is_decision && self.at.is_empty(), "at is empty: the decision would never be asked");
        rule(
            !is_decision && (!self.at.is_empty() || !self.clients.is_empty() || self.observe),
            "at, clients and observe are for decisions",
        );
        let of_method = self.asks_who || self.factor.is_some() || self.amr.is_some() || self.label.is_some();
        rule(!is_method && of_method, "asks_who, factor, amr and label are for methods");
        rule(!is_method && (!self.effects.is_empty() || !self.claims.is_empty()), "effects and claims are for methods");
        rule(self.accounts == Newcomers::Create && !self.asks_who, "accounts = \"create\" is for methods with asks_who");
        rule(
            self.may(PluginEffect::Leave) && self.hosts.is_empty(),
            "effects lists leave, and hosts is empty: nobody could be led anywhere",
        );
        let is_template =
            |name: &String| (1..=32).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_lowercase() || b"_-".contains(&it));
        rule(!self.letters.iter().all(is_template), "letters are lower-case words, such as notice");
        rule(self.may(PluginEffect::Letter) == self.letters.is_empty(), "effects lists letter, and letters says which: both or neither");
        let is_evidence = self.world == PluginWorld::Evidence;
        rule(
            is_evidence && self.tier.is_none(),
            "tier says the highest tier that its evidence can prove: software, hardware_claimed or hardware",
        );
        rule(!is_evidence && self.tier.is_some(), "tier is for evidence");
        rule(!(1..=1024).contains(&self.memory), "memory is 1 to 1024 MiB");
        rule(!(1..=30).contains(&self.time.0), "time is 1s to 30s");
        rule(!(1..=64).contains(&self.instances), "instances is 1 to 64");
        rule(self.sends > 50, "sends is at most 50");
        rule(self.clients.iter().any(|client| !clients(client)), "clients names a client that there is not");
        found
    }
}

impl SecretHeader {
    fn is_good(&self) -> bool {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let kept = ["host", "content-length", "transfer-encoding", "connection"];
        let has_name = !self.name.is_empty() && self.name.bytes().all(is_token) && !kept.contains(&self.name.to_ascii_lowercase().as_str());
        has_name && self.prefix.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    }
}

/// Scheme, host and port as they are compared, and nothing else.
fn is_origin(text: &str) -> bool {
    read_url(text).is_some_and(|url| matches!(url.scheme(), "https" | "http") && url.origin().ascii_serialization() == text)
}

/// What the proofs of methods are worth, for policies.
pub(super) fn worth(all: &BTreeMap<String, PluginSettings>) -> BTreeMap<MethodName, Worth> {
    let methods = all.iter().filter(|(_, plugin)| plugin.world == PluginWorld::Method);
    let worth = |plugin: &PluginSettings| Worth { amr: plugin.amr.clone(), factor: plugin.factor(), needs_none: !plugin.asks_who };
    methods.map(|(name, plugin)| (MethodName::plugin(name), worth(plugin))).collect()
}

/// MiB that all plug-ins together may use.
const MOST_MEMORY: usize = 16 << 10;

pub(super) fn problems(all: &BTreeMap<String, PluginSettings>, clients: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found: Vec<String> = all.iter().flat_map(|(name, plugin)| plugin.problems(name, clients)).collect();
    let memory: usize = all.values().map(|plugin| plugin.instances.saturating_mul(plugin.memory)).fold(0, usize::saturating_add);
    if memory > MOST_MEMORY {
        let what = "instances times memory, of all plug-ins together, is";
        found.push(format!("[plugin]: {what} {memory} MiB, and at most {MOST_MEMORY} MiB"));
    }
    found
}

/// The plug-ins by name, and the directory of compiled files.
pub type Configured<'a> = (&'a BTreeMap<String, PluginSettings>, Option<&'a PathBuf>);

#[cfg(feature = "plugins")]
#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn read(name: &str, world: &str, more: &str) -> Result<Config, String> {
        let text = format!(
            "issuer = \"https://a.example\"\n[plugin.\"{name}\"]\nfile = \"x.wasm\"\nsha256 = \"{DIGEST}\"\nworld = \"{world}\"\n{more}"
        );
        Config::from_text(&text, "x", &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plug_in_that_cannot_be_meant_is_an_error_with_its_place() {
        for (name, world, more, why) in [
            ("Branch", "method", "", "lower-case letters"),
            ("a", "proof", "", "unknown variant"),
            ("a", "evidence", "", "tier says the highest"),
            ("a", "evidence", "tier = \"none\"", "unknown variant"),
            ("a", "evidence", "tier = \"hardware\"\neffects = [\"once\"]", "are for methods"),
            ("a", "claims", "tier = \"hardware\"", "tier is for evidence"),
            ("a", "decision", "", "at is empty"),
            ("a", "decision", "at = [\"never\"]", "unknown variant"),
            ("a", "decision", "at = [\"token\"]\nclients = [\"nobody\"]", "a client that there is not"),
            ("a", "decision", "at = [\"token\"]\nfactor = \"possession\"", "are for methods"),
            ("a", "method", "at = [\"token\"]", "are for decisions"),
            ("a", "method", "amr = \"mfa\"", "mfa follows"),
            ("a", "method", "hosts = [\"https://a.example/path\"]", "without a path"),
            ("a", "method", "hosts = [\"https://user@a.example\"]", "without a path"),
            ("a", "method", "hosts = [\"*\"]", "without a path"),
            ("a", "method", "memory = 0", "1 to 1024 MiB"),
            ("a", "method", "time = \"1h\"", "1s to 30s"),
            ("a", "method", "headers = { \"https://a.example\" = { name = \"x\", secret = { env = \"X\" } } }", "hosts does not list"),
            ("a", "claims", "effects = [\"once\"]", "are for methods"),
            ("a", "method", "accounts = \"create\"", "with asks_who"),
            ("a", "method", "effects = [\"leave\"]", "hosts is empty"),
            ("a", "method", "effects = [\"letter\"]", "both or neither"),
            ("a", "method", "letters = [\"notice\"]", "both or neither"),
            ("a", "method", "effects = [\"letter\"]\nletters = [\"No Tice\"]", "lower-case words"),
        ] {
            let error = read(name, world, more).unwrap_err();
            assert!(error.contains(why), "{name} {more}: {error}");
        }
        assert!(read("a", "method", "hosts = [\"https://a.example\"]\nfactor = \"possession\"\namr = \"otp\"").is_ok(), "the twin");
        assert!(read("a", "decision", "at = [\"token\", \"refresh\"]").is_ok(), "the twin");
        assert!(read("a", "evidence", "tier = \"hardware\"").is_ok(), "the twin");
    }

    /// P-03: what may run at the same time fits into a machine.
    #[test]
    fn the_memory_of_all_plug_ins_together_is_bounded() {
        let other = format!("[plugin.b]\nfile = \"x.wasm\"\nsha256 = \"{DIGEST}\"\nworld = \"claims\"\nmemory = 1024\ninstances = 12");
        let both = |instances: usize| read("a", "method", &format!("memory = 1024\ninstances = {instances}\n{other}"));
        let error = both(5).unwrap_err();
        assert!(error.contains("of all plug-ins together, is 17408 MiB, and at most 16384 MiB"), "{error}");
        assert!(both(4).is_ok(), "the twin");
    }

    #[test]
    fn a_policy_and_an_api_name_plug_ins_that_there_are() {
        let login = |word: &str| read("a", "method", &format!("[login.x]\nrequire = [\"{word}\"]"));
        assert!(login("plugin:a").is_ok());
        assert!(login("plugin:b").unwrap_err().contains("there is no [plugin.b] of the world method"));
        let api = |world: &str, more: &str| read("a", world, &format!("[api.o]\naudience = \"https://o.example\"\n{more}"));
        assert!(api("claims", "claims_plugin = \"a\"\nplugin_claims = [\"plan\"]").is_ok());
        assert!(
            api("method", "claims_plugin = \"a\"\nplugin_claims = [\"plan\"]").unwrap_err().contains("no [plugin.a] of the world claims")
        );
        assert!(api("claims", "claims_plugin = \"a\"").unwrap_err().contains("plugin_claims is empty"));
        for reserved in ["sub", "cnf", "scope", "tier", "act"] {
            let error = api("claims", &format!("claims_plugin = \"a\"\nplugin_claims = [\"{reserved}\"]")).unwrap_err();
            assert!(error.contains("belongs to the protocol"), "{reserved}: {error}");
        }
    }

    #[test]
    fn a_decision_is_asked_for_its_clients_at_its_moments() {
        let config = read("a", "decision", "at = [\"refresh\"]").unwrap();
        let all = &config.plugin["a"];
        assert!(all.is_asked(Moment::Refresh, "any") && !all.is_asked(Moment::Token, "any") && !all.is_asked(Moment::SignIn, "any"));
        let one = PluginSettings { clients: vec!["shop".to_owned()], ..all.clone() };
        assert!(one.is_asked(Moment::Refresh, "shop") && !one.is_asked(Moment::Refresh, "other"));
    }
}
