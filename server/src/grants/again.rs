//! The lasting `auth_session` of a grant. It begins another native sign-in of the same person, which asks for what is missing. It comes
//! with the tokens, is a function of the grant, and ends with it. draft-ietf-oauth-first-party-apps-04 5.3.1, 7; RFC 9470.

use super::{Grant, TokenRequest, invalid_grant};
use crate::attesting::standing::known_facts;
use crate::caller::Caller;
use crate::config::OnWeakerPolicy;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::login::accounts::Account;
use crate::login::easing::Circumstances;
use crate::login::known_devices;
use crate::login::methods;
use crate::login::policy::{Conditions, Policy, Satisfied};
use crate::login::proof::Proof;
use crate::login::standing::{Patience, Standing, Weighed, weigh};
use crate::tokens::handles::{Kind, NOT_OURS, RowName};

/// May this grant's holder begin another sign-in with it?
pub fn has_one(caller: &Caller, grant: &Grant) -> bool {
    let stays = caller.tier_rules().is_none_or(|tier| tier.refresh);
    caller.client.native && grant.is_key_bound() && stays && caller.client.allows_grant("refresh_token")
}

/// The handle, where there is one.
pub fn auth_session(core: &Core, caller: &Caller, grant: &Grant) -> Option<String> {
    let row = RowName { id: grant.session, number: grant.number, generation: 0 };
    has_one(caller, grant).then(|| core.handles.make(Kind::AuthSession, row, &grant.salt))
}

/// The grant behind a handle, if this caller holds it and could refresh it now.
pub async fn open(core: &Core, caller: &Caller, text: &str) -> Result<Grant> {
    let handle = core.handles.read(Kind::AuthSession, text).ok_or_else(|| invalid_grant("unknown").because(NOT_OURS))?;
    let grant = super::of_handle(core, &handle).await?;
    must_be_held(&grant, caller)?;
    Ok(grant)
}

/// Is the grant this caller's, and could it be refreshed now?
pub fn must_be_held(grant: &Grant, caller: &Caller) -> Result<()> {
    grant.must_belong_to(caller)?;
    grant.must_be_held_by(caller)?;
    grant.must_be_usable(caller)?;
    if has_one(caller, grant) { Ok(()) } else { Err(invalid_grant("none").because("the grant has no auth_session now").into()) }
}

/// Does the client's policy, or its tier, want more today than was proved for this grant? It is asked where something would follow.
pub async fn wants_more(request: TokenRequest<'_>) -> Result<Option<&'static str>> {
    let TokenRequest { core, caller, grant, .. } = request;
    let steps_up = has_one(caller, grant);
    if !steps_up && caller.client.refresh.on_weaker_policy == OnWeakerPolicy::Keep {
        return Ok(None);
    }
    if steps_up && caller.tier_rules().and_then(|tier| tier.acr.as_ref()).is_some_and(|wanted| grant.request.acr != *wanted) {
        return Ok(Some("the tier wants another acr"));
    }
    let Some(own) = core.config.policy(caller.client.login_policy()) else { return Ok(Some("the client's policy is unknown")) };
    let Some(held) = held(core, grant).await? else { return Ok(None) };
    // Nothing is known of the proofs any more (`suspected_two_holders`): the person is asked, and no grant ends for it.
    if held.is_forgotten && !steps_up {
        return Ok(None);
    }
    let not_before_ms = own.not_before_ms(caller.now_ms);
    let own = eased(core, caller, grant, (own, &held.account)).await?;
    Ok(match held.weigh(core, caller, &own, not_before_ms) {
        Some(_) => None,
        None => Some("the client's policy wants more than was proved"),
    })
}

/// What the person proved in the session of a grant, if that is enough for this caller's own policy. Nothing eases it.
pub async fn satisfied(core: &Core, caller: &Caller, grant: &Grant) -> Result<Option<Satisfied>> {
    let Some(own) = core.config.policy(caller.client.login_policy()) else { return Ok(None) };
    let Some(held) = held(core, grant).await? else { return Ok(None) };
    let of_client_ms = caller.client.default_max_age.map_or(0, |age| caller.now_ms - age.ms());
    let not_before_ms = of_client_ms.max(own.not_before_ms(caller.now_ms));
    Ok(held.weigh(core, caller, &own.strict(), not_before_ms))
}

/// What was proved for a grant and holds still.
struct StandingProofs {
    account: Account,
    proofs: Vec<Proof>,
    /// The session knows of no proof at all.
    is_forgotten: bool,
}

/// What a credential proved is gone with the credential. None: the session has ended, or the account is gone.
async fn held(core: &Core, grant: &Grant) -> Result<Option<StandingProofs>> {
    let Some((mut proofs, _)) = grant.proved()? else { return Ok(None) };
    let Some(account) = core.accounts().by_id(&grant.account).await? else { return Ok(None) };
    let is_forgotten = proofs.is_empty();
    proofs.retain(|proof| methods::still_holds(proof, &account));
    Ok(Some(StandingProofs { account, proofs, is_forgotten }))
}

impl StandingProofs {
    /// What the proofs come to, if nothing is missing.
    fn weigh(&self, core: &Core, caller: &Caller, policy: &Policy, not_before_ms: i64) -> Option<Satisfied> {
        let conditions = Conditions { now_ms: caller.now_ms, started_ms: caller.now_ms, not_before_ms, prefer: None, transaction: None };
        let standing = Standing { waiting: &self.account.waiting, patience: patience(core, caller) };
        match weigh(policy, &conditions, (&self.proofs, &standing), |method| methods::has(method, &self.account)) {
            Some(Weighed::Satisfied(satisfied)) => Some(satisfied),
            _ => None,
        }
    }
}

fn patience(core: &Core, caller: &Caller) -> Patience {
    Patience { now_ms: caller.now_ms, wait_ms: core.config.enrolment.wait.ms() }
}

/// The client's policy where the refresh comes from: what eased the sign-in must hold still.
async fn eased(core: &Core, caller: &Caller, grant: &Grant, (own, account): (&Policy, &Account)) -> Result<Policy> {
    let asked = grant.scope.to_string();
    let scopes: Vec<&str> = asked.split(' ').filter(|word| !word.is_empty()).collect();
    let facts = known_facts(core, &caller.client_id, caller.instance.as_ref(), caller.now_ms).await?;
    let known = Circumstances {
        client: Some(&caller.client_id),
        scopes: grant.request.authorization_details.is_empty().then_some(&scopes),
        tier: caller.instance.as_ref().map(|instance| instance.tier.as_str()),
        address: Some(caller.address),
        installation: facts.as_ref(),
    };
    let policy = own.under(&known);
    let installation = caller.instance.as_ref().filter(|_| policy.knows_devices());
    let device = match installation {
        Some(instance) => {
            let name = known_devices::installation(&caller.client_id, &instance.jkt);
            known_devices::read(&core.store, account, &name, patience(core, caller)).await?
        }
        None => None,
    };
    Ok(policy.on_device(device.as_ref(), caller.now_ms))
}

/// To the app, a grant that is over is a sign-in that is over. What it can mend, such as an old attestation, stays what it is.
pub fn as_session(error: Error, over: impl FnOnce(String) -> Error) -> Error {
    match error {
        Error::Refused(refused) if refused.code == "invalid_grant" => over(refused.private),
        other => other,
    }
}
