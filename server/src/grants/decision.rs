//! What the operator's own programs (`[plugin.NAME]`, world `decision`) say of a sign-in, a code or a refresh. They narrow alone. Where
//! one fails, nothing moves and nothing ends: a bad reload must not sign every app out.

use super::{Grant, invalid_grant, occasion};
use crate::attesting::standing;
use crate::audit::Entry;
use crate::caller::Caller;
use crate::config::TierName;
use crate::config::plugin::Moment;
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::limits::Limits;
use crate::login::flow::Proven;
use crate::plugins::{Decided, PluginDecision, Situation, unavailable};
use std::net::IpAddr;
use symbolon_oauth::scope::Scope;

/// What a request for tokens may do.
pub enum TokenDecision {
    /// Tokens live at most so many seconds.
    Go(Option<i64>),
    /// The person signs in once more.
    StepUp,
}

pub(super) fn is_asked(core: &Core, moment: Moment, client: &str) -> bool {
    core.config.plugin.values().any(|plugin| plugin.is_asked(moment, client))
}

/// Asked before anything of the grant moves.
pub async fn decide(core: &Core, caller: &Caller, grant: &Grant, moment: Moment) -> Result<TokenDecision> {
    if !is_asked(core, moment, &caller.client_id) {
        return Ok(TokenDecision::Go(None));
    }
    let situation = Situation {
        moment,
        client: caller.client_id.clone(),
        account: grant.account.clone(),
        scopes: grant.scope.iter().map(str::to_owned).collect(),
        tier: caller.tier.map(|name| name.as_str().to_owned()),
        installation: caller.instance.as_ref().map(|instance| instance.jkt.clone()),
        address: Some(caller.address.to_string()),
        auth_time_ms: grant.request.auth_time_ms,
        amr: grant.request.amr.clone(),
        acr: Some(grant.request.acr.clone()).filter(|acr| !acr.is_empty()),
        occasion: occasion(caller, Some(grant)),
        now_ms: caller.now_ms,
    };
    let Decided { outcome, most_s, entries } = core.plugins.decide(situation).await;
    for entry in entries {
        grant.note_once(core, caller, entry).await?;
    }
    match outcome {
        PluginDecision::Allow => Ok(TokenDecision::Go(most_s)),
        PluginDecision::StepUp => Ok(TokenDecision::StepUp),
        PluginDecision::Deny => Err(invalid_grant("A rule of this server refuses it.").because("a plug-in decided so").audited().into()),
        PluginDecision::Unavailable => Err(unavailable().audited().into()),
    }
}

/// Where no second sign-in can be asked for, wanting one is a refusal.
pub async fn must_go(core: &Core, caller: &Caller, grant: &Grant, moment: Moment) -> Result<Option<i64>> {
    match decide(core, caller, grant, moment).await? {
        TokenDecision::Go(most_s) => Ok(most_s),
        TokenDecision::StepUp => {
            let hint = "The person has to sign in once more.";
            Err(invalid_grant(hint).because("a plug-in wants another sign-in").audited().into())
        }
    }
}

/// A sign-in that is about to be completed.
pub struct Completed<'a> {
    pub client: &'a str,
    pub proven: &'a Proven,
    pub scope: &'a Scope,
    /// What the caller proved, where it is known. Else what is kept of the installation says it.
    pub tier: Option<TierName>,
    pub installation: Option<&'a str>,
    pub address: Option<IpAddr>,
    /// What is answered: the request, or its name. It is written only where a plug-in decides.
    pub occasion: &'a (dyn Fn() -> std::result::Result<Vec<u8>, Fault> + Sync),
}

impl Completed<'_> {
    /// An installation of which nothing is kept has proved nothing.
    async fn tier(&self, core: &Core) -> std::result::Result<Option<String>, Fault> {
        let nothing = TierName::None.as_str();
        Ok(match (self.tier, self.installation) {
            (Some(tier), _) => Some(tier.as_str().to_owned()),
            (None, Some(jkt)) => Some(standing::tier_of(core, self.client, jkt).await?.unwrap_or_else(|| nothing.to_owned())),
            (None, None) => None,
        })
    }
}

/// Why it is not completed, and what the audit has to say. None: it may be.
pub async fn decide_sign_in(core: &Core, now_ms: i64, completed: &Completed<'_>) -> Result<(Option<Refused>, Vec<Entry>)> {
    let Completed { client, proven, scope, installation, address, occasion, .. } = completed;
    if !is_asked(core, Moment::SignIn, client) {
        return Ok((None, Vec::new()));
    }
    let auth_time_ms = proven.satisfied.auth_time_ms;
    let situation = Situation {
        moment: Moment::SignIn,
        client: (*client).to_owned(),
        account: proven.account.clone(),
        scopes: scope.iter().map(str::to_owned).collect(),
        tier: completed.tier(core).await?,
        installation: installation.map(str::to_owned),
        address: address.map(|address| address.to_string()),
        auth_time_ms,
        amr: proven.satisfied.amr.clone(),
        acr: proven.satisfied.acr.clone(),
        occasion: occasion()?,
        now_ms,
    };
    let Decided { outcome, mut entries, .. } = core.plugins.decide(situation).await;
    entries.retain(|entry| core.limits.alarms.check_key(&Limits::bucket(&["alarm", entry.event, &proven.account, client])).is_ok());
    let refused = match outcome {
        PluginDecision::Allow => None,
        PluginDecision::StepUp => {
            let hint = "This sign-in does not prove enough.";
            Some(Refused::bad_request("unmet_authentication_requirements", hint).because("a plug-in wants another sign-in"))
        }
        PluginDecision::Deny => {
            Some(Refused::bad_request("access_denied", "A rule of this server refuses it.").because("a plug-in decided so"))
        }
        PluginDecision::Unavailable => Some(unavailable().because("a decision could not be asked")),
    };
    Ok((refused, entries))
}
