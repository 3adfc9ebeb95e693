//! Passkeys. WebAuthn Level 3, 7.2, by `symbolon-passkey`. The platform is asked by an operation of the step; its answer is JSON in a
//! field. A passkey that verified the person is worth two factors only where the policy says so.

use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::login::accounts::Account;
use crate::login::budgets::Budget;
use crate::login::ceremony::{self, CeremonySecret};
use crate::login::context::{Answer, Asked, Checked, Context, Move, Person, Unavailable, Verdict};
use crate::login::effect::{Effect, PasskeyUse, Spend};
use crate::login::operation::{self, Mediation};
use crate::login::passkeys::{self, PasskeyKind, RelyingParty};
use crate::login::proof::{Factor, Facts, Proof};
use crate::login::step::{ActionKind, FieldKind, Problem, Step};
use crate::store::Row;
use crate::store::tables::passkey::READ;
use serde_json::Value as Json;
use symbolon_oauth::{base64url, digest};
use symbolon_passkey::{AssertionFacts, AssertionResponse, CrossOrigin, ExpectedAssertion, assertion};

/// RFC 8176: proof of possession of a key. Whether hardware keeps it, only attestation would say.
pub const AMR: &str = "pop";
pub const FACTOR: Factor = Factor::Possession;
/// A passkey says itself whose it is.
pub const ASKS_WHO: bool = true;
const REFUSED: &str = "passkey_refused";

pub fn has(account: &Account) -> bool {
    !account.passkeys.is_empty()
}

/// Before the first proof every name is asked alike (300-H).
pub fn can_use(person: &Person) -> bool {
    !person.is_subject || person.account.as_ref().is_some_and(|account| !account.passkeys.is_empty())
}

/// Nobody guesses a signature, so that wrong ones cost nothing: neither the account nor the sign-in is closed by them.
pub fn price(_person: &Person, _step: &Move<'_>) -> Vec<Budget> {
    Vec::new()
}

/// What was proved under another RP ID counts still: a proof ends with its credential, or when the configuration refuses its kind.
pub fn still_holds(proof: &Proof, account: &Account) -> bool {
    let used = proof.facts.credential.as_deref();
    account.all_passkeys().any(|known| !known.is_refused && Some(known.public_id().as_str()) == used)
}

pub async fn ask(context: &Context<'_>, person: &Person) -> std::result::Result<Asked, Unavailable> {
    let secret = CeremonySecret::new(None)?;
    let step = Step::new("passkey");
    let (step, allow, mediation) = match &person.account {
        Some(account) if person.is_subject => {
            let own = ceremony::descriptors(account);
            if own.is_empty() {
                return Err(Fault::new("a passkey is asked of a person who has none").into());
            }
            (step, own, Mediation::Optional)
        }
        _ if person.wants_ids => (step, ceremony::named(context, person), Mediation::Optional),
        _ => {
            let step = step.optional_field("username", FieldKind::Text, "username webauthn", None);
            (step.link(operation::BY_NAME), Vec::new(), Mediation::Conditional)
        }
    };
    let step = step.primary(operation::ACTION).operate(ceremony::get(context, &secret, &allow, mediation)?);
    Ok(Asked { step, secret: secret.as_json()?, effects: Vec::new() })
}

/// Offers a passkey beside another method's first question: by a button, and in the list that the name's field offers.
pub fn beside(context: &Context<'_>, mut step: Step) -> std::result::Result<(Step, Json), Fault> {
    let secret = CeremonySecret::new(None)?;
    if let Some(field) = step.fields.iter_mut().find(|field| field.name == "username") {
        field.autocomplete = "username webauthn".to_owned();
    }
    let operation = ceremony::get(context, &secret, &[], Mediation::Conditional)?;
    // Before the links, of which the last one cancels.
    let at = step.actions.iter().position(|action| action.kind == ActionKind::Link).unwrap_or(step.actions.len());
    let links = step.actions.split_off(at);
    let mut step = step.secondary(operation::ACTION).link(operation::BY_NAME).operate(operation);
    step.actions.extend(links);
    Ok((step, secret.as_json()?))
}

/// The credential that an answer names: how a person is known who said no name.
pub fn credential(answer: &Answer<'_>) -> Option<String> {
    let response = AssertionResponse::parse(answer.text(operation::FIELD)).ok()?;
    Some(base64url::encode(&response.id))
}

pub async fn check(context: &Context<'_>, person: &Person, secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let secret = CeremonySecret::read(secret)?;
    if let Some(problem) = not_done(answer) {
        return Ok(Verdict::wrong(problem, Vec::new()));
    }
    let response = match AssertionResponse::parse(answer.text(operation::FIELD)) {
        Ok(response) => response,
        Err(why) => return Ok(wrong(UNREADABLE, why.0)),
    };
    let id = base64url::encode(&response.id);
    let row = context.store.one(READ, &[context.relying_party.id.into(), id.as_str().into()]).await?;
    let account = person.account.as_ref().filter(|account| account.active);
    let kept = match &row {
        Some(row) => Some(RegisteredCredential::read(row)?),
        None => None,
    };
    // 382-W: of this person, whoever was named. An unknown one is judged as well, so that time does not tell it.
    let own = kept.as_ref().filter(|kept| account.is_some_and(|account| account.id == kept.account));
    let challenge = secret.challenge()?;
    let judged = judge(&context.relying_party, &challenge, &response, own);
    // 300-H: what cannot be read is so for every id, and without a good signature every id is unknown.
    let (kept, facts) = match (judged, own) {
        (Err((problem @ UNREADABLE, why)), _) => return Ok(wrong(problem, &why)),
        (_, None) => return Ok(wrong(UNKNOWN, "no such passkey of this person, or the account is disabled")),
        (Err((problem, why)), Some(_)) => return Ok(wrong(problem, &why)),
        (Ok(facts), Some(kept)) => (kept, facts),
    };
    // Only an account that was named, or is proved, is known without it.
    let is_named = person.is_subject || !person.name.is_empty();
    match &response.user_handle {
        Some(handle) if !digest::equal(handle, kept.handle.as_bytes()) => Ok(wrong(UNKNOWN, "the user handle is another account's")),
        None if !is_named => Ok(wrong("passkey_without_person", "the answer has no user handle")),
        _ => {
            let is_elsewhere = response.attachment.as_deref() == Some("cross-platform");
            Ok(weigh(&context.relying_party, kept, (&id, is_elsewhere), &facts))
        }
    }
}

/// One answer for an unknown passkey, a wrong signature and a disabled account.
const UNKNOWN: &str = "passkey_unknown";
const UNREADABLE: &str = "passkey_unreadable";

/// What the platform says in the place of an answer, and what the person can do.
pub fn not_done(answer: &Answer<'_>) -> Option<Problem> {
    match answer.text(operation::FAILURE) {
        "" if !answer.text(operation::FIELD).is_empty() => None,
        "" => Some(Problem::new("passkey_needs_script")),
        "already_there" => Some(Problem::new("passkey_already_there")),
        "no_passkey" => Some(Problem::new("passkey_none_here")),
        "not_possible_here" => Some(Problem::new("passkey_not_possible")),
        // Also what is no word of ours: the person did not get through, and can go on.
        _ => Some(Problem::new("passkey_cancelled")),
    }
}

/// A credential as it was registered.
struct RegisteredCredential {
    account: String,
    key: Vec<u8>,
    counter: u32,
    backup_eligible: bool,
    aaguid: Vec<u8>,
    attested: bool,
    handle: String,
}

impl RegisteredCredential {
    fn read(row: &Row) -> std::result::Result<Self, Fault> {
        Ok(Self {
            account: row.text("account")?.to_owned(),
            key: row.bytes("public_key")?.to_vec(),
            counter: u32::try_from(row.int("counter")?).map_err(|_| Fault::new("the counter of a passkey"))?,
            backup_eligible: row.int("backup_eligible")? == 1,
            aaguid: row.bytes("aaguid")?.to_vec(),
            attested: row.int("attested")? == 1,
            handle: row.text("handle")?.to_owned(),
        })
    }
}

/// The generator of P-256 as a COSE_Key. An answer by an unknown passkey is judged by it, and is never good.
const NOBODY: &[u8] = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20\
    \x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\
    \x22\x58\x20\
    \x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";

/// The facts of a good answer; else the person's problem and the private reason.
fn judge(
    rp: &RelyingParty<'_>,
    challenge: &[u8],
    response: &AssertionResponse,
    kept: Option<&RegisteredCredential>,
) -> std::result::Result<AssertionFacts, (&'static str, String)> {
    let origins: Vec<&str> = rp.origins.iter().map(String::as_str).collect();
    let expected = ExpectedAssertion {
        rp_id: rp.id,
        origins: &origins,
        cross_origin: CrossOrigin::Refused,
        challenge,
        user_verification: rp.rules.user_verification,
        key: kept.map_or(NOBODY, |kept| &kept.key),
        counter: kept.map_or(0, |kept| kept.counter),
        backup_eligible: kept.is_some_and(|kept| kept.backup_eligible),
    };
    let verdict = assertion(response, &expected).map_err(|why| (UNREADABLE, why.0.to_owned()))?;
    if verdict.holds() {
        return Ok(verdict.facts);
    }
    let only_unverified = verdict.failed.iter().all(|failed| failed.name == "user_verified");
    let why: Vec<String> = verdict.failed.iter().map(|failed| format!("{}: {}", failed.name, failed.detail)).collect();
    Err((if only_unverified { "passkey_unverified" } else { UNKNOWN }, why.join("; ")))
}

/// What the counter and the backup state are worth, under the present configuration.
fn weigh(rp: &RelyingParty<'_>, kept: &RegisteredCredential, (id, is_elsewhere): (&str, bool), facts: &AssertionFacts) -> Verdict {
    let synced = kept.backup_eligible || facts.backup_eligible;
    let kind = PasskeyKind { aaguid: &kept.aaguid, attested: kept.attested, backup_eligible: synced };
    if let Some((problem, why)) = rp.rules.accepted.refuses(kind) {
        return Verdict::wrong(problem, vec![Effect::Audit(Box::new(Entry::refused(REFUSED, why)))]);
    }
    // 383-W: a copy of a device-bound one is refused. Synced ones count as they like.
    if facts.counter_went_back && !synced {
        return wrong("passkey_copied", "the counter went back: the authenticator may have been copied");
    }
    let public_id = passkeys::public_id(id);
    let mut proved = Entry::ok("passkey_proved").with("passkey", public_id.as_str()).with("user_verified", facts.user_verified);
    if facts.counter_went_back {
        proved = proved.with("counter_went_back", true);
    }
    if facts.backup_eligible_changed {
        proved = proved.with("backup_eligible_changed", true);
    }
    let used = PasskeyUse {
        rp_id: rp.id.to_owned(),
        id: id.to_owned(),
        counter: facts.counter,
        backed_up: facts.backed_up,
        backup_eligible: facts.backup_eligible,
    };
    let spend = Effect::Spend { what: Spend::Passkey(used), event: REFUSED, problem: Problem::new(UNKNOWN) };
    let found = Facts { credential: Some(public_id), user_verified: Some(facts.user_verified), is_elsewhere, ..Facts::default() };
    Verdict { checked: Checked::Proved(found), effects: vec![spend, Effect::Audit(Box::new(proved))] }
}

fn wrong(problem: &str, why: &str) -> Verdict {
    Verdict::wrong(Problem::new(problem), vec![Effect::Audit(Box::new(Entry::refused(REFUSED, why)))])
}
