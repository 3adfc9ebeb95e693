//! The calls of each world, and what their answers must be.

use crate::bindings::claims::symbolon::plugin::tokens;
use crate::bindings::decision::symbolon::plugin::decisions;
use crate::bindings::evidence::symbolon::plugin::evidences;
use crate::bindings::method::symbolon::plugin::login::{
    AnswerField, Asked, Checked, Claim, Context, Effect, Person, Problem, Step, Verdict,
};
use crate::call::Call;
use crate::failure::{Failure, Reason};
use crate::guest::Guest;
use crate::load::{Exports, Plugin};
use wasmtime::{Error, Store};

/// Of one text for people.
const TEXT: usize = 300;
const TEXTS: usize = 8;
const FIELDS: usize = 8;
/// Of what a question keeps.
const STATE: usize = 4096;
const EFFECTS: usize = 8;
/// Of a name, an external id, or what works once.
const NAME: usize = 256;
const URL: usize = 4096;
const CLAIMS: usize = 64;
const CLAIM: usize = 4096;
const CLAIMS_TOGETHER: usize = 16 << 10;
/// Of what evidence is about.
const KEY: usize = 256;
const RULES: usize = 16;

/// An answer, with what it is judged by.
#[derive(Debug, Clone)]
pub struct Given {
    pub context: Context,
    pub person: Person,
    /// What the question kept.
    pub state: String,
    pub answer: Vec<AnswerField>,
}

fn other_world() -> Error {
    Error::msg("the plug-in is of another world")
}

impl Plugin {
    /// World `method`: makes the question.
    pub async fn ask(&self, call: Call, context: Context, person: Person) -> Result<Asked, Failure> {
        let work = move |store: &mut Store<Guest>, exports: &Exports| {
            let Exports::Method(exports) = exports else { return Err(other_world()) };
            exports.instantiate(&mut *store)?.call_ask(store, &context, &person)
        };
        self.run(call, work, |answer| good(answer, must_be_question)).await
    }

    /// World `method`: judges an answer.
    pub async fn check(&self, call: Call, given: Given) -> Result<Checked, Failure> {
        let Given { context, person, state, answer } = given;
        let work = move |store: &mut Store<Guest>, exports: &Exports| {
            let Exports::Method(exports) = exports else { return Err(other_world()) };
            exports.instantiate(&mut *store)?.call_check(store, &context, &person, &state, &answer)
        };
        self.run(call, work, |answer| good(answer, must_be_verdict)).await
    }

    /// World `decision`.
    pub async fn decide(&self, call: Call, facts: decisions::Facts) -> Result<decisions::Verdict, Failure> {
        let work = move |store: &mut Store<Guest>, exports: &Exports| {
            let Exports::Decision(exports) = exports else { return Err(other_world()) };
            exports.instantiate(&mut *store)?.call_decide(store, &facts)
        };
        self.run(call, work, |answer| good(answer, must_be_decision)).await
    }

    /// World `claims`.
    pub async fn claims(&self, call: Call, facts: tokens::Facts) -> Result<Vec<Claim>, Failure> {
        let work = move |store: &mut Store<Guest>, exports: &Exports| {
            let Exports::Claims(exports) = exports else { return Err(other_world()) };
            exports.instantiate(&mut *store)?.call_claims(store, &facts)
        };
        self.run(call, work, |answer| good(answer, |claims: &Vec<Claim>| must_be_claims(claims))).await
    }
}

impl Plugin {
    /// World `evidence`.
    pub async fn verify(&self, call: Call, facts: evidences::Facts) -> Result<evidences::Verdict, Failure> {
        let work = move |store: &mut Store<Guest>, exports: &Exports| {
            let Exports::Evidence(exports) = exports else { return Err(other_world()) };
            exports.instantiate(&mut *store)?.call_verify(store, &facts)
        };
        self.run(call, work, |answer| good(answer, must_be_judgement)).await
    }
}

/// The plug-in's own word that it cannot answer.
fn refused(why: String) -> Failure {
    Failure::new(Reason::Refused, crate::guest::shortened(&why, TEXT))
}

type Judged = Result<(), String>;

/// An answer that can be meant.
fn good<T>(answer: Result<T, String>, must_be: fn(&T) -> Judged) -> Result<T, Failure> {
    let answer = answer.map_err(refused)?;
    must_be(&answer).map_err(|why| Failure::new(Reason::Answer, why))?;
    Ok(answer)
}

/// Text for people, the audit or the store: not empty, not long, no control characters but those of lines.
fn must_be_text(text: &str, most: usize, what: &str) -> Judged {
    if text.is_empty() || !is_plain(text, most) {
        return Err(format!("{what} has 1 to {most} bytes, without control characters"));
    }
    Ok(())
}

/// Text that may be empty, as a claim of a person whom nobody knows is.
fn must_be_empty_or_text(text: &str, most: usize, what: &str) -> Judged {
    if is_plain(text, most) { Ok(()) } else { Err(format!("{what} has at most {most} bytes, without control characters")) }
}

fn is_plain(text: &str, most: usize) -> bool {
    text.len() <= most && !text.contains(|letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
}

fn must_be_some(count: usize, most: usize, what: &str) -> Judged {
    if count > most { Err(format!("at most {most} {what}, and there are {count}")) } else { Ok(()) }
}

/// Names of ours: what stands in forms and in events.
fn must_be_name(name: &str, what: &str) -> Judged {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(is_plain) {
        return Err(format!("{what} has 1 to 32 lower-case letters, digits and underscores"));
    }
    Ok(())
}

fn must_be_state(state: &str) -> Judged {
    if state.len() > STATE || state.contains('\0') {
        return Err(format!("the state of a question has at most {STATE} bytes, without U+0000"));
    }
    Ok(())
}

fn must_be_question(asked: &Asked) -> Judged {
    must_be_state(&asked.state)?;
    must_be_step(&asked.step)?;
    must_be_effects(&asked.effects)
}

fn must_be_step(step: &Step) -> Judged {
    must_be_text(&step.title, TEXT, "the title of a step")?;
    must_be_some(step.text.len(), TEXTS, "texts of a step")?;
    must_be_some(step.fields.len(), FIELDS, "fields of a step")?;
    for text in &step.text {
        must_be_text(text, TEXT, "a text of a step")?;
    }
    for (at, field) in step.fields.iter().enumerate() {
        must_be_name(&field.name, "the name of a field")?;
        must_be_text(&field.label, TEXT, "the label of a field")?;
        if step.fields[..at].iter().any(|before| before.name == field.name) {
            return Err(format!("two fields are called {}", field.name));
        }
        if !(1..=1024).contains(&field.max_length) {
            return Err("the longest value of a field has 1 to 1024 characters".to_owned());
        }
    }
    Ok(())
}

fn must_be_effects(effects: &[Effect]) -> Judged {
    must_be_some(effects.len(), EFFECTS, "effects")?;
    for effect in effects {
        match effect {
            Effect::Audit(note) => {
                must_be_name(&note.event, "the event of an audit entry")?;
                must_be_empty_or_text(&note.detail, TEXT, "the detail of an audit entry")?;
            }
            Effect::Once(value) => must_be_text(value, NAME, "what works once")?,
            Effect::Link(id) | Effect::Remove(id) => must_be_text(id, NAME, "an external id")?,
            Effect::Letter(letter) => {
                must_be_name(&letter.template, "the template of a letter")?;
                must_be_some(letter.values.len(), FIELDS, "values of a letter")?;
                for value in &letter.values {
                    must_be_name(&value.name, "the name of a value")?;
                    must_be_empty_or_text(&value.value, TEXT, "a value of a letter")?;
                }
            }
            Effect::Raise => {}
        }
    }
    Ok(())
}

fn must_be_verdict(checked: &Checked) -> Judged {
    must_be_effects(&checked.effects)?;
    match &checked.verdict {
        Verdict::Proved => Ok(()),
        Verdict::ProvedExternal(id) => must_be_text(id, NAME, "an external id"),
        Verdict::Leave(leave) => {
            must_be_text(&leave.url, URL, "the address to go on at")?;
            must_be_state(&leave.state)
        }
        Verdict::Wrong(problem) => must_be_problem(problem),
        Verdict::Again(again) => {
            must_be_problem(&again.problem)?;
            must_be_question(&again.asked)?;
            let is_asked = |name: &String| again.asked.step.fields.iter().any(|field| field.name == *name);
            match &again.problem.field {
                Some(name) if !is_asked(name) => Err(format!("a problem is with the field {name}, which the question does not have")),
                _ => Ok(()),
            }
        }
    }
}

/// The field is one of the question that was answered, which the server alone has still.
fn must_be_problem(problem: &Problem) -> Judged {
    must_be_text(&problem.text, TEXT, "a problem")?;
    problem.field.as_ref().map_or(Ok(()), |name| must_be_name(name, "the field of a problem"))
}

fn must_be_decision(verdict: &decisions::Verdict) -> Judged {
    match verdict {
        decisions::Verdict::Deny(why) | decisions::Verdict::StepUp(why) => must_be_empty_or_text(why, TEXT, "a reason"),
        decisions::Verdict::Shorten(0) => Err("tokens that live no second".to_owned()),
        decisions::Verdict::Shorten(_) | decisions::Verdict::Allow => Ok(()),
    }
}

fn must_be_judgement(verdict: &evidences::Verdict) -> Judged {
    match verdict {
        evidences::Verdict::Accepted(accepted) => {
            if !(1..=KEY).contains(&accepted.evidence_key.len()) || accepted.binding.len() != 32 {
                return Err(format!("evidence-key has 1 to {KEY} bytes, and binding 32"));
            }
            must_be_claims(&accepted.facts)
        }
        evidences::Verdict::Refused(rules) => {
            must_be_some(rules.len(), RULES, "rules that are broken")?;
            if rules.is_empty() {
                return Err("evidence is refused by a rule at least".to_owned());
            }
            rules.iter().try_for_each(|rule| must_be_name(rule, "a rule"))
        }
    }
}

fn must_be_claims(claims: &[Claim]) -> Judged {
    must_be_some(claims.len(), CLAIMS, "claims")?;
    let together: usize = claims.iter().map(|claim| claim.name.len() + claim.value.len()).sum();
    must_be_some(together, CLAIMS_TOGETHER, "bytes of claims")?;
    for (at, claim) in claims.iter().enumerate() {
        must_be_text(&claim.name, NAME, "the name of a claim")?;
        must_be_text(&claim.value, CLAIM, "the value of a claim")?;
        if claims[..at].iter().any(|before| before.name == claim.name) {
            return Err(format!("the claim {} is there twice", claim.name));
        }
    }
    Ok(())
}
