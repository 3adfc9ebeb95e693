//! What is made of files, and made again when they change. A change is seen by time, size, or another file in the same place. A read that
//! fails keeps the old, and is tried again every second, although the files look the same.

use crate::error::Fault;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How soon files that could not be used are read again, although they look the same.
const RETRY: Duration = Duration::from_secs(1);

/// By what a changed file is known. A symbolic link leads elsewhere, another file is in its place, or its time is later.
type Stamp = Option<(SystemTime, u64, u64, u64)>;

pub struct Watched<T> {
    files: Vec<PathBuf>,
    current: Mutex<Current<T>>,
}

struct Current<T> {
    stamps: Vec<Stamp>,
    made: T,
    /// Files that could not be used, and when that was found.
    failed: Option<(Vec<Stamp>, Instant)>,
}

impl<T: Clone> Watched<T> {
    pub fn new(files: Vec<PathBuf>, make: impl FnOnce(&[PathBuf]) -> Result<T, Fault>) -> Result<Self, Fault> {
        let stamps = stamps(&files);
        let current = Mutex::new(Current { stamps, made: make(&files)?, failed: None });
        Ok(Self { files, current })
    }

    /// What the files say now, or the last that could be used.
    pub fn now(&self, make: impl FnOnce() -> Result<T, Fault>) -> T {
        let stamps = stamps(&self.files);
        let mut current = self.current();
        let failed_just_now = current.failed.as_ref().is_some_and(|(before, at)| *before == stamps && at.elapsed() < RETRY);
        if current.stamps != stamps && !failed_just_now {
            replace(&mut current, stamps, make);
        }
        current.made.clone()
    }

    /// Reads the files whether or not they look changed.
    pub fn read_again(&self, make: impl FnOnce() -> Result<T, Fault>) {
        replace(&mut self.current(), stamps(&self.files), make);
    }

    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn current(&self) -> MutexGuard<'_, Current<T>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn replace<T>(current: &mut Current<T>, stamps: Vec<Stamp>, make: impl FnOnce() -> Result<T, Fault>) {
    match make() {
        Ok(made) => *current = Current { stamps, made, failed: None },
        Err(fault) => {
            // Files that wait for their counterpart are read every second: it is said once.
            if current.failed.as_ref().is_none_or(|(before, _)| *before != stamps) {
                tracing::error!(error = %fault, "changed files cannot be used; the old ones stay, and the new ones are read again");
            }
            current.failed = Some((stamps, Instant::now()));
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.dev(), file.ino(), file.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_read_that_failed_is_tried_again_though_the_files_look_the_same() {
        let path = std::env::temp_dir().join(format!("symbolon-watched-{}", std::process::id()));
        std::fs::write(&path, "one").unwrap();
        let watched = Watched::new(vec![path.clone()], |_| Ok("one")).unwrap();
        let broken = || Err(Fault::new("there is no reading it"));
        assert_eq!(watched.now(broken), "one", "the files are the same: nothing is read");
        std::fs::write(&path, "second").unwrap();
        assert_eq!(watched.now(broken), "one");
        assert_eq!(watched.now(|| Ok("second")), "one", "not at once");
        std::thread::sleep(RETRY);
        assert_eq!(watched.now(|| Ok("second")), "second");
        assert_eq!(watched.now(broken), "second", "the twin: what was read is not read again");
        std::fs::remove_file(&path).unwrap();
    }
}
