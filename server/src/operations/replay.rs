//! What the exported audit says, carried out again on a restored store: ends and refreshes. Everything is planned from the file and
//! the copy before the first write. An entry that the copy's own audit has is in the copy already and is left out.

mod ends;
mod lost;
mod refreshes;

use super::actor::Actor;
use super::context::Context;
use super::problem::{Problem, Result};
use crate::audit::{Cursor, Filter};
use crate::sessions;
use crate::store::{Change, Value};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

const OPEN: &str = "SELECT id FROM session WHERE state = 'active' AND id > $1 ORDER BY id LIMIT 1000";
const NEWEST: [&str; 2] =
    ["SELECT id FROM audit_security ORDER BY id DESC LIMIT 1", "SELECT id FROM audit_routine ORDER BY id DESC LIMIT 1"];
/// Clocks of nodes differ by less.
const MOST_AHEAD_MS: i64 = 3_600_000;
/// Nobody mends more lines at a time.
const MOST_NAMED: usize = 5;

/// What will be written, and what can only be said.
pub struct Plan {
    pub changes: Vec<Change>,
    pub ended_again: usize,
    pub advanced: usize,
    pub lost: Vec<String>,
    pub copy_until_ms: Option<i64>,
    pub audit_from_ms: i64,
    pub audit_until_ms: i64,
}

/// The restored store as it was found.
struct Copy {
    /// Open sessions by the name that the audit gives them.
    sessions: BTreeMap<String, [u8; 16]>,
    /// The entries of the copy's own audit, in the time of the file.
    entries: BTreeSet<String>,
    until_ms: Option<i64>,
}

/// The entries of a file in the order of their times, or every reason why it is no audit.
pub fn parse(text: &str, now_ms: i64) -> Result<Vec<Json>> {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match parse_entry(line, now_ms) {
            Ok(entry) => entries.push(entry),
            Err(why) => problems.push(format!("line {}: not an audit entry: {why}", at + 1)),
        }
    }
    if !problems.is_empty() {
        let more = problems.len().saturating_sub(MOST_NAMED);
        problems.truncate(MOST_NAMED);
        let more = if more > 0 { format!("\nand {more} more lines") } else { String::new() };
        return Err(Problem::invalid(format!("{}{more}\nNothing was done.", problems.join("\n"))));
    }
    if entries.is_empty() {
        return Err(Problem::invalid("the file has no audit entry; nothing was done. Without an audit, leave --audit out"));
    }
    entries.sort_by_key(at_ms);
    Ok(entries)
}

fn parse_entry(line: &str, now_ms: i64) -> std::result::Result<Json, String> {
    let entry: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
    if !entry["event"].as_str().is_some_and(is_name) {
        return Err("it has no `event`".to_owned());
    }
    if !["ok", "refused", "failed"].iter().any(|outcome| entry["outcome"] == **outcome) {
        return Err("its `outcome` is none of ok, refused and failed".to_owned());
    }
    for name in ["account", "client", "session", "instance", "reason"] {
        if entry.get(name).is_some_and(|value| !value.is_string()) {
            return Err(format!("its `{name}` is no text"));
        }
    }
    match entry["at"].as_i64() {
        Some(at) if at > 0 && at <= now_ms + MOST_AHEAD_MS => Ok(entry),
        Some(_) => Err("its `at` is no instant until now, in milliseconds".to_owned()),
        None => Err("its `at` is no number of milliseconds".to_owned()),
    }
}

fn at_ms(entry: &Json) -> i64 {
    entry["at"].as_i64().unwrap_or_default()
}

/// `entries` are in the order of their times, and there is one.
pub async fn plan(context: &Context, actor: &Actor, entries: &[Json]) -> Result<Plan> {
    let (from_ms, until_ms) = (entries.first().map_or(0, at_ms), entries.last().map_or(0, at_ms));
    let copy = read_copy(context, from_ms).await?;
    let forgotten: Vec<&Json> = entries.iter().filter(|it| !copy.entries.contains(&it.to_string())).collect();
    let mut plan = Plan {
        changes: Vec::new(),
        ended_again: 0,
        advanced: 0,
        lost: Vec::new(),
        copy_until_ms: copy.until_ms,
        audit_from_ms: from_ms,
        audit_until_ms: until_ms,
    };
    let mut lost = BTreeSet::new();
    // Refreshes first: what ended after them ends.
    plan.advanced = refreshes::add(context, actor, (&copy, &forgotten), (&mut plan.changes, &mut lost)).await?;
    for entry in forgotten.iter().filter(|it| it["outcome"] != "failed") {
        let mut change = context.change(actor);
        ends::add(&mut change, entry, &copy);
        if !change.is_empty() {
            change.audit(actor.entry("ended_again").with("was", entry["event"].clone()).with("at", entry["at"].clone()));
            plan.changes.push(change);
            plan.ended_again += 1;
        }
    }
    lost.extend(lost::name(context, &forgotten).await?);
    plan.lost = lost.into_iter().collect();
    Ok(plan)
}

async fn read_copy(context: &Context, from_ms: i64) -> Result<Copy> {
    let (mut cursor, mut entries) = (Cursor::at(from_ms), BTreeSet::new());
    loop {
        let (page, more) = cursor.next(&context.store, &Filter::default(), None).await?;
        entries.extend(page.into_iter().map(|(_, body)| body.to_string()));
        if !more {
            break;
        }
    }
    let mut until_ms = None;
    for sql in NEWEST {
        if let Some(row) = context.store.one(sql, &[]).await? {
            let id = row.bytes(0)?;
            let ms = id.iter().take(6).fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
            until_ms = until_ms.max(Some(ms));
        }
    }
    Ok(Copy { sessions: read_open_sessions(context).await?, entries, until_ms })
}

async fn read_open_sessions(context: &Context) -> Result<BTreeMap<String, [u8; 16]>> {
    let (mut names, mut after) = (BTreeMap::new(), Vec::new());
    loop {
        let rows = context.store.all(OPEN, &[Value::from(after)]).await?;
        for row in &rows {
            let id: [u8; 16] = row.bytes(0)?.try_into().map_err(|_| Problem::fault("a session id has 16 bytes"))?;
            names.insert(sessions::public_name(&context.keyring, &id), id);
        }
        match rows.last() {
            Some(row) => after = row.bytes(0)?.to_vec(),
            None => return Ok(names),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_an_audit_is_read() {
        let now_ms = 1_769_860_800_000;
        let good = "{\"at\":1769860700000,\"event\":\"signed_out\",\"outcome\":\"ok\"}";
        assert_eq!(parse(&format!("\u{feff}{good}\r\n\n{good}\n"), now_ms).unwrap().len(), 2);
        for (bad, says) in [
            (String::new(), "no audit entry"),
            ("\n \n".to_owned(), "no audit entry"),
            ("[]".to_owned(), "line 1"),
            ("7".to_owned(), "line 1"),
            (format!("{good}\n{{}}"), "line 2: not an audit entry: it has no `event`"),
            (good.replace("signed_out", ""), "no `event`"),
            (good.replace("\"signed_out\"", "null"), "no `event`"),
            (good.replace("\"ok\"", "\"fine\""), "`outcome`"),
            (good.replace("1769860700000", "\"1769860700000\""), "no number"),
            (good.replace("1769860700000", "1769860700"), ""),
            (good.replace("1769860700000", "1769864401000"), "no instant until now"),
            (good.replace("1769860700000", "0"), "no instant until now"),
            (good.replace("\"outcome\"", "\"account\":7,\"outcome\""), "`account` is no text"),
        ] {
            let read = parse(&bad, now_ms).map_err(|problem| problem.message);
            match says {
                "" => assert!(read.is_ok(), "an old instant is one: {bad}"),
                says => assert!(read.as_ref().is_err_and(|it| it.contains(says)), "{bad}: {read:?}"),
            }
        }
    }

    #[test]
    fn entries_are_read_in_the_order_of_their_times() {
        let entry = |at: i64| format!("{{\"at\":{at},\"event\":\"signed_out\",\"outcome\":\"ok\"}}\n");
        let read = parse(&(entry(30) + &entry(10) + &entry(20)), 100).unwrap();
        assert_eq!(read.iter().map(at_ms).collect::<Vec<_>>(), [10, 20, 30]);
    }
}
