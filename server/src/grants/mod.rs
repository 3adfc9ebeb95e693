//! A grant: what one client got from one session. One statement reads all that decides about it.

pub mod again;
pub mod backchannel;
pub mod client_credentials;
pub mod code;
pub mod decision;
pub mod details;
pub mod device_code;
pub mod ending;
pub mod exchange;
pub mod holder;
pub mod kiosk;
pub mod kiosk_challenge;
pub mod kiosk_confirm;
pub mod native_sso;
pub mod polled;
pub mod provider_token;
pub mod refresh;
pub mod sharing;

use crate::attesting::instance::use_fresh;
use crate::audit;
use crate::caller::Caller;
use crate::config::{Client, Config, RefreshMode, Tier};
use crate::core::Core;
use crate::error::{Error, Fault, Refused, Result};
use crate::login::proof::Proof;
pub use crate::profile::PersonClaims;
use crate::store::tables::app_grant;
use crate::store::{Change, Row, Value};
use crate::tokens::handles::Handle;
use holder::{Holder, HolderKey};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use symbolon_oauth::form::Form;
use symbolon_oauth::scope::Scope;

/// What the authorization request left behind for the exchange and for every later token.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct RequestRecord {
    pub redirect_uri: String,
    pub code_challenge: Option<String>,
    /// RFC 9449 10: the key the code was asked for.
    #[serde(default)]
    pub dpop_jkt: Option<String>,
    /// The installation that pushed the request.
    #[serde(default)]
    pub instance: Option<String>,
    pub nonce: Option<String>,
    pub acr: String,
    pub amr: Vec<String>,
    pub auth_time_ms: i64,
    pub code_expires_ms: i64,
    /// OpenID Connect Core 5.5: claim names asked for one by one.
    #[serde(default)]
    pub id_token_claims: Vec<String>,
    #[serde(default)]
    pub userinfo_claims: Vec<String>,
    /// The scopes that carry those of them which `scope` does not. The person consents to them too, and they are in no access token.
    #[serde(default)]
    pub claims_scope: Scope,
    /// RFC 9396: what was granted in detail.
    #[serde(default)]
    pub authorization_details: Vec<Json>,
    /// The grant that the person signed in beside, which ends when this one is first used.
    #[serde(default)]
    pub replaces: Option<Replaced>,
    /// The code was given to the client itself, and not to a redirect URI.
    #[serde(default)]
    pub native: bool,
    /// `auth_time` was asked for (max_age) and must be in the ID token.
    #[serde(default)]
    pub wants_auth_time: bool,
}

/// A grant that another one takes the place of.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    pub session: [u8; 16],
    pub number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    Code,
    Active,
    Ended,
}

/// Late repeats of refreshes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Late {
    /// The generation that was last asked for again.
    pub generation: u32,
    /// How many generations in a row were.
    pub in_a_row: i64,
    /// Since when two holders are suspected; 0: they are not.
    pub suspected_ms: i64,
}

#[derive(Clone, Debug)]
pub struct Grant {
    pub session: [u8; 16],
    pub number: u32,
    pub account: String,
    pub client: String,
    pub holder: Holder,
    pub scope: Scope,
    pub resource: Vec<String>,
    pub request: RequestRecord,
    pub state: GrantState,
    pub generation: u32,
    pub salt: Vec<u8>,
    pub code_failures: i64,
    pub created_ms: i64,
    pub issued_ms: i64,
    pub used_ms: i64,
    pub ends_ms: i64,
    /// When the browser's session is idle for too long, where the grant ends with it.
    pub session_idles_ms: Option<i64>,
    pub late: Late,
    pub person: PersonClaims,
    /// What was proved in the session: JSON, as its row has it.
    pub proofs: String,
    pub account_version: i64,
    /// Session, account and cut-offs all say that it may live.
    pub parents_live: bool,
}

/// Reads a grant with its session, its account and the cut-offs that name it, in one statement.
pub async fn read(core: &Core, session: &[u8; 16], number: u32) -> Result<Option<Grant>> {
    Ok(read_along(core, app_grant::READ, (session, number), &[]).await?.map(|it| it.0))
}

/// The same with one of the statements above, and the row for what rode along.
pub async fn read_along(core: &Core, sql: &'static str, id: (&[u8; 16], u32), more: &[Value]) -> Result<Option<(Grant, Row)>> {
    let values = [&[Value::from(&id.0[..]), i64::from(id.1).into()], more].concat();
    let Some(row) = core.store.one(sql, &values).await? else { return Ok(None) };
    Ok(Some((from_row(core, id.0, id.1, &row).await?, row)))
}

/// The grant of a row that one of the statements has read.
async fn from_row(core: &Core, session: &[u8; 16], number: u32, row: &Row) -> Result<Grant> {
    let json = |error: serde_json::Error| Fault::new(format!("a grant row does not parse: {error}"));
    let created_ms = row.int("created_ms")?;
    let state = match row.text("state")? {
        "code" => GrantState::Code,
        "active" => GrantState::Active,
        "ended" => GrantState::Ended,
        other => return Err(Fault::new(format!("a grant is in the unknown state {other:?}")).into()),
    };
    let generation =
        |name: &str| row.int(name).and_then(|number| u32::try_from(number).map_err(|_| Fault::new("a grant's generation is out of range")));
    let (mut ends_ms, mut session_idles_ms) = (row.int("ends_ms")?, None);
    if core.clients.get(row.text("client")?).await?.is_some_and(|it| it.refresh.ends_with_session) {
        ends_ms = ends_ms.min(row.int("session_ends_ms")?);
        session_idles_ms = Some(row.int("session_used_ms")? + core.config.session.idle.0 * 1000);
    }
    let carried_until_ms = carried_until_ms(core, row).await?;
    ends_ms = ends_ms.min(carried_until_ms.unwrap_or(ends_ms));
    let cut = row.opt_int("cut_before_ms")?.is_some_and(|before| created_ms < before);
    let lives = row.text("session_state")? == "active"
        && row.text("account_state")? == "active"
        && row.int("session_created_ms")? >= row.int("sessions_from_ms")?
        && carried_until_ms.is_some()
        && !cut;
    Ok(Grant {
        session: *session,
        number,
        account: row.text("account")?.to_owned(),
        client: row.text("client")?.to_owned(),
        holder: Holder::from_columns(row.text("holder_kind")?, row.text("holder")?)?,
        scope: Scope::parse(row.text("scope")?).unwrap_or_default(),
        resource: serde_json::from_str(row.text("resource")?).map_err(json)?,
        request: serde_json::from_str(row.text("request")?).map_err(json)?,
        state,
        generation: generation("generation")?,
        salt: row.bytes("salt")?.to_vec(),
        code_failures: row.int("code_failures")?,
        created_ms,
        issued_ms: row.int("issued_ms")?,
        used_ms: row.int("used_ms")?,
        ends_ms,
        session_idles_ms,
        late: Late {
            generation: generation("late_generation")?,
            in_a_row: row.int("late_in_a_row")?,
            suspected_ms: row.int("suspected_ms")?,
        },
        person: PersonClaims::from_row(row)?,
        proofs: row.text("proofs")?.to_owned(),
        account_version: row.int("account_version")?,
        parents_live: lives,
    })
}

/// Until when something rests on this grant that its own client does not ask for: the session of a browser that the app led there. `None`:
/// the grant or what it hangs on is over, or its client is gone or disabled.
pub async fn carries_until_ms(core: &Core, session: &[u8; 16], number: u32) -> Result<Option<i64>> {
    let Some(grant) = read(core, session, number).await? else { return Ok(None) };
    let lives = grant.state == GrantState::Active && grant.parents_live && core.clients.get(&grant.client).await?.is_some();
    Ok(lives.then(|| grant.lives_until_ms()))
}

/// The same for a session's row, by the app's grant that the session came from. One that came from no app is carried for ever.
pub async fn carried_until_ms(core: &Core, row: &Row) -> Result<Option<i64>> {
    if row.opt_bytes("parent")?.is_none() {
        return Ok(Some(i64::MAX));
    }
    let number = u32::try_from(row.int("parent_number")?).map_err(|_| Fault::new("the number of a session's parent is out of range"))?;
    Box::pin(carries_until_ms(core, &row.array("parent")?, number)).await
}

/// The grant a genuine handle names, after its second tag; the same answer for every kind of "no".
pub async fn of_handle(core: &Core, handle: &Handle) -> Result<Grant> {
    named(handle, read(core, &handle.id, handle.number).await?)
}

/// The same of a row that was read already.
fn named(handle: &Handle, grant: Option<Grant>) -> Result<Grant> {
    let unknown = || invalid_grant("This code or token is not known here.");
    let grant = grant.ok_or_else(|| unknown().because("no such grant"))?;
    if !handle.belongs_to(&grant.salt) {
        return Err(unknown().because("the row tag differs: forged with a stolen master key, or another store").into());
    }
    Ok(grant)
}

pub fn invalid_grant(hint: &'static str) -> Refused {
    Refused::bad_request("invalid_grant", hint)
}

impl Grant {
    /// What the person proved for it, under the account's present version. None: the session has ended.
    pub fn proved(&self) -> std::result::Result<Option<(Vec<Proof>, i64)>, Fault> {
        if !self.parents_live {
            return Ok(None);
        }
        let proofs = serde_json::from_str(&self.proofs).map_err(|it| Fault::new(format!("session proofs: {it}")))?;
        Ok(Some((proofs, self.account_version)))
    }

    /// RFC 6749 5.2: issued to another client. A failure changes nothing: possession of a string alone ends nothing.
    pub fn must_belong_to(&self, caller: &Caller) -> Result<()> {
        if self.client == caller.client_id {
            return Ok(());
        }
        Err(invalid_grant("This code or token was issued to another client.")
            .because(format!("issued to {}, sent by {}", self.client, caller.client_id))
            .into())
    }

    /// The holder is whoever the grant was made for: an authenticated client proves itself at every use.
    pub fn must_be_held_by(&self, caller: &Caller) -> Result<()> {
        let instance = caller.instance.as_ref().map(|instance| &instance.jkt);
        let is_held = match &self.holder {
            Holder::Bearer => true,
            Holder::Client(_) => caller.authenticated,
            Holder::Jkt(key) => caller.jkt() == Some(&key.jkt),
            Holder::Certificate(key) => caller.certificate.as_ref().is_some_and(|shown| shown.key == *key),
            Holder::Open => caller.jkt().is_some() || instance.is_some(),
            Holder::Instance(None) => instance.is_some(),
            // The right key, and no attestation this time. A phone that cannot be attested today is not signed out for that.
            Holder::Instance(Some(key)) if instance.is_none() && caller.jkt() == Some(&key.jkt) => {
                return Err(use_fresh().because("the installation left its attestation out").into());
            }
            Holder::Instance(Some(key)) => instance == Some(&key.jkt),
        };
        if is_held {
            return Ok(());
        }
        Err(invalid_grant("This token is bound to a key the request does not prove.").because("holder").into())
    }

    /// Is the sign-in good enough for what the installation proved?
    pub fn must_suit_the_tier(&self, caller: &Caller) -> Result<()> {
        match caller.tier_rules().and_then(|it| it.acr.as_ref()) {
            Some(wanted) if self.request.acr != *wanted => {
                let hint =
                    "An installation like this one needs a stronger sign-in: push the authorization request, and the server asks for it.";
                Err(invalid_grant(hint).because(format!("acr {:?}, wanted {wanted:?}", self.request.acr)).into())
            }
            _ => Ok(()),
        }
    }

    /// May its holder go on with it? It must go on by the rules of its client, and be held by one alone.
    pub fn must_be_usable(&self, caller: &Caller) -> Result<()> {
        self.must_go_on(caller.now_ms, &caller.client, caller.tier_rules())?;
        // Where two are suspected to hold one key, an installation attests again. Others are asked for everything at the next sign-in.
        let attested_ms = caller.instance.as_ref().and_then(|it| it.attested_ms);
        if attested_ms.is_some_and(|it| it <= self.late.suspected_ms) {
            return Err(use_fresh().because("two holders are suspected").into());
        }
        Ok(())
    }

    /// Is it alive, redeemed, and used not too long ago by the rules of its client and of its installation's tier?
    pub fn must_go_on(&self, now_ms: i64, client: &Client, tier: Option<&Tier>) -> Result<()> {
        self.must_be_alive(now_ms)?;
        if self.state != GrantState::Active {
            let hint = "This session is over; the person has to sign in again.";
            return Err(invalid_grant(hint).because("the code was never redeemed").into());
        }
        if tier.is_some_and(|it| !it.refresh) {
            let hint = "An installation like this one does not stay signed in; the person has to sign in again.";
            return Err(invalid_grant(hint).because("the tier does not refresh").into());
        }
        let idle = client.refresh.idle;
        let idle = tier.and_then(|it| it.idle).map_or(idle, |it| it.min(idle));
        if now_ms >= self.used_ms + idle.ms() {
            return Err(invalid_grant("This session was unused for too long; the person has to sign in again.").because("idle").into());
        }
        Ok(())
    }

    pub fn must_be_alive(&self, now_ms: i64) -> Result<()> {
        let hint = "This session is over; the person has to sign in again.";
        if self.state == GrantState::Ended {
            return Err(invalid_grant(hint).because("the grant has ended").into());
        }
        if !self.parents_live {
            return Err(invalid_grant(hint).because("its session, account or client has ended").into());
        }
        if now_ms >= self.ends_ms {
            return Err(invalid_grant(hint).because("absolute lifetime").into());
        }
        if now_ms >= self.lives_until_ms() {
            return Err(invalid_grant(hint).because("ends with its session, which was idle for too long").into());
        }
        Ok(())
    }

    /// When the grant ends if nobody uses it. No access token lives longer, so that APIs need not be told of such an end.
    pub fn lives_until_ms(&self) -> i64 {
        self.session_idles_ms.map_or(self.ends_ms, |it| it.min(self.ends_ms))
    }

    /// Who holds what is issued now. A public client's proof binds its grant (RFC 9449 5), and an installation's key always does.
    /// `generation`: of the refresh token that comes with it; the first is the code's.
    pub fn holder_after(&self, caller: &Caller, generation: u32) -> Holder {
        // Until now a string was enough, and somebody else may have it: the generation says until when.
        let learned = Some(generation).filter(|number| *number > 1);
        // Whatever held it before: what an attested installation gets, it alone can use from then on.
        if let Some(instance) = caller.instance.as_ref().filter(|instance| instance.attested_ms.is_some()) {
            let bound_from = if self.holder == Holder::Bearer { learned } else { self.holder.key().and_then(|key| key.bound_from) };
            return Holder::Instance(Some(HolderKey { jkt: instance.jkt.clone(), bound_from }));
        }
        match (&self.holder, caller.jkt(), &caller.instance) {
            (Holder::Bearer, jkt, _) => match (&caller.certificate, jkt) {
                (Some(shown), _) if generation == 1 => Holder::Certificate(shown.key.clone()),
                (_, Some(jkt)) => Holder::Jkt(HolderKey { jkt: jkt.to_owned(), bound_from: learned }),
                _ => Holder::Bearer,
            },
            (Holder::Open, Some(jkt), None) => Holder::Jkt(HolderKey::first(jkt)),
            (Holder::Instance(_) | Holder::Open, _, Some(instance)) => Holder::Instance(Some(HolderKey::first(instance.jkt.as_str()))),
            (same, ..) => same.clone(),
        }
    }

    /// A token from before the key was learned, without the key. Thief and owner look alike, as with any unbound token.
    pub fn is_from_before_the_key(&self, caller: &Caller, presented: u32) -> bool {
        let Some(HolderKey { jkt, bound_from: Some(first) }) = self.holder.key() else { return false };
        let is_proved = caller.jkt() == Some(jkt) || caller.instance.as_ref().is_some_and(|instance| instance.jkt == *jkt);
        presented < *first && !is_proved
    }

    pub fn is_key_bound(&self) -> bool {
        self.holder != Holder::Bearer
    }

    /// Ends this grant; nothing happens if it has ended already.
    pub fn end(&self, change: &mut Change) {
        ending::sign_out(change, &self.session, self.number);
    }

    /// Somebody has a genuine token or code and not what holds it. Nothing ends, because possession of a string alone never ends
    /// anything (146-F).
    pub async fn alarm(&self, core: &Core, caller: &Caller, event: &'static str, error: Error) -> Result<Error> {
        match error {
            Error::Refused(refused) if self.state != GrantState::Ended && refused.code == "invalid_grant" => {
                self.say_once(core, caller, event, "the token is genuine, and what holds it was not proved").await?;
                Ok(refused.audited().into())
            }
            other => Ok(other),
        }
    }

    /// An entry, once a minute for each grant and event, and for each plug-in that it is about.
    pub async fn say_once(&self, core: &Core, caller: &Caller, event: &'static str, why: &str) -> Result<()> {
        self.note_once(core, caller, audit::Entry::refused(event, why)).await
    }

    /// The same, of an entry with details of its own.
    pub async fn note_once(&self, core: &Core, caller: &Caller, entry: audit::Entry) -> Result<()> {
        let name = crate::sessions::public_id(core, &self.session);
        let entry = entry.with("sent_by", caller.client_id.as_str());
        core.note_once(&[&name, &self.number.to_string()], self.entry(core, entry, caller), caller.now_ms).await
    }

    pub fn entry(&self, core: &Core, entry: audit::Entry, caller: &Caller) -> audit::Entry {
        entry
            .account(self.account.as_str())
            .client(self.client.as_str())
            .session(crate::sessions::public_id(core, &self.session))
            .address(caller.address.to_string())
            .with("grant", self.number)
    }
}

/// OpenID Connect's own scopes; everything else belongs to an API.
pub const OPENID_SCOPES: &[&str] = &["openid", "profile", "email", "offline_access", SHARE];
/// Native SSO 3.1: the app shares its sign-in. Only an app with `sso_group` may.
const SHARE: &str = symbolon_oauth::native_sso::SCOPE;

/// The scope a client may have of what it asks: exact names. Nothing is added and nothing is dropped silently (113-T, 114-T).
pub fn allowed_scope(client: &Client, asked: Option<&str>) -> Result<Scope> {
    let invalid = |hint| Refused::bad_request("invalid_scope", hint);
    let Some(asked) = asked else { return default_scope(client) };
    let scope = Scope::parse(asked).ok_or_else(|| invalid("The scope parameter is malformed or too long."))?;
    for word in scope.iter() {
        if !may_have(client, word) {
            return Err(invalid("The client may not ask for one of these scopes.").because(format!("scope {word:?}")).into());
        }
    }
    Ok(scope)
}

/// What an installation of this tier may have of a scope: OpenID's words, and the API scopes its tier has.
pub fn within_tier(caller: &Caller, scope: &Scope) -> Scope {
    let Some(most) = caller.tier_rules().and_then(|it| it.scopes.as_ref()) else { return scope.clone() };
    scope.iter().filter(|it| OPENID_SCOPES.contains(it) || most.iter().any(|own| own == it)).map(str::to_owned).collect()
}

/// May the caller still have this authorization detail: its client, and an installation of its tier?
pub fn may_have_detail(caller: &Caller, detail: &Json) -> bool {
    let Some(kind) = detail["type"].as_str() else { return false };
    let client = caller.client.authorization_details_types.iter().any(|own| own == kind);
    client && caller.tier_rules().is_none_or(|it| it.may_have_details_of(kind))
}

/// The tier has none of the scopes: a token without any right is not issued.
pub fn nothing_left() -> Refused {
    let hint = "An installation like this one may have none of these scopes.";
    Refused::bad_request("invalid_scope", hint).because("the tier has none of them")
}

/// Is this scope still allowed to the client? Asked again at every refresh (139-F).
pub fn may_have(client: &Client, word: &str) -> bool {
    if word == SHARE {
        return client.sso_group.is_some();
    }
    client.apis.values().flatten().any(|it| it == word) || (OPENID_SCOPES.contains(&word) && client.scopes.iter().any(|it| it == word))
}

/// RFC 6749 3.3: no scope asked. With one API: all its scopes. With several the client has to name them.
fn default_scope(client: &Client) -> Result<Scope> {
    let mut apis = client.apis.values();
    match (apis.next(), apis.next()) {
        (Some(only), None) => Ok(only.iter().cloned().collect()),
        _ => Err(Refused::bad_request("invalid_scope", "Name the scopes you need in the scope parameter.").into()),
    }
}

/// By what a plug-in knows a request. The words of a request name it: code, refresh token or subject token are in them. Where they stay
/// the same for good, the instant of the last answer is named too, or else of this one.
pub fn occasion(caller: &Caller, grant: Option<&Grant>) -> Vec<u8> {
    let since_ms = match grant {
        Some(grant) if caller.client.refresh.mode == RefreshMode::Static => grant.issued_ms,
        Some(_) => 0,
        None => caller.now_ms,
    };
    [&caller.words[..], &since_ms.to_be_bytes()].concat()
}

/// A request for tokens of a grant.
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    pub core: &'a Core,
    pub caller: &'a Caller,
    pub form: &'a Form,
    pub grant: &'a Grant,
    /// Tokens of this answer live at most so many seconds, because a decision says so.
    pub most_s: Option<i64>,
}

/// What a token of a grant is for.
pub struct Addressed<'a> {
    pub api: Option<&'a str>,
    /// What is left of the scope to an installation of this tier, whichever API it is of.
    pub scope: Scope,
    /// The details that this API sees.
    pub details: Vec<Json>,
}

/// What a request with this much of a grant's scope gets a token for, and what is in it. The tier comes first: what it takes away
/// names no API.
pub fn addressed<'a>(request: TokenRequest<'a>, scope: &Scope) -> Result<Addressed<'a>> {
    let TokenRequest { core, caller, form, grant, .. } = request;
    let mut details = details::narrowed(&grant.request.authorization_details, form)?;
    let something = !scope.is_empty() || !details.is_empty();
    let scope = within_tier(caller, scope);
    details.retain(|it| may_have_detail(caller, it));
    if something && scope.is_empty() && details.is_empty() {
        return Err(nothing_left().into());
    }
    let wanted = Wanted { scope: &scope, details: &details, resource: &form.all("resource"), granted: &grant.resource };
    let api = target(&core.config, &caller.client, wanted)?;
    details.retain(|it| details::api_of(&core.config, it) == api);
    Ok(Addressed { api, scope, details })
}

/// What a request wants an access token for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub scope: &'a Scope,
    /// Accepted authorization details, which point to their API as scopes do.
    pub details: &'a [Json],
    /// RFC 8707.
    pub resource: &'a [&'a str],
    /// The resources that were granted. Empty: no resource was named then.
    pub granted: &'a [String],
}

/// The one API an access token is for. `None`: only OpenID scopes, so the token is for the userinfo endpoint.
/// RFC 8707: `resource` names it; without one the scopes must point to a single API. An API gets a token
/// only if something in the request belongs to it, even if `resource` names it.
pub fn target<'a>(config: &'a Config, client: &Client, wanted: Wanted<'_>) -> Result<Option<&'a str>> {
    let Wanted { scope, details, resource, granted } = wanted;
    let invalid = |hint| Refused::bad_request("invalid_target", hint);
    if resource.len() > 1 {
        return Err(invalid("Ask for one resource at a time: an access token is for one API.").into());
    }
    if let Some(wanted) = resource.first() {
        if *wanted == config.issuer {
            return Ok(None);
        }
        if !granted.is_empty() && !granted.iter().any(|it| it == wanted) {
            return Err(invalid("That resource is not part of this grant.").into());
        }
    }
    let mut found = None;
    for (name, api) in &config.api {
        let named = match resource.first() {
            Some(wanted) => api.audience == *wanted,
            None => granted.is_empty() || granted.contains(&api.audience),
        };
        let by_scope = client.apis.get(name).is_some_and(|allowed| allowed.iter().any(|it| scope.contains(it)));
        let by_detail =
            details.iter().any(|detail| detail["type"].as_str().is_some_and(|detail| api.authorization_details.contains_key(detail)));
        if named && (by_scope || by_detail) {
            if found.is_some() {
                return Err(invalid("The scopes belong to several APIs; name one with the resource parameter.").into());
            }
            found = Some(name.as_str());
        }
    }
    if !resource.is_empty() && found.is_none() {
        return Err(invalid("Nothing of the scope or the authorization details is of an API with that resource identifier.").into());
    }
    Ok(found)
}

/// The part of a grant's scope that an access token for this API carries.
pub fn scope_for(client: &Client, api: Option<&str>, scope: &Scope) -> Scope {
    match api.and_then(|it| client.apis.get(it)) {
        Some(allowed) => scope.iter().filter(|it| allowed.iter().any(|a| a == it)).map(str::to_owned).collect(),
        None => scope.iter().filter(|it| OPENID_SCOPES.contains(it) && may_have(client, it)).map(str::to_owned).collect(),
    }
}
