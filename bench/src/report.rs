//! The tables, for the terminal and for docs/performance.md.

use crate::conflicts::Contended;
use crate::growth::{Grown, thousands};
use crate::limits::Limit;
use crate::load::Row;
use crate::memory::{REST, Remembered, SIGN_INS};
use crate::options::Run;
use crate::sweeping::Swept;
use crate::verifiers::Kind;
use crate::{bound, kiosk, native};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub struct Engine {
    pub name: String,
    pub rows: Vec<Row>,
    /// The cost of an API's layer, on one core.
    pub api: Vec<Limit>,
    /// The time to the first 200 of /health: with an empty database, and with the one of the run.
    pub first_start: Duration,
    pub start: Duration,
    pub at_rest_kib: u64,
    pub long: Option<Long>,
}

/// What takes minutes to measure.
pub struct Long {
    pub memory: Remembered,
    pub swept: Swept,
    pub contended: Vec<Contended>,
    pub grown: Vec<Grown>,
}

pub struct Measured {
    pub limits: Vec<Limit>,
    pub echo: Row,
    pub kinds: Vec<Kind>,
    pub engines: Vec<Engine>,
    pub postgres: Option<String>,
    /// The load average of the minute before. Other work on the machine makes the numbers less reliable.
    pub load_average: String,
}

pub fn text(options: &Run, measured: &Measured) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out, options, measured);
    out
}

fn write(out: &mut String, options: &Run, measured: &Measured) -> std::fmt::Result {
    writeln!(out, "{}", machine(&options.directory))?;
    let postgres = measured.postgres.as_deref().map_or(String::new(), |it| format!("; {it}"));
    writeln!(out, "SQLite {} (WAL, synchronous=FULL){postgres}.", rusqlite::version())?;
    writeln!(out, "{} connections, {} s for each row, no answer but the expected one.", options.connections, options.seconds)?;
    writeln!(out, "Other work on the machine beforehand: load average {}.\n", measured.load_average)?;
    writeln!(out, "| the machine alone | per second | CPU µs each |\n|---|---:|---:|")?;
    for one in &measured.limits {
        writeln!(out, "| {} | {:.0} | {} |", one.name, one.per_s, one.cpu_us.map_or("".to_owned(), |it| format!("{it:.1}")))?;
    }
    let echo = &measured.echo;
    writeln!(out, "| HTTP echo, same stack, {} connections | {:.0} | {:.1} |", options.connections, echo.per_s, echo.server_us)?;
    for engine in &measured.engines {
        write_rows(out, &engine.name, &engine.rows)?;
        writeln!(
            out,
            "\nStart to the first 200 of /health: {:.0} ms with an empty database, {:.0} ms (median of 5) with its own; {:.1} MiB at rest.",
            engine.first_start.as_secs_f64() * 1e3,
            engine.start.as_secs_f64() * 1e3,
            engine.at_rest_kib as f64 / 1024.0
        )?;
        if let Some(long) = &engine.long {
            write_long(out, engine, long)?;
        }
    }
    write_ratio(out, options, measured)?;
    write_bound_ratio(out, measured)?;
    write_native(out, measured)?;
    write_devices(out, measured)?;
    write_signatures(out, measured)
}

pub fn write_rows(out: &mut String, name: &str, rows: &[Row]) -> std::fmt::Result {
    let has_database = rows.iter().any(|it| it.database_us.is_some());
    let (title, line) = if has_database { (" database CPU µs |", "---:|") } else { ("", "") };
    writeln!(out, "\n| {name} | requests/s | p50 ms | p99 ms | server CPU µs |{title} load CPU µs | server MiB |")?;
    writeln!(out, "|---|---:|---:|---:|---:|{line}---:|---:|")?;
    for row in rows {
        let database = if has_database { format!(" {} |", micros(row.database_us)) } else { String::new() };
        let (server, load) = (micros(Some(row.server_us)), micros(Some(row.load_us)));
        writeln!(
            out,
            "| {} | {:.0} | {:.2} | {:.2} | {server} |{database} {load} | {:.0} |",
            row.name,
            row.per_s,
            row.p50_ms,
            row.p99_ms,
            mib(row.resident_kib)
        )?;
    }
    Ok(())
}

/// Nothing where it was not counted: another server's process may be unknown, and a row too short.
fn micros(us: Option<f64>) -> String {
    us.filter(|it| it.is_finite()).map_or(String::new(), |it| format!("{it:.0}"))
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Memory, the sweep, conflicts, and the store that grows.
fn write_long(out: &mut String, engine: &Engine, long: &Long) -> std::fmt::Result {
    let (memory, swept) = (memory(&long.memory), sweep(&engine.rows, &long.swept));
    write!(out, "\n{memory}\n{swept}{}{}", conflicts(&engine.name, &long.contended), grown(&engine.name, &long.grown))
}

pub fn memory(memory: &Remembered) -> String {
    format!(
        "Memory of a server that was just started: {:.0} MiB before {} sign-ins with a password, {:.0} right after them, {:.0} after {} s more.\n",
        mib(memory.before_kib),
        thousands(SIGN_INS as u64),
        mib(memory.after_kib),
        mib(memory.at_rest_kib),
        REST.as_secs()
    )
}

/// What conflicts cost a refresh beside them.
pub fn conflicts(engine: &str, contended: &[Contended]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_conflicts(&mut out, engine, contended);
    out
}

fn write_conflicts(out: &mut String, engine: &str, contended: &[Contended]) -> std::fmt::Result {
    let heads = "requests/s | p50 ms | p99 ms | server CPU µs | database CPU µs | pairs/s beside | conflicts/s";
    writeln!(out, "\n| {engine}, conflicts | {heads} |\n|---|---:|---:|---:|---:|---:|---:|---:|")?;
    for one in contended {
        let Row { name, per_s, p50_ms, p99_ms, server_us, .. } = &one.row;
        let database = one.row.database_us.map_or(String::new(), |it| format!("{it:.0}"));
        let beside = format!("{:.0} | {:.0}", one.pairs_per_s, one.conflicts_per_s);
        writeln!(out, "| {name} | {per_s:.0} | {p50_ms:.2} | {p99_ms:.2} | {server_us:.0} | {database} | {beside} |")?;
    }
    let [alone, others, conflicting @ ..] = contended else { return Ok(()) };
    for one in conflicting {
        let times = |row: &Row| one.row.p99_ms / row.p99_ms;
        let nodes = if one.nodes == 1 { "one node" } else { "two nodes" };
        writeln!(
            out,
            "\n{engine}: with {:.0} conflicts a second at {nodes}, the p99 of a refresh is {:.2} times that of a refresh alone.\n\
             It is {:.2} times that beside as many requests that do not conflict. Answers beside it that were 503: {}.",
            one.conflicts_per_s,
            times(&alone.row),
            times(&others.row),
            one.busy
        )?;
    }
    Ok(())
}

/// What a store that grows costs.
pub fn grown(engine: &str, grown: &[Grown]) -> String {
    let mut out = String::new();
    let rows: Vec<Row> = grown.iter().map(|it| it.row.clone()).collect();
    // Writing to a String cannot fail.
    let _ = write_rows(&mut out, &format!("{engine}, a store that grows"), &rows);
    let (Some(small), Some(large)) = (grown.first(), grown.last()) else { return out };
    let times = |now: f64, then: f64| if then > 0.0 { now / then } else { 0.0 };
    let database = small.row.database_us.zip(large.row.database_us);
    let also = database.map_or(String::new(), |(then, now)| format!(", and {:.2} times the database's", times(now, then)));
    let _ = writeln!(
        out,
        "\n{} grants take {:.0} MB. A refresh costs {:.2} times the server's CPU of the small store{also}.",
        thousands(large.grants),
        large.bytes as f64 / 1e6,
        times(large.row.server_us, small.row.server_us)
    );
    out
}

/// What the sweep costs. `rows`: of the same engine without the sweep.
pub fn sweep(rows: &[Row], swept: &Swept) -> String {
    let (server, database) = (swept.each.server.as_secs_f64() * 1e6, swept.each.database.map(|it| it.as_secs_f64() * 1e6));
    let also = database.map_or(String::new(), |it| format!(" and {it:.2} µs of the database's"));
    let each = format!("The sweep of {} rows costs {server:.2} µs of the server's CPU{also} for each row.\n", thousands(swept.rows));
    let Some(alone) = rows.iter().find(|it| it.name == bound::FEW_GRANTS) else { return each };
    let included = alone.server_us + swept.rows_per_refresh * server;
    let also = alone
        .database_us
        .zip(database)
        .map_or(String::new(), |(row, each)| format!(" and {:.0} µs of the database's", row + swept.rows_per_refresh * each));
    let all = if swept.all_the_time { "all the time" } else { "part of the time" };
    format!(
        "{each}A refresh with DPoP writes {:.1} such rows: with their sweep it costs {included:.0} µs of the server's CPU{also}.\n\
        While the sweep is under way ({all}) its p99 is {:.2} ms, {:.2} times that without.\n",
        swept.rows_per_refresh,
        swept.meanwhile.p99_ms,
        swept.meanwhile.p99_ms / alone.p99_ms
    )
}

/// Compares refresh on SQLite with a machine that does only the three operations that a refresh cannot do without.
fn write_ratio(out: &mut String, options: &Run, measured: &Measured) -> std::fmt::Result {
    let find = |start: &str| measured.limits.iter().find(|it| it.name.starts_with(start));
    let refresh = measured.engines.first().and_then(|engine| engine.rows.iter().find(|it| it.name == "refresh"));
    let commit = crate::limits::sqlite_name(usize::from(options.connections));
    let (Some(refresh), Some(sign), Some(commit)) = (refresh, find("ECDSA P-256 signatures"), find(&commit)) else { return Ok(()) };
    let together = 1.0 / (1.0 / measured.echo.per_s + 1.0 / sign.per_s + 1.0 / commit.per_s);
    let floor = measured.echo.server_us + sign.cpu_us.unwrap_or_default() + commit.cpu_us.unwrap_or_default();
    writeln!(
        out,
        "\nRefresh on SQLite, {:.0}/s, is {:.2} of the {together:.0}/s that these three allow, one after another: an echo, a signature\n\
         and a group-committed row. Its CPU time, {:.0} µs, is {:.1} times the {floor:.0} µs of the three.",
        refresh.per_s,
        refresh.per_s / together,
        refresh.server_us,
        refresh.server_us / floor
    )
}

/// Compares a refresh of an attested installation with one that has a key alone.
fn write_bound_ratio(out: &mut String, measured: &Measured) -> std::fmt::Result {
    for engine in &measured.engines {
        let find = |name: &str| engine.rows.iter().find(|it| it.name == name).map(|it| it.server_us);
        let (few, attested) = (find(bound::FEW_GRANTS), find("refresh of an attested installation, few grants"));
        if let (Some(few), Some(attested)) = (few, attested) {
            writeln!(
                out,
                "\n{}: a refresh of an attested installation costs {:.2} times the server's CPU of one with DPoP alone.",
                engine.name,
                attested / few
            )?;
        }
    }
    Ok(())
}

/// Compares a whole native sign-in by a passkey with the bare signatures in it.
fn write_native(out: &mut String, measured: &Measured) -> std::fmt::Result {
    let bare = |start: &str| measured.limits.iter().find(|it| it.name.starts_with(start)).and_then(|it| it.cpu_us).unwrap_or_default();
    let signatures = native::VERIFICATIONS * bare("ECDSA P-256 verifications") + bare("ECDSA P-256 signatures");
    for engine in &measured.engines {
        let parts = native::WHOLE.map(|name| engine.rows.iter().find(|it| it.name == name).map(|it| it.server_us));
        if let [Some(begin), Some(answer), Some(exchange)] = parts {
            let whole = begin + answer + exchange;
            writeln!(
                out,
                "\n{}: a whole native sign-in by a passkey is three requests and {whole:.0} µs of the server's CPU. Its five signatures\n\
                 alone take {signatures:.0} µs, so it costs {:.1} times as much.",
                engine.name,
                whole / signatures
            )?;
        }
        if let Some(step) = engine.rows.iter().find(|it| it.name == native::STEP) {
            let (name, cost) = (&engine.name, step.server_us);
            writeln!(
                out,
                "\n{name}: an answer that leads from one step to another costs {cost:.0} µs: {:.0} steps a second on one core.",
                1e6 / cost.max(1.0)
            )?;
        }
    }
    Ok(())
}

/// What a poll costs that finds nothing, and a whole visit at a kiosk beside the bare signatures in it.
fn write_devices(out: &mut String, measured: &Measured) -> std::fmt::Result {
    let bare = |start: &str| measured.limits.iter().find(|it| it.name.starts_with(start)).and_then(|it| it.cpu_us).unwrap_or_default();
    let signatures = kiosk::VERIFICATIONS * bare("ECDSA P-256 verifications") + kiosk::SIGNATURES * bare("ECDSA P-256 signatures");
    for engine in &measured.engines {
        let cost = |name: &str| engine.rows.iter().find(|it| it.name == name).map(|it| it.server_us);
        if let Some(poll) = cost(crate::steps::POLL) {
            writeln!(
                out,
                "\n{}: a poll that finds nothing writes nothing. It takes {poll:.0} µs of the server's CPU: {:.0} a second on one core.",
                engine.name,
                1e6 / poll.max(1.0)
            )?;
        }
        if let [Some(shown), Some(code)] = kiosk::WHOLE.map(cost) {
            let whole = shown + code;
            writeln!(
                out,
                "\n{}: a visit at a kiosk is two requests and {whole:.0} µs of the server's CPU. Its five signatures alone take\n\
                 {signatures:.0} µs, so it costs {:.1} times as much.",
                engine.name,
                whole / signatures
            )?;
        }
    }
    Ok(())
}

/// Compares evidence and an API's requests with the bare signatures in them.
fn write_signatures(out: &mut String, measured: &Measured) -> std::fmt::Result {
    let verification = measured.limits.iter().find(|it| it.name.starts_with("ECDSA P-256 verifications"));
    let Some(one) = verification.and_then(|it| it.cpu_us) else {
        return Ok(());
    };
    writeln!(
        out,
        "\n| verified on one core | per second | CPU µs | bare signatures | their CPU µs | times |\n|---|---:|---:|---:|---:|---:|"
    )?;
    let api = measured.engines.first().map(|it| it.api.as_slice()).unwrap_or_default();
    let rows = measured.kinds.iter().map(|it| (&it.limit, it.signatures)).chain(api.iter().zip(1..));
    for (limit, signatures) in rows {
        let (cpu, bare) = (limit.cpu_us.unwrap_or_default(), one * f64::from(signatures));
        writeln!(out, "| {} | {:.0} | {cpu:.0} | {signatures} | {bare:.0} | {:.1} |", limit.name, limit.per_s, cpu / bare)?;
    }
    Ok(())
}

/// The machine, and what the databases of a directory are on.
pub fn machine(directory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores ({}, {}), databases on {}.", std::env::consts::ARCH, std::env::consts::OS, filesystem(directory))
}

/// The type of the file system that a directory is on.
fn filesystem(directory: &Path) -> String {
    let output = Command::new("stat").args(["-f", "-c", "%T"]).arg(directory).output();
    output
        .ok()
        .map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
        .filter(|it| !it.is_empty())
        .unwrap_or_else(|| "an unknown file system".to_owned())
}

/// Where the tables of a measurement begin and end in a document.
pub struct Marks {
    begin: &'static str,
    end: &'static str,
}

pub const MEASURED: Marks =
    Marks { begin: "<!-- measured: cargo xtask bench replaces this part -->\n", end: "<!-- end of the measured part -->" };
/// Of our server and another one, side by side.
pub const COMPARED: Marks =
    Marks { begin: "<!-- compared: cargo xtask bench --against replaces this part -->\n", end: "<!-- end of the comparison -->" };

/// Puts tables into a document, between their two marks.
pub fn replace(file: &Path, marks: &Marks, text: &str) -> Result<(), String> {
    let Marks { begin, end } = marks;
    let io = |error: std::io::Error| format!("{}: {error}", file.display());
    let document = std::fs::read_to_string(file).map_err(io)?;
    let (head, rest) = document.split_once(begin).ok_or_else(|| format!("{} has no mark where the tables begin", file.display()))?;
    let (_, tail) = rest.split_once(end).ok_or_else(|| format!("{} has no mark where the tables end", file.display()))?;
    std::fs::write(file, format!("{head}{begin}\n{text}\n{end}{tail}")).map_err(io)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn cpu_time_that_was_not_counted_leaves_its_cells_empty() {
        let row = Row { name: "refresh".to_owned(), server_us: 115.0, database_us: Some(78.0), load_us: 16.0, ..Row::default() };
        let rows = [row.clone(), Row { name: "code exchange".to_owned(), ..row }.without_cpu()];
        let mut table = String::new();
        write_rows(&mut table, "A server", &rows).unwrap();
        assert!(table.ends_with("| code exchange | 0 | 0.00 | 0.00 |  |  |  | 0 |\n"), "{table}");
        assert!(table.contains("| refresh | 0 | 0.00 | 0.00 | 115 | 78 | 16 | 0 |\n"), "the twin: {table}");
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let file = std::env::temp_dir().join(format!("symbolon-report-{}.md", std::process::id()));
        let part = |marks: &Marks, text: &str| format!("{}{text}\n{}\n", marks.begin, marks.end);
        std::fs::write(&file, format!("before\n{}after\n{}", part(&MEASURED, "old"), part(&COMPARED, "old"))).unwrap();
        replace(&file, &MEASURED, "new").unwrap();
        let read = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, part(&COMPARED, "old")).unwrap();
        assert!(replace(&file, &MEASURED, "new").is_err());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read, format!("before\n{}after\n{}", part(&MEASURED, "\nnew"), part(&COMPARED, "old")));
    }
}
