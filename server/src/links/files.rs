//! The two association files. What a host says of an app is made from the client's configuration; nothing of a request is in it.

use crate::config::{Claim, Client, Config, Fingerprint, NativeApp};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Platform {
    Android,
    Apple,
}

/// Apple reads no more.
pub const MOST_BYTES: usize = 128 * 1024;

const HANDLE_ALL_URLS: &str = "delegate_permission/common.handle_all_urls";
const GET_LOGIN_CREDS: &str = "delegate_permission/common.get_login_creds";

impl Platform {
    pub const ALL: [Self; 2] = [Self::Android, Self::Apple];

    /// Below `/.well-known/`.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Android => "assetlinks.json",
            Self::Apple => "apple-app-site-association",
        }
    }

    pub fn path(self) -> String {
        format!("/.well-known/{}", self.file_name())
    }
}

/// A client with its app, and the paths that open it.
struct OpenedApp<'a> {
    app: &'a NativeApp,
    paths: Vec<&'a str>,
    /// May the host name it under `webcredentials`?
    shares: bool,
}

/// The files of a host that opens apps, or whose name is the RP ID of passkeys. A platform without an app has none.
pub fn of_host(config: &Config, host: &str, claim: Option<&Claim<'_>>) -> BTreeMap<Platform, Vec<u8>> {
    let mut by_client: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for link in claim.into_iter().flat_map(|claim| &claim.links) {
        by_client.entry(link.client_id).or_default().push(&link.path);
    }
    let sharing = if host_of_passkeys(config).is_some_and(|name| name == host) { sharing(config) } else { Vec::new() };
    let opened = by_client.into_iter().filter_map(|(id, paths)| {
        let client = config.client.get(id)?;
        Some(OpenedApp { app: client.app.as_ref()?, paths, shares: may_share(config, host, client) })
    });
    let opened: Vec<OpenedApp<'_>> = opened.collect();
    let mut files = BTreeMap::new();
    let mut statements = links_of_android(&opened);
    statements.extend(statements_of(&sharing, GET_LOGIN_CREDS).into_iter().map(|(_, statement)| statement));
    if !statements.is_empty() {
        files.insert(Platform::Android, written(&Json::from(statements)));
    }
    if let Some(file) = links_of_apple(&opened, &sharing) {
        files.insert(Platform::Apple, written(&file));
    }
    files
}

/// May the host name the client's app under `webcredentials`? Where passkeys are in reach, that gives the right to use them.
pub fn may_share(config: &Config, host: &str, client: &Client) -> bool {
    client.shares_credentials() || !config.passkeys.are_in_reach_of(&config.issuer, host)
}

/// The RP ID, where it is another host than the issuer's: the platforms look for an app's right to passkeys there.
pub fn host_of_passkeys(config: &Config) -> Option<String> {
    let rp_id = config.passkeys.rp_id(&config.issuer);
    let own = url::Url::parse(&config.issuer).ok()?.host_str()?.to_owned();
    (rp_id != own).then_some(rp_id)
}

/// Apps of the operator's own, which may use passwords and passkeys.
fn sharing(config: &Config) -> Vec<&NativeApp> {
    let shares = |it: &&Client| !it.disabled && it.shares_credentials();
    config.client.values().filter(shares).filter_map(|it| it.app.as_ref()).collect()
}

/// The files of the issuer's host: passwords and passkeys, for apps of the operator's own. No link of this host opens an app.
pub fn of_issuer(config: &Config) -> BTreeMap<Platform, Vec<u8>> {
    let apps = sharing(config);
    let mut files = BTreeMap::new();
    let statements: Vec<Json> = statements_of(&apps, GET_LOGIN_CREDS).into_iter().map(|(_, statement)| statement).collect();
    if !statements.is_empty() {
        files.insert(Platform::Android, written(&Json::from(statements)));
    }
    let ios = distinct(apps.iter().flat_map(|app| &app.ios));
    if !ios.is_empty() {
        files.insert(Platform::Apple, written(&json!({ "webcredentials": { "apps": ios } })));
    }
    files
}

fn links_of_android(opened: &[OpenedApp<'_>]) -> Vec<Json> {
    let apps: Vec<&NativeApp> = opened.iter().map(|it| it.app).collect();
    let with_paths = |(package, mut statement): (&String, Json)| {
        let of_package = opened.iter().filter(|it| it.app.android.contains_key(package));
        let components = components_of(&distinct(of_package.flat_map(|it| it.paths.iter().copied())));
        // From Android 15 on. Before that, the app's own manifest says which paths it takes.
        statement["relation_extensions"] = json!({ HANDLE_ALL_URLS: { "dynamic_app_link_components": components } });
        statement
    };
    statements_of(&apps, HANDLE_ALL_URLS).into_iter().map(with_paths).collect()
}

/// One for each package, however many clients have the app: Android 15 reads one list of paths for a package.
fn statements_of<'a>(apps: &[&'a NativeApp], relation: &str) -> Vec<(&'a String, Json)> {
    let mut by_package: BTreeMap<&'a String, Vec<&'a Fingerprint>> = BTreeMap::new();
    for (package, certificates) in apps.iter().flat_map(|app| &app.android) {
        by_package.entry(package).or_default().extend(certificates.values());
    }
    let statement = |(package, certificates): (&'a String, Vec<&'a Fingerprint>)| {
        let fingerprints = distinct(certificates.into_iter().map(Fingerprint::hexadecimal));
        let target = json!({ "namespace": "android_app", "package_name": package, "sha256_cert_fingerprints": fingerprints });
        (package, json!({ "relation": [relation], "target": target }))
    };
    by_package.into_iter().map(statement).collect()
}

fn components_of(paths: &[&str]) -> Vec<Json> {
    paths.iter().map(|path| json!({ "/": path })).collect()
}

/// Each app once, with the paths of all its clients. Apps of the same paths stand in one entry.
fn details_of(opened: &[OpenedApp<'_>]) -> Vec<Json> {
    let mut entries: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for id in distinct(opened.iter().flat_map(|it| it.app.ios.iter().chain(&it.app.app_clips)).map(String::as_str)) {
        let own = opened.iter().filter(|it| it.app.ios.iter().chain(&it.app.app_clips).any(|own| own == id));
        let paths = distinct(own.flat_map(|it| it.paths.iter().copied()));
        match entries.iter_mut().find(|(_, known)| *known == paths) {
            Some((ids, _)) => ids.push(id),
            None => entries.push((vec![id], paths)),
        }
    }
    entries.into_iter().map(|(ids, paths)| json!({ "appIDs": ids, "components": components_of(&paths) })).collect()
}

fn links_of_apple(opened: &[OpenedApp<'_>], sharing: &[&NativeApp]) -> Option<Json> {
    let details = details_of(opened);
    let mut file = if details.is_empty() { json!({}) } else { json!({ "applinks": { "details": details } }) };
    // An https callback of ASWebAuthenticationSession (iOS 17.4) asks for this one, and not for applinks.
    // Where passkeys are in reach it gives the origin of the RP ID.
    let apps = distinct(opened.iter().filter(|it| it.shares).map(|it| it.app).chain(sharing.iter().copied()).flat_map(|app| &app.ios));
    if !apps.is_empty() {
        file["webcredentials"] = json!({ "apps": apps });
    }
    let clips = distinct(opened.iter().flat_map(|it| &it.app.app_clips));
    if !clips.is_empty() {
        file["appclips"] = json!({ "apps": clips });
    }
    Some(file).filter(|file| *file != json!({}))
}

/// In their order, each once.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut seen, it| {
        if !seen.contains(&it) {
            seen.push(it);
        }
        seen
    })
}

fn written(file: &Json) -> Vec<u8> {
    format!("{file:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::claims;

    const TEXT: &str = r#"
issuer = "https://login.example.com"
[client.a]
kind = "native"
owner = "shop"
first_party = true
redirect_uris = ["https://links.example.com/a", "https://links.example.com/a2", "https://other.example.com/a", "com.example.a:/cb"]
post_logout_redirect_uris = ["https://links.example.com/a", "https://links.example.com/bye"]
[client.a.app]
ios = ["ABCDE12345.com.example.a"]
app_clips = ["ABCDE12345.com.example.a.Clip"]
[client.a.app.android."com.example.a"]
play = "0101010101010101010101010101010101010101010101010101010101010101"
upload = "0202020202020202020202020202020202020202020202020202020202020202"
[client.b]
kind = "native"
owner = "shop"
redirect_uris = ["https://links.example.com/b"]
app = { ios = ["ABCDE12345.com.example.b"] }
"#;

    fn read(text: &str) -> Config {
        Config::from_text(text, "x", &|_| None).unwrap()
    }

    fn json_of(files: &BTreeMap<Platform, Vec<u8>>, platform: Platform) -> Json {
        serde_json::from_slice(&files[&platform]).unwrap()
    }

    #[test]
    fn a_host_names_each_app_with_its_own_paths() {
        let config = read(TEXT);
        let of = |host: &str| of_host(&config, host, claims(&config.client).get(host));
        let files = of("links.example.com");
        let apple = json_of(&files, Platform::Apple);
        let details = apple["applinks"]["details"].as_array().unwrap();
        assert_eq!(details[0]["appIDs"], json!(["ABCDE12345.com.example.a", "ABCDE12345.com.example.a.Clip"]));
        assert_eq!(details[0]["components"], json!([{ "/": "/a" }, { "/": "/a2" }, { "/": "/bye" }]));
        assert_eq!((&details[1]["appIDs"], &details[1]["components"]), (&json!(["ABCDE12345.com.example.b"]), &json!([{ "/": "/b" }])));
        assert_eq!(apple["webcredentials"]["apps"], json!(["ABCDE12345.com.example.a", "ABCDE12345.com.example.b"]));
        assert_eq!(apple["appclips"]["apps"], json!(["ABCDE12345.com.example.a.Clip"]));
        let android = json_of(&files, Platform::Android);
        assert_eq!(android.as_array().unwrap().len(), 1, "the second client has no app on Android");
        assert_eq!(android[0]["relation"], json!([HANDLE_ALL_URLS]));
        let fingerprints = android[0]["target"]["sha256_cert_fingerprints"].as_array().unwrap();
        assert_eq!((fingerprints.len(), fingerprints[0].as_str().unwrap()), (2, &*format!("{}01", "01:".repeat(31))));
        let components = &android[0]["relation_extensions"][HANDLE_ALL_URLS]["dynamic_app_link_components"];
        assert_eq!(components, &json!([{ "/": "/a" }, { "/": "/a2" }, { "/": "/bye" }]));
        let other = of("other.example.com");
        assert!(!String::from_utf8(other[&Platform::Apple].clone()).unwrap().contains("example.b"));
    }

    /// Several clients may be one app, each with its own paths. The platforms read one entry for an app.
    #[test]
    fn an_app_of_several_clients_is_named_once() {
        let two = format!(
            "{TEXT}[client.c]\nkind = \"native\"\nowner = \"shop\"\nredirect_uris = [\"https://links.example.com/c\", \"https://links.example.com/a\"]\n\
             [client.c.app]\nios = [\"ABCDE12345.com.example.a\"]\n[client.c.app.android.\"com.example.a\"]\nstore = \"{}\"\n",
            "03".repeat(32)
        );
        let config = read(&two);
        let files = of_host(&config, "links.example.com", claims(&config.client).get("links.example.com"));
        let android = json_of(&files, Platform::Android);
        assert_eq!(android.as_array().unwrap().len(), 1, "{android}");
        let components = &android[0]["relation_extensions"][HANDLE_ALL_URLS]["dynamic_app_link_components"];
        assert_eq!(components, &json!([{ "/": "/a" }, { "/": "/a2" }, { "/": "/bye" }, { "/": "/c" }]));
        let fingerprints = android[0]["target"]["sha256_cert_fingerprints"].as_array().unwrap();
        let ends: Vec<&str> = fingerprints.iter().map(|it| it.as_str().unwrap().rsplit(':').next().unwrap()).collect();
        assert_eq!(ends, ["01", "02", "03"]);
        let details = &json_of(&files, Platform::Apple)["applinks"]["details"];
        let entry = |ids: &[&str], paths: &[&str]| json!({ "appIDs": ids, "components": components_of(paths) });
        let expected = [
            entry(&["ABCDE12345.com.example.a"], &["/a", "/a2", "/bye", "/c"]),
            entry(&["ABCDE12345.com.example.a.Clip"], &["/a", "/a2", "/bye"]),
            entry(&["ABCDE12345.com.example.b"], &["/b"]),
        ];
        assert_eq!(details, &json!(expected));
    }

    /// The issuer's pages are handed to no app: its files are about credentials, of first-party clients alone.
    #[test]
    fn the_issuers_host_opens_no_app() {
        let files = of_issuer(&read(TEXT));
        assert_eq!(json_of(&files, Platform::Apple), json!({ "webcredentials": { "apps": ["ABCDE12345.com.example.a"] } }));
        let android = json_of(&files, Platform::Android);
        assert_eq!((&android[0]["relation"], android.as_array().unwrap().len()), (&json!([GET_LOGIN_CREDS]), 1));
        assert!(android[0].get("relation_extensions").is_none());
        for without in [
            TEXT.replace("first_party = true", "first_party = false"),
            TEXT.replacen("[client.a.app]", "[client.a.app]\ncredentials = false", 1),
        ] {
            assert!(of_issuer(&read(&without)).is_empty());
        }
    }

    /// W-39: where the RP ID is another host, that host's files give the right to passkeys, beside its links if it has any.
    #[test]
    fn the_host_of_the_rp_id_gives_the_right_to_passkeys() {
        // The app of strangers has no address in reach of the passkeys.
        let alone = TEXT.split("[client.b]").next().unwrap();
        let config = read(&format!("{alone}[passkeys]\nrp_id = \"example.com\"\n"));
        let files = of_host(&config, "example.com", None);
        assert_eq!(json_of(&files, Platform::Apple), json!({ "webcredentials": { "apps": ["ABCDE12345.com.example.a"] } }));
        assert_eq!(json_of(&files, Platform::Android)[0]["relation"], json!([GET_LOGIN_CREDS]));
        let text = alone.replace("https://links.example.com/a", "https://example.com/a");
        let linked = read(&format!("{text}[passkeys]\nrp_id = \"example.com\"\n"));
        let files = of_host(&linked, "example.com", claims(&linked.client).get("example.com"));
        let relations = |at: usize| json_of(&files, Platform::Android)[at]["relation"].clone();
        assert_eq!((relations(0), relations(1)), (json!([HANDLE_ALL_URLS]), json!([GET_LOGIN_CREDS])));
        assert_eq!(json_of(&files, Platform::Apple)["webcredentials"]["apps"], json!(["ABCDE12345.com.example.a"]), "once");
        assert!(of_host(&read(TEXT), "example.com", None).is_empty(), "the twin: the RP ID is the issuer's host");
    }

    /// W-39: where passkeys are in reach, an app that may not have them is not under `webcredentials`. Its links open it all the same.
    #[test]
    fn an_app_without_credentials_is_not_named_where_passkeys_are() {
        let alone = TEXT.split("[client.b]").next().unwrap();
        let without = alone.replacen("[client.a.app]", "[client.a.app]\ncredentials = false", 1);
        let apple = |text: &str, rp_id: &str| {
            let config = read(&format!("{text}[passkeys]\nrp_id = \"{rp_id}\"\n"));
            json_of(&of_host(&config, "links.example.com", claims(&config.client).get("links.example.com")), Platform::Apple)
        };
        let refused = apple(&without, "example.com");
        assert!(refused.get("webcredentials").is_none() && refused["applinks"]["details"][0]["appIDs"][0].is_string(), "{refused}");
        let named = json!({ "apps": ["ABCDE12345.com.example.a"] });
        assert_eq!(apple(alone, "example.com")["webcredentials"], named, "the twin: it may have them");
        assert_eq!(apple(&without, "login.example.com")["webcredentials"], named, "the twin: out of the reach of the RP ID");
    }
}
