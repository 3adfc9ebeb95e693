//! apple-app-site-association as iOS reads it: `applinks` for links, `webcredentials` for https callbacks of a sign-in session.

use super::check::{Check, Expected, Level};
use super::component::{ExampleResponse, OTHERS, SUCCESS, component_fits};
use super::pattern::fits;
use serde_json::Value as Json;
use std::collections::BTreeSet;

const PRINT: &str = "replace the file by what `symbolon links print` says";
/// The code where a path cannot be judged.
const UNKNOWN: &str = "substitution_variables";

pub fn judge(body: &[u8], expected: &[&Expected<'_>]) -> Vec<Check> {
    let file: Json = match serde_json::from_slice(body) {
        Ok(file) => file,
        Err(why) => return vec![Check::fault("not_json", format!("the file is no JSON: {why}"), PRINT)],
    };
    if !file.is_object() {
        return vec![Check::fault("wrong_shape", "the file is no object", PRINT)];
    }
    let mut checks = Vec::new();
    for client in expected {
        for id in client.app.ios.iter().chain(&client.app.app_clips) {
            let found = if client.paths.is_empty() { Vec::new() } else { of_links(&file, id, client, expected) };
            checks.extend(found.into_iter().map(|check| check.of(client.client_id)));
        }
        for id in &client.app.ios {
            checks.extend(of_credentials(&file, id, client, expected).map(|check| check.of(client.client_id)));
        }
    }
    checks
}

/// Entries of `applinks`, with the ids that each names. Before iOS 13 an entry had one.
fn details(file: &Json) -> Vec<(BTreeSet<&str>, &Json)> {
    let list = file["applinks"]["details"].as_array();
    list.into_iter()
        .flatten()
        .map(|entry| {
            let many = entry["appIDs"].as_array().into_iter().flatten().filter_map(Json::as_str);
            (many.chain(entry["appID"].as_str()).collect(), entry)
        })
        .collect()
}

/// `applinks` of a file.
struct AppLinks<'a> {
    details: Vec<(BTreeSet<&'a str>, &'a Json)>,
    defaults: &'a Json,
}

/// The entry that decides, and whether it excludes the path.
type Decision<'a> = Option<(&'a Json, bool)>;

fn of_links(file: &Json, id: &str, of: &Expected<'_>, expected: &[&Expected<'_>]) -> Vec<Check> {
    let links = AppLinks { details: details(file), defaults: &file["applinks"]["defaults"] };
    if links.of_app(id).next().is_none() {
        return vec![missing(&links.details, id)];
    }
    let mut checks: Vec<Check> = of.paths.iter().flat_map(|path| links.of_path(id, path, expected)).collect();
    if checks.iter().all(|it| it.level != Level::Fault && it.code != UNKNOWN) {
        checks.push(Check::new(Level::Ok, "opens", format!("{id} opens {}", of.paths.join(", "))));
    }
    checks
}

impl<'a> AppLinks<'a> {
    fn of_app(&self, id: &str) -> impl Iterator<Item = &'a Json> {
        self.details.iter().filter(move |(ids, _)| ids.contains(id)).map(|(_, entry)| *entry)
    }

    fn opens(&self, id: &str, path: &str, answer: &ExampleResponse) -> Decision<'a> {
        self.of_app(id).find_map(|entry| self.decides(entry, path, answer))
    }

    fn of_path(&self, id: &str, path: &str, expected: &[&Expected<'_>]) -> Vec<Check> {
        let decision = self.opens(id, path, &SUCCESS);
        if !matches!(decision, Some((_, false))) && self.of_app(id).any(has_variables) {
            let text = format!("{id}: whether {path} opens the app depends on substitution variables, which are not looked at");
            return vec![Check::warning("substitution_variables", text, "write the paths of the redirect URIs themselves")];
        }
        match decision {
            None => return vec![Check::fault("path_missing", format!("{id}: no component fits {path}"), PRINT)],
            Some((component, true)) => {
                let text = format!("{id}: {path} is excluded by {component}, which stands before any other that fits");
                return vec![Check::fault("path_excluded", text, PRINT)];
            }
            Some((_, false)) => {}
        }
        let is_kept = |it: &&ExampleResponse| !matches!(self.opens(id, path, it), Some((_, false)));
        let kept: Vec<&str> = OTHERS.iter().filter(is_kept).map(|it| it.what).collect();
        let text = format!("{id}: {path} opens the app with a code, but not with {}", kept.join(" or "));
        let only = (!kept.is_empty()).then(|| Check::warning("only_success", text, "leave the member ? out of the component"));
        only.into_iter().chain(self.swallowed(id, path, expected).or_else(|| self.taken(id, path, expected))).collect()
    }

    /// An entry of another app, before ours, that takes the path.
    fn swallowed(&self, id: &str, path: &str, expected: &[&Expected<'_>]) -> Option<Check> {
        let is_ours = |other: &str| expected.iter().any(|it| it.paths.iter().any(|own| own == path) && is_app_of(it, other));
        let before = self.details.iter().take_while(|(ids, _)| !ids.contains(id));
        let other = before.filter(|(_, entry)| self.takes(entry, path)).flat_map(|it| &it.0).find(|it| !is_ours(it))?;
        let text = format!("{other} stands before {id} and takes {path} too: on a phone with both, the other app gets the answer");
        Some(Check::fault("swallowed", text, "give each app paths of its own, or hosts of its own"))
    }

    /// An app that the configuration does not know, in our entry or behind it. On a phone without ours, it takes the path.
    fn taken(&self, id: &str, path: &str, expected: &[&Expected<'_>]) -> Option<Check> {
        let from = self.details.iter().skip_while(|(ids, _)| !ids.contains(id)).filter(|(_, entry)| self.takes(entry, path));
        let other = from.flat_map(|it| &it.0).find(|other| !expected.iter().any(|it| is_app_of(it, other)))?;
        let text = format!("{other} is in the file and takes {path} too: on a phone with it, that app may get the answer");
        Some(Check::warning("other_app", text, "take it out of the file, give it paths of its own, or add it to the client's app"))
    }

    fn takes(&self, entry: &'a Json, path: &str) -> bool {
        matches!(self.decides(entry, path, &SUCCESS), Some((_, false)))
    }

    /// The first component that fits decides.
    fn decides(&self, entry: &'a Json, path: &str, answer: &ExampleResponse) -> Decision<'a> {
        if let Some(components) = entry["components"].as_array() {
            let ignores_case = |component: &Json| {
                let said = [component, &entry["defaults"], self.defaults].into_iter().find_map(|it| it["caseSensitive"].as_bool());
                said == Some(false)
            };
            let found = components.iter().find(|it| component_fits(it, path, answer, ignores_case(it)))?;
            return Some((found, found["exclude"] == true));
        }
        // The form of before iOS 13.
        let found = entry["paths"].as_array()?.iter().find(|pattern| {
            let text = pattern.as_str().unwrap_or_default();
            fits(text.strip_prefix("NOT ").unwrap_or(text), path)
        })?;
        Some((found, found.as_str().is_some_and(|it| it.starts_with("NOT "))))
    }
}

fn is_app_of(expected: &Expected<'_>, id: &str) -> bool {
    expected.app.ios.iter().chain(&expected.app.app_clips).any(|own| own == id)
}

/// `$(lang)` and the like, Apple's own or the file's.
fn has_variables(entry: &Json) -> bool {
    entry["components"].to_string().contains("$(")
}

fn missing(all: &[(BTreeSet<&str>, &Json)], id: &str) -> Check {
    let bundle = id.split_once('.').map_or("", |it| it.1);
    let other = all.iter().flat_map(|it| &it.0).find(|named| named.split_once('.').is_some_and(|it| it.1 == bundle));
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

/// iOS 17.4: `ASWebAuthenticationSession` with an https callback asks for `webcredentials`, and so do passkeys.
fn of_credentials(file: &Json, id: &str, of: &Expected<'_>, expected: &[&Expected<'_>]) -> Option<Check> {
    let has_links = !of.paths.is_empty();
    let named = file["webcredentials"]["apps"].as_array().is_some_and(|all| all.iter().any(|it| it == id));
    if !of.shares {
        let text =
            format!("{id}: webcredentials names it, so it may use the passkeys of this server, which the configuration does not allow");
        // Several clients may be one app.
        let may_all_the_same = expected.iter().any(|it| it.shares && it.app.ios.iter().any(|own| own == id));
        return (named && !may_all_the_same).then(|| Check::warning("webcredentials_given", text, PRINT));
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
        for good in [
            json!([{ "/": "/CB", "caseSensitive": false }]),
            json!([{ "/": "/cb", "?": { "state": "*" } }, { "/": "/cb" }]),
            json!([{ "/": "*" }]),
        ] {
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

    /// What is inherited, what cannot be judged, and what opens with a code alone.
    #[test]
    fn defaults_variables_and_other_answers_count() {
        let one = |components: Json| json!([{ "appIDs": [ID], "components": components }]);
        let found = |details: Json, defaults: Json| {
            let mut file = file(details);
            file["applinks"]["defaults"] = defaults;
            codes(&file).into_iter().filter(|(code, _)| *code != "credentials").collect::<Vec<_>>()
        };
        let upper = json!([{ "/": "/CB" }]);
        let (loose, strict) = (json!({ "caseSensitive": false }), json!({ "caseSensitive": true }));
        assert_eq!(found(one(upper.clone()), loose.clone()), [("opens", Level::Ok)]);
        assert_eq!(found(one(upper.clone()), strict.clone()), [("path_missing", Level::Fault)]);
        let mut own = one(upper);
        own[0]["defaults"] = loose;
        assert_eq!(found(own, strict), [("opens", Level::Ok)], "the entry's own go first");
        let variable = json!([{ "/": "/$(lang)" }]);
        assert_eq!(found(one(variable.clone()), Json::Null), [("substitution_variables", Level::Warning)]);
        let beside = json!([variable[0], { "/": "/cb" }]);
        assert_eq!(found(one(beside), Json::Null), [("opens", Level::Ok)], "the twin");
        let with_code = json!([{ "/": "/cb", "?": { "code": "?*" } }]);
        assert_eq!(found(one(with_code), Json::Null), [("only_success", Level::Warning), ("opens", Level::Ok)]);
    }

    /// L-09: an app that nobody configured, in our entry or behind it.
    #[test]
    fn another_app_that_takes_the_path_is_named() {
        let other = "ABCDE12345.com.other";
        let entry = |ids: &[&str], path: &str| json!({ "appIDs": ids, "components": [{ "/": path }] });
        let found = |details: Json| codes(&file(details)).into_iter().map(|it| it.0).collect::<Vec<_>>();
        let taken = ["other_app", "opens", "credentials"];
        assert_eq!(found(json!([entry(&[ID], "/cb"), entry(&[other], "*")])), taken);
        assert_eq!(found(json!([entry(&[ID, other], "/cb")])), taken);
        assert_eq!(found(json!([entry(&[ID], "/cb"), entry(&[other], "/blog")])), ["opens", "credentials"], "the twin");
    }

    #[test]
    fn copies_that_differ_say_in_what() {
        let entry = |path: &str| file(json!([{ "appIDs": [ID], "components": [{ "/": path }] }])).to_string();
        assert!(differences(entry("/cb").as_bytes(), entry("/cb").as_bytes()).is_empty());
        let found = differences(entry("/cb").as_bytes(), entry("/old").as_bytes());
        assert!(found[0].contains("only the host has") && found[1].contains("only Apple has") && found[1].contains("/old"), "{found:?}");
    }
}
