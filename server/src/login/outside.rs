//! Whose account an identity at a provider leads to. The key is the verified issuer and the subject there, and nothing else. An address
//! never leads to an account, and a sign-in never links one (432-B, 419-U).

use super::accounts::{self, Account, Link, NewAccount, link_key};
use super::budgets::Budget;
use super::context::{Answer, Asked, Checked, Face, Outside, Voyage};
use super::demands::not_before_ms;
use super::effect::{Creation, Effect, Followed, Source};
use super::flow::{Go, Run, Stop};
use super::journey::{Form, Journey, LINKING_MAX_AGE_S, NewLink};
use super::linking::shown;
use super::methods;
use super::profile::{self, Profile};
use super::proof::{AtProvider, Facts, MethodName, Proof};
use super::rekeying;
use super::state::Question;
use super::step::{Problem, Step, Text};
use crate::audit::Entry;
use crate::config::upstream::{Linking, Newcomers, Update};
use crate::error::{Error, Fault};
use crate::store::{Change, NotApplied};
use crate::upstream::ProviderProfile as Said;
use serde_json::{Map, Value as Json};

/// The way of somebody whom an operator has invited.
pub(super) const USE_INVITATION: &str = "use_invitation";
/// Links of one account.
pub(super) const MOST_LINKS: usize = 20;
impl Run<'_> {
    /// Who chose a provider's button has said enough: the browser goes there.
    pub(super) async fn leave_at_once(&mut self, chosen: &Answer<'_>) -> Go<()> {
        let Some(pending) = self.state.pending.clone() else { return Ok(()) };
        let Question::Method(method) = &pending.question else { return Ok(()) };
        // Where the SDK in an app answers, nobody leaves. A wallet's page says first what is asked and why.
        let leads_there = pending.step.offers(methods::upstream::GO) && method.provider().is_some();
        if !leads_there || chosen.action != format!("use_{method}") {
            return Ok(());
        }
        self.check_method(method, &pending, &Answer { action: methods::upstream::GO, ..*chosen }).await
    }

    /// What the methods of a family say beside right and wrong.
    pub(super) async fn go_outside(&mut self, method: &MethodName, id: [u8; 16], checked: Checked, price: Vec<Budget>) -> Go<()> {
        match checked {
            Checked::Nothing => Ok(()),
            Checked::Again(asked, problem) => {
                self.touched = price;
                self.ask_again(asked, problem);
                Ok(())
            }
            Checked::Leave { url, step, secret } => {
                self.set_question(Question::Method(method.clone()), id, step, secret);
                if let Some(pending) = &mut self.state.pending {
                    pending.away = Some(url);
                }
                Ok(())
            }
            Checked::Anew(asked) => {
                self.set_question(Question::Method(method.clone()), id, asked.step, asked.secret);
                Ok(())
            }
            Checked::External(link) => {
                self.touched = price;
                self.meet_external(method, *link).await
            }
            Checked::Outside(outside) => {
                self.touched = price;
                self.meet(method, *outside).await
            }
            Checked::Wrong(_) | Checked::Proved(_) => Err(Fault::new("a verdict of another kind").into()),
        }
    }

    /// What a method needs that leads the person out of the house.
    pub(super) fn voyage(&self) -> Voyage {
        let version = u32::try_from(self.state.version + 1).unwrap_or_default();
        let now_ms = self.visitor.now_ms;
        let max_age_s = match &self.state.journey {
            Journey::Link { asked: true, .. } => Some(LINKING_MAX_AGE_S),
            _ if self.rules.force => Some(0),
            _ => {
                Some(not_before_ms(&self.state, self.rules, now_ms)).filter(|at_ms| *at_ms > 0).map(|at_ms| (now_ms - at_ms).max(0) / 1000)
            }
        };
        Voyage { id: self.state.id, version, max_age_s }
    }

    /// What was learned outside takes the place of the question's secret, in the store first. The code is spent there: whatever happens
    /// to this answer, the next one finds what came of it.
    pub(super) async fn keep(&mut self, learned: &Json) -> Go<()> {
        let (Some(answering), Some(pending)) = (self.before, &mut self.state.pending) else {
            return Err(Fault::new("something was learned without a question").into());
        };
        pending.secret = learned.clone();
        let mut change = Change::new(self.visitor.now_ms);
        answering.moving().keep(&self.machine.keyring, &mut change, &self.state, self.taken_ms)?;
        match self.machine.store.apply(change).await {
            Ok(_) => Ok(()),
            Err(NotApplied::Conflict(_)) => Err(Stop::Late),
            Err(other) => Err(other.into()),
        }
    }
}

impl Run<'_> {
    /// Somebody is proved to a provider.
    pub(super) async fn meet(&mut self, method: &MethodName, outside: Outside) -> Go<()> {
        let learned = &outside.learned;
        let (store, key) = (&self.machine.store, (learned.issuer.as_str(), learned.subject.as_str()));
        let owner = match accounts::linked(store, key.0, key.1).await? {
            None => rekeying::rekey_by_transfer(store, key, learned.transfer_sub.as_deref(), self.visitor.now_ms).await?,
            found => found,
        };
        if matches!(self.state.journey, Journey::Link { asked: true, .. }) {
            return self.offer_link(outside, owner);
        }
        let subject = self.state.subject.as_ref().map(|subject| subject.account.clone());
        match (owner, subject) {
            (Some(owner), Some(subject)) if owner != subject => self.turn_away(outside, "upstream_other", "linked to another account"),
            (Some(owner), _) => self.sign_in_linked(method, outside, owner).await,
            (None, Some(_)) => self.turn_away(outside, "upstream_not_linked", "not linked, and a sign-in links nothing"),
            (None, None) if self.state.journey != Journey::SignIn => self.turn_away(outside, "upstream_not_linked", "not linked"),
            (None, None) if outside.settings.accounts == Newcomers::Create => self.create_linked(method, outside).await,
            (None, None) => self.say_unknown(outside),
        }
    }

    /// The question anew, with what was wrong. The sign-in goes on with it or with another way.
    fn turn_away(&mut self, outside: Outside, problem: &str, why: &str) -> Go<()> {
        self.note(&outside, Entry::refused("upstream_refused", why))?;
        self.ask_again(outside.again, Problem::new(problem));
        Ok(())
    }

    fn note(&mut self, outside: &Outside, entry: Entry) -> std::result::Result<(), Fault> {
        let mut entry = entry.with("provider", outside.provider.as_str()).with("identity", identity(outside));
        if outside.on_other_device {
            entry = entry.with("on_other_device", true);
        }
        self.want(Source::Outside, vec![Effect::Audit(Box::new(entry))])
    }

    pub(super) fn ask_again(&mut self, asked: Asked, problem: Problem) {
        let Some(pending) = self.state.pending.take() else { return };
        self.set_question(pending.question, pending.id, asked.step, asked.secret);
        self.problem = Some(problem);
    }

    fn proof(&self, method: &MethodName, outside: &Outside, account: &str) -> Proof {
        let now_ms = self.visitor.now_ms;
        let at_ms = outside.learned.auth_time.map(|at_s| {
            let (at_ms, skew_ms) = (at_s.saturating_mul(1000), outside.settings.clock_skew.ms());
            // Who was authenticated on this way is authenticated now, whatever the provider's clock says.
            if at_ms.saturating_add(skew_ms) >= outside.left_ms { now_ms } else { at_ms }
        });
        let credential = Some(identity(outside));
        let learned = &outside.learned;
        let at_provider = method.provider().map(|_| AtProvider {
            sid: AtProvider::name(&learned.issuer, learned.sid.as_deref(), &learned.subject),
            left_ms: outside.left_ms,
        });
        let facts = Facts {
            credential,
            undated: at_ms.is_none(),
            at_provider,
            transaction: outside.transaction.clone(),
            on_other_device: outside.on_other_device,
            ..Facts::default()
        };
        Proof { method: method.clone(), subject: account.to_owned(), at_ms: at_ms.unwrap_or(now_ms), facts }
    }

    async fn sign_in_linked(&mut self, method: &MethodName, mut outside: Outside, owner: String) -> Go<()> {
        let account = self.machine.accounts().by_id(&owner).await?;
        let Some(account) = account.filter(|account| account.active) else {
            // It is the person's own account, so this tells nobody else anything (446-B).
            return self.turn_away(outside, "upstream_closed", "the account is disabled");
        };
        let proof = self.proof(method, &outside, &account.id);
        if !self.conditions().is_fresh(&proof) {
            return self.turn_away(outside, "upstream_not_fresh", "the sign-in at the provider is too old, or has no date");
        }
        self.note(&outside, Entry::ok("upstream_proved"))?;
        let before = account.links.iter().find(|link| link.key() == identity(&outside));
        let before: Option<Said> = before.and_then(|link| serde_json::from_str(&link.said).ok());
        outside.learned.profile = outside.learned.profile.or(before.unwrap_or_default());
        let mut effects = vec![Effect::SeeLink(Box::new(new_link(method, &outside)?))];
        if !outside.learned.claims.is_empty() {
            let identity = identity(&outside);
            let before = profile::read(&self.machine.store, &account.id, &identity).await?;
            let after = before.after(&outside.settings, &outside.learned.claims);
            effects.extend(after.map(|after| Effect::Follow(Box::new(Followed { identity, before, after }))));
        }
        self.person.name = String::new();
        self.person.account = Some(account.clone());
        self.person.is_subject = true;
        self.want(Source::Outside, effects)?;
        self.state.prove(&account.id, account.version, proof);
        self.find_question().await
    }

    fn as_link(&self, new: &NewLink) -> Link {
        let NewLink { method, issuer, subject, said, shows, .. } = new.clone();
        let shows = crate::profile::as_text(&shows);
        let lets_in_by = self.machine.config.methods_of_link(&method, &issuer);
        Link { method, issuer, subject, said, shows, created_ms: 0, used_ms: 0, lets_in_by }
    }

    /// A new account, linked from its first moment on.
    async fn create_linked(&mut self, method: &MethodName, outside: Outside) -> Go<()> {
        let id = accounts::new_id()?;
        let proof = self.proof(method, &outside, &id);
        if !self.conditions().is_fresh(&proof) {
            return self.turn_away(outside, "upstream_not_fresh", "the sign-in at the provider is too old, or has no date");
        }
        let email = self.address_of(&outside).await?;
        let profile = &outside.learned.profile;
        let said = Profile::default().after(&outside.settings, &outside.learned.claims).unwrap_or_default();
        let new = NewAccount {
            login_names: Vec::new(),
            email_verified: email.is_some(),
            email,
            name: said.name.or_else(|| profile.name.clone()),
            locale: said.locale.or_else(|| profile.locale.clone()),
            claims: said.claims,
            password: None,
        };
        let link = NewLink { shows: said.shown, ..new_link(method, &outside)? };
        let account = Account { id: id.clone(), active: true, version: 1, links: vec![self.as_link(&link)], ..Account::default() };
        self.person.name = String::new();
        self.person.account = Some(account);
        self.person.is_subject = true;
        self.state.is_new = true;
        let creation = Effect::CreateAccount(Box::new(Creation { id: id.clone(), new, password_digest: None }));
        let registered = Effect::Audit(Box::new(Entry::ok("registered").with("provider", outside.provider.as_str())));
        self.want(Source::Outside, vec![creation, Effect::Link(Box::new(link)), registered])?;
        self.note(&outside, Entry::ok("upstream_proved"))?;
        self.state.prove(&id, 1, proof);
        self.find_question().await
    }

    /// The address that a new account gets: the provider may vouch for it and calls it verified, and nobody has it.
    async fn address_of(&self, outside: &Outside) -> std::result::Result<Option<String>, Error> {
        let profile = &outside.learned.profile;
        let domain = outside.learned.domain.as_deref();
        let said = profile.email.as_deref().filter(|_| profile.email_verified);
        let Some(email) = said.and_then(accounts::email_address).filter(|email| outside.settings.is_authoritative_for(email, domain))
        else {
            return Ok(None);
        };
        let allows = self.machine.config.registration.as_ref().is_none_or(|registration| registration.allows(&email));
        let is_free = self.machine.accounts().by_typed_name(&email).await?.is_none();
        Ok(Some(email).filter(|_| allows && is_free))
    }

    /// The operator makes accounts here, and none is linked. The page says so, and leads nobody round in circles.
    fn say_unknown(&mut self, outside: Outside) -> Go<()> {
        self.note(&outside, Entry::refused("upstream_refused", "no account is linked"))?;
        let label = outside.settings.label.as_str();
        let mut step = Step::new("upstream_unknown");
        step.title = Text::new("upstream_unknown-title").with("provider", label);
        step.text = vec![Text::new("upstream_unknown-lead").with("provider", label).with("account", shown(&outside.learned.profile))];
        let mut step = step.primary_for("other_account", label);
        let is_nobody = self.state.subject.is_none() && self.state.journey == Journey::SignIn;
        // An app has no way to the provider that keeps the invitation.
        let is_browser = matches!(self.visitor.face, Face::Browser);
        if is_nobody && is_browser && !outside.provider.contains(':') && outside.settings.linking != Linking::Off {
            step = step.secondary(USE_INVITATION);
        }
        self.ask_again(Asked { step, ..outside.again }, Problem::new("upstream_unknown"));
        Ok(())
    }

    /// Both sides are proved: the last page names them, and asks.
    fn offer_link(&mut self, outside: Outside, owner: Option<String>) -> Go<()> {
        let account = self.person.account.as_ref().ok_or_else(|| Fault::new("a link without a person"))?;
        if let Some(owner) = owner {
            let problem = if owner == account.id { "upstream_linked_already" } else { "upstream_linked_elsewhere" };
            return self.turn_away(outside, problem, "the identity is linked already");
        }
        if account.links.len() >= MOST_LINKS {
            return self.turn_away(outside, "upstream_too_many_links", "too many links");
        }
        let not_before_s = self.visitor.now_ms / 1000 - LINKING_MAX_AGE_S - outside.settings.clock_skew.0;
        let is_fresh = outside.learned.auth_time.is_some_and(|at_s| at_s >= not_before_s);
        match outside.settings.linking {
            Linking::Off => return self.turn_away(outside, "upstream_linking_off", "linking is off"),
            Linking::Fresh if !is_fresh => {
                return self.turn_away(outside, "upstream_not_fresh", "the sign-in at the provider is too old, or has no date");
            }
            Linking::Fresh | Linking::Undated => {}
        }
        let link = new_link(&MethodName::of_provider(&outside.provider), &outside)?;
        let invited = matches!(self.state.journey, Journey::Link { invited: true, .. });
        self.state.journey = Journey::Link { provider: outside.provider, asked: true, found: Some(link), invited };
        self.ask_form(Form::Link)
    }
}

impl Run<'_> {
    /// Somebody is proved to a plug-in, by a name of its own. Links alone say whose account that is.
    async fn meet_external(&mut self, method: &MethodName, found: NewLink) -> Go<()> {
        let owner = accounts::linked(&self.machine.store, &found.issuer, &found.subject).await?;
        let subject = self.state.subject.as_ref().map(|subject| subject.account.clone());
        // The plug-in may link its name in the same answer, to a person who is proved otherwise (`effect::is_allowed`).
        let links_it = |effect: &Effect| matches!(effect, Effect::Link(new) if new.issuer == found.issuer && new.subject == found.subject);
        let is_new = self.effects.iter().any(links_it);
        let owner = match (owner, subject) {
            (Some(owner), Some(subject)) if owner != subject => return self.refuse_external(method, "linked to another account"),
            (Some(owner), _) => owner,
            (None, Some(subject)) if is_new => subject,
            (None, None) if self.makes_accounts(method) => return self.create_external(method, found).await,
            (None, _) => return self.refuse_external(method, "not linked"),
        };
        let Some(account) = self.machine.accounts().by_id(&owner).await?.filter(|account| account.active) else {
            return self.refuse_external(method, "the account is disabled");
        };
        let credential = Some(link_key(&found.issuer, &found.subject));
        let facts = Facts { credential, ..Facts::default() };
        let proof = Proof { method: method.clone(), subject: account.id.clone(), at_ms: self.visitor.now_ms, facts };
        let proved = Entry::ok("plugin_proved").with("plugin", method.plugin_name().unwrap_or_default());
        let mut effects = vec![Effect::Audit(Box::new(proved))];
        effects.extend((!is_new).then(|| Effect::SeeLink(Box::new(found))));
        self.want(Source::Method(method), effects)?;
        self.person.name = String::new();
        self.person.account = Some(account.clone());
        self.person.is_subject = true;
        self.state.prove(&account.id, account.version, proof);
        self.find_question().await
    }

    /// May the plug-in's word for somebody whom nobody is linked to become an account?
    fn makes_accounts(&self, method: &MethodName) -> bool {
        let settings = method.plugin_name().and_then(|name| self.machine.config.plugin.get(name));
        self.state.journey == Journey::SignIn && settings.is_some_and(|it| it.asks_who && it.accounts == Newcomers::Create)
    }

    /// A new account, linked from its first moment on. It never joins one that is there.
    async fn create_external(&mut self, method: &MethodName, found: NewLink) -> Go<()> {
        let id = accounts::new_id()?;
        let credential = Some(link_key(&found.issuer, &found.subject));
        let proof = Proof {
            method: method.clone(),
            subject: id.clone(),
            at_ms: self.visitor.now_ms,
            facts: Facts { credential, ..Facts::default() },
        };
        self.person.name = String::new();
        self.person.account =
            Some(Account { id: id.clone(), active: true, version: 1, links: vec![self.as_link(&found)], ..Account::default() });
        self.person.is_subject = true;
        self.state.is_new = true;
        let plugin = method.plugin_name().unwrap_or_default();
        let creation = Effect::CreateAccount(Box::new(Creation { id: id.clone(), new: NewAccount::default(), password_digest: None }));
        let entries = ["registered", "plugin_proved"].map(|event| Effect::Audit(Box::new(Entry::ok(event).with("plugin", plugin))));
        self.want(Source::Outside, [vec![creation, Effect::Link(Box::new(found))], entries.to_vec()].concat())?;
        self.state.prove(&id, 1, proof);
        self.find_question().await
    }

    /// What the plug-in wanted done is not done: it named nobody whom this sign-in can be about.
    pub(super) fn refuse_external(&mut self, method: &MethodName, why: &str) -> Go<()> {
        self.effects.retain(|effect| matches!(effect, Effect::Audit(_)));
        let refused = Entry::refused("plugin_refused", why).with("plugin", method.plugin_name().unwrap_or_default());
        self.want(Source::Method(method), vec![Effect::Audit(Box::new(refused))])?;
        self.problem = Some(Problem::new("plugin_not_linked"));
        Ok(())
    }
}

/// The name of an identity in proofs and in the audit.
fn identity(outside: &Outside) -> String {
    link_key(&outside.learned.issuer, &outside.learned.subject)
}

fn new_link(method: &MethodName, outside: &Outside) -> std::result::Result<NewLink, Fault> {
    let learned = &outside.learned;
    let said = serde_json::to_string(&learned.profile).map_err(|error| Fault::new(error.to_string()))?;
    Ok(NewLink {
        method: method.as_str().to_owned(),
        issuer: learned.issuer.clone(),
        subject: learned.subject.clone(),
        said,
        label: outside.settings.label.clone(),
        shown: shown(&learned.profile),
        shows: Map::new(),
        leads: learned.claims.keys().any(|name| outside.settings.claims.get(name).is_some_and(|rule| rule.update == Update::Every)),
        tokens: learned.tokens.clone(),
        hint: learned.hint.clone().map(|hint| (AtProvider::name(&learned.issuer, learned.sid.as_deref(), &learned.subject), hint)),
    })
}
