//! `symbolon check`: the configuration as a security reviewer reads it.

use super::desk::Desk;
use super::preflight;
use super::provider_clocks;
use super::screen::{Screen, Stop};
use super::text::{counted, read_file};
use crate::operations::{Finding, Operation, Outcome, ProblemKind, Review, ReviewOperation, Section, Subject, review};

#[derive(clap::Args, Clone, Copy)]
pub struct CheckArgs {
    /// Fail on weak spots too, not only on mistakes.
    #[arg(long)]
    strict: bool,
    /// Open the store if no server runs, to see registered clients and the database. It brings the schema up to date.
    #[arg(long)]
    store: bool,
    /// Ask no provider for the time. Else the clocks of [upstream.NAME] are compared with the one here.
    #[arg(long)]
    offline: bool,
}

/// 0: nothing wrong; 1: `serve` would not start; 2: weak spots and `--strict`.
pub async fn check(desk: &mut Desk, screen: &Screen, arguments: CheckArgs) -> Result<u8, Stop> {
    let CheckArgs { strict, store, offline } = arguments;
    let server = match desk.find_server().await {
        // The file can be read without the server that is somebody else's.
        Err(problem) if problem.kind == ProblemKind::Forbidden && !store => false,
        found => found?,
    };
    preflight::run(&desk.config, desk.base(), server).await?;
    let mut outcome = if server || store {
        let configuration = read_file(&desk.file)?;
        desk.ask(Operation::Review(ReviewOperation { configuration })).await?
    } else {
        Outcome::Review(review::of_configuration(&desk.config, desk.base()))
    };
    if let Outcome::Review(review) = &mut outcome
        && !offline
    {
        provider_clocks::compare(&desk.config, review).await;
    }
    let on_trial = desk.config.development;
    screen.outcome(&outcome, |outcome| match outcome {
        Outcome::Review(review) => words(review, on_trial),
        _ => Vec::new(),
    })?;
    if matches!(&outcome, Outcome::Review(review) if !review.obstacles.is_empty()) {
        return Ok(1);
    }
    let weak = matches!(&outcome, Outcome::Review(review) if review.weak > 0);
    Ok(if weak && strict { 2 } else { 0 })
}

/// `on_trial`: the configuration is for development.
fn words(review: &Review, on_trial: bool) -> Vec<String> {
    let mut lines: Vec<String> = review.sections.iter().flat_map(section).collect();
    let mut end = Vec::new();
    if !review.store_seen {
        end.push(
            "No server answers here, so registered clients, nodes and the database were not checked. With --store they are.".to_owned(),
        );
    }
    if !review.obstacles.is_empty() {
        end.push("The server would not start with this file.".to_owned());
    }
    let trial = if on_trial { ". A trial on your own machine has some" } else { "" };
    end.push(match review.weak {
        0 => "No weak spots.".to_owned(),
        weak => format!("{}, marked with !{trial}", counted(weak, "weak spot")),
    });
    // A line break inside a line would be written out, as everything is that nobody sees.
    lines.extend(end.into_iter().flat_map(|line| [String::new(), line]));
    lines
}

fn section(section: &Section) -> Vec<String> {
    let name = &section.name;
    let head = match section.subject {
        Subject::Issuer => format!("Issuer {name}"),
        Subject::Api => format!("API {name} ({})", section.audience.as_deref().unwrap_or_default()),
        Subject::Client => {
            let registered = if section.registered { " (registered)" } else { "" };
            let disabled = if section.disabled { " (disabled)" } else { "" };
            format!("Client {name}{registered}{disabled}")
        }
        Subject::Login => format!("Login {name}"),
    };
    std::iter::once(head).chain(section.findings.iter().flat_map(finding)).collect()
}

fn finding(finding: &Finding) -> Vec<String> {
    let mark = if finding.weak { "  !" } else { "   " };
    let details = finding.details.iter().map(|it| format!("        {it}"));
    std::iter::once(format!("{mark} {}", finding.text)).chain(details).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The screen writes out what nobody sees, a line break too.
    #[test]
    fn no_line_has_a_break_in_it() {
        for (store_seen, weak) in [(false, 0), (true, 1), (false, 2)] {
            let lines = words(&Review { sections: Vec::new(), store_seen, weak, obstacles: Vec::new() }, weak == 2);
            assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
            assert_eq!(lines.len(), if store_seen { 2 } else { 4 }, "{lines:?}");
        }
    }
}
