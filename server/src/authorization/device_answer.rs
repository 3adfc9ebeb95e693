//! A person answers the request of a device. RFC 8628 3.3, 5.4; RFC 10027 for what the person must see. It happens in a browser, or in an app
//! that may answer (`approves`), by the same steps as any sign-in. What is granted hangs below a session of its own.

use super::Authority;
use super::complete::{Completing, Granted, Judgement, Reaching, complete, judge, not_gone_on, refused_end};
use super::consent::{self, Assured};
use super::device::{ApprovalState, CameBy, DeviceAuthorization, DeviceRow, by_id, client_of, is_over};
use super::not_mine::{self, No};
use super::signed_in::{Answerer, End, remember_browser, stay_signed_in, tell_of_approval};
use crate::audit::Entry;
use crate::config::{Client, DeviceNetwork};
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::limits::Limits;
use crate::login::flow::Moved;
use crate::login::matching::FIELD;
use crate::login::state::{Ended, Question, SaidNo};
use crate::login::step::{ActionKind, FieldKind, Problem, Step, Text};
use crate::sessions::OpenedFrom;
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

/// Who answers, and from where.
#[derive(Clone, Copy)]
pub struct AnsweredBy<'a> {
    pub account: &'a str,
    pub address: Option<IpAddr>,
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
pub fn deny(core: &Core, change: &mut Change, device: &DeviceAuthorization, by: AnsweredBy<'_>, no: No) -> usize {
    let AnsweredBy { account, address } = by;
    let answered = close(change, device, account);
    if no == No::NotMine {
        device.asked.block_keys(core, account).block(change);
    }
    let entry = about(Entry::refused("device_denied", no.why()), device, address).account(account);
    change.audit(entry.with("not_mine", no == No::NotMine));
    answered
}

/// The same where the person has not said no: what they proved is not enough, or a rule of the operator's says no. The device is told
/// `access_denied` at its next poll, for RFC 8628 3.5 has no better word. `error` of the entry says more.
fn refuse(change: &mut Change, device: &DeviceAuthorization, by: AnsweredBy<'_>, refused: &Refused) -> usize {
    let AnsweredBy { account, address } = by;
    let answered = close(change, device, account);
    let entry = about(Entry::refused("authorization_refused", refused.reason()), device, address).account(account);
    change.audit(entry.with("error", refused.code));
    answered
}

fn close(change: &mut Change, device: &DeviceAuthorization, account: &str) -> usize {
    let (answered, now_ms) = (change.len(), change.now_ms());
    change.run(DENY, vec![Value::from(&device.id[..]), account.into(), now_ms.into()]);
    answered
}

/// The request's one answer. Answers the statement that conflicts if there was another, or while the starter is blocked.
fn approve(core: &Core, change: &mut Change, device: &DeviceAuthorization, (account, granted): (&str, &Granted)) -> usize {
    let (answered, now_ms) = (change.len(), change.now_ms());
    let named = vec![Value::from(&device.id[..]), account.into(), Value::from(&granted.session[..]), i64::from(granted.number).into()];
    let guarded = device.asked.block_keys(core, account).values();
    change.run(APPROVE, named.into_iter().chain([now_ms.into()]).chain(guarded).collect());
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

/// A person is proved, or has said no.
pub(super) async fn settle(
    answerer: &Answerer<'_>,
    moved: &mut Moved,
    change: &mut Change,
    device: &DeviceAuthorization,
) -> Result<Option<End>> {
    let Some(proven) = moved.proven.clone() else { return Ok(settle_refusal(answerer, moved, change, device)) };
    let (core, visitor, request) = (answerer.authority.core, answerer.visitor, &device.asked.request);
    let stored = by_id(core, &device.id).await?;
    match verdict(stored.as_ref(), &proven.account, visitor.now_ms) {
        DeviceVerdict::Open => {}
        // A page may be sent twice by its own person. An app reads a request anew before it answers.
        DeviceVerdict::Done if answerer.is_in_browser() => {
            return remember_browser(answerer, moved, change, &proven).await.map(Some);
        }
        DeviceVerdict::Done => return Err(is_over().because("another answer was first").into()),
        DeviceVerdict::Over(why) => return Err(is_over().because(why).into()),
    }
    let client = client_of(&answerer.authority, request).await?;
    let here = Whereabouts { address: visitor.address, country: visitor.country };
    let is_blocked = device.asked.block_keys(core, &proven.account).are_blocked(core, visitor.now_ms).await?;
    let (approvable, in_app) = (must_be_approvable(&client, device, (here, is_blocked)), !answerer.is_in_browser());
    let may_approve = approvable.is_ok();
    if in_app {
        approvable?;
    }
    let until_ms = stored.map_or(0, |stored| stored.expires_ms + REDEEMABLE_MS);
    let face = if in_app { "app" } else { "browser" };
    let completing = Completing {
        client: &client,
        request,
        proven: &proven,
        assured: if device.asked.starter.is_proved { Assured::ClientAuthentication } else { Assured::Nothing },
        address: visitor.address,
        opened_from: OpenedFrom { user_agent: None, address: Some(device.asked.starter.address) },
        reaching: Reaching::Waiting { id: device.id, until_ms, has_agreed: proven.consented, in_app },
        entry: about(Entry::ok("device_approved"), device, visitor.address).with("same_network", here.is_near(device)).with("face", face),
    };
    // What cannot be approved from here is only shown, however well the person is proved. They may still say that they did not start it.
    let judged = if may_approve { judge(&answerer.authority, change, &completing).await? } else { Judgement::Consent };
    let grantable = match judged {
        Judgement::Grant(grantable) => grantable,
        Judgement::Consent => {
            let person = moved.account().and_then(|account| account.any_email.as_deref());
            let step = step(&answerer.authority, &client, device, Viewer { person, here, is_blocked });
            let secret = match device.came_by {
                CameBy::CompleteUri => device.asked.last_group.as_secret()?,
                CameBy::UserCode(_) => Json::Null,
            };
            moved.ask_to_agree(step, device.id, secret);
            return Ok(None);
        }
        Judgement::Refused(refused) => {
            moved.state.end(refused_end(&refused));
            let by = AnsweredBy { account: &proven.account, address: visitor.address };
            return Ok(Some(End::of_answer(refuse(change, device, by, &refused))));
        }
        Judgement::SentBack => return Err(Fault::new("what a device asks goes back to no app").into()),
    };
    let mut end = stay_signed_in(answerer, moved, change, &proven).await?;
    let granted = complete(&answerer.authority, change, &completing, grantable)?;
    end.answered = Some(approve(core, change, device, (&proven.account, &granted)));
    tell_of_approval(answerer, moved, change, "device_approved")?;
    Ok(Some(end))
}

/// Whoever is nobody yet has only left the page. So has whoever proves nothing anew and leaves before the question.
fn settle_refusal(answerer: &Answerer<'_>, moved: &Moved, change: &mut Change, device: &DeviceAuthorization) -> Option<End> {
    let ended = moved.state.ended()?;
    let (Some(subject), Ended::Refused { no, .. }) = (&moved.state.subject, ended) else { return Some(End::default()) };
    let core = answerer.authority.core;
    let by = AnsweredBy { account: &subject.account, address: answerer.visitor.address };
    let is_of_question = moved.asked_before() == Some(&Question::Consent);
    let answered = match no {
        // What the browser knew from before ends nothing.
        None | Some(SaidNo::Cancelled) if !is_of_question && !moved.state.shows_anything() => return Some(End::default()),
        // The page said what does not count yet, and the person went.
        None => refuse(change, device, by, &not_gone_on(None)),
        Some(_) => {
            let no = if moved.action == "not_mine" { No::NotMine } else { No::Denied };
            deny(core, change, device, by, no)
        }
    };
    Some(End::of_answer(answered))
}
