//! What a client that asks by itself adds to its authorization request: its key, its installation, and the tier's `acr`.

use super::request::AuthorizationRequest;
use crate::caller::Caller;
use crate::error::{Refused, Result};

/// Binds a request to its caller. A request that was pushed and one of the native face are bound alike.
pub fn bind(request: &mut AuthorizationRequest, caller: &Caller) -> Result<()> {
    // RFC 9449 10.1: a proof here names the key as dpop_jkt would; both, and they differ: refused.
    if let Some(jkt) = caller.jkt() {
        if request.dpop_jkt.as_deref().is_some_and(|named| named != jkt) {
            return Err(Refused::bad_request("invalid_dpop_proof", "dpop_jkt names another key than the DPoP header proves.").into());
        }
        request.dpop_jkt = Some(jkt.to_owned());
    }
    // A tier that needs a better sign-in gets asked for it. What the app insists on is not lowered by that (368-Z).
    if let Some(acr) = caller.tier_rules().and_then(|tier| tier.acr.clone()) {
        if request.essential_acr && !request.acr_values.is_empty() && !request.acr_values.contains(&acr) {
            let hint = "An installation like this one signs in with its tier's acr, which is none of the essential ones.";
            return Err(Refused::bad_request("unmet_authentication_requirements", hint).into());
        }
        request.acr_values = vec![acr];
        request.essential_acr = true;
    }
    request.instance = caller.instance.as_ref().map(|instance| instance.jkt.clone());
    Ok(())
}
