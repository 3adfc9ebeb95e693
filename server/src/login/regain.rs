//! The way back for a person who has lost every further means that is asked for. Nothing is given at once. Every proved address is told,
//! and whoever reads such a letter stops it. What is lost goes when the waiting time is over, or with an operator's ticket. The person
//! begins anew then: with another password, or with another passkey where there was no password.

use super::accounts::Account;
use super::effect::{Effect, Source};
use super::enrolment::{Enrolling, Fact, Means, Waiting};
use super::flow::{Go, Run};
use super::journey::{Form, Journey};
use super::proof::MethodName;
use super::rights::Rights;
use super::step::{Step, Text};
use crate::audit::Entry;
use crate::error::Fault;
use crate::mail;

/// The button.
pub const ACTION: &str = "regain";
/// How long the person may come back after the waiting time. Then they wait anew.
pub const RETURN_MS: i64 = 7 * 86_400_000;

/// What may be lost.
const LOSABLE: [MethodName; 3] = [MethodName::TOTP, MethodName::RECOVERY, MethodName::PASSKEY];

impl Run<'_> {
    /// May the person say here that they have lost what is asked for? Whoever has no proved address is helped by an operator.
    pub(super) fn may_regain(&self, asked: &MethodName) -> bool {
        let has_address = self.person.account.as_ref().is_some_and(|account| account.active && account.email.is_some());
        LOSABLE.contains(asked)
            && self.state.subject.is_some()
            && (matches!(self.state.journey, Journey::SignIn | Journey::Reset) || self.is_of_own_pages())
            && self.machine.config.mail.is_some()
            && has_address
    }

    /// A change on our own pages. An app has no right to this one.
    fn is_of_own_pages(&self) -> bool {
        self.state.journey.is_of_account() && self.rules.rights == Rights::Everything
    }

    /// The person who waits, if it is not too late to come back.
    fn regaining(&self) -> Option<&Waiting> {
        let standing = self.standing();
        let row = standing.waiting.iter().find(|one| one.means == Means::Regain)?;
        let is_late = |from_ms: i64| self.visitor.now_ms >= from_ms.saturating_add(RETURN_MS);
        (!standing.patience.counts_from_ms(row).is_some_and(is_late)).then_some(row)
    }

    /// The waiting time is over, or an operator knows the person.
    pub(super) fn may_begin_again(&self) -> bool {
        self.has_ticket() || self.regaining().is_some_and(|row| self.standing().patience.is_over(row))
    }

    /// The mailbox is proved. What else is asked for is lost.
    pub(super) fn regain(&mut self) -> Go<()> {
        if self.may_begin_again() {
            let has_password = self.person.account.as_ref().is_some_and(|account| account.password.is_some());
            return self.ask_form(if has_password { Form::NewPassword } else { Form::EnrolPasskey });
        }
        if self.regaining().is_none() {
            let with = self.counted().iter().map(Fact::of).collect();
            self.hold_back(Enrolling { means: Means::Regain, with, former: None });
            self.effects.push(Effect::Audit(Box::new(Entry::ok("regain_begun"))));
        }
        let from_ms = self.regaining().and_then(|row| self.standing().patience.expected_from_ms(row));
        let step = Step::new("regain");
        let step = match from_ms {
            Some(from_ms) => step.lead(Text::new("regain-lead-until").with("date", mail::hour_after(from_ms))),
            None => step,
        };
        self.ask_for_patience(step);
        Ok(())
    }

    /// What was not shown in this sign-in is lost, whatever its session knew from before, and goes with the change that sets what takes its place. Nothing is left that a new
    /// means could put in danger.
    pub(super) fn begin_again(&mut self, form: Form) -> std::result::Result<(), Fault> {
        let by = if self.has_ticket() { "a ticket" } else { "waiting" };
        let account = self.person.account.as_ref().ok_or_else(|| Fault::new("a way back for nobody"))?;
        let (loses_totp, loses_passkeys) = (!self.state.is_shown(&MethodName::TOTP), !self.state.is_shown(&MethodName::PASSKEY));
        let mut effects = removals(account, loses_totp, loses_passkeys);
        // A new password ends them by itself.
        if form != Form::NewPassword {
            effects.push(Effect::EndSessions);
        }
        effects.extend([Effect::Notice("regained"), Effect::Audit(Box::new(Entry::ok("regained").with("by", by)))]);
        self.want(Source::Journey, effects)?;
        self.end_regain();
        self.state.is_new = true;
        if form == Form::NewPassword && self.standing().waiting.iter().any(|one| one.means == Means::Password) {
            self.confirm(Means::Password);
        }
        if let Some(account) = &mut self.person.account {
            if loses_totp {
                (account.totp_from_ms, account.recovery) = (None, Vec::new());
            }
            if loses_passkeys {
                account.passkeys.clear();
                account.former_passkeys.clear();
            }
        }
        Ok(())
    }

    /// Whoever shows what can be lost has not lost it: nobody waits any more.
    pub(super) fn note_found_again(&mut self) {
        let has_shown =
            self.state.proofs.last().is_some_and(|proof| LOSABLE.contains(&proof.method) && self.standing().counts_in_full(proof));
        let waits = self.standing().waiting.iter().any(|one| one.means == Means::Regain);
        if has_shown && waits && self.state.journey != Journey::Regain {
            self.end_regain();
            self.effects.push(Effect::Audit(Box::new(Entry::ok("regain_ended").with("by", "a proof"))));
        }
    }

    fn end_regain(&mut self) {
        if let Some(account) = &mut self.person.account {
            account.waiting.retain(|one| one.means != Means::Regain);
        }
        self.effects.push(Effect::EndRegain);
    }
}

fn removals(account: &Account, loses_totp: bool, loses_passkeys: bool) -> Vec<Effect> {
    let mut effects = Vec::new();
    let said = |entry: Entry| Effect::Audit(Box::new(entry));
    if loses_totp && (account.totp_from_ms.is_some() || !account.recovery.is_empty()) {
        effects.extend([Effect::Remove("totp"), Effect::Remove("recovery"), said(Entry::ok("totp_removed"))]);
    }
    for known in account.all_passkeys().filter(|_| loses_passkeys) {
        let public_id = known.public_id();
        effects.push(said(Entry::ok("passkey_removed").with("passkey", public_id.as_str()).with("lost", true)));
        effects.push(Effect::RemovePasskey { public_id });
    }
    effects
}
