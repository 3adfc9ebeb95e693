//! Lists: page by page from the server, line by line to the screen, so that neither holds a whole table.

use super::desk::Desk;
use super::screen::{Screen, Stop, unexpected};
use crate::operations::{Operation, Outcome, Paging, Problem};
use serde::Serialize;

/// Which part of a list is printed.
#[derive(clap::Args)]
pub struct ListArgs {
    /// Begin behind this line: the `next` of a page before.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    after: Option<String>,
    /// At most this many lines; without it every one.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// One list: how it is asked for and how it is printed.
pub struct List<T> {
    /// Of the JSON document: the outcome and its member with the lines.
    pub member: &'static str,
    /// The line above the lines.
    pub head: String,
    pub rows: fn(Outcome) -> Option<(Vec<T>, Option<String>)>,
    pub line: fn(&T) -> String,
}

/// Lines that are asked for at a time.
const PAGE: u32 = 500;

pub async fn print<T: Serialize>(
    desk: &mut Desk,
    screen: &Screen,
    args: &ListArgs,
    list: &List<T>,
    operation: impl Fn(Paging) -> Operation,
) -> Result<u8, Stop> {
    let (mut after, mut left, mut printed) = (args.after.clone(), args.limit, None);
    let next = loop {
        let limit = Some(left.map_or(PAGE, |it| it.min(PAGE)));
        let outcome = desk.ask(operation(Paging { after, limit })).await?;
        let (rows, next) = (list.rows)(outcome).ok_or_else(unexpected)?;
        if printed.is_none() {
            begin(screen, list)?;
        }
        let before = printed.unwrap_or(0);
        for (at, row) in rows.iter().enumerate() {
            print_row(screen, list, row, before + at == 0)?;
        }
        printed = Some(before + rows.len());
        left = left.map(|it| it.saturating_sub(u32::try_from(rows.len()).unwrap_or(PAGE)));
        if next.is_none() || left == Some(0) {
            break next;
        }
        after = next;
    };
    if screen.is_json() {
        let next = serde_json::to_string(&next).map_err(|it| Problem::fault(it.to_string()))?;
        screen.line(format!("\n],\"next\":{next}}}"))?;
    } else if let Some(next) = next {
        screen.remark(&format!("There are more: --after {next}"));
    }
    Ok(0)
}

fn begin<T>(screen: &Screen, list: &List<T>) -> Result<(), Stop> {
    if screen.is_json() {
        return screen.text(&format!("{{\"outcome\":\"{0}\",\"{0}\":[", list.member));
    }
    screen.line(&list.head)
}

fn print_row<T: Serialize>(screen: &Screen, list: &List<T>, row: &T, is_first: bool) -> Result<(), Stop> {
    if !screen.is_json() {
        return screen.row(&(list.line)(row));
    }
    let text = serde_json::to_string(row).map_err(|it| Problem::fault(it.to_string()))?;
    screen.text(&format!("{}  {text}", if is_first { "\n" } else { ",\n" }))
}
