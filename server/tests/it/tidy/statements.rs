//! Every statement stands with its table, so that whoever changes a table finds all that read and write it.

use super::code::{end_of, tokens_and_texts, without_tests, words};
use super::{of, root, shown, text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Files of `store/` that have statements although they are no tables, and why.
const NO_TABLES: [(&str, &str); 11] = [
    ("mod.rs", "asks PostgreSQL for its clock and for its oldest transaction"),
    ("postgres.rs", "what opens a database: settings, a lock, the state of the schema"),
    ("postgres/pool.rs", "cancels what a process of its own does"),
    ("postgres/queue.rs", "reads keys out of statements; its tests make some"),
    ("postgres/startup.rs", "what every session is told and asked first"),
    ("postgres/wire.rs", "asks for the clock, and tells inserts from other statements"),
    ("probe.rs", "reads a database that is not opened as a store"),
    ("retention.rs", "the sweep has its own list over all tables"),
    ("sqlite/connection.rs", "what opens a database: affinity, the state of the schema"),
    ("sqlite/readers.rs", "its tests read something"),
    ("sqlite/tests.rs", "the writer's tests count rows"),
];

const BEGINNINGS: [&str; 4] = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "];

/// Does a statement begin in this line, in a text or in the second line of one?
fn has_statement(line: &str) -> bool {
    let begins = |text: &str| BEGINNINGS.iter().any(|word| text.starts_with(word));
    let is_comment = line.trim_start().starts_with("//");
    !is_comment && (begins(line.trim_start()) || line.split('"').skip(1).any(begins))
}

/// The path of a file below `store/`, if it stands there.
fn below_store(file: &Path) -> Option<&str> {
    file.strip_prefix(root().join("server/src/store")).ok()?.to_str()
}

fn is_exempt(below: &str) -> bool {
    NO_TABLES.iter().any(|(name, _)| *name == below)
}

#[test]
fn every_statement_stands_with_its_table() {
    let source = root().join("server/src");
    let (mut wrong, mut exempt) = (Vec::new(), BTreeSet::new());
    for file in of("rs").iter().filter(|file| file.starts_with(&source)) {
        let code = text(file);
        let found: Vec<(usize, &str)> = code.lines().enumerate().filter(|(_, line)| has_statement(line)).collect();
        match below_store(file) {
            Some(below) if below.starts_with("tables/") || found.is_empty() => {}
            Some(below) if is_exempt(below) => {
                exempt.insert(below.to_owned());
            }
            _ => wrong.extend(found.iter().map(|(at, line)| format!("{} line {}: {}", shown(file), at + 1, line.trim()))),
        }
    }
    let place = "write it as a constant in the file of its table, in server/src/store/tables/";
    assert!(wrong.is_empty(), "{place}:\n{}", wrong.join("\n"));
    let listed: Vec<&str> = NO_TABLES.iter().map(|(file, _)| *file).collect();
    assert!(
        exempt.iter().map(String::as_str).eq(listed.iter().copied()),
        "{exempt:?} have statements, and these are exempt, in order: {listed:?}"
    );
    assert!(NO_TABLES.iter().all(|(_, why)| why.split(' ').count() > 3), "each with a reason");
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

/// The names by which the code reads columns of a `row`.
fn columns_read(source: &str) -> BTreeSet<String> {
    let code = without_tests(tokens_and_texts(source));
    let words = words(&code);
    let reads = |word: &str| matches!(word, "int" | "text" | "bytes" | "array") || word.starts_with("opt_");
    let mut found = BTreeSet::new();
    for at in 0..words.len().saturating_sub(4) {
        if words[at] == "row" && words[at + 1] == "." && reads(words[at + 2]) {
            // `array::<16>("id")` as well.
            let name = words.get(end_of(&words, at + 3, &["("]) + 1).and_then(|word| word.strip_prefix('"')?.strip_suffix('"'));
            found.extend(name.map(str::to_owned));
        }
    }
    found
}

/// The words of the texts that stand in the code.
fn words_of_texts(source: &str) -> BTreeSet<String> {
    let code = without_tests(tokens_and_texts(source));
    let texts = code.iter().filter(|(word, _)| word.contains('"'));
    let in_text =
        |text: &str| -> Vec<String> { text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').map(str::to_owned).collect() };
    texts.flat_map(|(text, _)| in_text(text)).collect()
}

/// Rows are read by name. A name that no SQL has is a mistake in writing. Which statement a row is of, and names in variables, are not seen.
#[test]
fn every_column_that_is_read_is_named_by_a_statement() {
    let source = root().join("server/src");
    let (mut named, mut read) = (BTreeSet::new(), BTreeMap::new());
    for file in of("rs").iter().filter(|file| file.starts_with(&source)) {
        let code = text(file);
        if below_store(file).is_some_and(|below| below.starts_with("tables/") || is_exempt(below)) {
            named.extend(words_of_texts(&code));
        }
        read.extend(columns_read(&code).into_iter().map(|name| (name, shown(file))));
    }
    assert!(read.len() > 100, "{} names were found", read.len());
    let unknown: Vec<_> = read.iter().filter(|(name, _)| !named.contains(*name)).collect();
    assert!(unknown.is_empty(), "no statement of the store names these columns: {unknown:?}");
}

/// The twin: what counts as reading a column, and as naming one.
#[test]
fn a_column_that_is_read_is_found() {
    let read = |source: &str| columns_read(source).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(read("row.int(\"a_ms\")?; self.row.opt_text(\"b\"); row.array::<16>(\"c\")"), "a_ms b c");
    assert_eq!(read("row.text(name); answer.text(\"d\"); row.client(\"e\"); // row.int(\"f\")"), "");
    let named = words_of_texts("const A: &str = \"SELECT a_ms AS b \\\n FROM c\"; // \"d\"\nconcat!(\"x\", e)");
    assert!(["a_ms", "b", "c", "x"].iter().all(|name| named.contains(*name)));
    assert!(["a", "d", "e", "A"].iter().all(|name| !named.contains(*name)));
}
