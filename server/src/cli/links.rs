//! `symbolon links`: the association files. It reads the configuration file alone, so it needs neither server nor store.

use super::screen::{Screen, Stop};
use crate::config::{Config, claims};
use crate::links::files::{self, Platform};
use crate::links::issuer_authority;
use crate::operations::Problem;
use clap::Subcommand;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum LinksCommand {
    /// Print the association files of every host, and the certificates that they name.
    Print(Print),
    /// Say why a link would not open the app: asks the hosts as the platforms do. Ends with 1 if something is wrong.
    Doctor(super::doctor::Doctor),
}

#[derive(clap::Args)]
pub struct Print {
    /// Of this host alone.
    #[arg(long)]
    host: Option<String>,
    /// Print this file and nothing else, byte for byte: assetlinks.json or apple-app-site-association. Needs --host.
    #[arg(long, value_name = "NAME", requires = "host", value_parser = ["assetlinks.json", "apple-app-site-association"])]
    file: Option<String>,
    /// Write the files below this directory, as HOST/.well-known/NAME.
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Host {
    host: String,
    /// Absent: the issuer's own, and that of the RP ID.
    owner: Option<String>,
    /// This server answers the host itself.
    served: bool,
    files: BTreeMap<&'static str, String>,
    certificates: Vec<Certificate>,
}

/// A certificate of the configuration, said back in the forms that consoles show.
#[derive(Serialize)]
struct Certificate {
    package: String,
    name: String,
    hexadecimal: String,
    base64url: String,
}

pub async fn links(config: &Config, screen: &Screen, action: &LinksCommand) -> Result<u8, Stop> {
    match action {
        LinksCommand::Print(arguments) => print(config, screen, arguments),
        LinksCommand::Doctor(arguments) => super::doctor::doctor(config, screen, arguments).await,
    }
}

fn print(config: &Config, screen: &Screen, arguments: &Print) -> Result<u8, Stop> {
    let hosts: Vec<Host> = hosts(config).into_iter().filter(|it| arguments.host.as_ref().is_none_or(|host| *host == it.host)).collect();
    if let Some(host) = arguments.host.as_ref().filter(|_| hosts.is_empty()) {
        let why = "no client with a table [client.ID.app] has an https redirect URI there";
        return Err(Problem::not_found(format!("{host} carries no association file: {why}")).into());
    }
    if let Some(name) = &arguments.file {
        screen.must_be_text("links print --file")?;
        let file = hosts.first().and_then(|it| it.files.get(name.as_str()));
        let missing = || Problem::not_found(format!("{} has no {name}: none of its apps is on that platform", hosts[0].host));
        return screen.text(file.ok_or_else(missing)?).map(|()| 0);
    }
    if let Some(directory) = &arguments.out {
        write(directory, &hosts)?;
    }
    if screen.is_json() {
        let document = serde_json::json!({ "outcome": "link_files", "hosts": hosts });
        screen.line(format!("{document:#}"))?;
    } else {
        hosts.iter().flat_map(words).try_for_each(|it| screen.line(it))?;
        if hosts.is_empty() {
            screen.line("No client has a table [client.ID.app]: there are no association files.")?;
        }
    }
    Ok(0)
}

fn hosts(config: &Config) -> Vec<Host> {
    let mut hosts = Vec::new();
    let own = files::of_issuer(config);
    if !own.is_empty() {
        let certificates = certificates(config, |client| client.shares_credentials());
        hosts.push(Host { host: issuer_authority(config), owner: None, served: true, files: texts(own), certificates });
    }
    let claims = claims(&config.client);
    let shares = |client: &crate::config::Client| client.shares_credentials();
    let of_passkeys = files::host_of_passkeys(config);
    if let Some(host) = of_passkeys.clone().filter(|host| !claims.contains_key(host)) {
        let files = files::of_host(config, &host, None);
        let (served, certificates) = (config.host.contains_key(&host), certificates(config, shares));
        hosts.extend((!files.is_empty()).then(|| Host { host, owner: None, served, files: texts(files), certificates }));
    }
    for (host, claim) in claims {
        let files = files::of_host(config, &host, Some(&claim));
        let is_of_passkeys = of_passkeys.as_ref() == Some(&host);
        let clients: Vec<_> = claim.links.iter().filter_map(|it| config.client.get(it.client_id)).collect();
        let is_named = |client: &crate::config::Client| clients.iter().any(|it| std::ptr::eq(*it, client));
        let certificates = certificates(config, |client| is_named(client) || is_of_passkeys && shares(client));
        let served = config.host.contains_key(&host);
        hosts.push(Host { host, owner: Some(claim.owner.to_owned()), served, files: texts(files), certificates });
    }
    hosts
}

fn texts(files: BTreeMap<Platform, Vec<u8>>) -> BTreeMap<&'static str, String> {
    files.into_iter().map(|(platform, bytes)| (platform.file_name(), String::from_utf8_lossy(&bytes).into_owned())).collect()
}

fn certificates(config: &Config, of: impl Fn(&crate::config::Client) -> bool) -> Vec<Certificate> {
    let apps = config.client.values().filter(|it| !it.disabled && of(it)).filter_map(|it| it.app.as_ref());
    let all = apps.flat_map(|app| app.certificates()).map(|(package, name, fingerprint)| Certificate {
        package: package.to_owned(),
        name: name.to_owned(),
        hexadecimal: fingerprint.hexadecimal(),
        base64url: fingerprint.to_string(),
    });
    all.collect()
}

fn write(directory: &Path, hosts: &[Host]) -> Result<(), Problem> {
    for host in hosts {
        // A port is no part of a directory's name on every system.
        let below = directory.join(host.host.replace(':', "_")).join(".well-known");
        std::fs::create_dir_all(&below).map_err(|it| Problem::fault(format!("{}: {it}", below.display())))?;
        for (name, text) in &host.files {
            let path = below.join(name);
            std::fs::write(&path, text).map_err(|it| Problem::fault(format!("{}: {it}", path.display())))?;
        }
    }
    Ok(())
}

fn words(host: &Host) -> Vec<String> {
    let whose = match &host.owner {
        Some(owner) => format!("owner {owner}"),
        None => "passwords and passkeys alone".to_owned(),
    };
    let where_from = if host.served { "this server answers it" } else { "host these files there yourself" };
    let mut lines = vec![format!("{} ({whose}; {where_from})", host.host)];
    for (name, text) in &host.files {
        lines.push(format!("  https://{}/.well-known/{name}", host.host));
        lines.extend(text.lines().map(|it| format!("    {it}")));
    }
    for certificate in &host.certificates {
        lines.push(format!("  {} is signed by {}:", certificate.package, certificate.name));
        lines.push(format!("    {}", certificate.hexadecimal));
        lines.push(format!("    {} in base64url", certificate.base64url));
    }
    lines.push(String::new());
    lines
}
