//! `symbolon user move-links`: people got other subjects at a provider. Run again, it goes on where it stopped.

use super::desk::Desk;
use super::screen::{Screen, Stop};
use super::text::read_file;
use crate::operations::{LinksMoved, MovedSubject, Operation, Outcome, Problem, UserOperation};
use std::path::PathBuf;

const BATCH: usize = 200;

#[derive(clap::Args)]
pub struct MoveLinks {
    /// The name of [upstream.NAME].
    provider: String,
    /// In each line a JSON object with `from`, and with `to` or `transfer_sub`.
    file: PathBuf,
    /// Say what would happen, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// 0: every line is done or was done before; 1: some are not.
pub async fn run(desk: &mut Desk, screen: &Screen, args: &MoveLinks) -> Result<u8, Stop> {
    let text = read_file(&args.file)?;
    let read = |(at, line): (usize, &str)| {
        serde_json::from_str::<MovedSubject>(line).map_err(|why| Problem::invalid(format!("line {}: {why}", at + 1)))
    };
    let lines = text.lines().enumerate().filter(|it| !it.1.trim().is_empty()).map(read).collect::<Result<Vec<_>, _>>()?;
    let mut all = LinksMoved { provider: args.provider.clone(), dry_run: args.dry_run, ..LinksMoved::default() };
    for batch in lines.chunks(BATCH) {
        let (provider, dry_run) = (args.provider.clone(), args.dry_run);
        let outcome = desk.ask(Operation::User(UserOperation::MoveLinks { provider, dry_run, lines: batch.to_vec() })).await?;
        let Outcome::LinksMoved(part) = outcome else { return Err(super::screen::unexpected()) };
        all.moved += part.moved;
        all.noted += part.noted;
        all.before += part.before;
        all.taken += part.taken;
        all.unknown += part.unknown;
        all.wrong += part.wrong;
    }
    let is_whole = all.taken + all.unknown + all.wrong == 0;
    screen.outcome(&Outcome::LinksMoved(all), |outcome| match outcome {
        Outcome::LinksMoved(moved) => words(moved),
        _ => Vec::new(),
    })?;
    Ok(u8::from(!is_whole))
}

fn words(moved: &LinksMoved) -> Vec<String> {
    let would = if moved.dry_run { "would " } else { "" };
    let said = [
        (moved.moved, format!("links {would}get another subject")),
        (moved.noted, format!("links {would}get another subject at the next sign-in")),
        (moved.before, "links had it before".to_owned()),
        (moved.taken, "lines name two accounts: look at them with `user show`".to_owned()),
        (moved.unknown, "lines name a subject that nobody is linked to".to_owned()),
        (moved.wrong, "lines do not have `from` and one of `to` and `transfer_sub`".to_owned()),
    ];
    let mut lines: Vec<String> = said.into_iter().filter(|it| it.0 > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if lines.is_empty() {
        lines.push("The file has no lines.".to_owned());
    }
    lines
}
