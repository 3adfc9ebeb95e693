//! POST /endings: what ended before its time, for an API that checks tokens itself. The request waits until there is news, and
//! is asked again at once; `after` says what was heard already. `gap`: something cannot be told any more, and the API asks about
//! each token that was issued until now. Our own protocol; `symbolon-resource` speaks it.

use super::reply::{self, Reply};
use crate::app::App;
use crate::endings::{self, Position};
use crate::error::{Refused, Result};
use crate::web::request::Incoming;
use serde_json::json;

/// `name`: the API that asks.
pub async fn endings(app: &App, incoming: &Incoming, name: &str) -> Result<Reply> {
    let audience = app.config.api.get(name).map(|it| it.audience.clone()).unwrap_or_default();
    let wrong = || Refused::bad_request("invalid_request", "Send `next` of the previous answer as after, unchanged.");
    let after = match incoming.form.get("after") {
        None => Position::default(),
        Some(text) => Position::parse(text).ok_or_else(wrong)?,
    };
    let mut closing = app.endings.closing();
    let until = tokio::time::Instant::now() + endings::WAIT;
    loop {
        let news = app.endings.since(app, &audience, &after, app.now_ms()).await?;
        let over = *closing.borrow_and_update() || tokio::time::Instant::now() >= until;
        // The first answer comes at once, so that an API knows that it follows.
        if !news.ended.is_empty() || news.gap || news.first || over {
            let (next, keep_s) = (news.next.to_string(), endings::horizon_ms(&app.config) / 1000);
            return Ok(reply::json(200, &json!({ "ended": news.ended, "next": next, "keep": keep_s, "gap": news.gap })));
        }
        tokio::select! {
            _ = closing.changed() => {}
            () = tokio::time::sleep(endings::PAUSE) => {}
        }
    }
}
