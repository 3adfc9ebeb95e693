//! Wrong answers that cost nothing, and answers after a limit, can be sent without end. A few a minute are in the audit, and the log has
//! the others.

use super::effect::Effect;
use super::flow::Run;

impl Run<'_> {
    /// Takes the entries out that are too many for one account. What is about nobody we know is in the log alone.
    pub(super) fn record_sparingly(&self, mut effects: Vec<Effect>) -> Vec<Effect> {
        let Some(account) = self.person.account.as_ref().map(|account| account.id.as_str()) else { return effects };
        effects.retain(|effect| {
            let Effect::Audit(entry) = effect else { return true };
            let may = self.machine.rates.may_record(account);
            if !may {
                tracing::info!(event = entry.event, account, reason = entry.reason, "one refusal of many, which the audit leaves out");
            }
            may
        });
        effects
    }
}
