//! The nonce of a kiosk's picture. It is made for one device and good for a minute, and nothing is stored until it is used.

use crate::core::Core;
use crate::error::Fault;
use symbolon_oauth::{base64url, digest};

/// The picture changes every twenty seconds; whoever has scanned it has the rest of the minute.
pub const LIFETIME_MS: i64 = 60_000;
pub const CHANGES_S: i64 = 20;
/// Nodes' clocks may differ by so much.
const AHEAD_MS: i64 = 5_000;
const LABEL: &str = "kiosk challenge";
/// Version of the key, six bytes of milliseconds, random bytes, tag.
const LENGTH: usize = 1 + 6 + 8 + 16;

pub enum NonceReading {
    /// When it was made.
    Good(i64),
    Old,
    /// It is no nonce of ours for this device.
    Foreign,
}

/// `whom`: the client and its device.
pub fn make(core: &Core, whom: (&str, &str), now_ms: i64) -> Result<String, Fault> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&now_ms.to_be_bytes()[2..]);
    bytes.extend_from_slice(&crate::seal::random::<8>()?);
    let (version, tag) = core.keyring.mac(LABEL, &[core.config.issuer.as_bytes(), whom.0.as_bytes(), whom.1.as_bytes(), &bytes[1..]]);
    bytes[0] = version;
    bytes.extend_from_slice(&tag[..16]);
    Ok(base64url::encode(&bytes))
}

pub fn read(core: &Core, whom: (&str, &str), nonce: &str, now_ms: i64) -> NonceReading {
    let Some(bytes) = base64url::decode(nonce).filter(|bytes| bytes.len() == LENGTH) else { return NonceReading::Foreign };
    let (fields, tag) = bytes.split_at(LENGTH - 16);
    let parts = [core.config.issuer.as_bytes(), whom.0.as_bytes(), whom.1.as_bytes(), &fields[1..]];
    let made = core.keyring.mac_with(fields[0], LABEL, &parts);
    if !made.is_some_and(|made| digest::equal(&made[..16], tag)) {
        return NonceReading::Foreign;
    }
    let mut instant = [0; 8];
    instant[2..].copy_from_slice(&fields[1..7]);
    let made_ms = i64::from_be_bytes(instant);
    let is_void = core.recovery.is_forgotten(made_ms);
    if is_void || now_ms + AHEAD_MS < made_ms || now_ms >= made_ms + LIFETIME_MS { NonceReading::Old } else { NonceReading::Good(made_ms) }
}
