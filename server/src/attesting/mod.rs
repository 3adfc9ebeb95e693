//! Attestation-based client authentication (draft-ietf-oauth-attestation-based-client-auth): an installation of an app
//! proves that an attester vouches for its key. The attester is ours (`attester`) or the customer's own, known by its keys.
//! It is how a client authenticates, or a further signal beside another method; the checks are the same.

pub mod anchors;
pub mod android;
pub mod attester;
pub mod devices;
pub mod ios;
pub mod play;
pub mod receipts;
pub mod seen;
pub mod status;

use crate::app::App;
use crate::config::{AttestationRules, Client, ClientAuthentication, TierName};
use crate::dpop::{self, Held};
use crate::error::{Error, Fault, Refused, Result};
use crate::http::Incoming;
use crate::http::reply::{self, Reply};
use crate::store::Change;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use symbolon_oauth::client_attestation::{self, Attestation, POP_WINDOW_S, Rejected};
use symbolon_oauth::dpop_nonce::NonceKey;
use symbolon_oauth::jwk::KeySet;

pub const ATTESTATION: &str = "oauth-client-attestation";
pub const POP: &str = "oauth-client-attestation-pop";
pub const CHALLENGE: &str = "oauth-client-attestation-challenge";
/// A challenge is good for this long.
const CHALLENGE_S: i64 = 300;

/// An installation that proved itself.
#[derive(Clone, Debug)]
pub struct Instance {
    /// RFC 7638 thumbprint of its key.
    pub jkt: String,
    /// What the attester says of it.
    pub claims: Map<String, Json>,
    /// When the attester vouched for it; a managed device has nobody who does.
    pub attested_ms: Option<i64>,
    pub tier: TierName,
    pop: Option<(String, i64)>,
}

impl Instance {
    /// A managed device, known by the subject of its certificate instead of an attested key.
    pub fn of_device(id: String, subject: String) -> Self {
        let claims = Map::from_iter([("subject".to_owned(), Json::from(subject))]);
        Self { jkt: id, claims, tier: TierName::Software, attested_ms: None, pop: None }
    }

    /// Spends the PoP, if that was the proof; a DPoP proof is spent as such (273-N).
    pub fn burn(&self, change: &mut Change) -> Option<usize> {
        let (jti, iat) = self.pop.as_ref()?;
        Some(change.once("attestation_pop", &self.jkt, jti, (iat + POP_WINDOW_S) * 1000))
    }
}

/// What the attester says; one that says nothing vouches for the app alone. `None`: a word or a type we do not know, or `none`,
/// which nobody attests.
fn tier_of(claims: &Map<String, Json>) -> Option<TierName> {
    match claims.get("tier") {
        None => Some(TierName::Software),
        Some(said) => said.as_str().and_then(TierName::parse).filter(|it| *it != TierName::None),
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
pub async fn of_request(app: &App, incoming: &Incoming, client_id: &str, client: &Client, key: Option<&Held>) -> Result<Option<Instance>> {
    let Some(rules) = &client.attestation else {
        let named = client.authentication.attests();
        return if named { Err(Fault::new(format!("client {client_id} has no attestation rules")).into()) } else { Ok(None) };
    };
    // 144-F, 279-N: what an installation got, it alone can use; leaving the attestation out never gets more than the tier `none`.
    let claimed = incoming.headers.contains_key(ATTESTATION) || incoming.headers.contains_key(POP);
    if !claimed && client.takes_unattested() {
        return Ok(None);
    }
    let proved = prove(app, incoming, client_id, client, key)?;
    if rules.is_ours() {
        attester::must_be_welcome(app, incoming, client_id, &proved.jkt).await?;
    } else {
        devices::must_be_welcome(app, incoming, client_id, &proved).await?;
    }
    Ok(Some(proved))
}

/// Is the attested key proved by DPoP? As the client is registered; beside another method of authentication, by a PoP if there is
/// one (section 6 of the draft).
pub fn by_dpop(incoming: &Incoming, client: &Client) -> bool {
    match client.authentication {
        ClientAuthentication::AttestJwtClientAuthDpop => true,
        ClientAuthentication::AttestJwtClientAuth => false,
        _ => client.attestation.is_some() && incoming.headers.contains_key(ATTESTATION) && !incoming.headers.contains_key(POP),
    }
}

fn prove(app: &App, incoming: &Incoming, client_id: &str, client: &Client, key: Option<&Held>) -> Result<Instance> {
    let text = single(incoming, ATTESTATION)?
        .ok_or_else(|| Refused::new(401, "invalid_client", "This client must send an OAuth-Client-Attestation header."))?;
    let (attestation, tier) = checked(app, client_id, client, text, incoming.now_ms / 1000)?;
    if attestation.client_id != client_id {
        return Err(invalid("The attestation is for another client.").into());
    }
    let jkt = attestation.key.thumbprint().to_owned();
    let combined = by_dpop(incoming, client);
    let pop = match (single(incoming, POP)?, key) {
        // 278-N: combined mode has no PoP header, and its DPoP key is the attested key.
        (Some(_), _) if combined => return Err(invalid("This client proves its key by DPoP; leave the PoP header out.").into()),
        (Some(pop), _) => Some(pop_of(app, incoming, pop, &attestation)?),
        (None, _) if !combined => return Err(invalid("The OAuth-Client-Attestation-PoP header is missing.").into()),
        (None, Some(held)) if held.jkt == jkt => None,
        (None, Some(_)) => return Err(invalid("The DPoP proof is of another key than the attestation's.").into()),
        (None, None) => return Err(Refused::bad_request("invalid_dpop_proof", "This client must send a DPoP header.").into()),
    };
    Ok(Instance { jkt, claims: attestation.claims.clone(), tier, attested_ms: Some(attestation.iat * 1000), pop })
}

/// The keys that may have signed it: the customer's attester's, by certificates or by JWKS, or ours.
fn attesters(app: &App, client_id: &str, rules: &AttestationRules, text: &str, now_s: i64) -> Result<Arc<KeySet>> {
    if let Some(x5c) = rules.attester_x5c.as_ref().and_then(|_| client_attestation::unverified_x5c(text)) {
        let anchors = app.attesters.get(client_id).ok_or_else(|| Fault::new(format!("client {client_id} has no anchors")))?;
        let found = anchors.key(&x5c, now_s);
        return found.map_err(|why| invalid("The attestation's x5c does not lead to this client's attester.").because(why).into());
    }
    match &rules.attester_jwks {
        Some(jwks) => Ok(Arc::clone(jwks.keys().map_err(|it| Fault::new(format!("attester_jwks: {it}")))?)),
        None if rules.is_ours() => Ok(app.keys.verifiers(now_s * 1000)),
        None => Err(invalid("The attestation's header has no x5c.").into()),
    }
}

/// Signature, age and tier.
fn checked(app: &App, client_id: &str, client: &Client, text: &str, now_s: i64) -> Result<(Arc<Attestation>, TierName)> {
    let rules = client.attestation.as_ref().ok_or_else(|| Fault::new(format!("client {client_id} has no attestation rules")))?;
    let keys = attesters(app, client_id, rules, text, now_s)?;
    let stale = || Error::from(use_fresh());
    let rejected = |why| match why {
        Rejected::Invalid(why) => Error::from(invalid(why)),
        Rejected::Stale => stale(),
    };
    let attestation = app.seen.verified(text, &keys).map_err(rejected)?;
    attestation.must_be_fresh(now_s, rules.max_age.0).map_err(rejected)?;
    let tier = tier_of(&attestation.claims).ok_or_else(|| invalid("The attestation's tier is not one that is known here."))?;
    let Some(rules) = rules.tier(tier) else {
        let why = format!("tier {} is not let in", tier.as_str());
        return Err(Refused::new(401, "invalid_client", "Installations like this one are not let in.").because(why).into());
    };
    if rules.max_age.is_some_and(|it| now_s - attestation.iat > it.0) {
        return Err(stale());
    }
    Ok((attestation, tier))
}

/// The same key, vouched for anew.
pub fn use_fresh() -> Refused {
    let hint = "The attestation is too old: get a new one for the same key, and send the request again.";
    Refused::bad_request("use_fresh_attestation", hint)
}

/// The PoP, whose challenge must be one of ours, not too old (9 to 16 of the draft's list).
fn pop_of(app: &App, incoming: &Incoming, text: &str, attestation: &Attestation) -> Result<(String, i64)> {
    let now_s = incoming.now_ms / 1000;
    let pop = client_attestation::check_pop(text, attestation, &app.config.issuer, now_s).map_err(invalid)?;
    let fits = |it: &str| keys(app).any(|key| key.check(it, now_s, CHALLENGE_S));
    if !pop.challenge.as_deref().is_some_and(fits) {
        return Err(use_challenge().into());
    }
    Ok((pop.jti, pop.iat))
}

/// Missing, unknown, old or used: a new one comes with the answer.
pub fn use_challenge() -> Refused {
    Refused::bad_request("use_attestation_challenge", "Send a new PoP with the challenge of the OAuth-Client-Attestation-Challenge header.")
}

/// One key for each master key, newest first, so that every node knows every other's challenges.
fn keys(app: &App) -> impl Iterator<Item = NonceKey> {
    let of = |version| Some(NonceKey::new(&app.keyring.mac_with(version, "attestation challenge", &[])?, &app.config.issuer));
    app.keyring.versions().into_iter().filter_map(of)
}

/// The challenge of this moment.
pub fn challenge(app: &App, now_ms: i64) -> Option<String> {
    keys(app).next().map(|it| it.make(now_ms / 1000))
}

/// POST /challenge: section 5 of the draft.
pub fn challenge_endpoint(app: &App, incoming: &Incoming) -> Reply {
    let mut answer = reply::json(200, &json!({ "attestation_challenge": challenge(app, incoming.now_ms) }));
    if let Some(nonce) = dpop::nonce(app, incoming.now_ms) {
        reply::set(&mut answer, http::HeaderName::from_static("dpop-nonce"), &nonce);
    }
    answer
}
