//! `symbolon user import`: people of another system, from a file with one JSON object in each line.

use super::desk::Desk;
use super::screen::{Screen, Stop, unexpected};
use super::text::read_file;
use crate::operations::{Batch, ImportedPerson, Line, Operation, Outcome, Problem, RefusedPerson, Sensitive, UserOperation, UsersImported};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

/// One person.
const LONGEST_LINE: u64 = 16 * 1024;
/// A message to a running server has a limit, and an answer comes after each batch.
const BATCH_LINES: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;
/// More refusals than this are counted and not listed.
const MOST_LISTED: usize = 1000;

#[derive(clap::Args)]
pub struct Import {
    /// One JSON object for each person in each line.
    file: PathBuf,
    /// What the console of Firebase shows as its password hash parameters, for digests of Firebase.
    #[arg(long, value_name = "FILE")]
    firebase: Option<PathBuf>,
    /// Say what would happen, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Pass over people whose name or sub is there already, to go on after an import that stopped.
    #[arg(long)]
    skip_existing: bool,
}

/// The import while it goes on.
struct Run<'a> {
    args: &'a Import,
    firebase: Option<String>,
    batch: Vec<Line>,
    bytes: usize,
    /// In which line a name stands.
    names: HashMap<String, usize>,
    all: UsersImported,
}

pub async fn import(desk: &mut Desk, screen: &Screen, args: &Import) -> Result<u8, Stop> {
    let firebase = args.firebase.as_ref().map(|path| read_file(path)).transpose()?;
    let wrong = |why: std::io::Error| Problem::invalid(format!("{}: {why}", args.file.display()));
    let file = std::fs::File::open(&args.file).map_err(wrong)?;
    let bar = bar(screen, file.metadata().map_err(wrong)?.len());
    let mut reader = BufReader::new(file);
    let all = UsersImported { dry_run: args.dry_run, ..UsersImported::default() };
    let mut run = Run { args, firebase, batch: Vec::new(), bytes: 0, names: HashMap::new(), all };
    for number in 1.. {
        let mut line = Vec::new();
        let length = (&mut reader).take(LONGEST_LINE + 1).read_until(b'\n', &mut line).map_err(wrong)?;
        if length == 0 {
            break;
        }
        if length as u64 > LONGEST_LINE {
            return Err(Problem::invalid(format!("line {number} is longer than {LONGEST_LINE} bytes; {}", run.so_far())).into());
        }
        bar.inc(length as u64);
        run.take(number, &line);
        if run.batch.len() >= BATCH_LINES || run.bytes >= BATCH_BYTES {
            run.send(desk).await?;
        }
    }
    run.send(desk).await?;
    bar.finish_and_clear();
    let failed = run.all.refused_lines > 0;
    screen.outcome(&Outcome::UsersImported(run.all), |outcome| match outcome {
        Outcome::UsersImported(imported) => words(imported),
        _ => Vec::new(),
    })?;
    Ok(u8::from(failed))
}

/// On standard error, and only where that is a terminal.
fn bar(screen: &Screen, bytes: u64) -> ProgressBar {
    let target = if screen.is_json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(bytes), target);
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {binary_bytes} of {binary_total_bytes}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

impl Run<'_> {
    /// Takes a line into the batch. What the file itself says twice is refused here, as the server sees one batch at a time.
    fn take(&mut self, number: usize, line: &[u8]) {
        let line = line.strip_prefix("\u{feff}".as_bytes()).filter(|_| number == 1).unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else { return self.refuse(number, "", "the line is no UTF-8") };
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let names = ImportedPerson::read(text).ok().and_then(|person| person.names().ok()).unwrap_or_default();
        if let Some((name, before)) = names.iter().find_map(|name| Some((name.clone(), *self.names.get(name)?))) {
            return self.refuse(number, &name, &format!("line {before} has that name too"));
        }
        self.names.extend(names.into_iter().map(|name| (name, number)));
        self.bytes += text.len();
        self.batch.push(Line { number, text: text.to_owned() });
    }

    fn refuse(&mut self, line: usize, name: &str, problem: &str) {
        self.add_refused(vec![RefusedPerson { line, name: name.to_owned(), problem: problem.to_owned() }]);
    }

    fn add_refused(&mut self, refused: Vec<RefusedPerson>) {
        self.all.refused_lines += refused.len();
        let room = MOST_LISTED.saturating_sub(self.all.refused.len());
        self.all.refused.extend(refused.into_iter().take(room));
    }

    async fn send(&mut self, desk: &mut Desk) -> Result<(), Stop> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = Batch { firebase: self.firebase.clone(), lines: std::mem::take(&mut self.batch) };
        self.bytes = 0;
        let text = serde_json::to_string(&batch).map_err(|why| Problem::fault(why.to_string()))?;
        let (dry_run, skip_existing) = (self.args.dry_run, self.args.skip_existing);
        let operation = UserOperation::Import { dry_run, skip_existing, people: Sensitive::new(text) };
        let outcome = desk.ask(Operation::User(operation)).await.map_err(|stop| match stop {
            Stop::Problem(problem) => Stop::Problem(Problem { message: format!("{}; {}", problem.message, self.so_far()), ..problem }),
            closed => closed,
        })?;
        let Outcome::UsersImported(part) = outcome else { return Err(unexpected()) };
        self.all.added += part.added;
        self.all.skipped += part.skipped;
        self.add_refused(part.refused);
        Ok(())
    }

    fn so_far(&self) -> String {
        format!("{} added so far; --skip-existing goes on from there", self.all.added)
    }
}

fn words(imported: &UsersImported) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for refused in &imported.refused {
        let name = if refused.name.is_empty() { String::new() } else { format!(" ({})", refused.name) };
        lines.push(format!("line {}{name}: {}", refused.line, refused.problem));
    }
    let more = imported.refused_lines - imported.refused.len().min(imported.refused_lines);
    if more > 0 {
        lines.push(format!("and {more} more lines"));
    }
    let would = if imported.dry_run { "would be added" } else { "added" };
    let skipped = if imported.skipped > 0 { format!(", {} there already", imported.skipped) } else { String::new() };
    lines.push(format!("{} {would}{skipped}, {} refused", imported.added, imported.refused_lines));
    if imported.added > 0 && !imported.dry_run {
        lines.push("Their digests are replaced by argon2id when they sign in.".to_owned());
    }
    lines
}
