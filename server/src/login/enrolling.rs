//! Means that a move adds: what each was added with, whatever way it came. Every effect of the machine passes here once.

use super::effect::{Effect, Update};
use super::enrolment::{Enrolling, Means, Waiting};
use super::flow::Run;
use super::proof::{MethodName, Proof};
use super::standing::{self, Patience, Standing, Weighed};
use super::{accounts, policy::Policy};

impl Run<'_> {
    pub(super) fn standing(&self) -> Standing<'_> {
        let waiting = self.person.account.as_ref().map_or(&[][..], |account| &account.waiting);
        let wait_ms = self.machine.config.enrolment.wait.ms();
        Standing { waiting, patience: Patience { now_ms: self.visitor.now_ms, wait_ms } }
    }

    /// The proofs, as they count.
    pub(super) fn counted(&self) -> Vec<Proof> {
        self.standing().count_all(&self.state.proofs)
    }

    pub(super) fn weigh(&self, policy: &Policy) -> Option<Weighed> {
        let has = |method: &MethodName| self.person.account.as_ref().is_some_and(|account| super::methods::has(method, account));
        standing::weigh(policy, &self.conditions(), (&self.state.proofs, &self.standing()), has)
    }

    /// Takes note of a means that an effect adds. It waits, unless it adds nothing to what was proved. In an account that is made in this
    /// very sign-in there is nothing to protect, so that nothing waits. An operator's ticket of this sign-in confirms it at once.
    pub(super) fn note_means(&mut self, effect: &Effect) {
        let Some(new) = effect.enrols() else { return };
        let is_noted = |effect: &Effect| match effect {
            Effect::Wait(enrolling) => enrolling.means == new.means,
            Effect::Confirm(means) => *means == new.means,
            _ => false,
        };
        let Some(account) = self.person.account.as_ref().filter(|_| !self.state.is_new) else { return };
        if self.effects.iter().any(is_noted) {
            return;
        }
        let (former, is_back) = match effect {
            Effect::Update(Update::Password(_)) => (account.password.clone(), false),
            Effect::Update(Update::Email(email)) => {
                let is_former = |former: &String| accounts::canonical(former) == accounts::canonical(email);
                (account.email.clone(), account.former_email.as_ref().is_some_and(is_former))
            }
            _ => (None, false),
        };
        let counts = |proof: &&Proof| self.conditions().is_fresh(proof) && self.rules.policy.takes(proof);
        let fresh: Vec<Proof> = self.state.proofs.iter().filter(counts).cloned().collect();
        let counted = self.standing().count_all(&fresh);
        let with = standing::enrolled_with(&new, &counted, former.is_some()).filter(|_| !is_back && !self.has_ticket());
        let is_waiting = account.waiting.iter().any(|one| one.means == new.means);
        match with {
            Some(with) => self.hold_back(Enrolling { means: new.means, with, former }),
            None if is_waiting => self.confirm(new.means),
            None => {}
        }
    }

    pub(super) fn hold_back(&mut self, enrolling: Enrolling) {
        let has_mail = self.machine.config.mail.is_some();
        if let Some(account) = &mut self.person.account {
            account.waiting.retain(|one| one.means != enrolling.means);
            account.waiting.push(Waiting {
                means: enrolling.means.clone(),
                enrolled_with: enrolling.with.clone(),
                enrolled_ms: self.visitor.now_ms,
                letters: i64::from(has_mail && account.email.is_some()),
                told_ms: 0,
            });
        }
        self.effects.push(Effect::Wait(Box::new(enrolling)));
    }

    pub(super) fn confirm(&mut self, means: Means) {
        if let Some(account) = &mut self.person.account {
            account.waiting.retain(|one| one.means != means);
        }
        self.effects.push(Effect::Confirm(means));
    }

    /// An operator's ticket was shown in this sign-in. It is worth nothing in a later one.
    pub(super) fn has_ticket(&self) -> bool {
        self.state.proofs.iter().any(|proof| proof.method == MethodName::TICKET && proof.at_ms >= self.state.started_ms)
    }

    /// With a ticket, what was proved in this sign-in counts in full. Codes were made with the authenticator that they stand in for.
    pub(super) fn confirm_proved(&mut self) {
        let own: Vec<Proof> = self.state.proofs.iter().filter(|proof| proof.at_ms >= self.state.started_ms).cloned().collect();
        let mut means: Vec<Means> = self.standing().held_back(&own).into_iter().map(|one| one.means.clone()).collect();
        let has_codes = self.standing().waiting.iter().any(|one| one.means == Means::Recovery);
        if means.contains(&Means::Totp) && has_codes && !means.contains(&Means::Recovery) {
            means.push(Means::Recovery);
        }
        means.into_iter().for_each(|means| self.confirm(means));
    }
}
