//! A `Step`: one question to a person, which a browser sees as a page and an app will see as JSON.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Step {
    pub kind: String,
    pub fields: Vec<Field>,
    pub actions: Vec<Action>,
    /// Message key of what was wrong with the last answer.
    pub problem: Option<String>,
    /// The field it was wrong in, if it was one.
    pub problem_field: Option<String>,
    pub facts: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub kind: FieldKind,
    pub autocomplete: Option<String>,
    pub value: Option<String>,
    pub required: bool,
    pub max_length: u32,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    Text,
    Email,
    Password,
    NewPassword,
    Code,
}

/// A button; its name is sent back as `action`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Action {
    pub name: String,
    /// "primary", "secondary" or "link".
    pub kind: String,
}

impl Step {
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), fields: Vec::new(), actions: Vec::new(), problem: None, problem_field: None, facts: BTreeMap::new() }
    }

    pub fn field(mut self, name: &str, kind: FieldKind, autocomplete: &str, value: Option<&str>) -> Self {
        self.fields.push(Field {
            name: name.to_owned(),
            kind,
            autocomplete: Some(autocomplete.to_owned()),
            value: value.map(str::to_owned),
            required: true,
            max_length: 256,
        });
        self
    }

    pub fn optional_field(self, name: &str, kind: FieldKind, autocomplete: &str, value: Option<&str>) -> Self {
        let mut step = self.field(name, kind, autocomplete, value);
        if let Some(field) = step.fields.last_mut() {
            field.required = false;
        }
        step
    }

    pub fn action(mut self, name: &str, kind: &str) -> Self {
        self.actions.push(Action { name: name.to_owned(), kind: kind.to_owned() });
        self
    }

    pub fn fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    pub fn problem(mut self, key: Option<&str>) -> Self {
        self.problem = key.map(str::to_owned);
        let fields: &[&str] = match key {
            Some("wrong_password") => &["password"],
            Some("wrong_code") => &["code", "email_code"],
            Some("wrong_recovery_code") => &["recovery_code"],
            Some("weak_password") => &["new_password"],
            Some("passwords_differ") => &["new_password_again"],
            Some("bad_email" | "email_domain") => &["email"],
            Some("no_name") => &["username"],
            _ => &[],
        };
        self.problem_field = self.fields.iter().map(|it| it.name.clone()).find(|it| fields.contains(&it.as_str()));
        self
    }
}
