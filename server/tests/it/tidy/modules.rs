//! Files of the server import each other in one direction. A test reads `server/src`, computes which file imports which, and fails on
//! any circle, and on any file of a lower floor that imports the upper ones. `inherent.rs` adds the calls of methods.

use super::code::{Token, tokens, without_tests};
use super::{of, root, text};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The file at the root of the crate. Its path is empty.
pub(super) const ROOT: &str = "lib";

/// The upper floor: who may import `http` or `app`. `app` itself imports nothing of `http`.
const UPPER: &[&str] = &["cli", "http", "serve"];

/// One file imports another: where, and by which path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) line: usize,
    pub(super) path: String,
}

/// Is this the module, or one inside it?
fn is_within(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every module of the server that is a file: its path, such as `store::change`, and its text. `main.rs` is another crate.
pub(super) fn sources() -> BTreeMap<String, String> {
    let source = root().join("server/src");
    let mut found = BTreeMap::new();
    for file in of("rs") {
        let Ok(below) = file.strip_prefix(&source) else { continue };
        let name = below.with_extension("").to_str().unwrap().replace('/', "::");
        let name = name.strip_suffix("::mod").unwrap_or(&name);
        if name != "main" {
            found.insert(name.to_owned(), text(&file));
        }
    }
    found
}

/// A path of the code, its line, and the name that a `use` gives it. `*` stands for all names of a module.
pub(super) struct Path {
    pub(super) words: Vec<String>,
    pub(super) line: usize,
    pub(super) named: Option<String>,
}

/// The paths of one `use`, from its first word on; answers where the tree ended.
fn use_tree(tokens: &[Token], mut at: usize, before: &[String], found: &mut Vec<Path>) -> usize {
    let (mut words, line) = (before.to_vec(), tokens[at].1);
    loop {
        match tokens[at].0.as_str() {
            "{" => {
                at += 1;
                while tokens[at].0 != "}" {
                    at = use_tree(tokens, at, &words, found);
                    at += usize::from(tokens[at].0 == ",");
                }
                return at + 1;
            }
            "::" => at += 1,
            "self" if !words.is_empty() => at += 1,
            "," | ";" | "}" => {
                let named = words.last().cloned();
                found.push(Path { words, line, named });
                return at;
            }
            "as" => {
                let named = Some(tokens[at + 1].0.clone());
                found.push(Path { words, line, named });
                return at + 2;
            }
            word => {
                words.push(word.to_owned());
                at += 1;
            }
        }
    }
}

/// Paths of `use` lines, and paths in code. `mod x;` is neither.
pub(super) fn paths(tokens: &[Token]) -> Vec<Path> {
    let (mut found, mut at) = (Vec::new(), 0);
    let is_word = |at: usize| tokens.get(at).is_some_and(|token: &Token| token.0.starts_with(|it: char| it.is_alphabetic() || it == '_'));
    while at < tokens.len() {
        if tokens[at].0 == "use" && is_word(at + 1) {
            at = use_tree(tokens, at + 1, &[], &mut found);
        } else if is_word(at) && (at == 0 || !matches!(tokens[at - 1].0.as_str(), "::" | ".")) {
            let (mut words, line) = (vec![tokens[at].0.clone()], tokens[at].1);
            // `pub(in crate::a)` says who may see an item; it imports nothing.
            let is_visibility = at > 1 && tokens[at - 1].0 == "in" && tokens[at - 2].0 == "(";
            while tokens.get(at + 1).is_some_and(|it| it.0 == "::") && is_word(at + 2) {
                words.push(tokens[at + 2].0.clone());
                at += 2;
            }
            if words.len() > 1 && !is_visibility {
                found.push(Path { words, line, named: None });
            }
            at += 1;
        } else {
            at += 1;
        }
    }
    found
}

/// The modules of the server as code, and where their paths lead.
pub(super) struct House {
    /// Without unit tests.
    pub(super) code: BTreeMap<String, Vec<Token>>,
    pub(super) paths: BTreeMap<String, Vec<Path>>,
    /// Names of modules that `use` brings into each module. Paths in code begin with them.
    names: BTreeMap<String, BTreeMap<String, String>>,
}

impl House {
    pub(super) fn read(modules: &BTreeMap<String, String>) -> Self {
        let code: BTreeMap<String, Vec<Token>> =
            modules.iter().map(|(name, source)| (name.clone(), without_tests(tokens(source)))).collect();
        let paths = code.iter().map(|(name, code)| (name.clone(), paths(code))).collect();
        let mut house = Self { code, paths, names: BTreeMap::new() };
        house.names = house.names_of_modules();
        house
    }

    /// Where a path leads, seen from a module: the whole path from the root of the crate. `None`: to another crate.
    pub(super) fn absolute(&self, from: &str, words: &[String]) -> Option<Vec<String>> {
        let parts = |module: &str| -> Vec<String> { module.split("::").map(str::to_owned).collect() };
        let mut base = if from == ROOT { Vec::new() } else { parts(from) };
        let is_inside = |name: &str| self.code.contains_key(&if from == ROOT { name.to_owned() } else { format!("{from}::{name}") });
        let mut rest = words.iter().peekable();
        match words.first()?.as_str() {
            "crate" => {
                rest.next();
                base.clear();
            }
            "self" => {
                rest.next();
            }
            "super" => {
                while rest.next_if(|it| *it == "super").is_some() {
                    base.pop();
                }
            }
            first if is_inside(first) => {}
            first => {
                base = parts(self.names.get(from)?.get(first)?);
                rest.next();
            }
        }
        base.extend(rest.cloned());
        Some(base)
    }

    /// What `use` brings in. A glob brings the modules inside its own, and those that are named there.
    fn names_of_modules(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let (mut names, mut globs) = (BTreeMap::<String, BTreeMap<String, String>>::new(), Vec::new());
        for (from, paths) in &self.paths {
            let named = paths.iter().filter_map(|path| Some((path.named.as_ref()?, self.absolute(from, &path.words)?)));
            for (name, whole) in named {
                let own = names.entry(from.clone()).or_default();
                match whole.split_last() {
                    Some((last, of)) if last == "*" => globs.push((from, of.join("::"))),
                    Some(_) if self.code.contains_key(&whole.join("::")) => {
                        own.insert(name.clone(), whole.join("::"));
                    }
                    _ => {}
                }
            }
        }
        for (from, of) in &globs {
            let begin = if of.is_empty() { String::new() } else { format!("{of}::") };
            let inside = self.code.keys().filter_map(|module| Some((module.strip_prefix(begin.as_str())?, module)));
            for (name, module) in inside.filter(|(name, module)| !name.contains("::") && *module != ROOT) {
                names.entry((*from).clone()).or_default().entry(name.to_owned()).or_insert_with(|| module.clone());
            }
        }
        loop {
            let before = names.clone();
            for (from, of) in &globs {
                let there = before.get(if of.is_empty() { ROOT } else { of.as_str() }).into_iter().flatten();
                for (name, module) in there {
                    names.entry((*from).clone()).or_default().entry(name.clone()).or_insert_with(|| module.clone());
                }
            }
            if names == before {
                return names;
            }
        }
    }

    /// The file that a path ends in: the innermost module on it, or the root.
    fn file_of(&self, mut whole: Vec<String>) -> Option<String> {
        while !whole.is_empty() && !self.code.contains_key(&whole.join("::")) {
            whole.pop();
        }
        let name = if whole.is_empty() { ROOT.to_owned() } else { whole.join("::") };
        self.code.contains_key(&name).then_some(name)
    }

    pub(super) fn imports(&self) -> Vec<Import> {
        let mut found = BTreeSet::new();
        for (from, paths) in &self.paths {
            for path in paths {
                let to = self.absolute(from, &path.words).and_then(|whole| self.file_of(whole));
                if let Some(to) = to.filter(|to| to != from) {
                    found.insert(Import { from: from.clone(), to, line: path.line, path: path.words.join("::") });
                }
            }
        }
        found.into_iter().collect()
    }
}

/// The shortest way from one module to another.
fn way<'a>(from: &str, to: &str, imports: &BTreeMap<&str, Vec<&'a Import>>) -> Option<Vec<&'a Import>> {
    let (mut came_by, mut open) = (BTreeMap::<&str, &Import>::new(), VecDeque::from([from.to_owned()]));
    while let Some(here) = open.pop_front() {
        for import in imports.get(here.as_str()).into_iter().flatten() {
            if import.to != from && !came_by.contains_key(import.to.as_str()) {
                came_by.insert(&import.to, import);
                open.push_back(import.to.clone());
            }
        }
    }
    let (mut steps, mut here) = (Vec::new(), to);
    while here != from {
        let step = *came_by.get(here)?;
        steps.push(step);
        here = &step.from;
    }
    steps.reverse();
    Some(steps)
}

/// The shortest circle through each file that is in one, each said once: its files, and the lines that tie it.
pub(super) fn circles(imports: &[&Import]) -> Vec<String> {
    let mut by_file = BTreeMap::<&str, Vec<&Import>>::new();
    imports.iter().for_each(|it| by_file.entry(&it.from).or_default().push(it));
    let (mut said, mut seen) = (Vec::new(), BTreeSet::new());
    for import in imports {
        let Some(back) = way(&import.to, &import.from, &by_file) else { continue };
        let all: Vec<&Import> = std::iter::once(*import).chain(back).collect();
        let files: BTreeSet<&str> = all.iter().map(|it| it.from.as_str()).collect();
        if seen.insert(files) {
            let lines: Vec<String> =
                all.iter().map(|it| format!("  {} line {} imports {} ({})", it.from, it.line, it.to, it.path)).collect();
            said.push(format!("a circle of {} files:\n{}", all.len(), lines.join("\n")));
        }
    }
    said
}

/// Does it lead to `http` or `app`, from outside of them?
fn leads_up(import: &Import) -> bool {
    ["app", "http"].iter().any(|top| is_within(&import.to, top) && !is_within(&import.from, top))
}

fn from_below(imports: &[Import]) -> Vec<String> {
    let is_upper = |module: &str| UPPER.iter().any(|it| is_within(module, it));
    let wrong = imports.iter().filter(|it| !is_upper(&it.from) && leads_up(it));
    wrong.map(|it| format!("{} line {} imports {} ({})", it.from, it.line, it.to, it.path)).collect()
}

/// Who may import `http` or `app`, and does not.
fn idle(imports: &[Import]) -> Vec<&'static str> {
    let leads = |upper: &str| imports.iter().any(|import| is_within(&import.from, upper) && leads_up(import));
    UPPER.iter().copied().filter(|upper| !leads(upper)).collect()
}

#[test]
fn no_file_of_the_server_is_in_a_circle_of_imports() {
    let modules = sources();
    assert!(modules.len() > 80, "the sources were found");
    let imports = House::read(&modules).imports();
    assert!(imports.len() > 400, "{} imports were found", imports.len());
    let circles = circles(&imports.iter().collect::<Vec<_>>());
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn no_file_of_a_lower_floor_imports_the_upper_one() {
    let imports = House::read(&sources()).imports();
    let wrong = from_below(&imports);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(idle(&imports), [""; 0], "these import neither `http` nor `app`: take them off the list");
}

/// A house of small sources.
pub(super) fn house_of(files: &[(&str, &str)]) -> House {
    House::read(&files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
}

/// What the two tests above rely on, tried on small sources: each circle with the twin that has none.
#[test]
fn a_circle_is_found_however_it_is_tied() {
    let read = |files: &[(&str, &str)]| house_of(files).imports();
    let tied = |files: &[(&str, &str)]| circles(&read(files).iter().collect::<Vec<_>>());
    for (files, why) in [
        (&[("a", "use crate::b::B;"), ("b", "use crate::a::A;")][..], "two use lines"),
        (&[("a", "use crate::b::B;"), ("b", "fn f() -> crate::a::A {}")], "a path in code"),
        (&[("a", "use crate::{b::{self, B}};"), ("b", "use super::a;")], "a tree, and super"),
        (&[("a", "pub mod c; pub use c::C;"), ("a::c", "use super::A;")], "a parent that exports its child"),
        (&[("a", "mod c; fn f() { c::g() }"), ("a::c", "use super::A;")], "a parent that calls its child"),
        (&[("a", "use crate::b; fn f() { b::c::g() }"), ("b", "pub mod c;"), ("b::c", "use crate::a::A;")], "by a module's name"),
        (&[("a", "use crate::b as z; fn f() { z::c::g() }"), ("b", "pub mod c;"), ("b::c", "use crate::a::A;")], "under another name"),
        (&[("a", "use crate::b::B;"), ("b", "fn f() { for x in crate::a::all() {} }")], "a path behind `in`"),
        (&[("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;")], "three files"),
        (&[("a", "use crate::b::*; fn f() { c::g() }"), ("b", "pub mod c;"), ("b::c", "use crate::a::A;")], "a glob that brings a module"),
        (
            &[
                ("a", "use crate::b::*; fn f() { d::g() }"),
                ("b", "pub use crate::c::*;"),
                ("c", "pub mod d;"),
                ("c::d", "use crate::a::A;"),
            ],
            "a glob of a glob",
        ),
        (&[("lib", "pub use a::A;"), ("a", "use crate::B;")], "the root of the crate"),
    ] {
        assert_eq!(tied(files).len(), 1, "{why}: {:?}", tied(files));
    }
    for (files, why) in [
        (&[("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "")][..], "a line"),
        (&[("a", "pub mod c;"), ("a::c", "use super::A;")], "a parent that only declares its child"),
        (&[("a", "use crate::b::B;"), ("b", "// crate::a::A\nconst T: &str = \"\\\"crate::a::A\";")], "comments and texts"),
        (&[("a", "use crate::b::B;"), ("b", "#[cfg(test)]\nmod tests { use crate::a::A; }")], "unit tests"),
        (&[("a", "use crate::b::B;"), ("b", "pub(in crate::a) const C: u8 = 1;")], "a visibility"),
        (&[("a", "use crate::b::*; fn f() { c::g() }"), ("b", "pub mod c;"), ("b::c", "")], "a glob"),
        (&[("lib", "pub mod a; pub mod b;"), ("a", "use crate::B;"), ("b", "")], "a root that only declares"),
        (&[("a", "use crate::b::B;"), ("b", "use other::a::A; fn f(c: char) { c == '\"'; a.b::<u8>() }")], "another crate"),
    ] {
        assert_eq!(tied(files), Vec::<String>::new(), "{why}");
    }
    let said = tied(&[("a", "\nuse crate::b::B;"), ("b", "\n\nuse crate::a::A;")]);
    assert_eq!(said, ["a circle of 2 files:\n  a line 2 imports b (crate::b::B)\n  b line 3 imports a (crate::a::A)"]);
    let below = |from: &str| from_below(&read(&[(from, "use crate::app::App;"), ("app", "")]));
    assert_eq!(below("grants::code"), ["grants::code line 1 imports app (crate::app::App)"]);
    assert_eq!(below("http::token"), Vec::<String>::new());
    assert_eq!(from_below(&read(&[("app", "use crate::http::token::T;"), ("http", ""), ("http::token", "")])).len(), 1);
    assert_eq!(idle(&read(&[("cli", "use crate::app::App;"), ("app", ""), ("http", "use crate::app::App;"), ("serve", "")])), ["serve"]);
    assert_eq!(below("server").len(), 1, "a name that begins alike is another room");
}
