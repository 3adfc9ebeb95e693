//! `it` stands only in a closure that calls its parameter so and is one expression, a `match` with statements in its arms included. No
//! such closure stands inside another such one; inside one whose parameter has a name it may.

use super::code::{Token, end_of, tokens, words};
use super::{of, shown, text};
use std::ops::Range;

/// What stands before the parameters of a closure. Elsewhere `|` is another sign.
const BEFORE: [&str; 13] = ["(", ",", "=", "{", ";", "[", ":", "&", "mut", "move", "return", "else", "async"];

/// A closure with a parameter that is called `it`: where its parameters begin, and its body.
struct Closure {
    from: usize,
    body: Range<usize>,
    has_statements: bool,
}

fn begins_closure(words: &[&str], at: usize) -> bool {
    let is_arm = at > 1 && words[at - 1] == ">" && words[at - 2] == "=";
    words[at] == "|" && (at == 0 || is_arm || BEFORE.contains(&words[at - 1]))
}

/// A block with more than one expression.
fn has_statements(body: &[&str]) -> bool {
    let inner: Vec<&str> = body.iter().copied().skip_while(|it| matches!(*it, "async" | "move")).collect();
    inner.first() == Some(&"{") && inner.get(end_of(&inner, 1, &[";"])) == Some(&";")
}

fn closures(words: &[&str]) -> Vec<Closure> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < words.len() {
        if !begins_closure(words, at) {
            at += 1;
            continue;
        }
        let end = end_of(words, at + 1, &["|"]);
        let is_ours = (at + 1..end).any(|place| words[place] == "it" && words[place - 1] != ":");
        let mut begin = end + 1;
        if words.get(begin) == Some(&"-") {
            begin = end_of(words, begin, &["{"]);
        }
        let body = begin..end_of(words, begin, &[",", ";"]);
        if is_ours && !body.is_empty() {
            found.push(Closure { from: at, has_statements: has_statements(&words[body.clone()]), body });
        }
        at = end + 1;
    }
    found
}

/// What is wrong with each `it` of the code, and in which line.
fn faults(code: &[Token]) -> Vec<(usize, &'static str)> {
    let words = words(code);
    let closures = closures(&words);
    let mut found = Vec::new();
    for closure in &closures {
        if closure.has_statements {
            found.push((code[closure.from].1, "several statements"));
        }
        if closures.iter().any(|inner| closure.body.contains(&inner.from)) {
            found.push((code[closure.from].1, "one inside another"));
        }
    }
    let is_member = |at: usize| at > 1 && words[at - 1] == "." && words[at - 2] != ".";
    for at in (0..words.len()).filter(|at| words[*at] == "it" && !is_member(*at)) {
        if !closures.iter().any(|closure| (closure.from..closure.body.end).contains(&at)) {
            found.push((code[at].1, "no closure"));
        }
    }
    found
}

#[test]
fn it_stands_in_closures_of_one_expression() {
    let mut wrong = Vec::new();
    for file in of("rs") {
        let faults = faults(&tokens(&text(&file)));
        wrong.extend(faults.into_iter().map(|(line, why)| format!("{} line {line}: {why}", shown(&file))));
    }
    assert!(wrong.is_empty(), "give it a name that says what it is\n{}", wrong.join("\n"));
}

/// Each fault with its twin, in which only the fault is gone.
#[test]
fn a_misplaced_it_is_found() {
    let judged = |source: &str| faults(&tokens(source)).into_iter().map(|(_, why)| why).collect::<Vec<_>>();
    for (wrong, right, why) in [
        ("a.any(|it| it.iter().any(|it| it == b));", "a.any(|all| all.iter().any(|it| it == b));", "one inside another"),
        ("a.map(|(_, it)| f(|it: &u8| g(it)));", "a.map(|(_, it)| f(it)).map(|it: &u8| g(it));", "one inside another"),
        ("let f = |it: &A| { let b = it; b };", "let f = |it: &A| { it.b() };", "several statements"),
        ("let f = |it| -> u8 { g(it); 1 };", "let f = |it| -> u8 { match it { A => { g(); 1 } B => 2 } };", "several statements"),
        ("f(|it| async move { g(it).await; });", "f(|it| async move { g(it).await });", "several statements"),
        ("for it in all {}", "for one in all {}", "no closure"),
        ("match a { Some(it) => {} }", "match a { Some(b) => {} }", "no closure"),
        ("let b = a | it;", "let b = a | c.it;", "no closure"),
        ("f(|it| 1, it)", "f(|it| it.g::<A<u8>, B>().h(it))", "no closure"),
    ] {
        assert_eq!(judged(wrong), [why], "{wrong}");
        assert_eq!(judged(right), [""; 0], "{right}");
    }
    assert_eq!(judged("f(|| a || b, \"|it| { it; }\", 'x' | 'y', |it| it) // it"), [""; 0]);
}
