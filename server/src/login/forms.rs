//! The forms of the longer ways: an account, a new password, another address, an authenticator. A form proves nothing; what it
//! wants done are effects, which its journey must allow.

use super::accounts;
use super::context::{Answer, Context, Person};
use super::effect::{Credential, Effect, Update};
use super::filling::{Filled, Filling, FormOutcome};
use super::journey::{Form, Journey, RegistrationDraft};
use super::linking;
use super::managing_forms;
use super::matching::digits;
use super::methods::{recovery, totp};
use super::passkey_forms;
use super::policy::Policy;
use super::profile::shown_name;
use super::proof::MethodName;
use super::state::State;
use super::step::{Content, FieldKind, Problem, Step};
use super::user_code;
use crate::audit::Entry;
use crate::error::{Fault, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

#[derive(Serialize, Deserialize)]
struct NewTotp {
    secret: [u8; 20],
}

#[derive(Serialize, Deserialize)]
struct NewCodes {
    seed: [u8; 16],
    /// The version of the master key that made them.
    version: u8,
}

fn as_json(value: &impl Serialize) -> std::result::Result<Json, Fault> {
    serde_json::to_value(value).map_err(|error| Fault::new(error.to_string()))
}

fn from_json<T: for<'de> Deserialize<'de>>(secret: &Json) -> std::result::Result<T, Fault> {
    serde_json::from_value(secret.clone()).map_err(|error| Fault::new(format!("the secret of a form: {error}")))
}

/// Is judging an answer to this form work for the CPU?
pub fn hashes(form: Form) -> bool {
    matches!(form, Form::Register | Form::NewPassword)
}

/// The step of a form and the secret behind it.
pub fn ask(
    form: Form,
    context: &Context<'_>,
    (state, person): (&State, &Person),
    policy: &Policy,
) -> std::result::Result<(Step, Json), Fault> {
    let account = state.subject.as_ref().map(|subject| subject.account.as_str()).unwrap_or_default();
    match form {
        Form::Register => Ok((ask_registration(state, policy), Json::Null)),
        Form::NewPassword => {
            let step = Step::new("new_password").field("new_password", FieldKind::NewPassword, "new-password", None);
            Ok((step.field("new_password_again", FieldKind::NewPassword, "new-password", None).primary("continue"), Json::Null))
        }
        Form::NewEmail => Ok((Step::new("new_email").field("email", FieldKind::Email, "email", None).primary("continue"), Json::Null)),
        Form::RemoveTotp => Ok((Step::new("remove_totp").primary("continue"), Json::Null)),
        Form::EnrolPasskey | Form::OfferPasskey => passkey_forms::ask_enrolment(form, context, state, person),
        Form::RemovePasskey => Ok((passkey_forms::ask_removal(state, person, policy), Json::Null)),
        Form::Link | Form::Unlink => Ok((linking::ask(state, person)?, Json::Null)),
        Form::Wait => Ok((Step::new("waits"), Json::Null)),
        // `managing` asks them: they read what the account has.
        form @ (Form::NewName
        | Form::NewLanguage
        | Form::NewUserCode
        | Form::NewPasskeyName
        | Form::Overview
        | Form::EndAccess
        | Form::Export
        | Form::Exported
        | Form::Delete) => Err(Fault::new(format!("{form:?} is asked elsewhere"))),
        Form::EnrolTotp => {
            let secret = crate::seal::random::<20>()?;
            Ok((ask_enrolment(context.brand, person, &secret), as_json(&NewTotp { secret })?))
        }
        Form::RecoveryCodes => {
            let seed = crate::seal::random::<16>()?;
            let version = context.keyring.newest();
            let codes = recovery::codes(context.keyring, version, account, &seed)?;
            Ok((Step::new("recovery_codes").show(Content::Codes(codes)).primary("continue"), as_json(&NewCodes { seed, version })?))
        }
    }
}

fn ask_registration(state: &State, policy: &Policy) -> Step {
    let draft = match &state.journey {
        Journey::Register { draft } => draft.as_ref(),
        _ => None,
    };
    let email = draft.map(|draft| draft.email.as_str()).or(state.hint.as_deref());
    let step = Step::new("register").field("email", FieldKind::Email, "email", email);
    let step = step.optional_field("name", FieldKind::Text, "name", draft.and_then(|draft| draft.name.as_deref()));
    let step = match asks_password(state, policy) {
        true => step.field("new_password", FieldKind::NewPassword, "new-password", None).primary("continue"),
        false if policy.names(&MethodName::PASSWORD) => step.primary("continue").link("use_password"),
        false => step.primary("continue"),
    };
    step.link("sign_in")
}

/// Where a passkey comes first, a password is for whoever asks for one.
fn asks_password(state: &State, policy: &Policy) -> bool {
    policy.names(&MethodName::PASSWORD) && (!policy.begins_with_passkey() || state.prefer == Some(MethodName::PASSWORD))
}

/// The page on which a person adds an authenticator app: the secret as text and as a picture.
fn ask_enrolment(brand: &str, person: &Person, secret: &[u8; 20]) -> Step {
    let text = data_encoding::BASE32_NOPAD.encode(secret);
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let issuer = encoded(brand);
    // The app lists the account beside others of the same issuer.
    let account = person.account.as_ref().and_then(|account| account.any_email.as_deref()).map(encoded);
    let label = account.map_or_else(|| issuer.clone(), |account| format!("{issuer}:{account}"));
    let uri = format!("otpauth://totp/{label}?secret={text}&issuer={issuer}");
    Step::new("enrol_totp")
        .show(Content::Authenticator { uri, secret: text })
        .field("code", FieldKind::Code, "one-time-code", None)
        .primary("continue")
}

pub async fn check(form: Form, filling: &Filling<'_>, answer: &Answer<'_>) -> Result<Filled> {
    match form {
        Form::Register => check_registration(filling, answer).await,
        Form::NewPassword => check_new_password(filling, answer).await,
        Form::NewEmail => Ok(match accounts::email_address(answer.text("email")) {
            // The domains of people who register are those of every address they may have.
            Some(email) if filling.may_register.is_some_and(|may_have| !may_have(&email)) => {
                Filled::Wrong(Problem::in_field("email_domain", "email"))
            }
            Some(email) => FormOutcome::go_on(Journey::ChangeEmail { new: Some(email) }),
            None => Filled::Wrong(Problem::in_field("bad_email", "email")),
        }),
        Form::EnrolTotp => check_enrolment(filling, answer),
        Form::EnrolPasskey | Form::OfferPasskey => passkey_forms::check_enrolment(form, filling, answer),
        Form::RemovePasskey => passkey_forms::check_removal(filling, answer),
        Form::RemoveTotp => {
            let removed = Effect::Audit(Box::new(Entry::ok("totp_removed")));
            let effects =
                vec![Effect::Raise, Effect::Remove("totp"), Effect::Remove("recovery"), Effect::Notice("factor_removed"), removed];
            Ok(Filled::Done(Box::new(FormOutcome::end(effects))))
        }
        Form::RecoveryCodes => keep_codes(filling),
        Form::Link => linking::link(filling),
        Form::Wait => Ok(FormOutcome::go_on(filling.state.journey.clone())),
        Form::Unlink => linking::unlink(filling),
        Form::NewUserCode => check_user_code(filling, answer).await,
        form @ (Form::NewName | Form::NewLanguage | Form::NewPasskeyName | Form::Overview | Form::EndAccess) => {
            managing_forms::check(form, filling, answer)
        }
        form @ (Form::Export | Form::Exported | Form::Delete) => managing_forms::check(form, filling, answer),
    }
}

/// The address decides nothing yet: whether it is free or taken, the same page follows, and only the letter differs.
async fn check_registration(filling: &Filling<'_>, answer: &Answer<'_>) -> Result<Filled> {
    let Some(may_register) = filling.may_register else { return Ok(Filled::Wrong(Problem::in_field("bad_email", "email"))) };
    let Some(email) = accounts::email_address(answer.text("email")) else {
        return Ok(Filled::Wrong(Problem::in_field("bad_email", "email")));
    };
    if !may_register(&email) {
        return Ok(Filled::Wrong(Problem::in_field("email_domain", "email")));
    }
    let mut password = None;
    if asks_password(filling.state, filling.policy) {
        match filling.context.hashers.choose(answer.text("new_password")).await? {
            Ok(digest) => password = Some(digest),
            Err(unfit) => return Ok(Filled::Wrong(Problem::in_field(unfit.problem(), "new_password"))),
        }
    }
    let draft =
        RegistrationDraft { email, name: shown_name(answer.text("name")), locale: filling.locale.to_owned(), password, proved: false };
    Ok(FormOutcome::go_on(Journey::Register { draft: Some(draft) }))
}

/// A new password ends every session of the person (420-U); the one at hand is opened anew behind it.
async fn check_new_password(filling: &Filling<'_>, answer: &Answer<'_>) -> Result<Filled> {
    let new = answer.text("new_password");
    if accounts::is_good_password(new) && new != answer.text("new_password_again") {
        return Ok(Filled::Wrong(Problem::in_field("passwords_differ", "new_password_again")));
    }
    let digest = match filling.context.hashers.choose(new).await? {
        Ok(digest) => digest,
        Err(unfit) => return Ok(Filled::Wrong(Problem::in_field(unfit.problem(), "new_password"))),
    };
    let by = if filling.state.journey == Journey::Reset { "reset by mail" } else { "the person" };
    let changed = Effect::Audit(Box::new(Entry::ok("password_changed").with("by", by)));
    let effects = vec![Effect::EndSessions, Effect::Update(Update::Password(digest)), Effect::Notice("password_changed"), changed];
    Ok(Filled::Done(Box::new(FormOutcome { proved: Some(MethodName::PASSWORD), ..FormOutcome::end(effects) })))
}

/// The code lets nobody in: it lets clients ask. So sessions go on.
async fn check_user_code(filling: &Filling<'_>, answer: &Answer<'_>) -> Result<Filled> {
    let (digest, event) = match answer.action {
        "remove_user_code" => (None, "user_code_removed"),
        _ if !user_code::is_good(answer.text("new_user_code")) => {
            return Ok(Filled::Wrong(Problem::in_field("bad_user_code", "new_user_code")));
        }
        _ => (Some(filling.context.hashers.hash_secret(answer.text("new_user_code")).await?), "user_code_set"),
    };
    let changed = Effect::Audit(Box::new(Entry::ok(event).with("by", "the person")));
    let effects = vec![Effect::Update(Update::UserCode(digest)), Effect::Notice("user_code_changed"), changed];
    Ok(Filled::Done(Box::new(FormOutcome::end(effects))))
}

/// Adds the authenticator, once its first code proves that it works.
fn check_enrolment(filling: &Filling<'_>, answer: &Answer<'_>) -> Result<Filled> {
    let (context, account) = (filling.context, filling.person.account.as_ref().ok_or_else(|| Fault::new("an enrolment without a person"))?);
    let new: NewTotp = from_json(filling.secret)?;
    let code = digits(answer.text("code"));
    if code.is_empty() {
        return Ok(Filled::Wrong(Problem::in_field("no_code", "code")));
    }
    let Some(step_ms) = totp::step_ms(&new.secret, &code, context.now_ms)? else {
        return Ok(Filled::Wrong(Problem::in_field("wrong_code", "code")));
    };
    let secret = context.keyring.seal(&totp::sealed_at(&account.id), &new.secret)?;
    let credential = Credential { kind: "totp", id: String::new(), secret, used_ms: step_ms };
    let enrolled = Effect::Audit(Box::new(Entry::ok("totp_enrolled")));
    // A sign-in that has proved one factor must not finish as if there were no second.
    let effects = vec![Effect::Raise, Effect::Enrol(credential), Effect::Notice("factor_added"), enrolled];
    let then = Some(Form::RecoveryCodes);
    Ok(Filled::Done(Box::new(FormOutcome { proved: Some(MethodName::TOTP), then, ..FormOutcome::end(effects) })))
}

/// The person has kept the new codes: now they count, and the old ones are void.
fn keep_codes(filling: &Filling<'_>) -> Result<Filled> {
    let account = filling.person.account.as_ref().ok_or_else(|| Fault::new("recovery codes without a person"))?;
    let new: NewCodes = from_json(filling.secret)?;
    let keyring = filling.context.keyring;
    let mut effects = vec![Effect::Raise, Effect::Remove("recovery")];
    for code in recovery::codes(keyring, new.version, &account.id, &new.seed)? {
        if let Some(id) = recovery::names(keyring, &account.id, &code).into_iter().next() {
            effects.push(Effect::Enrol(Credential { kind: "recovery", id, secret: Vec::new(), used_ms: 0 }));
        }
    }
    // The letter about a new authenticator or passkey says it of the first ones.
    if filling.state.journey == Journey::RecoveryCodes || !account.recovery.is_empty() {
        effects.push(Effect::Notice("recovery_changed"));
    }
    effects.push(Effect::Audit(Box::new(Entry::ok("recovery_codes_made"))));
    Ok(Filled::Done(Box::new(FormOutcome::end(effects))))
}
