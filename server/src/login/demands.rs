//! What a sign-in has to prove beside what the policy says: how fresh its proofs are, and which factors. Pure.

use super::accounts::Account;
use super::context::Person;
use super::enrolment::Means;
use super::journey::Journey;
use super::methods;
use super::passkeys::Known;
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
/// the person is enough. One that did not is not enough where the policy counts it as two factors.
pub(super) fn demanded(state: &State, rules: &Rules, person: &Person, (counted, now_ms, rp_id): (&[Proof], i64, &str)) -> Policy {
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
    let is_verified = passkeys(counted).iter().any(|proof| proof.facts.user_verified == Some(true));
    let wants_more = policy.two_factor_passkey && !passkeys(&state.proofs).is_empty();
    // On an app's own screens, changes want the strongest proof that the person has.
    let has_more = rules.rights.is_of_app() && policy.two_factor_passkey && !account.passkeys.is_empty();
    match account.totp_from_ms {
        _ if is_verified => policy,
        _ if wants_passkey(state, account, rp_id) => policy.with(&MethodName::PASSKEY),
        None if has_more => policy.with(&MethodName::PASSKEY),
        None if wants_more && account.password.is_some() => policy.with(&MethodName::PASSWORD),
        None if !wants_more => policy,
        _ => policy.with(&methods::SECOND_FACTOR),
    }
}

/// Whoever has a passkey proves one for what replaces a means, takes one away or deletes the account. Who has lost it goes the way of
/// `regain`. An authenticator is asked for anyway, and does instead.
pub(super) fn wants_passkey(state: &State, account: &Account, rp_id: &str) -> bool {
    let takes_away = matches!(
        state.journey,
        Journey::ChangePassword | Journey::ChangeEmail { .. } | Journey::Unlink { .. } | Journey::RemovePasskey { .. } | Journey::Delete
    );
    // What waits to be confirmed may be a stranger's, an authenticator too.
    let counts = |means: Means| account.waiting.iter().all(|one| one.means != means);
    let has_totp = account.totp_from_ms.is_some() && counts(Means::Totp);
    let mut usable = account.passkeys.iter().filter(|known| known.rp_id == rp_id).map(Known::public_id);
    takes_away && !has_totp && usable.any(|public_id| counts(Means::Passkey(public_id)))
}

/// The policy of the journey: what its proofs must come to.
pub(super) fn own_policy(state: &State, rules: &Rules, person: &Person, now_ms: i64) -> Policy {
    match state.journey {
        Journey::Reset | Journey::Regain => Policy::of(&[&[MethodName::EMAIL]]),
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

/// A code by e-mail replaces the password and nothing else: every other factor is asked for (431-U).
fn demanded_for_reset(policy: Policy, account: &Account) -> Policy {
    let policy = if account.totp_from_ms.is_some() { policy.with(&methods::SECOND_FACTOR) } else { policy };
    if account.passkeys.is_empty() { policy } else { policy.with(&MethodName::PASSKEY) }
}
