//! What `symbolon serve` does before it listens, for `symbolon check`. Every file is read, every key is tried, and the database is reached.
//! All that is wrong is said at once.

use crate::app::must_have_letters;
use crate::attesting::Attesting;
use crate::certificates;
use crate::config::Config;
use crate::error::Fault;
use crate::grants::details::Types;
use crate::mail::Mailer;
use crate::operations::Problem;
use crate::outgoing::Outgoing;
use crate::pages::Pages;
use crate::plugins::{Loading, Plugins};
use crate::seal::KeyRing;
use crate::serve::{database, hosts, tls};
use crate::store::Store;
use crate::tokens::keys::sealed_at;
use crate::upstream::Providers;
use crate::wallet::Wallets;
use std::path::Path;
use std::time::Duration;
use tokio::net::lookup_host;

/// A name that nobody answers for is an error and not a wait.
const RESOLVING: Duration = Duration::from_secs(5);
/// `sockaddr_un` has room for 108 bytes with the zero at the end.
const LONGEST_SOCKET: usize = 107;

/// `served`: a server runs on this configuration, so that its store and its socket are open.
pub async fn run(config: &Config, base: &Path, served: bool) -> Result<(), Problem> {
    let mut found = of_files(config, base);
    for (name, address) in addresses(config) {
        found.extend(resolve(&name, address).await.err());
    }
    if !served {
        found.extend(of_store(config, base).await.err().map(|fault| fault.0));
        found.extend(socket_problem(config, base));
    }
    if found.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = found.iter().map(|what| format!("  {what}")).collect();
    Err(Problem::invalid(format!("`symbolon serve` would not start:\n{}", lines.join("\n"))))
}

fn of_files(config: &Config, base: &Path) -> Vec<String> {
    let templates = config.templates.as_ref().map(|path| base.join(path));
    let tls = |asking: bool| config.tls.as_ref().map_or(Ok(()), |files| tls::Certificates::load(files, base, asking).map(|_| ()));
    let checks: [Result<(), Fault>; 14] = [
        config.master_key.read().and_then(KeyRing::new).map(|_| ()),
        templates.as_deref().map_or(Ok(()), directory),
        Pages::new(&config.brand, templates.as_deref(), base).and_then(|pages| must_have_letters(config, &pages)),
        Attesting::load(config, base, &Outgoing::default(), None).map(|_| ()),
        certificates::load_anchors(config, base).map(|_| ()),
        Types::new(config).map(|_| ()),
        config.passkeys.rules().map(|_| ()).map_err(Fault::new),
        config.passwords.open_list(base).map(|_| ()).map_err(Fault::new),
        Providers::load(&config.upstream, &config.issuer, &Outgoing::default()).map(|_| ()),
        Wallets::load(&config.wallet, (&config.issuer, &config.brand.name), &Outgoing::default()).map(|_| ()),
        Plugins::load(&Loading::of(config.plugins(), base, &Outgoing::default(), None), None).map(|_| ()),
        config.mail.as_ref().map_or(Ok(()), |mail| Mailer::new(mail, &config.issuer).map(|_| ())),
        tls(config.mtls.as_ref().is_some_and(|mtls| mtls.listen.is_some())),
        hosts::HostCertificates::load(config, base).map(|_| ()),
    ];
    checks.into_iter().filter_map(Result::err).map(|fault| fault.0).collect()
}

/// The store that is there, and whether the master key is the one it was made with.
async fn of_store(config: &Config, base: &Path) -> Result<(), Fault> {
    let sealed = Store::probe(&database(config, base)).await?;
    // A master key that cannot be read is said elsewhere.
    let Ok(keyring) = config.master_key.read().and_then(KeyRing::new) else { return Ok(()) };
    match sealed.iter().find(|key| keyring.open(&sealed_at(&key.kid), &key.private).is_none()) {
        None => Ok(()),
        Some(key) => {
            let why = "the master key is not the one this store was made with";
            Err(Fault::new(format!("signing key {} cannot be opened: {why}", key.kid)))
        }
    }
}

fn directory(path: &Path) -> Result<(), Fault> {
    match std::fs::read_dir(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(format!("templates {}: {error}", path.display()))),
    }
}

/// Everything that is listened on.
fn addresses(config: &Config) -> Vec<(String, &str)> {
    let mtls = config.mtls.as_ref().and_then(|it| it.listen.as_deref());
    let all = [("listen", Some(config.listen.as_str())), ("metrics", config.metrics.as_deref()), ("[mtls] listen", mtls)];
    all.into_iter().filter_map(|(name, address)| Some((name.to_owned(), address?))).collect()
}

/// An address of ours is written with a port; whether the port is free is seen when it is bound.
async fn resolve(name: &str, address: &str) -> Result<(), String> {
    let found = tokio::time::timeout(RESOLVING, lookup_host(address)).await;
    match found {
        Ok(Ok(mut all)) => all.next().map(|_| ()).ok_or_else(|| format!("{name} = {address:?}: there is no such address")),
        Ok(Err(error)) => Err(format!("{name} = {address:?}: {error}; write an address and a port, such as 127.0.0.1:8080")),
        Err(_) => Err(format!("{name} = {address:?}: the name was not resolved in time")),
    }
}

fn socket_problem(config: &Config, base: &Path) -> Option<String> {
    let path = base.join(config.admin_socket.as_ref()?);
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.as_os_str().len() > LONGEST_SOCKET {
        return Some(format!("admin_socket {}: a socket's path has at most {LONGEST_SOCKET} bytes", path.display()));
    }
    (!parent.is_dir()).then(|| format!("admin_socket {}: {} is no directory", path.display(), parent.display()))
}
