//! Do the clocks of the providers and of this machine agree? `symbolon check` compares the `Date` header of each provider (RFC 9110 6.6.1)
//! with the time here. ID tokens of a provider whose clock is wrong are refused now and then, and nobody sees why.

use crate::config::Config;
use crate::config::upstream::Upstream;
use crate::operations::{Finding, Review, Subject};
use crate::outgoing::{Outgoing, Target};
use crate::serve::system_clock;
use crate::upstream::discovery_address;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(5);
/// A header has whole seconds, and its way takes time.
const UNSURE_S: i64 = 2;

/// Adds what was found to the section of the issuer.
pub async fn compare(config: &Config, review: &mut Review) {
    let outgoing = Outgoing::default();
    let asked = config.upstream.iter().map(|(name, settings)| ask(name, settings, &outgoing));
    let found = futures_util::future::join_all(asked).await;
    let Some(section) = review.sections.iter_mut().find(|it| it.subject == Subject::Issuer) else { return };
    for finding in found.into_iter().flatten() {
        review.weak += usize::from(finding.weak);
        section.findings.push(finding);
    }
}

async fn ask(name: &str, settings: &Upstream, outgoing: &Outgoing) -> Option<Finding> {
    let said = |text: String| Finding { weak: false, text: format!("[upstream.{name}]: {text}"), details: Vec::new() };
    let target = Target::of_operator(&discovery_address(settings)).ok()?;
    let clock = system_clock();
    let before_ms = clock();
    let answer = match outgoing.get(&target).at_most(256 * 1024).within(WITHIN).send().await {
        Ok(answer) => answer,
        Err(why) => return Some(said(format!("its clock was not compared with the one here: {why}"))),
    };
    let header = |name: &str| answer.headers.get(name).and_then(|it| it.to_str().ok());
    let date = header("date").and_then(|it| jiff::fmt::rfc2822::parse(it).ok());
    let Some(date_s) = date.map(|it| it.timestamp().as_second()) else {
        return Some(said("its clock was not compared with the one here: its answer has no Date".to_owned()));
    };
    // RFC 9111 4.2.3: a copy that a cache kept has the time at which it was made.
    let age_s = header("age").and_then(|it| it.parse::<i64>().ok()).filter(|it| (0..=86_400 * 366).contains(it)).unwrap_or(0);
    let (before_s, after_s) = (before_ms.div_euclid(1000), clock().div_euclid(1000));
    let by_s = ahead_s(date_s.saturating_add(age_s), (before_s, after_s));
    judge(by_s, settings.clock_skew.0).map(|(weak, text)| Finding { weak, ..said(text) })
}

/// By how much a clock that showed this while the other went from one instant to the next is ahead of it.
fn ahead_s(shown_s: i64, (before_s, after_s): (i64, i64)) -> i64 {
    match shown_s {
        early if early < before_s - UNSURE_S => early - before_s,
        late if late > after_s + UNSURE_S => late - after_s,
        _ => 0,
    }
}

/// What is to say of it, and whether it is weak: beyond the tolerance sign-ins fail.
fn judge(by_s: i64, skew_s: i64) -> Option<(bool, String)> {
    let side = match by_s {
        0 => return None,
        ahead if ahead > 0 => "ahead of",
        _ => "behind",
    };
    let by_s = by_s.unsigned_abs();
    let text = format!("its clock is {by_s} s {side} the one here; clock_skew takes {skew_s} s. Set the one that is wrong");
    Some((i64::try_from(by_s).is_ok_and(|by_s| by_s > skew_s) || by_s > i64::MAX as u64, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-20: it says by how much and which side is off, and is silent about what a header cannot tell.
    #[test]
    fn a_clock_is_judged_by_the_tolerance() {
        assert_eq!(ahead_s(1000, (999, 1001)), 0);
        assert_eq!((ahead_s(997, (999, 1001)), ahead_s(1003, (999, 1001))), (0, 0), "no more than a header can tell");
        assert_eq!((ahead_s(900, (999, 1001)), ahead_s(1100, (999, 1001))), (-99, 99));
        assert_eq!(judge(0, 60), None);
        for (by_s, weak, words) in
            [(30, false, "30 s ahead of"), (-30, false, "30 s behind"), (61, true, "61 s ahead"), (-99, true, "99 s behind")]
        {
            let (is_weak, text) = judge(by_s, 60).unwrap_or_default();
            assert!(is_weak == weak && text.contains(words), "{by_s}: {text}");
        }
        assert!(judge(i64::MIN, 60).is_some_and(|it| it.0));
    }
}
