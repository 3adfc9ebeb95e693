//! `symbolon token preview`: the token an API would receive, made by the functions that issue, from an imagined sign-in.
//! Nothing is signed or stored. A value that is made for one token or session alone is described in words.

use super::issue::{Bound, Names, TokenContent, algorithm, said};
use crate::config::{Client, ClientAuthentication, Config, Dpop, TierName, TokenFormat};
use crate::error::{Fault, Refused, Result};
use crate::grants::holder::Holder;
use crate::grants::{self, Grant, GrantState, Late, PersonClaims, RequestRecord, Wanted};
use crate::login::policy::{self, Conditions, Next, Policy};
use crate::login::proof::{Facts, MethodName, Proof};
use serde::Serialize;
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::scope::Scope;

/// Whose token, and for what.
pub struct PreviewRequest<'a> {
    pub client_id: &'a str,
    pub client: &'a Client,
    pub scope: Option<&'a str>,
    pub resource: Option<&'a str>,
    /// The person and their `sub`; absent: the client itself.
    pub person: Option<(&'a str, &'a PersonClaims)>,
    pub now_ms: i64,
}

#[derive(Serialize, Debug)]
pub struct Preview {
    pub api: String,
    pub format: &'static str,
    /// Absent: an opaque token has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Json>,
    pub claims: Json,
}

/// `kid`: the key of an algorithm that signs now.
pub fn preview(config: &Config, wish: &PreviewRequest<'_>, kid: impl FnOnce(Algorithm) -> Option<String>) -> Result<Preview> {
    let client = wish.client;
    let scope = grants::allowed_scope(client, wish.scope)?;
    let resource: Vec<&str> = wish.resource.into_iter().collect();
    let name = grants::target(config, client, Wanted { scope: &scope, details: &[], resource: &resource, granted: &[] })?
        .ok_or_else(|| Refused::bad_request("invalid_target", "These scopes belong to no API."))?;
    let api = config.api.get(name).ok_or_else(|| Fault::new("the API is not configured"))?;
    let narrowed = grants::scope_for(client, Some(name), &scope);
    let grant = wish.person.map(|(sub, person)| imagined(config, wish, sub, person, &narrowed));
    let keyed = client.dpop == Dpop::Required
        || api.dpop == Dpop::Required
        || client.authentication == ClientAuthentication::AttestJwtClientAuthDpop;
    let certified = client.tls_client_certificate_bound_access_tokens;
    let tier = client.attestation.as_ref().map(|_| TierName::Hardware);
    let rules = client.attestation.as_ref().and_then(|it| it.tier(TierName::Hardware));
    let content = TokenContent {
        api: Some(name),
        sub: wish.person.map_or(wish.client_id, |it| it.0),
        client_id: wish.client_id,
        scope: &narrowed,
        grant: grant.as_ref(),
        bound: Bound {
            jkt: (keyed && !certified).then_some("(RFC 7638 thumbprint of the app's key)"),
            certificate: certified.then_some("(SHA-256 of the client's certificate)"),
        },
        tier,
        most_s: rules.and_then(|it| it.lifetime).map(|it| it.0),
        instance: None,
        from: None,
        act: None,
        details: &[],
        occasion: Vec::new(),
        now_ms: wish.now_ms,
    };
    let names = Names {
        jti: "(one per token)".to_owned(),
        sid: grant.as_ref().map(|_| "(one per API and session)".to_owned()),
        grant_id: grant.as_ref().map(|_| "(one per API and grant)".to_owned()),
    };
    let claims = serde_json::to_value(said(config, &content, names)).map_err(|it| Fault::new(it.to_string()))?;
    let alg = algorithm(config, Some(api));
    let (format, header) = match api.token {
        TokenFormat::Opaque => ("opaque: what introspection answers, with active and token_type", None),
        TokenFormat::Jwt => ("jwt", Some(json!({ "alg": alg.as_str(), "typ": "at+jwt", "kid": kid(alg) }))),
    };
    Ok(Preview { api: name.to_owned(), format, header, claims })
}

/// The grant of a sign-in at this instant, by the first chain of the client's policy.
fn imagined(config: &Config, wish: &PreviewRequest<'_>, sub: &str, person: &PersonClaims, scope: &Scope) -> Grant {
    let now_ms = wish.now_ms;
    let policy = config.policy(wish.client.login_policy()).cloned().unwrap_or_else(Policy::password_alone);
    let facts = Facts { user_verified: Some(true), ..Facts::default() };
    let proof = |method: &MethodName| Proof { method: method.clone(), subject: sub.to_owned(), at_ms: now_ms, facts: facts.clone() };
    let proofs: Vec<Proof> = policy.chains.first().into_iter().flatten().map(proof).collect();
    let amr = match policy::next(&policy, &Conditions { now_ms, started_ms: 0, not_before_ms: 0, prefer: None, transaction: None }, &proofs)
    {
        Some(Next::Satisfied(satisfied)) => satisfied.amr,
        _ => Vec::new(),
    };
    Grant {
        session: [0; 16],
        number: 0,
        account: sub.to_owned(),
        client: wish.client_id.to_owned(),
        holder: Holder::Bearer,
        scope: scope.clone(),
        resource: Vec::new(),
        request: RequestRecord {
            acr: policy.acr.unwrap_or_default(),
            amr,
            auth_time_ms: now_ms,
            code_expires_ms: now_ms,
            ..RequestRecord::default()
        },
        state: GrantState::Active,
        generation: 1,
        salt: Vec::new(),
        code_failures: 0,
        created_ms: now_ms,
        issued_ms: now_ms,
        used_ms: now_ms,
        ends_ms: now_ms + wish.client.refresh.absolute.ms(),
        person: person.clone(),
        proofs: "[]".to_owned(),
        account_version: 0,
        parents_live: true,
        session_idles_ms: None,
        late: Late::default(),
    }
}
