//! `plugin:NAME`: a program of the operator's own asks and judges (`crate::plugins`). What it says counts within its configuration. It
//! proves the person whom the sign-in is about. With `asks_who` it proves whoever is linked to a name of its own. A program that fails
//! proves nobody, and leaves the other ways open.

use super::upstream::RETURNED;
use crate::audit::Entry;
use crate::config::plugin::PluginEffect;
use crate::error::{Fault, Result};
use crate::login::accounts::Account;
use crate::login::budgets::{Budget, BudgetKind, Whom};
use crate::login::context::{Answer, Asked, Checked, Context, Move, Person, Unavailable, Verdict};
use crate::login::effect::{Effect, Letter, Spend};
use crate::login::journey::NewLink;
use crate::login::proof::{Factor, MethodName, Proof};
use crate::login::step::{FieldKind, Problem, Step, Text};
use crate::plugins::{self, Running, Unanswered, listed};
use crate::profile::{self, PersonClaims as Profile};
use crate::store::tables::account::TOLD;
use crate::upstream::WayBack;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use symbolon_plugin::{Call, Given, login as wit};

/// What its proofs are worth, the configuration says (`Policy::worth`).
pub const AMR: &str = "";
pub const FACTOR: Option<Factor> = None;
/// Unless the configuration says that it does (`asks_who`).
pub const ASKS_WHO: bool = false;
const REFUSED: &str = "plugin_refused";
/// The longest text for people, in characters.
const LONGEST_TEXT: usize = 300;
/// Fields of a plug-in's question are called so, so that none is taken for one of ours.
const FIELD: &str = "plugin_";

/// What a question's answer is compared with.
#[derive(Serialize, Deserialize, Default)]
struct PluginSecret {
    /// The plug-in's own.
    state: String,
    /// The digest of the plug-in that it is of: another one reads nothing of it.
    #[serde(default)]
    sha256: String,
    /// The plug-in could not be asked: the answer asks it again.
    #[serde(default)]
    away: bool,
    /// The browser was sent away: what it brings back is the answer.
    #[serde(default)]
    left: bool,
}

pub fn has(name: &str, account: &Account) -> bool {
    account.links.iter().any(|link| link.is_by(MethodName::plugin(name).as_str()))
}

/// Before the first proof everybody may come. Whether a person has what it takes, the plug-in alone knows.
pub fn can_use(_name: &str, _person: &Person) -> bool {
    true
}

/// A proof by a link is good as long as the link is there.
pub fn still_holds(name: &str, proof: &Proof, account: &Account) -> bool {
    let method = MethodName::plugin(name);
    let is_there = |link: &String| account.links.iter().any(|known| known.is_by(method.as_str()) && known.key() == *link);
    proof.facts.credential.as_ref().is_none_or(is_there)
}

/// An answer costs what a password costs. Where nobody is named, strangers have one budget for this plug-in, and each network its own. A
/// browser in which somebody signed in before has that person's.
pub fn price(name: &str, person: &Person, step: &Move<'_>) -> Vec<Budget> {
    let is_named = person.account.is_some() || !person.name.is_empty();
    let anybody = || Whom::Anybody { of: name.to_owned(), seen_here: person.seen_here.clone() };
    let whom = if is_named { Whom::person(person) } else { anybody() };
    let what = match step {
        Move::Enter => BudgetKind::PluginQuestion,
        Move::Answer { .. } if is_named => BudgetKind::Plugin,
        Move::Answer { .. } => BudgetKind::PluginOfAnybody,
    };
    vec![Budget::Stored { what, whom, event: REFUSED }]
}

fn running<'a>(name: &str, context: &Context<'a>) -> std::result::Result<&'a Running, Fault> {
    context.plugins.get(name).ok_or_else(|| Fault::new(format!("there is no plug-in {name}")))
}

pub async fn learn(_name: &str, _context: &Context<'_>, _secret: &Json, _answer: &Answer<'_>) -> Result<Option<Json>> {
    Ok(None)
}

pub async fn ask(name: &str, context: &Context<'_>, person: &Person) -> std::result::Result<Asked, Unavailable> {
    let running = running(name, context)?;
    let asked = question_of(running, context, person).await.map_err(Unavailable::from_error)?;
    Ok(asked.or_else(|unanswered| away(running, &unanswered))?)
}

/// The question as the plug-in makes it. The inner error is the plug-in's.
async fn question_of(running: &Running, context: &Context<'_>, person: &Person) -> Result<std::result::Result<Asked, Unanswered>> {
    let facts = facts_of(running, context, person).await?;
    let call = call_of(running, context, "ask", &facts);
    let id = call.id.clone();
    let said = match running.plugin() {
        Ok(plugin) => running.said(plugin.ask(call, told(running, context), facts).await),
        Err(why) => Err(why),
    };
    let asked = said.and_then(|asked| dressed(running, (context, person), asked));
    Ok(asked.map_err(|why| running.unanswered(why, id)))
}

/// At one version of a sign-in there may be several answers, where the first could not be written. The same answer again has the same id,
/// and another one has another. `about`: what is told. Where the request comes from and its language are no part of it.
fn call_of(running: &Running, context: &Context<'_>, what: &str, about: &impl std::fmt::Debug) -> Call {
    let (version, about) = (context.voyage.map_or(0, |voyage| voyage.version), format!("{about:?}"));
    running.call(&[what.as_bytes(), &context.question, &version.to_be_bytes(), about.as_bytes()], context.now_ms)
}

fn told(running: &Running, context: &Context<'_>) -> wit::Context {
    let address = context.address.map(|address| address.to_string());
    wit::Context { locale: context.locale.to_owned(), address, return_url: return_url(running, context) }
}

/// Where a browser comes back to. None: an app has no browser of this sign-in, and a question leads nobody away.
fn return_url(running: &Running, context: &Context<'_>) -> Option<String> {
    let voyage = context.voyage.filter(|_| running.settings.may(PluginEffect::Leave) && context.sdks.is_none())?;
    let way_back = WayBack { id: voyage.id, version: voyage.version, question: context.question };
    let state = way_back.seal(context.keyring, context.issuer, MethodName::plugin(&running.name).as_str());
    Some(format!("{}/plugin/{}/return?state={state}", context.issuer, running.name))
}

/// What the plug-in is told of the person. A name that nobody has is read like any other (300-H).
async fn facts_of(running: &Running, context: &Context<'_>, person: &Person) -> Result<wit::Person> {
    let account = person.account.as_ref().filter(|account| account.active);
    let mut told = Vec::new();
    if !running.settings.claims.is_empty() {
        let id = account.map_or("", |account| account.id.as_str());
        if let Some(row) = context.store.one(TOLD, &[id.into()]).await? {
            let profile = Profile::from_row(&row)?;
            let claim = |name: &String| Some(wit::Claim { name: name.clone(), value: profile::claim(&profile, name)?.to_string() });
            told = running.settings.claims.iter().filter_map(claim).collect();
        }
    }
    let issuer = MethodName::plugin(&running.name);
    let own = account.and_then(|account| account.links.iter().find(|link| link.issuer == issuer.as_str()));
    Ok(wit::Person {
        name: Some(person.name.clone()).filter(|name| !name.is_empty()),
        is_proved: person.is_subject,
        external_id: own.map(|link| link.subject.clone()),
        claims: told,
    })
}

/// The plug-in's words in a step of ours.
fn dressed(running: &Running, (context, person): (&Context<'_>, &Person), asked: wit::Asked) -> std::result::Result<Asked, String> {
    let wit::Asked { step: said, state, effects } = asked;
    let mut step = Step::new("plugin");
    step.title = words(&said.title, "the title of a step")?;
    step.text = said.text.iter().map(|text| words(text, "a text of a step")).collect::<std::result::Result<_, String>>()?;
    for field in said.fields {
        let (kind, autocomplete) = match field.kind {
            wit::FieldKind::Text => (FieldKind::Text, "off"),
            wit::FieldKind::Code => (FieldKind::Code, "one-time-code"),
            wit::FieldKind::Password => (FieldKind::Password, "off"),
            wit::FieldKind::Email => (FieldKind::Email, "email"),
        };
        let name = format!("{FIELD}{}", field.name);
        step =
            if field.required { step.field(&name, kind, autocomplete, None) } else { step.optional_field(&name, kind, autocomplete, None) };
        if let Some(added) = step.fields.last_mut() {
            added.label = Some(words(&field.label, "the label of a field")?);
            added.max_length = field.max_length;
        }
    }
    let sha256 = running.settings.sha256.clone();
    let secret = as_json(&PluginSecret { state, sha256, ..PluginSecret::default() }).map_err(|fault| fault.0)?;
    Ok(Asked { step: step.primary("continue"), secret, effects: wanted(running, (context, person), effects, Moment::Question)? })
}

fn words(text: &str, what: &str) -> std::result::Result<Text, String> {
    Ok(Text::new("plugin-words").with("text", seen(text, what)?))
}

/// One line, in which nothing hides.
fn line_of(text: &str) -> String {
    crate::visible::plain(&text.replace(['\n', '\r', '\t'], " "), LONGEST_TEXT)
}

/// What people read on a page. A text of which they would see nothing is no answer.
fn seen(text: &str, what: &str) -> std::result::Result<String, String> {
    let line = line_of(text);
    if line.trim().is_empty() { Err(format!("answer: nobody sees anything of {what}")) } else { Ok(line) }
}

/// The same of all that a question shows. For whoever tries a plug-in without a server.
pub fn must_be_seen(said: &wit::Asked) -> std::result::Result<(), String> {
    words(&said.step.title, "the title of a step")?;
    for text in &said.step.text {
        words(text, "a text of a step")?;
    }
    for field in &said.step.fields {
        words(&field.label, "the label of a field")?;
    }
    Ok(())
}

/// The same of a verdict.
pub fn verdict_must_be_seen(verdict: &wit::Verdict) -> std::result::Result<(), String> {
    match verdict {
        wit::Verdict::Wrong(problem) => worded(problem).map(|_| ()),
        wit::Verdict::Again(again) => {
            must_be_seen(&again.asked)?;
            worded(&again.problem).map(|_| ())
        }
        wit::Verdict::Proved | wit::Verdict::ProvedExternal(_) | wit::Verdict::Leave(_) => Ok(()),
    }
}

fn as_json(secret: &PluginSecret) -> std::result::Result<Json, Fault> {
    serde_json::to_value(secret).map_err(|error| Fault::new(error.to_string()))
}

/// A page that says so, with the number of the call and the other ways beside it.
fn away(running: &Running, unanswered: &Unanswered) -> std::result::Result<Asked, Fault> {
    let mut step = Step::new("plugin_away").primary("try_again");
    if !unanswered.call.is_empty() {
        step.text.push(Text::new("plugin_away-call").with("call", unanswered.call.as_str()));
    }
    Ok(Asked {
        step,
        secret: as_json(&PluginSecret { away: true, ..PluginSecret::default() })?,
        effects: vec![failed(running, unanswered)],
    })
}

fn failed(running: &Running, unanswered: &Unanswered) -> Effect {
    let (why, call) = (unanswered.why.as_str(), unanswered.call.as_str());
    tracing::warn!(plugin = running.name, call, why, "a plug-in failed");
    Effect::Audit(Box::new(plugins::failed(&running.name, unanswered)))
}

/// Effects as the configuration allows them. Anything else is a failure of the plug-in, and not left out in silence.
fn wanted(
    running: &Running,
    (context, person): (&Context<'_>, &Person),
    effects: Vec<wit::Effect>,
    moment: Moment,
) -> std::result::Result<Vec<Effect>, String> {
    let name = running.name.as_str();
    let may = |kind: PluginEffect, word: &str| {
        if running.settings.may(kind) { Ok(()) } else { Err(format!("answer: it wants {word}, which effects does not list")) }
    };
    let read = |effect: wit::Effect| match effect {
        wit::Effect::Audit(note) => {
            may(PluginEffect::Audit, "audit")?;
            let entry = Entry::ok("plugin_noted").with("plugin", name).with("event", note.event);
            let text = line_of(&note.detail);
            let entry = if text.is_empty() { entry } else { entry.with("text", text) };
            Ok(Effect::Audit(Box::new(entry)))
        }
        wit::Effect::Once(value) => {
            may(PluginEffect::Once, "once")?;
            let what = Spend::PluginValue { plugin: name.to_owned(), value };
            Ok(Effect::Spend { what, event: REFUSED, problem: Problem::new("plugin_used") })
        }
        wit::Effect::Link(id) => {
            may(PluginEffect::Link, "link")?;
            if moment == Moment::Question {
                return Err("answer: it wants link with a question".to_owned());
            }
            if !person.is_subject {
                return Err("answer: it wants link, and nobody is proved".to_owned());
            }
            Ok(Effect::Link(Box::new(link(running, id))))
        }
        wit::Effect::Remove(id) => {
            may(PluginEffect::Remove, "remove")?;
            if moment == Moment::Question || !person.is_subject {
                return Err("answer: it wants remove with a question, or nobody is proved".to_owned());
            }
            Ok(Effect::Unlink { issuer: MethodName::plugin(name).as_str().to_owned(), subject: id })
        }
        wit::Effect::Letter(said) => {
            may(PluginEffect::Letter, "letter")?;
            if moment == Moment::Question || !running.settings.letters.contains(&said.template) {
                return Err(format!("answer: it wants the letter {}, which letters does not list, or with a question", said.template));
            }
            Ok(Effect::Letter(letter(context, person, said)))
        }
        wit::Effect::Raise => {
            may(PluginEffect::Raise, "raise")?;
            if !person.is_subject {
                return Err("answer: it wants raise, and nobody is proved".to_owned());
            }
            Ok(Effect::Raise)
        }
    };
    effects.into_iter().map(read).collect()
}

/// What effects come with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Question,
    Answer,
}

/// A link comes with a verdict that says who it is: of the very name that is proved, and of one alone. What is removed proves nothing.
fn must_fit(verdict: &wit::Verdict, effects: &[Effect]) -> std::result::Result<(), String> {
    let links: Vec<&NewLink> =
        effects.iter().filter_map(|effect| if let Effect::Link(new) = effect { Some(&**new) } else { None }).collect();
    let is_fit = |new: &NewLink| match verdict {
        wit::Verdict::Proved => true,
        wit::Verdict::ProvedExternal(id) => *id == new.subject,
        wit::Verdict::Wrong(_) | wit::Verdict::Again(_) | wit::Verdict::Leave(_) => false,
    };
    let removed: Vec<&str> =
        effects.iter().filter_map(|effect| if let Effect::Unlink { subject, .. } = effect { Some(&**subject) } else { None }).collect();
    let is_used = |id: &str| links.iter().any(|new| new.subject == id) || matches!(verdict, wit::Verdict::ProvedExternal(by) if by == id);
    if removed.len() > 1 || removed.iter().any(|id| is_used(id)) {
        return Err("answer: it wants remove more than once, or of a name that it proves or links".to_owned());
    }
    match links.as_slice() {
        [] => Ok(()),
        [new] if is_fit(new) => Ok(()),
        [_] => Err("answer: it wants link, and its verdict proves nobody by that name".to_owned()),
        _ => Err("answer: it wants link more than once".to_owned()),
    }
}

/// How long a letter is worth sending.
const LETTER_MS: i64 = 3_600_000;

/// To the account's proved address. A name that nobody has gets a letter to nobody, so that it takes as long. Its values may be empty: a
/// plug-in that writes a claim has none for that name, and nobody learns it from the page.
fn letter(context: &Context<'_>, person: &Person, said: wit::Letter) -> Letter {
    let account = person.account.as_ref().filter(|account| account.active);
    Letter {
        to: account.and_then(|account| account.email.clone()),
        template: format!("plugin-{}", said.template),
        values: said.values.into_iter().map(|value| (value.name, line_of(&value.value))).collect(),
        give_up_ms: context.now_ms + LETTER_MS,
    }
}

fn link(running: &Running, id: String) -> NewLink {
    let method = MethodName::plugin(&running.name).as_str().to_owned();
    let (label, shown) = (running.label().to_owned(), running.label().to_owned());
    NewLink {
        issuer: method.clone(),
        method,
        subject: id,
        said: "{}".to_owned(),
        label,
        shown,
        shows: Map::new(),
        leads: false,
        tokens: None,
        hint: None,
    }
}

pub async fn check(name: &str, context: &Context<'_>, person: &Person, secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let running = running(name, context)?;
    let kept: PluginSecret =
        serde_json::from_value(secret.clone()).map_err(|error| Fault::new(format!("the secret of a plug-in's question: {error}")))?;
    // Who comes back brings an answer; whoever presses a button meanwhile is asked anew. So is whom another version of the plug-in asked.
    if kept.away || kept.sha256 != running.settings.sha256 || kept.left != (answer.action == RETURNED) {
        return anew(running, (context, person), kept.away).await;
    }
    let prefix = if kept.left { "" } else { FIELD };
    let fields = answer.fields.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
    let given = Given {
        context: told(running, context),
        person: facts_of(running, context, person).await?,
        state: kept.state,
        answer: fields.map(|(name, value)| wit::AnswerField { name: name.to_owned(), value: value.clone() }).collect(),
    };
    let call = call_of(running, context, "check", &(&given.state, &given.answer, &given.person));
    let id = call.id.clone();
    let said = match running.plugin() {
        Ok(plugin) => running.said(plugin.check(call, given).await),
        Err(why) => Err(why),
    };
    let judged = said.and_then(|checked| judged(running, (context, person), checked));
    Ok(judged.unwrap_or_else(|why| no_verdict(running, &running.unanswered(why, id))))
}

/// The person reads the id of the call, by which the operator finds it in the audit and the log.
fn no_verdict(running: &Running, unanswered: &Unanswered) -> Verdict {
    let call = if unanswered.call.is_empty() { "none" } else { unanswered.call.as_str() };
    Verdict::wrong(Problem::new("plugin_away").with("call", call), vec![failed(running, unanswered)])
}

/// The question once more. `was_away`: it could not be asked before.
async fn anew(running: &Running, (context, person): (&Context<'_>, &Person), was_away: bool) -> Result<Verdict> {
    Ok(match question_of(running, context, person).await? {
        Ok(mut asked) => {
            let effects = std::mem::take(&mut asked.effects);
            Verdict { checked: Checked::Anew(Box::new(asked)), effects }
        }
        // The page names the newest call, and names it once.
        Err(unanswered) if was_away => {
            let mut asked = away(running, &unanswered)?;
            let effects = std::mem::take(&mut asked.effects);
            Verdict { checked: Checked::Again(asked, Problem::new("plugin_away").with("call", "none")), effects }
        }
        Err(unanswered) => no_verdict(running, &unanswered),
    })
}

fn judged(running: &Running, (context, person): (&Context<'_>, &Person), said: wit::Checked) -> std::result::Result<Verdict, String> {
    let effects = wanted(running, (context, person), said.effects, Moment::Answer)?;
    must_fit(&said.verdict, &effects)?;
    let entry = |entry: Entry| Effect::Audit(Box::new(entry.with("plugin", running.name.as_str())));
    let refused = |why: &str| entry(Entry::refused(REFUSED, why));
    let with = |more: Effect| effects.iter().cloned().chain([more]).collect::<Vec<_>>();
    match said.verdict {
        wit::Verdict::Proved if running.settings.asks_who => Err("answer: it has asks_who, and named nobody".to_owned()),
        wit::Verdict::Proved => Ok(match &person.account {
            Some(account) if account.active => Verdict::proved(with(entry(Entry::ok("plugin_proved")))),
            Some(_) => Verdict::wrong(Problem::new("plugin_wrong"), vec![refused("the account is disabled")]),
            None => Verdict::wrong(Problem::new("plugin_wrong"), vec![refused("no such login name")]),
        }),
        wit::Verdict::ProvedExternal(_) if !running.settings.asks_who => Err("answer: it named somebody, without asks_who".to_owned()),
        wit::Verdict::ProvedExternal(id) => Ok(Verdict { checked: Checked::External(Box::new(link(running, id))), effects }),
        wit::Verdict::Wrong(problem) => Ok(Verdict::wrong(worded(&problem)?, with(refused("the plug-in says that it is wrong")))),
        wit::Verdict::Again(again) => {
            let mut asked = dressed(running, (context, person), again.asked)?;
            let more = std::mem::take(&mut asked.effects);
            let all = with(refused("the plug-in asks again")).into_iter().chain(more).collect();
            Ok(Verdict { checked: Checked::Again(asked, worded(&again.problem)?), effects: all })
        }
        wit::Verdict::Leave(leave) => {
            if return_url(running, context).is_none() {
                return Err("answer: it sends the browser away, which effects does not list, or there is no browser".to_owned());
            }
            let (url, _) = listed(&leave.url, &running.settings.hosts).map_err(|why| format!("answer: {why}"))?;
            let mut step = Step::new("plugin_on_the_way").primary("continue");
            step.title = Text::new("plugin_on_the_way-title").with("label", running.label());
            let sha256 = running.settings.sha256.clone();
            let secret =
                as_json(&PluginSecret { state: leave.state, sha256, left: true, ..PluginSecret::default() }).map_err(|fault| fault.0)?;
            Ok(Verdict { checked: Checked::Leave { url: url.into(), step, secret }, effects })
        }
    }
}

fn worded(problem: &wit::Problem) -> std::result::Result<Problem, String> {
    let field = problem.field.as_ref().map(|field| format!("{FIELD}{field}"));
    Ok(Problem { field, ..Problem::new("plugin_words").with("text", seen(&problem.text, "a problem")?) })
}
