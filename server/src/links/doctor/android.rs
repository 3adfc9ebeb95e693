//! assetlinks.json as Android reads it: which statements name the app, by which certificates, for which paths.

use super::check::{Check, Expected, Level};
use super::component::{ExampleResponse, OTHERS, SUCCESS, component_fits};
use crate::config::Fingerprint;
use serde_json::Value as Json;
use std::collections::BTreeMap;

const HANDLE_ALL_URLS: &str = "delegate_permission/common.handle_all_urls";
const GET_LOGIN_CREDS: &str = "delegate_permission/common.get_login_creds";
const PRINT: &str = "replace the file by what `symbolon links print` says";

pub fn judge(body: &[u8], expected: &[&Expected<'_>]) -> Vec<Check> {
    let file: Json = match serde_json::from_slice(body) {
        Ok(file) => file,
        Err(why) => return vec![Check::fault("not_json", format!("the file is no JSON: {why}"), PRINT)],
    };
    let Some(statements) = file.as_array() else {
        return vec![Check::fault("wrong_shape", "the file is no list of statements", PRINT)];
    };
    let known = known(expected);
    let of_client = |client: &&Expected<'_>| {
        let packages = client.app.android.iter().flat_map(|app| of_package(statements, client, app, &known));
        packages.chain(of_others(statements, client, &known)).collect::<Vec<_>>()
    };
    let of_clients = expected.iter().flat_map(of_client);
    of_clients.chain(of_credentials(statements, expected, &known)).chain(of_includes(statements)).collect()
}

/// A package, with what all clients say of it that have it.
#[derive(Default)]
struct Package<'a> {
    certificates: Vec<&'a Fingerprint>,
    shares: bool,
}

type ClientPackages<'a> = BTreeMap<&'a str, Package<'a>>;

fn known<'a>(expected: &[&Expected<'a>]) -> ClientPackages<'a> {
    let mut known = ClientPackages::new();
    for client in expected {
        let app = client.app;
        for (package, certificates) in &app.android {
            let package = known.entry(package).or_default();
            package.certificates.extend(certificates.values());
            package.shares |= client.shares;
        }
    }
    known
}

fn of_package(
    statements: &[Json],
    expected: &Expected<'_>,
    (package, certificates): (&String, &BTreeMap<String, Fingerprint>),
    known: &ClientPackages<'_>,
) -> Vec<Check> {
    let relation = if expected.paths.is_empty() { GET_LOGIN_CREDS } else { HANDLE_ALL_URLS };
    let of_client = |check: Check| check.of(expected.client_id);
    let about: Vec<&Json> = statements.iter().filter(|it| it["target"]["package_name"] == package.as_str()).collect();
    if about.is_empty() {
        let named: Vec<&str> = statements.iter().filter_map(|it| it["target"]["package_name"].as_str()).collect();
        let text = format!("the file does not name {package}; it names {}", listed(&named));
        return vec![of_client(Check::fault("package_missing", text, PRINT))];
    }
    let with_relation: Vec<&Json> = about.iter().filter(|it| has_relation(it, relation)).copied().collect();
    if with_relation.is_empty() {
        let text = format!("the file names {package}, but not with {relation}");
        return vec![of_client(Check::fault("relation_missing", text, PRINT))];
    }
    let own = known.get(package.as_str());
    let mut checks = of_certificates(&with_relation, package, certificates, own.map_or(&[][..], |it| it.certificates.as_slice()));
    checks.extend(expected.paths.iter().filter_map(|path| of_path(&with_relation, package, path)));
    if own.is_some_and(|it| !it.shares) && about.iter().any(|it| has_relation(it, GET_LOGIN_CREDS)) {
        let text = format!("{package} may use passwords and passkeys by {GET_LOGIN_CREDS}, which the configuration does not allow");
        checks.push(Check::warning("login_creds_given", text, PRINT));
    }
    if checks.iter().all(|it| it.level != Level::Fault) {
        let what = if expected.paths.is_empty() {
            "may use passwords and passkeys of this host".to_owned()
        } else {
            format!("opens {}", expected.paths.join(", "))
        };
        checks.push(Check::new(Level::Ok, "opens", format!("{package} {what}")));
    }
    checks.into_iter().map(of_client).collect()
}

fn has_relation(statement: &Json, relation: &str) -> bool {
    statement["relation"].as_array().is_some_and(|all| all.iter().any(|it| it == relation))
}

/// Apps that the configuration does not know, and that the file gives the client's paths to. Without a list it gives them every path.
fn of_others(statements: &[Json], expected: &Expected<'_>, known: &ClientPackages<'_>) -> Vec<Check> {
    let takes = |it: &&Json, path: &str| components(it).is_none_or(|all| opens(all, path, &SUCCESS));
    let foreign = |statement: &&Json| {
        let package = statement["target"]["package_name"].as_str().filter(|name| !known.contains_key(name))?;
        let path = expected.paths.iter().find(|path| takes(statement, path))?;
        let text = format!("{package} is in the file and takes {path} too: on a phone with it, that app may get the answer");
        let next = "take it out of the file, or add it to the client's app. From Android 15 on, a list of other paths is enough";
        Some(Check::warning("other_package", text, next).of(expected.client_id))
    };
    statements.iter().filter(|it| has_relation(it, HANDLE_ALL_URLS)).filter_map(|it| foreign(&it)).collect()
}

/// Apps that no client with the right to passwords and passkeys has, on a host that gives it. Where no link of the host opens an app, one
/// that takes links there would get the pages of the sign-in.
fn of_credentials(statements: &[Json], expected: &[&Expected<'_>], known: &ClientPackages<'_>) -> Option<Check> {
    if expected.iter().all(|it| !it.paths.is_empty()) {
        return None;
    }
    let has_links = expected.iter().any(|it| !it.paths.is_empty());
    let gives = |it: &&Json| has_relation(it, GET_LOGIN_CREDS) || (!has_links && has_relation(it, HANDLE_ALL_URLS));
    let packages = statements.iter().filter(gives).filter_map(|it| it["target"]["package_name"].as_str());
    let foreign: Vec<&str> = packages.filter(|name| !known.contains_key(name)).collect();
    let text = format!("{} may use passwords and passkeys of the sign-in, or open its pages, and no such client has it", listed(&foreign));
    (!foreign.is_empty()).then(|| Check::warning("foreign_package", text, "take it out of the file"))
}

fn of_includes(statements: &[Json]) -> Option<Check> {
    let named: Vec<&str> = statements.iter().filter_map(|it| it["include"].as_str()).collect();
    let text = format!("the file includes others, which are not looked at: {}", listed(&named));
    (!named.is_empty()).then(|| Check::warning("includes", text, "write their statements into this file"))
}

fn components(statement: &Json) -> Option<&Vec<Json>> {
    statement["relation_extensions"][HANDLE_ALL_URLS]["dynamic_app_link_components"].as_array()
}

/// From Android 15 on it is an ordered list, of which the first that fits decides.
fn decides<'a>(components: &'a [Json], path: &str, answer: &ExampleResponse) -> Option<&'a Json> {
    components.iter().find(|it| component_fits(it, path, answer, false))
}

fn opens(components: &[Json], path: &str, answer: &ExampleResponse) -> bool {
    decides(components, path, answer).is_some_and(|it| it["exclude"] != true)
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

/// `known`: of this client and of every other one with the package.
fn of_certificates(
    statements: &[&Json],
    package: &str,
    certificates: &BTreeMap<String, Fingerprint>,
    known: &[&Fingerprint],
) -> Vec<Check> {
    let lists = statements.iter().filter_map(|it| it["target"]["sha256_cert_fingerprints"].as_array());
    let named: Vec<&str> = lists.flatten().filter_map(Json::as_str).collect();
    let has = |wanted: &Fingerprint| named.iter().any(|it| it.eq_ignore_ascii_case(&wanted.hexadecimal()));
    let missing: Vec<(&String, &Fingerprint)> = certificates.iter().filter(|(_, it)| !has(it)).collect();
    if missing.len() == certificates.len() {
        let text = format!("the file names {package} with {}, and none of that is in the configuration", listed(&named));
        let next = "compare it with Play Console, App integrity: the app signing key and the upload key are two certificates";
        return vec![Check::fault("wrong_fingerprint", text, next)];
    }
    let mut checks: Vec<Check> = missing
        .iter()
        .map(|(name, certificate)| {
            let text = format!("{package}: the certificate {name} ({}) is missing", certificate.hexadecimal());
            Check::fault("fingerprint_missing", text, format!("builds signed by {name} open no link; {PRINT}"))
        })
        .collect();
    if let Some(spelled) = named.iter().find(|text| text.bytes().any(|it| it.is_ascii_lowercase())) {
        let text = format!("{spelled} is in lower case; Android's tools write upper case with colons");
        checks.push(Check::warning("fingerprint_spelling", text, PRINT));
    }
    let is_known = |it: &&str| known.iter().any(|known| known.hexadecimal().eq_ignore_ascii_case(it));
    let unknown: Vec<&str> = named.iter().copied().filter(|it| !is_known(it)).collect();
    if !unknown.is_empty() {
        let text = format!("{package}: certificates that the configuration does not have: {}", unknown.join(", "));
        checks.push(Check::warning("unknown_fingerprint", text, "who has such a key signs an app that opens these links"));
    }
    checks
}

/// Without a list every path opens the app.
fn of_path(statements: &[&Json], package: &str, path: &str) -> Option<Check> {
    let lists: Vec<&Vec<Json>> = statements.iter().filter_map(|it| components(it)).collect();
    let [list] = lists[..] else {
        return (lists.len() > 1).then(|| {
            let text = format!("{package} has several lists of paths; Android 15 reads one");
            Check::fault("path_missing", text, PRINT)
        });
    };
    match decides(list, path, &SUCCESS) {
        Some(component) if component["exclude"] == true => {
            let text = format!("{path} is excluded by {component}, which stands before any other that fits (Android 15)");
            Some(Check::fault("path_excluded", text, PRINT))
        }
        Some(_) => {
            let kept: Vec<&str> = OTHERS.iter().filter(|it| !opens(list, path, it)).map(|it| it.what).collect();
            let text = format!("{path} opens the app with a code, but not with {} (Android 15)", kept.join(" or "));
            (!kept.is_empty()).then(|| Check::warning("only_success", text, "leave the member ? out of the component"))
        }
        None => Some(Check::fault("path_missing", format!("no path of the file fits {path} (Android 15)"), PRINT)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::{Config, NativeApp};
    use serde_json::json;

    const PLAY: &str = "14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14:14";

    fn app() -> NativeApp {
        let text = format!(
            "issuer = \"https://login.example.com\"\n[client.app]\nkind = \"native\"\nredirect_uris = [\"https://links.example.com/cb\"]\n\
             [client.app.app.android.\"com.example.shop\"]\nplay = \"{PLAY}\"\nupload = \"{}\"\n",
            "15".repeat(32)
        );
        let config = Config::from_text(&text, "x", &|_| None).unwrap();
        config.client["app"].app.clone().unwrap()
    }

    fn codes(file: &Json) -> Vec<(&'static str, Level)> {
        let (app, paths) = (app(), vec!["/cb".to_owned()]);
        let expected = Expected { client_id: "app", app: &app, paths, shares: true };
        judge(file.to_string().as_bytes(), &[&expected]).into_iter().map(|it| (it.code, it.level)).collect()
    }

    fn statement(change: impl FnOnce(&mut Json)) -> Json {
        let fingerprints = [PLAY.to_owned(), PLAY.replace('4', "5")];
        let mut file = json!([{
            "relation": [HANDLE_ALL_URLS],
            "target": { "namespace": "android_app", "package_name": "com.example.shop", "sha256_cert_fingerprints": fingerprints },
            "relation_extensions": { HANDLE_ALL_URLS: { "dynamic_app_link_components": [{ "/": "/cb" }] } }
        }]);
        change(&mut file[0]);
        file
    }

    fn components(list: Json) -> impl FnOnce(&mut Json) {
        move |file: &mut Json| file["relation_extensions"][HANDLE_ALL_URLS]["dynamic_app_link_components"] = list
    }

    /// Both directions: what is called right, and what is called a fault.
    #[test]
    fn query_and_fragment_decide_on_android_too() {
        let found = |all: Json| codes(&statement(components(all)));
        let right = [("opens", Level::Ok)];
        for (all, code) in [
            (json!([{ "/": "/cb", "?": { "token": "*" } }]), "path_missing"),
            (json!([{ "/": "/cb", "#": "?*" }]), "path_missing"),
            (json!([{ "/": "/CB", "caseSensitive": false }]), "path_missing"),
            (json!([{ "/": "/cb", "?": { "state": "*" }, "exclude": true }, { "/": "/cb" }]), "path_excluded"),
        ] {
            assert_eq!(found(all.clone()), [(code, Level::Fault)], "{all}");
        }
        for all in [
            json!([{ "/": "/cb", "?": { "token": "*" }, "exclude": true }, { "/": "/cb" }]),
            json!([{ "/": "/cb", "#": "?*", "exclude": true }, { "/": "/cb" }]),
            json!([{ "/": "/cb" }, { "/": "/c*", "exclude": true }]),
            json!([{ "?": { "state": "*" } }, { "?": { "response": "*" } }]),
        ] {
            assert_eq!(found(all.clone()), right, "{all}");
        }
        assert_eq!(found(json!([{ "/": "/cb", "?": { "code": "?*" } }])), [("only_success", Level::Warning), ("opens", Level::Ok)]);
        let mut file = statement(|_| {});
        let mut other = statement(components(json!([{ "/": "/cb", "?": { "token": "*" } }])))[0].take();
        other["target"]["package_name"] = json!("com.other");
        file.as_array_mut().unwrap().push(other.clone());
        assert_eq!(codes(&file), right, "the other app takes no answer of ours");
        other["relation_extensions"] = Json::Null;
        file[1] = other;
        assert_eq!(codes(&file), [("opens", Level::Ok), ("other_package", Level::Warning)], "the twin");
    }

    /// What a file gives beside links.
    #[test]
    fn passwords_and_passkeys_are_for_apps_that_may_have_them() {
        let found = |file: &Json, paths: &[&str], shares: bool| {
            let (app, paths) = (app(), paths.iter().map(|it| (*it).to_owned()).collect());
            let expected = Expected { client_id: "app", app: &app, paths, shares };
            judge(file.to_string().as_bytes(), &[&expected]).into_iter().map(|it| (it.code, it.level)).collect::<Vec<_>>()
        };
        let both = statement(|it| it["relation"] = json!([HANDLE_ALL_URLS, GET_LOGIN_CREDS]));
        assert_eq!(found(&both, &["/cb"], false), [("login_creds_given", Level::Warning), ("opens", Level::Ok)]);
        assert_eq!(found(&both, &["/cb"], true), [("opens", Level::Ok)], "the twin: it may have them");
        let mut file = statement(|it| it["relation"] = json!([GET_LOGIN_CREDS]));
        assert_eq!(found(&file, &[], true), [("opens", Level::Ok)], "the twin: the issuer's host names its own app");
        for relation in [GET_LOGIN_CREDS, HANDLE_ALL_URLS] {
            let mut other = statement(|it| it["relation"] = json!([relation]))[0].take();
            other["target"]["package_name"] = json!("com.evil");
            let all = file.as_array_mut().unwrap();
            all.truncate(1);
            all.push(other);
            assert_eq!(found(&file, &[], true), [("opens", Level::Ok), ("foreign_package", Level::Warning)], "{relation}");
        }
        let mut including = statement(|_| {});
        including.as_array_mut().unwrap().push(json!({ "include": "https://shop.example/more.json" }));
        assert_eq!(codes(&including), [("opens", Level::Ok), ("includes", Level::Warning)]);
    }

    #[test]
    fn each_fault_has_its_code_and_the_right_file_has_none() {
        let fault = |code| vec![(code, Level::Fault)];
        assert_eq!(codes(&statement(|_| {})), [("opens", Level::Ok)]);
        assert_eq!(
            codes(&statement(|it| it["relation_extensions"] = Json::Null)),
            [("opens", Level::Ok)],
            "before Android 15 there is no list"
        );
        let renamed = statement(|it| it["target"]["package_name"] = json!("com.example.other"));
        assert_eq!(codes(&renamed), [("package_missing", Level::Fault), ("other_package", Level::Warning)]);
        assert_eq!(codes(&statement(|it| it["relation"] = json!([GET_LOGIN_CREDS]))), fault("relation_missing"));
        let only_upload = statement(|it| it["target"]["sha256_cert_fingerprints"] = json!([PLAY.replace('4', "5")]));
        assert_eq!(codes(&only_upload), fault("fingerprint_missing"), "L-06");
        let other = statement(|it| it["target"]["sha256_cert_fingerprints"] = json!([PLAY.replace('4', "6")]));
        assert_eq!(codes(&other), fault("wrong_fingerprint"));
        assert_eq!(codes(&statement(components(json!([{ "/": "/other" }])))), fault("path_missing"));
        assert_eq!(codes(&statement(components(json!([{ "/": "/c*", "exclude": true }, { "/": "/cb" }])))), fault("path_excluded"));
        let beside = |change: &dyn Fn(&mut Json)| {
            let mut file = statement(|_| {});
            let mut other = statement(|it| it["target"]["package_name"] = json!("com.evil"))[0].take();
            change(&mut other);
            file.as_array_mut().unwrap().push(other);
            codes(&file)
        };
        let other = [("opens", Level::Ok), ("other_package", Level::Warning)];
        assert_eq!(beside(&|_| {}), other, "it takes our path");
        assert_eq!(beside(&|it| it["relation_extensions"] = Json::Null), other, "without a list it takes every path");
        let right = [("opens", Level::Ok)];
        assert_eq!(
            beside(&|it| it["relation_extensions"] = statement(components(json!([{ "/": "/blog" }])))[0]["relation_extensions"].take()),
            right
        );
        assert_eq!(beside(&|it| it["relation"] = json!([GET_LOGIN_CREDS])), right, "it opens no link");
        assert_eq!(beside(&|it| it["target"]["package_name"] = json!("com.example.shop"))[0].0, "path_missing", "ours, twice");
        assert_eq!(codes(&json!({})), fault("wrong_shape"));
        let more = statement(|it| it["target"]["sha256_cert_fingerprints"] = json!([PLAY, PLAY.replace('4', "5"), PLAY.replace('4', "6")]));
        assert_eq!(codes(&more), [("unknown_fingerprint", Level::Warning), ("opens", Level::Ok)]);
        assert_eq!(judge(b"<html>", &[])[0].code, "not_json");
    }
}
