//! Every statement stands with its table, so that whoever changes a table finds all that read and write it.

use super::{of, root, shown, text};

const BEGINNINGS: [&str; 4] = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "];

/// Does a statement begin in this line, in a text or in the second line of one?
fn has_statement(line: &str) -> bool {
    let begins = |text: &str| BEGINNINGS.iter().any(|word| text.starts_with(word));
    let is_comment = line.trim_start().starts_with("//");
    !is_comment && (begins(line.trim_start()) || line.split('"').skip(1).any(begins))
}

#[test]
fn every_statement_stands_with_its_table() {
    let source = root().join("server/src");
    let store = source.join("store");
    let mut found = Vec::new();
    for file in of("rs").iter().filter(|file| file.starts_with(&source) && !file.starts_with(&store)) {
        let code = text(file);
        let lines = code.lines().enumerate().filter(|(_, line)| has_statement(line));
        found.extend(lines.map(|(at, line)| format!("{} line {}: {}", shown(file), at + 1, line.trim())));
    }
    let place = "write it as a constant in the file of its table, in server/src/store/tables/";
    assert!(found.is_empty(), "{place}:\n{}", found.join("\n"));
}

/// The twin: what counts as a statement.
#[test]
fn a_statement_is_found_wherever_it_begins() {
    for line in [
        "const READ: &str = \"SELECT id FROM account\";",
        "    \"DELETE FROM login\",",
        "    UPDATE account SET name = $2 \\",
        "concat!(\"INSERT INTO \", $table)",
    ] {
        assert!(has_statement(line), "{line}");
    }
    for line in ["/// As \"SELECT id\" answers.", "say(\"Select one\");", "\"DELETE\" => Method::DELETE,", "use table::{INSERT, UPDATE};"] {
        assert!(!has_statement(line), "{line}");
    }
}
