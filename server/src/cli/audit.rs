//! `symbolon audit`: what happened, page by page, and as it happens.

use super::desk::Desk;
use super::screen::{Screen, Stop, unexpected};
use crate::config::Span;
use crate::operations::{AuditEntries, AuditFilter, AuditOperation, Instant, Operation, Outcome, Problem};
use serde_json::Value as Json;
use std::time::Duration;

#[derive(clap::Args)]
pub struct AuditQuery {
    /// Only entries of this event.
    #[arg(long)]
    event: Option<String>,
    /// Only entries about this person: a login name or a sub.
    #[arg(long, allow_hyphen_values = true)]
    account: Option<String>,
    /// Only entries about this client.
    #[arg(long, allow_hyphen_values = true)]
    client: Option<String>,
    /// Only entries about this installation's key.
    #[arg(long, allow_hyphen_values = true)]
    instance: Option<String>,
    /// ok, refused or failed.
    #[arg(long)]
    outcome: Option<String>,
    /// Only entries from this instant on: 2026-01-31T12:00:00Z, 2026-01-31 (UTC), milliseconds, or a time ago, such as 2h.
    #[arg(long)]
    since: Option<String>,
    /// Only entries before this instant.
    #[arg(long)]
    until: Option<String>,
    /// At most this many, the newest.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Every one, however many there are.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Go on printing entries as they happen.
    #[arg(long)]
    follow: bool,
}

/// Entries that are asked for at a time.
const PAGE: u32 = 500;
/// How long a follower waits where nothing new is.
const PAUSE: Duration = Duration::from_millis(500);

pub async fn audit(desk: &mut Desk, screen: &Screen, query: AuditQuery) -> Result<u8, Stop> {
    let filter = query.filter()?;
    if query.all {
        print_following(desk, screen, &filter, (None, query.follow)).await?;
        return Ok(0);
    }
    let end = print_newest(desk, screen, &filter, (query.limit, query.follow)).await?;
    if query.follow {
        print_following(desk, screen, &filter, (end, true)).await?;
    }
    Ok(0)
}

impl AuditQuery {
    fn filter(&self) -> Result<AuditFilter, Problem> {
        let instant = |text: &Option<String>| text.as_deref().map(parse_instant).transpose();
        Ok(AuditFilter {
            event: self.event.clone(),
            outcome: self.outcome.clone(),
            account: self.account.clone(),
            client_id: self.client.clone(),
            instance: self.instance.clone(),
            since: instant(&self.since)?,
            until: instant(&self.until)?,
        })
    }
}

/// An instant as RFC 3339 has it, or a time ago.
fn parse_instant(text: &str) -> Result<Instant, Problem> {
    if let Some(span) = Span::parse(text) {
        return Ok(Instant::AgoMs(span.ms()));
    }
    // The `at` of an entry, as it was printed.
    if let Some(ms) = text.parse().ok().filter(|ms| *ms >= LEAST_MS) {
        return Ok(Instant::AtMs(ms));
    }
    let in_utc = || jiff::tz::TimeZone::UTC.to_timestamp(text.parse::<jiff::civil::DateTime>()?);
    let instant = text.parse::<jiff::Timestamp>().or_else(|_| in_utc());
    instant
        .map(|it| Instant::AtMs(it.as_millisecond()))
        .map_err(|_| Problem::invalid(format!("{text:?} is no instant; write 2026-01-31T12:00:00Z, or 2h for two hours ago")))
}

/// Of the year 2001; fewer digits are no milliseconds of today.
const LEAST_MS: i64 = 1_000_000_000_000;

async fn ask(desk: &mut Desk, operation: AuditOperation) -> Result<AuditEntries, Stop> {
    match desk.ask(Operation::Audit(operation)).await? {
        Outcome::AuditEntries(entries) => Ok(entries),
        _ => Err(unexpected()),
    }
}

/// The newest entries, read backwards and printed oldest first. Answers where a follower goes on.
async fn print_newest(
    desk: &mut Desk,
    screen: &Screen,
    filter: &AuditFilter,
    (most, follow): (usize, bool),
) -> Result<Option<String>, Stop> {
    let (mut pages, mut left, mut before, mut end, mut cut) = (Vec::<Vec<Json>>::new(), most, None, None, false);
    loop {
        let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
        let settled = follow && pages.is_empty();
        let page = ask(desk, AuditOperation::Newest { filter: filter.clone(), limit, before, settled }).await?;
        left = left.saturating_sub(page.entries.len());
        end = end.or(page.end);
        pages.push(page.entries);
        match page.next.filter(|_| left > 0) {
            Some(next) => before = Some(next),
            None => {
                cut |= page.more;
                break;
            }
        }
    }
    pages.iter().rev().flatten().try_for_each(|it| screen.json(it, false))?;
    if cut && most > 0 {
        screen.remark(&format!("These are the newest {most}; older ones were left out. --all prints every one, --limit N more."));
    }
    Ok(end)
}

/// From a place on, to the end or as entries happen.
async fn print_following(
    desk: &mut Desk,
    screen: &Screen,
    filter: &AuditFilter,
    (from, follow): (Option<String>, bool),
) -> Result<(), Stop> {
    let mut after = from;
    loop {
        let page = ask(desk, AuditOperation::Following { filter: filter.clone(), after, settled: follow }).await?;
        page.entries.iter().try_for_each(|it| screen.json(it, false))?;
        after = page.next;
        match (page.more, follow) {
            (true, _) => {}
            (false, true) => tokio::time::sleep(PAUSE).await,
            (false, false) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_several_ways() {
        for (text, ms) in [
            ("2026-01-31T12:00:00Z", 1_769_860_800_000),
            ("2026-01-31T13:00:00+01:00", 1_769_860_800_000),
            ("2026-01-31T12:00:00.250Z", 1_769_860_800_250),
            ("2026-01-31T12:00:00", 1_769_860_800_000),
            ("2026-01-31 12:00", 1_769_860_800_000),
            ("2026-01-31", 1_769_817_600_000),
            ("1769860800000", 1_769_860_800_000),
        ] {
            assert_eq!(parse_instant(text).map_err(|it| it.message), Ok(Instant::AtMs(ms)), "{text}");
        }
        assert_eq!(parse_instant("2h").map_err(|it| it.message), Ok(Instant::AgoMs(7_200_000)));
        for bad in ["", "yesterday", "1769860800", "2026-02-30", "2026-01-31T25:00:00Z", "-1769860800000"] {
            assert!(parse_instant(bad).is_err(), "{bad}");
        }
    }
}
