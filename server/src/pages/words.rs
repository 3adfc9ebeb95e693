//! Words a step in a language. Every rendering is made from the worded step alone, so that no text stands in a template.

use super::locales::Locales;
use crate::login::operation::{self, Operation};
use crate::login::step::{Action, Content, FieldKind, Step, Text};
use serde::Serialize;

/// A step as a person reads it.
#[derive(Serialize, Debug, PartialEq)]
pub struct Worded {
    pub kind: String,
    pub title: String,
    pub text: Vec<String>,
    pub content: Vec<WordedContent>,
    pub fields: Vec<WordedField>,
    pub actions: Vec<WordedAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<WordedOperation>,
    pub problem: Option<WordedProblem>,
}

#[derive(Serialize, Debug, PartialEq)]
pub struct WordedField {
    pub name: String,
    pub kind: FieldKind,
    pub label: String,
    pub autocomplete: String,
    /// What follows from `kind`, for whoever does not know it.
    pub keyboard: &'static str,
    pub secret: bool,
    pub value: Option<String>,
    pub required: bool,
    pub max_length: u32,
}

/// An operation, and how its result comes back.
#[derive(Serialize, Debug, PartialEq)]
pub struct WordedOperation {
    #[serde(flatten)]
    pub operation: Operation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<OperationAnswer>,
}

#[derive(Serialize, Debug, PartialEq)]
pub struct OperationAnswer {
    pub action: &'static str,
    pub field: &'static str,
    pub failure_field: &'static str,
    pub failures: &'static [&'static str],
}

#[derive(Serialize, Debug, PartialEq)]
pub struct WordedAction {
    pub name: String,
    pub kind: crate::login::step::ActionKind,
    pub label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Serialize, Debug, PartialEq)]
pub struct WordedProblem {
    pub key: String,
    pub text: String,
    pub field: Option<String>,
}

#[derive(Serialize, Debug, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WordedContent {
    List { items: Vec<String> },
    Details { heading: String, lines: Vec<(String, String)> },
    Codes { codes: Vec<String> },
    File { name: String, media_type: String, label: String, text: String },
    Authenticator { label: String, uri: String, secret: String },
    Qr { label: String, text: String },
}

/// The one function that words a step.
pub fn word(locales: &Locales, locale: &str, step: &Step) -> Worded {
    let say = |text: &Text| text.own.get(locale).cloned().unwrap_or_else(|| locales.message(locale, &text.key, &text.args));
    let by_key = |key: String| say(&Text::new(key));
    Worded {
        kind: step.kind.clone(),
        title: say(&step.title),
        text: step.text.iter().map(say).collect(),
        content: step.content.iter().map(|content| word_content(content, &say)).collect(),
        fields: step
            .fields
            .iter()
            .map(|field| WordedField {
                name: field.name.clone(),
                kind: field.kind,
                label: field.label.as_ref().map_or_else(|| by_key(format!("field-{}", field.name)), say),
                autocomplete: field.autocomplete.clone(),
                keyboard: keyboard(field.kind),
                secret: matches!(field.kind, FieldKind::Password | FieldKind::NewPassword),
                value: field.value.clone(),
                required: field.required,
                max_length: field.max_length,
            })
            .collect(),
        actions: step
            .actions
            .iter()
            .map(|action| WordedAction {
                name: action.name.clone(),
                kind: action.kind,
                label: say(&label(step, action)),
                note: action.note.as_ref().map(say),
            })
            .collect(),
        operation: step.operation.clone().map(word_operation),
        problem: step.problem.as_ref().map(|problem| WordedProblem {
            key: problem.key.clone(),
            text: say(&Text { args: problem.args.clone(), ..Text::new(format!("problem-{}", problem.key)) }),
            field: problem.field.clone(),
        }),
    }
}

fn keyboard(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text | FieldKind::Password | FieldKind::NewPassword => "text",
        FieldKind::Email => "email",
        FieldKind::Code => "numeric",
    }
}

fn word_operation(operation: Operation) -> WordedOperation {
    let answer = operation.way().map(|way| OperationAnswer {
        action: way.action,
        field: way.field,
        failure_field: way.failure_field,
        failures: way.failures,
    });
    WordedOperation { answer, operation }
}

/// The label of a button. Those of one family share it, and differ in what stands in it. One action answers every operation of the
/// platform; its button says which it is.
fn label(step: &Step, action: &Action) -> Text {
    if let Some(label) = &action.label {
        return label.clone();
    }
    if action.name == operation::ACTION && matches!(step.operation, Some(Operation::PasskeyCreate { .. })) {
        return Text::new("action-make_passkey");
    }
    let family = action.name.split(':').next().unwrap_or_default();
    Text { args: action.args.clone(), ..Text::new(format!("action-{family}")) }
}

fn word_content(content: &Content, say: &dyn Fn(&Text) -> String) -> WordedContent {
    match content {
        Content::List(items) => WordedContent::List { items: items.iter().map(say).collect() },
        Content::Details { heading, own, lines } => WordedContent::Details { heading: say(&Text::own(heading, own)), lines: lines.clone() },
        Content::File { name, media_type, text } => {
            let (name, media_type, text) = (name.clone(), media_type.clone(), text.clone());
            WordedContent::File { name, media_type, label: say(&Text::new("action-save_file")), text }
        }
        Content::Codes(codes) => WordedContent::Codes { codes: codes.clone() },
        Content::Qr { text } => WordedContent::Qr { label: say(&Text::new("wallet_qr")), text: text.clone() },
        Content::Authenticator { uri, secret } => {
            WordedContent::Authenticator { label: say(&Text::new("qr")), uri: uri.clone(), secret: secret.clone() }
        }
    }
}
