//! The route table: what no row may say, and the documentation that says the same as the rows.

use super::{root, text};
use std::collections::BTreeSet;
use symbolon::http::routes::{ROWS, find};
use symbolon::web::body::Takes;
use symbolon::web::route::{Caller, Dpop, FormToken, Route, Sender, Writes};

pub(super) fn routes() -> impl Iterator<Item = &'static Route> {
    ROWS.iter().map(|row| &row.route)
}

/// What is wrong with a row.
fn faults(route: &Route) -> Vec<&'static str> {
    let (gets, others) = (route.methods.contains(&http::Method::GET), route.methods.iter().any(|method| *method != http::Method::GET));
    let is_of_ours = matches!(route.form, FormToken::Token(_));
    let is_open = |field: &str| matches!(route.form, FormToken::Token(before) if before.contains(&field));
    let is_api = |caller| matches!(caller, Caller::Client | Caller::Api | Caller::ClientOrApi | Caller::Token);
    let rules = [
        (route.methods.is_empty(), "it answers nothing"),
        (route.methods.contains(&http::Method::HEAD), "HEAD follows from GET"),
        (
            others == (route.body == Takes::Nothing) && !route.methods.contains(&http::Method::DELETE),
            "a body where nothing is sent, or none",
        ),
        (route.reads_cookie() && others && route.form == FormToken::None, "a cookie is enough to write"),
        (route.form == FormToken::AsGet && !gets, "there is no GET that it is like"),
        (route.form != FormToken::None && !route.reads_cookie(), "a form without a cookie"),
        (route.cors && (route.reads_cookie() || route.from != Sender::App), "scripts of other origins read what a cookie opens"),
        (route.reads_cookie() && !route.is_for_browsers(), "a cookie comes from browsers"),
        (is_api(route.caller) && route.is_for_browsers(), "a program is answered with pages"),
        (route.from == Sender::OurPages && !is_of_ours, "a form of ours without a token"),
        (is_open("action") || is_open("form_token"), "a button that needs no token"),
        (is_of_ours && route.body != Takes::Form, "a token without a form"),
        (gets && route.caller == Caller::Session && route.writes == Writes::Nothing, "a session's idle time is written"),
        (!gets && route.writes != Writes::Nothing, "a write of a GET that is not there"),
        (route.issues_tokens && !route.takes_proof(), "tokens that cannot be bound"),
        (route.caller == Caller::Token && !route.takes_proof(), "bound tokens that nobody can show"),
        (route.takes_proof() && route.path.contains('{'), "a proof is of the path as it stands in the table"),
        (!route.event.ends_with("_refused"), "the event is no refusal"),
        (route.metadata.is_some_and(|name| !name.ends_with("_endpoint") && !name.ends_with("_uri")), "the name is none of an endpoint"),
        (route.metadata.is_some() && route.path.contains('{'), "metadata with a parameter"),
    ];
    rules.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, why)| why).collect()
}

#[test]
fn no_row_contradicts_itself() {
    for route in routes() {
        assert_eq!(faults(route), Vec::<&str>::new(), "{}", route.path);
    }
}

/// Each rule is tried on a row with that one defect; the row itself is the twin.
#[test]
fn a_row_that_contradicts_itself_is_found() {
    let row = |path: &str| Route { ..*routes().find(|route| route.path == path).unwrap() };
    for (route, why) in [
        (Route { form: FormToken::None, from: Sender::Browser, ..row("/account") }, "a cookie is enough to write"),
        (
            Route { form: FormToken::AsGet, writes: Writes::Nothing, from: Sender::Browser, ..row("/login") },
            "there is no GET that it is like",
        ),
        (Route { cors: true, ..row("/logout") }, "scripts of other origins read what a cookie opens"),
        (Route { from: Sender::App, ..row("/authorize") }, "a cookie comes from browsers"),
        (Route { form: FormToken::AsGet, ..row("/account") }, "a form of ours without a token"),
        (Route { writes: Writes::Nothing, ..row("/account") }, "a session's idle time is written"),
        (Route { writes: Writes::Code, ..row("/token") }, "a write of a GET that is not there"),
        (Route { from: Sender::Browser, cors: false, ..row("/token") }, "a program is answered with pages"),
        (Route { dpop: Dpop::No, ..row("/token") }, "tokens that cannot be bound"),
        (Route { dpop: Dpop::No, ..row("/userinfo") }, "bound tokens that nobody can show"),
        (Route { form: FormToken::Token(&["action"]), ..row("/account") }, "a button that needs no token"),
        (Route { body: Takes::FormOrNothing, ..row("/account") }, "a token without a form"),
        (Route { path: "/par/{id}", metadata: None, ..row("/par") }, "a proof is of the path as it stands in the table"),
        (Route { path: "/introspect/{id}", ..row("/introspect") }, "metadata with a parameter"),
        (Route { form: FormToken::Token(&[]), ..row("/introspect") }, "a form without a cookie"),
        (Route { methods: &[], ..row("/health") }, "it answers nothing"),
        (Route { body: Takes::Json, ..row("/health") }, "a body where nothing is sent, or none"),
        (Route { body: Takes::Nothing, ..row("/par") }, "a body where nothing is sent, or none"),
        (Route { event: "token_issued", ..row("/token") }, "the event is no refusal"),
        (Route { metadata: Some("token"), ..row("/token") }, "the name is none of an endpoint"),
    ] {
        assert_eq!(faults(&route), [why], "{}", route.path);
    }
}

#[test]
fn every_row_is_reached_by_its_path_and_named_once() {
    for row in ROWS {
        let (found, parameters) = find(row.route.path).unwrap();
        assert!(std::ptr::eq(found, row), "{}", row.route.path);
        assert_eq!(parameters.len(), row.route.path.matches('{').count());
    }
    let names: Vec<&str> = routes().filter_map(|route| route.metadata).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
}

/// Rows of the table of endpoints in docs/specs.md: path, name in the metadata, file.
fn written_down() -> Vec<(String, String, String)> {
    let specs = text(&root().join("docs/specs.md"));
    let table = specs.split("## Endpoints").nth(1).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| /"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].to_owned(), cells[2].to_owned(), cells[4].to_owned())
    })
    .collect()
}

#[test]
fn every_endpoint_is_written_down_and_nothing_else() {
    let written = written_down();
    let paths: Vec<(&str, &str)> = written.iter().map(|(path, name, _)| (path.as_str(), name.as_str())).collect();
    let rows: Vec<(&str, &str)> = routes().map(|route| (route.path, route.metadata.unwrap_or_default())).collect();
    assert_eq!(paths, rows, "docs/specs.md, then the route table");
    for (path, _, file) in &written {
        assert!(root().join(file).is_file(), "{path}: {file}");
    }
}

/// A path may be made into an address. It is never compared: what differs between endpoints is said by a row.
#[test]
fn no_file_compares_paths() {
    let paths: Vec<String> = routes().map(|route| format!("{:?}", route.path)).filter(|path| path != "\"/\"").collect();
    let signs = ["==", "!=", "[&str", "matches!", "contains", "starts_with", "ends_with"];
    let compares = |line: &str| {
        let is_arm = |path: &str| line.contains(&format!("{path} =>")) || line.contains(&format!("{path} |"));
        paths.iter().any(|path| is_arm(path) || (line.contains(path.as_str()) && signs.iter().any(|sign| line.contains(sign))))
    };
    assert!(compares("if incoming.route.path == \"/token\" {") && compares("\"/par\" => \"push_refused\","));
    assert!(compares("const PROVING: [&str; 2] = [\"/token\", \"/par\"];") && !compares("form_action: app.url(\"/login\"),"));
    assert!(compares("\"/par\" | \"/revoke\" if it => 1,") && !compares("None => reply::see_other(&app.url(\"/account\")),"));
    let source = root().join("server/src");
    for file in super::of("rs").iter().filter(|file| file.starts_with(&source)) {
        for (at, line) in text(file).lines().enumerate() {
            assert!(!compares(line), "{} line {}: {line}", super::shown(file), at + 1);
        }
    }
}
