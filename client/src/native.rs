//! Signing in on the app's own screens: OAuth 2.0 for First-Party Applications (draft-ietf-oauth-first-party-apps-04). The server says what
//! to ask, step by step, so a new way of signing in needs no new version of the app. docs/native.md and docs/steps.md are the guide.

use crate::Client;
use crate::connection::{must_be_safe, text_member};
use crate::platform::{BoxFuture, Unavailable};
use crate::session::Saved;
use crate::sign_in::{Away, Begun, Pending, SignIn, SignedIn};
use crate::trouble::{Reply, Trouble};
use crate::wallet::{self, WALLET_OPEN};
use serde::Deserialize;
use serde_json::Value;
use std::task::Poll;

/// The way to the system browser: an action that every step has.
pub const BROWSER: &str = "browser";
/// A sign-in with more steps than this goes round in a circle.
const MOST_STEPS: usize = 100;
/// How often the same answer is sent while another one is being checked, or the server is away for a moment.
const MOST_BUSY: usize = 3;
/// A person waits before the screen meanwhile.
const MOST_WAIT_S: u64 = 5;

/// One question to the person, in their language. Draw it by its members; `kind` is only a name. Unknown members are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Step {
    pub kind: String,
    pub title: String,
    #[serde(default)]
    pub text: Vec<String>,
    #[serde(default)]
    pub content: Vec<Content>,
    #[serde(default)]
    pub fields: Vec<Field>,
    pub actions: Vec<Action>,
    #[serde(default)]
    pub operation: Option<Operation>,
    #[serde(default)]
    pub problem: Option<Problem>,
}

/// What to show between the text and the fields.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    List {
        items: Vec<String>,
    },
    /// Lines of a name and a value. Show all of them before the person agrees.
    Details {
        heading: String,
        lines: Vec<(String, String)>,
    },
    /// Codes to keep. They come once.
    Codes {
        codes: Vec<String>,
    },
    /// A file for the person to save or share; `label` is for its button.
    File {
        name: String,
        media_type: String,
        label: String,
        text: String,
    },
    /// A new authenticator: an `otpauth:` link, and its secret to copy.
    Authenticator {
        label: String,
        uri: String,
        secret: String,
    },
    /// A QR code of this text, for the camera of another device; `label` says what it is.
    Qr {
        label: String,
        text: String,
    },
    /// This version of the SDK does not know it. Offer the browser.
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Field {
    pub name: String,
    #[serde(default)]
    pub kind: String,
    pub label: String,
    /// The autofill token of HTML, such as `username` and `one-time-code`.
    #[serde(default)]
    pub autocomplete: String,
    /// `text`, `email` or `numeric`.
    #[serde(default)]
    pub keyboard: String,
    /// Hide what is typed.
    #[serde(default)]
    pub secret: bool,
    /// What to fill in.
    #[serde(default)]
    pub value: Option<String>,
    #[serde(default)]
    pub required: bool,
    /// In characters.
    pub max_length: u32,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Action {
    pub name: String,
    /// `primary`, `secondary` or `link`.
    pub kind: String,
    pub label: String,
}

/// What was wrong with the last answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Problem {
    /// Stable, for the app.
    pub key: String,
    /// For the person.
    pub text: String,
    #[serde(default)]
    pub field: Option<String>,
}

/// What the platform does in the place of typing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Operation {
    pub name: String,
    pub options: Value,
    /// `conditional`: begin at once and quietly, beside the fields.
    #[serde(default)]
    pub mediation: Option<String>,
    /// Absent: nothing is answered.
    #[serde(default)]
    pub answer: Option<OperationAnswer>,
}

/// How the result of an operation is sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct OperationAnswer {
    pub action: String,
    pub field: String,
    pub failure_field: String,
    #[serde(default)]
    pub failures: Vec<String>,
}

/// What the person did with a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressed {
    /// The name of the action.
    pub action: String,
    /// The fields by name, as they were typed.
    pub fields: Vec<(String, String)>,
}

/// The platform's operations: passkeys, above all. An operation that the app does not know is not offered to the person.
pub trait Operations: Send + Sync {
    fn knows(&self, name: &str) -> bool;
    /// Performs it. `Ok`: the platform's JSON, or for `wallet_open` the link by which the app was opened again. `Err`: one of `failures` of
    /// the operation, such as `cancelled`.
    fn perform<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<String, String>>;
    /// The same without a window, while the screen is shown: passkeys stand among what a field can be filled with, or one is made
    /// quietly. It is asked for where the operation is `conditional`. `Err` changes nothing on the screen. `None`: this platform has no
    /// such way, and the button is the way.
    fn perform_quietly<'a>(&'a self, _operation: &'a Operation) -> Option<BoxFuture<'a, Result<String, String>>> {
        None
    }
}

/// The app's screens.
pub trait Screens: Send + Sync {
    /// Shows a step and returns what the person did. `Unavailable`: the app is closed, or cannot show it now; the sign-in stops.
    fn show<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>>;

    fn operations(&self) -> Option<&dyn Operations> {
        None
    }
}

/// What an answer of the endpoint is.
enum Next {
    Step {
        auth_session: String,
        step: Box<Step>,
    },
    Code(String, Option<Operation>),
    Browser(ToBrowser),
    /// The account has a page there.
    Account(String),
    /// Nothing is left to sign in to.
    Closed(String, Option<Operation>),
}

struct ToBrowser {
    /// None: the app begins in the browser anew.
    request_uri: Option<String>,
    /// What it comes back with. None: it ends in the browser.
    auth_session: Option<String>,
}

/// A native sign-in under way.
pub(crate) struct Under<'a> {
    pub pending: Pending,
    /// None: the app was ended meanwhile.
    pub request: Option<&'a SignIn>,
    /// The session beside which it goes on.
    pub saved: Option<Saved>,
}

impl Client {
    /// Signs in on the app's own screens. Where the server or the person wants the browser, it goes on there, and comes back with a code,
    /// or (see [`SignIn::coming_back`]) to the app's screens. An installation that may not use native screens signs in with the browser
    /// from the beginning. One that may not show the account (`prompt=manage`) is refused: the browser's sign-in has no such prompt.
    pub async fn sign_in_natively(&self, request: &SignIn, screens: &dyn Screens) -> Result<SignedIn, Trouble> {
        let begun = self.start(request).await?;
        let saved = self.saved().await?.filter(|_| request.is_beside);
        let held = saved.as_ref().and_then(|saved| saved.auth_session.as_deref());
        let mut reply = self.0.server.challenge(&begin_parameters(&begun, request, held)).await?;
        let manages = request.parameters().contains(&("prompt", "manage"));
        if held.is_some() && !manages && reply.error() == "invalid_session" {
            // The session has ended meanwhile: the person is asked for everything.
            reply = self.0.server.challenge(&begin_parameters(&begun, request, None)).await?;
        }
        if reply.error() == "unauthorized_client" {
            return if manages { Err(reply.trouble()) } else { self.sign_in(request).await };
        }
        let under = Under { pending: begun.into_pending(), request: Some(request), saved };
        self.go_on_natively(under, reply, screens).await
    }

    /// From an answer of the server to the end.
    pub(crate) async fn go_on_natively(&self, mut under: Under<'_>, mut reply: Reply, screens: &dyn Screens) -> Result<SignedIn, Trouble> {
        let mut last = Value::Null;
        for _ in 0..MOST_STEPS {
            match read(&reply)? {
                Next::Code(code, told) => {
                    tell(screens, told.as_ref()).await;
                    return self.redeem_native(under.pending, code).await;
                }
                Next::Browser(to) => return self.leave(under, to, (last, screens)).await,
                Next::Account(address) => {
                    self.0.server.platform.browser.open(&address).await?;
                    return Err(Trouble::InBrowser(address));
                }
                Next::Closed(why, told) => {
                    tell(screens, told.as_ref()).await;
                    if let Some(saved) = &under.saved {
                        self.end_session(saved, why.clone()).await?;
                    }
                    return Err(Trouble::SignedOut(why));
                }
                Next::Step { auth_session, step } => {
                    last = reply.body["step"].clone();
                    let (mut pressed, chosen) = show(screens, step).await?;
                    if let Some(operation) = chosen {
                        let outcome = if operation.name == WALLET_OPEN {
                            under.pending.away = Some(Away::at(&auth_session, &last, under.saved.is_some()));
                            match self.visit_wallet(&mut under.pending, &operation, screens).await? {
                                Ok(came) => return self.come_back(under, came, screens).await?.ok_or_else(Trouble::elsewhere),
                                Err(why) => Err(why),
                            }
                        } else {
                            perform(screens, &operation).await
                        };
                        pressed.fields.extend(field(&operation, outcome));
                    }
                    let mut form = vec![("auth_session", auth_session.as_str()), ("action", &pressed.action)];
                    form.extend(pressed.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                    form.extend(wallet::wish(screens));
                    // Else the step is shown once more: the sign-in stands where it stood.
                    reply = self.send_answer(&form).await?.unwrap_or(reply);
                }
            }
        }
        Err(Trouble::Wrong("the sign-in does not end".to_owned()))
    }

    /// The sign-in goes on in the browser. It ends there, or comes back to the step that is `last`.
    async fn leave(&self, mut under: Under<'_>, to: ToBrowser, (last, screens): (Value, &dyn Screens)) -> Result<SignedIn, Trouble> {
        let Some(request_uri) = to.request_uri else {
            let request = under.request.ok_or_else(|| Trouble::Wrong("an answer without request_uri".to_owned()))?;
            return self.sign_in(request).await;
        };
        let address = self.0.server.browser_address(&request_uri).await?;
        let Some(auth_session) = to.auth_session else {
            under.pending.away = None;
            self.wait_for(&under.pending).await?;
            return self.go_on_in_browser(&address).await;
        };
        under.pending.away = Some(Away::at(&auth_session, &last, under.saved.is_some()));
        let came = self.go_and_come_back(&address, &under.pending).await?;
        self.come_back(under, came, screens).await?.ok_or_else(Trouble::elsewhere)
    }

    /// Sends an answer. `None`: another one is still being checked. While the server is away for a moment it is sent again too.
    pub(crate) async fn send_answer(&self, form: &[(&str, &str)]) -> Result<Option<Reply>, Trouble> {
        for left in (0..MOST_BUSY).rev() {
            let reply = self.0.server.challenge(form).await?;
            let is_soon_back = reply.error() == "temporarily_unavailable" && reply.retry_after_s.is_some_and(|it| it <= MOST_WAIT_S);
            if reply.error() != "busy" && !(is_soon_back && left > 0) {
                return Ok(Some(reply));
            }
            self.0.server.platform.device.wait(reply.retry_after_s.unwrap_or(1).min(MOST_WAIT_S)).await;
        }
        Ok(None)
    }
}

fn begin_parameters<'a>(begun: &'a Begun, request: &'a SignIn, held: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![("response_type", "code"), ("redirect_uri", begun.redirect_uri.as_str())];
    form.extend(held.map(|held| ("auth_session", held)));
    form.extend(begun.parameters());
    form.extend(request.parameters());
    form
}

fn read(reply: &Reply) -> Result<Next, Trouble> {
    let member = |name: &str| text_member(&reply.body, name);
    let told = || serde_json::from_value(reply.body["operation"].clone()).ok();
    match (reply.status, reply.error()) {
        (200, "") => {
            let code = member("authorization_code").ok_or_else(|| Trouble::Wrong("an answer without a code".to_owned()))?;
            Ok(Next::Code(code, told()))
        }
        (403, "redirect_to_web") => match member("account_uri") {
            Some(address) => {
                must_be_safe(&address)?;
                Ok(Next::Account(address))
            }
            None => Ok(Next::Browser(ToBrowser { request_uri: member("request_uri"), auth_session: member("auth_session") })),
        },
        (403, "insufficient_authorization") => {
            let step = serde_json::from_value::<Step>(reply.body["step"].clone()).map_err(|error| Trouble::Wrong(error.to_string()))?;
            let auth_session = member("auth_session").ok_or_else(|| Trouble::Wrong("a step without auth_session".to_owned()))?;
            Ok(Next::Step { auth_session, step: Box::new(step) })
        }
        (400, "invalid_session") => match member("reason") {
            Some(why) => Ok(Next::Closed(why, told())),
            None => Err(reply.trouble()),
        },
        _ => Err(reply.trouble()),
    }
}

/// Shows a step without what the app cannot do, and performs the operation that the person chose. For apps that send the requests
/// themselves. What came of `wallet_open` is the link: [`crate::redirect::read`] finds its two parameters.
pub async fn ask(screens: &dyn Screens, step: Box<Step>) -> Result<Pressed, Trouble> {
    let (mut pressed, chosen) = show(screens, step).await?;
    if let Some(operation) = chosen {
        let outcome = perform(screens, &operation).await;
        pressed.fields.extend(field(&operation, outcome));
    }
    Ok(pressed)
}

/// Shows a step without what the app cannot do. The operation is the one that the person chose, and is still to be performed.
async fn show(screens: &dyn Screens, mut step: Box<Step>) -> Result<(Pressed, Option<Operation>), Trouble> {
    let known = |operation: &Operation| screens.operations().filter(|operations| operations.knows(&operation.name));
    let operation = step.operation.take();
    let Some((operation, operations)) = operation.as_ref().and_then(|operation| Some((operation, known(operation)?))) else {
        let hidden = operation.and_then(|operation| operation.answer).map(|answer| answer.action);
        step.actions.retain(|action| Some(&action.name) != hidden.as_ref());
        return Ok((screens.show(&step).await?, None));
    };
    let Some(answer) = &operation.answer else {
        // Nothing is answered, and nothing depends on its result.
        let _ = operations.perform(operation).await;
        return Ok((screens.show(&step).await?, None));
    };
    let is_quiet = operation.mediation.as_deref() == Some("conditional");
    let quiet = if is_quiet { operations.perform_quietly(operation) } else { None };
    match first_of(screens.show(&step), quiet).await {
        First::Screen(pressed) => {
            let pressed = pressed?;
            let is_chosen = pressed.action == answer.action;
            Ok((pressed, is_chosen.then(|| operation.clone())))
        }
        First::Platform(document) => Ok((Pressed { action: answer.action.clone(), fields: vec![(answer.field.clone(), document)] }, None)),
    }
}

/// Performs an operation that the app knows.
pub(crate) async fn perform(screens: &dyn Screens, operation: &Operation) -> Result<String, String> {
    match screens.operations() {
        Some(operations) => operations.perform(operation).await,
        None => Err("not_possible_here".to_owned()),
    }
}

/// The field of an answer that has what came of an operation.
fn field(operation: &Operation, outcome: Result<String, String>) -> Option<(String, String)> {
    let answer = operation.answer.as_ref()?;
    Some(match outcome {
        Ok(document) => (answer.field.clone(), document),
        Err(why) => (answer.failure_field.clone(), why),
    })
}

/// Tells the platform how things are, such as which passkeys the account has. Nothing depends on the result.
async fn tell(screens: &dyn Screens, operation: Option<&Operation>) {
    let (Some(operation), Some(operations)) = (operation, screens.operations()) else { return };
    if operation.answer.is_none() && operations.knows(&operation.name) {
        let _ = operations.perform(operation).await;
    }
}

enum First {
    Screen(Result<Pressed, Unavailable>),
    Platform(String),
}

/// What comes first: the person's answer on the screen, or a document of the platform's. A failure of the platform is not shown.
async fn first_of(
    mut screen: BoxFuture<'_, Result<Pressed, Unavailable>>,
    mut quiet: Option<BoxFuture<'_, Result<String, String>>>,
) -> First {
    std::future::poll_fn(move |context| {
        if let Some(Poll::Ready(done)) = quiet.as_mut().map(|quiet| quiet.as_mut().poll(context)) {
            quiet = None;
            if let Ok(document) = done {
                return Poll::Ready(First::Platform(document));
            }
        }
        screen.as_mut().poll(context).map(First::Screen)
    })
    .await
}
