//! POST /par. RFC 9126: the client pushes its request and gets a reference.

use super::reply::{self, Reply};
use crate::app::App;
use crate::audit;
use crate::authorization::binding::bind;
use crate::authorization::pushed;
use crate::authorization::request::{self, RequestProblem};
use crate::caller::Caller;
use crate::error::{Refused, Result};
use crate::limits::Limits;
use crate::store::{Change, NotApplied};
use crate::web::request::Incoming;

const BESIDE: [&str; 5] = ["client_id", "client_secret", "client_assertion", "client_assertion_type", "request"];

pub async fn par(app: &App, incoming: &Incoming, caller: &Caller) -> Result<Reply> {
    let form = &incoming.form;
    if form.contains("request_uri") {
        return Err(Refused::bad_request("invalid_request", "A pushed request may not contain request_uri.").into());
    }
    let bucket = Limits::bucket(&["par", &caller.client_id, &Limits::line(incoming.address)]);
    if app.limits.pushes.check_key(&bucket).is_err() {
        return Err(Refused::new(429, "temporarily_unavailable", "Too many pushed requests from here; wait.").retry_after(10).into());
    }
    // RFC 9126 3: beside a request object stands only what authenticates the client.
    if form.contains("request") && form.iter().any(|(name, _)| !BESIDE.contains(&name)) {
        let hint = "Beside a request object send only client_id and what authenticates the client; the rest belongs inside.";
        return Err(Refused::bad_request("invalid_request", hint).into());
    }
    let mut asked = request::check(&app.authority(), &caller.client_id, &caller.client, form).map_err(RequestProblem::into_error)?;
    bind(&mut asked, caller)?;
    let mut change = Change::new(incoming.now_ms);
    let pushed = pushed::push(&app.authority(), &mut change, &caller.client_id, &asked)?;
    app.stored.charge(caller.writer(), pushed.bytes)?;
    let burnt = caller.burn(&mut change);
    let object = request::burn_object(&mut change, &asked);
    if caller.is_proved() {
        let mut entry = audit::Entry::ok("request_pushed").client(caller.client_id.as_str()).address(incoming.address.to_string());
        entry.security = false;
        change.audit(entry);
    }
    match app.store.apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => return Err(burnt.refused(at)),
        Err(NotApplied::Conflict(at)) if object == Some(at) => return Err(request::used_object()),
        Err(other) => return Err(other.into()),
    }
    Ok(reply::json(201, &serde_json::json!({ "request_uri": pushed.request_uri, "expires_in": pushed::LIFETIME_S })))
}
