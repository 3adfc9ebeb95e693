//! POST /device_authorization. RFC 8628 3.1, 3.2: a device without a browser begins, and gets a code to show.

use super::reply::{self, Reply};
use crate::app::App;
use crate::audit::Entry;
use crate::authorization::device::{self, Started};
use crate::caller::Caller;
use crate::error::{Fault, Refused, Result};
use crate::limits::Limits;
use crate::store::{Change, NotApplied};
use crate::web::request::Incoming;
use serde_json::json;
use symbolon_oauth::device_authorization::{GRANT_TYPE, INTERVAL_S};

/// Two live requests with one user code are one in 25 billion: another is made then.
const TRIES: usize = 3;

pub async fn start(app: &App, incoming: &Incoming, caller: &Caller) -> Result<Reply> {
    caller.must_allow(GRANT_TYPE)?;
    must_be_slow(app, incoming, &caller.client_id)?;
    let asked = device::check(&app.authority(), caller, &incoming.form)?;
    for _ in 0..TRIES {
        let mut change = Change::new(incoming.now_ms);
        // What the caller spends comes first, as in every change.
        let burnt = caller.burn(&mut change);
        let started = device::start(&app.authority(), &mut change, caller, asked.clone())?;
        if caller.is_proved() {
            let mut entry = Entry::ok("device_requested").client(caller.client_id.as_str()).address(incoming.address.to_string());
            entry.security = false;
            entry.instance = caller.instance.as_ref().map(|instance| instance.jkt.clone());
            change.audit(entry.with("scope", asked.scope.to_string()));
        }
        match app.store.apply(change).await {
            Ok(_) => return Ok(answer(app, &started)),
            Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => return Err(burnt.refused(at)),
            Err(NotApplied::Conflict(at)) if at == started.statement => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Fault::new("three user codes in a row were taken").into())
}

/// A flood through one client, or from one network, leaves room for everybody else.
fn must_be_slow(app: &App, incoming: &Incoming, client_id: &str) -> Result<()> {
    let limits = &app.limits;
    let from_here = limits.devices.check_key(&Limits::bucket(&["device", client_id, &Limits::line(incoming.address)]));
    if from_here.and_then(|()| limits.devices_of_client.check_key(&Limits::bucket(&["devices", client_id]))).is_ok() {
        return Ok(());
    }
    let hint = "Too many devices start from here; wait before the next.";
    Err(Refused::new(429, "temporarily_unavailable", hint).retry_after(10).into())
}

fn answer(app: &App, started: &Started) -> Reply {
    let page = app.url("/device");
    let body = json!({
        "device_code": started.device_code,
        "user_code": started.user_code.to_string(),
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?ref={}", started.reference),
        "expires_in": started.expires_in_s,
        "interval": INTERVAL_S,
    });
    reply::json(200, &body)
}
