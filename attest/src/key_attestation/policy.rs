//! What a client asks of key, phone and app beyond genuine hardware. Fresh evidence and the facts that are kept of an installation are held to
//! it by one function, so that no kind of evidence escapes a rule that another is held to.

use super::{Facts, Level, patch_month};
use crate::Failed;

/// HardwareAuthenticatorType: bits.
pub const PASSWORD: i64 = 1;
pub const BIOMETRIC: i64 = 2;

/// How the hardware has to recognise the person before the key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// `BIOMETRIC`, `PASSWORD` (the phone's own), or both. A key that takes another way as well does not meet the rule.
    pub ways: i64,
    /// For how many seconds after that the key may sign; 0: the person is asked for each signature.
    pub for_s: i64,
}

impl Person {
    /// Does the hardware itself ask for the person, in one of these ways, often enough? Both as [`Properties`] have them.
    pub fn is_asked_for(&self, user_auth_type: Option<i64>, auth_timeout_s: Option<i64>) -> bool {
        let in_these_ways = user_auth_type.is_some_and(|it| it & self.ways != 0 && it & !self.ways == 0);
        in_these_ways && (0..=self.for_s).contains(&auth_timeout_s.unwrap_or(0))
    }
}

/// The rules of a client. Every one is off in [`Policy::ANY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Only keys of a secure element of its own.
    pub strongbox: bool,
    /// The key that attests must have been certified over the air, and not by the factory.
    pub remotely_provisioned: bool,
    /// Absent: the key may be used without the person.
    pub person: Option<Person>,
    /// `YYYYMM`, of the system; absent: any patch level.
    pub least_patch: Option<i64>,
    /// versionCode; absent: any version of the app.
    pub least_version: Option<i64>,
}

/// What is known of an installation, by its newest evidence or by what is kept of it. What is not known is `None`, and meets no rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Properties {
    /// The level that counts: [`Facts::level`].
    pub level: Option<Level>,
    pub remotely_provisioned: bool,
    /// The ways in which the hardware recognises the person; `None` where the key may also be used without.
    pub user_auth_type: Option<i64>,
    /// Seconds; `None` where the person is recognised for each use.
    pub auth_timeout_s: Option<i64>,
    /// As it was written; what is no month counts as not known.
    pub os_patch: Option<i64>,
    pub app_version: Option<i64>,
}

impl Facts {
    pub fn properties(&self) -> Properties {
        Properties {
            level: self.level,
            remotely_provisioned: self.remotely_provisioned,
            user_auth_type: self.user_auth_type.filter(|_| !self.no_auth_required),
            auth_timeout_s: self.auth_timeout_s,
            os_patch: self.os_patch,
            app_version: self.app_version,
        }
    }
}

impl Policy {
    pub const ANY: Self = Self { strongbox: false, remotely_provisioned: false, person: None, least_patch: None, least_version: None };

    /// Every rule that these properties break. `now_s`: seconds since the epoch.
    pub fn failed(&self, known: &Properties, now_s: i64) -> Vec<Failed> {
        let mut failed = Vec::new();
        let mut rule = |holds: bool, name: &'static str, detail: String| {
            if !holds {
                failed.push(Failed::new(name, detail));
            }
        };
        let at_least = |number: Option<i64>, least: Option<i64>| least.is_none_or(|least| number.is_some_and(|it| it >= least));
        let is_strong = !self.strongbox || known.level == Some(Level::StrongBox);
        rule(is_strong, "key_level", format!("the key counts as kept by {:?}", known.level));
        let is_provisioned = !self.remotely_provisioned || known.remotely_provisioned;
        rule(is_provisioned, "provisioning", "the factory provisioned the attesting key".to_owned());
        let asks = self.person.is_none_or(|it| it.is_asked_for(known.user_auth_type, known.auth_timeout_s));
        rule(asks, "user_auth", format!("the hardware asks for the person in the ways {:?}", known.user_auth_type));
        let patch = known.os_patch.and_then(|it| patch_month(it, now_s));
        rule(at_least(patch, self.least_patch), "patch", format!("the patch level is {:?}", known.os_patch));
        rule(at_least(known.app_version, self.least_version), "version", format!("the app has version {:?}", known.app_version));
        failed
    }
}
