//! What a credential counts for. One that was added counts for no more than the proofs it was added with, until it is confirmed. An
//! operator confirms it, or it is confirmed because nobody stopped it after the person was told (431-U, 361-Z). Pure.

use super::enrolment::{Fact, Means, New, Waiting};
use super::policy::{self, Conditions, Next, Policy, Satisfied};
use super::proof::{MethodName, Proof};

/// How long a means waits, by the present configuration.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub now_ms: i64,
    pub wait_ms: i64,
}

impl Patience {
    /// From when on it counts in full. None: not until an operator says so, or a letter that is under way has left.
    pub fn counts_from_ms(&self, waiting: &Waiting) -> Option<i64> {
        (waiting.told_ms > 0 && waiting.letters == 0).then(|| waiting.told_ms.saturating_add(self.wait_ms))
    }

    /// The same for a page: what is to be expected while a letter is under way.
    pub fn expected_from_ms(&self, waiting: &Waiting) -> Option<i64> {
        if waiting.letters > 0 { Some(self.now_ms.saturating_add(self.wait_ms)) } else { self.counts_from_ms(waiting) }
    }

    pub fn is_over(&self, waiting: &Waiting) -> bool {
        self.counts_from_ms(waiting).is_some_and(|from_ms| from_ms <= self.now_ms)
    }
}

/// The account's side of the scales.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    pub waiting: &'a [Waiting],
    pub patience: Patience,
}

impl<'a> Standing<'a> {
    /// The enrolment that keeps a proof from counting in full.
    fn holds_back(&self, proof: &Proof) -> Option<&'a Waiting> {
        self.waiting.iter().find(|one| one.means.proves(proof) && !self.patience.is_over(one))
    }

    pub fn counts_in_full(&self, proof: &Proof) -> bool {
        self.holds_back(proof).is_none()
    }

    /// What a proof counts for: itself, or what its credential was enrolled with.
    pub fn counts_as(&self, proof: &Proof) -> Vec<Proof> {
        match self.holds_back(proof) {
            None => vec![proof.clone()],
            Some(waiting) => waiting.enrolled_with.iter().map(|fact| fact.as_proof(proof)).collect(),
        }
    }

    pub fn count_all(&self, proofs: &[Proof]) -> Vec<Proof> {
        proofs.iter().flat_map(|proof| self.counts_as(proof)).collect()
    }

    /// What an account's page tells of: means that do not count in full yet, oldest first, and whoever says that all is lost.
    pub fn still_waiting(&self) -> Vec<&'a Waiting> {
        let is_told = |one: &&Waiting| one.means == Means::Regain || !self.patience.is_over(one);
        let mut found: Vec<&Waiting> = self.waiting.iter().filter(is_told).collect();
        found.sort_by_key(|one| one.enrolled_ms);
        found
    }

    /// The means among these proofs that wait.
    pub fn held_back(&self, proofs: &[Proof]) -> Vec<&'a Waiting> {
        proofs.iter().filter_map(|proof| self.holds_back(proof)).collect()
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Weighed {
    Satisfied(Satisfied),
    Ask(MethodName),
    /// All that is asked for was proved, with something that does not count in full. From when on it probably does; None: only when it
    /// is confirmed.
    Wait(Option<i64>),
}

/// What is missing for a policy. A chain must be whole by the proofs as they are, and one by what they count for. `has`: can the person
/// use the method?
pub fn weigh(
    policy: &Policy,
    conditions: &Conditions<'_>,
    (proofs, standing): (&[Proof], &Standing<'_>),
    has: impl Fn(&MethodName) -> bool,
) -> Option<Weighed> {
    let formal = match policy::next(policy, conditions, proofs)? {
        Next::Ask(method) => return Some(Weighed::Ask(method)),
        Next::Satisfied(satisfied) => satisfied,
    };
    let held_back = standing.held_back(proofs);
    if held_back.is_empty() {
        return Some(Weighed::Satisfied(formal));
    }
    let counted = standing.count_all(proofs);
    if let Next::Satisfied(real) = policy::next(policy, conditions, &counted)? {
        let confirmed = proofs.iter().filter(|proof| conditions.is_fresh(proof) && standing.counts_in_full(proof));
        return Some(Weighed::Satisfied(lesser(formal, &real, &policy::words(policy, confirmed))));
    }
    // Another chain may still become whole, by what the person has and has not shown yet.
    let is_open = |chain: &&Vec<MethodName>| {
        let missing = conditions.missing(&counted, chain);
        missing.iter().all(|method| has(method) && !proofs.iter().any(|proof| proof.method == **method))
    };
    let only_open = |chains: &[Vec<MethodName>]| chains.iter().filter(is_open).cloned().collect();
    let open = Policy { chains: only_open(&policy.chains), eased: only_open(&policy.eased), ..policy.clone() };
    if let Some(Next::Ask(method)) = policy::next(&open, conditions, &counted) {
        return Some(Weighed::Ask(method));
    }
    let from_ms = held_back.iter().map(|one| standing.patience.expected_from_ms(one)).collect::<Option<Vec<_>>>();
    Some(Weighed::Wait(from_ms.and_then(|all| all.into_iter().max())))
}

/// What both agree on. A means that waits has no word in `amr`.
fn lesser(formal: Satisfied, real: &Satisfied, words: &[String]) -> Satisfied {
    let is_mfa = real.amr.iter().any(|word| word == "mfa");
    let stands = |word: &String| if word == "mfa" { is_mfa } else { words.contains(word) };
    Satisfied {
        amr: formal.amr.into_iter().filter(stands).collect(),
        auth_time_ms: formal.auth_time_ms,
        acr: formal.acr.filter(|_| real.acr.is_some()),
        is_as_named: formal.is_as_named && real.is_as_named,
        is_eased: formal.is_eased || real.is_eased,
    }
}

/// What a new means was added with. `counted`: the fresh proofs, as they count. `replaces`: there was one of its kind. None: it adds
/// nothing to these proofs, so that it counts in full at once.
pub fn enrolled_with(new: &New, counted: &[Proof], replaces: bool) -> Option<Vec<Fact>> {
    let mut facts: Vec<Fact> = Vec::new();
    // What was chosen on the strength of another proof says no more than that one.
    for fact in counted.iter().filter(|proof| proof.facts.chosen_by.is_none()).map(Fact::of) {
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    }
    let is_equal = |fact: &Fact| {
        let is_same = fact.method == new.method && (fact.user_verified || !new.user_verified);
        is_same || (new.method == MethodName::RECOVERY && fact.method == MethodName::TOTP)
    };
    if facts.iter().any(is_equal) {
        return None;
    }
    // A forgotten password is replaced with a code by e-mail. The new one is good where a password alone is, and is no second proof
    // beside the code.
    if new.method == MethodName::PASSWORD && replaces && facts.iter().any(|fact| fact.method == MethodName::EMAIL) {
        facts.push(Fact { method: MethodName::PASSWORD, user_verified: false, chosen_by: Some(MethodName::EMAIL) });
    }
    Some(facts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::login::enrolment::{facts_as_text, read_facts};
    use crate::login::proof::Facts;

    const HOUR_MS: i64 = 3_600_000;

    fn proof(method: MethodName) -> Proof {
        Proof { method, subject: "a".to_owned(), at_ms: 50, facts: Facts::default() }
    }

    fn passkey(id: &str) -> Proof {
        let facts = Facts { credential: Some(id.to_owned()), user_verified: Some(true), ..Facts::default() };
        Proof { facts, ..proof(MethodName::PASSKEY) }
    }

    fn waits(means: Means, with: &str, told_ms: i64) -> Waiting {
        Waiting { means, enrolled_with: read_facts(with), enrolled_ms: 10, letters: 0, told_ms }
    }

    fn policy(require: &[&str]) -> Policy {
        let require: Vec<String> = require.iter().map(|text| (*text).to_owned()).collect();
        Policy { two_factor_passkey: true, ..Policy::read(&require, Some("urn:acr".to_owned())) }
    }

    /// What comes of these proofs one hour after the beginning, where a means waits two hours. The person has everything.
    fn weighed(require: &[&str], proofs: &[Proof], waiting: &[Waiting]) -> Weighed {
        let conditions = Conditions { now_ms: HOUR_MS, started_ms: 0, not_before_ms: 0, prefer: None, transaction: None };
        let standing = Standing { waiting, patience: Patience { now_ms: HOUR_MS, wait_ms: 2 * HOUR_MS } };
        weigh(&policy(require), &conditions, (proofs, &standing), |_| true).unwrap()
    }

    fn amr(weighed: &Weighed) -> (Vec<&str>, bool) {
        let Weighed::Satisfied(satisfied) = weighed else { return (vec!["not satisfied"], false) };
        (satisfied.amr.iter().map(String::as_str).collect(), satisfied.acr.is_some())
    }

    #[test]
    fn a_means_counts_for_what_it_was_added_with() {
        let both = [proof(MethodName::PASSWORD), proof(MethodName::TOTP)];
        let waiting = [waits(Means::Totp, "password", HOUR_MS)];
        assert_eq!(weighed(&["password + totp"], &both, &waiting), Weighed::Wait(Some(3 * HOUR_MS)));
        assert_eq!(amr(&weighed(&["password"], &both, &waiting)), (vec!["pwd"], true), "and has no word");
        assert_eq!(amr(&weighed(&["password + totp"], &both, &[])), (vec!["pwd", "otp", "mfa"], true), "the twin: confirmed");
        let over = [waits(Means::Totp, "password", 1)];
        let before = Standing { waiting: &over, patience: Patience { now_ms: 2 * HOUR_MS, wait_ms: 2 * HOUR_MS } };
        assert_eq!(before.held_back(&both).len(), 1);
        let now = Standing { waiting: &over, patience: Patience { now_ms: 2 * HOUR_MS + 1, wait_ms: 2 * HOUR_MS } };
        assert!(now.held_back(&both).is_empty(), "when its time is over it counts");
    }

    #[test]
    fn what_nobody_was_told_of_never_counts_by_itself() {
        let both = [proof(MethodName::PASSWORD), proof(MethodName::TOTP)];
        for (told_ms, letters, expected) in [(0, 0, None), (0, 1, Some(3 * HOUR_MS)), (1, 1, Some(3 * HOUR_MS))] {
            let waiting = [Waiting { letters, ..waits(Means::Totp, "password", told_ms) }];
            assert_eq!(weighed(&["password + totp"], &both, &waiting), Weighed::Wait(expected), "{told_ms} {letters}");
            let late = Standing { waiting: &waiting, patience: Patience { now_ms: 1000 * HOUR_MS, wait_ms: 2 * HOUR_MS } };
            assert_eq!(late.held_back(&both).len(), 1, "{told_ms} {letters}");
        }
    }

    #[test]
    fn another_means_is_asked_for_where_it_makes_a_chain_whole() {
        let waiting = [waits(Means::Passkey("x".to_owned()), "password", 1)];
        let alone = ["passkey", "password + totp"];
        assert_eq!(weighed(&alone, &[passkey("x")], &waiting), Weighed::Ask(MethodName::TOTP));
        let both = [passkey("x"), proof(MethodName::TOTP)];
        assert_eq!(amr(&weighed(&alone, &both, &waiting)), (vec!["otp", "mfa"], true), "it stands for the password it was added with");
        assert_eq!(weighed(&["passkey"], &both, &waiting), Weighed::Wait(Some(2 * HOUR_MS + 1)));
        assert_eq!(amr(&weighed(&alone, &[passkey("y")], &waiting)), (vec!["pop", "mfa"], true), "the twin: another passkey");
        assert_eq!(amr(&weighed(&["passkey", "password"], &[passkey("x")], &waiting)), (vec![], true), "a password would do");
    }

    /// 431-U: a password that was reset is no second proof beside the mailbox, in any sign-in.
    #[test]
    fn a_reset_password_is_no_second_proof_beside_the_code() {
        let both = [proof(MethodName::EMAIL), proof(MethodName::PASSWORD)];
        let waiting = [waits(Means::Password, "email+password<email", 1)];
        assert!(matches!(weighed(&["password + email"], &both, &waiting), Weighed::Wait(_)));
        assert_eq!(amr(&weighed(&["password"], &both[1..], &waiting)), (vec![], true), "alone it is a password");
        assert_eq!(amr(&weighed(&["password + email"], &both, &[])), (vec!["pwd", "otp", "mfa"], true), "the twin");
    }

    #[test]
    fn what_is_added_with_its_equal_does_not_wait() {
        let new = |means: Means, method: MethodName, user_verified| New { means, method, user_verified };
        let totp = new(Means::Totp, MethodName::TOTP, false);
        let with = |new: &New, proofs: &[Proof], replaces| enrolled_with(new, proofs, replaces).map(|facts| facts_as_text(&facts));
        assert_eq!(with(&totp, &[proof(MethodName::PASSWORD)], false).as_deref(), Some("password"));
        assert_eq!(with(&totp, &[], false).as_deref(), Some("-"));
        let another = new(Means::Passkey("y".to_owned()), MethodName::PASSKEY, true);
        assert_eq!(with(&another, &[passkey("x")], false), None);
        let mut unverified = passkey("x");
        unverified.facts.user_verified = Some(false);
        assert_eq!(with(&another, &[unverified], false).as_deref(), Some("passkey"), "it can do more than the one it was added with");
        let codes = new(Means::Recovery, MethodName::RECOVERY, false);
        assert_eq!(with(&codes, &[proof(MethodName::PASSWORD), proof(MethodName::TOTP)], false), None);
        let password = new(Means::Password, MethodName::PASSWORD, false);
        assert_eq!(with(&password, &[proof(MethodName::EMAIL)], true).as_deref(), Some("email+password<email"));
        assert_eq!(
            with(&password, &[proof(MethodName::EMAIL)], false).as_deref(),
            Some("email"),
            "a first password is no more than the code"
        );
        assert_eq!(with(&password, &[proof(MethodName::PASSWORD)], true), None);
    }
}
