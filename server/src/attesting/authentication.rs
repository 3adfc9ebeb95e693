//! How an installation authenticates its client: the attestation and what proves its key (sections 4 to 6 of the draft). The
//! attester is ours or the customer's own, known by its keys; the checks are the same.

use super::Attesting;
use super::case::AttestedClient;
use super::instance::{Instance, use_challenge, use_fresh};
use super::{challenge, devices, observed, standing};
use crate::config::{AttestationRules, Client, ClientAuthentication, NamedClient, TierName};
use crate::core::Core;
use crate::dpop::ProvedKey;
use crate::error::{Error, Fault, Refused, Result};
use crate::web::request::Incoming;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use symbolon_oauth::client_attestation::{self, Attestation, Rejected};
use symbolon_oauth::jwk::KeySet;

pub const ATTESTATION: &str = "oauth-client-attestation";
pub const POP: &str = "oauth-client-attestation-pop";

/// What the attester says; one that says nothing vouches for the app alone. `None`: a word or a type that we do not know. Or the word is
/// `none`, which only our own attester says, while it observes.
fn tier_of(rules: &AttestationRules, claims: &Map<String, Json>) -> Option<TierName> {
    let takes_none = rules.observe && rules.is_ours();
    match claims.get("tier") {
        None => Some(TierName::Software),
        Some(said) => said.as_str().and_then(TierName::parse).filter(|it| takes_none || *it != TierName::None),
    }
}

fn invalid(hint: &'static str) -> Refused {
    Refused::bad_request("invalid_client_attestation", hint)
}

/// The value of a field that may be there once (274-N).
fn single<'a>(incoming: &'a Incoming, name: &str) -> Result<Option<&'a str>> {
    let mut all = incoming.headers.get_all(name).iter();
    let Some(first) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(invalid("An attestation header is there twice.").into());
    }
    first.to_str().map(Some).map_err(|_| invalid("An attestation header is not text.").into())
}

/// The client an attestation header names, before anything is verified.
pub fn named_client(incoming: &Incoming) -> Result<Option<String>> {
    let Some(text) = single(incoming, ATTESTATION)? else { return Ok(None) };
    let id = client_attestation::unverified_client_id(text).ok_or_else(|| invalid("The attestation is not a JWT with a sub."))?;
    Ok(Some(id))
}

/// The installation behind a request of a client that has rules for installations. `None`: it has none, or devices that cannot
/// attest are let in and this is one. `key`: what the request's DPoP header proved.
pub async fn of_request(
    attesting: &Attesting,
    core: &Core,
    incoming: &Incoming,
    named: NamedClient<'_>,
    key: Option<&ProvedKey>,
) -> Result<Option<Instance>> {
    let NamedClient { client_id, client } = named;
    let Some(rules) = &client.attestation else {
        let named = client.authentication.attests();
        return if named { Err(Fault::new(format!("client {client_id} has no attestation rules")).into()) } else { Ok(None) };
    };
    // 144-F, 279-N: an installation alone can use what it got. Leaving the attestation out never gets more than the tier `none`.
    let claimed = incoming.headers.contains_key(ATTESTATION) || incoming.headers.contains_key(POP);
    if !claimed && client.takes_unattested() {
        if rules.only_observes(TierName::None) {
            observed::count(client_id, "no_attestation");
        }
        return Ok(None);
    }
    let proved = prove(attesting, core, incoming, named, key)?;
    if proved.tier == TierName::None {
        standing::must_not_be_revoked(core, incoming, client_id, &proved.jkt).await?;
    } else if rules.is_ours() {
        standing::must_be_welcome(core, incoming, client_id, &proved.jkt).await?;
    } else {
        devices::must_be_welcome(core, incoming, client_id, &proved).await?;
    }
    Ok(Some(proved))
}

/// Is the attested key proved by DPoP? As the client is registered. Beside another method of authentication, by a PoP if there is one
/// (section 6 of the draft).
pub fn by_dpop(incoming: &Incoming, client: &Client) -> bool {
    match client.authentication {
        ClientAuthentication::AttestJwtClientAuthDpop => true,
        ClientAuthentication::AttestJwtClientAuth => false,
        _ => client.attestation.is_some() && incoming.headers.contains_key(ATTESTATION) && !incoming.headers.contains_key(POP),
    }
}

fn prove(attesting: &Attesting, core: &Core, incoming: &Incoming, named: NamedClient<'_>, key: Option<&ProvedKey>) -> Result<Instance> {
    let NamedClient { client_id, client } = named;
    let text = single(incoming, ATTESTATION)?
        .ok_or_else(|| Refused::new(401, "invalid_client", "This client must send an OAuth-Client-Attestation header."))?;
    let (attestation, tier) = checked(attesting, core, named, text, incoming.now_ms / 1000)?;
    if attestation.client_id != client_id {
        return Err(invalid("The attestation is for another client.").into());
    }
    let jkt = attestation.key.thumbprint().to_owned();
    let combined = by_dpop(incoming, client);
    let pop = match (single(incoming, POP)?, key) {
        // 278-N: combined mode has no PoP header, and its DPoP key is the attested key.
        (Some(_), _) if combined => return Err(invalid("This client proves its key by DPoP; leave the PoP header out.").into()),
        (Some(pop), _) => Some(pop_of(core, incoming, pop, &attestation)?),
        (None, _) if !combined => return Err(invalid("The OAuth-Client-Attestation-PoP header is missing.").into()),
        (None, Some(held)) if held.jkt == jkt => None,
        (None, Some(_)) => return Err(invalid("The DPoP proof is of another key than the attestation's.").into()),
        (None, None) => return Err(Refused::bad_request("invalid_dpop_proof", "This client must send a DPoP header.").into()),
    };
    Ok(Instance { jkt, claims: attestation.claims.clone(), tier, attested_ms: Some(attestation.iat * 1000), pop })
}

/// The keys that may have signed it: the customer's attester's, by certificates or by JWKS, or ours.
fn attesters(attesting: &Attesting, core: &Core, client: AttestedClient<'_>, text: &str, now_s: i64) -> Result<Arc<KeySet>> {
    let AttestedClient { client_id, rules } = client;
    if let Some(x5c) = rules.attester_x5c.as_ref().and_then(|_| client_attestation::unverified_x5c(text)) {
        let anchors = attesting.anchors.get(client_id).ok_or_else(|| Fault::new(format!("client {client_id} has no anchors")))?;
        let found = anchors.key(&x5c, now_s);
        return found.map_err(|why| invalid("The attestation's x5c does not lead to this client's attester.").because(why).into());
    }
    match &rules.attester_jwks {
        Some(jwks) => Ok(Arc::clone(jwks.keys().map_err(|it| Fault::new(format!("attester_jwks: {it}")))?)),
        None if rules.is_ours() => Ok(core.keys.verifiers(now_s * 1000)),
        None => Err(invalid("The attestation's header has no x5c.").into()),
    }
}

/// Signature, age and tier.
fn checked(attesting: &Attesting, core: &Core, named: NamedClient<'_>, text: &str, now_s: i64) -> Result<(Arc<Attestation>, TierName)> {
    let NamedClient { client_id, client } = named;
    let rules = client.attestation.as_ref().ok_or_else(|| Fault::new(format!("client {client_id} has no attestation rules")))?;
    let keys = attesters(attesting, core, AttestedClient { client_id, rules }, text, now_s)?;
    let stale = || Error::from(use_fresh());
    let rejected = |why| match why {
        Rejected::Invalid(why) => Error::from(invalid(why)),
        Rejected::Stale => stale(),
    };
    let attestation = attesting.seen.verified(text, &keys).map_err(rejected)?;
    attestation.must_be_fresh(now_s, rules.max_age.0).map_err(rejected)?;
    let tier = tier_of(rules, &attestation.claims).ok_or_else(|| invalid("The attestation's tier is not one that is known here."))?;
    if rules.only_observes(tier) && tier != TierName::None {
        observed::count(client_id, "tier");
    }
    let Some(rules) = rules.tier(tier) else {
        let why = format!("tier {} is not let in", tier.as_str());
        return Err(Refused::new(401, "invalid_client", "Installations like this one are not let in.").because(why).into());
    };
    if rules.max_age.is_some_and(|it| now_s - attestation.iat > it.0) {
        return Err(stale());
    }
    Ok((attestation, tier))
}

/// The PoP, whose challenge must be one of ours, not too old (9 to 16 of the draft's list).
fn pop_of(core: &Core, incoming: &Incoming, text: &str, attestation: &Attestation) -> Result<(String, i64)> {
    let now_s = incoming.now_ms / 1000;
    let pop = client_attestation::check_pop(text, attestation, &core.config.issuer, now_s).map_err(invalid)?;
    if !pop.challenge.as_deref().is_some_and(|it| challenge::fits(core, it, now_s)) {
        return Err(use_challenge().into());
    }
    Ok((pop.jti, pop.iat))
}
