//! How many values a function takes. For the lint `too_many_arguments` a tuple is one argument, however much is in it. Here each member of
//! a tuple counts, so that nobody packs values together only to please the lint.

use super::code::{end_of, tokens, without_tests, words};
use super::inherent::{behind_parameters, is_name};
use super::{of, root, text};
use std::collections::BTreeSet;

/// The functions that may take more values: the file, the name, and why.
const MAY_TAKE_MORE: [(&str, &str, &str); 1] =
    [("store/postgres/connect.rs", "verify_server_cert", "a trait of rustls has these parameters")];

/// The most values: as many as the lint allows arguments.
fn most() -> usize {
    let rules: toml::Table = text(&root().join("clippy.toml")).parse().unwrap();
    usize::try_from(rules["too-many-arguments-threshold"].as_integer().unwrap()).unwrap()
}

/// What stands between the commas outside of brackets.
fn pieces<'a, 'b>(words: &'a [&'b str]) -> Vec<&'a [&'b str]> {
    let (mut found, mut from, mut depth) = (Vec::new(), 0, 0);
    for (at, word) in words.iter().enumerate() {
        match *word {
            "(" | "[" | "{" | "<" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            // In `->` it closes nothing.
            ">" if at == 0 || words[at - 1] != "-" => depth -= 1,
            "," if depth == 0 => {
                found.push(&words[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&words[from..]);
    found.retain(|piece| !piece.is_empty());
    found
}

/// How many values a type stands for: a tuple for those of its members, also behind a reference or where it may be absent.
fn values(of: &[&str]) -> usize {
    match of {
        ["&" | "mut", rest @ ..] | ["'", _, rest @ ..] | ["Option", "<", rest @ ..] => values(rest),
        ["(", ..] => pieces(&of[1..end_of(of, 1, &[])]).into_iter().map(values).sum::<usize>().max(1),
        _ => 1,
    }
}

/// The functions of the code by name, and how many values each takes. `self` is one, as it is for the lint.
fn functions<'a>(words: &[&'a str]) -> Vec<(&'a str, usize)> {
    let mut found = Vec::new();
    for at in (0..words.len().saturating_sub(1)).filter(|at| words[*at] == "fn" && is_name(words[*at + 1])) {
        let opening = behind_parameters(words, at + 2);
        let parameters = pieces(&words[opening + 1..end_of(words, opening + 1, &[])]);
        let of_type = |parameter: &[&str]| parameter.get(end_of(parameter, 0, &[":"]) + 1..).map_or(1, values);
        found.push((words[at + 1], parameters.into_iter().map(of_type).sum::<usize>()));
    }
    found
}

#[test]
fn no_function_takes_more_values_than_the_lint_allows_arguments() {
    let (source, most) = (root().join("server/src"), most());
    let (mut count, mut found) = (0, BTreeSet::new());
    for file in of("rs") {
        let Ok(below) = file.strip_prefix(&source) else { continue };
        let code = without_tests(tokens(&text(&file)));
        for (name, values) in functions(&words(&code)) {
            count += 1;
            if values > most {
                found.insert((below.to_str().unwrap().to_owned(), name.to_owned()));
            }
        }
    }
    assert!(count > 3000, "{count} functions were found");
    let listed: BTreeSet<_> = MAY_TAKE_MORE.iter().map(|(file, name, _)| ((*file).to_owned(), (*name).to_owned())).collect();
    let wide: Vec<_> = found.difference(&listed).collect();
    let hint = "a struct says what the values are: one that there is, such as `NamedClient`, or one for what belongs together";
    assert!(wide.is_empty(), "more than {most} values: {wide:?}\n{hint}");
    let mended: Vec<_> = listed.difference(&found).collect();
    assert!(mended.is_empty(), "these need no exception any more: {mended:?}");
}

#[test]
fn each_member_of_a_tuple_counts() {
    let read = |source: &str| {
        let code = tokens(source);
        functions(&words(&code)).into_iter().map(|(name, values)| format!("{name} {values}")).collect::<Vec<_>>().join(", ")
    };
    for (source, counted) in [
        ("fn f() {} fn g(a: u8) {} fn h(&'a mut self, a: A::B,) -> (u8, u8) {}", "f 0, g 1, h 2"),
        ("fn f((a, b): (&str, &A)) {}", "f 2"),
        ("fn f(a: (&str, i64)) {}", "f 2"),
        ("fn f(a: &'a mut (u8, (u8, B<C, D>)), mut self: Arc<(A, B)>) {}", "f 4"),
        ("fn f(a: Option<(&A, B)>, b: Option<&(C, D)>, c: Option<E>) {}", "f 5"),
        ("fn f<A: Fn(u8, u8) -> u8, const B: usize>(a: A, b: [u8; B]) where A: C<u8, u8> {}", "f 2"),
        ("fn f(a: impl Fn(u8, u8) -> BTreeMap<u8, u8>, b: &[(u8, u8)], c: fn(u8, u8) -> u8, d: ()) {}", "f 4"),
        ("fn f(A { b: c, d }: A<'_>, [e, g]: [u8; 2], h: &(dyn Fn(u8, u8) + Send)) { fn i(a: u8, b: u8) {} }", "f 3, i 2"),
        ("type A = fn(u8, u8); trait B { fn f(&self, (a, b): (u8, u8)); } // fn c(a: u8)", "f 3"),
    ] {
        assert_eq!(read(source), counted, "{source}");
    }
}
