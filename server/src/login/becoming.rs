//! What an account becomes by a move: one that is made, or one whose ways in change.

use super::accounts::{self, NewAccount};
use super::context::Person;
use super::effect::{Creation, Effect, Source, Update};
use super::flow::{Run, proof};
use super::journey::{Form, Journey, RegistrationDraft};
use super::machine::over;
use super::operation::Operation;
use super::passkeys::RegisteredPasskey;
use super::proof::{Facts, MethodName};
use crate::audit::Entry;
use crate::error::Result;
use symbolon_oauth::base64url;
use symbolon_passkey::options;

impl Run<'_> {
    /// The account of somebody who registers, once the address is proved by `method`.
    pub(super) fn create_account(&mut self, draft: RegistrationDraft, method: &MethodName, facts: Facts) -> Result<()> {
        let now_ms = self.visitor.now_ms;
        let registration = self.machine.config.registration.as_ref();
        if !registration.is_some_and(|settings| settings.allows(&draft.email)) {
            return Err(over().because("registration was closed meanwhile").into());
        }
        let id = accounts::new_id()?;
        let by_password = draft.password.is_some();
        let new = NewAccount {
            login_names: vec![draft.email.clone()],
            email: Some(draft.email),
            email_verified: true,
            name: draft.name,
            locale: Some(draft.locale),
            claims: serde_json::Map::new(),
            password: None,
        };
        self.state.is_new = true;
        let creation = Creation { id: id.clone(), new, password_digest: draft.password };
        self.want(Source::Journey, vec![Effect::CreateAccount(Box::new(creation)), Effect::Audit(Box::new(Entry::ok("registered")))])?;
        let account = accounts::Account { id: id.clone(), active: true, version: 1, ..Default::default() };
        self.person = Person { account: Some(account), is_subject: true, ..Person::default() };
        if by_password {
            let facts = Facts { chosen_by: Some(method.clone()), ..Facts::default() };
            self.state.prove(&id, 1, proof(&id, MethodName::PASSWORD, facts, now_ms));
        }
        self.state.prove(&id, 1, proof(&id, method.clone(), facts, now_ms));
        self.state.journey = Journey::SignIn;
        Ok(())
    }

    /// The address changes, once it is proved.
    pub(super) fn change_email(&mut self, email: String) -> Result<()> {
        if self.machine.config.registration.as_ref().is_some_and(|settings| !settings.allows(&email)) {
            return Err(over().because("email_domains was changed meanwhile").into());
        }
        let changed = Effect::Audit(Box::new(Entry::ok("email_changed")));
        self.want(Source::Journey, vec![Effect::Update(Update::Email(email)), Effect::Notice("email_changed"), changed])?;
        self.state.journey = Journey::SignIn;
        self.note_signal()
    }

    /// The account as it will be once the effects are written.
    pub(super) fn note_enrolment(&mut self, form: Form) {
        if let Some(account) = &mut self.person.account {
            match form {
                Form::EnrolTotp => account.totp_from_ms = Some(self.visitor.now_ms),
                Form::RemoveTotp => (account.totp_from_ms, account.recovery) = (None, Vec::new()),
                Form::EnrolPasskey | Form::OfferPasskey | Form::RemovePasskey => note_passkeys(account, &self.effects),
                _ => {}
            }
        }
    }
}

impl Run<'_> {
    /// A platform that has made a passkey in vain hears at the end which ones are kept. What is made in its place is among them then.
    pub(super) fn signal_what_is_kept(&mut self, made: Option<&str>) {
        let Some(handle) = made else { return };
        let rp_id = self.machine.rp_id();
        // Who signs up has no account yet, and nothing that is kept.
        let kept = self.person.account.as_ref().map(|account| kept_ids(account, rp_id)).unwrap_or_default();
        let options = options::signal_all_accepted(rp_id, handle.as_bytes(), &kept);
        self.state.signal = Some(Operation::PasskeySignal { options });
    }

    /// WebAuthn Level 3, 5.1.10: after a passkey was removed, or the person was renamed, the platform hears how things are.
    pub(super) fn note_signal(&mut self) -> Result<()> {
        let (mut changed, mut email, mut name, mut made) = (false, None, None, None);
        for effect in &self.effects {
            match effect {
                Effect::RemovePasskey { .. } => changed = true,
                Effect::AddPasskey(new) if self.state.signal.is_some() => (changed, made) = (true, Some(new.handle.clone())),
                Effect::Update(Update::Email(new)) => email = Some(new.clone()),
                Effect::Update(Update::Name(new)) => name = Some(new.clone()),
                _ => {}
            }
        }
        let Some(account) = self.person.account.as_ref().filter(|_| changed || email.is_some() || name.is_some()) else { return Ok(()) };
        let Some(handle) = account.passkey_handle.as_deref().or(made.as_deref()) else { return Ok(()) };
        let rp_id = self.machine.rp_id();
        let mut options = options::signal_all_accepted(rp_id, handle.as_bytes(), &kept_ids(account, rp_id));
        if let Some(address) = email.or_else(|| account.any_email.clone()) {
            let shown = name.unwrap_or_else(|| account.name.clone()).unwrap_or_else(|| address.clone());
            options["name"] = address.into();
            options["displayName"] = shown.into();
        }
        self.state.signal = Some(Operation::PasskeySignal { options });
        Ok(())
    }
}

/// One that the configuration refuses is kept: another configuration may accept it.
fn kept_ids(account: &accounts::Account, rp_id: &str) -> Vec<Vec<u8>> {
    account.all_passkeys().filter(|known| known.rp_id == rp_id).filter_map(|known| base64url::decode(&known.id)).collect()
}

/// The account's passkeys as they will be.
fn note_passkeys(account: &mut accounts::Account, effects: &[Effect]) {
    for effect in effects {
        match effect {
            Effect::AddPasskey(new) => {
                let transports = new.transports.split_whitespace().map(str::to_owned).collect();
                let (rp_id, id) = (new.rp_id.clone(), new.id.clone());
                account.passkeys.push(RegisteredPasskey { rp_id, id, needs_name: !new.discoverable, transports, is_refused: false });
            }
            Effect::RemovePasskey { public_id } => account.remove_passkey(public_id),
            Effect::DeclinePasskeys { .. } => account.passkeys_declined = true,
            _ => {}
        }
    }
}
