//! A plug-in's own names for people: which of them an answer may link to the account, or take away.

use super::accounts::{self, link_key};
use super::effect::Effect;
use super::flow::{Go, Run};
use super::outside::MOST_LINKS;
use super::proof::MethodName;
use crate::audit::Entry;

impl Run<'_> {
    /// Keeps of a plug-in's effects on links those that change something. A link that the account has already is left out. So is the
    /// removal of a name that the account does not have. False: nothing of the answer counts.
    pub(super) async fn may_have(&mut self, method: &MethodName, effects: &mut Vec<Effect>) -> Go<bool> {
        let Some(account) = self.person.account.clone() else { return Ok(true) };
        let mut kept = Vec::new();
        for effect in std::mem::take(effects) {
            match &effect {
                Effect::Link(new) => match accounts::linked(&self.machine.store, &new.issuer, &new.subject).await? {
                    Some(owner) if owner == account.id => {}
                    Some(_) => return self.refuse_links(method, "linked to another account"),
                    None if account.links.len() >= MOST_LINKS => return self.refuse_links(method, "too many links"),
                    None => kept.push(effect),
                },
                Effect::Unlink { issuer, subject } => {
                    let key = link_key(issuer, subject);
                    if !account.links.iter().any(|link| link.key() == key) {
                        continue;
                    }
                    if !self.rules.policy.leaves_a_way(&account.without_link(&key)) {
                        return self.refuse_links(method, "the last means is not taken away");
                    }
                    // What was proved by it is proved no more.
                    self.state.proofs.retain(|proof| proof.facts.credential.as_ref() != Some(&key));
                    let unlinked = Entry::ok("upstream_unlinked").with("method", method.as_str()).with("identity", key);
                    kept.extend([Effect::Raise, effect, Effect::Notice("link_removed"), Effect::Audit(Box::new(unlinked))]);
                }
                _ => kept.push(effect),
            }
        }
        *effects = kept;
        Ok(true)
    }

    fn refuse_links(&mut self, method: &MethodName, why: &str) -> Go<bool> {
        self.refuse_external(method, why)?;
        Ok(false)
    }
}
