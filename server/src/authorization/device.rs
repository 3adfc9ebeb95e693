//! The request of a device without a browser: how it starts, and how it is found again. RFC 8628 3.1, 3.2. `device_answer` has what the
//! person sees and does.

use super::Authority;
use super::not_mine::{self, BlockKeys};
use super::request::{self, AuthorizationRequest, Back, ResponseMode};
use crate::caller::Caller;
use crate::config::Client;
use crate::core::Core;
use crate::error::{Error, Fault, Refused, Result};
use crate::grants::{self, Wanted};
use crate::login::machine::over;
use crate::login::matching::LastGroup;
use crate::login::state::Rules;
use crate::store::tables::device_request::{BY_USER_CODE, INSERT, READ};
use crate::store::{Change, Row, Value};
use crate::tokens::handles::{Kind, RowName};
use crate::web::country::Country;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use symbolon_oauth::base64url;
use symbolon_oauth::device_authorization::{GRANT_TYPE, UserCode};
use symbolon_oauth::form::Form;
use symbolon_oauth::scope::Scope;

/// What a device asked for.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct DeviceRequest {
    pub request: AuthorizationRequest,
    pub starter: Starter,
    /// What a person types who came by the complete address.
    pub last_group: LastGroup,
}

impl DeviceRequest {
    /// Where its starter is kept from this person. A person has typed the code from the screen, or scanned it: the client alone can do nothing.
    pub fn block_keys(&self, core: &Core, account: &str) -> BlockKeys {
        let starter = match &self.request.instance {
            Some(device) => not_mine::Starter::Device(device),
            None => not_mine::Starter::Network(self.starter.address),
        };
        BlockKeys::of(core, account, &starter)
    }
}

/// Who started it, as far as this server knows.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Starter {
    pub address: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// The client authenticated, or its installation is attested. Else anybody can have used its name.
    pub is_proved: bool,
}

/// A request in the hands of a person.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct DeviceAuthorization {
    pub id: [u8; 16],
    pub asked: DeviceRequest,
    pub came_by: CameBy,
}

/// How the person came to the page.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum CameBy {
    /// By typing the user code, as the screen shows it.
    UserCode(String),
    /// By `verification_uri_complete`, which anybody can have sent: the last group has to be typed.
    CompleteUri,
}

/// A row of the store.
pub struct DeviceRow {
    pub id: [u8; 16],
    pub client_id: String,
    pub salt: Vec<u8>,
    pub asked: DeviceRequest,
    pub state: ApprovalState,
    /// Empty: nobody yet.
    pub answered_by: String,
    pub expires_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    Pending,
    Approved { account: String, session: [u8; 16], number: u32 },
    Denied,
}

/// What a person is told of a request that is found by its code or its reference.
pub enum Told {
    Open,
    /// They approved it themselves.
    Approved,
    /// Nobody answered it in time, or they said no themselves.
    Over,
    /// Nothing: there is none, or somebody else has answered it (K-08).
    Nothing,
}

impl DeviceRow {
    /// `account`: of the person who looks, as far as it is known.
    pub fn told(&self, account: Option<&str>, now_ms: i64) -> Told {
        match &self.state {
            ApprovalState::Pending if now_ms < self.expires_ms => Told::Open,
            ApprovalState::Pending => Told::Over,
            ApprovalState::Approved { account: own, .. } if account == Some(own) => Told::Approved,
            ApprovalState::Denied if account.is_some_and(|it| it == self.answered_by) => Told::Over,
            ApprovalState::Approved { .. } | ApprovalState::Denied => Told::Nothing,
        }
    }
}

/// What a device is told to show, and what it polls with.
pub struct Started {
    pub device_code: String,
    pub user_code: UserCode,
    /// What `verification_uri_complete` carries. It names the request and opens nothing.
    pub reference: String,
    pub expires_in_s: i64,
    /// The statement that conflicts where another live request has the same user code.
    pub statement: usize,
}

/// The request as a client may make it. RFC 8628 3.1, with `resource` and `authorization_details` as at the authorization endpoint.
pub fn check(authority: &Authority<'_>, caller: &Caller, form: &Form) -> Result<AuthorizationRequest> {
    let client = &caller.client;
    if form.contains("request") || form.contains("request_uri") {
        let hint = "Send the parameters themselves to this endpoint: neither request nor request_uri.";
        return Err(Refused::bad_request("invalid_request", hint).into());
    }
    if client.require_signed_request_object {
        let hint = "This client must sign its requests (RFC 9101), and there are no signed device requests.";
        return Err(Refused::bad_request("unauthorized_client", hint).into());
    }
    let scope = match form.get("scope") {
        None if form.contains("authorization_details") => Scope::default(),
        asked => grants::allowed_scope(client, asked)?,
    };
    let scope = grants::within_tier(caller, &scope);
    let authorization_details = authority.details.parse(client, form)?;
    if scope.is_empty() && authorization_details.is_empty() {
        return Err(grants::nothing_left().into());
    }
    let resource: Vec<String> = form.all("resource").into_iter().map(str::to_owned).collect();
    for one in &resource {
        let wanted = Wanted { scope: &scope, details: &authorization_details, resource: &[one], granted: &[] };
        grants::target(&authority.config, client, wanted)?;
    }
    let request = request::must_be_short(AuthorizationRequest { authorization_details, ..elsewhere(caller, scope, resource) })?;
    must_be_had_here(authority, client, &request)?;
    Ok(request)
}

/// An `acr` that is essential, and that no policy here gives, is refused where it is asked for. Else the client would poll for nothing.
pub(super) fn must_be_had_here(authority: &Authority<'_>, client: &Client, request: &AuthorizationRequest) -> Result<()> {
    request::sign_in_rules(authority, client, request, request::Surroundings::default()).map(drop)
}

/// A request whose person is elsewhere: there is nothing to send back to, and what comes of it is for the key that asked.
pub fn elsewhere(caller: &Caller, scope: Scope, resource: Vec<String>) -> AuthorizationRequest {
    let acr = caller.tier_rules().and_then(|tier| tier.acr.clone());
    AuthorizationRequest {
        client_id: caller.client_id.clone(),
        back: Back { redirect_uri: String::new(), mode: ResponseMode::Query, state: None, signed_for: None },
        scope,
        resource,
        code_challenge: None,
        dpop_jkt: caller.jkt().map(str::to_owned),
        instance: caller.instance.as_ref().map(|instance| instance.jkt.clone()),
        nonce: None,
        prompt: Vec::new(),
        max_age_s: None,
        essential_acr: acr.is_some(),
        acr_values: acr.into_iter().collect(),
        login_hint: None,
        ui_locales: None,
        sub: None,
        id_token_claims: Vec::new(),
        userinfo_claims: Vec::new(),
        claims_scope: Scope::default(),
        authorization_details: Vec::new(),
        signed: false,
        pushed: None,
        native: false,
        replaces: None,
        detour: None,
        comes_back: false,
        object: None,
    }
}

/// Adds the request to a change.
pub fn start(authority: &Authority<'_>, change: &mut Change, caller: &Caller, request: AuthorizationRequest) -> Result<Started> {
    let now_ms = change.now_ms();
    let user_code =
        UserCode::from_random(&crate::seal::random::<32>()?).ok_or_else(|| Fault::new("random bytes that make no user code"))?;
    let (id, salt) = (crate::seal::time_ordered_id(now_ms)?, crate::seal::random::<16>()?);
    let attested = caller.instance.as_ref().is_some_and(|instance| instance.attested_ms.is_some());
    let asked = DeviceRequest {
        request,
        starter: Starter { address: caller.address, country: caller.country, is_proved: caller.authenticated || attested },
        last_group: LastGroup::new(&authority.keyring, &id, user_code.last_group()),
    };
    let body = serde_json::to_string(&asked).map_err(|error| Fault::new(error.to_string()))?;
    authority.stored.charge(caller.writer(), body.len())?;
    let expires_in_s = caller.client.device.lifetime.0;
    let key = authority.keyring.mac(USER_CODE, &[user_code.letters().as_bytes()]).1;
    let statement = change.len();
    change.run(
        INSERT,
        vec![
            Value::from(&id[..]),
            Value::from(&key[..]),
            caller.client_id.as_str().into(),
            Value::from(&salt[..]),
            body.into(),
            Value::from(&[][..]),
            (now_ms + expires_in_s * 1000).into(),
        ],
    );
    let device_code = authority.handles.make(Kind::DeviceCode, RowName { id, number: 0, generation: 0 }, &salt);
    Ok(Started { device_code, user_code, reference: base64url::encode(&id), expires_in_s, statement })
}

const USER_CODE: &str = "user code";

pub async fn by_id(core: &Core, id: &[u8; 16]) -> Result<Option<DeviceRow>> {
    let row = core.store.one(READ, &[Value::from(&id[..])]).await?;
    Ok(row.as_ref().map(from_row).transpose()?)
}

/// A reference of ours is the name of a row.
pub async fn by_reference(authority: &Authority<'_>, reference: &str) -> Result<Option<DeviceRow>> {
    match base64url::decode(reference).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        Some(id) => by_id(authority.core, &id).await,
        None => Ok(None),
    }
}

/// A code from before a change of the master key is found too.
pub async fn by_user_code(authority: &Authority<'_>, code: &UserCode) -> Result<Option<DeviceRow>> {
    for version in authority.keyring.versions() {
        let Some(key) = authority.keyring.mac_with(version, USER_CODE, &[code.letters().as_bytes()]) else { continue };
        if let Some(row) = authority.store.one(BY_USER_CODE, &[Value::from(&key[..])]).await? {
            return Ok(Some(from_row(&row)?));
        }
    }
    Ok(None)
}

fn from_row(row: &Row) -> std::result::Result<DeviceRow, Fault> {
    let id = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).map_err(|_| Fault::new("a device request has an id of another length"));
    let state = match row.text("state")? {
        "pending" => ApprovalState::Pending,
        "denied" => ApprovalState::Denied,
        "approved" => ApprovalState::Approved {
            account: row.text("account")?.to_owned(),
            session: id(row.bytes("session")?)?,
            number: u32::try_from(row.int("number")?).map_err(|_| Fault::new("a grant's number is out of range"))?,
        },
        other => return Err(Fault::new(format!("a device request is in the unknown state {other:?}"))),
    };
    Ok(DeviceRow {
        id: id(row.bytes("id")?)?,
        client_id: row.text("client")?.to_owned(),
        salt: row.bytes("salt")?.to_vec(),
        asked: serde_json::from_str(row.text("body")?).map_err(|error| Fault::new(format!("a device request: {error}")))?,
        state,
        answered_by: row.text("account")?.to_owned(),
        expires_ms: row.int("expires_ms")?,
    })
}

/// What the sign-in has to prove, under the present configuration.
pub async fn rules(authority: &Authority<'_>, device: &DeviceAuthorization) -> Result<Rules> {
    let request = &device.asked.request;
    let client = client_of(authority, request).await?;
    if !client.allows_grant(GRANT_TYPE) || client.require_signed_request_object {
        return Err(over().because("the client may no longer use the device grant").into());
    }
    request::contents_still_allowed(authority, &client, request)?;
    // The device that asked is elsewhere: nothing that is known of this browser eases what it gets.
    request::sign_in_rules(authority, &client, request, request::Surroundings::default())
}

pub async fn client_of(authority: &Authority<'_>, request: &AuthorizationRequest) -> Result<Arc<Client>> {
    let gone = || Error::from(over().because("the client is gone or disabled"));
    authority.clients.get(&request.client_id).await?.ok_or_else(gone)
}

pub fn is_over() -> Refused {
    let hint = "This code was answered already, or it has expired. Ask your device for a new one.";
    Refused::bad_request("expired_token", hint)
}
