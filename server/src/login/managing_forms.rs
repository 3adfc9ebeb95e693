//! What the answers to the pages of `managing` come to.

use super::context::{Answer, Person};
use super::effect::{Effect, Update};
use super::filling::{Closed, Filled, Filling, FormOutcome};
use super::journey::{Form, Journey};
use super::operation::Operation;
use super::passkeys::{self, RelyingParty};
use super::profile::shown_name;
use super::step::Problem;
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::sessions;
use symbolon_oauth::base64url;
use symbolon_passkey::options;

pub(super) fn check(form: Form, filling: &Filling<'_>, answer: &Answer<'_>) -> Result<Filled> {
    let done = |event: &'static str, notice: &'static str, effects: Vec<Effect>| {
        let said = vec![Effect::Notice(notice), Effect::Audit(Box::new(Entry::ok(event)))];
        Filled::Done(Box::new(FormOutcome::end([effects, said].concat())))
    };
    Ok(match form {
        Form::NewName => {
            let name = shown_name(answer.text("name"));
            done("name_changed", "name_changed", vec![Effect::Update(Update::Name(name))])
        }
        Form::NewPasskeyName => {
            let Journey::RenamePasskey { passkey } = &filling.state.journey else { return Err(Fault::new("a name of no passkey").into()) };
            let Some(name) = passkeys::shown_name(answer.text("passkey_name")) else {
                return Ok(Filled::Wrong(Problem::in_field("no_passkey_name", "passkey_name")));
            };
            let renamed = Entry::ok("passkey_renamed").with("target", passkey.as_str());
            let rename = Effect::RenamePasskey { public_id: passkey.clone(), name };
            Filled::Done(Box::new(FormOutcome::end(vec![rename, Effect::Audit(Box::new(renamed))])))
        }
        Form::NewLanguage => {
            let code = answer.action.strip_prefix("language:").ok_or_else(|| Fault::new("a language without a name"))?;
            done("language_changed", "language_changed", vec![Effect::Update(Update::Locale(code.to_owned()))])
        }
        Form::EndAccess => check_end(filling)?,
        Form::Export => {
            let said = vec![Effect::Notice("account_exported"), Effect::Audit(Box::new(Entry::ok("account_exported")))];
            let then = Some(Form::Exported);
            Filled::Done(Box::new(FormOutcome { journey: Journey::Export, then, ..FormOutcome::end(said) }))
        }
        Form::Delete => {
            let signal = forget_passkeys(filling.person, &filling.context.relying_party)?;
            let deleted = Entry::ok("account_deleted").with("by", "the person");
            let notice = Effect::Notice("account_deleted");
            let effects = vec![Effect::EndSessions, notice, Effect::DeleteAccount, Effect::Audit(Box::new(deleted))];
            let closed = Some(Closed { why: "account_deleted", signal });
            Filled::Done(Box::new(FormOutcome { closed, ..FormOutcome::end(effects) }))
        }
        _ => FormOutcome::go_on(if form == Form::Exported { Journey::SignIn } else { filling.state.journey.clone() }),
    })
}

fn check_end(filling: &Filling<'_>) -> Result<Filled> {
    let mut closed = None;
    let (event, notice, mut effects) = match &filling.state.journey {
        Journey::EndSession { .. } => {
            let id = filling.secret["id"].as_str().and_then(base64url::decode).and_then(|id| id.try_into().ok());
            let id: [u8; 16] = id.ok_or_else(|| Fault::new("a session without an id"))?;
            if filling.secret["own"] == true {
                closed = Some(Closed { why: "session_ended", signal: None });
            }
            ("session_ended", "session_ended", vec![Effect::Raise, Effect::EndSession(id)])
        }
        Journey::EndOtherSessions => {
            let but = filling.state.subject.as_ref().and_then(|subject| subject.session);
            ("other_sessions_ended", "sessions_ended", vec![Effect::Raise, Effect::EndOtherSessions { but }])
        }
        Journey::ForgetDevice { device } => ("device_forgotten", "device_forgotten", vec![Effect::ForgetDevice(device.clone())]),
        Journey::RevokeApp { client } => {
            // Whoever takes the access from the app in the hand does not give it anew with the next code.
            if filling.state.client.as_ref() == Some(client) {
                closed = Some(Closed { why: "access_removed", signal: None });
            }
            ("consent_withdrawn", "app_removed", vec![Effect::RevokeApp(client.clone())])
        }
        other => return Err(Fault::new(format!("nothing ends in {other:?}")).into()),
    };
    let target = match &filling.state.journey {
        Journey::EndSession { session } => session.as_str(),
        Journey::ForgetDevice { device } => device.as_str(),
        Journey::RevokeApp { client } => client.as_str(),
        _ => "",
    };
    let own = filling.state.subject.as_ref().and_then(|subject| subject.session);
    let mut entry = Entry::ok(event).with("target", target);
    entry.session = own.map(|id| sessions::public_name(filling.context.keyring, &id));
    effects.extend([Effect::Notice(notice), Effect::Audit(Box::new(entry))]);
    Ok(Filled::Done(Box::new(FormOutcome { closed, ..FormOutcome::end(effects) })))
}

/// WebAuthn Level 3, 5.1.10.3: the platform forgets the passkeys of an account that is gone.
fn forget_passkeys(person: &Person, rp: &RelyingParty<'_>) -> std::result::Result<Option<Operation>, Fault> {
    let account = person.account.as_ref().ok_or_else(|| Fault::new("a deletion of nobody"))?;
    let Some(handle) = &account.passkey_handle else { return Ok(None) };
    if account.all_passkeys().all(|known| known.rp_id != rp.id) {
        return Ok(None);
    }
    Ok(Some(Operation::PasskeySignal { options: options::signal_all_accepted(rp.id, handle.as_bytes(), &[]) }))
}
