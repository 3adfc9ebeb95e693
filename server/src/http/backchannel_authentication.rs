//! POST /backchannel_authentication. CIBA Core 7: a client asks a person who is elsewhere, and gets a handle to come with.

use super::reply::{self, Reply};
use crate::app::App;
use crate::authorization::backchannel;
use crate::caller::Caller;
use crate::error::{Refused, Result};
use crate::limits::Limits;
use crate::web::request::Incoming;
use serde_json::json;
use symbolon_oauth::backchannel::GRANT_TYPE;
use symbolon_oauth::device_authorization::INTERVAL_S;

pub async fn start(app: &App, incoming: &Incoming, caller: &Caller) -> Result<Reply> {
    caller.must_allow(GRANT_TYPE)?;
    // One client that floods leaves room for every other.
    if app.limits.backchannels_of_client.check_key(&Limits::bucket(&["backchannel", &caller.client_id])).is_err() {
        return Err(Refused::new(429, "temporarily_unavailable", "Too many requests of this client; wait.").retry_after(10).into());
    }
    let authority = app.authority();
    let checked = backchannel::check(&authority, caller, &incoming.form).await?;
    let started = backchannel::start(&authority, app.machine.hashers(), caller, checked).await?;
    let mut body = json!({ "auth_req_id": started.auth_req_id, "expires_in": started.expires_in_s, "interval": INTERVAL_S });
    if let Some(number) = started.number {
        body["matching_number"] = number.into();
    }
    Ok(reply::json(200, &body))
}
