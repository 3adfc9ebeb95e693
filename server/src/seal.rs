//! Secrets at rest and MACs, under keys derived from the master key. AES-256-GCM (NIST SP 800-38D), HKDF (RFC 5869).

use crate::error::Fault;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac, rand};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// What stands before a sealed value: the version of its key, and the nonce.
const HEAD: usize = 1 + NONCE_LEN;

struct Master {
    version: u8,
    sealing: LessSafeKey,
    derive: hkdf::Prk,
    /// Copying such a key costs more than using it.
    macs: RwLock<BTreeMap<String, Arc<hmac::Key>>>,
}

/// Keys derived from one or more master keys, newest first. A version byte in every value names the one that made it.
#[derive(Clone)]
pub struct KeyRing(Arc<Vec<Master>>);

struct Length;
impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

impl KeyRing {
    pub fn new(masters: Vec<(u8, [u8; 32])>) -> Result<Self, Fault> {
        if masters.is_empty() {
            return Err(Fault::new("there is no master key"));
        }
        let made: Result<Vec<Master>, Fault> = masters.into_iter().map(|(version, key)| Master::new(version, &key)).collect();
        Ok(Self(Arc::new(made?)))
    }

    /// Seals `plain` for where it stands in the store, such as "table/column/row": moved elsewhere it does not open.
    pub fn seal(&self, at: &str, plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let master = &self.0[0];
        let nonce = random::<NONCE_LEN>()?;
        let associated = aad(master.version, at);
        let mut out = Vec::with_capacity(HEAD + plain.len() + MAX_TAG_LEN);
        out.push(master.version);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let tag = master
            .sealing
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&associated[..]), &mut out[HEAD..])
            .map_err(|_| Fault::new("sealing failed"))?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// `None` for anything that was not sealed here for this.
    pub fn open(&self, at: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (version, rest) = sealed.split_first()?;
        let master = self.0.iter().find(|it| it.version == *version)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        let mut body = body.to_vec();
        let associated = aad(*version, at);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = master.sealing.open_in_place(nonce, Aad::from(&associated[..]), &mut body).ok()?.len();
        body.truncate(plain);
        Some(body)
    }

    /// HMAC-SHA-256 over the parts, each with its length, under the newest key for this label.
    pub fn mac(&self, label: &str, parts: &[&[u8]]) -> (u8, [u8; 32]) {
        let master = &self.0[0];
        (master.version, master.mac(label, parts))
    }

    pub fn mac_with(&self, version: u8, label: &str, parts: &[&[u8]]) -> Option<[u8; 32]> {
        self.0.iter().find(|it| it.version == version).map(|it| it.mac(label, parts))
    }

    /// The version of the newest master key.
    pub fn newest(&self) -> u8 {
        self.0[0].version
    }

    pub fn versions(&self) -> Vec<u8> {
        self.0.iter().map(|it| it.version).collect()
    }
}

impl Master {
    fn new(version: u8, key: &[u8; 32]) -> Result<Self, Fault> {
        let derive = hkdf::Salt::new(hkdf::HKDF_SHA256, b"symbolon-1").extract(key);
        let sealing = expand(&derive, "seal")?;
        let sealing = UnboundKey::new(&AES_256_GCM, &sealing).map_err(|_| Fault::new("the sealing key is not usable"))?;
        Ok(Self { version, sealing: LessSafeKey::new(sealing), derive, macs: RwLock::default() })
    }

    fn key(&self, label: &str) -> Arc<hmac::Key> {
        if let Ok(known) = self.macs.read()
            && let Some(key) = known.get(label)
        {
            return Arc::clone(key);
        }
        // Expanding 32 bytes cannot fail: HKDF's limit is 255 times that.
        let bytes = expand(&self.derive, &format!("mac {label}")).unwrap_or_default();
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        if let Ok(mut known) = self.macs.write() {
            known.insert(label.to_owned(), Arc::clone(&key));
        }
        key
    }

    fn mac(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key(label));
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

fn expand(derive: &hkdf::Prk, label: &str) -> Result<[u8; 32], Fault> {
    let mut out = [0; 32];
    let info = [label.as_bytes()];
    derive.expand(&info, Length).and_then(|it| it.fill(&mut out)).map_err(|_| Fault::new("key derivation failed"))?;
    Ok(out)
}

fn aad(version: u8, at: &str) -> Vec<u8> {
    let mut out = vec![version];
    out.extend_from_slice(at.as_bytes());
    out
}

/// Random bytes from the operating system's generator by way of aws-lc.
pub fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut out = [0; N];
    rand::fill(&mut out).map_err(|_| Fault::new("the system gave no randomness"))?;
    Ok(out)
}

/// 48 bits of milliseconds, then 80 random bits: sorts by time, guessed by nobody.
pub fn time_ordered_id(now_ms: i64) -> Result<[u8; 16], Fault> {
    let mut out = [0; 16];
    out[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
    out[6..].copy_from_slice(&random::<10>()?);
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_sealed_value_opens_at_its_place_and_survives_a_new_master_key() {
        let old = KeyRing::new(vec![(1, [1; 32])]).unwrap();
        let both = KeyRing::new(vec![(2, [2; 32]), (1, [1; 32])]).unwrap();
        let sealed = old.seal("account/secret/7", b"plain").unwrap();
        assert_eq!(both.open("account/secret/7", &sealed).as_deref(), Some(&b"plain"[..]));
        assert_eq!(old.open("account/secret/8", &sealed), None);
        let mut edited = sealed.clone();
        *edited.last_mut().unwrap() ^= 1;
        assert_eq!(old.open("account/secret/7", &edited), None);
        assert_eq!(old.open("account/secret/7", &sealed[..10]), None);
        assert_eq!(old.open("account/secret/7", &both.seal("account/secret/7", b"x").unwrap()), None);
        assert_ne!(old.mac("a", &[b"x", b"y"]).1, old.mac("a", &[b"xy"]).1);
        assert_ne!(old.mac("a", &[b"x"]).1, old.mac("b", &[b"x"]).1);
    }
}
