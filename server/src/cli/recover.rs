//! `symbolon recover`: after the store was restored from a copy.

use super::desk::Desk;
use super::screen::{Screen, Stop};
use super::text::{counted, read_file, shown};
use crate::operations::{Operation, Outcome, RecoverOperation, Recovered};
use std::path::Path;

pub async fn recover(desk: &mut Desk, screen: &Screen, audit: Option<&Path>, dry_run: bool) -> Result<u8, Stop> {
    let audit = audit.map(read_file).transpose()?;
    let outcome = desk.ask(Operation::Recover(RecoverOperation { audit, dry_run })).await?;
    screen.outcome(&outcome, |outcome| match outcome {
        Outcome::Recovered(done) => words(done),
        _ => Vec::new(),
    })?;
    Ok(0)
}

fn words(done: &Recovered) -> Vec<String> {
    let void = "every sign-in under way, code, request_uri and letter";
    let mut lines = vec![match done.dry_run {
        true => format!("Nothing was written. Epoch {} would void {void}.", done.epoch),
        false => format!("Epoch {}: {void} is void.", done.epoch),
    }];
    match &done.replayed {
        Some(replayed) => {
            let (from, until) = (shown(replayed.audit_from_ms), shown(replayed.audit_until_ms));
            let copy = replayed.copy_until_ms.map_or_else(|| "nothing".to_owned(), |it| format!("what happened until {}", shown(it)));
            lines.push(format!("The copy knows {copy}; the audit goes from {from} to {until}."));
            let (were, moved) = match (done.dry_run, replayed.ended_again) {
                (true, _) => ("would be", "would move"),
                (false, 1) => ("was", "moved"),
                (false, _) => ("were", "moved"),
            };
            let whose = if replayed.advanced == 1 { "its" } else { "their" };
            lines.push(format!("{} of the audit {were} carried out again.", counted(replayed.ended_again, "end")));
            lines.push(format!("{} {moved} on to {whose} newest refresh token.", counted(replayed.advanced, "grant")));
            lines.extend(replayed.lost.iter().map(|it| format!("  ! cannot be brought back: {it}")));
        }
        None => {
            lines.push("No audit was given: sessions, grants and accounts that ended after the copy are open again.".to_owned());
            lines.push(
                "Give what `symbolon audit --since TIME-OF-THE-COPY --all` printed before the loss, or what your log store kept of it."
                    .to_owned(),
            );
        }
    }
    lines
}
