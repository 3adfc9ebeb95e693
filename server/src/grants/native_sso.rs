//! Native SSO, draft 07, bound to an SSO key (docs/native-sso.md). The person has signed in to app 1. App 2 of the same organisation, on
//! the same phone, joins that session. Both are attested, and the evidence names one vendor. The SSO key is always needed.

use super::code::{self, Granting};
use super::decision;
use super::holder::{Holder, HolderKey};
use super::{Grant, GrantState, RequestRecord, TokenRequest, again, invalid_grant};
use crate::attesting::{standing, vendor};
use crate::audit::Entry;
use crate::caller::Caller;
use crate::config::TierName;
use crate::config::plugin::Moment;
use crate::core::Core;
use crate::dpop;
use crate::error::{Error, Refused, Result};
use crate::login::policy::Satisfied;
use crate::sessions;
use crate::store::tables::{app_grant, device_secret};
use crate::store::{Change, NotApplied, Value};
use crate::tokens::handles::{Kind, NOT_OURS};
use crate::tokens::issue;
use crate::web::reply::{self, Reply};
use serde_json::Value as Json;
use symbolon_oauth::form::Form;
use symbolon_oauth::id_token;
use symbolon_oauth::native_sso::{self, Expected, ID_TOKEN_TYPE, Proof, SCOPE, SECRET_TYPE, ds_hash};
use symbolon_oauth::scope::Scope;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Is this token exchange one of an app that joins?
pub fn is_asked_for(form: &Form) -> bool {
    form.get("actor_token_type") == Some(SECRET_TYPE) || form.get("subject_token_type") == Some(ID_TOKEN_TYPE)
}

fn invalid(hint: &'static str) -> Refused {
    Refused::bad_request("invalid_request", hint)
}

/// What app 2 sends, read and proved as far as it can be without the store.
struct Joining<'a> {
    core: &'a Core,
    caller: &'a Caller,
    form: &'a Form,
    /// Of app 2.
    group: &'a str,
    instance: &'a str,
}

pub async fn exchange(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    let unauthorized = |why: &str| {
        let hint = "Only attested apps with sso_group join a session, with a DPoP proof of their own key.";
        Error::from(Refused::bad_request("unauthorized_client", hint).because(why.to_owned()))
    };
    let group = caller.client.sso_group.as_deref().ok_or_else(|| unauthorized("the client has no sso_group"))?;
    let instance = caller.instance.as_ref().filter(|it| it.attested_ms.is_some() && caller.authenticated);
    let instance = instance.ok_or_else(|| unauthorized("no attested installation"))?.jkt.as_str();
    let joining = Joining { core, caller, form, group, instance };
    joining.must_ask_rightly()?;
    let text = form.get("actor_token").ok_or_else(|| invalid("actor_token is missing: the device_secret."))?;
    let shared = joining.shared_grant(text).await?;
    let proof = joining.proof(text, &shared.1)?;
    joining.must_fit(text, &shared.0)?;
    joining.must_be_of_one_vendor(&shared.0, &shared.2).await?;
    joining.join(&shared.0, &proof).await
}

/// The grant of app 1, the thumbprint of the SSO key, and the installation that shares.
type SharedGrant = (Grant, String, String);

impl Joining<'_> {
    /// Draft 4.3: who is asked for what, with which types.
    fn must_ask_rightly(&self) -> Result<()> {
        let Self { core, form, .. } = self;
        if form.get("subject_token_type") != Some(ID_TOKEN_TYPE) || form.get("actor_token_type") != Some(SECRET_TYPE) {
            return Err(invalid("subject_token is an ID token, and actor_token a device secret: say so by their types.").into());
        }
        if form.all("audience") != [core.config.issuer.as_str()] {
            return Err(Refused::bad_request("invalid_target", "audience is the issuer, and nothing else.").into());
        }
        if form.contains("requested_token_type") && form.get("requested_token_type") != Some(ACCESS_TOKEN) {
            return Err(invalid("requested_token_type can only be urn:ietf:params:oauth:token-type:access_token.").into());
        }
        Ok(())
    }

    async fn shared_grant(&self, text: &str) -> Result<SharedGrant> {
        let Self { core, caller, .. } = self;
        let over = |why: &str| invalid_grant("The shared sign-in is over: sign in in this app.").because(why.to_owned());
        let handle = core.handles.read(Kind::DeviceSecret, text).ok_or_else(|| over(NOT_OURS))?;
        let grant = super::of_handle(core, &handle).await?;
        let first = core.clients.get(&grant.client).await?.ok_or_else(|| over("app 1 is gone"))?;
        let name = [Value::from(&grant.session[..]), i64::from(grant.number).into()];
        let row = core.store.one(device_secret::READ, &name).await?.ok_or_else(|| over("nothing is shared any more"))?;
        let (instance, sso_jkt) = (row.text("instance")?.to_owned(), row.text("sso_jkt")?.to_owned());
        // What app 1 may not go on with, it does not share either.
        let tier = standing::tier_of(core, &grant.client, &instance).await?.as_deref().and_then(TierName::parse);
        let tier = tier.and_then(|name| first.attestation.as_ref()?.tier(name));
        let tier = tier.ok_or_else(|| over("the installation of app 1 is not let in any more"))?;
        grant.must_go_on(caller.now_ms, &first, Some(tier))?;
        Ok((grant, sso_jkt, instance))
    }

    /// The SSO key has signed for this app's key, with a nonce of ours.
    fn proof(&self, device_secret: &str, sso_jkt: &str) -> Result<Proof> {
        let Self { core, caller, form, .. } = self;
        let text = form.get("sso_proof").ok_or_else(|| invalid("sso_proof is missing: the SSO key signs for this app's key."))?;
        let missing = || Refused::bad_request("invalid_dpop_proof", "Send a DPoP header: what an app gets by joining is bound to its key.");
        let jkt = caller.jkt().ok_or_else(missing)?;
        let expected = Expected { issuer: &core.config.issuer, device_secret, jkt, now_s: caller.now_ms / 1000 };
        let proof = native_sso::check(text, &expected).map_err(invalid_grant)?;
        if !dpop::is_nonce(core, &proof.nonce, caller.now_ms) {
            return Err(dpop::use_nonce().because("the nonce of the SSO proof is old or not ours").into());
        }
        if proof.sso_jkt != sso_jkt {
            return Err(invalid_grant("The secret is bound to another SSO key.").because("another SSO key").into());
        }
        Ok(proof)
    }

    /// The ID token came with this secret, in this session. It may have expired (draft 4.4).
    fn must_fit(&self, device_secret: &str, grant: &Grant) -> Result<()> {
        let Self { core, form, .. } = self;
        let text = form.get("subject_token").ok_or_else(|| invalid("subject_token is missing: the ID token of the app that shares."))?;
        let checked = id_token::check_hint(text, &core.keys.hint_verifiers(), &core.config.issuer);
        let wrong = |why: &'static str| invalid_grant("subject_token is not the ID token that came with this device_secret.").because(why);
        let claims = checked.map_err(wrong)?;
        let is = |name: &str, wanted: &str| claims.get(name).and_then(Json::as_str) == Some(wanted);
        let sid = sessions::sid(core, &grant.client, &grant.session);
        if !is("ds_hash", &ds_hash(device_secret)) || !is("sid", &sid) || !is("sub", &grant.account) || !is("aud", &grant.client) {
            return Err(wrong("ds_hash, sid, sub or aud").into());
        }
        Ok(())
    }

    /// Both apps are in one group, and the evidence of both installations names one vendor.
    async fn must_be_of_one_vendor(&self, grant: &Grant, instance: &str) -> Result<()> {
        let Self { core, caller, group, .. } = self;
        let refused = |why: &str| invalid_grant("These two apps do not share sign-ins.").because(why.to_owned());
        let first = core.clients.get(&grant.client).await?;
        if first.as_ref().and_then(|client| client.sso_group.as_deref()) != Some(*group) {
            return Err(refused("another sso_group").into());
        }
        let one = vendor::of_installation(core, &grant.client, instance).await?;
        let two = vendor::of_installation(core, &caller.client_id, self.instance).await?;
        match (one, two) {
            (Some(one), Some(two)) if one == two => Ok(()),
            (one, two) => {
                let why = format!("vendors by evidence: {} and {}", one.unwrap_or_default(), two.unwrap_or_default());
                grant.say_once(core, caller, "sso_refused", &why).await?;
                Err(refused(&why).audited().into())
            }
        }
    }

    async fn join(&self, shared: &Grant, proof: &Proof) -> Result<Reply> {
        let Self { core, caller, form, .. } = self;
        let scope = super::within_tier(caller, &super::allowed_scope(&caller.client, form.get("scope"))?);
        if scope.is_empty() || scope.contains(SCOPE) {
            let hint = "Name the scopes that this app needs; device_sso is asked for at a sign-in.";
            return Err(Refused::bad_request("invalid_scope", hint).into());
        }
        let satisfied = self.must_be_enough(shared).await?;
        let salt = crate::seal::random::<16>()?;
        let record = record(caller, &satisfied);
        let mut change = Change::new(caller.now_ms);
        sessions::hold(&mut change, &shared.session);
        let spent = change.once("sso_proof", &proof.sso_jkt, &proof.jti, proof.last_s * 1000);
        let held = change.len();
        change.run(device_secret::HOLD, vec![Value::from(&shared.session[..]), i64::from(shared.number).into()]);
        let granting = self.granting(shared, &scope, &record);
        let number = code::insert(&mut change, &granting, &salt)?;
        let holder = Holder::Instance(Some(HolderKey::first(self.instance)));
        let [holder_kind, holder_text] = holder.to_columns();
        let values = vec![Value::from(&shared.session[..]), i64::from(number).into(), caller.now_ms.into(), holder_kind, holder_text];
        change.run(app_grant::ACTIVATE, values);
        let grant = Grant {
            number,
            client: caller.client_id.clone(),
            holder,
            scope: scope.clone(),
            resource: Vec::new(),
            request: record.clone(),
            state: GrantState::Active,
            generation: 1,
            salt: salt.to_vec(),
            created_ms: caller.now_ms,
            issued_ms: caller.now_ms,
            used_ms: caller.now_ms,
            ends_ms: caller.now_ms + granting.lifetime_ms,
            ..shared.clone()
        };
        let most_s = decision::must_go(core, caller, &grant, Moment::Token).await?;
        let burnt = caller.burn(&mut change);
        let mut answer = issue::for_grant(TokenRequest { core, caller, form, grant: &grant, most_s }, 1, &scope).await?;
        answer.issued_token_type = Some(ACCESS_TOKEN);
        let entry = Entry::ok("sso_joined").with("jti", answer.jti.as_str()).with("from", shared.client.as_str());
        change.audit(grant.entry(core, entry, caller));
        match core.store.apply(change).await {
            Ok(_) => Ok(reply::json(200, &answer)),
            Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
            Err(NotApplied::Conflict(at)) if at == spent => Err(invalid_grant("This SSO proof was used before: sign a new one.").into()),
            Err(NotApplied::Conflict(at)) if at <= held => {
                Err(invalid_grant("The shared sign-in is over: sign in in this app.").because("it ended meanwhile").into())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// App 2's own policy is met by what was proved in the session, and nobody has to be asked (draft 4.4).
    async fn must_be_enough(&self, shared: &Grant) -> Result<Satisfied> {
        let Self { core, caller, .. } = self;
        let asked = |why: &str| {
            let hint = "The person has to be asked for this app: sign in in it.";
            Error::from(Refused::bad_request("interaction_required", hint).because(why.to_owned()))
        };
        if caller.client.requires_consent() {
            return Err(asked("the client needs consent"));
        }
        let satisfied = again::satisfied(core, caller, shared).await?.ok_or_else(|| asked("the policy wants more than was proved"))?;
        let acr = caller.tier_rules().and_then(|tier| tier.acr.as_ref());
        if acr.is_some_and(|wanted| satisfied.acr.as_ref() != Some(wanted)) {
            return Err(asked("the tier wants another acr"));
        }
        Ok(satisfied)
    }

    fn granting<'b>(&'b self, shared: &'b Grant, scope: &'b Scope, record: &'b RequestRecord) -> Granting<'b> {
        let client = &self.caller.client;
        Granting {
            session: &shared.session,
            account: &shared.account,
            client_id: &self.caller.client_id,
            confidential: true,
            instances: true,
            unattested: false,
            most: client.refresh.most_per_person,
            carries: client.may_carry(),
            scope,
            resource: &[],
            request: record,
            // No app outlives the sign-in that it joined: the session's row goes when that is over.
            lifetime_ms: client.refresh.absolute.ms().min(shared.ends_ms - self.caller.now_ms),
        }
    }
}

fn record(caller: &Caller, satisfied: &Satisfied) -> RequestRecord {
    RequestRecord {
        dpop_jkt: caller.jkt().map(str::to_owned),
        instance: caller.instance.as_ref().map(|instance| instance.jkt.clone()),
        acr: satisfied.acr.clone().unwrap_or_default(),
        amr: satisfied.amr.clone(),
        auth_time_ms: satisfied.auth_time_ms,
        code_expires_ms: caller.now_ms,
        ..RequestRecord::default()
    }
}
