//! Means that were stopped after the copy was made. In the copy they still wait: they go again, and what they had replaced comes back.

use super::entries::at_ms;
use crate::login::waiting;
use crate::operations::context::Context;
use crate::operations::problem::Result;
use crate::store::Change;
use serde_json::Value as Json;

/// The means that this entry says was stopped.
pub fn means(entry: &Json) -> Option<&str> {
    match entry["event"].as_str()? {
        "enrolment_stopped" => entry["detail"]["means"].as_str(),
        "regain_stopped" | "regain_ended" | "regained" => Some("regain"),
        _ => None,
    }
}

/// Adds to `change` what stops it again.
pub async fn add(context: &Context, change: &mut Change, entry: &Json) -> Result<()> {
    let (Some(means), Some(id)) = (means(entry), entry["account"].as_str()) else { return Ok(()) };
    let Some(account) = context.accounts().by_id(id).await? else { return Ok(()) };
    if let Some(open) = waiting::find_of(&context.store, id, means, at_ms(entry)).await? {
        waiting::stop_again(change, &open, &account);
    }
    Ok(())
}
