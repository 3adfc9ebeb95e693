//! A question that asks for what another screen shows: the last group of a device's code, or the number of a client that asks.

use super::budgets::{Budget, BudgetKind, Whom};
use super::context::Answer;
use super::effect::Effect;
use super::flow::{Go, Run};
use super::matching::{self, Expected};
use super::state::Pending;
use super::step::Problem;
use crate::audit::Entry;

impl Run<'_> {
    /// Where the question asks for what another screen shows: a few tries, whoever gives them and in however many windows.
    pub(super) async fn judge_what_is_shown(&mut self, pending: &Pending, answer: &Answer<'_>) -> Go<bool> {
        let expected = match Expected::of_secret(&pending.secret)? {
            None => return Ok(true),
            Some(Expected::Number(number)) => return Ok(self.judge_number(&number, answer)),
            Some(Expected::LastGroup(group)) => group,
        };
        let typed = answer.text(matching::FIELD);
        if typed.trim().is_empty() {
            self.problem = Some(Problem::in_field("no_code", matching::FIELD));
            return Ok(false);
        }
        let event = "device_code_refused";
        if !self.pay(&[Budget::Stored { what: BudgetKind::Tries, whom: Whom::Question(pending.id), event }]).await? {
            return Ok(false);
        }
        if expected.is(&self.machine.keyring, &pending.id, typed) {
            // Where a rule cannot be asked, the question stands, and the same letters come again. They are no guess.
            let tries = self.charged.take_tries();
            self.machine.give_back_typed(tries, self.visitor.now_ms).await?;
            return Ok(true);
        }
        self.effects.push(Effect::Audit(Box::new(Entry::refused(event, "the last group of the user code is another"))));
        self.problem = Some(Problem::in_field("wrong_last_group", matching::FIELD));
        Ok(false)
    }

    /// Of a hundred numbers, a second guess would be half as safe: one wrong number ends it. What is no number is no guess.
    fn judge_number(&mut self, number: &str, answer: &Answer<'_>) -> bool {
        match matching::is_number(number, answer.text(matching::NUMBER_FIELD)) {
            Some(true) => return true,
            None => self.problem = Some(Problem::in_field("no_code", matching::NUMBER_FIELD)),
            Some(false) => self.state.end(self.given_up()),
        }
        false
    }
}
