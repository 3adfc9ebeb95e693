//! `[client.ID.app]`: the app as Apple and Google know it. One list for association files, passkeys and attestation.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, optional};
use super::attestation::AttestationRules;
use super::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.app",
    title: "The app behind a client",
    text: "The app as Apple and Google know it. The association files are made of it, so that the client's https redirect URIs open the app: \
           [links.md](links.md). The attestation tables `ios` and `android` take their lists from here where they have none.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.shop-app]
kind = "native"
owner = "shop"
first_party = true
redirect_uris = ["https://links.shop.example/callback"]
dpop = "required"

[client.shop-app.app]
ios = ["ABCDE12345.com.example.shop"]
[client.shop-app.app.android."com.example.shop"]
play = "14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5"
upload = "5vBkO4ay4J0fKpaz8Ke5Tvdaxl0KLXRc9rpOu1tCGJk"
"#,
};

const KEYS: &[Key] = &[
    defaulted("ios", Kind::Texts, "[]", "Apps on iOS, as TEAMID.bundle.id."),
    defaulted("app_clips", Kind::Texts, "[]", "App Clips, as TEAMID.bundle.id.Clip. The redirect URIs open them too."),
    defaulted(
        "android",
        Kind::Table("Package names, each with its certificates by name"),
        "{}",
        "Apps on Android: for each package the SHA-256 of the certificates that sign it, each under a name such as `play`, `upload` or `debug`. The \
         forms of Google's consoles are read: hexadecimal with colons, base64, base64url. A certificate named `debug` never counts for attestation.",
    ),
    optional(
        "credentials",
        Kind::Flag,
        "true for a `first_party` client",
        "true",
        "The app may use passwords and passkeys of the issuer's host. Only for `first_party` clients.",
    ),
    defaulted(
        "vouched",
        Kind::Flag,
        "false",
        "You say that the association files name this app, for a server that cannot ask the hosts itself. Look with `symbolon links doctor`.",
    ),
];

/// Of one client; entries of a list, packages and certificates of a package.
const MOST: usize = 20;
/// The name of a certificate that everybody with the developer's tools may have.
pub const DEBUG: &str = "debug";

/// An app as the platforms know it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NativeApp {
    pub ios: Vec<String>,
    pub app_clips: Vec<String>,
    /// Package name, then the name of the certificate.
    pub android: BTreeMap<String, BTreeMap<String, Fingerprint>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<bool>,
    pub vouched: bool,
}

impl NativeApp {
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.ios.is_empty() && self.app_clips.is_empty() && self.android.is_empty() {
            found.push("app names no app: give ios, android or both".to_owned());
        }
        for (key, ids) in [("ios", &self.ios), ("app_clips", &self.app_clips)] {
            let wrong = ids.iter().filter(|it| !is_app_id(it));
            found.extend(wrong.map(|it| format!("app.{key}: {it:?} is not TEAMID.bundle.id, such as ABCDE12345.com.example.shop")));
            found.extend((ids.len() > MOST).then(|| format!("app.{key} names more than {MOST} apps")));
        }
        if self.android.len() > MOST {
            found.push(format!("app.android names more than {MOST} packages"));
        }
        for (package, certificates) in &self.android {
            found.extend(package_problem(package, certificates));
        }
        found
    }

    /// The attestation may name fewer apps and certificates, but no others.
    pub(super) fn missing_of_attestation(&self, attestation: &AttestationRules) -> Vec<String> {
        let mut missing = Vec::new();
        if let Some(ios) = &attestation.ios {
            missing.extend(ios.app_ids.iter().filter(|it| !self.ios.contains(it)).map(|it| format!("ios {it}")));
        }
        if let Some(android) = &attestation.android {
            missing.extend(android.packages.iter().filter(|it| !self.android.contains_key(*it)).map(|it| format!("package {it}")));
            let known = |it: &&Fingerprint| self.android.values().flat_map(BTreeMap::values).any(|own| own == *it);
            missing.extend(android.signing_digests.iter().filter(|it| !known(it)).map(|it| format!("certificate {it}")));
        }
        missing.into_iter().map(|it| format!("attestation names the {it}, which the table app has not; write it there")).collect()
    }

    /// Every certificate that signs the app, with its package and name.
    pub fn certificates(&self) -> impl Iterator<Item = (&str, &str, &Fingerprint)> {
        self.android.iter().flat_map(|(package, all)| all.iter().map(|(name, it)| (package.as_str(), name.as_str(), it)))
    }

    /// Fills what the attestation leaves out.
    pub(super) fn fill(&self, attestation: &mut AttestationRules) {
        if let Some(ios) = &mut attestation.ios
            && ios.app_ids.is_empty()
            && ios.mac_app_ids.is_empty()
        {
            ios.app_ids.clone_from(&self.ios);
        }
        let Some(android) = &mut attestation.android else { return };
        if android.packages.is_empty() {
            android.packages = self.android.keys().cloned().collect();
        }
        if android.signing_digests.is_empty() {
            let genuine =
                self.certificates().filter(|(package, name, _)| *name != DEBUG && android.packages.iter().any(|it| it == package));
            for (_, _, fingerprint) in genuine {
                if !android.signing_digests.contains(fingerprint) {
                    android.signing_digests.push(*fingerprint);
                }
            }
        }
    }
}

/// Ten letters and digits of the team, then the bundle id.
fn is_app_id(text: &str) -> bool {
    let Some((team, bundle)) = text.split_once('.') else { return false };
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    team.len() == 10
        && team.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
        && bundle.len() <= 155
        && bundle.split('.').all(is_part)
}

/// As Android's own rule: two parts or more, each begins with a letter.
fn is_package(text: &str) -> bool {
    let is_part = |part: &str| {
        part.bytes().next().is_some_and(|it| it.is_ascii_alphabetic()) && part.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
    };
    text.contains('.') && text.len() <= 223 && text.split('.').all(is_part)
}

fn package_problem(package: &str, certificates: &BTreeMap<String, Fingerprint>) -> Option<String> {
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= 40 && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-')
    };
    if !is_package(package) {
        return Some(format!("app.android: {package:?} is no name of a package, such as com.example.shop"));
    }
    if certificates.is_empty() {
        return Some(format!("app.android.{package:?} names no certificate: no build of the app would be known"));
    }
    if certificates.len() > MOST {
        return Some(format!("app.android.{package:?} names more than {MOST} certificates"));
    }
    let wrong = certificates.keys().find(|it| !is_name(it))?;
    Some(format!("app.android.{package:?}: {wrong:?} is no name for a certificate: letters, digits, _ and -"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    #[test]
    fn ids_are_those_of_the_platforms() {
        for good in ["ABCDE12345.com.example.shop", "0123456789.shop", "ABCDE12345.com.example.shop.Clip"] {
            assert!(is_app_id(good), "{good}");
        }
        for bad in [
            "",
            "com.example.shop",
            "abcde12345.com.example",
            "ABCDE12345.",
            "ABCDE12345.com..example",
            "ABCDE12345.com.*",
            "ABCDE1234.com",
        ] {
            assert!(!is_app_id(bad), "{bad}");
        }
        for good in ["com.example.shop", "a.b", "com.example.shop_2"] {
            assert!(is_package(good), "{good}");
        }
        for bad in ["", "shop", "com..shop", "com.2shop", "com.example.shop-2", ".com.shop", "com.shop.", "com.*"] {
            assert!(!is_package(bad), "{bad}");
        }
    }

    const BASE: &str =
        "issuer = \"https://a.example\"\n[client.app]\nkind = \"native\"\nredirect_uris = [\"https://app.example.com/cb\"]\n";

    fn read(more: &str) -> Result<Config, String> {
        Config::from_text(&format!("{BASE}{more}"), "x", &|_| None).map_err(|it| it.to_string())
    }

    #[test]
    fn one_list_serves_attestation_too_and_without_the_debug_certificate() {
        let (play, debug) = ("14:".repeat(31) + "14", "20:".repeat(31) + "20");
        let app = format!(
            "[client.app.app]\nios = [\"ABCDE12345.com.example\"]\nandroid.\"com.example\" = {{ play = \"{play}\", debug = \"{debug}\" }}\n"
        );
        let config = read(&format!("{app}[client.app.attestation]\nios = {{}}\nandroid = {{}}\n")).unwrap();
        let client = &config.client["app"];
        let rules = client.attestation.as_ref().unwrap();
        let android = rules.android.as_ref().unwrap();
        assert_eq!(rules.ios.as_ref().unwrap().app_ids, ["ABCDE12345.com.example"]);
        assert_eq!(
            (android.packages.as_slice(), android.signing_digests.as_slice()),
            (&["com.example".to_owned()][..], &[Fingerprint([0x14; 32])][..])
        );
        assert_eq!(client.android_certificates().len(), 2);
        // Neither list says who is genuine: that is an error, and not everybody.
        let none = read("[client.app.attestation]\nandroid = {}\n").unwrap_err();
        assert!(none.contains("attestation.android needs packages"), "{none}");
        let debug_alone =
            format!("[client.app.app]\nandroid.\"com.example\" = {{ debug = \"{debug}\" }}\n[client.app.attestation]\nandroid = {{}}\n");
        assert!(read(&debug_alone).unwrap_err().contains("signing_digests"));
        let other = read(&format!("{app}[client.app.attestation]\nios = {{ app_ids = [\"ABCDE12345.com.other\"] }}\n")).unwrap_err();
        assert!(other.contains("which the table app has not"), "{other}");
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        for (app, says) in [
            ("", "names no app"),
            ("ios = [\"com.example\"]", "is not TEAMID.bundle.id"),
            ("android.\"com.example\" = {}", "names no certificate"),
            ("android.example = { play = \"FP\" }", "no name of a package"),
            ("android.\"com.example\" = { \"a b\" = \"FP\" }", "no name for a certificate"),
            ("ios = [\"ABCDE12345.com.example\"]\ncredentials = true", "only for first_party"),
        ] {
            let app = app.replace("FP", &"14".repeat(32));
            let error = read(&format!("[client.app.app]\n{app}\n")).unwrap_err();
            assert!(error.contains(says), "{app}: {error}");
        }
        assert!(read("[client.app.app]\nios = [\"ABCDE12345.com.example\"]\n").is_ok());
    }
}
