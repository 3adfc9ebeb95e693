//! The app's own screens, in a terminal: it draws any step from its description and knows no kind of step. A person looks at it who
//! answers what they are asked.

use crate::Trouble;
use crate::browser::Person;
use crate::passkeys::Passkeys;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbolon_client::native::{BROWSER, Content, Operation, Operations, Pressed, Screens, Step};
use symbolon_client::platform::{BoxFuture, Unavailable};

/// The screens and the person before them.
#[derive(Default)]
pub struct Terminal<'a> {
    person: Person<'a>,
    /// What was on the screens, in order.
    shown: Mutex<Vec<String>>,
    /// The kinds of the steps, in order.
    kinds: Mutex<Vec<String>>,
    /// The secret of the person's authenticator app.
    authenticator: Mutex<Option<String>>,
    /// The recovery codes that the person has written down.
    codes: Mutex<Vec<String>>,
    buttons: Mutex<Vec<&'a str>>,
    letters: Mutex<usize>,
    /// What the app can do beside drawing.
    can: Vec<Arc<dyn Operations>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Terminal<'a> {
    pub fn new(person: Person<'a>) -> Self {
        let buttons = Mutex::new(person.buttons.clone());
        let letters = Mutex::new(person.mail.map_or(0, |(mailbox, _)| mailbox.letters().len()));
        Self { person, buttons, letters, ..Self::default() }
    }

    /// The same, of an app that can use the platform's passkeys.
    pub fn with_passkeys(self, passkeys: &Arc<Passkeys>) -> Self {
        self.with_operations(passkeys.clone())
    }

    /// The same, of an app that can perform these operations too.
    pub fn with_operations(mut self, operations: Arc<dyn Operations>) -> Self {
        self.can.push(operations);
        self
    }

    /// What was on the screens since this was last asked.
    pub fn take_screens(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shown))
    }

    /// The kinds of the steps that were shown, in order.
    pub fn kinds(&self) -> Vec<String> {
        lock(&self.kinds).clone()
    }

    /// The recovery codes that were shown last.
    pub fn codes(&self) -> Vec<String> {
        lock(&self.codes).clone()
    }

    /// The button that the person presses: one that they look for, else the first.
    fn press(&self, step: &Step) -> Option<String> {
        let mut buttons = lock(&self.buttons);
        let wanted = buttons.iter().position(|wanted| step.actions.iter().any(|action| action.name == *wanted));
        wanted.map(|at| buttons.remove(at).to_owned()).or_else(|| Some(step.actions.first()?.name.clone()))
    }

    async fn value(&self, name: &str, prefilled: Option<&str>) -> Result<String, Trouble> {
        if let Some((_, value)) = self.person.answers.iter().find(|(known, _)| *known == name) {
            return Ok((*value).to_owned());
        }
        let secret = lock(&self.authenticator).clone();
        if let (Some(secret), "code") = (secret, name) {
            return totp(&secret);
        }
        let Some((mailbox, address)) = self.person.mail.filter(|_| name == "email_code") else {
            return Ok(prefilled.unwrap_or_default().to_owned());
        };
        let seen = *lock(&self.letters);
        let code = mailbox.wait_for_code(address, seen).await.ok_or_else(|| Trouble("no letter with a code came".to_owned()))?;
        *lock(&self.letters) = mailbox.letters().len();
        Ok(code)
    }

    async fn answer(&self, step: &Step) -> Result<Pressed, Trouble> {
        for content in &step.content {
            match content {
                Content::Authenticator { secret, .. } => *lock(&self.authenticator) = Some(secret.replace(' ', "")),
                Content::Codes { codes } => lock(&self.codes).clone_from(codes),
                _ => {}
            }
        }
        let action = self.press(step).ok_or_else(|| Trouble(format!("the step {:?} has no button", step.kind)))?;
        let mut fields = Vec::new();
        if action != BROWSER && action != "cancel" {
            for field in &step.fields {
                fields.push((field.name.clone(), self.value(&field.name, field.value.as_deref()).await?));
            }
        }
        lock(&self.shown).push(draw(step, &fields, &action));
        lock(&self.kinds).push(step.kind.clone());
        Ok(Pressed { action, fields })
    }
}

impl Screens for Terminal<'_> {
    fn show<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        Box::pin(async move { self.answer(step).await.map_err(|trouble| Unavailable(trouble.0)) })
    }

    fn operations(&self) -> Option<&dyn Operations> {
        if self.can.is_empty() { None } else { Some(self) }
    }
}

impl Operations for Terminal<'_> {
    fn knows(&self, name: &str) -> bool {
        self.can.iter().any(|it| it.knows(name))
    }

    fn perform<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<String, String>> {
        match self.can.iter().find(|it| it.knows(&operation.name)) {
            Some(known) => known.perform(operation),
            None => Box::pin(std::future::ready(Err::<String, _>("not_possible_here".to_owned()))),
        }
    }

    fn perform_quietly<'a>(&'a self, operation: &'a Operation) -> Option<BoxFuture<'a, Result<String, String>>> {
        self.can.iter().find(|it| it.knows(&operation.name))?.perform_quietly(operation)
    }
}

/// One screen: every step looks like this, known or not.
pub fn draw(step: &Step, typed: &[(String, String)], pressed: &str) -> String {
    let mut lines = vec![format!("== {} ==", step.title)];
    lines.extend(step.text.iter().cloned());
    lines.extend(step.problem.iter().map(|problem| format!("! {}", problem.text)));
    for content in &step.content {
        match content {
            Content::List { items } => lines.extend(items.iter().map(|item| format!("  * {item}"))),
            Content::Details { heading, lines: rows } => {
                lines.push(format!("  {heading}"));
                lines.extend(rows.iter().map(|(name, value)| format!("    {name}: {value}")));
            }
            Content::Codes { codes } => lines.push(format!("  ({} codes to keep)", codes.len())),
            Content::File { name, text, .. } => lines.push(format!("  ({name}, {} bytes to keep)", text.len())),
            Content::Authenticator { label, .. } | Content::Qr { label, .. } => lines.push(format!("  [{label}]")),
            Content::Unknown => lines.push("  (this app cannot show a part of this; the browser can)".to_owned()),
        }
    }
    for field in &step.fields {
        let value = typed.iter().find(|(name, _)| *name == field.name).map_or("", |(_, value)| value);
        let value = if field.secret { "*".repeat(value.chars().count().min(12)) } else { value.to_owned() };
        lines.push(format!("  {}: {value}", field.label));
    }
    let buttons = step.actions.iter().map(|action| match (action.name == pressed, action.kind.as_str()) {
        (true, _) => format!("[>{}<]", action.label),
        (false, "link") => action.label.clone(),
        (false, _) => format!("[ {} ]", action.label),
    });
    lines.push(format!("  {}", buttons.collect::<Vec<_>>().join("  ")));
    lines.join("\n")
}

/// What an authenticator app shows now. RFC 6238.
fn totp(secret: &str) -> Result<String, Trouble> {
    let trouble = || Trouble("the authenticator app cannot read the secret".to_owned());
    let secret: [u8; 20] =
        data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).ok().and_then(|it| it.try_into().ok()).ok_or_else(trouble)?;
    #[expect(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let made = totp_rs::Builder::new().with_algorithm(totp_rs::Algorithm::SHA1).with_digits(6).with_step_duration(30).with_secret(secret);
    Ok(made.build().map_err(|_| trouble())?.generate(now.as_secs()).to_string())
}
