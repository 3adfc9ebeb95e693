//! A `Step`: one question to a person. Its texts are keys of messages. One function words them in a language (`pages::word`), so that a
//! page and a JSON document say the same.

use super::operation::{self, Operation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The buttons of the page that lets the person choose an account: how one of those that are remembered begins, and to forget them all.
pub const ACCOUNT: &str = "account:";
pub const FORGET_ACCOUNTS: &str = "forget_accounts";

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Step {
    pub kind: String,
    pub title: Text,
    pub text: Vec<Text>,
    pub content: Vec<Content>,
    pub fields: Vec<Field>,
    pub actions: Vec<Action>,
    /// What the platform may do instead of typing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    pub problem: Option<Problem>,
}

/// A message: its key and what stands in its places.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Text {
    pub key: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// The operator's own words by language. They come before the message.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<String, String>,
}

impl Text {
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }

    /// Words of the configuration: as they are, or in the person's language.
    pub fn own(words: &str, by_language: &BTreeMap<String, String>) -> Self {
        Self { own: by_language.clone(), ..Self::new(words) }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.args.insert(name.to_owned(), value.into());
        self
    }
}

/// What a person reads beside the texts.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    List(Vec<Text>),
    /// A heading and lines of a name and a value (RFC 9396).
    Details {
        heading: String,
        /// The heading by language.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        own: BTreeMap<String, String>,
        lines: Vec<(String, String)>,
    },
    Codes(Vec<String>),
    /// For the camera of another device. The picture is drawn when the page is.
    Qr {
        text: String,
    },
    /// To be kept under this name.
    File {
        name: String,
        media_type: String,
        text: String,
    },
    /// The address of a new authenticator (`otpauth:`) and its secret in base32. The picture is drawn when the page is.
    Authenticator {
        uri: String,
        secret: String,
    },
}

#[cfg(test)]
impl Content {
    pub fn details(heading: &str, lines: Vec<(String, String)>) -> Self {
        Self::Details { heading: heading.to_owned(), own: BTreeMap::new(), lines }
    }
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub kind: FieldKind,
    /// Absent: the message `field-NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Text>,
    pub autocomplete: String,
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
    pub kind: ActionKind,
    /// Absent: the message `action-NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Text>,
    /// What stands in its label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// What the person reads beside it before pressing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    Primary,
    Secondary,
    Link,
}

/// What was wrong with the last answer: the key of a message, and the field where there is one.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Problem {
    pub key: String,
    pub field: Option<String>,
    /// What stands in the message.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
}

impl Step {
    /// A step whose title and text are the messages `KIND-title` and `KIND-lead`.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            title: Text::new(format!("{kind}-title")),
            text: vec![Text::new(format!("{kind}-lead"))],
            content: Vec::new(),
            fields: Vec::new(),
            actions: Vec::new(),
            operation: None,
            problem: None,
        }
    }

    /// Replaces the lead by another message.
    pub fn lead(mut self, text: Text) -> Self {
        self.text = vec![text];
        self
    }

    pub fn field(mut self, name: &str, kind: FieldKind, autocomplete: &str, value: Option<&str>) -> Self {
        self.fields.push(Field {
            name: name.to_owned(),
            kind,
            label: None,
            autocomplete: autocomplete.to_owned(),
            value: value.map(str::to_owned),
            required: true,
            // A code has at most eight digits, and people type and paste it in groups.
            max_length: if kind == FieldKind::Code { 16 } else { 256 },
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

    pub fn primary(self, name: &str) -> Self {
        self.action(name, ActionKind::Primary)
    }
    pub fn secondary(self, name: &str) -> Self {
        self.action(name, ActionKind::Secondary)
    }
    /// Says something beside each button of which there is something to say.
    pub fn noted(mut self, note: impl Fn(&str) -> Option<Text>) -> Self {
        for action in &mut self.actions {
            action.note = note(&action.name);
        }
        self
    }

    /// Gives the last button a label of its own.
    pub fn called(mut self, label: Text) -> Self {
        if let Some(action) = self.actions.last_mut() {
            action.label = Some(label);
        }
        self
    }

    /// A button with a label of its own.
    pub fn secondary_called(self, name: &str, label: Text) -> Self {
        self.secondary(name).called(label)
    }
    pub fn link(self, name: &str) -> Self {
        self.action(name, ActionKind::Link)
    }

    fn action(mut self, name: &str, kind: ActionKind) -> Self {
        self.actions.push(Action { name: name.to_owned(), kind, label: None, args: BTreeMap::new(), note: None });
        self
    }

    /// Fills the places in the label of the last button, and what it stands for.
    pub fn standing_for(mut self, args: &[(&str, &str)]) -> Self {
        if let Some(action) = self.actions.last_mut() {
            action.args.extend(args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        }
        self
    }

    /// What a button stands for.
    pub fn argument(&self, action: &str, name: &str) -> Option<&String> {
        self.actions.iter().find(|offered| offered.name == action)?.args.get(name)
    }

    /// A first button that names a provider.
    pub fn primary_for(self, name: &str, provider: &str) -> Self {
        self.primary(name).naming(provider)
    }

    /// Another way that names a provider.
    pub fn secondary_for(self, name: &str, provider: &str) -> Self {
        self.secondary(name).naming(provider)
    }

    fn naming(mut self, provider: &str) -> Self {
        if let Some(action) = self.actions.last_mut() {
            action.args.insert("provider".to_owned(), provider.to_owned());
        }
        self
    }

    pub fn show(mut self, content: Content) -> Self {
        self.content.push(content);
        self
    }

    /// What the platform may do instead of typing. Its button is the action `operation::ACTION`.
    pub fn operate(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// The same where the face can use no passkey: without its operation and its buttons. Other ways stay.
    pub fn without_passkey(mut self) -> Self {
        if self.operation.take_if(|operation| operation.is_of_passkeys()).is_some() {
            self.actions.retain(|action| !matches!(action.name.as_str(), operation::ACTION | operation::BY_NAME));
        }
        self
    }

    /// Says what was wrong. A field that the step does not have is left out.
    pub fn with_problem(mut self, problem: Option<Problem>) -> Self {
        if problem.is_some() {
            self.operation = self.operation.map(Operation::after_problem);
        }
        let has = |name: &String| self.fields.iter().any(|field| field.name == *name);
        self.problem = problem.map(|problem| Problem { field: problem.field.filter(has), ..problem });
        self
    }

    pub fn asks_for(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// Does the step offer this action?
    pub fn offers(&self, action: &str) -> bool {
        self.actions.iter().any(|offered| offered.name == action)
    }
}

impl Problem {
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), field: None, args: BTreeMap::new() }
    }

    pub fn in_field(key: &str, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(key) }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.args.insert(name.to_owned(), value.into());
        self
    }
}
