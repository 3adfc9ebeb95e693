//! A person answers the request of a device. RFC 8628 3.3, 5.4; RFC 10027 for what the person must see. It happens in a browser, or in an app
//! that may answer (`approves`), by the same steps as any sign-in. What is granted hangs below a session of its own.

use super::Authority;
use super::complete::{authenticated, granting, record_of};
use super::consent;
use super::device::{ApprovalState, CameBy, DeviceAuthorization, DeviceRow, by_id, client_of, is_over};
use super::not_mine::{self, No};
use super::settle::{End, Settling};
use crate::audit::Entry;
use crate::config::{Client, DeviceNetwork};
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::grants::code;
use crate::grants::decision::{self, Completed};
use crate::limits::Limits;
use crate::login::commit::Draft;
use crate::login::context::Face;
use crate::login::flow::{Moved, Proven};
use crate::login::matching::FIELD;
use crate::login::notices;
use crate::login::state::Ended;
use crate::login::step::{ActionKind, FieldKind, Problem, Step, Text};
use crate::mail;
use crate::sessions::{self, OpenedFrom};
use crate::store::tables::device_request::{APPROVE, DENY};
use crate::store::{Change, Value};
use crate::web::country::Country;
use serde_json::Value as Json;
use std::net::IpAddr;

/// For so long after the end of its user code a device may still come for its tokens. Whoever was approved in the last second polls again.
const REDEEMABLE_MS: i64 = 60_000;

/// Where the person is.
#[derive(Clone, Copy)]
pub struct Whereabouts {
    pub address: Option<IpAddr>,
    pub country: Option<Country>,
}

impl Whereabouts {
    /// Are the device and the person's browser in one network?
    fn is_near(self, device: &DeviceAuthorization) -> bool {
        self.address.is_some_and(|address| Limits::line(address) == Limits::line(device.asked.starter.address))
    }

    /// May somebody here approve it? What is unknown is never the same. Else the problem that the page names.
    fn problem(self, client: &Client, device: &DeviceAuthorization) -> Option<&'static str> {
        match client.device.network {
            DeviceNetwork::Same if !self.is_near(device) => Some("device_other_network"),
            DeviceNetwork::SameCountry if self.country.is_none() || self.country != device.asked.starter.country => {
                Some("device_other_country")
            }
            DeviceNetwork::Any | DeviceNetwork::Same | DeviceNetwork::SameCountry => None,
        }
    }
}

/// The question: which app, on whose behalf, from where; and that nobody else may have sent the person here. A page of its own kind, which
/// is asked of first-party apps too, and by GET alone nothing is answered.
fn step(authority: &Authority<'_>, client: &Client, device: &DeviceAuthorization, seen: Viewer<'_>) -> Step {
    let request = &device.asked.request;
    let name = client.display_name(&request.client_id);
    let mut step = Step::new("device");
    step.title = step.title.with("client", name);
    step.text = vec![match seen.person {
        Some(person) => Text::new("device-lead-as").with("client", name).with("person", person),
        None => Text::new("device-lead").with("client", name),
    }];
    step.text.push(match &device.came_by {
        CameBy::UserCode(code) => Text::new("device-compare").with("code", code),
        CameBy::CompleteUri => Text::new("device-type"),
    });
    let near = if seen.here.is_near(device) { "device-same_network" } else { "device-other_network" };
    step.text.push(Text::new(near).with("address", device.asked.starter.address.to_string()));
    step.text.extend(match (device.asked.starter.country, seen.here.country) {
        (Some(device), Some(own)) => Some(Text::new("device-countries").with("device", device.to_string()).with("own", own.to_string())),
        (Some(device), None) => Some(Text::new("device-country").with("device", device.to_string())),
        (None, _) => None,
    });
    if !device.asked.starter.is_proved {
        step.text.push(Text::new("device-unproved").with("client", name));
    }
    step.text.push(Text::new("device-warning"));
    step = consent::show_asked(authority, client, request, step);
    let problem = if seen.is_blocked { Some("device_blocked") } else { seen.here.problem(client, device) };
    if problem.is_some() {
        return step.with_problem(problem.map(Problem::new)).secondary("not_mine").link("cancel");
    }
    if device.came_by == CameBy::CompleteUri {
        step = step.field(FIELD, FieldKind::Text, "off", None);
    }
    step.primary("allow").secondary("not_mine").link("not_you").link("cancel")
}

/// The question as an app shows it, where one person is signed in: the answers alone, and no ways on.
pub fn step_in_app(
    authority: &Authority<'_>,
    client: &Client,
    device: &DeviceAuthorization,
    (here, is_blocked): (Whereabouts, bool),
) -> Step {
    let mut step = step(authority, client, device, Viewer { person: None, here, is_blocked });
    step.actions.retain(|action| action.kind != ActionKind::Link);
    step
}

/// What an app hears instead of an approval. A page says it as a problem beside the question.
pub fn must_be_approvable(client: &Client, device: &DeviceAuthorization, (here, is_blocked): (Whereabouts, bool)) -> Result<()> {
    if is_blocked {
        return Err(not_mine::refused().into());
    }
    if here.problem(client, device).is_some() {
        let hint = "The device is in another network or country, and its app is let in only from where the person is.";
        return Err(Refused::bad_request("access_denied", hint).because("network").into());
    }
    Ok(())
}

/// Adds the refusal to a change. Answers the statement that conflicts if there was another answer.
pub fn deny(core: &Core, change: &mut Change, device: &DeviceAuthorization, (account, no): (&str, No), address: Option<IpAddr>) -> usize {
    let answered = change.len();
    change.run(DENY, vec![Value::from(&device.id[..]), account.into(), change.now_ms().into()]);
    if no == No::NotMine {
        device.asked.block_keys(core, account).block(change);
    }
    let entry = about(Entry::refused("device_denied", no.why()), device, address).account(account);
    change.audit(entry.with("not_mine", no == No::NotMine));
    answered
}

fn about(entry: Entry, device: &DeviceAuthorization, address: Option<IpAddr>) -> Entry {
    let mut entry = entry.client(device.asked.request.client_id.as_str());
    entry.address = address.map(|address| address.to_string());
    let entry = entry.with("started_from", device.asked.starter.address.to_string());
    device.asked.starter.country.into_iter().fold(entry, |entry, country| entry.with("started_in", country.to_string()))
}

/// What the page says of the person who looks at it.
struct Viewer<'a> {
    person: Option<&'a str>,
    here: Whereabouts,
    /// The person did not start what came from there before.
    is_blocked: bool,
}

/// What a person's answer comes to.
enum DeviceVerdict {
    /// It can be approved.
    Open,
    /// This person approved it before: the same once more changes nothing.
    Done,
    Over(&'static str),
}

fn verdict(stored: Option<&DeviceRow>, account: &str, now_ms: i64) -> DeviceVerdict {
    match stored {
        None => DeviceVerdict::Over("the request is gone"),
        Some(DeviceRow { state: ApprovalState::Approved { account: approver, .. }, .. }) if approver == account => DeviceVerdict::Done,
        Some(DeviceRow { state: ApprovalState::Approved { .. }, .. }) => DeviceVerdict::Over("somebody else approved it"),
        Some(DeviceRow { state: ApprovalState::Denied, .. }) => DeviceVerdict::Over("it was denied"),
        Some(stored) if now_ms >= stored.expires_ms => DeviceVerdict::Over("the user code has expired"),
        Some(_) => DeviceVerdict::Open,
    }
}

impl Settling<'_> {
    /// A person is proved, or has said no.
    pub(super) async fn settle_device(&self, moved: &mut Moved, draft: &mut Draft, device: &DeviceAuthorization) -> Result<Option<End>> {
        let Some(proven) = moved.proven.clone() else {
            // Whoever is nobody yet has only left the page.
            let is_denied = moved.state.subject.is_some() && matches!(moved.state.ended, Some(Ended::Refused { .. }));
            return match moved.state.ended {
                Some(_) if is_denied => Ok(Some(self.deny(moved, &mut draft.change, device))),
                Some(_) => Ok(Some(End::default())),
                None => Ok(None),
            };
        };
        let stored = by_id(self.authority.core, &device.id).await?;
        match verdict(stored.as_ref(), &proven.account, self.visitor.now_ms) {
            DeviceVerdict::Open => {}
            // A page may be sent twice by its own person. An app reads a request anew before it answers.
            DeviceVerdict::Done if matches!(self.visitor.face, Face::Browser) => {
                return self.remember_browser(moved, &mut draft.change, &proven).await.map(Some);
            }
            DeviceVerdict::Done => return Err(is_over().because("another answer was first").into()),
            DeviceVerdict::Over(why) => return Err(is_over().because(why).into()),
        }
        let until_ms = stored.map_or(0, |stored| stored.expires_ms + REDEEMABLE_MS);
        let client = client_of(&self.authority, &device.asked.request).await?;
        let (core, now_ms) = (self.authority.core, self.visitor.now_ms);
        let here = Whereabouts { address: self.visitor.address, country: self.visitor.country };
        let seen = Viewer {
            person: moved.account().and_then(|account| account.any_email.as_deref()),
            here,
            is_blocked: device.asked.block_keys(core, &proven.account).are_blocked(core, now_ms).await?,
        };
        let approvable = must_be_approvable(&client, device, (here, seen.is_blocked));
        if !matches!(self.visitor.face, Face::Browser) {
            approvable?;
        } else if !proven.consented || approvable.is_err() {
            let secret = match device.came_by {
                CameBy::CompleteUri => device.asked.last_group.as_secret()?,
                CameBy::UserCode(_) => Json::Null,
            };
            let step = step(&self.authority, &client, device, seen);
            moved.ask_to_agree(step, device.id, secret);
            return Ok(None);
        }
        let request = &device.asked.request;
        let completed = Completed {
            client: &request.client_id,
            proven: &proven,
            scope: &request.scope,
            tier: None,
            installation: request.instance.as_deref(),
            address: self.visitor.address,
            occasion: &|| Ok(device.id.to_vec()),
        };
        if let Some(refused) = decision::decide_sign_in(self.authority.core, &mut draft.change, &completed).await? {
            moved.state.ended = Some(Ended::Refused { code: refused.code.to_owned(), hint: refused.hint.to_owned(), no: None });
            return Ok(Some(self.deny(moved, &mut draft.change, device)));
        }
        let is_near = here.is_near(device);
        let mut end = self.stay_signed_in(moved, &mut draft.change, &proven).await?;
        end.answered = Some(self.approve(draft, (&client, device), &proven, (is_near, until_ms))?);
        self.tell(moved, &mut draft.change)?;
        Ok(Some(end))
    }

    /// The grant below a session of its own, and the request's one answer. Answers the statement that conflicts if there was another.
    fn approve(
        &self,
        draft: &mut Draft,
        (client, device): (&Client, &DeviceAuthorization),
        proven: &Proven,
        (is_near, until_ms): (bool, i64),
    ) -> Result<usize> {
        let (core, request, change) = (self.authority.core, &device.asked.request, &mut draft.change);
        let now_ms = change.now_ms();
        if request.essential_acr && !request.acr_values.contains(&proven.satisfied.acr.clone().unwrap_or_default()) {
            let hint = "This way of signing in does not give what the device needs.";
            return Err(Refused::bad_request("unmet_authentication_requirements", hint).into());
        }
        let opened_from = OpenedFrom { user_agent: None, address: Some(device.asked.starter.address) };
        let session = sessions::open_apart(change, &authenticated(proven, opened_from), core.config.session.absolute.ms())?;
        let mut record = record_of((client, request), proven, now_ms);
        // Until then the device may come for its tokens.
        record.code_expires_ms = until_ms;
        let (number, _) = code::grant(core, change, &granting(core, (client, request), proven, &session, &record))?;
        let statement = change.len();
        let named = vec![Value::from(&device.id[..]), proven.account.as_str().into(), Value::from(&session[..]), i64::from(number).into()];
        let guarded = device.asked.block_keys(core, &proven.account).values();
        change.run(APPROVE, named.into_iter().chain([now_ms.into()]).chain(guarded).collect());
        let entry = about(Entry::ok("device_approved"), device, self.visitor.address).account(proven.account.as_str());
        let entry = entry.session(sessions::public_id(core, &session)).with("scope", request.scope.to_string());
        let face = if matches!(self.visitor.face, Face::Browser) { "browser" } else { "app" };
        change.audit(entry.with("same_network", is_near).with("face", face));
        Ok(statement)
    }

    fn deny(&self, moved: &Moved, change: &mut Change, device: &DeviceAuthorization) -> End {
        let account = moved.state.subject.as_ref().map(|subject| subject.account.as_str()).unwrap_or_default();
        let no = if moved.action == "not_mine" { No::NotMine } else { No::Denied };
        let answered = deny(self.authority.core, change, device, (account, no), self.visitor.address);
        End { answered: Some(answered), ..End::default() }
    }

    /// The browser stays signed in, as after any sign-in.
    pub(super) async fn remember_browser(&self, moved: &mut Moved, change: &mut Change, proven: &Proven) -> Result<End> {
        let unchanged = self.session.filter(|session| session.account == proven.account && session.proofs == proven.proofs);
        if let Some(session) = unchanged {
            moved.state.ended = Some(Ended::SignedIn { session: session.id, account: proven.account.clone(), opened: false });
            return Ok(End::default());
        }
        self.sign_in(moved, change, proven).await
    }

    /// The person hears of it, and how to end it.
    fn tell(&self, moved: &Moved, change: &mut Change) -> Result<()> {
        let (core, Some(account)) = (self.authority.core, moved.account()) else { return Ok(()) };
        let notice = mail::Notice { template: "device_approved", locale: self.visitor.locale, user_agent: None, link: None };
        Ok(notices::tell(change, (&core.config, &core.keyring), account, notice)?)
    }
}
