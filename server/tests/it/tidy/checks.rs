//! The table at the top of `http/mod.rs`: where each check is made. What it names exists, and endpoints identify callers as it says.

use super::modules::sources;
use super::routes::{routes, written_down};
use super::{root, text};
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

/// Does the code call the function? Of a type it may be a method.
fn calls(source: &str, name: &str) -> bool {
    let method = name.rsplit("::").next().unwrap_or_default();
    let is_of_type = name.starts_with(char::is_uppercase);
    source.contains(&format!("{name}(")) || (is_of_type && source.contains(&format!(".{method}(")))
}

#[test]
fn endpoints_identify_their_callers_as_the_table_says() {
    let (table, files) = (table(), written_down());
    let mut kinds = BTreeSet::new();
    for route in routes().filter(|route| route.caller != Caller::Anyone) {
        let kind = format!("caller: {:?}", route.caller);
        let row = table.iter().find(|(check, _)| *check == kind);
        let (_, names) = row.unwrap_or_else(|| panic!("the table in server/src/http/mod.rs has no row for {kind}"));
        let (_, _, file) = files.iter().find(|(path, ..)| path == route.path).unwrap();
        let source = text(&root().join(file));
        assert!(
            names.iter().any(|name| calls(&source, name)),
            "{}: its caller is {:?}, but {file} calls none of {names:?}",
            route.path,
            route.caller
        );
        kinds.insert(kind);
    }
    let said = table.iter().filter(|(check, _)| check.starts_with("caller: ")).map(|(check, _)| check.clone());
    assert_eq!(said.collect::<BTreeSet<_>>(), kinds, "the table, then the rows of the route table");
    assert!(calls("app.callers.api(app)", "Callers::api") && !calls("app.api(app)", "callers::api"), "the twin");
    assert!(calls("registration::own(app)", "registration::own") && !calls("registration::owner(app)", "registration::own"), "the twin");
}
