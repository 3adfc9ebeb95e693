//! A patch level in the configuration: `least_patch` of an app, of a tier and of `easier`.

use symbolon_attest::key_attestation::patch_month;

/// Android has had patch levels since 2015. An earlier month asks for nothing.
const FIRST: i64 = 201_501;

/// What is wrong with `least_patch`. A level that no phone can have would keep everybody out.
pub(super) fn problem(least: Option<i64>) -> Option<&'static str> {
    let is_month = |number: &i64| *number >= FIRST && patch_month(*number, now_s()).is_some();
    least.filter(|number| !is_month(number)).map(|_| "least_patch is a month, such as 202601, at most a year ahead")
}

#[expect(clippy::disallowed_methods, reason = "a configuration is judged at the moment at which it is read")]
fn now_s() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_1970.ok().and_then(|it| i64::try_from(it.as_secs()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_patch_level_is_a_month() {
        for good in [None, Some(201_509), Some(202_512), Some(202_601)] {
            assert_eq!(problem(good), None, "{good:?}");
        }
        for bad in [-202_601, 0, 2026, 102_601, 200_801, 202_600, 202_613, 20_260_105, 209_912, 999_912, 99_999_999, i64::MAX] {
            assert!(problem(Some(bad)).is_some(), "{bad}");
        }
    }
}
