//! `symbolon init`: a file that works at once on your own machine and says what to change before anybody else's.

use crate::config::{MasterKey, Secret};
use crate::error::Fault;
use crate::login::accounts;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use symbolon_oauth::base64url;

/// The starting configuration; also what the documentation quotes.
pub const SAMPLE: &str = include_str!("sample.toml");

/// The place of the service's secret in the sample.
const SECRET: &str = "'$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'";

pub fn init(dir: &Path) -> Result<(), Fault> {
    let io = |error: std::io::Error| Fault::new(format!("{}: {error}", dir.display()));
    if !dir.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    }
    let path = dir.join("symbolon.toml");
    if path.exists() {
        return Err(Fault::new(format!("{} is there already; nothing was written", path.display())));
    }
    MasterKey::create_file(&dir.join("symbolon.key"))?;
    let secret = base64url::encode(&crate::seal::random::<32>()?);
    let digest = Secret::parse(&accounts::hash_password_blocking(&secret)?).map_err(Fault::new)?;
    let text = SAMPLE.replace(SECRET, &format!("'{}'", digest.as_str()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    print!("{}", words(&path, &secret));
    Ok(())
}

/// The way to a first token, in commands to copy. A server that runs already is in nobody's way.
/// The program is called as it was called now.
fn words(path: &Path, secret: &str) -> String {
    let (path, program) = (path.display(), std::env::args().next().unwrap_or_else(|| "symbolon".to_owned()));
    format!(
        "Wrote {path} and its master key. Only your user can read them.\n\
         Start the server, if it is not running yet. Its log appears in that terminal:\n\
         \x20 {program} -c {path} serve\n\
         Keep the secret of the client orders-batch: it is shown this once.\n\
         In a second terminal, in the same directory, these two lines get a first token:\n\
         \x20 SECRET={secret}\n\
         \x20 curl -u orders-batch:$SECRET -d grant_type=client_credentials http://127.0.0.1:8080/token\n\
         Then add a person, if there is none yet. The token of the app names the person's customer_id:\n\
         \x20 {program} -c {path} user add alice --claim customer_id=c-1041\n"
    )
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn the_sample_is_a_configuration() {
        let read = Config::from_text(super::SAMPLE, "sample.toml", &|_| None);
        assert!(read.is_ok(), "{}", read.err().map(|it| it.to_string()).unwrap_or_default());
        assert_eq!(super::SAMPLE.matches(super::SECRET).count(), 1, "init puts a digest of its own there");
    }
}
