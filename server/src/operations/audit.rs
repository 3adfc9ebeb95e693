//! The audit, read page by page: backwards from the newest entry, or forwards as a follower does.

use super::context::Context;
use super::find_client;
use super::operation::{AuditFilter, AuditOperation, Instant};
use super::outcome::{AuditEntries, Outcome};
use super::paging::MOST;
use super::problem::{Problem, Result};
use crate::audit::{self, Cursor, Filter, events};
use crate::store::tables::instance::IS_KEY_KNOWN;
use symbolon_oauth::base64url;

impl Instant {
    fn ms(self, now_ms: i64) -> i64 {
        match self {
            Self::AtMs(at_ms) => at_ms,
            Self::AgoMs(ago_ms) => now_ms.saturating_sub(ago_ms),
        }
    }
}

pub(super) async fn run(context: &Context, operation: AuditOperation) -> Result<Outcome> {
    let entries = match operation {
        AuditOperation::Newest { filter, limit, before, settled } => {
            let page = Newest { limit, before, settled };
            let is_first = page.before.is_none();
            let filter = filter.check(context, is_first).await?;
            let found = newest(context, filter.clone(), &page).await?;
            if found.entries.is_empty() && is_first && page.limit > 0 {
                must_name_something(context, &filter).await?;
            }
            found
        }
        AuditOperation::Following { filter, after, settled } => {
            let is_first = after.is_none();
            let filter = filter.check(context, is_first).await?;
            let found = following(context, &filter, after.as_deref(), settled).await?;
            if found.entries.is_empty() && is_first {
                must_name_something(context, &filter).await?;
            }
            found
        }
    };
    Ok(Outcome::AuditEntries(entries))
}

const OUTCOMES: [&str; 3] = ["ok", "refused", "failed"];

impl AuditFilter {
    /// `is_first`: of the first page. The pages behind it name what it named.
    async fn check(self, context: &Context, is_first: bool) -> Result<Filter> {
        if let Some(event) = self.event.as_ref().filter(|it| !events::is_known(it)) {
            let near = events::nearest(event).map_or_else(|| ".".to_owned(), |it| format!("; did you mean {it}?"));
            return Err(Problem::invalid(format!("--event {event}: there is no such event{near} docs/audit.md has them all")));
        }
        if let Some(outcome) = self.outcome.as_ref().filter(|it| !OUTCOMES.contains(&it.as_str())) {
            return Err(Problem::invalid(format!("--outcome {outcome}: write one of {}", OUTCOMES.join(", "))));
        }
        Ok(Filter {
            since_ms: self.since.map(|it| it.ms(context.now_ms)),
            until_ms: self.until.map(|it| it.ms(context.now_ms)),
            event: self.event,
            outcome: self.outcome,
            account: match self.account {
                Some(name) => Some(find_account(context, name, is_first).await?),
                None => None,
            },
            client: self.client_id,
            instance: self.instance,
        })
    }
}

/// A `sub`, or a name with which somebody signs in. The audit also knows the `sub` of people who are gone.
async fn find_account(context: &Context, name: String, is_first: bool) -> Result<String> {
    let accounts = context.accounts();
    let found = match accounts.by_typed_name(&name).await? {
        None => accounts.by_id(&name).await?,
        found => found,
    };
    match found {
        Some(found) => Ok(found.id),
        None if !is_first || has_entry(context, Filter { account: Some(name.clone()), ..Filter::default() }).await? => Ok(name),
        None => Err(Problem::not_found(format!("--account {name}: nobody signs in as {name}, and it is no sub"))),
    }
}

async fn has_entry(context: &Context, filter: Filter) -> Result<bool> {
    Ok(!audit::list(&context.store, &filter, 1).await?.is_empty())
}

/// Where no entry was found, the filter may name something that never was. Then the operator is told.
async fn must_name_something(context: &Context, filter: &Filter) -> Result<()> {
    if let Some(client_id) = &filter.client
        && find_client::find(context, client_id).await?.is_none()
        && !has_entry(context, Filter { client: filter.client.clone(), ..Filter::default() }).await?
    {
        return Err(Problem::not_found(format!("--client {client_id}: there is no such client, and no entry about it")));
    }
    if let Some(jkt) = &filter.instance
        && context.store.one(IS_KEY_KNOWN, &[jkt.as_str().into()]).await?.is_none()
        && !has_entry(context, Filter { instance: filter.instance.clone(), ..Filter::default() }).await?
    {
        return Err(Problem::not_found(format!("--instance {jkt}: there is no such installation, and no entry about it")));
    }
    Ok(())
}

struct Newest {
    limit: u32,
    before: Option<String>,
    settled: bool,
}

async fn newest(context: &Context, filter: Filter, page: &Newest) -> Result<AuditEntries> {
    if page.limit > MOST {
        return Err(Problem::invalid(format!("limit: at most {MOST}")));
    }
    let before = match &page.before {
        None => vec![0xff; 16],
        Some(text) => base64url::decode(text).filter(|it| it.len() == 16).ok_or_else(odd_cursor)?,
    };
    let settled_ms = if page.settled { Some(context.store.settled_before(context.now_ms).await?) } else { None };
    let until_ms = [filter.until_ms, settled_ms].into_iter().flatten().min();
    let filter = Filter { until_ms, ..filter };
    let limit = page.limit as usize;
    // One more than was asked for tells whether there are more.
    let mut found = audit::list_before(&context.store, &filter, &before, limit + 1).await?;
    let more = found.len() > limit;
    found.drain(..usize::from(more));
    let oldest = found.first().map(|(id, _)| base64url::encode(id));
    Ok(AuditEntries {
        entries: found.into_iter().map(|(_, body)| body).collect(),
        next: oldest.filter(|_| more),
        more,
        end: settled_ms.map(|it| Cursor::at(it).to_text()),
    })
}

async fn following(context: &Context, filter: &Filter, after: Option<&str>, settled: bool) -> Result<AuditEntries> {
    let mut cursor = match after {
        None => Cursor::at(filter.since_ms.unwrap_or(0)),
        Some(text) => Cursor::parse(text).ok_or_else(odd_cursor)?,
    };
    let settled_ms = if settled { Some(context.store.settled_before(context.now_ms).await?) } else { None };
    let before_ms = [filter.until_ms, settled_ms].into_iter().flatten().min();
    let (found, more) = cursor.next(&context.store, filter, before_ms).await?;
    let entries = found.into_iter().map(|(_, body)| body).collect();
    Ok(AuditEntries { entries, next: Some(cursor.to_text()), more, end: None })
}

fn odd_cursor() -> Problem {
    Problem::invalid("before, after: give the `next` of the page before")
}
