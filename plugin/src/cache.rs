//! What was compiled, kept for the next start. Loading it runs what it says, so that each file carries a MAC over the digest of the
//! component, the engine that compiled it, and the content. Whoever cannot make one of these can make no file that is loaded.

use crate::engine::Runtime;
use crate::failure::LoadError;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::HEXLOWER;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

const LABEL: &[u8] = b"symbolon plugin artifact 1";
const TAG: usize = 32;
const ENDING: &str = "compiled";
/// The largest file that is read.
const MOST: u64 = 1 << 30;

/// A directory of compiled components. What is in it counts only with the key.
pub struct Cache {
    directory: PathBuf,
    key: hmac::Key,
}

/// Names the engine: another version, other settings or another processor compile anew.
fn name_of(engine: &Engine) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

impl Cache {
    /// Makes the directory, for this user alone. One that others may write to or look into is refused.
    pub fn open(directory: &Path, key: &[u8; 32]) -> Result<Self, LoadError> {
        let failed = |why: String| LoadError(format!("plugin_cache {}: {why}", directory.display()));
        if !directory.exists() {
            std::fs::DirBuilder::new().mode(0o700).create(directory).map_err(|error| failed(error.to_string()))?;
        }
        let found = std::fs::symlink_metadata(directory).map_err(|error| failed(error.to_string()))?;
        if !found.is_dir() || found.permissions().mode() & 0o077 != 0 {
            return Err(failed("it must be a directory that is the server's alone (mode 0700)".to_owned()));
        }
        Ok(Self { directory: directory.to_owned(), key: hmac::Key::new(HMAC_SHA256, key) })
    }

    fn file(&self, engine: &Engine, component: &[u8]) -> PathBuf {
        let sha256 = HEXLOWER.encode(digest(&SHA256, component).as_ref());
        self.directory.join(format!("{sha256}-{}.{ENDING}", HEXLOWER.encode(&name_of(engine))))
    }

    fn tag(&self, engine: &Engine, component: &[u8], content: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [LABEL, digest(&SHA256, component).as_ref(), &name_of(engine), content] {
            context.update(part);
        }
        context.sign()
    }

    /// What was compiled of these bytes by this engine. Anything that is not exactly that is compiled anew.
    pub(crate) fn load(&self, engine: &Engine, component: &[u8]) -> Option<Component> {
        let path = self.file(engine, component);
        if std::fs::metadata(&path).ok()?.len() > MOST {
            return None;
        }
        let file = std::fs::read(&path).ok()?;
        let (tag, content) = file.split_at_checked(TAG)?;
        verify_slices_are_equal(self.tag(engine, component, content).as_ref(), tag).ok()?;
        Self::deserialize(engine, content)
    }

    #[expect(unsafe_code, reason = "the one place: the bytes are what this server wrote for this component and engine, by their MAC")]
    fn deserialize(engine: &Engine, content: &[u8]) -> Option<Component> {
        // SAFETY: `deserialize` runs whatever it is given. `load` has checked the MAC, whose key only this server has.
        unsafe { Component::deserialize(engine, content) }.ok()
    }

    /// Keeps it for the next start. A cache that cannot be written to costs time, and nothing else.
    pub(crate) fn keep(&self, engine: &Engine, component: &[u8], compiled: &Component) {
        let path = self.file(engine, component);
        let Ok(content) = compiled.serialize() else { return };
        let tag = self.tag(engine, component, &content);
        let unfinished = path.with_extension(format!("{}.new", std::process::id()));
        let written = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(tag.as_ref())?;
            file.write_all(&content)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        if written().is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
    }

    /// Removes what is of no component of these (SHA-256 in hexadecimal), or of another engine.
    pub fn sweep(&self, runtime: &Runtime, in_use: &[&str]) {
        let of_engine = format!("-{}.{ENDING}", HEXLOWER.encode(&name_of(runtime.engine())));
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.ends_with(&format!(".{ENDING}"));
            let is_used = name.strip_suffix(&of_engine).is_some_and(|sha256| in_use.contains(&sha256));
            if is_ours && !is_used {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
