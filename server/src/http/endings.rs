//! POST /endings: what ended before its time, for an API that checks tokens itself. The request waits until there is news, and
//! is asked again at once; `after` says what is known already. Our own protocol; `symbolon-resource` speaks it.

use super::Incoming;
use super::reply::{self, Reply};
use crate::app::App;
use crate::caller;
use crate::endings;
use crate::error::{Refused, Result};
use serde_json::json;

pub async fn endings(app: &App, incoming: &Incoming) -> Result<Reply> {
    let name = caller::api(app, incoming).await?;
    let hint = "Only an API may ask what has ended: send its name and introspection secret by HTTP Basic.";
    let name = name.ok_or_else(|| Refused::new(401, "invalid_client", hint))?;
    let audience = app.config.api.get(&name).map(|it| it.audience.clone()).unwrap_or_default();
    let wrong = || Refused::bad_request("invalid_request", "after is a whole number of milliseconds, as `next` of the answer before.");
    let after_ms = match incoming.form.get("after") {
        None => 0,
        Some(it) => it.parse::<i64>().ok().filter(|it| *it >= 0).ok_or_else(wrong)?,
    };
    let mut closing = app.endings.closing();
    let until = tokio::time::Instant::now() + endings::WAIT;
    loop {
        let (ended, next) = endings::since(app, &audience, after_ms, app.now_ms()).await?;
        let over = *closing.borrow_and_update() || tokio::time::Instant::now() >= until;
        // The first answer comes at once, so that an API knows that it follows.
        if !ended.is_empty() || over || after_ms == 0 {
            let keep_s = endings::horizon_ms(app) / 1000;
            return Ok(reply::json(200, &json!({ "ended": ended, "next": next.max(1), "keep": keep_s })));
        }
        tokio::select! {
            _ = closing.changed() => {}
            () = tokio::time::sleep(endings::PAUSE) => {}
        }
    }
}
