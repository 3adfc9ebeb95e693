//! Secrets of clients and APIs: made here, shown once.

use super::screen::{Screen, Stop};
use super::terminal;
use crate::config::Secret;
use crate::error::Fault;
use crate::login::accounts;
use crate::operations::{Problem, Sensitive};
use crate::seal::KeyRing;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;
use symbolon_oauth::base64url;

/// A shorter one could be guessed; a longer one is never compared.
const LENGTH: RangeInclusive<usize> = 32..=accounts::PASSWORD_MAX;

/// `symbolon client secret`. `keyring`: the digest is a MAC under the master key. `existing`: the secret is not made but read.
pub fn make(keyring: Option<&KeyRing>, existing: bool, screen: &Screen) -> Result<(), Stop> {
    let secret = match existing {
        true => terminal::read_hidden("The secret, then Enter:")?,
        false => Sensitive::new(base64url::encode(&crate::seal::random::<32>()?)),
    };
    if !LENGTH.contains(&secret.reveal().len()) || secret.reveal().chars().any(char::is_control) {
        let (least, most) = (LENGTH.start(), LENGTH.end());
        return Err(Problem::invalid(format!("a secret has {least} to {most} bytes and no control characters")).into());
    }
    let digest = match keyring {
        Some(keyring) => Secret::keyed(keyring, secret.reveal()),
        None => Secret::parse(&accounts::hash_password_blocking(secret.reveal())?).map_err(Fault::new)?,
    };
    if !existing {
        screen.line(format!("The secret, shown this once; give it to the client:\n  {}", secret.reveal()))?;
    }
    let digest = digest.as_str();
    screen.line(format!("The line for a client, under [client.ID]:\n  secret = '{digest}'"))?;
    screen.line(format!("The line for an API that asks about tokens, under [api.NAME]:\n  introspection_secret = '{digest}'"))
}

/// A new file that only its owner can read, made before the secrets are.
pub fn create_file(path: &Path) -> Result<File, Problem> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|it| Problem::invalid(format!("--secrets {}: {it}; nothing was done", path.display())))
}

/// One line of JSON for each client.
pub fn write(mut file: File, secrets: &BTreeMap<String, Sensitive>) -> Result<(), Problem> {
    let written = secrets
        .iter()
        .try_for_each(|(client_id, secret)| writeln!(file, "{}", json!({ "client_id": client_id, "client_secret": secret.reveal() })));
    written.and_then(|()| file.sync_all()).map_err(|it| Problem::fault(format!("the file of secrets: {it}")))
}
