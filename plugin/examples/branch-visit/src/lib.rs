//! A visit to a branch: a clerk looks at the person's papers and gives them a number, which works once. The person types it here, and
//! the bank's own service says whether it is this customer's.
//!
//! The configuration: `service` is the address of that service. The account's claim `customer_id` must be among `claims`.

#![no_std]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::{format, vec, vec::Vec};

wit_bindgen::generate!({ path: "../../wit", world: "method" });

use exports_of_server::{Header, Request, Severity, call_id, config, log, send};
use symbolon::plugin::host as exports_of_server;
use symbolon::plugin::login::{Effect, Field, FieldKind, Note, Problem, Step, Verdict};

#[global_allocator]
static MEMORY: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

const DIGITS: usize = 8;

struct BranchVisit;

export!(BranchVisit);

impl Guest for BranchVisit {
    fn ask(context: Context, _person: Person) -> Result<Asked, String> {
        Ok(Asked { step: question(&context.locale), state: String::new(), effects: Vec::new() })
    }

    fn check(context: Context, person: Person, _state: String, answer: Vec<AnswerField>) -> Result<Checked, String> {
        let typed = answer.iter().find(|field| field.name == "visit_number").map_or("", |field| field.value.as_str());
        let number: String = typed.chars().filter(char::is_ascii_digit).collect();
        let customer = person.claims.iter().find(|claim| claim.name == "customer_id").map(|claim| claim.value.as_str());
        // A name that nobody has takes the same way as a customer's, so that the time tells nothing.
        let customer = customer.unwrap_or("null");
        if number.len() != DIGITS {
            return Ok(wrong(&context.locale));
        }
        match redeem(customer, &number)? {
            true => Ok(Checked { verdict: Verdict::Proved, effects: vec![Effect::Once(number), noted("visit_shown")] }),
            false => Ok(wrong(&context.locale)),
        }
    }
}

/// Asks the bank. The call's id makes a repeated call the same one there.
fn redeem(customer: &str, number: &str) -> Result<bool, String> {
    let service = config("service").ok_or("config.service is not set")?;
    let header = |name: &str, value: String| Header { name: name.to_string(), value };
    let request = Request {
        method: "POST".to_string(),
        url: format!("{service}/visits/redeem"),
        headers: vec![header("content-type", "application/json".to_string()), header("idempotency-key", call_id())],
        body: format!("{{\"customer\":{customer},\"number\":\"{number}\"}}").into_bytes(),
    };
    match send(&request) {
        Ok(answer) if answer.status == 200 => Ok(true),
        Ok(answer) if matches!(answer.status, 404 | 410) => Ok(false),
        Ok(answer) => Err(format!("the service answered {}", answer.status)),
        Err(error) => {
            log(Severity::Warning, &format!("the service was not asked: {error:?}"));
            Err("the service cannot be reached".to_string())
        }
    }
}

fn noted(event: &str) -> Effect {
    Effect::Audit(Note { event: event.to_string(), detail: "a clerk saw the person".to_string() })
}

fn question(locale: &str) -> Step {
    let german = locale.starts_with("de");
    let (title, text, label) = if german {
        ("Nummer aus der Filiale", "Geben Sie die achtstellige Nummer ein, die Sie in der Filiale bekommen haben.", "Nummer")
    } else {
        ("Number from the branch", "Type the eight digits that you got at the branch.", "Number")
    };
    let field = Field {
        name: "visit_number".to_string(),
        label: label.to_string(),
        kind: FieldKind::Code,
        required: true,
        max_length: 16,
    };
    Step { title: title.to_string(), text: vec![text.to_string()], fields: vec![field] }
}

fn wrong(locale: &str) -> Checked {
    let text = if locale.starts_with("de") {
        "Diese Nummer stimmt nicht, oder sie wurde schon benutzt."
    } else {
        "That number is wrong, or it was used already."
    };
    let problem = Problem { text: text.to_string(), field: Some("visit_number".to_string()) };
    Checked { verdict: Verdict::Wrong(problem), effects: vec![] }
}
