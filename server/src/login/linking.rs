//! The last pages of linking and unlinking an identity at a provider. They name both sides, and the person says yes.

use super::accounts::{self, Account, Link};
use super::context::Person;
use super::effect::Effect;
use super::filling::{Filled, Filling, FormOutcome};
use super::journey::Journey;
use super::methods::email;
use super::state::State;
use super::step::{Problem, Step, Text};
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::upstream::ProviderProfile;

/// How a person may know an account at a provider again: pages show it, so an address is shortened.
pub fn shown(profile: &ProviderProfile) -> String {
    let address = profile.email.as_deref().map(email::masked);
    let name = address.or_else(|| profile.preferred_username.clone()).or_else(|| profile.name.clone());
    crate::visible::plain(&name.unwrap_or_else(|| "…".to_owned()), 80)
}

/// The same of what the store keeps.
pub fn shown_link(link: &Link) -> String {
    serde_json::from_str::<ProviderProfile>(&link.said).map(|profile| shown(&profile)).unwrap_or_else(|_| "…".to_owned())
}

fn own(person: &Person) -> std::result::Result<&Account, Fault> {
    person.account.as_ref().ok_or_else(|| Fault::new("a link without a person"))
}

/// How the person knows the account here.
fn shown_account(account: &Account) -> String {
    crate::visible::plain(account.any_email.as_deref().unwrap_or("…"), 80)
}

pub fn ask(state: &State, person: &Person) -> std::result::Result<Step, Fault> {
    let account = own(person)?;
    let (kind, provider, identity) = match &state.journey {
        Journey::Link { found: Some(link), .. } => ("link", link.label.clone(), link.shown.clone()),
        Journey::Unlink { key } => {
            let link = account.links.iter().find(|link| link.key() == *key);
            ("unlink", String::new(), link.map(shown_link).unwrap_or_default())
        }
        other => return Err(Fault::new(format!("a form of links in {other:?}"))),
    };
    let lead = Text::new(format!("{kind}-lead"))
        .with("provider", provider.clone())
        .with("identity", identity)
        .with("account", shown_account(account));
    let mut step = Step::new(kind).lead(lead);
    step.title = Text::new(format!("{kind}-title")).with("provider", provider);
    Ok(step.primary("continue"))
}

/// A new means ends what was under way with the old ones.
pub fn link(filling: &Filling<'_>) -> Result<Filled> {
    let Journey::Link { found: Some(link), .. } = &filling.state.journey else {
        return Err(Fault::new("nothing was found to link").into());
    };
    let name = accounts::link_key(&link.issuer, &link.subject);
    let linked = Entry::ok("upstream_linked").with("method", link.method.as_str()).with("identity", name);
    let effects = vec![Effect::Raise, Effect::Link(Box::new(link.clone())), Effect::Notice("link_added"), Effect::Audit(Box::new(linked))];
    Ok(Filled::Done(Box::new(FormOutcome::end(effects))))
}

/// What a person can still sign in with stays: the last means is not taken away.
pub fn unlink(filling: &Filling<'_>) -> Result<Filled> {
    let Journey::Unlink { key } = &filling.state.journey else { return Err(Fault::new("nothing to unlink").into()) };
    let account = own(filling.person)?;
    let Some(link) = account.links.iter().find(|link| link.key() == *key) else {
        return Ok(Filled::Wrong(Problem::new("unlinked_already")));
    };
    if !filling.policy.leaves_a_way(&account.without_link(key)) {
        return Ok(Filled::Wrong(Problem::new("last_means")));
    }
    let unlinked = Entry::ok("upstream_unlinked").with("method", link.method.as_str()).with("identity", key.as_str());
    let gone = Effect::Unlink { issuer: link.issuer.clone(), subject: link.subject.clone() };
    let effects = vec![Effect::Raise, gone, Effect::Notice("link_removed"), Effect::Audit(Box::new(unlinked))];
    Ok(Filled::Done(Box::new(FormOutcome::end(effects))))
}
