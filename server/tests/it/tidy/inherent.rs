//! Files that hold the `impl` of one type in parts tie each other by calls of its methods, which no `use` shows. A test adds these calls to
//! the imports, and fails on any circle that is not listed here with its reason.
//!
//! It is lexical. A call on `self` is found by the type of its `impl`. Any other is found by the name of the method, if the server has one
//! function of this name, and if the file stands beside the type or imports it.

use super::code::{end_of, words};
use super::modules::{House, Import, circles, house_of, sources};
use super::names::types;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Types whose files call each other in a circle: the type, those files, and why they are one.
const ONE_TYPE_IN_SEVERAL_FILES: [(&str, &[&str], &str); 2] = [
    (
        "config::file::Config",
        &["config::client::fapi", "config::client::rules", "config::client_policy_rules", "config::file"],
        "no configuration leaves `from_text` that its rules have not judged, and a rule about a client looks at the whole file",
    ),
    (
        "login::flow::Run",
        &[
            "login::becoming",
            "login::due",
            "login::enrolling",
            "login::flow",
            "login::managing",
            "login::outside",
            "login::plugin_links",
            "login::questions",
            "login::recording",
            "login::regain",
            "login::shown_elsewhere",
        ],
        "one move of a sign-in: what an answer comes to leads to the next question, and a question may begin another journey",
    ),
];

/// The path of a type: its module, and its name there.
type TypePath = String;

/// One `impl`, or the body of one that belongs to a trait.
struct Impl<'a> {
    file: &'a str,
    of: TypePath,
    body: Range<usize>,
    is_of_trait: bool,
}

/// A file calls a method of a type that another file defines.
struct MethodCall {
    of: TypePath,
    edge: Import,
}

/// The methods of each type whose `impl` stands in several files, and the file of each.
type Split<'a> = BTreeMap<TypePath, BTreeMap<String, &'a str>>;

/// The sources, with the types that each module defines.
struct Types<'a> {
    house: &'a House,
    defined: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

pub(super) fn is_name(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// Behind the parameters in angle brackets, if there are any.
pub(super) fn behind_parameters(words: &[&str], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while words.get(at) == Some(&"<") || depth > 0 {
        match words.get(at) {
            Some(&"<") => depth += 1,
            Some(&">") if words[at - 1] != "-" => depth -= 1,
            Some(_) => {}
            None => return at,
        }
        at += 1;
    }
    at
}

impl<'a> Types<'a> {
    fn of(house: &'a House) -> Self {
        Self { house, defined: house.code.iter().map(|(module, code)| (module.as_str(), types(code))).collect() }
    }

    /// The type that a module calls by this path, wherever it is exported again.
    fn resolve(&self, module: &str, path: &[String], seen: &mut BTreeSet<TypePath>) -> Option<TypePath> {
        let (name, before) = path.split_last()?;
        let module = if before.is_empty() { module.to_owned() } else { self.house.absolute(module, before)?.join("::") };
        let whole = format!("{module}::{name}");
        if !seen.insert(whole.clone()) {
            return None;
        }
        if self.defined.get(module.as_str())?.contains(name.as_str()) {
            return Some(whole);
        }
        let brings_it = |named: &str| named == name || named == "*";
        let uses = self.house.paths[&module].iter().filter(|path| path.named.as_deref().is_some_and(brings_it));
        uses.filter_map(|path| self.house.absolute(&module, &path.words)).find_map(|mut whole| {
            if whole.last().is_some_and(|last| last == "*") {
                whole.pop();
                whole.push(name.clone());
            }
            let whole: Vec<String> = std::iter::once("crate".to_owned()).chain(whole).collect();
            if whole.len() > 2 { self.resolve(&module, &whole, seen) } else { None }
        })
    }

    /// The `impl`s of a file. Elsewhere the word stands for a type, behind other words.
    fn impls(&self, file: &'a str) -> Vec<Impl<'a>> {
        let words = words(&self.house.code[file]);
        let begins = |at: &usize| words[*at] == "impl" && (*at == 0 || matches!(words[*at - 1], "}" | ";" | "]" | "{"));
        let mut found = Vec::new();
        for at in (0..words.len()).filter(begins) {
            let head = behind_parameters(&words, at + 1);
            let opening = end_of(&words, head, &["{"]);
            let is_for = |at: &usize| words[*at] == "for" && words.get(*at + 1) != Some(&"<");
            let of_trait = (head..opening).find(is_for);
            let own = &words[of_trait.map_or(head, |at| at + 1)..opening];
            let path = own.iter().take_while(|word| **word == "::" || (is_name(word) && **word != "where"));
            let path: Vec<String> = path.filter(|word| **word != "::").map(|word| (*word).to_owned()).collect();
            if let Some(of) = self.resolve(file, &path, &mut BTreeSet::new()) {
                let body = opening..end_of(&words, opening + 1, &[]);
                found.push(Impl { file, of, body, is_of_trait: of_trait.is_some() });
            }
        }
        found
    }
}

fn split_types<'a>(house: &House, impls: &[Impl<'a>]) -> Split<'a> {
    let mut methods = Split::new();
    for one in impls.iter().filter(|one| !one.is_of_trait) {
        let (words, mut depth) = (words(&house.code[one.file]), 0);
        for at in one.body.clone() {
            depth += i32::from(words[at] == "{") - i32::from(words[at] == "}");
            if depth == 1 && words[at] == "fn" && is_name(words[at + 1]) {
                methods.entry(one.of.clone()).or_default().insert(words[at + 1].to_owned(), one.file);
            }
        }
    }
    methods.retain(|_, methods| methods.values().collect::<BTreeSet<_>>().len() > 1);
    methods
}

fn method_call(of: &str, name: &str, (from, to): (&str, &str), line: usize) -> MethodCall {
    let path = format!("{}.{name}", of.rsplit("::").next().unwrap_or(of));
    MethodCall { of: of.to_owned(), edge: Import { from: from.to_owned(), to: to.to_owned(), line, path } }
}

/// The calls of methods by which files lead to each other.
fn method_calls(house: &House, imports: &[Import]) -> Vec<MethodCall> {
    let types = Types::of(house);
    let impls: Vec<Impl<'_>> = house.code.keys().flat_map(|file| types.impls(file)).collect();
    let split = split_types(house, &impls);
    let mut found = calls_on_self(house, &impls, &split);
    found.extend(other_calls(&types, &split, imports));
    found.retain(|call| call.edge.from != call.edge.to);
    found
}

/// In an `impl` of the type itself.
fn calls_on_self(house: &House, impls: &[Impl<'_>], split: &Split<'_>) -> Vec<MethodCall> {
    let mut found = Vec::new();
    for one in impls {
        let Some(methods) = split.get(&one.of) else { continue };
        let code = &house.code[one.file];
        let words = words(code);
        for at in one.body.clone().filter(|at| matches!(words[*at], "self" | "Self") && matches!(words[*at + 1], "." | "::")) {
            let name = words[at + 2];
            let is_call = matches!(words.get(at + 3), Some(&"(" | &"::"));
            if let Some(to) = methods.get(name).filter(|_| is_call) {
                found.push(method_call(one.of.as_str(), name, (one.file, *to), code[at].1));
            }
        }
    }
    found
}

/// By a variable, a field or the name of the type.
fn other_calls(types: &Types<'_>, split: &Split<'_>, imports: &[Import]) -> Vec<MethodCall> {
    let (known, alone) = (known(split, imports), alone(types.house));
    let mut found = Vec::new();
    for (file, code) in &types.house.code {
        let words = words(code);
        for at in (2..words.len()).filter(|at| matches!(words.get(*at + 1), Some(&"(" | &"::"))) {
            let (name, receiver) = (words[at], words[at - 2]);
            let is_of = |of: &str, methods: &BTreeMap<String, &str>| methods.contains_key(name) && known.contains(&(file.as_str(), of));
            let of = match words[at - 1] {
                "." if receiver != "self" && alone.contains(name) => {
                    split.iter().find(|(of, methods)| is_of(of.as_str(), methods)).map(|(of, _)| of.clone())
                }
                "::" if receiver.starts_with(char::is_uppercase) && receiver != "Self" => {
                    types.resolve(file, &[receiver.to_owned()], &mut BTreeSet::new())
                }
                _ => None,
            };
            let Some(of) = of else { continue };
            if let Some(to) = split.get(&of).and_then(|methods| methods.get(name)) {
                found.push(method_call(of.as_str(), name, (file.as_str(), *to), code[at].1));
            }
        }
    }
    found
}

/// Which files stand beside which of the types, or import a file that does.
fn known<'a>(split: &'a Split<'_>, imports: &'a [Import]) -> BTreeSet<(&'a str, &'a str)> {
    let mut known = BTreeSet::new();
    for (of, methods) in split {
        let files: BTreeSet<&str> = methods.values().copied().collect();
        let importing = imports.iter().filter(|import| files.contains(import.to.as_str())).map(|import| import.from.as_str());
        known.extend(files.iter().copied().chain(importing).map(|file| (file, of.as_str())));
    }
    known
}

/// The names that one function alone has.
fn alone(house: &House) -> BTreeSet<&str> {
    let mut count = BTreeMap::<&str, usize>::new();
    for code in house.code.values() {
        for pair in code.windows(2).filter(|pair| pair[0].0 == "fn") {
            *count.entry(pair[1].0.as_str()).or_default() += 1;
        }
    }
    count.into_iter().filter(|(_, times)| *times == 1).map(|(name, _)| name).collect()
}

/// Files that lead to each other, in groups.
fn groups<'a>(edges: &[&'a Import]) -> BTreeSet<BTreeSet<&'a str>> {
    let mut next = BTreeMap::<&str, BTreeSet<&str>>::new();
    edges.iter().for_each(|edge| {
        next.entry(edge.from.as_str()).or_default().insert(&edge.to);
    });
    let mut reach = BTreeMap::<&str, BTreeSet<&str>>::new();
    for file in next.keys().copied() {
        let (mut seen, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(here) = open.pop() {
            open.extend(next.get(here).into_iter().flatten().copied().filter(|to| seen.insert(*to)));
        }
        reach.insert(file, seen);
    }
    let leads = |from: &str, to: &str| reach.get(from).is_some_and(|all| all.contains(to));
    let tied = reach.keys().copied().filter(|file| leads(file, file));
    tied.map(|file| reach[file].iter().copied().filter(|other| leads(other, file)).collect()).collect()
}

/// What is wrong with the list, as the files are.
fn faults(house: &House, list: &[(&str, &[&str], &str)]) -> Vec<String> {
    let imports = house.imports();
    let calls = method_calls(house, &imports);
    let edges: Vec<&Import> = imports.iter().chain(calls.iter().map(|call| &call.edge)).collect();
    let (found, mut wrong) = (groups(&edges), Vec::new());
    let listed: BTreeSet<BTreeSet<&str>> = list.iter().map(|(_, files, _)| files.iter().copied().collect()).collect();
    for files in found.iter().filter(|files| !listed.contains(*files)) {
        let within = |edge: &&Import| files.contains(edge.from.as_str()) && files.contains(edge.to.as_str());
        let circles = circles(&edges.iter().copied().filter(within).collect::<Vec<_>>());
        wrong.push(format!("{files:?} lead to each other:\n{}", circles[..circles.len().min(5)].join("\n")));
    }
    for (of, files, why) in list {
        let files: BTreeSet<&str> = files.iter().copied().collect();
        if !found.contains(&files) {
            wrong.push(format!("{of}: these are not the files that its methods tie any more: correct the list, or take it off"));
        }
        let others = calls.iter().filter(|call| call.of != *of).map(|call| &call.edge).chain(&imports);
        let others: Vec<&Import> = others.filter(|edge| files.contains(edge.from.as_str()) && files.contains(edge.to.as_str())).collect();
        if !groups(&others).is_empty() {
            wrong.push(format!("{of}: its files are tied by more than its methods:\n{}", circles(&others).join("\n")));
        }
        if why.split(' ').count() < 5 {
            wrong.push(format!("{of} gives no reason"));
        }
    }
    wrong
}

#[test]
fn files_of_one_type_call_each_other_in_one_direction() {
    let house = House::read(&sources());
    let calls = method_calls(&house, &house.imports()).len();
    assert!(calls > 100, "{calls} calls were found");
    let wrong = faults(&house, &ONE_TYPE_IN_SEVERAL_FILES);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the test above relies on, tried on small sources: each tie with the twin that has none.
#[test]
fn a_call_of_a_method_is_a_tie() {
    let tied = |files: &[(&str, &str)]| faults(&house_of(files), &[]).len();
    let own = ("a", "pub struct T; impl T { fn f(&self) { self.g() } }");
    let other = ("b", "use crate::a::T; impl T { pub fn g(&self) {} }");
    let exported = [own, ("c", "pub use crate::a::*; pub use crate::d::g;"), ("b", "use crate::c::T; impl<'a> T { pub fn g(&self) {} }")];
    for (files, why) in [
        (&[own, other][..], "a call on `self`"),
        (&[("a", "pub struct T<'a>; impl<'a, F: Fn(u8) -> u8> T<'a> { fn f() { Self::g() } }"), other], "a call of `Self`"),
        (&[("a", "pub struct T; impl T { fn f() {} } fn h(t: &T) { t.g() }"), other], "a call by a variable"),
        (&[("a", "pub struct T; impl T { fn f() {} } fn h(t: &T) { t.g::<u8>() }"), other], "a call by a variable, with its type"),
        (&[("a", "pub struct T; impl T { fn f() {} } fn h(t: &T) { T::g(t) }"), other], "a call by the type"),
        (&[("a", "pub struct T; impl T { fn f() {} } fn h(t: &T) { T::g::<u8>(t) }"), other], "a call by the type, with its type"),
        (&[("a", "pub struct T; impl T { fn f() {} } impl X for T { fn x(&self) { self.g::<u8>() } }"), other], "a call in a trait's"),
        (&[own, ("b", "impl crate::a::T { pub fn g(&self) {} }")], "a path in front of the type"),
        (&exported, "a type that is exported again"),
    ] {
        assert_eq!(tied(files), 1, "{why}: {:?}", faults(&house_of(files), &[]));
    }
    for (files, why) in [
        (&[("a", "pub struct T; impl T { fn f(&self) { self.h() } fn h(&self) {} }"), other][..], "no call"),
        (&[own, ("b", "use crate::a::X; struct T; impl T { fn g(&self) {} }")], "another type of this name"),
        (&[own, ("b", "use crate::a::T; impl Y for T { fn g(&self) {} }")], "a method of a trait"),
        (&[("a", "pub struct T; impl T { fn f() {} } fn h(x: X) { x.g() }"), other, ("c", "fn g() {}")], "a name that two have"),
        (&[("a", "pub struct T; impl T { fn f() {} } fn h(t: &T) { t.g; t.f::<u8>() }"), other], "a field of this name"),
        (
            &[
                ("a", "pub struct T; impl T { fn f() {} }"),
                ("b", "use crate::c::X; use crate::a::T; impl T { fn g() {} }"),
                ("c", "fn h(x: X) { x.g() }"),
            ],
            "a file that does not know the type",
        ),
        (&[own, ("b", "use crate::a::T; #[cfg(test)] mod tests { impl T { fn g(&self) {} } }")], "unit tests"),
    ] {
        assert_eq!(tied(files), 0, "{why}: {:?}", faults(&house_of(files), &[]));
    }
    let house = house_of(&[own, other]);
    let listed = |files: &[&str], why: &str| faults(&house, &[("a::T", files, why)]).len();
    assert_eq!(listed(&["a", "b"], "both are one for this reason"), 0);
    assert_eq!(listed(&["a", "b"], "because"), 1, "no reason");
    assert_eq!(listed(&["a", "b", "c"], "both are one for this reason"), 2, "another group, and one that is not listed");
    assert_eq!(faults(&house, &[("a::X", &["a", "b"], "both are one for this reason")]).len(), 1, "tied by the methods of another type");
}
