//! Handles: strings that only this server can make, checked by arithmetic before any read.
//!
//! `prefix` then base64url of: key version (1 byte), id (16), grant number (4), generation (4), row tag (8), tag (32). The tag is an HMAC
//! under the handle key of that version, over prefix, fields and issuer. The row tag is one under the grant's own salt, so that a stolen
//! master key alone forges nothing. A handle is a function of its fields. Asking twice for the same generation gives the same string, so
//! that retried refreshes converge.

use crate::seal::KeyRing;
use aws_lc_rs::hmac;
use symbolon_oauth::{base64url, digest};

const ROW_TAG: usize = 8;
const TAG: usize = 32;
const FIELDS: usize = 1 + 16 + 4 + 4 + ROW_TAG;
const LENGTH: usize = FIELDS + TAG;

/// Why a handle was not read; for the log.
pub const NOT_OURS: &str = "its MAC is not ours: made elsewhere, made as something else, cut, or changed";

/// What a handle is; the prefix keeps the namespaces apart and lets secret scanners find leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Code,
    Refresh,
    RequestUri,
    /// The lasting `auth_session` of a grant.
    AuthSession,
    /// RFC 8628 3.2.
    DeviceCode,
    /// CIBA Core 7.3.
    AuthReqId,
    /// Native SSO 3.2.
    DeviceSecret,
    /// What a browser proved for an app's own sign-in.
    BrowserReturn,
}

impl Kind {
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Code => "sc_",
            Self::Refresh => "sr_",
            Self::RequestUri => "su_",
            Self::AuthSession => "sg_",
            Self::DeviceCode => "sd_",
            Self::AuthReqId => "sb_",
            Self::DeviceSecret => "ss_",
            Self::BrowserReturn => "sw_",
        }
    }
}

/// The row that a handle names, and the generation of what it stands for.
#[derive(Debug, Clone, Copy)]
pub struct RowName {
    pub id: [u8; 16],
    pub number: u32,
    pub generation: u32,
}

/// A handle whose outer tag is genuine. Its row tag still has to be checked against the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    pub kind: Kind,
    pub id: [u8; 16],
    pub number: u32,
    pub generation: u32,
    row_tag: [u8; ROW_TAG],
}

/// Makes and reads handles of one issuer.
#[derive(Clone)]
pub struct Handles {
    keyring: KeyRing,
    issuer: String,
}

impl Handles {
    pub fn new(keyring: KeyRing, issuer: &str) -> Self {
        Self { keyring, issuer: issuer.to_owned() }
    }

    /// Makes the handle; `salt` is the secret of the row it names (empty where the row has none).
    pub fn make(&self, kind: Kind, row: RowName, salt: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(0);
        bytes.extend_from_slice(&row.id);
        bytes.extend_from_slice(&row.number.to_be_bytes());
        bytes.extend_from_slice(&row.generation.to_be_bytes());
        let tag_of_row = row_tag(kind, &bytes[1..], salt);
        bytes.extend_from_slice(&tag_of_row);
        let (version, tag) = self.keyring.mac("handle", &[kind.prefix().as_bytes(), self.issuer.as_bytes(), &bytes[1..]]);
        bytes[0] = version;
        bytes.extend_from_slice(&tag);
        let mut text = kind.prefix().to_owned();
        base64url::append(&bytes, &mut text);
        text
    }

    /// Reads a handle of `kind`. `None`: it was not made by this server, or not as this kind.
    pub fn read(&self, kind: Kind, text: &str) -> Option<Handle> {
        let bytes = base64url::decode(text.strip_prefix(kind.prefix())?)?;
        if bytes.len() != LENGTH {
            return None;
        }
        let (fields, tag) = bytes.split_at(FIELDS);
        let expected = self.keyring.mac_with(fields[0], "handle", &[kind.prefix().as_bytes(), self.issuer.as_bytes(), &fields[1..]])?;
        if !digest::equal(&expected, tag) {
            return None;
        }
        Some(Handle {
            kind,
            id: fields[1..17].try_into().ok()?,
            number: u32::from_be_bytes(fields[17..21].try_into().ok()?),
            generation: u32::from_be_bytes(fields[21..25].try_into().ok()?),
            row_tag: fields[25..].try_into().ok()?,
        })
    }
}

impl Handle {
    /// The second tag, checked once the row is at hand.
    pub fn belongs_to(&self, salt: &[u8]) -> bool {
        let mut fields = Vec::with_capacity(24);
        fields.extend_from_slice(&self.id);
        fields.extend_from_slice(&self.number.to_be_bytes());
        fields.extend_from_slice(&self.generation.to_be_bytes());
        digest::equal(&row_tag(self.kind, &fields, salt), &self.row_tag)
    }
}

fn row_tag(kind: Kind, fields: &[u8], salt: &[u8]) -> [u8; ROW_TAG] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    let mut context = hmac::Context::with_key(&key);
    context.update(kind.prefix().as_bytes());
    context.update(fields);
    let mut out = [0; ROW_TAG];
    out.copy_from_slice(&context.sign().as_ref()[..ROW_TAG]);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn handles() -> Handles {
        Handles::new(KeyRing::new(vec![(1, [7; 32])]).unwrap(), "https://login.example.com")
    }

    #[test]
    fn a_handle_reads_back_and_asks_for_its_own_salt() {
        let made = handles().make(Kind::Refresh, RowName { id: [3; 16], number: 9, generation: 4 }, b"salt");
        let read = handles().read(Kind::Refresh, &made).unwrap();
        assert_eq!((read.id, read.number, read.generation), ([3; 16], 9, 4));
        assert!(read.belongs_to(b"salt"));
        assert!(!read.belongs_to(b"other"));
        assert_eq!(made, handles().make(Kind::Refresh, RowName { id: [3; 16], number: 9, generation: 4 }, b"salt"));
    }

    /// 045-C, 060-C, 156-F: every edit of the string is refused, and 046-C: a code is not a refresh token.
    #[test]
    fn every_edit_is_refused() {
        let made = handles().make(Kind::Code, RowName { id: [3; 16], number: 9, generation: 0 }, b"salt");
        assert!(handles().read(Kind::Code, &made).is_some());
        assert!(handles().read(Kind::Refresh, &made).is_none());
        assert!(handles().read(Kind::Refresh, &made.replace("sc_", "sr_")).is_none());
        for cut in 1..made.len() {
            assert!(handles().read(Kind::Code, &made[..cut]).is_none());
        }
        for at in 3..made.len() {
            let mut edited = made.clone().into_bytes();
            edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
            assert!(handles().read(Kind::Code, std::str::from_utf8(&edited).unwrap()).is_none(), "edited at {at}");
        }
        for odd in [format!("{made}A"), format!(" {made}"), format!("{made}="), made.to_uppercase()] {
            assert!(handles().read(Kind::Code, &odd).is_none());
        }
    }

    #[test]
    fn another_issuer_does_not_read_it() {
        let made = handles().make(Kind::Code, RowName { id: [3; 16], number: 9, generation: 0 }, b"salt");
        let other = Handles::new(KeyRing::new(vec![(1, [7; 32])]).unwrap(), "https://login.example.com/t2");
        assert!(other.read(Kind::Code, &made).is_none());
    }
}
