//! Access tokens and ID tokens: what goes into them, and how one of ours is recognised again.
//! RFC 9068 (JWT access tokens), OpenID Connect Core 2 and 5.4, RFC 7662 (what introspection may say).

use crate::caller::Caller;
use crate::config::{Api, Config, Dpop, TierName, TokenFormat, is_reserved};
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::grants::{self, Addressed, Grant, PersonClaims, TokenRequest, again, sharing};
use crate::plugins::{self, TokenSituation};
use crate::store::Value;
use crate::store::tables::app_grant;
use crate::tokens::claims::{self, ClaimsTarget};
use crate::tokens::handles::{Kind, RowName};
use crate::tokens::jti::{self, Behind};
use crate::tokens::kiosk_pass::Pass;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use std::borrow::Cow;
use symbolon_oauth::access_token::{self, AccessToken, Confirmation};
use symbolon_oauth::id_token::{self, IdToken};
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::native_sso::ds_hash;
use symbolon_oauth::scope::Scope;
use symbolon_oauth::{base64url, jws};

/// A token for the userinfo endpoint lives as long as a default API token.
const USERINFO_LIFETIME_S: i64 = 900;

/// A token response (RFC 6749 5.1), with its members in the order of their names.
#[derive(Serialize, Default)]
pub struct TokenResponse {
    pub access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_session: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_expires_in: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_secret: Option<String>,
    pub expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kiosk_pass: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kiosk_pass_expires_in: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_timeout: Option<i64>,
    pub scope: String,
    pub token_type: &'static str,
    /// The id that the audit entry names. It is no member.
    #[serde(skip)]
    pub jti: String,
}

/// What an access token says, before it gets its form.
pub(super) struct TokenContent<'a> {
    pub api: Option<&'a str>,
    pub sub: &'a str,
    pub client_id: &'a str,
    pub scope: &'a Scope,
    pub grant: Option<&'a Grant>,
    /// What the token is bound to.
    pub bound: Bound<'a>,
    /// What the installation proved, and the longest life its tokens may have.
    pub tier: Option<TierName>,
    pub most_s: Option<i64>,
    /// The installation that gets the token for its client.
    pub instance: Option<&'a str>,
    /// The token this one comes from.
    pub from: Option<&'a AccessToken<'a>>,
    /// Who acts (RFC 8693 4.1).
    pub act: Option<Json>,
    /// RFC 9396 9.1.
    pub details: &'a [Json],
    /// By what the request is known.
    pub occasion: Vec<u8>,
    pub now_ms: i64,
}

/// A key (RFC 9449), a certificate (RFC 8705), both or neither.
pub(super) struct Bound<'a> {
    pub jkt: Option<&'a str>,
    pub certificate: Option<&'a str>,
}

impl<'a> Bound<'a> {
    fn to(caller: &'a Caller) -> Self {
        Self { jkt: caller.jkt(), certificate: caller.certificate.as_ref().map(|it| it.thumbprint.as_str()) }
    }

    fn cnf(&self) -> Option<Confirmation<'a>> {
        Confirmation::of(self.jkt, self.certificate)
    }
}

/// The API that a token is for.
#[derive(Clone, Copy)]
pub struct TargetApi<'a> {
    /// As the configuration calls it.
    pub name: &'a str,
    /// The longest life that a decision leaves the token.
    pub most_s: Option<i64>,
}

/// The answer of an exchange or a refresh: access token, the refresh token of `generation`, ID token.
pub async fn for_grant(request: TokenRequest<'_>, generation: u32, scope: &Scope) -> Result<TokenResponse> {
    let TokenRequest { core, caller, grant, .. } = request;
    let Addressed { api, scope, details } = grants::addressed(request, scope)?;
    let narrowed = grants::scope_for(&caller.client, api, &scope);
    must_be_bound(core, api, caller)?;
    let content = TokenContent {
        api,
        sub: &grant.account,
        client_id: &caller.client_id,
        scope: &narrowed,
        grant: Some(grant),
        bound: Bound::to(caller),
        tier: caller.tier,
        most_s: shortest(caller, request.most_s),
        instance: None,
        from: None,
        act: None,
        details: &details,
        occasion: grants::occasion(caller, Some(grant)),
        now_ms: caller.now_ms,
    };
    let mut answer = access_token(core, caller, &content).await?;
    answer.authorization_details = details;
    let stays = caller.tier_rules().is_none_or(|it| it.refresh);
    if stays && caller.client.allows_grant("refresh_token") {
        let row = RowName { id: grant.session, number: grant.number, generation };
        answer.refresh_token = Some(core.handles.make(Kind::Refresh, row, &grant.salt));
        let idle_s = caller.tier_rules().and_then(|it| it.idle).map_or(i64::MAX, |it| it.0).min(caller.client.refresh.idle.0);
        answer.refresh_token_timeout = Some(idle_s.min((grant.lives_until_ms() - caller.now_ms) / 1000));
        answer.authorization_expires_in = Some((grant.ends_ms - caller.now_ms) / 1000);
    }
    answer.auth_session = again::auth_session(core, caller, grant);
    if scope.contains("openid") {
        let shared = sharing::shared(request).await?;
        let (access_token, first) = (answer.access_token.as_str(), generation == 1);
        let made = IdTokenOf { grant, scope: &scope, access_token, first, device_secret: shared.as_deref() };
        answer.id_token = Some(id_token(core, caller, &made)?);
        answer.device_secret = shared;
    }
    if let Some((pass, good_for_s)) = kiosk_pass(core, caller, generation, grant)? {
        answer.kiosk_pass = Some(pass);
        answer.kiosk_pass_expires_in = Some(good_for_s);
    }
    Ok(answer)
}

/// What the phone of a member puts into proofs for kiosks, with its life. Apps whose members are let in somewhere get it, with the key that
/// holds the grant from this generation on.
fn kiosk_pass(core: &Core, caller: &Caller, generation: u32, grant: &Grant) -> Result<Option<(String, i64)>> {
    let (Some(&good_for_s), Some(proved)) = (core.kiosk_passes.get(&caller.client_id), &caller.key) else { return Ok(None) };
    if grant.holder_after(caller, generation).key().is_none_or(|key| key.jkt != proved.jkt) {
        return Ok(None);
    }
    let pass = Pass { session: grant.session, number: grant.number, key: proved.key.clone(), issued_ms: caller.now_ms };
    Ok(pass.seal(&core.keyring, &core.config.issuer)?.map(|pass| (pass, good_for_s)))
}

/// The answer to a member's code at a kiosk is an access token for the kiosk's own key. There is nothing beside it. `visit`: the kiosk's
/// grant.
pub async fn for_kiosk(core: &Core, caller: &Caller, api: TargetApi<'_>, visit: &Grant, act: Json) -> Result<TokenResponse> {
    must_be_bound(core, Some(api.name), caller)?;
    let content = TokenContent {
        api: Some(api.name),
        sub: &visit.account,
        client_id: &caller.client_id,
        scope: &visit.scope,
        grant: Some(visit),
        bound: Bound::to(caller),
        tier: caller.tier,
        most_s: shortest(caller, api.most_s),
        instance: None,
        from: None,
        act: Some(act),
        details: &[],
        occasion: grants::occasion(caller, Some(visit)),
        now_ms: caller.now_ms,
    };
    access_token(core, caller, &content).await
}

/// The answer of client_credentials. Its `sub` is the client, which is no person's id: those are 128 random bits.
pub async fn for_client(core: &Core, caller: &Caller, api: &str, scope: &Scope) -> Result<TokenResponse> {
    must_be_bound(core, Some(api), caller)?;
    let (id, bound) = (&caller.client_id, Bound::to(caller));
    let content = TokenContent {
        api: Some(api),
        sub: id,
        client_id: id,
        scope,
        grant: None,
        bound,
        tier: caller.tier,
        most_s: shortest(caller, None),
        instance: caller.instance.as_ref().map(|it| it.jkt.as_str()),
        from: None,
        act: None,
        details: &[],
        occasion: grants::occasion(caller, None),
        now_ms: caller.now_ms,
    };
    access_token(core, caller, &content).await
}

/// The answer of a token exchange. It is for the same person and session, ends no later than the first token, and says who acts.
pub async fn for_exchange(core: &Core, caller: &Caller, api: TargetApi<'_>, scope: &Scope, subject: &Accepted) -> Result<TokenResponse> {
    must_be_bound(core, Some(api.name), caller)?;
    let mut act = json!({ "sub": caller.client_id });
    if let Some(before) = subject.token.act.as_deref() {
        act["act"] = before.clone();
    }
    let content = TokenContent {
        api: Some(api.name),
        sub: &subject.token.sub,
        client_id: &caller.client_id,
        scope,
        grant: subject.grant.as_ref(),
        bound: Bound::to(caller),
        // What the app proved, and what the API that exchanges proved, if it is an installation itself: the lower tier.
        tier: [subject.tier, caller.tier].into_iter().flatten().min(),
        most_s: shortest(caller, api.most_s),
        instance: None,
        from: Some(&subject.token),
        act: Some(act),
        details: &[],
        occasion: grants::occasion(caller, subject.grant.as_ref()),
        now_ms: caller.now_ms,
    };
    access_token(core, caller, &content).await
}

/// The longest life of a token, by the tier and by what a decision said.
fn shortest(caller: &Caller, decided_s: Option<i64>) -> Option<i64> {
    let of_tier = caller.tier_rules().and_then(|tier| Some(tier.lifetime?.0));
    [of_tier, decided_s].into_iter().flatten().min()
}

fn token_type(caller: &Caller) -> &'static str {
    if caller.key.is_some() { "DPoP" } else { "Bearer" }
}

/// An API may insist that its tokens are bound to a key.
fn must_be_bound(core: &Core, api: Option<&str>, caller: &Caller) -> Result<()> {
    let required = api.and_then(|it| core.config.api.get(it)).is_some_and(|it| it.dpop == Dpop::Required);
    if required && caller.key.is_none() && caller.certificate.is_none() {
        let hint = "Tokens for this API are bound to a key: send a DPoP header (RFC 9449).";
        return Err(Refused::bad_request("invalid_dpop_proof", hint).into());
    }
    Ok(())
}

/// The answer that has an access token alone.
async fn access_token(core: &Core, caller: &Caller, content: &TokenContent<'_>) -> Result<TokenResponse> {
    let api = content.api.and_then(|name| core.config.api.get(name));
    let audience = audience(&core.config, api);
    let behind = Behind {
        grant: content.grant.map(|it| (it.session, it.number)),
        tier: content.tier,
        instance: content.instance.unwrap_or_default().to_owned(),
        from: content.from.map(|token| token.jti.to_string()),
    };
    let names = Names {
        jti: behind.seal(&core.keyring)?,
        sid: content.grant.map(|grant| crate::sessions::sid(core, audience, &grant.session)),
        grant_id: content.grant.map(|grant| crate::endings::grant_id(&core.keyring, audience, &grant.session, grant.number)),
    };
    let mut token = said(&core.config, content, names);
    if let Some(api) = api.filter(|api| api.claims_plugin.is_some()) {
        token.extra = mapped(core, caller, api, content, token.extra).await?;
    }
    let text = match api.map(|it| it.token) {
        Some(TokenFormat::Opaque) => {
            let plain = serde_json::to_vec(&token).map_err(|it| Fault::new(it.to_string()))?;
            format!("sa_{}", base64url::encode(&core.keyring.seal(OPAQUE, &plain)?))
        }
        _ => {
            let key = core.keys.signer(algorithm(&core.config, api), content.now_ms)?;
            access_token::make(&key, &token).map_err(|it| Fault::new(format!("signing an access token: {it:?}")))?
        }
    };
    Ok(TokenResponse {
        access_token: text,
        expires_in: token.exp - token.iat,
        scope: token.scope.map(Cow::into_owned).unwrap_or_default(),
        token_type: token_type(caller),
        jti: token.jti.into_owned(),
        ..TokenResponse::default()
    })
}

fn audience<'a>(config: &'a Config, api: Option<&'a Api>) -> &'a str {
    api.map_or(config.issuer.as_str(), |it| it.audience.as_str())
}

pub(super) fn algorithm(config: &Config, api: Option<&Api>) -> Algorithm {
    api.and_then(|it| it.signing_alg).unwrap_or(config.signing.alg)
}

/// What is made for one token, session and grant, and means nothing to anybody else.
pub(super) struct Names {
    pub jti: String,
    pub sid: Option<String>,
    pub grant_id: Option<String>,
}

/// Everything an access token says.
pub(super) fn said<'a>(config: &'a Config, content: &'a TokenContent<'a>, names: Names) -> AccessToken<'a> {
    let api = content.api.and_then(|name| config.api.get(name));
    let iat = content.now_ms / 1000;
    let mut lifetime_s = api.map_or(USERINFO_LIFETIME_S, |it| it.lifetime.0);
    if let Some(grant) = content.grant {
        lifetime_s = lifetime_s.min((grant.lives_until_ms() - content.now_ms) / 1000);
    }
    lifetime_s = lifetime_s.min(content.most_s.unwrap_or(i64::MAX));
    if let Some(from) = content.from {
        lifetime_s = lifetime_s.min(from.exp - iat);
    }
    let request = content.grant.map(|it| &it.request);
    AccessToken {
        iss: Cow::Borrowed(config.issuer.as_str()),
        sub: Cow::Borrowed(content.sub),
        aud: Cow::Borrowed(audience(config, api)),
        client_id: Cow::Borrowed(content.client_id),
        exp: iat + lifetime_s,
        iat,
        jti: Cow::Owned(names.jti),
        scope: (!content.scope.is_empty()).then(|| Cow::Owned(content.scope.to_string())),
        auth_time: request.map(|it| it.auth_time_ms / 1000),
        acr: request.map(|it| it.acr.as_str()).filter(|it| !it.is_empty()).map(Cow::Borrowed),
        amr: request.map(|it| it.amr.as_slice()).filter(|it| !it.is_empty()).map(Cow::Borrowed),
        sid: names.sid.map(Cow::Owned),
        cnf: content.bound.cnf(),
        act: content.act.as_ref().map(Cow::Borrowed),
        authorization_details: (!content.details.is_empty()).then_some(Cow::Borrowed(content.details)),
        extra: extra(api, content, names.grant_id),
    }
}

/// What the API asks to know of the person, and by which name it hears that the grant has ended.
fn extra(api: Option<&Api>, content: &TokenContent<'_>, grant_id: Option<String>) -> Map<String, Json> {
    let Some(api) = api else { return Map::new() };
    let mut claims = content.grant.map(|grant| api_claims(api, content.scope, &grant.person)).unwrap_or_default();
    if let Some(tier) = content.tier.filter(|_| api.tier_claim) {
        claims.insert("tier".to_owned(), tier.as_str().into());
    }
    claims.extend(grant_id.map(|it| ("grant_id".to_owned(), it.into())));
    claims
}

/// The claims as the plug-in of the content's API wants them. What the protocol says in `extra` is not the plug-in's to see or to change.
async fn mapped(
    core: &Core,
    caller: &Caller,
    api: &Api,
    content: &TokenContent<'_>,
    extra: Map<String, Json>,
) -> Result<Map<String, Json>> {
    let name = content.api.unwrap_or_default();
    let (ours, claims): (Map<_, _>, Map<_, _>) = extra.into_iter().partition(|(name, _)| is_reserved(name));
    let situation = TokenSituation {
        plugin: api.claims_plugin.as_deref().unwrap_or_default(),
        allowed: &api.plugin_claims,
        api: name,
        audience: &api.audience,
        client: content.client_id,
        sub: content.sub,
        scopes: content.scope.iter().map(str::to_owned).collect(),
        tier: content.tier.map(TierName::as_str),
        claims: &claims,
        occasion: &content.occasion,
        now_ms: content.now_ms,
    };
    let plugin = situation.plugin;
    match core.plugins.claims(situation).await {
        Ok(claims) => Ok(claims.into_iter().chain(ours).collect()),
        Err(unanswered) => {
            let (why, call) = (unanswered.why.as_str(), unanswered.call.as_str());
            tracing::warn!(plugin, call, why, "a claims plug-in failed");
            let entry = plugins::failed(plugin, &unanswered).with("api", name);
            match content.grant {
                Some(grant) => grant.note_once(core, caller, entry).await?,
                None => {
                    let entry = entry.client(caller.client_id.as_str()).address(caller.address.to_string());
                    core.note_once(&[&caller.client_id], entry, caller.now_ms).await?;
                }
            }
            Err(plugins::unavailable().because(format!("plug-in {plugin}: {why}")).audited().into())
        }
    }
}

const OPAQUE: &str = "access token";

/// The claims an API gets for this scope: its own list, from the person's profile, and never a reserved name.
fn api_claims(api: &Api, scope: &Scope, person: &PersonClaims) -> Map<String, Json> {
    let wanted = api.claims.iter().chain(api.scope.iter().filter(|(name, _)| scope.contains(name)).flat_map(|(_, it)| &it.claims));
    wanted.filter_map(|name| Some((name.clone(), claims::claim(person, name)?))).collect()
}

/// What an ID token is made of.
struct IdTokenOf<'a> {
    grant: &'a Grant,
    scope: &'a Scope,
    access_token: &'a str,
    /// It comes with the first tokens of its grant.
    first: bool,
    /// Native SSO 3.3: the secret that comes with it.
    device_secret: Option<&'a str>,
}

fn id_token(core: &Core, caller: &Caller, made: &IdTokenOf<'_>) -> Result<String> {
    let IdTokenOf { grant, scope, access_token, first, device_secret } = *made;
    let mut extra = claims::told(&core.config, &caller.client, caller.tier_rules(), grant, ClaimsTarget::IdToken);
    if caller.client.claims_in_id_token {
        let own = scope.iter().filter(|word| caller.client.scopes.iter().any(|may| may == word)).map(str::to_owned).collect();
        extra.extend(claims::of_scope(&grant.person, &own));
    }
    extra.extend(device_secret.map(|secret| ("ds_hash".to_owned(), ds_hash(secret).into())));
    let alg = caller.client.id_token_signed_response_alg.unwrap_or(core.config.signing.alg);
    let iat = caller.now_ms / 1000;
    let token = IdToken {
        iss: &core.config.issuer,
        sub: &grant.account,
        aud: &caller.client_id,
        exp: iat + 600,
        iat,
        // Core 12.2: a refreshed ID token should not repeat the nonce.
        nonce: grant.request.nonce.as_deref().filter(|_| first),
        auth_time: Some(grant.request.auth_time_ms / 1000),
        acr: Some(grant.request.acr.as_str()).filter(|it| !it.is_empty()),
        amr: Some(grant.request.amr.as_slice()).filter(|it| !it.is_empty()),
        at_hash: Some(id_token::at_hash(alg, access_token)),
        sid: Some(crate::sessions::sid(core, &caller.client_id, &grant.session)),
        extra,
    };
    let key = core.keys.signer(alg, caller.now_ms)?;
    Ok(id_token::make(&key, &token).map_err(|it| Fault::new(format!("signing an ID token: {it:?}")))?)
}

/// An access token of ours that is alive now.
pub struct Accepted {
    pub token: AccessToken<'static>,
    pub grant: Option<Grant>,
    /// What the installation had proved when the token was issued.
    pub tier: Option<TierName>,
}

/// Is this an access token of ours, and is everything behind it alive? Introspection, revocation, exchange and userinfo
/// all ask here. `None` for every kind of "no".
pub async fn accept(core: &Core, text: &str, now_ms: i64) -> Result<Option<Accepted>> {
    let Some(token) = read(core, text, now_ms) else { return Ok(None) };
    if now_ms / 1000 >= token.exp {
        return Ok(None);
    }
    let Some(chain) = jti::chain(&core.keyring, &token.jti) else { return Ok(None) };
    let (Some((_, Behind { grant, tier, .. })), Some((_, first))) = (chain.first(), chain.last()) else { return Ok(None) };
    let clients = clients(&token, grant.is_some());
    // A disabled client's tokens are dead at once (123-T).
    if clients.len() > jti::MOST || !all_live(core, &clients).await? {
        return Ok(None);
    }
    let tokens: Vec<&str> = chain.iter().map(|it| it.0.as_str()).collect();
    let rest = vec![(token.iat * 1000).into(), (&*token.sub).into(), first.instance.as_str().into()];
    let this = [filled(&tokens), filled(&clients), rest].concat();
    let Some((session, number)) = *grant else {
        let row = core.store.one(app_grant::TOKEN, &this).await?.ok_or_else(|| Fault::new("a count without a row"))?;
        return Ok((row.int("endings")? == 0).then_some(Accepted { grant: None, tier: *tier, token }));
    };
    let Some((grant, row)) = grants::read_along(core, app_grant::WITH_TOKEN, (&session, number), &this).await? else { return Ok(None) };
    if row.int("endings")? != 0 {
        return Ok(None);
    }
    // An exchanged token also ends with the client that the person signed in to.
    if core.clients.get(&grant.client).await?.is_none() {
        return Ok(None);
    }
    if grant.must_be_alive(now_ms).is_err() || grant.state != grants::GrantState::Active {
        return Ok(None);
    }
    Ok(Some(Accepted { grant: Some(grant), tier: *tier, token }))
}

fn read(core: &Core, text: &str, now_ms: i64) -> Option<AccessToken<'static>> {
    let is_audience = |audience: &str| audience == core.config.issuer || core.api_by_audience(audience).is_some();
    if let Some(sealed) = text.strip_prefix("sa_") {
        let token: AccessToken<'static> = serde_json::from_slice(&core.keyring.open(OPAQUE, &base64url::decode(sealed)?)?).ok()?;
        // Another issuer may have the same master key. What opens is ours only if it names us, and an API of ours.
        return (token.iss == core.config.issuer && is_audience(&token.aud)).then_some(token);
    }
    let unverified = jws::Unverified::parse(text).ok()?;
    if unverified.typ() != Some("at+jwt") {
        return None;
    }
    let audience = unverified.unverified_claims().get("aud")?.as_str()?.to_owned();
    let expected = access_token::Expected { issuer: &core.config.issuer, audience: &audience, now_s: now_ms / 1000, leeway_s: 0 };
    let verify = |unverified: jws::Unverified<'_>| core.keys.verified(text, unverified, now_ms);
    access_token::check_by(unverified, verify, expected).ok().filter(|token| is_audience(&token.aud))
}

/// Every client behind a token: the one that has it, those it came through (`act`), and the first one.
fn clients<'a>(token: &'a AccessToken<'_>, person: bool) -> Vec<&'a str> {
    let through = std::iter::successors(token.act.as_deref(), |it| it.get("act")).filter_map(|it| it["sub"].as_str());
    let mut all: Vec<&str> = std::iter::once(&*token.client_id).chain(through).collect();
    if !person {
        all.push(&token.sub);
    }
    all.dedup();
    all
}

/// Is every one of these clients there, and none disabled?
async fn all_live(core: &Core, clients: &[&str]) -> Result<bool> {
    for client in clients {
        if core.clients.get(client).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// As many values as the statement has places.
fn filled(all: &[&str]) -> Vec<Value> {
    let last = all.last().copied().unwrap_or_default();
    all.iter().copied().chain(std::iter::repeat(last)).take(jti::MOST).map(Value::from).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_token_response_has_its_members_in_the_order_of_their_names() {
        let text = || Some("x".to_owned());
        let whole = TokenResponse {
            access_token: "x".to_owned(),
            auth_session: text(),
            authorization_details: vec![json!({ "type": "x" })],
            authorization_expires_in: Some(1),
            device_secret: text(),
            expires_in: 1,
            id_token: text(),
            issued_token_type: Some("x"),
            kiosk_pass: text(),
            kiosk_pass_expires_in: Some(1),
            refresh_token: text(),
            refresh_token_timeout: Some(1),
            scope: "x".to_owned(),
            token_type: "x",
            jti: "x".to_owned(),
        };
        let members = serde_json::to_value(&whole).unwrap();
        assert_eq!((members.as_object().unwrap().len(), members.get("jti")), (14, None));
        assert_eq!(serde_json::to_string(&whole).unwrap(), members.to_string());
        let least = TokenResponse { token_type: "Bearer", ..TokenResponse::default() };
        let needed = r#"{"access_token":"","expires_in":0,"scope":"","token_type":"Bearer"}"#;
        assert_eq!(serde_json::to_string(&least).unwrap(), needed);
    }
}
