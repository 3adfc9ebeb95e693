//! `symbolon links doctor`: a table of what was looked at, worst first, or the same as JSON.

use super::screen::{Screen, Stop};
use crate::config::{ClientKind, Config, Fingerprint};
use crate::links::doctor::check::{Check, Level};
use crate::links::doctor::{self, APPLE_CDN, Options};
use crate::links::files::Platform;
use crate::operations::Problem;
use crate::outgoing::Outgoing;
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Doctor {
    /// Of this client alone.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    client: Option<String>,
    /// On this platform alone.
    #[arg(long, value_parser = ["ios", "android"])]
    platform: Option<String>,
    /// Say which of the configured certificates this is: the SHA-256 of an APK's or a device's certificate.
    #[arg(long, value_name = "SHA256")]
    certificate: Option<String>,
    /// Ask this address for the host, whatever DNS says. May be given several times.
    #[arg(long, value_name = "HOST=ADDRESS", value_parser = name_and_address)]
    resolve: Vec<(String, IpAddr)>,
    /// Trust the certificates of this file (PEM) too, for hosts of a test.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where Apple's copies are asked for; `none` leaves them out.
    #[arg(long, value_name = "URL", default_value = APPLE_CDN)]
    apple_cdn: String,
}

fn name_and_address(text: &str) -> Result<(String, IpAddr), String> {
    let (name, address) = text.split_once('=').ok_or("write HOST=ADDRESS, such as links.shop.example=192.0.2.7")?;
    Ok((name.to_owned(), address.parse().map_err(|_| format!("{address} is no address"))?))
}

pub async fn doctor(config: &Config, screen: &Screen, arguments: &Doctor) -> Result<u8, Stop> {
    if let Some(id) = arguments.client.as_ref().filter(|it| !config.client.contains_key(*it)) {
        return Err(Problem::not_found(format!("the configuration has no client {id}")).into());
    }
    let checks = doctor::examine(config, &options(arguments)?).await;
    if checks.is_empty()
        && let Some(why) = nothing_found(config, arguments)
    {
        return Err(Problem::not_found(why).into());
    }
    let count = |level| checks.iter().filter(|it| it.level == level).count();
    let (faults, warnings) = (count(Level::Fault), count(Level::Warning));
    if screen.is_json() {
        let document = serde_json::json!({ "outcome": "link_report", "faults": faults, "warnings": warnings, "checks": checks });
        screen.json(&document, true)?;
    } else {
        checks.iter().flat_map(words).try_for_each(|it| screen.row(&it))?;
        let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        screen.line(match (checks.is_empty(), faults) {
            (true, _) => no_app(config).to_owned(),
            (_, 0) => format!("No fault. {}.", plural(warnings, "warning")),
            _ => format!("{}, {}.", plural(faults, "fault"), plural(warnings, "warning")),
        })?;
    }
    Ok(u8::from(faults > 0))
}

/// Why the client or the platform that was asked about has nothing to look at. `None`: nobody asked for one.
fn nothing_found(config: &Config, arguments: &Doctor) -> Option<String> {
    let platform = arguments.platform.as_deref();
    let Some(id) = &arguments.client else {
        return platform.map(|platform| format!("no enabled native client has an app on {platform}"));
    };
    let client = config.client.get(id)?;
    Some(match platform {
        _ if client.disabled => format!("client {id} is disabled: no file names its app"),
        _ if client.kind != ClientKind::Native => format!("client {id} is not native: its links open no app"),
        Some(platform) => format!("client {id} has no app on {platform}: add it to [client.{id}.app]"),
        None => format!("client {id} has no app: add it to [client.{id}.app]"),
    })
}

/// Where nothing was asked for by name.
fn no_app(config: &Config) -> &'static str {
    if config.client.values().any(|it| it.kind == ClientKind::Native) {
        "There is nothing to look at: every native client is disabled."
    } else {
        "There is nothing to look at: no client is native."
    }
}

fn options(arguments: &Doctor) -> Result<Options, Problem> {
    let certificate = arguments.certificate.clone().map(Fingerprint::try_from).transpose().map_err(Problem::invalid)?;
    let named = |path: &PathBuf, why: String| Problem::invalid(format!("{}: {why}", path.display()));
    let ca = match &arguments.ca {
        Some(path) => Some(crate::pem::read(path).map_err(|it| named(path, it.to_string()))?),
        None => None,
    };
    let outgoing = Outgoing::looking(&arguments.resolve, ca.as_deref()).map_err(Problem::invalid)?;
    let platform = arguments.platform.as_deref().map(|it| if it == "ios" { Platform::Apple } else { Platform::Android });
    let cdn = arguments.apple_cdn.trim_end_matches('/');
    let apple_cdn = (cdn != "none").then(|| cdn.to_owned());
    Ok(Options { client: arguments.client.clone(), hosts: None, platform, certificate, apple_cdn, outgoing })
}

fn words(check: &Check) -> Vec<String> {
    let mark = match check.level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Fault => "FAULT",
    };
    let named = |it: Option<&str>| it.unwrap_or("-").to_owned();
    let (host, platform) = (named(check.host.as_deref()), named(check.platform));
    let head = format!("{mark:<8}{host:<28} {platform:<8} {:<16} {}", named(check.client.as_deref()), check.code);
    let rest = [Some(check.text.clone()), check.next.as_ref().map(|it| format!("→ {it}"))];
    std::iter::once(head).chain(rest.into_iter().flatten().map(|it| format!("        {it}"))).collect()
}
