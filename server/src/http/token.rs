//! POST /token. RFC 6749 3.2. Every grant takes the same road: who is calling, what do they ask for.

use crate::app::App;
use crate::caller::Caller;
use crate::error::{Refused, Result};
use crate::grants::{self, backchannel, client_credentials, code, device_code, exchange, provider_token, refresh};
use crate::http::reply::Reply;
use crate::web::request::Incoming;
use symbolon_oauth::backchannel as ciba;
use symbolon_oauth::device_authorization::GRANT_TYPE;
use symbolon_oauth::kiosk;

pub async fn token(app: &App, incoming: &Incoming, caller: &Caller) -> Result<Reply> {
    let form = &incoming.form;
    let grant_type =
        form.get("grant_type").ok_or_else(|| Refused::bad_request("invalid_request", "The grant_type parameter is missing."))?;
    match grant_type {
        "authorization_code" => {
            caller.must_allow(grant_type)?;
            code::redeem(app, caller, form).await
        }
        "refresh_token" => {
            caller.must_allow(grant_type)?;
            refresh::refresh(app, caller, incoming).await
        }
        "client_credentials" => {
            caller.must_allow(grant_type)?;
            client_credentials::issue(app, caller, form).await
        }
        GRANT_TYPE => {
            caller.must_allow(grant_type)?;
            device_code::redeem(app, caller, form).await
        }
        ciba::GRANT_TYPE => {
            caller.must_allow(grant_type)?;
            backchannel::redeem(app, caller, form).await
        }
        kiosk::GRANT_TYPE => {
            caller.must_allow(grant_type)?;
            grants::kiosk_confirm::redeem(app, caller, form).await
        }
        exchange::GRANT => {
            caller.must_allow(grant_type)?;
            match provider_token::named(form) {
                Some(_) => provider_token::give(app, app.machine.providers(), caller, form).await,
                None => exchange::exchange(app, caller, form).await,
            }
        }
        _ => {
            let hint = "There is no such grant_type here. The metadata lists them in grant_types_supported.";
            Err(Refused::bad_request("unsupported_grant_type", hint).into())
        }
    }
}
