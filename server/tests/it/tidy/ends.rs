//! Where things end. Sessions and grants end in two files, so that no way forgets what goes with it. The end of a sign-in is written by
//! `State::end` alone: the field is private to its file, and the compiler holds it.

use super::code::{end_of, tokens_and_texts, without_tests, words};
use super::{of, root, text};
use std::collections::{BTreeMap, BTreeSet};

/// Files that may name a statement which ends something, those statements, and why. The number of files is part of the type: who adds one
/// raises it.
const MAY_END: [(&str, &[&str], &str); 3] = [
    (
        "grants/ending.rs",
        &[
            "END",
            "END_CHILDREN",
            "END_CHILDREN_OF_INSTALLATION",
            "END_CODES",
            "END_LEFT",
            "END_OF_CLIENT",
            "END_OF_CLIENT_AGAIN",
            "END_OF_INSTALLATION",
            "END_OF_SESSION_AGAIN",
            "END_OLDEST",
        ],
        "ends grants, with all that hangs on them",
    ),
    ("login/waiting.rs", &["END"], "ends a means that waits, which is no session"),
    ("sessions/ending.rs", &["DROP_COOKIE", "END", "END_OF_ACCOUNT", "END_ONE"], "ends sessions, with all that hangs on them"),
];

/// Statements that end something in other words, each with its file. A session without a cookie has ended for its browser. A means that
/// waits is deleted.
const IN_OTHER_WORDS: [(&str, &str); 2] = [("enrolment.rs", "END"), ("session.rs", "DROP_COOKIE")];

/// Does this text of the code end a session or a grant?
fn ends(text: &str) -> bool {
    let joined = || text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    text.contains("'ended'") && joined().contains("SET state = 'ended'")
}

/// The statements of a file, by their names, of which some text of the code is so.
fn statements(source: &str, is_so: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let code = tokens_and_texts(source);
    let words = words(&code);
    let begins = (0..words.len()).filter(|at| words[*at] == "const");
    let found = begins.filter(|at| words[*at..end_of(&words, *at, &[";"])].iter().any(|word| word.contains('"') && is_so(word)));
    found.map(|at| words[at + 1].to_owned()).collect()
}

/// What the code, without its tests, names of these statements, and texts of its own that end something.
fn named(source: &str, statements: &BTreeSet<String>) -> BTreeSet<String> {
    let code = without_tests(tokens_and_texts(source));
    words(&code).into_iter().filter(|word| statements.contains(*word) || ends(word)).map(str::to_owned).collect()
}

#[test]
fn sessions_and_grants_end_in_two_files() {
    let (source, tables) = (root().join("server/src"), root().join("server/src/store/tables"));
    let mut ending = BTreeSet::new();
    for file in of("rs").iter().filter(|file| file.starts_with(&tables)) {
        ending.extend(statements(&text(file), ends));
    }
    assert!(ending.len() > 10 && ending.contains("END_CHILDREN_OF_INSTALLATION") && !ending.contains("ENDED_SINCE"), "{ending:?}");
    for (file, name) in IN_OTHER_WORDS {
        assert!(statements(&text(&tables.join(file)), |_| true).contains(name), "{file} has no statement {name}");
        ending.insert(name.to_owned());
    }
    let mut found = BTreeMap::new();
    for file in of("rs").iter().filter(|file| !file.starts_with(&tables)) {
        let Ok(below) = file.strip_prefix(&source) else { continue };
        found.insert(below.display().to_string(), named(&text(file), &ending));
    }
    found.retain(|_, names| !names.is_empty());
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let listed: BTreeMap<String, BTreeSet<String>> = MAY_END.iter().map(|(file, names, _)| ((*file).to_owned(), owned(names))).collect();
    assert_eq!(found, listed, "end it by a function of `sessions::ending` or `grants::ending`, or list it here with a reason");
    assert!(MAY_END.iter().all(|(_, _, why)| why.split(' ').count() > 3), "each with a reason");
}

/// The twin: what counts as a statement that ends something, and as naming one.
#[test]
fn a_file_that_ends_something_is_found() {
    let whole = "pub const STOP: &str = \"UPDATE a SET state = 'ended' WHERE b\"; pub const OF_KEY: &str = of!(\"UPDATE a SET \\\n  state = 'ended'\");";
    assert!(statements(whole, ends).iter().eq(["OF_KEY", "STOP"]), "{:?}", statements(whole, ends));
    let reading = "const ENDED: &str = \"SELECT a WHERE state = 'ended'\"; // const A: &str = \"SET state = 'ended'\";";
    assert_eq!(statements(reading, ends), BTreeSet::new());
    let known = BTreeSet::from(["DROP_COOKIE".to_owned(), "END".to_owned()]);
    let named = |source: &str| named(source, &known).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(named("change.run(session::END, x)"), "END");
    assert_eq!(named("use tables::session::{READ, DROP_COOKIE as D};"), "DROP_COOKIE");
    assert_eq!(named("change.run(\"UPDATE a SET state = 'ended'\")"), "\"UPDATE a SET state = 'ended'\"");
    for source in ["change.run(READ, x) // END", "\"END\"", "ENDPOINT", "#[cfg(test)] mod tests { const X: &str = session::END; }"] {
        assert_eq!(named(source), "", "{source}");
    }
}
