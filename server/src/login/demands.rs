//! What a sign-in has to prove beside what the policy says: how fresh its proofs are, and which factors. Pure.

use super::accounts::Account;
use super::context::Person;
use super::enrolment::Means;
use super::journey::Journey;
use super::methods;
use super::policy::Policy;
use super::proof::{MethodName, Proof};
use super::state::{Rules, State};

/// Changes of an account want proofs that are at most this old (361-Z, 362-Z).
const STEP_UP_MS: i64 = 5 * 60_000;

/// Proofs from before the sign-in count if they are not older than this. Its own always count.
pub(super) fn not_before_ms(state: &State, rules: &Rules, now_ms: i64) -> i64 {
    let by_age = rules.max_age_s.map_or(0, |age_s| now_ms - age_s * 1000);
    if rules.force || rules.max_age_s == Some(0) || matches!(state.journey, Journey::Reset | Journey::Regain) {
        return state.started_ms;
    }
    if state.journey.is_of_account() { by_age.max(now_ms - STEP_UP_MS) } else { by_age }
}

/// What this sign-in has to prove. Whoever has a second factor is asked for it, whatever the policy says (365-Z). A passkey that verified
/// the person is enough. Where the policy counts it as two factors, one that did not verify them is too little.
pub(super) fn demanded(state: &State, rules: &Rules, person: &Person, (counted, now_ms): (&[Proof], i64)) -> Policy {
    let policy = own_policy(state, rules, person, now_ms);
    let Some(account) = person.account.as_ref().filter(|_| state.subject.is_some()) else { return policy };
    match state.journey {
        Journey::Reset => return demanded_for_reset(policy, account),
        // What is lost is not asked for: the waiting time, or a ticket, takes its place.
        Journey::Regain => return policy,
        _ => {}
    }
    let from_ms = not_before_ms(state, rules, now_ms).min(state.started_ms);
    let passkeys = |proofs: &[Proof]| -> Vec<Proof> {
        proofs.iter().filter(|proof| proof.method == MethodName::PASSKEY && proof.at_ms >= from_ms).cloned().collect()
    };
    // One that waits to be confirmed stands for no other factor.
    if passkeys(counted).iter().any(|proof| proof.facts.user_verified == Some(true)) {
        return policy;
    }
    let wants_passkey = wants_passkey(state, rules, account);
    let wants_more = policy.two_factor_passkey && !passkeys(&state.proofs).is_empty();
    let policy = if wants_passkey { policy.with(&MethodName::PASSKEY) } else { policy };
    match account.totp_from_ms {
        Some(_) if !wants_passkey => policy.with(&methods::SECOND_FACTOR),
        _ if !wants_more => policy,
        _ if account.password.is_some() => policy.with(&MethodName::PASSWORD),
        _ => policy.with(&methods::SECOND_FACTOR),
    }
}

/// Is a passkey asked for beside the policy? Whoever has one proves it for what replaces a means, takes one away or deletes the account, and
/// on an app's own screens for every change. It is the strongest proof that the person has, unless there is an authenticator, which is asked
/// for anyway. Who has lost it goes the way of `regain`.
pub(super) fn wants_passkey(state: &State, rules: &Rules, account: &Account) -> bool {
    let takes_away = matches!(
        state.journey,
        Journey::ChangePassword | Journey::ChangeEmail { .. } | Journey::Unlink { .. } | Journey::RemovePasskey { .. } | Journey::Delete
    );
    (takes_away || rules.rights.is_of_app()) && !has_totp(account) && has_passkey(account)
}

/// What waits to be confirmed may be a stranger's: it is not what the person has, and takes the place of nothing.
fn counts(account: &Account, means: Means) -> bool {
    account.waiting.iter().all(|one| one.means != means)
}

fn has_totp(account: &Account) -> bool {
    account.totp_from_ms.is_some() && counts(account, Means::Totp)
}

fn has_passkey(account: &Account) -> bool {
    account.passkeys.iter().any(|known| counts(account, Means::Passkey(known.public_id())))
}

/// What the proofs must come to by what they count for. A passkey that is wanted beside the policy must count, and so must all that a reset
/// asks for: a thief makes means.
pub(super) fn weighed_by(state: &State, rules: &Rules, person: &Person, (counted, now_ms): (&[Proof], i64)) -> Policy {
    let account = person.account.as_ref().filter(|_| state.subject.is_some());
    let is_wanted = |account: &Account| state.journey == Journey::Reset || wants_passkey(state, rules, account);
    match account {
        Some(account) if is_wanted(account) => demanded(state, rules, person, (counted, now_ms)),
        _ => own_policy(state, rules, person, now_ms),
    }
}

/// The policy of the journey: what its proofs must come to.
fn own_policy(state: &State, rules: &Rules, person: &Person, now_ms: i64) -> Policy {
    match state.journey {
        Journey::Reset | Journey::Regain => Policy::of(&[&[MethodName::EMAIL]]),
        Journey::Link { invited: true, .. } => Policy::of(&[&[MethodName::TICKET]]),
        _ => eased(state, rules, person, now_ms),
    }
}

/// The policy with what is eased now. Changes of an account are never eased.
fn eased(state: &State, rules: &Rules, person: &Person, now_ms: i64) -> Policy {
    if state.journey != Journey::SignIn {
        return rules.policy.strict();
    }
    let known = person.known.as_ref().filter(|_| state.subject.is_some());
    rules.policy.clone().on_device(known, now_ms)
}

/// A code by e-mail replaces the password and nothing else: every other factor that counts is asked for (431-U).
fn demanded_for_reset(policy: Policy, account: &Account) -> Policy {
    let policy = if has_totp(account) { policy.with(&methods::SECOND_FACTOR) } else { policy };
    if has_passkey(account) { policy.with(&MethodName::PASSKEY) } else { policy }
}
