//! The phone's link dispatcher: which installed app opens an address. The rules are those of the platforms, for files as this server writes
//! them: an app is named once, and each component is one path. Patterns, exclusions and files without a list of paths it does not know.
//!
//! - An https link opens an app only if the host's association file names it. The file is fetched once, when the app is installed.
//! - It opens the app when a person taps the link on a page of another host. After a redirect alone the browser keeps it.
//! - A private-use scheme has no owner: iOS opens any app that registered it, Android asks the person.
//! - On Android, `intent:` names the package of the one app that may open it.

use crate::Trouble;
use serde_json::Value;
use symbolon_oauth::base64url;

/// What an app says of itself when it is installed.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name on this phone.
    pub name: &'static str,
    pub system: System,
    /// Hosts and private-use schemes that it wants to open.
    pub hosts: Vec<&'static str>,
    pub schemes: Vec<&'static str>,
}

/// By what the platform knows the app.
#[derive(Clone, Debug)]
pub enum System {
    /// TEAMID.bundle.id: Apple signs it into the app.
    Ios(&'static str),
    /// The package name, which anybody can take on another phone, and the SHA-256 of the signing certificate, which nobody can.
    Android { package: &'static str, fingerprint: &'static str },
}

impl System {
    /// The app's origin for an RP ID.
    pub fn origin(&self, rp_id: &str) -> String {
        match self {
            Self::Ios(_) => format!("https://{rp_id}"),
            Self::Android { fingerprint, .. } => {
                let bytes = data_encoding::HEXUPPER.decode(fingerprint.replace(':', "").as_bytes()).unwrap_or_default();
                format!("android:apk-key-hash:{}", base64url::encode(&bytes))
            }
        }
    }
}

struct Installed {
    package: Package,
    /// Hosts whose file named the app, with the paths that open it.
    verified: Vec<(String, Vec<String>)>,
}

/// What opens an address.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    App(&'static str),
    /// The browser shows the address itself.
    Browser,
    /// Android asks the person which of these.
    Chooser(Vec<&'static str>),
}

/// Did a person tap the link, and on a page of which host?
#[derive(Clone, Copy)]
pub enum Gesture<'a> {
    TapOn(&'a str),
    None,
}

pub struct Dispatcher {
    /// Where every host of this simulation is answered.
    server: String,
    http: reqwest::Client,
    installed: Vec<Installed>,
}

impl Dispatcher {
    pub fn new(server: &str) -> Result<Self, Trouble> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { server: server.to_owned(), http, installed: Vec::new() })
    }

    /// Installs an app. Answers the hosts that vouch for it.
    pub async fn install(&mut self, package: Package) -> Result<Vec<String>, Trouble> {
        let mut verified = Vec::new();
        for host in &package.hosts {
            if let Some(paths) = self.association(host, &package.system).await? {
                verified.push(((*host).to_owned(), paths));
            }
        }
        let hosts = verified.iter().map(|(host, _)| host.clone()).collect();
        self.installed.push(Installed { package, verified });
        Ok(hosts)
    }

    /// The paths by which the host's file lets this app open links. `None`: it does not name the app.
    async fn association(&self, host: &str, system: &System) -> Result<Option<Vec<String>>, Trouble> {
        let name = match system {
            System::Ios(_) => "apple-app-site-association",
            System::Android { .. } => "assetlinks.json",
        };
        let answer = self.http.get(format!("{}/.well-known/{name}", self.server)).header("host", host).send().await?;
        let is_json = answer.headers().get("content-type").is_some_and(|it| it == "application/json");
        if answer.status() != 200 || !is_json {
            return Ok(None);
        }
        let file: Value = serde_json::from_str(&answer.text().await?).unwrap_or_default();
        Ok(match system {
            System::Ios(id) => of_apple(&file, id),
            System::Android { package, fingerprint } => of_android(&file, package, fingerprint),
        })
    }

    /// What opens this address.
    pub fn open(&self, address: &str, gesture: Gesture<'_>) -> Opened {
        if let Some((data, extras)) = address.strip_prefix("intent://").and_then(|it| it.split_once("#Intent;")) {
            let package = extras.split(';').find_map(|it| it.strip_prefix("package="));
            let named = |it: &&Installed| matches!(it.package.system, System::Android { package: own, .. } if Some(own) == package);
            return match self.installed.iter().find(named) {
                Some(app) if matches!(gesture, Gesture::TapOn(_)) && app.opens(&format!("https://{data}")) => Opened::App(app.package.name),
                _ => Opened::Browser,
            };
        }
        if address.starts_with("https://") {
            let Gesture::TapOn(page) = gesture else { return Opened::Browser };
            let is_own_page = host_and_path(address).is_some_and(|(host, _)| host == page);
            let app = self.installed.iter().find(|it| it.opens(address));
            return app.filter(|_| !is_own_page).map_or(Opened::Browser, |it| Opened::App(it.package.name));
        }
        let scheme = address.split(':').next().unwrap_or_default();
        let claiming: Vec<&Installed> = self.installed.iter().filter(|it| it.package.schemes.contains(&scheme)).collect();
        match claiming[..] {
            [] => Opened::Browser,
            [only] => Opened::App(only.package.name),
            // iOS does not say which. Whoever was installed last is as likely as any.
            [.., last] if matches!(last.package.system, System::Ios(_)) => Opened::App(last.package.name),
            _ => Opened::Chooser(claiming.iter().map(|it| it.package.name).collect()),
        }
    }
}

impl Installed {
    fn opens(&self, address: &str) -> bool {
        let Some((host, path)) = host_and_path(address) else { return false };
        self.verified.iter().any(|(own, paths)| *own == host && paths.contains(&path))
    }
}

fn host_and_path(address: &str) -> Option<(String, String)> {
    let url = url::Url::parse(address).ok()?;
    let host = url.host_str()?;
    Some((url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")), url.path().to_owned()))
}

fn paths_of(components: &Value) -> Vec<String> {
    components.as_array().into_iter().flatten().filter_map(|it| it["/"].as_str()).map(str::to_owned).collect()
}

fn of_apple(file: &Value, id: &str) -> Option<Vec<String>> {
    let names = |entry: &&Value| entry["appIDs"].as_array().is_some_and(|all| all.iter().any(|it| it == id));
    let details = file["applinks"]["details"].as_array()?;
    details.iter().find(names).map(|entry| paths_of(&entry["components"]))
}

fn of_android(file: &Value, package: &str, fingerprint: &str) -> Option<Vec<String>> {
    const RELATION: &str = "delegate_permission/common.handle_all_urls";
    let has = |list: &Value, wanted: &str| list.as_array().is_some_and(|all| all.iter().any(|it| it == wanted));
    let names = |statement: &&Value| {
        let target = &statement["target"];
        has(&statement["relation"], RELATION) && target["package_name"] == package && has(&target["sha256_cert_fingerprints"], fingerprint)
    };
    let statement = file.as_array()?.iter().find(names)?;
    Some(paths_of(&statement["relation_extensions"][RELATION]["dynamic_app_link_components"]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn phone(apps: Vec<(Package, &[&str])>) -> Dispatcher {
        let mut phone = Dispatcher::new("http://127.0.0.1:1").unwrap();
        for (package, paths) in apps {
            let paths: Vec<String> = paths.iter().map(|it| (*it).to_owned()).collect();
            let verified = if paths.is_empty() { Vec::new() } else { vec![("links.test".to_owned(), paths)] };
            phone.installed.push(Installed { package, verified });
        }
        phone
    }

    fn app(name: &'static str, system: System) -> Package {
        Package { name, system, hosts: vec!["links.test"], schemes: vec!["com.example.shop"] }
    }

    #[test]
    fn a_link_opens_the_app_that_the_host_names_by_a_tap_elsewhere() {
        let phone = phone(vec![(app("shop", System::Ios("A")), &["/cb"]), (app("thief", System::Ios("B")), &[])]);
        let tap = Gesture::TapOn("go.test");
        assert_eq!(phone.open("https://links.test/cb?code=x", tap), Opened::App("shop"));
        for (address, gesture) in [
            ("https://links.test/cb?code=x", Gesture::None),
            ("https://links.test/cb?code=x", Gesture::TapOn("links.test")),
            ("https://links.test/other", tap),
            ("https://other.test/cb", tap),
        ] {
            assert_eq!(phone.open(address, gesture), Opened::Browser, "{address}");
        }
        assert_eq!(phone.open("com.example.shop:/cb", Gesture::None), Opened::App("thief"), "a scheme has no owner");
    }

    #[test]
    fn an_intent_asks_its_package_alone() {
        let android = |package| System::Android { package, fingerprint: "AA" };
        let phone = phone(vec![(app("shop", android("com.shop")), &["/cb"]), (app("thief", android("com.thief")), &[])]);
        let intent = |package: &str| format!("intent://links.test/cb?code=x#Intent;scheme=https;package={package};end");
        let tap = Gesture::TapOn("go.test");
        assert_eq!(phone.open(&intent("com.shop"), tap), Opened::App("shop"));
        assert_eq!(phone.open(&intent("com.thief"), tap), Opened::Browser, "no host vouches for it");
        assert_eq!(phone.open(&intent("com.absent"), tap), Opened::Browser);
        assert_eq!(phone.open(&intent("com.shop"), Gesture::None), Opened::Browser);
        assert_eq!(phone.open("com.example.shop:/cb", tap), Opened::Chooser(vec!["shop", "thief"]));
    }
}
