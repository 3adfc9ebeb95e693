//! `symbolon init`: a file that works at once on your own machine and says what to change before anybody else's.

use crate::config::MasterKey;
use crate::error::Fault;
use std::path::Path;

/// The starting configuration; also what the documentation quotes.
pub const SAMPLE: &str = include_str!("sample.toml");

pub fn init(dir: &Path) -> Result<(), Fault> {
    let io = |it: std::io::Error| Fault::new(format!("{}: {it}", dir.display()));
    std::fs::create_dir_all(dir).map_err(io)?;
    let file = dir.join("symbolon.toml");
    if file.exists() {
        return Err(Fault::new(format!("{} is there already; nothing was written", file.display())));
    }
    MasterKey::create_file(&dir.join("symbolon.key"))?;
    std::fs::write(&file, SAMPLE).map_err(io)?;
    println!("Wrote {} and its master key.\nNext:\n  symbolon -c {0} user add alice\n  symbolon -c {0} serve", file.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn the_sample_is_a_configuration() {
        let read = Config::from_text(super::SAMPLE, "sample.toml", &|_| None);
        assert!(read.is_ok(), "{}", read.err().map(|it| it.to_string()).unwrap_or_default());
    }
}
