//! The counts of lines in docs/decisions/house.md: of each crate, and of the largest directories of the server.

use super::{of, root, text};

/// So far a count may be off, in percent, beyond its rounding to hundreds.
const MOST_PERCENT: usize = 3;
const ROUNDING: usize = 50;

/// The lines of a file as the page counts them: none that is blank or a comment, and none from its unit tests on.
fn count(source: &str) -> usize {
    let code = source.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).map(str::trim_start);
    code.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// What the tables of a page say of each crate or directory.
fn said(page: &str) -> Vec<(String, usize)> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    rows.filter_map(|(name, lines)| Some((name.to_owned(), lines.replace(',', "").parse().ok()?))).collect()
}

fn is_near(said: usize, counted: usize) -> bool {
    said.abs_diff(counted) <= counted * MOST_PERCENT / 100 + ROUNDING
}

#[test]
fn counts_of_lines_are_near_what_the_page_says() {
    let (files, rows) = (of("rs"), said(&text(&root().join("docs/decisions/house.md"))));
    assert!(rows.len() > 10 && rows.iter().any(|(name, _)| name == "server"), "{rows:?}");
    let mut wrong = Vec::new();
    for (name, lines) in rows {
        // A crate is named alone.
        let directory = root().join(if name.contains('/') { name.clone() } else { format!("{name}/src") });
        let counted: usize = files.iter().filter(|file| file.starts_with(&directory)).map(|file| count(&text(file))).sum();
        if !is_near(lines, counted) {
            wrong.push(format!("{name}: {lines} on the page, {counted} in its files"));
        }
    }
    assert!(wrong.is_empty(), "correct docs/decisions/house.md, in whole hundreds:\n{}", wrong.join("\n"));
    // The twins.
    let source = "//! A file.\n\nuse a;\n  // A remark.\nfn f() {}\n    #[cfg(test)]\n#[cfg(test)]\nmod tests {}\n";
    assert_eq!(count(source), 3);
    assert_eq!(said("| crate | lines |\n|---|---|\n| `a` | 55,700 |\n| `b` | about |\n| c | 100 |\n"), [("a".to_owned(), 55_700)]);
    assert!(is_near(10_000, 10_000) && is_near(10_000, 9_700) && !is_near(10_000, 9_600) && !is_near(10_000, 10_400));
    assert!(is_near(1_300, 1_251) && !is_near(1_300, 1_150) && !is_near(100, 0));
}
