//! What is still missing for a person to be signed in. Pure: a policy, the proofs so far, the clock.

use super::accounts::Account;
use super::methods;
use super::proof::{Factor, MethodName, Proof, Worth};
use super::transaction::Transaction;
use crate::config::login_installation::InstallationRules;
use crate::config::networks::Networks;
use std::collections::{BTreeMap, BTreeSet};

/// `[[login.NAME.easier]]`, as it is weighed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Easier {
    pub chains: Vec<Vec<MethodName>>,
    pub clients: Option<Vec<String>>,
    /// The request asks for these scopes at most, and for no authorization details.
    pub scopes: Option<Vec<String>>,
    /// Of the installation that asks.
    pub tiers: Option<Vec<&'static str>>,
    pub networks: Option<Networks>,
    /// The person proved all that the policy's own chains ask for on this device, at most so long ago.
    pub known_device_ms: Option<i64>,
    /// What is known of the installation's app and device.
    pub installation: Option<InstallationRules>,
}

/// Chains of methods, any one of which is enough, the first preferred. No chain is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub chains: Vec<Vec<MethodName>>,
    pub acr: Option<String>,
    /// A passkey that verified the person counts as two factors.
    pub two_factor_passkey: bool,
    /// A wallet on another device counts, with the number that it shows.
    pub wallet_on_other_device: bool,
    /// What was proved longer ago counts no more.
    pub max_age_ms: Option<i64>,
    /// Chains that are enough under conditions. As they stand here they count for nothing: `easing` weighs them.
    pub easier: Vec<Easier>,
    /// Those whose conditions hold now.
    pub eased: Vec<Vec<MethodName>>,
    /// What the proofs of plug-ins are worth: the configuration says it.
    pub worth: BTreeMap<MethodName, Worth>,
}

impl Policy {
    /// Reads chains such as `password + totp`. Every word is kept: a chain with an unknown one is satisfied by nobody.
    pub fn read(require: &[String], acr: Option<String>) -> Self {
        Self { acr, ..Self { chains: read_chains(require), ..Self::of(&[]) } }
    }

    /// What cannot be meant, for the operator. A policy with a problem is never put in force.
    pub fn problems(&self) -> Vec<String> {
        if self.chains.is_empty() {
            return vec!["require names no chain of methods".to_owned()];
        }
        let mut found: Vec<String> = self.all().flat_map(|chain| problems(chain)).collect();
        if self.max_age_ms.is_some_and(|age_ms| age_ms < LEAST_MAX_AGE_MS) {
            found.push("max_age is less than a minute: every page would ask again".to_owned());
        }
        found
    }

    /// The policy `default` of a configuration that has none.
    pub fn password_alone() -> Self {
        Self::of(&[&[MethodName::PASSWORD]])
    }

    pub fn of(chains: &[&[MethodName]]) -> Self {
        let chains = chains.iter().map(|chain| chain.to_vec()).collect();
        Self {
            chains,
            acr: None,
            two_factor_passkey: false,
            wallet_on_other_device: false,
            max_age_ms: None,
            easier: Vec::new(),
            eased: Vec::new(),
            worth: BTreeMap::new(),
        }
    }

    /// From when on proofs count at this moment. 0: since ever.
    pub fn not_before_ms(&self, now_ms: i64) -> i64 {
        self.max_age_ms.map_or(0, |age_ms| now_ms - age_ms)
    }

    pub fn max_age_s(&self) -> Option<i64> {
        self.max_age_ms.map(|age_ms| age_ms / 1000)
    }

    pub fn with_acr(mut self, acr: &str) -> Self {
        self.acr = Some(acr.to_owned());
        self
    }

    /// The chains that count, and whether a condition let them in.
    fn counting(&self) -> impl Iterator<Item = (&Vec<MethodName>, bool)> {
        self.chains.iter().map(|chain| (chain, false)).chain(self.eased.iter().map(|chain| (chain, true)))
    }

    /// Every chain that may ever count.
    pub fn all(&self) -> impl Iterator<Item = &Vec<MethodName>> {
        self.counting().map(|(chain, _)| chain).chain(self.easier.iter().flat_map(|easier| &easier.chains))
    }

    /// Whoever satisfies this policy has satisfied the other as well. Each of its chains contains one that counts in the other.
    pub fn is_no_weaker_than(&self, other: &Self) -> bool {
        let contains_one = |chain: &Vec<MethodName>| other.counting().any(|(weaker, _)| weaker.iter().all(|method| chain.contains(method)));
        let takes_a_touch = |chain: &Vec<MethodName>| chain.contains(&MethodName::PASSKEY) && !chain.iter().any(is_enough_beside_a_touch);
        let is_touch_enough = !self.two_factor_passkey && self.all().any(takes_a_touch);
        (other.wallet_on_other_device || !self.wallet_on_other_device)
            && !(other.two_factor_passkey && is_touch_enough)
            && self.all().all(contains_one)
    }

    /// Does a proof that was made in this way count here?
    pub fn takes(&self, proof: &Proof) -> bool {
        self.wallet_on_other_device || !proof.facts.on_other_device
    }

    /// Is it asked for under the conditions that hold now?
    pub fn asks(&self, method: &MethodName) -> bool {
        self.counting().any(|(chain, _)| chain.contains(method))
    }

    pub fn names(&self, method: &MethodName) -> bool {
        self.all().any(|chain| chain.contains(method))
    }

    /// Can the person still sign in with what this account has? The last way in is not taken away (399-W). One of the policy's own chains
    /// must be whole: by credentials that it has, and by methods that need none.
    pub fn leaves_a_way(&self, without: &Account) -> bool {
        let needs_none = |method: &MethodName| self.worth.get(method).is_some_and(|worth| worth.needs_none);
        self.chains.iter().any(|chain| chain.iter().all(|method| methods::has(method, without) || needs_none(method)))
    }

    /// May a recovery code take the authenticator's place in a chain, so that the chain gives no acr?
    pub fn lets_codes_stand_in(&self) -> bool {
        self.counting().any(|(chain, _)| chain.contains(&MethodName::TOTP) && may_recover(chain))
    }

    /// Would recovery codes get a person in who has lost their passkeys, beside what this account has? A chain that names `passkey` takes
    /// none.
    pub fn takes_codes(&self, account: &Account) -> bool {
        let is_code = |method: &MethodName| *method == MethodName::TOTP || *method == MethodName::RECOVERY;
        let would_do = |chain: &&Vec<MethodName>| {
            chain.iter().filter(|method| is_code(method)).count() == 1
                && chain.iter().all(|method| is_code(method) || (*method != MethodName::PASSKEY && methods::has(method, account)))
        };
        self.chains.iter().any(|chain| would_do(&chain))
    }

    /// Whoever makes an account makes a passkey, and no password.
    pub fn begins_with_passkey(&self) -> bool {
        self.chains.first().is_some_and(|chain| chain.contains(&MethodName::PASSKEY))
    }

    /// The kinds of factors that a proof shows. Finger, face or PIN beside the key, where the authenticator says so, count as one more.
    fn factors(&self, proof: &Proof) -> Vec<Factor> {
        let is_two = self.two_factor_passkey && proof.method == MethodName::PASSKEY && proof.facts.user_verified == Some(true);
        self.factor(&proof.method).into_iter().chain(is_two.then_some(Factor::Knowledge)).collect()
    }

    fn factor(&self, method: &MethodName) -> Option<Factor> {
        methods::factor(method).or_else(|| self.worth.get(method)?.factor)
    }

    fn amr(&self, method: &MethodName) -> &str {
        let of_plugin = || self.worth.get(method).and_then(|worth| worth.amr.as_deref());
        Some(methods::amr(method)).filter(|word| !word.is_empty()).or_else(of_plugin).unwrap_or_default()
    }

    /// The same, with one more method in every chain of its own that lacks it. What the operator eased stays as it is.
    pub fn with(mut self, method: &MethodName) -> Self {
        for chain in self.chains.iter_mut().filter(|chain| !chain.contains(method)) {
            chain.push(method.clone());
        }
        self
    }
}

/// Chains such as `password + totp`. Every word is kept.
pub fn read_chains(require: &[String]) -> Vec<Vec<MethodName>> {
    let chain = |text: &String| text.split('+').map(|word| MethodName::new(word.trim())).collect();
    require.iter().map(chain).collect()
}

fn problems(chain: &[MethodName]) -> Vec<String> {
    let text = chain.iter().map(MethodName::as_str).collect::<Vec<_>>().join(" + ");
    if chain.iter().all(|word| word.as_str().is_empty()) {
        return vec![format!("require has an empty chain, {text:?}: it would let everybody in")];
    }
    let mut found = Vec::new();
    for (at, word) in chain.iter().enumerate() {
        if !methods::is_known(word) {
            found.push(format!("there is no method {:?}; use {}", word.as_str(), methods::names().join(", ")));
        } else if chain[..at].contains(word) {
            found.push(format!("the chain {text:?} names {word} twice"));
        }
    }
    found
}

/// Less would be over before the person has answered the next question.
const LEAST_MAX_AGE_MS: i64 = 60_000;

/// How far the clocks of two nodes may differ.
const CLOCKS_MS: i64 = 2000;

/// What proofs are weighed against.
pub struct Conditions<'a> {
    pub now_ms: i64,
    /// When the sign-in began: its own proofs are fresh.
    pub started_ms: i64,
    /// Proofs from before it count if they are not older than this (max_age).
    pub not_before_ms: i64,
    /// The method that the person chose where the policy leaves a choice.
    pub prefer: Option<&'a MethodName>,
    /// What the person is to agree to, where a wallet signs it too.
    pub transaction: Option<&'a Transaction>,
}

impl Conditions<'_> {
    /// Is the proof of this time, and for this request?
    pub fn is_fresh(&self, proof: &Proof) -> bool {
        if self.transaction.is_some_and(|transaction| !transaction.counts(proof)) {
            return false;
        }
        if proof.facts.undated && self.not_before_ms > 0 {
            return false;
        }
        proof.at_ms <= self.now_ms + CLOCKS_MS && (proof.at_ms >= self.not_before_ms || proof.at_ms >= self.started_ms)
    }

    /// The proof that meets one word of a chain. A recovery code gets a person in where a chain wants the authenticator.
    fn proof_of<'a>(&self, proofs: &'a [Proof], chain: &[MethodName], word: &MethodName) -> Option<&'a Proof> {
        // What was chosen on the strength of another method is no second proof beside it.
        let is_its_own = |proof: &Proof| proof.facts.chosen_by.as_ref().is_none_or(|by| !chain.contains(by));
        let fresh =
            |method: &MethodName| proofs.iter().rev().find(|proof| proof.method == *method && self.is_fresh(proof) && is_its_own(proof));
        fresh(word).or_else(|| fresh(&MethodName::RECOVERY).filter(|_| *word == MethodName::TOTP && may_recover(chain)))
    }

    /// What a chain asks for that is not proved yet.
    pub(super) fn missing<'a>(&self, proofs: &[Proof], chain: &'a [MethodName]) -> Vec<&'a MethodName> {
        chain.iter().filter(|word| self.proof_of(proofs, chain, word).is_none()).collect()
    }

    fn first_missing<'a>(&self, proofs: &[Proof], chain: &'a [MethodName]) -> Option<&'a MethodName> {
        self.missing(proofs, chain).into_iter().next()
    }
}

#[derive(Debug, PartialEq, Eq, Clone)]
pub enum Next {
    Ask(MethodName),
    Satisfied(Satisfied),
}

/// A whole chain.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Satisfied {
    /// RFC 8176, of every fresh proof; `mfa` where two factors of different kinds are among them.
    pub amr: Vec<String>,
    pub auth_time_ms: i64,
    /// The policy's own. None where a recovery code stands in for the authenticator, and where a condition let the chain in.
    pub acr: Option<String>,
    /// Each word of the chain was proved by its own method.
    pub is_as_named: bool,
    /// A condition let the chain in.
    pub is_eased: bool,
}

/// Done when one chain is whole. Else the first missing method of the chain of which most is proved, unless the person prefers another.
pub fn next(policy: &Policy, conditions: &Conditions<'_>, proofs: &[Proof]) -> Option<Next> {
    let taken: Vec<Proof>;
    let proofs = if proofs.iter().all(|proof| policy.takes(proof)) {
        proofs
    } else {
        taken = proofs.iter().filter(|proof| policy.takes(proof)).cloned().collect();
        &taken
    };
    let whole = policy.counting().filter_map(|(chain, is_eased)| satisfied(policy, conditions, (chain, is_eased), proofs));
    // A chain that gives the policy's acr comes before one that a recovery code or a condition made whole.
    if let Some(found) = whole.min_by_key(|found| (found.acr.is_none(), found.is_eased)) {
        return Some(Next::Satisfied(found));
    }
    let rank = |chain: &&Vec<MethodName>| {
        let missing = conditions.missing(proofs, chain).len();
        let is_wanted = conditions.prefer.is_some() && conditions.first_missing(proofs, chain) == conditions.prefer;
        (!is_wanted, missing)
    };
    let chain = policy.counting().map(|(chain, _)| chain).filter(|chain| !chain.is_empty()).min_by_key(rank)?;
    // Where nothing is missing, a passkey that did not verify the person wants another factor beside it.
    Some(Next::Ask(conditions.first_missing(proofs, chain).unwrap_or(&methods::SECOND_FACTOR).clone()))
}

/// What makes a passkey that did not verify the person enough, where one that did counts as two factors.
fn is_enough_beside_a_touch(method: &MethodName) -> bool {
    *method == MethodName::PASSWORD || *method == methods::SECOND_FACTOR
}

fn satisfied(
    policy: &Policy,
    conditions: &Conditions<'_>,
    (chain, is_eased): (&[MethodName], bool),
    proofs: &[Proof],
) -> Option<Satisfied> {
    let used: Vec<&Proof> = chain.iter().filter_map(|word| conditions.proof_of(proofs, chain, word)).collect();
    if chain.is_empty() || used.len() < chain.len() {
        return None;
    }
    let others = proofs.iter().filter(|proof| conditions.is_fresh(proof) && !used.contains(proof));
    let all: Vec<&Proof> = used.iter().copied().chain(others).collect();
    let is_touch = |proof: &&Proof| proof.method == MethodName::PASSKEY && proof.facts.user_verified != Some(true);
    let is_enough = |proof: &&Proof| is_enough_beside_a_touch(&proof.method) || (proof.method == MethodName::PASSKEY && !is_touch(proof));
    let is_its_own = |proof: &&Proof| proof.facts.chosen_by.is_none();
    if policy.two_factor_passkey && used.iter().any(is_touch) && !all.iter().any(|proof| is_its_own(proof) && is_enough(proof)) {
        return None;
    }
    let mut amr = words(policy, all.iter().copied());
    let own = all.iter().filter(|proof| is_its_own(proof));
    let kinds: BTreeSet<_> = own.flat_map(|proof| policy.factors(proof)).collect();
    if kinds.len() > 1 {
        amr.push("mfa".to_owned());
    }
    let is_as_named = chain.iter().all(|word| used.iter().any(|proof| proof.method == *word));
    let auth_time_ms = used.iter().map(|proof| proof.at_ms).min().unwrap_or(conditions.now_ms);
    let acr = policy.acr.clone().filter(|_| is_as_named && !is_eased);
    Some(Satisfied { amr, auth_time_ms, acr, is_as_named, is_eased })
}

/// RFC 8176: a word for each method, once.
pub fn words<'a>(policy: &Policy, proofs: impl Iterator<Item = &'a Proof>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in proofs.map(|proof| policy.amr(&proof.method)).filter(|word| !word.is_empty()) {
        if !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}

/// Does a recovery code lead on here? A chain asks for the authenticator next, and takes the code in its place.
pub fn takes_recovery(policy: &Policy, conditions: &Conditions<'_>, proofs: &[Proof]) -> bool {
    policy.counting().any(|(chain, _)| may_recover(chain) && conditions.first_missing(proofs, chain) == Some(&MethodName::TOTP))
}

/// Is it a recovery code? It meets more than its own word, and gives no acr where it does.
pub fn may_stand_in(proof: &Proof) -> bool {
    proof.method == MethodName::RECOVERY
}

/// A recovery code meets a chain's `totp`, but not where the chain names it, nor beside a passkey.
fn may_recover(chain: &[MethodName]) -> bool {
    !chain.contains(&MethodName::RECOVERY) && !chain.contains(&MethodName::PASSKEY)
}

/// What else could be asked instead of `asked`.
pub fn alternatives(policy: &Policy, conditions: &Conditions<'_>, proofs: &[Proof], asked: &MethodName) -> Vec<MethodName> {
    let missing = policy.counting().filter_map(|(chain, _)| conditions.first_missing(proofs, chain));
    let found: BTreeSet<&MethodName> = missing.filter(|method| *method != asked).collect();
    found.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::login::proof::Facts;

    fn proof(method: MethodName, at_ms: i64) -> Proof {
        Proof { method, subject: "a".to_owned(), at_ms, facts: Facts::default() }
    }

    fn policy(require: &[&str]) -> Policy {
        let require: Vec<String> = require.iter().map(|text| (*text).to_owned()).collect();
        Policy::read(&require, Some("urn:acr".to_owned()))
    }

    fn since(not_before_ms: i64) -> Conditions<'static> {
        Conditions { now_ms: 100, started_ms: 100, not_before_ms, prefer: None, transaction: None }
    }

    fn done(amr: &[&str], auth_time_ms: i64, acr: Option<&str>) -> Option<Next> {
        let amr = amr.iter().map(|word| (*word).to_owned()).collect();
        // Each policy here has an acr, which only a chain gives that is proved as it is named.
        let is_as_named = acr.is_some();
        Some(Next::Satisfied(Satisfied { amr, auth_time_ms, acr: acr.map(str::to_owned), is_as_named, is_eased: false }))
    }

    #[test]
    fn a_word_that_is_no_method_is_a_problem_and_never_skipped() {
        assert_eq!(policy(&["password + totp"]).problems(), Vec::<String>::new());
        for bad in [&["password + pasword"][..], &[""], &["password +"], &["password + password"], &[]] {
            assert!(!policy(bad).problems().is_empty(), "{bad:?}");
        }
        let proofs = [proof(MethodName::PASSWORD, 50)];
        let asked = next(&policy(&["password + pasword"]), &since(0), &proofs);
        assert_eq!(asked, Some(Next::Ask(MethodName::new("pasword"))), "a chain with an unknown word is not whole");
    }

    #[test]
    fn no_weaker_means_that_every_chain_contains_one() {
        let no_weaker = |one: &[&str], other: &[&str]| policy(one).is_no_weaker_than(&policy(other));
        assert!(no_weaker(&["password"], &["password"]));
        assert!(no_weaker(&["totp + password", "email + totp"], &["password", "email"]));
        assert!(!no_weaker(&["password"], &["password + totp"]));
        assert!(!no_weaker(&["password + totp", "email"], &["password"]), "one weak chain is enough");
        assert!(!no_weaker(&["email"], &["password"]), "another method is not the same");
    }

    /// A touch of a key is one factor. Where the policy takes a passkey for two, it wants another beside it, and no policy that is content
    /// with the touch takes its place (368-Z).
    #[test]
    fn a_touch_alone_is_not_two_factors() {
        let two = |require: &[&str]| Policy { two_factor_passkey: true, ..policy(require) };
        let passkey = |verified: bool| {
            let facts = Facts { user_verified: Some(verified), ..Facts::default() };
            Proof { facts, ..proof(MethodName::PASSKEY, 50) }
        };
        let is_enough = |policy: &Policy, proofs: &[Proof]| matches!(next(policy, &since(0), proofs), Some(Next::Satisfied(_)));
        let (touch, whole) = (passkey(false), passkey(true));
        assert_eq!(next(&two(&["passkey"]), &since(0), std::slice::from_ref(&touch)), Some(Next::Ask(methods::SECOND_FACTOR)));
        assert!(is_enough(&two(&["passkey"]), std::slice::from_ref(&whole)), "the twin");
        assert!(is_enough(&policy(&["passkey"]), std::slice::from_ref(&touch)), "the policy takes a touch");
        for other in [MethodName::PASSWORD, MethodName::TOTP] {
            assert!(is_enough(&two(&["passkey"]), &[touch.clone(), proof(other, 60)]));
        }
        assert!(!is_enough(&two(&["passkey"]), &[touch, proof(MethodName::EMAIL, 60)]), "a mailbox is no second factor");
        let no_weaker = |one: &Policy, other: &Policy| one.is_no_weaker_than(other);
        assert!(!no_weaker(&policy(&["passkey"]), &two(&["passkey"])));
        assert!(!no_weaker(&policy(&["passkey + password", "passkey"]), &two(&["passkey"])));
        assert!(no_weaker(&policy(&["passkey + password"]), &two(&["passkey"])));
        assert!(no_weaker(&two(&["passkey"]), &two(&["passkey"])) && no_weaker(&two(&["passkey"]), &policy(&["passkey"])));
    }

    #[test]
    fn a_chain_is_asked_for_until_it_is_whole() {
        let both = policy(&["password + totp"]);
        let (password, totp) = (proof(MethodName::PASSWORD, 50), proof(MethodName::TOTP, 60));
        assert_eq!(next(&both, &since(0), &[]), Some(Next::Ask(MethodName::PASSWORD)));
        assert_eq!(next(&both, &since(0), std::slice::from_ref(&password)), Some(Next::Ask(MethodName::TOTP)));
        let whole = [password, totp];
        assert_eq!(next(&both, &since(0), &whole), done(&["pwd", "otp", "mfa"], 50, Some("urn:acr")));
        assert_eq!(next(&both, &since(55), &whole), Some(Next::Ask(MethodName::PASSWORD)), "too old");
        let future = [proof(MethodName::PASSWORD, 101 + CLOCKS_MS)];
        assert_eq!(next(&both, &since(0), &future), Some(Next::Ask(MethodName::PASSWORD)), "a proof from the future");
        assert_eq!(next(&Policy::of(&[]), &since(0), &whole), None);
    }

    /// What a plug-in proves is worth what the configuration says, and nothing without it.
    #[test]
    fn a_plug_in_is_worth_what_the_configuration_says() {
        let proofs = [proof(MethodName::PASSWORD, 50), proof(MethodName::plugin("visit"), 60)];
        let alone = policy(&["password + plugin:visit"]);
        assert_eq!(next(&alone, &since(0), &proofs), done(&["pwd"], 50, Some("urn:acr")));
        let worth = Worth { amr: Some("otp".to_owned()), factor: Some(Factor::Possession), ..Worth::default() };
        let with = Policy { worth: BTreeMap::from([(MethodName::plugin("visit"), worth.clone())]), ..alone.clone() };
        assert_eq!(next(&with, &since(0), &proofs), done(&["pwd", "otp", "mfa"], 50, Some("urn:acr")));
        let same_kind = Worth { factor: Some(Factor::Knowledge), ..worth };
        let with = Policy { worth: BTreeMap::from([(MethodName::plugin("visit"), same_kind)]), ..alone };
        assert_eq!(next(&with, &since(0), &proofs), done(&["pwd", "otp"], 50, Some("urn:acr")));
    }

    #[test]
    fn two_factors_of_one_kind_are_one_factor() {
        let codes = policy(&["email + totp"]);
        let proofs = [proof(MethodName::EMAIL, 50), proof(MethodName::TOTP, 60)];
        assert_eq!(next(&codes, &since(0), &proofs), done(&["otp"], 50, Some("urn:acr")));
    }

    /// Methods.md, "Home": a wallet's answer from another device counts where the policy says so, whichever policy it was given under.
    #[test]
    fn a_wallet_on_another_device_counts_where_the_policy_says_so() {
        let wallet = MethodName::new("wallet:pid");
        let made = |on_other_device| Proof { facts: Facts { on_other_device, ..Facts::default() }, ..proof(wallet.clone(), 60) };
        let strict = policy(&["wallet:pid"]);
        let open = Policy { wallet_on_other_device: true, ..strict.clone() };
        assert_eq!(next(&strict, &since(0), &[made(true)]), Some(Next::Ask(wallet.clone())));
        assert_eq!(next(&open, &since(0), &[made(true)]), done(&[], 60, Some("urn:acr")), "the twin");
        assert_eq!(next(&strict, &since(0), &[made(false)]), done(&[], 60, Some("urn:acr")), "the twin");
        assert!(strict.is_no_weaker_than(&open) && open.is_no_weaker_than(&open) && !open.is_no_weaker_than(&strict));
    }

    /// 431-U: a password that was chosen with a code by e-mail is worth no more than that code.
    #[test]
    fn what_is_chosen_on_the_strength_of_a_method_is_no_second_factor() {
        let chosen = Proof { facts: Facts { chosen_by: Some(MethodName::EMAIL), ..Facts::default() }, ..proof(MethodName::PASSWORD, 60) };
        let proofs = [proof(MethodName::EMAIL, 50), chosen];
        assert_eq!(next(&policy(&["password + email"]), &since(0), &proofs), Some(Next::Ask(MethodName::PASSWORD)));
        assert_eq!(next(&policy(&["password"]), &since(0), &proofs), done(&["pwd", "otp"], 60, Some("urn:acr")));
        let known = [proof(MethodName::EMAIL, 50), proof(MethodName::PASSWORD, 60)];
        assert_eq!(next(&policy(&["password + email"]), &since(0), &known), done(&["pwd", "otp", "mfa"], 50, Some("urn:acr")), "the twin");
    }

    #[test]
    fn a_person_chooses_where_the_policy_leaves_a_choice() {
        let either = policy(&["password", "email"]);
        assert_eq!(next(&either, &since(0), &[]), Some(Next::Ask(MethodName::PASSWORD)));
        assert_eq!(alternatives(&either, &since(0), &[], &MethodName::PASSWORD), [MethodName::EMAIL]);
        let wanting = Conditions { prefer: Some(&MethodName::EMAIL), ..since(0) };
        assert_eq!(next(&either, &wanting, &[]), Some(Next::Ask(MethodName::EMAIL)));
        let both_ways = policy(&["password + totp", "email + totp"]);
        assert_eq!(next(&both_ways, &since(0), &[proof(MethodName::EMAIL, 50)]), Some(Next::Ask(MethodName::TOTP)));
    }

    /// A code that no chain takes would be asked for again and again, and each one would be spent.
    #[test]
    fn a_recovery_code_is_taken_where_it_leads_on() {
        let password = [proof(MethodName::PASSWORD, 50)];
        let takes = |require: &[&str], proofs: &[Proof]| takes_recovery(&policy(require), &since(0), proofs);
        assert!(takes(&["password + totp"], &password));
        assert!(takes(&["passkey + totp", "password + totp"], &password), "by the second chain");
        assert!(
            !takes(&["passkey + totp", "password + totp"], &[proof(MethodName::PASSKEY, 50)]),
            "the second chain wants a password first"
        );
        assert!(!takes(&["email + totp + passkey"], &[proof(MethodName::EMAIL, 50)]), "never beside a passkey");
        assert!(!takes(&["password + totp"], &[]), "the password comes first");
        assert!(!takes(&["password"], &password), "nothing asks for it");
        let done = [proof(MethodName::PASSWORD, 50), proof(MethodName::RECOVERY, 60)];
        assert!(!takes(&["password + totp"], &done), "one is enough");
    }

    /// A recovery code gets a person in, without the acr, unless the policy names it.
    #[test]
    fn a_recovery_code_stands_in_for_the_authenticator() {
        let proofs = [proof(MethodName::PASSWORD, 50), proof(MethodName::RECOVERY, 60)];
        assert_eq!(next(&policy(&["password + totp"]), &since(0), &proofs), done(&["pwd", "otp", "mfa"], 50, None));
        let named = policy(&["password + totp", "password + recovery"]);
        assert_eq!(next(&named, &since(0), &proofs), done(&["pwd", "otp", "mfa"], 50, Some("urn:acr")));
        assert_eq!(next(&policy(&["totp + recovery"]), &since(0), &proofs), Some(Next::Ask(MethodName::TOTP)));
        assert_eq!(next(&policy(&["totp + passkey"]), &since(0), &proofs), Some(Next::Ask(MethodName::TOTP)), "never beside a passkey");
    }
}
