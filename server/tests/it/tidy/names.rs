//! One word, one meaning: how many types share a name, and what functions that write are called.

use super::code::{Token, end_of, tokens, without_tests, words};
use super::{of, root, shown, text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// So many types may have the same name.
const MOST: usize = 2;

/// Names that any file may give to a type, as they stand for a pattern. The text is in each file that has it.
/// `Inner`: what a value points to that is cheap to clone.
const PATTERNS: [(&str, &str); 1] = [("Inner", "Arc<Inner>")];

/// The other crates, each judged by itself, and the names that stand there for more types. A module of these is one format or one kind of
/// message. It says what is expected of one, what was wrong with it and what it says, and callers write the module before the name.
const OTHERS: [(&str, &[&str]); 8] = [
    ("attest", &["Expected", "Facts"]),
    ("client", &[]),
    ("guard", &[]),
    ("oauth", &["Expected", "Proof", "Rejected", "Statement"]),
    ("passkey", &[]),
    ("plugin", &[]),
    ("resource", &[]),
    ("wallet", &["Expected"]),
];

/// Participles that do not end as most of them do. `put` and `set` are verbs as well, so they are none of these.
const IRREGULAR: [&str; 22] = [
    "begun",
    "brought",
    "burnt",
    "done",
    "drawn",
    "forgotten",
    "found",
    "given",
    "gone",
    "held",
    "kept",
    "known",
    "lost",
    "made",
    "seen",
    "sent",
    "shown",
    "spent",
    "taken",
    "told",
    "withdrawn",
    "written",
];

fn of_crate(name: &str) -> Vec<PathBuf> {
    let source = root().join(name).join("src");
    of("rs").into_iter().filter(|file| file.starts_with(&source)).collect()
}

/// The types of a crate, and the files that define each.
fn types_of(name: &str) -> BTreeMap<String, Vec<PathBuf>> {
    let mut files = BTreeMap::<String, Vec<PathBuf>>::new();
    for file in of_crate(name) {
        for name in types(&without_tests(tokens(&text(&file)))) {
            files.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    files
}

/// The types that the code defines. A type that belongs to a trait is none of its own.
pub(super) fn types(code: &[Token]) -> BTreeSet<&str> {
    let words = words(code);
    let (mut found, mut bodies, mut opens_trait) = (BTreeSet::new(), Vec::new(), false);
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        let is_defined = matches!(*word, "struct" | "enum" | "union" | "trait" | "type") && next.starts_with(char::is_uppercase);
        if is_defined && !(*word == "type" && bodies.last() == Some(&true)) {
            found.insert(next);
        }
        match *word {
            "trait" => opens_trait = true,
            // Elsewhere it stands for a type.
            "impl" if at == 0 || matches!(words[at - 1], "}" | ";" | "]" | "{") => opens_trait = true,
            "{" => bodies.push(std::mem::take(&mut opens_trait)),
            "}" => {
                bodies.pop();
            }
            _ => {}
        }
    }
    found
}

#[test]
fn no_name_stands_for_more_than_two_types() {
    let files = types_of("server");
    assert!(files.len() > 500, "{} names were found", files.len());
    let is_pattern = |name: &str| PATTERNS.iter().any(|(own, _)| *own == name);
    let many = files.iter().filter(|(name, files)| files.len() > MOST && !is_pattern(name.as_str()));
    let listed = |files: &[PathBuf]| files.iter().map(|file| shown(file)).collect::<Vec<_>>().join(", ");
    let wrong: Vec<String> = many.map(|(name, files)| format!("{name}: {}", listed(files))).collect();
    let hint = "call each type what it is, in the words of its specification: `DeviceRow`, not `Stored`";
    assert!(wrong.is_empty(), "{hint}\n{}", wrong.join("\n"));
    for (name, proof) in PATTERNS {
        let having = files.get(name).cloned().unwrap_or_default();
        assert!(having.len() > MOST, "{name} needs no exception any more");
        let others: Vec<String> = having.iter().filter(|file| !text(file).contains(proof)).map(|file| shown(file)).collect();
        assert!(others.is_empty(), "{name} is another pattern than `{proof}` in {others:?}");
    }
}

/// Names that more types share are those of the list, and each of the list still needs to be there.
#[test]
fn no_name_stands_for_more_than_two_types_of_another_crate() {
    for (name, listed) in OTHERS {
        let files = types_of(name);
        assert!(files.len() > 20, "{name}: {} names were found", files.len());
        let many: Vec<&str> = files.iter().filter(|(_, files)| files.len() > MOST).map(|(name, _)| name.as_str()).collect();
        assert_eq!(many, listed, "{name}");
    }
}

/// The twin: what counts as a type of a file.
#[test]
fn a_type_is_found_where_it_is_defined() {
    let found = |source: &str| types(&without_tests(tokens(source))).into_iter().collect::<Vec<_>>().join(" ");
    let defined = "pub struct A; enum B { C } type D<'a> = &'a u8; fn f() -> impl E { struct G {} } pub trait H { type I; }";
    assert_eq!(found(defined), "A B D G H");
    let others = "impl A { fn f(x: impl B) {} } impl C<[u8; 2]> for D { type E = F; } #[cfg(test)] mod tests { struct G; } // struct I";
    assert_eq!(found(others), "");
}

fn is_participle(name: &str) -> bool {
    let first = name.split('_').next().unwrap_or_default();
    (first.len() > 3 && first.ends_with("ed") && !first.ends_with("eed")) || IRREGULAR.contains(&first)
}

/// Functions that write into a change, make one or apply it, and are called by a participle.
fn acting_participles(code: &[Token]) -> Vec<&str> {
    let words = words(code);
    let has = |part: &[&str], wanted: &[&str]| part.windows(wanted.len()).any(|found| found == wanted);
    let mut found = Vec::new();
    for at in (0..words.len().saturating_sub(1)).filter(|at| words[*at] == "fn") {
        let opening = end_of(&words, at + 2, &["{", ";"]);
        let closing = end_of(&words, opening + 1, &[]);
        if words.get(opening) != Some(&"{") || !is_participle(words[at + 1]) {
            continue;
        }
        let (head, body) = (&words[at..opening], &words[opening..closing]);
        let takes = ["Change", "Draft"].into_iter().any(|change| has(head, &["&", "mut", change]) || has(head, &[":", change]));
        let applies = ["apply", "try_apply"].into_iter().any(|method| has(body, &[".", method, "("]));
        if takes || applies || has(body, &["Change", "::", "new"]) {
            found.push(words[at + 1]);
        }
    }
    found
}

#[test]
fn functions_that_write_are_called_by_verbs() {
    for file in of_crate("server") {
        let code = without_tests(tokens(&text(&file)));
        let found = acting_participles(&code);
        assert!(found.is_empty(), "{}: participles do not act, so call {found:?} by verbs", shown(&file));
    }
    // What counts as writing, with the twins.
    let found = |source: &str| acting_participles(&tokens(source)).join(" ");
    assert_eq!(found("fn ended(change: &mut Change) {}"), "ended");
    assert_eq!(found("fn end(change: &mut Change) {} fn needed(change: &Change) {}"), "");
    assert_eq!(found("async fn sent_now(&self) -> Result<()> { self.store.apply(x).await }"), "sent_now");
    assert_eq!(found("fn sent_now(&self); fn send() { store.apply(x) } fn kept() -> [u8; 2] { burnt.applied(x) }"), "");
    assert_eq!(found("fn kept() -> [u8; 2] { let change = Change::new(now_ms); }"), "kept");
    assert_eq!(found("fn ended(change: Change) {} fn drawn_ids(mut draft: Draft) {}"), "ended drawn_ids");
    assert_eq!(found("fn end(change: Change) {} fn drawn_ids(draft: &Draft) {} fn ended() -> Change { change }"), "");
    assert_eq!(found("fn burnt() -> bool { store.try_apply(x, \"y\").await }"), "burnt");
    assert_eq!(found("fn burn() { store.try_apply(x, \"y\") } fn burnt() -> bool { store.try_applied(x) }"), "");
    assert_eq!(found("fn set_state(change: &mut Change) {} fn put_off(change: Change) {}"), "", "verbs");
}
