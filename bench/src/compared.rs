//! Our server and another one, side by side in one table: the same rows and the same load, one after the other on the same machine.

use crate::against::{GRANTS, Timing};
use crate::load::Row;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::Path;

/// What was measured of our server, kept for the run that measures the other one.
#[derive(Serialize, Deserialize)]
pub struct KeptRows {
    pub name: String,
    /// Cores, and the file system of the database.
    pub machine: String,
    pub database: String,
    /// Before the first row. Before the other server's rows it would be the load of these.
    pub load_average: String,
    pub rows: Vec<Row>,
}

impl KeptRows {
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|it| format!("{}: {it}", file.display()))?;
        serde_json::from_str(&text).map_err(|it| format!("{}: {it}", file.display()))
    }

    pub fn write(&self, file: &Path) -> Result<(), String> {
        let text = serde_json::to_string(self).map_err(|it| it.to_string())?;
        std::fs::write(file, text).map_err(|it| format!("{}: {it}", file.display()))
    }
}

/// What was measured of the other one.
pub struct TheirRows<'a> {
    pub name: &'a str,
    pub rows: &'a [Row],
}

pub fn text(ours: &KeptRows, theirs: &TheirRows<'_>, timing: &Timing) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out, ours, theirs, timing);
    out
}

fn write(out: &mut String, ours: &KeptRows, theirs: &TheirRows<'_>, timing: &Timing) -> std::fmt::Result {
    writeln!(out, "Ours is {}, theirs is {}.", ours.name, theirs.name)?;
    writeln!(out, "{} Ours is on {}.", ours.machine, ours.database)?;
    let Timing { seconds, connections, .. } = timing;
    writeln!(out, "{connections} connections, no answer but the expected one. A row takes {seconds} s.")?;
    writeln!(out, "Only authorize and code exchange are {GRANTS} requests instead. That is too short to count their CPU time.")?;
    writeln!(out, "Other work on the machine beforehand: load average {}.\n", ours.load_average)?;
    let heads = ["requests/s", "p50 ms", "p99 ms", "server CPU µs", "database CPU µs"];
    let heads: String = heads.iter().map(|it| format!(" {it}: ours | theirs |")).collect();
    writeln!(out, "| the same rows |{heads}\n|---|{}", "---:|".repeat(10))?;
    for their in theirs.rows {
        let own = ours.rows.iter().find(|it| it.name == their.name);
        let cells = [
            pair(own, their, 0, |row| Some(row.per_s)),
            pair(own, their, 2, |row| Some(row.p50_ms)),
            pair(own, their, 2, |row| Some(row.p99_ms)),
            pair(own, their, 0, |row| Some(row.server_us)),
            pair(own, their, 0, |row| row.database_us),
        ];
        writeln!(out, "| {} |{}", their.name, cells.concat())?;
    }
    Ok(())
}

/// Two cells. What was not measured leaves its cell empty: another server's process may be unknown.
fn pair(own: Option<&Row>, their: &Row, places: usize, of: fn(&Row) -> Option<f64>) -> String {
    let cell = |number: Option<f64>| number.filter(|it| it.is_finite()).map_or(String::new(), |it| format!("{it:.places$}"));
    format!(" {} | {} |", cell(own.and_then(of)), cell(of(their)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn row(name: &str, per_s: f64, server_us: f64) -> Row {
        Row { name: name.to_owned(), per_s, server_us, ..Row::default() }
    }

    #[test]
    fn a_row_of_both_stands_in_one_line_and_what_is_unknown_is_empty() {
        let refresh = Row { database_us: Some(105.4), ..row("refresh", 7739.2, 97.0) };
        let rows = vec![refresh.clone(), Row { name: "code exchange".to_owned(), ..refresh }.without_cpu()];
        let [name, machine, database, load_average] = ["Symbolon 0.1.0", "2 cores.", "PostgreSQL 15.18", "0.33"].map(str::to_owned);
        let file = std::env::temp_dir().join(format!("symbolon-compared-{}.json", std::process::id()));
        KeptRows { name, machine, database, load_average, rows }.write(&file).unwrap();
        let ours = KeptRows::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let rows = [row("refresh", 812.0, f64::NAN), row("code exchange", 700.0, 9.0).without_cpu(), row("metadata", 1000.0, 5.0)];
        let theirs = TheirRows { name: "A peer 7", rows: &rows };
        let timing = Timing { seconds: 5, connections: 32, rehearse: true };
        let text = text(&ours, &theirs, &timing);
        assert!(text.starts_with("Ours is Symbolon 0.1.0, theirs is A peer 7.\n2 cores. Ours is on PostgreSQL 15.18.\n"), "{text}");
        assert!(text.contains("| refresh | 7739 | 812 | 0.00 | 0.00 | 0.00 | 0.00 | 97 |  | 105 |  |\n"), "{text}");
        assert!(text.contains("| code exchange | 7739 | 700 | 0.00 | 0.00 | 0.00 | 0.00 |  |  |  |  |\n"), "{text}");
        assert!(text.contains("load average 0.33.\n") && text.contains("code exchange are 256 requests instead"), "{text}");
        assert!(text.contains("| metadata |  | 1000 |  | 0.00 |  | 0.00 |  | 5 |  |  |\n"), "{text}");
    }
}
