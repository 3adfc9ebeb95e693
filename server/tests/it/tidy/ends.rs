//! Where things end. Sessions and grants end in two files, and the end of a sign-in is written in one, so that no way forgets what goes
//! with it.

use super::code::{tokens, without_tests, words};
use super::{of, root, shown, text};
use std::collections::BTreeSet;
use std::path::Path;

/// Files that may name a statement which ends something, and why.
const MAY_END: [(&str, &str); 5] = [
    ("endings.rs", "reads what has ended, for the APIs that ask"),
    ("grants/ending.rs", "ends grants, with all that hangs on them"),
    ("login/waiting.rs", "ends a means that waits, which is no session"),
    ("sessions/ending.rs", "ends sessions, with all that hangs on them"),
    ("told.rs", "reads which sessions have ended, for their clients"),
];

/// Does a statement of this name end something? A session without a cookie has ended for its browser.
fn ends(name: &str) -> bool {
    name.starts_with("END") || name == "DROP_COOKIE"
}

/// The statements of a file of `store/tables/` that end something.
fn statements(source: &str) -> BTreeSet<String> {
    let code = tokens(source);
    let words = words(&code);
    let names = words.windows(2).filter(|two| two[0] == "const" && ends(two[1])).map(|two| two[1].to_owned());
    names.collect()
}

/// Does the code, without its tests, name one of these statements?
fn names_one(source: &str, statements: &BTreeSet<String>) -> bool {
    let code = without_tests(tokens(source));
    words(&code).into_iter().any(|word| statements.contains(word))
}

#[test]
fn sessions_and_grants_end_in_two_files() {
    let (source, tables) = (root().join("server/src"), root().join("server/src/store/tables"));
    let files = of("rs");
    let of_tables = files.iter().filter(|file| file.starts_with(&tables));
    let statements: BTreeSet<String> = of_tables.flat_map(|file| statements(&text(file))).collect();
    assert!(statements.len() > 10 && statements.contains("END_CHILDREN"), "{statements:?}");
    let below = |file: &Path| file.strip_prefix(&source).ok().map(|below| below.display().to_string());
    let others = files.iter().filter(|file| !file.starts_with(&tables) && names_one(&text(file), &statements));
    let found: BTreeSet<String> = others.filter_map(|file| below(file)).collect();
    let listed = BTreeSet::from(MAY_END.map(|(file, _)| file.to_owned()));
    assert_eq!(found, listed, "end it by a function of `sessions::ending` or `grants::ending`, or list the file here with a reason");
    assert!(MAY_END.iter().all(|(_, why)| why.split(' ').count() > 3), "each with a reason");
}

/// The twin: what counts as naming one.
#[test]
fn a_file_that_ends_something_is_found() {
    let statements = statements("pub const END: &str = \"\"; pub const DROP_COOKIE: &str = \"\"; const READ: &str = \"\"; // const ENDED");
    assert!(statements.iter().eq(["DROP_COOKIE", "END"]), "{statements:?}");
    for source in ["change.run(session::END, x)", "use tables::session::{READ, DROP_COOKIE};"] {
        assert!(names_one(source, &statements), "{source}");
    }
    for source in ["change.run(READ, x) // END", "\"END\"", "ENDPOINT", "#[cfg(test)] mod tests { const X: &str = session::END; }"] {
        assert!(!names_one(source, &statements), "{source}");
    }
}

/// Does the code say how a sign-in ended, past `State::end`?
fn writes_an_end(source: &str) -> bool {
    let code = without_tests(tokens(source));
    let words = words(&code);
    let assigns = words.windows(4).any(|four| four[..3] == [".", "ended", "="] && four[3] != "=");
    assigns || words.windows(3).any(|three| *three == ["ended", ":", "Some"])
}

#[test]
fn the_end_of_a_sign_in_is_written_in_one_place() {
    let source = root().join("server/src");
    let files = of("rs");
    let writing = files.iter().filter(|file| file.starts_with(&source) && writes_an_end(&text(file)));
    let found: BTreeSet<String> = writing.map(|file| shown(file)).collect();
    assert_eq!(found, BTreeSet::from(["server/src/login/state.rs".to_owned()]), "use `State::end`, which leaves no secret behind");
    for (writes, source) in [
        (true, "moved.state.ended = Some(x);"),
        (true, "State { ended: Some(x), ..state }"),
        (false, "if a.ended == b {} State { ended: None, ..state }"),
        (false, "let ended = Some(x); match state.ended { Some(_) => {} }"),
    ] {
        assert_eq!(writes_an_end(source), writes, "{source}");
    }
}
