//! `[login.NAME.easier.installation]`: what has to be known of the installation that asks. Pure. A rule about something unknown does
//! not hold, and neither does one about a fact of the other platform.

use super::client::ios::{BUILDS, IosBuild, is_at_least, version};
use super::docs::{Kind, Presence, Section, defaulted, optional};
use super::patch_level;
use serde::Deserialize;
use serde_json::Value as Json;
use std::fmt;
use symbolon_attest::key_attestation::patch_month;

pub(super) const SECTION: Section = Section {
    path: "login.NAME.easier.installation",
    title: "What is known of the installation",
    text: "Facts of app and device, as the attestation of this server found them ([attestation.md](attestation.md)). All that are named must be \
           known and good. A table is for one platform: write another table `easier` for the other. In a browser none of it holds.",
    presence: Presence::Absent,
    keys: &[
        optional("least_patch", Kind::Number, "any", "202601", "Android: the patch level is this month or a later one, as YYYYMM."),
        optional(
            "least_android_version",
            Kind::Number,
            "any",
            "42",
            "Android: the version of the app (versionCode) is this or a later one.",
        ),
        defaulted("strongbox", Kind::Flag, "false", "Android: the key is in a secure element of its own."),
        defaulted(
            "require_rkp",
            Kind::Flag,
            "false",
            "Android: the key that attested was provisioned remotely, and is of this phone alone.",
        ),
        optional("play_protect", Kind::Texts, "any", r#"["NO_ISSUES"]"#, "Android: Play says one of these of Play Protect."),
        optional(
            "app_access_risk",
            Kind::Texts,
            "any",
            r#"["KNOWN_INSTALLED"]"#,
            "Android: Play says nothing else of other apps that can see or control the screen.",
        ),
        optional(
            "recent_activity",
            Kind::Texts,
            "any",
            r#"["LEVEL_1"]"#,
            "Android: Play says one of these of recent requests of the device.",
        ),
        optional(
            "least_ios_version",
            Kind::Text,
            "any",
            r#""4.2""#,
            "iOS: the version of the app (CFBundleVersion) is this or a later one.",
        ),
        optional("builds", Kind::SomeOf(BUILDS), "any", r#"["app_store"]"#, "iOS: whose build of the app it is."),
        optional(
            "risk_metric_max",
            Kind::Number,
            "any",
            "20",
            "iOS: Apple's risk metric is known and not higher (`ios.receipts` of the client).",
        ),
    ],
    example: r#"
[login.shop]
require = ["password + totp", "passkey"]
[[login.shop.easier]]
require = ["password"]
tiers = ["hardware"]
[login.shop.easier.installation]
least_patch = 202601
play_protect = ["NO_ISSUES"]
"#,
};

/// What evidence said of an installation, as it is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstallationFacts {
    platform: String,
    facts: Json,
}

impl InstallationFacts {
    /// `platform`: `ios`, `android`, or a plug-in's. A patch level that is no month of the calendar is not known.
    pub fn new(platform: &str, mut facts: Json, now_s: i64) -> Self {
        let month = facts["os_patch"].as_i64().and_then(|number| patch_month(number, now_s));
        if let Some(kept) = facts.get_mut("os_patch") {
            *kept = month.into();
        }
        Self { platform: platform.to_owned(), facts }
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.facts[name].as_i64()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.facts[name].as_str()
    }

    fn is_one_of(&self, name: &str, words: &[String]) -> bool {
        self.text(name).is_some_and(|said| words.iter().any(|word| word == said))
    }

    /// Something is said, and nothing beside these words.
    fn are_all_of(&self, name: &str, words: &[String]) -> bool {
        let is_named = |said: &Json| said.as_str().is_some_and(|said| words.iter().any(|word| word == said));
        self.facts[name].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_named))
    }
}

/// Conditions about app and device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstallationRules {
    pub least_patch: Option<i64>,
    pub least_android_version: Option<i64>,
    pub strongbox: bool,
    pub require_rkp: bool,
    pub play_protect: Option<Vec<String>>,
    pub app_access_risk: Option<Vec<String>>,
    pub recent_activity: Option<Vec<String>>,
    pub least_ios_version: Option<String>,
    pub builds: Option<Vec<IosBuild>>,
    pub risk_metric_max: Option<u32>,
}

impl InstallationRules {
    /// Is all of it known, and good?
    pub fn holds(&self, known: &InstallationFacts) -> bool {
        match known.platform.as_str() {
            "android" => self.is_about_android() && !self.is_about_ios() && self.holds_on_android(known),
            "ios" => self.is_about_ios() && !self.is_about_android() && self.holds_on_ios(known),
            _ => false,
        }
    }

    fn holds_on_android(&self, known: &InstallationFacts) -> bool {
        let at_least = |name: &str, least: Option<i64>| least.is_none_or(|least| known.number(name).is_some_and(|said| said >= least));
        at_least("os_patch", self.least_patch)
            && at_least("version", self.least_android_version)
            && (!self.strongbox || known.text("level") == Some("StrongBox"))
            && (!self.require_rkp || known.facts["remotely_provisioned"] == true)
            && self.play_protect.as_ref().is_none_or(|words| known.is_one_of("play_protect", words))
            && self.app_access_risk.as_ref().is_none_or(|words| known.are_all_of("app_access_risk", words))
            && self.recent_activity.as_ref().is_none_or(|words| known.is_one_of("recent_activity", words))
    }

    fn holds_on_ios(&self, known: &InstallationFacts) -> bool {
        let is_recent = |least: &String| known.text("bundle_version").is_some_and(|said| is_at_least(said, least));
        let is_of = |kinds: &Vec<IosBuild>| known.text("build").is_some_and(|said| kinds.iter().any(|kind| kind.as_str() == said));
        let is_low = |most: u32| known.facts["risk_metric"].as_u64().is_some_and(|said| said <= u64::from(most));
        self.least_ios_version.as_ref().is_none_or(is_recent)
            && self.builds.as_ref().is_none_or(is_of)
            && self.risk_metric_max.is_none_or(is_low)
    }

    fn is_about_android(&self) -> bool {
        let says = self.play_protect.is_some() || self.app_access_risk.is_some() || self.recent_activity.is_some();
        says || self.least_patch.is_some() || self.least_android_version.is_some() || self.strongbox || self.require_rkp
    }

    fn is_about_ios(&self) -> bool {
        self.least_ios_version.is_some() || self.builds.is_some() || self.risk_metric_max.is_some()
    }

    /// What cannot be meant, for the operator.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        match (self.is_about_android(), self.is_about_ios()) {
            (false, false) => found.push("easier: installation names no fact".to_owned()),
            (true, true) => {
                let why = "easier: installation names facts of Android and of iOS: it would never hold; write one table easier for each";
                found.push(why.to_owned());
            }
            _ => {}
        }
        found.extend(patch_level::problem(self.least_patch).map(|why| format!("easier: installation.{why}")));
        if self.least_ios_version.as_ref().is_some_and(|text| version(text).is_none()) {
            found.push("easier: installation.least_ios_version: numbers with dots between them, such as 42 or 4.2.1".to_owned());
        }
        let lists =
            [("play_protect", &self.play_protect), ("app_access_risk", &self.app_access_risk), ("recent_activity", &self.recent_activity)];
        let mut empty: Vec<&str> =
            lists.iter().filter(|(_, list)| list.as_ref().is_some_and(Vec::is_empty)).map(|(name, _)| *name).collect();
        empty.extend(self.builds.as_ref().is_some_and(Vec::is_empty).then_some("builds"));
        found.extend(empty.into_iter().map(|name| format!("easier: installation.{name} is empty: it would never hold")));
        found
    }
}

/// For the review of a configuration.
impl fmt::Display for InstallationRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |name: &str, words: &Option<Vec<String>>| words.as_ref().map(|words| format!("{name} {}", words.join(" or ")));
        let builds = self.builds.as_ref().map(|all| all.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" or "));
        let all = [
            self.least_patch.map(|number| format!("patch level {number} or later")),
            self.least_android_version.map(|number| format!("Android version {number} or later")),
            self.strongbox.then(|| "StrongBox".to_owned()),
            self.require_rkp.then(|| "a key provisioned remotely".to_owned()),
            words("play_protect", &self.play_protect),
            words("app_access_risk", &self.app_access_risk),
            words("recent_activity", &self.recent_activity),
            self.least_ios_version.as_ref().map(|text| format!("iOS version {text} or later")),
            builds.map(|builds| format!("build {builds}")),
            self.risk_metric_max.map(|most| format!("risk metric at most {most}")),
        ];
        f.write_str(&all.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    /// The first of March 2026.
    const NOW_S: i64 = 1_772_323_200;

    fn rules(text: &str) -> InstallationRules {
        toml::from_str(text).unwrap()
    }

    /// Each line: the rule, a fact that meets it, and one that just does not.
    #[test]
    fn each_fact_counts_only_where_it_is_known_and_good() {
        let table = [
            ("least_patch = 202601", "android", json!({ "os_patch": 202601 }), json!({ "os_patch": 202512 })),
            ("least_patch = 202601", "android", json!({ "os_patch": 202602 }), json!({ "os_patch": 99_999_999 })),
            ("least_patch = 202601", "android", json!({ "os_patch": 202603 }), json!({ "os_patch": "202603" })),
            ("least_android_version = 42", "android", json!({ "version": 42 }), json!({ "version": 41 })),
            ("strongbox = true", "android", json!({ "level": "StrongBox" }), json!({ "level": "TrustedEnvironment" })),
            ("require_rkp = true", "android", json!({ "remotely_provisioned": true }), json!({ "remotely_provisioned": "true" })),
            ("play_protect = [\"NO_ISSUES\"]", "android", json!({ "play_protect": "NO_ISSUES" }), json!({ "play_protect": "NO_DATA" })),
            (
                "app_access_risk = [\"KNOWN_INSTALLED\"]",
                "android",
                json!({ "app_access_risk": ["KNOWN_INSTALLED"] }),
                json!({ "app_access_risk": ["KNOWN_INSTALLED", "UNKNOWN_CAPTURING"] }),
            ),
            (
                "app_access_risk = [\"KNOWN_INSTALLED\"]",
                "android",
                json!({ "app_access_risk": ["KNOWN_INSTALLED"] }),
                json!({ "app_access_risk": [] }),
            ),
            (
                "recent_activity = [\"LEVEL_1\", \"LEVEL_2\"]",
                "android",
                json!({ "recent_activity": "LEVEL_2" }),
                json!({ "recent_activity": "LEVEL_3" }),
            ),
            ("least_ios_version = \"4.2\"", "ios", json!({ "bundle_version": "4.10" }), json!({ "bundle_version": "4.1.9" })),
            ("builds = [\"app_store\"]", "ios", json!({ "build": "app_store" }), json!({ "build": "unsaid" })),
            ("risk_metric_max = 20", "ios", json!({ "risk_metric": 20 }), json!({ "risk_metric": 21 })),
            ("risk_metric_max = 20", "ios", json!({ "risk_metric": 0 }), json!({ "risk_metric": null })),
            ("risk_metric_max = 20", "ios", json!({ "risk_metric": 1 }), json!({ "risk_metric": -1 })),
        ];
        for (text, platform, good, bad) in table {
            let rule = rules(text);
            assert_eq!(rule.problems(), Vec::<String>::new(), "{text}");
            let holds = |platform: &str, facts: &Json| rule.holds(&InstallationFacts::new(platform, facts.clone(), NOW_S));
            assert!(holds(platform, &good), "{text} {good}");
            assert!(!holds(platform, &bad), "{text} {bad}");
            assert!(!holds(platform, &json!({})), "{text}: nothing is known");
            assert!(!holds(platform, &Json::Null), "{text}: nothing at all");
            for other in ["ios", "android", "plugin:windows", ""].into_iter().filter(|other| *other != platform) {
                assert!(!holds(other, &good), "{text} on {other}");
            }
            assert!(!rule.to_string().is_empty(), "{text}");
        }
    }

    #[test]
    fn all_facts_of_a_table_must_be_good() {
        let rule = rules("least_patch = 202601\nplay_protect = [\"NO_ISSUES\"]");
        let holds = |facts: Json| rule.holds(&InstallationFacts::new("android", facts, NOW_S));
        assert!(holds(json!({ "os_patch": 202602, "play_protect": "NO_ISSUES" })));
        assert!(!holds(json!({ "os_patch": 202602 })));
        assert!(!holds(json!({ "play_protect": "NO_ISSUES" })));
        assert!(!InstallationRules::default().holds(&InstallationFacts::new("android", json!({}), NOW_S)), "nothing is named");
    }

    #[test]
    fn a_table_that_can_never_hold_is_an_error() {
        for (text, why) in [
            ("", "names no fact"),
            ("strongbox = false", "names no fact"),
            ("least_patch = 202601\nrisk_metric_max = 3", "Android and of iOS"),
            ("least_patch = 2026", "is a month"),
            ("least_patch = 202613", "is a month"),
            ("least_patch = 999912", "is a month"),
            ("least_ios_version = \"4.x\"", "numbers with dots"),
            ("play_protect = []", "play_protect is empty"),
            ("builds = []", "builds is empty"),
        ] {
            assert!(rules(text).problems().iter().any(|it| it.contains(why)), "{text}: {:?}", rules(text).problems());
        }
    }
}
