//! The table at the top of `http/mod.rs`: where each check is made. What it names exists, and endpoints identify callers as it says.

use super::code::{end_of, tokens, tokens_and_texts, without_tests, words};
use super::modules::sources;
use super::routes::routes;
use super::{of, root, shown, text};
use std::collections::{BTreeMap, BTreeSet};
use symbolon::web::route::Caller;

/// Rows of the table: the check, and the functions that make it.
fn table() -> Vec<(String, Vec<String>)> {
    let source = text(&root().join("server/src/http/mod.rs"));
    let lines = source.lines().filter_map(|line| line.strip_prefix("//! | ")?.trim_end_matches([' ', '|']).split_once(" | "));
    // Without its head.
    let rows = lines.filter(|(check, _)| check.trim() != "check");
    rows.map(|(check, names)| (check.trim().to_owned(), names.split('`').skip(1).step_by(2).map(str::to_owned).collect())).collect()
}

/// Is there this function, in a module or of a type of this name?
fn is_defined(name: &str, modules: &BTreeMap<String, String>) -> bool {
    let Some((owner, function)) = name.split_once("::") else { return false };
    let has = |source: &str, begin: &str, name: &str| [" ", "(", "<"].iter().any(|end| source.contains(&format!("{begin} {name}{end}")));
    modules
        .iter()
        .any(|(module, source)| has(source, "fn", function) && (module.rsplit("::").next() == Some(owner) || has(source, "impl", owner)))
}

#[test]
fn what_the_table_of_checks_names_is_there() {
    let (table, modules) = (table(), sources());
    let is_defined = |name: &str| is_defined(name, &modules);
    assert!(table.len() > 15, "{} rows were found", table.len());
    for (check, names) in &table {
        assert!(!names.is_empty(), "nothing makes this check: {check}");
        for name in names {
            assert!(is_defined(name), "{check}: there is no `{name}`; correct the table in server/src/http/mod.rs");
        }
    }
    assert!(is_defined("Route::must_answer") && !is_defined("Route::must_answer_twice") && !is_defined("Router::must_answer"), "the twin");
    assert!(is_defined("cors::preflight") && !is_defined("browser::preflight") && !is_defined("preflight"), "the twin");
}

/// Has the file the function, or does it import it? Then the bare name is enough.
fn is_near(module: &str, code: &[&str], name: &str) -> bool {
    let Some((owner, function)) = name.split_once("::") else { return false };
    let imports = |at: usize| {
        let is_one = code[at..].starts_with(&[owner, "::", function]) && code.get(at + 3) != Some(&"(");
        is_one || (code[at..].starts_with(&[owner, "::", "{"]) && code[at..end_of(code, at + 3, &[])].contains(&function))
    };
    module.rsplit("::").next() == Some(owner) || (0..code.len()).any(imports)
}

/// Does this piece of a file call the function? A method is called by its type, or of something that is named as its type is.
fn calls(piece: &[&str], name: &str, is_near: bool) -> bool {
    let Some((owner, function)) = name.split_once("::") else { return false };
    let (receiver, is_type) = (owner.to_lowercase(), owner.starts_with(char::is_uppercase));
    (0..piece.len()).any(|at| {
        let (here, before) = (&piece[at..], if at == 0 { "" } else { piece[at - 1] });
        here.starts_with(&[owner, "::", function, "("])
            || (is_type && here.starts_with(&[receiver.as_str(), ".", function, "("]))
            || (is_near && here.starts_with(&[function, "("]) && !matches!(before, "." | "::" | "fn"))
    })
}

#[test]
fn what_the_table_of_checks_names_is_called() {
    let (table, modules) = (table(), sources());
    let mut uncalled: BTreeSet<&str> = table.iter().flat_map(|(_, names)| names).map(String::as_str).collect();
    for (module, source) in &modules {
        let code = without_tests(tokens(source));
        let code = words(&code);
        let is_said = |name: &str| name.split_once("::").is_some_and(|(_, function)| source.contains(function));
        uncalled.retain(|name| !is_said(name) || !calls(&code, name, is_near(module, &code, name)));
    }
    assert!(uncalled.is_empty(), "nothing calls {uncalled:?}");
}

/// Which function answers each path, as the route table has it: its module, and its name.
fn handlers() -> BTreeMap<String, (String, String)> {
    let code = tokens_and_texts(&text(&root().join("server/src/http/routes.rs")));
    let words = words(&code);
    let is_call = |at: &usize| words[*at].starts_with(char::is_lowercase) && words[*at + 1] == "::" && words[*at + 3] == "(";
    let mut found = BTreeMap::new();
    for at in (0..words.len().saturating_sub(2)).filter(|at| words[*at..].starts_with(&["path", ":"])) {
        let path = words[at + 2].trim_matches('"');
        let closure = (at..words.len()).find(|begin| words[*begin..].starts_with(&["pin", "("]));
        let call = closure.and_then(|begin| (begin..words.len().saturating_sub(3)).find(is_call));
        if let Some(call) = call.filter(|_| path.starts_with('/')) {
            found.insert(path.to_owned(), (words[call].to_owned(), words[call + 2].to_owned()));
        }
    }
    found
}

/// The bodies of a function, and of those in its file that it calls.
fn bodies<'a>(code: &'a [&'a str], function: &'a str) -> Vec<&'a [&'a str]> {
    let mut defined = BTreeMap::<&str, Vec<&[&str]>>::new();
    for at in (0..code.len().saturating_sub(1)).filter(|at| code[*at] == "fn") {
        let opening = end_of(code, at + 2, &["{", ";"]);
        if code.get(opening) == Some(&"{") {
            defined.entry(code[at + 1]).or_default().push(&code[opening..end_of(code, opening + 1, &[])]);
        }
    }
    let (mut waiting, mut seen, mut found) = (vec![function], BTreeSet::new(), Vec::new());
    while let Some(name) = waiting.pop() {
        let own = if seen.insert(name) { defined.get(name) } else { None };
        for body in own.into_iter().flatten() {
            let called = body.windows(3).filter(|three| three[0] != "::" && three[2] == "(");
            waiting.extend(called.map(|three| three[1]).filter(|name| defined.contains_key(name)));
            found.push(*body);
        }
    }
    found
}

/// Does the function of this module call the other one, by itself or by functions of its file?
fn identifies_by(module: &str, source: &str, function: &str, name: &str) -> bool {
    let code = without_tests(tokens(source));
    let code = words(&code);
    let near = is_near(module, &code, name);
    bodies(&code, function).into_iter().any(|body| calls(body, name, near))
}

/// The first block that opens behind these words, without its brackets.
fn block<'a>(code: &'a [&'a str], wanted: &[&str]) -> &'a [&'a str] {
    let begin = (0..code.len()).find(|at| code[*at..].starts_with(wanted)).unwrap_or(code.len());
    let opening = end_of(code, begin, &["{"]);
    code.get(opening + 1..end_of(code, opening + 1, &[])).unwrap_or_default()
}

/// The arm of `answer_caller` for this kind of program. Nothing else of the file counts.
fn arm<'a>(code: &'a [&'a str], kind: &str) -> &'a [&'a str] {
    let answer = block(code, &["fn", "answer_caller"]);
    let begin = (0..answer.len()).find(|at| answer[*at..].starts_with(&["Handler", "::", kind, "("]));
    begin.map_or(&[][..], |at| &answer[at..end_of(answer, at + 1, &[",", "Handler"])])
}

/// Programs are identified before their endpoint runs, and people by it. That a row of programs has the handler of its caller, the compiler
/// holds (`Handler::is_for`). So each kind of program is looked at once, in its own arm of `answer_caller`.
#[test]
fn callers_are_identified_where_the_table_says() {
    let (table, handlers, sources) = (table(), handlers(), sources());
    let of_programs = without_tests(tokens(&sources["http"]));
    let of_programs = words(&of_programs);
    let mut kinds = BTreeSet::new();
    for route in routes().filter(|route| route.caller != Caller::Anyone) {
        let (caller, kind) = (format!("{:?}", route.caller), format!("caller: {:?}", route.caller));
        let row = table.iter().find(|(check, _)| *check == kind);
        let (_, names) = row.unwrap_or_else(|| panic!("the table in server/src/http/mod.rs has no row for {kind}"));
        let is_new = kinds.insert(kind);
        if route.reads_cookie() {
            let (module, function) = &handlers[route.path];
            let source = &sources[&format!("http::{module}")];
            let is_identified = names.iter().any(|name| identifies_by(module, source, function, name));
            assert!(is_identified, "{}: its caller is {caller}, but {module}::{function} calls none of {names:?}", route.path);
        } else if is_new {
            let arm = arm(&of_programs, &caller);
            let is_identified = names.iter().any(|name| calls(arm, name, is_near("http", &of_programs, name)));
            assert!(is_identified, "the arm of answer_caller for {caller} calls none of {names:?}: {arm:?}");
        }
    }
    let said = table.iter().filter(|(check, _)| check.starts_with("caller: ")).map(|(check, _)| check.clone());
    assert_eq!(said.collect::<BTreeSet<_>>(), kinds, "the table, then the rows of the route table");
}

/// What a form of ours wants done is read when its token was verified. Two files read it without, and do nothing of it.
#[test]
fn unverified_forms_are_read_where_it_says() {
    let source = root().join("server/src");
    let naming = |word: &str| {
        let files = of("rs").into_iter().filter(|file| file.starts_with(&source));
        let names = |file: &std::path::PathBuf| words(&tokens(&text(file))).contains(&word);
        files.filter(names).map(|file| shown(&file)).collect::<Vec<_>>()
    };
    let mut verifying = naming("unverified_form");
    verifying.sort();
    // One function compares the token; the other file reads the request.
    assert_eq!(verifying, ["server/src/http/browser.rs", "server/src/web/request.rs"], "use `browser::verified_form`");
    let mut reading = naming("form_as_sent");
    reading.sort();
    // The first compares an answer with the one before, the second posts once more what another site posted, the third defines it.
    let may = ["server/src/http/login.rs", "server/src/http/pages.rs", "server/src/web/request.rs"];
    assert_eq!(reading, may, "use `browser::verified_form`");
}

/// The twins: what counts as a call of a handler, and what does not.
#[test]
fn a_call_of_a_handler_is_told_from_others() {
    let by = |source: &str, name: &str| identifies_by("own", source, "page", name);
    assert!(by("fn page() { app.callers.api(app) }", "Callers::api") && !by("fn page() { app.api(app) }", "Callers::api"));
    assert!(by("fn page() { Cookie::of(app) }", "Cookie::of") && !by("fn page() { Option::of(app) }", "Cookie::of"));
    assert!(!by("fn page() { link.of(app) }", "Cookie::of") && !by("fn page() { Cookie::all(app) }", "Cookie::of"));
    assert!(by("fn page() { other::own(app) }", "other::own") && !by("fn page() { other::owner(app) }", "other::own"));
    assert!(by("fn page() { a(b()) } fn b() { x::y(z) }", "x::y") && !by("fn page() { a(c()) } fn b() { x::y(z) }", "x::y"));
    assert!(by("use x::{y, z}; fn page() { y(a) }", "x::y") && !by("use x::{z}; fn page() { y(a) }", "x::y"));
    assert!(by("use a::x::y; fn page() { y(a) }", "x::y") && !by("use a::x::y; fn page() { z.y(a) }", "x::y"));
    assert!(by("fn page() { held(a) }", "own::held") && !by("fn page() { a } fn held() {}", "own::held"));
    let arms = "fn answer_caller() -> A { Handler::Client(f) => { x::y(f, g) } Handler::Api(f) => x::z(f), }";
    let others = "fn is_for() { Handler::Token(f) => x::y(f), Handler::Api(f) => x::y(f), }";
    let by = |source: &str, kind: &str, name: &str| calls(arm(&words(&tokens(source)), kind), name, false);
    let whole = format!("{others} {arms} fn all() {{ Handler::Token(f) => x::y(f) }} {others}");
    assert!(by(&whole, "Client", "x::y") && !by(&whole, "Client", "x::z") && by(&whole, "Api", "x::z") && !by(&whole, "Api", "x::y"));
    assert!(!by(&whole, "Token", "x::y") && !by(&whole, "Token", "x::z"), "no such arm");
    assert!(!by(others, "Token", "x::y") && !by(&arms.replace("Handler", "Self"), "Client", "x::y"), "no such function, no such arm");
    let (handlers, answers) = (handlers(), ("token".to_owned(), "token".to_owned()));
    assert!(handlers["/token"] == answers && handlers.len() > 40, "{handlers:?}");
}
