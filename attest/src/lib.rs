//! Genuine app, genuine device? The caller gives bytes, trusted roots, a time and what it expects. It gets a verdict with every
//! fact that was found and every rule that failed. Pure: no network, no clock. The caller decides what a verdict is worth (which
//! tier, which scopes).
//!
//! Every reader has a budget: a largest size, and a largest number of members, certificates or levels. What is beyond it is unreadable.
#![warn(clippy::too_many_lines, clippy::too_many_arguments)]

pub mod app_attest;
pub mod cbor;
pub mod cms;
pub mod der;
pub mod jwe;
pub mod key_attestation;
pub mod play_integrity;
pub mod receipt;
pub mod status_list;
pub mod x509;

pub use symbolon_oauth::binding;

/// One rule that evidence broke. `name` is stable and for policies and audits; `detail` is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub name: &'static str,
    pub detail: String,
}

impl Failed {
    pub fn new(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, detail: detail.into() }
    }
}

/// What was found and what was wrong with it. Evidence is good when `failed` is empty. `facts` hold what could be read, and mean
/// nothing while `failed` is not empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict<F> {
    pub facts: F,
    pub failed: Vec<Failed>,
}

impl<F> Verdict<F> {
    pub fn holds(&self) -> bool {
        self.failed.is_empty()
    }

    /// Did this rule fail?
    pub fn broke(&self, name: &str) -> bool {
        self.failed.iter().any(|it| it.name == name)
    }
}

/// Evidence that cannot be read: too large, cut off, or of another format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for Unreadable {}

/// The largest evidence of any kind, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
