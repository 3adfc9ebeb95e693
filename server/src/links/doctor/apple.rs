//! apple-app-site-association as iOS reads it: `applinks` for links, `webcredentials` for https callbacks of a sign-in session.

use super::check::{Check, Expected, Level};
use super::pattern::fits;
use serde_json::Value as Json;
use std::collections::BTreeSet;

const PRINT: &str = "replace the file by what `symbolon links print` says";
/// What a successful answer carries beside the redirect URI.
const ANSWER: [&str; 3] = ["code", "state", "iss"];

pub fn judge(body: &[u8], expected: &[&Expected<'_>]) -> Vec<Check> {
    let file: Json = match serde_json::from_slice(body) {
        Ok(file) => file,
        Err(why) => return vec![Check::fault("not_json", format!("the file is no JSON: {why}"), PRINT)],
    };
    if !file.is_object() {
        return vec![Check::fault("wrong_shape", "the file is no object", PRINT)];
    }
    let mut checks = Vec::new();
    for it in expected {
        for id in it.app.ios.iter().chain(&it.app.app_clips) {
            let found = if it.paths.is_empty() { Vec::new() } else { of_links(&file, id, it, expected) };
            checks.extend(found.into_iter().map(|check| check.of(it.client_id)));
        }
        for id in &it.app.ios {
            checks.extend(of_credentials(&file, id, it).map(|check| check.of(it.client_id)));
        }
    }
    checks
}

/// Entries of `applinks`, with the ids that each names. Before iOS 13 an entry had one.
fn details(file: &Json) -> Vec<(BTreeSet<&str>, &Json)> {
    let list = file["applinks"]["details"].as_array();
    list.into_iter()
        .flatten()
        .map(|it| {
            let many = it["appIDs"].as_array().into_iter().flatten().filter_map(Json::as_str);
            (many.chain(it["appID"].as_str()).collect(), it)
        })
        .collect()
}

fn of_links(file: &Json, id: &str, of: &Expected<'_>, expected: &[&Expected<'_>]) -> Vec<Check> {
    let all = details(file);
    let own: Vec<&Json> = all.iter().filter(|(ids, _)| ids.contains(id)).map(|(_, entry)| *entry).collect();
    if own.is_empty() {
        return vec![missing(&all, id)];
    }
    let mut checks = Vec::new();
    for path in &of.paths {
        match own.iter().find_map(|entry| decides(entry, path)) {
            None => checks.push(Check::fault("path_missing", format!("{id}: no component fits {path}"), PRINT)),
            Some((component, true)) => {
                let text = format!("{id}: {path} is excluded by {component}, which stands before any other that fits");
                checks.push(Check::fault("path_excluded", text, PRINT));
            }
            Some((_, false)) => checks.extend(swallowed(&all, id, path, expected)),
        }
    }
    if checks.iter().all(|it| it.level != Level::Fault) {
        checks.push(Check::new(Level::Ok, "opens", format!("{id} opens {}", of.paths.join(", "))));
    }
    checks
}

fn missing(all: &[(BTreeSet<&str>, &Json)], id: &str) -> Check {
    let bundle = id.split_once('.').map_or("", |it| it.1);
    let other = all.iter().flat_map(|it| &it.0).find(|it| it.split_once('.').is_some_and(|it| it.1 == bundle));
    match other {
        Some(other) => {
            let text = format!("the file names {other}: the same bundle of another team than {id}");
            Check::fault("wrong_team", text, "compare the team at developer.apple.com, Identifiers: its App ID Prefix")
        }
        None => {
            let named: Vec<&str> = all.iter().flat_map(|it| &it.0).copied().collect();
            let named = if named.is_empty() { "nobody".to_owned() } else { named.join(", ") };
            Check::fault("app_missing", format!("applinks does not name {id}; it names {named}"), PRINT)
        }
    }
}

/// An entry of another app, before ours, that takes the path.
fn swallowed(all: &[(BTreeSet<&str>, &Json)], id: &str, path: &str, expected: &[&Expected<'_>]) -> Option<Check> {
    let is_ours = |other: &str| {
        expected
            .iter()
            .any(|it| it.paths.iter().any(|own| own == path) && it.app.ios.iter().chain(&it.app.app_clips).any(|own| own == other))
    };
    let before = all.iter().take_while(|(ids, _)| !ids.contains(id));
    let other =
        before.filter(|(_, entry)| matches!(decides(entry, path), Some((_, false)))).flat_map(|it| &it.0).find(|it| !is_ours(it))?;
    let text = format!("{other} stands before {id} and takes {path} too: on a phone with both, the other app gets the answer");
    Some(Check::fault("swallowed", text, "give each app paths of its own, or hosts of its own"))
}

/// The first component that fits decides; true means that it excludes.
fn decides<'a>(entry: &'a Json, path: &str) -> Option<(&'a Json, bool)> {
    if let Some(components) = entry["components"].as_array() {
        let found = components.iter().find(|it| component_fits(it, path))?;
        return Some((found, found["exclude"] == true));
    }
    // The form of before iOS 13.
    let found = entry["paths"].as_array()?.iter().find(|it| {
        let text = it.as_str().unwrap_or_default();
        fits(text.strip_prefix("NOT ").unwrap_or(text), path)
    })?;
    Some((found, found.as_str().is_some_and(|it| it.starts_with("NOT "))))
}

fn component_fits(component: &Json, path: &str) -> bool {
    let ignores_case = component["caseSensitive"] == false;
    let shown = |text: &str| if ignores_case { text.to_lowercase() } else { text.to_owned() };
    let path_fits = component.get("/").is_none_or(|it| it.as_str().is_some_and(|it| fits(&shown(it), &shown(path))));
    let fragment_fits = component.get("#").is_none_or(|it| it.as_str().is_some_and(|it| fits(it, "")));
    let query_fits = match component.get("?") {
        None => true,
        Some(Json::String(pattern)) => fits(pattern, "code=x&state=x&iss=x"),
        Some(Json::Object(items)) => {
            items.iter().all(|(name, it)| ANSWER.contains(&name.as_str()) && it.as_str().is_some_and(|it| fits(it, "x")))
        }
        Some(_) => false,
    };
    path_fits && fragment_fits && query_fits
}

/// iOS 17.4: `ASWebAuthenticationSession` with an https callback asks for `webcredentials`, and so do passkeys.
fn of_credentials(file: &Json, id: &str, of: &Expected<'_>) -> Option<Check> {
    let has_links = !of.paths.is_empty();
    let named = file["webcredentials"]["apps"].as_array().is_some_and(|all| all.iter().any(|it| it == id));
    if !of.shares {
        let text =
            format!("{id}: webcredentials names it, so it may use the passkeys of this server, which the configuration does not allow");
        return named.then(|| Check::warning("webcredentials_given", text, PRINT));
    }
    if named {
        let what =
            if has_links { "https callback of ASWebAuthenticationSession: yes" } else { "may use passwords and passkeys of this host" };
        return Some(Check::new(Level::Ok, "credentials", format!("{id}: {what}")));
    }
    let why = if has_links {
        "https callback of ASWebAuthenticationSession: no, because"
    } else {
        "no passwords and passkeys of this host, because"
    };
    let next = format!("{PRINT}; the app's entitlement needs webcredentials:HOST beside applinks:HOST");
    Some(Check::fault("webcredentials_missing", format!("{id}: {why} webcredentials does not name it"), next))
}

/// What two copies of the file say of different apps, in words.
pub fn differences(origin: &[u8], copy: &[u8]) -> Vec<String> {
    let read = |bytes: &[u8]| serde_json::from_slice::<Json>(bytes).unwrap_or(Json::Null);
    let (origin, copy) = (read(origin), read(copy));
    if origin == copy {
        return Vec::new();
    }
    let entries = |file: &Json| -> BTreeSet<String> {
        let links = details(file).into_iter().flat_map(|(ids, entry)| {
            let what = if entry["components"].is_null() { &entry["paths"] } else { &entry["components"] };
            ids.into_iter().map(|id| format!("applinks {id} {what}")).collect::<Vec<_>>()
        });
        let others = ["webcredentials", "appclips"].into_iter().flat_map(|kind| {
            let apps = file[kind]["apps"].as_array().into_iter().flatten().filter_map(Json::as_str);
            apps.map(|it| format!("{kind} {it}")).collect::<Vec<_>>()
        });
        links.chain(others).collect()
    };
    let (here, there) = (entries(&origin), entries(&copy));
    let mut found: Vec<String> = here.difference(&there).map(|it| format!("only the host has {it}")).collect();
    found.extend(there.difference(&here).map(|it| format!("only Apple has {it}")));
    if found.is_empty() {
        found.push("the order or other members differ".to_owned());
    }
    found.truncate(10);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NativeApp;
    use serde_json::json;

    const ID: &str = "ABCDE12345.com.example.shop";

    fn codes(file: &Json) -> Vec<(&'static str, Level)> {
        codes_of(file, true)
    }

    fn codes_of(file: &Json, shares: bool) -> Vec<(&'static str, Level)> {
        let app = NativeApp { ios: vec![ID.to_owned()], ..NativeApp::default() };
        let expected = Expected { client_id: "app", app: &app, paths: vec!["/cb".to_owned()], shares };
        judge(file.to_string().as_bytes(), &[&expected]).into_iter().map(|it| (it.code, it.level)).collect()
    }

    fn file(details: Json) -> Json {
        json!({ "applinks": { "details": details }, "webcredentials": { "apps": [ID] } })
    }

    #[test]
    fn each_fault_has_its_code_and_the_right_file_has_none() {
        let right = [("opens", Level::Ok), ("credentials", Level::Ok)];
        let one = |components: Json| file(json!([{ "appIDs": [ID], "components": components }]));
        let faulty = |file: &Json| codes(file)[0];
        assert_eq!(codes(&one(json!([{ "/": "/cb" }]))), right);
        assert_eq!(codes(&file(json!([{ "appID": ID, "paths": ["NOT /other", "/cb"] }]))), right);
        for good in [json!([{ "/": "/CB", "caseSensitive": false }]), json!([{ "/": "/cb", "?": { "code": "?*" } }]), json!([{ "/": "*" }])]
        {
            assert_eq!(codes(&one(good.clone())), right, "{good}");
        }
        for (components, code) in [
            (json!([{ "/": "/other" }]), "path_missing"),
            (json!([]), "path_missing"),
            (json!([{ "/": "/cb", "?": { "token": "*" } }]), "path_missing"),
            (json!([{ "/": "/cb", "#": "?*" }]), "path_missing"),
            (json!([{ "/": "/c*", "exclude": true }, { "/": "/cb" }]), "path_excluded"),
        ] {
            assert_eq!(faulty(&one(components.clone())), (code, Level::Fault), "{components}");
        }
        assert_eq!(faulty(&file(json!([]))), ("app_missing", Level::Fault));
        let other_team = json!([{ "appIDs": ["ZZZZZ12345.com.example.shop"], "components": [{ "/": "/cb" }] }]);
        assert_eq!(faulty(&file(other_team)), ("wrong_team", Level::Fault));
        let swallowed = json!([{ "appIDs": ["ABCDE12345.com.other"], "components": [{ "/": "*" }] }, { "appIDs": [ID], "components": [{ "/": "/cb" }] }]);
        assert_eq!(faulty(&file(swallowed)), ("swallowed", Level::Fault));
        let without = json!({ "applinks": { "details": [{ "appIDs": [ID], "components": [{ "/": "/cb" }] }] } });
        assert_eq!(codes(&without), [("opens", Level::Ok), ("webcredentials_missing", Level::Fault)], "L-03");
        // W-39: an app that may not have the passkeys in reach.
        assert_eq!(codes_of(&without, false), [("opens", Level::Ok)]);
        let named = one(json!([{ "/": "/cb" }]));
        assert_eq!(codes_of(&named, false), [("opens", Level::Ok), ("webcredentials_given", Level::Warning)]);
        assert_eq!((codes(&json!([]))[0].0, judge(b"<html>", &[])[0].code), ("wrong_shape", "not_json"));
    }

    #[test]
    fn copies_that_differ_say_in_what() {
        let entry = |path: &str| file(json!([{ "appIDs": [ID], "components": [{ "/": path }] }])).to_string();
        assert!(differences(entry("/cb").as_bytes(), entry("/cb").as_bytes()).is_empty());
        let found = differences(entry("/cb").as_bytes(), entry("/old").as_bytes());
        assert!(found[0].contains("only the host has") && found[1].contains("only Apple has") && found[1].contains("/old"), "{found:?}");
    }
}
