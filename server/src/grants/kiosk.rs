//! grant_type=urn:symbolon:oauth:grant-type:kiosk: a member shows a code at a kiosk. docs/kiosk.md. What comes of it is one access token for
//! the kiosk's own key, of at most five minutes. It hangs below the phone's session, and nothing else can be made of it.

use super::code::{self, Granting};
use super::decision;
use super::holder::{Holder, HolderKey};
use super::{Grant, GrantState, Wanted, invalid_grant, kiosk_challenge};
use crate::audit::Entry;
use crate::authorization::backchannel::{self, BackchannelRequest, ChargedPerson, KioskVisit};
use crate::authorization::device;
use crate::authorization::request::AuthorizationRequest;
use crate::caller::{Burnt, Caller};
use crate::config::plugin::Moment;
use crate::config::{KioskDevice, KioskMode, KioskRules};
use crate::core::Core;
use crate::error::{Error, Refused, Result};
use crate::limits::Limits;
use crate::login::notices;
use crate::mail;
use crate::sessions;
use crate::store::tables::{app_grant, session};
use crate::store::{Change, NotApplied, Value};
use crate::tokens::issue::{self, TargetApi};
use crate::tokens::kiosk_pass::Pass;
use crate::web::reply::{self, Reply};
use serde_json::{Value as Json, json};
use std::ops::Range;
use symbolon_oauth::device_authorization::INTERVAL_S;
use symbolon_oauth::form::Form;
use symbolon_oauth::kiosk::{self, Expected, Proof, Rejected};
use symbolon_oauth::scope::Scope;

/// The longest life of a token that a member's code gave.
pub const LONGEST_MS: i64 = 5 * 60_000;
/// For so long a member's app asks, where `confirm` applies.
const CONFIRMED_WITHIN_MS: i64 = 60_000;

/// The kiosk that asks: its rules, and the device as its operator wrote it down.
pub struct Kiosk<'a> {
    pub rules: &'a KioskRules,
    /// The key of the installation, or the id of the certificate.
    pub id: &'a str,
    pub device: &'a KioskDevice,
}

impl<'a> Kiosk<'a> {
    /// Only an authenticated device that the operator has named.
    pub fn of(caller: &'a Caller) -> Result<Self> {
        let unknown = |why: &str| {
            let hint = "This device is not one of the client's kiosks: its operator names it under [client.ID.kiosk.device].";
            Error::from(Refused::bad_request("unauthorized_client", hint).because(why.to_owned()))
        };
        let rules = caller.client.kiosk.as_ref().ok_or_else(|| unknown("the client has no kiosk"))?;
        let id = match &caller.instance {
            Some(instance) if caller.authenticated => instance.jkt.as_str(),
            _ => return Err(unknown("neither an attested installation nor a device with a certificate")),
        };
        let device = rules.device.get(id).ok_or_else(|| unknown("the device is not named"))?;
        Ok(Self { rules, id, device })
    }

    /// RFC 8693 4.1: who acts for the member, and where.
    fn act(&self, caller: &Caller) -> Json {
        json!({ "sub": caller.client_id, "device": self.id, "name": self.device.name, "place": self.device.stands_at })
    }

    fn at(&self, entry: Entry) -> Entry {
        entry.with("kiosk", self.device.name.as_str()).with("place", self.device.stands_at.as_str())
    }

    fn about(&self, entry: Entry, caller: &Caller) -> Entry {
        let mut entry = self.at(entry).client(caller.client_id.as_str()).address(caller.address.to_string());
        entry.instance = Some(self.id.to_owned());
        entry
    }

    /// A code that has had its time is counted for the device, with a line an hour. It says nothing of the member.
    async fn refuse_late(&self, core: &Core, caller: &Caller, refused: Refused) -> Error {
        count_refusal("late");
        if let Some(before) = core.limits.kiosk_line(Limits::bucket(&["late", &caller.client_id, self.id])) {
            let mut change = Change::new(caller.now_ms);
            change.audit(self.about(Entry::refused("kiosk_code_late", &refused.private), caller).with("before", before));
            if let Err(why) = core.store.apply(change).await {
                return why.into();
            }
        }
        refused.audited().into()
    }

    /// What goes wrong is charged to the device that asks, and never to the member.
    pub fn must_be_slow(&self, core: &Core, caller: &Caller) -> Result<()> {
        if core.limits.kiosks.check_key(&Limits::bucket(&["kiosk", &caller.client_id, self.id])).is_ok() {
            return Ok(());
        }
        Err(Refused::new(429, "temporarily_unavailable", "Too many codes at this kiosk; wait a moment.").retry_after(5).into())
    }
}

pub async fn redeem(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    let kiosk = Kiosk::of(caller)?;
    kiosk.must_be_slow(core, caller)?;
    if caller.key.is_none() && caller.certificate.is_none() {
        let hint = "A kiosk's token is bound to its key: send a DPoP header (RFC 9449).";
        return Err(Refused::bad_request("invalid_dpop_proof", hint).into());
    }
    let shown = form.get("proof").ok_or_else(|| Refused::bad_request("invalid_request", "The proof parameter is missing."))?;
    let text = kiosk::from_picture(shown).ok_or_else(|| refusal(Rejected::Form))?;
    let unverified = kiosk::read(&text).map_err(refusal)?;
    let pass = Pass::open(&core.keyring, &core.config.issuer, unverified.pass());
    let pass = pass.ok_or_else(|| refusal(Rejected::Form).because("the pass is not ours"))?;
    let expected =
        Expected { issuer: &core.config.issuer, now_s: caller.now_ms / 1000, needs_challenge: kiosk.rules.mode != KioskMode::Any };
    let proof = match unverified.verify(&pass.key, &expected) {
        Ok(proof) => proof,
        Err(Rejected::Clock) => return Err(kiosk.refuse_late(core, caller, refusal(Rejected::Clock)).await),
        Err(other) => return Err(refusal(other).into()),
    };
    if caller.now_ms >= pass.issued_ms + kiosk.rules.offline.ms() {
        let hint = "The member's phone was without a network for too long: open the app where there is one, then show a new code.";
        let old = invalid_grant(hint).because("the pass is older than kiosk.offline");
        return Err(kiosk.refuse_late(core, caller, old).await);
    }
    let grant = member(core, &kiosk, (&pass.session, pass.number), pass.key.thumbprint()).await?;
    let member = Member { core, caller, kiosk: &kiosk, grant };
    let until_ms = match &proof.challenge {
        Some(nonce) => member.challenge(nonce).await? + kiosk_challenge::LIFETIME_MS,
        // Whether it was shown before a recovery is not known.
        None if core.recovery.is_forgotten_s(proof.last_s - kiosk::SKEW_S - kiosk::LIFETIME_S) => {
            return Err(member.kiosk.refuse_late(core, caller, refusal(Rejected::Clock)).await);
        }
        None => proof.last_s * 1000,
    };
    member.let_in(form, &ShownCode { proof: &proof, pass: &pass, until_ms }).await
}

fn refusal(why: Rejected) -> Refused {
    let (hint, private) = match why {
        Rejected::Form => ("This is not a member's code.", "form"),
        Rejected::Signature => ("This is not a member's code.", "the signature is not by the key of the pass"),
        Rejected::Audience => ("This code is for another server.", "audience"),
        Rejected::NoChallenge => ("The member's app has to scan this kiosk's picture first.", "no challenge"),
        Rejected::Lifetime => ("This is not a member's code.", "it lives longer than a minute"),
        Rejected::Clock => ("This code has expired, or the phone's clock is wrong. Show a new code, or set the clock.", "clock"),
    };
    invalid_grant(hint).because(private)
}

/// `why`: `late` or `twice`.
fn count_refusal(why: &'static str) {
    metrics::counter!("symbolon_kiosk_codes_refused_total", "why" => why).increment(1);
}

fn signed_out(why: &'static str) -> Refused {
    invalid_grant("This member's app is signed out: sign in there, then show a new code.").because(why)
}

/// The grant of the app that showed the code: one read tells whether session, account, client, installation and grant live. `key`: the
/// thumbprint of the key that signed it.
pub async fn member(core: &Core, kiosk: &Kiosk<'_>, named: (&[u8; 16], u32), key: &str) -> Result<Grant> {
    let over = signed_out;
    let read = super::read_along(core, app_grant::WITH_OWN_INSTANCE, named, &[key.into()]).await?;
    let (grant, row) = read.ok_or_else(|| over("no such grant"))?;
    if !kiosk.rules.members.contains(&grant.client) || core.clients.get(&grant.client).await?.is_none() {
        return Err(invalid_grant("Members of that app are not let in here.").because(format!("of {}", grant.client)).into());
    }
    if grant.state != GrantState::Active || grant.holder.key().is_none_or(|holder| holder.jkt != key) {
        return Err(over("the grant is over, or another key holds it").into());
    }
    if matches!(grant.holder, Holder::Instance(_)) && row.opt_text("instance_state")? != Some("active") {
        return Err(over("the installation was revoked").into());
    }
    Ok(grant)
}

/// A member whose key has signed, at the kiosk that asks.
pub struct Member<'a> {
    pub core: &'a Core,
    pub caller: &'a Caller,
    pub kiosk: &'a Kiosk<'a>,
    pub grant: Grant,
}

/// The code, until it is spent.
struct ShownCode<'a> {
    proof: &'a Proof,
    pass: &'a Pass,
    until_ms: i64,
}

/// The statements of a change that say which thing was used before.
#[derive(Default)]
pub struct Spent {
    pub proof: Option<usize>,
    pub challenge: Option<usize>,
    /// With what the kiosk is told.
    pub request: Option<(usize, &'static str)>,
    /// The statements that need the member's session and grant.
    pub member: Range<usize>,
}

impl ShownCode<'_> {
    fn spend(&self, change: &mut Change, kiosk: &Kiosk<'_>) -> Spent {
        let proof = change.once("kiosk_proof", self.pass.key.thumbprint(), &self.proof.jti, self.until_ms);
        let challenge = self.proof.challenge.as_ref().map(|nonce| change.once("kiosk_challenge", kiosk.id, nonce, self.until_ms));
        Spent { proof: Some(proof), challenge, ..Spent::default() }
    }
}

impl Member<'_> {
    /// When the challenge was made. One of another device means that the code was carried there: the member hears of it.
    async fn challenge(&self, nonce: &str) -> Result<i64> {
        use kiosk_challenge::NonceReading;
        match kiosk_challenge::read(self.core, (&self.caller.client_id, self.kiosk.id), nonce, self.caller.now_ms) {
            NonceReading::Good(made_ms) => Ok(made_ms),
            NonceReading::Old => {
                let old = invalid_grant("This kiosk's picture has changed since: scan it again.").because("the challenge is old");
                Err(self.kiosk.refuse_late(self.core, self.caller, old).await)
            }
            NonceReading::Foreign => {
                self.warn("kiosk_code_elsewhere", "the challenge is another device's").await?;
                Err(invalid_grant("This code was made for another kiosk.").because("the challenge is another device's").audited().into())
            }
        }
    }

    /// What the kiosk asks for, of what it may have, of what the member's app holds.
    pub fn scope(&self, asked: Option<&str>, resource: &[&str]) -> Result<(String, Scope)> {
        let Self { core, caller, kiosk, grant } = self;
        let mut scope = super::within_tier(caller, &super::allowed_scope(&caller.client, asked)?);
        if kiosk.rules.mode == KioskMode::Any {
            scope = scope.iter().filter(|word| kiosk.rules.any_scopes.iter().any(|own| own == word)).map(str::to_owned).collect();
        }
        let scope: Scope = scope.iter().filter(|word| grant.scope.contains(word)).map(str::to_owned).collect();
        let nothing = || Refused::bad_request("invalid_scope", "The member's app holds none of the scopes that this kiosk may have.");
        if scope.is_empty() {
            return Err(nothing().into());
        }
        let wanted = Wanted { scope: &scope, details: &[], resource, granted: &[] };
        let api = super::target(&core.config, &caller.client, wanted)?.ok_or_else(nothing)?;
        Ok((api.to_owned(), super::scope_for(&caller.client, Some(api), &scope)))
    }

    async fn let_in(&self, form: &Form, shown: &ShownCode<'_>) -> Result<Reply> {
        self.grant.must_be_alive(self.caller.now_ms)?;
        let resource = form.all("resource");
        let may = self.scope(form.get("scope"), &resource)?;
        let mut change = Change::new(self.caller.now_ms);
        let spent = shown.spend(&mut change, self.kiosk);
        match self.kiosk.rules.mode {
            KioskMode::Confirm => {
                let resource = resource.into_iter().map(str::to_owned).collect();
                let request = device::elsewhere(self.caller, may.1, resource);
                self.ask(change, spent, request, shown.pass.key.thumbprint()).await
            }
            KioskMode::Challenge | KioskMode::Any => self.give(change, spent, &may).await,
        }
    }

    /// The token, in one change with what it costs.
    pub async fn give(&self, mut change: Change, mut spent: Spent, (api, scope): &(String, Scope)) -> Result<Reply> {
        let Self { core, caller, kiosk, grant } = self;
        let most_s = decision::must_go(core, caller, grant, Moment::Token).await?;
        let from = change.len();
        let visit = self.visit(&mut change, scope)?;
        spent.member = from..change.len();
        let burnt = caller.burn(&mut change);
        let answer = issue::for_kiosk(core, caller, TargetApi { name: api, most_s }, &visit, kiosk.act(caller)).await?;
        let said = self.kiosk.at(Entry::ok("kiosk_visited")).with("jti", answer.jti.as_str());
        let mut entry = visit.entry(core, said.with("from", sessions::public_id(core, &grant.session)), caller);
        entry.instance = Some(kiosk.id.to_owned());
        change.audit(entry);
        self.apply(change, (&burnt, &spent)).await?;
        Ok(reply::json(200, &answer))
    }

    /// `confirm`: nothing is given yet. The member's app asks, and the kiosk polls with what it gets.
    async fn ask(&self, mut change: Change, mut spent: Spent, request: AuthorizationRequest, jkt: &str) -> Result<Reply> {
        let Self { core, caller, kiosk, grant } = self;
        let burnt = caller.burn(&mut change);
        let asked = BackchannelRequest {
            request,
            binding_message: None,
            number: None,
            notification_token: None,
            address: caller.address,
            has_user_code: false,
            visit: Some(KioskVisit {
                session: grant.session,
                number: grant.number,
                jkt: jkt.to_owned(),
                device: kiosk.id.to_owned(),
                name: kiosk.device.name.clone(),
                stands_at: kiosk.device.stands_at.clone(),
            }),
        };
        let person = ChargedPerson { account: &grant.account, attempts: Vec::new() };
        let (at, handle) = backchannel::keep(core, &mut change, &asked, person, CONFIRMED_WITHIN_MS)?;
        spent.request = Some((at, "This member has said that they did not show a code here: this kiosk asks them nothing for an hour."));
        let mut entry = grant.entry(core, self.kiosk.at(Entry::ok("kiosk_asked")), caller);
        entry.instance = Some(kiosk.id.to_owned());
        change.audit(entry);
        self.apply(change, (&burnt, &spent)).await?;
        let body = json!({
            "error": "authorization_pending",
            "error_description": "The member confirms it in the app: poll with auth_req_id.",
            "auth_req_id": handle,
            "expires_in": CONFIRMED_WITHIN_MS / 1000,
            "interval": INTERVAL_S,
        });
        Ok(reply::json(400, &body))
    }

    /// What was used before is refused, each with its own words.
    async fn apply(&self, change: Change, (burnt, spent): (&Burnt, &Spent)) -> Result<()> {
        let Err(outcome) = self.core.store.apply(change).await else { return Ok(()) };
        let NotApplied::Conflict(at) = outcome else { return Err(outcome.into()) };
        if burnt.refusal(at).is_some() {
            return Err(burnt.refused(at));
        }
        if spent.proof == Some(at) {
            self.warn("kiosk_code_replayed", "the same code was shown again").await?;
            return Err(invalid_grant("This code was used already: show a new one.").because("used twice").audited().into());
        }
        if spent.challenge == Some(at) {
            let used = invalid_grant("This kiosk's picture was used already: scan it again.").because("the challenge was used");
            return Err(self.kiosk.refuse_late(self.core, self.caller, used).await);
        }
        if spent.member.contains(&at) {
            return Err(signed_out("the member's app has signed out meanwhile").into());
        }
        match spent.request {
            Some((statement, hint)) if statement == at => Err(invalid_grant(hint).because("blocked, or fetched before").into()),
            _ => Err(outcome.into()),
        }
    }

    /// The kiosk's own grant, in a session below the grant of the member's app. It ends with the app's grant and session, with either device,
    /// and the person can take it away.
    fn visit(&self, change: &mut Change, scope: &Scope) -> Result<Grant> {
        let Self { core, caller, kiosk, grant } = self;
        let id = crate::seal::time_ordered_id(caller.now_ms)?;
        let parent = || vec![Value::from(&grant.session[..]), i64::from(grant.number).into()];
        let ends_ms = grant.lives_until_ms().min(caller.now_ms + LONGEST_MS);
        sessions::hold(change, &grant.session);
        let shown = format!("{}, {}", kiosk.device.name, kiosk.device.stands_at);
        let own = vec![Value::from(&id[..]), Value::from(&b""[..]), caller.now_ms.into(), shown.into(), ends_ms.into()];
        change.run(session::INSERT_VISIT, [own, parent()].concat());
        sessions::inherit_providers(change, &id, &grant.session);
        let mut request = grant.request.clone();
        (request.redirect_uri, request.code_challenge, request.nonce) = (String::new(), None, None);
        (request.dpop_jkt, request.instance) = (None, Some(kiosk.id.to_owned()));
        request.authorization_details = Vec::new();
        request.code_expires_ms = caller.now_ms;
        let granting = Granting {
            session: &id,
            account: &grant.account,
            client_id: &caller.client_id,
            confidential: true,
            instances: true,
            unattested: false,
            most: caller.client.refresh.most_per_person,
            carries: caller.client.may_carry(),
            scope,
            resource: &[],
            request: &request,
            lifetime_ms: LONGEST_MS,
        };
        let (number, _) = code::grant(core, change, &granting)?;
        let holder = Holder::Instance(Some(HolderKey::first(kiosk.id)));
        let [holder_kind, holder_text] = holder.to_columns();
        let values = vec![Value::from(&id[..]), i64::from(number).into(), caller.now_ms.into(), holder_kind, holder_text];
        change.run(app_grant::ACTIVATE, values);
        change.run(app_grant::HOLD, [parent(), vec![caller.now_ms.into()]].concat());
        Ok(Grant {
            session: id,
            number,
            client: caller.client_id.clone(),
            holder,
            scope: scope.clone(),
            resource: Vec::new(),
            request,
            created_ms: caller.now_ms,
            ends_ms,
            ..grant.clone()
        })
    }

    /// Once an hour for each member, device and event: an entry, and a letter to the member. Nothing ends: possession of a string ends nothing.
    async fn warn(&self, event: &'static str, why: &str) -> Result<()> {
        let Self { core, caller, kiosk, grant } = self;
        count_refusal("twice");
        let bucket = Limits::bucket(&[event, &grant.account, &caller.client_id, kiosk.id]);
        let Some(before) = core.limits.kiosk_line(bucket) else { return Ok(()) };
        let mut change = Change::new(caller.now_ms);
        let said = self.kiosk.at(Entry::refused(event, why)).with("sent_by", caller.client_id.as_str()).with("before", before);
        let mut entry = grant.entry(core, said, caller);
        entry.instance = Some(kiosk.id.to_owned());
        change.audit(entry);
        if let Some(account) = core.accounts().by_id(&grant.account).await? {
            let notice = mail::Notice { template: "kiosk_code_twice", locale: "en", user_agent: None, link: None };
            notices::tell(&mut change, (&core.config, &core.keyring), &account, notice)?;
        }
        core.store.apply(change).await?;
        Ok(())
    }
}
