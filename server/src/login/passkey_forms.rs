//! The forms of passkeys. One is made from the account page, at a sign-up, or as an offer after a sign-in. One is removed.

use super::accounts::Account;
use super::ceremony::{self, CeremonySecret, Owner};
use super::context::{Answer, Context, Person};
use super::effect::{Effect, NewPasskey};
use super::filling::{Filled, Filling, FormOutcome};
use super::journey::{Form, Journey};
use super::methods::passkey::not_done;
use super::operation::{self, Mediation};
use super::passkeys::{self, Accepted, PasskeyKind, RelyingParty};
use super::policy::Policy;
use super::proof::{Facts, MethodName};
use super::state::State;
use super::step::{Problem, Step, Text};
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::mail;
use serde_json::Value as Json;
use symbolon_oauth::base64url;
use symbolon_passkey::{CrossOrigin, ExpectedRegistration, RegistrationFacts, RegistrationResponse, Trust, aaguid, cose, transports};
use symbolon_passkey::{Failed, UserPresence, UserVerification, registration};

const REFUSED: &str = "passkey_refused";
/// Says no to the offer; it is not made again.
pub const NOT_NOW: &str = "not_now";

/// The page on which a passkey is made.
pub fn ask_enrolment(form: Form, context: &Context<'_>, state: &State, person: &Person) -> std::result::Result<(Step, Json), Fault> {
    let rp = &context.relying_party;
    let account = person.account.as_ref();
    let handle = match account.and_then(|account| account.passkey_handle.clone()) {
        Some(handle) => handle,
        None => ceremony::new_handle()?,
    };
    let secret = CeremonySecret::new(Some(handle))?;
    let (name, display_name) = names(state, account);
    let owner =
        Owner { name: &name, display_name: &display_name, has: account.map(|account| ceremony::taken(account, rp.id)).unwrap_or_default() };
    let is_offer = form == Form::OfferPasskey;
    // The browser opens no window that nobody asked for. The passkey is made quietly, or by the button.
    // A passkey that is made quietly verifies nobody.
    let is_quiet = is_offer && rp.rules.user_verification != UserVerification::Required;
    let mediation = if is_quiet { Mediation::Conditional } else { Mediation::Optional };
    let operation = ceremony::create(context, &secret, &owner, mediation)?;
    let step = Step::new(if is_offer { "offer_passkey" } else { "enrol_passkey" }).primary(operation::ACTION).operate(operation);
    Ok((if is_offer { step.secondary(NOT_NOW) } else { step }, secret.as_json()?))
}

/// What the person reads in a list of passkeys; never empty.
fn names(state: &State, account: Option<&Account>) -> (String, String) {
    let (name, display_name) = match (&state.journey, account) {
        (Journey::Register { draft: Some(draft) }, None) => (Some(&draft.email), draft.name.as_ref()),
        (_, Some(account)) => (account.any_email.as_ref().or(account.login_name.as_ref()), account.name.as_ref()),
        _ => (None, None),
    };
    let name = name.cloned().unwrap_or_else(|| "me".to_owned());
    (name.clone(), display_name.filter(|text| !text.trim().is_empty()).cloned().unwrap_or(name))
}

pub fn check_enrolment(form: Form, filling: &Filling<'_>, answer: &Answer<'_>) -> Result<Filled> {
    if form == Form::OfferPasskey && answer.action == NOT_NOW {
        let handle = CeremonySecret::read(filling.secret)?.handle.unwrap_or_default();
        return Ok(Filled::Done(Box::new(FormOutcome::end(vec![Effect::DeclinePasskeys { handle }]))));
    }
    if let Some(problem) = not_done(answer) {
        return Ok(Filled::Wrong(problem));
    }
    let secret = CeremonySecret::read(filling.secret)?;
    let handle = secret.handle.clone().ok_or_else(|| Fault::new("a new passkey without a user handle"))?;
    if filling.person.account.as_ref().is_some_and(|account| account.passkeys.len() >= passkeys::MOST) {
        return Ok(refused("passkey_too_many", "the account has as many passkeys as it may have".to_owned()));
    }
    let response = match RegistrationResponse::parse(answer.text(operation::FIELD)) {
        Ok(response) => response,
        Err(why) => return Ok(refused("passkey_unreadable", why.0.to_owned())),
    };
    let rp = &filling.context.relying_party;
    let presence = if form == Form::OfferPasskey { UserPresence::NotAsked } else { UserPresence::Required };
    let facts = match judge(rp, (&secret.challenge()?, presence), &response, filling.context.now_ms / 1000) {
        Ok(facts) => facts,
        Err((problem, why)) => return Ok(not_kept((problem, why), handle)),
    };
    let new = made(filling.context, handle, &response, &facts);
    let proved = Facts { credential: Some(new.public_id.clone()), user_verified: Some(facts.user_verified), ..Facts::default() };
    let enrolled = Entry::ok("passkey_enrolled").with("passkey", new.public_id.as_str()).with("aaguid", aaguid::text(&facts.aaguid));
    let mut effects = vec![Effect::AddPasskey(Box::new(new)), Effect::Audit(Box::new(enrolled))];
    if filling.person.account.is_some() {
        // A sign-in that has proved one factor must not finish as if there were no second.
        effects.extend([Effect::Raise, Effect::Notice("passkey_added")]);
    }
    let then = wants_codes(filling).then_some(Form::RecoveryCodes);
    Ok(Filled::Done(Box::new(FormOutcome { proved: Some(MethodName::PASSKEY), facts: proved, then, ..FormOutcome::end(effects) })))
}

/// The first strong factor brings recovery codes with it, where a chain of the policy takes them (W-59).
fn wants_codes(filling: &Filling<'_>) -> bool {
    let nobody = Account::default();
    let account = match (&filling.state.journey, &filling.person.account) {
        (_, Some(account)) => account,
        (Journey::Register { draft: Some(draft) }, None) => &Account { email: Some(draft.email.clone()), ..nobody },
        _ => &nobody,
    };
    // Whoever begins again loses the codes with the authenticator, unless the authenticator was shown.
    let loses = filling.state.journey == Journey::Regain && !filling.state.is_shown(&MethodName::TOTP);
    (loses || !account.may_have_codes()) && filling.policy.takes_codes(account)
}

fn refused(problem: &'static str, why: String) -> Filled {
    Filled::Refused { problem: Problem::new(problem), event: REFUSED, why, made: None }
}

/// The platform has made it, and it is of no use here.
fn not_kept((problem, why): (Problem, String), handle: String) -> Filled {
    Filled::Refused { problem, event: REFUSED, why, made: Some(handle) }
}

/// The facts of a good answer that the policy accepts; else the person's problem and the private reason.
fn judge(
    rp: &RelyingParty<'_>,
    (challenge, user_presence): (&[u8], UserPresence),
    response: &RegistrationResponse,
    now_s: i64,
) -> std::result::Result<RegistrationFacts, (Problem, String)> {
    let origins: Vec<&str> = rp.origins.iter().map(String::as_str).collect();
    let roots: Vec<&[u8]> = rp.rules.roots.iter().map(Vec::as_slice).collect();
    let asks = rp.rules.wants_attestation();
    let expected = ExpectedRegistration {
        rp_id: rp.id,
        origins: &origins,
        cross_origin: CrossOrigin::Refused,
        challenge,
        algorithms: &cose::OFFERED,
        user_verification: rp.rules.user_verification,
        user_presence,
        trust: asks.then_some(Trust { roots: &roots, now_s }),
    };
    let mut verdict = registration(response, &expected).map_err(|why| (Problem::new("passkey_unreadable"), why.0.to_owned()))?;
    // A statement that nobody asked for decides nothing (WebAuthn Level 3, 7.1 step 24).
    if !asks {
        verdict.failed.retain(|failed| !matches!(failed.name, "attestation" | "format"));
    }
    let mut facts = verdict.facts;
    // 388-W: where kinds are asked for, an AAGUID counts only if a maker has signed it.
    if asks && !facts.attestation.vouches_for_aaguid {
        facts.aaguid = [0; 16];
    }
    if !verdict.failed.is_empty() {
        let why: Vec<String> = verdict.failed.iter().map(|failed| format!("{}: {}", failed.name, failed.detail)).collect();
        return Err((problem_of(&verdict.failed, &rp.rules.accepted), why.join("; ")));
    }
    let kind = PasskeyKind { aaguid: &facts.aaguid, attested: facts.attestation.trusted, backup_eligible: facts.backup_eligible };
    match rp.rules.accepted.refuses(kind) {
        Some((problem, why)) => Err((problem, format!("{why}: {}", facts.attestation.format))),
        None => Ok(facts),
    }
}

fn problem_of(failed: &[Failed], accepted: &Accepted) -> Problem {
    let all = |names: &[&str]| failed.iter().all(|one| names.contains(&one.name));
    if all(&["user_verified"]) {
        Problem::new("passkey_unverified")
    } else if failed.iter().all(|one| matches!(one.name, "attestation" | "format") || one.name.starts_with("chain_")) {
        accepted.wrong_kind()
    } else {
        Problem::new("passkey_not_made")
    }
}

fn made(context: &Context<'_>, handle: String, response: &RegistrationResponse, facts: &RegistrationFacts) -> NewPasskey {
    let rp = &context.relying_party;
    let id = base64url::encode(&facts.id);
    let kept = transports::kept(response.transports.iter().map(String::as_str), facts.backup_eligible);
    NewPasskey {
        rp_id: rp.id.to_owned(),
        public_id: passkeys::public_id(&id),
        id,
        handle,
        public_key: facts.key.clone(),
        counter: facts.counter,
        transports: kept.join(" "),
        backup_eligible: facts.backup_eligible,
        backed_up: facts.backed_up,
        user_verified: facts.user_verified,
        discoverable: response.discoverable != Some(false),
        aaguid: facts.aaguid.to_vec(),
        attested: facts.attestation.trusted,
        name: aaguid::name(&facts.aaguid).map_or_else(|| named_by_device(context), str::to_owned),
    }
}

/// W-13: many authenticators do not say what they are. Then the passkey is called by the device and the day that it was made on.
fn named_by_device(context: &Context<'_>) -> String {
    let day = mail::written_day(context.now_ms);
    match context.user_agent.and_then(mail::device_name) {
        Some(device) => format!("Passkey, {device}, {day}"),
        None => format!("Passkey, {day}"),
    }
}

/// The page that asks whether a passkey is to go, and whether somebody else may have it.
pub fn ask_removal(state: &State, person: &Person, policy: &Policy) -> Step {
    let public_id = match &state.journey {
        Journey::RemovePasskey { passkey } => passkey.as_str(),
        _ => "",
    };
    match person.account.as_ref() {
        Some(account) if is_last_way_in(policy, account, public_id) => {
            Step::new("remove_passkey").lead(Text::new("remove_passkey-last")).primary("add_passkey")
        }
        _ => Step::new("remove_passkey").primary("remove").secondary("remove_lost"),
    }
}

/// Without it the person could not sign in any more. One of another RP ID is no way in, and can go.
fn is_last_way_in(policy: &Policy, account: &Account, public_id: &str) -> bool {
    let mut without = account.clone();
    without.remove_passkey(public_id);
    without.passkeys.len() < account.passkeys.len() && !policy.leaves_a_way(&without)
}

pub fn check_removal(filling: &Filling<'_>, answer: &Answer<'_>) -> Result<Filled> {
    let Journey::RemovePasskey { passkey } = &filling.state.journey else { return Err(Fault::new("a removal of no passkey").into()) };
    let account = filling.person.account.as_ref().ok_or_else(|| Fault::new("a removal without a person"))?;
    if answer.action == "add_passkey" {
        return Ok(FormOutcome::go_on(Journey::AddPasskey));
    }
    if is_last_way_in(filling.policy, account, passkey) {
        return Ok(Filled::Wrong(Problem::new("passkey_last")));
    }
    let removed = Entry::ok("passkey_removed").with("passkey", passkey.as_str()).with("lost", answer.action == "remove_lost");
    let mut effects = vec![Effect::RemovePasskey { public_id: passkey.clone() }];
    // Whoever has it may have signed in with it: every session ends (W-56).
    effects.push(if answer.action == "remove_lost" { Effect::EndSessions } else { Effect::Raise });
    effects.extend([Effect::Notice("passkey_removed"), Effect::Audit(Box::new(removed))]);
    Ok(Filled::Done(Box::new(FormOutcome::end(effects))))
}
