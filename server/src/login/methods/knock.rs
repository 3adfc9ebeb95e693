//! A method for the tests alone: a person proves to be there by knocking as often as asked. It shows what adding a method takes.

use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::login::accounts::Account;
use crate::login::budgets::{Budget, BudgetKind, Whom};
use crate::login::context::{Answer, Asked, Context, Move, Person, Unavailable, Verdict};
use crate::login::effect::Effect;
use crate::login::proof::{Factor, Proof};
use crate::login::step::{FieldKind, Problem, Step, Text};
use serde_json::{Value as Json, json};

pub const AMR: &str = "kba";
pub const FACTOR: Factor = Factor::Knowledge;
pub const ASKS_WHO: bool = false;
const REFUSED: &str = "knock_refused";

pub fn has(_account: &Account) -> bool {
    false
}

pub fn can_use(_person: &Person) -> bool {
    true
}

pub fn price(_person: &Person, step: &Move<'_>) -> Vec<Budget> {
    match step {
        Move::Enter => Vec::new(),
        Move::Answer { question, .. } => vec![Budget::Stored { what: BudgetKind::Tries, whom: Whom::Question(*question), event: REFUSED }],
    }
}

pub fn still_holds(_proof: &Proof, _account: &Account) -> bool {
    true
}

pub async fn ask(_context: &Context<'_>, _person: &Person) -> std::result::Result<Asked, Unavailable> {
    let [byte] = crate::seal::random::<1>()?;
    let times = 2 + u64::from(byte % 5);
    let step = Step::new("knock").lead(Text::new("knock-lead").with("times", times.to_string()));
    let step = step.field("knocks", FieldKind::Text, "off", None).primary("continue");
    Ok(Asked { step, secret: json!({ "times": times }), effects: Vec::new() })
}

pub async fn check(_context: &Context<'_>, person: &Person, secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let times = secret["times"].as_u64().ok_or_else(|| Fault::new("a knock without a number"))?;
    let knocked = answer.text("knocks").chars().filter(|letter| *letter == '*').count() as u64;
    if knocked == times && person.account.as_ref().is_some_and(|account| account.active) {
        return Ok(Verdict::proved(vec![Effect::Audit(Box::new(Entry::ok("knock_proved")))]));
    }
    let refused = Effect::Audit(Box::new(Entry::refused(REFUSED, "wrong number of knocks")));
    Ok(Verdict::wrong(Problem::in_field("wrong_knock", "knocks"), vec![refused]))
}
