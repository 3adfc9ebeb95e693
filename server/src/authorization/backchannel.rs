//! A client asks a person who is elsewhere: how the request is checked, kept and found again. OpenID Connect CIBA Core 1.0 7; FAPI-CIBA 5.2.2
//! for clients of that profile. `backchannel_answer` has what the person sees and does.

use super::Authority;
use super::backchannel_code;
use super::backchannel_person::{HintedPerson, attempt_keys, not_asked_now};
use super::backchannel_words::{self, WAKE};
use super::device::{ApprovalState, elsewhere, must_be_had_here};
use super::not_mine::{BLOCKED_MS, BlockKeys, Starter};
use super::request::{self, AuthorizationRequest};
use super::signed_request;
use crate::caller::{Burnt, Caller};
use crate::config::{Client, NamedClient, SecurityProfile, TokenDelivery};
use crate::core::Core;
use crate::error::{Error, Fault, Refused, Result};
use crate::grants::{self, Wanted};
use crate::login::accounts::Hashers;
use crate::login::machine::over;
use crate::login::state::Rules;
use crate::store::tables::attempt::CHARGE;
use crate::store::tables::backchannel_request::{INSERT, PENDING, READ};
use crate::store::{Change, NotApplied, Row, Value};
use crate::stored_bytes::Writer;
use crate::tokens::handles::{Kind, RowName};
use crate::visible::is_seen_whole;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::net::IpAddr;
use symbolon_oauth::backchannel::{self, Expected, GRANT_TYPE, Hint, Named, Rejected};
use symbolon_oauth::form::Form;
use symbolon_oauth::request_object::Endpoint;
use symbolon_oauth::{base64url, id_token};

/// So many requests of one client to one person in ten minutes. An approved one is given back.
const MOST: i64 = 5;
const WINDOW_MS: i64 = 10 * 60_000;
/// The shortest life that a client may ask for.
const SHORTEST_S: i64 = 10;
/// Beside a request object stands only what authenticates the client.
const BESIDE: [&str; 5] = ["client_id", "client_secret", "client_assertion", "client_assertion_type", "request"];

/// What a client asked for.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct BackchannelRequest {
    pub request: AuthorizationRequest,
    pub binding_message: Option<String>,
    /// Two digits that the client shows and the person types.
    pub number: Option<String>,
    /// CIBA Core 7.1: what the client is told with.
    pub notification_token: Option<String>,
    /// Of the client's server.
    pub address: IpAddr,
    /// The person has told the client their user code.
    #[serde(default)]
    pub has_user_code: bool,
    /// A kiosk asks, for the member whose code it has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<KioskVisit>,
}

impl BackchannelRequest {
    /// Where its starter is kept from this person. A kiosk has the person's code, and a client with a user code was told it. Whoever has
    /// neither asks unsolicited, and is kept itself.
    pub fn block_keys(&self, core: &Core, account: &str) -> BlockKeys {
        let client_id = self.request.client_id.as_str();
        let device = self.visit.as_ref().map(|visit| &visit.device).or(self.request.instance.as_ref());
        let starter = device.map_or(Starter::Server(client_id, self.address), |device| Starter::Device(device));
        let keys = BlockKeys::of(core, account, &starter);
        if self.visit.is_some() || self.has_user_code { keys } else { keys.and_client(core, account, client_id) }
    }
}

/// Whose code a kiosk has read, and which kiosk. docs/kiosk.md, `confirm`.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct KioskVisit {
    /// The grant of the app that showed the code: it alone is asked.
    pub session: [u8; 16],
    pub number: u32,
    /// The thumbprint of the key that signed the code.
    pub jkt: String,
    pub device: String,
    pub name: String,
    #[serde(rename = "place")]
    pub stands_at: String,
}

/// A request in the hands of the person who is asked.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct BackchannelAuthorization {
    pub id: [u8; 16],
    pub account: String,
    pub asked: BackchannelRequest,
}

/// Whom a request asks, and what was charged for it.
pub struct ChargedPerson<'a> {
    /// Empty: nobody.
    pub account: &'a str,
    /// Keys, which an approval gives back.
    pub attempts: Vec<u8>,
}

/// A row of the store.
pub struct BackchannelRow {
    pub id: [u8; 16],
    pub client_id: String,
    /// Empty: nobody.
    pub account: String,
    /// Keys of what was charged for it, which an approval gives back.
    pub attempts: Vec<u8>,
    pub salt: Vec<u8>,
    pub asked: BackchannelRequest,
    pub state: ApprovalState,
    pub version: i64,
    pub expires_ms: i64,
}

impl BackchannelRow {
    pub fn is_open(&self, now_ms: i64) -> bool {
        self.state == ApprovalState::Pending && now_ms < self.expires_ms
    }
}

/// A checked request, and whom it is for.
pub struct Checked {
    pub asked: BackchannelRequest,
    person: HintedPerson,
    expires_in_s: i64,
    /// What the person has told the client, where the client asks for it.
    user_code: Option<String>,
    once: Vec<Once>,
}

/// A signed text that is good once: its kind, who signed it, its id and its end.
struct Once {
    kind: &'static str,
    signer: String,
    id: String,
    until_ms: i64,
}

pub struct Started {
    pub auth_req_id: String,
    pub expires_in_s: i64,
    pub number: Option<String>,
}

fn invalid(hint: &'static str) -> Refused {
    Refused::bad_request("invalid_request", hint)
}

/// The request as a client may make it. CIBA Core 7.1, 7.1.1, 7.2.
pub async fn check(authority: &Authority<'_>, caller: &Caller, form: &Form) -> Result<Checked> {
    let client = &caller.client;
    if !caller.authenticated {
        let hint = "Only a client that authenticates may ask people on their own devices.";
        return Err(Refused::bad_request("unauthorized_client", hint).into());
    }
    let must_sign = client.require_signed_request_object || client.profile == Some(SecurityProfile::Fapi2);
    let object = match (form.contains("request"), must_sign) {
        (false, true) => return Err(invalid("This client must sign its requests: send a request object (CIBA Core 7.1.1).").into()),
        (false, false) => None,
        (true, _) => Some(opened(authority, caller, form)?),
    };
    let mut once = Vec::new();
    let form = match &object {
        Some((parameters, id, exp_s)) => {
            let signer = caller.client_id.clone();
            once.push(Once { kind: "backchannel_object", signer, id: id.clone(), until_ms: exp_s * 1000 });
            parameters
        }
        None => form,
    };
    let request = AuthorizationRequest { signed: object.is_some(), ..asked_for(authority, caller, form)? };
    let rules = &client.backchannel;
    let binding_message = checked_message(client, form)?;
    let notification_token = match (rules.delivery, form.get("client_notification_token")) {
        (TokenDelivery::Poll, _) => None,
        (TokenDelivery::Ping, Some(token)) if backchannel::is_notification_token(token) => Some(token.to_owned()),
        (TokenDelivery::Ping, _) => {
            return Err(
                invalid("client_notification_token is a bearer token of 22 to 1024 characters, and delivery by ping needs it.").into()
            );
        }
    };
    let expires_in_s = checked_expiry(form, rules.lifetime.0)?;
    let number = if rules.shows_number { Some(two_digits()?) } else { None };
    let user_code = backchannel_code::of_request(client, form)?;
    let person = named(authority, caller, form, &mut once).await?;
    let asked = BackchannelRequest {
        request,
        binding_message,
        number,
        notification_token,
        address: caller.address,
        has_user_code: user_code.is_some(),
        visit: None,
    };
    Ok(Checked { asked, person, expires_in_s, user_code, once })
}

/// The parameters of a signed request. Only the client's own keys count, and nothing stands beside it.
fn opened(authority: &Authority<'_>, caller: &Caller, form: &Form) -> Result<(Form, String, i64)> {
    if form.iter().any(|(name, _)| !BESIDE.contains(&name)) {
        return Err(invalid("Beside a request object send only what authenticates the client; the rest belongs inside.").into());
    }
    let named = NamedClient { client_id: &caller.client_id, client: &caller.client };
    let opened = signed_request::open(authority, named, form, Endpoint::Backchannel);
    // CIBA Core 13 knows no other word.
    let object = opened.map_err(|refused| Refused { code: "invalid_request", ..refused })?;
    Ok((object.parameters, object.id, object.exp_s))
}

fn asked_for(authority: &Authority<'_>, caller: &Caller, form: &Form) -> Result<AuthorizationRequest> {
    let client = &caller.client;
    let scope = grants::within_tier(caller, &grants::allowed_scope(client, form.get("scope"))?);
    if !scope.contains("openid") {
        return Err(Refused::bad_request("invalid_scope", "scope must name openid (CIBA Core 7.1).").into());
    }
    let authorization_details = authority.details.parse(client, form)?;
    let resource: Vec<String> = form.all("resource").into_iter().map(str::to_owned).collect();
    for one in &resource {
        let wanted = Wanted { scope: &scope, details: &authorization_details, resource: &[one], granted: &[] };
        grants::target(&authority.config, client, wanted)?;
    }
    let mut request = AuthorizationRequest { authorization_details, ..elsewhere(caller, scope, resource) };
    // What the tier of an installation needs is essential, and comes first.
    if !request.essential_acr {
        request.acr_values = request::words(form, "acr_values");
    }
    let request = request::must_be_short(request)?;
    must_be_had_here(authority, client, &request)?;
    Ok(request)
}

/// What the person compares. Without it, and without a number, nothing ties the approval to what the client shows.
fn checked_message(client: &Client, form: &Form) -> Result<Option<String>> {
    let refused = |hint| Error::from(Refused::bad_request("invalid_binding_message", hint));
    let rules = &client.backchannel;
    match form.get("binding_message") {
        Some(text) if backchannel::is_binding_message(text) && is_seen_whole(text) => Ok(Some(text.to_owned())),
        Some(_) => Err(refused("binding_message is from 1 to 60 letters, digits and plain signs.")),
        // FAPI-CIBA 5.2.2 2.
        None if client.profile == Some(SecurityProfile::Fapi2) => Err(refused("FAPI-CIBA asks for a binding_message.")),
        None if rules.shows_number || rules.plain_approval => Ok(None),
        None => Err(refused("Send a binding_message, and show it to the person whom you ask.")),
    }
}

fn checked_expiry(form: &Form, most_s: i64) -> Result<i64> {
    let Some(text) = form.get("requested_expiry") else { return Ok(most_s) };
    match text.parse::<u32>() {
        Ok(seconds) if seconds > 0 && text.bytes().all(|it| it.is_ascii_digit()) => Ok(i64::from(seconds).clamp(SHORTEST_S, most_s)),
        _ => Err(invalid("requested_expiry must be a positive whole number of seconds.").into()),
    }
}

/// Every number is equally likely.
fn two_digits() -> std::result::Result<String, Fault> {
    loop {
        if let Some(byte) = crate::seal::random::<8>()?.into_iter().find(|byte| *byte < 200) {
            return Ok(format!("{:02}", byte % 100));
        }
    }
}

/// CIBA Core 7.1: exactly one hint. Whoever is unknown is asked like anybody, and never answers.
async fn named(authority: &Authority<'_>, caller: &Caller, form: &Form, once: &mut Vec<Once>) -> Result<HintedPerson> {
    let hints = ["login_hint_token", "id_token_hint", "login_hint"].map(|name| form.get(name));
    let named = match hints {
        [Some(token), None, None] => {
            let hint = hint_of(authority, caller, token)?;
            once.push(Once { kind: "login_hint_token", signer: hint.signer, id: hint.jti, until_ms: hint.exp_s * 1000 });
            hint.named
        }
        [None, Some(token), None] => Named::Subject(subject_of(authority, caller, token)?),
        [None, None, Some(name)] if name.len() <= 512 => Named::LoginName(name.to_owned()),
        _ => return Err(invalid("Send exactly one of login_hint, login_hint_token and id_token_hint.").into()),
    };
    let known = authority.accounts();
    let (name, account) = match named {
        Named::Subject(subject) => (String::new(), known.by_id(&subject).await?),
        Named::LoginName(said) => known.named(&said).await?,
    };
    Ok(HintedPerson { name, account: account.filter(|account| account.active) })
}

/// A token that the client signed, or an issuer that its operator has named for it.
fn hint_of(authority: &Authority<'_>, caller: &Caller, token: &str) -> Result<Hint> {
    let client = &caller.client;
    let keys_of = |signer: &str| match client.backchannel.hint_issuers.get(signer) {
        Some(jwks) => jwks.keys().ok(),
        None if signer == caller.client_id => client.jwks.as_ref().and_then(|jwks| jwks.keys().ok()),
        None => None,
    };
    let expected = Expected { client_id: &caller.client_id, issuer: &authority.config.issuer, now_s: caller.now_ms / 1000 };
    let hint = backchannel::read_hint(token, |signer| keys_of(signer).map(|keys| &**keys), &expected);
    let expired = || Refused::bad_request("expired_login_hint_token", "The login_hint_token has expired.");
    let hint = hint.map_err(|why| match why {
        Rejected::Expired => expired(),
        Rejected::Other(hint) => invalid(hint),
    })?;
    let is_forgotten = authority.recovery.is_forgotten_s(hint.iat_s);
    if is_forgotten { Err(expired().because("made before the recovery").into()) } else { Ok(hint) }
}

/// An ID token that this client got.
fn subject_of(authority: &Authority<'_>, caller: &Caller, token: &str) -> Result<String> {
    let checked = id_token::check_hint(token, &authority.keys.hint_verifiers(), &authority.config.issuer).ok();
    let own = checked.filter(|claims| claims.get("aud").and_then(Json::as_str) == Some(caller.client_id.as_str()));
    let subject = own.and_then(|claims| claims.get("sub").and_then(Json::as_str).map(str::to_owned));
    subject.ok_or_else(|| invalid("id_token_hint is not an ID token that this server gave to this client.").into())
}

/// Keeps the request, in one change with what it spends. Who has been asked too often by this client, or did not start what it asked
/// before, is not asked; the client hears of it at once. Unknown people count alike.
pub async fn start(authority: &Authority<'_>, hashers: &Hashers, caller: &Caller, checked: Checked) -> Result<Started> {
    let (now_ms, client_id) = (caller.now_ms, caller.client_id.as_str());
    let charged = match &checked.user_code {
        Some(code) => backchannel_code::judge(authority.core, hashers, caller, &checked.person, code).await?,
        None => Vec::new(),
    };
    let mut change = Change::new(now_ms);
    let burnt = caller.burn(&mut change);
    backchannel_code::give_back(&mut change, &charged);
    let spent: Vec<usize> = checked.once.iter().map(|it| change.once(it.kind, &it.signer, &it.id, it.until_ms)).collect();
    let attempts = charge(authority, &mut change, client_id, &checked.person);
    let account = checked.person.account.as_ref().map(|account| account.id.clone()).unwrap_or_default();
    let person = ChargedPerson { account: &account, attempts };
    let (kept, auth_req_id) = keep(authority, &mut change, &checked.asked, person, checked.expires_in_s * 1000)?;
    note_start(&mut change, caller, &checked, &account);
    match authority.store.apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(at)) => return Err(turned_away(&burnt, &spent, (at, kept))),
        Err(other) => return Err(other.into()),
    }
    Ok(Started { auth_req_id, expires_in_s: checked.expires_in_s, number: checked.asked.number })
}

/// Adds the request to a change, and wakes up the person's apps. Answers the statement that conflicts while this starter may not ask this
/// person, and the `auth_req_id`.
pub fn keep(
    core: &Core,
    change: &mut Change,
    asked: &BackchannelRequest,
    person: ChargedPerson<'_>,
    lifetime_ms: i64,
) -> Result<(usize, String)> {
    let ChargedPerson { account, attempts } = person;
    let (now_ms, client_id) = (change.now_ms(), asked.request.client_id.as_str());
    let (id, salt) = (crate::seal::time_ordered_id(now_ms)?, crate::seal::random::<16>()?);
    let plain = serde_json::to_vec(asked).map_err(|error| Fault::new(error.to_string()))?;
    core.stored.charge(Writer::Client(client_id), plain.len())?;
    let values = vec![
        Value::from(&id[..]),
        client_id.into(),
        account.into(),
        Value::from(attempts),
        Value::from(&salt[..]),
        Value::from(core.keyring.seal(&sealed_at(&id), &plain)?),
        Value::from(&[][..]),
        (now_ms + lifetime_ms).into(),
    ];
    let at = change.len();
    let guarded = asked.block_keys(core, account).values().into_iter().chain([now_ms.into()]);
    change.run(INSERT, values.into_iter().chain(guarded).collect());
    if core.config.push.is_some() && !account.is_empty() {
        backchannel_words::write(change, &core.keyring, WAKE, &id)?;
    }
    Ok((at, core.handles.make(Kind::AuthReqId, RowName { id, number: 0, generation: 0 }, &salt)))
}

fn note_start(change: &mut Change, caller: &Caller, checked: &Checked, account: &str) {
    use crate::audit::Entry;
    let mut entry = Entry::ok("backchannel_requested").client(caller.client_id.as_str()).address(caller.address.to_string());
    entry.account = Some(account.to_owned()).filter(|account| !account.is_empty());
    entry.instance = caller.instance.as_ref().map(|instance| instance.jkt.clone());
    change.audit(entry.with("scope", checked.asked.request.scope.to_string()).with("known", !account.is_empty()));
}

/// `kept`: the statement that keeps the request.
fn turned_away(burnt: &Burnt, spent: &[usize], (at, kept): (usize, usize)) -> Error {
    if burnt.refusal(at).is_some() {
        return burnt.refused(at);
    }
    if spent.contains(&at) {
        return invalid("This signed request, or its login_hint_token, was used before: sign a new one each time.").into();
    }
    let (why, wait_ms) =
        if at == kept { ("the person did not start what was asked before", BLOCKED_MS) } else { ("asked too often", WINDOW_MS) };
    not_asked_now(why, wait_ms).into()
}

/// Answers the keys, which an approval gives back.
fn charge(authority: &Authority<'_>, change: &mut Change, client_id: &str, person: &HintedPerson) -> Vec<u8> {
    let (now_ms, mut keys) = (change.now_ms(), Vec::new());
    for (key, times) in attempt_keys(authority.core, "place", client_id, person) {
        change.run(CHARGE, vec![Value::from(&key[..]), (now_ms + WINDOW_MS).into(), now_ms.into(), (MOST * times).into()]);
        keys.extend_from_slice(&key);
    }
    keys
}

fn sealed_at(id: &[u8; 16]) -> String {
    format!("backchannel_request/body/{}", base64url::encode(id))
}

pub async fn by_id(core: &Core, id: &[u8; 16]) -> Result<Option<BackchannelRow>> {
    let row = core.store.one(READ, &[Value::from(&id[..])]).await?;
    Ok(row.as_ref().map(|row| from_row(core, row)).transpose()?)
}

/// By the text that names it in `/pending` and on pages.
pub async fn by_reference(core: &Core, reference: &str) -> Result<Option<BackchannelRow>> {
    match base64url::decode(reference).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        Some(id) => by_id(core, &id).await,
        None => Ok(None),
    }
}

pub fn reference(id: &[u8; 16]) -> String {
    base64url::encode(id)
}

/// What this person is asked now, oldest first. What a blocked starter has asked before waits no more.
pub async fn pending(core: &Core, account: &str, now_ms: i64) -> Result<Vec<BackchannelRow>> {
    let rows = core.store.all(PENDING, &[account.into(), now_ms.into()]).await?;
    let all = rows.iter().map(|row| from_row(core, row)).collect::<std::result::Result<Vec<_>, _>>()?;
    let blocked = all.iter().map(async |stored| stored.asked.block_keys(core, account).are_blocked(core, now_ms).await);
    let blocked = futures_util::future::try_join_all(blocked).await?;
    Ok(all.into_iter().zip(blocked).filter(|(_, is_blocked)| !is_blocked).map(|(stored, _)| stored).collect())
}

fn from_row(core: &Core, row: &Row) -> std::result::Result<BackchannelRow, Fault> {
    let id = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).map_err(|_| Fault::new("a backchannel request has an id of another length"));
    let own = id(row.bytes("id")?)?;
    let account = row.text("account")?.to_owned();
    let state = match row.text("state")? {
        "pending" => ApprovalState::Pending,
        "denied" => ApprovalState::Denied,
        "approved" => ApprovalState::Approved {
            account: account.clone(),
            session: id(row.bytes("session")?)?,
            number: u32::try_from(row.int("number")?).map_err(|_| Fault::new("a grant's number is out of range"))?,
        },
        other => return Err(Fault::new(format!("a backchannel request is in the unknown state {other:?}"))),
    };
    let plain =
        core.keyring.open(&sealed_at(&own), row.bytes("body")?).ok_or_else(|| Fault::new("a backchannel request cannot be opened"))?;
    Ok(BackchannelRow {
        id: own,
        client_id: row.text("client")?.to_owned(),
        account,
        attempts: row.bytes("places")?.to_vec(),
        salt: row.bytes("salt")?.to_vec(),
        asked: serde_json::from_slice(&plain).map_err(|error| Fault::new(format!("a backchannel request: {error}")))?,
        state,
        version: row.int("version")?,
        expires_ms: row.int("expires_ms")?,
    })
}

/// What the sign-in has to prove, under the present configuration.
pub async fn rules(authority: &Authority<'_>, asked: &BackchannelAuthorization) -> Result<Rules> {
    let request = &asked.asked.request;
    let client = super::device::client_of(authority, request).await?;
    let must_sign = client.require_signed_request_object || client.profile == Some(SecurityProfile::Fapi2);
    if !client.allows_grant(GRANT_TYPE) || (must_sign && !request.signed) {
        return Err(over().because("the client may no longer ask in this way").into());
    }
    request::contents_still_allowed(authority, &client, request)?;
    // The client that asked is elsewhere: nothing that is known of this browser eases what it gets.
    let rules = request::sign_in_rules(authority, &client, request, request::Surroundings::default())?;
    Ok(Rules { sub: Some(asked.account.clone()), ..rules })
}

pub fn is_over() -> Refused {
    Refused::bad_request("expired_token", "This request was answered already, or it has expired.")
}
