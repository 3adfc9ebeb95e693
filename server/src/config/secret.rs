//! Secrets and where they come from. Nothing here prints a secret, and no file of the configuration holds one in clear.

use crate::error::Fault;
use crate::seal::KeyRing;
use argon2::password_hash::phc::PasswordHash;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use symbolon_oauth::{base64url, digest};

/// The digest of a client's or an API's secret. It is an argon2id PHC string, or `hmac-sha256:VERSION:` and a MAC under that master key.
/// Only a secret that nobody can guess may have the MAC. A secret in clear is refused, so that a leaked configuration file is not a leaked
/// credential.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Secret(String);

const KEYED: &str = "hmac-sha256:";

impl Secret {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        // One letter too many in it, and nothing would ever fit.
        let is_whole = |read: PasswordHash| read.salt.is_some() && read.hash.is_some();
        let phc = text.starts_with("$argon2id$") && PasswordHash::new(text).is_ok_and(is_whole);
        if phc || keyed(text).is_some() {
            return Ok(Self(text.to_owned()));
        }
        Err("a secret is kept as its digest, never in clear; `symbolon client secret` makes one and prints the line to put here")
    }

    /// The MAC of a secret that was generated, under the newest master key.
    pub fn keyed(keyring: &KeyRing, secret: &str) -> Self {
        let (version, mac) = keyring.mac(KEYED, &[secret.as_bytes()]);
        Self(format!("{KEYED}{version}:{}", base64url::encode(&mac)))
    }

    /// Is this the secret? `None`: the digest is argon2id's, which takes its time elsewhere.
    pub fn fits_key(&self, keyring: &KeyRing, secret: &str) -> Option<bool> {
        let (version, kept) = keyed(&self.0)?;
        Some(keyring.mac_with(version, KEYED, &[secret.as_bytes()]).is_some_and(|it| digest::equal(&it, &kept)))
    }

    /// The master key without which it never fits.
    pub fn key_version(&self) -> Option<u8> {
        keyed(&self.0).map(|it| it.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn keyed(text: &str) -> Option<(u8, [u8; 32])> {
    let (version, mac) = text.strip_prefix(KEYED)?.split_once(':')?;
    Some((version.parse().ok().filter(|it| *it > 0)?, base64url::decode(mac)?.try_into().ok()?))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Where a secret of the server's own is kept: never in the configuration file itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// A file only the server's user can read.
    File(PathBuf),
    /// The name of an environment variable.
    Env(String),
    /// A command that prints the keys, such as the client of a key management service.
    Command(Vec<String>),
}

/// A new key is no help where a store was made with another one.
const LOST_KEY: &str = "For a new server, `symbolon init NEW_DIRECTORY` makes one: copy its symbolon.key here. \
    A database that was made with another key cannot be read with a new one: put its old key back";

/// Everything secret in the store is sealed under the master key.
pub type MasterKey = SecretSource;

impl Default for SecretSource {
    fn default() -> Self {
        Self::File(PathBuf::from("symbolon.key"))
    }
}

impl SecretSource {
    /// The secret as text. `what` names it in errors.
    pub fn text(&self, what: &str) -> Result<String, Fault> {
        match self {
            Self::File(path) => read_private(path),
            Self::Env(name) => read_variable(name),
            Self::Command(words) => run(words),
        }
        .map(|text| text.trim_start_matches('\u{feff}').to_owned())
        .map_err(|it| Fault::new(format!("{what}: {it}")))
    }

    /// Where it is, for errors about what it holds. Never what it holds.
    pub fn whereabouts(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Env(name) => format!("the variable {name}"),
            Self::Command(_) => "the command's output".to_owned(),
        }
    }

    /// A relative file begins at the configuration's directory.
    pub fn below(self, base: &Path) -> Self {
        match self {
            Self::File(path) if path.is_relative() => Self::File(base.join(path)),
            other => other,
        }
    }

    /// Reads the master keys: newest first, each with the version that sealed values name.
    pub fn read(&self) -> Result<Vec<(u8, [u8; 32])>, Fault> {
        let text = self.text("master key").map_err(|it| match self {
            Self::File(path) if matches!(path.try_exists(), Ok(false)) => Fault::new(format!("{it}. {LOST_KEY}")),
            _ => it,
        })?;
        parse_keys(&text).ok_or_else(|| {
            let form = "expected one line per key, newest first, each VERSION:KEY (1 to 255, then 32 bytes in base64url)";
            Fault::new(format!("master key: {}: {form}", self.whereabouts()))
        })
    }

    /// Writes a fresh key file, readable by its owner only; never over an existing one.
    pub fn create_file(path: &Path) -> Result<(), Fault> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut key = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| Fault::new("the system gave no randomness"))?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|it| Fault::new(format!("cannot create {}: {it}", path.display())))?;
        writeln!(file, "1:{}", base64url::encode(&key))
            .and_then(|()| file.sync_all())
            .map_err(|it| Fault::new(format!("cannot write {}: {it}", path.display())))
    }
}

/// A variable, whatever bytes are in it. One with bytes that are no text counts as set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// A value without the end of line that a file or a shell left at its end. Other control characters belong into no value.
pub fn trim_variable(name: &str, value: &str) -> Result<String, String> {
    let value = value.trim_start_matches('\u{feff}').trim_end_matches(|it: char| it.is_control() || it == ' ');
    if value.is_empty() {
        return Err(format!("the environment variable {name} is set and empty; take it away or give it a value"));
    }
    if value.chars().any(|it| it == '\u{fffd}' || (it.is_control() && it != '\n' && it != '\r')) {
        return Err(format!("the environment variable {name} has a control character, or is no UTF-8"));
    }
    Ok(value.to_owned())
}

/// A secret in a variable. Master keys may have several lines.
fn read_variable(name: &str) -> Result<String, Fault> {
    let value = environment(name).ok_or_else(|| Fault::new(format!("the environment variable {name} is not set")))?;
    trim_variable(name, &value).map_err(Fault::new)
}

fn read_private(path: &Path) -> Result<String, Fault> {
    use std::os::unix::fs::PermissionsExt;
    let show = path.display();
    let about = std::fs::metadata(path).map_err(|it| Fault::new(format!("cannot read {show}: {it}")))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(Fault::new(format!("{show} is readable by others; run: chmod 600 {show}")));
    }
    std::fs::read_to_string(path).map_err(|it| Fault::new(format!("cannot read {show}: {it}")))
}

fn run(words: &[String]) -> Result<String, Fault> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Fault::new("the command is empty"));
    };
    let output = std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|it| Fault::new(format!("cannot run {program}: {it}")))?;
    if !output.status.success() {
        return Err(Fault::new(format!("{program} ended with {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| Fault::new(format!("{program} printed something that is not text")))
}

fn parse_keys(text: &str) -> Option<Vec<(u8, [u8; 32])>> {
    let mut keys: Vec<(u8, [u8; 32])> = Vec::new();
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let (version, key) = line.split_once(':').unwrap_or(("1", line));
        let version = version.trim().parse::<u8>().ok().filter(|it| *it > 0)?;
        if keys.iter().any(|(known, _)| *known == version) {
            return None;
        }
        keys.push((version, base64url::decode(key.trim())?.try_into().ok()?));
    }
    (!keys.is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_secret_in_clear_is_refused_and_a_digest_is_never_printed() {
        assert!(Secret::parse("hunter2").is_err());
        assert!(Secret::parse("$argon2id$").is_err());
        let whole = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
        for broken in [format!("{whole}'"), format!("{whole}$"), format!("{whole} "), whole[..40].to_owned()] {
            assert!(Secret::parse(&broken).is_err(), "{broken}");
        }
        let kept = Secret::parse(whole).unwrap();
        assert_eq!(format!("{kept:?}"), "Secret(..)");
        for bad in
            ["hmac-sha256:", "hmac-sha256:hunter2", "hmac-sha256:1:hunter2", "hmac-sha256:0:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert!(Secret::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_keyed_digest_fits_its_secret_under_its_master_key_alone() {
        let (old, new) = (KeyRing::new(vec![(1, [7; 32])]).unwrap(), KeyRing::new(vec![(2, [8; 32]), (1, [7; 32])]).unwrap());
        let kept = Secret::parse(Secret::keyed(&old, "secret").as_str()).unwrap();
        assert_eq!((kept.key_version(), kept.fits_key(&old, "secret"), kept.fits_key(&old, "secreT")), (Some(1), Some(true), Some(false)));
        assert_eq!(kept.fits_key(&new, "secret"), Some(true), "an older master key that is still listed");
        assert_eq!(kept.fits_key(&KeyRing::new(vec![(1, [8; 32])]).unwrap(), "secret"), Some(false));
        assert_eq!(kept.fits_key(&KeyRing::new(vec![(2, [7; 32])]).unwrap(), "secret"), Some(false));
    }

    #[test]
    fn master_keys_are_listed_newest_first() {
        let key = base64url::encode(&[7; 32]);
        assert_eq!(parse_keys(&key).unwrap(), [(1, [7; 32])]);
        assert_eq!(parse_keys(&format!("# new\n2:{key}\n1:{key}\n")).unwrap().len(), 2);
        for bad in [String::new(), "1:abc".into(), format!("0:{key}"), format!("1:{key}\n1:{key}")] {
            assert_eq!(parse_keys(&bad), None);
        }
    }

    #[test]
    fn a_variable_loses_its_end_of_line_and_keeps_nothing_odd() {
        for good in ["value", "value\n", "value\r\n", "value\r", "value \t\0", "\u{feff}value\n"] {
            assert_eq!(trim_variable("NAME", good).as_deref(), Ok("value"), "{good:?}");
        }
        for bad in ["", "\n", "  ", "val\0ue", "val\u{1b}ue\n", "val\u{fffd}ue"] {
            assert!(trim_variable("NAME", bad).is_err(), "{bad:?}");
        }
        assert_eq!(trim_variable("NAME", "2:b\n1:a\n").as_deref(), Ok("2:b\n1:a"), "two keys are two lines");
    }

    #[test]
    fn a_key_file_of_another_system_is_read() {
        use std::os::unix::fs::OpenOptionsExt;
        let path = std::env::temp_dir().join(format!("symbolon-bom-{}", std::process::id()));
        let key = base64url::encode(&[7; 32]);
        for (text, count) in [(format!("\u{feff}1:{key}\r\n"), 1), (format!("\u{feff}# new\r\n2:{key}\r\n1:{key}\r\n"), 2)] {
            let _ = std::fs::remove_file(&path);
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(MasterKey::File(path.clone()).read().unwrap().len(), count, "{text:?}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_master_key_that_is_missing_or_bad_names_its_file() {
        use std::os::unix::fs::OpenOptionsExt;
        let path = std::env::temp_dir().join(format!("symbolon-no-key-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let said = |of: &MasterKey| of.read().unwrap_err().to_string();
        let key = MasterKey::File(path.clone());
        let missing = said(&key);
        assert!(missing.contains(&path.display().to_string()) && missing.contains("init NEW_DIRECTORY"), "{missing}");
        assert!(missing.contains("put its old key back"), "{missing}");
        let other = key.text("[mail] password").unwrap_err().to_string();
        assert!(!other.contains("init"), "a password is not made by init: {other}");
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        let empty = said(&key);
        assert!(empty.contains(&path.display().to_string()) && empty.contains("VERSION:KEY"), "{empty}");
        assert!(!empty.contains("init"), "{empty}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = std::env::temp_dir().join(format!("symbolon-key-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("symbolon.key");
        MasterKey::create_file(&path).unwrap();
        assert!(MasterKey::create_file(&path).is_err());
        assert_eq!(MasterKey::File(path.clone()).read().unwrap().len(), 1);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(MasterKey::File(path).read().is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
