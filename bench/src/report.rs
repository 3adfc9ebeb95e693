//! The tables, for the terminal and for docs/performance.md.

use crate::limits::Limit;
use crate::load::Row;
use crate::options::Run;
use crate::verifiers::Kind;
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
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    writeln!(
        out,
        "{cores} cores ({}, {}), databases on {}.",
        std::env::consts::ARCH,
        std::env::consts::OS,
        filesystem(&options.directory)
    )?;
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
        writeln!(out, "\n| {} | requests/s | p50 ms | p99 ms | server CPU µs | load CPU µs | server MiB |", engine.name)?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|")?;
        for row in &engine.rows {
            let resident = row.resident_kib as f64 / 1024.0;
            writeln!(
                out,
                "| {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {resident:.0} |",
                row.name, row.per_s, row.p50_ms, row.p99_ms, row.server_us, row.load_us
            )?;
        }
        writeln!(
            out,
            "\nStart to the first 200 of /health: {:.0} ms with an empty database, {:.0} ms (median of 5) with its own; {:.1} MiB at rest.",
            engine.first_start.as_secs_f64() * 1e3,
            engine.start.as_secs_f64() * 1e3,
            engine.at_rest_kib as f64 / 1024.0
        )?;
    }
    write_ratio(out, options, measured)?;
    write_bound_ratio(out, measured)?;
    write_signatures(out, measured)
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
        let (few, attested) = (find("refresh with DPoP, few grants"), find("refresh of an attested installation, few grants"));
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

/// The type of the file system that a directory is on.
fn filesystem(directory: &Path) -> String {
    let output = Command::new("stat").args(["-f", "-c", "%T"]).arg(directory).output();
    output
        .ok()
        .map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
        .filter(|it| !it.is_empty())
        .unwrap_or_else(|| "an unknown file system".to_owned())
}

const BEGIN: &str = "<!-- measured: cargo xtask bench replaces this part -->\n";
const END: &str = "<!-- end of the measured part -->";

/// Puts the tables into a document, between its two marks.
pub fn replace(file: &Path, text: &str) -> Result<(), String> {
    let io = |error: std::io::Error| format!("{}: {error}", file.display());
    let document = std::fs::read_to_string(file).map_err(io)?;
    let (head, rest) = document.split_once(BEGIN).ok_or_else(|| format!("{} has no mark where the tables begin", file.display()))?;
    let (_, tail) = rest.split_once(END).ok_or_else(|| format!("{} has no mark where the tables end", file.display()))?;
    std::fs::write(file, format!("{head}{BEGIN}\n{text}\n{END}{tail}")).map_err(io)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let file = std::env::temp_dir().join(format!("symbolon-report-{}.md", std::process::id()));
        std::fs::write(&file, format!("before\n{BEGIN}old\n{END}\nafter\n")).unwrap();
        replace(&file, "new").unwrap();
        let read = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, "no marks").unwrap();
        assert!(replace(&file, "new").is_err());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
    }
}
