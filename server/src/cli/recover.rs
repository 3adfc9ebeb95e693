//! `symbolon recover`: after the store was restored from a copy.

use super::desk::Desk;
use super::screen::{Screen, Stop};
use super::text::read_file;
use crate::operations::{Operation, Outcome, RecoverOperation, Recovered};
use std::path::Path;

pub async fn recover(desk: &mut Desk, screen: &Screen, audit: Option<&Path>) -> Result<u8, Stop> {
    let audit = audit.map(read_file).transpose()?;
    let outcome = desk.ask(Operation::Recover(RecoverOperation { audit })).await?;
    screen.outcome(&outcome, |outcome| match outcome {
        Outcome::Recovered(done) => words(done),
        _ => Vec::new(),
    })?;
    Ok(0)
}

fn words(done: &Recovered) -> Vec<String> {
    let mut lines = vec![format!("Epoch {}: every sign-in under way, code, request_uri and letter is void.", done.epoch)];
    match &done.replayed {
        Some(replayed) => {
            lines.push(format!("{} ends of the audit were carried out again.", replayed.ended_again));
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
